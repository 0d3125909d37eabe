"""Diffusion-LM: every word is a point, and ordinary Gaussian diffusion moves the points. At the end they are rounded.

Source: Li et al. 2022, "Diffusion-LM Improves Controllable Text Generation", section 4.1 (words as points), section 4.2
(predicting x_0, the clamping trick, rounding), appendix A (the sqrt schedule).

    x_0 = Emb(w),   x_t = sqrt(ab_t) x_0 + sqrt(1 - ab_t) epsilon                          forward
    sqrt schedule   ab_t = 1 - sqrt(t / T + s)                                             much noise early on
    denoiser        E[x_0 | x_t] = sum_w p(w | x_t) Emb(w)
                    p(w | x_t) ~ exp(-|x_t - sqrt(ab_t) Emb(w)|^2 / 2 (1 - ab_t))
    clamping        the predicted x_0 is replaced by the nearest Emb(w) before the step is taken
    rounding        the word whose point is nearest to x_t / sqrt(ab_t)

Glossary
    embedding    Emb, from tiny-lm's trained table; in the plane its two principal components, spread 1 in each axis
    accuracy     probability that rounding x_t gives the word that was noised
    clamped      the same noise, with clamping during the last steps
    gap          distance from a result to the nearest word, before rounding

Axes: n frame (t = 0 to T), p point, w word.

Conventions: alpha_bar has index t, and ab_0 = 1. Steps are DDPM's (models/denoising_steps.py), as in the authors' code.
Simplified: the denoiser is the best possible one, so nothing is trained; no sentence, each word stands alone; tiny-lm's
embedding is fixed, whereas the paper trains it together with the denoiser.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models import tiny_lm
from models.denoising_steps import ddpm_step
from models.noise_schedule import add_noise, schedule

SCHEDULES = ("sqrt", "cosine", "linear")
# Single tokens of tiny-lm's vocabulary, chosen so that no two lie close to each other in the plane.
WORDS = ("son", "value", "her", "lord", "key", "new", "give", "head")
N_POINT = 96
N_DRAW = 2048  # for the rounding accuracy that has no formula
N_ANGLE = 720
START = 1e-4  # the sqrt schedule's s


@dataclass(frozen=True)
class Trace:
    """Words on their way into noise, and noise on its way to words, without clamping and with it."""

    word: tuple[str, ...]
    embedding: Float[Tensor, "w 2"]
    clamp: float  # share of the steps, the last ones, in which the prediction is clamped
    alpha_bar: Float[Tensor, "n"]
    origin: Int[Tensor, "p"]
    forward: Float[Tensor, "n p 2"]
    plain: Float[Tensor, "n p 2"]
    plain_x0: Float[Tensor, "n p 2"]  # predicted at t; at t = 0 the result itself
    clamped: Float[Tensor, "n p 2"]
    clamped_x0: Float[Tensor, "n p 2"]
    gap: Float[Tensor, "r n"]  # mean distance from the predicted x_0 to the nearest word: plain, clamped
    moved: float  # share of the results that clamping has brought to another word
    accuracy: Float[Tensor, "n"]  # in the plane, by an integral
    drawn: Float[Tensor, "n"]  # in the plane, by drawing
    wide: Float[Tensor, "n"]  # in all 128 dimensions, by drawing


@lru_cache(maxsize=1)
@torch.no_grad()
def embeddings() -> tuple[Float[Tensor, "w 2"], Float[Tensor, "w m"]]:
    """The words' points in the plane, and in all dimensions; both with mean 0 and mean square 1 per coordinate."""
    model = tiny_lm.load()
    ids = [model.encode(f" {word}")[1] for word in WORDS]
    table = model.model.embedding[ids].double()
    table = table - table.mean(0)
    left, size, right = torch.linalg.svd(table, full_matrices=False)
    sign = right[:2].sum(1).sign()  # an axis may point either way: choose one
    plane = left[:, :2] * size[:2] * sign
    return (plane / plane.square().mean().sqrt()).float(), (table / table.square().mean().sqrt()).float()


