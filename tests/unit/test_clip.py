"""The page's trace: every field by another way, limits of the temperature, shares add up, the captions' numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import clip, clip_claims, clip_gallery, clip_measures, clip_training, clip_twin, clip_uses
from models.clip import JUDGES, N_STEP, TEMPERATURES, Config, at, facts, logits, share, shown, sweep, swept, trace
from models.clip_training import N_PAIR, gap, pairs, progress, training
from models.fields import fields
from models.image_input import Picture
from models.scene_clip import LOSSES, SIGMOID_BIAS, load, sigmoid_loss, softmax_loss
from models.scene_notation import SceneUnreadable, read, write
from models.scenes import COLOURS, HELD_OUT, SHAPES, Scene, Shape, draw
from tests.tree import PAGES
from ui.controls import log_stops

ODD = ("", "\0", "🙂" * 90, "مرحبا <b>x</b>", ";;;\n；", "red;" * 200, "x" * 100_000)


@pytest.fixture(scope="module")
def seen() -> clip.Trace:
    return trace(Config(number=7, temperature=0.1, bias=-3.0))


def test_every_field_from_the_snapshots(seen: clip.Trace) -> None:
    kept, every = training(), pairs()
    assert seen.step == kept.step and seen.step[0] == 0 and seen.step[-1] == N_STEP
    assert seen.text == every.text[0][:7] and seen.held_out == (False, True, False, True, False, True, False)
    assert torch.equal(seen.picture, every.picture[:7])
    n, p, t = len(seen.step) - 1, 2, 5
    cosine = sum(float(a) * float(b) for a, b in zip(kept.image[n, p], kept.text[n, 0, t], strict=True))
    assert float(seen.similarity[n, p, t]) == pytest.approx(cosine, abs=1e-5)
    e = [math.exp(float(value) / 0.1) for value in seen.similarity[n, p]]
    assert float(seen.share[n, p, t]) == pytest.approx(e[t] / sum(e), rel=1e-4)
    order = seen.similarity[n].argsort(1, descending=True)[:, 0].tolist()
    assert float(seen.recall_text[n]) == pytest.approx(sum(i == k for k, i in enumerate(order)) / 7)
    back = seen.similarity[n].argsort(0, descending=True)[0].tolist()
    assert float(seen.recall_picture[n]) == pytest.approx(sum(i == k for k, i in enumerate(back)) / 7)
    diagonal = [float(torch.softmax(seen.similarity[n, i] / 0.1, 0)[i]) for i in range(7)]
    other = [float(torch.softmax(seen.similarity[n, :, i] / 0.1, 0)[i]) for i in range(7)]
    loss = -sum(math.log(a) + math.log(b) for a, b in zip(diagonal, other, strict=True)) / 14
    assert float(seen.softmax[n]) == pytest.approx(loss, rel=1e-5)
    alone = torch.sigmoid(seen.similarity[n] / 0.1 - 3)
    eye = torch.eye(7)
    assert float(seen.sigmoid[n]) == pytest.approx(
        float(-(eye * alone + (1 - eye) * (1 - alone)).log().sum() / 7), rel=1e-4
    )
    assert float(seen.learned[n]) == pytest.approx(1 / load().card["trained"]["scale"], rel=1e-2)
    assert seen.trained == "softmax" and not seen.learned_bias.any()
    assert seen.temperature.tolist() == pytest.approx([0.1] * (n + 1)) and set(seen.bias.tolist()) == {-3.0}


# --- the twin, trained with the sigmoid loss -------------------------------------------------------------------------


def test_the_twin_by_its_own_numbers() -> None:
    """Judged as trained: with temperature and bias of each snapshot its loss is the one it was trained with."""
    found = trace(Config(number=7, trained="sigmoid", judge="trained"))
    kept = training("sigmoid")
    assert (found.trained, found.judge) == ("sigmoid", "sigmoid") and found.step == kept.step
    assert torch.equal(found.temperature, found.learned) and torch.equal(found.bias, found.learned_bias)
    for n in (0, len(found.step) // 2, len(found.step) - 1):
        s = torch.tensor([[float(kept.image[n, p] @ kept.text[n, 0, t]) for t in range(7)] for p in range(7)])
        torch.testing.assert_close(found.similarity[n], s, rtol=1e-4, atol=1e-5)
        z = s * kept.scale[n] + kept.bias[n]
        torch.testing.assert_close(found.share[n], 1 / (1 + torch.exp(-z)), rtol=1e-4, atol=1e-5)
        assert float(found.sigmoid[n]) == pytest.approx(float(sigmoid_loss(z)), rel=1e-4)
        assert float(found.softmax[n]) == pytest.approx(float(softmax_loss(z - kept.bias[n])), rel=1e-4)
    card = load().card["twin"]["trained"]
    assert float(found.temperature[-1]) == pytest.approx(1 / card["scale"], rel=1e-5)
    assert float(found.bias[-1]) == pytest.approx(card["bias"], rel=1e-5)
    assert float(found.temperature[0]) == pytest.approx(0.1) and float(found.bias[0]) == SIGMOID_BIAS
    said = facts(found, N_STEP, 2, 4)
    assert (said["temperature"], said["bias"]) == (said["learned"], said["learned_bias"])


def test_the_softmax_by_its_own_numbers() -> None:
    found = trace(Config(number=7, judge="trained"))
    assert found.judge == "row" and torch.equal(found.temperature, found.learned)
    torch.testing.assert_close(found.share, torch.softmax(found.similarity / found.learned[:, None, None], 2))
    torch.testing.assert_close(found.share.sum(2), torch.ones(len(found.step), 7))


def test_both_start_from_the_same_towers() -> None:
    """The snapshots at step 0 are the same vectors; later ones are not. Both were trained by one recipe."""
    one, other = training(), training("sigmoid")
    assert torch.equal(one.image[0], other.image[0]) and torch.equal(one.text[0], other.text[0])
    assert not torch.allclose(one.image[-1], other.image[-1], atol=0.1)
    assert one.step == other.step
    for name in ("recipe", "n_param", "n_hard", "steps_done"):
        assert one.card[name] == other.card[name], name


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_the_card_says_holds_on_the_snapshots(language: str) -> None:
    """Gap and learned numbers, by both routes; right pairs above all others, most pictures with their caption first."""
    for loss in LOSSES:
        kept, found = training(loss), progress(language, loss)
        card = load().card if loss == "softmax" else load().card["twin"]
        assert float(found.gap[-1]) == pytest.approx(card["measured"][language]["gap"]["distance"], abs=2e-3)
        assert 1 / float(found.temperature[-1]) == pytest.approx(card["trained"]["scale"], rel=1e-2)
        assert float(kept.bias[-1]) == pytest.approx(card["trained"].get("bias", 0.0), rel=1e-5)
        s = kept.image[-1] @ kept.text[-1, ("en", "zh").index(language)].T
        off = s[~torch.eye(N_PAIR, dtype=torch.bool)]
        assert float(s.diagonal().mean()) > float(off.mean()) + 0.3, loss
        assert float((s.diagonal() > off.view(N_PAIR, -1).mean(1)).float().mean()) == 1.0, loss
        assert float(found.recall_text[-1]) > 0.6 > 0.15 >= float(found.recall_text[0]), loss


def test_the_twins_own_loss_fell() -> None:
    found = progress("en", "sigmoid")
    z = training("sigmoid").image[-1] @ training("sigmoid").text[-1, 0].T * training("sigmoid").scale[-1]
    assert float(found.loss[-1]) == pytest.approx(float(sigmoid_loss(z + training("sigmoid").bias[-1])), rel=1e-4)
    assert float(found.loss[0]) > 5 > 3 > float(found.loss[-1])
    assert found.bias is not None and progress().bias is None
    said = clip_training.progress_facts(found)
    i = found.step.index(said["lift_step"])
    assert said["lift"] == float(found.wrong.max()) == float(found.wrong[i]) and said["prior"] == 1 / 128
    z = float(found.wrong[i] / found.temperature[i] + found.bias[i])
    assert said["lift_share"] == pytest.approx(1 / (1 + math.exp(-z)), rel=1e-5)
    assert said["loss"] == "sigmoid" and said["bias_start"] == SIGMOID_BIAS and said["bias"] == float(found.bias[-1])


def test_side_by_side() -> None:
    """The table's values from the card, by name; what is larger than chance, by hand."""
    found, card = clip_twin.beside("zh"), load().card
    for i, measured in enumerate((card["measured"]["zh"], card["twin"]["measured"]["zh"])):
        assert found.share["zero_held_out"][i] == measured["zero_shot_held_out"]["both"]
        assert found.share["found_seen"][i] == measured["retrieval_seen"]["text"]
        assert found.share["zero_shape"][i] == measured["zero_shot_seen"]["shape"]
        assert found.share["bound"][i] == measured["binding"]["binding"]
        assert found.number["gap"][i] == measured["gap"]["distance"]
    assert found.number["bias"] == (0.0, card["twin"]["trained"]["bias"])
    scale, bias, threshold = (found.number[name][1] for name in ("scale", "bias", "threshold"))
    assert scale * threshold + bias == pytest.approx(0, abs=1e-5)
    assert (found.n["zero_shape"], found.n["found_seen"], found.n["bound"]) == (400, 200, 400)
    assert set(found.larger) <= set(found.share)
    # p = 0.5 and n = 100: standard error of a difference 0.0707
    assert clip_twin.apart((0.5, 0.65), 100) and not clip_twin.apart((0.5, 0.63), 100)
    said = clip_twin.facts(found)
    assert said["sigmoid_gap"] == found.number["gap"][1] and said["n_larger"] == len(found.larger)
    assert said["every"] == card["trained"]["notes"][0]["step"] and said["n_watched"] == clip_measures.N_WATCHED
    assert found.watched["sigmoid"]["seen"][-1] == card["twin"]["trained"]["notes"][-1]["seen"]
    assert len(found.step) == len(found.watched["softmax"]["seen"]) and clip_measures.N_BINDING == 400


