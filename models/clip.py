"""CLIP: pictures and captions as vectors of one space, taught by nothing but which belongs to which.

Sources: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section 2.3 and
figure 3. Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", section 3. The towers, trained on drawn
scenes: models/scene_clip.py. What they learned when: clip_training.py. What they can do: clip_uses.py and
clip_measures.py. Beside the twin that learned with the other loss: clip_twin.py.

    s_pt = cosine(picture_p, caption_t)              z_pt = s_pt / temperature (+ bias)
    row      share_pt = softmax over t               the picture chooses among the captions
    column   share_pt = softmax over p               the caption chooses among the pictures
    sigmoid  share_pt = 1 / (1 + exp(-z_pt))         every pair is judged alone; only here the bias matters
    trained  as the loss that trained them sees it: softmax of the row, or sigmoid

Glossary
    p, t     picture, caption; those with the same number belong together
    chance   the loss of one who knows nothing: log N for the softmax loss
    recall   share of pictures whose own caption is nearest (and of captions)

Axes: n snapshot of the training, p picture, t caption.

Conventions: temperature and bias of the page take the place of the learned ones at every snapshot, so that pictures of
two steps differ by the vectors alone; judged as "trained", they are those that training had reached. Losses are those
of the N pairs shown, in nats.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from models import clip_claims, clip_reference
from models.clip_training import N_PAIR, Training, pairs, training
from models.fields import Choice, LogRange, Range, Text
from models.scene_captions import LANGUAGES
from models.scene_clip import LOSSES, load, sigmoid_loss, softmax_loss

N_STEP = 1_600
JUDGES = ("row", "column", "sigmoid", "trained")
GROUPS = ("both", "seen", "held_out")
SCENE = "white; large red circle 30 40; small blue star 72 66"
LABELS = "a red circle and a blue star; a blue circle and a red star; a green heart; 红色圆形; 黑色圆环"


@dataclass(frozen=True)
class Config:
    """A batch of pairs, how it is judged, and what is asked of the trained towers."""

    number: Annotated[int, Range(2, N_PAIR)] = 10
    temperature: Annotated[float, LogRange(0.005, 1.0)] = 0.032  # next to what was learned
    judge: Annotated[str, Choice(*JUDGES)] = "row"
    trained: Annotated[str, Choice(*LOSSES)] = "softmax"
    tongue: Annotated[str, Choice("page", *LANGUAGES)] = "page"  # where there is no page: English
    labels: Annotated[str, Text(200)] = LABELS
    group: Annotated[str, Choice(*GROUPS)] = "both"
    bias: Annotated[float, Range(-30.0, 10.0, 0.5)] = -20.0
    query: Annotated[str, Text(200)] = "a green star"
    scene: Annotated[str, Text(400)] = SCENE
    step: Annotated[int, Range(0, N_STEP)] = N_STEP
    row: Annotated[int, Range(0, N_PAIR - 1)] = 0
    column: Annotated[int, Range(0, N_PAIR - 1)] = 0

    @property
    def language(self) -> str:
        """Of the captions: one of LANGUAGES."""
        return LANGUAGES[0] if self.tongue == "page" else self.tongue


@dataclass(frozen=True)
class Trace:
    """N pictures against N captions, at every snapshot."""

    trained: str  # the loss that trained the towers
    judge: str  # "row", "column" or "sigmoid"
    temperature: Float[Tensor, "n"]  # used for the shares and losses
    bias: Float[Tensor, "n"]
    step: tuple[int, ...]
    picture: UInt8[Tensor, "p y x 3"]
    text: tuple[str, ...]
    held_out: tuple[bool, ...]  # p
    similarity: Float[Tensor, "n p t"]
    share: Float[Tensor, "n p t"]
    softmax: Float[Tensor, "n"]  # both losses of this matrix, whatever trained it
    sigmoid: Float[Tensor, "n"]
    recall_text: Float[Tensor, "n"]
    recall_picture: Float[Tensor, "n"]
    learned: Float[Tensor, "n"]  # the temperature that training had reached by itself
    learned_bias: Float[Tensor, "n"]  # 0 with the softmax loss


def shown(cfg: Config) -> Config:
    """What the first picture depends on: all else is as it was at first, so that it is not computed anew."""
    kept = ("number", "temperature", "judge", "trained", "tongue", "group", "bias")
    return Config(**{name: getattr(cfg, name) for name in kept})


def swept(cfg: Config) -> Config:
    """What the losses over the temperature depend on."""
    return replace(shown(cfg), temperature=Config().temperature, judge=Config().judge, step=cfg.step)


Number = float | Float[Tensor, "n 1 1"]  # the same at every snapshot, or one for each


def logits(similarity: Float[Tensor, "*n p t"], temperature: Number, bias: Number = 0.0) -> Float[Tensor, "*n p t"]:
    """z."""
    return similarity / temperature + bias


def share(
    similarity: Float[Tensor, "*n p t"], judge: str, temperature: Number, bias: Number
) -> Float[Tensor, "*n p t"]:
    """What each cell is given."""
    if judge == "sigmoid":
        return torch.sigmoid(logits(similarity, temperature, bias))
    return torch.softmax(logits(similarity, temperature), -1 if judge == "row" else -2)


@torch.no_grad()
def trace(cfg: Config) -> Trace:
    """From the snapshots: no tower runs."""
    found, every = training(cfg.trained), pairs()
    at = every.order(cfg.group)[: cfg.number]
    language = LANGUAGES.index(cfg.language)
    s = found.image[:, at] @ found.text[:, language, at].mT
    own = torch.arange(len(at))
    judge, temperature, bias = judged(cfg, found)
    z = logits(s, temperature[:, None, None])
    return Trace(
        trained=cfg.trained,
        judge=judge,
        temperature=temperature,
        bias=bias,
        step=found.step,
        picture=every.picture[at],
        text=tuple(every.text[language][i] for i in at),
        held_out=tuple(every.scene[i].held_out for i in at),
        similarity=s,
        share=share(s, judge, temperature[:, None, None], bias[:, None, None]),
        softmax=torch.stack([softmax_loss(one) for one in z]),
        sigmoid=torch.stack([sigmoid_loss(one) for one in z + bias[:, None, None]]),
        recall_text=(s.argmax(2) == own).float().mean(1),
        recall_picture=(s.argmax(1) == own).float().mean(1),
        learned=1 / found.scale,
        learned_bias=found.bias,
    )


def judged(cfg: Config, found: Training) -> tuple[str, Float[Tensor, "n"], Float[Tensor, "n"]]:
    """Judge, temperature and bias at every snapshot. The softmax loss learns no bias: the page's stays."""
    chosen = torch.full_like(found.scale, cfg.bias)
    if cfg.judge != "trained":
        return cfg.judge, torch.full_like(found.scale, cfg.temperature), chosen
    return ("row", 1 / found.scale, chosen) if cfg.trained == "softmax" else ("sigmoid", 1 / found.scale, found.bias)


