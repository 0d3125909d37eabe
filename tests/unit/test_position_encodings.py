"""Two schemes on one sentence: every field of the Trace against slow loops, transformers and PyTorch; laws of each."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import no_position, position_claims, position_lm, position_reading
from models.fields import Choice, LogRange, Range, fields
from models.position_encodings import (
    D_MODEL,
    MAKERS,
    N_FAR,
    N_PAST,
    N_ROW,
    N_START,
    N_TOKEN,
    SCHEMES,
    Config,
    asked,
    check,
    facts,
    laws,
    limits,
    measured,
    reorder,
    trace,
    turn,
    weights,
    word_vector,
    words_of,
)
from models.position_schemes import NoPosition
from models.tiny_lm import rms_norm, swiglu

# Primes where a size is free: 13 words, 5 heads, 7 pairs, 11 buckets.
TEXT = "seven quick foxes and eleven lazy hares ran past two very old oaks"
PRIME = Config(text=TEXT, n_head=5, head=3, n_pair=7, n_bucket=11, max_distance=37, start=3, seed=1)


def bucket(distance: int, n_bucket: int, max_distance: int, both: bool) -> int:
    """T5's bucket in plain arithmetic."""
    base = 0
    if both:
        n_bucket //= 2
        base, distance = (n_bucket, -distance) if distance < 0 else (0, distance)
    distance = max(distance, 0)
    exact = n_bucket // 2
    if distance < exact:
        return base + distance
    step = math.log(distance / exact) / math.log(max_distance / exact) * (n_bucket - exact)
    return base + min(n_bucket - 1, exact + int(np.float32(step)))


