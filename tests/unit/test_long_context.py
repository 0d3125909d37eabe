"""Reading past the trained length: every number of the trace by another way, and what the shipped weights show.

References: explicit loops over texts and questions, transformers' frequencies, Llama and Mistral with copied weights,
dual chunks and sinks pair by pair (models/long_context_reference.py), numbers by hand.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from models import length_curves, long_context, long_context_claims, position_lm, rope_scaling
from models.context_methods import (
    ATTENTIONS,
    FACTORS,
    SCALINGS,
    STRETCHED,
    TRAINED,
    TUNED,
    at,
    base_curve,
    fresh_curve,
    nearest,
    reach,
    rise,
    scheme_at,
    stretched_curve,
    within,
)
from models.length_curves import ASKED, EDGES, LONGEST, N_SOURCE, N_TARGET, REACH, SHORTEST, centres, in_bins, texts
from models.long_context import Config, facts, trace
from models.long_context_reference import REMAPPED, frequency_gap
from models.position_schemes import SCHEMES, Alibi, Rotary

METHODS = (*SCALINGS, *ATTENTIONS)


# --- texts and bins --------------------------------------------------------------------------------------------------


def test_bins_by_hand():
    value = torch.tensor([1.0, 2.0, 4.0, 9.0, 5.0])
    mean, error, count = in_bins(value, torch.tensor([1, 2, 2, 3, 7]), (0, 1, 3, 6, 8))
    torch.testing.assert_close(mean, torch.tensor([1.0, 5.0, math.nan, 5.0]), equal_nan=True)
    assert count.tolist() == [1, 3, 0, 1]
    assert float(error[1]) == pytest.approx((13 / 3) ** 0.5)  # variance 13 of three values
    assert error[[0, 2, 3]].isnan().all()
    torch.testing.assert_close(centres((0, 1, 4, 9)), torch.tensor([1.0, 8**0.5, 45**0.5]))


def test_every_length_is_measured_on_the_same_tokens():
    """The last N_TARGET tokens of each source row, each once, whatever the context."""
    source = position_lm.held_out(N_SOURCE, LONGEST + 1)
    wanted = source[:, -N_TARGET:].flatten()
    for length in EDGES[EDGES.index(SHORTEST) :]:
        ids, n_last = texts(length)
        assert ids.shape[1] == length + 1
        assert (ids[:, 0] == source[0, 0]).all(), "every text begins with <bos>"
        new = length - EDGES[EDGES.index(length) - 1]
        assert n_last == (length if length == SHORTEST else new)
        by_row = ids[:, -new:].unflatten(0, (-1, N_SOURCE)).transpose(0, 1)
        assert torch.equal(by_row.flatten(), wanted)
        # And before them stands what stands before them in the held-out text.
        row, end = ids[-1], LONGEST + 1
        assert torch.equal(row[1:], source[-1, end - length :])


@pytest.mark.parametrize("length", ASKED)
def test_questions_can_be_answered_from_the_text(length):
    """Each question's letter stands once before it, after <key>, and the digit that follows is the answer."""
    ids, asks, distance = length_curves.needles(length, seed=0)
    letters = position_lm.alphabet(position_lm.tokenizer())
    assert ids.shape == (ASKED[length][0], length) and asks.shape == distance.shape
    for row, questions, back in zip(ids.tolist(), asks.tolist(), distance.tolist(), strict=True):
        assert len({row[ask] for ask in questions}) == ASKED[length][1], "no letter is asked for twice"
        for ask, far in zip(questions, back, strict=True):
            assert row[ask - 1] == letters.key
            digit = ask - far
            assert row[digit - 2 : digit] == [letters.key, row[ask]]
            assert row[digit] == row[ask + 1] and row[digit] in letters.values
            before = [i for i in range(1, ask) if row[i] == row[ask] and row[i - 1] == letters.key]
            assert before == [digit - 1]


def test_every_bin_of_distances_has_questions():
    assert (length_curves.questions_per_bin() >= 5).all()


# --- the curves ------------------------------------------------------------------------------------------------------


