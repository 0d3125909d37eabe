"""RoPE against transformers' three implementations, slow loops over complex numbers, and published numbers.

References: `LlamaRotaryEmbedding` and `apply_rotary_pos_emb` (half-split), GPT-J and Cohere (interleaved), GPT-NeoX
(a part of the features), q_proj and k_proj of a Llama (the content of a model's q and k), loops over single numbers.
"""

import cmath
import dataclasses
import math

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.cohere import modeling_cohere
from transformers.models.cohere.configuration_cohere import CohereConfig
from transformers.models.gpt_neox import modeling_gpt_neox
from transformers.models.gpt_neox.configuration_gpt_neox import GPTNeoXConfig
from transformers.models.gptj import modeling_gptj
from transformers.models.llama import modeling_llama

import assets
from models import head_reading, language_model, pretrained, rope
from models.fields import Range
from models.language_model import ModelUnavailable
from models.rope import Config, check, facts, limits, trace
from tests.unit import tiny_checkpoints as tiny

# Distinct primes: 7 pairs, 11 positions.
PRIME = Config(n_pair=7, n_token=11, query=9, key=4, alike=0.5, seed=3)
CLOSE = {"atol": 2e-6, "rtol": 1e-5}
EVERY = [
    PRIME,
    dataclasses.replace(PRIME, pairing="interleaved"),
    dataclasses.replace(PRIME, share=0.5),
    dataclasses.replace(PRIME, share=0.25, pairing="interleaved", base=537.0),
    dataclasses.replace(PRIME, share=0.0),
    dataclasses.replace(PRIME, query=2, key=10, base=1e7),
    Config(source="tiny-lm", layer=2, head=5, query=5, key=3),
]


every = pytest.mark.parametrize("cfg", EVERY, ids=lambda cfg: f"{cfg.source}-{cfg.pairing}-{cfg.share}-{cfg.base:g}")


def features(pairs: torch.Tensor, seen: rope.Trace) -> torch.Tensor:
    """(t, p, 2) back in the order of the features."""
    n_pair = pairs.shape[1]
    out = torch.zeros(len(pairs), 2 * n_pair)
    for i in range(n_pair):
        r = seen.n_rotate
        if seen.pairing == "interleaved":
            a, b = 2 * i, 2 * i + 1
        elif i < r:
            a, b = i, i + r
        else:
            a, b = r + i, r + i + n_pair - r
        out[:, a], out[:, b] = pairs[:, i, 0], pairs[:, i, 1]
    return out


# --- frequencies and pairs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_pair", "base"), [(1, 1e4), (7, 1e4), (64, 1e4), (32, 1e5), (13, 537.0), (64, 1e7)])
def test_frequencies_are_llamas(n_pair: int, base: float) -> None:
    about = {"rope_type": "default", "rope_theta": base}
    llama = modeling_llama.LlamaRotaryEmbedding(
        LlamaConfig(hidden_size=2 * n_pair, num_attention_heads=1, rope_parameters=about)
    )
    torch.testing.assert_close(rope.inverse_frequencies(n_pair, n_pair, base), llama.inv_freq, rtol=1e-6, atol=0)


def test_published_wavelengths() -> None:
    """claims.md: 54,410 at base 10,000 and d_head 128, 5.06 million at base 1,000,000."""
    for base, longest in ((1e4, 54_410), (1e6, 5_063_256)):
        seen = trace(Config(n_pair=64, base=base))
        assert float(seen.wavelength.max()) == pytest.approx(longest, rel=1e-5)
        assert facts(seen)["longest_128"] == pytest.approx(longest, rel=1e-5)
        assert float(seen.wavelength[0]) == pytest.approx(2 * math.pi)
    assert facts(trace(Config(n_pair=64)))["n_long"] == sum(2 * math.pi * 1e4 ** (i / 64) > 4096 for i in range(64))


def test_pairs_by_hand() -> None:
    assert rope.pair_index(3, 3, "half-split").tolist() == [[0, 3], [1, 4], [2, 5]]
    assert rope.pair_index(3, 3, "interleaved").tolist() == [[0, 1], [2, 3], [4, 5]]
    assert rope.pair_index(5, 2, "half-split").tolist() == [[0, 2], [1, 3], [4, 7], [5, 8], [6, 9]]
    assert rope.pair_index(2, 0, "half-split").tolist() == [[0, 2], [1, 3]]


