"""Points on their way through the plane, said in Python: noise that becomes data, or data that becomes noise, as frames
that a scrubber plays; up to three planes side by side, in which the same points can be followed.

    particles([Plane("DDPM", path, notes=distances, ghost=data), Plane("DDIM", path_2, ghost=data)],
              followed=[3, 14], scrub=Scrub("step", "step", steps, 0), alt="...")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean
from viz.view import View, pack

STATES = ("scrub", "followed")  # index at which the scrubber was let go; list of the followed points
MOST_PLANES = 3
MOST_FRAMES = 256
MOST_POINTS = 2048
MOST_ARROWS = 1024
MOST_CELLS = 1 << 21  # of all frames of one plane's density
MOST_FOLLOWED = 8  # so many colours tell them apart
_EXACT = 1 << 13  # up to this many numbers travel as float32
_FAR = 3e4  # what is further away is as far outside; float16 holds it


@dataclasses.dataclass(frozen=True)
class Plane:
    """One plane: n frames of m points.

    points: (n, m, 2), or (m, 2) if they stand still. What is not finite lies outside the plane, like everything beyond
        its limits; so much is said in the picture
    notes: below the title, one for each frame or one that stands still
    group: (m,) each point's class, which gives its colour; without it all points have one
    ghost: (g, 2) the data, small and grey behind the points
    density: (n or 1, r, r) not negative, behind everything; row 0 is at the top (y high). Each frame's largest value
        has the deepest colour
    arrows: origins (a, 2) and vectors (n or 1, a, 2) of a field: as long as the cells of their grid allow, in each
        frame anew; short ones are pale
    target: (n, m, 2) where each point will end as far as can be told now: a line and a hollow dot for followed points
    outline: polylines (k, 2): the sides of a triangle, axes
    anchors: (x, y, name) of places that stand still
    labels: the points' names, shown beside the followed ones, or beside all if there are at most 24
    """

    title: str
    points: ArrayLike
    notes: Sequence[str] = ()
    group: ArrayLike | None = None
    ghost: ArrayLike | None = None
    density: ArrayLike | None = None
    arrows: tuple[ArrayLike, ArrayLike] | None = None
    target: ArrayLike | None = None
    outline: Sequence[ArrayLike] = ()
    anchors: Sequence[tuple[float, float, str]] = ()
    labels: Sequence[str] = ()


def particles(
    planes: Sequence[Plane],
    *,
    x: tuple[float, float] = (-3, 3),
    y: tuple[float, float] = (-3, 3),
    followed: Sequence[int] = (),
    trails: Literal["followed", "all", "none"] = "followed",
    targets: bool = False,
    groups: Sequence[str] = (),
    scrub: Scrub | None = None,
    follow: str = "",
    index: int = 0,
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 520,
    name: str = "particles",
    axes: tuple[str, str] | None = None,
) -> View:
    """One to three planes with the same limits, the same slider and the same followed points.

    followed: at most eight points whose whole way is drawn; a click on a point adds it or lets it go
    trails: "all" draws every point's way, faintly; "none" not even those of the followed
    targets: where every point will end, faintly, not only the followed ones'
    groups: the classes' names, for the legend
    scrub: plays the frames; follow: without scrub, the frames follow this field's scrubber elsewhere on the page;
        index: the frame at first
    words: what the page says differently from the kit (ui/words.toml, [kit.particles_...], named here without
        "particles_")
    height: of the picture where the planes stand side by side; on a phone they stand under each other and it grows
    name: start of the file name of an export
    axes: names of both axes, which then have numbers

    Raises:
        ValueError: nothing or too much to draw, shapes that do not fit each other, a group or a followed point that
            does not exist, a negative density, or a plane without extent.
    """
    if not 1 <= len(planes) <= MOST_PLANES:
        raise ValueError(f"{len(planes)} planes: 1 to {MOST_PLANES}")
    for limits, axis in ((x, "x"), (y, "y")):
        if not (np.isfinite(limits).all() and limits[0] < limits[1]):
            raise ValueError(f"{axis} from {limits[0]} to {limits[1]}")
    if trails not in ("followed", "all", "none"):
        raise ValueError(f"trails {trails!r}")
    sent = [_Sent(one) for one in planes]
    n_frame = _frames(sent, scrub, follow)
    if not 0 <= index < n_frame:
        raise ValueError(f"index {index} of {n_frame} frames")
    most = max(one.points.shape[1] for one in sent)
    if len(followed) > MOST_FOLLOWED or len(set(followed)) < len(followed):
        raise ValueError(f"followed {list(followed)}: up to {MOST_FOLLOWED} different points")
    if any(not 0 <= i < most for i in followed):
        raise ValueError(f"followed {list(followed)} of {most} points")
    n_group = max((int(one.group.max(initial=-1)) + 1 for one in sent if one.group is not None), default=0)
    if groups and len(groups) < n_group:
        raise ValueError(f"{len(groups)} names of {n_group} groups")
    data: dict[str, Any] = {
        "planes": [one.data() for one in sent],
        "frames": n_frame,
        "x": [float(edge) for edge in x],
        "y": [float(edge) for edge in y],
        "axes": None if axes is None else [clean(text) for text in axes],
        "followed": [int(i) for i in followed],
        "trails": trails,
        "targets": targets,
        "groups": [clean(one) for one in groups],
        "follow": follow,
        "index": index if scrub is None else scrub.index,
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    if scrub is not None:
        data["scrub"] = scrub.data()
    return View("particles", data, height, alt)


class _Sent:
    """One plane's arrays, once they are known to fit each other."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.points = _places(plane.points, self._of("points"))
        n, m, _ = self.points.shape
        self._check(
            "points", self.points, 1 <= n <= MOST_FRAMES and m <= MOST_POINTS, f"{MOST_FRAMES} by {MOST_POINTS}"
        )
        self.group = None if plane.group is None else np.asarray(plane.group)
        if self.group is not None:
            fits = self.group.shape == (m,) and self.group.dtype.kind in "iu" and self.group.min(initial=0) >= 0
            self._check("group", self.group, fits, f"a whole number from 0 for each of {m} points")
        self.ghost = None if plane.ghost is None else _places(plane.ghost, self._of("ghost"))
        if self.ghost is not None:
            fits = len(self.ghost) == 1 and self.ghost.shape[1] <= 2 * MOST_POINTS
            self._check("ghost", self.ghost, fits, f"up to {2 * MOST_POINTS} points that stand still")
        self.density = None if plane.density is None else np.asarray(plane.density, dtype=np.float64)
        if self.density is not None:
            fits = self.density.ndim == 3 and 1 <= self.density.size <= MOST_CELLS
            self._check("density", self.density, fits, "frames of rows and columns")
            self._check("density", self.density, bool((self.density >= 0).all()), "numbers from 0")
            self._check("density", self.density, bool(np.isfinite(self.density).all()), "finite numbers")
        self.origins = self.vectors = None
        if plane.arrows is not None:
            self.origins, self.vectors = (_places(one, self._of("arrows")) for one in plane.arrows)
            a = self.origins.shape[1]
            fits = len(self.origins) == 1 and self.vectors.shape[1] == a and 1 <= a <= MOST_ARROWS
            self._check("arrows", self.vectors, fits, f"up to {MOST_ARROWS} origins, a vector for each")
        self.target = None if plane.target is None else _places(plane.target, self._of("target"))
        if self.target is not None:
            self._check("target", self.target, self.target.shape == self.points.shape, f"{self.points.shape} is needed")
        if plane.labels and len(plane.labels) != m:
            raise ValueError(f"{plane.title}: {len(plane.labels)} labels for {m} points")
        self.outline = [_places(one, self._of("outline"))[0] for one in plane.outline]

    def _of(self, what: str) -> str:
        return f"{self.plane.title}: {what}"

    def _check(self, what: str, given: np.ndarray, fits: bool, needed: str) -> None:
        if not fits:
            raise ValueError(f"{self._of(what)} {given.shape}: {needed}")

    def frames(self) -> list[int]:
        """How many frames each part has, without those that stand still."""
        moving = [self.points, self.density, self.vectors, self.target]
        counts = [len(one) for one in moving if one is not None] + [len(self.plane.notes)]
        return [count for count in counts if count > 1]

    def data(self) -> dict[str, Any]:
        def packed(places: np.ndarray | None) -> dict[str, Any] | None:
            return None if places is None else pack(_near(places), exact=places.size <= _EXACT)

        largest = None if self.density is None else self.density.max((1, 2))
        return {
            "title": clean(self.plane.title),
            "points": packed(self.points),
            "notes": [clean(text) for text in self.plane.notes],
            "group": None if self.group is None else pack(self.group),
            "ghost": packed(self.ghost),
            "density": None if largest is None else pack(_shades(self.density, largest)),
            "largest": None if largest is None else pack(largest, exact=True),
            "origins": packed(self.origins),
            "vectors": packed(self.vectors),
            "target": packed(self.target),
            "outline": [_near(line).tolist() for line in self.outline],
            "anchors": [[float(px), float(py), clean(text)] for px, py, text in self.plane.anchors],
            "labels": [clean(text) for text in self.plane.labels],
        }


