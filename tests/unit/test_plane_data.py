"""The distributions: where their points are, classes, and what diffusion wants of data."""

from __future__ import annotations

import math

import pytest
import torch

from models.drawing import read, write
from models.plane_data import CENTRES, DATA, DEVIATION, MOST_CLASSES, RADIUS, draw, n_class, of_class


def some(data: str, n: int = 6007, **more: str) -> tuple[torch.Tensor, torch.Tensor]:
    made = draw(data, n, torch.Generator().manual_seed(3), **more)
    return made.x, made.label


@pytest.mark.parametrize("data", DATA)
def test_scale_and_classes(data: str) -> None:
    x, label = some(data)
    assert x.shape == (6007, 2) and label.shape == (6007,)
    assert float(x.abs().max()) < 2.4 and float(x.std(0).min()) > 0.6 and float(x.std(0).max()) < 1.4
    assert float(x.mean(0).abs().max()) < 0.35
    assert set(label.tolist()) == set(range(1, n_class(data) + 1)) and n_class(data) <= MOST_CLASSES
    again, _ = some(data)
    assert torch.equal(x, again)
    one = of_class(data, 2, 101, torch.Generator().manual_seed(3))
    assert one.x.shape == (101, 2) and set(one.label.tolist()) == {2}
    assert of_class(data, 0, 101, torch.Generator().manual_seed(3)).x.shape == (101, 2)


def test_moons_are_half_circles() -> None:
    x, label = some("moons")
    centre = 1.35 * torch.tensor([[-0.5, -0.25], [0.5, 0.25]])[label - 1]
    radius = (x - centre).norm(dim=-1)
    assert float(radius.mean()) == pytest.approx(1.35, abs=0.02) and float(radius.std()) == pytest.approx(
        0.07, abs=0.01
    )
    above = (x - centre)[:, 1]
    assert (
        float((above[label == 1] > -0.2).float().mean()) == 1 and float((above[label == 2] < 0.2).float().mean()) == 1
    )


def test_the_spiral_turns_outwards() -> None:
    """The angle follows from the radius, up to full turns."""
    x, label = some("swiss_roll")
    radius = x.norm(dim=-1)
    off = torch.atan2(x[:, 1], x[:, 0]) - radius / 2.05 * 4.5 * math.pi
    off = (off + math.pi) % (2 * math.pi) - math.pi
    assert float(off.abs().mean()) < 0.35  # a spread of 0.05 shifts the radius by that of a third of a radian
    means = [float(radius[label == k].mean()) for k in (1, 2, 3)]
    assert means[0] < means[1] < means[2]


def test_gaussians_are_where_the_exact_score_believes_them() -> None:
    x, label = some("gaussians")
    off = x - CENTRES[label - 1]
    assert float(off.std()) == pytest.approx(DEVIATION, rel=0.03) and float(off.mean().abs()) < 0.01
    torch.testing.assert_close(CENTRES.norm(dim=-1), torch.full((8,), RADIUS))
    assert float(torch.bincount(label).float()[1:].std()) < 60


def test_the_checkerboard_has_dark_squares_only() -> None:
    x, label = some("checkerboard")
    column, row = (x + 2).floor().long().T
    assert int(column.min()) == int(row.min()) == 0 and int(column.max()) == int(row.max()) == 3
    assert set(((column + row) % 2).tolist()) == {0}
    assert len({(a, b, c) for a, b, c in zip(column.tolist(), row.tolist(), label.tolist(), strict=True)}) == 8


def test_letters_stand_in_their_quarters() -> None:
    x, label = some("letters")
    assert n_class("letters") == 4
    for k, (right, up) in enumerate(((0, 1), (1, 1), (0, 0), (1, 0)), 1):
        middle = x[label == k].mean(0)
        assert (float(middle[0]) > 0) == bool(right) and (float(middle[1]) > 0) == bool(up)
    a, b = x[label == 2] - torch.tensor([1.05, 1.05]), x[label == 4] - torch.tensor([1.05, -1.05])
    torch.testing.assert_close(a.mean(0), b.mean(0), atol=0.05, rtol=0)  # both are the letter A


def test_strokes_are_classes_and_the_eighth_takes_the_rest() -> None:
    text = write([torch.tensor([[-1.0, k / 5], [1.0, k / 5]]) for k in range(-5, 6)])
    assert len(read(text)) == 11 and n_class("drawn", text) == 8
    x, label = some("drawn", text=text)
    assert set(label.tolist()) == set(range(1, 9))
    assert float(x[label == 1, 1].mean()) == pytest.approx(-1, abs=0.05)
    assert float(x[label == 8, 1].min()) < 0.5 < 0.9 < float(x[label == 8, 1].max())
    assert n_class("drawn", "") == 1 and n_class("drawn", "🙂") == 1  # limits are asked for before anything is read
