"""Colours from principal axes: against eigenvectors, the nobody's sign, and vectors that are all the same."""

from __future__ import annotations

import torch

from models.principal_colours import principal


def test_axes_are_eigenvectors_of_the_covariance() -> None:
    x = torch.randn(101, 7, generator=torch.Generator().manual_seed(0)) * torch.tensor([9.0, 1, 4, 2, 0.5, 0.1, 0.2])
    found = principal(x)
    centred = (x - x.mean(0)).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    for i in range(3):
        assert abs(float(found.axis[i].double() @ vectors[:, -1 - i])) > 0.9999
        assert float(found.axis[i, found.axis[i].abs().argmax()]) > 0
        place = centred @ found.axis[i].double()
        assert abs(float(place.square().sum() / values[-1 - i]) - 1) < 1e-4
    colours = found.paint(x)
    assert colours.shape == (101, 3) and int(colours.min()) == 24 and int(colours.max()) == 244


def test_the_same_vectors_have_the_same_colours_mirrored_ones_others() -> None:
    x = torch.randn(53, 5, generator=torch.Generator().manual_seed(1))
    assert torch.equal(principal(x).paint(x), principal(x.clone()).paint(x))
    order = torch.randperm(53, generator=torch.Generator().manual_seed(2))
    assert torch.equal(principal(x[order]).paint(x), principal(x).paint(x))


def test_no_variance_is_no_fault() -> None:
    assert principal(torch.ones(11, 5)).paint(torch.ones(2, 5)).shape == (2, 3)
    assert principal(torch.eye(3)).paint(torch.eye(3)).shape == (3, 3)
