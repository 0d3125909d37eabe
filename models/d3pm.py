"""D3PM: diffusion over words themselves. Noise is a table of probabilities from word to word.

Source: Austin et al. 2021, "Structured Denoising Diffusion Models in Discrete State-Spaces" (D3PM), section 2,
equations (1) to (3); section 3.1 and appendix A.2 (the three tables); section 3.3 (predicting x_0). The beta schedules
are those of the authors' code.

    q(x_t | x_{t-1}) = Q_t[x_{t-1}, x_t]                                      one step
    q(x_t | x_0)     = P_t[x_0, x_t],     P_t = Q_1 Q_2 ... Q_t               t steps: a product of tables
    q(x_{t-1} | x_t, x_0) = P_{t-1}[x_0, x_{t-1}] Q_t[x_{t-1}, x_t] / P_t[x_0, x_t]           Bayes

    uniform      Q = (1 - beta) I + beta 1 1^T / v          any word, equally likely
    absorbing    Q = (1 - beta) I + beta 1 m^T              [MASK], which is never left: masked diffusion
    gaussian     Q[i, j] ~ exp(-4 (i - j)^2 / ((v - 1)^2 beta)), the rest stays where it is: words as levels

Glossary
    one, power     Q_t and P_t (the paper's Q-bar_t)         kept         ab_t = prod (1 - beta)
    posterior      q(x_{t-1} | x_t, x_0)                     stationary   pi: where every row of P_t ends;
                                                             P_t = ab_t I + (1 - ab_t) 1 pi^T but for gaussian
    exact          the sentence is drawn from p(x_0 | x_t), then x_{t-1}: the true reverse
    by word        every position by itself, from sum_k p(x_0 = k | x_t) q(x_{t-1} | x_t, k): what a network gives

Axes: n frame (t = 0 to T), v word (with absorbing the last one is [MASK]), s sentence, l position, b text, c table,
k number of steps.

Conventions: rows are where a word comes from, so rows sum to 1 (the paper's). Simplified: the data are the sentences of
models/counting.py, so p(x_0 | x_t) is exact and nothing is trained. Gaussian betas are the code's 1e-4 to 0.02 of 1000
steps, stretched to T steps.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from models.counting import belongs, sentences, word_shares

CORRUPTIONS = ("uniform", "absorbing", "gaussian")
LENGTH = 6
STEPS = (2, 4, 8, 16)
N_TEXT = 192
LARGEST_BETA = 0.999
IMPOSSIBLE = 1e6  # a log probability that no possible text comes near


@dataclass(frozen=True)
class Tables:
    """All tables of one corruption; frame 0 is no noise at all."""

    beta: Float[Tensor, "t"]
    one: Float[Tensor, "n v v"]
    power: Float[Tensor, "n v v"]
    stationary: Float[Tensor, "v"]


@dataclass(frozen=True)
class Trace:
    """The tables, one sentence there and back, and how often the way back ends in a sentence."""

    corruption: str
    n_word: int
    clean: int  # x_0 of the posterior shown
    tables: Tables
    posterior: Float[Tensor, "n v v"]  # rows x_t, columns x_{t-1}; NaN where x_t cannot come from x_0
    backward: Float[Tensor, "n v v"]  # the same without x_0, all words equally frequent at t = 0
    distance: Float[Tensor, "n"]  # largest total variation from a row of P_t to the stationary distribution
    forward: Int[Tensor, "n l"]
    exact: Int[Tensor, "n l"]
    by_word: Int[Tensor, "n l"]
    belief: Float[Tensor, "r n l v"]  # forward, exact, by word: p(x_0 = v at l | the whole text at t)
    right: Bool[Tensor, "r"]  # whether each is a sentence at t = 0
    steps: tuple[int, ...]
    share: Float[Tensor, "c k"]  # of texts restored word by word that are sentences


def betas(corruption: str, n_step: int) -> Float[Tensor, "t"]:
    """How much each step changes: cosine for uniform, 1 / (T - t + 1) for absorbing, rising for gaussian."""
    t = torch.arange(1, n_step + 1, dtype=torch.float64)
    if corruption == "absorbing":
        return 1 / (n_step - t + 1)
    if corruption == "uniform":
        kept = [math.cos((i / n_step + 0.008) / 1.008 * math.pi / 2) for i in range(n_step + 1)]
        return torch.tensor([min(1 - kept[i + 1] / kept[i], LARGEST_BETA) for i in range(n_step)], dtype=torch.float64)
    return torch.linspace(0.1, 20.0, n_step, dtype=torch.float64) / n_step


def transition(corruption: str, beta: float, n_word: int) -> Float[Tensor, "v v"]:
    """Q of one step. With absorbing there is one more word, [MASK], the last."""
    if corruption == "uniform":
        same = torch.eye(n_word, dtype=torch.float64)
        return (1 - beta) * same + beta / n_word
    if corruption == "absorbing":
        table = (1 - beta) * torch.eye(n_word + 1, dtype=torch.float64)
        table[:, -1] += beta
        return table
    reach = torch.arange(-(n_word - 1), n_word, dtype=torch.float64)
    weight = torch.softmax(-4 * reach.square() / ((n_word - 1) ** 2 * beta), 0)
    place = torch.arange(n_word)
    table = weight[place - place[:, None] + n_word - 1]
    table.fill_diagonal_(0.0)
    return table + torch.diag(1 - table.sum(1))  # what would fall off the ends stays: rows and columns sum to 1


def tables(corruption: str, n_step: int, n_word: int) -> Tables:
    """Every Q_t and every product P_t."""
    beta = betas(corruption, n_step)
    size = n_word + (corruption == "absorbing")
    one = torch.stack([torch.eye(size, dtype=torch.float64), *(transition(corruption, float(b), n_word) for b in beta)])
    power = [one[0]]
    for table in one[1:]:
        power.append(power[-1] @ table)
    if corruption == "absorbing":
        stationary = torch.zeros(size, dtype=torch.float64)
        stationary[-1] = 1.0
    else:
        stationary = torch.full((size,), 1 / size, dtype=torch.float64)
    return Tables(beta, one, torch.stack(power), stationary)


def posterior(found: Tables, clean: int) -> Float[Tensor, "n v v"]:
    """q(x_{t-1} | x_t, x_0 = clean): rows x_t, columns x_{t-1}. NaN where x_t is impossible, and at t = 0."""
    before = torch.cat((found.power[:1], found.power[:-1]))[:, clean]
    joint = (before[:, :, None] * found.one).transpose(1, 2)
    table = joint / found.power[:, clean, :, None]
    table[found.power[:, clean] == 0] = torch.nan
    table[0] = torch.nan
    return table


def backward(found: Tables, n_word: int) -> Float[Tensor, "n v v"]:
    """q(x_{t-1} | x_t) when nothing is known but that all words are equally frequent: rows x_t, columns x_{t-1}."""
    frequent = found.power[:, :n_word].mean(1)
    before = torch.cat((frequent[:1], frequent[:-1]))
    table = (before[:, :, None] * found.one).transpose(1, 2) / frequent[:, :, None]
    table[frequent == 0] = torch.nan
    table[0] = torch.nan
    return table


def believe(found: Tables, t: int, x: Int[Tensor, "b l"], language: Int[Tensor, "s l"]) -> Float[Tensor, "b s"]:
    """p(sentence | x_t), exactly: each sentence by the probability that its words have become those of x_t."""
    heard = found.power[t].log().clamp(min=-IMPOSSIBLE).T[x].flatten(1)  # log P_t[k, x_t] of every word k
    said = one_hot(language, found.power.shape[-1]).to(heard.dtype).flatten(1)
    likely = heard @ said.T
    return likely.masked_fill(likely < -IMPOSSIBLE / 2, -1e30).softmax(-1)  # if no sentence can be, all are as likely


def draw(probability: Float[Tensor, "*b v"], generator: torch.Generator) -> Int[Tensor, "*b"]:
    """One word for each row."""
    flat = probability.reshape(-1, probability.shape[-1])
    return torch.multinomial(flat, 1, generator=generator).reshape(probability.shape[:-1])


def corrupt(found: Tables, x: Int[Tensor, "b l"], generator: torch.Generator) -> Int[Tensor, "n b l"]:
    """Step by step from clean texts to noise."""
    film = [x]
    for table in found.one[1:]:
        film.append(draw(table[film[-1]], generator))
    return torch.stack(film)


def restore(
    found: Tables, x: Int[Tensor, "b l"], language: Int[Tensor, "s l"], exact: bool, generator: torch.Generator
) -> Int[Tensor, "n b l"]:
    """Step by step from noise to texts; frame 0 is the text. exact: see the glossary."""
    n_step, size = len(found.beta), found.power.shape[-1]
    film = [x]
    for t in range(n_step, 0, -1):
        weight = believe(found, t, x, language)
        if exact:
            word = language[draw(weight, generator)]
            before = found.power[t - 1][word] * found.one[t].T[x]
        else:
            word = word_shares(weight, language, size)
            ahead = found.power[t][:, x].permute(1, 2, 0)  # P_t[k, x_t], the posterior's denominator
            ratio = torch.where(ahead > 0, word / ahead, 0.0)
            before = (ratio @ found.power[t - 1]) * found.one[t].T[x]
        x = draw(before, generator)
        film.append(x)
    return torch.stack(film[::-1])


def share_right(
    corruption: str, n_step: int, n_word: int, exact: bool, generator: torch.Generator, n_text: int = N_TEXT
) -> float:
    """Of texts restored from pure noise, how many are sentences."""
    found, language = tables(corruption, n_step, n_word), sentences(n_word, LENGTH)
    noise = draw(found.stationary.expand(n_text, LENGTH, -1), generator)
    return float(belongs(restore(found, noise, language, exact, generator)[0], language).float().mean())


@lru_cache(maxsize=64)
@torch.no_grad()
def shares(n_word: int, seed: int) -> Float[Tensor, "c k"]:
    """Word by word, for every corruption and number of steps."""
    generator = torch.Generator().manual_seed(seed)
    return torch.tensor([[share_right(one, k, n_word, False, generator) for k in STEPS] for one in CORRUPTIONS])


@torch.no_grad()
def trace(corruption: str, n_word: int, clean: int, n_step: int, seed: int) -> Trace:
    """The tables of one corruption and a sentence on its way there and back. clean: from 0."""
    generator = torch.Generator().manual_seed(seed)
    found, language = tables(corruption, n_step, n_word), sentences(n_word, LENGTH)
    start = language[int(torch.randint(len(language), (1,), generator=generator))][None]
    forward = corrupt(found, start, generator)
    films = [forward, *(restore(found, forward[-1], language, exact, generator) for exact in (True, False))]
    belief = []
    for film in films:
        known = [
            word_shares(believe(found, t, x, language), language, found.power.shape[-1]) for t, x in enumerate(film)
        ]
        belief.append(torch.stack(known)[:, 0])
    return Trace(
        corruption=corruption,
        n_word=n_word,
        clean=clean,
        tables=found,
        posterior=posterior(found, clean).float(),
        backward=backward(found, n_word).float(),
        distance=((found.power - found.stationary).abs().sum(-1) / 2).amax(-1).float(),
        forward=films[0][:, 0],
        exact=films[1][:, 0],
        by_word=films[2][:, 0],
        belief=torch.stack(belief).float(),
        right=torch.stack([belongs(film[0], language)[0] for film in films]),
        steps=STEPS,
        share=shares(n_word, seed),
    )


def facts(trace: Trace, t: int) -> dict[str, float | int]:
    """The numbers that the captions name, after t steps."""
    power, clean = trace.tables.power[t], trace.clean
    words = power[: trace.n_word]
    masked = float(words[:, -1].mean()) if trace.corruption == "absorbing" else 0.0
    return {
        "t": t,
        "n_step": len(trace.tables.beta),
        "n_word": trace.n_word,
        "clean": clean + 1,
        "beta": float(trace.tables.beta[t - 1]) if t else 0.0,
        "stays": float(power[clean, clean]),
        "masked": masked,
        "distance": float(trace.distance[t]),
        "distance_end": float(trace.distance[-1]),
        "changed": int((trace.forward[t] != trace.forward[0]).sum()),
        "length": trace.forward.shape[1],
        "n_sentence": 2 * trace.n_word,
        "exact_right": int(trace.right[1]),
        "by_word_right": int(trace.right[2]),
        "few": trace.steps[0],
        "many": trace.steps[-1],
        **{f"few_{one}": float(trace.share[c, 0]) for c, one in enumerate(CORRUPTIONS)},
        **{f"many_{one}": float(trace.share[c, -1]) for c, one in enumerate(CORRUPTIONS)},
        "chance": 2 * trace.n_word / trace.n_word ** trace.forward.shape[1],
    }


def closed_form(found: Tables, corruption: str) -> Float[Tensor, "n v v"]:
    """P_t without any product of tables, for uniform and absorbing: ab_t I + (1 - ab_t) 1 pi^T."""
    kept = torch.cat((torch.ones(1, dtype=torch.float64), (1 - found.beta).cumprod(0)))[:, None, None]
    if corruption == "gaussian":
        raise ValueError("the gaussian tables have no such form")
    return kept * torch.eye(len(found.stationary), dtype=torch.float64) + (1 - kept) * found.stationary


def by_enumeration(found: Tables, t: int, clean: int) -> Float[Tensor, "v v"]:
    """The posterior at t by Bayes over every path from x_0 to x_{t-1} to x_t, one after the other."""
    size = len(found.stationary)
    reached = [float(j == clean) for j in range(size)]
    for step in range(1, t):
        reached = [sum(reached[i] * float(found.one[step, i, j]) for i in range(size)) for j in range(size)]
    joint = [[reached[j] * float(found.one[t, j, i]) for j in range(size)] for i in range(size)]
    rows = [[p / sum(row) if sum(row) else math.nan for p in row] for row in joint]
    return torch.tensor(rows, dtype=torch.float64)


def check(corruption: str, n_word: int, clean: int, n_step: int) -> dict[str, float]:
    """Rows that sum to 1, powers against their closed form or an eigenbasis, the posterior against Bayes."""
    found = tables(corruption, n_step, n_word)
    t = max(1, n_step // 2)
    known, wanted = posterior(found, clean)[t], by_enumeration(found, t, clean)
    reached = found.power[t, clean] > 0
    worst = {
        "rows sum to 1": float((found.power.sum(-1) - 1).abs().max()),
        "stationary": float((found.stationary @ found.one - found.stationary).abs().max()),
        "posterior": float((known - wanted)[reached].abs().max()),
        "posterior rows": float((known[reached].sum(-1) - 1).abs().max()),
    }
    if corruption == "gaussian":
        again = torch.linalg.matrix_power(transition(corruption, float(found.beta[0]), n_word), 5)
        value, vector = torch.linalg.eigh(transition(corruption, float(found.beta[0]), n_word))
        worst["powers"] = float((again - vector @ torch.diag(value**5) @ vector.T).abs().max())
    else:
        worst["powers"] = float((found.power - closed_form(found, corruption)).abs().max())
    return worst
