"""The page's further figures: what each of them needs computed, from the same Config and picture as the main one.

Every study is a function of (cfg, picture, tick) with the name of its figure. `asked` leaves in a Config only what a
study reads, so that visitors who differ in anything else share its result. Studies of convolution, shifts, amounts of
data and masking are models/vision_studies.py's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from models import imagenet as records
from models import masked_autoencoder, patch_embedding, vision_studies, vit_measures, vit_reading
from models import swin as windows
from models.fields import no_tick
from models.image_input import Picture
from models.patch_embedding import N_PIXEL, Cut, Size, bytes_of
from models.scene_notation import read as read_scene
from models.scenes import draw
from models.vit import Config, Trace, encoder, sampled, seen_by, side_of
from models.vit import trace as read_picture

Tick = Callable[[float], None]
PICTURED = ("patches", "heads", "features", "field", "shift", "swin", "mae")  # studies of the picture shown
READ = {  # study: the fields of Config it reads
    "patches": ("scene", "patch"),
    "positions": ("model", "trained", "side"),
    "heads": ("scene", "model", "grid", "trained", "shuffle", "positions"),
    "features": ("scene", "model", "grid", "trained", "shuffle", "positions"),
    "field": ("scene", "trained"),
    "shift": ("scene", "trained"),
    "hunger": ("question",),
    "swin": ("scene",),
    "mae": ("scene",),
    "imagenet": ("order",),
}
N_BLOCK = 6  # of Swin-T's third stage
PIXELS = (112, 168, 224, 280, 336, 448, 560, 672, 896, 1120, 1344)
PATCHES = (7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112)


@dataclass(frozen=True)
class Patches:
    """A picture cut, and what other sizes of patches would make of it."""

    cut: Cut
    sizes: tuple[Size, ...]


@dataclass(frozen=True)
class Positions:
    """How like each other position embeddings are, and what the small model makes of other grids and disorder."""

    side: int
    learned: int  # the side they were learned on
    similarity: Float[Tensor, "n n"]
    centred: Float[Tensor, "n n"]  # the same without what all positions have in common, their mean
    measured: vit_measures.Measured


@dataclass(frozen=True)
class Features:
    """What patches are like, layer by layer; layer 0 is z_0."""

    layer: tuple[int, ...]
    side: int
    colour: UInt8[Tensor, "l n 3"]
    explained: Float[Tensor, "l 3"]
    similarity: Float[Tensor, "l n n"]
    separated: tuple[float, ...]  # how well the best of three components tells things from the ground; NaN: unknown


@dataclass(frozen=True)
class Windows:
    """Swin-T on this picture: its grids, who sees whom in its third stage, and what all of it costs."""

    picture: UInt8[Tensor, "y x 3"]
    plan: tuple[windows.Stage, ...]
    reach: Bool[Tensor, "l n n"]
    piece: Int[Tensor, "2 n"]  # of even and of odd blocks
    pixels: tuple[int, ...]
    cost: tuple[int, ...]
    whole: tuple[int, ...]  # without windows


def asked(name: str, cfg: Config) -> Config:
    """`cfg` with everything else at its default."""
    return replace(Config(), **{field: getattr(cfg, field) for field in READ[name]})


def picture(name: str, own: Picture | None) -> Picture | None:
    """The visitor's own picture, for a study that looks at one."""
    return own if name in PICTURED else None


def whole_picture(cfg: Config, picture: Picture | None) -> Float[Tensor, "3 y x"]:
    """The picture at ImageNet's usual size."""
    return draw([read_scene(cfg.scene)], N_PIXEL)[0] if picture is None else picture.square(N_PIXEL)


def small_picture(cfg: Config, picture: Picture | None, n_pixel: int) -> Float[Tensor, "1 3 y x"]:
    """The picture for a small model."""
    return draw([read_scene(cfg.scene)], n_pixel) if picture is None else picture.square(n_pixel)[None]


