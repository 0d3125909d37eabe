"""Who owns which part of the plane, said in Python: the plane coloured by the expert that the router would choose,
the data on it, every expert's load beside it, as frames that a scrubber plays; two runs stand side by side.

    regions([Run("no balancing", owner, load, chosen=first), Run("Switch loss", owner_2, load_2, chosen=first_2)],
            x=(-3, 3), y=(-3, 3), points=points, group=cluster, scrub=Scrub("step", "step", steps, 60), alt="...")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean
from viz.view import View, pack

STATES = ("scrub",)  # what the component reports: the index at which the scrubber was let go
MOST_FRAMES = 256
MOST_CELLS = 128 * 128
MOST_POINTS = 2048
MOST_EXPERTS = 16
MOST_LETTERS = 3  # of an expert's name, which stands in a small disc
_FINE = 40  # rows and columns of probabilities that travel at most
_TOLERANCE = 1e-3  # by which the shares of one frame may miss 1


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run: n frames, h times w cells, e experts, m points.

    owner: (n, h, w) the expert of the first choice in each cell, 0 to e - 1; row 0 is at the top (y high). The cells
        fill the plane: the first one's middle is half a cell from its edge. From about 96 by 96 on borders look smooth
    load: (n, e) each expert's share of the assignments, a row sums to 1
    strength: (n, h, w) the router's probability of the owner, 0 to 1 (or 0 to 255 as uint8): fades the colour. At most
        64 by 64 travel, what lies between is interpolated
    chosen: (n, m) the expert each point is sent to first; without it the points have no colour
    dropped: (n, m) points that found no place
    limit: the share of the assignments that one expert can serve (its capacity); one number, or one per frame
    notes: for each frame a few words beside the title ("loss 0.21"), or one that stands still
    """

    title: str
    owner: ArrayLike
    load: ArrayLike
    strength: ArrayLike | None = None
    chosen: ArrayLike | None = None
    dropped: ArrayLike | None = None
    limit: ArrayLike | None = None
    notes: Sequence[str] = ()


