"""What the experts of a trained mixture specialise in, measured on text it never saw.

Sources: normalised mutual information as in Vinh, Epps & Bailey 2010, section 2, with the arithmetic mean of the two
entropies. Which tokens an expert gets: the question of Zoph et al. 2022, "ST-MoE", section 7, and of Jiang et al. 2024,
"Mixtral of Experts", section 5.

    MI(E; C)   = sum_ec p(e, c) log(p(e, c) / (p(e) p(c)))   in nats; p from the counts of assignments
    NMI        = MI / ((H(E) + H(C)) / 2)                    0: the expert says nothing about the class; 1: they are one
    lift       = share of the token in the expert's work / share of the token in the text

Glossary
    count     assignments (token, expert) that were served, expert by class
    domain    where the text comes from                      class     what kind of piece the token is
    random    a router that ignores the token                untrained a router with its weights drawn anew

Two baselines, because a high NMI is cheap: a router that ignores the token has none, but one whose weights were never
trained sends equal tokens to equal experts and so has some. What training adds is the rest.

Conventions: a token with k experts counts k times. The <bos> that begins every row is left out. Rows go through the
model three at a time, one of each domain, as in training. With a capacity every row goes alone: experts serve whoever
comes first, and in a batch the last domain would be dropped for the others' sake.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.balancing import load_entropy
from models.fields import no_tick
from models.tiny_lm import BOS
from models.tiny_moe import AS_TRAINED, DOMAINS, LayerTrace, Switches, held_out, label, load

CLASSES = ("special", "newline", "space", "digit", "punctuation", "han", "byte", "capital", "word", "piece")


def token_class(piece: str) -> str:
    """One of CLASSES, from what the token shows alone (`models.tiny_moe.label`).

    newline is white space that ends a line, space is white space that ends in a space: Python's indentation, often
    together with the line break before it. byte is part of a character; capital begins with a capital letter; word
    begins with a space; piece is the rest of a word, or a word at the start of a line.
    """
    if piece == BOS:
        return "special"
    body = piece.replace("↵", " ").strip()
    if not body:
        return "newline" if piece[-1] == "↵" else "space"
    if "<0x" in body:
        return "byte"
    kinds = {unicodedata.category(c)[0] for c in body}
    if "L" not in kinds:
        return "digit" if kinds == {"N"} else "punctuation"
    if any("CJK" in unicodedata.name(c, "") for c in body):
        return "han"
    first = next(c for c in body if c.isalpha())
    if first.isupper():
        return "capital"
    return "word" if piece[0] == " " else "piece"


def mutual_information(count: Float[Tensor, "e c"]) -> float:
    """In nats. 0 for an empty table."""
    p = count.double() / count.sum().clamp_min(1)
    outer = p.sum(1, keepdim=True) * p.sum(0)
    return float((torch.special.xlogy(p, p) - torch.special.xlogy(p, outer)).sum().clamp_min(0))


def normalised_mutual_information(count: Float[Tensor, "e c"]) -> float:
    """0 to 1. 0 where one side never varies: then there is nothing to tell."""
    p = count.double() / count.sum().clamp_min(1)
    mean = float(torch.special.entr(p.sum(0)).sum() + torch.special.entr(p.sum(1)).sum()) / 2
    return mutual_information(count) / mean if mean > 0 else 0.0


@dataclass(frozen=True)
class Layer:
    """One router's work on the held-out text."""

    by_domain: Float[Tensor, "e d"]
    by_class: Float[Tensor, "e c"]
    by_token: Float[Tensor, "e v"]
    load: Float[Tensor, "e"]  # shares of all assignments
    load_entropy: float  # 1: all experts work equally
    nmi_domain: float
    nmi_class: float
    random_domain: float  # the same of a router that ignores the token
    random_class: float
    untrained_domain: float  # the same of a router whose weights were drawn anew
    untrained_class: float


@dataclass(frozen=True)
class Specialisation:
    """All routers of one model."""

    ids: Int[Tensor, "d r t"]  # the held-out text
    served: Bool[Tensor, "l d r t e"]  # which token went to which expert
    layers: tuple[Layer, ...]
    loss: dict[str, float]  # per domain, nats per token


def token_classes(vocab_size: int) -> Int[Tensor, "v"]:
    """The class of every token id, as an index into CLASSES."""
    return torch.tensor([CLASSES.index(token_class(piece)) for piece in label(list(range(vocab_size)))])


@torch.no_grad()
def read(
    variant: str, how: Switches = AS_TRAINED, n_row: int = 16, tick: Callable[[float], None] = no_tick
) -> tuple[Float[Tensor, "d r u"], list[tuple[LayerTrace, ...]]]:
    """The loss of each token after the first, u = t - 1, and the routers' traces with b = one row of each domain."""
    model, rows = load(variant), held_out()
    ids = torch.stack([rows[name][:n_row] for name in DOMAINS])
    losses, traces = [], []
    for i in range(ids.shape[1]):
        # Rows differ in their noise, not only in their text; a router drawn anew stays the same for all of them.
        batches = ids[:, i].split(1 if how.capacity_factor else len(ids))
        seeds = [
            how.seed if how.gate == "untrained" else how.seed * 1_009 + i * len(batches) + d
            for d in range(len(batches))
        ]
        read = [model(batch, replace(how, seed=seed)) for batch, seed in zip(batches, seeds, strict=True)]
        logits = torch.cat([logits for logits, _ in read])
        losses.append(F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, i, 1:], reduction="none"))
        traces.append(tuple(_joined(layer) for layer in zip(*(trace for _, trace in read), strict=True)))
        tick((i + 1) / ids.shape[1])
    return torch.stack(losses, dim=1), traces


