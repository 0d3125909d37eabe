"""What steps, guidance, fresh noise and a wrong formula do to the result: many samplings side by side.

Sources: as in models/denoising.py; Nichol & Dhariwal 2021, "Improved DDPM", section 3.1 (the two variances).

    variances    beta_t = 1 - ab_t / ab_{t-1}      "large": right if x_0 is N(0, I)
                 (1 - ab_{t-1}) / (1 - ab_t) beta_t "small": right if x_0 is one point; DDIM's with eta = 1

Axes: k values that are compared, n frames, m points, s sampler or formula, T = 1000 steps, b bins.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from models import mixture_score
from models.denoising_config import COUNTS, Config, setting
from models.denoising_steps import ddim_step, posterior_variance, sample, timesteps
from models.fields import no_tick
from models.noise_schedule import N_TRAIN, beta, schedule
from models.plane_data import draw, of_class
from models.plane_quality import nearest, outside, sliced
from models.plane_sampling import start, walk
from models.plane_training import is_shipped, network

Tick = Callable[[float], None]


def generated(seed: int) -> torch.Generator:
    """Randomness of a comparison."""
    return torch.Generator().manual_seed(700 + seed)


# --- steps -----------------------------------------------------------------------------------------------------------

NAMES = {"ddpm": ("ddpm", 0.0), "half": ("ddim", 0.5), "ddim": ("ddim", 0.0)}


@dataclass(frozen=True)
class Quality:
    """How far results are from the data, against the number of steps."""

    count: tuple[int, ...]
    name: tuple[str, ...]  # "ddpm", "half" (DDIM with eta 0.5), "ddim"
    sliced: Float[Tensor, "s k"]  # sliced Wasserstein distance to fresh data, mean over the seeds
    deviation: Float[Tensor, "s k"]  # standard deviation over the seeds
    outside: Float[Tensor, "s k"]  # share of points where no data are
    seconds: Float[Tensor, "s k"]  # on this machine, now
    floor: float  # data against data
    floor_deviation: float
    n_point: int
    n_seed: int


def quality(
    cfg: Config,
    tick: Tick = no_tick,
    n_point: int = 400,
    n_seed: int = 3,
    counts: tuple[int, ...] = COUNTS,
) -> Quality:
    """Both samplers, and DDIM half way between, with 1 to 1000 steps. All have the same starts."""
    asked = setting(cfg)
    wait = 0.0 if is_shipped(cfg.data, cfg.drawing) else 0.5
    net = network(cfg.data, cfg.kind, cfg.drawing, lambda done: tick(wait * done)).net
    generator = generated(cfg.seed)
    known = of_class(cfg.data, asked.label, 4096, generator, cfg.drawing).x
    clouds = [of_class(cfg.data, asked.label, n_point, generator, cfg.drawing).x for _ in range(2 * n_seed)]
    fresh, other = torch.stack(clouds).chunk(2)
    everything = draw(cfg.data, 4096, generator, cfg.drawing).x
    distance, deviation, lost, seconds = torch.zeros(4, len(NAMES), len(counts))
    done, whole = 0, len(NAMES) * sum(counts)
    begun = start(n_seed * n_point, cfg.seed)
    for j, count in enumerate(counts):
        for s, (sampler, eta) in enumerate(NAMES.values()):

            def tell(part: float, before: int = done, count: int = count) -> None:
                tick(wait + (1 - wait) * (before + part * count) / whole)

            clock = time.perf_counter()
            end = walk(asked, net, begun, count, sampler, eta, cfg.seed, (), tell).x[-1]
            seconds[s, j] = time.perf_counter() - clock
            every = sliced(end.unflatten(0, (n_seed, n_point)), known)
            distance[s, j], deviation[s, j] = every.mean(), every.std()
            lost[s, j] = outside(end, everything).float().mean()
            done += count
    floor = sliced(fresh, known)
    floor = torch.cat((floor, sliced(other, known)))
    return Quality(
        counts,
        tuple(NAMES),
        distance,
        deviation,
        lost,
        seconds,
        float(floor.mean()),
        float(floor.std()),
        n_point,
        n_seed,
    )


# --- guidance --------------------------------------------------------------------------------------------------------

SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True)
class Guidance:
    """Results for one class, from no guidance to far too much."""

    scale: tuple[float, ...]  # 0: the class is ignored, 1: it is asked for, more: exaggerated
    towards: int
    x: Float[Tensor, "k m 2"]  # the same starts for every scale
    hit: Float[Tensor, "k"]  # share that is nearest to data of the class
    spread: Float[Tensor, "k"]  # root mean square distance from their own middle
    outside: Float[Tensor, "k"]  # share where no data are
    sliced: Float[Tensor, "k"]  # to data of the class
    spread_data: float
    floor: float
    ghost: Float[Tensor, "g 2"]  # data of the class


def spread(x: Float[Tensor, "*k m 2"]) -> Float[Tensor, "*k"]:
    """Root mean square distance of points from their own middle."""
    return (x - x.mean(-2, keepdim=True)).square().sum(-1).mean(-1).sqrt()


def guidance(cfg: Config, tick: Tick = no_tick, n_point: int = 256) -> Guidance:
    """The class of the page, or the first, by DDIM with the page's steps (at most 100) and eta."""
    asked = setting(replace(cfg, towards=max(1, cfg.towards)))
    net = network(cfg.data, cfg.kind, cfg.drawing, lambda done: tick(0.8 * done)).net
    generator, n_step = generated(cfg.seed), min(cfg.n_step, 100)
    known = draw(cfg.data, 4096, generator, cfg.drawing)
    of = of_class(cfg.data, asked.label, 4 * n_point, generator, cfg.drawing).x
    other = of_class(cfg.data, asked.label, n_point, generator, cfg.drawing).x
    ends = []
    for i, scale in enumerate(SCALES):
        path = walk(replace(asked, scale=scale), net, start(n_point, cfg.seed), n_step, "ddim", cfg.eta, cfg.seed, ())
        ends.append(path.x[-1])
        tick(0.8 + 0.2 * (i + 1) / len(SCALES))
    x = torch.stack(ends)
    return Guidance(
        scale=SCALES,
        towards=asked.label,
        x=x,
        hit=(known.label[nearest(x, known.x)[1]] == asked.label).float().mean(-1),
        spread=spread(x),
        outside=outside(x, known.x).float().mean(-1),
        sliced=sliced(x, of),
        spread_data=float(spread(of)),
        floor=float(sliced(other, of)),
        ghost=of,
    )


