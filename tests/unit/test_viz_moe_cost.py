"""Pictures of what mixtures of experts cost: every number drawn is the trace's, in every language's words."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from models import moe_cost
from models.moe_configs import reals
from models.moe_cost import BATCHES, Config, trace
from tests.tree import PAGES
from viz import moe_cost as pictures
from viz import moe_models
from viz.view import View

WORDS = {lang: {name: text[lang] for name, text in PAGES["moe-cost"].spec["words"].items()} for lang in ("en", "zh")}
EN = WORDS["en"]
LLAMA = {"model_type": "llama", "vocab_size": 10, "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 3,
         "num_attention_heads": 2}  # fmt: skip
MARKUP = {"model_type": "mixtral", "vocab_size": 10, "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 3,
          "num_attention_heads": 2, "num_key_value_heads": 1}  # fmt: skip
CONFIGS = [
    Config(),
    Config(model="qwen3-next-80b-a3b", beside="switch-base-128", n_device=64, batch=4096, skew=2.0, split=8),
    Config(model="switch-base-8", beside="kimi-k2", n_device=1, batch=1, split=1),
    Config(model="own", own=json.dumps(LLAMA)),
    Config(model="own", own=json.dumps(MARKUP), n_device=60),
]


def values(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), f"<{packed['dtype']}").reshape(packed["shape"])


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("cfg", CONFIGS, ids=lambda cfg: f"{cfg.model}-{cfg.n_device}")
def test_every_picture_of_every_model(cfg: Config, lang: str) -> None:
    shown, facts = trace(cfg), moe_cost.facts(trace(cfg))
    spec = PAGES["moe-cost"].spec
    drawn = [pictures.bars(shown, WORDS[lang]), pictures.step(shown, WORDS[lang])]
    drawn += [getattr(pictures, name)(shown, WORDS[lang]) for name in spec["gallery"]]
    for one in drawn:
        alt = one.alt if isinstance(one, View) else one.layout.meta["alt"]
        assert alt and "{" not in alt
        if isinstance(one, View):
            json.dumps(one.data, allow_nan=False)
    for name in [*pictures.captions(shown), *(pictures.below(name, shown) for name in spec["gallery"])]:
        said = spec["captions"][name][lang].format(**facts)
        assert "{" not in said and "nan" not in said
        if lang == "zh" and not name.startswith("source_"):  # 亿 throughout; names of models keep their B
            for real in reals().values():
                said = said.replace(real.name, "")
            assert not re.search(r"\d ?[BM](?![A-Za-z])", said), said
    assert pictures.thumbnail(shown).count("<rect") == 12


@pytest.mark.parametrize("batch", [1, 64])
def test_bars_add_up_and_follow_the_slider(batch: int) -> None:
    shown = trace(Config(batch=batch, beside="deepseek-v3"))
    view = pictures.bars(shown, EN)
    assert (view.data["follow"], view.data["index"], view.data["frames"]) == ("batch", shown.index, len(BATCHES))
    parts = [part["name"] for part in view.data["parts"]]
    idle = parts.index(EN["idle"])
    assert view.data["parts"][idle]["hatched"] and parts[idle - 1] == EN["part_experts"]
    assert len(parts) == 9 and sum(part["hatched"] for part in view.data["parts"]) == 1
    for m, group in enumerate(view.data["groups"]):
        assert group["name"] == shown.name[m]
        stored, read, used = (values(row["values"]).astype(float) for row in group["rows"])
        assert stored.sum() * 1e9 == pytest.approx(float(shown.total[m].sum()), rel=1e-6)
        assert used.sum() * 1e9 == pytest.approx(float(shown.active[m].sum()), rel=1e-6)
        np.testing.assert_allclose(np.delete(stored, idle, 1), np.delete(used, idle, 1))
        assert stored[0, idle] * 1e9 == pytest.approx(float((shown.total[m] - shown.active[m]).sum()), rel=1e-6)
        assert used[0, idle] == 0 and (read[:, idle] == 0).all()
        np.testing.assert_allclose(read.sum(1) * 1e9, shown.read[m].numpy(), rtol=1e-6)
        for p, part in enumerate(moe_models.PARTS):
            column = parts.index(EN[f"part_{part}"])
            np.testing.assert_allclose(read[:, column] * 1e9, shown.read_parts[m, :, p].numpy(), rtol=1e-6)
        assert group["rows"][1]["label"][shown.index] == EN["row_read"].format(batch=batch)
    assert view.data["most"] == pytest.approx(671.026, abs=1e-3)
    for m in (0, 1):
        assert f"{shown.name[m]}: {float(shown.total[m].sum()) / 1e9:,.1f}" in view.alt


def test_curves_are_the_traces_on_one_slider() -> None:
    shown = trace(Config(model="deepseek-v2", dtype="int4", batch=96))
    step, touched, shrinking = (draw(shown, EN) for draw in (pictures.step, pictures.touched, pictures.shrinking))
    assert step.data["on_axis"] and step.data["scrub"]["values"] == list(BATCHES)
    assert step.data["scrub"]["index"] == touched.data["index"] == shrinking.data["index"] == BATCHES.index(96)
    assert step.data["scrub"]["field"] == touched.data["follow"] == shrinking.data["follow"] == "batch"
    lines = [values(line["y"])[0] for line in step.data["lines"]]
    np.testing.assert_allclose(lines[0], 0.5 * shown.read[0].numpy() / 1e9, rtol=1e-6)
    np.testing.assert_allclose(lines[1], 0.5 * shown.read[1].numpy() / 1e9, rtol=1e-6)
    np.testing.assert_allclose(lines[2], 0.5 * shown.read_skewed.numpy() / 1e9, rtol=1e-6)
    lines = [values(line["y"])[0] for line in touched.data["lines"]]
    for line, row in zip(lines, (shown.touched[0], shown.sampled, shown.skewed), strict=True):
        np.testing.assert_allclose(line, row.numpy(), rtol=1e-6)
    lines = [values(line["y"])[0] for line in shrinking.data["lines"]]
    np.testing.assert_allclose(lines, [*shown.per_expert.numpy()[::-1], BATCHES], rtol=1e-6)
    i = BATCHES.index(96)
    assert f"{float(shown.touched[0, i]):,.1f} of 160" in step.data["readout"][i][0]
    assert f"{0.5 * float(shown.read[0, i]) / 1e9:,.1f} GB" in step.data["readout"][i][1]
    finer = pictures.combinations(shown, EN)
    assert finer.data["scrub"] == {"field": "split", "label": EN["axis_split"], "values": [*range(1, 9)], "index": 3}
    np.testing.assert_allclose(
        values(finer.data["lines"][0]["y"])[0][[0, 1, 3]], [120, 35_960, 4_426_165_368], rtol=1e-6
    )
    assert "64" in finer.data["readout"][3][0] and "4,426,165,368 " in finer.data["readout"][3][0]


def test_still_pictures_draw_the_traces_numbers() -> None:
    shown = trace(Config(model="llama4-maverick", n_device=5))
    bars = [bar for bar in pictures.arithmetic(shown, EN).data if bar.type == "bar"]
    assert sum(float(bar.x[0]) for bar in bars) == pytest.approx(float(shown.flops[0].sum()) / 1e9)
    assert sum(float(bar.x[1]) for bar in bars) == pytest.approx(float(shown.flops[1].sum()) / 1e9)
    assert len({bar.marker.color for bar in bars}) == len(bars)
    memory = pictures.memory(shown, EN)
    for m in (0, 1):
        np.testing.assert_allclose(memory.data[2 * m].x, shown.memory[m].numpy() / 1e9)
    assert "cards: 11" in memory.data[1].text[1]  # 801 GB in 16 bits
    devices = pictures.devices(shown, EN)
    np.testing.assert_array_equal(devices.data[0].z, shown.sent.numpy())
    assert devices.data[0].x.tolist() == [*range(1, 129)] and devices.data[0].y.tolist() == [*range(1, 6)]
    np.testing.assert_array_equal(devices.data[0].customdata, np.tile(shown.owner.numpy() + 1, (5, 1)))
    assert [box.y0 for box in devices.layout.shapes] == [0.5, 1.5, 2.5, 3.5, 4.5]
    boxes = [(box.x0, box.x1, box.y0) for box in devices.layout.shapes]
    assert len(boxes) == 5 and boxes[0][0] == 0.5 and boxes[-1][1] == 128.5
    assert [b[0] for b in boxes[1:]] == [b[1] for b in boxes[:-1]], "every expert has one device"
    strips = pictures.layers(shown, EN).data[0]
    drawn = np.asarray(strips.z, dtype=float)
    assert list(strips.y) == [real.name for real in reals().values()] and strips.x.tolist() == [*range(1, 95)]
    assert (np.isnan(drawn) == (shown.strip.numpy() < 0)).all()
    np.testing.assert_array_equal(drawn[~np.isnan(drawn)], shown.strip.numpy()[shown.strip.numpy() >= 0])
    dots = [one for one in pictures.landscape(shown, EN).data if one.mode == "markers+text"]
    found = {text: (x, y) for one in dots for text, x, y in zip(one.text, one.x, one.y, strict=True)}
    assert set(found) == {real.name for real in reals().values()}
    for name, a, b in zip(shown.all_name, shown.all_total.tolist(), shown.all_active.tolist(), strict=True):
        assert found[name] == pytest.approx((a / 1e9, b / 1e9))


@pytest.mark.parametrize("model", ["mixtral-8x7b", "kimi-k2", "switch-base-8"])
def test_no_label_of_memory_lies_across_the_line_of_a_card(model: str) -> None:
    shown = trace(Config(model=model, beside="mistral-7b"))
    figure = pictures.memory(shown, EN)
    lined = bool(figure.layout.shapes)
    assert lined == (model != "switch-base-8")  # 29 GB at most: the line is out of sight
    for m in (0, 1):
        bar, label = figure.data[2 * m : 2 * m + 2]
        starts, ends = np.asarray(label.x), np.asarray(bar.x)
        assert (starts > ends).all() and ((starts > 80).all() or not lined)
        assert (starts - ends)[ends >= 80].max(initial=0.0) < 0.02 * figure.layout.xaxis.range[1]
        assert bar.legendgroup == label.legendgroup
        assert (np.abs(np.asarray(label.y) - np.asarray(bar.y)) < 0.25).all()


def test_what_is_sent_is_said_once_where_it_is_one_number() -> None:
    names = {
        Config(): "devices_apart",
        Config(n_device=64): "devices_apart",
        Config(n_device=4): "devices",
        Config(n_device=1): "devices_one",
        Config(model="llama4-maverick"): "devices_single",
        Config(model="own", own=json.dumps(LLAMA)): "devices_none",
    }
    for cfg, name in names.items():
        shown = trace(cfg)
        assert pictures.below("devices", shown) == name and pictures.below("memory", shown) == "memory"
        assert (shown.copies == pytest.approx(shown.reached)) == (name != "devices"), cfg


def test_rings_on_one_spot_are_both_seen() -> None:
    """Qwen3-235B and DeepSeek-V2 nearly coincide: neither hides the other, and both have a name."""
    dots = next(one for one in pictures.landscape(trace(Config()), EN).data if one.name == EN["sparse"])
    near = [list(dots.text).index(name) for name in ("Qwen3-235B-A22B", "DeepSeek-V2")]
    for i in near:
        assert float(dots.marker.color[i].rsplit(",", 1)[1].rstrip(")")) < 0.5 and dots.marker.line.width[i] >= 2
    assert len({dots.textposition[i] for i in near}) == 2


def test_labels_of_the_landscape_hardly_cover_each_other() -> None:
    """With boxes as wide as their letters, at the size of the page: no label covers another dot."""
    x, y = np.array([0.0, 0.1, 0.2]), np.array([0.0, 0.0, 0.0])
    places = moe_models._places(x, y, [12, 12, 12], (-1.0, 1.0), (-1.0, 1.0))
    assert len(set(places)) == 3


def test_a_pasted_name_is_text() -> None:
    assert moe_models.shown("<b>x</b>$y$") == "&lt;b&gt;x&lt;/b&gt;&#36;y&#36;"
    assert moe_models.short("x" * 50) == "x" * 23 + "…"


def test_parts_and_kinds_have_the_models_names() -> None:
    from models import moe_shapes

    assert moe_models.PARTS == moe_shapes.PARTS and moe_models.FFNS == moe_shapes.FFNS
    assert tuple(moe_cost.DTYPES) == moe_models.DTYPES and len(set(moe_models.PLACES.values())) == 8
    card = moe_cost.CARD
    assert card == 1e9 * moe_models.CARD
