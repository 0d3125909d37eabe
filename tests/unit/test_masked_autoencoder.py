"""The masked autoencoder against transformers' ViTMAE with copied weights; its limits; what the shipped one says."""

from __future__ import annotations

import functools
import hashlib
import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models import masked_autoencoder as mae
from models.masked_autoencoder import RATIOS, MaskedAutoencoder, paint, paint_facts, random_masking, unpatchify
from models.scenes import draw, scatter
from models.small_vision import waves
from models.vision_transformer import Shape, patchify

SMALL = Shape(n_pixel=15, patch=3, d_model=12, n_layer=2, n_head=3, d_ff=17)  # 5 x 5 patches
D_DECODER, N_DECODER, N_HEAD, RATIO = 20, 3, 5, 0.6


def noise(n: int, seed: int = 0, side: int = 5) -> Tensor:
    return torch.rand(n, side**2, generator=torch.Generator().manual_seed(seed))


@functools.cache
def small() -> MaskedAutoencoder:
    """Random weights, all of them different from 0 and 1."""
    source = torch.Generator().manual_seed(1)
    model = MaskedAutoencoder(SMALL, D_DECODER, N_DECODER, N_HEAD)
    for weight in model.parameters():
        weight.data = 0.5 * torch.randn(weight.shape, generator=source)
    return model.requires_grad_(False).eval()


