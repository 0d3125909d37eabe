"""The codebook: against Chameleon's quantiser and a slow search, its gradient, its training, its shipped weights."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from models import scenes, vq_scenes
from models.language_model import ModelUnavailable
from models.tiny_lm import WEIGHTS
from models.vq_scenes import N_CODE, N_DIM, N_PLACE, VQScenes, distances, nearest, perplexity, quantise
from training import vq_scenes as training

TINY = training.Recipe(n_step=6, n_row=3, n_free=2, last_revival=5, n_sample=5, n_scatter=6)


def randoms(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_nearest_is_what_a_slow_search_finds() -> None:
    z, book = randoms(2, 5, 3, 7), randoms(11, 5, seed=1)
    code = nearest(z, book)
    assert code.shape == (2, 3, 7)
    for b in range(2):
        for y in range(3):
            for x in range(7):
                far = [sum((float(z[b, d, y, x]) - float(e[d])) ** 2 for d in range(5)) for e in book]
                assert int(code[b, y, x]) == far.index(min(far))
                row = distances(z[b, :, y, x][None], book)[0]
                assert row.tolist() == pytest.approx(far, abs=1e-4)


def test_by_hand() -> None:
    book = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    z = torch.tensor([[1.0, 1.0], [2.0, 3.0]])[:, :, None, None]
    assert distances(z[:, :, 0, 0], book).tolist() == [[2.0, 13.0], [13.0, 2.0]]
    found = quantise(z, book)
    assert found.code.flatten().tolist() == [0, 1]
    assert float(found.commitment) == pytest.approx((1 + 1 + 1 + 1) / 4)


def test_the_first_of_equally_near_entries_is_taken() -> None:
    assert int(nearest(torch.zeros(1, 2, 1, 1), torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))) == 0


def test_the_gradient_goes_straight_through() -> None:
    z, book = randoms(2, 5, 3, 7).requires_grad_(True), randoms(11, 5, seed=1)
    found = quantise(z, book)
    torch.testing.assert_close(found.vector, book[found.code].permute(0, 3, 1, 2))
    weight = randoms(2, 5, 3, 7, seed=2)
    assert torch.equal(torch.autograd.grad((found.vector * weight).sum(), z, retain_graph=True)[0], weight)
    pull = torch.autograd.grad(found.commitment, z)[0]
    torch.testing.assert_close(pull, 2 * (z - found.vector).detach() / z.numel(), msg="towards the entry")


def test_agrees_with_chameleons_quantiser() -> None:
    from models.fusion_reference import quantiser

    found = quantiser(torch.Generator().manual_seed(3))
    assert found["codes"] == 0 and found["code vectors"] < 1e-6 and found["straight-through gradient"] == 0


def test_quantising_twice_changes_nothing() -> None:
    book = randoms(11, 5, seed=1)
    once = quantise(randoms(2, 5, 3, 7), book)
    twice = quantise(once.vector, book)
    assert torch.equal(once.code, twice.code) and float(twice.commitment) < 1e-12


def test_perplexity_counts_what_is_used_alike() -> None:
    assert perplexity(torch.arange(7).repeat(13)) == pytest.approx(7)
    assert perplexity(torch.zeros(5, dtype=torch.long)) == pytest.approx(1)
    uneven = torch.tensor([0, 0, 0, 1])
    assert perplexity(uneven) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


def test_shapes_at_other_sizes() -> None:
    vq = VQScenes(8, 8).requires_grad_(False)
    picture = randoms(2, 3, 48, 48)
    assert vq.vectors(picture).shape == (2, N_DIM, 12, 12)
    assert vq.decode(vq.encode(picture)).shape == picture.shape
    assert float(vq.decode(vq.encode(picture)).abs().max()) <= 1


# --- training --------------------------------------------------------------------------------------------------------


def test_an_interrupted_training_ends_at_the_same_weights(tmp_path: Path) -> None:
    pictures = training.to_bytes(scenes.draw(training.scenes(TINY)))
    whole, log = training.train(TINY, pictures, tmp_path / "whole.pt")
    training.train(TINY, pictures, tmp_path / "parts.pt", stop_at=4)
    parts, _ = training.train(TINY, pictures, tmp_path / "parts.pt")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, parts.state_dict()[name]), name
    assert len(log.losses) == 6
    with pytest.raises(SystemExit):
        training.train(replace(TINY, lr=1.0), pictures, tmp_path / "whole.pt")


def test_running_means_are_the_books_entries() -> None:
    learner = training.Learner()
    z, code = randoms(1, N_DIM, 2, 2), torch.tensor([[[3, 3], [3, 5]]])
    learner.count.zero_()
    learner.follow(z, code, decay=0.0)
    rows = z.permute(0, 2, 3, 1).reshape(-1, N_DIM)
    torch.testing.assert_close(learner.vq.book[3], rows[:3].mean(0))
    torch.testing.assert_close(learner.vq.book[5], rows[3])
    learner.restart(torch.tensor([7]), z, torch.Generator().manual_seed(0))
    assert any(torch.equal(learner.vq.book[7], row) for row in rows) and float(learner.count[7]) == 1


def test_no_training_scene_holds_what_is_held_out() -> None:
    made = training.scenes(replace(TINY, n_sample=300, n_scatter=300))
    assert not any(scene.held_out for scene in made)
    assert {scene.background for scene in made if not scene.objects} == set(scenes.COLOURS)


# --- the shipped weights ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> vq_scenes.Trained:
    return vq_scenes.load()


def test_the_card_is_about_these_weights(shipped: vq_scenes.Trained) -> None:
    file = WEIGHTS / "vq_scenes.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == shipped.card["sha256"]
    assert file.stat().st_size < 1_000_000
    assert shipped.card["n_param"] == sum(value.numel() for value in shipped.model.state_dict().values())


@pytest.mark.parametrize("held_out", [False, True])
def test_scenes_come_back_from_their_codes(shipped: vq_scenes.Trained, held_out: bool) -> None:
    """Scenes of a generator that training did not use; far better than the mean colour, and all of the book in use."""
    picture = scenes.draw(scenes.scatter(torch.Generator().manual_seed(61_803), 80, held_out))
    code = shipped.model.encode(picture)
    error = float(F.mse_loss(shipped.model.decode(code), picture))
    plain = float(F.mse_loss(picture.mean((2, 3), keepdim=True).expand_as(picture), picture))
    assert error < plain / 10
    assert perplexity(code) > N_CODE / 4
    name = "held_out" if held_out else "seen"
    assert error == pytest.approx(shipped.card["measured"][name]["mse"], rel=0.35)


def test_other_codes_are_another_picture(shipped: vq_scenes.Trained) -> None:
    code = shipped.model.encode(scenes.draw(scenes.scatter(torch.Generator().manual_seed(2), 9)))
    assert code.shape == (9, 8, 8) and code[0].numel() == N_PLACE
    shuffled = code.roll(1, 0)
    own, other = shipped.model.decode(code), shipped.model.decode(shuffled)
    assert float((own - other).abs().mean()) > 0.2


def test_tiles_have_the_colours_of_the_scenes() -> None:
    inks = vq_scenes.inks().float() / 255
    assert inks.shape == (N_CODE, 3) and vq_scenes.tiles().shape == (N_CODE, 8, 8, 3)
    for name, rgb in scenes.RGB.items():
        assert float((inks - torch.tensor(rgb)).abs().amax(1).min()) < 0.08, f"no code paints {name}"


def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vq_scenes, "WEIGHTS", tmp_path)
    vq_scenes.load.cache_clear()
    with pytest.raises(ModelUnavailable):
        vq_scenes.load()
    vq_scenes.load.cache_clear()
