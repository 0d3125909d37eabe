"""The tokenizer of whole words: what it knows, what it loses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import word_tokenizer as words
from models.word_tokenizer import END, UNKNOWN

TRAINING = 'It is -- a test, isn\'t it? "Yes": it (really) is; a_b! The end.'


def slow_cut(text: str) -> list[str]:
    """Character by character."""
    tokens, word = [], ""
    while text:
        if text.startswith(END):
            mark = END
        elif text.startswith("--"):
            mark = "--"
        elif text[0] in ",.:;?_!\"()'":
            mark = text[0]
        else:
            mark = ""
        if mark or text[0].isspace():
            tokens += [part for part in (word, mark) if part]
            word, text = "", text[len(mark) or 1 :]
        else:
            word, text = word + text[0], text[1:]
    return [*tokens, word] if word else tokens


@given(st.text(st.sampled_from("ab ,.-_!?'\"()\n\t|<>"), max_size=40) | st.just(f"a{END}b <|unk|> {END}"))
def test_cut_is_the_slow_cut(text: str) -> None:
    assert words.cut(text) == slow_cut(text)
    # Nothing but white space is thrown away.
    assert "".join(words.cut(text)) == re.sub(r"\s", "", text)


def test_the_vocabulary_is_sorted_and_ends_with_the_special_tokens() -> None:
    found = words.vocabulary(TRAINING)
    assert found[:-2] == sorted(set(slow_cut(TRAINING)))
    assert found[-2:] == [END, UNKNOWN]
    assert words.vocabulary(f"a {END} b") == ["a", "b", END, UNKNOWN]  # it is in the training text, yet once


def test_worked_by_hand() -> None:
    found = words.round_trip("It is  a dog, isn't it?", TRAINING)
    assert found.token == ("It", "is", "a", "dog", ",", "isn", "'", "t", "it", "?")
    assert found.known == (True, True, True, False, True, True, True, True, True, True)
    assert found.decoded == f"It is a {UNKNOWN}, isn' t it?"
    assert not found.lossless
    vocabulary = words.vocabulary(TRAINING)
    assert [vocabulary[i] for i in found.id] == ["It", "is", "a", UNKNOWN, ",", "isn", "'", "t", "it", "?"]
    assert found.vocab_size == len(vocabulary)


@pytest.mark.parametrize("text", ["", "It is a test", f"The end. {END} It is"])
def test_what_survives(text: str) -> None:
    assert words.round_trip(text, TRAINING).lossless


@pytest.mark.parametrize("text", ["It  is", "is\nit", "test ,", " It", "cat"])
def test_what_does_not(text: str) -> None:
    assert not words.round_trip(text, TRAINING).lossless


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_has_ids(text: str, training: str) -> None:
    found = words.round_trip(text, training)
    assert len(found.token) == len(found.id) == len(found.known)
    assert all(0 <= i < found.vocab_size for i in found.id)
    own = words.round_trip(text, text)
    # In its own vocabulary a text has no unknown word, unless it spells the unknown token.
    assert all(own.known)