def test_a_quarter_turn_by_hand() -> None:
    pairs = torch.tensor([[[1.0, 0.0], [3.0, 4.0]]])
    out = rope.rotate(pairs, torch.tensor([[math.pi / 2, math.pi]]))
    torch.testing.assert_close(out, torch.tensor([[[0.0, 1.0], [-3.0, -4.0]]]), atol=1e-6, rtol=0)


# --- the rotation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [1e4, 537.0])
def test_half_split_is_llama(base: float) -> None:
    seen = trace(dataclasses.replace(PRIME, base=base))
    about = {"rope_type": "default", "rope_theta": base}
    rotary = modeling_llama.LlamaRotaryEmbedding(
        LlamaConfig(hidden_size=14, num_attention_heads=1, rope_parameters=about)
    )
    q, k = seen.content.query[None, None], seen.content.key[None, None]
    cos, sin = rotary(q, torch.arange(11)[None])
    q, k = modeling_llama.apply_rotary_pos_emb(q, k, cos, sin)
    torch.testing.assert_close(features(seen.query, seen), q[0, 0], **CLOSE)
    torch.testing.assert_close(features(seen.key, seen), k[0, 0], **CLOSE)
    torch.testing.assert_close(seen.score, q[0, 0] @ k[0, 0].T / 14**0.5, **CLOSE)
    torch.testing.assert_close(seen.angle.cos(), cos[0, :, :7], **CLOSE)
    torch.testing.assert_close(seen.angle.sin(), sin[0, :, :7], **CLOSE)


def test_interleaved_is_gptj_and_cohere() -> None:
    seen = trace(dataclasses.replace(PRIME, pairing="interleaved"))
    q, k = seen.content.query[None, None], seen.content.key[None, None]
    about = {"rope_type": "default", "rope_theta": 1e4}
    config = CohereConfig(hidden_size=14, num_attention_heads=1, rope_parameters=about)
    rotary = modeling_cohere.CohereRotaryEmbedding(config)
    cos, sin = rotary(q, torch.arange(11)[None])
    for mine, theirs in zip((seen.query, seen.key), modeling_cohere.apply_rotary_pos_emb(q, k, cos, sin), strict=True):
        torch.testing.assert_close(features(mine, seen), theirs[0, 0], **CLOSE)
    sin, cos = modeling_gptj.create_sinusoidal_positions(11, 14)[None].chunk(2, dim=-1)
    gptj = modeling_gptj.apply_rotary_pos_emb(q.transpose(1, 2), sin, cos)  # b t h d
    torch.testing.assert_close(features(seen.query, seen), gptj[0, :, 0], **CLOSE)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_part_of_the_features_is_gpt_neox(share: float) -> None:
    n_pair = 8
    seen = trace(dataclasses.replace(PRIME, n_pair=n_pair, share=share))
    about = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": share}
    config = GPTNeoXConfig(hidden_size=16, num_attention_heads=1, rope_parameters=about)
    rotary = modeling_gpt_neox.GPTNeoXRotaryEmbedding(config)
    q, k = seen.content.query[None, None], seen.content.key[None, None]
    cos, sin = rotary(q, torch.arange(11)[None])
    assert cos.shape[-1] == 2 * seen.n_rotate == 16 * share
    q, k = modeling_gpt_neox.apply_rotary_pos_emb(q, k, cos, sin)
    torch.testing.assert_close(features(seen.query, seen), q[0, 0], **CLOSE)
    torch.testing.assert_close(features(seen.key, seen), k[0, 0], **CLOSE)
    assert seen.wavelength[seen.n_rotate :].isinf().all() and seen.wavelength[: seen.n_rotate].isfinite().all()


