"""The text that a tokenizer is trained on: cut into words, counted, and spelled with an alphabet.

Sources: the supplied texts are described in models/corpora/README.md; pre-tokenizers: Radford et al. 2019, section 2.2
(GPT-2's regular expression); cl100k's is GPT-4's.

    text -> words (pre-tokenizer) -> {distinct word: count} -> rows of characters or bytes

Glossary
    word           what the pre-tokenizer cuts: no piece reaches across its border; together the words are the text
    alphabet       the characters that the text is written with, of byte-level BPE all 256 bytes: never removed
    special        tokens that begin the vocabulary and that no text can spell: <|unk|>, <|endoftext|>
    byte fallback  256 bytes stand in the vocabulary, by themselves: no merge takes them up. A character that occurs
                   less than min_frequency times is not in the alphabet but written as its bytes; so is one never seen

Pre-tokenizers: "gpt2" and "cl100k" are read from tiktoken; "whitespace": runs of white space, runs of anything else;
"none": the whole text is one word.

Simplified: white space is kept as it is, not written "▁" or "Ġ". Where a character is written as bytes a word ends, and
another begins after it.
"""

import types
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import regex
from tiktoken_ext import openai_public

from models import byte_pair_training, wordpiece_training
from models.byte_pair_training import Piece
from models.word_tokenizer import END, UNKNOWN

N_CHAR = 50_000
CORPORA = Path(__file__).parent / "corpora"


@lru_cache(maxsize=1)
def patterns() -> dict[str, str]:
    """The regular expressions of GPT-2 and cl100k.

    tiktoken keeps cl100k's inside the function that also downloads the vocabulary: it is run with a loader that loads
    nothing.
    """
    names = vars(openai_public) | {"load_tiktoken_bpe": lambda *_, **__: {}}
    cl100k = types.FunctionType(openai_public.cl100k_base.__code__, names)()
    own = {"whitespace": r"\s+|\S+", "none": r"(?s).+"}
    return {"gpt2": openai_public.r50k_pat_str, "cl100k": cl100k["pat_str"], **own}


def pretokenize(text: str, name: str) -> list[str]:
    """The text's words, in order; together they are the text."""
    return regex.findall(patterns()[name], text)


@lru_cache(maxsize=4)
def supplied(corpus: str) -> str:
    """A supplied text of N_CHAR characters."""
    if corpus == "python":
        files = sorted(Path(__file__).parent.glob("*.py"))
        return "".join(file.read_text(encoding="utf-8") for file in files)[:N_CHAR]
    return (CORPORA / f"{corpus}.txt").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Task:
    """What a training depends on: the fields of Config that make it start anew."""

    algorithm: str
    text: str
    vocab_size: int
    min_frequency: int
    pretokenizer: str
    byte_fallback: bool


@dataclass(frozen=True)
class Corpus:
    """A text as words, and what the vocabulary begins with."""

    words: tuple[str, ...]  # in order; a character that is written as bytes is a word by itself
    rare: frozenset[str]  # these characters
    count: dict[str, int]  # {distinct word: how often}, without these characters
    special: tuple[str, ...]
    fallback: tuple[bytes, ...]
    n_fallback_token: int  # bytes that the rare characters take in the whole text


def corpus(task: Task) -> Corpus:
    """Cut the text into words; with byte fallback, also around the characters that are too rare for the alphabet."""
    words, rare = pretokenize(task.text, task.pretokenizer), frozenset[str]()
    fallback = task.byte_fallback and task.algorithm != "byte-bpe"  # whose alphabet is the bytes already
    if fallback:
        rare = frozenset(c for c, n in Counter(task.text).items() if n < task.min_frequency)
    if rare:
        cut = regex.compile(f"([{''.join(map(regex.escape, sorted(rare)))}])")
        words = [part for word in words for part in cut.split(word) if part]
    return Corpus(
        words=tuple(words),
        rare=rare,
        count=dict(Counter(word for word in words if word not in rare)),
        special=(END,) if task.algorithm == "byte-bpe" else (UNKNOWN, END),
        fallback=tuple(bytes([value]) for value in range(256)) if fallback else (),
        n_fallback_token=sum(len(word.encode()) for word in words if word in rare),
    )


def spell(task: Task, words: Iterable[str]) -> tuple[Sequence[Piece], dict[str, tuple[int, ...]]]:
    """(alphabet, {word: places in the alphabet})."""
    match task.algorithm:
        case "byte-bpe":
            return byte_pair_training.in_bytes(words)
        case "wordpiece":
            return wordpiece_training.marked(words)
        case _:
            return byte_pair_training.in_characters(words)
