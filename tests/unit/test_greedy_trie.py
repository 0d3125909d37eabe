"""RWKV's greedy trie against a slow loop that tries every length, and tokens worked out by hand."""

import time
from functools import lru_cache

import pytest

import assets
from models.greedy_trie import END, GreedyTrie, Trie, load_rwkv, read_vocabulary
from models.language_model import ModelUnavailable
from models.tokenizer import Lookup, Match, Matches, load
from tests.unit.any_text import assert_lawful, assert_reading, texts

needs_rwkv = pytest.mark.skipif(not assets.present("rwkv"), reason=f"needs `{assets.find('rwkv').command}`")
TOY = {i: bytes([i]) for i in range(256)} | {256: b"ab", 257: b"abcd", 258: b"cde", 259: "人工".encode()}


def toy() -> GreedyTrie:
    return GreedyTrie("toy", TOY | {300: b"\xe4\xba"}, 301, {"<end>": 299})


@lru_cache(1)
def by_bytes() -> tuple[dict[bytes, int], int]:
    token = read_vocabulary(assets.path("rwkv") / "vocabulary.txt")
    return {raw: i for i, raw in token.items()}, max(map(len, token.values()))


def slow(text: str) -> list[int]:
    """Every length from the longest token's down to one byte."""
    vocabulary, longest = by_bytes()
    raw, found, at = text.encode(), [], 0
    while at < len(raw):
        n = next(n for n in range(longest, 0, -1) if at + n <= len(raw) and raw[at : at + n] in vocabulary)
        found.append(vocabulary[raw[at : at + n]])
        at += n
    return found


def test_the_trie_by_hand():
    trie = Trie(TOY)
    assert trie.longest(b"abcdx", 0) == (257, 4, 4)
    assert trie.longest(b"abcx", 0) == (256, 2, 3)  # walked to abc, which is no token
    assert trie.longest(b"xabc", 1) == (256, 3, 4)
    assert Trie({7: b"ab"}).longest(b"ac", 0) == (-1, 0, 1)


def test_greedy_is_not_shortest():
    found = toy()
    split = found.split("abcde")
    assert [found.piece(i) for i in split.id.tolist()] == ["abcd", "e"]  # also two: "ab" + "cde"
    split = found.split("人事")  # E4 BA BA, E4 BA 8B: the token E4 BA is half a character
    assert [found.piece(i) for i in split.id.tolist()] == ["<0xE4><0xBA>", "<0xBA>", "<0xE4><0xBA>", "<0x8B>"]
    assert split.start.tolist() == [0, 2, 3, 5] and split.end.tolist() == [2, 3, 5, 6] and split.exact.all()
    assert_reading(found, "人工 abcabcde\n")
    assert found.rank(257) is None and found.piece(290) == "<290>"


def test_stories_by_hand():
    found = toy()
    split = found.split("abcx")
    assert found.story("abcx", split, 0) == Matches("ab", (Match(("abc", "ab"), 2, True),), 0)
    story = found.story("abcx", split, 1)
    assert story == Matches("abc", (Match(("abc", "ab"), 2, True), Match(("c",), 1, True)), 1)
    text = "ab<end>c"
    assert [found.piece(i) for i in found.split(text).id.tolist()] == ["ab", *"<end>", "c"]
    split = assert_reading(found, text, special=True)
    assert [found.piece(i) for i in split.id.tolist()] == ["ab", "<end>", "c"]
    assert found.story(text, split, 1) == Lookup("<end>", True)
    assert found.story(text, split, 2) == Matches("c", (Match(("c",), 1, True),), 0)
    long = "x" * 500
    story = found.story(long, found.split(long), 400)
    assert len(story.match) == 33 and story.token == 32


def test_the_vocabulary_file_is_parsed_not_run(tmp_path):
    file = tmp_path / "vocabulary.txt"
    file.write_text("1 ' a b' 4\n2 b'\\xe4' 1\n3 '\\n' 1\n4 \"'\" 1\n", encoding="utf-8")
    assert read_vocabulary(file) == {1: b" a b", 2: b"\xe4", 3: b"\n", 4: b"'"}
    for bad in ("1 __import__('os').getcwd() 1\n", "1 'ab' 3\n", "x 'a' 1\n", "1 'a 1\n", "1\n"):
        file.write_text(bad)
        with pytest.raises(ValueError):
            read_vocabulary(file)
    with pytest.raises(ValueError, match="single byte"):
        GreedyTrie("bad", {1: b"a"}, 2, {})


@needs_rwkv
def test_ids_are_the_slow_loops_on_10000_texts():
    found, n_token = load_rwkv(), 0
    for text in texts(10_000, seed=0):
        split = found.split(text)
        assert split.id.tolist() == slow(text), text
        assert_lawful(found, text, split)
        assert found.decode(split.id.tolist()) == text and split.exact.all()
        n_token += len(split.id)
    assert n_token > 100_000


@needs_rwkv
def test_every_token_of_the_vocabulary_is_found_whole():
    vocabulary, _ = by_bytes()
    found = load_rwkv()
    assert found.vocab_size == 65_536 and len(vocabulary) == 65_529 and found.special == {END: 0}
    for raw, token in vocabulary.items():
        assert found._trie.longest(raw, 0) == (token, len(raw), len(raw))


@needs_rwkv
def test_stories_lead_to_their_tokens():
    found = load("rwkv")
    for text in texts(100, seed=1):
        split = found.split(text, special=True)
        for i, token in enumerate(split.id.tolist()):
            story = found.story(text, split, i)
            if isinstance(story, Matches):
                assert story.match[story.token].tried[-1] == found.piece(token)
            else:
                assert token == 0


@needs_rwkv
def test_no_text_takes_long():
    found = load_rwkv()
    for text in ("a" * 100_000, " " * 100_000, "人" * 100_000, "=" * 100_000):
        start = time.thread_time()
        split = found.split(text)
        found.story(text, split, len(split.id) - 1)
        assert time.thread_time() - start < 2


def test_absent_and_damaged_files_are_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path))
    load_rwkv.cache_clear()
    with pytest.raises(ModelUnavailable, match="python -m assets fetch rwkv"):
        load_rwkv()
    monkeypatch.setattr(assets, "path", lambda name: tmp_path)
    (tmp_path / "vocabulary.txt").write_text("nothing")
    with pytest.raises(ModelUnavailable, match="damaged"):
        load_rwkv()