def test_loss_of_the_longest_and_of_a_short_bin_by_loops():
    model = position_lm.load("rope")
    curve = length_curves.measure(model, lambda length: None)
    source = position_lm.held_out(N_SOURCE, LONGEST + 1)
    long, short = [], []
    for row in source:
        log_p = model(row[None, :-1])[0][0].log_softmax(-1)
        long += [-float(log_p[t, row[t + 1]]) for t in range(768, 1024)]
        for target in range(LONGEST + 1 - N_TARGET, LONGEST + 1):
            # 49 to 64 tokens before it: 64 where it is the last of its text, 49 where it is the first.
            context = 64 - (LONGEST - target) % 16
            text = torch.cat((row[:1], row[target - context + 1 : target]))
            short.append(-float(model(text[None])[0][0, -1].log_softmax(-1)[row[target]]))
    assert float(curve.loss[at(1024)]) == pytest.approx(sum(long) / len(long), abs=1e-4)
    assert float(curve.loss[at(64)]) == pytest.approx(sum(short) / len(short), abs=1e-4)
    spread = torch.tensor(long).std() / len(long) ** 0.5
    assert float(curve.error[at(1024)]) == pytest.approx(float(spread), abs=1e-4)


def test_recall_by_asking_one_question_at_a_time():
    model = position_lm.load("alibi")
    right: dict[int, list[bool]] = {}
    for length in (64, 256):
        for row, questions, back in zip(*length_curves.needles(length, seed=0), strict=True):
            for ask, far in zip(questions.tolist(), back.tolist(), strict=True):
                if far > (0 if length == 64 else length // 2):
                    said = int(model(row[None, : ask + 1])[0][0, -1].argmax())
                    place = next(i for i in range(len(REACH) - 1) if REACH[i] < far <= REACH[i + 1])
                    right.setdefault(place, []).append(said == int(row[ask + 1]))
    recall = base_curve("alibi").recall
    for place in (0, 1, 2, 3, REACH.index(256) - 1):
        assert float(recall[place]) == pytest.approx(sum(right[place]) / len(right[place]), abs=1e-6)


def test_the_learned_table_stops_at_its_end():
    curve = base_curve("learned")
    assert curve.loss[: at(TRAINED) + 1].isfinite().all() and curve.loss[at(TRAINED) + 1 :].isnan().all()
    assert "64" in curve.refusal
    with pytest.raises(IndexError):
        position_lm.load("learned")(position_lm.held_out(1, TRAINED + 1))
    fresh = fresh_curve()
    assert fresh.refusal == "" and fresh.loss.isfinite().all()
    torch.testing.assert_close(fresh.loss[: at(TRAINED) + 1], curve.loss[: at(TRAINED) + 1])


def test_texts_of_the_trained_length_are_read_as_before():
    """Dynamic NTK, dual chunks (one chunk: 48 tokens), sinks and window change nothing there."""
    plain = base_curve("rope").loss
    for method, edge in (("dynamic", 64), ("sinks", 64), ("window", 64), ("dca", 48)):
        n = at(edge) + 1
        torch.testing.assert_close(stretched_curve(method, 1, False).loss[:n], plain[:n], rtol=0, atol=2e-5)


def test_a_factor_of_one_is_the_model_as_it_is():
    model = position_lm.load("rope")
    ids = position_lm.held_out(2, 200)
    for method in ("none", *STRETCHED):
        torch.testing.assert_close(model(ids, scheme_at(method, 1.0)(200))[0], model(ids)[0], rtol=1e-4, atol=1e-4)
        assert stretched_curve(method, 1, False) is base_curve("rope")


# --- the trace -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_trace_is_what_the_curves_are(method):
    shown = trace(Config(method=method, factor=4))
    assert shown.factors == (FACTORS if method in STRETCHED else (1,))
    assert shown.factors[shown.index] == (4 if method in STRETCHED else 1)
    for i, scheme in enumerate(SCHEMES):
        torch.testing.assert_close(shown.base[i], base_curve(scheme).loss, equal_nan=True)
        torch.testing.assert_close(shown.base_error[i], base_curve(scheme).error, equal_nan=True)
        torch.testing.assert_close(shown.base_recall[i], base_curve(scheme).recall, equal_nan=True)
    for f, factor in enumerate(shown.factors):
        curve = stretched_curve(method, factor, False)
        torch.testing.assert_close(shown.stretched[f], curve.loss)
        torch.testing.assert_close(shown.stretched_error[f], curve.error)
        torch.testing.assert_close(shown.stretched_recall[f], curve.recall)
        if method in SCALINGS:
            how = rope_scaling.Scaled(shown.inv_freq[f], float(shown.attention_factor[f]))
            assert frequency_gap(method, how, float(factor), TRAINED, LONGEST, 10_000.0) < 1e-6
    assert shown.fresh.isnan().all() and "64" in shown.refusal
    assert shown.distance.shape == (len(REACH) - 1,) and shown.context.shape == (len(EDGES) - 1,)


@pytest.mark.parametrize("method", METHODS)
def test_positions_and_angles_of_the_trace(method):
    shown = trace(Config(method=method))
    n = long_context.N_SHOWN
    for t, s in ((0, 0), (50, 49), (70, 3), (100, 47), (127, 0), (127, 126), (20, 30)):
        wanted = REMAPPED[method](t, s, TRAINED) if method in REMAPPED else t - s
        if method == "window" and t - s >= TRAINED:
            wanted = -1
        assert int(shown.relative[t, s]) == (wanted if s <= t else -1), (t, s)
    assert shown.relative.shape == (n, n)
    assert int(shown.relative.max()) == (TRAINED - 1 if method in ATTENTIONS else n - 1)
    pair = torch.arange(16, dtype=torch.float64)
    torch.testing.assert_close(shown.seen.double(), 64 * 10_000 ** (-pair / 16), rtol=1e-5, atol=0)
    farthest = 63 if method in ATTENTIONS else 1023
    torch.testing.assert_close(shown.reached, farthest * shown.inv_freq)


def test_ramps_and_temperature_of_the_trace():
    shown = trace(Config())
    # 64 / (2 pi) = 10.2 turns of pair 0, none makes 32: the ramp begins at pair 0 and ends at pair 5 (0.57 turns).
    torch.testing.assert_close(shown.keep, torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2] + [0.0] * 11))
    assert (shown.keep_llama == 1).sum() == 21 and (shown.keep_llama == 0).sum() == 18
    turns = 4096 / (2 * math.pi) * 10_000.0 ** (-torch.arange(64) / 64)
    torch.testing.assert_close(shown.keep_paper, ((turns - 1) / 31).clamp(0, 1), rtol=1e-4, atol=1e-5)
    assert float(shown.span[0]) == 1 and float(shown.span[-1]) == pytest.approx(64)
    sixteen = int((shown.span - 16).abs().argmin())
    assert float(shown.mscale[sixteen]) == pytest.approx(1.2773, abs=1e-3)
    assert float(shown.attention_factor[shown.index]) == pytest.approx(1.2773, abs=1e-4)


