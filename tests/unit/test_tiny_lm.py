"""The model trained here: its forward pass against Llama, its files against their card, what it learned.

References: `transformers.LlamaForCausalLM` with copied weights (logits, q, k, v, attention), torch, explicit
loops for the parts, numbers by hand, and the phenomena measured on the shipped half-precision weights.
"""

import hashlib
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from models import tiny_lm
from models.language_model import LanguageModel, ModelUnavailable
from models.tiny_lm import WEIGHTS, Config, TinyLM
from training import data, measure
from training import tiny_lm as training

PRIMES = Config(vocab_size=37, n_layer=3, n_kv_head=2, group_size=5, n_pair=7, d_model=23, d_ff=31, n_ctx=43)
CARD = json.loads((WEIGHTS / "tiny_lm.json").read_text(encoding="utf-8"))
HELD_OUT = json.loads((WEIGHTS / "tiny_lm.heldout.json").read_text(encoding="utf-8"))
TEXT = "The cat sat.\n\tdef 床前明月光(x): 🙂 café\x00 <bos> naïve\n\n"


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_model() -> TinyLM:
    """All weights random, the gains too, so that none of them can be forgotten unseen."""
    model = TinyLM(PRIMES, rng())
    generator = rng(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return model.requires_grad_(False)


def as_llama(model: TinyLM) -> LlamaForCausalLM:
    cfg = model.cfg
    config = LlamaConfig(
        vocab_size=cfg.vocab_size,
        hidden_size=cfg.d_model,
        intermediate_size=cfg.d_ff,
        num_hidden_layers=cfg.n_layer,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=cfg.d_head,
        max_position_embeddings=cfg.n_ctx,
        rms_norm_eps=cfg.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": cfg.rope_base},
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    # Set afterwards: LlamaConfig refuses an n_head that does not divide d_model, though its model has a free d_head.
    config.num_attention_heads, config.num_key_value_heads = cfg.n_head, cfg.n_kv_head
    llama = LlamaForCausalLM(config).eval()
    names = {
        "gain_attention": "input_layernorm",
        "w_q": "self_attn.q_proj",
        "w_k": "self_attn.k_proj",
        "w_v": "self_attn.v_proj",
        "w_o": "self_attn.o_proj",
        "gain_mlp": "post_attention_layernorm",
        "w_gate": "mlp.gate_proj",
        "w_up": "mlp.up_proj",
        "w_down": "mlp.down_proj",
    }
    mine = model.state_dict()
    theirs = {"model.embed_tokens.weight": mine["embedding"], "model.norm.weight": mine["gain_final"]}
    theirs["lm_head.weight"] = mine["embedding"]
    for layer in range(cfg.n_layer):
        for a, b in names.items():
            theirs[f"model.layers.{layer}.{b}.weight"] = mine[f"layers.{layer}.{a}"]
    llama.load_state_dict(theirs)
    return llama


@pytest.fixture(scope="module", params=["random", "shipped"])
def pair(request: pytest.FixtureRequest) -> tuple[TinyLM, LlamaForCausalLM]:
    model = random_model() if request.param == "random" else tiny_lm.load().model
    return model, as_llama(model)


@pytest.fixture(scope="module")
def lm() -> tiny_lm.TinyLanguageModel:
    return tiny_lm.load()


@torch.no_grad()
def test_every_number_of_the_forward_pass_equals_llama(pair: tuple[TinyLM, LlamaForCausalLM]) -> None:
    model, llama = pair
    cfg = model.cfg
    n_token = 41 if cfg is PRIMES else cfg.n_ctx
    ids = torch.randint(cfg.vocab_size, (2, n_token), generator=rng(2))
    projected: dict[tuple[int, str], torch.Tensor] = {}
    hooks = [
        getattr(layer.self_attn, f"{kind}_proj").register_forward_hook(
            lambda _m, _i, out, at=(i, kind): projected.__setitem__(at, out)
        )
        for i, layer in enumerate(llama.model.layers)
        for kind in "qkv"
    ]
    theirs = llama(ids, output_attentions=True)
    for hook in hooks:
        hook.remove()
    logits, traces = model(ids)
    torch.testing.assert_close(logits, theirs.logits, atol=1e-5 * float(logits.abs().max()), rtol=0)
    cos, sin = llama.model.rotary_emb(theirs.logits, torch.arange(n_token)[None])
    for i, trace in enumerate(traces):
        query, key, value = (projected[i, kind].unflatten(-1, (-1, cfg.d_head)).transpose(1, 2) for kind in "qkv")
        query, key = apply_rotary_pos_emb(query, key, cos, sin)
        # float32 and two orders of summation: an error of about 1e-6 of the largest entry, grown over the layers.
        for name, reference in {"query": query, "key": key, "value": value}.items():
            error = (getattr(trace, name) - reference).abs().max() / reference.abs().max()
            assert error < 1e-5, (i, name, float(error))
        torch.testing.assert_close(trace.attention, theirs.attentions[i], atol=1e-5, rtol=0)


def test_rms_norm() -> None:
    x, gain = torch.randn(5, 7, generator=rng()), torch.randn(7, generator=rng(1))
    torch.testing.assert_close(tiny_lm.rms_norm(x, gain, 1e-3), F.rms_norm(x, (7,), gain, 1e-3))
    # By hand: rms(1, 7) = sqrt((1 + 49) / 2) = 5.
    torch.testing.assert_close(
        tiny_lm.rms_norm(torch.tensor([1.0, 7.0]), torch.tensor([10.0, 1.0]), 0.0), torch.tensor([2.0, 1.4])
    )


def test_rope_turns_half_split_pairs_by_a_positive_angle() -> None:
    angle = tiny_lm.rope_angle(3, 2, 100.0)
    torch.testing.assert_close(angle, torch.tensor([[0.0, 0.0], [1.0, 0.1], [2.0, 0.2]]))
    turned = tiny_lm.rope(torch.tensor([1.0, 0.0, 0.0, 5.0]).expand(1, 1, 3, 4), angle)[0, 0, 2]
    by_hand = [math.cos(2.0), -5 * math.sin(0.2), math.sin(2.0), 5 * math.cos(0.2)]
    torch.testing.assert_close(turned, torch.tensor(by_hand))


def test_rope_scores_depend_on_the_distance_only() -> None:
    q, k = torch.randn(2, 1, 1, 1, 14, generator=rng(3), dtype=torch.float64)
    angle = tiny_lm.rope_angle(17, 7, 1e4).double()
    score = tiny_lm.rope(q.expand(1, 1, 17, 14), angle)[0, 0] @ tiny_lm.rope(k.expand(1, 1, 17, 14), angle)[0, 0].T
    for distance in (-5, 0, 3):
        diagonal = score.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=0)


def test_attend_equals_torch() -> None:
    query, key = torch.randn(2, 15, 11, 7, generator=rng()), torch.randn(2, 3, 11, 7, generator=rng(1))
    value = torch.randn(2, 3, 11, 7, generator=rng(2))
    z, attention = tiny_lm.attend(query, key, value)
    torch.testing.assert_close(
        z, F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True), atol=1e-5, rtol=0
    )
    assert attention.shape == (2, 15, 11, 11)


