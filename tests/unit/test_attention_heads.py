"""The attention-heads page's numbers against slow loops, plain recomputation and the models' own library."""

import dataclasses
import itertools
import math
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import attention_heads as heads
from models import head_claims, head_reading, language_model
from models import head_roles as roles
from models.fields import Choice, Range, Text, fields
from models.language_model import ModelUnavailable
from tests.unit.fake_heads import Fake, install

SPEC = tomllib.loads((Path(heads.__file__).parents[1] / "pages/attention/attention_heads.toml").read_text("utf-8"))
ANIMAL = "The animal didn't cross the street because it was too tired."
SECRET = "The capital of France is Paris. The capital of France is"


def slow_scores(attention: list, ids: list[int], causal: bool) -> tuple[float, ...]:
    """One head's five scores, straight from their definitions (as in test_head_roles.py)."""
    n = len(ids)
    previous, sink, induction, same, entropy = [], [], [], [], []
    for t in range(n):
        row = attention[t]
        entropy.append(-sum(p * math.log2(p) for p in row if p > 0))
        if t > 0:
            previous.append(row[t - 1])
            sink.append(row[0])
        before = [p for p in range(t - 1) if ids[p] == ids[t]]
        if before:
            induction.append(row[max(before) + 1])
        twins = [s for s in range(t if causal else n) if s != t and ids[s] == ids[t]]
        if twins:
            same.append(sum(row[s] for s in twins))
    return tuple(sum(x) / len(x) if x else 0.0 for x in (previous, induction, sink, same, entropy))


@pytest.fixture
def fake(monkeypatch):
    yield install(monkeypatch)
    head_reading.look.cache_clear()


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("", set(), ()),
        ("3.1 5.0", {(3, 1), (5, 0)}, ()),
        ("L3H1, 3:1；0.0", {(3, 1), (0, 0)}, ()),
        ("9.0 0.9 6.6", set(), ("9.0", "0.9", "6.6")),
        ("1.2.3 x -1.0 5.6", {(5, 6)}, ("1.2.3", "x", "-1.0")),
        ("99999999999999.0 <b>", set(), ("99999999999999.0", "<b>")),
        ("  ,;  ", set(), ()),
    ],
)
def test_parse_heads(text, good, bad):
    assert head_reading.parse_heads(text, 6, 7) == (frozenset(good), bad)


@given(st.text(max_size=60))
def test_parse_heads_takes_anything(text):
    good, _ = head_reading.parse_heads(text, 6, 7)
    assert all(0 <= layer < 6 and 0 <= head < 7 for layer, head in good)


def test_long_texts_are_cut_and_still_end_as_every_text_does(fake):
    ids, n_cut = head_reading.cut(fake["minilm"], "a" * 130)
    assert len(ids) == 128 and ids[0] == 1 and ids[-1] == 2 and n_cut == 132 - 128
    ids, n_cut = head_reading.cut(fake["tiny-lm"], "ab" * 65)
    assert ids == fake["tiny-lm"].encode("ab" * 65)[:128] and n_cut == 131 - 128
    assert head_reading.cut(fake["tiny-lm"], "a" * 127)[1] == 0
    fake["minilm"].n_ctx = 5  # a model that takes less
    assert head_reading.cut(fake["minilm"], "abcdefg") == ([1, *fake["minilm"].encode("abc")[1:4], 2], 4)