def at(trace: Trace, step: int) -> int:
    """The snapshot next to a step."""
    return min(range(len(trace.step)), key=lambda i: abs(trace.step[i] - step))


def facts(trace: Trace, step: int = N_STEP, row: int = 0, column: int = 0) -> dict[str, float | int | str]:
    """The numbers that the captions name, of the snapshot and the cell shown."""
    i, n = at(trace, step), len(trace.text)
    p, t = min(row, n - 1), min(column, n - 1)
    s, part = trace.similarity[i], trace.share[i]
    off = s.clone().fill_diagonal_(-2)
    rival = int(off[p].argmax())
    diagonal = s.diagonal()
    temperature, bias = float(trace.temperature[i]), float(trace.bias[i])
    z = logits(s, temperature, bias if trace.judge == "sigmoid" else 0.0)
    return {
        "n": n,
        "step": trace.step[i],
        "trained": trace.trained,
        "temperature": temperature,
        "learned": float(trace.learned[i]),
        "learned_bias": float(trace.learned_bias[i]),
        "scale": 1 / temperature,
        "bias": bias,
        "softmax": float(trace.softmax[i]),
        "sigmoid": float(trace.sigmoid[i]),
        "chance": float(torch.tensor(float(n)).log()),
        "n_text": round(float(trace.recall_text[i]) * n),
        "n_picture": round(float(trace.recall_picture[i]) * n),
        "picture": p + 1,
        "caption": t + 1,
        "text": trace.text[t],
        "cell": float(s[p, t]),
        "cell_logit": float(z[p, t]),
        "cell_share": float(part[p, t]),
        "belongs": "=" if p == t else "≠",
        "own": float(s[p, p]),
        "own_share": float(part[p, p]),
        "rival": rival + 1,
        "rival_text": trace.text[rival],
        "rival_cosine": float(s[p, rival]),
        "rival_share": float(part[p, rival]),
        "mean_right": float(diagonal.mean()),
        "mean_wrong": float((s.sum() - diagonal.sum()) / max(1, n * (n - 1))),
        "sum_row": float(part[p].sum()),
        "n_pair": n * n,
        "n_text_untrained": round(float(trace.recall_text[0]) * n),
        "last": trace.step[-1],
        "n_held_out": sum(trace.held_out),
    }


