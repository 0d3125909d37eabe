"""The pictures of position encodings: what they carry is what the trace holds, alt texts and words included."""

import base64
import dataclasses
import re
import string
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from models import position_encodings
from models.no_position import Learned
from models.position_encodings import N_ROW, N_START, SCHEMES, Config, facts, trace
from viz import position_encodings as viz
from viz.view import View

SPEC = tomllib.loads(
    (Path(position_encodings.__file__).parents[1] / "pages/positions/position_encodings.toml").read_text("utf-8")
)
WORDS = {language: {name: text[language] for name, text in SPEC["words"].items()} for language in ("en", "zh")}
EN = WORDS["en"]
TEXT = "seven quick foxes and eleven lazy hares"
PAIR = Config(text=TEXT, scheme="sinusoidal", other="t5", start=5, n_head=3, head=2, seed=2)
LEARNED = Learned(torch.tensor([0, 20]), torch.tensor([0.1, 0.99]), torch.tensor([0.1, 0.09]), 1.0, 0.5, 1 / 12)
FIGURES = [part for name in SPEC["gallery"] for part in viz.parts(name)]


def unpack(packed: dict) -> np.ndarray:
    kind = {"f2": "<f2", "f4": "<f4", "u1": "u1", "b1": "?"}[packed["dtype"]]
    return np.frombuffer(base64.b64decode(packed["b64"]), kind).reshape(packed["shape"])


def stages(view: View, panel: int) -> dict[str, np.ndarray]:
    return {stage["name"]: unpack(stage["values"]) for stage in view.data["panels"][panel]["stages"]}


def line(view: View, name: str) -> np.ndarray:
    return unpack(next(one["y"] for one in view.data["lines"] if one["name"] == name))[0]


def test_both_schemes_are_on_one_picture() -> None:
    seen = trace(PAIR)
    view = viz.pair(seen, EN)
    assert view.component == "matrix"
    assert [panel["title"] for panel in view.data["panels"]] == ["sinusoidal", "T5 bias"]
    assert view.data["rows"] == view.data["cols"] == TEXT.split()
    assert view.data["scrub"]["field"] == "start" and view.data["scrub"]["index"] == 5
    assert view.data["scrub"]["values"] == list(range(N_START))
    for panel, shown in enumerate(seen.shown):
        found = stages(view, panel)
        np.testing.assert_allclose(found["Content"], shown.content, atol=1e-6)
        for name, values in (("+ Position", shown.position), ("= Scores", shown.score), ("Softmax", shown.weight)):
            # A picture that stands still is sent once.
            want = values if panel == 0 else values[0]
            np.testing.assert_allclose(found[name], want, atol=2e-3)
    row, col = view.data["pin"]
    gap = (seen.shown[0].weight[5] - seen.shown[1].weight[5]).abs()
    assert float(gap[row, col]) == float(gap.max())
    said = facts(seen)
    assert (said["row"], said["col"]) == (row, col)


def test_the_future_is_hatched_under_a_causal_mask() -> None:
    view = viz.pair(trace(dataclasses.replace(PAIR, causal=True, scheme="rope")), EN)
    future = ~np.tri(7, dtype=bool)
    for panel in (0, 1):
        for name, values in stages(view, panel).items():
            hidden = values[..., future]
            assert (hidden == 0).all() if name == "Softmax" else np.isneginf(hidden).all()


def test_one_scheme_is_one_panel() -> None:
    seen = trace(dataclasses.replace(PAIR, other="sinusoidal"))
    view = viz.pair(seen, EN)
    assert len(view.data["panels"]) == 1
    row, col = view.data["pin"]
    assert float(seen.shown[0].weight[5, row, col]) == float(seen.shown[0].weight[5].max())