def test_thumbnails_keep_the_largest_weight_under_each_pixel():
    small = torch.rand(2, 3, 31, 31, generator=torch.Generator().manual_seed(1))
    assert torch.equal(head_reading.shrink(small), (small * 255).round().to(torch.uint8))
    n = 67
    large = torch.rand(1, 2, n, n, generator=torch.Generator().manual_seed(2))
    found = head_reading.shrink(large)
    assert found.shape == (1, 2, 32, 32)
    for i in range(32):
        for j in range(32):
            rows, cols = (slice(k * n // 32, -(-(k + 1) * n // 32)) for k in (i, j))
            assert found[0, 1, i, j] == round(float(large[0, 1, rows, cols].max()) * 255)


def test_next_tokens_are_the_likeliest_before_or_after():
    make = torch.Generator().manual_seed(5)
    a, b = (3 * torch.randn(37, generator=make) for _ in range(2))
    top, p, q, surprise = head_reading.next_tokens(a, b)
    exp = [[math.exp(x) for x in row.tolist()] for row in (a, b)]
    before, after = ([x / sum(row) for x in row] for row in exp)
    likely = sorted(range(37), key=lambda i: -max(before[i], after[i]))[:10]
    assert set(top.tolist()) == set(likely)
    assert p.tolist() == pytest.approx([before[i] for i in top.tolist()], abs=1e-6)
    assert q.tolist() == pytest.approx([after[i] for i in top.tolist()], abs=1e-6)
    assert p.tolist() == sorted(p.tolist(), reverse=True)
    assert 0 < float(p.sum()) <= 1 and 0 < float(q.sum()) <= 1
    reference = F.kl_div(b.log_softmax(-1), a.log_softmax(-1), log_target=True, reduction="sum")
    assert surprise == pytest.approx(float(reference) / math.log(2), rel=1e-5)
    assert head_reading.next_tokens(a, a)[3] == 0.0


def test_next_tokens_of_small_vocabularies_and_of_encoders():
    top, p, _, _ = head_reading.next_tokens(torch.zeros(3), torch.zeros(3))
    assert len(top) == 3 and float(p.sum()) == pytest.approx(1.0)
    top, p, q, surprise = head_reading.next_tokens(torch.zeros(0), torch.zeros(0))
    assert len(top) == len(p) == len(q) == 0 and surprise == 0.0


# --- the trace -------------------------------------------------------------------------------------------------------

CASES = [
    heads.Config(text="abcabcab, you see", layer=1, head=3),
    heads.Config(model="smollm2", text="hello hello", layer=4, head=8, ablate="0.1 2.2 9.9", order="entropy"),
    heads.Config(model="minilm", text="one two one two", layer=63, head=63, ablate="0.0", order="same"),
    heads.Config(text="x" * 150, order="induction", focus=127),
    heads.Config(text=""),
]


@pytest.mark.parametrize("cfg", CASES)
def test_every_field_of_the_trace(fake, cfg):
    model = fake[cfg.model]
    trace = heads.trace(cfg)
    ablate, bad = head_reading.parse_heads(cfg.ablate, model.n_layer, model.n_head)
    ids = head_reading.cut(model, cfg.text)[0]
    intact, left = model.read(ids), model.read(ids, ablate)
    layer, head = min(cfg.layer, model.n_layer - 1), min(cfg.head, model.n_head - 1)
    g = head * model.n_kv_head // model.n_head

    assert (trace.name, trace.causal, trace.n_kv_head) == (heads.TITLES[model.name], model.causal, model.n_kv_head)
    assert trace.ids.tolist() == ids and trace.label == model.label(ids)
    assert trace.n_cut == max(0, len(model.encode(cfg.text)) - 128)
    assert (trace.view, trace.order_by, trace.layer, trace.head) == (cfg.view, cfg.order, layer, head)
    assert (trace.ablate, trace.ablate_bad) == (tuple(sorted(ablate)), bad)
    for score, reading in ((trace.score, left), (trace.score_intact, intact)):
        for at in range(model.n_layer):
            for h in range(model.n_head):
                slow = slow_scores(reading.attention[at, h].tolist(), ids, model.causal)
                assert score[:, at, h].tolist() == pytest.approx(slow, abs=1e-5)
    assert torch.equal(trace.maps, head_reading.shrink(left.attention))
    assert torch.allclose(trace.attention.float(), left.attention[layer, head], atol=1e-3)
    for mine, theirs in ((trace.query, left.query[layer, head]), (trace.key, left.key[layer, g])):
        assert torch.allclose(mine.float(), theirs, rtol=1e-3, atol=1e-3)
    assert torch.allclose(trace.value.float(), left.value[layer, g], rtol=1e-3, atol=1e-3)
    dot = [[float(q @ k) / model.d_head**0.5 for k in left.key[layer, g]] for q in left.query[layer, head]]
    assert torch.allclose(trace.raw.float(), torch.tensor(dot), rtol=1e-3, atol=1e-3)
    assert trace.gap < 1e-5
    assert trace.key_head.tolist() == [h * model.n_kv_head // model.n_head for h in range(model.n_head)]
    assert torch.equal(trace.overlap, roles.overlap(left.attention[layer]))
    means = roles.overlap_means(left.attention, trace.key_head)
    assert (trace.overlap_within, trace.overlap_across) == pytest.approx(means)
    assert trace.n_repeat == sum(any(ids[p] == ids[t] for p in range(t - 1)) for t in range(len(ids)))
    special = [i < 3 for i in ids]
    assert (trace.relation, trace.relation_weight) == roles.strongest_relation(
        left.attention[layer, head], trace.label, special
    )
    start = max(trace.relation[0], 0)
    assert trace.focus == (start if cfg.focus < 0 else min(cfg.focus, len(ids) - 1))
    top, before, after, surprise = head_reading.next_tokens(intact.logit, left.logit)
    assert trace.next_label == model.label(top.tolist()) and trace.surprise == surprise
    assert torch.equal(trace.before, before) and torch.equal(trace.after, after)


def test_relations_leave_out_special_tokens(fake):
    n_other = 0
    for text in ("ab cd ab", "xyz", "no", "hello"):
        for layer, head in itertools.product(range(2), range(3)):
            trace = heads.trace(heads.Config(model="minilm", text=text, layer=layer, head=head))
            last = len(trace.ids) - 1  # [SEP]
            assert last not in trace.relation and 0 not in trace.relation
            everything = roles.strongest_relation(trace.attention.float(), trace.label, [False] * (last + 1))
            n_other += everything[0] != trace.relation
    assert n_other  # somewhere it made a difference


@pytest.mark.parametrize("order", roles.SCORES)
def test_the_grid_shows_the_best_first(fake, order):
    trace = heads.trace(heads.Config(text="abab abab", order=order))
    values = trace.score[roles.SCORES.index(order)].flatten()[trace.order].tolist()
    assert values == sorted(values, reverse=order != "entropy")
    assert sorted(trace.order.tolist()) == list(range(30))
    assert heads.trace(heads.Config(text="abab abab")).order.tolist() == list(range(30))


def test_a_grid_of_many_heads_shows_what_fits(monkeypatch):
    monkeypatch.setattr(heads, "N_MAP", 10)
    score = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(3))
    by_layer = [heads.shown_order(score, "layer", layer).tolist() for layer in (0, 3, 6)]
    assert by_layer == [list(range(9)), list(range(6, 15)), list(range(12, 21))]  # three whole layers of three
    best = heads.shown_order(score, "sink", 0).tolist()
    assert best == sorted(range(21), key=lambda i: -float(score[2].flatten()[i]))[:10]
    assert heads.shown_order(score[:, :2], "layer", 1).tolist() == list(range(6))


def test_a_click_in_the_grid_opens_or_switches_off(fake):
    trace = heads.trace(heads.Config(text="abab abab", order="sink"))
    pairs = [divmod(i, 10) for i in trace.order.tolist()]
    assert heads.opened(trace, []) == {}
    assert heads.opened(trace, [2, 7]) == {"layer": pairs[7][0], "head": pairs[7][1]}
    assert head_reading.parse_heads(heads.switched(trace, [7, 2])["ablate"], 3, 10)[0] == {pairs[7], pairs[2]}
    assert heads.switched(trace, []) == {"ablate": ""}


def test_a_head_that_is_off_and_not_in_the_grid_stays_off(fake, monkeypatch):
    monkeypatch.setattr(heads, "N_MAP", 4)
    trace = heads.trace(heads.Config(text="abab abab", order="sink", ablate="0.0 1.1 2.2"))
    pairs = [divmod(i, 10) for i in trace.order.tolist()]
    hidden = {(0, 0), (1, 1), (2, 2)} - set(pairs)
    assert hidden
    assert head_reading.parse_heads(heads.switched(trace, [3])["ablate"], 3, 10)[0] == hidden | {pairs[3]}


def test_ablating_a_head_is_erasing_its_part_of_the_output_matrix(fake):
    model, text = fake["smollm2"], "some words some words"
    trace = heads.trace(heads.Config(model="smollm2", text=text, ablate="1.4 3.0"))
    without = Fake("smollm2", True, 5, 3, 3, 13)
    without.w_o[1, 4] = without.w_o[3, 0] = 0.0
    reading = without.read(model.encode(text))
    whole = model.read(model.encode(text))
    labels = [model.label([i])[0] for i in range(61)]
    for shown, logit in ((trace.before, whole.logit), (trace.after, reading.logit)):
        p = logit.softmax(-1)
        assert shown.tolist() == pytest.approx([float(p[labels.index(x)]) for x in trace.next_label], abs=1e-6)
    assert trace.surprise > 1e-3
    # Layers up to the first ablated one see nothing of it; later ones do.
    same = (trace.score == trace.score_intact).flatten(2).all(-1).all(0)
    assert same.tolist() == [True, True, False, False, False]


def test_a_click_on_another_head_reads_nothing_again(fake):
    model = fake["tiny-lm"]
    first = heads.trace(heads.Config(text="abc abc", layer=0, head=0))
    assert model.n_read == 1
    other = heads.trace(heads.Config(text="abc abc", layer=2, head=7, order="sink", view="arcs"))
    assert model.n_read == 1 and not torch.equal(first.attention, other.attention)
    heads.trace(heads.Config(text="abc abc", ablate="0.1 1.1"))
    heads.trace(heads.Config(text="abc abc", layer=1, ablate="1.1, 0.1 0.1"))  # the same heads
    assert model.n_read == 2


def test_many_threads_at_once(fake):
    expected = {n: heads.trace(heads.Config(text="abc" * n)).relation for n in range(1, 12)}
    head_reading.look.cache_clear()
    with ThreadPoolExecutor(max_workers=11) as pool:
        found = {n: pool.submit(heads.trace, heads.Config(text="abc" * n)) for n in expected for _ in range(2)}
    assert {n: future.result().relation for n, future in found.items()} == expected


def test_progress_and_cancel(fake):
    seen = []
    heads.trace(heads.Config(), seen.append)
    assert seen == sorted(seen) and seen[0] == 0.0 and seen[-1] <= 1.0

    class Stop(Exception):
        pass

    def stop(fraction: float) -> None:
        if fraction > 0.2:
            raise Stop

    with pytest.raises(Stop):
        heads.trace(heads.Config(), stop)


def test_a_model_that_cannot_be_had_says_so(fake):
    with pytest.raises(ModelUnavailable):
        heads.trace(heads.Config(model="own", own=""))


def any_value(kind):
    match kind:
        case Choice():
            return st.sampled_from(kind.names)
        case Range():
            return st.integers(int(kind.low), int(kind.high))
        case Text():
            return st.text(max_size=kind.max_length) | st.from_regex(r"(\d\.\d ){0,9}", fullmatch=True)
    return st.booleans()


configs = st.builds(heads.Config, **{name: any_value(kind) for name, (_, kind, _) in fields(heads.Config).items()})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cfg=configs)
def test_every_config_is_a_legal_experiment(fake, cfg):
    if cfg.model == "own":
        with pytest.raises(ModelUnavailable):
            heads.trace(cfg)
        return
    trace = heads.trace(cfg)
    assert torch.allclose(trace.attention.float().sum(-1), torch.ones(len(trace.ids)), atol=2e-2)
    for name, fact in heads.facts(trace).items():
        assert isinstance(fact, str) or math.isfinite(fact), name
    assert max(heads.check(cfg).values()) < 1e-4


# --- facts, check, claims --------------------------------------------------------------------------------------------


def test_facts_name_what_the_trace_shows(fake):
    trace = heads.trace(heads.Config(model="smollm2", text="to be or not to be", layer=2, head=4, ablate="1.0 1.5 8.8"))
    said = heads.facts(trace)
    assert (said["layer"], said["head"], said["n_all"], said["n_token"]) == (2, 4, 45, 19)
    assert said["shared_with"] == "2.3, 2.5" and said["key_head"] == 1 and said["group_size"] == 3
    assert said["ablated"] == "1.0, 1.5" and said["bad"] == "8.8"
    for i, name in enumerate(roles.SCORES):
        assert said[name] == pytest.approx(float(trace.score[i, 2, 4]))
        assert said[f"{name}_intact"] == pytest.approx(float(trace.score_intact[i, 2, 4]))
        layer, head = map(int, said[f"{name}_best"].split("."))
        extreme = min if name == "entropy" else max
        assert said[f"{name}_best_score"] == extreme(trace.score[i].flatten().tolist())
        assert float(trace.score[i, layer, head]) == said[f"{name}_best_score"]
        if name != "entropy":
            assert said[f"{name}_count"] == sum(x > 0.5 for x in trace.score[i].flatten().tolist())
    t, s = trace.relation
    assert (said["from"], said["to"]) == (trace.label[t], trace.label[s])
    assert said["relation"] == pytest.approx(float(trace.attention[t, s]), abs=1e-3)
    assert said["overlap_group"] == pytest.approx(float((trace.overlap[4, 3] + trace.overlap[4, 5]) / 2))
    assert said["kv_bytes_mha"] == 3 * said["kv_bytes"] == 2 * 5 * 9 * 13 * 2
    assert said["spread"] == pytest.approx(2 ** said["entropy"])
    length = [sum(x * x for x in row) ** 0.5 for row in trace.value.tolist()]
    assert said["sink_value"] == pytest.approx(length[0] / (sum(length[1:]) / (len(length) - 1)), rel=1e-4)
    assert said["first"] == trace.label[0]
    assert (said["top"], said["p_before"]) == (trace.next_label[0], max(trace.before.tolist()))
    assert said["p_top_after"] == max(trace.after.tolist())


@pytest.mark.parametrize(
    ("after", "word"), [(0.7, "more"), (0.62, "same"), (0.58, "same"), (0.5, "less"), (0.31, "less"), (0.29, "gone")]
)
def test_facts_say_how_far_the_favourite_falls(fake, after, word):
    trace = heads.trace(heads.Config(text="abc"))
    trace = dataclasses.replace(trace, before=torch.tensor([0.6, 0.1]), after=torch.tensor([after, 0.1]))
    assert heads.facts(trace)["falls"] == word


def test_check_finds_what_is_wrong(fake, monkeypatch):
    cfg = heads.Config(text="to be or not", layer=1, head=2)
    assert max(heads.check(cfg).values()) < 1e-5
    model, right = fake["tiny-lm"], fake["tiny-lm"].read
    for field in ("query", "key", "attention"):
        head_reading.look.cache_clear()

        def wrong(ids, ablate=frozenset(), field=field):
            reading = right(ids, ablate)
            return dataclasses.replace(reading, **{field: getattr(reading, field).flip(1)})

        monkeypatch.setattr(model, "read", wrong)
        assert max(heads.check(cfg).values()) > 1e-2, field
        assert heads.trace(cfg).gap > 1e-2


def test_claims_rest_on_live_numbers(fake):
    ends = heads.CLAIMS["gqa_ends"]()
    assert ends["mqa"] < 1e-6 and ends["mha"] < 1e-6 and 0 < ends["overlap"] < 0.9
    cache = heads.CLAIMS["kv_cache"]()
    assert (cache["gqa"], cache["mha"], cache["small"]) == (320, 2560, 512)
    assert (cache["gqa_gib"], cache["mha_gib"]) == (1.25, 10.0)
    best = heads.CLAIMS["mha_best"]()
    assert (best["ahead"], best["behind"], best["n_task"]) == (4, 6, 11)
    assert (best["mha"], best["mqa"], best["gqa"]) == pytest.approx((44.15, 43.76, 44.28), abs=0.01)


def test_claims_about_the_small_model_count_what_they_say(fake, monkeypatch):
    score = torch.tensor(
        [[[0.6, 0.1, 0.4]], [[0.0, 0.9, 0.4]], [[0.7, 0.1, 0.1]], [[0.5, 0.0, 0.0]], [[2.0, 2.0, 2.0]]]
    )
    with monkeypatch.context() as patch:
        patch.setattr(head_claims, "look", lambda *_: SimpleNamespace(score=score))
        assert heads.CLAIMS["one_role"]() == {"n_all": 3, "role": 0.5, "none": 1, "one": 1, "several": 1}
    sharp = heads.CLAIMS["sharp_heads"]()
    surprise = {
        f"{layer}.{head}": heads.trace(heads.Config(text=head_claims.TEXT, ablate=f"{layer}.{head}")).surprise
        for layer in range(3)
        for head in range(10)
    }
    assert sharp["vital"] == max(surprise, key=surprise.get)
    assert sharp["vital_loss"] == pytest.approx(max(surprise.values()))
    assert sharp["sharp_loss"] == pytest.approx(surprise[sharp["sharp"]])
    assert sharp["sharp_rank"] == 1 + sum(x > surprise[sharp["sharp"]] for x in surprise.values())
    attention = head_reading.look("tiny-lm", head_claims.TEXT, frozenset()).reading.attention
    peaks = {f"{i}.{j}": float(attention[i, j, 1:].max(-1).values.mean()) for i in range(3) for j in range(10)}
    assert sharp["sharp_peak"] == pytest.approx(max(peaks.values())) == pytest.approx(peaks[sharp["sharp"]])
    ranks = [[sorted(x.values()).index(v) for v in x.values()] for x in (peaks, surprise)]
    mean = sum(range(30)) / 30
    covariance = sum((a - mean) * (b - mean) for a, b in zip(*ranks, strict=True))
    assert sharp["correlation"] == pytest.approx(covariance / sum((a - mean) ** 2 for a in ranks[0]), abs=1e-4)


# --- real models -----------------------------------------------------------------------------------------------------


def real(name: str) -> None:
    """Skip unless the model is on this machine."""
    head_reading.look.cache_clear()
    try:
        language_model.load(name)
    except ModelUnavailable as missing:
        pytest.skip(f"{missing} (python -m assets fetch {name})" if name != "tiny-lm" else str(missing))


def test_minilm_finds_the_animal():
    real("minilm")
    trace = heads.trace(heads.Config(model="minilm", text=ANIMAL, layer=3, head=1))
    said = heads.facts(trace)
    assert (said["from"], said["to"]) == ("it", "animal")
    assert said["relation"] == pytest.approx(0.677, abs=0.005)
    assert trace.gap < 1e-5 and max(heads.check(heads.Config(model="minilm", text=ANIMAL, layer=3)).values()) < 1e-5
    assert trace.next_label == () and not trace.causal


def test_smollm2_has_sinks_and_shares_keys():
    real("smollm2")
    cfg = heads.Config(model="smollm2", text=SECRET, layer=12, head=4)
    trace = heads.trace(cfg)
    said = heads.facts(trace)
    assert said["n_all"] == 270 and said["sink_count"] > 135 and said["sink_mean"] > 0.5
    resting = heads.facts(heads.trace(dataclasses.replace(cfg, layer=18, head=8)))
    assert resting["sink"] > 0.95 and resting["sink_value"] < 0.2  # what it rests on says little
    assert said["n_kv_head"] == 3 and said["shared_with"] == "12.3, 12.5"
    assert said["kv_bytes_mha"] == 3 * said["kv_bytes"]
    differences = heads.check(cfg)
    assert max(differences.values()) < 1e-4 and "A = output_attentions" in differences


def test_smollm2_needs_several_induction_heads_to_finish_a_name():
    real("smollm2")
    preset = next(p for p in SPEC["presets"] if p["id"] == "name")
    six = preset["state"]["ablate"]

    def said(ablate: str) -> dict:
        return heads.facts(heads.trace(heads.Config(**preset["state"] | {"ablate": ablate})))

    whole, one, all_six, others = (said(a) for a in ("", "18.6", six, "17.4 17.6 18.0 18.1 23.0 24.6"))
    assert whole["induction_best"] == "18.6" and whole["induction_best_score"] > 0.9
    assert whole["top"] == "ill" and whole["p_before"] > 0.95
    assert one["p_after"] > 0.95 and others["p_after"] > 0.95
    assert all_six["p_after"] < 0.4 and all_six["top_after"] != "ill"


def test_smollm2_heads_with_shared_keys_look_elsewhere():
    real("smollm2")
    preset = next(p for p in SPEC["presets"] if p["id"] == "shared-keys")
    said = heads.facts(heads.trace(heads.Config(**preset["state"])))
    assert said["shared_with"] == "2.0, 2.2" and said["overlap_group"] < 0.5


def test_the_small_model_copies():
    real("tiny-lm")
    states = {preset["id"]: preset["state"] for preset in SPEC["presets"]}

    def said(**state) -> dict:
        return heads.facts(heads.trace(heads.Config(**state)))

    whole = said(**states["induction"])
    assert whole["induction_best"] == f"{whole['layer']}.{whole['head']}" and whole["induction"] > 0.5
    assert whole["previous_best"] == "0.1" and whole["previous_best_score"] > 0.8
    assert (whole["top"], whole["to"]) == ("il", "il") and whole["p_before"] > 0.6
    assert said(**states["ablate"])["p_after"] < 0.1
    assert said(ablate="1.2 1.3")["p_after"] > 0.6  # two other heads of the same layer
    blind = said(**states["circuit"])
    assert blind["induction_intact"] > 0.5 and blind["induction"] < 0.1 and blind["p_after"] < 0.1
    assert said(**SPEC["predict"]["state"])["falls"] == "gone"
