"""The further figures' computations: what they read of a Config, and their sentences in both languages."""

from __future__ import annotations

import inspect
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from models import small_vision, swin, vision_studies, vit_measures, vit_reading, vit_studies
from models.image_input import Picture
from models.scenes import Scene, Shape, draw
from models.vit import Config
from tests.tree import PAGES

CFG = Config(trained=False, scene="white; large red circle 30 40")
SPEC = PAGES["vit"].spec
SHIPPED = ("field", "shift", "hunger", "mae", "positions")  # rest on shipped weights or measurements


def own() -> Picture:
    return Picture("ramp", np.linspace(0, 255, 60 * 60 * 3).reshape(60, 60, 3).astype(np.uint8))


def test_every_figure_has_its_study() -> None:
    assert set(SPEC["gallery"]) == set(vit_studies.READ) == set(vit_studies.FACTS)
    names = {one.name for one in fields(Config)}
    for name, read in vit_studies.READ.items():
        assert set(read) <= names
        assert ("scene" in read) == (name in vit_studies.PICTURED), "a study of the picture reads the scene"
        assert inspect.signature(getattr(vit_studies, name)).parameters.keys() >= {"cfg", "picture"}


def test_only_what_is_read_is_asked() -> None:
    for name, read in vit_studies.READ.items():
        base = vit_studies.asked(name, CFG)
        for field in fields(Config):
            value = {"model": "dinov2", "grid": "14", "question": "shape", "order": "data", "scene": "x"}.get(
                field.name
            )
            if value is None:
                now = getattr(CFG, field.name)
                value = not now if isinstance(now, bool) else now + 1
            changed = vit_studies.asked(name, replace(CFG, **{field.name: value}))
            assert (changed != base) == (field.name in read), (name, field.name)


def test_patches_are_those_of_the_picture() -> None:
    found = vit_studies.patches(replace(CFG, patch=17))
    assert (found.cut.size.patch, found.cut.size.left_over) == (17, 3)
    assert 17 in [one.patch for one in found.sizes] and [one.patch for one in found.sizes] == sorted(
        one.patch for one in found.sizes
    )
    whole = draw([Scene("white", (Shape("circle", "red", "large", 0.3, 0.4),))], 224)[0]
    assert torch.equal(vit_studies.whole_picture(CFG, None), whole)
    mine = vit_studies.patches(CFG, own())
    assert np.array_equal(mine.cut.picture.numpy(), own().pixels(224))


def test_positions_with_and_without_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = vit_measures.Measured(1, {}, (8,), {"all": (1.0,)})
    monkeypatch.setattr(vit_measures, "measure", lambda *_: measured)
    found = vit_studies.positions(replace(CFG, side=8))
    plain, centred = found.similarity, found.centred
    place = small_vision.fresh("vit").body.position[1:]
    assert (found.side, found.learned) == (8, 8)
    assert float(plain[3, 12]) == pytest.approx(float(torch.cosine_similarity(place[3], place[12], dim=0)), abs=1e-5)
    rest = place - place.mean(0)
    assert float(centred[3, 12]) == pytest.approx(float(torch.cosine_similarity(rest[3], rest[12], dim=0)), abs=1e-5)


def test_features_by_layer() -> None:
    found = vit_studies.features(CFG)
    body = small_vision.fresh("vit").body
    layers = body(draw([Scene("white", (Shape("circle", "red", "large", 0.3, 0.4),))]), keep=True).layers
    assert found.layer == (0, 1, 2, 3) and found.side == 8
    for k in (0, 3):
        rows = layers[k][0, 1:]
        score, share = vit_reading.components(rows)
        assert torch.equal(found.colour[k], vit_reading.colours(score))
        torch.testing.assert_close(found.explained[k], share)
        torch.testing.assert_close(found.similarity[k].float(), vit_reading.similarity(rows), atol=2e-3, rtol=0)
    assert all(0.5 <= one <= 1 for one in found.separated)
    strange = vit_studies.features(CFG, own())
    assert all(math.isnan(one) for one in strange.separated)
    assert vit_studies.sentence("features", strange, CFG) == "note_features_own"
    moved, still = (replace(found, separated=(0.7, 0.8, 0.8, last)) for last in (0.9, 0.701))
    assert vit_studies.sentence("features", moved, CFG) == "note_features"
    assert vit_studies.sentence("features", still, CFG) == "note_features_same"


