"""models/pretrained.py against plain transformers: an untouched copy of the same weights, with eager attention."""

import copy
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM

import assets
from models import pretrained
from models.language_model import ModelUnavailable, Reading
from tests.unit import tiny_checkpoints as tiny

IDS = [0, 5, 7, 200, 11, 13, 5, 7, 17, 19, 23]  # 11 tokens, a pair repeated
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkpoints")
    return {
        "llama": tiny.save(root / "llama", tiny.llama(), tiny.byte_bpe()),
        "gpt2": tiny.save(root / "gpt2", tiny.gpt2(), tiny.byte_bpe()),
        "bert": tiny.save(root / "bert", tiny.bert(), tiny.word_piece()),
    }


@pytest.fixture(scope="module")
def read(folders):
    return {name: pretrained.load_any(str(folder)) for name, folder in folders.items()}


def plain(folder, auto=AutoModelForCausalLM):
    """The same checkpoint, loaded without our attention function."""
    return auto.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


@torch.no_grad()
def reference(model, ids):
    return model(torch.tensor([ids]), output_attentions=True, use_cache=False)


def scores(reading: Reading) -> torch.Tensor:
    """Attention recomputed from Q and K with an explicit loop; the mask is where the reading shows 0."""
    n_layer, n_head, n_token, d_head = reading.query.shape
    group = n_head // reading.key.shape[1]
    rows = torch.zeros(n_layer, n_head, n_token, n_token)
    for layer in range(n_layer):
        for head in range(n_head):
            score = reading.query[layer, head] @ reading.key[layer, head // group].T / d_head**0.5
            hidden = reading.attention[layer, head] == 0
            rows[layer, head] = score.masked_fill(hidden, -torch.inf).softmax(-1)
    return rows


# --- what a reading shows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, shape",
    [
        ("llama", (True, 3, 10, 5, 14, 61, tiny.N_BYTE_TOKEN)),
        ("gpt2", (True, 2, 3, 3, 7, 53, tiny.N_BYTE_TOKEN)),
        ("bert", (False, 2, 3, 3, 5, 41, 0)),
    ],
)
def test_the_model_describes_itself(read, name, shape):
    m = read[name]
    assert (m.causal, m.n_layer, m.n_head, m.n_kv_head, m.d_head, m.n_ctx, m.vocab_size) == shape
    seen = m.read(IDS)
    assert seen.ids.tolist() == IDS and len(seen.label) == len(IDS)
    assert seen.query.shape == (m.n_layer, m.n_head, len(IDS), m.d_head)
    assert seen.key.shape == seen.value.shape == (m.n_layer, m.n_kv_head, len(IDS), m.d_head)
    assert seen.attention.shape == (m.n_layer, m.n_head, len(IDS), len(IDS))
    assert seen.logit.shape == (m.vocab_size,)
    assert {x.dtype for x in (seen.query, seen.key, seen.value, seen.attention, seen.logit)} == {torch.float32}


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_attention_is_what_output_attentions_says(read, folders, name):
    seen = read[name].read(IDS)
    out = reference(plain(folders[name], AutoModel if name == "bert" else AutoModelForCausalLM), IDS)
    torch.testing.assert_close(seen.attention, torch.cat(out.attentions), **CLOSE)
    torch.testing.assert_close(seen.attention.sum(-1), torch.ones(seen.attention.shape[:3]))
    if name != "bert":
        torch.testing.assert_close(seen.logit, out.logits[0, -1], **CLOSE)
        assert (seen.attention.triu(1) == 0).all()


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_queries_and_keys_give_the_attention(read, name):
    seen = read[name].read(IDS)
    torch.testing.assert_close(scores(seen), seen.attention, **CLOSE)