def test_shares_add_up() -> None:
    s = 2 * torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0)) - 1
    torch.testing.assert_close(share(s, "row", 0.3, 0.0).sum(2), torch.ones(3, 5))
    torch.testing.assert_close(share(s, "column", 0.3, 0.0).sum(1), torch.ones(3, 7))
    torch.testing.assert_close(share(s, "row", 0.3, -8.0), share(s, "row", 0.3, 5.0))
    alone = share(s, "sigmoid", 0.3, -8.0)
    torch.testing.assert_close(alone / (1 - alone), logits(s, 0.3, -8.0).exp(), rtol=1e-4, atol=1e-5)
    assert float(share(torch.zeros(1, 1), "sigmoid", 0.5, 0.0)) == 0.5


def test_limits_of_the_temperature(seen: clip.Trace) -> None:
    s = seen.similarity[-1]
    nearly = share(s, "row", 1e-4, 0.0)
    assert torch.equal(nearly.argmax(1), s.argmax(1)) and float(nearly.max(1).values.min()) > 0.99
    assert float((share(s, "row", 1e4, 0.0) - 1 / 7).abs().max()) < 1e-4
    wide = trace(Config(number=7, temperature=1.0))
    assert torch.equal(wide.similarity, seen.similarity), "the temperature changes no vector"
    assert float(wide.softmax[-1]) > float(seen.softmax[-1])


