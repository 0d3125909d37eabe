"""The page's further figures: which views each study of models/vit_studies.py becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from viz import imagenet as records
from viz import swin as windows
from viz import vision_studies as vision
from viz import vit as pictures
from viz.view import View

if TYPE_CHECKING:
    from models.masked_autoencoder import Painted
    from models.vision_studies import Hunger, Reach, Shift
    from models.vit import Config, Trace
    from models.vit_studies import Features, Patches, Positions, Records, Windows

Words = Mapping[str, str]
PERCENTS = (10, 25, 40, 50, 60, 70, 75, 80, 85, 90, 95)  # the ratios of models/masked_autoencoder.py


def views(name: str, found: Any, cfg: Config, words: Words) -> Sequence[View | go.Figure]:
    """All views of a study, from top to bottom."""
    return VIEWS[name](found, cfg, words)


def _patches(found: Patches, cfg: Config, words: Words) -> list[View]:
    return [pictures.tiles(found.cut, words), pictures.sizes(found.sizes, cfg.patch, words)]


def _positions(found: Positions, cfg: Config, words: Words) -> list[View]:
    measured = found.measured
    return [
        pictures.positions(found.similarity.numpy(), found.centred.numpy(), found.side, cfg.source, words),
        pictures.grids(measured.side, measured.resized, found.side, words),
    ]


def _heads(found: Trace, cfg: Config, words: Words) -> list[View]:
    source = cfg.source if cfg.source <= found.side**2 else 0
    return [pictures.heads(found, words, source), pictures.distances(found, words)]


def _features(found: Features, cfg: Config, words: Words) -> list[View]:
    return [pictures.features(found, words, cfg.source)]


def _field(found: Reach, cfg: Config, words: Words) -> list[View]:
    return [vision.reach(found, words, "depth", cfg.depth - 1), vision.fields(found, words)]


def _shift(found: Shift, cfg: Config, words: Words) -> list[View]:
    shapes = [words[f"shape_{name}"] for name in pictures.SHAPES]
    return [
        vision.shift_strip(found, words),
        vision.shift_class(found, shapes, words, "shift", cfg.shift),
        vision.shift_error(found, words, "shift", cfg.shift),
    ]


def _hunger(found: Hunger, cfg: Config, words: Words) -> list[View]:
    return [vision.hunger(found, vision.QUESTIONS.index(cfg.question), words)]


def _mae(found: Painted, cfg: Config, words: Words) -> list[View]:
    index = min(range(len(PERCENTS)), key=lambda i: abs(PERCENTS[i] - cfg.ratio))
    return [vision.paint(found, PERCENTS, words, "ratio", index)]


def _swin(found: Windows, cfg: Config, words: Words) -> list[View]:
    return [
        windows.stages(found.picture.numpy(), found.plan, cfg.swin_stage, words),
        windows.reach(found.reach.numpy(), found.piece.numpy(), cfg.swin_block, words),
        windows.cost(found.pixels, found.cost, found.whole, cfg.resolution, words),
    ]


def _imagenet(found: Records, cfg: Config, words: Words) -> list[View | go.Figure]:
    return [records.chart(found.rows, words), records.diagram(found.resnet, found.vit, words)]


VIEWS: dict[str, Callable[..., Sequence[View | go.Figure]]] = {
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