def _places(given: ArrayLike, what: str) -> np.ndarray:
    """(frames, places, 2); one frame if there was none."""
    values = np.asarray(given, dtype=np.float64)
    if values.ndim == 2:
        values = values[None]
    if values.ndim != 3 or values.shape[2] != 2:
        raise ValueError(f"{what} {np.shape(given)}: rows of two numbers, or frames of them")
    return values


def _near(places: np.ndarray) -> np.ndarray:
    """Numbers that travel: what is not finite, and what is very far, is equally far outside."""
    return np.nan_to_num(places, nan=_FAR, posinf=_FAR, neginf=-_FAR).clip(-_FAR, _FAR)


def _shades(density: np.ndarray | None, largest: np.ndarray) -> np.ndarray:
    """0 to 255, of each frame's largest value."""
    scale = np.where(largest > 0, largest, 1)[:, None, None]
    return np.round(255 * np.asarray(density) / scale).astype(np.uint8)


def _frames(sent: Sequence[_Sent], scrub: Scrub | None, follow: str) -> int:
    """How many frames there are; every part has as many, or stands still.

    Raises:
        ValueError: they differ, or nothing plays them.
    """
    counts = {count for one in sent for count in one.frames()}
    counts |= {len(scrub.values)} if scrub is not None and len(scrub.values) > 1 else set()
    if len(counts) > 1:
        raise ValueError(f"frames: {sorted(counts)} do not fit each other")
    n_frame = counts.pop() if counts else 1
    if n_frame > 1 and scrub is None and not follow:
        raise ValueError(f"{n_frame} frames, but neither scrub nor follow to play them")
    return n_frame