def test_groups_and_languages() -> None:
    for group, held in (("seen", False), ("held_out", True)):
        found = trace(Config(number=40, group=group))
        assert len(found.text) == 20 and set(found.held_out) == {held}
    chinese = trace(Config(number=5, tongue="zh"))
    assert all("色" in text for text in chinese.text)
    assert len(trace(Config(number=2)).text) == 2 and len(trace(Config(number=40)).text) == N_PAIR


def test_pictures_show_what_captions_say() -> None:
    every = pairs()
    for i in (0, 9, 17):
        scene = every.scene[i]
        thing = scene.objects[0]
        assert thing.colour in every.text[0][i] and thing.shape in every.text[0][i]
    assert len(set(every.text[0])) == len(set(every.text[1])) == N_PAIR, "no caption twice"


def test_snapshots_are_the_shipped_towers() -> None:
    """The last ones, within what half precision of weights and vectors loses."""
    model, kept, every = load(), training(), pairs()
    u = model.encode_image(draw(list(every.scene)))
    v = model.encode_text(every.text[1])
    assert float((u * kept.image[-1]).sum(1).min()) > 0.999
    assert float((v * kept.text[-1, 1]).sum(1).min()) > 0.999


def test_what_training_did() -> None:
    found = progress()
    assert float(found.recall_text[0]) <= 0.15 and float(found.recall_text[-1]) > 0.7
    assert float(found.right[-1] - found.wrong[-1]) > 0.3 > 0.1 > abs(float(found.right[0] - found.wrong[0]))
    assert float(found.loss[0]) > float(found.loss[-1]) and float(found.temperature[-1]) < 0.04
    assert progress("zh").recall_text[-1] > 0.7
    mean = training().image[3].mean(0) - training().text[3, 0].mean(0)
    assert float(found.gap[3]) == pytest.approx(float(mean.square().sum().sqrt()), rel=1e-4)
    assert clip_training.progress_facts(found)["right"] == pytest.approx(float(found.right[-1]))


