"""The pictures of attention heads: what they carry is what the trace holds, alt texts and words included."""

import base64
import dataclasses
import re
import string
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch

from models import attention_heads, head_reading
from models.attention_heads import Config, facts, trace
from models.head_roles import SCORES
from tests.unit.fake_heads import install
from viz import attention_heads as viz

SPEC = tomllib.loads(
    (Path(attention_heads.__file__).parents[1] / "pages/attention/attention_heads.toml").read_text("utf-8")
)
WORDS = {language: {name: text[language] for name, text in SPEC["words"].items()} for language in ("en", "zh")}
EN = WORDS["en"]
OFF = Config(model="smollm2", text="to be or not to be", layer=2, head=4, ablate="1.0 2.4")


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    yield install(monkeypatch)
    head_reading.look.cache_clear()


def unpack(packed: dict) -> np.ndarray:
    kind = {"f2": "<f2", "f4": "<f4", "u1": "u1", "b1": "?"}[packed["dtype"]]
    return np.frombuffer(base64.b64decode(packed["b64"]), kind).reshape(packed["shape"])


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_score_has_its_row() -> None:
    assert viz.SCORES == SCORES


def test_the_grid_by_layer_is_a_table() -> None:
    seen = trace(OFF)
    view = viz.heads(seen, EN)
    assert view.component == "grid"
    maps = unpack(view.data["maps"])
    np.testing.assert_array_equal(maps, seen.maps.reshape(45, 19, 19).numpy())
    assert view.data["columns"] == 9 and view.data["rows"] == ["L0", "L1", "L2", "L3", "L4"]
    assert view.data["cols"] == ["H0", "H1", "H2", "H3", "H4", "H5", "H6", "H7", "H8"]
    assert view.data["titles"][13] == "1.4" and view.data["names"][13] == "layer 1, head 4"
    assert view.data["titles"][9] == "1.0" and view.data["names"][9] == "layer 1, head 0 (off)"
    assert view.data["selected"] == [22]  # the open head, 2.4
    assert [view.data["titles"][i] for i in view.data["marked"]] == OFF.ablate.split()
    assert view.data["scores"] is None
    assert "45" in view.alt and "SmolLM2" in view.alt and "19" in view.alt
    best = int(seen.score[1].argmax())
    assert f"induction: {best // 9}.{best % 9}" in view.alt
    sharpest = int(seen.score[4].argmin())
    assert f"entropy, bits: {sharpest // 9}.{sharpest % 9}" in view.alt


@pytest.mark.parametrize("order", SCORES)
def test_the_grid_by_score_flows(order: str) -> None:
    seen = trace(dataclasses.replace(OFF, order=order, ablate=""))
    view = viz.heads(seen, EN)
    shown = view.data["scores"]
    assert shown == sorted(shown, reverse=order != "entropy") and view.data["columns"] is None
    assert view.data["score_name"] == EN[f"score_{order}"]
    for at, title in enumerate(view.data["titles"]):
        layer, head = map(int, title.split("."))
        assert shown[at] == pytest.approx(float(seen.score[SCORES.index(order), layer, head]))
        np.testing.assert_array_equal(unpack(view.data["maps"])[at], seen.maps[layer, head].numpy())
    assert [view.data["titles"][i] for i in view.data["selected"]] == ["2.4"]


def test_a_click_comes_back_as_the_head_that_was_clicked() -> None:
    seen = trace(dataclasses.replace(OFF, order="sink"))
    view = viz.heads(seen, EN)
    at = view.data["titles"].index("3.7")
    assert attention_heads.opened(seen, [at]) == {"layer": 3, "head": 7}
    assert attention_heads.switched(seen, view.data["marked"])["ablate"] == OFF.ablate


