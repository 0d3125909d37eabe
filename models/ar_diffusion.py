"""AR-Diffusion: every position has a noise level of its own, and those on the left are denoised first.

Source: Wu et al. 2023, "AR-Diffusion: Auto-Regressive Diffusion Model for Text Generation", section 3.1 (levels per
position, the anchor point), section 3.2 (training), section 3.3 (skipping steps); figure 1 (three speeds).

    straight    level(n, s) = clip(T - s + delay n, 0, T)       after s steps; delay 0: all at once, T: one by one
    anchor      the paper's: a line through (n_s, t_s) and the anchor (n_e, T), clipped to 0..T, where for
                t = N + T, ..., 0     n_s = clip(N - t, 0, N),   t_s = clip(t - N, 0, T)
                level(n, t) = clip((T - t_s) / (n_e - n_s) (n - n_s) + t_s, 0, T);   n_e = 2 N in the paper

    denoiser    E[x_0^n | all positions, each at its level] = sum_sentence p(sentence | x) Emb(word at n)
    done        a position at level 0 is rounded to its word, and all others go by that word

Glossary
    level      the noise level (timestep) of one position, 0 clean to T noise
    slope      delay / T: how many of its T steps a position waits for the one to its left
    passes     steps in all, each one run of the model; at slope 1 there are N T
    right      share of texts that are sentences of the language

Axes: f frame (f = 0 before the first step), l position, b text, s sentence, v word, k slope, w way.

Conventions: cosine schedule over the T levels; DDPM's steps. Simplified: the language is models/counting.py's, so the
denoiser is exact and nothing is trained; words are equally far from each other (one-hot). Levels are rounded, as in the
authors' code.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from models.counting import belongs, sentences, word_shares
from models.noise_schedule import schedule

N_WORD, LENGTH = 8, 6
PATHS = ("straight", "anchor")
SLOPES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
N_TEXT = 128
SURE = 1e-2  # the variance at which a finished word is read: low enough to decide, not 0


@dataclass(frozen=True)
class Trace:
    """Levels over the steps, one text written along them, and the same text all at once and one by one."""

    path: str
    slope: float
    per_word: int
    level: Int[Tensor, "f l"]
    lanes: Int[Tensor, "r f l"]  # likeliest words: all at once, this way, one by one; -1 where nothing is known
    belief: Float[Tensor, "r f l v"]  # how likely each word is at each position, given the whole text
    lane_step: Int[Tensor, "r f"]  # the step of each that stands beside frame f
    passes: Int[Tensor, "r"]
    correct: Float[Tensor, "r"]  # 1 where the shown text is a sentence
    right: float  # this way, of N_TEXT texts
    slopes: tuple[float, ...]
    passes_of: Int[Tensor, "k"]
    right_of: Float[Tensor, "k"]
    same_of: Float[Tensor, "k"]  # all at once, with as many levels as this slope has passes


def straight(slope: float, per_word: int) -> Int[Tensor, "f l"]:
    """Parallel lines: each position starts slope * T steps after the one to its left."""
    delay = slope * per_word
    n_pass = math.ceil(per_word + delay * (LENGTH - 1) - 1e-9)
    step = torch.arange(n_pass + 1, dtype=torch.float64)[:, None]
    return (per_word - step + delay * torch.arange(LENGTH)).clamp(0, per_word).round().long()


def anchored(scale: float, per_word: int) -> Int[Tensor, "f l"]:
    """The paper's lines, which all run towards the anchor (scale * N, T)."""
    n_e = scale * LENGTH
    rows = []
    for t in range(LENGTH + per_word, -1, -1):
        n_s, t_s = min(max(LENGTH - t, 0), LENGTH), min(max(t - LENGTH, 0), per_word)
        if n_e - n_s < 1e-9:  # the anchor lies on the last position itself: nothing is left of the line
            rows.append(torch.zeros(LENGTH, dtype=torch.float64))
            continue
        line = (per_word - t_s) / (n_e - n_s) * (torch.arange(LENGTH, dtype=torch.float64) - n_s) + t_s
        rows.append(line.clamp(0, per_word))
    return torch.stack(rows).round().long()


def noise_left(per_word: int) -> Float[Tensor, "t"]:
    """alpha_bar for level 0 to T, cosine."""
    whole = schedule("cosine")
    at = (torch.arange(per_word + 1) / per_word * len(whole)).round().long().clamp(min=1) - 1
    kept = whole[at].clamp(min=1e-5)
    kept[0] = 1.0
    return kept


