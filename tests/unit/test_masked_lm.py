"""The masked language model: forward pass and objective against slow loops, its corruption, files and training.

References: head-by-head attention written out, one token at a time (models/text_diffusion_reference.py), transformers'
`LlamaForCausalLM` with a mask that hides nothing, exact enumeration of all masks of a short row.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from models import masked_lm, text_quality, tiny_lm
from models.language_model import ModelUnavailable
from models.masked_lm import MaskedLM, corrupt, masked_loss, predict, shares
from models.text_diffusion_reference import plain_logits, slow_loss
from models.tiny_lm import WEIGHTS, Config
from training import masked_lm as training
from training.tiny_lm import Stream

SMALL = Config(vocab_size=17, n_layer=3, n_kv_head=2, group_size=3, n_pair=5, d_model=19, d_ff=23, n_ctx=29)
CARD = json.loads((WEIGHTS / "masked_lm.json").read_text(encoding="utf-8"))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(shift: bool = True) -> MaskedLM:
    """All weights random, gains too, so that none of them can be forgotten unseen."""
    model = MaskedLM(SMALL, shift, rng(1))
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=rng(weight.numel()))
    return model.requires_grad_(False)


# --- the model -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [True, False])
def test_the_forward_pass_is_transformers_own_without_its_mask(shift: bool) -> None:
    """LlamaForCausalLM with copied weights, an attention mask of zeros, and [MASK] as one more row of the table."""
    model = small(shift)
    config = LlamaConfig(
        vocab_size=18, hidden_size=19, num_hidden_layers=3, num_attention_heads=1, num_key_value_heads=1, head_dim=10,
        intermediate_size=23, rms_norm_eps=SMALL.norm_eps, rope_parameters={"rope_type": "default", "rope_theta": 1e4},
        attn_implementation="eager", tie_word_embeddings=True, max_position_embeddings=29,
    )  # fmt: skip
    config.num_attention_heads, config.num_key_value_heads = 6, 2  # its check wants heads that divide the width
    theirs = LlamaForCausalLM(config).eval()
    names = {"gain_attention": "input_layernorm", "gain_mlp": "post_attention_layernorm"}
    names |= {f"w_{x}": f"self_attn.{x}_proj" for x in "qkvo"}
    names |= {f"w_{x}": f"mlp.{x}_proj" for x in ("gate", "up", "down")}
    table = torch.cat((model.embedding, model.embedding_mask))
    weights = {"model.embed_tokens.weight": table, "lm_head.weight": table, "model.norm.weight": model.gain_final}
    for i, layer in enumerate(model.layers):
        weights |= {f"model.layers.{i}.{theirs}.weight": getattr(layer, mine) for mine, theirs in names.items()}
    theirs.load_state_dict(weights)
    ids = torch.randint(18, (2, 13), generator=rng(3))
    with torch.no_grad():
        expected = theirs(ids, attention_mask=torch.zeros(2, 1, 13, 13)).logits[..., :17]
    if shift:
        expected = torch.cat((expected[:, :1], expected[:, :-1]), dim=1)
    torch.testing.assert_close(model(ids), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model(ids)[0], plain_logits(model, ids[0]), rtol=1e-4, atol=1e-5)


def test_every_position_sees_every_other() -> None:
    model, ids = small(), torch.randint(17, (1, 11), generator=rng(3))
    first, other = model(ids), ids.clone()
    other[0, 10] = (ids[0, 10] + 1) % 17
    assert ((model(other) - first).abs().amax(-1) > 1e-6).all(), "the last token reaches all, the first too"
    logits = predict(model, ids, (3, 5))
    assert torch.isneginf(logits[..., [3, 5]]).all() and torch.isfinite(logits[..., 4]).all()


# --- the objective ---------------------------------------------------------------------------------------------------


def test_the_objective_is_the_slow_loop() -> None:
    model, ids, share = small(), torch.randint(17, (3, 7), generator=rng(4)), torch.tensor([0.2, 0.5, 0.9])
    _, masked = corrupt(ids, share, model.mask, rng(5))
    masked[0] = False  # a row without a mask costs nothing
    loss = masked_loss(model, ids, masked, share)
    assert loss.tolist() == pytest.approx(slow_loss(model, ids, masked, share), rel=1e-4)
    assert loss[0] == 0 and masked[1:].any()


def test_masks_are_as_frequent_as_t_says() -> None:
    ids = torch.randint(17, (4, 5_001), generator=rng(1))
    share = torch.tensor([0.05, 0.3, 0.7, 1.0])
    hidden, masked = corrupt(ids, share, 17, rng(2))
    torch.testing.assert_close(masked[:, 1:].float().mean(1), share, rtol=0, atol=0.02)
    assert not masked[:, 0].any() and torch.equal(hidden == 17, masked)
    assert torch.equal(hidden[~masked], ids[~masked])


def test_the_shares_are_even_and_each_uniform() -> None:
    t = shares(16, rng(0))
    torch.testing.assert_close(t.diff(), torch.full((15,), 1 / 16))
    first = torch.tensor([float(shares(16, rng(seed))[0]) for seed in range(300)])
    assert 0.027 < float(first.mean()) < 0.036 and float(shares(1, rng(3))) <= 1


def test_the_bound_by_enumeration() -> None:
    """A row of <bos> and three tokens. The expectation of the 1/t loss over t and all eight masks equals the mean over
    the number of masks, which is what text_quality.bound estimates; and the bound is no smaller than the chain rule's
    -log p along any fixed order, averaged over all orders."""
    model, ids = small(), torch.tensor([[1, 5, 9, 13]])
    logp = {}
    for masks in product([False, True], repeat=3):
        hidden = torch.tensor([[False, *masks]])
        logits = model(ids.masked_fill(hidden, model.mask))[0].log_softmax(-1)
        logp[masks] = -sum(float(logits[i + 1, ids[0, i + 1]]) for i in range(3) if masks[i])
    grid = (torch.arange(4_000, dtype=torch.float64) + 0.5) / 4_000
    by_share = 0.0
    for masks, loss in logp.items():
        n = sum(masks)
        if n:
            by_share += loss * float((grid ** (n - 1) * (1 - grid) ** (3 - n)).mean())
    by_count = 0.0
    for n in (1, 2, 3):
        chosen = [loss for masks, loss in logp.items() if sum(masks) == n]
        by_count += sum(chosen) / len(chosen) / n
    assert by_share == pytest.approx(by_count, rel=1e-4)
    rows = ids.expand(3_000, -1)
    seen = text_quality.bound(model, rows, (1, 2, 3), rng(0))
    assert float(seen.mean()) == pytest.approx(by_count / 3, rel=0.03)


def test_a_model_that_knows_nothing_has_the_uniform_bound() -> None:
    model = MaskedLM(SMALL).requires_grad_(False)  # zero matrices: all logits alike
    ids = torch.randint(17, (64, 11), generator=rng(2))
    t = shares(64, rng(3))
    _, masked = corrupt(ids, t, model.mask, rng(4))
    assert float(masked_loss(model, ids, masked, t).mean()) == pytest.approx(math.log(17), rel=0.1)
    assert float(text_quality.bound(model, ids, (3, 7), rng(5)).mean()) == pytest.approx(math.log(17), rel=1e-5)


# --- the files -------------------------------------------------------------------------------------------------------


def test_the_shipped_files_belong_together() -> None:
    file = WEIGHTS / "masked_lm.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == CARD["sha256"] and file.stat().st_size < 3 * 2**20
    model = masked_lm.load()
    assert sum(weight.numel() for weight in model.parameters()) == CARD["n_param"]
    assert asdict(model.cfg) == CARD["config"] == asdict(tiny_lm.load().model.cfg)
    assert masked_lm.load() is model and not any(weight.requires_grad for weight in model.parameters())
    bos = tiny_lm.load().bos
    for ids in text_quality.held_out().values():
        assert ids.shape == (training.N_HELD_OUT, masked_lm.N_MAX) and (ids[:, 0] == bos).all()


def test_damaged_files_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        masked_lm.load(tmp_path)
    for name in ("masked_lm.json", "masked_lm.safetensors"):
        (tmp_path / name).write_bytes((WEIGHTS / name).read_bytes()[:-100])
    with pytest.raises(ModelUnavailable):
        masked_lm.load(tmp_path)


# --- what it has learned ---------------------------------------------------------------------------------------------


def test_unseen_text_is_bounded_as_the_card_says() -> None:
    """Held-out text: better with fewer masks; the bound lies above tiny-lm's exact value, well below chance."""
    model, judge = masked_lm.load(), tiny_lm.load()
    for name, ids in text_quality.held_out().items():
        few, half, all_but = text_quality.bound(model, ids[:6], (13, 64, 121), rng(1)).tolist()
        assert few < half < all_but < math.log(2048)
        exact = float(text_quality.surprise(judge.model, ids).mean())
        assert exact == pytest.approx(CARD["measured"]["held_out_autoregressive"][name], abs=2e-3)
        assert exact < CARD["measured"]["held_out_bound"][name] < exact + 0.9