@torch.no_grad()
def test_llama_query_key_value_are_the_projections_with_rope_in_complex_numbers(read, folders):
    model = plain(folders["llama"]).model
    seen = read["llama"].read(IDS)
    stream = model(torch.tensor([IDS]), output_hidden_states=True).hidden_states
    turn = 10_000.0 ** (-torch.arange(7) / 7)  # one angle per pair of features i, i + 7
    phase = torch.polar(torch.ones(11, 7), torch.arange(11)[:, None] * turn)
    for at, layer in enumerate(model.layers):
        x = layer.input_layernorm(stream[at][0])
        for name, weight, n in (("query", layer.self_attn.q_proj, 10), ("key", layer.self_attn.k_proj, 5)):
            flat = weight(x).view(11, n, 14).transpose(0, 1)
            turned = torch.complex(flat[..., :7], flat[..., 7:]) * phase
            torch.testing.assert_close(
                getattr(seen, name)[at], torch.cat((turned.real, turned.imag), -1), rtol=1e-4, atol=1e-5
            )
        value = layer.self_attn.v_proj(x).view(11, 5, 14).transpose(0, 1)
        torch.testing.assert_close(seen.value[at], value, **CLOSE)


@torch.no_grad()
def test_bert_query_key_value_are_the_projections(read, folders):
    model = plain(folders["bert"], AutoModel)
    seen = read["bert"].read(IDS)
    stream = model(torch.tensor([IDS]), output_hidden_states=True).hidden_states
    for at, layer in enumerate(model.encoder.layer):
        for name in ("query", "key", "value"):
            wanted = getattr(layer.attention.self, name)(stream[at][0]).view(11, 3, 5).transpose(0, 1)
            torch.testing.assert_close(getattr(seen, name)[at], wanted, **CLOSE)