def test_products_are_written_out_where_they_are_the_score() -> None:
    for name in SCHEMES:
        seen = trace(dataclasses.replace(PAIR, scheme=name, other=name))
        stage = viz.pair(seen, EN).data["panels"][0]["stages"][2]
        if name in ("none", "rope"):
            product = unpack(stage["left"]) @ unpack(stage["right"]).T
            np.testing.assert_allclose(product, seen.shown[0].score[5], atol=1e-4)
        else:
            assert stage["left"] is None and "{prev}" in stage["explain"]


def test_every_template_names_known_quantities() -> None:
    known = {"row", "col", "row_index", "col_index", "value", "percent", "prev", "max", "sum", "row_sum", "terms"}
    for language in ("en", "zh"):
        for name, text in WORDS[language].items():
            if name.startswith("explain_"):
                used = {field for _, field, _, _ in string.Formatter().parse(text) if field}
                assert used <= known | {"slope", "d"}, name


def test_shuffle_shows_what_moved() -> None:
    seen = trace(dataclasses.replace(PAIR, scheme="none", order="reversed"))
    view = viz.shuffle(seen, EN)
    np.testing.assert_allclose(line(view, "NoPE"), seen.shown[0].moved, atol=1e-6)
    np.testing.assert_allclose(line(view, "T5 bias"), seen.shown[1].moved, atol=1e-5)
    assert [text for _, text in view.data["x_axis"]["ticks"]] == TEXT.split()[::-1]


def test_laws_are_a_table_of_what_was_measured() -> None:
    seen = trace(PAIR)
    figure = viz.laws(seen, EN)
    table, numbers = figure.data
    text = np.reshape(numbers.text, (6, 3))
    assert np.reshape(numbers.y, (6, 3))[4].tolist() == [4, 4, 4]
    assert list(figure.layout.yaxis.ticktext) == [EN[f"scheme_{name}"] for name in SCHEMES] and viz.SCHEMES == SCHEMES
    marks = np.asarray(table.z)
    assert marks[:, 0].tolist() == [0, 1, 1, 1, 1, 1]  # sees order: all but none
    assert marks[:, 1].tolist() == [1, 0, 0, 1, 1, 1]  # only distance counts
    assert marks[:, 2].tolist() == [0, 0, 0, 1, 1, 0]  # is a bias
    assert text[3][2] == "yes<br>100%" and text[0][2] == "–"
    assert text[1][1] == f"no<br>{float(seen.law[1, 1]):.2f}"


def test_sinusoids_clocks_and_likeness() -> None:
    seen = trace(dataclasses.replace(PAIR, first=11, second=41))
    picture = unpack(viz.wave(seen, EN).data["panels"][0]["stages"][0]["values"])
    np.testing.assert_allclose(picture, seen.wave[:N_ROW], atol=1e-3)
    view = viz.turning(seen, EN)
    assert view.component == "clocks"
    assert [scrub["index"] for scrub in view.data["scrubs"]] == [11, 41]
    assert [scrub["field"] for scrub in view.data["scrubs"]] == ["first", "second"]
    np.testing.assert_allclose(unpack(view.data["query"])[:, :, 0], seen.wave[:N_ROW, 0::2])
    np.testing.assert_allclose(unpack(view.data["score"]), seen.wave[:N_ROW] @ seen.wave[:N_ROW].T, atol=1e-4)
    assert view.data["wavelength"][0] == pytest.approx(2 * np.pi)
    view = viz.likeness(seen, EN)
    np.testing.assert_allclose(line(view, "sinusoidal"), seen.likeness[0], atol=1e-6)
    np.testing.assert_allclose(line(view, "learned table"), seen.likeness[1], atol=1e-6)


