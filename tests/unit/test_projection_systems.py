"""Published systems: numbers worked out by hand, and what the claims say of them."""

from __future__ import annotations

import pytest

from models import projection_systems as systems


def test_sizes_by_hand() -> None:
    first, seven, thirteen, queries = systems.published()
    assert first.bridge == 1024 * 5120 + 5120 and (first.n_patch, first.n_token) == (16 * 16, 256)
    assert seven.bridge == 1024 * 4096 + 4096 + 4096 * 4096 + 4096 and seven.n_token == 24 * 24
    assert thirteen.bridge == 1024 * 5120 + 5120 + 5120 * 5120 + 5120 and thirteen.d_model == 5120
    assert seven.language == pytest.approx(6.74e9, rel=2e-3) and first.language == pytest.approx(13.02e9, rel=2e-3)
    # CLIP ViT-L/14: patches, 24 blocks of 12 d^2 + 13 d, [CLS], positions and two LayerNorms besides
    d = 1024
    blocks = 24 * (12 * d * d + 13 * d)
    assert first.encoder == blocks + 3 * 14 * 14 * d + d + 257 * d + 2 * 2 * d
    assert (queries.n_token, queries.d_feature, queries.d_model) == (32, 1408, 2560)
    assert queries.trained == (True, False) and 1.0e8 < queries.bridge < 1.1e8


def test_the_claims_numbers() -> None:
    found = systems.shapes()
    assert (found["n_out"], found["width"], found["joint"], found["n_patch"]) == (257, 1024, 768, 256)
    assert (found["thirteen"], found["seven"], found["n_large"]) == (5120, 4096, 576)
    data = systems.data()
    assert data["conversation"] + data["detail"] + data["reasoning"] == data["instruction_thousand"] == 158
    assert data["share"] == pytest.approx(595 / 3300) and data["times"] == pytest.approx(400_000 / 558)
    kinds = systems.kinds()
    assert (kinds["linear_token"], kinds["mlp_token"], kinds["query_token"]) == (256, 576, 32)
    assert kinds["query_share"] == 32 / 4096