def noise_left(name: str, n_step: int) -> Float[Tensor, "n"]:
    """alpha_bar for t = 0 to T."""
    part = torch.arange(n_step + 1) / n_step
    if name == "sqrt":
        kept = (1 - (part + START).sqrt()).clamp(min=START)
    else:
        whole = schedule(name)
        kept = whole[(part * len(whole)).round().long().clamp(min=1) - 1]
    kept[0] = 1.0
    return kept


def denoiser(
    x: Float[Tensor, "p d"], alpha_bar: Float[Tensor, ""], embedding: Float[Tensor, "w d"]
) -> tuple[Float[Tensor, "p d"], Float[Tensor, "p w"]]:
    """The best guess at x_0, and how likely each word is: Bayes, with all words equally frequent."""
    far = (x[:, None] - alpha_bar.sqrt() * embedding).square().sum(-1)
    likely = (-far / (2 * (1 - alpha_bar))).softmax(-1)
    return likely @ embedding, likely


def nearest(x: Float[Tensor, "*p d"], embedding: Float[Tensor, "w d"]) -> Int[Tensor, "*p"]:
    """Rounding: the word whose point is nearest."""
    return (x[..., None, :] - embedding).square().sum(-1).argmin(-1)


def reverse(
    x: Float[Tensor, "p 2"],
    noise: Float[Tensor, "n p 2"],
    alpha_bar: Float[Tensor, "n"],
    embedding: Float[Tensor, "w 2"],
    clamp: float,
) -> tuple[Float[Tensor, "n p 2"], Float[Tensor, "n p 2"]]:
    """From x at t = T to t = 0, one frame per t: where the points are, and the x_0 that the step is taken towards."""
    n_step = len(alpha_bar) - 1
    last = round(clamp * n_step)
    film, aims = [x], []
    for t in range(n_step, 0, -1):
        aim, _ = denoiser(x, alpha_bar[t], embedding)
        if t <= last:
            aim = embedding[nearest(aim, embedding)]
        x = ddpm_step(x, aim, alpha_bar[t], alpha_bar[t - 1], noise[t])
        film.append(x)
        aims.append(aim)
    return torch.stack(film[::-1]), torch.stack([x, *aims[::-1]])


def accuracy(embedding: Float[Tensor, "w 2"], alpha_bar: float) -> float:
    """Probability that a noised point still rounds to its word, in the plane, as an integral over the angle.

    In direction u the noise may be as long as r(u) = min_j |d_j|^2 / (2 s u.d_j), over the other words j in front, at
    d_j; a normal length in the plane stays below r with probability 1 - exp(-r^2 / 2).
    """
    if alpha_bar >= 1:
        return 1.0
    spread = math.sqrt((1 - alpha_bar) / alpha_bar)
    angle = torch.arange(N_ANGLE, dtype=torch.float64) * (2 * math.pi / N_ANGLE)
    way = torch.stack((angle.cos(), angle.sin()), -1)
    other = embedding.double()[None] - embedding.double()[:, None]
    ahead = other @ way.T  # from each word, towards each other word, in each direction
    reach = torch.where(
        ahead > 0, other.square().sum(-1, keepdim=True) / (2 * spread * ahead.clamp(min=1e-12)), torch.inf
    )
    return float((1 - (-reach.amin(1).square() / 2).exp()).mean())


def drawn_accuracy(
    embedding: Float[Tensor, "w d"], alpha_bar: Float[Tensor, "n"], generator: torch.Generator
) -> Float[Tensor, "n"]:
    """The same by drawing noise, in as many dimensions as the words have; one draw serves every t."""
    word = torch.arange(N_DRAW) % len(embedding)
    gap = (embedding[None] - embedding[:, None]).flatten(0, 1)  # the noise matters only along lines between words
    along = torch.randn(N_DRAW, embedding.shape[1], generator=generator) @ gap.T
    along = along.unflatten(1, (len(embedding), -1))[torch.arange(N_DRAW), word]
    half = gap.square().sum(-1).unflatten(0, (len(embedding), -1))[word] / 2
    spread = ((1 - alpha_bar) / alpha_bar).sqrt()
    return (spread[:, None, None] * along <= half).all(-1).float().mean(-1)