def test_the_learned_table_ends_and_the_sinusoids_go_on() -> None:
    seen = trace(dataclasses.replace(PAIR, row=70))
    view = viz.table(seen, EN)
    learned, waves = line(view, "learned table"), line(view, "sinusoidal")
    np.testing.assert_allclose(learned[:N_ROW], seen.table[:, viz.FEATURE], atol=1e-6)
    assert np.isnan(learned[N_ROW:]).all() and np.isfinite(waves).all() and len(waves) == N_ROW + 17
    assert view.data["on_axis"] and view.data["scrub"]["index"] == 70
    assert view.data["bands"][0][:2] == [N_ROW - 0.5, N_ROW + 16.0]
    assert "out of range" in view.alt
    assert viz.caption_of(seen, "table") == "table"
    assert viz.caption_of(trace(PAIR), "table") == "table"
    assert viz.caption_of(trace(dataclasses.replace(PAIR, row=3)), "table") == "table_there"


def test_biases_slopes_and_recency() -> None:
    seen = trace(PAIR)
    np.testing.assert_array_equal(line(viz.buckets(seen, EN), "both directions"), seen.bucket[0])
    np.testing.assert_array_equal(line(viz.buckets(seen, EN), "past only"), seen.bucket[1])
    np.testing.assert_allclose(line(viz.bias(seen, EN), "head 2"), seen.bias[2], atol=1e-6)
    near = trace(dataclasses.replace(PAIR, max_distance=50))
    inside = near.distance.abs() <= 80
    np.testing.assert_array_equal(line(viz.buckets(near, EN), "past only"), near.bucket[1, inside])
    np.testing.assert_allclose(line(viz.bias(near, EN), "head 2"), near.bias[2, inside], atol=1e-6)
    assert sum(one["quiet"] for one in viz.bias(seen, EN).data["lines"]) == 2
    view = viz.slopes(seen, EN)
    np.testing.assert_allclose(line(view, "slope m"), seen.slope)
    assert view.data["y_axis"]["log"] and view.data["marks"][0][0] == 3
    names = [one["name"] for one in viz.recency(seen, EN).data["lines"]]
    assert names == [f"m = {m:.3g}" for m in sorted(seen.slope.tolist(), reverse=True)]
    np.testing.assert_allclose(line(viz.recency(seen, EN), names[0]), seen.recency[seen.slope.argmax()], atol=1e-6)


def test_layers() -> None:
    seen = trace(dataclasses.replace(PAIR, interval=3))
    strip, turns, still = viz.layers(seen, EN).data
    assert [name for _, name in strip.colorscale] == [still.marker.color] * 2 + [turns.marker.color] * 2
    assert (turns.name, still.name) == ("RoPE", "no position")
    for row, known in zip(np.asarray(strip.z, float), seen.strips, strict=True):
        assert row[: len(known.rotates)].tolist() == known.rotates.float().tolist()
        assert np.isnan(row[len(known.rotates) :]).all()
    ticks = list(viz.layers(seen, EN).layout.yaxis.ticktext)
    assert "SmolLM3 3B<br>9 / 36" in ticks and "Llama 4 Scout<br>12 / 48" in ticks and "yours<br>12 / 36" in ticks


def test_history_is_in_order_and_every_event_has_its_words() -> None:
    seen = trace(PAIR)
    dates = [(event.year, event.month) for event in seen.events]
    assert dates == sorted(dates) and len({event.id for event in seen.events}) == len(dates)
    assert {event.kind for event in seen.events} == set(viz.KINDS)
    figure = viz.history(seen, EN)
    rows = sorted(row for one in figure.data for row in one.y)
    assert rows == list(range(len(dates)))
    for one in figure.data:
        for row, x, text in zip(one.y, one.x, one.text, strict=True):
            event = seen.events[row]
            assert int(x) == event.year and text.strip() == EN[f"event_{event.id}"]
    # An arXiv number begins with year and month.
    for event in seen.events:
        number = re.search(r"arXiv (\d\d)(\d\d)\.", event.source)
        assert number is None or (2000 + int(number[1]), int(number[2])) == (event.year, event.month), event.id


def test_the_learning_of_places() -> None:
    view = viz.nope(LEARNED, EN)
    np.testing.assert_allclose(line(view, "causal mask"), [10, 99], rtol=1e-5)
    np.testing.assert_allclose(line(view, "no mask"), [10, 9], rtol=1e-5)
    assert "99%" in view.alt and view.data["readout"] == [[view.alt]]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("part", FIGURES)
