"""What is read out of a Vision Transformer, each by another way: explicit loops, known limits, conservation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from models import dinov2, vit_reading
from models.vision_transformer import Shape, VisionTransformer

SIDE, PATCH, D = 3, 5, 14
SHAPE = Shape(n_pixel=SIDE * PATCH, patch=PATCH, d_model=D, n_layer=2, n_head=7, d_ff=11)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model() -> Any:
    made = VisionTransformer(SHAPE).start(source())
    made.position.data = torch.randn(1 + SIDE**2, D, generator=source(1)) * 0.5
    return made.requires_grad_(False)


def attention(n_layer: int = 2, n_head: int = 7, t: int = 1 + SIDE**2) -> torch.Tensor:
    return torch.randn(n_layer, n_head, t, t, generator=source(3)).mul(2).softmax(-1)


def test_reading_is_the_model() -> None:
    net, picture = model(), torch.randn(2, 3, 15, 15, generator=source(2))
    whole = net(picture, keep=True)
    seen = vit_reading.read(net, vit_reading.embed(net, picture))
    torch.testing.assert_close(seen.out, whole.out)
    for a, b in zip(seen.attention + seen.layers, whole.attention + whole.layers, strict=True):
        torch.testing.assert_close(a, b)
    assert vit_reading.read(net, vit_reading.embed(net, picture), keep=False).layers == ()
    without = vit_reading.embed(net, picture, positioned=False)
    torch.testing.assert_close(without + net.position, net.tokens(picture))


def test_the_real_model_without_positions() -> None:
    net = dinov2.Dinov2(dinov2.Shape(patch=5, d_model=14, n_layer=1, n_head=7, d_ff=11, side=4))
    torch.nn.init.normal_(net.position, generator=source())
    torch.nn.init.normal_(net.cls, generator=source(1))
    picture = torch.randn(1, 3, 15, 15, generator=source(2))
    with torch.no_grad():
        left = vit_reading.embed(net, picture, positioned=False)
        torch.testing.assert_close(left + net.positions(3), net.tokens(picture))
        torch.testing.assert_close(vit_reading.positions(net, 3), net.positions(3))


def test_without_positions_order_does_not_matter() -> None:
    net, picture = model(), torch.randn(3, 15, 15, generator=source(4))
    order = torch.randperm(9, generator=source(5))
    mixed = vit_reading.shuffled(picture, PATCH, order)
    outs = [vit_reading.read(net, vit_reading.embed(net, one[None], False)).out[0] for one in (picture, mixed)]
    torch.testing.assert_close(outs[0][0], outs[1][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outs[0][1:][order], outs[1][1:], rtol=1e-4, atol=1e-5)
    with_positions = [vit_reading.read(net, vit_reading.embed(net, one[None])).out[0, 0] for one in (picture, mixed)]
    assert float((with_positions[0] - with_positions[1]).abs().max()) > 1e-3


def test_shuffling_moves_patches_and_loses_none() -> None:
    picture = torch.arange(3 * 15 * 15, dtype=torch.float32).view(3, 15, 15)
    order = torch.tensor([4, 0, 1, 2, 3, 5, 6, 7, 8])
    mixed = vit_reading.shuffled(picture, PATCH, order)
    assert torch.equal(mixed[:, :5, :5], picture[:, 5:10, 5:10]), "place 0 shows patch 4"
    assert torch.equal(mixed.flatten().sort().values, picture.flatten())
    assert torch.equal(vit_reading.shuffled(picture, PATCH, torch.arange(9)), picture)


def test_rollout_by_loops() -> None:
    weights = attention()
    found = vit_reading.rollout(weights, 0.3)
    flow = np.eye(10)
    for i, layer in enumerate(weights.double().mean(1).numpy()):
        now = np.zeros((10, 10))
        for t in range(10):
            for s in range(10):
                now[t, s] = sum((0.3 * (t == m) + 0.7 * layer[t, m]) * flow[m, s] for m in range(10))
        flow = now
        np.testing.assert_allclose(found[i].numpy(), flow, atol=1e-6)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 10))
    torch.testing.assert_close(vit_reading.rollout(weights, 1.0)[-1], torch.eye(10))
    torch.testing.assert_close(vit_reading.rollout(weights, 0.0)[0], weights[0].mean(0))


def test_distance_by_loops_and_in_its_limits() -> None:
    weights = attention()
    found = vit_reading.distance(weights, SIDE, PATCH)
    for layer, head in ((0, 1), (1, 5)):
        total = 0.0
        for i in range(9):
            row = weights[layer, head, 1 + i, 1:]
            far = [PATCH * math.dist(divmod(i, SIDE), divmod(j, SIDE)) for j in range(9)]
            total += sum(float(w) * f for w, f in zip(row, far, strict=True)) / float(row.sum()) / 9
        assert float(found[layer, head]) == pytest.approx(total, rel=1e-5)
    itself = torch.eye(10)[None, None]
    assert float(vit_reading.distance(itself, SIDE, PATCH)) == 0
    even = torch.full((1, 1, 10, 10), 0.1)
    assert float(vit_reading.distance(even, SIDE, PATCH)) == pytest.approx(vit_reading.even_distance(SIDE, PATCH))
    assert vit_reading.even_distance(2, 1) == pytest.approx((2 + 2**0.5) / 4)


def test_positions_on_other_grids() -> None:
    net = model()
    assert vit_reading.positions(net, SIDE) is net.position
    larger = vit_reading.positions(net, 6)
    assert larger.shape == (37, D) and torch.equal(larger[0], net.position[0]), "[CLS] keeps its own"
    flat = model()
    flat.position.data[1:] = 2.5
    torch.testing.assert_close(vit_reading.positions(flat, 7)[1:], torch.full((49, D), 2.5))
    picture = torch.randn(1, 3, 30, 30, generator=source(6))
    assert vit_reading.embed(net, picture).shape == (1, 37, D)
    torch.testing.assert_close(
        vit_reading.embed(net, picture) - vit_reading.embed(net, picture, False), larger[None], rtol=1e-4, atol=1e-5
    )


def test_similarity() -> None:
    x = torch.randn(2, 5, 7, generator=source())
    found = vit_reading.similarity(x)
    want = float(x[1, 2] @ x[1, 4] / x[1, 2].norm() / x[1, 4].norm())
    assert float(found[1, 2, 4]) == pytest.approx(want, abs=1e-6)
    torch.testing.assert_close(found.diagonal(dim1=1, dim2=2), torch.ones(2, 5))


def test_components_against_eigenvectors() -> None:
    x = torch.randn(23, 7, generator=source()) * torch.arange(1, 8)
    score, share = vit_reading.components(x)
    value, vector = np.linalg.eigh(np.cov(x.double().numpy().T))
    np.testing.assert_allclose(share.numpy(), (value[::-1] / value.sum())[:3], rtol=1e-5)
    for k in range(3):
        mine = (x - x.mean(0)).double().numpy() @ vector[:, -1 - k]
        assert abs(np.corrcoef(mine, score[:, k].numpy())[0, 1]) == pytest.approx(1, abs=1e-5)
        assert float(score[score[:, k].abs().argmax(), k]) > 0
    torch.testing.assert_close(score.mean(0), torch.zeros(3), atol=1e-4, rtol=0)


def test_colours_span_the_scale() -> None:
    score = torch.tensor([[0.0, 5.0, 1.0], [1.0, 5.0, -1.0], [4.0, 5.0, 0.0]])
    assert vit_reading.colours(score).tolist() == [[0, 128, 255], [64, 128, 0], [255, 128, 128]]


def test_separation() -> None:
    inside = torch.tensor([1.0, 0.9, 0.1, 0.0])
    assert vit_reading.separation(torch.tensor([3.0, 2.0, 1.0, 0.0]), inside) == 1
    assert vit_reading.separation(torch.tensor([0.0, 1.0, 2.0, 3.0]), inside) == 1, "the sign does not matter"
    assert vit_reading.separation(torch.zeros(4), inside) == 0.5
    assert vit_reading.separation(torch.tensor([3.0, 1.0, 2.0, 0.0]), inside) == 0.75
    assert math.isnan(vit_reading.separation(torch.rand(4, generator=source()), torch.zeros(4)))
