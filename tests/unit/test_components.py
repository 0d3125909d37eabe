"""The browser components' Python side: what the builders send, what they refuse, and the palette they share."""

from __future__ import annotations

import base64
import itertools
import json
import re
import tomllib
from typing import Any

import numpy as np
import pytest
import torch

from ui.settings import ROOT
from viz import palette
from viz.components import arcs as arcs_package
from viz.components import grid as grid_package
from viz.components import matrix as matrix_package
from viz.components.arcs import arcs
from viz.components.grid import grid
from viz.components.kit import numbers_of
from viz.components.matrix import Panel, Scrub, Stage, inspector

KIT = ROOT / "viz" / "components"


def _unpack(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"f2": "<f2", "f4": "<f4", "u1": "u1", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


def _labels(n: int) -> list[str]:
    return [f" t{i}" for i in range(n)]


def test_few_numbers_travel_exactly() -> None:
    values = np.array([[1 / 3, -np.inf, 1e-30], [7e5, 0.0, -2.5]])
    assert np.array_equal(_unpack(numbers_of(values)), values.astype(np.float32))


def test_many_numbers_travel_small_but_no_zero_is_invented() -> None:
    values = np.full((7, 31, 37), 0.25)
    values[0, 0, :3] = 1e-12, -1e-12, 0.0
    sent = numbers_of(values)
    assert sent["dtype"] == "f2"
    first = _unpack(sent)[0, 0]
    assert first[0] > 0 and first[1] < 0 and first[2] == 0 and first[3] == 0.25


def test_what_float16_cannot_hold_stays_float32() -> None:
    values = np.full((80, 80), 1e6)
    assert _unpack(numbers_of(values))[0, 0] == 1e6


def test_masks_and_large_integers() -> None:
    mask = np.tri(5, 5, dtype=bool)
    assert np.array_equal(_unpack(numbers_of(mask)), mask)
    assert _unpack(numbers_of(np.array([[-3, 700]]))).tolist() == [[-3.0, 700.0]]


def test_inspector_sends_what_it_was_given() -> None:
    t, s, d = 3, 5, 2
    q, k = torch.randn(t, d), torch.randn(s, d)
    scores = q @ k.T
    stages = [
        Stage("scores", scores, "signed", "{terms} = {value}", left=q, right=k),
        Stage("scale", scores / d**0.5, "signed", "{prev} / {d}", numbers={"d": d}),
    ]
    view = inspector([Panel("", stages)], _labels(t), _labels(s), alt="three by five", stage=1, pin=(2, 4))
    first, second = view.data["panels"][0]["stages"]
    np.testing.assert_allclose(_unpack(first["values"]), scores.numpy())
    np.testing.assert_allclose(_unpack(first["left"]) @ _unpack(first["right"]).T, scores.numpy(), atol=1e-6)
    assert second["numbers"] == {"d": 2.0}
    assert (view.component, view.alt, view.data["stage"], view.data["pin"]) == ("matrix", "three by five", 1, [2, 4])
    json.dumps(view.data)


def test_scrubber_frames() -> None:
    frames = np.random.default_rng(0).normal(size=(7, 3, 5))
    scrub = Scrub("window", "window", (1, 2, 3, 4, 5, 6, 7), 2)
    panel = Panel("", [Stage("scores", frames, "signed"), Stage("fixed", frames[0], "signed")])
    data = inspector([panel], _labels(3), _labels(5), alt="", scrub=scrub).data
    assert data["scrub"] == {"field": "window", "label": "window", "values": [1, 2, 3, 4, 5, 6, 7], "index": 2}
    with pytest.raises(ValueError, match="7 frames"):
        inspector([panel], _labels(3), _labels(5), alt="", scrub=Scrub("w", "w", (1, 2), 0))
    with pytest.raises(ValueError, match="index"):
        inspector([panel], _labels(3), _labels(5), alt="", scrub=Scrub("w", "w", (1, 2, 3, 4, 5, 6, 7), 7))


@pytest.mark.parametrize(
    "stage",
    [
        Stage("flat", np.zeros(3), "signed"),
        Stage("turned", np.zeros((5, 3)), "signed"),
        Stage("labels", np.zeros((3, 5)), "signed", cols=_labels(4)),
        Stage("right", np.zeros((3, 5)), "signed", right=np.zeros((3, 2))),
        Stage("left", np.zeros((3, 5)), "signed", left=np.zeros((3, 2)), right=np.zeros((5, 7))),
        Stage("alone", np.zeros((3, 5)), "signed", left=np.zeros((3, 2))),
    ],
    ids=lambda stage: stage.name,
)
def test_inspector_refuses_shapes_that_do_not_fit(stage: Stage) -> None:
    with pytest.raises(ValueError, match=stage.name):
        inspector([Panel("", [stage])], _labels(3), _labels(5), alt="")


def test_inspector_refuses_too_much() -> None:
    big = Panel("", [Stage("big", np.zeros((129, 2)), "signed")])
    with pytest.raises(ValueError, match="128"):
        inspector([big], _labels(129), _labels(2), alt="")
    with pytest.raises(ValueError, match="panels"):
        inspector([], (), (), alt="")


def test_labels_can_always_travel() -> None:
    stage = Stage("one", np.zeros((1, 2)), "signed")
    data = inspector([Panel("", [stage])], ["\ud800<b>"], ["猫", "\x00"], alt="").data
    assert data["rows"] == ["\ufffd<b>"] and data["cols"] == ["猫", "\x00"]
    json.dumps(data, ensure_ascii=False).encode("utf-8")


def test_grid() -> None:
    maps = np.arange(6 * 3 * 3, dtype=np.uint8).reshape(6, 3, 3)
    titles = [f"L{i // 3} H{i % 3}" for i in range(6)]
    data = grid(maps, titles, torch.linspace(0, 1, 6), [4], columns=3, alt="six heads").data
    assert np.array_equal(_unpack(data["maps"]), maps)
    assert data["rows"] == ["L0", "L1"] and data["cols"] == ["H0", "H1", "H2"]
    assert data["scores"][-1] == 1.0 and data["selected"] == [4]
    assert grid(maps, titles, alt="").data["rows"] is None
    for wrong in ({"titles": titles[:5]}, {"scores": [1.0]}, {"selected": [6]}, {"maps": np.zeros((1, 40, 40))}):
        with pytest.raises(ValueError, match=r"."):
            grid(**({"maps": maps, "titles": titles, "alt": ""} | wrong))


def test_arcs() -> None:
    weights = torch.softmax(torch.randn(3, 5), -1)
    data = arcs(weights, _labels(3), _labels(5), "text", 2, alt="").data
    np.testing.assert_allclose(_unpack(data["weights"]), weights.numpy())
    with pytest.raises(ValueError, match="fit"):
        arcs(weights.T, _labels(3), _labels(5), alt="")
    with pytest.raises(ValueError, match="token 3"):
        arcs(weights, _labels(3), _labels(5), focus=3, alt="")
    assert arcs(weights, _labels(3), _labels(5), focus=4, direction="looked_at", alt="").data["focus"] == 4


@pytest.mark.parametrize("package", [matrix_package, grid_package, arcs_package], ids=lambda p: p.__name__)
def test_reported_states_are_those_the_script_sends(package: Any) -> None:
    folder = KIT / package.__name__.split(".")[-1]
    sent = set()
    for script in folder.glob("*.js"):
        sent |= set(re.findall(r'\.send\("(\w+)"', script.read_text(encoding="utf-8")))
    assert sent == set(package.STATES)


def test_the_kits_words_are_in_words_toml() -> None:
    script = (KIT / "kit" / "words.js").read_text(encoding="utf-8")
    english = dict(re.findall(r'^  (\w+): "(.*)",$', script, re.MULTILINE))
    words = tomllib.loads((ROOT / "ui" / "words.toml").read_text(encoding="utf-8"))["kit"]
    assert english.keys() <= words.keys()
    assert {name: words[name]["en"] for name in english} == english


def test_scripts_write_no_markup() -> None:
    """What a visitor types is text: the kit never parses a string as HTML."""
    for name in ("kit", "matrix", "grid", "arcs"):
        for script in (KIT / name).glob("*.js"):
            text = script.read_text(encoding="utf-8")
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), script