def test_the_plane_of_the_gap() -> None:
    found, kept = gap(), training()
    assert found.point.shape == (len(kept.step), 3 * N_PAIR, 2) and found.group.count(2) == N_PAIR
    last = found.point[-1]
    u, v = kept.image[-1].double(), kept.text[-1].flatten(0, 1).double()
    # along the first axis the groups lie exactly as far apart as in all 64 dimensions
    apart = float(last[:N_PAIR, 0].mean() - last[N_PAIR:, 0].mean())
    assert apart == pytest.approx(float((u.mean(0) - v.mean(0)).norm()), rel=1e-3)
    assert float(last[:N_PAIR, 1].mean() - last[N_PAIR:, 1].mean()) == pytest.approx(0, abs=0.15)
    nearest = [
        int(np.argmax([float(u[i] @ w) if k != i else -9 for k, w in enumerate(torch.cat((u, v)))]))
        for i in range(N_PAIR)
    ]
    assert float(found.same[-1]) == pytest.approx(np.mean([k < N_PAIR for k in nearest]), abs=1e-6)
    assert 0 < found.explained < 1 and clip_training.gap_facts(found)["n"] == 3 * N_PAIR


# --- both losses over the temperature --------------------------------------------------------------------------------


def test_the_sweep(seen: clip.Trace) -> None:
    cfg = Config(number=7, bias=-3.0, judge="sigmoid", temperature=0.2)
    found = sweep(swept(cfg))
    k = TEMPERATURES.index(0.032)
    one = trace(Config(number=7, temperature=0.032, bias=-3.0))
    assert float(found.softmax[k]) == pytest.approx(float(one.softmax[-1]), rel=1e-5)
    assert float(found.sigmoid[k]) == pytest.approx(float(one.sigmoid[-1]), rel=1e-5)
    torch.testing.assert_close(found.row[k], one.share[-1])
    torch.testing.assert_close(found.alone[k], torch.sigmoid(seen.similarity[-1] / 0.032 - 3))
    assert (found.best <= found.sigmoid + 1e-5).all() and float(found.pull[0]) > float(found.pull[-1]) >= 1 / 6
    s = one.similarity[-1]
    p = torch.softmax(s[0] / 0.032, 0)[1:]
    rows = [
        float((torch.softmax(s[i] / 0.032, 0) * (torch.arange(7) != i)).max() / (1 - torch.softmax(s[i] / 0.032, 0)[i]))
        for i in range(7)
    ]
    assert float(found.pull[k]) == pytest.approx(sum(rows) / 7, abs=0.01) and len(p) == 6
    assert found.chance == pytest.approx(math.log(7))
    assert clip.sweep_facts(found, 0.032)["softmax"] == pytest.approx(float(found.softmax[k]))


def test_temperatures_are_the_controls_stops() -> None:
    _, kind, default = fields(Config)["temperature"]
    assert list(TEMPERATURES) == log_stops(kind, default)


def test_what_the_pictures_do_not_depend_on() -> None:
    cfg = Config()
    for name, value in {"labels": "x", "query": "x", "scene": "x", "step": 3, "row": 2, "column": 2}.items():
        assert shown(replace(cfg, **{name: value})) == shown(cfg), name
    for name, value in {
        "number": 3,
        "temperature": 0.1,
        "judge": "column",
        "tongue": "zh",
        "bias": 0.0,
        "trained": "sigmoid",
    }.items():
        assert shown(replace(cfg, **{name: value})) != shown(cfg), name
    assert swept(replace(cfg, judge="column", temperature=0.1)) == swept(cfg) != swept(replace(cfg, step=0))


def test_the_default_temperature_is_the_learned_one() -> None:
    assert Config().temperature == pytest.approx(float(trace(Config()).learned[-1]), rel=0.05)


