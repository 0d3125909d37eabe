"""Denoising in the plane: noise becomes data, by DDPM and by DDIM from the same start, and the way there and back.

Sources: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", section 2 and algorithms 1 and 2. Song et al. 2021,
"Denoising Diffusion Implicit Models", section 4, equation (12). Song et al. 2021, "Score-Based Generative Modeling
through Stochastic Differential Equations" (the score). Ho & Salimans 2022, "Classifier-Free Diffusion Guidance",
equation (6). The parts: models/plane_data.py (what is to be learned), models/plane_net.py (the network),
models/noise_schedule.py and models/denoising_steps.py (the formulas).

    forward    x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) z         data loses itself in noise, nothing is learned
    learned    epsilon(x_t), the noise in x_t; or x0; or v             one network, every noise level
    reverse    x_T ~ N(0, I), then DDPM or DDIM until t = 0            the same start for both

Glossary
    t           how often noise was added: 0 clean data, 1000 nothing but noise. A frame is one t.
    x0          the clean point predicted at x_t: the mean of all that could have become x_t
    field       sqrt(ab) x0 - x_t, from a point to the mean it came from. The score, the gradient of the log density of
                q(x_t), is field / (1 - ab), and epsilon is -field / sqrt(1 - ab)
    exact       the best possible prediction, known where the data are a mixture of Gaussians (models/mixture_score.py)
    ghost       fresh data, never seen by the network in training

Axes: s sampler (0 DDPM, 1 DDIM), n frame (from noise to data), m point, a place of an arrow, r row and column of the
density (row 0 at the top, y high), g ghost, e = n or 0 (no exact prediction).

Conventions: predicted clean points are kept within -3 to 3 (diffusers' clip_sample), as the first predictions divide by
almost 0. Both samplers draw the same fresh noise in the same order: at eta = 1 DDIM is DDPM, point by point.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models import denoising_claims, denoising_reference
from models.denoising_config import COUNTS, Config, labels, limits, sampled, setting
from models.fields import no_tick
from models.noise_schedule import N_TRAIN, schedule
from models.plane_data import draw, n_class, of_class
from models.plane_quality import nearest, outside, sliced
from models.plane_sampling import EXACT, PLANE, density, field, grid, noised, start, walk
from models.plane_training import is_shipped, network

__all__ = ["CLAIMS", "COUNTS", "Config", "Trace", "at", "check", "facts", "labels", "limits", "sampled", "trace"]

SAMPLERS = ("ddpm", "ddim")
N_POINT = 320
N_GHOST = 4 * N_POINT
N_KNOWN = 4096  # data that a result is held against, point by point
MOST_FRAMES = 101
FAR = 1e6  # what goes farther is shown here


@dataclass(frozen=True)
class Trace:
    """Both samplings, frame by frame, beside what the forward process has at the same t."""

    data: str
    model: str  # "learned" or "exact": what was really asked
    formula: str
    kind: str
    schedule: str
    n_step: int
    eta: float
    towards: int  # 0: no class; never more than n_class
    guidance: float
    n_class: int
    t: tuple[int, ...]  # of every frame, falling from 1000 to 0; at most 101 of them, all steps if there are so few
    index: int  # the frame shown
    x: Float[Tensor, "s n m 2"]  # the samplers' points; x[:, 0] is the same noise for both, x[:, -1] the result
    x0: Float[Tensor, "s n m 2"]  # predicted at every frame; in the last frame the result itself
    end_class: Int[Tensor, "s m"]  # class (1...) of the data nearest to where a point ends: a colour for its path
    forward: Float[Tensor, "n m 2"]  # data, noised one step after the other; the same points in all frames
    forward_class: Int[Tensor, "m"]  # 1...
    density: Float[Tensor, "n r r"]  # of q(x_t) in the plane, per unit of area
    ghost: Float[Tensor, "g 2"]
    ghost_class: Int[Tensor, "g"]
    origin: Float[Tensor, "a 2"]
    field: Float[Tensor, "n a 2"]  # at the frame's t, guided as the sampling is
    field_exact: Float[Tensor, "e a 2"]
    alpha_bar: Float[Tensor, "n"]  # of the frames; 1 in the last
    gap: Float[Tensor, "s n"]  # sliced Wasserstein distance from the points to q(x_t) at every frame
    sliced: Float[Tensor, "s"]  # sliced Wasserstein distance from the result to fresh data (of the class asked for)
    floor: float  # the same between data and data, as many points: no sampler can be expected below it
    outside: Float[Tensor, "s"]  # share of the result farther from all data than 99 of 100 data points are
    hit: Float[Tensor, "s"]  # share of the result in the class asked for; 1 if none is


def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Sample with DDPM and with DDIM. For a drawing of one's own a network is trained first: about ten seconds.

    Raises:
        NothingDrawn: there is no drawing.
        ModelUnavailable: the shipped weights are damaged.
    """
    asked, n_step = setting(cfg), cfg.n_step
    generator = torch.Generator().manual_seed(1_000 + cfg.seed)
    known = draw(cfg.data, N_KNOWN, generator, cfg.drawing)
    clean = draw(cfg.data, N_POINT, generator, cfg.drawing)
    aim = of_class(cfg.data, asked.label, N_GHOST, generator, cfg.drawing).x
    spare = [of_class(cfg.data, asked.label, N_POINT, generator, cfg.drawing).x for _ in range(8)]
    wait = 0.0 if is_shipped(cfg.data, cfg.drawing) else 0.8  # training's share of the time
    net = network(cfg.data, cfg.kind, cfg.drawing, lambda done: tick(wait * done)).net

    n_frame = min(n_step, MOST_FRAMES - 1)
    keep = {i * n_step // n_frame for i in range(n_frame)}
    begun, paths = start(N_POINT, cfg.seed), []
    for i, sampler in enumerate(("ddpm" if cfg.formula == "right" else "wrong", "ddim")):

        def tell(done: float, i: int = i) -> None:
            tick(wait + (1 - wait) * (i + done) / len(SAMPLERS))

        paths.append(walk(asked, net, begun, n_step, sampler, cfg.eta, cfg.seed, keep, tell))
    steps = torch.tensor(paths[0].step)
    alpha_bar = torch.cat((schedule(cfg.schedule)[steps], torch.ones(1)))
    noisy = torch.cat((alpha_bar[:-1], schedule(cfg.schedule)[:1]))  # a field needs some noise
    x = within(torch.stack([path.x for path in paths]))
    end, places = x[:, -1], grid(15, 2.8)
    whose = known.label[nearest(end, known.x)[1]]
    known_best = [field(replace(asked, exact=True), net, places, noisy)] if cfg.data in EXACT else []
    done = Trace(
        data=cfg.data,
        model="exact" if asked.exact else "learned",
        formula=cfg.formula,
        kind=cfg.kind,
        schedule=cfg.schedule,
        n_step=n_step,
        eta=cfg.eta,
        towards=asked.label,
        guidance=cfg.guidance,
        n_class=n_class(cfg.data, cfg.drawing),
        t=(*(step + 1 for step in paths[0].step), 0),
        index=n_frame,
        x=x,
        x0=within(torch.stack([torch.cat((path.x0, path.x[-1:])) for path in paths])),
        end_class=whose,
        forward=noised(clean.x, alpha_bar, generator),
        forward_class=clean.label,
        density=density(known.x[:1024], alpha_bar),
        ghost=known.x[:N_GHOST],
        ghost_class=known.label[:N_GHOST],
        origin=places,
        field=field(asked, net, places, noisy),
        field_exact=torch.cat((torch.zeros(0, len(places), 2), *known_best)),
        alpha_bar=alpha_bar,
        gap=sliced(x, noised(aim[: 2 * N_POINT], alpha_bar, generator), 16),
        sliced=sliced(end, aim),
        floor=float(sliced(torch.stack(spare), aim).mean()),
        outside=outside(end, known.x).float().mean(-1),
        hit=(whose == asked.label).float().mean(-1) if asked.label else torch.ones(2),
    )
    return at(done, cfg.t)


def within(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Finite numbers, also where a formula runs away."""
    return x.nan_to_num(FAR, FAR, -FAR).clamp(-FAR, FAR)


def at(trace: Trace, t: int) -> Trace:
    """The same sampling at another frame: the one nearest to t."""
    return replace(trace, index=min(range(len(trace.t)), key=lambda i: abs(trace.t[i] - t)))


def facts(trace: Trace) -> dict[str, float | int]:
    """The numbers that the captions name: of the result, and of the frame shown."""
    i = trace.index
    ab = float(trace.alpha_bar[i])
    said: dict[str, float | int] = {
        "t": trace.t[i],
        "frame": i,
        "n_frame": len(trace.t),
        "n_step": trace.n_step,
        "n_train": N_TRAIN,
        "n_point": trace.x.shape[2],
        "n_ghost": len(trace.ghost),
        "n_class": trace.n_class,
        "eta": trace.eta,
        "guidance": trace.guidance,
        "towards": trace.towards,
        "alpha_bar": ab,
        "signal": ab**0.5,
        "noise": (1 - ab) ** 0.5,
        "snr": ab / max(1 - ab, 1e-9),
        "floor": trace.floor,
        "better": int(trace.sliced[1] < trace.sliced[0]),
        "std_data": float(trace.ghost.std(0, correction=0).square().mean().sqrt()),
        "apart": float((trace.x[0, i] - trace.x[1, i]).norm(dim=-1).mean()),
        "apart_end": float((trace.x[0, -1] - trace.x[1, -1]).norm(dim=-1).mean()),
        "largest_field": float(trace.field[i].norm(dim=-1).max()),
        "error_exact": error_exact(trace),
    }
    for s, name in enumerate(SAMPLERS):
        x = trace.x[s]
        said |= {
            f"sliced_{name}": float(trace.sliced[s]),
            f"ratio_{name}": float(trace.sliced[s]) / trace.floor,
            f"gap_{name}": float(trace.gap[s, i]),
            f"outside_{name}": float(trace.outside[s]),
            f"hit_{name}": float(trace.hit[s]),
            f"std_{name}": float(x[i].std(0, correction=0).square().mean().sqrt()),
            f"away_{name}": float((x[i].abs() > PLANE).any(-1).float().mean()),
            f"sorted_{name}": kept(trace.x[s, 0], trace.end_class[s]),
            f"moved_{name}": float(x.diff(dim=0).norm(dim=-1).sum(0).mean()),
            f"straight_{name}": float((x[-1] - x[0]).norm(dim=-1).mean()),
        }
    return said


def kept(x: Float[Tensor, "m 2"], end_class: Int[Tensor, "m"]) -> float:
    """Share of points whose nearest other point ends in the same class."""
    far = torch.cdist(x, x).fill_diagonal_(torch.inf)
    return float((end_class[far.argmin(-1)] == end_class).float().mean())


def error_exact(trace: Trace) -> float:
    """Root mean square of learned minus exact epsilon over the places of the arrows, at the frame shown; 0 if there is
    no exact one."""
    if not len(trace.field_exact):
        return 0.0
    ab = min(float(trace.alpha_bar[trace.index]), float(schedule(trace.schedule)[0]))
    return float((trace.field - trace.field_exact)[trace.index].square().mean().sqrt()) / (1 - ab) ** 0.5


def check(cfg: Config) -> dict[str, float]:
    """Both samplers against diffusers' schedulers with the same network; the exact prediction against autograd; the
    distances against an explicit loop."""
    net = network(cfg.data, cfg.kind, cfg.drawing).net
    return denoising_reference.differences(setting(cfg), net, cfg.n_step, cfg.eta, cfg.seed)


CLAIMS = denoising_claims.CLAIMS