def points() -> Float[Tensor, "v 2"]:
    """The words on a circle, like the hours of a clock; mean 0 and mean square 1."""
    angle = torch.arange(N_WORD) * (2 * math.pi / N_WORD)
    return math.sqrt(2) * torch.stack((angle.sin(), angle.cos()), -1)


def kept_at(level: Int[Tensor, "f l"], per_word: int) -> Float[Tensor, "f l"]:
    """alpha_bar of every position at every frame."""
    return noise_left(per_word)[level]


def believe(
    x: Float[Tensor, "b l 2"], kept: Float[Tensor, "b l"], language: Int[Tensor, "s l"]
) -> Float[Tensor, "b s"]:
    """p(sentence | all positions, each with its alpha_bar). All points are equally long, so only x . Emb counts."""
    clear = kept.sqrt() / (1 - kept).clamp(min=SURE)
    return ((x * clear[..., None]).flatten(1) @ points()[language].flatten(1).T).softmax(-1)


@dataclass(frozen=True)
class Written:
    """Texts written in several ways from the same noise, and of the first of each every step."""

    text: Int[Tensor, "w b l"]
    word: Int[Tensor, "f w l"]
    belief: Float[Tensor, "f w l v"]


def write(kept: Float[Tensor, "f w l"], n_text: int, seed: int) -> Written:
    """Denoise texts along their positions' alpha_bar. Where that does not rise, a position waits.

    A step down to level 0 draws the word from its probabilities instead: rounding.
    """
    generator = torch.Generator().manual_seed(seed)
    language, point, n_way = sentences(N_WORD, LENGTH), points(), kept.shape[1]

    def same(noise: Float[Tensor, "b l *d"]) -> Float[Tensor, "wb l *d"]:
        return noise.repeat(n_way, *[1] * (noise.dim() - 1))

    x = same(torch.randn(n_text, LENGTH, 2, generator=generator))
    words, beliefs = [], []
    for now, then in zip(kept, [*kept[1:], kept[-1]], strict=True):
        now, then = (one.repeat_interleave(n_text, 0) for one in (now, then))
        likely = word_shares(believe(x, now, language), language, N_WORD)
        done, first = now == 1, slice(None, None, n_text)
        seen = torch.where(done, (x @ point.T).argmax(-1), likely.argmax(-1))[first]
        words.append(torch.where(now[first] == kept[0, 0, 0], -1, seen))
        certain = one_hot(seen, N_WORD).to(likely.dtype)
        beliefs.append(torch.where(done[first, :, None], certain, likely[first]))
        moves = then > now
        a = torch.where(moves, now / then, 0.5)
        rest = torch.where(moves, 1 - now, 1.0)
        aim, carry = then.sqrt() * (1 - a) / rest, a.sqrt() * (1 - then) / rest
        spread = ((1 - then) / rest * (1 - a)).sqrt()
        fresh = same(torch.randn(n_text, LENGTH, 2, generator=generator))
        uniform = same(torch.rand(n_text, LENGTH, 1, generator=generator))
        drawn = (likely.cumsum(-1) < uniform).sum(-1).clamp(max=N_WORD - 1)
        stepped = aim[..., None] * (likely @ point) + carry[..., None] * x + spread[..., None] * fresh
        stepped = torch.where((then == 1)[..., None], point[drawn], stepped)
        x = torch.where(moves[..., None], stepped, x)
    text = (x @ point.T).argmax(-1).unflatten(0, (n_way, n_text))
    return Written(text, torch.stack(words), torch.stack(beliefs))


def together(ways: list[Float[Tensor, "_ l"]]) -> Float[Tensor, "f w l"]:
    """Ways of different length side by side: whoever is done waits for the longest."""
    longest = max(len(way) for way in ways)
    return torch.stack([torch.cat((way, way[-1:].expand(longest - len(way), -1))) for way in ways], 1)


def shares_right(ways: list[Float[Tensor, "_ l"]], seed: int, n_text: int = N_TEXT) -> Float[Tensor, "w"]:
    """Of many texts written along each of several ways, how many are sentences."""
    text = write(together(ways), n_text, seed).text
    return belongs(text.flatten(0, 1), sentences(N_WORD, LENGTH)).float().view(len(ways), n_text).mean(-1)


