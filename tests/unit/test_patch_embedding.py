"""Patches: three ways of projecting them, what is left over, and the counts, by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.patch_embedding import N_PIXEL, WIDTH, bytes_of, convolved, cut, looped, size, unfolded


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(9, 31))
def test_three_ways_are_one(patch: int, n_pixel: int) -> None:
    picture, weight, bias = noise(3, n_pixel, n_pixel), noise(5, 3, patch, patch, seed=1), noise(5, seed=2)
    one, two, three = (way(picture, weight, bias) for way in (convolved, unfolded, looped))
    assert one.shape == ((n_pixel // patch) ** 2, 5)
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-4)


def test_one_number_by_hand() -> None:
    picture = torch.zeros(3, 6, 6)
    picture[1, 2, 5] = 4.0  # green, row 2, column 5: patch 2 of the first row of 2 x 2 patches of 3 pixels
    weight = torch.zeros(1, 3, 3, 3)
    weight[0, 1, 2, 2] = 0.5
    for way in (convolved, unfolded, looped):
        assert way(picture, weight, torch.tensor([1.0])).flatten().tolist() == [1.0, 3.0, 1.0, 1.0]


def test_counts_of_vit_b() -> None:
    one = size(16)
    assert (one.side, one.n_patch, one.n_token, one.n_number, one.left_over) == (14, 196, 197, 768, 0)
    assert one.n_weight == 768 * 768 + 768 and one.n_pair == 197**2 and (N_PIXEL, WIDTH) == (224, 768)
    assert (size(17).side, size(17).left_over) == (13, 3), "224 = 13 x 17 + 3"
    assert (size(100).side, size(100).left_over) == (2, 24)
    with pytest.raises(ValueError, match="no patch"):
        size(225)


def test_a_cut_picture() -> None:
    picture = noise(3, 31, 31).clamp(-1, 1)
    found = cut(picture, 7)
    assert found.picture.shape == (28, 28, 3) and found.mean.shape == (16, 3)
    assert torch.equal(found.picture, bytes_of(picture[:, :28, :28].permute(1, 2, 0)))
    patch_6 = picture[:, 7:14, 14:21].mean((1, 2))  # row 1, column 2 of 4 x 4
    assert torch.equal(found.mean[6], bytes_of(patch_6))
    assert 0 <= found.unfolded < 1e-4 and 0 <= found.looped < 1e-4 and found.largest > 0.5
    assert bytes_of(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0, 128, 255]
    changed = picture.clone()
    changed[:, 28:] = 1.0
    assert torch.equal(cut(changed, 7).picture, found.picture), "what is left over is never read"
