"""Receptive fields, shifts and data hunger: every number against slow loops, exact Jacobians and known limits."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models import vision_studies
from models.scenes import Scene, Shape, draw, scatter
from models.small_vision import KINDS, card, fresh, load
from models.vision_studies import (
    BY_HEART,
    DEPTH,
    OPERATIONS,
    QUESTION_NAMES,
    SHIFTS,
    Reach,
    Shift,
    equivariance,
    fields,
    hunger,
    hunger_facts,
    operations,
    prodded,
    reach,
    reach_facts,
    ring,
    shift,
    shift_facts,
    stations,
    steadiness,
)
from training.vision import SIZES

PICTURE = draw([Scene("white", (Shape("heart", "red", "large", 0.36, 0.52),))])


@functools.cache
def reached() -> Reach:
    return reach(PICTURE)


@functools.cache
def shifted() -> Shift:
    return shift(PICTURE)


# --- receptive fields ------------------------------------------------------------------------------------------------


def test_receptive_fields_by_hand() -> None:
    """3; then (3 - 1) times the strides so far are added: 1, 2, 2, 4 of them."""
    assert fields().tolist() == [[3, 5, 9, 13, 21], [4, 32, 32, 32, 32]]


def test_what_is_measured_is_what_the_formula_says() -> None:
    assert torch.equal(reached().extent, reached().field)
    effective = reached().effective
    assert (effective <= reached().extent + 1e-3).all() and (effective > 1).all()
    assert (effective[0].diff() > 0).all(), "the CNN sees further with every layer"
    assert torch.allclose(reached().gradient.amax((2, 3)), torch.ones(2, DEPTH))


@pytest.mark.parametrize("m", [0, 1])
def test_what_moved_against_one_change_at_a_time(m: int) -> None:
    model = load(KINDS[m])
    before = stations(model, PICTURE)
    for source in (0, 19, 44, 58):
        i, j = source // 8, source % 8
        other = PICTURE.clone()
        for c in range(3):
            old = float(other[0, c, 4 * i + 2, 4 * j + 2])
            other[0, c, 4 * i + 2, 4 * j + 2] = old - 1 if old > 0 else old + 1
        assert torch.equal(prodded(PICTURE)[source], other[0])
        for layer, (a, b) in enumerate(zip(stations(model, other), before, strict=True)):
            change = (a - b)[0].square().mean(0).sqrt() / b.square().mean().sqrt()
            cell = change.shape[-1] // 8
            slow = torch.stack([
                change[cell * v : cell * (v + 1), cell * u : cell * (u + 1)].max() for v in range(8) for u in range(8)
            ])  # fmt: skip
            assert torch.allclose(reached().moved[m, layer, source], slow, rtol=2e-3, atol=2e-5)


def test_what_is_out_of_reach_does_not_move() -> None:
    """A CNN's cell answers to a pixel if their distance allows it, and to no other; a transformer's to every pixel."""
    moved, field = reached().moved, reached().field
    middle = 4.0 * torch.arange(8) + 2.5
    far = torch.maximum(
        (middle[:, None] - middle[None]).abs().repeat_interleave(8, 0).repeat_interleave(8, 1),
        (middle[:, None] - middle[None]).abs().repeat(8, 8),
    )  # in pixels, along the longer edge
    for layer in range(DEPTH):
        # A cell of 4 pixels has places up to 2 pixels from its middle.
        assert not moved[0, layer][far > field[0, layer] / 2 + 2].any()
    assert (moved[1, 0] > 0).sum() == 64 and (moved[1, 0].diagonal() > 0).all(), "before attention, each its own"
    assert (moved[1, 1:] > 0).all()
    assert reached().share[1].tolist() == [1 / 64, 1, 1, 1, 1]
    assert torch.allclose(reached().share, (moved > 0).float().mean((2, 3)))
    assert (reached().share[0].diff() >= 0).all() and float(reached().share[0, -1]) < 0.6


def test_gradients_against_an_exact_jacobian() -> None:
    model = fresh("cnn").double()
    x = PICTURE.double()

    def middle(picture: Tensor) -> Tensor:
        return model.body(picture)[1][0, :, 8, 8]

    right = torch.autograd.functional.jacobian(middle, x)[:, 0].square().sum((0, 1))
    found = reach(PICTURE, trained=False)
    ours = found.gradient[0, 1].double()
    both = torch.stack((ours.flatten(), (right / right.max()).flatten()))
    assert torch.equal(ours > 0, right > 0) and float(torch.corrcoef(both)[0, 1]) > 0.9
    edge = float((right.sum() ** 2 / (right**2).sum()).sqrt())
    assert float(found.effective[0, 1]) == pytest.approx(edge, rel=0.2)


def test_the_captions_of_the_reach() -> None:
    said = reach_facts(reached())
    assert (said["cnn_first"], said["cnn_last"], said["vit_first"], said["n_layer"]) == (3, 21, 4, 5)
    assert said["vit_share"] == 1.0 and said["cnn_share"] == float(reached().share[0, -1])
    one = reached().moved[1, 1]
    others = [float(one[i, j]) for i in range(64) for j in range(64) if i != j]
    assert said["own"] == pytest.approx(float(one.diagonal().mean()) / (sum(others) / len(others)), rel=1e-3)


# --- shifts ----------------------------------------------------------------------------------------------------------


def test_the_error_by_hand() -> None:
    """One place of four is 1 (spread around the mean: sqrt(3)/2); with stride 2, half a place lies between two."""
    first = torch.tensor([[[1.0, 0, 0, 0]]])
    moved = first.roll(1, -1)
    assert equivariance(torch.stack((first, first, moved)), 8).tolist() == pytest.approx(
        [0, (0.25 + 0.25) ** 0.5 / 0.75**0.5, 0]
    )
    still = equivariance(torch.stack((first, first)), 4)
    assert float(still[1]) == pytest.approx(2**0.5 / 0.75**0.5), "an answer that stays is wrong by the whole way"


def test_a_convolution_moves_along_and_a_stride_breaks_it() -> None:
    error = dict(zip(OPERATIONS, shifted().error, strict=True))
    assert shifted().stride == (1, 2, 2, 2, 4, 4, 4)
    assert float(error["convolution"].max()) < 1e-4
    for name, stride in zip(OPERATIONS, shifted().stride, strict=True):
        if name == "vit":
            continue
        whole = [s for s in SHIFTS if s % stride == 0]
        between = [s for s in SHIFTS if s % stride]
        assert float(error[name][whole].max()) < 1e-4, name
        assert not between or float(error[name][between].min()) > 0.02, name
    assert float(error["vit"][1:].min()) > 0.05, "positions are learned: it never moves along exactly"
    assert (error["average"][1::2] < error["stride"][1::2]).all(), "blurring before halving helps"
    assert all(float(one[0]) == 0 for one in error.values())


def test_the_ring_is_the_network_without_borders() -> None:
    body = load("cnn").body
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    grids, right = ring(body, x), body(x)
    assert torch.allclose(grids[0][..., 1:-1, 1:-1], right[0][..., 1:-1, 1:-1], atol=1e-5)
    assert torch.allclose(grids[2][..., 3:-3, 3:-3], right[2][..., 3:-3, 3:-3], atol=1e-4)
    assert not torch.allclose(grids[0], right[0], atol=1e-2), "but for the borders"
    wide = F.pad(x, (12,) * 4, mode="circular")
    assert torch.allclose(grids[-1], body(wide)[-1][..., 3:-3, 3:-3], atol=1e-4), "as a tile of a tiled picture"


def test_the_operations() -> None:
    found = operations(PICTURE)
    first = ring(load("cnn").body, PICTURE)
    assert torch.equal(found["stride"], first[1]) and torch.equal(found["cnn"], first[-1])
    blocks = found["convolution"][0, :, 6:8, 10:12]
    assert torch.allclose(found["average"][0, :, 3, 5], blocks.mean((1, 2)))
    assert torch.allclose(found["maximum"][0, :, 3, 5], blocks.amax((1, 2)))
    vit = load("vit").body
    patch = PICTURE[0, :, 8:12, 20:24]
    right = torch.einsum("cyx,dcyx->d", patch, vit.embed.weight) + vit.embed.bias
    assert torch.allclose(found["patches"][0, :, 2, 5], right, atol=1e-5)
    assert torch.allclose(found["vit"][0, :, 2, 5], vit(PICTURE, keep=True).layers[-1][0, 1 + 2 * 8 + 5], atol=1e-5)


def test_every_other_field_of_a_shift() -> None:
    found = shifted()
    for s in (0, 3, 8):
        moved = torch.cat((PICTURE[..., 32 - s :], PICTURE[..., : 32 - s]), -1)
        assert torch.equal(found.image[s], ((moved[0].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8))
        for m, kind in enumerate(KINDS):
            model = load(kind)
            y, y0 = model.summary(moved)[0], model.summary(PICTURE)[0]
            assert float(found.summary[m, s]) == pytest.approx(float((y - y0).norm() / y0.norm()), abs=1e-4)
            assert torch.allclose(found.probability[m, s], model(moved)["shape"][0].softmax(-1), atol=1e-4)
    assert torch.allclose(found.probability.sum(-1), torch.ones(2, len(SHIFTS)), atol=1e-5)
    said = shift_facts(found, 3)
    assert said["error_stride"] == float(found.error[3, 3]) and said["error_vit"] == float(found.error[6, 3])
    assert said["cnn_change"] == float(found.summary[0, 3]) and said["vit_most"] == float(found.summary[1].max())
    swing = max(float((found.probability[1, s] - found.probability[1, 0]).abs().max()) for s in SHIFTS)
    assert said["vit_swing"] == pytest.approx(swing)


def test_the_cnn_is_steadier_than_the_transformer() -> None:
    found = steadiness(60)
    assert found.shape == (2, len(SHIFTS)) and found[:, 0].tolist() == [1, 1]
    assert float(found[0, 1:].min()) > 0.95
    assert float(found[1, 1:].mean()) < float(found[0, 1:].mean()) - 0.02
    pictures = draw(scatter(torch.Generator().manual_seed(5), 16, counts=(1,)))
    change = []
    for kind in KINDS:
        y, y0 = load(kind).summary(pictures.roll(2, -1)), load(kind).summary(pictures)
        change.append(float(((y - y0).norm(dim=1) / y0.norm(dim=1)).mean()))
    assert change[0] < 0.7 * change[1], "what the CNN's heads read is a mean over all places"


# --- hunger ----------------------------------------------------------------------------------------------------------


def test_hunger_is_the_card() -> None:
    found = hunger()
    assert found.n_picture == SIZES, "every size was run with both kinds"
    for run in card()["hunger"]:
        if run["n_picture"] not in found.n_picture:
            continue
        m, n = KINDS.index(run["kind"]), found.n_picture.index(run["n_picture"])
        for q, name in enumerate(QUESTION_NAMES):
            assert float(found.seen[m, q, n]) == pytest.approx(run["seen"][name])
            assert float(found.held_out[m, q, n]) == pytest.approx(run["held_out"][name])
            assert float(found.train[m, q, n]) == pytest.approx(run["train"][name])
    said = hunger_facts(found, "shape")
    q = QUESTION_NAMES.index("shape")
    assert said["cnn_high"] == float(found.seen[0, q, -1]) and said["vit_low"] == float(found.seen[1, q, 0])
    assert said["vit_held"] == float(found.held_out[1, q, -1])
    enough = [n for n, share in zip(found.n_picture, found.seen[0, q].tolist(), strict=True) if share >= 0.9]
    assert said["cnn_enough"] == (enough[0] if enough else 0)
    gaps = [float(found.seen[0, q, n] - found.seen[1, q, n]) for n in range(len(found.n_picture))]
    assert said["gap"] == pytest.approx(max(gaps))
    best = max(found.seen[1, q])
    assert said["equal"] == next(n for i, n in enumerate(found.n_picture) if min(found.seen[0, q, i:]) >= best)
    fitted = 0
    for n, both in zip(found.n_picture, found.train[:, q].T, strict=True):
        if min(both) < BY_HEART:
            break
        fitted = n
    assert said["fitted"] == fitted and said["vit_fit"] == float(found.train[1, q, -1])


def test_the_transformer_is_hungrier() -> None:
    found = hunger()
    q = QUESTION_NAMES.index("shape")
    assert float(found.seen[0, q, -1]) > 0.97 > float(found.seen[1, q, -1])
    assert float((found.seen[0, q] - found.seen[1, q]).max()) > 0.15
    assert float(found.seen[0, q, -1] - found.seen[0, q, 0]) > 0.2, "more pictures help"
    said = hunger_facts(found, "shape")
    assert 0 < 8 * said["equal"] <= found.n_picture[-1], "eight times fewer do for the CNN"
    assert said["vit_fit"] < BY_HEART < said["cnn_fit"], "the ViT's steps end before it knows its pictures"
    both = found.n_picture.index(said["fitted"])
    assert said["fitted"] >= 1_600 and float((found.seen[0, q] - found.seen[1, q])[: both + 1].min()) > 0.1
    assert (found.train[:, QUESTION_NAMES.index("all"), 0] > 0.95).all(), "few pictures are learned by heart"


def test_a_classifier_that_does_not_exist() -> None:
    with pytest.raises(ValueError):
        vision_studies.classifier("resnet")
