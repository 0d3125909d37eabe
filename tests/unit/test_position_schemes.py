"""Position schemes against Hugging Face's T5, BLOOM and Llama, against slow loops, and by hand."""

import math

import pytest
import torch
from transformers import T5Config
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from transformers.models.t5.modeling_t5 import T5Attention

from models.position_schemes import (
    SCHEMES,
    Alibi,
    Learned,
    NoPosition,
    RelativeBias,
    Rotary,
    Sinusoidal,
    rope_frequency,
    slopes,
    t5_for,
)

N_HEAD, D_HEAD, D_MODEL, N_CTX = 3, 22, 19, 29


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_qk(n_query: int, n_key: int, n_head: int = N_HEAD, d_head: int = D_HEAD) -> tuple[torch.Tensor, ...]:
    query = torch.randn(2, n_head, n_query, d_head, generator=rng(1))
    return query, torch.randn(2, n_head, n_key, d_head, generator=rng(2))


def made(name: str) -> NoPosition:
    scheme = SCHEMES[name](N_HEAD, D_HEAD, D_MODEL, N_CTX)
    generator = rng(3)
    for weight in scheme.parameters():
        torch.nn.init.normal_(weight, generator=generator)
    return scheme.requires_grad_(False)


def test_plain_scores_by_a_loop() -> None:
    query, key = random_qk(5, 7)
    score = NoPosition().scores(query, key)
    for t in range(5):
        for s in range(7):
            expected = sum(float(a) * float(b) for a, b in zip(query[1, 2, t], key[1, 2, s], strict=True))
            assert float(score[1, 2, t, s]) == pytest.approx(expected / math.sqrt(D_HEAD), abs=1e-5)


@pytest.mark.parametrize("name", SCHEMES)
def test_queries_are_the_last_positions(name: str) -> None:
    """With a cache of keys the scores are the last rows of the whole."""
    query, key = random_qk(11, 11)
    scheme = made(name)
    whole = scheme.scores(query, key)
    assert whole.shape == (2, N_HEAD, 11, 11)
    torch.testing.assert_close(scheme.scores(query[..., -4:, :], key), whole[..., -4:, :], atol=1e-5, rtol=0)
    # More batch axes, or none, change nothing.
    torch.testing.assert_close(scheme.scores(query[None], key[None])[0], whole)
    torch.testing.assert_close(scheme.scores(query[0], key[0]), whole[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["none", "t5", "alibi", "rope"])
def test_relative_schemes_see_distances_only(name: str) -> None:
    """The same q and k everywhere: equal scores along each diagonal, nothing added to the embeddings."""
    q, k = torch.randn(2, N_HEAD, 1, D_HEAD, generator=rng(4))
    scheme = made(name)
    score = scheme.scores(q.expand(-1, 13, -1), k.expand(-1, 13, -1))
    for distance in range(-12, 13):
        diagonal = score.diagonal(distance, -2, -1)
        torch.testing.assert_close(diagonal, diagonal[:, :1].expand_as(diagonal), atol=1e-4, rtol=0)
    assert scheme.embed(13) == 0.0
    assert name == "none" or (score - score[..., :1]).abs().max() > 0.1


@pytest.mark.parametrize("name", ["sinusoidal", "learned"])
def test_absolute_schemes_change_the_embeddings_only(name: str) -> None:
    query, key = random_qk(5, 7)
    scheme = made(name)
    assert torch.equal(scheme.scores(query, key), NoPosition().scores(query, key))
    added = scheme.embed(N_CTX)
    assert isinstance(added, torch.Tensor) and added.shape == (N_CTX, D_MODEL)
    assert torch.equal(added[:7], scheme.embed(7)) and (added[1:] - added[:-1]).abs().amax(-1).gt(1e-3).all()


def test_sinusoids_by_a_loop() -> None:
    table = Sinusoidal(D_MODEL).embed(41)
    for t in range(41):
        for i in range(D_MODEL):
            angle = t / 10_000 ** ((i - i % 2) / D_MODEL)
            expected = math.cos(angle) if i % 2 else math.sin(angle)
            assert float(table[t, i]) == pytest.approx(expected, abs=1e-5)
    assert Sinusoidal(6, 100.0).embed(2)[1].tolist() == pytest.approx(
        [f(100 ** (-i / 3)) for i in range(3) for f in (math.sin, math.cos)]
    )


def test_a_shift_of_the_sinusoids_is_a_rotation() -> None:
    """Vaswani et al., section 3.5: p[t + k] is a linear function of p[t], the same for every t."""
    table = Sinusoidal(22).embed(61).double()
    pairs = table.unflatten(-1, (11, 2))
    turned = 7 * 10_000.0 ** (-torch.arange(11) / 11)
    sin, cos = pairs[:-7, :, 0], pairs[:-7, :, 1]
    torch.testing.assert_close(
        pairs[7:, :, 0], sin * turned.cos() + cos * turned.sin(), atol=1e-5, rtol=0, check_dtype=False
    )
    # And the dot product of two positions depends on their distance only.
    dot = table @ table.T
    torch.testing.assert_close(dot[0, 7], dot[31, 38], atol=1e-4, rtol=0)


def test_learned_table_ends() -> None:
    scheme = made("learned")
    assert isinstance(scheme, Learned)
    assert torch.equal(scheme.embed(N_CTX), scheme.table)
    with pytest.raises(IndexError):
        scheme.embed(N_CTX + 1)
    with pytest.raises(IndexError):  # as a plain embedding layer
        torch.nn.Embedding(N_CTX, D_MODEL)(torch.arange(N_CTX + 1))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("n_bucket", "max_distance"), [(32, 128), (8, 16), (8, 8), (16, 32), (6, 7), (64, 500)])
