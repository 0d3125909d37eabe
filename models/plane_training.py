"""Fit a network to a distribution in the plane: the noise-prediction loss, and nothing else.

Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", equation (14) and algorithm 1. Kingma & Ba 2015,
"Adam". Salimans & Ho 2022, "Progressive Distillation", section 4 (targets x0 and v).

    x_0 from the data, t at random, epsilon ~ N(0, I)
    L = mean || target - net(sqrt(ab_t) x_0 + sqrt(1 - ab_t) epsilon, ab_t, class) ||^2

The same network serves all schedules, so noise levels are drawn from the three of them in turn. One class in six is
hidden, which teaches the prediction without a class. The weights kept are an average over the second half of training.
"""

import copy
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cachetools
import torch
from jaxtyping import Float
from torch import Tensor

from models.drawing import EXAMPLE
from models.fields import no_tick
from models.noise_schedule import SCHEDULES, add_noise, schedule, snr, target
from models.plane_data import draw
from models.plane_net import Fitted, PlaneNet, shipped


@dataclass(frozen=True)
class Recipe:
    """How long, and how."""

    n_step: int = 6_000
    n_batch: int = 512
    n_pool: int = 65_536  # points that batches are drawn from
    lr: float = 3e-3
    n_warmup: int = 100
    hidden: float = 1 / 6  # share of the points whose class is hidden
    keep: float = 0.995  # of the average, per step
    seed: int = 0


SHIPPED = Recipe()
LIVE = Recipe(n_step=2_500)  # about ten seconds on one core
N_POINT = 60  # of the curve


def levels() -> Float[Tensor, "n"]:
    """alpha_bar of all steps of all schedules; without the last few of the cosine's, where next to nothing is left."""
    return torch.cat([schedule(name) for name in SCHEDULES]).clamp(4.5e-5, 1 - 4.5e-5)


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear from 0 to lr, then half a cosine down to a hundredth."""
    if step < recipe.n_warmup:
        return recipe.lr * (step + 1) / recipe.n_warmup
    done = (step - recipe.n_warmup) / max(1, recipe.n_step - recipe.n_warmup)
    return recipe.lr * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


@torch.enable_grad()
def fit(data: str, kind: str, recipe: Recipe, text: str = EXAMPLE, tick: Callable[[float], None] = no_tick) -> Fitted:
    """A network for the distribution, trained from nothing.

    Raises:
        NothingDrawn: the data are drawn, and there is no drawing.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    pool = draw(data, recipe.n_pool, generator, text)
    net, level, losses = PlaneNet(generator), levels(), []
    log_snr = snr(level).log()
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.lr, betas=(0.9, 0.99), fused=True)
    average, half, clock = copy.deepcopy(net), recipe.n_step // 2, time.monotonic()
    n = recipe.n_batch
    for step in range(recipe.n_step):
        of = torch.randint(recipe.n_pool, (n,), generator=generator)
        t = torch.randint(len(level), (n,), generator=generator)
        label = torch.where(torch.rand(n, generator=generator) < recipe.hidden, 0, pool.label[of])
        noise, x0, ab = torch.randn(n, 2, generator=generator), pool.x[of], level[t, None]
        said = net(add_noise(x0, noise, ab), log_snr[t], label)
        loss = (said - target(x0, noise, ab, kind)).square().mean()
        optimizer.param_groups[0]["lr"] = learning_rate(step, recipe)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        with torch.no_grad():
            if step == half:
                average.load_state_dict(net.state_dict())
            elif step > half:
                for mean, weight in zip(average.parameters(), net.parameters(), strict=True):
                    mean.lerp_(weight, 1 - recipe.keep)
        if step % 20 == 19:
            tick((step + 1) / recipe.n_step)
    seconds = time.monotonic() - clock
    return Fitted(average.eval().requires_grad_(False), kind, curve(losses), seconds, True)


def curve(losses: list[Tensor], n_point: int = N_POINT) -> tuple[tuple[int, float], ...]:
    """(step, mean loss since the point before), about n_point of them."""
    edge = [round(i * len(losses) / n_point) for i in range(n_point + 1)]
    every = torch.stack(losses)
    return tuple((b, round(float(every[a:b].mean()), 5)) for a, b in pairwise(edge) if b > a)


_LIVE: cachetools.LRUCache[tuple[str, str], Fitted] = cachetools.LRUCache(24)
_LOCK = threading.Lock()


def is_shipped(data: str, text: str) -> bool:
    """Whether nothing need be trained."""
    return data != "drawn" or text == EXAMPLE


def network(data: str, kind: str, text: str = EXAMPLE, tick: Callable[[float], None] = no_tick) -> Fitted:
    """The network for some data: a shipped one, or for a drawing of one's own one that is trained now.

    Raises:
        NothingDrawn: there is no drawing.
        ModelUnavailable: the shipped weights are damaged.
    """
    if is_shipped(data, text):
        return shipped()[data, kind]
    with _LOCK:
        found = _LIVE.get((text, kind))
    if found is None:
        found = fit(data, kind, LIVE, text, tick)
        with _LOCK:
            _LIVE[text, kind] = found
    return found
