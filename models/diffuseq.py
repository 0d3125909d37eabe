"""DiffuSeq: source and target are one row of points, and only the target is noised.

Source: Gong et al. 2022, "DiffuSeq: Sequence to Sequence Text Generation with Diffusion Models", section 3.1 (partial
noising), section 3.2 (conditional denoising: the source part is put back at every step).

    z_0 = Emb(source) + Emb(target)                        joined, not added
    z_t = Emb(source) joined with sqrt(ab_t) Emb(target) + sqrt(1 - ab_t) epsilon          partial noising
    denoiser    E[z_0 | z_t] = sum_k p(pair k | z_t) z_0^k, the source as exact as it is

Three ways to ask for the target of one source, from the same noise:

    partial     only the target is noised; pairs with another source have probability 0
    both        both are noised and denoised freely: any pair may come out
    put back    both were noised in training; the source is overwritten at every step, noised as much as belongs there

Glossary
    pair      (source, target) of one word each, one coordinate each: the plane is source across, target up
    weight    how frequent a pair is; a source may have two targets, as words in translation do
    answered  the result's nearest pair has the source that was asked for

Axes: n frame (t = 0 to T), p point, k pair, r way.

Conventions: alpha_bar has index t, and ab_0 = 1; cosine schedule, DDPM's steps. Simplified: one coordinate per word,
placed by hand; the denoiser is the best possible one, so nothing is trained; the paper's sequences have many words.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.denoising_steps import ddpm_step
from models.noise_schedule import add_noise, schedule

SOURCES = ("light", "bank", "cat", "dog")
# (source, target, how frequent for its source); the places of the targets are their order in TARGETS
PAIRS = (
    (0, 3, 0.7), (0, 0, 0.3),
    (1, 5, 0.6), (1, 2, 0.4),
    (2, 1, 1.0),
    (3, 4, 1.0),
)  # fmt: skip
TARGETS = ("轻", "猫", "河岸", "光", "狗", "银行")
WAYS = ("partial", "both", "put_back")
N_POINT = 160


@dataclass(frozen=True)
class Trace:
    """The three ways to ask, from one seed, and what came out."""

    source: int
    pair: Float[Tensor, "k 2"]
    weight: Float[Tensor, "k"]
    source_of: Int[Tensor, "k"]
    target_of: Int[Tensor, "k"]
    alpha_bar: Float[Tensor, "n"]
    path: Float[Tensor, "r n p 2"]
    ends: Int[Tensor, "r p"]  # nearest pair
    share: Float[Tensor, "r k"]
    known: Float[Tensor, "k"]  # p(target | source) of the data
    answered: Float[Tensor, "r n"]  # share of points whose nearest pair has the asked source, at every t


def pairs() -> tuple[Float[Tensor, "k 2"], Float[Tensor, "k"]]:
    """Places and frequencies: every source as frequent as every other, mean 0 and mean square 1 in both axes."""

    def spread(n: int) -> Float[Tensor, "n"]:
        place = torch.arange(n) - (n - 1) / 2
        return place / place.square().mean().sqrt()

    across, up = spread(len(SOURCES)), spread(len(TARGETS))
    place = torch.tensor([[float(across[s]), float(up[t])] for s, t, _ in PAIRS])
    return place, torch.tensor([w for _, _, w in PAIRS]) / len(SOURCES)


def noise_left(n_step: int) -> Float[Tensor, "n"]:
    """alpha_bar for t = 0 to T, cosine."""
    whole = schedule("cosine")
    at = (torch.arange(n_step + 1) / n_step * len(whole)).round().long().clamp(min=1) - 1
    kept = whole[at].clamp(min=1e-5)
    kept[0] = 1.0
    return kept


def denoiser(
    z: Float[Tensor, "p 2"],
    alpha_bar: Float[Tensor, ""],
    pair: Float[Tensor, "k 2"],
    weight: Float[Tensor, "k"],
    source: Float[Tensor, ""] | None,
) -> tuple[Float[Tensor, "p 2"], Float[Tensor, "p k"]]:
    """The best guess at z_0 and how likely each pair is. source: the exact coordinate, None if it is noised, too."""
    far = (z[:, None] - alpha_bar.sqrt() * pair).square()
    if source is None:
        likely = -far.sum(-1) / (2 * (1 - alpha_bar)) + weight.log()
    else:
        other = (pair[:, 0] - source).abs() > 1e-6
        likely = (-far[..., 1] / (2 * (1 - alpha_bar)) + weight.log()).masked_fill(other, -torch.inf)
    likely = likely.softmax(-1)
    return likely @ pair, likely


def ask(
    way: str,
    source: int,
    start: Float[Tensor, "p 2"],
    noise: Float[Tensor, "n p 2"],
    again: Float[Tensor, "n p"],
    alpha_bar: Float[Tensor, "n"],
) -> Float[Tensor, "n p 2"]:
    """From noise to pairs, frame 0 the result. again: the noise for a source that is put back."""
    pair, weight = pairs()
    given = pair[[s for s, _, _ in PAIRS].index(source), 0]
    z, film = start.clone(), []
    for t in range(len(alpha_bar) - 1, -1, -1):
        if way == "partial":
            z[:, 0] = given
        elif way == "put_back":
            z[:, 0] = add_noise(given.expand(len(z)), again[t], alpha_bar[t])
        film.append(z)
        if t:
            aim, _ = denoiser(z, alpha_bar[t], pair, weight, given if way == "partial" else None)
            z = ddpm_step(z, aim, alpha_bar[t], alpha_bar[t - 1], noise[t])
    return torch.stack(film[::-1])


def nearest(z: Float[Tensor, "*p 2"], pair: Float[Tensor, "k 2"]) -> Int[Tensor, "*p"]:
    """Rounding to a pair."""
    return (z[..., None, :] - pair).square().sum(-1).argmin(-1)


@torch.no_grad()
def trace(source: int, n_step: int, seed: int, n_point: int = N_POINT) -> Trace:
    """Ask for the targets of one source in three ways."""
    generator = torch.Generator().manual_seed(seed)
    pair, weight = pairs()
    alpha_bar = noise_left(n_step)
    start = torch.randn(n_point, 2, generator=generator)
    noise = torch.randn(n_step + 1, n_point, 2, generator=generator)
    again = torch.randn(n_step + 1, n_point, generator=generator)
    path = torch.stack([ask(way, source, start, noise, again, alpha_bar) for way in WAYS])
    source_of = torch.tensor([s for s, _, _ in PAIRS])
    mine = source_of == source
    known = torch.where(mine, weight, 0.0) / weight[mine].sum()
    ends = nearest(path[:, 0], pair)
    return Trace(
        source=source,
        pair=pair,
        weight=weight,
        source_of=source_of,
        target_of=torch.tensor([t for _, t, _ in PAIRS]),
        alpha_bar=alpha_bar,
        path=path,
        ends=ends,
        share=torch.stack([torch.bincount(one, minlength=len(pair)) / n_point for one in ends]),
        known=known,
        answered=mine[nearest(path, pair)].float().mean(-1),
    )


def facts(trace: Trace, t: int) -> dict[str, float | int | str]:
    """The numbers that the captions name, after t steps."""
    best = int(trace.known.argmax())
    said: dict[str, float | int | str] = {
        "t": t,
        "n_step": len(trace.alpha_bar) - 1,
        "alpha_bar": float(trace.alpha_bar[t]),
        "source": SOURCES[trace.source],
        "n_target": int((trace.known > 0).sum()),
        "target": TARGETS[int(trace.target_of[best])],
        "known": float(trace.known[best]),
        "n_source": len(SOURCES),
    }
    for r, way in enumerate(WAYS):
        said |= {
            f"answered_{way}": float(trace.answered[r, 0]),
            f"best_{way}": float(trace.share[r, best]),
            f"off_{way}": float((trace.share[r] - trace.known).abs().sum() / 2),
        }
    return said


def check(source: int, n_step: int) -> dict[str, float]:
    """The denoiser against Bayes in a loop, and that partial noising never moves the source."""
    found, (pair, weight) = trace(source, n_step, 0), pairs()
    t = max(1, n_step // 2)
    ab, given = float(found.alpha_bar[t]), float(pair[found.source_of == source][0, 0])
    z = found.path[0, t, 0]
    likely = [
        float(weight[k]) * math.exp(-((float(z[1]) - math.sqrt(ab) * float(pair[k, 1])) ** 2) / (2 * (1 - ab)))
        if abs(float(pair[k, 0]) - given) < 1e-6
        else 0.0
        for k in range(len(pair))
    ]
    aim = sum(w * float(pair[k, 1]) for k, w in enumerate(likely)) / sum(likely)
    mine, _ = denoiser(z[None], found.alpha_bar[t], pair, weight, torch.tensor(given))
    return {
        "denoiser": abs(aim - float(mine[0, 1])),
        "source moved by": float((found.path[0, ..., 0] - given).abs().max()),
        "shares sum to 1": float((found.share.sum(-1) - 1).abs().max()),
    }
