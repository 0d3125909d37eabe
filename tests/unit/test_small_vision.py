"""The two small classifiers: their layers against slow loops, their start, and what the shipped ones know."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from models import small_vision
from models.language_model import ModelUnavailable
from models.scenes import COLOURS, SHAPES, Scene, Shape, draw, scatter
from models.small_vision import KINDS, QUESTIONS, VIT, Classifier, Layer, SmallCNN, accuracy, answers, card, fresh, load
from training import vision


@pytest.mark.parametrize("stride", [1, 2])
def test_a_layer_against_a_slow_loop(stride: int) -> None:
    source = torch.Generator().manual_seed(0)
    layer = Layer(3, 5, stride)
    for weight in layer.parameters():
        weight.data = torch.randn(weight.shape, generator=source)
    x = torch.randn(2, 3, 7, 11, generator=source)
    found = layer(x)
    assert found.shape == (2, 5, math.ceil(7 / stride), math.ceil(11 / stride))
    padded = torch.zeros(2, 3, 9, 13)
    padded[:, :, 1:-1, 1:-1] = x
    for v in range(found.shape[2]):
        for u in range(found.shape[3]):
            window = padded[:, :, v * stride : v * stride + 3, u * stride : u * stride + 3]
            sums = torch.einsum("bcyx,dcyx->bd", window, layer.conv.weight) + layer.conv.bias
            norm = (sums - sums.mean(1, keepdim=True)) / (sums.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
            y = norm * layer.norm.weight + layer.norm.bias
            assert torch.allclose(found[:, :, v, u], y * 0.5 * (1 + torch.erf(y / 2**0.5)), atol=1e-4)


def test_the_grids_and_what_the_heads_read() -> None:
    picture = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    cnn, vit = fresh("cnn"), fresh("vit")
    assert [tuple(grid.shape[1:]) for grid in cnn.grids(picture)] == [
        (16, 32, 32), (32, 16, 16), (64, 16, 16), (96, 8, 8), (96, 8, 8)
    ]  # fmt: skip
    assert [tuple(grid.shape[1:]) for grid in vit.grids(picture)] == [(64, 8, 8)] * 4
    assert torch.allclose(cnn.summary(picture), cnn.grids(picture)[-1].flatten(2).mean(2), atol=1e-6)
    seen = vit.body(picture)
    assert torch.allclose(vit.summary(picture), seen.out[:, 0], atol=1e-5)
    tokens = vit.body.tokens(picture)
    assert torch.equal(vit.grids(picture)[0][:, :, 2, 3], tokens[:, 1 + 2 * 8 + 3]), "row 2, column 3 of the grid"
    for model in (cnn, vit):
        logits = model(picture)
        assert {name: one.shape[1] for name, one in logits.items()} == {"shape": 6, "colour": 8, "size": 2}
        right = F.linear(model.summary(picture), model.heads["colour"].weight, model.heads["colour"].bias)
        assert torch.allclose(logits["colour"], right)


def test_nearly_as_many_parameters() -> None:
    sizes = [fresh(kind).n_param for kind in KINDS]
    assert sizes == [164_176, 158_480] and max(sizes) / min(sizes) < 1.05


@pytest.mark.parametrize("kind", KINDS)
def test_the_start(kind: small_vision.Kind) -> None:
    a, b, other = fresh(kind, 1), fresh(kind, 1), fresh(kind, 2)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.heads["shape"].weight, other.heads["shape"].weight)
    for name, weight in a.named_parameters():
        if name.endswith("bias"):
            assert not weight.any(), name
        elif "norm" in name:
            assert (weight == 1).all(), name
        elif weight.dim() > 1 and weight.numel() > 2_000 and "position" not in name:
            assert float(weight.std()) == pytest.approx(weight[0].numel() ** -0.5, rel=0.1), name


def test_answers_and_accuracy_by_hand() -> None:
    scenes = [Scene("white", (Shape("star", "red", "large"),)), Scene("red", (Shape("ring", "black", "small"),))]
    right = answers(scenes)
    assert right["shape"].tolist() == [SHAPES.index("star"), SHAPES.index("ring")]
    assert right["colour"].tolist() == [COLOURS.index("red"), COLOURS.index("black")]
    assert right["size"].tolist() == [1, 0]

    class Fixed(Classifier):
        def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
            wrong = (right["shape"][1] + 1) % 6
            one = F.one_hot(torch.stack((right["shape"][0], wrong)), 6).float()
            return {"shape": one, "colour": F.one_hot(right["colour"], 8).float(), "size": torch.tensor([[0.0, 1]] * 2)}

    model = Fixed("cnn")
    assert accuracy(model, draw(scenes), right) == {"shape": 0.5, "colour": 1.0, "size": 0.5, "all": 0.5}
    flat = {name: torch.zeros(2, len(names)) for name, names in QUESTIONS.items()}
    assert float(small_vision.loss(flat, right)) == pytest.approx(math.log(6) + math.log(8) + math.log(2))


# --- the shipped ones ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tests() -> dict[bool, tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """Fresh scenes, of seeds that neither training nor the card used."""
    found = {}
    for held_out in (False, True):
        scenes = scatter(torch.Generator().manual_seed(555), 300, held_out, counts=(1,))
        assert all(scene.held_out == held_out for scene in scenes)
        found[held_out] = draw(scenes), answers(scenes)
    return found


def test_accuracy_of_the_shipped_ones(tests: dict) -> None:
    cnn, vit = (accuracy(load(kind), *tests[False]) for kind in KINDS)
    assert cnn["all"] > 0.97 and vit["shape"] > 0.8 and vit["colour"] > 0.97 and vit["size"] > 0.9
    for kind, found in (("cnn", cnn), ("vit", vit)):
        said = card()["shipped"][kind]["seen"]
        assert all(abs(found[name] - said[name]) < 0.06 for name in said), "the card says what a fresh sample says"


def test_combinations_never_shown_are_harder(tests: dict) -> None:
    """Both learn that a shape is never of some colours: an exclusion that a test on seen kinds cannot notice."""
    for kind in KINDS:
        seen, held = accuracy(load(kind), *tests[False]), accuracy(load(kind), *tests[True])
        assert held["shape"] < seen["shape"] - 0.2
        assert abs(held["shape"] - card()["shipped"][kind]["held_out"]["shape"]) < 0.08


def test_an_untrained_one_knows_nothing(tests: dict) -> None:
    for kind in KINDS:
        assert accuracy(fresh(kind), *tests[False])["all"] < 0.1


def test_the_card_is_of_these_weights() -> None:
    for kind in KINDS:
        file = small_vision.WEIGHTS / f"vision_{kind}.safetensors"
        assert card()["sha256"][kind] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert file.stat().st_size < 400_000
        assert card()["shipped"][kind]["n_param"] == load(kind).n_param


def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_vision, "WEIGHTS", tmp_path)
    load.cache_clear()
    card.cache_clear()
    try:
        with pytest.raises(ModelUnavailable):
            load("cnn")
        with pytest.raises(ModelUnavailable):
            card()
    finally:
        load.cache_clear()
        card.cache_clear()


# --- how they were trained -------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> vision.Recipe:
    monkeypatch.setattr(vision, "SIZES", (24, 48))
    monkeypatch.setattr(vision, "CHUNK", 2)
    monkeypatch.setattr(vision, "BY_HEART", 0.0)
    return vision.Recipe("cnn", 24, n_step=4, n_row=5, n_warmup=2)


def test_training_goes_on_where_it_stopped(tiny: vision.Recipe, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    vision.train(tiny, tmp_path / "a")
    vision.train(tiny, tmp_path / "b", stop_at=3)
    vision.train(tiny, tmp_path / "b")
    a, b = vision.last(tiny, tmp_path / "a"), vision.last(tiny, tmp_path / "b")
    assert a is not None and b is not None and a[1].losses == b[1].losses and len(a[1].losses) == 4
    assert all(torch.equal(x, y) for x, y in zip(a[0].parameters(), b[0].parameters(), strict=True))


def test_a_run_ends_when_all_is_known_by_heart(
    tiny: vision.Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision, "BY_HEART", 100.0)
    assert len(vision.train(tiny, tmp_path).losses) == 2


def test_a_smaller_set_is_the_beginning_of_a_larger_one(tiny: vision.Recipe, tmp_path: Path) -> None:
    few, some = vision.drawn(tiny, tmp_path)
    many, more = vision.drawn(vision.Recipe("vit", 48), tmp_path)
    assert many[:24] == few and torch.equal(more[:24], some) and len(more) == 48
    assert not any(scene.held_out for scene in many) and all(len(scene.objects) == 1 for scene in many)
    test = vision.test_sets()
    assert len(test["seen"][0]) == vision.N_TEST and VIT.n_pixel == test["seen"][0].shape[-1]


def test_the_body_is_local() -> None:
    assert SmallCNN()(torch.zeros(1, 3, 8, 8))[-1].shape == (1, 96, 2, 2)
