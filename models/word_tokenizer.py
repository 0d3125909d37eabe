"""A tokenizer of whole words: one regular expression, one dictionary, and <|unk|> for all that is not in it.

Source: the algorithm that textbooks begin with (Raschka 2024, "Build a Large Language Model (From Scratch)", section
2.4, calls it SimpleTokenizerV2); the code is our own.

    cut      words and punctuation marks are tokens, white space is thrown away
    encode   token -> its place in the sorted list of the training text's tokens, or <|unk|>
    decode   join with single spaces, then close the gap before a punctuation mark

Glossary
    <|unk|>         stands for every word that the training text does not have: which word it was is lost
    <|endoftext|>   stands between documents; written in a text, it is read as one token

Lossy: decoding cannot give back line breaks, double spaces, a space before a comma, or an unknown word. Subword
tokenizers were made to end this (models/byte_pair_training.py).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN, END = "<|unk|>", "<|endoftext|>"
MARK = r"""--|[,.:;?_!"()']"""  # a punctuation mark is a token of its own
CUT = re.compile(rf"({re.escape(END)}|{MARK}|\s)")
GAP = re.compile(r"""\s+([,.:;?!"()'])""")


@dataclass(frozen=True)
class RoundTrip:
    """A text, its tokens, and what decoding them gives back."""

    token: tuple[str, ...]  # as they stand in the text
    id: tuple[int, ...]
    known: tuple[bool, ...]
    decoded: str
    lossless: bool
    vocab_size: int


def cut(text: str) -> list[str]:
    """Words and punctuation marks; white space is thrown away."""
    return [part.strip() for part in CUT.split(text) if part.strip()]


def vocabulary(text: str) -> list[str]:
    """The text's distinct tokens, sorted, and the two special tokens at the end."""
    return [*sorted(set(cut(text)) - {UNKNOWN, END}), END, UNKNOWN]


def encode(text: str, index: dict[str, int]) -> list[int]:
    """Ids of the text's tokens. index: {token: id}, with <|unk|> in it."""
    return [index.get(token, index[UNKNOWN]) for token in cut(text)]


def decode(ids: Sequence[int], words: Sequence[str]) -> str:
    """The tokens joined by spaces, without a space before a punctuation mark."""
    return GAP.sub(r"\1", " ".join(words[token] for token in ids))


def round_trip(text: str, training_text: str) -> RoundTrip:
    """Encode and decode a text with the words of another."""
    words = vocabulary(training_text)
    index = {word: token for token, word in enumerate(words)}
    ids = encode(text, index)
    decoded = decode(ids, words)
    token = tuple(cut(text))
    return RoundTrip(token, tuple(ids), tuple(t in index for t in token), decoded, decoded == text, len(words))
