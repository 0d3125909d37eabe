"""What the page's pictures hold, against the Trace or the study they were drawn from."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import torch

from models import imagenet, swin, vit, vit_measures, vit_studies
from models.scenes import RADIUS, RGB
from models.vit import Config, Trace
from models.vit_studies import Positions
from tests.tree import PAGES
from viz import imagenet as records
from viz import swin as windows
from viz import vit as pictures
from viz import vit_studies as figures
from viz.view import View

SPEC = PAGES["vit"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
CFG = Config(trained=False, scene="white; large red circle 30 40; small blue star 72 66")


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


@pytest.fixture(scope="module")
def seen() -> Trace:
    return vit.trace(CFG)


def heat(view: View, i: int) -> np.ndarray:
    """A panel's numbers: levels of each row's own largest."""
    sent = view.data["panels"][i]["heat"]
    return numbers(sent["levels"]) / sent["n"] * numbers(sent["top"])[..., None]


def test_the_board_shows_every_head(seen: Trace) -> None:
    view = pictures.board(seen, WORDS, 1, 5)
    panels = view.data["panels"]
    assert [one["title"] for one in panels][1:5] == ["head 1", "head 2", "head 3", "head 4"] and len(panels) == 7
    assert view.data["scrub"] == {"field": "layer", "label": "layer", "values": [1, 2, 3], "index": 1}
    assert view.data["sources"][0] == "[CLS]" and view.data["sources"][10] == "row 2, column 2"
    assert len(view.data["sources"]) == 65 and view.data["source"] == 5 and view.data["side"] == 8
    rows = seen.attention[1, 2, 5, 1:].float().numpy()
    found = heat(view, 3)[1, 5]
    np.testing.assert_allclose(found, rows, atol=1e-4)
    np.testing.assert_allclose(heat(view, 6)[2, 7], seen.rollout[2, 7, 1:].float().numpy(), atol=1e-4)
    np.testing.assert_allclose(heat(view, 5)[2, 7], seen.attention[2, :, 7, 1:].float().mean(0).numpy(), atol=1e-4)
    mean = seen.attention[1, :, 5, 1:].float().mean(0)
    assert f"{float(mean.max()):.3f}" in view.alt and "row 1, column 5" in view.alt
    assert np.array_equal(numbers(view.data["images"][0]).reshape(32, 32, 3), seen.picture.numpy())
    assert len(str(view.data)) < 600_000


def test_the_composer_knows_what_models_know() -> None:
    view = pictures.composer(CFG.scene, RGB, RADIUS, WORDS)
    assert [one["id"] for one in view.data["colours"]] == list(RGB)
    assert view.data["colours"][0]["css"] == "#de2929" and len(view.data["things"]) == 2
    assert {one["id"]: one["radius"] for one in view.data["sizes"]} == RADIUS and "2 things" in view.alt


def test_captions_fit_what_is_shown(seen: Trace) -> None:
    assert pictures.captions(seen, 0) == ["tokens", "look_cls", "answer", "untrained"]
    assert pictures.captions(seen, 3)[1] == "look_patch"
    mixed = vit.trace(Config(trained=False, shuffle=True))
    assert "disturbed" in pictures.captions(mixed, 0)
    every = {"tokens", "look_cls", "look_patch", "own_cls", "own_patch", "answer", "disturbed", "untrained", "stranger"}
    assert every == set(SPEC["captions"])
    said = pictures.named(vit.facts(seen), {name: block["zh"] for name, block in SPEC["words"].items()})
    assert said["colour"] in [SPEC["words"][f"colour_{name}"]["zh"] for name in RGB]


def test_patches_and_their_sizes() -> None:
    found = vit_studies.patches(vit_studies.asked("patches", CFG))
    tiles, sizes = figures.views("patches", found, CFG, WORDS)
    assert tiles.data["side"] == 14 and tiles.data["gap"] > 0 and "14 × 14 = 196" in tiles.alt
    colour = numbers(tiles.data["panels"][1]["colour"])
    assert np.array_equal(colour.reshape(-1, 3), found.cut.mean.numpy())
    index = sizes.data["scrub"]["index"]
    assert sizes.data["y_axis"]["kilo"] == 1000, "38.8K on the picture, 38,809 in the sentence above it"
    assert sizes.data["scrub"]["values"][index] == 16 and sizes.data["on_axis"]
    assert [numbers(one["y"])[0, index] for one in sizes.data["lines"]] == [197, 768, 197**2]
    assert "196" in sizes.data["readout"][index][0] and "38,809" in sizes.alt


def test_positions() -> None:
    measured = vit_measures.Measured(5, {}, (4, 8), {"shape": (0.5, 1.0), "all": (0.25, 0.75)})
    similarity = torch.eye(16) * 0.5 + 0.5
    plane, grids = figures.views("positions", Positions(4, 8, similarity, torch.eye(16), measured), CFG, WORDS)
    assert plane.data["side"] == 4 and plane.data["panels"][0]["signed"] and "0.50" in plane.alt
    assert plane.data["words"]["hint"] == WORDS["hint_alike"] and heat(plane, 1).shape == (1, 16, 16)
    lines = {one["name"]: numbers(one["y"])[0].tolist() for one in grids.data["lines"]}
    assert lines == {"shape": [50.0, 100.0], "all three": [25.0, 75.0]}
    assert grids.data["marks"] == [[8.0, WORDS["learned"]]] and grids.data["scrub"]["values"] == [4, 8]


def test_all_heads_and_their_reach(seen: Trace) -> None:
    maps, reach = figures.views("heads", seen, CFG, WORDS)
    assert [one["title"] for one in maps.data["panels"]][4:6] == ["2.1", "2.2"] and maps.data["columns"] == 4
    row = seen.attention[2, 3, 9, 1:].float().numpy()
    np.testing.assert_allclose(heat(maps, 11)[0, 9], row, atol=1e-4)
    assert "2.3 is head 3 of layer 2" in maps.data["readout"][0]
    dots, mean, even = (numbers(one["y"])[0] for one in reach.data["lines"])
    np.testing.assert_allclose(dots.reshape(3, 4), seen.distance.numpy(), rtol=1e-5)
    np.testing.assert_allclose(numbers(reach.data["lines"][0]["x"]), np.repeat([1, 2, 3], 4))
    np.testing.assert_allclose(mean, seen.distance.mean(1).numpy(), rtol=1e-5)
    assert even[0] == pytest.approx(vit.facts(seen)["even_far"])


def test_features() -> None:
    found = vit_studies.features(vit_studies.asked("features", CFG))
    (view,) = figures.views("features", found, CFG, WORDS)
    assert len(view.data["panels"]) == 8 and view.data["columns"] == 4
    colour = numbers(view.data["panels"][2]["colour"]).reshape(-1, 3)
    assert np.array_equal(colour, found.colour[2].numpy())
    assert f"{float(found.explained[-1].sum()):.0%}" in view.alt


def test_swin() -> None:
    found = vit_studies.swin(vit_studies.asked("swin", CFG))
    grids, reach, cost = figures.views("swin", found, CFG, WORDS)
    images = numbers(grids.data["groups"][0]["images"])
    assert images.shape == (4, 3, windows.SIDE, windows.SIDE, 3) and grids.data["scrub"]["values"] == [1, 2, 3, 4]
    assert np.array_equal(images[3, 1], images[3, 2]), "one window: nothing shifts"
    assert not np.array_equal(images[0, 1], images[0, 2])
    assert grids.data["words"]["hint"] == WORDS["hint_stages"]
    assert grids.data["words"]["film"] == WORDS["film_stages"]
    assert reach.data["words"]["hint"] == WORDS["hint_tokens"]
    assert "64 windows of 7 × 7" in grids.data["groups"][0]["notes"][0][1]
    assert "1: 49, 2: 196" in reach.alt
    row = heat(reach, 1)[0, 0]
    assert int((row > 0.5).sum()) == 49 and row[6 * 14 + 6] == 1 and row[7] == 0
    index = cost.data["scrub"]["index"]
    assert numbers(cost.data["lines"][0]["y"])[0, index] == pytest.approx(swin.cost(224) / 1e9, rel=1e-5)


def test_windows_are_outlined_where_they_end() -> None:
    """Shifted by 3, the first cut in stage 4's place would be after token 3; in stage 3 lines lie at 3 and 10 of 14."""
    picture = np.full((224, 224, 3), 255, np.uint8)
    image = windows._grid(picture, 14, 7, 3)
    cell = windows.SIDE // 14
    dark = np.flatnonzero((image[cell // 2] == windows.LINE).all(-1))
    assert sorted({round(x / cell) for x in dark}) == [3, 10]


def test_imagenet() -> None:
    rows = imagenet.rows("parameters")
    table = records.table(rows, WORDS)
    assert len(table) == 7 and table[WORDS["column_model"]][0] == "ViT-H/14"
    assert table[WORDS["column_told"]].count("–") == len(rows) - 5
    assert sum("reported" in cell for cell in table[WORDS["column_source"]]) == sum(not r.read for r, _ in rows)
    view = records.chart(rows, WORDS)
    assert "88.55" in view.alt and view.data["lines"][-1]["name"] == WORDS["line_told"]
    assert sum(numbers(one["y"]).size for one in view.data["lines"][:-1]) == len(rows)


def test_two_networks_part_by_part() -> None:
    figure = records.diagram(imagenet.resnet_152(), imagenet.vit_b(), WORDS)
    texts = [note.text for note in figure.layout.annotations]
    assert texts[0].endswith("60.2 M") and any("36 bottlenecks" in text for text in texts)
    assert "ViT-B/16 12 × MLP, + input 56.69 M" in figure.layout.meta["alt"]


def test_thumbnail(seen: Trace) -> None:
    assert pictures.thumbnail(seen).count("<rect") == 128