def test_swiglu_by_a_loop() -> None:
    x, gate, up = (torch.randn(shape, generator=rng(i)) for i, shape in enumerate([(1, 2, 3), (5, 3), (5, 3)]))
    down = torch.randn(3, 5, generator=rng(3))
    expected = torch.zeros(1, 2, 3)
    for t in range(2):
        for f in range(5):
            a = float(gate[f] @ x[0, t])
            expected[0, t] += a / (1 + math.exp(-a)) * float(up[f] @ x[0, t]) * down[:, f]
    torch.testing.assert_close(tiny_lm.swiglu(x, gate, up, down), expected)


def test_rows_sum_to_one_and_see_no_future(lm: tiny_lm.TinyLanguageModel) -> None:
    attention = lm.read(lm.encode(TEXT)).attention
    torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))
    assert not attention.triu(1).any()


def test_editing_a_future_token_leaves_the_past_identical(lm: tiny_lm.TinyLanguageModel) -> None:
    ids = torch.randint(lm.vocab_size, (1, 29), generator=rng())
    edited = ids.clone()
    edited[0, 17] = (edited[0, 17] + 1) % lm.vocab_size
    before, after = lm.model(ids)[0][0], lm.model(edited)[0][0]
    assert torch.equal(before[:17], after[:17])
    assert (before[17:] - after[17:]).abs().amax(-1).gt(1e-4).all()