def _joined(parts: tuple[LayerTrace, ...]) -> LayerTrace:
    """One layer's traces of several batches as the trace of one."""
    return LayerTrace(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(LayerTrace)))


def loss_per_domain(
    variant: str, how: Switches = AS_TRAINED, n_row: int = 16, tick: Callable[[float], None] = no_tick
) -> dict[str, float]:
    """{domain: mean loss in nats per token} on the first `n_row` held-out rows of each."""
    loss = read(variant, how, n_row, tick)[0]
    return {name: float(value) for name, value in zip(DOMAINS, loss.mean((1, 2)), strict=True)}


def counts(
    ids: Int[Tensor, "d r t"], served: Bool[Tensor, "d r t e"], classes: Int[Tensor, "v"]
) -> tuple[Float[Tensor, "e d"], Float[Tensor, "e c"], Float[Tensor, "e v"]]:
    """Assignments by domain, by class and by token, without the first position."""
    inside, token = served[:, :, 1:].double(), ids[:, :, 1:].flatten()
    flat = inside.flatten(0, 2).T
    by_token = torch.zeros(len(flat), len(classes), dtype=torch.float64).index_add_(1, token, flat)
    by_class = torch.zeros(len(flat), len(CLASSES), dtype=torch.float64).index_add_(1, classes, by_token)
    return inside.sum((1, 2)).T.float(), by_class.float(), by_token.float()


def specialisation(
    variant: str = "moe", how: Switches = AS_TRAINED, tick: Callable[[float], None] = no_tick
) -> Specialisation:
    """Everything at once, on all held-out rows. A dense variant has no layers."""
    classes = token_classes(load(variant).cfg.vocab_size)
    ids = torch.stack([held_out()[name] for name in DOMAINS])

    def served_by(how: Switches, part: int) -> tuple[Float[Tensor, "d r u"], list[Bool[Tensor, "d r t e"]]]:
        loss, traces = read(variant, how, ids.shape[1], lambda done: tick((part + done) / 3))
        return loss, [torch.stack([trace.kept for trace in layer], dim=1) for layer in zip(*traces, strict=True)]

    def scores(served: Bool[Tensor, "d r t e"]) -> tuple[float, float]:
        by_domain, by_class, _ = counts(ids, served, classes)
        return normalised_mutual_information(by_domain), normalised_mutual_information(by_class)

    loss, served = served_by(how, 0)
    random = served_by(replace(how, gate="random"), 1)[1] if served else []
    untrained = served_by(replace(how, gate="untrained"), 2)[1] if served else []
    layers = []
    for trained, ignoring, fresh in zip(served, random, untrained, strict=True):
        by_domain, by_class, by_token = counts(ids, trained, classes)
        share = by_domain.sum(1) / by_domain.sum().clamp_min(1)
        entropy = float(load_entropy(share))
        layers.append(
            Layer(by_domain, by_class, by_token, share, entropy, *scores(trained), *scores(ignoring), *scores(fresh))
        )
    stacked = torch.stack(served) if served else torch.zeros(0, *ids.shape, 0, dtype=torch.bool)
    losses = {name: float(value) for name, value in zip(DOMAINS, loss.mean((1, 2)), strict=True)}
    return Specialisation(ids, stacked, tuple(layers), losses)


# --- favourites ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Favourite:
    """A token that an expert gets more often than its share."""

    token: int
    label: str
    lift: float  # 1: as often as any other token
    count: int  # times this expert got it
    share: float  # of all its occurrences
    contexts: tuple[tuple[str, str, str], ...]  # (before, the token, after), as labels joined


def favourites(
    found: Specialisation, layer: int, n_token: int = 8, least: int = 8, n_context: int = 2, width: int = 5
) -> tuple[tuple[Favourite, ...], ...]:
    """Per expert the tokens with the largest count * log(lift), among those that it got at least `least` times.

    A high lift alone favours the rare: whatever goes to one expert only has the same lift, the largest there is. Parts
    of a character are left out, for nobody can read them. Ties: the lower token id.
    Contexts: up to `n_context` places where the expert got the token, spread over the text, `width` tokens either side.
    """
    by_token = found.layers[layer].by_token
    text = torch.bincount(found.ids[:, :, 1:].flatten(), minlength=by_token.shape[1]).float()
    rows = found.ids.flatten(0, 1)
    pieces = [label(row) for row in rows.tolist()]
    lift = (by_token / by_token.sum(1, keepdim=True).clamp_min(1)) / (text / text.sum()).clamp_min(1e-12)
    parts = token_classes(len(text)) == CLASSES.index("byte")
    lift[(by_token < least) | parts] = 0.0
    worth = by_token * lift.clamp_min(1).log()
    made = []
    for e in range(len(lift)):
        order = worth[e].argsort(descending=True, stable=True)[:n_token].tolist()
        mine = found.served[layer, ..., e].flatten(0, 1)
        best = []
        for v in order:
            if lift[e, v] <= 1:
                break
            places = ((rows == v) & mine)[:, 1:].nonzero()
            n = min(n_context, len(places))
            contexts = []
            for row, before in places[[i * len(places) // n for i in range(n)]].tolist():
                piece, at = pieces[row], before + 1
                left, right = piece[max(1, at - width) : at], piece[at + 1 : at + 1 + width]
                contexts.append(("".join(left), piece[at], "".join(right)))
            count = int(by_token[e, v])
            best.append(Favourite(v, label([v])[0], float(lift[e, v]), count, count / float(text[v]), tuple(contexts)))
        made.append(tuple(best))
    return tuple(made)