@lru_cache(maxsize=64)
@torch.no_grad()
def sweep(per_word: int, seed: int) -> tuple[Int[Tensor, "k"], Float[Tensor, "k"], Float[Tensor, "k"]]:
    """From all at once to one by one: passes, share of sentences; and that of all at once with as many passes."""
    levels = [straight(slope, per_word) for slope in SLOPES]
    passes = [len(level) - 1 for level in levels]
    ways = [kept_at(level, per_word) for level in levels] + [kept_at(straight(0.0, n), n) for n in passes]
    right = shares_right(ways, seed)
    return torch.tensor(passes), right[: len(SLOPES)], right[len(SLOPES) :]


@torch.no_grad()
def trace(path: str, slope: float, scale: float, per_word: int, seed: int) -> Trace:
    """Levels, texts and shares. path: one of PATHS; scale: the anchor at scale * N."""
    level = straight(slope, per_word) if path == "straight" else anchored(scale, per_word)
    ways = [straight(0.0, per_word), level, straight(1.0, per_word)]
    run = write(together([kept_at(way, per_word) for way in ways]), 1, seed)
    n = len(level)
    at = torch.stack([(torch.arange(n) * ((len(way) - 1) / (n - 1))).round().long() for way in ways])
    language = sentences(N_WORD, LENGTH)
    passes_of, right_of, same_of = sweep(per_word, seed)
    return Trace(
        path=path,
        slope=slope,
        per_word=per_word,
        level=level,
        lanes=torch.stack([run.word[rows, r] for r, rows in enumerate(at)]),
        belief=torch.stack([run.belief[rows, r] for r, rows in enumerate(at)]),
        lane_step=at,
        passes=torch.tensor([len(way) - 1 for way in ways]),
        correct=belongs(run.text[:, 0], language).float(),
        right=float(shares_right([kept_at(level, per_word)], seed)),
        slopes=SLOPES,
        passes_of=passes_of,
        right_of=right_of,
        same_of=same_of,
    )


def facts(trace: Trace, frame: int) -> dict[str, float | int]:
    """The numbers that the captions name, at one frame."""
    level = trace.level[frame]
    return {
        "frame": frame,
        "passes": int(trace.passes[1]),
        "passes_once": int(trace.passes[0]),
        "passes_single": int(trace.passes[2]),
        "slope": trace.slope,
        "delay": trace.slope * trace.per_word,
        "per_word": trace.per_word,
        "length": LENGTH,
        "n_sentence": 2 * N_WORD,
        "done": int((level == 0).sum()),
        "waiting": int((level == trace.per_word).sum()),
        "moving": int(((level > 0) & (level < trace.per_word)).sum()),
        "right": trace.right,
        "right_once": float(trace.right_of[0]),
        "right_single": float(trace.right_of[-1]),
        "same_single": float(trace.same_of[-1]),
        "first_right": next((s for s, r in zip(trace.slopes, trace.right_of, strict=True) if r >= 0.99), 1.0),
        "chance": 2 * N_WORD / N_WORD**LENGTH,
    }


def check(path: str, slope: float, scale: float, per_word: int) -> dict[str, float]:
    """Levels against the paper's formula in plain numbers, the denoiser against Bayes in a loop."""
    level = straight(slope, per_word) if path == "straight" else anchored(scale, per_word)
    once, single = straight(0.0, per_word), straight(1.0, per_word)
    alpha_bar, language, point = noise_left(per_word), sentences(N_WORD, LENGTH), points()
    generator = torch.Generator().manual_seed(0)
    now = torch.arange(LENGTH).clamp(1, per_word)
    x = torch.randn(1, LENGTH, 2, generator=generator)
    found = believe(x, alpha_bar[now][None], language)[0]
    far = []
    for words in language:
        gaps = (x[0] - alpha_bar[now].sqrt()[:, None] * point[words]).square().sum(-1)
        far.append(sum(float(gap) / (2 * max(SURE, 1 - float(alpha_bar[n]))) for gap, n in zip(gaps, now, strict=True)))
    least = min(far)
    weight = [math.exp(least - one) for one in far]
    return {
        "denoiser": max(abs(float(found[i]) - weight[i] / sum(weight)) for i in range(len(weight))),
        "starts as noise": float((level[0] - per_word).abs().max()),
        "ends clean": float(level[-1].abs().max()),
        "slope 0 is all at once": float((once - once[:, :1]).abs().max()),
        "slope 1 is one by one": float((((single > 0) & (single < per_word)).sum(-1) > 1).sum()),
    }