def test_every_figure_has_an_alt_text_of_numbers(part: str, language: str) -> None:
    seen = LEARNED if part == "nope" else trace(PAIR)
    picture = getattr(viz, part)(seen, WORDS[language])
    alt = picture.layout.meta["alt"] if isinstance(picture, go.Figure) else picture.alt
    assert re.search(r"\d", alt) and "{" not in alt and "nan" not in alt.lower()
    again = getattr(viz, part)(LEARNED if part == "nope" else trace(PAIR), WORDS[language])
    height = picture.layout.height if isinstance(picture, go.Figure) else picture.height
    assert height == (again.layout.height if isinstance(again, go.Figure) else again.height)


def test_captions_say_what_is_there() -> None:
    def of(**changes: object) -> list[str]:
        return viz.captions(trace(dataclasses.replace(PAIR, **changes)))

    assert of() == ["compare", "order", "start"]
    assert of(other="sinusoidal") == ["alone"]
    assert of(scheme="none", order="shuffled") == ["compare", "order", "blind", "start"]
    assert of(scheme="none", order="shuffled", causal=True) == ["compare", "order", "mask_tells", "start"]
    assert of(scheme="alibi", order="reversed") == ["compare", "order", "mirror", "start"]
    assert of(scheme="alibi", order="reversed", causal=True) == ["compare", "order", "start"]
    assert of(weights="trained", other="rope") == ["compare", "order", "trained"]
    assert "cut" in of(text="a " * 40) and "empty" in of(text="")
    for name in {*of(), *of(other="sinusoidal"), "blind", "mirror", "mask_tells", "cut", "empty"}:
        assert name in SPEC["captions"]
    assert "trained" in SPEC["captions"]
    for weights in ("random", "trained"):
        for figure in SPEC["gallery"]:
            assert viz.caption_of(trace(dataclasses.replace(PAIR, weights=weights)), figure) in SPEC["captions"]
    assert viz.caption_of(trace(dataclasses.replace(PAIR, weights="trained")), "t5") == "t5_trained"


def test_names_of_schemes_are_the_pages_and_rounding_is_called_so() -> None:
    seen = trace(dataclasses.replace(PAIR, scheme="none", order="reversed"))
    said = viz.named(facts(seen), WORDS["zh"])
    assert (said["scheme"], said["other"]) == ("NoPE", "T5 偏置")
    assert all(re.fullmatch(r"0( ± \de-\d)?", said[name]) for name in ("moved", "shifted"))  # a machine rounds its way
    assert said["other_moved"] == f"{float(seen.shown[1].moved.max()):.2f}"


def test_a_trained_pair_has_no_scrubber_and_says_what_deeper_layers_do() -> None:
    for layer in (0, 1):
        seen = trace(dataclasses.replace(PAIR, weights="trained", other="alibi", layer=layer, head=3))
        view = viz.pair(seen, EN)
        assert view.data["scrub"] is None and view.data["rows"][0] == "<bos>"
        for panel, shown in enumerate(seen.shown):
            np.testing.assert_allclose(stages(view, panel)["Softmax"], shown.weight[0], atol=2e-3)
        explain = view.data["panels"][1]["stages"][1]["explain"]
        assert explain == (EN["explain_deep"] if layer else EN["explain_alibi"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_thumbnail(scheme: str) -> None:
    svg = ET.fromstring(viz.thumbnail(trace(Config(scheme=scheme, other=scheme))))
    assert svg.get("viewBox") == "0 0 160 100"
    for box in svg:
        assert float(box.get("x")) >= 0 and float(box.get("x")) + float(box.get("width")) <= 160
        assert float(box.get("y")) >= 0 and float(box.get("y")) + float(box.get("height")) <= 100
        assert re.fullmatch("#[0-9A-F]{6}", box.get("fill"))