def test_factors_between_the_grid_and_switches_that_do_not_apply():
    assert [FACTORS[nearest(f)] for f in (1, 5, 7, 9, 10, 13, 14, 16)] == [1, 4, 8, 8, 8, 12, 12, 16]
    for method in ("dynamic", "dca", "sinks", "window"):
        assert not trace(Config(method=method, tuned=True)).tuned
        torch.testing.assert_close(
            trace(Config(method=method, tuned=True)).stretched, trace(Config(method=method)).stretched
        )


def test_facts_by_hand():
    shown = trace(Config(method="linear", factor=4))
    said = facts(shown)
    rope, linear = base_curve("rope").loss, stretched_curve("linear", 4, False).loss
    level = float(rope[[EDGES.index(48) - 1, EDGES.index(64) - 1]].mean())
    assert said["loss"] == pytest.approx(level, abs=1e-5)
    assert said["rise4_rope"] == pytest.approx(float(rope[EDGES.index(256) - 1]) - level, abs=1e-5)
    assert said["rise16"] == pytest.approx(float(linear[-1]) - level, abs=1e-5)
    assert said["mended16"] == pytest.approx(1 - said["rise16"] / said["rise16_rope"], abs=1e-4)
    assert said["n_part"] == 11  # pairs 5 .. 15: 64 w_i below 2 pi
    assert said["n_new_plain"] == 11 and said["n_new"] == 11  # 1,023 / 4 is still past 64
    assert facts(trace(Config(method="linear", factor=16)))["n_new"] == 0
    assert facts(trace(Config(method="ntk", factor=16)))["n_new"] == 10  # all but the slowest
    assert facts(trace(Config(method="dca")))["n_new"] == 0
    assert reach(torch.tensor([9.0] * 9 + [3.0] * 3 + [3.2, 3.39, 3.45] + [3.0] * 5), 3.0) == 128
    assert reach(torch.tensor([9.0] * 9 + [3.5] * 11), 3.0) == 0
    assert reach(torch.tensor([3.0] * 20), 3.0) == 1024
    assert reach(torch.tensor([3.0] * 12 + [math.nan] * 8), 3.0) == 64
    assert said["reach"] == reach(linear, level)
    assert set(said) == set(facts(trace(Config(method="window", fresh=True))))


