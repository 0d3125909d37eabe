"""What the pictures of the vision studies hold, against the measurement they were drawn from."""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
import pytest
import torch

from models.masked_autoencoder import RATIOS, Painted
from models.vision_studies import DEPTH, OPERATIONS, QUESTION_NAMES, SHIFTS, Hunger, Reach, Shift
from tests.tree import PAGES
from viz import vision_studies as pictures
from viz.vit_studies import PERCENTS

SPEC = PAGES["vit"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


@pytest.fixture(scope="module")
def reach() -> Reach:
    source = torch.Generator().manual_seed(0)
    moved = torch.rand(2, DEPTH, 64, 64, generator=source)
    field = torch.tensor([[3, 5, 9, 13, 21], [4, 32, 32, 32, 32]])
    return Reach(
        moved, moved.mean((2, 3)), field, field - 1, field.float() / 2, torch.rand(2, DEPTH, 32, 32, generator=source)
    )


@pytest.fixture(scope="module")
def shift() -> Shift:
    source = torch.Generator().manual_seed(1)
    probability = torch.rand(2, len(SHIFTS), 6, generator=source)
    probability[0, :, 4] += 2
    probability[1, :, 1] += 2
    return Shift(
        image=torch.randint(256, (len(SHIFTS), 32, 32, 3), generator=source).to(torch.uint8),
        stride=(1, 2, 2, 2, 4, 4, 4),
        error=torch.rand(len(OPERATIONS), len(SHIFTS), generator=source),
        summary=torch.rand(2, len(SHIFTS), generator=source),
        probability=probability / probability.sum(-1, keepdim=True),
    )


@pytest.fixture(scope="module")
def painted() -> Painted:
    source = torch.Generator().manual_seed(2)
    n = len(RATIOS)
    hidden = torch.rand(1, 196, generator=source) < torch.tensor(RATIOS)[:, None]
    return Painted(
        image=torch.randint(256, (56, 56, 3), generator=source).to(torch.uint8),
        hidden=hidden,
        painted=torch.randint(256, (n, 56, 56, 3), generator=source).to(torch.uint8),
        said=torch.randint(256, (n, 56, 56, 3), generator=source).to(torch.uint8),
        cell=torch.rand(n, 196, generator=source) * hidden,
        error=torch.linspace(0.01, 0.05, n),
        plain=torch.linspace(0.1, 0.2, n),
    )


def test_the_reach(reach: Reach) -> None:
    view = pictures.reach(reach, WORDS, "depth", 2)
    assert view.component == "patches" and view.data["side"] == 8 and view.data["frames"] == DEPTH
    assert view.data["scrub"] == {"field": "depth", "label": WORDS["layer"], "values": [1, 2, 3, 4, 5], "index": 2}
    for m, panel in enumerate(view.data["panels"]):
        assert panel["title"] == WORDS[f"panel_{('cnn', 'vit')[m]}"]
        note = panel["notes"][2]
        assert f"{float(reach.share[m, 2]):.0%}" in note and str(int(reach.field[m, 2])) in note
        top, levels = numbers(panel["heat"]["top"])[..., None], numbers(panel["heat"]["levels"])
        assert np.allclose(levels / panel["heat"]["n"] * top, reach.moved[m], atol=1e-4)
        assert view.data["words"]["cell"] == WORDS["cell"] and view.data["words"]["hint"] == WORDS["hint_reach"]
    assert "layer 3" in view.alt and f"{float(reach.share[0, 2]):.0%}" in view.alt and "9 pixels" in view.alt


def test_the_receptive_fields(reach: Reach) -> None:
    view = pictures.fields(reach, WORDS)
    lines = {one["name"]: numbers(one["y"])[0] for one in view.data["lines"]}
    for m, kind in enumerate(("cnn", "vit")):
        assert np.allclose(lines[WORDS[f"line_field_{kind}"]], reach.field[m])
        assert np.allclose(lines[WORDS[f"line_extent_{kind}"]], reach.extent[m])
        assert np.allclose(lines[WORDS[f"line_effective_{kind}"]], reach.effective[m])
    assert "3, 5, 9, 13, 21" in view.alt and "10.5" in view.alt


def test_the_errors_of_a_shift(shift: Shift) -> None:
    view = pictures.shift_error(shift, WORDS, "shift", 3)
    assert tuple(pictures.OPERATIONS) == OPERATIONS
    shown = [name for name, role in pictures.OPERATIONS.items() if role]
    assert shown == ["convolution", "stride", "patches", "vit"], "the others are said, not drawn"
    drawn = {line["name"]: numbers(line["y"])[0] for line in view.data["lines"]}
    for o, name in enumerate(OPERATIONS):
        said = WORDS[f"line_{name}"]
        assert name not in shown or np.allclose(drawn.pop(said), shift.error[o])
        assert f"{said} {float(shift.error[o, 1]):.2f}, {float(shift.error[o, 4]):.2f}" in view.alt
        assert f"{said} {float(shift.error[o, 5]):.2f}" in view.data["readout"][5][0]
    assert not drawn and len({line["role"] for line in view.data["lines"]}) == len(view.data["lines"])
    assert view.data["follow"] == "shift" and view.data["index"] == 3 and view.data["cursor"] == list(SHIFTS)


def test_the_answers_to_a_shift(shift: Shift) -> None:
    view = pictures.shift_class(shift, SHAPES, WORDS, "shift", 3)
    assert view.data["scrub"]["values"] == list(SHIFTS) and view.data["on_axis"] and view.data["scrub"]["index"] == 3
    values = [numbers(line["y"])[0] for line in view.data["lines"]]
    assert np.allclose(values[0], shift.probability[0, :, 4]) and np.allclose(values[2], shift.probability[1, :, 1])
    assert np.allclose(values[1], shift.summary[0]) and np.allclose(values[3], shift.summary[1])
    assert "heart" in view.data["lines"][0]["name"] and "square" in view.data["lines"][2]["name"]
    assert f"{float(shift.probability[1, 5].max()):.1%}" in view.data["readout"][5][0]
    assert f"{float(shift.probability[0, :, 4].min()):.0%}" in view.alt
    strip = pictures.shift_strip(shift, WORDS)
    assert (
        np.array_equal(numbers(strip.data["groups"][0]["images"])[0], shift.image.numpy()) and "8 pixels" in strip.alt
    )


def test_hunger() -> None:
    source = torch.Generator().manual_seed(3)
    tables = [torch.rand(2, len(QUESTION_NAMES), 4, generator=source) for _ in range(3)]
    found = Hunger((200, 800, 3_200, 12_800), *tables, n_step=1_500, n_test=1_000)
    assert pictures.QUESTIONS == QUESTION_NAMES
    view = pictures.hunger(found, 2, WORDS)
    assert "size" in view.data["y_axis"]["title"]
    values = [numbers(line["y"])[0] for line in view.data["lines"]]
    right = [tables[0][0, 2], tables[1][0, 2], tables[0][1, 2], tables[1][1, 2]]
    assert all(np.allclose(a, 100 * b) for a, b in zip(values, right, strict=True)) and view.data["x_axis"]["log"]
    assert f"12,800 {100 * float(tables[0][1, 2, 3]):.0f} %" in view.alt and "1,000 fresh" in view.alt
    assert f"{float(tables[0][0, 2, 3]):.0%}" in view.data["readout"][0][0]


def test_the_masked_autoencoder(painted: Painted) -> None:
    view = pictures.paint(painted, PERCENTS, WORDS, "ratio")
    assert [100 * ratio for ratio in RATIOS] == pytest.approx(PERCENTS)
    assert view.data["scrub"]["values"][6] == 75 and view.data["scrub"]["index"] == 6
    visible, shown, wrong = view.data["panels"]
    assert np.array_equal(numbers(visible["off"]).astype(bool).reshape(len(RATIOS), 196), painted.hidden.numpy())
    images = [numbers(one) for one in view.data["images"]]
    assert np.array_equal(images[shown["image"]].reshape(len(RATIOS), 56, 56, 3), painted.painted.numpy())
    assert wrong["largest"] == 1.0 and wrong["heat"] is not None
    n = 196 - int(painted.hidden[6].sum())
    assert f"{n} of 196" in view.alt and f"{n} of 196" in visible["notes"][6]
    assert f"{float(painted.error[6]):.4f}" in shown["notes"][6] and f"{float(painted.plain[6]):.4f}" in view.alt


def test_both_languages_have_the_same_numbers() -> None:
    pattern = re.compile(r"\{[^}]*\}")
    names = "note_reach alt_reach alt_fields readout_shift alt_hunger axis_hunger note_painted alt_paint"
    for name in names.split():
        block = SPEC["words"][name]
        assert sorted(pattern.findall(block["en"])) == sorted(pattern.findall(block["zh"])), name
