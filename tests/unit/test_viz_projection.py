"""What the pictures of the chain hold, against the trace or the study they were drawn from."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models import projection, projection_scores, projection_studies, scene_vlm
from models.projection import Config, Trace, trace
from models.projection_real import Measured, Real
from models.scenes import RADIUS, RGB, SHAPES
from tests.tree import PAGES
from tests.unit import untrained_chain
from viz import projection as pictures
from viz import projection_real
from viz import projection_studies as further
from viz.view import View

SPEC = PAGES["projection"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
CFG = Config(projector="pool-16", off="10 11", ask="colour")


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "i4": "<i4", "u4": "<u4", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


def heat(panel: dict[str, Any]) -> np.ndarray:
    """(frame, source, cell): levels as shares of each row's own largest size."""
    sent = panel["heat"]
    levels, top = numbers(sent["levels"]).astype(float), numbers(sent["top"])
    return (levels - (sent["n"] if panel["signed"] else 0)) / sent["n"] * top[..., None]


@pytest.fixture(autouse=True, scope="module")
def _untrained() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "chain", untrained_chain.chain)
        patch.setattr(scene_vlm, "load", lambda *_, **__: untrained_chain.chain())
        patch.setattr(scene_vlm, "card", untrained_chain.card)
        patch.setattr(scene_vlm, "history", untrained_chain.history)
        yield


@pytest.fixture(scope="module")
def seen() -> Trace:
    return trace(CFG)