# --- fresh noise -----------------------------------------------------------------------------------------------------

ETAS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Determinism:
    """Two runs of DDIM from the same start, with different fresh noise, for every eta."""

    eta: tuple[float, ...]
    apart: Float[Tensor, "k"]  # mean distance between the two results of a point
    most: Float[Tensor, "k"]  # the largest
    x: Float[Tensor, "2 k m 2"]  # results
    again: float  # largest distance between two runs with eta 0.5 and the same fresh noise
    strangers: float  # mean distance between results of different starts: what "nothing in common" would be
    ddpm: float  # mean distance between two runs of DDPM from the same start


def determinism(cfg: Config, tick: Tick = no_tick, n_point: int = 256) -> Determinism:
    """With the page's steps, at most 100."""
    asked, n_step = setting(cfg), min(cfg.n_step, 100)
    net = network(cfg.data, cfg.kind, cfg.drawing, lambda done: tick(0.8 * done)).net
    begun = start(n_point, cfg.seed)

    def run(eta: float, seed: int, sampler: str = "ddim") -> Tensor:
        return walk(asked, net, begun, n_step, sampler, eta, seed, ()).x[-1]

    runs = []
    for i, eta in enumerate(ETAS):
        runs.append(torch.stack([run(eta, seed) for seed in (200, 201)]))
        tick(0.8 + 0.2 * (i + 1) / len(ETAS))
    x = torch.stack(runs, dim=1)
    apart = (x[0] - x[1]).norm(dim=-1)
    return Determinism(
        eta=ETAS,
        apart=apart.mean(-1),
        most=apart.amax(-1),
        x=x,
        again=float((run(0.5, 200) - x[0, ETAS.index(0.5)]).norm(dim=-1).max()),
        strangers=float((x[0, 0] - x[0, 0].roll(1, 0)).norm(dim=-1).mean()),
        ddpm=float((run(0.0, 200, "ddpm") - run(0.0, 201, "ddpm")).norm(dim=-1).mean()),
    )


@dataclass(frozen=True)
class Variance:
    """How much fresh noise each step adds."""

    t: tuple[int, ...]  # 1 to 1000, all steps
    ddpm: Float[Tensor, "T"]  # "small": of the posterior
    large: Float[Tensor, "T"]  # beta
    ddim: Float[Tensor, "3 T"]  # with eta 0, 0.5 and 1
    eta: tuple[float, ...]
    largest_difference: float  # of DDIM with eta = 1 from DDPM: of the variances, measured on ddim_step itself
    apart: float  # the largest distance between a whole path of DDPM and of DDIM with eta = 1, same fresh noise
    n_step: int  # of that path


