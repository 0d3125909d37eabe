"""The way into noise, the three schedules, the three targets, and how near a network comes to the best prediction.

Sources: as in models/denoising.py; Nichol & Dhariwal 2021, "Improved DDPM" (schedules, and the two variances); Salimans
& Ho 2022, "Progressive Distillation" (targets).

Conventions: each study takes the page's whole Config and reads what matters to it. Axes: k values that are compared,
n frames, m points, a places of arrows, r rows and columns, T = 1000 steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models import mixture_score
from models.denoising_config import Config, setting
from models.fields import no_tick
from models.noise_schedule import KINDS, N_TRAIN, SCHEDULES, add_noise, beta, both, schedule, snr, target
from models.plane_data import draw
from models.plane_net import n_param
from models.plane_quality import sliced
from models.plane_sampling import Setting, density, field, grid, noised, predicted, start, walk
from models.plane_training import network

Tick = Callable[[float], None]


def generated(seed: int) -> torch.Generator:
    """Randomness of a study."""
    return torch.Generator().manual_seed(500 + seed)


def points(cfg: Config, n: int = 1280) -> Float[Tensor, "n 2"]:
    """The data by themselves: what is there before anything is trained. Raises NothingDrawn."""
    return draw(cfg.data, n, generated(cfg.seed), cfg.drawing).x


# --- into noise ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forward:
    """Data on their way into noise."""

    t: tuple[int, ...]  # rising from 0 to 1000
    x: Float[Tensor, "n m 2"]  # noised from frame to frame
    closed: Float[Tensor, "n m 2"]  # the same data, noised in one go for every frame
    group: Int[Tensor, "m"]  # class, 1...
    density: Float[Tensor, "n r r"]
    alpha_bar: Float[Tensor, "n"]
    signal: Float[Tensor, "n"]  # measured on x: how much of the clean point is left, sqrt(ab) by the formula
    spread: Float[Tensor, "n"]  # measured on x: standard deviation of the rest, sqrt(1 - ab) by the formula
    gap: Float[Tensor, "n"]  # sliced Wasserstein distance between x and closed


def forward(cfg: Config, n_frame: int = 61, n_point: int = 512) -> Forward:
    """The forward process of the chosen data under the chosen schedule."""
    generator = generated(cfg.seed)
    clean = draw(cfg.data, n_point, generator, cfg.drawing)
    t = tuple(round(i * N_TRAIN / (n_frame - 1)) for i in range(n_frame))
    alpha_bar = torch.cat((torch.ones(1), schedule(cfg.schedule)))[list(t)]
    x = noised(clean.x, alpha_bar, generator)
    closed = add_noise(clean.x.expand_as(x), torch.randn(x.shape, generator=generator), alpha_bar[:, None, None])
    signal, spread = split(clean.x, x)
    return Forward(t, x, closed, clean.label, density(clean.x, alpha_bar), alpha_bar, signal, spread, sliced(x, closed))


def split(clean: Float[Tensor, "m d"], x: Float[Tensor, "n m d"]) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """How much of the clean points x holds, by least squares, and the standard deviation of what else it holds."""
    share = (x * clean).sum((1, 2)) / clean.square().sum()
    return share, (x - share[:, None, None] * clean).square().mean((1, 2)).sqrt()


@dataclass(frozen=True)
class Schedules:
    """The three schedules, by formula and by doing it."""

    name: tuple[str, ...]
    alpha_bar: Float[Tensor, "3 T"]
    beta: Float[Tensor, "3 T"]
    snr: Float[Tensor, "3 T"]
    t: tuple[int, ...]  # where it was measured
    signal: Float[Tensor, "3 k"]  # after t single steps with fresh noise each
    noise: Float[Tensor, "3 k"]
    closed_signal: Float[Tensor, "3 k"]  # sqrt(ab)
    closed_noise: Float[Tensor, "3 k"]  # sqrt(1 - ab)
    half: tuple[int, ...]  # the first t at which less than half of the variance is the data's
    difference: float  # the largest between doing it and the formula


def schedules(cfg: Config, n_point: int = 1024) -> Schedules:
    """alpha_bar, beta and signal-to-noise ratio; and a thousand single steps against the closed form."""
    every = torch.stack([schedule(name) for name in SCHEDULES])
    added = torch.stack([beta(one) for one in every])
    generator = generated(cfg.seed)
    clean = draw(cfg.data, n_point, generator, cfg.drawing).x
    t = (1, *range(50, N_TRAIN + 1, 50))
    x, found = clean.repeat(len(SCHEDULES), 1, 1), []
    for step in range(N_TRAIN):
        b = added[:, step, None, None]
        x = (1 - b).sqrt() * x + b.sqrt() * torch.randn(clean.shape, generator=generator)
        if step + 1 in t:
            found.append(torch.stack(split(clean, x)))
    signal, noise = torch.stack(found, dim=-1)
    at = [step - 1 for step in t]
    closed = every[:, at].sqrt(), (1 - every[:, at]).sqrt()
    return Schedules(
        name=SCHEDULES,
        alpha_bar=every,
        beta=added,
        snr=snr(every),
        t=t,
        signal=signal,
        noise=noise,
        closed_signal=closed[0],
        closed_noise=closed[1],
        half=tuple(int((one < 0.5).nonzero()[0]) + 1 for one in every),
        difference=float(torch.maximum((signal - closed[0]).abs().max(), (noise - closed[1]).abs().max())),
    )


# --- what is learned -------------------------------------------------------------------------------------------------

LEVELS = (1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900, 950, 1000)


@dataclass(frozen=True)
class Kinds:
    """Three networks that differ in what they predict, at every noise level. Mean squares, per coordinate."""

    kind: tuple[str, ...]
    t: tuple[int, ...]
    loss: Float[Tensor, "3 k"]  # of each in its own target
    epsilon_error: Float[Tensor, "3 k"]  # of the epsilon that follows from it, against the noise that was added
    x0_error: Float[Tensor, "3 k"]  # of the clean point that follows from it
    best: Float[Tensor, "3 k"]  # loss of the best possible prediction; all nan if the data have no exact one
    sliced: Float[Tensor, "3"]  # of 50 steps of DDIM
    floor: float


@torch.no_grad()
def kinds(cfg: Config, tick: Tick = no_tick, n_point: int = 2048) -> Kinds:
    """The three targets' losses against the noise level. For a drawing two more networks are trained."""
    alpha_bar = schedule(cfg.schedule)
    loss, epsilons, clean_points, best, distance = [], [], [], [], []
    generator = generated(cfg.seed)
    clean = draw(cfg.data, n_point, generator, cfg.drawing).x
    other = draw(cfg.data, n_point, generator, cfg.drawing).x
    noise = torch.randn(len(LEVELS), n_point, 2, generator=generator)
    for i, kind in enumerate(KINDS):

        def tell(done: float, i: int = i) -> None:
            tick((i + done) / len(KINDS))

        asked = replace(setting(cfg), kind=kind, exact=False, label=0)
        net = network(cfg.data, kind, cfg.drawing, tell).net
        rows = []
        for t, z in zip(LEVELS, noise, strict=True):
            ab = alpha_bar[t - 1]
            x = add_noise(clean, z, ab)
            said = predicted(asked, net, x, ab.expand(n_point))
            e, x0 = both(x, said, ab, kind)
            wanted = target(clean, z, ab, kind)
            right = mixture_score.epsilon(x, ab, mixture_score.EIGHT)
            ideal = target((x - (1 - ab).sqrt() * right) / ab.sqrt(), right, ab, kind)
            squares = [(said, wanted), (e, z), (x0, clean), (ideal, wanted)]
            rows.append([float((a - b).square().mean()) for a, b in squares])
        table = torch.tensor(rows).T
        loss.append(table[0])
        epsilons.append(table[1])
        clean_points.append(table[2])
        best.append(table[3] if cfg.data == "gaussians" else torch.full_like(table[3], torch.nan))
        distance.append(sliced(walk(asked, net, start(n_point, cfg.seed), 50, "ddim", keep=()).x[-1], clean))
        tell(1.0)
    return Kinds(
        KINDS,
        LEVELS,
        torch.stack(loss),
        torch.stack(epsilons),
        torch.stack(clean_points),
        torch.stack(best),
        torch.stack(distance),
        float(sliced(other, clean)),
    )