def test_the_captions_numbers(seen: clip.Trace) -> None:
    said = facts(seen, N_STEP, row=2, column=4)
    s = seen.similarity[-1]
    assert said["n"] == 7 and said["step"] == N_STEP and (said["picture"], said["caption"]) == (3, 5)
    assert said["cell"] == float(s[2, 4]) and said["cell_logit"] == pytest.approx(float(s[2, 4]) / 0.1, rel=1e-5)
    wrong = [float(s[2, t]) for t in range(7) if t != 2]
    assert said["rival_cosine"] == pytest.approx(max(wrong)) and said["own"] == float(s[2, 2])
    assert said["sum_row"] == pytest.approx(1, abs=1e-5) and said["chance"] == pytest.approx(math.log(7))
    off = [float(s[i, j]) for i in range(7) for j in range(7) if i != j]
    assert said["mean_wrong"] == pytest.approx(sum(off) / 42, abs=1e-5)
    assert facts(seen, 0, 39, 39)["picture"] == 7 and facts(seen, 0)["step"] == 0
    assert at(seen, 10**6) == len(seen.step) - 1 and at(seen, 0) == 0
    sigmoid = facts(trace(Config(number=7, judge="sigmoid", temperature=0.1, bias=-3.0)), N_STEP, 2, 4)
    assert sigmoid["cell_logit"] == pytest.approx(float(s[2, 4]) / 0.1 - 3, rel=1e-5)


def test_the_check(seen: clip.Trace) -> None:
    assert max(clip.check(Config(temperature=0.1)).values()) < 1e-5


# --- zero-shot and retrieval -----------------------------------------------------------------------------------------


def test_zero_shot_of_one_object() -> None:
    found = clip_uses.zero_shot(
        "white; large red square 50 50", "a red square; a blue square\na green heart；红色方形", 0.05
    )
    assert found.label == ("a red square", "a blue square", "a green heart", "红色方形")
    assert found.fits == (True, False, False, True) and int(found.cosine.argmax()) in (0, 3)
    assert float(found.share.sum()) == pytest.approx(1, abs=1e-5)
    model = load()
    u = model.encode_image(draw([Scene("white", (Shape("square", "red", "large", 0.5, 0.5),))]))[0]
    torch.testing.assert_close(found.cosine, model.encode_text(found.label) @ u, rtol=1e-4, atol=1e-5)
    said = clip_uses.choice_facts(found)
    assert said["share"] == float(found.share.max()) and said["n_true"] == 2 and said["right"] == "✓"
    colder = clip_uses.zero_shot("white; large red square 50 50", "a red square; a blue square", 0.005)
    assert torch.equal(colder.cosine, found.cosine[:2]) or torch.allclose(colder.cosine, found.cosine[:2], atol=1e-5)


@pytest.mark.parametrize("text", ODD)
def test_any_labels_and_queries(text: str) -> None:
    found = clip_uses.zero_shot("white; large red square 50 50", text, 0.05)
    assert 1 <= len(found.label) <= clip_uses.MOST_LABELS and torch.isfinite(found.share).all()
    assert clip_uses.choice_facts(found)
    assert torch.isfinite(clip_uses.retrieve(text, "white; large red square 50 50", "en").picture_cosine).all()
    try:
        clip_uses.zero_shot(text, "a circle", 0.05)
    except SceneUnreadable as error:
        assert error.sentence("en") and error.sentence("zh")


def test_an_uploaded_picture() -> None:
    own = Picture("x", np.full((64, 64, 3), 200, np.uint8))
    found = clip_uses.zero_shot("nonsense", "a circle; grey", 0.05, own)
    assert found.scene == "" and found.fits == (None, None) and found.shown.shape == (32, 32, 3)
    assert found.unknown == ("grey",) and int(found.shown.min()) == 200
    back = clip_uses.retrieve("a circle", "nonsense", "zh", own)
    assert set(back.true) == {None} and back.scene == ""


def test_what_is_true_of_a_scene() -> None:
    scene = read("white; large red circle 30 50; small blue star 70 50")
    truth = {
        "a red circle": True,
        "a small red circle": False,
        "a blue star and a red circle": True,
        "a red star and a blue circle": False,
        "a red circle left of a blue star": True,
        "a blue star left of a red circle": False,
        "white background": True,
        "a red circle, black background": False,
        "xyz": None,
    }
    assert {text: clip_uses.true_of(scene, text) for text in truth} == truth


