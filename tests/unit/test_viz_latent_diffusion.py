"""What the pictures of latent diffusion hold, against the Trace or the measurement they were drawn from."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from models import latent_diffusion, latent_measures, latent_sizes
from models.latent_diffusion import Config, Trace, trace
from models.latent_measures import ATTRIBUTES, GROUPS, KINDS, OWNERS, Combinations, Reconstruction, Sweep
from tests.tree import PAGES
from tests.unit.untrained_scenes import pipeline
from viz import latent_diffusion as pictures
from viz.palette import palette
from viz.view import View

SPEC = PAGES["latent-diffusion"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


@pytest.fixture(scope="module")
def traces() -> dict[str, Trace]:
    states: dict[str, dict[str, Any]] = {
        "text": {},
        "seeds": {"mode": "seeds"},
        "captions": {"mode": "captions"},
        "picture": {"mode": "picture"},
        "still": {"mode": "picture", "strength": 0.0},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_diffusion, "load", pipeline)
        return {
            name: trace(Config(text="a <b>red</b> circle", steps=3, number="9", **state))
            for name, state in states.items()
        }


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    n = 3
    values: dict[str, tuple[float, ...]] = {
        "right": (0.2, 0.8, 0.9),
        "whole": (0.1, 0.5, 0.7),
        "variety": (0.3, 0.2, 0.1),
        "spread": (1.0, 1.1, 1.4),
    }
    image = torch.arange(3 * n * 2 * 2 * 3, dtype=torch.uint8).reshape(3, n, 2, 2, 3)
    return Sweep((0.0, 1.0, 4.0), values | {"distance": (0.4, 0.1, 0.0)}, 32, image, ("a", "b", "c"))


@pytest.fixture(scope="module")
def table() -> Combinations:
    source = torch.Generator().manual_seed(0)
    return Combinations(
        guidance=3.0,
        n_each=32,
        accuracy=torch.rand(len(GROUPS), len(ATTRIBUTES), generator=source),
        owner=torch.tensor([[[0.5, 0.4], [0.25, 0.3], [0.2, 0.2], [0.05, 0.1]]] * 2),
        confusion=torch.eye(6).repeat(2, 1, 1) * 0.75,
        image=torch.zeros(len(GROUPS), 2, 32, 32, 3, dtype=torch.uint8),
        text=(("a", "b"),) * len(GROUPS),
        right=((True, False),) * len(GROUPS),
    )


def group(view: View, name: str) -> dict[str, Any]:
    return next(one for one in view.data["groups"] if one["name"] == WORDS[name])


def test_the_board_shows_the_trace(traces: dict[str, Trace]) -> None:
    seen = traces["text"]
    view = pictures.board(seen, WORDS, 1, chosen=4, word=2)
    assert view.component == "pictures" and view.data["frames"] == 3
    assert view.data["scrub"] == {"field": "step", "label": "step", "values": [1, 2, 3], "index": 1}
    assert np.array_equal(numbers(group(view, "group_picture")["images"]), seen.image.numpy())
    assert np.array_equal(numbers(group(view, "group_noisy")["images"]), seen.noisy[:, 4:5].numpy())
    latent = numbers(group(view, "group_latent")["images"])
    assert np.array_equal(latent[2, 1], pictures.coloured(seen.latent[2, 4, 1].numpy()))
    assert np.array_equal(latent[2, 6], pictures.coloured(seen.clean[2, 4, 2].numpy()))
    assert view.data["chosen"] == 4 and view.data["word"] == 2
    maps = numbers(view.data["heat"]["maps"]) / 255.0
    shown = seen.attention[1, 4, 2].numpy() / float(seen.attention[:, :, 2].max())
    assert float(np.abs(maps[1, 4, 2] - shown).max()) < 0.003
    assert view.data["heat"]["labels"][0] == WORDS["word_start"]
    right = [all(one.values()) for one in seen.verdict]
    assert group(view, "group_picture")["marks"] == ["right" if good else "wrong" for good in right]
    assert "9 pictures at step 2 of 3" in view.alt and f"{float(seen.latent[1, 4].std()):.2f}" in view.alt
    assert len(str(view.data)) < 1_200_000


def test_the_payload_of_sixteen_pictures_is_modest() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_diffusion, "load", pipeline)
        seen = trace(Config(number="16", steps=21, guidance=1.0))
    assert len(str(pictures.board(seen, WORDS, 0).data)) < 2_500_000


@pytest.mark.parametrize("name", ["seeds", "captions", "picture", "still"])
def test_the_other_modes(traces: dict[str, Trace], name: str) -> None:
    seen = traces[name]
    view = pictures.board(seen, WORDS, len(seen.step) - 1, chosen=15, word=63)
    assert view.data["chosen"] == 8 and view.data["word"] is None
    assert (view.data["heat"] is None) == (name == "still")
    assert (view.data["scrub"] is None) == (name == "still")
    titles = group(view, "group_picture")["titles"]
    assert titles[0] == ("0%" if name in ("seeds", "captions") else "1")
    if name in ("picture", "still"):
        assert np.array_equal(numbers(group(view, "group_start")["images"])[0], seen.start.numpy())
    assert set(pictures.captions(seen)) <= set(SPEC["captions"])


def test_latents_on_the_signed_scale() -> None:
    stops = palette()["signed"]
    found = pictures.coloured(np.array([-9.0, -3.0, 0.0, 3.0]))
    assert found.shape == (4, 3) and found.dtype == np.uint8

    def rgb(stop: str) -> list[int]:
        return [int(stop[i : i + 2], 16) for i in (1, 3, 5)]

    assert found[0].tolist() == found[1].tolist() == rgb(stops[0]) and found[3].tolist() == rgb(stops[-1])
    assert found[2].tolist() == rgb(stops[len(stops) // 2])


def test_captions_fit_what_is_shown(traces: dict[str, Trace]) -> None:
    assert pictures.captions(traces["text"]) == ["unknown", "step", "judged"]
    assert pictures.captions(traces["text"], word=2)[-1] == "word"
    assert pictures.captions(traces["still"])[1] == "nothing"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_diffusion, "load", pipeline)
        for text, name in {
            "": "problem_nothing",
            "a purple circle": "held_out",
            "a red blue ring": "problem_conflict",
        }.items():
            assert pictures.captions(trace(Config(text=text, number="1", steps=1)))[-1] == name
    every = {f"problem_{name}" for name in ("nothing", "many", "conflict")}
    assert every < set(SPEC["captions"])


def test_both_pipelines() -> None:
    count = {"text": 123_060_480, "unet": 859_520_964, "encoder": 9, "decoder": 7}
    real = latent_sizes.stages(count, "77", (77, 768), (4, 64, 64), (3, 512, 512))
    figure = pictures.parts(real, real, WORDS)
    assert isinstance(figure, go.Figure)
    said = [note.text for note in figure.layout.annotations]
    assert any("859.5 M" in text for text in said) and any("77 × 768" in text for text in said)
    assert "123.1 M" in figure.layout.meta["alt"]
    dotted = [shape for shape in figure.layout.shapes if shape.line.dash == "dot"]
    assert len(dotted) == 2, "the encoder of each"


def test_sizes_against_resolution() -> None:
    rows = [(latent_sizes.pixels(one), latent_sizes.latents(one)) for one in latent_sizes.RESOLUTIONS]
    view = pictures.sizes(latent_sizes.RESOLUTIONS, rows, 512, WORDS)
    assert view.data["scrub"]["values"][view.data["scrub"]["index"]] == 512 and view.data["on_axis"]
    index = latent_sizes.RESOLUTIONS.index(512)
    values = [numbers(one["y"])[0, index] for one in view.data["lines"]]
    assert values == [2**18, 2**12, 3 * 2**18, 2**14, 2**36, 2**24]
    assert "4,096 times" in view.data["readout"][index][0] and "262,144" in view.alt


def test_sweeps(sweep: Sweep) -> None:
    view = pictures.guidances(sweep, 4.0, WORDS)
    lines = {one["name"]: numbers(one["y"])[0] for one in view.data["lines"]}
    assert np.allclose(lines[WORDS["line_variety"]], [np.nan, 1.0, 0.5], equal_nan=True), "as a share of guidance 1"
    assert np.allclose(lines[WORDS["line_right"]], sweep.measure["right"]) and view.data["marks"] == [
        [4.0, WORDS["here"]]
    ]
    assert "4: 90%, 70%" in view.alt
    strip = pictures.strip(sweep, WORDS)
    image = numbers(strip.data["groups"][0]["images"])[0]
    assert np.array_equal(image[1], sweep.image[1, 0].numpy()), "row 1 (caption), column 2 (value)"
    assert np.array_equal(image[5], sweep.image[2, 1].numpy()), "row 2, column 3"
    shifted = Sweep((1.0, 8.0, 50.0), sweep.measure, 32, sweep.image, sweep.text)
    view = pictures.steps(shifted, 20, WORDS)
    assert np.allclose(numbers(view.data["lines"][-1]["y"])[0], [1.0, 0.25, 0.0])


def test_the_table_and_whose_colours(table: Combinations) -> None:
    rows = pictures.table(table, ATTRIBUTES, GROUPS, WORDS)
    assert rows[WORDS["attribute_colour"]][2] == f"{float(table.accuracy[2, 1]):.0%}" and len(rows) == 7
    view = pictures.owners(table, KINDS, OWNERS, WORDS)
    values = numbers(view.data["groups"][0]["rows"][1]["values"])
    assert np.allclose(values, [[40, 30, 20, 10]]) and "25 %" in view.alt
    view = pictures.confusion(table, latent_measures.SHAPES, WORDS)
    assert "75 %" in view.alt and len(view.data["rows"]) == 6 and len(view.data["panels"]) == 2
    view = pictures.combinations(table, GROUPS, WORDS)
    assert view.data["groups"][3]["marks"] == ["right", "wrong"] and "32 pictures" in view.alt


def test_the_autoencoder() -> None:
    source = torch.Generator().manual_seed(0)
    image = torch.randint(256, (8, 32, 32, 3), generator=source).to(torch.uint8)
    latent = torch.randn(8, 4, 8, 8, generator=source)
    view = pictures.vae(Reconstruction(image, image.flip(0), latent, torch.arange(8.0), 30.0, 0.0, 1.0), WORDS)
    found = view.data["groups"][0]
    shown = numbers(found["images"])[0]
    assert shown.shape == (48, 32, 32, 3) and found["columns"] == 8 and "30.0 dB" in view.alt
    assert np.array_equal(shown[3], image[3].numpy()) and np.array_equal(shown[8], image[7].numpy())
    assert np.array_equal(shown[16 + 8 * 2 + 5, ::4, ::4], pictures.coloured(latent[5, 2].numpy())), (
        "channel 3 of scene 6"
    )
    assert found["notes"][0][8 + 5] == "±5.0"


def test_thumbnail(traces: dict[str, Trace]) -> None:
    for one in traces.values():
        assert pictures.thumbnail(one).count("<rect") == 3 * 256


def test_notes_have_their_numbers(sweep: Sweep, table: Combinations) -> None:
    for lang in ("en", "zh"):
        words = {name: block[lang] for name, block in SPEC["words"].items()}
        assert words["note_guidances"].format(**latent_measures.sweep_facts(sweep))
        assert words["note_steps"].format(**latent_measures.sweep_facts(sweep))
        assert words["note_combinations"].format(**latent_measures.combination_facts(table))
        assert words["note_sizes"].format(resolution=512, **latent_sizes.saving(512))
