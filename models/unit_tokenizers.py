"""Tokenizers without any learning: bytes, characters, and whole words of a closed vocabulary.

They are the two ends between which all subword tokenizers lie. Bytes and characters lose nothing and make long
sequences; words make short ones, but a word that was not in the training text is unknown.

    bytes        id = the byte; 256 rows                          人 -> E4 BA BA
    characters   id = the Unicode code point; 1,114,112 rows      人 -> U+4EBA
    words        id = the word's place in the sorted vocabulary; 0 is <unk>

Conventions: the table for characters has a row for every code point up to U+10FFFF, used or not (Unicode has given a
meaning to about one in seven), because the id is the code point itself. A word is a run of letters, digits and
underscores in the sense of Unicode; every other character that is not white space is a word by itself. White space is
dropped, and decoding makes none up. The vocabulary is every word of the texts in models/corpora.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from models.segments import Part, first_bytes, join, remember
from models.tokenizer import Algorithm, Lookup, Split, Tokenizer

CORPORA = Path(__file__).parent / "corpora"
WORDS = re.compile(r"\w+|[^\w\s]")
CHUNKS = re.compile(r"\s*\S+|\s+")  # what is remembered at a time: white space and what follows it
UNKNOWN = "<unk>"


class Bytes:
    """`Tokenizer` whose tokens are the bytes of the text's UTF-8."""

    name, vocab_size = "bytes", 256
    algorithm: Algorithm = "units"
    unknown: int | None = None
    special: Mapping[str, int] = {}

    def split(self, text: str, special: bool = False) -> Split:
        """See `Tokenizer.split`."""
        ids = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        start = np.arange(len(ids), dtype=np.int32)
        return Split(ids, start, start + 1, np.ones(len(ids), np.bool_))

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer.decode`."""
        return bytes(ids).decode("utf-8", "replace")

    def piece(self, token: int) -> str:
        """The ASCII character, or <0xE4>."""
        return chr(token) if 0x20 <= token < 0x7F else f"<0x{token:02X}>"

    def rank(self, token: int) -> float | None:
        """None: nothing was learned."""
        return None

    def story(self, text: str, split: Split, index: int) -> Lookup:
        """A token is its byte."""
        return Lookup(self.piece(int(split.id[index])), True)


class Characters:
    """`Tokenizer` whose tokens are the text's Unicode code points."""

    name, vocab_size = "characters", 0x110000
    algorithm: Algorithm = "units"
    unknown: int | None = None
    special: Mapping[str, int] = {}

    def split(self, text: str, special: bool = False) -> Split:
        """See `Tokenizer.split`."""
        ids = np.frombuffer(text.encode("utf-32-le"), np.int32)
        edge = first_bytes(text).astype(np.int32)
        return Split(ids, edge[:-1], edge[1:], np.ones(len(ids), np.bool_))

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer.decode`. Half a surrogate pair is no character."""
        return "".join(map(chr, ids)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def piece(self, token: int) -> str:
        """The character itself."""
        return self.decode([token])

    def rank(self, token: int) -> float | None:
        """None: nothing was learned."""
        return None

    def story(self, text: str, split: Split, index: int) -> Lookup:
        """A token is its character."""
        return Lookup(self.piece(int(split.id[index])), True)


class Words:
    """`Tokenizer` whose tokens are whole words; what is not in its vocabulary is <unk>."""

    name = "words"
    algorithm: Algorithm = "units"
    special: Mapping[str, int] = {}

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """vocabulary: distinct words; the first gets the id 1."""
        self._piece = (UNKNOWN, *vocabulary)
        self._id = {word: i for i, word in enumerate(self._piece) if i}
        self.vocab_size = len(self._piece)
        self.unknown: int | None = 0
        self._part = remember(self._cut)

    def split(self, text: str, special: bool = False) -> Split:
        """See `Tokenizer.split`."""
        return join(map(self._part, CHUNKS.findall(text)))

    def _cut(self, chunk: str) -> Part:
        """The words of a part of a text that no word reaches out of."""
        byte = first_bytes(chunk).tolist()
        found = list(WORDS.finditer(chunk))
        ids = tuple(self._id.get(match[0], 0) for match in found)
        starts, ends = tuple(byte[match.start()] for match in found), tuple(byte[match.end()] for match in found)
        return Part(ids, starts, ends, tuple(i > 0 for i in ids), byte[-1])

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer.decode`. White space is lost, and none is made up."""
        return "".join(self._piece[i] for i in ids)

    def piece(self, token: int) -> str:
        """The word itself."""
        return self._piece[token]

    def rank(self, token: int) -> float | None:
        """None: every word of the texts is in, however rare."""
        return None

    def story(self, text: str, split: Split, index: int) -> Lookup:
        """A word is looked up whole."""
        word = text.encode()[split.start[index] : split.end[index]].decode()
        return Lookup(word if len(word) <= 64 else word[:64] + "…", bool(split.id[index]))


@lru_cache(1)
def load_words() -> Words:
    """The words of all texts in models/corpora."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(CORPORA.glob("*.txt")))
    return Words(sorted({word for text in texts for word in WORDS.findall(text)}))


def load(name: str) -> Tokenizer:
    """The tokenizer called "bytes", "characters" or "words"."""
    match name:
        case "bytes":
            return Bytes()
        case "characters":
            return Characters()
        case "words":
            return load_words()
        case _:
            raise ValueError(f"{name!r} is no unit")