@every
def test_scores_by_a_loop_over_complex_numbers(cfg: Config) -> None:
    seen = trace(cfg)
    n_pair, t_n = len(seen.frequency), len(seen.query)
    q, k = (torch.view_as_complex(x.contiguous()).tolist() for x in (seen.query_content, seen.key_content))
    for t in range(0, t_n, 3):
        for s in range(0, t_n, 2):
            waves = [
                (q[t][i] * cmath.exp(1j * t * theta) * (k[s][i] * cmath.exp(1j * s * theta)).conjugate()).real
                for i, theta in enumerate(seen.frequency.tolist())
            ]
            scaled = torch.tensor(waves) / math.sqrt(2 * n_pair)
            torch.testing.assert_close(seen.part[t, s], scaled, atol=2e-5, rtol=1e-4)
            assert float(seen.score[t, s]) == pytest.approx(float(scaled.sum()), abs=5e-5)
            angles = [  # the sentence in the module's docstring: |q| |k| cos of the angle between them
                abs(a) * abs(b) * math.cos(cmath.phase(a) - cmath.phase(b) + (t - s) * theta) / math.sqrt(2 * n_pair)
                for a, b, theta in zip(q[t], k[s], seen.frequency.tolist(), strict=True)
            ]
            torch.testing.assert_close(seen.part[t, s], torch.tensor(angles), atol=2e-5, rtol=1e-4)


