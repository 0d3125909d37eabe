"""Points of the plane on their way: noised, denoised by a network or by the exact prediction, and the field they see.

Sources: as in models/denoising.py. The formulas are in models/noise_schedule.py and models/denoising_steps.py.

    there   x_t' = sqrt(ab' / ab) x_t + sqrt(1 - ab' / ab) z          from one frame to the next, fresh noise each time
    q(x_t)  mean over the data of N(sqrt(ab) x_0, 1 - ab)             its density, and a little width of its own
    field   sqrt(ab) x0 - x_t                                         from a point to the mean of where it came from

Conventions: predicted clean points stay within -3 to 3, and epsilon follows (diffusers: clip_sample,
use_clipped_model_output). A class is asked for by classifier-free guidance, in one batch of twice the size.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models import mixture_score
from models.denoising_steps import Denoise, Path, guided, sample, timesteps
from models.drawing import EXAMPLE
from models.fields import no_tick
from models.noise_schedule import both, schedule, snr
from models.plane_net import PlaneNet

EXACT = ("gaussians",)  # data whose best prediction is known
PLANE = 3.0  # what is shown, and what a clean point can be: -PLANE to PLANE in both directions
WIDTH = 0.06  # standard deviation that each of the data has in a density, so that clean data have one


@dataclass(frozen=True)
class Setting:
    """What is predicted, and how."""

    data: str = "moons"
    kind: str = "epsilon"
    schedule: str = "linear"
    exact: bool = False  # the closed form instead of the network
    label: int = 0  # class asked for, 0: none
    scale: float = 1.0  # of guidance
    text: str = EXAMPLE

    @property
    def predicts(self) -> str:
        """The closed form is an epsilon, whatever the network predicts."""
        return "epsilon" if self.exact else self.kind


def predicted(setting: Setting, net: PlaneNet, x: Float[Tensor, "b 2"], ab: Float[Tensor, "b"]) -> Float[Tensor, "b 2"]:
    """epsilon, x0 or v of every point at its own noise level, guided if a class is asked for."""

    def ask(x: Tensor, ab: Tensor, label: Tensor) -> Tensor:
        return net(x, snr(ab).log(), label)

    n = len(x)
    if setting.exact:
        plain = mixture_score.epsilon(x, ab[:, None], mixture_score.EIGHT)
        if not setting.label:
            return plain
        return guided(
            mixture_score.epsilon(x, ab[:, None], mixture_score.EIGHT.only(setting.label)), plain, setting.scale
        )
    none = torch.zeros(n, dtype=torch.long)
    if not setting.label:
        return ask(x, ab, none)
    towards, plain = ask(torch.cat((x, x)), torch.cat((ab, ab)), torch.cat((none + setting.label, none))).chunk(2)
    return guided(towards, plain, setting.scale)


def denoiser(setting: Setting, net: PlaneNet) -> Denoise:
    """What `denoising_steps.sample` asks at every step."""
    alpha_bar = schedule(setting.schedule)

    @torch.no_grad()
    def denoise(x: Tensor, t: int) -> Tensor:
        return predicted(setting, net, x, alpha_bar[t].expand(len(x)))

    return denoise


def start(n: int, seed: int) -> Float[Tensor, "n 2"]:
    """The noise that sampling starts from."""
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def walk(
    setting: Setting,
    net: PlaneNet,
    x: Float[Tensor, "n 2"],
    n_step: int,
    sampler: str,
    eta: float = 0.0,
    seed: int = 0,
    keep: Collection[int] | None = None,
    tick: Callable[[float], None] = no_tick,
) -> Path:
    """Denoise x in n_step steps. seed: of the fresh noise; the same for every sampler gives the same noise."""
    return sample(
        denoiser(setting, net),
        x,
        schedule(setting.schedule),
        timesteps(n_step),
        setting.predicts,
        sampler,
        eta,
        torch.Generator().manual_seed(10_000 + seed),
        keep,
        None if sampler == "wrong" else PLANE,  # the wrong formula knows no clean point
        tick,
    )


@torch.no_grad()
def field(
    setting: Setting, net: PlaneNet, x: Float[Tensor, "a 2"], alpha_bar: Float[Tensor, "n"]
) -> Float[Tensor, "n a 2"]:
    """From each place to the mean of where it came from, at every noise level."""
    places, ab = x.repeat(len(alpha_bar), 1), alpha_bar.repeat_interleave(len(x))
    _, x0 = both(places, predicted(setting, net, places, ab), ab[:, None], setting.predicts)
    return (ab.sqrt()[:, None] * x0.clamp(-PLANE, PLANE) - places).unflatten(0, (len(alpha_bar), len(x)))


def noised(
    clean: Float[Tensor, "m 2"], alpha_bar: Sequence[float] | Float[Tensor, "n"], generator: torch.Generator
) -> Float[Tensor, "n m 2"]:
    """The same points at every noise level: alpha_bar falls from frame to frame, or rises if it is read backwards."""
    level = torch.as_tensor(alpha_bar, dtype=torch.float64)
    order = level.argsort(descending=True)
    x, before, found = clean.double(), 1.0, [torch.empty(0)] * len(level)
    for i in order.tolist():
        left = float(level[i]) / before
        z = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        x = left**0.5 * x + max(0.0, 1 - left) ** 0.5 * z
        before, found[i] = float(level[i]), x
    return torch.stack(found).float()


def density(clean: Float[Tensor, "m 2"], alpha_bar: Float[Tensor, "n"], n_side: int = 40) -> Float[Tensor, "n r r"]:
    """Density of q(x_t) per unit of area on a grid of the plane, row 0 at the top (y high)."""
    centre = middles(n_side)
    variance = (1 - alpha_bar + WIDTH**2)[:, None, None]
    mean = alpha_bar.sqrt()[:, None, None] * clean.T[:, None, None, :]  # (2, n, 1, m)
    bell = torch.exp(-((centre[:, None] - mean) ** 2) / (2 * variance)) / (2 * torch.pi * variance).sqrt()
    return (bell[1].flip(1) @ bell[0].transpose(1, 2)) / len(clean)


def middles(n_side: int) -> Float[Tensor, "r"]:
    """Middles of the cells of a grid of the plane."""
    return ((torch.arange(n_side) + 0.5) / n_side * 2 - 1) * PLANE


def grid(n_side: int, reach: float) -> Float[Tensor, "a 2"]:
    """Places in the plane, evenly spread."""
    line = torch.linspace(-reach, reach, n_side)
    return torch.cartesian_prod(line, line)