def test_retrieval_among_the_pool() -> None:
    found = clip_uses.retrieve("a green square", "white; large red circle 50 50", "en")
    pool = clip_uses.pool("en")
    model = load()
    cosine = pool.image @ model.encode_text(["a green square"])[0]
    assert found.picture_cosine.tolist() == pytest.approx(sorted(cosine.tolist(), reverse=True)[:8], abs=1e-6)
    fits = [clip_uses.true_of(scene, "a green square") for scene in pool.scene]
    assert found.n_fitting == sum(map(bool, fits)) and len(pool.scene) == clip_uses.N_POOL
    best = int(cosine.argmax())
    assert found.fitting[0] == fits[best]
    u = model.encode_image(draw([read("white; large red circle 50 50")]))[0]
    assert found.text[0] == pool.text[int((pool.words @ u).argmax())]
    assert clip_uses.found_facts(found)["n_hit"] == sum(map(bool, found.fitting))


def test_combinations_and_their_average(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_uses, "N_EACH", 2)
    found = clip_uses.combinations("en")
    assert found.share.shape == (len(SHAPES), len(COLOURS)) and int(found.held_out.sum()) == len(HELD_OUT)
    for shape, colour in HELD_OUT:
        assert bool(found.held_out[SHAPES.index(shape), COLOURS.index(colour)])
    assert (found.share <= torch.minimum(found.shape, found.colour) + 1e-6).all()
    said = clip_uses.combination_facts(found)
    assert said["held_out"] == pytest.approx(float(found.share[found.held_out].mean())) and said["n"] == 96


def test_binding_cases_are_what_they_say() -> None:
    found = clip_uses.bindings("en", 40)
    assert found.cases == clip_uses.CASES and len(found.picture) == len(found.right) == clip_uses.N_FOUND
    for right, swapped in zip(found.right, found.swapped, strict=True):
        assert (sorted(right.split()) == sorted(swapped.split()) and right != swapped) or "an" in (
            right + swapped
        ).split()
    wins = [a > b for a, b in zip(found.right_cosine, found.swapped_cosine, strict=True)]
    assert 0 <= sum(wins) <= 8 and clip_uses.binding_facts(found)["colour"] == found.share[0]


# --- the page --------------------------------------------------------------------------------------------------------


def test_every_further_picture_has_its_work_and_note() -> None:
    names = PAGES["clip"].spec["gallery"]
    cfg = Config()
    for name in names:
        work, arguments = clip_gallery.asked(name, cfg, None)
        assert callable(work) and hash(arguments) is not None
    with pytest.raises(ValueError):
        clip_gallery.asked("nothing", cfg, None)


def test_presets_are_scenes_and_words_that_are_known() -> None:
    spec = PAGES["clip"].spec
    for one in [*spec["presets"], *spec["questions"]]:
        state = one["state"]
        if "scene" in state:
            assert write(read(state["scene"])) == state["scene"]
        if "labels" in state:
            found = clip_uses.zero_shot(state.get("scene", Config().scene), state["labels"], 0.05)
            assert not found.unknown, one["id"]
    assert not clip_uses.zero_shot(Config().scene, Config().labels, 0.05).unknown


def test_claims_have_their_numbers() -> None:
    spec = {one["live"]: one for one in PAGES["clip"].spec["claims"]}
    assert set(spec) == set(clip.CLAIMS)
    for name, work in clip.CLAIMS.items():
        values = work()
        for language in ("en", "zh"):
            assert spec[name]["answer"][language].format(**values)
    found = clip_claims.blocks()
    assert found["sigmoid_off"] < 1e-4 < abs(found["softmax"] - found["softmax_blocks"])
    assert clip_claims.batch()["steps"] == pytest.approx(390_625)
    assert clip_claims.temperature()["start"] == pytest.approx(0.07, rel=1e-4)


def test_the_prediction_offers_the_answer() -> None:
    about = PAGES["clip"].spec["predict"]
    found = facts(trace(Config(**about["state"])))
    assert found[about["fact"]] in [one["value"] for one in about["options"]]
    assert set(JUDGES) == {"row", "column", "sigmoid", "trained"}
