"""Weights as bytes with a scale per row: by hand, against explicit loops, their largest error, files there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.stored_rows import read, to_bytes, write


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_by_hand() -> None:
    stored, scale = to_bytes(torch.tensor([[1.27, -0.64, 0.004], [0.0, 0.0, 0.0]]))
    assert stored.tolist() == [[127, -64, 0], [0, 0, 0]]
    assert scale[:, 0].tolist() == pytest.approx([0.01, 1.0])


def test_each_row_has_its_own_scale_and_half_a_step_of_error() -> None:
    weight = torch.randn(7, 5, 11, generator=rng()) * torch.logspace(-3, 3, 5)[:, None]
    stored, scale = to_bytes(weight)
    assert scale.shape == (7, 5, 1) and stored.dtype == torch.int8
    for i in range(7):
        for j in range(5):
            largest = max(abs(float(x)) for x in weight[i, j])
            assert float(scale[i, j, 0]) == pytest.approx(largest / 127, rel=1e-6)
            assert int(stored[i, j].abs().max()) == 127
    error = (stored.float() * scale - weight).abs()
    assert bool((error <= 0.5001 * scale).all()) and float((error / scale).max()) > 0.4


def test_files(tmp_path: Path) -> None:
    weights = {
        "matrix": torch.randn(13, 17, generator=rng()),
        "vector": torch.randn(19, generator=rng()),
        "count": torch.tensor([3, 5]),
    }
    write(weights, tmp_path / "w.safetensors")
    found = read(tmp_path / "w.safetensors")
    assert set(found) == set(weights) and found["count"].tolist() == [3, 5]
    assert torch.equal(found["vector"], weights["vector"].half().float())
    stored, scale = to_bytes(weights["matrix"])
    assert torch.equal(found["matrix"], stored.float() * scale)
    again = tmp_path / "again.safetensors"
    write(found, again)
    torch.testing.assert_close(read(again)["matrix"], found["matrix"])
    big = torch.randn(211, 199, generator=rng())
    write({"big": big}, tmp_path / "big.safetensors")
    assert (tmp_path / "big.safetensors").stat().st_size < 1.05 * big.numel()