@torch.no_grad()
def test_ablation() -> None:
    ids = torch.randint(PRIMES.vocab_size, (2, 13), generator=rng())
    model, d = random_model(), PRIMES.d_head
    whole = model(ids)[0]
    assert torch.equal(model(ids, frozenset())[0], whole)
    # All heads of layer 1: the same as a layer whose attention adds nothing.
    all_of_layer = model(ids, frozenset((1, head) for head in range(PRIMES.n_head)))[0]
    muted = random_model()
    muted.layers[1].w_o.zero_()
    torch.testing.assert_close(all_of_layer, muted(ids)[0])
    # Head 3 of layer 2 and head 0 of layer 0: the same as W_O without their columns.
    two_heads = model(ids, frozenset({(2, 3), (0, 0)}))[0]
    muted = random_model()
    muted.layers[2].w_o[:, 3 * d : 4 * d] = 0
    muted.layers[0].w_o[:, :d] = 0
    torch.testing.assert_close(two_heads, muted(ids)[0])
    assert (two_heads - whole).abs().max() > 1e-3


def test_read_is_the_forward_pass(lm: tiny_lm.TinyLanguageModel) -> None:
    assert isinstance(lm, LanguageModel)
    ids, ablate = lm.encode("To be, or not to be"), frozenset({(1, 2)})
    reading = lm.read(ids, ablate)
    logits, traces = lm.model(torch.tensor([ids]), ablate)
    assert torch.equal(reading.logit, logits[0, -1]) and reading.ids.tolist() == ids
    for i, trace in enumerate(traces):
        for name in ("query", "key", "value", "attention"):
            assert torch.equal(getattr(reading, name)[i], getattr(trace, name)[0]), name
    assert len(reading.query) == len(traces) == lm.n_layer and not reading.logit.requires_grad


def test_one_token_and_nothing(lm: tiny_lm.TinyLanguageModel) -> None:
    ids = lm.encode("")
    assert ids == [lm.bos] and lm.label(ids) == ("<bos>",)
    reading = lm.read(ids)
    assert torch.equal(reading.attention, torch.ones(lm.n_layer, lm.n_head, 1, 1))
    assert reading.logit.isfinite().all() and reading.logit.shape == (lm.vocab_size,)


def test_bad_input_is_refused(lm: tiny_lm.TinyLanguageModel) -> None:
    for ids in ([], [0] * (lm.n_ctx + 1), [lm.vocab_size], [-1]):
        with pytest.raises(ValueError, match="tiny-lm"):
            lm.read(ids)
    for head in ((lm.n_layer, 0), (0, lm.n_head), (-1, 0)):
        with pytest.raises(ValueError, match="layers"):
            lm.read([0], frozenset({head}))


def test_threads_share_one_model(lm: tiny_lm.TinyLanguageModel) -> None:
    jobs = [(lm.encode(text), frozenset({(i % lm.n_layer, i % lm.n_head)})) for i, text in enumerate("abcdefgh" * 4)]
    alone = [lm.read(*job).logit for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda job: lm.read(*job).logit, jobs))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_labels_show_every_byte(lm: tiny_lm.TinyLanguageModel) -> None:
    ids = lm.encode(TEXT)
    assert ids.count(lm.bos) == 1 and lm.decode(ids) == TEXT  # the "<bos>" in the text is text
    labels = lm.label(ids)
    assert len(labels) == len(ids) and not any(c in "".join(labels) for c in "\n\x00ĠĊ\t")
    assert "↵" in "".join(labels) and any(label.startswith(" ") for label in labels)
    raw = b""
    for label in labels[1:]:
        text = label.replace("↵", "\n")
        while text:
            if text.startswith("<0x"):
                raw, text = raw + bytes([int(text[3:5], 16)]), text[6:]
            else:
                raw, text = raw + text[0].encode(), text[1:]
    assert raw.decode() == TEXT
    smile = lm.label(lm.encode("🙂"))[1:]
    assert "".join(smile) in ("🙂", "<0xF0><0x9F><0x99><0x82>")
    assert lm.decode(lm.encode("a\ud800b")) == "a?b"


