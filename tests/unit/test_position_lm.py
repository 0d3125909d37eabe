"""The models that differ in their position scheme: logits against slow references, files, training, phenomena.

References: explicit loops over heads and queries in double precision, with each scheme's formula written anew;
`transformers.LlamaForCausalLM` with copied weights for RoPE; the phenomena on the shipped half-precision weights.
"""

import cmath
import hashlib
import json
import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.t5.modeling_t5 import T5Attention

from models import position_lm
from models.position_lm import Config, PositionLM, file_name, held_out, load, loss_by_position, needle_accuracy
from models.position_schemes import SCHEMES, Learned, NoPosition, RelativeBias, Rotary
from models.rope_scaling import linear
from models.tiny_lm import WEIGHTS
from training import position_lm as training
from training.tiny_lm import Phase, Stream

PRIMES = Config(vocab_size=37, n_layer=3, n_head=5, d_head=14, d_model=23, d_ff=31, n_ctx=29)
CARD = json.loads((WEIGHTS / "position_lm.json").read_text(encoding="utf-8"))
NAMES = [(scheme, "") for scheme in SCHEMES] + [("rope", tuned) for tuned in position_lm.TUNED]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_model(scheme: str) -> PositionLM:
    """All weights random, the gains too, so that none of them can be forgotten unseen."""
    cfg = PRIMES
    model = PositionLM(cfg, SCHEMES[scheme](cfg.n_head, cfg.d_head, cfg.d_model, cfg.n_ctx), rng())
    generator = rng(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return model.requires_grad_(False)


def slow_position(model: PositionLM, n: int) -> tuple[Tensor, list[Tensor], Tensor, float]:
    """What each scheme does, from its definition: (p[t, m], one bias[t, s] per head, inv_freq, factor)."""
    cfg, scheme = model.cfg, model.scheme
    added, inv_freq, factor = torch.zeros(n, cfg.d_model).double(), torch.zeros(cfg.d_head // 2).double(), 1.0
    bias = [torch.zeros(n, n).double() for _ in range(cfg.n_head)]
    match type(scheme).__name__:
        case "Sinusoidal":
            for t in range(n):
                for i in range(cfg.d_model):
                    angle = t / 10_000 ** ((i - i % 2) / cfg.d_model)
                    added[t, i] = math.cos(angle) if i % 2 else math.sin(angle)
        case "Learned":
            added = scheme.table[:n].double()
        case "RelativeBias":
            memory_minus_query = torch.arange(n) - torch.arange(n)[:, None]
            bucket = T5Attention._relative_position_bucket(memory_minus_query, False, *scheme.table.shape[:1], 16)
            bias = [scheme.table[:, h].double()[bucket] for h in range(cfg.n_head)]
        case "Alibi":
            alibi = build_alibi_tensor(torch.ones(1, n, dtype=torch.long), cfg.n_head, torch.float64)
            bias = [alibi[h].expand(n, n) for h in range(cfg.n_head)]
        case "Rotary":
            inv_freq, factor = scheme.inv_freq.double(), scheme.attention_factor
    return added, bias, inv_freq, factor


def slow_logits(model: PositionLM, ids: list[int]) -> Tensor:
    """The whole model in loops and double precision; RoPE as a product of complex numbers."""
    cfg, n = model.cfg, len(ids)
    w = {name: weight.double() for name, weight in model.state_dict().items()}
    added, bias, inv_freq, factor = slow_position(model, n)

    def norm(x: Tensor, gain: Tensor) -> Tensor:
        return torch.stack([row / math.sqrt(float(row @ row) / len(row) + cfg.norm_eps) * gain for row in x])

    def turn(x: Tensor) -> Tensor:
        """(n, d): pair i of row t times factor * e^(i t w_i)."""
        half = torch.complex(x[:, : cfg.d_head // 2], x[:, cfg.d_head // 2 :])
        by = [[factor * cmath.exp(1j * t * float(f)) for f in inv_freq] for t in range(n)]
        turned = half * torch.tensor(by, dtype=torch.complex128)
        return torch.cat((turned.real, turned.imag), dim=1)

    x = torch.stack([w["embedding"][i] * math.sqrt(cfg.d_model) for i in ids]) + added
    for layer in range(cfg.n_layer):
        p = {name.split(".")[-1]: weight for name, weight in w.items() if name.startswith(f"layers.{layer}.")}
        normed, heads = norm(x, p["gain_attention"]), []
        for h in range(cfg.n_head):
            rows = slice(h * cfg.d_head, (h + 1) * cfg.d_head)
            q, k, v = turn(normed @ p["w_q"][rows].T), turn(normed @ p["w_k"][rows].T), normed @ p["w_v"][rows].T
            z = []
            for t in range(n):
                score = torch.stack([q[t] @ k[s] / math.sqrt(cfg.d_head) + bias[h][t, s] for s in range(t + 1)])
                z.append(score.softmax(0) @ v[: t + 1])
            heads.append(torch.stack(z))
        x = x + torch.cat(heads, dim=1) @ p["w_o"].T
        normed = norm(x, p["gain_mlp"])
        gate = normed @ p["w_gate"].T
        x = x + (gate * gate.sigmoid() * (normed @ p["w_up"].T)) @ p["w_down"].T
    return norm(x, w["gain_final"]) @ w["embedding"].T


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_logits_equal_loops(scheme: str) -> None:
    if scheme == "t5":
        assert isinstance(random_model(scheme).scheme, RelativeBias)
    model = random_model(scheme)
    n = 13 if scheme != "t5" else 11
    if scheme == "t5":
        model.scheme = RelativeBias(PRIMES.n_head, 8, 16)
        model.scheme.table.data = torch.randn(8, PRIMES.n_head, generator=rng(5))
        model.scheme.requires_grad_(False)
    ids = torch.randint(PRIMES.vocab_size, (2, n), generator=rng(2))
    logits = model(ids)[0]
    for row in range(2):
        expected = slow_logits(model, ids[row].tolist())
        torch.testing.assert_close(logits[row].double(), expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize(("scheme", "tuned"), NAMES)
def test_shipped_logits_equal_loops(scheme: str, tuned: str) -> None:
    model = load(scheme, tuned)
    ids = held_out(3, 31)[2]
    expected = slow_logits(model, ids.tolist())
    error = (model(ids[None])[0][0].double() - expected).abs().max() / expected.abs().max()
    assert error < 1e-5, float(error)


@pytest.mark.parametrize("tuned", ["", "plain", "random"])
def test_rope_equals_llama(tuned: str) -> None:
    model = random_model("rope") if tuned == "random" else load("rope", tuned)
    cfg = model.cfg
    config = LlamaConfig(
        vocab_size=cfg.vocab_size,
        hidden_size=cfg.d_model,
        intermediate_size=cfg.d_ff,
        num_hidden_layers=cfg.n_layer,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=cfg.d_head,
        max_position_embeddings=2_048,
        rms_norm_eps=cfg.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=False,
        attn_implementation="eager",
    )
    # Set afterwards: LlamaConfig refuses an n_head that does not divide d_model, though its model has a free d_head.
    config.num_attention_heads = config.num_key_value_heads = cfg.n_head
    llama = LlamaForCausalLM(config).eval()
    mine = model.state_dict()
    # Llama has no factor sqrt(d_model) on its embeddings: its input table is ours times that, its output table ours.
    theirs = {"model.embed_tokens.weight": mine["embedding"] * math.sqrt(cfg.d_model)}
    theirs |= {"lm_head.weight": mine["embedding"], "model.norm.weight": mine["gain_final"]}
    names = {"gain_attention": "input_layernorm", "gain_mlp": "post_attention_layernorm"}
    names |= {f"w_{kind}": f"self_attn.{kind}_proj" for kind in "qkvo"}
    names |= {f"w_{kind}": f"mlp.{kind}_proj" for kind in ("gate", "up", "down")}
    for layer in range(cfg.n_layer):
        for a, b in names.items():
            theirs[f"model.layers.{layer}.{b}.weight"] = mine[f"layers.{layer}.{a}"]
    llama.load_state_dict(theirs)
    ids = torch.randint(cfg.vocab_size, (2, 211), generator=rng(3))  # far past the trained length too
    with torch.no_grad():
        reference = llama(ids, output_attentions=True)
    logits, maps = model(ids, maps=True)
    torch.testing.assert_close(logits, reference.logits, atol=1e-5 * float(logits.abs().max()), rtol=0)
    for a, b in zip(maps, reference.attentions, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_attention_maps_are_asked_for() -> None:
    model, ids = load("alibi"), held_out(2, 23)
    logits, maps = model(ids, maps=True)
    assert torch.equal(model(ids)[0], logits) and model(ids)[1] == ()
    for attention in maps:
        assert attention.shape == (2, model.cfg.n_head, 23, 23)
        torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))
        assert not attention.triu(1).any()


def test_another_scheme_for_one_call() -> None:
    model, ids = load("rope"), held_out(1, 47)
    n_pair = model.cfg.d_head // 2
    own = model(ids)[0]
    scaled = linear(n_pair, 10_000.0, 4.0)
    other = model(ids, Rotary(scaled.inv_freq))[0]
    assert (own - other).abs().max() > 0.1
    assert torch.equal(model(ids)[0], own)  # nothing was written
    assert torch.equal(model(ids, Rotary(linear(n_pair, 10_000.0, 1.0).inv_freq))[0], own)
    changed = load("rope", "linear")
    unscaled = changed(ids, Rotary(linear(n_pair, 10_000.0, 1.0).inv_freq))[0]
    assert not torch.equal(unscaled, changed(ids)[0])  # a tuned model comes with the scheme it was tuned with
    with ThreadPoolExecutor(4) as pool:
        schemes = [None, Rotary(scaled.inv_freq)] * 4
        together = list(pool.map(lambda scheme: model(ids, scheme)[0], schemes))
    assert all(torch.equal(a, b) for a, b in zip(together, [own, other] * 4, strict=True))


def test_tuned_schemes_are_those_of_transformers() -> None:
    for tuned, kind in (("plain", None), ("linear", "linear"), ("yarn", "yarn")):
        scheme = load("rope", tuned).scheme
        assert isinstance(scheme, Rotary)
        rope = {"rope_type": kind or "default", "rope_theta": 10_000.0, "factor": 16.0}
        rope["original_max_position_embeddings"] = 64
        config = LlamaConfig(hidden_size=64, num_attention_heads=2, max_position_embeddings=1_024, rope_parameters=rope)
        rotary = LlamaRotaryEmbedding(config)
        torch.testing.assert_close(scheme.inv_freq, rotary.inv_freq, rtol=1e-6, atol=0)
        assert scheme.attention_factor == pytest.approx(rotary.attention_scaling)
    ntk = load("rope", "ntk").scheme
    assert isinstance(ntk, Rotary)
    assert float(ntk.inv_freq[-1]) == pytest.approx(10_000 ** (-15 / 16) / 16, rel=1e-5)


# --- files -----------------------------------------------------------------------------------------------------------


def test_card_describes_the_files() -> None:
    files = {f"{a}{'_' if b else ''}{b}": WEIGHTS / file_name(a, b) for a, b in NAMES}
    assert set(CARD["models"]) == set(files) == set(training.RUNS)
    for name, file in files.items():
        card = CARD["models"][name]
        assert card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest(), name
        assert file.stat().st_size <= 550_000
        model = load(*(name.split("_") if "_" in name else (name, "")))
        assert card["n_param"] == sum(weight.numel() for weight in model.parameters())
        recipe = CARD["recipe_tuned" if "_" in name else "recipe"]
        assert card["loss_curve"][-1][0] == sum(phase["n_step"] for phase in recipe["phases"])
    assert sum(file.stat().st_size for file in WEIGHTS.glob("position_lm*")) <= 6_000_000
    assert sum(card["seconds"] for card in CARD["models"].values()) < 2 * 90 * 60  # of one core each
    made = position_lm.tokenizer()
    assert made.get_vocab_size() == Config().vocab_size == 512 and CARD["config"]["n_ctx"] == 64


def test_held_out_rows() -> None:
    rows = held_out(48, 1_025)
    letters = position_lm.alphabet(position_lm.tokenizer())
    assert (
        rows[:, 0].eq(letters.bos).all() and not torch.isin(rows[:, 1:], torch.tensor([letters.bos, letters.key])).any()
    )
    assert not torch.isin(rows, letters.values).any()  # no digits in the text: a digit is always a needle's
    assert rows[:, 1:].flatten().unique().numel() > 300
    text = position_lm.tokenizer().decode(rows[0].tolist())
    assert "ORSINO" in text.upper() and "viola" not in text[:20]
    assert torch.equal(held_out(5, 17), rows[:5, :17])
    for bad in ((49, 5), (3, 1_026), (0, 5)):
        with pytest.raises(ValueError, match="48 rows"):
            held_out(*bad)


def test_letters_are_tokens() -> None:
    made = position_lm.tokenizer()
    letters = position_lm.alphabet(made)
    assert made.decode([*letters.keys[:3], *letters.values[-2:]]) == "ABC89"
    assert len(letters.keys) == 26 and len(letters.values) == 10
    assert letters.key not in made.encode("<key>").ids  # typed by a reader: five characters


# --- measures --------------------------------------------------------------------------------------------------------


def test_loss_by_position_by_a_loop() -> None:
    model, ids = load("t5"), held_out(2, 12)
    loss = loss_by_position(model, ids)
    assert loss.shape == (2, 11)
    for t in (0, 4, 10):
        logits = slow_logits(model, ids[1, : t + 1].tolist())[-1]
        expected = -float(logits.log_softmax(0)[ids[1, t + 1]])
        assert float(loss[1, t]) == pytest.approx(expected, abs=1e-4)
    seen: list[float] = []
    loss_by_position(model, ids, tick=seen.append)
    assert seen == [0.5, 1.0]
    bare = loss_by_position(model, ids, NoPosition())
    logits = model(ids[:1, :-1], NoPosition())[0][0]
    torch.testing.assert_close(bare[0], F.cross_entropy(logits, ids[0, 1:], reduction="none"))
    assert (bare - loss).abs().max() > 0.1


@pytest.mark.parametrize(("n_token", "distance"), [(64, 2), (64, 60), (64, 31), (7, 3), (97, 50), (6, 2)])
def test_needle_rows(n_token: int, distance: int) -> None:
    rows, answers = position_lm.needle_rows(n_token, distance, 17, seed=3)
    letters = position_lm.alphabet(position_lm.tokenizer())
    assert rows.shape == (17, n_token) and answers.shape == (17,)
    for row, answer in zip(rows.tolist(), answers.tolist(), strict=True):
        starts = [i for i, token in enumerate(row) if token == letters.key]
        assert starts[-1] == n_token - 2  # the question
        needles = {row[i + 1]: (i + 2, row[i + 2]) for i in starts[:-1]}
        assert len(needles) == len(starts) - 1 <= 4  # every key once
        place, digit = needles[row[-1]]
        assert digit == answer and place == n_token - 1 - distance
        assert all(v in letters.values for _, v in needles.values()) and all(k in letters.keys for k in needles)
        assert row[0] == letters.bos
    again, _ = position_lm.needle_rows(n_token, distance, 17, seed=3)
    assert torch.equal(rows, again)
    assert n_token < 60 or len({tuple(row) for row in rows.tolist()}) > 12


def test_needles_that_do_not_fit() -> None:
    for n_token, distance in ((64, 61), (64, 1), (5, 2)):
        with pytest.raises(ValueError, match="needle"):
            position_lm.needle_rows(n_token, distance, 1)


def test_needle_accuracy_by_hand() -> None:
    class Reader(NoPosition):
        pass

    class Oracle(PositionLM):
        """Finds the needle by looking it up."""

        def forward(self, ids: Tensor, scheme: NoPosition | None = None, maps: bool = False) -> tuple[Tensor, tuple]:
            row = ids[0].tolist()
            key = position_lm.alphabet(position_lm.tokenizer()).key
            found = next(row[i + 2] for i in range(len(row) - 2) if row[i] == key and row[i + 1] == row[-1])
            wrong = isinstance(scheme, Reader) and found % 2 == 0
            return F.one_hot(torch.tensor(found + wrong), 512).float().expand(1, len(row), 512), ()

    oracle = Oracle(Config(), NoPosition())
    assert needle_accuracy(oracle, 64, 20, 16) == 1.0
    _, answers = position_lm.needle_rows(64, 20, 16)
    assert needle_accuracy(oracle, 64, 20, 16, scheme=Reader()) == float((answers % 2).float().mean())


def test_lengthened_table() -> None:
    model = load("learned")
    assert isinstance(model.scheme, Learned)
    with pytest.raises(IndexError):
        model(held_out(1, 65))
    longer = position_lm.lengthened(model.scheme.table, 1_024)
    ids = held_out(2, 64)
    torch.testing.assert_close(model(ids, longer)[0], model(ids)[0])
    fresh = longer.table[64:]
    assert longer.table.shape == (1_024, 96) and float(fresh.std()) == pytest.approx(position_lm.TABLE_STD, rel=0.02)


# --- training --------------------------------------------------------------------------------------------------------

TOY = position_lm.Alphabet(0, 1, torch.arange(2, 28), torch.arange(28, 36))


def toy_stream() -> Stream:
    return Stream(torch.randint(1, 37, (400,), generator=rng()), torch.arange(0, 300, 7))


@pytest.mark.parametrize("scheme", ["rope", "learned"])
def test_training_stopped_and_resumed_ends_at_the_same_weights(
    scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = training.Recipe(phases=(Phase(3, 5, 16, 0.5), Phase(4, 3, 29, 0.1)), n_warmup=2, max_needle=2)

    def train(file: str, stop_at: int | None = None) -> tuple[PositionLM, training.loop.Log]:
        model = random_model(scheme).requires_grad_(True)
        return model, training.train(model, recipe, toy_stream(), TOY, tmp_path / file, stop_at)

    through, log = train("a.pt")
    train("b.pt", stop_at=4)
    resumed, resumed_log = train("b.pt")
    assert log.losses == resumed_log.losses and len(log.losses) == 7
    for a, b, start in zip(through.parameters(), resumed.parameters(), random_model(scheme).parameters(), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, start)
    with pytest.raises(SystemExit, match="another recipe"):
        training.train(random_model(scheme), training.Recipe(), toy_stream(), TOY, tmp_path / "b.pt")


def test_the_last_row_of_a_learned_table_is_trained_alone() -> None:
    """Nothing is predicted from the last position of a training sequence: its row has no gradient until then."""
    model = random_model("learned").requires_grad_(True)
    ids = torch.randint(37, (5, 29), generator=rng())
    training.measure.token_loss(model(ids)[0], ids).mean().backward()
    gradient = model.scheme.get_parameter("table").grad
    assert gradient is not None and not gradient[-1].any() and gradient[:-1].any(1).all()

    recipe = training.Recipe(phases=(Phase(9, 32, 30, 0.0),), lr=0.1, n_warmup=2, max_needle=2)
    training.train_last_row(model, recipe, toy_stream(), TOY)
    before, after = random_model("learned").state_dict(), model.state_dict()
    same = {name: torch.equal(before[name], after[name]) for name in before if name != "scheme.table"}
    assert all(same.values()) and len(same) == len(before) - 1
    assert torch.equal(before["scheme.table"][:-1], after["scheme.table"][:-1])
    assert (before["scheme.table"][-1] - after["scheme.table"][-1]).abs().max() > 0.01
    assert (after["scheme.table"][-1] - after["scheme.table"][-2]).abs().max() > 0.01


def test_all_schemes_begin_alike() -> None:
    models = {name: training.base(name, training.Recipe()) for name in SCHEMES}
    for name, model in models.items():
        for key, weight in models["none"].state_dict().items():
            assert torch.equal(model.state_dict()[key], weight), (name, key)
    assert float(models["learned"].scheme.table.detach().std()) == pytest.approx(position_lm.TABLE_STD, rel=0.05)


def test_batches_hold_needles() -> None:
    recipe = training.Recipe(phases=(Phase(2, 200, 64, 0.0),), share_needle=0.5, max_needle=8)
    rows = training.batch(toy_stream(), recipe, 37, TOY, 1)
    assert torch.equal(rows, training.batch(toy_stream(), recipe, 37, TOY, 1))
    assert not torch.equal(rows, training.batch(toy_stream(), recipe, 37, TOY, 0))
    plain = training.tiny_lm.batch([toy_stream()], recipe, 37, 0, 1)
    changed = (rows != plain).any(1)
    assert 70 < int(changed.sum()) < 130
    counts = (rows == plain).sum(1)[changed]
    assert rows[:, 0].eq(0).all() and int(counts.min()) < 30


def test_planted_needles() -> None:
    for seed in range(20):
        row = torch.full((53,), 36)
        training.plant(row, 5, TOY, rng(seed))
        starts = (row == TOY.key).nonzero()[:, 0].tolist()
        assert len(starts) == 10 and all(b - a >= 3 for a, b in pairwise(starts))
        pairs = [tuple(row[s + 1 : s + 3].tolist()) for s in starts]
        assert all(pairs.count(pair) == 2 for pair in pairs) and len({key for key, _ in pairs}) == 5
        assert int((row == 36).sum()) == 53 - 30 and int(row[0]) == 36


def test_slots() -> None:
    seen = set()
    for seed in range(200):
        places = position_lm.slots(3, 4, 15, rng(seed))
        assert places[0] >= 4 and places[-1] + 3 <= 15 and all(b - a >= 3 for a, b in pairwise(places))
        seen.add(tuple(places))
    assert len(seen) == 10  # 5 shrunk positions, 3 of them: 5! / (3! 2!)
    assert position_lm.slots(0, 5, 5, rng()) == [] and position_lm.slots(1, 5, 8, rng()) == [5]


# --- phenomena, on the shipped weights -------------------------------------------------------------------------------


@lru_cache
def curve(scheme: str, tuned: str = "", stretch: str = "", factor: float = 1.0) -> Tensor:
    """Mean loss at each position over a few held-out rows; stretched by 4, as far as it is meant to read."""
    model = load(scheme, tuned)
    other = position_lm.stretched(stretch, factor) if stretch else None
    return loss_by_position(model, held_out(8, 257 if factor == 4 else 1_025), other).mean(0)


def mean(loss: Tensor, low: int, high: int) -> float:
    return float(loss[low:high].mean())


def recall(scheme: str, n_token: int, distance: int, tuned: str = "", stretch: str = "", factor: float = 1.0) -> float:
    other = position_lm.stretched(stretch, factor) if stretch else None
    return needle_accuracy(load(scheme, tuned), n_token, distance, 8, seed=7, scheme=other)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_held_out_loss_inside_the_trained_length(scheme: str) -> None:
    loss = float(loss_by_position(load(scheme), held_out(48, 65)).mean())
    assert loss == pytest.approx(CARD["models"][scheme]["held_out_64"], abs=2e-3)
    ids = held_out(48, 65)[:, 1:]
    share = torch.bincount(ids.flatten()).double() / ids.numel()
    assert loss < float(torch.special.entr(share).sum()) - 1.0  # the floor that needs no context: token frequencies


def test_a_learned_table_fails() -> None:
    model, ids = load("learned"), held_out(8, 257)
    with pytest.raises(IndexError):
        model(ids[:, :65])
    assert isinstance(model.scheme, Learned)
    loss = loss_by_position(model, ids, position_lm.lengthened(model.scheme.table, 256)).mean(0)
    assert mean(loss, 64, 256) > mean(loss, 32, 64) + 1.0


def test_sinusoids_rise() -> None:
    assert mean(curve("sinusoidal"), 224, 288) > mean(curve("sinusoidal"), 32, 64) + 0.5


def test_rope_rises() -> None:
    loss = curve("rope")
    assert mean(loss, 224, 288) > mean(loss, 32, 64) + 1.0
    assert mean(loss, 512, 1_024) > mean(loss, 32, 64) + 1.0


def test_alibi_stays_flat() -> None:
    loss = curve("alibi")
    for low, high in ((128, 256), (512, 1_024)):
        assert abs(mean(loss, low, high) - mean(loss, 32, 64)) < 0.25


def test_t5_is_nearly_flat_at_4_times_the_length() -> None:
    """At 16 times it does rise: all far distances share one bias, and the words nearby lose to their number."""
    loss = curve("t5")
    assert abs(mean(loss, 128, 256) - mean(loss, 32, 64)) < 0.25
    assert 0.3 < mean(loss, 512, 1_024) - mean(loss, 32, 64) < 1.0


def test_no_position_is_worst_at_home_and_rises_slowly() -> None:
    home = {scheme: CARD["models"][scheme]["held_out_64"] for scheme in SCHEMES}
    assert home["none"] > max(loss for scheme, loss in home.items() if scheme != "none") + 0.1
    assert 0.2 < mean(curve("none"), 512, 1_024) - mean(curve("none"), 32, 64) < 1.0


@pytest.mark.parametrize("scheme", ["sinusoidal", "learned", "t5", "alibi", "rope"])
def test_needles_inside_the_trained_length(scheme: str) -> None:
    for distance in (5, 20, 50):
        assert recall(scheme, 60, distance) >= 0.9, distance


def test_flat_loss_and_far_needles() -> None:
    """ALiBi's flattest head takes 2 from the score 450 tokens back: less than a matching key gives. T5 forgets."""
    assert recall("alibi", 512, 450) >= 0.7
    assert recall("t5", 1_024, 900) <= 0.4 and recall("sinusoidal", 128, 100) <= 0.3


def test_rope_loses_far_needles_and_yarn_finds_them() -> None:
    assert recall("rope", 256, 200) <= 0.5 and recall("rope", 1_024, 900) <= 0.2
    assert recall("rope", 256, 200, stretch="yarn", factor=4.0) >= 0.9
    assert recall("rope", 1_024, 900, tuned="yarn") >= 0.9


def test_yarn_recovers_most_and_interpolation_less() -> None:
    """Without any fine-tuning, at 4 and 16 times the trained length: the share of RoPE's rise that is gone."""
    rope, at_home = curve("rope"), mean(curve("rope"), 32, 64)
    for factor, low, high in ((4.0, 128, 256), (16.0, 512, 1_024)):
        rise = mean(rope, low, high) - at_home

        def left(stretch: str, factor: float = factor, low: int = low, high: int = high, rise: float = rise) -> float:
            return (mean(curve("rope", "", stretch, factor), low, high) - at_home) / rise

        assert left("yarn") < 0.35, (factor, left("yarn"))
        assert left("linear") > 0.8 and left("yarn") < left("ntk") < left("linear")


@pytest.mark.parametrize("tuned", position_lm.TUNED)
def test_a_short_fine_tuning_recovers_nearly_all(tuned: str) -> None:
    rope, mended = curve("rope"), curve("rope", tuned)
    at_home = mean(rope, 32, 64)
    for low, high in ((128, 256), (512, 1_024)):
        rise = mean(rope, low, high) - at_home
        assert mean(mended, low, high) - at_home < 0.25 * rise, (low, high)


@pytest.mark.parametrize("name", SCHEMES)
def test_the_last_positions_alone(name: str) -> None:
    """What the last layer leaves out for `last` is only what nobody asked for."""
    model, ids = load(name), held_out(2, 47)
    whole, maps = model(ids, maps=True)
    for last in (1, 13, 47):
        part, some = model(ids, maps=True, last=last)
        torch.testing.assert_close(part, whole[:, -last:], rtol=0, atol=1e-5)
        torch.testing.assert_close(some[0], maps[0], rtol=0, atol=0)
        torch.testing.assert_close(some[1], maps[1][:, :, -last:], rtol=0, atol=1e-6)