@functools.cache
def theirs():  # type: ignore[no-untyped-def]
    """ViTMAEForPreTraining with the same weights. Its decoder flattens a patch as row, column, channel."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    ours = small()
    model = ViTMAEForPreTraining(
        ViTMAEConfig(
            hidden_size=SMALL.d_model, num_hidden_layers=SMALL.n_layer, num_attention_heads=SMALL.n_head,
            intermediate_size=SMALL.d_ff, image_size=SMALL.n_pixel, patch_size=SMALL.patch, layer_norm_eps=1e-5,
            decoder_hidden_size=D_DECODER, decoder_num_hidden_layers=N_DECODER, decoder_num_attention_heads=N_HEAD,
            decoder_intermediate_size=4 * D_DECODER, mask_ratio=RATIO, hidden_act="gelu", norm_pix_loss=False,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
    )  # fmt: skip
    encoder = ours.encoder
    order = torch.arange(3 * SMALL.patch**2).view(3, -1).T.flatten()
    state = {
        "vit.embeddings.cls_token": encoder.cls[None, None],
        "vit.embeddings.position_embeddings": encoder.position[None],
        "vit.embeddings.patch_embeddings.projection.weight": encoder.embed.weight,
        "vit.embeddings.patch_embeddings.projection.bias": encoder.embed.bias,
        "vit.layernorm.weight": encoder.norm.weight,
        "vit.layernorm.bias": encoder.norm.bias,
        "decoder.mask_token": ours.mask_token[None, None],
        "decoder.decoder_pos_embed": ours.position[None],
        "decoder.decoder_embed.weight": ours.narrow.weight,
        "decoder.decoder_embed.bias": ours.narrow.bias,
        "decoder.decoder_norm.weight": ours.norm.weight,
        "decoder.decoder_norm.bias": ours.norm.bias,
        "decoder.decoder_pred.weight": ours.head.weight[order],
        "decoder.decoder_pred.bias": ours.head.bias[order],
    }
    for prefix, blocks in (("vit.layers", encoder.blocks), ("decoder.decoder_layers", ours.blocks)):
        for i, block in enumerate(blocks):
            parts = {"attention.o_proj": block.attention.out, "mlp.fc1": block.mlp[0], "mlp.fc2": block.mlp[2],
                     "layernorm_before": block.norm_1, "layernorm_after": block.norm_2}  # fmt: skip
            for name, part in parts.items():
                state |= {f"{prefix}.{i}.{name}.{kind}": getattr(part, kind) for kind in ("weight", "bias")}
            for kind in ("weight", "bias"):
                split = getattr(block.attention.qkv, kind).chunk(3)
                state |= {f"{prefix}.{i}.attention.{n}_proj.{kind}": w for n, w in zip("qkv", split, strict=True)}
    model.load_state_dict(state)
    return model.eval()


def test_random_masking_is_that_of_transformers() -> None:
    source = noise(7)
    patches = torch.randn(7, 25, 11, generator=torch.Generator().manual_seed(3))
    kept, mask, restore = theirs().vit.embeddings.random_masking(patches, source)
    ours = random_masking(source, RATIO)
    assert torch.equal(patches.gather(1, ours.kept[:, :, None].expand(-1, -1, 11)), kept)
    assert torch.equal(ours.hidden.float(), mask) and torch.equal(ours.restore, restore)


def test_masking_counts() -> None:
    found = random_masking(noise(3, side=14), 0.75)
    assert found.kept.shape == (3, 49) and (found.hidden.sum(1) == 147).all(), "49 of 196 patches are visible"
    none = random_masking(noise(3), 0.0)
    assert not none.hidden.any() and (none.kept.sort(1).values == torch.arange(25)).all()
    for row, hidden in zip(found.kept, found.hidden, strict=True):
        assert sorted(row.tolist()) == (~hidden).nonzero().flatten().tolist(), "kept and hidden are complements"
    low, high = random_masking(noise(2, 9), 0.3).hidden, random_masking(noise(2, 9), 0.8).hidden
    assert (high | ~low).all(), "what a low ratio hides, a higher one hides too"
    by_hand = random_masking(torch.tensor([[0.9, 0.1, 0.5, 0.3]]), 0.5)
    assert by_hand.kept.tolist() == [[1, 3]] and by_hand.hidden.tolist() == [[True, False, True, False]]
    assert by_hand.restore.tolist() == [[3, 0, 2, 1]]


def test_the_whole_model_against_transformers() -> None:
    picture = torch.randn(4, 3, 15, 15, generator=torch.Generator().manual_seed(2))
    masking = random_masking(noise(4), RATIO)
    with torch.no_grad():
        right = theirs()(picture, noise=noise(4))
    said = small()(picture, masking)
    channels_last = said.unflatten(2, (3, 9)).transpose(2, 3).flatten(2)
    assert torch.allclose(channels_last, right.logits, atol=2e-5)
    assert float(mae.loss(said, picture, masking.hidden)) == pytest.approx(float(right.loss), rel=1e-5)


def test_hidden_pixels_change_nothing() -> None:
    picture = torch.randn(1, 3, 15, 15, generator=torch.Generator().manual_seed(2))
    masking = random_masking(noise(1), RATIO)
    mask = unpatchify(masking.hidden[..., None].float().expand(-1, -1, 27)).bool()
    other = torch.where(mask, torch.full_like(picture, 9.0), picture)
    assert torch.equal(small()(picture, masking), small()(other, masking))
    touched = torch.where(mask, picture, torch.full_like(picture, 9.0))
    assert not torch.allclose(small()(picture, masking), small()(touched, masking))


def test_the_loss_counts_hidden_patches_alone() -> None:
    picture = torch.randn(2, 3, 15, 15, generator=torch.Generator().manual_seed(4))
    hidden = random_masking(noise(2), RATIO).hidden
    said = torch.zeros(2, 25, 27)
    slow = [
        float(picture[b, :, 3 * (i // 5) : 3 * (i // 5) + 3, 3 * (i % 5) : 3 * (i % 5) + 3].square().mean())
        for b in range(2)
        for i in range(25)
        if hidden[b, i]
    ]
    assert float(mae.loss(said, picture, hidden)) == pytest.approx(sum(slow) / len(slow), rel=1e-5)
    said[~hidden] = 100.0
    assert float(mae.loss(said, picture, hidden)) == pytest.approx(sum(slow) / len(slow), rel=1e-5)


def test_unpatchify_undoes_patchify() -> None:
    picture = torch.randn(2, 3, 21, 21, generator=torch.Generator().manual_seed(5))
    assert torch.equal(unpatchify(patchify(picture, 3)), picture)
    assert torch.equal(unpatchify(patchify(picture, 7)), picture)


def test_waves_are_those_of_transformers() -> None:
    from transformers.models.vit_mae.modeling_vit_mae import build_2d_sinusoidal_position_embedding as right

    assert torch.allclose(waves(7, 20), right(7, 7, 20, cls_token=True), atol=1e-6)
    assert waves(3, 4)[1 + 2 * 3 + 1].tolist() == pytest.approx([0.9092974, -0.4161468, 0.8414710, 0.5403023]), (
        "row 2, column 1: sin 2, cos 2, sin 1, cos 1"
    )


def test_a_fresh_one_starts_as_said() -> None:
    a, b = (MaskedAutoencoder().start(torch.Generator().manual_seed(s)) for s in (0, 0))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert torch.equal(a.position, waves(14, 64)) and torch.equal(a.encoder.position, waves(14, 96))
    assert float(a.blocks[0].mlp[2].weight.detach().std()) == pytest.approx(256**-0.5, rel=0.05)


# --- the shipped one -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def painted() -> mae.Painted:
    return paint(draw(scatter(torch.Generator().manual_seed(11), 1, counts=(2,)), 56), seed=5)


def test_every_field_of_what_is_painted(painted: mae.Painted) -> None:
    picture = draw(scatter(torch.Generator().manual_seed(11), 1, counts=(2,)), 56)
    assert torch.equal(painted.image, mae.as_bytes(picture)[0]) and painted.image.dtype == torch.uint8
    order = torch.rand(1, 196, generator=torch.Generator().manual_seed(5))[0].argsort().tolist()
    for f in (0, 6, 10):
        n_keep = int(196 * (1 - RATIOS[f]))
        assert (~painted.hidden[f]).nonzero().flatten().tolist() == sorted(order[:n_keep])
        with torch.no_grad():
            said = mae.load()(
                picture, random_masking(torch.rand(1, 196, generator=torch.Generator().manual_seed(5)), RATIOS[f])
            )
        whole = F.fold(said.transpose(1, 2), 56, 4, stride=4)
        assert (painted.said[f].int() - mae.as_bytes(whole)[0].int()).abs().max() <= 1
        shown, errors, visible = [], [], []
        for i in range(196):
            y, x = 4 * (i // 14), 4 * (i % 14)
            right = picture[0, :, y : y + 4, x : x + 4]
            if painted.hidden[f, i]:
                errors.append(float((whole[0, :, y : y + 4, x : x + 4] - right).square().mean()))
                assert float(painted.cell[f, i]) == pytest.approx(errors[-1], rel=1e-3, abs=1e-6)
                assert torch.equal(painted.painted[f, y : y + 4, x : x + 4], painted.said[f, y : y + 4, x : x + 4])
                shown.append(right)
            else:
                visible.append(right)
                assert painted.cell[f, i] == 0
                assert torch.equal(painted.painted[f, y : y + 4, x : x + 4], painted.image[y : y + 4, x : x + 4])
        assert float(painted.error[f]) == pytest.approx(sum(errors) / len(errors), rel=1e-3)
        mean = torch.stack(visible).mean((0, 2, 3))
        plain = (torch.stack(shown) - mean[:, None, None]).square().mean()
        assert float(painted.plain[f]) == pytest.approx(float(plain), rel=1e-4)


def test_the_captions_numbers(painted: mae.Painted) -> None:
    said = paint_facts(painted, 6)
    assert (said["ratio"], said["visible"], said["hidden"], said["n_patch"]) == (0.75, 49, 147, 196)
    assert said["gain"] == pytest.approx(float(painted.plain[6] / painted.error[6]))
    assert [paint_facts(painted, f)["visible"] for f in (0, 10)] == [176, 9]


def test_the_shipped_one_paints_well() -> None:
    """Fresh scenes: far nearer than the mean colour of what is visible, also of combinations never trained on."""
    model, card = mae.load(), json.loads((mae.WEIGHTS / "masked_autoencoder.json").read_text(encoding="utf-8"))
    for name, held_out in (("seen", False), ("held_out", True)):
        pictures = draw(scatter(torch.Generator().manual_seed(77), 24, held_out), 56)
        masking = random_masking(torch.rand(24, 196, generator=torch.Generator().manual_seed(78)), 0.75)
        with torch.no_grad():
            error = float(mae.loss(model(pictures, masking), pictures, masking.hidden))
        said = card["measured"][f"{name} 0.75"]
        assert error < 0.55 * said["mean"] and error < 1.4 * said["model"]
    errors = [card["measured"][f"seen {ratio}"]["model"] for ratio in (0.25, 0.5, 0.75, 0.9)]
    assert errors == sorted(errors), "the more is hidden, the harder"


def test_the_card_is_of_these_weights() -> None:
    file = mae.WEIGHTS / "masked_autoencoder.safetensors"
    card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest() and file.stat().st_size < 1.4e6
    assert card["n_param"] == sum(weight.numel() for weight in mae.load().parameters())