def test_symbols_of_bytes_are_the_tokenizers() -> None:
    from tokenizers.pre_tokenizers import ByteLevel

    table = tiny_lm.byte_of_symbol()
    assert sorted(table) == sorted(ByteLevel.alphabet()) and sorted(table.values()) == list(range(256))
    for byte in (0x00, 0x0A, 0x20, 0x41):
        assert table[ByteLevel(add_prefix_space=False).pre_tokenize_str(chr(byte))[0][0]] == byte
    assert tiny_lm.show_bytes(b" \xe4\xbd\xa0\xe5\n\x7f") == " 你<0xE5>↵<0x7F>"


def test_damaged_files_are_one_clear_sentence(tmp_path: Path) -> None:
    for name in ("tiny_lm.json", "tiny_lm.tokenizer.json"):
        (tmp_path / name).write_bytes((WEIGHTS / name).read_bytes())
    (tmp_path / "tiny_lm.safetensors").write_bytes((WEIGHTS / "tiny_lm.safetensors").read_bytes()[:1000])
    with pytest.raises(ModelUnavailable, match="models/weights"):
        tiny_lm.load(tmp_path)


def test_card_describes_the_files(lm: tiny_lm.TinyLanguageModel) -> None:
    assert CARD["sha256"] == hashlib.sha256((WEIGHTS / "tiny_lm.safetensors").read_bytes()).hexdigest()
    assert CARD["n_param"] == sum(weight.numel() for weight in lm.model.parameters())
    assert 0.8e6 < CARD["n_param"] < 1.3e6
    assert lm.n_kv_head < lm.n_head and lm.vocab_size == lm.tokenizer.get_vocab_size() <= 2048
    assert CARD["minutes"] <= 30
    assert len(CARD["loss_curve"]) == 100 and CARD["loss_curve"][-1][0] == sum(
        phase["n_step"] for phase in CARD["recipe"]["phases"]
    )
    assert set(CARD["held_out"]) == set(CARD["sample"]) == set(HELD_OUT) == set(data.DOMAINS)


def test_held_out_losses(lm: tiny_lm.TinyLanguageModel) -> None:
    for domain, texts in HELD_OUT.items():
        now, card = measure.held_out_loss(lm, texts), CARD["held_out"][domain]
        assert now["tokens"] == card["tokens"] and now["bytes"] == card["bytes"] > 2500
        assert now["nats_per_token"] == pytest.approx(card["nats_per_token"], abs=2e-3)
        assert now["bits_per_byte"] == pytest.approx(card["bits_per_byte"], abs=2e-3)
        # The floor that needs no context: how often each token occurs in these very texts.
        count = torch.bincount(torch.tensor([i for text in texts for i in lm.encode(text)[1:]])).double()
        unigram = float(torch.special.entr(count / count.sum()).sum())
        assert now["nats_per_token"] < unigram - 0.25, (domain, now, unigram)


def test_held_out_loss_against_a_loop(lm: tiny_lm.TinyLanguageModel) -> None:
    text = "First Citizen:\nSpeak, speak."
    ids = lm.encode(text)
    nats = -sum(math.log(float(lm.read(ids[:t]).logit.double().softmax(0)[ids[t]])) for t in range(1, len(ids)))
    got = measure.held_out_loss(lm, [text])
    assert got["nats_per_token"] == pytest.approx(nats / (len(ids) - 1), abs=1e-3)
    assert got["bits_per_byte"] == pytest.approx(nats / len(text) / math.log(2), abs=1e-3)


def test_head_scores_by_hand() -> None:
    # <bos> a b c a b c: the second a (4) should look at the first b (2), b (5) at c (3), c (6) at a (4), and so on.
    n, attention = 3, torch.zeros(7, 7)
    row = measure.repeated_random(5, n, 11, 0, rng())
    assert row.shape == (5, 7) and row[:, 0].eq(0).all() and not row[:, 1:].eq(0).any()
    assert torch.equal(row[:, 1:4], row[:, 4:])
    for t in (4, 5, 6):
        first = row[0, :t].tolist().index(int(row[0, t]))
        attention[t, first + 1] = 0.25 * (t - 3)
    assert float(measure.induction_score(attention, n)) == pytest.approx((0.25 + 0.5 + 0.75) / 3)
    attention = torch.zeros(3, 3)
    attention[1, 0], attention[2, 1], attention[0, 0], attention[2, 0] = 0.2, 0.6, 1.0, 0.4
    assert float(measure.previous_token_score(attention)) == pytest.approx(0.4)