@dataclass(frozen=True)
class Exact:
    """The learned epsilon beside the best possible one, always of the eight Gaussians."""

    kind: tuple[str, ...]
    t: tuple[int, ...]
    error: Float[Tensor, "3 k"]  # root mean square of learned minus exact epsilon where noised data are
    loss: Float[Tensor, "3 k"]  # mean square of learned epsilon minus noise: best + error^2, up to chance
    best: Float[Tensor, "k"]  # mean square of exact epsilon minus noise: no network can go below
    shown: int  # t of the fields
    origin: Float[Tensor, "a 2"]
    learned: Float[Tensor, "a 2"]  # of the page's kind
    truth: Float[Tensor, "a 2"]


@torch.no_grad()
def exact(cfg: Config, n_point: int = 4096) -> Exact:
    """The networks of all three kinds against the closed form."""
    alpha_bar, generator = schedule(cfg.schedule), generated(cfg.seed)
    clean = draw("gaussians", n_point, generator).x
    noise = torch.randn(len(LEVELS), n_point, 2, generator=generator)
    error, loss = torch.zeros(2, len(KINDS), len(LEVELS))
    best = torch.zeros(len(LEVELS))
    for j, (t, z) in enumerate(zip(LEVELS, noise, strict=True)):
        ab = alpha_bar[t - 1]
        x = add_noise(clean, z, ab)
        right = mixture_score.epsilon(x, ab, mixture_score.EIGHT)
        best[j] = (right - z).square().mean()
        for i, kind in enumerate(KINDS):
            asked = Setting("gaussians", kind, cfg.schedule)
            said = predicted(asked, network("gaussians", kind).net, x, ab.expand(n_point))
            e, _ = both(x, said, ab, kind)
            error[i, j], loss[i, j] = (e - right).square().mean().sqrt(), (e - z).square().mean()
    shown = max(1, cfg.t) if cfg.t else 200
    places, asked = grid(17, 2.8), Setting("gaussians", cfg.kind, cfg.schedule)
    net, ab = network("gaussians", cfg.kind).net, alpha_bar[shown - 1 : shown]
    learned, truth = (field(replace(asked, exact=which), net, places, ab)[0] for which in (False, True))
    return Exact(KINDS, LEVELS, error, loss, best, shown, places, learned, truth)


@dataclass(frozen=True)
class Training:
    """How the network in use was trained."""

    kind: str
    step: tuple[int, ...]
    loss: Float[Tensor, "k"]  # mean since the point before
    n_param: int
    seconds: float
    live: bool  # here and now, for a drawing


def training(cfg: Config, tick: Tick = no_tick) -> Training:
    """The training curve; for a drawing of one's own the training itself, if it has not been done yet."""
    fitted = network(cfg.data, cfg.kind, cfg.drawing, tick)
    step, loss = zip(*fitted.curve, strict=True)
    return Training(fitted.kind, tuple(step), torch.tensor(loss), n_param(), fitted.seconds, fitted.live)
