"""How good text is that a model has written, and how much it knows of text it has not: masked diffusion beside tiny-lm.

Sources: perplexity of samples under another model ("generative perplexity"), as in Sahoo et al. 2024 (MDLM), section 5;
distinct n-grams, Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5;
the bound, Nie et al. 2025 (LLaDA), equation (6), whose integral over t is a sum over the number of masks.

    perplexity  exp(mean over written i of -log p_AR(x_i | x_<i))       of the text, under tiny-lm at temperature 1
    distinct-2  different pairs of neighbours / all pairs                within one row, over what was written
    bound       mean over l = 1 .. n of mean over masked i of -log p(x_i | visible), l random masks of n: >= -log p / n

Low perplexity alone is no quality: a text that says one word for ever has the lowest. So the two are shown together.

Axes: b rows, n positions, t tokens.

Conventions: perplexities are of the mean over all rows, not a mean of perplexities. Nats throughout.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor

from models import masked_lm, tiny_lm
from models.continuation import fill
from models.fields import no_tick
from models.masked_lm import MaskedLM
from models.tiny_lm import WEIGHTS, TinyLM
from models.unmasking import ORDERS, unmask

PROMPTS = ("My lord, ", "[Enter KING", "念奴娇\n", "水调歌头\n", "class Error(", "def read(self")  # five tokens each
N_SAMPLE = 4  # of each prompt
LENGTH = 32  # tokens written
STEPS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Written:
    """Text written in a number of passes, as numbers."""

    steps: int  # passes
    nats: float  # mean -log p under tiny-lm, per token written
    distinct: float  # different pairs of neighbours, as a share

    @property
    def perplexity(self) -> float:
        return math.exp(self.nats)


@torch.no_grad()
def surprise(model: TinyLM, ids: Int[Tensor, "b t"]) -> Float[Tensor, "b u"]:
    """-log p of each token from the second on, under tiny-lm."""
    logits = model(ids)[0][:, :-1]
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").unflatten(0, (len(ids), -1))


def distinct(row: list[int], n: int = 2) -> float:
    """Different n-grams as a share of all; 1 for a text too short to have two."""
    grams = [tuple(row[i : i + n]) for i in range(len(row) - n + 1)]
    return len(set(grams)) / len(grams) if len(grams) > 1 else 1.0


def judged(model: TinyLM, ids: Int[Tensor, "b t"], free: Bool[Tensor, "t"], steps: int) -> Written:
    """A batch of written text; `free` says what of it was written."""
    nats = surprise(model, ids)[:, free[1:]]
    shares = [distinct(row) for row in ids[:, free].tolist()]
    return Written(steps, float(nats.mean()), sum(shares) / len(shares))


@dataclass(frozen=True)
class Way:
    """How the masked model writes."""

    order: str = "confidence"
    temperature: float = 0.8
    block: int = LENGTH
    remask: float = 0.0


def blanks(prompts: tuple[str, ...], length: int, n_row: int) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "t"]]:
    """(each prompt `n_row` times, with `length` places after it, the places, which are free).

    Raises:
        ValueError: prompts of different lengths, which do not fit into one batch.
    """
    starts = [tiny_lm.load().encode(prompt) for prompt in prompts]
    if len({len(start) for start in starts}) > 1:
        raise ValueError("the prompts differ in their numbers of tokens")
    ids = F.pad(torch.tensor(starts), (0, length)).repeat_interleave(n_row, dim=0)
    return ids, torch.arange(ids.shape[1]) >= len(starts[0])


def quality(
    way: Way, steps: tuple[int, ...] = STEPS, n_sample: int = N_SAMPLE, seed: int = 0,
    tick: Callable[[float], None] = no_tick,
) -> tuple[tuple[Written, ...], Written]:  # fmt: skip
    """(diffusion's text for each number of steps, tiny-lm's own), for all PROMPTS at one temperature."""
    judge, model = tiny_lm.load(), masked_lm.load()
    never = (judge.bos,)
    ids, free = blanks(PROMPTS, LENGTH, n_sample)
    work, done = sum(steps) + 6, 0  # the cached model takes as long as six passes, roughly

    def predict(rows: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        nonlocal done
        done += 1
        tick(min(1.0, done / work))
        return masked_lm.predict(model, rows, never)

    found = []
    for count in steps:
        filling = unmask(
            predict, ids, free, model.mask, order=way.order, n_step=count, block=way.block, remask=way.remask,
            temperature=way.temperature, generator=torch.Generator().manual_seed(seed), n_guess=0,
        )  # fmt: skip
        found.append(judged(judge.model, filling.ids[-1], free, len(filling.plan)))
    generator = torch.Generator().manual_seed(seed)
    own, _ = fill(judge.model, ids, free, temperature=way.temperature, generator=generator, never=never)
    tick(1.0)
    return tuple(found), judged(judge.model, own.ids[-1], free, LENGTH)


# --- text it has not seen --------------------------------------------------------------------------------------------


def held_out() -> dict[str, Int[Tensor, "r t"]]:
    """Rows of <bos> and held-out text of each domain."""
    return {name: ids.long() for name, ids in load_file(WEIGHTS / "masked_lm.heldout.safetensors").items()}


@torch.no_grad()
def bound(
    model: MaskedLM, ids: Int[Tensor, "b t"], counts: tuple[int, ...], generator: torch.Generator
) -> Float[Tensor, "l"]:
    """Mean -log p of a masked token when l tokens of each row are masked, for every l in `counts`.

    Its mean over all l = 1 .. n is the bound (LLaDA, equation 6): no 1/t, hence little variance.
    """
    found = []
    for count in counts:
        noise = torch.rand(ids.shape, generator=generator)
        noise[:, 0] = 2.0
        masked = noise.argsort(-1).argsort(-1) < count
        logits = model(ids.masked_fill(masked, model.mask))
        found.append(F.cross_entropy(logits[masked], ids[masked]))
    return torch.stack(found)


def measured(n_sample: int = 16) -> dict[str, object]:
    """What the card says of the shipped weights."""
    model, judge = masked_lm.load(), tiny_lm.load()
    rows = held_out()
    n = next(iter(rows.values())).shape[1] - 1
    counts = tuple(range(1, n + 1, 3))
    bounds = {
        name: round(float(bound(model, ids, counts, torch.Generator().manual_seed(1)).mean()), 4)
        for name, ids in rows.items()
    }
    exact = {name: round(float(surprise(judge.model, ids).mean()), 4) for name, ids in rows.items()}
    written: dict[str, object] = {}
    for order in ORDERS:
        found, own = quality(Way(order), n_sample=n_sample)
        written[order] = {
            "steps": [one.steps for one in found],
            "perplexity": [round(one.perplexity, 2) for one in found],
            "distinct_2": [round(one.distinct, 4) for one in found],
        }
        written["autoregressive"] = {"perplexity": round(own.perplexity, 2), "distinct_2": round(own.distinct, 4)}
    return {
        "held_out_bound": bounds,
        "held_out_autoregressive": exact,
        "written": written,
        "written_at": {
            "temperature": Way().temperature,
            "length": LENGTH,
            "prompts": len(PROMPTS),
            "samples": n_sample,
        },
    }