@torch.no_grad()
def trace(name: str, clamp: float, n_step: int, seed: int) -> Trace:
    """Forward and back, from one seed. name: of the schedule."""
    generator = torch.Generator().manual_seed(seed)
    embedding, wide = embeddings()
    alpha_bar = noise_left(name, n_step)
    origin = torch.arange(N_POINT) % len(WORDS)
    start = torch.randn(N_POINT, 2, generator=generator)
    noise = torch.randn(n_step + 1, N_POINT, 2, generator=generator)
    forward = add_noise(embedding[origin].expand(n_step + 1, -1, -1), start.expand_as(noise), alpha_bar[:, None, None])
    plain, plain_x0 = reverse(start, noise, alpha_bar, embedding, 0.0)
    clamped, clamped_x0 = reverse(start, noise, alpha_bar, embedding, clamp)
    ends = torch.stack((nearest(plain[0], embedding), nearest(clamped[0], embedding)))
    return Trace(
        word=WORDS,
        embedding=embedding,
        clamp=clamp,
        alpha_bar=alpha_bar,
        origin=origin,
        forward=forward,
        plain=plain,
        plain_x0=plain_x0,
        clamped=clamped,
        clamped_x0=clamped_x0,
        gap=torch.stack([_gap(plain_x0, embedding), _gap(clamped_x0, embedding)]),
        moved=float((ends[0] != ends[1]).float().mean()),
        accuracy=torch.tensor([accuracy(embedding, float(ab)) for ab in alpha_bar]),
        drawn=drawn_accuracy(embedding, alpha_bar, generator),
        wide=drawn_accuracy(wide, alpha_bar, generator),
    )


def _gap(x0: Float[Tensor, "n p 2"], embedding: Float[Tensor, "w 2"]) -> Float[Tensor, "n"]:
    return (x0 - embedding[nearest(x0, embedding)]).norm(dim=-1).mean(-1)


def facts(trace: Trace, t: int) -> dict[str, float | int]:
    """The numbers that the captions name, after t steps."""
    n = len(trace.word)
    return {
        "t": t,
        "n_step": len(trace.alpha_bar) - 1,
        "n_word": n,
        "alpha_bar": float(trace.alpha_bar[t]),
        "accuracy": float(trace.accuracy[t]),
        "wide": float(trace.wide[t]),
        "chance": 1 / n,
        "clamp": trace.clamp,
        "n_clamped": round(trace.clamp * (len(trace.alpha_bar) - 1)),
        "gap_plain": float(trace.gap[0, t]),
        "gap_clamped": float(trace.gap[1, t]),
        "end_plain": float(trace.gap[0, 0]),
        "end_clamped": float(trace.gap[1, 0]),
        "moved": trace.moved,
    }


def check(name: str, n_step: int) -> dict[str, float]:
    """The denoiser against Bayes in a loop, the accuracy's integral against half-plane geometry for two words."""
    embedding, _ = embeddings()
    alpha_bar = noise_left(name, n_step)[max(1, n_step // 2)]
    x = torch.tensor([[0.3, -0.7], [1.1, 0.2]])
    found, likely = denoiser(x, alpha_bar, embedding)
    worst, ab = 0.0, float(alpha_bar)
    for p in range(len(x)):
        far = [sum((float(x[p, d]) - math.sqrt(ab) * float(e[d])) ** 2 for d in range(2)) for e in embedding]
        weight = [math.exp(-one / (2 - 2 * ab)) for one in far]
        mean = [sum(w * float(e[d]) for w, e in zip(weight, embedding, strict=True)) / sum(weight) for d in range(2)]
        worst = max(worst, *(abs(mean[d] - float(found[p, d])) for d in range(2)))
    pair = torch.tensor([[-0.6, 0.0], [0.6, 0.0]])
    known = 0.5 * (1 + math.erf(0.6 / math.sqrt(2 * (1 - 0.4) / 0.4)))
    return {
        "denoiser": worst,
        "probabilities sum to 1": float((likely.sum(-1) - 1).abs().max()),
        "rounding, two words": abs(accuracy(pair, 0.4) - known),
    }