@every
def test_what_is_kept(cfg: Config) -> None:
    seen = trace(cfg)
    torch.testing.assert_close(seen.part.sum(-1), seen.score, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen.query.norm(dim=-1), seen.query_content.norm(dim=-1), **CLOSE)
    torch.testing.assert_close(seen.key.norm(dim=-1), seen.key_content.norm(dim=-1), **CLOSE)
    torch.testing.assert_close(seen.score.diagonal(), seen.plain.diagonal(), atol=2e-5, rtol=1e-5)
    plain = seen.content.query @ seen.content.key.T / math.sqrt(seen.content.query.shape[1])
    torch.testing.assert_close(seen.plain, plain, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(features(seen.query_content, seen), seen.content.query)
    torch.testing.assert_close(features(seen.key_content, seen), seen.content.key)
    assert facts(seen)["length"] < 1e-5


# --- the law ---------------------------------------------------------------------------------------------------------


@every
def test_moving_both_changes_nothing_moving_one_does(cfg: Config) -> None:
    seen, (m, n) = trace(cfg), trace(cfg).at
    assert float(seen.together.max() - seen.together.min()) < 2e-5
    torch.testing.assert_close(seen.together.mean(), seen.score[m, n], atol=2e-5, rtol=1e-5)
    assert float(seen.alone[m]) == pytest.approx(float(seen.score[m, n]), abs=2e-5)
    q, k = (torch.view_as_complex(x.contiguous()) for x in (seen.query_content, seen.key_content))
    for t in range(len(seen.alone)):
        wave = q[m] * k[n].conj() * torch.polar(torch.ones(()), (t - n) * seen.frequency)
        assert float(seen.alone[t]) == pytest.approx(float(wave.real.sum()) / math.sqrt(2 * len(wave)), abs=5e-5)
    if seen.n_rotate:
        assert float(seen.alone.max() - seen.alone.min()) > 0.05
    else:  # no position at all
        assert float(seen.score.max() - seen.score.min()) < 1e-6


def test_random_contents_have_one_score_per_diagonal() -> None:
    seen = trace(PRIME)
    assert torch.equal(seen.content.query, seen.content.query[:1].expand(11, -1))
    for offset in range(-10, 11):
        diagonal = seen.score.diagonal(offset)
        assert float(diagonal.max() - diagonal.min()) < 2e-6


@every
def test_this_q_and_k_at_every_distance(cfg: Config) -> None:
    seen, (m, n) = trace(cfg), trace(cfg).at
    q, k = (torch.view_as_complex(x.contiguous()) for x in (seen.query_content, seen.key_content))
    assert seen.by_distance.shape == (rope.N_DISTANCE, len(seen.frequency))
    for distance in (0, 1, 2, 17, 127):
        turn = torch.polar(torch.ones(()), distance * seen.frequency)
        wave = (q[m] * turn * k[n].conj()).real / math.sqrt(2 * len(turn))
        torch.testing.assert_close(seen.by_distance[distance], wave, atol=5e-5, rtol=1e-4)
    if m >= n:
        torch.testing.assert_close(seen.by_distance[m - n], seen.part[m, n], atol=2e-5, rtol=1e-4)


# --- many contents ---------------------------------------------------------------------------------------------------


def test_mean_spread_and_change_by_turning_every_draw() -> None:
    cfg = dataclasses.replace(PRIME, share=0.7)
    seen = trace(cfg)
    q, k = rope.draw(rope.N_DRAW, 14, 0.5, torch.Generator().manual_seed(1_003))
    index = rope.pair_index(7, seen.n_rotate, "half-split")
    assert seen.n_rotate == 5 and seen.bases == rope.BASES and seen.bases[seen.base_index] == 1e4
    for b in (0, 8, 20):
        frequency = rope.inverse_frequencies(7, 5, seen.bases[b])
        for distance in (0, 1, 5, 100):
            turned = rope.rotate(q[:, index], (distance * frequency).expand(len(q), -1))
            score = (turned * k[:, index]).sum((1, 2)) / math.sqrt(14)
            assert float(seen.mean[b, distance]) == pytest.approx(float(score.mean()) / math.sqrt(14), abs=1e-5)
            spread = float(score.std(correction=0)) / math.sqrt(14)
            assert float(seen.std[b, distance]) == pytest.approx(spread, abs=1e-5)
            if b == seen.base_index and distance == 5:  # m - n
                plain = (q[:, index] * k[:, index]).sum((1, 2)) / math.sqrt(14)
                torch.testing.assert_close(seen.change, score - plain, atol=1e-5, rtol=1e-4)


def test_a_models_draws_are_its_queries_with_the_keys_up_to_them() -> None:
    cfg = Config(source="tiny-lm", text="The cat sat", layer=1, head=2)
    seen = trace(cfg)
    n = len(seen.query)
    q, k = (torch.view_as_complex(x.contiguous()) for x in (seen.query_content, seen.key_content))
    turn = torch.polar(torch.ones(()), 3 * seen.frequency)
    scores = [float((q[t] * turn * k[s].conj()).real.sum()) / math.sqrt(32) for t in range(n) for s in range(t + 1)]
    assert len(seen.change) == len(scores) == n * (n + 1) // 2
    assert float(seen.mean[0, 3]) == pytest.approx(sum(scores) / len(scores), abs=1e-4)
    assert float(seen.std[0, 3]) == pytest.approx(float(torch.tensor(scores).std(correction=0)), abs=1e-4)


def test_the_papers_bound_by_its_definition() -> None:
    """sum_i |S_i| with S_i the sum of the first i of exp(j distance theta); section 3.4.3."""
    seen = trace(PRIME)
    for b in (0, 8, 20):
        for distance in (0, 1, 9, 127):
            total, size = 0j, 0.0
            for i in range(7):
                total += cmath.exp(1j * distance * seen.bases[b] ** (-i / 7))
                size += abs(total)
            assert float(seen.bound[b, distance]) == pytest.approx(size / (1 + 2 + 3 + 4 + 5 + 6 + 7), abs=1e-5)


def test_the_bound_holds_for_any_contents() -> None:
    q, k = rope.draw(64, 14, 0.3, torch.Generator().manual_seed(5))
    h = torch.view_as_complex(q.unflatten(1, (7, 2))) * torch.view_as_complex(k.unflatten(1, (7, 2))).conj()
    step = torch.cat([h, torch.zeros(64, 1)], dim=1).diff(dim=1).abs().amax(1)  # h_7 = 0, as in the paper
    frequency = rope.inverse_frequencies(7, 7, 1e4)
    distance = torch.arange(128.0)
    score = (h[:, None] * torch.polar(torch.ones(()), distance[:, None] * frequency)).sum(-1).abs()
    bound = rope.decay_bound(distance, frequency) * 28
    assert (score <= step[:, None] * bound + 1e-4).all()


def test_stretches_cover_all_distances() -> None:
    tried = rope.stretches(1024.0)
    assert tried.shape == (rope.N_BLOCK, rope.N_IN_BLOCK)
    assert float(tried.min()) == 1 and 1000 < float(tried.max()) <= 1024 and (tried == tried.round()).all()
    assert (tried.flatten().diff() >= 0).all()


def test_the_far_curve_is_the_mean_score_there() -> None:
    cfg = dataclasses.replace(PRIME, n_ctx="256")
    seen = trace(cfg)
    q, k = rope.draw(rope.N_DRAW, 14, 0.5, torch.Generator().manual_seed(1_003))
    index = rope.pair_index(7, 7, "half-split")
    h = (torch.view_as_complex(q[:, index]) * torch.view_as_complex(k[:, index]).conj()).mean(0)
    tried = rope.stretches(1024.0)
    for b, at in ((8, 0), (8, 40), (3, 71)):
        frequency = rope.inverse_frequencies(7, 7, seen.bases[b])
        wave = h * torch.polar(torch.ones(()), tried[at][:, None] * frequency)
        score = wave.real.sum(-1) / 14
        wanted = torch.stack([score.min(), score.mean(), score.max()])
        torch.testing.assert_close(seen.far[b, :, at], wanted, atol=1e-4, rtol=1e-3)
        assert float(seen.block[at]) == pytest.approx(float(tried[at].mean()))


def test_draws_are_as_alike_as_asked() -> None:
    for alike in (0.0, 0.4, 1.0):
        q, k = rope.draw(4_001, 6, alike, torch.Generator().manual_seed(0))
        assert float(torch.corrcoef(torch.stack([q.flatten(), k.flatten()]))[0, 1]) == pytest.approx(alike, abs=0.02)
        assert float(k.std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(*rope.draw(5, 4, 1.0, torch.Generator().manual_seed(0)))


def test_equal_contents_decay_independent_ones_do_not() -> None:
    same, other = (facts(trace(Config(n_pair=32, alike=alike))) for alike in (1.0, 0.0))
    assert same["decay"] == "falls" and same["mean_0"] == pytest.approx(1, abs=0.02) and same["mean_far"] < 0.5
    assert other["decay"] == "none" and abs(other["mean_far"]) < 0.01
    assert other["std_far"] == pytest.approx(other["std_0"], rel=0.1) == pytest.approx(1 / 8, rel=0.1)
    assert facts(trace(Config(n_pair=32, share=0.0)))["decay"] == "stays"


# --- the two pairings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_permutation_carries_one_pairing_into_the_other(share: float) -> None:
    """Interleaved code on permuted features is half-split code on the features as they are."""
    half, inter = (trace(dataclasses.replace(PRIME, share=share, pairing=p)) for p in ("half-split", "interleaved"))
    assert torch.equal(half.permutation, inter.permutation)
    order, position = half.permutation, torch.arange(11.0)
    assert order.sort().values.tolist() == list(range(14))
    index = rope.pair_index(7, half.n_rotate, "interleaved")
    again = rope.turned(half.content.query[:, order], position, half.frequency, index)
    back = features(again, dataclasses.replace(half, pairing="interleaved"))
    torch.testing.assert_close(back, features(half.query, half)[:, order])
    for seen in (half, inter):
        assert seen.permuted < 1e-5 < 0.1 < seen.mismatch
    # The wrong code, by hand: half-split features read as interleaved ones.
    wrong = rope.turned(half.content.query, position, half.frequency, index)
    other = rope.turned(half.content.key, position, half.frequency, index)
    score = torch.einsum("tpc,spc->ts", wrong, other) / math.sqrt(14)
    assert half.mismatch == pytest.approx(float((score - half.score).abs().max()), abs=1e-5)
    assert [int(i) for i in trace(Config(n_pair=3)).permutation] == [0, 3, 1, 4, 2, 5]


def test_the_pairing_does_not_show_where_nothing_has_turned() -> None:
    seen = trace(dataclasses.replace(PRIME, share=0.0))
    assert seen.mismatch < 1e-5 and seen.permuted < 1e-5


# --- a real model's q and k ------------------------------------------------------------------------------------------


def projected(model: torch.nn.Module, ids: list[int], layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What q_proj and k_proj give in one layer, (t, h d), seen by hooks."""
    found: dict[str, torch.Tensor] = {}
    attention = model.model.layers[layer].self_attn
    hooks = [
        getattr(attention, name).register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out[0]}))
        for name in ("q_proj", "k_proj")
    ]
    with torch.no_grad():
        model(input_ids=torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return found["q_proj"], found["k_proj"]


def test_content_is_what_the_projections_give(tmp_path, monkeypatch) -> None:
    """A random Llama in the small model's place: 3 layers, 10 query heads on 5 key heads of 14 features, base 1e4."""
    plain = tiny.llama()
    model = pretrained.load_any(str(tiny.save(tmp_path / "llama", plain, tiny.byte_bpe())))
    for module in (rope, head_reading):
        monkeypatch.setattr(module, "load", lambda name: model)
    head_reading.look.cache_clear()
    ids = model.encode("The animal didn't")
    for layer, head in ((0, 0), (1, 3), (2, 8)):
        seen = trace(Config(source="tiny-lm", text="The animal didn't", layer=layer, head=head))
        q, k = projected(plain, ids, layer)
        torch.testing.assert_close(seen.content.query, q.unflatten(-1, (10, 14))[:, head], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(seen.content.key, k.unflatten(-1, (5, 14))[:, head // 2], atol=1e-4, rtol=1e-4)
        reading = model.read(ids)
        torch.testing.assert_close(features(seen.query, seen), reading.query[layer, head], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(features(seen.key, seen), reading.key[layer, head // 2], atol=1e-4, rtol=1e-4)
        weight = seen.score.masked_fill(torch.ones_like(seen.score, dtype=torch.bool).triu(1), -math.inf).softmax(-1)
        torch.testing.assert_close(weight, reading.attention[layer, head], atol=1e-5, rtol=1e-4)
        assert (seen.content.layer, seen.content.head) == (layer, head)
    far = trace(Config(source="tiny-lm", text="The animal didn't", layer=29, head=8))
    assert far.content.layer == 2
    assert limits({"source": "tiny-lm", "n_pair": 3}) == {
        "layer": Range(0, 2), "head": Range(0, 9), "pair": Range(-1, 6),
    }  # fmt: skip
    head_reading.look.cache_clear()


def test_the_tiny_lms_content_is_its_projection() -> None:
    from models import tiny_lm

    lm = tiny_lm.load()
    seen = trace(Config(source="tiny-lm", layer=0, head=4))
    layer = lm.model.layers[0]
    x = tiny_lm.rms_norm(lm.model.embedding[torch.tensor(lm.encode(rope.TEXT))], layer.gain_attention, 1e-5)
    torch.testing.assert_close(seen.content.query, (x @ layer.w_q.T)[:, 4 * 32 : 5 * 32], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(seen.content.key, (x @ layer.w_k.T)[:, 32:64], atol=1e-4, rtol=1e-4)
    assert lm.model.cfg.rope_base == rope.BASE["tiny-lm"] and seen.content.n_ctx == lm.n_ctx == 256


def test_smollm2s_content_is_its_projection() -> None:
    if not assets.present("smollm2"):
        pytest.skip(f"needs an asset: `{assets.find('smollm2').command}`")
    model = language_model.load("smollm2")
    assert model._model.config.rope_parameters["rope_theta"] == rope.BASE["smollm2"]
    cfg = Config(source="smollm2", text="The animal didn't cross the street", layer=11, head=7)
    seen = trace(cfg)
    q, k = projected(model._model, model.encode(cfg.text), 11)
    torch.testing.assert_close(seen.content.query, q[:, 7 * 64 : 8 * 64], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(seen.content.key, k[:, 2 * 64 : 3 * 64], atol=1e-4, rtol=1e-3)


def test_a_model_that_is_missing_says_so(monkeypatch) -> None:
    def missing(name: str):
        raise ModelUnavailable("asset_missing", name="SmolLM2", command="python -m assets fetch smollm2")

    monkeypatch.setattr(rope, "load", missing)
    for ask in (trace, check):
        with pytest.raises(ModelUnavailable, match="SmolLM2"):
            ask(Config(source="smollm2"))
    with pytest.raises(ModelUnavailable):
        limits({"source": "smollm2", "n_pair": 8})


def test_long_and_empty_texts() -> None:
    seen = trace(Config(source="tiny-lm", text="word " * 300, query=63, key=2))
    assert len(seen.content.label) == len(seen.query) == 64 and seen.at == (63, 2)
    assert seen.content.n_cut == facts(seen)["n_cut"] > 100
    empty = trace(Config(source="tiny-lm", text=""))
    assert empty.at == (0, 0) and empty.score.shape == (1, 1) and facts(empty)["distance"] == 0
    assert facts(trace(PRIME))["query_token"] == ""


# --- what the page says ----------------------------------------------------------------------------------------------


def test_the_position_head_of_the_small_model() -> None:
    """Head 0.1: whatever the tokens are, distance 1 scores highest; beyond the context scores are higher than ever."""
    said = facts(trace(Config(source="tiny-lm", layer=0, head=1)))
    assert said["peak"] == 1
    assert said["peak_score"] - said["valley_score"] > 4 * said["std_mean"]
    assert said["beyond_high"] > said["seen_high"] + 3
    content = facts(trace(Config(source="tiny-lm", layer=1, head=4)))  # an induction head: flat
    assert content["peak_score"] - content["valley_score"] < 2 * content["std_mean"]


def test_the_chosen_pair() -> None:
    seen = trace(PRIME)
    spread = [float(seen.part[:, :, i].std(correction=0)) for i in range(7)]
    assert seen.pair == spread.index(max(spread))
    assert trace(dataclasses.replace(PRIME, pair=63)).pair == 6
    assert trace(dataclasses.replace(PRIME, pair=2)).pair == 2
    assert limits({"source": "random", "n_pair": 7}) == {"pair": Range(-1, 6)}


def test_facts_name_what_the_trace_holds() -> None:
    seen = trace(PRIME)
    said = facts(seen)
    assert (said["query"], said["key"], said["distance"], said["d_head"], said["n_token"]) == (9, 4, 5, 14, 11)
    assert said["score"] == float(seen.score[9, 4]) and said["plain"] == float(seen.plain[9, 4])
    assert said["alone_low"] == float(seen.alone.min()) and said["alone"] == pytest.approx(
        said["alone_high"] - said["alone_low"]
    )
    assert said["together"] < 2e-6
    assert said["change_std"] == float(seen.change.std(correction=0))
    half = facts(trace(dataclasses.replace(PRIME, share=0.5)))
    assert (half["n_rotate"], half["n_still"]) == (4, 3)
    assert facts(trace(dataclasses.replace(PRIME, share=0.0)))["longest"] == math.inf


@every
def test_the_reference_agrees(cfg: Config) -> None:
    found = check(cfg)
    assert len(found) == 4 and max(found.values()) < 5e-5


def test_claim_additive() -> None:
    """F26: about 0.8 at distance 12; in closed form sqrt(4 / d sum(1 - cos(12 theta_i))); moving both: rounding."""
    live = rope.claim_additive()
    exact = math.sqrt(4 / 64 * sum(1 - math.cos(12 * 1e4 ** (-i / 32)) for i in range(32)))
    assert live["std"] == pytest.approx(exact, rel=0.03) == pytest.approx(0.8, abs=0.05)
    assert live["shift"] < 1e-12 and live["low"] < -2 and live["high"] > 2


def test_claim_extrapolation() -> None:
    live = rope.claim_extrapolation()
    assert (live["never"], live["n_pair"], live["far"]) == (18, 64, 16_384)
    assert live["seen"] == pytest.approx(360 * 4096 / 54_410, rel=1e-3)
    assert live["asked"] == pytest.approx(4 * live["seen"])


def test_claim_decay() -> None:
    live = rope.claim_decay()
    assert live["same_0"] == pytest.approx(8, rel=0.02) and live["same_far"] < live["same_0"] / 3
    # In closed form: sum of cos over sqrt(d), twice per pair.
    far = [2 * math.cos(d * 1e4 ** (-i / 32)) / 8 for d in range(256, 512) for i in range(32)]
    assert live["same_far"] == pytest.approx(sum(far) / 256, abs=0.1)
    assert abs(live["other_0"]) < 0.07 and abs(live["other_far"]) < 0.05
    assert live["other_std_0"] == pytest.approx(1, abs=0.05) == pytest.approx(live["other_std_far"], abs=0.05)


def test_claim_pairings_and_added() -> None:
    live = rope.claim_pairings()
    assert live["permuted"] < 1e-5 and live["mismatch"] > 0.5
    live = rope.claim_added()
    assert live["value"] < 1e-6 and live["length"] < 1e-5 and live["key"] > 0.2 and live["first"] < live["last"]
