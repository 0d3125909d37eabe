"""The chain's trace: every field by another way, patches switched off, questions, any text; and the shipped weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models import projection
from models.image_input import Picture
from models.principal_colours import principal
from models.projection import Config, Trace, check, covered, facts, patches_off, sampled, trace
from models.projection_questions import QuestionUnreadable, choose
from models.scene_captions import say
from models.scene_notation import SceneUnreadable
from models.scene_notation import read as scene_of
from models.scene_questions import VOCABULARY, tokenise
from models.scenes import COLOURS, SHAPES, draw, scatter
from tests.tree import PAGES
from tests.unit import untrained_chain

SCENE = "white; large red circle 30 40; small blue star 72 66"
SPEC = PAGES["projection"].spec


@pytest.fixture(autouse=True)
def _untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "chain", untrained_chain.chain)


@pytest.fixture(scope="module", params=["mlp-64", "pool-4", "qformer-8"])
def made(request: pytest.FixtureRequest) -> tuple[str, Trace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "chain", untrained_chain.chain)
        return request.param, trace(Config(projector=request.param, off="10 11", ask="relation"))


def test_every_field_is_the_chains(made: tuple[str, Trace]) -> None:
    name, seen = made
    vlm, pixels = untrained_chain.chain(name), draw([scene_of(SCENE)])
    ids = tokenise("where is the red circle seen from the blue star ?").ids
    plain = vlm.answer(pixels, ids, (9, 10))
    assert seen.question == "where is the red circle seen from the blue star ?"
    assert (seen.kind, seen.truth, seen.replaced, seen.unknown) == ("relation", "left", False, ())
    assert seen.off == (9, 10) and seen.scene == SCENE and (seen.d_feature, seen.d_model) == (96, 96)
    assert np.array_equal(seen.picture.numpy(), ((pixels[0].numpy() + 1) * 127.5).round().transpose(1, 2, 0))
    assert torch.equal(seen.source, plain.source) and seen.source.shape == (int(name.split("-")[1]), 64)
    assert seen.answer == (plain.text or "–")
    # attention: rows of the whole table, from the marker QUESTION on
    k = len(seen.near)
    assert seen.heads.shape == (3, 4, len(seen.prompt), k)
    assert torch.equal(seen.heads[1, 2, 3], plain.attention[1, 2, 1 + k + 3, 1 : 1 + k])
    torch.testing.assert_close(seen.attention[2, 0], sum(plain.attention[2, h, 1 + k, 1 : 1 + k] for h in range(4)) / 4)
    # words
    assert seen.prompt[:3] == ("<question>", "where", "is") and seen.prompt[seen.answer_at - 1] == "?"
    assert seen.prompt[seen.answer_at] == VOCABULARY[plain.answer[0]] == seen.word[0]
    assert seen.probability[0] == pytest.approx(float(plain.logits[0].exp().max() / plain.logits[0].exp().sum()))
    # nearest words, one cosine after the other
    token = plain.tokens[k - 1]
    cosine = {w: float(F.cosine_similarity(token, vlm.lm.embedding[i], dim=0)) for i, w in enumerate(VOCABULARY)}
    ranked = sorted(VOCABULARY[6:], key=lambda w: -cosine[w])
    assert seen.near[k - 1] == tuple(ranked[:3])
    assert seen.cosine[k - 1].tolist() == pytest.approx([cosine[w] for w in ranked[:3]], abs=1e-5)
    names = {say(colour, language): colour for colour in COLOURS for language in ("en", "zh")}
    both = [(say(one, "en"), say(one, "zh")) for one in (*COLOURS, *SHAPES, "background")]
    pairs = dict(both) | {chinese: english for english, chinese in both}
    assert [also for words, also in zip(seen.near, seen.also, strict=True) if words[0] in pairs] == [
        pairs[words[0]] for words in seen.near if words[0] in pairs
    ]
    for words, colour in zip(seen.near, seen.colour_word, strict=True):
        assert colour == next((names[word] for word in words if word in names), "")


def test_the_effect_of_a_patch_is_a_difference_of_two_losses(made: tuple[str, Trace]) -> None:
    name, seen = made
    vlm, pixels = untrained_chain.chain(name), draw([scene_of(SCENE)])
    ids = tokenise(seen.question).ids
    intact = vlm.answer(pixels, ids)
    assert seen.intact == (intact.text or "–") and seen.intact_p == pytest.approx(
        float(intact.logits[0].softmax(-1).max())
    )

    def loss(off: tuple[int, ...]) -> float:
        """Of the intact answer, word by word, read off answers that are forced."""
        mask = torch.zeros(1, 64, dtype=torch.bool)
        mask[0, list(off)] = True
        x, allowed = vlm.sequence(vlm.project(vlm.features(pixels), mask), [4, *ids, 5, *intact.answer])
        logits, total = vlm.lm(x, allowed).logits[0], 0.0
        start = x.shape[1] - 1 - len(intact.answer)
        for i, word in enumerate([*intact.answer, 2]):
            total -= float(logits[start + i].log_softmax(-1)[word])
        return total

    for patch in (0, 19, 63):
        assert float(seen.effect[patch]) == pytest.approx(loss((patch,)) - loss(()), abs=1e-3)


def test_with_every_patch_off_the_picture_does_not_matter() -> None:
    off = " ".join(str(i) for i in range(1, 65))
    one = trace(Config(off=off))
    other = trace(Config(off=off, ask="typed", question=one.question, scene="black; small green ring 20 80"))
    assert one.answer == other.answer and float((one.probability - other.probability).abs().max()) < 1e-5
    assert float(one.heads.abs().max()) == 0, "nobody looks at tokens that are off"
    painted = trace(Config(off=off, way="pixels"))
    assert len(np.unique(painted.picture.reshape(-1, 3), axis=0)) == 1, "one colour is left of the picture"
    assert float(painted.heads.abs().max()) > 0


def test_no_patch_off_is_the_intact_answer(made: tuple[str, Trace]) -> None:
    seen = trace(Config(projector=made[0], ask="relation"))
    assert seen.answer == seen.intact == made[1].intact and seen.off == ()
    torch.testing.assert_close(seen.effect, made[1].effect), "the effect is of one patch alone"
    torch.testing.assert_close(seen.source.sum(-1), torch.ones(len(seen.near)))


def test_colours_of_features_are_of_fixed_axes() -> None:
    seen, other = trace(Config()), trace(Config(scene="black; small green ring 20 80"))
    vlm = untrained_chain.chain()
    scenes = scatter(torch.Generator().manual_seed(7), 64, held_out=None)
    features = vlm.features(draw(scenes)).flatten(0, 1)
    shown = vlm.features(draw([scene_of(SCENE)]))[0]
    centred = (features - features.mean(0)).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    for i in range(3):
        axis = vectors[:, -1 - i].float()
        axis = axis * axis[axis.abs().argmax()].sign()
        place = (features - features.mean(0)) @ axis
        low, high = np.quantile(place.numpy(), [0.01, 0.99])
        wanted = 24 + 220 * (((shown - features.mean(0)) @ axis - low) / (high - low)).clamp(0, 1)
        assert float((seen.feature[:, i] - wanted).abs().max()) <= 1.5, "rounding"
    assert not torch.equal(seen.feature, other.feature)
    tokens = vlm.project(vlm.features(draw(scenes))).tokens.flatten(0, 1)
    own = principal(tokens).paint(vlm.project(shown[None]).tokens[0])
    assert torch.equal(seen.token, own)


def test_what_a_patch_shows_by_hand() -> None:
    found = covered(scene_of("white; large red square 25 25; small blue circle 81.25 81.25"))
    # the square reaches 0.85 * 0.22 = 0.187 from (0.25, 0.25): 0.063 to 0.437, half of patches 0 and 3, all of 1 and 2
    assert [found[8 * 1 + x] for x in range(5)] == ["red square"] * 4 + ["white"]
    assert found[8 * 6 + 6] == "blue circle" and found[8 * 7] == "white"
    assert covered(scene_of("green")) == ("green",) * 64 and covered(None) == ("",) * 64
    hidden = covered(scene_of("white; small red circle 50 50; large blue square 50 50"))
    assert "red circle" not in hidden, "what is painted later covers it"


def test_patches_of_a_link() -> None:
    assert patches_off("1 64, 3;  3") == (0, 2, 63)
    assert patches_off("0 65 100 1.5 -2 x7y 99") == (1, 6), "signs and letters do not matter"
    assert patches_off("") == patches_off("🙂 مرحبا\x00") == ()


def test_the_question_that_is_asked() -> None:
    scene = scene_of(SCENE)
    assert choose("colour", "en", "", scene).text == "what colour is the circle ?"
    found = choose("shape", "zh", "", scene)
    assert (found.text, found.truth, found.replaced) == ("红色的是什么形状？", "圆形", False)
    found = choose("relation", "en", "", scene_of("white; large red circle 50 50"))
    assert (found.kind, found.truth, found.replaced) == ("count", "1", True), "one object is nowhere from another"
    assert choose("count", "en", "", scene).truth != "0"
    assert choose("caption", "zh", "", scene).text == "有什么？" and choose("caption", "en", "", scene).truth == ""
    typed = choose("typed", "en", "cat which shape is blue ?", scene)
    assert (typed.kind, typed.truth, typed.unknown) == ("shape", "star", ("cat",))
    assert choose("typed", "en", "red red", scene).kind == "typed"
    assert choose("colour", "en", "", None).truth == ""
    for text in ("", "🙂", "\x00", "<script>"):
        with pytest.raises(QuestionUnreadable) as caught:
            choose("typed", "en", text, scene)
        for language in ("en", "zh"):
            assert "`" in caught.value.sentence(language)


@pytest.mark.parametrize("text", ["", "x" * 1000, "مرحبا", "white; large red circle 30", "\x00", "<b>cat</b>"])
def test_a_scene_that_is_none(text: str) -> None:
    with pytest.raises(SceneUnreadable):
        trace(Config(scene=text))


def test_an_uploaded_picture() -> None:
    array = np.zeros((40, 60, 3), np.uint8)
    array[:, :, 2] = 200
    seen = trace(Config(), Picture("x", array))
    assert seen.scene == "" and seen.truth == "" and set(seen.covered) == {""}
    assert seen.picture.shape == (32, 32, 3) and seen.picture[5, 5].tolist() == [0, 0, 200]
    assert facts(seen)["truth"] == "?" and facts(seen)["area"] == 0


def test_facts_by_hand(made: tuple[str, Trace]) -> None:
    _, seen = made
    said = facts(seen, layer=2, place=4)
    on_patch = [float((seen.attention[1, 4] * seen.source[:, n]).sum()) for n in range(64)]
    assert said["share"] == pytest.approx(sum(on_patch), abs=1e-5) and said["layer"] == 2
    top = int(np.argmax(on_patch))
    assert said["top"] == pytest.approx(max(on_patch), abs=1e-6)
    assert (said["row"], said["column"]) == (top // 8 + 1, top % 8 + 1)
    things = [i for i, what in enumerate(seen.covered) if " " in what]
    assert said["area"] == pytest.approx(len(things) / 64) and said["n_thing"] == len(things)
    assert said["on_things"] == pytest.approx(sum(on_patch[i] for i in things) / sum(on_patch), abs=1e-5)
    assert said["place"] == seen.prompt[4] and facts(seen)["place"] == f"→ {seen.prompt[seen.answer_at].strip('<>')}"
    assert facts(seen, layer=3, place=999)["share"] == facts(seen)["share"]
    assert said["n_needed"] == sum(1 for one in seen.effect.tolist() if one > 0.1) and said["n_off"] == 2
    named = 0
    for i in things:
        near = seen.near[int(seen.source[:, i].argmax())]
        colour, shape = seen.covered[i].split()
        zh = {"red": "红色", "blue": "蓝色", "circle": "圆形", "star": "星形"}
        named += bool({colour, shape, zh[colour], zh[shape]} & set(near))
    assert said["n_named"] == named


def test_what_is_only_looked_at_is_not_computed_again() -> None:
    plain = Config(ask="shape")
    for name, value in {"layer": 1, "place": 3, "step": 0, "depth": 2, "question": "x"}.items():
        changed: Any = {"ask": "shape", name: value}
        assert sampled(Config(**changed)) == sampled(plain), name
    for name, value in {"scene": "red", "off": "1", "way": "pixels", "phase": "0", "tongue": "zh"}.items():
        changed = {"ask": "shape", name: value}
        assert sampled(Config(**changed)) != sampled(plain), name
    assert sampled(Config(ask="typed", question="x")) != sampled(Config(ask="typed", question="y"))


@pytest.mark.parametrize("name", ["mlp-64", "linear-64", "pool-16", "qformer-4"])
def test_the_chain_is_transformers_llava(name: str) -> None:
    found = check(Config(projector=name))
    assert len(found) >= 5 and max(found.values()) < 2e-5, found


def test_presets_and_questions_are_readable() -> None:
    for one in [*SPEC["presets"], *SPEC["questions"], SPEC["predict"]]:
        cfg = Config(**one["state"])
        found = projection.asked(cfg, scene_of(cfg.scene))
        assert not found.replaced and not found.unknown, one.get("id")
    state = next(one["state"] for one in SPEC["presets"] if one["id"] == "held-out")
    assert scene_of(state["scene"]).objects[0].held_out_small
    state = next(one["state"] for one in SPEC["presets"] if one["id"] == "switch-off")
    plain, without = (draw([scene_of(text)])[0] for text in (SCENE, f"white;{SCENE.split(';')[-1]}"))
    touched = (plain != without).any(0).view(8, 4, 8, 4).any(3).any(1).flatten()
    assert set(patches_off(state["off"])) == set(torch.nonzero(touched)[:, 0].tolist()), "every patch on the circle"
