"""BERT's WordPiece against the `tokenizers` library: the whole pipeline of the asset's tokenizer.json.

Python's Unicode tables are newer than those the library was built with (version 8 for punctuation, marks and control
characters) and older than those it changes case with. `gap` finds every character on which the two differ: those, and
only those, do not occur in the random texts.
"""

import time
from functools import lru_cache

import numpy as np
import pytest
import tokenizers

import assets
from models.language_model import ModelUnavailable
from models.tokenizer import Lookup, Match, Matches
from models.wordpiece import WordPiece, load_bert, longest_match_first, tell, words
from tests.unit.any_text import assert_lawful, assert_reading, texts

needs_bert = pytest.mark.skipif(not assets.present("minilm"), reason=f"needs `{assets.find('minilm').command}`")
PIECES = "[UNK] hug ##g ##ing ##s un ##hug ! a 人 [CLS]"
TOY = WordPiece("toy", {piece: i for i, piece in enumerate(PIECES.split())})


@lru_cache(1)
def library() -> tokenizers.Tokenizer:
    found = tokenizers.Tokenizer.from_file(str(assets.path("minilm") / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    found.encode_special_tokens = True
    return found


@lru_cache(1)
def gap() -> frozenset[str]:
    """The characters that the library's normaliser and pre-tokeniser treat in another way than ours."""

    def differs(chars: list[str]) -> list[str]:
        text = " ".join(f"a{char}b" for char in chars)
        theirs = [w for w, _ in library().pre_tokenizer.pre_tokenize_str(library().normalizer.normalize_str(text))]
        if theirs == [w for w, _ in words(text, True)]:
            return []
        middle = len(chars) // 2
        return chars if not middle else differs(chars[:middle]) + differs(chars[middle:])

    # Beyond plane 3 there are only private use, tags and selectors: the random texts hold some of all.
    everything = [chr(code) for code in range(0x40000) if not 0xD800 <= code < 0xE000]
    return frozenset(char for at in range(0, len(everything), 2048) for char in differs(everything[at : at + 2048]))


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_the_longest_piece_wins_from_left_to_right():
    assert longest_match_first("hugging", TOY.vocabulary) == [3, 4, 7]  # hug ##g ##ing
    assert longest_match_first("unhugs", TOY.vocabulary) == [2, 5, 6]  # un ##hug ##s
    assert longest_match_first("hugh", TOY.vocabulary) == []  # no ##h
    assert longest_match_first("ing", TOY.vocabulary) == []  # ##ing does not begin a word


def test_words_by_hand():
    found = list(words("Héllo, x\u00ad人Y!\n 'z", True))
    assert found == [
        ("hello", [0, 1, 2, 3, 4]),
        *((",", [5]), ("x", [7]), ("人", [9]), ("y", [10]), ("!", [11]), ("'", [14]), ("z", [15])),
    ]
    assert [word for word, _ in words("Héllo", False)] == ["Héllo"]
    assert list(words("a\u0000b", True)) == [("ab", [0, 2])]  # a control character vanishes inside a word
    assert list(words("한", True)) == [("\u1112\u1161\u11ab", [0, 0, 0])]  # three parts of one character


def test_a_split_by_hand():
    split = TOY.split("Hugging  hugs人! zz")
    assert [TOY.piece(i) for i in split.id.tolist()] == ["hug", "##g", "##ing", "hug", "##s", "人", "!", "[UNK]"]
    assert split.start.tolist() == [0, 3, 4, 9, 12, 13, 16, 18]
    assert split.end.tolist() == [3, 4, 7, 12, 13, 16, 17, 20]
    assert split.exact.tolist() == [False, True, True, True, True, True, True, False]  # "Hug" comes back as "hug"
    assert TOY.decode(split.id.tolist()) == "hugginghugs人![UNK]"
    assert TOY.rank(1) is None and TOY.unknown == 0 and TOY.vocab_size == 11


def test_a_story_by_hand():
    text = "a hugging zz"
    split = TOY.split(text)
    story = TOY.story(text, split, 2)
    tried = ("##ging", "##gin", "##gi", "##g")
    assert story == Matches(
        "hugging",
        (
            Match(("hugging", "huggin", "huggi", "hugg", "hug"), 5, True),
            Match(tried, 4, True),
            Match(("##ing",), 1, True),
        ),
        1,
    )
    assert TOY.story(text, split, 4) == Matches("zz", (Match(("zz", "z"), 2, False),), 0)
    # The search that fails may come after one that succeeded.
    assert TOY.story("hugh", TOY.split("hugh"), 0) == Matches(
        "hugh", (Match(("hugh", "hug"), 2, True), Match(("##h",), 1, False)), 1
    )


def test_long_words():
    word = "hug" + "g" * 97
    assert TOY.split(word).id.tolist() == [1] + [2] * 97  # 100 characters
    assert TOY.split(word + "g").id.tolist() == [0]  # 101
    assert TOY.story(word + "g", TOY.split(word + "g"), 0) == Lookup((word + "g")[:64] + "…", False)
    story = tell(word, TOY.vocabulary, 5)
    assert isinstance(story, Matches) and story.token == 5 and len(story.match) == 6 and story.word == word[:8]
    first = story.match[0]
    assert first.n_tried == 98 and len(first.tried) == 16
    assert (
        first.tried[0] == word
        and first.tried[7] == word[:93]
        and first.tried[8] == word[:10]
        and first.tried[-1] == "hug"
    )


def test_special_tokens_only_when_asked():
    text = "a[CLS]a"
    plain, special = TOY.split(text), TOY.split(text, special=True)
    assert [TOY.piece(i) for i in plain.id.tolist()] == ["a", "[UNK]", "[UNK]", "[UNK]", "a"]
    assert [TOY.piece(i) for i in special.id.tolist()] == ["a", "[CLS]", "a"]
    assert special.start.tolist() == [0, 1, 6] and special.end.tolist() == [1, 6, 7] and special.exact.all()
    assert TOY.story(text, special, 1) == Lookup("[CLS]", True)
    story = TOY.story(text, special, 2)
    assert isinstance(story, Matches) and story.word == "a"


def test_nothing():
    for text in ("", " ", "\n\t", "\u00ad"):
        split = TOY.split(text)
        assert len(split.id) == 0 and split.exact.dtype == np.bool_
        assert_lawful(TOY, text, split)
    assert TOY.decode([]) == ""


# --- against the library ----------------------------------------------------------------------------------------------


@needs_bert
def test_the_gap_between_two_versions_of_unicode_is_small():
    import unicodedata

    kinds = {unicodedata.category(char)[0] for char in gap()}
    assert len(gap()) < 1500 and kinds <= {"M", "P", "C", "S", "L"}
    assert all(ord(char) > 0x600 for char in gap())  # nothing of Latin, Greek, Cyrillic, Hebrew
    assert not any("\u3000" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" for char in gap())  # nor of Chinese


@needs_bert
def test_ids_and_places_are_the_librarys_on_10000_texts():
    bert, n_token, n_unknown = load_bert(), 0, 0
    batch = list(texts(10_000, seed=0, without=gap()))
    for text, theirs in zip(batch, library().encode_batch(batch, add_special_tokens=False), strict=True):
        split = bert.split(text)
        assert split.id.tolist() == theirs.ids, text
        byte = np.cumsum([0] + [len(char.encode()) for char in text])
        places = [(int(byte[a]), int(byte[b])) for a, b in theirs.offsets]
        assert list(zip(split.start.tolist(), split.end.tolist(), strict=True)) == places, text
        assert_lawful(bert, text, split)
        n_token, n_unknown = n_token + len(split.id), n_unknown + int((split.id == bert.unknown).sum())
    assert n_token > 60_000 and n_unknown > 1_000


@needs_bert
def test_special_tokens_are_the_librarys():
    bert = load_bert()
    assert bert.vocab_size == 30_522 and bert.special["[CLS]"] == 101 and bert.unknown == 100
    reads = tokenizers.Tokenizer.from_str(library().to_str())
    reads.encode_special_tokens = False
    for text in ("a[MASK]b", "[CLS] Hello [SEP]", "[CLS][CLS]", "x [PAD"):
        assert bert.split(text, True).id.tolist() == reads.encode(text, add_special_tokens=False).ids
        assert_reading(bert, text, special=True)


@needs_bert
def test_every_story_leads_to_its_token():
    bert = load_bert()
    for text in texts(100, seed=1):
        split = bert.split(text)
        for i, token in enumerate(split.id.tolist()):
            story = bert.story(text, split, i)
            if isinstance(story, Lookup):
                assert token == bert.unknown and not story.known and len(story.word) > 64
                continue
            assert isinstance(story, Matches)
            match = story.match[story.token]
            assert match.found == (token != bert.unknown)
            assert match.tried[-1] == bert.piece(token) or not match.found
            assert len(match.tried) == min(match.n_tried, 16)


@needs_bert
def test_no_text_takes_long():
    bert = load_bert()
    for text in ("a" * 100_000, "人" * 100_000, "ab, " * 25_000, "e\u0301" * 50_000, "!" * 100_000):
        start = time.thread_time()
        split = bert.split(text)
        assert time.thread_time() - start < 2
        bert.story(text, split, len(split.id) - 1)
        assert time.thread_time() - start < 4


def test_absent_and_damaged_files_are_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path))
    load_bert.cache_clear()
    with pytest.raises(ModelUnavailable, match="python -m assets fetch minilm"):
        load_bert()
    monkeypatch.setattr(assets, "path", lambda name: tmp_path)
    (tmp_path / "vocab.txt").write_text("a\nb\n")  # no [UNK]
    with pytest.raises(ModelUnavailable, match="damaged"):
        load_bert()
    load_bert.cache_clear()