def test_buckets_equal_t5(n_bucket: int, max_distance: int, bidirectional: bool) -> None:
    distance = torch.arange(-4096, 4097)
    mine = RelativeBias(N_HEAD, n_bucket, max_distance, bidirectional).bucket(distance)
    # T5 counts memory - query: the other sign.
    assert torch.equal(mine, T5Attention._relative_position_bucket(-distance, bidirectional, n_bucket, max_distance))
    assert mine.min() == 0 and mine.max() == n_bucket - 1


def test_buckets_by_hand() -> None:
    past = RelativeBias(1, 8, 16).bucket(torch.tensor([-3, 0, 1, 3, 4, 5, 6, 8, 11, 12, 16, 1000])).tolist()
    assert past == [0, 0, 1, 3, 4, 4, 5, 6, 6, 7, 7, 7]
    both = RelativeBias(1, 32, 128, True).bucket(torch.tensor([0, 7, -7, 8, -8, 127, -127])).tolist()
    assert both == [0, 7, 23, 8, 24, 15, 31]
    for bounds in ((32, 16), (1, 9), (8, 4)):
        with pytest.raises(ValueError, match="logarithmic"):
            RelativeBias(1, *bounds)


def test_t5_in_proportion() -> None:
    for n_ctx, expected in ((512, (32, 128)), (64, (8, 16)), (16, (8, 8)), (4, (8, 8))):
        scheme = t5_for(N_HEAD, n_ctx)
        assert (scheme.n_bucket, scheme.max_distance) == expected
    assert t5_for(N_HEAD, 64).bucket(torch.arange(64)).unique().numel() == 8  # every bucket is met within 64 tokens


@pytest.mark.parametrize("decoder", [True, False])
def test_relative_bias_equals_t5(decoder: bool) -> None:
    scheme = RelativeBias(5, 16, 32, bidirectional=not decoder)
    torch.nn.init.normal_(scheme.table, generator=rng())
    theirs = T5Attention(
        T5Config(
            num_heads=5,
            d_kv=7,
            d_model=35,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=32,
            is_decoder=decoder,
        ),
        has_relative_attention_bias=True,
        layer_idx=0,
    )
    theirs.relative_attention_bias.weight.data = scheme.table.data
    assert torch.equal(scheme.bias(43, 43), theirs.compute_bias(43, 43)[0])
    query, key = random_qk(43, 43, 5, 7)
    expected = query @ key.transpose(-2, -1) / math.sqrt(7) + theirs.compute_bias(43, 43)
    torch.testing.assert_close(scheme.scores(query, key), expected, atol=1e-5, rtol=0)


def test_alibi_equals_bloom_for_1_to_64_heads() -> None:
    n = 37
    for n_head in range(1, 65):
        theirs = build_alibi_tensor(torch.ones(1, n, dtype=torch.long), n_head, torch.float32)  # slope * s: (h, 1, s)
        torch.testing.assert_close(slopes(n_head), theirs[:, 0, 1], rtol=1e-6, atol=0)
        # A row of scores may be shifted by a constant: slope * s and -slope * (t - s) are the same attention.
        mine = Alibi(n_head).bias(n, n) + slopes(n_head)[:, None, None] * torch.arange(n)[:, None]
        past = torch.ones(n, n).tril().bool()
        torch.testing.assert_close(mine[:, past], theirs.expand(-1, n, -1)[:, past], atol=1e-5, rtol=0)


def test_alibi_by_hand() -> None:
    assert slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    assert slopes(1).tolist() == [2.0**-8] and slopes(2).tolist() == [2.0**-4, 2.0**-8]
    assert slopes(3).tolist() == [2.0**-4, 2.0**-8, 2.0**-2]
    bias = Alibi(2).bias(2, 4)  # queries at positions 2 and 3
    assert bias[0].tolist() == [[-2 / 16, -1 / 16, 0, -1 / 16], [-3 / 16, -2 / 16, -1 / 16, 0]]
    query, key = random_qk(5, 5)
    torch.testing.assert_close(
        made("alibi").scores(query, key) - NoPosition().scores(query, key),
        Alibi(N_HEAD).bias(5, 5).expand(2, -1, -1, -1),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_rotary_scores_equal_llama(factor: float) -> None:
    query, key = random_qk(23, 23)
    inv_freq = rope_frequency(D_HEAD // 2)
    torch.testing.assert_close(inv_freq, torch.tensor([10_000 ** (-2 * i / D_HEAD) for i in range(D_HEAD // 2)]))
    angle = (torch.arange(23)[:, None] * inv_freq).repeat(1, 2)
    cos, sin = (factor * angle.cos())[None], (factor * angle.sin())[None]
    theirs = apply_rotary_pos_emb(query, key, cos, sin)
    expected = theirs[0] @ theirs[1].transpose(-2, -1) / math.sqrt(D_HEAD)
    torch.testing.assert_close(Rotary(inv_freq, factor).scores(query, key), expected, atol=1e-5, rtol=0)


def test_rotary_by_hand() -> None:
    """One pair, one radian per step: a query and a key alike, three apart, score cos 3 / sqrt 2."""
    x = torch.tensor([1.0, 0.0]).expand(1, 4, 2)
    score = Rotary(torch.ones(1)).scores(x, x)[0]
    assert float(score[3, 0]) == pytest.approx(math.cos(3) / math.sqrt(2), abs=1e-6)
    assert float(score[2, 2]) == pytest.approx(1 / math.sqrt(2))


def test_position_changes_nothing_but_is_not_stored() -> None:
    """Only the trained numbers are weights: fixed slopes and frequencies stay out of the file."""
    assert {name: list(made(name).state_dict()) for name in SCHEMES} == {
        name: ["table"] if name in ("learned", "t5") else [] for name in SCHEMES
    }
