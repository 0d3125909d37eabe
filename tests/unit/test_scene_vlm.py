"""The chain: LLaVA with copied weights, every field of a trace another way, what is off, gradients, what is shipped.

The first part holds for any weights and uses random ones. The last part measures what models/weights holds: the scenes
are fresh, those held out show no combination that training showed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from models import projectors, scene_lm, scene_vlm, scene_vlm_reference
from models.language_model import ModelUnavailable
from models.scene_questions import (
    ANSWER_ID,
    END_ID,
    IMAGE_ID,
    KINDS,
    MARKERS,
    QUESTION_ID,
    START_ID,
    VOCABULARY,
    WORD_ID,
)
from models.scene_vlm import BLIND, DESCRIBE, MAIN, Vlm, question_ids, untrained
from models.scenes import HELD_OUT, Scene, Shape, draw, scatter
from models.tiny_lm import WEIGHTS
from training import scene_vlm as training

ASKED = question_ids("what colour is the circle ?")[0]
SCENE = Scene("white", (Shape("circle", "red", "large", 0.3, 0.4), Shape("star", "green", "small", 0.72, 0.66)))
PICTURE = draw([SCENE])
COPIED = ("mlp-64", "qformer-8", "pool-4")


@cache
def chain(variant: str = MAIN) -> Vlm:
    """Random weights, biases and gains too."""
    vlm = untrained(variant, 3)
    source = torch.Generator().manual_seed(4)
    for part in (vlm.encoder, vlm.projector, vlm.lm):
        for weight in part.parameters() if part else ():
            weight.data += 0.05 * torch.randn(weight.shape, generator=source)
    return vlm


def test_it_is_a_llava() -> None:
    found = scene_vlm_reference.llava(chain(), PICTURE, ASKED)
    assert max(found.values()) < 1e-5, found


def test_the_reference_sees_a_difference() -> None:
    """Planted: each part alone slightly changed after its weights were copied."""
    vlm = chain()
    model = scene_vlm_reference.make_llava(vlm)
    plain = vlm.answer(PICTURE, ASKED)
    for name in (
        "vision_tower.layers.1.mlp.fc1",
        "multi_modal_projector.linear_1",
        "language_model.layers.2.mlp.up_proj",
    ):
        weight = model.get_parameter(f"model.{name}.weight")
        weight.data += 1e-2
        out = model(input_ids=plain.ids[None], pixel_values=PICTURE).logits[0, plain.answer_at :]
        assert float((out - plain.logits).abs().max()) > 1e-4, name
        weight.data -= 1e-2


def test_only_an_mlp_is_llavas() -> None:
    for variant in ("linear-64", "pool-16", "qformer-4", BLIND):
        with pytest.raises(ValueError, match="MLP on every patch"):
            scene_vlm_reference.make_llava(chain(variant))


@pytest.mark.parametrize("variant", [*COPIED, BLIND])
def test_every_field_of_an_answer(variant: str) -> None:
    vlm = chain(variant)
    found = vlm.answer(PICTURE, ASKED, n_most=3)
    k = training.n_image(variant)
    n, t = 64, 1 + k + len(ASKED) + 2 + len(found.answer)
    torch.testing.assert_close(found.features, vlm.encoder(PICTURE, keep=True).layers[3][0, 1:])
    if vlm.projector is not None:
        torch.testing.assert_close(found.tokens, vlm.projector(found.features[None]).tokens[0])
    assert found.tokens.shape == (k, 96) and found.source.shape == (k, n) and not found.off.any()
    words = [START_ID, *[IMAGE_ID] * k, QUESTION_ID, *ASKED, ANSWER_ID, *found.answer]
    assert found.ids.tolist() == words and words[found.answer_at] == ANSWER_ID and found.n_image == k
    x = torch.cat((vlm.lm.embedding[[START_ID]], found.tokens, vlm.lm.embedding[words[1 + k :]]))[None]
    read = vlm.lm(x, keep=True)
    torch.testing.assert_close(found.hidden, torch.cat(read.hidden), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.attention, torch.cat(read.attention), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.logits, read.logits[0, found.answer_at :], rtol=1e-4, atol=1e-5)
    assert found.attention.shape == (3, 4, t, t) and found.hidden.shape == (4, t, 96)
    torch.testing.assert_close(found.attention.sum(-1), torch.ones(3, 4, t))
    torch.testing.assert_close(found.probability.sum(-1), torch.ones(len(found.answer) + 1))
    assert tuple(found.logits.argmax(-1)[: len(found.answer)].tolist()) == found.answer
    expected = torch.einsum("lhak,kn->lhan", found.attention[:, :, found.answer_at :, 1 : 1 + k], found.source)
    torch.testing.assert_close(found.on_patches, expected)
    torch.testing.assert_close(found.on_patches.sum(-1), found.on_tokens.sum(-1))
    assert found.text == "".join(found.text) and all(marker not in found.text for marker in MARKERS)


def test_an_answer_ends_at_end() -> None:
    vlm = chain()
    lm = scene_lm.SceneLM()
    lm.load_state_dict(vlm.lm.state_dict())
    with torch.no_grad():
        lm.embedding[END_ID] = 100 * lm(vlm.lm.embedding[None, :9], keep=True).hidden[-1][0, -1]
    assert len(vlm.answer(PICTURE, ASKED, n_most=5).answer) <= 5
    for seed in range(3):
        one = replace(untrained(seed=seed), lm=lm.requires_grad_(False))
        assert END_ID not in one.answer(PICTURE, ASKED, n_most=4).answer


@pytest.mark.parametrize("variant", COPIED)
def test_what_is_off_changes_nothing(variant: str) -> None:
    """The picture may change as it likes where it is painted over; where tokens are off, other patches have seen it."""
    vlm, off = chain(variant), (0, 1, 8, 9)
    other = PICTURE.clone()
    other[:, :, :8, :8] = -other[:, :, :8, :8]
    a, b = (vlm.answer(p, ASKED, off, "pixels", 3) for p in (PICTURE, other))
    assert torch.equal(a.logits, b.logits) and not a.off.any()
    moved = [vlm.answer(p, ASKED, off, "tokens", 3).logits for p in (PICTURE, other)]
    assert float((moved[0][0] - moved[1][0]).abs().max()) > 1e-6
    plain = vlm.answer(PICTURE, ASKED)
    for way in scene_vlm.WAYS:
        assert torch.equal(vlm.answer(PICTURE, ASKED, (), way).logits, plain.logits)
    found = vlm.answer(PICTURE, ASKED, off, "tokens", 3)
    assert float((plain.logits[0] - found.logits[0]).abs().max()) > 1e-6
    assert float(found.on_patches[..., list(off)].max()) == 0


def test_painting_over() -> None:
    vlm = chain()
    painted = vlm.paint(PICTURE, (0, 19, 63))
    ground = PICTURE[0, :, 0, 0]
    assert torch.equal(painted[0, :, 8:12, 12:16], ground[:, None, None].expand(3, 4, 4)), "patch 19: row 2, column 3"
    changed = (painted != PICTURE).any(1)[0]
    assert changed[8:12, 12:16].any() and int(changed.sum()) == int(changed[8:12, 12:16].sum())
    assert torch.equal(vlm.paint(PICTURE, ()), PICTURE)


def test_tokens_that_are_off_are_as_if_they_held_anything() -> None:
    vlm = chain()
    features = vlm.features(PICTURE)
    mask = torch.zeros(1, 64, dtype=torch.bool)
    mask[0, 17] = True
    other = features.clone()
    other[0, 17] = 9.0
    a, b = (vlm.loss(vlm.project(f, mask), ASKED, [WORD_ID["red"]]) for f in (features, other))
    torch.testing.assert_close(a, b)
    assert float(vlm.loss(vlm.project(other), ASKED, [WORD_ID["red"]]) - a) != 0


@pytest.mark.parametrize("way", scene_vlm.WAYS)
@pytest.mark.parametrize("variant", ["mlp-64", "qformer-8"])
def test_ablation_is_one_patch_at_a_time(variant: str, way: str) -> None:
    vlm, answer = chain(variant), [WORD_ID["green"]]
    plain, more = vlm.ablate(PICTURE, ASKED, answer, way)
    whole = vlm.answer(PICTURE, ASKED)
    words = [QUESTION_ID, *ASKED, ANSWER_ID, *answer]
    x, _ = vlm.sequence(vlm.project(vlm.features(PICTURE)), words)
    logits = vlm.lm(x).logits[0, -2:].log_softmax(-1)
    assert plain == pytest.approx(-float(logits[0, answer[0]] + logits[1, END_ID]), rel=1e-4)
    assert torch.equal(whole.logits[0].argmax(), logits[0].argmax()) and more.shape == (64,)
    for i in (0, 27, 63):
        mask = torch.zeros(1, 64, dtype=torch.bool)
        mask[0, i] = True
        picture = vlm.paint(PICTURE, (i,)) if way == "pixels" else PICTURE
        alone = vlm.loss(vlm.project(vlm.features(picture), None if way == "pixels" else mask), ASKED, answer)
        assert float(more[i]) == pytest.approx(float(alone) - plain, abs=1e-4)


def test_everything_off_is_a_legal_question() -> None:
    for variant in COPIED:
        for way in scene_vlm.WAYS:
            found = chain(variant).answer(PICTURE, ASKED, range(64), way, 2)
            assert torch.isfinite(found.logits).all()
            if way == "tokens":
                assert found.off.all() and float(found.on_tokens.max()) == 0


def test_nearest_words_by_hand() -> None:
    vlm = chain()
    red, star = WORD_ID["red"], WORD_ID["star"]
    mixed = (
        2 * vlm.lm.embedding[red] / vlm.lm.embedding[red].norm()
        + vlm.lm.embedding[star] / vlm.lm.embedding[star].norm()
    )
    ids, cosine = vlm.nearest(torch.stack((vlm.lm.embedding[red] * 7, mixed)), 2)
    assert ids[0, 0] == red and ids[1].tolist() == [red, star]
    assert float(cosine[0, 0]) == pytest.approx(1, abs=1e-5)
    assert vlm.nearest(vlm.lm.embedding[:6], 1)[0].min() >= len(MARKERS)
    turned = vlm.lm.embedding.roll(1, 0)
    assert vlm.nearest(vlm.lm.embedding[[red]], 1, turned)[0][0, 0] == red + 1


@pytest.mark.parametrize("variant", ["mlp-64", "qformer-4", BLIND])
def test_gradients_against_finite_differences(variant: str) -> None:
    vlm, answer = chain(variant), [WORD_ID["green"]]
    parts = {part.name: part for part in vlm.gradients(PICTURE, ASKED, answer)}
    assert ("projector" in parts) == (variant != BLIND)
    assert parts["language_model"].n_param == 341_568
    if variant == BLIND:
        assert parts["encoder"].gradient == 0
        return
    assert parts["projector"].learns == (True, True) and parts["language_model"].learns == (False, True)
    assert parts["encoder"].learns == (False, False)
    for name, module in (("encoder", vlm.encoder), ("projector", vlm.projector), ("language_model", vlm.lm)):
        assert module is not None and all(w.grad is None for w in module.parameters()), "nothing is written"
        source, weights = torch.Generator().manual_seed(5), list(module.parameters())
        step = [torch.randn(w.shape, generator=source) for w in weights]
        size = float(sum(s.square().sum() for s in step)) ** 0.5
        total = sum(w.numel() for w in weights)
        slopes = []
        for _ in range(6):
            step = [torch.randn(w.shape, generator=source) for w in weights]
            size = float(sum(s.square().sum() for s in step)) ** 0.5
            found = []
            for sign in (1, -1):
                for w, s in zip(weights, step, strict=True):
                    w.data += sign * 3e-2 * s / size
                with torch.no_grad():
                    found.append(float(vlm.loss(vlm.project(vlm.features(PICTURE)), ASKED, answer)))
                for w, s in zip(weights, step, strict=True):
                    w.data -= sign * 3e-2 * s / size
            slopes.append(((found[0] - found[1]) / 6e-2) ** 2)
        estimate = (sum(slopes) / len(slopes) * total) ** 0.5  # a random direction meets the gradient so on average
        assert 0.3 < estimate / parts[name].gradient < 2.5, name


def test_any_question() -> None:
    vlm = chain("pool-1")
    for text in ("", "?" * 10, "red " * 25_000, "😀 قلم \0 <b>circle</b>", "圆形是什么颜色？", "a" * 100_000):
        ids, unknown = question_ids(text)
        assert len(ids) <= scene_vlm.LONGEST and len(unknown) <= 20
        assert isinstance(vlm.answer(PICTURE, ids, n_most=2).text, str)
    assert question_ids("What COLOUR is the circle?")[0] == ASKED
    for text in DESCRIBE.values():
        assert question_ids(text)[1] == () and len(question_ids(text)[0]) >= 3


def test_missing_weights_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (scene_vlm, scene_lm):
        monkeypatch.setattr(module, "WEIGHTS", tmp_path)
    for load in (scene_vlm.load.__wrapped__, scene_vlm.card.__wrapped__, scene_lm.load.__wrapped__):
        with pytest.raises(ModelUnavailable):
            load()
    with pytest.raises(ModelUnavailable):
        scene_vlm.history(PICTURE)


# --- training ---------------------------------------------------------------------------------------------------------


def test_stages_train_what_they_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "scenes", lambda: scatter(torch.Generator().manual_seed(1), 10))
    monkeypatch.setattr(training, "begin", lambda variant: training.Chain(projectors.make(variant, source), fresh()))
    source = torch.Generator().manual_seed(2)
    features = torch.randn(10, 64, 96, generator=source).half()

    def fresh() -> scene_lm.SceneLM:
        return scene_lm.SceneLM(generator=torch.Generator().manual_seed(3))

    one = training.begin("pool-4")
    assert one.projector is not None
    before = one.projector.linear_1.weight.clone()
    recipe = replace(training.STAGE_1, n_step=2, n_row=2, n_warmup=1)
    training.train_stage(one, "pool-4", recipe, features, tmp_path)
    assert torch.equal(one.lm.embedding, fresh().embedding), "stage 1: the language model is frozen"
    assert not torch.equal(one.projector.linear_1.weight, before)
    learned = one.projector.linear_1.weight.clone()
    recipe = replace(training.STAGE_2, n_step=3, n_row=2, n_turn=2, n_warmup=1)
    log = training.train_stage(one, "pool-4", recipe, features, tmp_path / "..", stop_at=2)
    again = training.Chain(projectors.make("pool-4"), fresh())
    other = training.train_stage(again, "pool-4", recipe, features, tmp_path / "..")
    assert log.losses == other.losses[:2]
    assert not torch.equal(one.lm.embedding, fresh().embedding)
    assert not torch.equal(one.projector.linear_1.weight, learned)


def test_image_tokens_take_the_places_of_image() -> None:
    vlm = chain("pool-4")
    every = [SCENE] * 3
    at, made = training.questions_batch(replace(training.STAGE_2, n_row=2, n_turn=2), 0, every, 4)
    assert made.ids[:, 1:5].unique().tolist() == [IMAGE_ID] and len(at) == 2
    features = vlm.features(draw([SCENE, SCENE]))
    loss = training.Chain(vlm.projector, vlm.lm)(features, made)
    x = vlm.lm.embed(made.ids)
    x[:, 1:5] = vlm.project(features).tokens
    logits = vlm.lm(x, *scene_lm.side_by_side(made.segment)).logits.log_softmax(-1)
    total = weight = 0.0
    for row in range(2):
        for t in range(made.ids.shape[1]):
            if made.target[row, t] >= 0:
                w = float(made.weight[row, t])
                total, weight = total - w * float(logits[row, t, made.target[row, t]]), weight + w
    assert float(loss) == pytest.approx(total / weight, rel=0.02)  # bfloat16


def test_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "N_SCENE", 500)
    for held_out in (False, True):
        every, asked = training.test_set(60, 1, held_out)
        kinds = {t.held_out_small for scene in every for t in scene.objects}
        assert kinds == {held_out}
        assert {kind for each in asked for _, kind in each} == set(KINDS)
    seen = set(training.scenes())
    assert not any(t.held_out_small for scene in seen for t in scene.objects)
    assert not seen & set(training.test_set(60, 1, False)[0])
    assert any(t.held_out for scene in seen for t in scene.objects), "large ones are shown"


# --- as shipped -------------------------------------------------------------------------------------------------------


def card() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WEIGHTS / "scene_vlm.json").read_text(encoding="utf-8"))
    return found


def test_files_are_those_of_the_card_and_small() -> None:
    said = card()
    assert set(said["accuracy"]) == set(said["variants"]) and {MAIN, BLIND} < set(said["variants"])
    files = {name: WEIGHTS / f"{name}.safetensors" for name in said["sha256"]}
    for name, file in files.items():
        assert hashlib.sha256(file.read_bytes()).hexdigest() == said["sha256"][name], name
    size = sum(file.stat().st_size for name, file in files.items() if name != "scene_encoder")
    assert size < 7e6
    for name, about in said["variants"].items():
        vlm = scene_vlm.load(name)
        assert about["n_token"] == training.n_image(name)
        assert about["n_param"] == (projectors.n_param(vlm.projector) if vlm.projector else 0)
    assert [tuple(kind) for kind in said["held_out"]] == [(*pair, "small") for pair in sorted(HELD_OUT)]


def test_the_card_is_measured_on_these_weights() -> None:
    said = card()
    for split in ("seen", "held_out"):
        test = training.test_set(said["n_test"], 1, split == "held_out")
        for stage in scene_vlm.STAGES:
            found = training.accuracy(scene_vlm.load(MAIN, stage), test)
            for kind in (*KINDS, "all"):
                assert found["both"][kind] == pytest.approx(
                    said["accuracy"][MAIN][str(stage)][split]["both"][kind], abs=0.01
                )


def test_small_combinations_no_picture_showed_are_answered() -> None:
    """Fresh scenes; by chance: a quarter and less."""
    found = training.accuracy(scene_vlm.load(), training.test_set(150, 2, True))
    for language in ("en", "zh"):
        assert min(found[language]["colour"], found[language]["shape"]) > 0.8, found
        assert found[language]["relation"] > 0.7, found
    blind = training.accuracy(scene_vlm.load(BLIND), training.test_set(150, 2, True))
    for kind in ("colour", "shape", "relation"):
        assert blind["both"][kind] < found["both"][kind] - 0.3


def test_stage_1_alone_aligns() -> None:
    """The language model has never seen a picture: that it answers is the projector's work."""
    found = training.accuracy(scene_vlm.load(MAIN, 1), training.test_set(100, 3, False))["both"]
    assert min(found["colour"], found["shape"]) > 0.6, found