def test_a_model_with_another_scale_has_it_folded_into_the_query(tmp_path):
    """Gemma 2 scales by a number of its own (and caps scores; the cap is set so high here that it does nothing)."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=tiny.N_BYTE_TOKEN, hidden_size=30, head_dim=14, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=3, intermediate_size=37, query_pre_attn_scalar=3, attn_logit_softcapping=1e6,
        sliding_window=4,
    )  # fmt: skip
    folder = tiny.save(tmp_path / "gemma", tiny._random(Gemma2ForCausalLM(config), 1), tiny.byte_bpe())
    seen = pretrained.load_any(str(folder)).read(IDS)
    torch.testing.assert_close(scores(seen), seen.attention, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(seen.attention, torch.cat(reference(plain(folder), IDS).attentions), **CLOSE)
    assert (seen.attention[0].tril(-4) == 0).all() and (seen.attention[1].tril(-4) > 0).any()  # sliding, then full


def test_one_token_and_the_longest_text(read):
    for m in read.values():
        assert m.read([3]).attention.flatten().tolist() == [1.0] * (m.n_layer * m.n_head)
        assert m.read([3] * m.n_ctx).attention.isfinite().all()


def test_what_cannot_be_read_is_refused(read):
    for m in read.values():
        for ids in ([], [3] * (m.n_ctx + 1), [-1], [10**6]):
            with pytest.raises(ValueError, match=r"reads 1 to|knows the token ids"):
                m.read(ids)
        for pair in ((m.n_layer, 0), (0, m.n_head), (-1, 0)):
            with pytest.raises(ValueError, match="layers of"):
                m.read(IDS, frozenset({pair}))


# --- ablation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_ablating_a_head_is_zeroing_its_columns_of_w_o(read, folders, name):
    m = read[name]
    off = frozenset({(0, 1), (0, 2), (m.n_layer - 1, 0)})
    cut = copy.deepcopy(plain(folders[name], AutoModel if name == "bert" else AutoModelForCausalLM))
    with torch.no_grad():
        for layer, head in off:
            columns = slice(head * m.d_head, (head + 1) * m.d_head)
            if name == "llama":
                cut.model.layers[layer].self_attn.o_proj.weight[:, columns] = 0
            elif name == "gpt2":
                cut.transformer.h[layer].attn.c_proj.weight[columns] = 0  # stored the other way round
            else:
                cut.encoder.layer[layer].attention.output.dense.weight[:, columns] = 0
    seen, whole, out = m.read(IDS, off), m.read(IDS), reference(cut, IDS)
    torch.testing.assert_close(seen.attention, torch.cat(out.attentions), **CLOSE)
    torch.testing.assert_close(seen.attention[0], whole.attention[0], **CLOSE)  # the first layer cannot notice
    assert (seen.attention[1] - whole.attention[1]).abs().max() > 1e-3
    if name != "bert":
        torch.testing.assert_close(seen.logit, out.logits[0, -1], **CLOSE)
        assert (seen.logit - whole.logit).abs().max() > 1e-2
    torch.testing.assert_close(m.read(IDS).attention, whole.attention)  # and it does not last


# --- threads ----------------------------------------------------------------------------------------------------------


def test_threads_get_their_own_readings(read):
    """Many threads read different texts, with different heads off, through the same models at the same time."""
    generator = torch.Generator().manual_seed(0)
    jobs = []
    for i in range(24):
        m = read[("llama", "gpt2", "bert")[i % 3]]
        ids = torch.randint(5, 200, (3 + i % 7,), generator=generator).tolist()
        jobs.append((m, ids, frozenset({(i % m.n_layer, i % m.n_head)} if i % 2 else ())))
    alone = [m.read(ids, off) for m, ids, off in jobs]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(4):
                together = list(pool.map(lambda job: job[0].read(job[1], job[2]), jobs))
                for one, other in zip(alone, together, strict=True):
                    assert one.ids.tolist() == other.ids.tolist() and one.label == other.label
                    for field in ("query", "key", "value", "attention", "logit"):
                        torch.testing.assert_close(getattr(one, field), getattr(other, field), **CLOSE)
    finally:
        sys.setswitchinterval(interval)


def test_outside_a_reading_nothing_is_noted(read, folders):
    assert pretrained._notes.get() is None
    torch.testing.assert_close(
        reference(read["llama"]._model, IDS).logits[0, -1], reference(plain(folders["llama"]), IDS).logits[0, -1]
    )
    with pytest.raises(ValueError):
        read["llama"].read([])
    assert pretrained._notes.get() is None


# --- words ------------------------------------------------------------------------------------------------------------


def test_byte_level_labels(read):
    m = read["llama"]
    ids = m.encode("The cat\n\t人 é")
    assert ids[0] == 0
    label = m.label(ids)
    assert label[0] == "<s>"
    shown = "".join(label[1:])
    assert "↵" in shown and "<0x09>" in shown and "Ġ" not in shown and "\n" not in shown
    assert any(piece.startswith(" ") for piece in label)
    # 人 is E4 BA BA: whole if the tokenizer learned it, else byte by byte
    split = m.label(m.encode("亻")[1:])
    assert split == ("<0xE4>", "<0xBA>", "<0xBB>")


def test_word_piece_labels_and_no_padding(read):
    m = read["bert"]
    ids = m.encode("The animals tokenization was 人 tired 魑.")
    assert m.label(ids) == (
        "[CLS]", "the", "animal", "##s", "token", "##ization", "was", "人", "tired", "[UNK]", ".", "[SEP]"
    )  # fmt: skip
    assert m.label(m.encode("[MASK]")) == ("[CLS]", "[MASK]", "[SEP]")


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "\ud800", "\ud83d\ude00", "a\ud800b", "👩‍👩‍👧", "שלום", "<b>x</b>", "x" * 5000]
)
def test_any_text_can_be_encoded_and_shown(read, text):
    for m in read.values():
        ids = m.encode(text)
        assert ids and all(isinstance(i, int) for i in ids)
        label = m.label(ids)
        assert len(label) == len(ids) and all(isinstance(piece, str) and piece for piece in label)
        assert all(c.isprintable() or c in "\u200d" for c in "".join(label))
        m.read(ids[: m.n_ctx])


def test_a_surrogate_pair_is_one_character(read):
    assert read["llama"].encode("\ud83d\ude00") == read["llama"].encode("😀")
    assert read["llama"].encode("a\ud800b") == read["llama"].encode("a\ufffdb")  # half of one is shown as such


def test_rows_of_the_embedding_table_without_a_token_have_a_name(tmp_path):
    model = tiny.gpt2()
    model.resize_token_embeddings(tiny.N_BYTE_TOKEN + 7)
    m = pretrained.load_any(str(tiny.save(tmp_path / "padded", model, tiny.byte_bpe())))
    assert m.label([tiny.N_BYTE_TOKEN + 3]) == (f"<{tiny.N_BYTE_TOKEN + 3}>",)
    assert m.vocab_size == tiny.N_BYTE_TOKEN + 7 and m.read([tiny.N_BYTE_TOKEN + 3]).logit.isfinite().all()


# --- the real ones ----------------------------------------------------------------------------------------------------


def real(name):
    if not assets.present(name):
        pytest.skip(f"needs an asset: `{assets.find(name).command}`")
    return assets.path(name), getattr(pretrained, f"load_{name}")()


@pytest.fixture(scope="module")
def minilm():
    return real("minilm")


@pytest.fixture(scope="module")
def smollm2():
    return real("smollm2")


def test_minilm_is_what_transformers_reads(minilm):
    folder, m = minilm
    assert (m.name, m.causal, m.n_layer, m.n_head, m.n_kv_head, m.d_head, m.n_ctx) == (
        "minilm",
        False,
        6,
        12,
        12,
        32,
        512,
    )
    seen = m.read(m.encode("The animal didn't cross the street because it was too tired."))
    out = reference(plain(folder, AutoModel), seen.ids.tolist())
    torch.testing.assert_close(seen.attention, torch.cat(out.attentions), **CLOSE)
    torch.testing.assert_close(scores(seen), seen.attention, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("verb, weight", [("didn't", 0.677), ("did not", 0.688)])
def test_minilm_resolves_it(minilm, verb, weight):
    """Layer 3, head 1, counted from 0, is the head with the most attention from "it" to "animal"."""
    seen = minilm[1].read(minilm[1].encode(f"The animal {verb} cross the street because it was too tired."))
    pair = seen.attention[:, :, seen.label.index("it"), seen.label.index("animal")]
    assert divmod(int(pair.argmax()), 12) == (3, 1)
    assert pair[3, 1].item() == pytest.approx(weight, abs=0.002)


def test_smollm2_is_what_transformers_reads(smollm2):
    folder, m = smollm2
    assert (m.name, m.causal, m.n_layer, m.n_head, m.n_kv_head, m.d_head) == ("smollm2", True, 30, 9, 3, 64)
    seen = m.read(m.encode("The animal didn't cross the street"))
    out = reference(plain(folder), seen.ids.tolist())
    torch.testing.assert_close(seen.attention, torch.cat(out.attentions), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen.logit, out.logits[0, -1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(scores(seen), seen.attention, rtol=1e-3, atol=1e-4)


def test_smollm2_knows_the_capital_of_france(smollm2):
    m = smollm2[1]
    seen = m.read(m.encode("The capital of France is"))
    assert seen.label == ("The", " capital", " of", " France", " is")  # no token is put in front
    best = int(seen.logit.argmax())
    assert m.label([best]) == (" Paris",)
    assert seen.logit.softmax(-1)[best].item() == pytest.approx(0.773, abs=0.003)


def test_smollm2_tokens(smollm2):
    m = smollm2[1]
    assert m.label(m.encode("a  12\n")) == ("a", "  ", "1", "2", "↵")  # digits are cut out first
    assert m.label(m.encode("齉")) == ("<0xE9>", "<0xBD>", "<0x89>")
    assert m.label(m.encode("")) == ("<|im_start|>",)


def test_a_missing_asset_is_one_sentence_with_its_command(monkeypatch, tmp_path):
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(ModelUnavailable) as caught:
        pretrained.load_minilm()
    assert caught.value.key == "asset_missing"
    assert "`python -m assets fetch minilm`" in str(caught.value)
    assert "`python -m assets fetch minilm`" in caught.value.sentence("zh")
