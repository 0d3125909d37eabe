"""One text, several tokenizers: every field of the Trace against a count made another way."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import tokenizer, tokenizer_claims, tokenizer_splits
from models.language_model import ModelUnavailable
from models.tokenizer import Lookup, Merge, Merges, Split
from models.tokenizer_splits import SAMPLES, Config, boundaries, facts, lost, own_merges, trace

SHIPPED = "tiny-lm bytes characters words"  # need no asset
TEXT = "The old cat sat; the ｏｌｄ 猫 sat 🙂."


def split(*spans: tuple[int, int], exact: list[bool] | None = None) -> Split:
    start, end = zip(*spans, strict=True)
    flags = np.array(exact or [True] * len(spans))
    return Split(np.arange(len(spans), dtype=np.int32), np.array(start, np.int32), np.array(end, np.int32), flags)


def test_rows_stand_in_the_order_asked_for() -> None:
    seen = trace(Config(text=TEXT, tokenizers="words bytes tiny-lm"))
    assert [row.name for row in seen.row] == ["words", "bytes", "tiny-lm"]
    assert seen.missing == ()
    for row in seen.row:
        assert row.n_token == len(row.split.id)
        assert set(row.piece) == set(row.split.id.tolist())
        assert set(row.rank) <= set(row.piece)


def test_bytes_and_characters_are_counted_by_python() -> None:
    seen = trace(Config(text=TEXT, tokenizers="bytes characters"))
    assert [row.n_token for row in seen.row] == [len(TEXT.encode()), len(TEXT)]
    assert seen.row[0].split.id.tolist() == list(TEXT.encode())
    assert seen.row[1].split.id.tolist() == [ord(char) for char in TEXT]
    # Every border between characters is a border between bytes: all agree on exactly those.
    assert (seen.n_boundary, seen.n_common) == (len(TEXT.encode()) - 1, len(TEXT) - 1)


def test_what_is_lost_by_hand() -> None:
    text = "aé猫b"  # 1, 2, 3 and 1 bytes
    assert lost(text, split((0, 1), (1, 3), (3, 6), (6, 7))).tolist() == []
    assert lost(text, split((0, 1), (3, 6), (6, 7))).tolist() == [1]  # nobody read the é
    assert lost(text, split((0, 1), (1, 3), (3, 5), (6, 7))).tolist() == [2]  # the last byte of the 猫 is in no token
    assert lost(text, split((0, 1), (1, 6), (6, 7), exact=[True, False, True])).tolist() == [1, 2]
    assert lost(text, split((0, 3), (3, 3), (3, 7), exact=[True, False, True])).tolist() == []  # an added prefix
    assert lost("", split((0, 0))).tolist() == []


@pytest.mark.parametrize("name", SHIPPED.split())
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_nothing_is_lost_exactly_if_the_text_comes_back(name: str, text: str) -> None:
    row = tokenizer_splits.read.__wrapped__(name, text, False)
    assert (row.n_lost == 0) == (row.decoded == text)


def test_boundaries_leave_out_the_two_ends() -> None:
    assert boundaries(split((0, 2), (2, 5), (5, 7))).tolist() == [2, 5]
    assert boundaries(split((0, 7))).tolist() == []


def test_costs_by_hand() -> None:
    cfg = Config(text="abc", tokenizers="bytes tiny-lm", d_model=128, n_ctx=1_000.0, ms_per_token=50)
    seen = trace(cfg)
    assert seen.n_parameter == (256 * 128 * 2, 2048 * 128 * 2)
    assert trace(dataclasses.replace(cfg, tied=True)).n_parameter == (256 * 128, 2048 * 128)
    assert seen.published["Llama 2"] == (32_000, 32_000 * 128 * 2)
    assert seen.context[0] == pytest.approx(3 / 1_000)
    assert seen.seconds[0] == pytest.approx(0.15)


def test_published_sizes_are_those_of_transformers() -> None:
    from transformers import Gemma3TextConfig, GPT2Config, Llama4TextConfig, LlamaConfig, Qwen2Config

    theirs = {
        "Llama 2": LlamaConfig,
        "GPT-2": GPT2Config,
        "Qwen2": Qwen2Config,
        "Llama 4": Llama4TextConfig,
        "Gemma 3": Gemma3TextConfig,
    }
    for name, config in theirs.items():
        assert tokenizer_splits.PUBLISHED[name] == config().vocab_size
    # Llama 3's is the one that makes its 8,030,261,248 parameters (test_llama_by_its_published_sizes).
    assert tokenizer_splits.PUBLISHED["Llama 3"] == 128_256


def test_samples_are_counted_one_by_one() -> None:
    seen = trace(Config(tokenizers="bytes characters"))
    assert seen.sample.shape == (2, len(SAMPLES))
    for i, sentence in enumerate(SAMPLES.values()):
        assert seen.sample[:, i].tolist() == [len(sentence.strip("\n").encode()), len(sentence.strip("\n"))]


def test_there_is_no_text() -> None:
    seen = trace(Config(text="", tokenizers=SHIPPED))
    assert (seen.picked, seen.story, seen.n_boundary, seen.n_common) == (None, None, 0, 0)
    assert facts(seen)["n_most"] == 0


def test_the_chosen_token_is_kept_within_the_text() -> None:
    seen = trace(Config(text="two words", tokenizers="words bytes", row=5, token=10**5))
    assert seen.picked == (1, 8)
    assert isinstance(seen.story, Lookup)
    # A row without tokens hands the question on to one that has some.
    assert trace(Config(text=" ", tokenizers="words bytes", row=0)).picked == (1, 0)


def test_a_tokenizer_that_cannot_be_had_is_named_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    real = tokenizer.load

    def load(name: str) -> tokenizer.Tokenizer:
        if name == "qwen":
            raise ModelUnavailable("asset_missing", name="Qwen", command="python -m assets fetch qwen")
        return real(name)

    monkeypatch.setattr(tokenizer, "load", load)
    tokenizer_splits.read.cache_clear()
    seen = trace(Config(text="a b", tokenizers="bytes qwen words"))
    assert [row.name for row in seen.row] == ["bytes", "words"]
    assert [(one.name, one.reason.key) for one in seen.missing] == [("qwen", "asset_missing")]


def test_the_merges_of_one_token_only() -> None:
    # l o w e r -> lo w e r -> lo w er -> low er; the two tokens are low and er.
    merges = (Merge(0, "l", "o", 0), Merge(2, "e", "r", 3), Merge(0, "lo", "w", 9))
    story = Merges(("l", "o", "w", "e", "r"), merges, 0)
    assert own_merges(story) == [merges[0], merges[2]]
    assert own_merges(dataclasses.replace(story, n_before=1)) == [merges[1]]


def test_facts_say_what_the_trace_shows() -> None:
    numbers = facts(trace(Config(text=TEXT, tokenizers="characters bytes words")))
    expected = {
        "n_char": len(TEXT), "n_byte": len(TEXT.encode()), "n_row": 3, "most": "bytes", "n_most": len(TEXT.encode()),
        "n_lossless": 2, "lossiest": "words", "told_by": "characters",
    }  # fmt: skip
    assert {name: numbers[name] for name in expected} == expected
    assert numbers["ratio"] == pytest.approx(numbers["n_most"] / numbers["n_fewest"])
    assert numbers["n_dispute"] == numbers["n_boundary"] - numbers["n_common"]
    assert all(math.isfinite(value) for value in numbers.values() if isinstance(value, float))


def test_check_counts_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = Config(text="abc", tokenizers="bytes")
    monkeypatch.setattr(tokenizer_splits, "reference", lambda name: lambda text: [97, 0])
    assert tokenizer_splits.check(cfg) == {"bytes": 2.0}
    monkeypatch.setattr(tokenizer_splits, "reference", lambda name: lambda text: list(text.encode()))
    assert tokenizer_splits.check(cfg) == {"bytes": 0.0}


def test_llama_by_its_published_sizes() -> None:
    assert tokenizer_claims.n_parameter(32_000, 32, 11_008) == 6_738_415_616
    assert tokenizer_claims.n_parameter(128_256, 8, 14_336) == 8_030_261_248
    parts = tokenizer_claims.llama_3()
    assert float(parts["vocabulary"]) + float(parts["shared"]) + float(parts["wider"]) == pytest.approx(parts["whole"])


def test_bytes_that_utf8_never_uses() -> None:
    used = {byte for code in (*range(0xD800), *range(0xE000, 0x110000, 7)) for byte in chr(code).encode()}
    assert not used & set(tokenizer_claims.NEVER_IN_UTF8)
    assert len(used | set(tokenizer_claims.NEVER_IN_UTF8)) == 256