def test_a_grid_that_cannot_hold_all_heads(monkeypatch) -> None:
    monkeypatch.setattr(attention_heads, "N_MAP", 20)
    seen = trace(dataclasses.replace(OFF, ablate="0.0", layer=4))
    view = viz.heads(seen, EN)
    assert view.data["rows"] == ["L3", "L4"] and len(view.data["titles"]) == 18
    assert [view.data["titles"][i] for i in view.data["selected"]] == ["4.4"]
    assert view.data["marked"] == []  # 0.0 is not in the picture
    assert "many" in viz.captions_of_all(seen)


def test_the_matrix_holds_scores_weights_and_output() -> None:
    seen = trace(OFF)
    view = viz.head(seen, EN)
    assert view.component == "matrix"
    raw, weight, output = view.data["panels"][0]["stages"]
    n = len(seen.label)
    seeing = np.tri(n, dtype=bool)
    np.testing.assert_allclose(unpack(raw["values"])[seeing], seen.raw.numpy()[seeing], rtol=1e-3)
    assert np.isneginf(unpack(raw["values"])[~seeing]).all()
    np.testing.assert_allclose(unpack(weight["values"]), seen.attention.numpy(), atol=1e-3)
    # The operands that the hover multiplies give the cell.
    left, right = unpack(raw["left"]), unpack(raw["right"])
    np.testing.assert_allclose(left @ right.T, seen.raw.numpy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(
        seen.attention.numpy() @ unpack(output["right"]).T, unpack(output["values"]), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(unpack(output["right"]).T, seen.value.numpy(), rtol=1e-3, atol=1e-3)
    assert view.data["panels"][0]["title"] == "layer 2, head 4"
    t, s = seen.relation
    assert f"“{seen.label[t]}” gives “{seen.label[s]}” {seen.relation_weight:.0%}" in view.alt


def test_an_encoder_hides_nothing() -> None:
    seen = trace(Config(model="minilm", text="hello"))
    raw = viz.head(seen, EN).data["panels"][0]["stages"][0]
    assert np.isfinite(unpack(raw["values"])).all()


def test_a_model_that_adds_to_its_scores_gets_no_wrong_formula() -> None:
    seen = dataclasses.replace(trace(OFF), gap=0.2)
    weight = viz.head(seen, EN).data["panels"][0]["stages"][1]
    assert "{prev}" not in weight["explain"]
    assert "gap" in viz.captions_of_one(seen)


@pytest.mark.parametrize("view", ["arcs", "text"])
def test_arcs_and_text_carry_the_weights(view: str) -> None:
    seen = trace(dataclasses.replace(OFF, view=view, focus=7))
    shown = viz.head(seen, EN)
    assert (shown.component, shown.data["mode"], shown.data["focus"]) == ("arcs", view, 7)
    np.testing.assert_allclose(unpack(shown.data["weights"]), seen.attention.numpy(), atol=1e-3)
    assert tuple(shown.data["rows"]) == seen.label


def test_groups_show_overlap_and_frame_what_shares_keys() -> None:
    seen = trace(OFF)
    figure = viz.groups(seen, EN)
    np.testing.assert_allclose(np.array(figure.data[0].z), seen.overlap.numpy())
    frames = [(shape.x0, shape.x1, shape.y0, shape.y1) for shape in figure.layout.shapes]
    assert frames == [(-0.5, 2.5, -0.5, 2.5), (2.5, 5.5, 2.5, 5.5), (5.5, 8.5, 5.5, 8.5)]
    assert list(figure.layout.xaxis.ticktext)[3:5] == ["head 3 · keys 1", "head 4 · keys 1"]
    assert f"{seen.overlap_within:.0%} within" in figure.layout.meta["alt"]


def test_next_token_bars_before_and_after() -> None:
    seen = trace(OFF)
    before, after = viz.next_token(seen, EN).data
    np.testing.assert_allclose(before.x, seen.before.numpy())
    np.testing.assert_allclose(after.x, seen.after.numpy())
    assert (before.name, after.name) == (EN["bar_before"], EN["bar_after"])
    assert before.text[0] == f"{100 * float(seen.before[0]):.1f} %"
    alt = viz.next_token(seen, EN).layout.meta["alt"]
    assert f"Without 1.0, 2.4: “{seen.next_label[0]}” {float(seen.after[0]):.1%}" in alt
    assert viz.next_token(seen, EN).layout.yaxis.autorange == "reversed"  # the likeliest on top
    one = viz.next_token(trace(dataclasses.replace(OFF, ablate="")), EN)
    assert len(one.data) == 1


def test_two_tokens_that_look_alike_keep_two_bars() -> None:
    seen = trace(OFF)
    twins = dataclasses.replace(seen, next_label=("<b>", "<b>", "$x$", " a", *seen.next_label[4:]))
    figure = viz.next_token(twins, EN)
    assert len(set(figure.data[0].y)) == len(seen.next_label)
    assert list(figure.layout.yaxis.ticktext)[:4] == ["&lt;b&gt;", "&lt;b&gt;", "&#36;x&#36;", "·a"]


def test_an_encoder_has_no_next_token() -> None:
    seen = trace(Config(model="minilm", text="hello"))
    assert "encoder" in viz.next_token(seen, EN).layout.meta["alt"]
    assert viz.caption_of(seen, "next_token") == "no_next_token"
    assert viz.caption_of(seen, "groups") == "groups_mha"


CASES = [
    OFF,
    Config(),
    Config(model="minilm", text="abc", order="same"),
    Config(text=""),
    Config(text="x" * 200, ablate="77.7"),
    Config(text="<b>$x$ 🙂"),
]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("cfg", CASES)
def test_words_and_captions_fit_the_trace(cfg: Config, language: str) -> None:
    seen, words = trace(cfg), WORDS[language]
    said = facts(seen)
    shown = [viz.heads(seen, words), viz.head(seen, words), viz.groups(seen, words), viz.next_token(seen, words)]
    for picture in shown:
        alt = picture.alt if hasattr(picture, "alt") else picture.layout.meta["alt"]
        assert alt and "{" not in alt.replace("{{", "")
    names = [*viz.captions_of_all(seen), *viz.captions_of_one(seen), viz.caption_of_relation(seen)]
    names += [viz.caption_of(seen, figure) for figure in SPEC["gallery"]]
    for name in names:
        assert SPEC["captions"][name][language].format(**said)
    assert ("cut" in names) == (seen.n_cut > 0) and ("bad" in names) == bool(seen.ablate_bad)
    assert ("role_no_repeat" in names) == (seen.n_repeat == 0)
    assert ("no_relation" in names) == (said["from"] == "")


def test_every_caption_is_used() -> None:
    source = Path(viz.__file__).read_text("utf-8").replace("'", '"')
    for name in SPEC["captions"]:
        assert f'"{name}"' in source, name
    for name in SPEC["words"]:
        assert f'"{name}"' in source or name.startswith(("score_", "bar_")), name


def test_thumbnail_is_a_small_picture_of_the_head() -> None:
    seen = trace(OFF)
    picture = viz.thumbnail(seen)
    root = ET.fromstring(picture)
    assert root.get("viewBox") == "0 0 160 100" and len(picture) < 40_000
    drawn = int((seen.attention[:20, :20] >= 0.08).sum())
    assert len(re.findall("<path", picture)) == drawn
    # A causal head looks up, never down: arcs end no lower than they start.
    paths = [path.get("d") or "" for path in root.iter("{http://www.w3.org/2000/svg}path")]
    ends = [re.fullmatch(r"M52 ([\d.]+)C.* 108 ([\d.]+)", path) for path in paths]
    assert len(ends) == drawn and all(end and float(end[2]) <= float(end[1]) for end in ends)
    assert len(re.findall("<rect", picture)) == 2 * min(len(seen.label), 20)


def test_wide_heads_lose_only_the_output_step() -> None:
    seen = trace(OFF)
    wide = {name: torch.zeros(len(seen.label), 160) for name in ("query", "key", "value")}
    assert len(viz.matrix(dataclasses.replace(seen, **wide), EN).data["panels"][0]["stages"]) == 2