def test_a_previous_token_head(lm: tiny_lm.TinyLanguageModel) -> None:
    for domain, texts in HELD_OUT.items():
        assert measure.best(measure.previous_token_on_text(lm, texts)).score > 0.5, domain


@torch.no_grad()
def test_induction(lm: tiny_lm.TinyLanguageModel) -> None:
    for seed in (0, 1):
        seen = measure.induction(lm.model, lm.bos, seed=seed)
        assert seen.loss_second < seen.loss_first - 2.0, seen
        assert seen.loss_second < seen.loss_uniform - 2.0, seen
        assert seen.induction_head.score > 0.3, seen
    card = CARD["repeated_random_tokens"]
    assert measure.induction(lm.model, lm.bos).loss_second == pytest.approx(card["loss_second"], abs=5e-3)


@torch.no_grad()
def test_induction_rests_on_the_previous_token_head(lm: tiny_lm.TinyLanguageModel) -> None:
    """The two-step circuit of Olsson et al. 2022, cut at either step; heads outside it do not matter."""
    card = CARD["repeated_random_tokens"]
    previous, induction = card["previous_token_head"], card["induction_head"]
    assert previous["layer"] < induction["layer"]
    ids = measure.repeated_random(8, 60, lm.vocab_size, lm.bos, rng(5))

    def second_half(*ablate: tuple[int, int]) -> float:
        return float(measure.token_loss(lm.model(ids, frozenset(ablate))[0], ids)[:, 60:].mean())

    whole = second_half()
    assert second_half((previous["layer"], previous["head"])) > whole + 3
    assert second_half(*((induction["layer"], head) for head in range(lm.n_head))) > whole + 3
    assert second_half(*((lm.n_layer - 1, head) for head in range(lm.n_head))) < whole + 1


def toy_streams() -> list[training.Stream]:
    ids = torch.randint(1, 37, (400,), generator=rng())
    return [training.Stream(ids, torch.arange(0, 300, 7)), training.Stream(ids.flip(0), torch.arange(0, 300, 11))]


def test_training_stopped_and_resumed_ends_at_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = training.Recipe(phases=(training.Phase(3, 5, 16, 0.5), training.Phase(4, 3, 32, 0.1)), n_warmup=2)
    through, log = training.train(PRIMES, recipe, toy_streams(), 0, tmp_path / "a.pt")
    training.train(PRIMES, recipe, toy_streams(), 0, tmp_path / "b.pt", stop_at=4)
    resumed, resumed_log = training.train(PRIMES, recipe, toy_streams(), 0, tmp_path / "b.pt")
    assert log.losses == resumed_log.losses and len(log.losses) == 7
    for a, b in zip(through.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(SystemExit, match="another recipe"):
        training.train(PRIMES, training.Recipe(), toy_streams(), 0, tmp_path / "b.pt")


def test_batches() -> None:
    recipe = training.Recipe(phases=(training.Phase(1, 40, 32, 1.0), training.Phase(1, 40, 24, 0.0)))
    repeated, text = (training.batch(toy_streams(), recipe, 37, 0, step) for step in (0, 1))
    assert repeated.shape == (40, 32) and text.shape == (40, 24)
    for row in repeated[:, 1:]:
        assert any(torch.equal(row[p:], row[:-p]) for p in range(4, 17))
    whole = torch.cat([s.ids for s in toy_streams()]).unfold(0, 23, 1)
    for row in text[:, 1:]:
        assert (whole == row).all(1).any()
    assert text[:, 0].eq(0).all() and torch.equal(text, training.batch(toy_streams(), recipe, 37, 0, 1))


def test_plays_become_plain_text() -> None:
    markdown = "### SCENE I. A room.\n\n_Enter TWO, reading_\n\n**TWO**  \nOne line;  \nand `another`.\n"
    assert data.plain_play(markdown) == "SCENE I. A room.\n\n[Enter TWO, reading]\n\nTWO:\nOne line;\nand `another`.\n"


def test_held_out_samples_are_whole_characters() -> None:
    pieces = data.held_out_sample(["字" * 500, "short\n", "x\n" * 900], 300, n_piece=3)
    assert pieces == ["字" * 33, "short\n", "x\n" * 50]
