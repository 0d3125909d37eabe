"""The pictures of RoPE: what they carry is what the trace holds, alt texts and words included."""

import base64
import dataclasses
import math
import string
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from models import rope
from models.rope import Config, facts, trace
from viz import rope as viz
from viz.view import View

SPEC = tomllib.loads((Path(rope.__file__).parents[1] / "pages/positions/rope.toml").read_text("utf-8"))
WORDS = {language: {name: text[language] for name, text in SPEC["words"].items()} for language in ("en", "zh")}
EN = WORDS["en"]
PRIME = Config(n_pair=7, n_token=11, query=9, key=4, alike=0.5, seed=3)
MODEL = Config(source="tiny-lm", text="The cat sat on the mat.", layer=0, head=1, query=5, key=4)
NOTHING = dataclasses.replace(PRIME, share=0.0)
PARTIAL = dataclasses.replace(PRIME, share=0.6, pairing="interleaved")
LEAST = Config(n_pair=1, n_token=2, query=0, key=1)
ALL = pytest.mark.parametrize(
    "cfg", [PRIME, MODEL, NOTHING, PARTIAL, LEAST], ids=["random", "model", "nothing", "partial", "least"]
)


def unpack(packed: dict) -> np.ndarray:
    kind = {"f2": "<f2", "f4": "<f4", "u1": "u1", "b1": "?", "i2": "<i2", "u2": "<u2", "i4": "<i4"}[packed["dtype"]]
    return np.frombuffer(base64.b64decode(packed["b64"]), kind).reshape(packed["shape"])


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def line(view: View, name: str) -> dict:
    return next(one for one in view.data["lines"] if one["name"] == name)


def height(view: View, name: str) -> np.ndarray:
    return unpack(line(view, name)["y"])


@ALL
def test_the_clocks_carry_the_trace(cfg: Config) -> None:
    seen = trace(cfg)
    view = viz.clocks(seen, EN)
    assert view.component == "clocks" and view.height == viz.CLOCKS
    for name in ("query", "key", "score"):
        np.testing.assert_allclose(unpack(view.data[name]), getattr(seen, name).numpy(), atol=1e-5)
    m, n = seen.at
    assert [(scrub["field"], scrub["index"]) for scrub in view.data["scrubs"]] == [("query", m), ("key", n)]
    assert view.data["labels"] == list(seen.content.label)
    assert view.data["unit"] is (cfg.source != "random")
    wave = [None if math.isinf(x) else pytest.approx(x) for x in seen.wavelength.tolist()]
    assert view.data["wavelength"] == wave
    assert f"{float(seen.score[m, n]):.2f}" in view.alt and str(len(seen.frequency)) in view.alt


def test_the_distance_curve() -> None:
    seen = trace(PRIME)
    view = viz.distance(seen, EN)
    np.testing.assert_allclose(height(view, EN["line_mean"]), seen.mean.numpy(), atol=2e-3)
    np.testing.assert_allclose(height(view, EN["line_above"]), (seen.mean + seen.std).numpy(), atol=2e-3)
    np.testing.assert_allclose(height(view, EN["line_below"]), (seen.mean - seen.std).numpy(), atol=2e-3)
    np.testing.assert_allclose(height(view, EN["line_bound"]), seen.bound.numpy(), atol=2e-3)
    scrub = view.data["scrub"]
    assert scrub["field"] == "base" and scrub["values"] == list(rope.BASES) and scrub["values"][scrub["index"]] == 1e4
    assert view.data["frames"] == len(rope.BASES)
    assert f"{float(seen.mean[seen.base_index, 0]):.2f}" in view.alt


def test_a_models_distance_curve_has_one_base_and_no_bound() -> None:
    seen = trace(MODEL)
    view = viz.distance(seen, EN)
    assert "scrub" not in view.data and view.data["frames"] == 1
    assert [one["name"] for one in view.data["lines"]] == [EN["line_mean"], EN["line_above"], EN["line_below"]]
    assert view.data["y_axis"]["title"] == EN["axis_score"]