def test_ticks_rise_and_may_cancel():
    seen: list[float] = []
    trace(Config(method="linear"), seen.append)
    assert seen == sorted(seen) and seen[0] >= 0 and seen[-1] <= 1

    def cancel(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(Config(method="linear"), cancel)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tuned", [False, True])
def test_other_libraries_agree(method, tuned):
    found = long_context.check(Config(method=method, tuned=tuned))
    assert len(found) == (2 if method in SCALINGS else 1)
    assert max(found.values()) < 1e-4, found


# --- what the shipped weights show -----------------------------------------------------------------------------------


def above(curve: length_curves.Curve) -> float:
    """Loss at 16 times the trained length, above the RoPE model's within it."""
    return float(curve.loss[-1] - within(base_curve("rope").loss))


def test_past_the_trained_length_as_shipped():
    """RoPE and sinusoidal rise, ALiBi stays flat, T5 drifts, the learned table stops, and its new rows are noise."""
    rope = base_curve("rope").loss
    assert float(rise(rope, 4)) > 1.0 and float(rise(rope, 16)) > 1.3
    assert float(rise(base_curve("sinusoidal").loss, 4)) > 1
    assert abs(float(rise(base_curve("alibi").loss, 4))) < 0.1 and abs(float(rise(base_curve("alibi").loss, 16))) < 0.1
    assert 0.1 < float(rise(base_curve("t5").loss, 16)) < float(rise(rope, 16))
    assert float(rise(fresh_curve().loss, 4)) > 1
    for scheme in ("rope", "sinusoidal", "learned", "t5", "alibi"):
        assert float(base_curve(scheme).recall[: REACH.index(TRAINED)].min()) > 0.9, scheme
    assert float(base_curve("rope").recall[-2:].max()) < 0.1
    assert float(base_curve("alibi").recall[-1]) > 0.3


def test_what_each_method_mends_as_shipped():
    yarn = stretched_curve("yarn", 16, False)
    assert above(yarn) < 0.4 * float(rise(base_curve("rope").loss, 16))
    assert float(yarn.recall.min()) > 0.85
    assert above(stretched_curve("linear", 16, False)) > 1, "interpolation without training"
    level = float(within(base_curve("rope").loss))
    assert reach(stretched_curve("ntk", 4, False).loss, level) == 128, "the answer of the prediction"
    assert reach(stretched_curve("yarn", 4, False).loss, level) >= 256
    for method, flat, most in (("dca", 0.3, 1.0), ("sinks", 0.05, 0.3), ("window", 0.05, 0.3)):
        curve = stretched_curve(method, 1, False)
        assert abs(above(curve)) < flat, method
        assert float(curve.recall[REACH.index(TRAINED) :].mean()) < most, method
    assert float(stretched_curve("dca", 1, False).recall[-1]) > 0.5


def test_what_tuning_mends_as_shipped():
    """The loss, for all of them; the needles, for YaRN. A factor that weights were not tuned with does harm."""
    for tuned in TUNED:
        assert above(stretched_curve(tuned, 16 if tuned in STRETCHED else 1, True)) < 0.35, tuned
    assert float(stretched_curve("yarn", 16, True).recall.min()) > 0.9
    assert float(stretched_curve("linear", 16, True).recall[-3:].max()) < 0.4
    assert above(stretched_curve("yarn", 4, True)) > above(stretched_curve("yarn", 16, True)) + 0.5


def test_claims_are_computed():
    for name, claim in long_context_claims.CLAIMS.items():
        values = claim()
        assert values and all(math.isfinite(v) for v in values.values() if isinstance(v, float)), name
    said = long_context_claims.claim_code_llama()
    assert said["slowest_old"] == pytest.approx(54_410, abs=1)
    assert said["slowest_new"] == pytest.approx(5.063e6, rel=1e-3)
    # 16,384 / (2 pi b^(i / 64)) < 1: i > 54.7 for base 1e4, i > 36.4 for base 1e6.
    assert (said["part_old"], said["part_new"]) == (9, 27)


def test_alibi_on_other_weights_is_what_the_claim_says():
    model, biased = position_lm.load("none"), Alibi(position_lm.Config().n_head)
    ids, n_last = texts(64)
    logits = model(ids[:, :-1], biased)[0][:, -n_last:]
    loss = F.cross_entropy(logits.flatten(0, 1), ids[:, -n_last:].flatten())
    said = long_context_claims.claim_alibi_untrained()
    assert said["none_after"] == pytest.approx(float(loss), abs=0.15)  # one of the two bins it is a mean of
    assert (said["steepest"], said["gentlest"]) == (0.5, 2.0**-8)


def test_tuned_weights_are_the_ones_of_their_method():
    assert set(TUNED) == {"none", *STRETCHED} and set(TUNED.values()) == set(position_lm.TUNED)
    ids = position_lm.held_out(1, 100)
    for method in STRETCHED:
        tuned = position_lm.load("rope", TUNED[method])
        scheme = scheme_at(method, 16.0)(100)
        assert isinstance(scheme, Rotary)
        assert not torch.equal(tuned.embedding, position_lm.load("rope").embedding)
        assert tuned(ids, scheme)[0].isfinite().all()
