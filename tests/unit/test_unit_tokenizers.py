"""Bytes, characters and words against what Python itself says of a text."""

import re

import pytest

from models import unit_tokenizers
from models.tokenizer import Lookup, load
from models.unit_tokenizers import Words
from tests.unit.any_text import assert_reading, texts


def test_bytes():
    found = load("bytes")
    for text in texts(2_000, seed=0):
        split = assert_reading(found, text)
        assert split.id.tolist() == list(text.encode()) and found.decode(split.id.tolist()) == text
        assert split.start.tolist() == list(range(len(text.encode())))
    assert found.vocab_size == 256 and found.unknown is None
    assert [found.piece(i) for i in (0x41, 0x20, 0x0A, 0xE4)] == ["A", " ", "<0x0A>", "<0xE4>"]
    assert found.decode([0xE4, 0x41]) == "\N{REPLACEMENT CHARACTER}A"
    assert found.story("人", found.split("人"), 1) == Lookup("<0xBA>", True)


def test_characters():
    found = load("characters")
    for text in texts(2_000, seed=1):
        split = assert_reading(found, text)
        assert split.id.tolist() == list(map(ord, text)) and found.decode(split.id.tolist()) == text
        raw = text.encode()
        surfaces = [raw[a:b].decode() for a, b in zip(split.start.tolist(), split.end.tolist(), strict=True)]
        assert surfaces == list(text)
    assert found.vocab_size == 0x10FFFF + 1 and found.unknown is None
    assert found.split("a人🙂").id.tolist() == [0x61, 0x4EBA, 0x1F642]
    assert found.decode([0xD83D]) == "\N{REPLACEMENT CHARACTER}"  # half a pair is no character
    assert found.story("a人", found.split("a人"), 1) == Lookup("人", True)


def test_words_by_hand():
    found = Words(["it", "is", "!", "人"])
    split = assert_reading(found, "it  isn't 人工!")
    assert [found.piece(i) for i in split.id.tolist()] == ["it", "<unk>", "<unk>", "<unk>", "<unk>", "!"]
    assert split.start.tolist() == [0, 4, 7, 8, 10, 16] and split.end.tolist() == [2, 7, 8, 9, 16, 17]
    assert split.exact.tolist() == [True, False, False, False, False, True]
    assert found.decode(split.id.tolist()) == "it<unk><unk><unk><unk>!"
    assert found.unknown == 0 and found.vocab_size == 5
    assert found.story("it isn't", found.split("it isn't"), 1) == Lookup("isn", False)
    assert found.story("it isn't", found.split("it isn't"), 0) == Lookup("it", True)


def test_words_against_python():
    found = load("words")
    known = set()
    for path in unit_tokenizers.CORPORA.glob("*.txt"):
        known |= set(re.findall(r"\w+|[^\w\s]", path.read_text(encoding="utf-8")))
    assert found.vocab_size == len(known) + 1
    n_known = 0
    for text in texts(3_000, seed=2):
        split = assert_reading(found, text)
        want = re.findall(r"\w+|[^\w\s]", text)
        assert [found.piece(i) for i in split.id.tolist()] == [word if word in known else "<unk>" for word in want]
        n_known += int((split.id > 0).sum())
    assert n_known > 1_000 or not known


def test_nothing_and_very_much():
    for name in ("bytes", "characters", "words"):
        found = load(name)
        assert found.special == {} and found.rank(1) is None and found.algorithm == "units"
        for text in ("", " ", "a" * 100_000, "人 " * 50_000):
            assert_reading(found, text) if len(text) < 10 else found.split(text)
    with pytest.raises(ValueError):
        unit_tokenizers.load("syllables")