def test_colours_and_sizes_are_those_of_the_scenes() -> None:
    for name, css in pictures.SWATCH.items():
        rgb = [int(css[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        assert rgb == pytest.approx(RGB[name], abs=0.005), name
    assert pictures.RADIUS == RADIUS and pictures.SHAPES == SHAPES
    view = pictures.composer(Config().scene, WORDS)
    assert view.component == "scene" and "2 objects" in view.alt


def test_the_chain_shows_the_trace(seen: Trace) -> None:
    view = pictures.chain(seen, WORDS, layer=2, source=3)
    panels = {one["title"]: one for one in view.data["panels"]}
    assert view.component == "patches" and view.data["off"] == [9, 10] and view.data["source"] == 3
    assert view.data["scrub"] == {"field": "layer", "label": "layer", "values": [1, 2, 3], "index": 1}
    assert view.data["sources"][3] == "is" and view.data["sources"][seen.answer_at] == "→ " + seen.word[0].replace(
        "<", "("
    ).replace(">", ")")
    assert np.array_equal(numbers(panels["2 · features"]["colour"])[0], seen.feature.numpy())
    owner = seen.source.argmax(0)
    shown = numbers(panels["3 · 16 image tokens"]["colour"])[0]
    assert np.array_equal(shown, seen.token[owner].numpy())
    assert (
        f"{seen.near[int(owner[40])][0]} {float(seen.cosine[owner[40], 0]):.2f}"
        in panels["3 · 16 image tokens"]["texts"][40]
    )
    painted = numbers(panels["4 · colour words"]["colour"])[0]
    for cell in range(64):
        name = seen.colour_word[int(owner[cell])]
        css = pictures.SWATCH[name] if name else pictures.GREY
        assert painted[cell].tolist() == [int(css[i : i + 2], 16) for i in (1, 3, 5)]
    wanted = torch.einsum("lqk,kn->lqn", seen.attention, seen.source).numpy()
    assert np.allclose(heat(panels["5 · attention"]), wanted, atol=1e-4)
    assert f"{float(seen.attention[1, 3].sum()):.0%}" in panels["5 · attention"]["notes"][1]
    assert np.allclose(heat(panels["6 · effect"])[0, 0], seen.effect.numpy(), atol=1e-3)
    assert "16 image tokens" in view.alt and seen.answer in view.alt and "2 patches are off" in view.alt
    assert panels["1 · 64 patches"]["texts"][9].startswith("row 2, column 2: red circle")
    assert len(str(view.data)) < 400_000


def test_without_a_choice_the_answers_place_is_shown(seen: Trace) -> None:
    for source in (-1, 999):
        assert pictures.chain(seen, WORDS, 3, source).data["source"] == seen.answer_at
    assert pictures.chain(seen, WORDS, 99, 0).data["scrub"]["index"] == 2


def test_the_answer_marks_what_is_right(seen: Trace) -> None:
    view = pictures.answer(seen, WORDS)
    rows = view.data["groups"][0]["rows"]
    values = [float(numbers(row["values"])[0, 0]) for row in rows]
    assert values == pytest.approx((100 * seen.probability).tolist(), rel=1e-5) and values == sorted(values)[::-1]
    labels = [row["label"][0] for row in rows]
    assert labels == [f"✓ {word}" if word == seen.truth else word for word in seen.word]
    assert f"{seen.word[0]} {float(seen.probability[0]):.0%}" in view.alt


def test_every_head(seen: Trace) -> None:
    view = pictures.heads(seen, WORDS, 4)
    assert len(view.data["panels"]) == 12 and view.data["columns"] == 4 and view.data["source"] == 4
    wanted = torch.einsum("qk,kn->qn", seen.heads[2, 1], seen.source).numpy()
    assert np.allclose(heat(view.data["panels"][2 * 4 + 1])[0], wanted, atol=1e-4)
    assert f"{float(seen.heads[:, :, 4].sum(-1).max()):.0%}" in view.alt


@pytest.mark.parametrize(("name", "shape"), [("mlp-64", (8, 8)), ("pool-16", (4, 4)), ("pool-1", (1, 1)),
                                             ("qformer-8", (2, 4)), ("qformer-32", (4, 8))])  # fmt: skip
def test_nearest_words_in_the_tokens_places(name: str, shape: tuple[int, int]) -> None:
    one = trace(Config(projector=name, ask="colour"))
    figure = pictures.nearest(one, WORDS)
    drawn = figure.data[0]
    assert drawn.z.shape == shape and np.allclose(drawn.z.flatten(), one.cosine[:, 0].numpy())
    lines = [text.split("<br>") for text in drawn.text.flatten()]
    assert lines == [[row[0], also] if also else [row[0]] for row, also in zip(one.near, one.also, strict=True)]
    assert drawn.customdata.flatten()[-1].startswith(f"{one.near[-1][0]} {float(one.cosine[-1, 0]):.2f}, ")
    assert f"{len(one.near)} image tokens" in figure.layout.meta["alt"] and drawn.zmin == 0


def test_patches_in_a_link() -> None:
    text = pictures.link([0, 63, 9])
    assert text == "1 10 64" and projection.patches_off(text) == (0, 9, 63)


def wanted(one: Trace) -> str:
    return "needed" if float(one.effect.max()) > 0.1 else "redundant"


def test_captions_fit_what_is_shown(seen: Trace) -> None:
    quiet, loud = (replace(seen, effect=torch.full((64,), value)) for value in (0.1, 0.11))
    assert "redundant" in pictures.captions(quiet) and "needed" in pictures.captions(loud)
    assert pictures.captions(seen) == ["answer", "off", "look", wanted(seen), "words"]
    plain = trace(Config(ask="caption"))
    assert pictures.captions(plain) == ["answer_open", "look", wanted(plain), "words"]
    typed = trace(Config(ask="typed", question="cat red", scene="white; large red circle 50 50"))
    assert pictures.captions(typed)[0] == "unknown"
    alone = trace(Config(ask="relation", scene="white; large red circle 50 50"))
    assert pictures.captions(alone)[0] == "replaced"
    for one in (seen, plain, typed, alone):
        said = projection.facts(one)
        for name in pictures.captions(one):
            for language in ("en", "zh"):
                assert SPEC["captions"][name][language].format(**said)
        assert pictures.thumbnail(one).count("<rect") == 3 * 64


def test_further_pictures_hold_their_numbers() -> None:
    cfg = Config(ask="colour")
    rows = further.every(found := projection_studies.every(cfg), WORDS)
    assert rows["question"] == [one.question for one in found] and len(rows) == 4
    assert all(("✓" in cell) == (one.answer == one.truth) for cell, one in zip(rows["right"], found, strict=True))
    grown = projection_studies.growth(cfg)
    view = further.space(grown, WORDS, 99)
    plane = view.data["planes"][0]
    points = numbers(plane["points"])
    assert points.shape == (5, 64 + 28, 2) and view.data["scrub"]["index"] == 4
    assert np.allclose(points[1, :64], grown.token[1].numpy(), atol=2e-3 * float(grown.token.abs().max()))
    labels = [plane["labels"][i] for i in view.data["followed"]]
    assert labels[:2] == ["red circle", "blue star"] and set(labels[2:]) == {
        "red",
        "blue",
        "circle",
        "star",
        "红色",
        "蓝色",
    }
    assert numbers(plane["group"])[64:].tolist() == [2] * 14 + [3] * 14
    view = further.nearness(grown, WORDS, 2)
    assert np.allclose(numbers(view.data["lines"][0]["y"])[0], grown.cosine.numpy(), atol=1e-3)
    assert view.data["marks"] == [[3.0, "stage 2"]] and view.data["follow"] == "step"


def test_who_learns() -> None:
    found = projection_studies.stages(Config(ask="colour"))
    view = further.stages(found, WORDS)
    rows = [numbers(row["values"])[0] for row in view.data["groups"][0]["rows"]]
    assert len(rows) == 10 and all(row.sum() == pytest.approx(100, abs=1e-3) for row in rows)
    share = (100 * found.size[0] / found.size[0].sum()).tolist()
    assert rows[0].tolist() == pytest.approx([0, share[0], share[1], 0, 0, share[2]], abs=1e-3), "stage 1"
    assert rows[1].tolist() == pytest.approx([0, share[0], share[1], 0, share[2], 0], abs=1e-3), "stage 2"
    view = further.gradients(found, WORDS)
    assert [line["name"] for line in view.data["lines"]] == [WORDS["part_projector"], WORDS["part_language_model"]]
    assert view.data["marks"] == [[40.0, "stage 2"]]


def test_scores() -> None:
    found = projection_scores.kinds(Config())
    view = further.kinds(found, WORDS)
    assert np.allclose(numbers(view.data["lines"][4]["y"])[0], 100 * found.held_out.numpy(), atol=0.05)
    assert "56 questions" in view.alt and [line["form"] for line in view.data["lines"]] == ["bars"] * 6
    table = further.languages(found, WORDS)
    assert table[WORDS["column_chinese"]][1] == f"{float(found.language[1, 1]):.1%}" and len(table) == 9
    budget = projection_scores.budget(Config())
    view = further.budget(budget, WORDS)
    pooled = next(line for line in view.data["lines"] if line["name"] == WORDS["family_pool"])
    assert numbers(pooled["x"]).tolist() == [1, 4, 16, 64]
    wanted = [100 * float(budget.mean[budget.name.index(name)]) for name in ("pool-1", "pool-4", "pool-16", "mlp-64")]
    assert np.allclose(numbers(pooled["y"])[0], wanted, atol=0.05)
    assert further.projectors(budget, WORDS)["parameters"][0] == "9,312"


def test_systems() -> None:
    found = projection_studies.systems(Config())
    table = further.systems(found, WORDS)
    assert table["system"][0] == "this page" and table["image tokens × width"][2] == "576 × 4096"
    assert "32" in further.context(found, WORDS).alt


def test_patch_by_patch() -> None:
    found = projection_studies.Ablated(
        picture=torch.zeros(32, 32, 3, dtype=torch.uint8), answer="red", loss=0.5, tokens=torch.linspace(-1, 3, 64),
        pixels=torch.linspace(0, 5, 64), looked=torch.full((64,), 1 / 64),
    )  # fmt: skip
    view = further.ablated(found, WORDS)
    panels = view.data["panels"]
    assert np.allclose(heat(panels[1])[0, 0], found.tokens.numpy(), atol=1e-3)
    assert panels[1]["largest"] == panels[2]["largest"] == 5 and panels[0]["largest"] is None
    assert "3.00 nats" in view.alt and "5.00 nats" in view.alt
    said = projection_studies.ablated_facts(found)
    assert (said["both"], said["most_pixels"]) == (8, 5)
    for language in ("en", "zh"):
        assert SPEC["words"]["note_ablated"][language].format(**said)


def test_real_models() -> None:
    source = torch.zeros(16, 8, 8)
    for k in range(16):
        source[k, 2 * (k // 4) : 2 * (k // 4) + 2, 2 * (k % 4) : 2 * (k % 4) + 2] = 0.25
    generator = torch.Generator().manual_seed(3)
    found = Real(
        picture=torch.zeros(112, 112, 3, dtype=torch.uint8), question="what colour is the circle ?", answer="red",
        truth="red", guess=((" red", 0.75), (" <b>", 0.125)), feature=torch.zeros(64, 3, dtype=torch.uint8),
        source=source.flatten(1), near=((" red", "Red", "\n"),) * 16, cosine=torch.full((16, 3), 0.5),
        prompt=("\n", "Question", ":", " what"), answer_at=3,
        attention=torch.rand(30, 4, 16, generator=generator) / 16, off=(), loss=0.3, effect=torch.linspace(0, 1.5, 16),
    )  # fmt: skip
    view = projection_real.chain(found, WORDS, 12)
    assert view.data["scrub"]["field"] == "depth" and view.data["scrub"]["index"] == 11 and view.data["frames"] == 30
    wanted = torch.einsum("lqk,kn->lqn", found.attention, found.source).numpy()
    assert np.allclose(heat(view.data["panels"][2]), wanted, atol=1e-4)
    assert heat(view.data["panels"][3])[0, 0, 63] == pytest.approx(1.5, abs=1e-3)
    assert view.data["sources"] == ["↵", "Question", ":", "→ (end)"]
    guesses = projection_real.guesses(found, WORDS)
    assert isinstance(guesses, View) and "75%" in guesses.alt
    shares = [torch.tensor([x, 0.2, 0.3, 0.4]) for x in (0.9, 0.8, 0.1)]
    sizes = {"n_question": 100, "n_param": 554_112, "warm": 400, "steps": 320}
    card = Measured(("colour", "shape", "count", "relation"), *shares, **sizes)
    assert projection_real.measured(card, WORDS)[WORDS["real_held_out"]] == ["80%", "20%", "30%", "40%"]
    from models.projection_real import measured_facts, real_facts

    for language in ("en", "zh"):
        assert SPEC["words"]["note_real"][language].format(**real_facts(found))
        assert SPEC["words"]["note_measured"][language].format(**measured_facts(card))
    assert real_facts(found)["mark"] == "✓" and real_facts(found)["most"] == 1.5