def test_swin_of_the_picture() -> None:
    found = vit_studies.swin(CFG)
    assert found.picture.shape == (224, 224, 3) and found.reach.shape == (6, 196, 196)
    assert len(found.piece[0].unique()) == 4 and len(found.piece[1].unique()) == 9
    assert found.cost[found.pixels.index(224)] == swin.cost(224)
    said = vit_studies.facts("swin", found, CFG)
    assert (said["one"], said["two"], said["all_after"]) == (49, 196, 3)


@pytest.mark.parametrize("name", [name for name in vit_studies.READ if name not in SHIPPED])
def test_sentences_have_their_numbers(name: str) -> None:
    found = getattr(vit_studies, name)(vit_studies.asked(name, CFG))
    for lang in ("en", "zh"):
        assert SPEC["words"][vit_studies.sentence(name, found, CFG)][lang].format(**vit_studies.facts(name, found, CFG))


@pytest.mark.parametrize("name", SHIPPED)
def test_sentences_about_the_shipped_models(name: str) -> None:
    cfg = replace(CFG, trained=True)
    found = getattr(vit_studies, name)(vit_studies.asked(name, cfg))
    for lang in ("en", "zh"):
        said = SPEC["words"][vit_studies.sentence(name, found, cfg)][lang].format(**vit_studies.facts(name, found, cfg))
        assert "nan" not in said


def test_the_sentence_on_data_says_who_is_ahead() -> None:
    seen = torch.tensor([[0.2, 0.6, 0.9], [0.1, 0.3, 0.6]]).unsqueeze(1).repeat(1, 4, 1)
    seen[1, 1, 1] = 0.7  # of colour, once
    found = vision_studies.Hunger((3, 5, 7), seen, seen, seen, n_step=11, n_test=13)
    assert vit_studies.sentence("hunger", found, replace(CFG, question="shape")) == "note_hunger"
    assert vit_studies.facts("hunger", found, replace(CFG, question="shape"))["equal"] == 5
    assert vit_studies.sentence("hunger", found, replace(CFG, question="colour")) == "note_hunger_ahead"
    assert vit_studies.facts("hunger", found, replace(CFG, question="colour"))["lead"] == pytest.approx(10)
    train = torch.tensor([[1, 1, 1], [0.95, 0.9, 0.96]]).unsqueeze(1).repeat(1, 4, 1)
    said = vit_studies.facts("hunger", replace(found, train=train), CFG)
    assert (said["fitted"], said["cnn_fit"], said["vit_fit"]) == (3, 1, pytest.approx(0.96)), "up to the first gap"
    behind = replace(found, seen=seen.flip(0))
    assert vit_studies.facts("hunger", behind, CFG)["equal"] == 0
    for name in ("note_hunger", "note_hunger_ahead"):
        for lang in ("en", "zh"):
            assert SPEC["words"][name][lang].format(**vit_studies.facts("hunger", found, CFG))


def test_the_nearest_ratio() -> None:
    from models.masked_autoencoder import RATIOS

    assert RATIOS[vit_studies.nearest(0.75)] == 0.75 and RATIOS[vit_studies.nearest(0.1)] == 0.1
    assert RATIOS[vit_studies.nearest(0.93)] == 0.95


def test_own_picture_only_where_one_is_looked_at() -> None:
    mine = own()
    assert vit_studies.picture("swin", mine) is mine and vit_studies.picture("hunger", mine) is None
