"""Panels of patches, their Python side: what the builder sends and refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from ui.settings import ROOT
from viz.components import patches as package
from viz.components.kit import Scrub
from viz.components.patches import Panel, patches
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "patches"
N, SIDE, H, W = 3, 5, 11, 7  # frames, cells along an edge, rows and columns of pixels
CELLS = SIDE * SIDE
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
HEAT = RNG.random((N, CELLS + 1, CELLS))
KINDS = {"u1": "u1", "i2": "<i2", "u2": "<u2", "f4": "<f4", "b1": "?"}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), KINDS[packed["dtype"]]).reshape(packed["shape"])


def values(panel: dict[str, Any]) -> np.ndarray:
    """The heat as the browser understands it."""
    heat = panel["heat"]
    levels = unpack(heat["levels"]).astype(float)
    return (levels - (heat["n"] if panel["signed"] else 0)) / heat["n"] * unpack(heat["top"])[..., None]


def given(*panels: Panel, **other: Any) -> View:
    arguments: dict[str, Any] = {"side": SIDE, "columns": 2, "alt": "25 patches"}
    arguments["scrub"] = Scrub("layer", "layer", (1, 2, 3), 1)
    return patches(list(panels) or [Panel("head", IMAGE, heat=HEAT)], **(arguments | other))


def test_everything_arrives() -> None:
    off, colour = RNG.random((N, CELLS)) < 0.5, RNG.integers(0, 256, (1, CELLS, 3), dtype=np.uint8)
    texts = [f"word {i}" for i in range(CELLS)]
    first = Panel("head 1", IMAGE, heat=torch.from_numpy(HEAT), texts=texts, note=["a", "b", "c"], largest=2.0)
    second = Panel("PCA", colour=colour, off=off, note="61 %")
    view = given(first, second, source=7, gap=0.25, readout=["x", "y", "z"], words={"hint": "look"})
    data = view.data
    assert (view.component, view.height, view.alt) == ("patches", 480, "25 patches")
    one, two = data["panels"]
    np.testing.assert_array_equal(unpack(data["images"][one["image"]]), IMAGE[None])
    np.testing.assert_allclose(values(one), HEAT, atol=1e-5)
    np.testing.assert_array_equal(unpack(two["colour"]), colour)
    np.testing.assert_array_equal(unpack(two["off"]), off)
    assert (one["notes"], two["notes"], one["texts"], one["largest"]) == (["a", "b", "c"], ["61 %"], texts, 2.0)
    assert (two["image"], two["heat"], one["off"]) == (None, None, None)
    assert (data["frames"], data["index"], data["source"], data["kind"], data["gap"]) == (N, 1, 7, "cls", 0.25)
    assert data["scrub"]["values"] == [1, 2, 3] and data["off"] is None and data["words"] == {"hint": "look"}
    json.dumps(data, allow_nan=False)


@pytest.mark.parametrize(
    ("side", "signed", "steps"), [(5, True, 32767), (5, False, 65535), (27, True, 127), (27, False, 255)]
)
def test_heat_keeps_its_values(side: int, signed: bool, steps: int) -> None:
    """Every row is exact to a small share of its own largest size, however small; finer where numbers are few."""
    heat = RNG.normal(size=(1, side**2 + 1, side**2)) * np.logspace(-6, 3, side**2 + 1)[:, None]
    heat = heat if signed else np.abs(heat)
    still = np.zeros_like(heat[:, :1])
    panels = [Panel("one", heat=heat, signed=signed), Panel("still", heat=still, signed=signed)]
    one, two = patches(panels, side=side, columns=1, alt="").data["panels"]
    assert (np.abs(values(one) - heat).max(2) <= 0.51 * np.abs(heat).max(2) / steps).all()
    assert (values(two) == 0).all()


def test_what_the_sources_are() -> None:
    """As many as cells: the cells; one more: [CLS] first; one: nothing to choose; else words, if they have names."""

    def kind(n: int, **other: Any) -> str:
        return given(Panel("one", heat=HEAT[:, :1].repeat(n, 1)), **other).data["kind"]

    assert (kind(CELLS), kind(CELLS + 1), kind(1)) == ("cells", "cls", "one")
    assert kind(4, sources=list("abcd")) == "chips"
    assert kind(CELLS, sources=["w"] * CELLS, chips=True) == "chips"
    mixed = given(Panel("one", heat=HEAT), Panel("two", heat=HEAT[:1, :1]), Panel("three", IMAGE))
    assert mixed.data["kind"] == "cls"


def test_equal_pictures_travel_once() -> None:
    other = IMAGE.copy()
    other[0, 0, 0] ^= 1
    frames = np.stack([IMAGE] * N)
    data = given(*(Panel("", one) for one in (IMAGE, other, IMAGE.copy(), frames, frames))).data
    assert [one["image"] for one in data["panels"]] == [0, 1, 0, 2, 2]
    assert [one["shape"][0] for one in data["images"]] == [1, 1, N]


def test_a_still_picture_needs_no_slider() -> None:
    data = given(Panel("one", IMAGE), scrub=None, off=[3, 1, 3]).data
    assert (data["frames"], data["scrub"], data["kind"], data["off"], data["source"]) == (1, None, "one", [1, 3], 0)
    follows = given(scrub=None, follow="layer", index=2).data
    assert (follows["follow"], follows["index"], follows["frames"]) == ("layer", 2, N)


@pytest.mark.parametrize(
    ("panel", "why"),
    [
        ({"image": IMAGE.astype(float)}, "uint8"),
        ({"image": IMAGE[..., :1]}, "image"),
        ({"image": np.zeros((513, 1, 3), np.uint8)}, "1 by 513"),
        ({"heat": HEAT[0]}, "heat"),
        ({"heat": HEAT[:, :, :24]}, "heat"),
        ({"heat": -HEAT}, "below 0"),
        ({"heat": HEAT * np.nan}, "finite"),
        ({"largest": 0.0}, "largest"),
        ({"largest": np.inf}, "largest"),
        ({"heat": HEAT[:2]}, r"frames: \[2, 3\]"),
        ({"image": np.stack([IMAGE] * 2)}, r"frames: \[2, 3\]"),
        ({"note": ["a", "b"]}, r"frames: \[2, 3\]"),
        ({"colour": np.zeros((1, 24, 3), np.uint8)}, "colour"),
        ({"colour": np.zeros((1, CELLS, 3))}, "colour"),
        ({"off": np.zeros((1, CELLS))}, "off"),
        ({"off": np.zeros((2, CELLS), bool)}, r"frames: \[2, 3\]"),
        ({"texts": ["a"]}, "1 texts for 25"),
        ({"heat": HEAT[:, :4]}, r"0 names for 4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_panel_that_does_not_fit_is_refused(panel: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(Panel(**({"title": "one", "image": IMAGE, "heat": HEAT} | panel)))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"side": 0}, "side"),
        ({"side": 33}, "side"),
        ({"columns": 0}, "columns"),
        ({"gap": -0.1}, "gap"),
        ({"gap": 1.1}, "gap"),
        ({"source": CELLS + 1}, "no source 26"),
        ({"source": -1}, "no source -1"),
        ({"sources": ["a"]}, "1 names for 26"),
        ({"off": [CELLS]}, "off"),
        ({"off": [-1]}, "off"),
        ({"chips": True}, "0 names"),
        ({"chips": True, "sources": ["a"] * 26, "off": [], "scrub": None}, "neither"),
        ({"scrub": None}, "neither"),
        ({"scrub": Scrub("layer", "layer", (1, 2), 0)}, "frames"),
        ({"scrub": Scrub("layer", "layer", (1, 2, 3), 3)}, "index"),
        ({"index": N, "scrub": None, "follow": "layer"}, "index 3"),
        ({"readout": ["a", "b"]}, "frames"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(**wrong)


def test_panels_must_agree() -> None:
    with pytest.raises(ValueError, match="sources"):
        given(Panel("one", heat=HEAT), Panel("two", heat=HEAT[:, :CELLS]))
    with pytest.raises(ValueError, match="4 sources for 25"):
        given(Panel("one", heat=HEAT[:, :4]), chips=False)
    for panels in ([], [Panel("one", IMAGE)] * 97):
        with pytest.raises(ValueError, match="panels"):
            patches(panels, side=SIDE, columns=1, alt="")
    big = [Panel(str(i), np.full((512, 512, 3), i, np.uint8)) for i in range(16)]
    with pytest.raises(ValueError, match="bytes"):
        patches(big, side=SIDE, columns=4, alt="")


def test_many_maps_travel_small() -> None:
    """All heads of a small DINOv2 over 64 patches: a byte a number, in base64; the picture only once."""
    panels = [Panel(f"{i}", IMAGE, heat=RNG.random((12, 65, 64))) for i in range(6)]
    fine = patches(panels[:6], side=8, columns=6, scrub=Scrub("l", "l", range(12), 0), alt="").data
    assert len(json.dumps(fine)) < 6 * 12 * 65 * (64 * 2 + 4) * 4 / 3 * 1.02
    large = [Panel(f"{i}", IMAGE, heat=RNG.random((4, 257, 256)).astype(np.float32)) for i in range(6)]
    small = patches(large, side=16, columns=6, scrub=Scrub("l", "l", range(4), 0), alt="").data
    assert len(json.dumps(small)) < 6 * 4 * 257 * (256 + 4) * 4 / 3 * 1.02


def test_labels_can_always_travel() -> None:
    odd = "\ud800<b>猫"
    one = Panel(odd, IMAGE, heat=HEAT[:, :2], texts=[odd] * CELLS, note=odd)
    data = given(one, sources=[odd, odd], readout=[odd], words={"hint": odd}).data
    sent = json.dumps(data, ensure_ascii=False).encode("utf-8").decode()
    assert sent.count("\ufffd<b>猫") == sent.count("\ufffd") == 1 + CELLS + 1 + 2 + 1 + 1


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_is_there() -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js"))
    english = (FOLDER.parent / "kit" / "words.js").read_text(encoding="utf-8")
    assert set(re.findall(r'"(patches_\w+)"', scripts)) == set(re.findall(r"^  (patches_\w+): ", english, re.MULTILINE))