def variance(cfg: Config) -> Variance:
    """DDIM's formula is asked for its noise: the step from nothing, with noise of size 1."""
    alpha_bar = schedule(cfg.schedule).double()
    before = torch.cat((torch.ones(1, dtype=torch.float64), alpha_bar[:-1]))
    nought, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    etas = (0.0, 0.5, 1.0)
    found = [
        torch.cat([ddim_step(nought, nought, ab, to, eta, one) for ab, to in zip(alpha_bar, before, strict=True)]) ** 2
        for eta in etas
    ]
    small = torch.stack([posterior_variance(ab, to) for ab, to in zip(alpha_bar, before, strict=True)])
    asked, n_step = setting(cfg), min(cfg.n_step, 100)
    net, begun = network(cfg.data, cfg.kind, cfg.drawing).net, start(128, cfg.seed)
    ddpm, ddim = (walk(asked, net, begun, n_step, name, 1.0, cfg.seed).x for name in ("ddpm", "ddim"))
    return Variance(
        t=tuple(range(1, N_TRAIN + 1)),
        ddpm=small.float(),
        large=beta(schedule(cfg.schedule)),
        ddim=torch.stack(found).float(),
        eta=etas,
        largest_difference=float((found[-1] - small).abs().max()),
        apart=float((ddpm - ddim).norm(dim=-1).max()),
        n_step=n_step,
    )


# --- a wrong formula -------------------------------------------------------------------------------------------------

FORMULAS = ("right", "wrong", "silent")
NEAR = 0.3  # three standard deviations of the mixture
EDGE = 3.0


@dataclass(frozen=True)
class WrongFormula:
    """Data at +-1 in one dimension, the exact epsilon, a thousand steps, and three formulas for the step."""

    name: tuple[str, ...]  # DDPM; (x - epsilon) / sqrt(1 - beta) + noise; the same without noise
    t: tuple[int, ...]  # frames, falling from 1000 to 0
    deviation: Float[Tensor, "s n"]  # standard deviation of the points: it belongs on a logarithmic scale
    near: Float[Tensor, "s"]  # share within 0.3 of +-1 at the end
    end: Float[Tensor, "s m"]  # kept within -3 to 3
    edge: Float[Tensor, "e"]  # of the bins
    histogram: Float[Tensor, "s b"]  # share per bin
    truth: Float[Tensor, "b"]  # of the mixture itself
    coefficient: Float[Tensor, "T"]  # what each step takes of epsilon by DDPM, before division by sqrt(alpha)


def wrong_formula(n_point: int = 4000, seed: int = 0) -> WrongFormula:
    """Claim F01, done: nothing here is learned, so the formula alone is to blame."""
    alpha_bar = schedule("linear").double()
    two, keep = mixture_score.TWO, set(range(0, N_TRAIN, 10))
    begun = torch.randn(n_point, 1, generator=generated(seed), dtype=torch.float64)

    def denoise(x: Tensor, t: int) -> Tensor:
        return mixture_score.epsilon(x, alpha_bar[t], two)

    steps = timesteps(N_TRAIN)
    paths = [
        sample(denoise, begun, alpha_bar, steps, "epsilon", name, generator=generated(seed + 1), keep=keep).x[..., 0]
        for name in ("ddpm", "wrong")
    ]
    paths.append(silent(denoise, begun, alpha_bar, keep)[..., 0])
    x = torch.stack(paths)
    end = x[:, -1].clamp(-EDGE, EDGE)
    edge = torch.linspace(-EDGE, EDGE, 61, dtype=torch.float64)
    share = [torch.histogram(one, edge).hist / n_point for one in (*end, two.draw(20_000, generated(seed))[:, 0])]
    return WrongFormula(
        name=FORMULAS,
        t=(*(N_TRAIN - i for i in sorted(keep)), 0),
        deviation=x.std(-1),
        near=((x[:, -1].abs() - 1).abs() <= NEAR).double().mean(-1),
        end=end,
        edge=edge,
        histogram=torch.stack(share[:3]),
        truth=share[3] * n_point / 20_000,
        coefficient=beta(schedule("linear")) / (1 - schedule("linear")).sqrt(),
    )


def silent(
    denoise: Callable[[Tensor, int], Tensor], x: Float[Tensor, "m 1"], alpha_bar: Float[Tensor, "T"], keep: set[int]
) -> Float[Tensor, "n m 1"]:
    """The wrong formula without its noise."""
    found = []
    for i, t in enumerate(timesteps(N_TRAIN)):
        if i in keep:
            found.append(x)
        before = alpha_bar[t - 1] if t else torch.ones_like(alpha_bar[0])
        x = (x - denoise(x, t)) / (alpha_bar[t] / before).sqrt()
    return torch.stack((*found, x))