def test_image_tokens_of_an_object_are_near_its_words() -> None:
    """After stage 1, in the middle of the red circle: in either language, among the nearest words."""
    vlm = scene_vlm.load(MAIN, 1)
    ids, _ = vlm.nearest(vlm.project(vlm.features(PICTURE)).tokens[0, [8 * 3 + 2]], 6)
    words = {VOCABULARY[i] for i in ids[0].tolist()}
    assert words & {"red", "红色"} or words & {"circle", "圆形"}, words


def test_history_ends_at_the_main_projector() -> None:
    found, last = scene_vlm.history(PICTURE), scene_vlm.load()
    n = len(found.step)
    assert n >= 8 and list(found.step) == sorted(found.step) and set(found.stage) == {1, 2}
    assert found.tokens.shape == (n, 64, 96) and found.words.shape == (n, *last.lm.embedding.shape)
    steps = card()["variants"][MAIN]["steps"]
    assert found.step[-1] == sum(steps) and found.stage[-1] == 2
    expected = last.project(last.features(PICTURE)).tokens[0]
    torch.testing.assert_close(found.tokens[-1], expected, rtol=1e-2, atol=1e-2)  # its biases are stored as bytes
    torch.testing.assert_close(found.words[-1], last.lm.embedding, rtol=1e-3, atol=1e-3)
    aligned = found.stage.index(2) - 1
    first = scene_vlm.load(MAIN, 1)
    torch.testing.assert_close(
        found.tokens[aligned], first.project(first.features(PICTURE)).tokens[0], rtol=1e-2, atol=1e-2
    )
    assert torch.equal(found.words[0], found.words[aligned]), "stage 1: the language model is frozen"


def test_painting_the_object_over_takes_the_answer_away() -> None:
    vlm = scene_vlm.load()
    answer = [WORD_ID["red"]]
    assert vlm.answer(PICTURE, ASKED).answer == tuple(answer)
    covered = [8 * y + x for y in range(1, 6) for x in range(5)]
    assert vlm.answer(PICTURE, ASKED, covered, "pixels").answer != tuple(answer)
    _, more = vlm.ablate(PICTURE, ASKED, answer)
    assert int(more.argmax()) in covered
