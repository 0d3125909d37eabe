"""A small network that finds the noise in a point of the plane, at every noise level and for every class.

Sources: Ho et al. 2020, "Denoising Diffusion Probabilistic Models" (one network for all steps). Kingma et al. 2021,
"Variational Diffusion Models", section 4 (the logarithm of the signal-to-noise ratio as the network's clock). Tancik et
al. 2020, "Fourier Features Let Networks Learn High Frequency Functions". Ho & Salimans 2022, "Classifier-Free Diffusion
Guidance" (a class that means none).

    place    x and y, and sine and cosine of both at three wavelengths      -> W_in        so that edges can be sharp
    noise    log(ab / (1 - ab)), and waves of it                            -> W_noise     no t: see below
    class    a vector for each, and one for "none" (0)                      -> a table
    h <- h + W_l silu(h + noise + class)        three times, then two numbers: epsilon, x0 or v

Convention: the network is told how much noise there is, not which step it is. So one network serves every schedule and
every number of steps; a schedule only says which noise levels are visited.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from models.language_model import ModelUnavailable
from models.noise_schedule import snr
from models.plane_data import MOST_CLASSES

WEIGHTS = Path(__file__).parent / "weights"
NAME = "plane_nets"
WIDTH, N_BLOCK = 112, 3
WAVES = (1, 2, 4)  # per 6 units of the plane
LOUDEST = 10.0  # log-SNR is kept within -10 to 10


class PlaneNet(nn.Module):
    """(point, noise level, class) -> two numbers."""

    wave: Tensor
    clock: Tensor

    def __init__(self, generator: torch.Generator, width: int = WIDTH, n_block: int = N_BLOCK) -> None:
        super().__init__()
        self.register_buffer("wave", torch.tensor(WAVES) * (math.pi / 3), persistent=False)
        self.register_buffer("clock", 0.1 * torch.logspace(0, math.log10(15), 8), persistent=False)
        self.place = nn.Linear(2 + 4 * len(WAVES), width)
        self.noise = nn.Linear(1 + 2 * len(self.clock), width)
        self.label = nn.Embedding(1 + MOST_CLASSES, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(n_block))
        self.out = nn.Linear(width, 2)
        for linear in (self.place, self.noise, *self.blocks):
            assert isinstance(linear, nn.Linear)
            scale = 1 / math.sqrt(linear.in_features)
            nn.init.uniform_(linear.weight, -scale, scale, generator=generator)
            nn.init.zeros_(linear.bias)
        nn.init.normal_(self.label.weight, std=0.5, generator=generator)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, x: Float[Tensor, "b 2"], log_snr: Float[Tensor, "b"], label: Int[Tensor, "b"]
    ) -> Float[Tensor, "b 2"]:
        """label: 0 for no class, or 1 to MOST_CLASSES."""
        turn = (x[:, :, None] * self.wave).flatten(1)
        level = log_snr.clamp(-LOUDEST, LOUDEST)[:, None]
        told = self.noise(torch.cat((level / 4, (level * self.clock).sin(), (level * self.clock).cos()), dim=-1))
        told = told + self.label(label)
        h = self.place(torch.cat((x, turn.sin(), turn.cos()), dim=-1)) + told
        for block in self.blocks:
            h = h + block(F.silu(h + told))
        return self.out(F.silu(h))

    def at(self, x: Float[Tensor, "b 2"], ab: Float[Tensor, ""], label: int = 0) -> Float[Tensor, "b 2"]:
        """All points at one noise level and of one class."""
        n = len(x)
        return self(x, snr(ab).log().expand(n), torch.full((n,), label))


def n_param() -> int:
    """Numbers in the network."""
    return sum(weight.numel() for weight in PlaneNet(torch.Generator()).parameters())


@dataclass(frozen=True)
class Fitted:
    """A trained network and what its training wrote down."""

    net: PlaneNet
    kind: str  # "epsilon", "x0" or "v": what it predicts
    curve: tuple[tuple[int, float], ...]  # (step, mean loss since the point before)
    seconds: float
    live: bool  # trained here and now, not shipped


def build(weights: dict[str, Tensor]) -> PlaneNet:
    """The network of some weights, ready to run."""
    net = PlaneNet(torch.Generator())
    net.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return net.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def shipped() -> dict[tuple[str, str], Fitted]:
    """{(data, kind): network}, as trained by training/plane.py. Raises ModelUnavailable."""
    try:
        card = json.loads((WEIGHTS / f"{NAME}.json").read_text(encoding="utf-8"))
        weights = load_file(WEIGHTS / f"{NAME}.safetensors")
        found = {}
        for key, about in card["nets"].items():
            data, kind = key.split(".")
            own = {name.removeprefix(f"{key}."): w for name, w in weights.items() if name.startswith(f"{key}.")}
            curve = tuple((int(step), float(loss)) for step, loss in about["curve"])
            found[data, kind] = Fitted(build(own), kind, curve, float(about["seconds"]), False)
    except Exception as error:  # a file that is damaged fails in many ways
        raise ModelUnavailable("shipped_damaged") from error
    return found
