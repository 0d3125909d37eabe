"""A scene to compose, said in Python: a picture on which shapes are put, dragged, coloured and removed.

    scene("white; large red circle 30 40; small blue star 72 66", shapes={"circle": "circle", "star": "star"},
          colours={"white": ("white", "#f7f7f7"), "red": ("red", "#de2929"), "blue": ("blue", "#295cdb")},
          sizes={"small": ("small", 0.14), "large": ("large", 0.22)}, alt="2 shapes on white")

A scene's text: the background's colour, then for each object its size, colour, shape and its centre in per cent of the
edges, from the left and from the top, all separated by semicolons. It is also what the page's address holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from viz.components.kit import clean
from viz.view import View

STATES = ("scene",)  # the new text
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")  # those that the browser can draw
MOST = 6  # objects
_CSS = re.compile(r"#[0-9a-fA-F]{6}|rgb\([\d.,% ]+\)")


def scene(
    text: str,
    *,
    shapes: Mapping[str, str],
    colours: Mapping[str, tuple[str, str]],
    sizes: Mapping[str, tuple[str, float]],
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 360,
    name: str = "scene",
) -> View:
    """The picture with its tools beside it, or below it where there is no room. A new text is reported at once when an
    object is added, changed or removed and when a drag ends, and a moment after the last of several arrow keys.

    text: the scene; what is no scene is shown as an empty one
    shapes: by their name in the text, how they are called; some of `SHAPES`
    colours: by name, how it is called and its CSS colour; sizes: by name, how it is called and the radius in edges
    words: what the page says differently from the kit (ui/words.toml, [kit.scene_...], named here without "scene_")
    height: of the whole; where the tools stand below a picture that would become too small, it grows
    name: start of the file name of an export

    Raises:
        ValueError: no shapes, colours or sizes, a shape that cannot be drawn, no colour, a radius that is none.
    """
    if not (shapes and colours and sizes):
        raise ValueError("a scene needs shapes, colours and sizes")
    if not set(shapes) <= set(SHAPES):
        raise ValueError(f"shapes are {', '.join(SHAPES)}, not {', '.join(sorted(set(shapes) - set(SHAPES)))}")
    for label, css in colours.values():
        if not _CSS.fullmatch(css):
            raise ValueError(f"{label}: a colour is #rrggbb or rgb(r, g, b), not {css}")
    for label, radius in sizes.values():
        if not 0 < radius <= 0.5:
            raise ValueError(f"{label}: a radius is above 0 and up to 0.5, not {radius}")
    found = _read(text, shapes, colours, sizes)
    ground, things = found if found else (next(iter(colours)), [])
    data: dict[str, Any] = {
        "text": clean(text) if found else "",
        "ground": ground,
        "things": things,
        "shapes": [{"id": key, "label": clean(label)} for key, label in shapes.items()],
        "colours": [{"id": key, "label": clean(label), "css": css} for key, (label, css) in colours.items()],
        "sizes": [{"id": key, "label": clean(label), "radius": float(r)} for key, (label, r) in sizes.items()],
        "most": MOST,
        "words": {key: clean(value) for key, value in (words or {}).items()},
        "name": name,
    }
    return View("scene", data, height, alt)


def _read(
    text: str, shapes: Mapping[str, Any], colours: Mapping[str, Any], sizes: Mapping[str, Any]
) -> tuple[str, list[dict[str, Any]]] | None:
    """The background and the objects, or None."""
    ground, *parts = [" ".join(part.lower().split()) for part in text[:2000].split(";")]
    parts = [part for part in parts if part]
    if ground not in colours or len(parts) > MOST:
        return None
    kinds = ["|".join(map(re.escape, one)) for one in (sizes, colours, shapes)]
    pattern = re.compile(rf"({kinds[0]}) ({kinds[1]}) ({kinds[2]}) (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)", re.ASCII)
    things = []
    for part in parts:
        found = pattern.fullmatch(part)
        if not found:
            return None
        size, colour, shape, *place = found.groups()
        x, y = (min(100.0, float(value)) for value in place)
        things.append({"size": size, "colour": colour, "shape": shape, "x": x, "y": y})
    return ground, things