def regions(
    runs: Sequence[Run],
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    points: ArrayLike,
    group: ArrayLike | None = None,
    groups: Sequence[str] = (),
    experts: Sequence[str] = (),
    scrub: Scrub | None = None,
    follow: str = "",
    index: int = 0,
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 510,
    name: str = "regions",
) -> View:
    """One run, or two side by side; both have the same plane, the same points and as many frames and experts.

    x, y: limits of the plane
    points: (m, 2) where the data lie; group: (m,) which cluster each belongs to, drawn as its shape; groups: the
        clusters' names ("cluster 1"), as they are read out
    experts: names of at most three letters, else 1, 2, ...
    scrub: plays the frames; its slider lies under strips with the loads of all frames
    follow: without scrub, the frames follow this field's scrubber elsewhere on the page; index: the frame at first
    words: what the page says differently from the kit (ui/words.toml, [kit.regions_...], named here without "regions_")
    height: of the picture at full width; on a phone, where its parts stand under each other, it grows
    name: start of the file name of an export

    Raises:
        ValueError: nothing or too much to draw, shapes that do not fit each other, experts or groups that do not exist,
            shares or probabilities outside 0 to 1, or a plane without extent.
    """
    if not 1 <= len(runs) <= 2:
        raise ValueError(f"{len(runs)} runs: one, or two side by side")
    where = np.asarray(points, dtype=np.float64)
    if where.ndim != 2 or where.shape[1] != 2 or len(where) > MOST_POINTS or not np.isfinite(where).all():
        raise ValueError(f"points {where.shape}: up to {MOST_POINTS} rows of two finite numbers")
    shape = np.shape(runs[0].owner)
    n_expert = np.shape(runs[0].load)[-1] if np.ndim(runs[0].load) == 2 else 0
    if len(shape) != 3 or not (1 <= shape[0] <= MOST_FRAMES and 1 <= shape[1] * shape[2] <= MOST_CELLS):
        raise ValueError(f"owner {shape}: 1 to {MOST_FRAMES} frames of 1 to {MOST_CELLS} cells")
    if not 1 <= n_expert <= MOST_EXPERTS:
        raise ValueError(f"load {np.shape(runs[0].load)}: 1 to {MOST_EXPERTS} experts for each of {shape[0]} frames")
    names = [clean(one) for one in experts] or [str(e + 1) for e in range(n_expert)]
    if len(names) != n_expert or max(map(len, names)) > MOST_LETTERS:
        raise ValueError(f"experts {names}: {n_expert} names of at most {MOST_LETTERS} letters")
    cluster = np.zeros(len(where), dtype=int) if group is None else _whole(group, (len(where),), None, "group")
    n_group = int(cluster.max(initial=-1)) + 1
    if groups and len(groups) < n_group:
        raise ValueError(f"{len(groups)} names of {n_group} groups")
    for limits, axis in ((x, "x"), (y, "y")):
        if not (np.isfinite(limits).all() and limits[0] < limits[1]):
            raise ValueError(f"{axis} from {limits[0]} to {limits[1]}")
    if scrub is None and shape[0] > 1 and not follow:
        raise ValueError(f"{shape[0]} frames, but neither scrub nor follow to play them")
    if scrub is not None and len(scrub.values) != shape[0]:
        raise ValueError(f"{len(scrub.values)} values of {scrub.field!r} for {shape[0]} frames")
    if not 0 <= index < shape[0]:
        raise ValueError(f"index {index} of {shape[0]} frames")
    data: dict[str, Any] = {
        "runs": [_run(one, shape, n_expert, len(where)) for one in runs],
        "frames": shape[0],
        "x": [float(edge) for edge in x],
        "y": [float(edge) for edge in y],
        "points": pack(where, exact=True),
        "group": None if group is None else pack(cluster),
        "groups": [clean(one) for one in groups],
        "experts": names,
        "follow": follow,
        "index": index if scrub is None else scrub.index,
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    if scrub is not None:
        data["scrub"] = scrub.data()
    return View("regions", data, height, alt)


def _run(run: Run, shape: tuple[int, ...], n_expert: int, n_point: int) -> dict[str, Any]:
    n_frame = shape[0]
    owner = _whole(run.owner, shape, n_expert, f"{run.title}: owner")
    load = _shares(run.load, (n_frame, n_expert), f"{run.title}: load")
    if np.abs(load.sum(-1) - 1).max() > _TOLERANCE:
        raise ValueError(f"{run.title}: the shares of a frame's load sum to 1")
    strength = None
    if run.strength is not None:
        given = np.asarray(run.strength)
        share = given / 255 if given.dtype == np.uint8 else given
        strength = _coarse(np.round(255 * _shares(share, shape, f"{run.title}: strength")).astype(np.uint8))
    chosen = dropped = None
    if run.chosen is not None:
        chosen = _whole(run.chosen, (n_frame, n_point), n_expert, f"{run.title}: chosen")
    if run.dropped is not None:
        dropped = np.asarray(run.dropped, dtype=bool)
        if dropped.shape != (n_frame, n_point):
            raise ValueError(f"{run.title}: dropped {dropped.shape}: {(n_frame, n_point)} is needed")
    limit = None
    if run.limit is not None:
        limit = np.broadcast_to(np.asarray(run.limit, dtype=np.float64), (n_frame,))
        if not (limit > 0).all():
            raise ValueError(f"{run.title}: limit is a share above 0")
    if len(run.notes) not in (0, 1, n_frame):
        raise ValueError(f"{run.title}: {len(run.notes)} notes for {n_frame} frames")
    return {
        "title": clean(run.title),
        "owner": _lengths(owner),
        "load": pack(load, exact=True),
        "strength": None if strength is None else pack(strength),
        "chosen": None if chosen is None else pack(chosen),
        "dropped": None if dropped is None else pack(dropped),
        "limit": None if limit is None else pack(limit, exact=True),
        "notes": [clean(text) for text in run.notes],
    }


def _whole(given: ArrayLike, shape: tuple[int, ...], below: int | None, what: str) -> np.ndarray:
    """Whole numbers from 0, below a limit if there is one."""
    values = np.asarray(given)
    if values.shape != shape or values.dtype.kind not in "iu":
        raise ValueError(f"{what} {values.shape} {values.dtype}: whole numbers in {shape} are needed")
    if values.size and (values.min() < 0 or (below is not None and values.max() >= below)):
        raise ValueError(
            f"{what}: from {values.min()} to {values.max()}, not 0 to {'' if below is None else below - 1}"
        )
    return values


def _shares(given: ArrayLike, shape: tuple[int, ...], what: str) -> np.ndarray:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != shape:
        raise ValueError(f"{what} {values.shape}: {shape} is needed")
    if not ((values >= -_TOLERANCE) & (values <= 1 + _TOLERANCE)).all():
        raise ValueError(f"{what}: shares from 0 to 1")
    return values.clip(0, 1)


def _coarse(cells: np.ndarray) -> np.ndarray:
    """At most _FINE rows and columns, each the cell in whose middle it lies, or nearest to it."""
    kept = [((np.arange(min(n, _FINE)) + 0.5) * n / min(n, _FINE)).astype(int) for n in cells.shape[1:]]
    return cells[:, kept[0]][:, :, kept[1]]


def _lengths(owner: np.ndarray) -> dict[str, Any]:
    """Runs of one expert after each other, over all rows and frames: regions are large, so there are few of them."""
    flat = owner.ravel()
    start = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    return {
        "shape": list(owner.shape),
        "expert": pack(flat[start]),
        "length": pack(np.diff(np.r_[start, flat.size])),
    }