def slow(cfg: Config, name: str, start: int) -> dict[str, np.ndarray]:
    """Content, score, weight and output of one scheme, one pair of words at a time, in double precision."""
    words = words_of(cfg.text)[0]
    place = reorder(cfg.order, len(words), cfg.seed).tolist()
    vectors = [cfg.content * word_vector(words[i], cfg.seed).double().numpy() for i in place]
    w_q, w_k, w_v = weights(cfg).double().numpy()
    head, n, d = min(cfg.head, cfg.n_head - 1), len(place), 2 * cfg.n_pair
    scheme = MAKERS[name](cfg)

    def added(position: int) -> np.ndarray:
        if name == "learned":
            return scheme.table[position].detach().double().numpy()
        if name != "sinusoidal":
            return np.zeros(D_MODEL)
        wave = np.zeros(D_MODEL)
        for i in range(D_MODEL // 2):
            angle = position / cfg.base ** (2 * i / D_MODEL)
            wave[2 * i], wave[2 * i + 1] = math.sin(angle), math.cos(angle)
        return wave

    def turned(x: np.ndarray, position: int) -> np.ndarray:
        if name != "rope":
            return x
        out = x.copy()
        for i in range(cfg.n_pair):
            a = position * cfg.base ** (-i / cfg.n_pair)
            u, v = x[i], x[i + cfg.n_pair]
            out[i], out[i + cfg.n_pair] = u * math.cos(a) - v * math.sin(a), u * math.sin(a) + v * math.cos(a)
        return out

    def bias(t: int, s: int) -> float:
        if name == "alibi":
            exponents = [8 * (h + 1) / 4 for h in range(4)] + [8 * (2 * h + 1) / 8 for h in range(4)]  # of 5 heads
            assert cfg.n_head == 5
            return -(2 ** -exponents[head]) * abs(t - s)
        if name == "t5":
            return float(scheme.table.detach()[bucket(t - s, cfg.n_bucket, cfg.max_distance, not cfg.causal), head])
        return 0.0

    content, score, weight, output, query = (np.zeros((n, m)) for m in (n, n, n, d, d))
    for t in range(n):
        q = query[t] = turned(w_q @ (vectors[t] + added(start + t)), start + t)
        for s in range(n):
            k = turned(w_k @ (vectors[s] + added(start + s)), start + s)
            content[t, s] = (w_q @ vectors[t]) @ (w_k @ vectors[s]) / math.sqrt(d)
            score[t, s] = q @ k / math.sqrt(d) + bias(t, s)
        seen = range(t + 1 if cfg.causal else n)
        total = sum(math.exp(score[t, s]) for s in seen)
        for s in seen:
            weight[t, s] = math.exp(score[t, s]) / total
            output[t] += weight[t, s] * (w_v @ (vectors[s] + added(start + s)))
    return {"content": content, "score": score, "weight": weight, "output": output, "query": query}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_equals_slow_loops(name: str, causal: bool) -> None:
    cfg = dataclasses.replace(PRIME, scheme=name, other=name, causal=causal, order="shuffled", content=1.3)
    seen = trace(cfg)
    (shown,) = seen.shown
    assert shown.name == name and shown.score.shape == (N_START, 13, 13)
    for start in (0, 3, 32):
        want = slow(cfg, name, start)
        np.testing.assert_allclose(shown.content, want["content"], atol=1e-5)
        np.testing.assert_allclose(shown.score[start], want["score"], atol=3e-5)
        np.testing.assert_allclose(shown.weight[start], want["weight"], atol=1e-5)
        np.testing.assert_allclose(shown.position[start], want["score"] - want["content"], atol=3e-5)
    np.testing.assert_allclose(shown.output, slow(cfg, name, 3)["output"], atol=2e-5)
    np.testing.assert_allclose(shown.query, slow(cfg, name, 3)["query"], atol=1e-5)
    # What the page writes out as a product is the score, for schemes that have no bias.
    if name not in ("t5", "alibi"):
        np.testing.assert_allclose(shown.query @ shown.key.T / 14**0.5, shown.score[3], atol=1e-5)
    else:
        np.testing.assert_allclose(shown.query @ shown.key.T / 14**0.5, shown.content, atol=1e-5)


@pytest.mark.parametrize("name", SCHEMES)
def test_moved_compares_each_word_with_itself(name: str) -> None:
    cfg = dataclasses.replace(PRIME, scheme=name, other=name, order="reversed")
    (shown,) = trace(cfg).shown
    here = slow(cfg, name, 3)["output"]
    written = slow(dataclasses.replace(cfg, order="written"), name, 3)["output"]
    np.testing.assert_allclose(shown.moved, np.abs(here - written[::-1]).max(-1), atol=2e-5)


@pytest.mark.parametrize("order", ["reversed", "shuffled", "swapped", "written"])
def test_without_position_and_mask_the_outputs_move_along(order: str) -> None:
    for name in SCHEMES:
        moved = float(trace(dataclasses.replace(PRIME, scheme=name, other=name, order=order)).shown[0].moved.max())
        # ALiBi knows |t - s| alone: to it, a sentence and its mirror image are the same.
        blind = name == "none" or (name == "alibi" and order == "reversed")
        assert moved < 1e-6 if blind else moved > 0.01, (name, moved)


def test_a_causal_mask_sees_the_order_by_itself() -> None:
    seen = trace(dataclasses.replace(PRIME, scheme="none", other="none", order="reversed", causal=True))
    assert float(seen.shown[0].moved.max()) > 0.1


def test_orders() -> None:
    assert reorder("reversed", 5, 0).tolist() == [4, 3, 2, 1, 0]
    assert reorder("swapped", 5, 0).tolist() == [4, 1, 2, 3, 0]
    assert reorder("written", 5, 0).tolist() == [0, 1, 2, 3, 4]
    for seed in range(20):
        for n in (2, 3, 13):
            place = reorder("shuffled", n, seed).tolist()
            assert sorted(place) == list(range(n)) and place != list(range(n))
    assert reorder("shuffled", 1, 0).tolist() == [0]
    seen = trace(dataclasses.replace(PRIME, order="shuffled"))
    written = TEXT.split()
    assert seen.label == tuple(written[i] for i in seen.place.tolist()) != tuple(written)
    assert seen.other_order == "written" and seen.other_place.tolist() == list(range(13))
    assert trace(PRIME).other_order == "shuffled"


def test_relative_schemes_do_not_feel_where_the_sentence_begins() -> None:
    for name in SCHEMES:
        (shown,) = trace(dataclasses.replace(PRIME, scheme=name, other=name)).shown
        change = float((shown.score - shown.score[:1]).abs().max())
        assert (change < 1e-5) == (name not in ("sinusoidal", "learned")), name


@pytest.mark.parametrize("name", SCHEMES)
def test_the_reference_agrees_with_every_scheme(name: str) -> None:
    for causal in (False, True):
        for base in (10_000.0, 500.0):
            cfg = dataclasses.replace(PRIME, scheme=name, other=name, causal=causal, base=base, order="swapped")
            differences = check(cfg)
            assert len(differences) == 2 and max(differences.values()) < 3e-6, differences


# --- laws ------------------------------------------------------------------------------------------------------------


def test_laws_of_the_schemes() -> None:
    law = laws(measured(PRIME)).numpy()
    sees_order, moves, share = (dict(zip(SCHEMES, law[:, i].tolist(), strict=True)) for i in range(3))
    assert sees_order["none"] < 1e-5
    assert all(sees_order[name] > 0.01 for name in SCHEMES[1:])
    assert all(moves[name] < 1e-5 for name in ("none", "t5", "alibi", "rope"))
    assert all(moves[name] > 0.1 for name in ("sinusoidal", "learned"))
    assert math.isnan(share["none"])
    assert share["t5"] == share["alibi"] == 1
    assert share["rope"] < 0.012  # without the correction for the number of sentences: 1/48
    # Of (e + p) W (e + p): words with positions twice, positions with positions once, entries of variance 1 and 1/2.
    assert 0.02 < share["sinusoidal"] < 0.35 and 0.1 < share["learned"] < 0.35


def test_the_share_of_a_bias_is_what_a_two_way_sum_of_squares_says() -> None:
    """The learned table's share, with 400 other sentences and the plain formula."""
    cfg = measured(PRIME)
    x = torch.randn(400, 11, D_MODEL, generator=torch.Generator().manual_seed(9)).double()
    w_q, w_k, _ = weights(cfg).double()
    table = MAKERS["learned"](cfg).table[:11].detach().double()
    product = (x + table) @ w_q.T @ ((x + table) @ w_k.T).mT - x @ w_q.T @ (x @ w_k.T).mT
    mean = product.mean(0)
    between = ((product - mean) ** 2).mean()
    share = float(mean.var(correction=0) / (mean.var(correction=0) + between))
    assert float(laws(cfg)[SCHEMES.index("learned"), 2]) == pytest.approx(share, abs=0.04)


def test_measured_keeps_what_the_laws_depend_on() -> None:
    cfg = dataclasses.replace(
        PRIME, text="a", scheme="none", order="swapped", causal=True, row=3, interval=2, content=0.0
    )
    assert measured(cfg) == measured(PRIME)
    for change in ({"n_head": 4}, {"head": 1}, {"n_pair": 3}, {"base": 20.0}, {"n_bucket": 8}, {"seed": 2}):
        assert measured(dataclasses.replace(PRIME, **change)) != measured(PRIME)


# --- single schemes --------------------------------------------------------------------------------------------------


def test_sinusoids() -> None:
    seen = trace(dataclasses.replace(PRIME, base=300.0))
    assert seen.wave.shape == (N_ROW + N_PAST + 1, D_MODEL)
    for p in (0, 1, 17, 80):
        for j in (0, 1, 30, 63):
            angle = p / 300.0 ** (2 * (j // 2) / D_MODEL)
            assert float(seen.wave[p, j]) == pytest.approx(math.cos(angle) if j % 2 else math.sin(angle), abs=2e-5)
            assert float(seen.frequency[j // 2]) == pytest.approx(300.0 ** (-(j // 2) / 32))
    for k in (0, 5, 47):
        dot = sum(math.cos(k * 300.0 ** (-i / 32)) for i in range(32)) / 32
        assert float(seen.likeness[0, k]) == pytest.approx(dot, abs=1e-5)
        cosines = [float(torch.cosine_similarity(seen.table[p], seen.table[p + k], dim=0)) for p in range(N_ROW - k)]
        assert float(seen.likeness[1, k]) == pytest.approx(np.mean(cosines), abs=1e-5)
    np.testing.assert_allclose(seen.overlap.sum(-1), seen.wave[:N_ROW] @ seen.wave[:N_ROW].T, atol=1e-4)
    m, n, i = 3, 50, 7
    angle = (m - n) * 300.0 ** (-i / 32)
    assert float(seen.overlap[m, n, i]) == pytest.approx(math.cos(angle), abs=1e-5)


def test_a_shift_is_a_rotation() -> None:
    seen = trace(PRIME)
    assert seen.residual.shape == (N_ROW,) and float(seen.residual.max()) < 1e-12
    # Another angle does not do.
    pair = torch.tensor([[math.sin(0.5), math.cos(0.5)]], dtype=torch.float64).expand(32, 2)
    assert turn(pair, 1, 10_000.0)[0].tolist() == pytest.approx([math.sin(1.5), math.cos(1.5)])
    assert turn(pair, 3, 10_000.0)[0].tolist() == pytest.approx([math.sin(3.5), math.cos(3.5)])


def test_a_learned_table_ends() -> None:
    table = torch.zeros(7, 3)
    assert asked(table, 6) == ""
    assert asked(table, 7).startswith("IndexError: ")
    assert trace(dataclasses.replace(PRIME, row=N_ROW - 1)).error == ""
    assert "out of range" in trace(dataclasses.replace(PRIME, row=N_ROW)).error
    assert trace(PRIME).table.shape == (N_ROW, D_MODEL)
    assert float(trace(PRIME).table.square().mean()) == pytest.approx(0.5, rel=0.1)


def test_buckets_and_biases() -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    for causal in (False, True):
        seen = trace(dataclasses.replace(PRIME, causal=causal))
        assert seen.distance.tolist() == list(range(-N_FAR, N_FAR + 1))
        for row, both in enumerate((True, False)):
            want = T5Attention._relative_position_bucket(-seen.distance, both, 11, 37)
            assert torch.equal(seen.bucket[row], want)
        table = MAKERS["t5"](dataclasses.replace(PRIME, causal=causal)).table.detach()
        chosen = seen.bucket[1 if causal else 0]
        for at in (0, 190, 199, 200, 201, 230, 400):
            assert torch.equal(seen.bias[:, at], table[chosen[at]])
    default = trace(Config())
    place = {d: i for i, d in enumerate(default.distance.tolist())}
    assert [int(default.bucket[0, place[d]]) for d in (1, -1, 16, 64, 200)] == [1, 17, 10, 14, 15]
    said = facts(default)
    assert (said["n_exact"], said["n_side"], said["last_from"]) == (8, 16, 91)


def test_slopes_and_recency() -> None:
    seen = trace(dataclasses.replace(PRIME, n_head=8))
    assert seen.slope.tolist() == [2.0**-h for h in range(1, 9)]
    for h, m in enumerate(seen.slope.tolist()):
        total = sum(math.exp(-m * d) for d in range(N_FAR + 1))
        for d in (0, 1, 20):
            assert float(seen.recency[h, d]) == pytest.approx(math.exp(-m * d) / total, rel=1e-4)
    # Half of the weight of an endless text: ln 2 / m words, for a flat head.
    m = seen.slope[-1].item()
    half = facts(seen)["flat"]
    far = np.exp(-m * np.arange(20_000))
    assert far[: round(float(half))].sum() / far.sum() == pytest.approx(0.5, abs=0.005)


# --- words -----------------------------------------------------------------------------------------------------------


def test_words() -> None:
    assert words_of("Don't stop, the dog's out!") == (("Don't", "stop", ",", "the", "dog's", "out", "!"), 0)
    assert words_of("狗咬了人 yes") == (("狗", "咬", "了", "人", "yes"), 0)
    assert words_of(" \n") == (("",), 0)
    words, n_cut = words_of("a " * 40)
    assert len(words) == N_TOKEN and n_cut == 8
    assert torch.equal(word_vector("Dog", 3), word_vector("dog", 3))
    assert not torch.equal(word_vector("dog", 4), word_vector("dog", 3))
    assert not torch.equal(word_vector("man", 3), word_vector("dog", 3))


def test_the_same_word_has_the_same_vector_in_another_text() -> None:
    one, two = (trace(Config(text=text, scheme="none", other="none")) for text in ("the dog bit", "a man and the dog"))
    # "the" and "dog" stand at 0, 1 and at 3, 4.
    torch.testing.assert_close(one.shown[0].content[:2, :2], two.shown[0].content[3:, 3:])


def test_weights_of_fewer_pairs_are_the_first_of_more() -> None:
    few, more = weights(dataclasses.replace(PRIME, n_pair=3)), weights(dataclasses.replace(PRIME, n_pair=5))
    assert few.shape == (3, 6, D_MODEL) and torch.equal(few, more[:, :6])
    assert float(weights(Config(n_pair=32)).square().mean()) == pytest.approx(1 / D_MODEL, rel=0.05)


def test_without_words_rope_says_nothing_and_a_bias_stays() -> None:
    seen = trace(dataclasses.replace(PRIME, scheme="rope", other="alibi", content=0.0))
    assert not seen.shown[0].position.any()
    assert float(seen.shown[1].position[0, 0, 12]) == pytest.approx(-12 * float(seen.slope[3]))


# --- every Config ----------------------------------------------------------------------------------------------------


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Any legal Config, with texts of any characters."""
    values = {}
    for name, (kind, about, default) in fields(Config).items():
        if kind is bool:
            values[name] = draw(st.booleans())
        elif isinstance(about, Choice):
            values[name] = draw(st.sampled_from(about.names))
        elif isinstance(about, Range) and kind is int:
            values[name] = draw(st.integers(int(about.low), int(about.high)))
        elif isinstance(about, Range | LogRange):
            values[name] = draw(st.floats(about.low, about.high))
        else:
            values[name] = draw(st.one_of(st.just(default), st.text(max_size=50)))
    return Config(**values)


@given(configs())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_laws_hold_for_every_config(cfg: Config) -> None:
    seen = trace(cfg)
    n = len(seen.label)
    assert [shown.name for shown in seen.shown] == list(dict.fromkeys((cfg.scheme, cfg.other)))
    for shown in seen.shown:
        n_start = 1 if seen.trained else N_START
        torch.testing.assert_close(shown.weight.sum(-1), torch.ones(n_start, n), atol=1e-5, rtol=0)
        if seen.causal:
            assert not shown.weight.triu(1).any()
        content = shown.content.expand_as(shown.score)
        torch.testing.assert_close(shown.score - shown.position, content, atol=2e-4, rtol=0)
    said = facts(seen)
    assert all(isinstance(value, str) or math.isfinite(value) for value in said.values()), said
    assert 0 <= said["row"] < n and 0 <= said["col"] < n
    gap = (seen.shown[0].weight[seen.start] - seen.shown[-1].weight[seen.start]).abs()
    assert said["gap"] == float(gap.max())
    if len(seen.shown) == 2:
        assert abs(said["share"] - said["other_share"]) == pytest.approx(said["gap"], abs=1e-6)
    assert limits({"n_head": cfg.n_head, "weights": "random"})["head"].high == cfg.n_head - 1
    assert limits({"n_head": cfg.n_head, "weights": "trained"})["head"].high == 3


def test_a_trace_writes_nothing_to_shared_things() -> None:
    before = torch.random.get_rng_state()
    first, second = trace(PRIME), trace(PRIME)
    assert torch.equal(first.shown[0].score, second.shown[0].score)
    assert torch.equal(torch.random.get_rng_state(), before)


# --- trained models --------------------------------------------------------------------------------------------------

PLAY = Config(weights="trained", text="First Citizen: We are accounted poor citizens.", head=3, seed=1)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("name", SCHEMES)
def test_a_trained_head_equals_the_models_own(name: str, layer: int) -> None:
    cfg = dataclasses.replace(PLAY, scheme=name, other=name, layer=layer, order="shuffled")
    assert max(check(cfg).values()) < 1e-5
    seen = trace(cfg)
    (shown,) = seen.shown
    assert seen.causal and seen.trained and (seen.layer, seen.head, seen.start) == (layer, 3, 0)
    model, ids = position_lm.load(name), position_reading.tokens(cfg.text, N_TOKEN)[0][seen.place]
    # The attention again from the scores, and without the scheme from the content.
    future = torch.full(shown.content.shape, -math.inf).triu(1)
    bare = model(ids[None], NoPosition(), maps=True)[1][layer][0, 3]
    torch.testing.assert_close((shown.content + future).softmax(-1), bare, atol=1e-5, rtol=0)
    own = model(ids[None], maps=True)[1][layer][0, 3]
    torch.testing.assert_close((shown.score[0] + future).softmax(-1), own, atol=1e-5, rtol=0)
    if name == "none":
        assert not shown.position.any()
    if layer == 0 and name in ("t5", "alibi"):
        # In the first layer, a bias is all that position does.
        torch.testing.assert_close(shown.position[0], model.scheme.bias(*shown.content.shape)[3], atol=1e-5, rtol=0)
    else:
        product = shown.query @ shown.key.T / 32**0.5
        if name not in ("t5", "alibi"):
            torch.testing.assert_close(product, shown.score[0], atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_trained_heads_output_is_what_it_adds_to_the_stream(name: str) -> None:
    """z of all heads through W_O, and the layer's feed-forward part, is what the layer itself returns."""
    model = position_lm.load(name)
    ids = position_reading.tokens(PLAY.text, N_TOKEN)[0]
    heads = [position_reading.read(model, ids, model.scheme, 0, head).output for head in range(4)]
    block, cfg = model.layers[0], model.cfg
    x = model.embedding[ids] * 96**0.5 + model.scheme.embed(len(ids))
    y = x + torch.cat(heads, dim=-1) @ block.w_o.T
    normed = rms_norm(y, block.gain_mlp, cfg.norm_eps)
    y = y + swiglu(normed[None], block.w_gate, block.w_up, block.w_down)[0]
    future = torch.full((len(ids), len(ids)), -math.inf).triu(1)
    torch.testing.assert_close(block(x[None], model.scheme, future)[0][0], y, atol=2e-4, rtol=1e-4)


def test_tokens_of_the_trained_models() -> None:
    ids, labels, n_cut = position_reading.tokens("First Citizen:", 32)
    assert labels[0] == "<bos>" and "".join(labels[1:]) == "First Citizen:" and n_cut == 0
    assert position_lm.tokenizer().decode(ids[1:].tolist()) == "First Citizen:"
    ids, labels, n_cut = position_reading.tokens("citizens " * 40, 7)
    assert len(ids) == len(labels) == 7 and n_cut > 40
    assert position_reading.tokens("", 7)[1] == ("<bos>",)
    seen = trace(dataclasses.replace(PLAY, order="reversed"))
    assert seen.label[0] == "<bos>" and seen.place.tolist() == [0, *range(len(seen.label) - 1, 0, -1)]


def test_the_tables_are_the_trained_ones() -> None:
    seen = trace(PLAY)
    assert torch.equal(seen.table, position_lm.load("learned").scheme.table)
    relative = position_lm.load("t5").scheme
    assert torch.equal(seen.bias, relative.table[relative.bucket(seen.distance)].T)
    assert (seen.n_bucket, seen.max_distance) == (relative.n_bucket, relative.max_distance)
    assert torch.equal(seen.slope, position_lm.load("alibi").scheme.slope)


# --- claims, and the models that learn -------------------------------------------------------------------------------


def test_claims() -> None:
    scale = position_claims.claim_scale()
    assert scale["plain"] < 1e-6 and scale["divided"] > 0.1
    assert scale["ratio"] == pytest.approx(scale["root"], rel=0.05) and scale["root"] == 8
    slopes = position_claims.claim_slopes()
    assert (slopes["first"], slopes["last"]) == (0.5, 2.0**-8)
    assert slopes["twelve"] == "0.707, 0.354, 0.177, 0.0884"
    # A model that was not trained with ALiBi does not gain by it.
    assert slopes["rope_alibi"] > slopes["rope_own"] + 0.3 and slopes["none_alibi"] > slopes["none_own"]
    assert slopes["own"] < slopes["rope_alibi"]
    learned = position_claims.claim_learned()
    assert learned["n_moved"] == learned["n_read"] == 12 and learned["n_rest"] == 20 and learned["moved"] > 1e-5
    assert (learned["gpt2_row"], learned["gpt2_number"]) == (1_024, 786_432)
    bias = position_claims.claim_bias()
    assert bias["t5"] == bias["alibi"] == 1 and bias["rope"] < 0.02


def test_a_causal_model_learns_its_places_and_another_cannot() -> None:
    learned = no_position.learn(0)
    assert float(learned.causal[-1]) > 0.98 and learned.parity_causal > 0.98
    assert float(learned.full.max()) < 0.15 and 0.4 < learned.parity_full < 0.6
    assert learned.chance == 1 / 12 and int(learned.step[-1]) == 400 == 20 * (len(learned.step) - 1)


def test_the_small_model_equals_pytorchs_attention() -> None:
    """One layer's attention against nn.MultiheadAttention, by taking everything else out of the weights."""
    made = no_position.initial(3)
    for name in made:
        if name.startswith("1.") or name == "0.w_down":
            made[name] = torch.zeros_like(made[name])
    ids = no_position.sequences(5, torch.Generator().manual_seed(0))
    assert (ids[:, 0] == 4).all() and ids.shape == (5, 13) and int(ids[:, 1:].max()) < 4
    for causal in (True, False):
        module = torch.nn.MultiheadAttention(32, 2, bias=False, batch_first=True)
        with torch.no_grad():
            module.in_proj_weight.copy_(torch.cat([made["0.w_q"], made["0.w_k"], made["0.w_v"]]))
            module.out_proj.weight.copy_(made["0.w_o"])
            x = made["embedding"][ids]
            seen = x / x.square().mean(-1, keepdim=True).add(torch.finfo(torch.float32).eps).sqrt()
            mask = torch.ones(13, 13, dtype=torch.bool).triu(1) if causal else None
            y = x + module(seen, seen, seen, attn_mask=mask)[0]
            y = y / y.square().mean(-1, keepdim=True).add(torch.finfo(torch.float32).eps).sqrt()
        torch.testing.assert_close(no_position.answers(made, ids, causal), y @ made["answer"].T, atol=1e-4, rtol=0)