@dataclass(frozen=True)
class Sweep:
    """Both losses of one matrix over the temperature."""

    temperature: tuple[float, ...]
    text: tuple[str, ...]
    row: Float[Tensor, "k p t"]  # share of each pair by the softmax over captions
    alone: Float[Tensor, "k p t"]  # by the sigmoid with `bias`
    softmax: Float[Tensor, "k"]
    sigmoid: Float[Tensor, "k"]
    best: Float[Tensor, "k"]  # the sigmoid loss with the bias that suits this temperature best
    best_bias: Float[Tensor, "k"]
    pull: Float[Tensor, "k"]  # share of each picture's softmax gradient that its hardest wrong caption carries, mean
    chance: float


# every stop of Config.temperature
TEMPERATURES = tuple(sorted({Config.temperature, *(float(f"{0.005 * 200 ** (i / 18):.3g}") for i in range(19))}))
BIASES = torch.linspace(-220, 20, 961)  # low enough for the smallest temperature


@torch.no_grad()
def sweep(cfg: Config) -> Sweep:
    """At the step shown."""
    seen = trace(cfg)
    s = seen.similarity[at(seen, cfg.step)]
    n = len(s)
    rows, alone, softmax, sigmoid, best, best_bias, pull = [], [], [], [], [], [], []
    wrong = ~torch.eye(n, dtype=torch.bool)
    for temperature in TEMPERATURES:
        z = logits(s, temperature)
        rows.append(torch.softmax(z, 1))
        alone.append(torch.sigmoid(z + cfg.bias))
        softmax.append(softmax_loss(z))
        sigmoid.append(sigmoid_loss(z + cfg.bias))
        biases = BIASES[BIASES + 1 / temperature > -5]  # below, even cosine 1 would be no pair
        losses = torch.stack([sigmoid_loss(z + b) for b in biases])
        best.append(losses.min())
        best_bias.append(biases[losses.argmin()])
        mass = torch.softmax(z.masked_fill(~wrong, -torch.inf), 1)
        pull.append(mass.max(1).values.mean())
    return Sweep(
        temperature=TEMPERATURES,
        text=seen.text,
        row=torch.stack(rows),
        alone=torch.stack(alone),
        softmax=torch.stack(softmax),
        sigmoid=torch.stack(sigmoid),
        best=torch.stack(best),
        best_bias=torch.stack(best_bias),
        pull=torch.stack(pull),
        chance=float(torch.tensor(float(n)).log()),
    )


def sweep_facts(found: Sweep, temperature: float) -> dict[str, float]:
    """What the note beside it names."""
    k = min(range(len(found.temperature)), key=lambda i: abs(found.temperature[i] / temperature - 1))
    low = int(found.softmax.argmin())
    return {
        "temperature": found.temperature[k],
        "softmax": float(found.softmax[k]),
        "sigmoid": float(found.sigmoid[k]),
        "best": float(found.best[k]),
        "best_bias": float(found.best_bias[k]),
        "lowest": float(found.softmax[low]),
        "lowest_at": found.temperature[low],
        "softmax_one": float(found.softmax[-1]),
        "chance": found.chance,
        "pull": float(found.pull[k]),
        "pull_low": float(found.pull[0]),
        "pull_one": float(found.pull[-1]),
    }


def check(cfg: Config) -> dict[str, float]:
    """Both losses against transformers' CLIPModel and SiglipModel and by slow loops; the text tower, copied."""
    seen = trace(cfg)
    i = at(seen, cfg.step)
    return clip_reference.differences(load(), seen.similarity[i], float(seen.temperature[i]), float(seen.bias[i]))


CLAIMS = {
    "binding": clip_claims.binding,
    "one-space": clip_claims.one_space,
    "anything": clip_claims.anything,
    "blocks": clip_claims.blocks,
    "temperature": clip_claims.temperature,
    "batch": clip_claims.batch,
}