# The palette. Contrast after WCAG 2.2; colour-vision deficiencies after Machado et al. 2009 (severity 1); differences
# in OKLab, where 0.02 is about the smallest that people notice side by side.

DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
BACKGROUNDS = {False: ("#ffffff", "#f3f5f8"), True: ("#12151a", "#1c2129", "#262730")}


def _linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _oklab(linear: np.ndarray) -> np.ndarray:
    lms = np.array(
        [
            [0.41222147, 0.53633254, 0.05144599],
            [0.21190350, 0.68069954, 0.10739696],
            [0.08830246, 0.28171884, 0.62997870],
        ]
    )
    lab = np.array(
        [
            [0.21045426, 0.79361779, -0.00407205],
            [1.97799850, -2.42859221, 0.45059371],
            [0.02590404, 0.78277177, -0.80867577],
        ]
    )
    return lab @ np.cbrt(lms @ np.clip(linear, 0, 1))


def _contrast(a: str, b: str) -> float:
    dark, light = sorted(float(_linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_roles_can_be_read_and_told_apart(dark: bool) -> None:
    roles = [palette.colour(role, dark) for role in ("query", "key", "value")]
    for role, back in itertools.product(roles, BACKGROUNDS[dark]):
        assert _contrast(role, back) >= 4.5, (role, back)
    for name, matrix in DEFICIENCIES.items():
        seen = [_oklab(np.asarray(matrix) @ _linear(role)) for role in roles]
        nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
        assert nearest > 0.05, name


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_scales_rise_evenly(dark: bool, deficiency: str) -> None:
    """Probability becomes steadily more different from 0 in lightness; both signs move away from the middle."""
    matrix = np.asarray(DEFICIENCIES[deficiency])
    lightness = [float(_oklab(matrix @ _linear(c))[0]) for c in palette.palette(dark)["probability"]]
    steps = np.diff(lightness) * (1 if dark else -1)
    assert (steps > 0.015).all()
    signed = [float(_oklab(matrix @ _linear(c))[0]) for c in palette.palette(dark)["signed"]]
    middle = len(signed) // 2
    away = 1 if dark else -1
    assert (away * np.diff(signed[middle:]) > 0).all() and (away * np.diff(signed[: middle + 1]) < 0).all()
    ends = [_oklab(matrix @ _linear(palette.palette(dark)["signed"][i])) for i in (0, -1)]
    assert np.linalg.norm(ends[0] - ends[1]) > 0.08


def test_both_themes_have_the_same_roles() -> None:
    light, dark = palette.palette(False), palette.palette(True)
    assert light.keys() == dark.keys()
    assert all(len(light[name]) == len(dark[name]) for name in light)
    assert light["cyclic"][0] == light["cyclic"][-1]
    assert palette.plotly_scale("signed")[5] == [0.5, light["signed"][5]]


def test_symbols_get_their_colours() -> None:
    given = r"\query{q_t}^\top \key{k_s} + {\color{value} v} + \keyword{x}"
    expected = r"\textcolor{#1650C8}{q_t}^\top \textcolor{#B04600}{k_s} + {\color{#0E7B5C} v} + \keyword{x}"
    assert palette.colour_symbols(given) == expected
    assert "#6AA5FF" in palette.colour_symbols(given, dark=True)
