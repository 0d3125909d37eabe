"""What is counted: arithmetic by hand, the counter of operations against formulas, published numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models import latent_sizes as sizes
from models.latent_sizes import Size, components, differences, injected, latents, operations, pixels, saving


def test_512_by_hand() -> None:
    assert pixels(512) == Size(262_144, 786_432, 68_719_476_736)
    assert latents(512) == Size(4_096, 16_384, 16_777_216)
    assert saving(512) == {"position": 64.0, "value": 48.0, "pair": 4096.0}
    assert latents(32, factor=4) == Size(64, 256, 4_096), "the pictures of this page"
    for resolution in sizes.RESOLUTIONS:
        assert saving(resolution) == saving(512), "the ratios do not depend on the size"


def test_operations_are_multiplications_and_additions() -> None:
    line = nn.Linear(7, 11, bias=False, device="meta")
    assert operations(lambda: line(torch.zeros(13, 7, device="meta"))) == 2 * 7 * 11 * 13
    conv = nn.Conv2d(3, 5, 3, padding=1, bias=False, device="meta")
    assert operations(lambda: conv(torch.zeros(1, 3, 17, 19, device="meta"))) == 2 * 9 * 3 * 5 * 17 * 19


@pytest.fixture(scope="module")
def real() -> sizes.Real:
    return sizes.stable_diffusion()


def test_the_published_counts(real: sizes.Real) -> None:
    """Model card of Stable Diffusion v1: "860M UNet", "123M text encoder"; the exact number: diffusers' own weights."""
    at = dict(zip(sizes.PARTS, real.parameter, strict=True))
    assert round(at["unet"] / 1e6) == 860 and at["unet"] == 859_520_964
    assert round(at["text"] / 1e6) == 123
    assert round((at["encoder"] + at["decoder"]) / 1e6, 1) == 83.7
    vae = sizes.modules()["vae"]
    assert at["encoder"] + at["decoder"] == sum(weight.numel() for weight in vae.parameters()), "nothing lost or twice"
    assert max(differences().values()) == 0


def test_computation_does_not_fall_64_times(real: sizes.Real) -> None:
    """Convolutions fall 64 times and self-attention at the finest level 4096 times: the whole lies between."""
    unet = real.operation[sizes.PARTS.index("unet")]
    ratio = real.pixel_operation / unet
    assert 64 < ratio < 4096 and ratio == pytest.approx(679, rel=0.02)
    assert sizes.unet_operations(128) / unet > 4, "more than the positions"
    said = sizes.sixty_four()
    assert said["measured"] == pytest.approx(ratio) and said["decoder_evaluations"] == pytest.approx(3.13, rel=0.02)
    assert said["decoder_share"] == pytest.approx(said["decoder"] / (said["decoder"] + 100 * said["unet"]))


def test_what_the_claims_say(real: sizes.Real) -> None:
    found = components()
    assert found["total_million"] == pytest.approx(sum(real.parameter) / 1e6)
    assert found["text_million"] > found["encoder_million"] + found["decoder_million"]
    said = injected()
    assert (said["n_cross"], said["n_self"], said["n_word"], said["width"]) == (16, 16, 77, 768)
    # Widths of the 16 layers: 5 of 320, 5 of 640, 6 of 1280; each has W_Q and W_O (with a bias) and W_K, W_V from 768.
    count = sum(n * (2 * d * d + d + 2 * 768 * d) for n, d in ((5, 320), (5, 640), (6, 1280)))
    assert said["cross_million"] == pytest.approx(count / 1e6)


def test_stations_in_order() -> None:
    theirs, ours = sizes.both_stages()
    assert [one.name for one in theirs] == [one.name for one in ours]
    assert [one.name for one in theirs if not one.used] == ["encoder"]
    assert sum(one.parameter for one in theirs) == sum(sizes.parameters().values())
    assert {one.name: one.shape for one in ours}["latent"] == "4 × 8 × 8"
    assert {one.name: one.shape for one in theirs}["words"] == "77 × 768"