def patches(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> Patches:
    """The picture, cut at the patch size chosen."""
    sizes = sorted({*PATCHES, cfg.patch})
    found = patch_embedding.cut(whole_picture(cfg, picture), cfg.patch, tick=tick)
    return Patches(found, tuple(patch_embedding.size(patch) for patch in sizes))


@torch.no_grad()
def positions(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> Positions:
    """Cosine of every patch's position embedding with every other's, on a grid of side x side."""
    model = encoder(cfg)
    tick(0.2)
    place = vit_reading.positions(model, cfg.side)[1:]
    learned = round((len(model.position) - 1) ** 0.5)
    return Positions(
        cfg.side,
        learned,
        vit_reading.similarity(place),
        vit_reading.similarity(place - place.mean(0)),
        vit_measures.measure(cfg.trained, lambda f: tick(0.2 + 0.8 * f)),
    )


def heads(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> Trace:
    """The main picture's trace."""
    return read_picture(sampled(cfg), picture, tick)


@torch.no_grad()
def features(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> Features:
    """Principal components and similarities of the patches of one picture after every layer (every second, if there
    are many)."""
    model = encoder(cfg)
    tick(0.2)
    side, patch = side_of(cfg, model), model.shape.patch
    image, thing = seen_by(cfg, picture, side * patch, patch)
    layers = vit_reading.read(model, vit_reading.embed(model, image[None], cfg.positions)).layers
    tick(0.6)
    shown = range(0, len(layers), 1 if len(layers) <= 6 else 2)
    rows = [layers[i][0, 1:] for i in shown]
    found = [vit_reading.components(one) for one in rows]
    return Features(
        layer=tuple(shown),
        side=side,
        colour=torch.stack([vit_reading.colours(score) for score, _ in found]),
        explained=torch.stack([share for _, share in found]),
        similarity=torch.stack([vit_reading.similarity(one) for one in rows]).half(),
        separated=tuple(max(vit_reading.separation(one, thing) for one in score.T) for score, _ in found),
    )


def swin(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> Windows:
    """Grids and windows of all stages; reach in the third one."""
    plan = windows.stages()
    third = plan[2]
    return Windows(
        picture=bytes_of(whole_picture(cfg, picture).permute(1, 2, 0)),
        plan=plan,
        reach=windows.reach(third.side, N_BLOCK),
        piece=torch.stack([windows.pieces(third.side, third.window, shift) for shift in (0, third.shift)]),
        pixels=PIXELS,
        cost=tuple(windows.cost(n) for n in PIXELS),
        whole=tuple(windows.cost(n, windows=False) for n in PIXELS),
    )


def field(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> vision_studies.Reach:
    """Which places of which layer a patch moves, in the CNN and in the ViT."""
    return vision_studies.reach(small_picture(cfg, picture, 32), cfg.trained, tick)


def shift(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> vision_studies.Shift:
    """The picture moved by 0 to 8 pixels."""
    return vision_studies.shift(small_picture(cfg, picture, 32), cfg.trained)


def hunger(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> vision_studies.Hunger:
    """Accuracy against the number of pictures learned from, as measured when the models were trained."""
    return vision_studies.hunger()


def mae(cfg: Config, picture: Picture | None = None, tick: Tick = no_tick) -> masked_autoencoder.Painted:
    """The picture, masked at several ratios and painted in."""
    return masked_autoencoder.paint(small_picture(cfg, picture, 56))


@dataclass(frozen=True)
class Records:
    """The table in the order asked for, and two networks part by part."""

    rows: tuple[tuple[records.Row, int], ...]
    resnet: tuple[records.Part, ...]
    vit: tuple[records.Part, ...]


def imagenet(cfg: Config, picture: Picture | None = None) -> Records:
    """What classifiers reach, and what they are made of."""
    return Records(tuple(records.rows(cfg.order)), records.resnet_152(), records.vit_b())


# --- what their sentences say ----------------------------------------------------------------------------------------


def facts(name: str, found: Any, cfg: Config) -> dict[str, float | int | str]:
    """The numbers of a study's sentence."""
    return FACTS[name](found, cfg)


def sentence(name: str, found: Any, cfg: Config) -> str:
    """The name of a study's sentence, by what was found: of an uploaded picture, say, less is known."""
    if isinstance(found, Features):
        first, last = found.separated[0], found.separated[-1]
        if any(math.isnan(value) for value in found.separated):
            return f"note_{name}_own"
        if f"{first:.0%}" == f"{last:.0%}":
            return f"note_{name}_same"
    if isinstance(found, vision_studies.Hunger) and float(facts(name, found, cfg)["lead"]) >= 0.05:
        return f"note_{name}_ahead"
    return f"note_{name}"


def _patches(found: Patches, cfg: Config) -> dict[str, float | int | str]:
    one = found.cut.size
    usual = patch_embedding.size(16)
    return {
        "patch": one.patch,
        "side": one.side,
        "n": one.n_patch,
        "token": one.n_token,
        "number": one.n_number,
        "weight": one.n_weight / 1e3,
        "left": one.left_over,
        "unfolded": found.cut.unfolded,
        "looped": found.cut.looped,
        "largest": found.cut.largest,
        "usual_token": usual.n_token,
        "pairs": one.n_pair / usual.n_pair,
    }


def _positions(found: Positions, cfg: Config) -> dict[str, float | int | str]:
    n = found.side
    beside = found.similarity.view(n, n, n, n)
    rows, columns = torch.arange(n - 1), torch.arange(n)
    right = float(beside[columns[:, None], rows, columns[:, None], rows + 1].mean())
    corner = float(beside[0, 0, n - 1, n - 1])
    return {
        "side": n,
        "learned": found.learned,
        "beside": right,
        "corner": corner,
        **vit_measures.facts(found.measured),
    }


def _heads(found: Trace, cfg: Config) -> dict[str, float | int | str]:
    reach = found.distance
    return {
        "n_head": reach.numel(),
        "even": vit_reading.even_distance(found.side, found.patch),
        "first_low": float(reach[0].min()),
        "first_high": float(reach[0].max()),
        "last_low": float(reach[-1].min()),
        "last_high": float(reach[-1].max()),
        "n_layer": len(reach),
    }


def _features(found: Features, cfg: Config) -> dict[str, float | int | str]:
    return {
        "first": float(found.explained[0].sum()),
        "last": float(found.explained[-1].sum()),
        "layer": found.layer[-1],
        "separated_first": found.separated[0],
        "separated_last": found.separated[-1],
    }


def _field(found: vision_studies.Reach, cfg: Config) -> dict[str, float | int | str]:
    return {**vision_studies.reach_facts(found)}


def _shift(found: vision_studies.Shift, cfg: Config) -> dict[str, float | int | str]:
    return {**vision_studies.shift_facts(found, cfg.shift)}


def _hunger(found: vision_studies.Hunger, cfg: Config) -> dict[str, float | int | str]:
    return {**vision_studies.hunger_facts(found, cfg.question)}


def _mae(found: masked_autoencoder.Painted, cfg: Config) -> dict[str, float | int | str]:
    return {**masked_autoencoder.paint_facts(found, nearest(cfg.ratio / 100))}


def nearest(ratio: float) -> int:
    """The place of a mask ratio among those shown."""
    return min(range(len(masked_autoencoder.RATIOS)), key=lambda i: abs(masked_autoencoder.RATIOS[i] - ratio))


def _swin(found: Windows, cfg: Config) -> dict[str, float | int | str]:
    third, n = found.plan[2], found.reach.shape[1]
    middle = (third.side // 2 - 1) * third.side + third.side // 2 - 1
    at = found.pixels.index(windows.N_PIXEL)
    return {
        "n": n,
        "one": int(found.reach[0, middle].sum()),
        "two": int(found.reach[1, middle].sum()),
        "all_after": next(i + 1 for i, seen in enumerate(found.reach) if bool(seen.all())),
        "cost": found.cost[at] / 1e9,
        "whole": found.whole[at] / 1e9,
        "large": found.pixels[-1],
        "large_times": found.whole[-1] / found.cost[-1],
    }


def _imagenet(found: Records, cfg: Config) -> dict[str, float | int | str]:
    rows = [row for row, _ in found.rows]
    return {"n": len(rows), "reported": sum(not row.read for row in rows)}


FACTS: dict[str, Callable[..., dict[str, float | int | str]]] = {
    "patches": _patches,
    "positions": _positions,
    "heads": _heads,
    "features": _features,
    "field": _field,
    "shift": _shift,
    "hunger": _hunger,
    "mae": _mae,
    "swin": _swin,
    "imagenet": _imagenet,
}