def test_the_far_curve() -> None:
    seen = trace(MODEL)
    view = viz.far(seen, EN)
    for i, name in enumerate(("line_low", "line_mean", "line_high")):
        np.testing.assert_allclose(height(view, EN[name])[0], seen.far[0, i].numpy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(unpack(view.data["x"]), seen.block.numpy(), rtol=1e-6)
    assert view.data["x_axis"]["log"] and view.data["bands"] == [[256.0, 1024.0, EN["band_untrained"]]]


def test_wavelengths_follow_the_base() -> None:
    seen = trace(PARTIAL)
    view = viz.wavelengths(seen, EN)
    own = line(view, EN["line_pairs"].format(n=4))
    assert own["form"] == "dots" and seen.n_rotate == 4
    np.testing.assert_allclose(unpack(own["x"]), np.arange(4) / 4)
    np.testing.assert_allclose(unpack(own["y"]), seen.wavelengths[:, :4].numpy(), rtol=1e-4)
    np.testing.assert_allclose(height(view, EN["line_context"].format(n=4096))[0], 4096)
    wide = line(view, EN["line_128"])
    np.testing.assert_allclose(unpack(wide["y"])[seen.base_index, -1], 54_410, rtol=1e-4)
    assert EN["line_128"] not in [one["name"] for one in viz.wavelengths(trace(Config(n_pair=64)), EN).data["lines"]]


def test_this_query_and_key() -> None:
    seen = trace(PARTIAL)
    view = viz.offset(seen, EN)
    part = seen.by_distance.numpy()
    for name, which in (
        ("score", slice(None)),
        ("fast", slice(0, 2)),
        ("slow", slice(2, 4)),
        ("still", slice(4, None)),
    ):
        np.testing.assert_allclose(height(view, EN[f"line_{name}"])[0], part[:, which].sum(1), atol=1e-4)
    assert np.ptp(height(view, EN["line_still"])) < 1e-6 < np.ptp(height(view, EN["line_slow"]))
    assert view.data["marks"] == [[5.0, EN["mark_here"].format(distance=5)]]
    assert viz.offset(trace(LEAST), EN).data["marks"] == []  # the key is after the query
    assert [one["name"] for one in viz.offset(trace(NOTHING), EN).data["lines"]] == [EN["line_score"], EN["line_still"]]


def test_the_histogram_is_of_the_changes() -> None:
    seen = trace(PRIME)
    view = viz.additive(seen, EN)
    change = seen.change.numpy()
    (bars,) = view.data["lines"]
    share, at = unpack(bars["y"])[0], unpack(view.data["x"])
    assert bars["form"] == "bars" and share.sum() == pytest.approx(1, abs=0.01)
    assert (share * at).sum() == pytest.approx(float(change.mean()), abs=0.1 * float(change.std()))
    assert view.data["marks"][0][0] == pytest.approx(float(change.mean()))
    assert f"{change.std():.2f}" in bars["name"] and f"{change.std():.2f}" in view.alt


def test_the_plane_before_and_after() -> None:
    seen = trace(dataclasses.replace(MODEL, pair=2))
    figure = viz.plane(seen, EN)
    dots = [one for one in figure.data if one.mode == "markers"]
    assert [one.name for one in dots] == [EN["dots_query"], EN["dots_key"]] * 2
    wanted = (seen.query_content, seen.key_content, seen.query, seen.key)
    for one, pairs in zip(dots, wanted, strict=True):
        np.testing.assert_allclose(np.stack([one.x, one.y]), pairs[:, 2].numpy().T, atol=1e-6)
    hands = [one for one in figure.data if one.mode == "lines"]
    np.testing.assert_allclose([hands[2].x[1], hands[2].y[1]], seen.query[seen.at[0], 2].numpy(), atol=1e-6)
    np.testing.assert_allclose([hands[3].x[1], hands[3].y[1]], seen.key[seen.at[1], 2].numpy(), atol=1e-6)
    assert dots[0].customdata[1].startswith("1 ")


@pytest.mark.parametrize("cfg", [PRIME, PARTIAL, dataclasses.replace(PRIME, share=0.6)])
def test_the_pairing_draws_the_permutation(cfg: Config) -> None:
    seen = trace(cfg)
    figure = viz.pairing(seen, EN)
    assert len(figure.data) == 14
    half, inter = (rope.pair_index(7, seen.n_rotate, name) for name in ("half-split", "interleaved"))
    colours: dict[int, set[str]] = {}
    for below, one in enumerate(figure.data):
        assert tuple(one.y) == (1, 0) and one.x[1] == below
        i, side = divmod(below, 2)
        assert one.x[0] == int(half[i, side]) and below == int(inter[i, side])
        assert one.x[0] == int(seen.permutation[below])
        colours.setdefault(i, set()).add(one.line.color)
    assert all(len(found) == 1 for found in colours.values())
    assert len({next(iter(colours[i])) for i in range(seen.n_rotate)}) == seen.n_rotate


def test_the_cache_shows_cos_and_sin() -> None:
    seen = trace(PRIME)
    view = viz.cache(seen, EN)
    assert view.component == "matrix" and len(view.data["rows"]) == 11 and len(view.data["cols"]) == 7
    for panel, wave in zip(view.data["panels"], (np.cos, np.sin), strict=True):
        (stage,) = panel["stages"]
        np.testing.assert_allclose(unpack(stage["values"]), wave(seen.angle.numpy()), atol=1e-3)
        assert stage["limits"] == [-1.0, 1.0]


@ALL
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_figure_has_an_alt_text_and_a_caption(cfg: Config, language: str) -> None:
    seen = trace(cfg)
    said, words = facts(seen), WORDS[language]
    for name in SPEC["gallery"]:
        picture = getattr(viz, name)(seen, words)
        alt = picture.layout.meta["alt"] if isinstance(picture, go.Figure) else picture.alt
        assert alt and not placeholders(alt)
        caption = SPEC["captions"][viz.caption_of(seen, name, said)][language].format(**said)
        assert "nan" not in caption
        assert "inf" not in caption and "inf" not in alt
    assert viz.captions(seen)
    for name in viz.captions(seen):
        assert "inf" not in SPEC["captions"][name][language].format(**said)


def test_captions_say_what_is_there() -> None:
    assert viz.captions(trace(PRIME)) == ["law", "pairs"]
    assert viz.captions(trace(NOTHING)) == ["law", "none"]
    assert viz.captions(trace(PARTIAL)) == ["law", "pairs", "still"]
    assert viz.captions(trace(MODEL)) == ["law_model", "pairs"]
    long = dataclasses.replace(MODEL, text="word " * 100)
    assert "cut" in viz.captions(trace(long))

    def named(cfg: Config, figure: str) -> str:
        seen = trace(cfg)
        return viz.caption_of(seen, figure, facts(seen))

    assert named(dataclasses.replace(PRIME, alike=0.0), "distance") == "independent"
    assert named(dataclasses.replace(PRIME, alike=1.0), "distance") == "distance"
    assert named(MODEL, "distance") == "distance_model" and named(MODEL, "far") == "far_model"
    assert named(dataclasses.replace(PRIME, key=9), "additive") == "additive_here"
    assert named(NOTHING, "wavelengths") == "nothing_turns" and named(NOTHING, "offset") == "offset"


def test_every_word_is_used_and_every_caption_reached() -> None:
    source = Path(viz.__file__).read_text("utf-8")
    for name in EN:
        head = name.split("_")[0]
        assert f'"{name}"' in source or f'f"{head}_' in source, name


@ALL
def test_the_thumbnail_is_a_small_picture(cfg: Config) -> None:
    root = ET.fromstring(viz.thumbnail(trace(cfg)))
    n_face = len([one for one in root if one.tag.endswith("circle")])
    n_hand = len([one for one in root if one.tag.endswith("line")])
    assert n_face == min(6, len(trace(cfg).frequency)) and n_hand == 2 * n_face
