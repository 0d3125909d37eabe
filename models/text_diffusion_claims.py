"""What the claims of the page text-diffusion rest on: counted, measured on the shipped models, or exact.

Sources: the claims come from an overview of text diffusion; the counts from models/unmasking.py, the measurements from
models/text_quality.py, on 32 tokens after six prompts.
"""

import functools
import time

import torch

from models import masked_lm, text_quality, tiny_lm
from models.continuation import fill
from models.independence import thrown
from models.unmasking import plan, unmask


def beginning() -> dict[str, float | int | str]:
    """Claim: autoregressive generation starts from [MASK]. What tiny-lm starts from."""
    lm, model = tiny_lm.load(), masked_lm.load()
    return {
        "start": lm.label([lm.bos])[0],
        "n_token": lm.vocab_size,
        "mask": model.mask,
        "n_known": len(lm.model.embedding),
    }


def one_by_one() -> dict[str, float | int]:
    """Claim: the demonstration with four tokens in four steps. Counted by the plan."""
    return {
        "n_token": 4,
        "passes": len(plan(4, 4, 4)),
        "passes_two": len(plan(4, 2, 4)),
        "per_pass_two": plan(4, 2, 4)[0].fills,
    }


@functools.lru_cache(maxsize=1)
def _usual() -> tuple[tuple[text_quality.Written, ...], text_quality.Written]:
    return text_quality.quality(text_quality.Way(), (1, 4, 8, 32))


def knob() -> dict[str, float | int]:
    """Claim: a fixed number of steps, 10 to 50. Perplexity of what is written in 1, 4, 8 and 32 passes."""
    found, own = _usual()
    said: dict[str, float | int] = {"own": own.perplexity, "own_distinct": own.distinct}
    for one in found:
        said |= {f"perplexity_{one.steps}": one.perplexity, f"distinct_{one.steps}": one.distinct}
    return said


@torch.no_grad()
def speed() -> dict[str, float | int]:
    """Claim: parallel, so faster. Passes, tokens through the model and seconds, for 64 tokens in 8 passes and in 64."""
    lm, model = tiny_lm.load(), masked_lm.load()
    ids, free = text_quality.blanks(text_quality.PROMPTS[:1], 64, 1)

    def seconds(n_step: int) -> float:
        best = float("inf")
        for _ in range(2):  # the first run also warms up
            started = time.perf_counter()
            if n_step:
                unmask(
                    model, ids, free, model.mask, order="confidence", n_step=n_step, block=64, temperature=0.0,
                    generator=torch.Generator(), n_guess=0,
                )  # fmt: skip
            else:
                fill(lm.model, ids, free, temperature=0.0, generator=torch.Generator())
            best = min(best, time.perf_counter() - started)
        return best

    n = ids.shape[1]
    few, many, own = seconds(8), seconds(64), seconds(0)
    return {
        "forwards_few": 8 * n,
        "forwards_many": 64 * n,
        "forwards_ar": n - 1,
        "ms_few": 1e3 * few,
        "ms_many": 1e3 * many,
        "ms_ar": 1e3 * own,
        "speedup": own / few,
        "slowdown": many / own,
    }


def coins() -> dict[str, float]:
    """Claim: drawing in parallel costs nothing. The page's sampler on two coins that always agree."""
    one, two = (float(thrown(1.0, n_step, 20_000, 0)[1:3].sum()) for n_step in (1, 2))
    return {"one": one, "two": two}


CLAIMS = {"beginning": beginning, "one-by-one": one_by_one, "knob": knob, "speed": speed, "coins": coins}
