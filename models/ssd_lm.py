"""SSD-LM: a word is a row of logits, +K for itself and -K for the others, and noise of size K moves the logits. Softmax
puts every point into a simplex: with three words, a triangle.

Source: Han et al. 2022, "SSD-LM: Semi-autoregressive Simplex-based Diffusion Language Model for Text Generation and
Modular Control", section 3.1 (logits, noise of size K, training), section 3.2 (decoding: the projections, new noise at
every step, block by block), section 3.3 (guidance by a classifier). K = 5 in the authors' code.

    w_0[i] = +K if i is the word, else -K
    w_t = sqrt(ab_t) w_0 + sqrt(1 - ab_t) K epsilon                         forward; softmax(w_t) is drawn
    logits = model(softmax(w_t), words before the block)                    here: log p(word | w_t, word before), exact
    logits <- logits + lambda grad log f(wanted | softmax(logits))          f: the wanted word's mean probability
    w_hat = project(logits)                                                 +K for chosen words, -K for the others
    w_{t-1} = sqrt(ab_{t-1}) w_hat + sqrt(1 - ab_{t-1}) K epsilon'          with new noise every time

    greedy      the likeliest word gets +K           sampling    a word drawn from softmax(logits) gets +K
    multi_hot   all words of the smallest set with probability TOP_P get +K

Glossary
    size      K                              guidance    lambda
    block     positions written together; the next block sees the last word of this one
    chain     the language: three words of weather, each day depends on the day before; CHAIN[i, j] from i to j

Axes: n frame (t = 0 to T), p text, i position in a block, v word, b block, g guidance.

Conventions: alpha_bar has index t, and ab_0 = 1; cosine schedule. Simplified: a known Markov chain instead of a trained
model, so `exact` is the forward-backward algorithm; the model reads w_t itself; with three words, top-p is 0.9.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.noise_schedule import schedule

PROJECTIONS = ("sampling", "greedy", "multi_hot")
N_WORD = 3
CHAIN = ((0.7, 0.2, 0.1), (0.3, 0.4, 0.3), (0.1, 0.3, 0.6))
LENGTH = 12
N_TEXT = 96
TOP_P = 0.9
FLOOR = 1e-9  # a probability of 0 would have no logarithm
SWEEP = (0.0, 2.0, 4.0, 8.0, 16.0)
SHARP = 0.9  # a point with a word above this counts as lying in a corner


@dataclass(frozen=True)
class Trace:
    """Words on their way into noise and back, in the triangle, and texts written block by block."""

    size: float
    projection: str
    guidance: float
    wanted: int
    block: int
    alpha_bar: Float[Tensor, "n"]
    origin: Int[Tensor, "p"]
    forward: Float[Tensor, "n p v"]
    plain: Float[Tensor, "n p v"]  # the first position of the first block, without guidance
    guided: Float[Tensor, "n p v"]  # with it, from the same noise
    first: Int[Tensor, "r p"]  # the word that each ends in: plain, guided
    text: Int[Tensor, "r l"]  # one text, plain and guided
    written: Int[Tensor, "f r l"]  # how it was written: after every step of every block; -1 not begun
    weight: Float[Tensor, "f r l"]
    strength: tuple[float, ...]  # the guidances compared
    share: Float[Tensor, "g"]  # of the wanted word
    surprise: Float[Tensor, "g"]  # nats per word under the chain
    own_surprise: float  # of texts drawn from the chain itself


def stationary() -> Float[Tensor, "v"]:
    """How frequent each word is in the long run."""
    return torch.linalg.matrix_power(torch.tensor(CHAIN, dtype=torch.float64), 256)[0].float()


def noise_left(n_step: int) -> Float[Tensor, "n"]:
    """alpha_bar for t = 0 to T, cosine."""
    whole = schedule("cosine")
    at = (torch.arange(n_step + 1) / n_step * len(whole)).round().long().clamp(min=1) - 1
    kept = whole[at].clamp(min=1e-5)
    kept[0] = 1.0
    return kept


def encode(word: Int[Tensor, "*p"], size: float) -> Float[Tensor, "*p v"]:
    """+K for the word, -K for the others."""
    return size * (2.0 * torch.nn.functional.one_hot(word, N_WORD) - 1)


def exact(
    w: Float[Tensor, "p i v"], before: Float[Tensor, "p v"], alpha_bar: Float[Tensor, ""], size: float
) -> Float[Tensor, "p i v"]:
    """log p(word at i | all of the block's w_t, the word before), by forward-backward over the chain.

    before: distribution of the first word of the block.
    """
    chain = torch.tensor(CHAIN)
    # |w - sqrt(ab) encode(v)|^2 differs between words only by 4 sqrt(ab) K w[v]
    heard = (2 * alpha_bar.sqrt() * w / (size * (1 - alpha_bar))).softmax(-1)
    ahead, back = [before * heard[:, 0]], [torch.ones_like(before)]
    for i in range(1, w.shape[1]):
        one = (ahead[-1] @ chain) * heard[:, i]
        ahead.append(one / one.sum(-1, keepdim=True))
    for i in range(w.shape[1] - 1, 0, -1):
        one = (back[-1] * heard[:, i]) @ chain.T
        back.append(one / one.sum(-1, keepdim=True))
    both = torch.stack(ahead, 1) * torch.stack(back[::-1], 1)
    return (both / both.sum(-1, keepdim=True)).clamp(min=FLOOR).log()


def push(logits: Float[Tensor, "p i v"], wanted: int) -> Float[Tensor, "p i v"]:
    """Gradient of log f in the logits, f = mean over the block of softmax(logits)[wanted]."""
    share = logits.softmax(-1)
    mine = share[..., wanted, None]
    target = torch.zeros(N_WORD)
    target[wanted] = 1.0
    return mine * (target - share) / mine.sum(1, keepdim=True)


def project(
    logits: Float[Tensor, "p i v"], way: str, size: float, uniform: Float[Tensor, "p i 1"]
) -> Float[Tensor, "p i v"]:
    """+K for the chosen words, -K for the others. uniform: numbers from 0 to 1 that decide what is sampled."""
    share = logits.softmax(-1)
    if way == "greedy":
        return encode(share.argmax(-1), size)
    if way == "sampling":
        return encode((share.cumsum(-1) < uniform).sum(-1).clamp(max=N_WORD - 1), size)
    ranked, order = share.sort(-1, descending=True)
    needed = ranked.cumsum(-1) - ranked < TOP_P
    chosen = torch.zeros_like(needed).scatter(-1, order, needed)
    return torch.where(chosen, size, -size)


@dataclass(frozen=True)
class Written:
    """Texts written block by block, with several strengths of guidance from the same noise."""

    text: Int[Tensor, "g p l"]
    film: Float[Tensor, "n g p v"]  # the first position of the first block, as w_t
    frame: Int[Tensor, "f g l"]  # of the first text: likeliest words so far; -1 where the block has not begun
    share: Float[Tensor, "f g l"]  # their probability


def write(
    guidance: Float[Tensor, "g"], wanted: int, size: float, way: str, block: int, n_step: int, seed: int
) -> Written:
    """N_TEXT texts for every strength of guidance."""
    generator = torch.Generator().manual_seed(seed)
    alpha_bar, chain, n = noise_left(n_step), torch.tensor(CHAIN), len(guidance)
    strength = guidance.repeat_interleave(N_TEXT)[:, None, None]
    text = torch.full((n * N_TEXT, LENGTH), -1)
    sure = torch.zeros(n * N_TEXT, LENGTH)
    film, frames, shares = [], [text[::N_TEXT].clone()], [sure[::N_TEXT].clone()]

    def normal(length: int) -> Float[Tensor, "p i v"]:
        return size * torch.randn(N_TEXT, length, N_WORD, generator=generator).repeat(n, 1, 1)

    for start in range(0, LENGTH, block):
        here = slice(start, min(start + block, LENGTH))
        length = here.stop - start
        before = chain[text[:, start - 1]] if start else stationary().expand(n * N_TEXT, -1)
        w = normal(length)
        for t in range(n_step, 0, -1):
            if start == 0:
                film.append(w[:, 0])
            logits = exact(w, before, alpha_bar[t], size)
            logits = logits + strength * push(logits, wanted)
            sure[:, here], text[:, here] = logits.softmax(-1).max(-1)
            uniform = torch.rand(N_TEXT, length, 1, generator=generator).repeat(n, 1, 1)
            hat = project(logits, way, size, uniform)
            if t == 1:
                text[:, here] = torch.where(hat > 0, logits, -torch.inf).argmax(-1)
                hat = encode(text[:, here], size)
            w = alpha_bar[t - 1].sqrt() * hat + (1 - alpha_bar[t - 1]).sqrt() * normal(length)
            frames.append(text[::N_TEXT].clone())
            shares.append(sure[::N_TEXT].clone())
        if start == 0:
            film.append(w[:, 0])
    return Written(
        text.unflatten(0, (n, -1)),
        torch.stack(film[::-1]).unflatten(1, (n, -1)),
        torch.stack(frames),
        torch.stack(shares),
    )


def surprise(text: Int[Tensor, "p l"]) -> Float[Tensor, "p"]:
    """Nats per word under the chain."""
    chain = torch.tensor(CHAIN)
    return -(stationary()[text[:, 0]].log() + chain[text[:, :-1], text[:, 1:]].log().sum(-1)) / text.shape[1]


def own(n: int, generator: torch.Generator) -> Int[Tensor, "p l"]:
    """Texts drawn from the chain itself."""
    chain = torch.tensor(CHAIN)
    word = torch.multinomial(stationary().expand(n, -1), 1, generator=generator)[:, 0]
    text = [word]
    for _ in range(LENGTH - 1):
        text.append(torch.multinomial(chain[text[-1]], 1, generator=generator)[:, 0])
    return torch.stack(text, 1)


@torch.no_grad()
def trace(size: float, projection: str, guidance: float, wanted: int, block: int, n_step: int, seed: int) -> Trace:
    """Into noise, and back with and without guidance from the same noise; then guidance from none to much."""
    generator = torch.Generator().manual_seed(seed)
    alpha_bar = noise_left(n_step)
    origin = torch.arange(N_TEXT) % N_WORD
    noise = size * torch.randn(N_TEXT, N_WORD, generator=generator)
    forward = alpha_bar.sqrt()[:, None, None] * encode(origin, size) + (1 - alpha_bar).sqrt()[:, None, None] * noise
    run = write(torch.tensor([0.0, guidance, *SWEEP]), wanted, size, projection, block, n_step, seed)
    many = run.text[2:]
    return Trace(
        size=size,
        projection=projection,
        guidance=guidance,
        wanted=wanted,
        block=block,
        alpha_bar=alpha_bar,
        origin=origin,
        forward=forward.softmax(-1),
        plain=run.film[:, 0].softmax(-1),
        guided=run.film[:, 1].softmax(-1),
        first=run.text[:2, :, 0],
        text=run.text[:2, 0],
        written=run.frame[:, :2],
        weight=run.share[:, :2],
        strength=SWEEP,
        share=(many == wanted).float().mean((1, 2)),
        surprise=surprise(many.flatten(0, 1)).view(len(SWEEP), -1).mean(-1),
        own_surprise=float(surprise(own(4096, generator)).mean()),
    )


def facts(trace: Trace, t: int) -> dict[str, float | int]:
    """The numbers that the captions name, after t steps."""
    n_step = len(trace.alpha_bar) - 1
    sharp_noise = float((trace.forward[-1].amax(-1) > SHARP).float().mean())
    return {
        "t": t,
        "n_step": n_step,
        "size": trace.size,
        "alpha_bar": float(trace.alpha_bar[t]),
        "corner": math.exp(trace.size) / (math.exp(trace.size) + 2 * math.exp(-trace.size)),
        "sharp": float((trace.forward[t].amax(-1) > SHARP).float().mean()),
        "sharp_noise": sharp_noise,
        "noise_corner": int(sharp_noise > 0.2) + int(sharp_noise > 0.5),
        "kept": float((trace.forward[t].argmax(-1) == trace.origin).float().mean()),
        "guidance": trace.guidance,
        "block": trace.block,
        "n_block": math.ceil(LENGTH / trace.block),
        "passes": math.ceil(LENGTH / trace.block) * n_step,
        "length": LENGTH,
        "wanted_plain": float((trace.first[0] == trace.wanted).float().mean()),
        "wanted_guided": float((trace.first[1] == trace.wanted).float().mean()),
        "long_run": float(stationary()[trace.wanted]),
        "share_none": float(trace.share[0]),
        "share_most": float(trace.share[-1]),
        "surprise_none": float(trace.surprise[0]),
        "surprise_most": float(trace.surprise[-1]),
        "own_surprise": trace.own_surprise,
        "most": trace.strength[-1],
    }


def by_enumeration(
    w: Float[Tensor, "i v"], before: Float[Tensor, "v"], alpha_bar: float, size: float
) -> Float[Tensor, "i v"]:
    """`exact`, by going through every text of the block."""
    length, total = len(w), torch.zeros(len(w), N_WORD, dtype=torch.float64)
    for text in itertools.product(range(N_WORD), repeat=length):
        p = float(before[text[0]])
        for a, b in itertools.pairwise(text):
            p *= CHAIN[a][b]
        for i, word in enumerate(text):
            far = sum(
                (float(w[i, v]) - math.sqrt(alpha_bar) * (size if v == word else -size)) ** 2 for v in range(N_WORD)
            )
            p *= math.exp(-far / (2 * size**2 * (1 - alpha_bar)))
        for i, word in enumerate(text):
            total[i, word] += p
    return total / total.sum(-1, keepdim=True)


def check(size: float, n_step: int) -> dict[str, float]:
    """The denoiser against every text of a block, the guidance against autograd, and sums of probabilities."""
    generator = torch.Generator().manual_seed(0)
    alpha_bar = noise_left(n_step)[max(1, n_step // 2)]
    w = size * torch.randn(1, 4, N_WORD, generator=generator)
    before = torch.tensor(CHAIN)[1][None]
    found = exact(w, before, alpha_bar, size).exp()[0]
    wanted = by_enumeration(w[0], before[0], float(alpha_bar), size)
    with torch.enable_grad():
        logits = torch.randn(1, 4, N_WORD, generator=generator, requires_grad=True)
        logits.softmax(-1)[..., 2].mean().log().backward()
    return {
        "denoiser": float((found - wanted).abs().max()),
        "guidance": float((push(logits.detach(), 2) - logits.grad).abs().max()) if logits.grad is not None else 1.0,
        "simplex sums to 1": float((w.softmax(-1).sum(-1) - 1).abs().max()),
    }
