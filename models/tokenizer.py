"""One interface for every tokenizer the pages look into: text -> ids, each with the bytes of the text it stands for.

Sources: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units" (byte pair encoding, BPE);
Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2 (byte-level BPE); Schuster &
Nakajima 2012, "Japanese and Korean Voice Search" (WordPiece); Kudo 2018, "Subword Regularization" (Unigram).

Glossary
    id       row of the model's embedding table
    piece    the string that an id stands for, as the vocabulary writes it: "##ization", "▁hello"
    span     the bytes start .. end of the text's UTF-8 that a token was read from
    word     what the pre-tokenizer hands to the algorithm at a time: no token reaches across its border
    rank     when a merge was learned: 0 is the first; the lowest rank is merged first
    story    why a token is what it is: its merges in order, the matches tried, or the lattice and its best path

Convention: a tokenizer is a pure function of the text; special tokens such as <|endoftext|> in a text are ordinary
characters unless `special` asks for them; no begin-of-sequence token is added.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import cachetools
import numpy as np
from jaxtyping import Bool, Int

NAMES = (
    "gpt2", "cl100k", "o200k", "bert", "mistral", "j2", "qwen", "deepseek", "tekken", "clip", "rwkv",
    "botchan-bpe", "botchan-unigram", "tiny-lm", "bytes", "characters", "words", "own",
)  # fmt: skip
Algorithm = Literal["bpe", "wordpiece", "unigram", "longest-match", "units"]


@dataclass(frozen=True)
class Split:
    """A text as n tokens.

    Spans lie in order and do not overlap, except that tokens made of a part of one character's normal form share that
    character's span. A token that stands for nothing in the text (a prefix that the tokenizer adds) has an empty span;
    bytes in no span were dropped by the tokenizer.
    """

    id: Int[np.ndarray, "n"]
    start: Int[np.ndarray, "n"]  # first byte in the text's UTF-8
    end: Int[np.ndarray, "n"]  # one past the last
    exact: Bool[np.ndarray, "n"]  # whether decoding gives this very span back


@dataclass(frozen=True)
class Merge:
    """One merge on the way from characters (or bytes) to tokens."""

    at: int  # index of the left piece among the pieces as they stand before this merge
    left: str
    right: str
    rank: int


@dataclass(frozen=True)
class Merges:
    """How BPE put a word together: all of its merges in the order in which they happen."""

    start: tuple[str, ...]  # the word's bytes or characters, as shown to the reader
    merge: tuple[Merge, ...]
    n_before: int  # how many of the word's final pieces come before the token


@dataclass(frozen=True)
class Match:
    """One token's search: candidates from the longest to the first that is in the vocabulary."""

    tried: tuple[str, ...]  # the last one is the token; at most the first 8 and the last 8 of a longer list
    n_tried: int
    found: bool  # False: nothing fits, so the word becomes the unknown token


@dataclass(frozen=True)
class Matches:
    """How longest-match-first (WordPiece, greedy trie) cut a word, from left to right."""

    word: str
    match: tuple[Match, ...]
    token: int  # which match made the token


@dataclass(frozen=True)
class Edge:
    """A piece that could stand at this place of the word."""

    start: int  # in characters of the word
    end: int
    piece: str
    log_prob: float  # natural logarithm
    best: bool  # lies on the most probable path


@dataclass(frozen=True)
class Lattice:
    """How Unigram chose: every piece that fits, and the path with the highest sum of log-probabilities (Viterbi)."""

    word: str
    edge: tuple[Edge, ...]
    log_prob: float  # of the best path
    token: int  # which edge is the token


@dataclass(frozen=True)
class Lookup:
    """A token that needs no search: a byte, a character, a whole word, a special token."""

    word: str
    known: bool


Story = Merges | Matches | Lattice | Lookup


@runtime_checkable
class Tokenizer(Protocol):
    """Text to ids and back. Everything is fixed at construction, so that visitors' threads may share it."""

    name: str
    algorithm: Algorithm
    vocab_size: int  # rows of the embedding table it needs, special tokens included
    unknown: int | None  # the id for what the vocabulary cannot write
    special: Mapping[str, int]

    def split(self, text: str, special: bool = False) -> Split:
        """The text's tokens. special: read special tokens in the text as such. The text holds no lone surrogate."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids; bytes that form no character become U+FFFD."""
        ...

    def piece(self, token: int) -> str:
        """How the vocabulary writes an id, for the reader: a leading space stays a space unless the vocabulary itself
        writes it otherwise; a byte that is no character is <0xE4>."""
        ...

    def rank(self, token: int) -> float | None:
        """BPE: the rank of the merge that makes it; Unigram: its log-probability; otherwise, and for bytes, None."""
        ...

    def story(self, text: str, split: Split, index: int) -> Story:
        """Why the token at `index` of this text's split is what it is. Words longer than 64 characters are told only as
        far as this token goes."""
        ...


@cachetools.cached(cachetools.LRUCache(32), condition=threading.Condition())
def load(name: str) -> Tokenizer:
    """The tokenizer called so in NAMES, or one's own: a tokenizer.json, the folder that holds it, or a Hugging Face id.

    A failure is not remembered: a tokenizer fetched later is found.
    Raises ModelUnavailable (models/language_model.py).
    """
    # Imported here, so that a page that shows two tokenizers never pays for the others.
    match name:
        case "gpt2" | "cl100k" | "o200k" | "qwen" | "deepseek" | "tekken" | "clip" | "tiny-lm":
            from models import byte_pair_tokenizers

            return byte_pair_tokenizers.load(name)
        case "mistral" | "j2" | "botchan-bpe" | "botchan-unigram":
            from models import sentencepiece_tokenizers

            return sentencepiece_tokenizers.load(name)
        case "bert":
            from models import wordpiece

            return wordpiece.load_bert()
        case "rwkv":
            from models import greedy_trie

            return greedy_trie.load_rwkv()
        case "bytes" | "characters" | "words":
            from models import unit_tokenizers

            return unit_tokenizers.load(name)
        case _:
            from models import own_tokenizer

            return own_tokenizer.load(name)