# --- the training ----------------------------------------------------------------------------------------------------


def test_training_lowers_the_bound_and_survives_a_power_cut(tmp_path: Path) -> None:
    """Stopped after 9 of 40 steps and gone on with: the same weights as in one go."""
    ids = torch.arange(1, 17).repeat(40)
    streams = [Stream(ids, torch.arange(len(ids) - 32))]
    recipe = training.Recipe(n_step=40, n_row=8, n_token=16, n_warmup=4)
    before = text_quality.bound(MaskedLM(SMALL, generator=rng(7)), ids[None, :32], (5, 20), rng(1)).mean()
    whole, halves = MaskedLM(SMALL, generator=rng(7)), MaskedLM(SMALL, generator=rng(7))
    log = training.train(whole, recipe, streams, 0, tmp_path / "whole.pt")
    training.train(halves, recipe, streams, 0, tmp_path / "halves.pt", stop_at=9)
    again = MaskedLM(SMALL, generator=rng(8))
    training.train(again, recipe, streams, 0, tmp_path / "halves.pt")
    for mine, theirs in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    after = text_quality.bound(whole, ids[None, :32], (5, 20), rng(1)).mean()
    assert after < before - 0.1 and len(log.losses) == 40
    assert training.rows(streams, recipe, 17, 0, 3).shape == (16, 8) and training.rows(
        streams, recipe, 17, 0, 4
    ).shape == (8, 16)


def test_it_begins_as_tiny_lm() -> None:
    """The shift lets the weights say at once what they said: on one token, where nothing lies ahead, exactly."""
    model, lm = training.begin(training.Recipe()), tiny_lm.load()
    ids = torch.tensor([[lm.bos, model.mask]])
    with torch.no_grad():
        mine = MaskedLM.forward(model, ids[:, :1])[0, 0]
        torch.testing.assert_close(mine, lm.model(ids[:, :1])[0][0, 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.embedding_mask[0], lm.model.embedding.mean(0))
    assert F.cosine_similarity(model.embedding, lm.model.embedding).min() > 0.9999
