"""The text that a tokenizer is trained on: cut into words, counted, and spelled with an alphabet.

Sources: the supplied texts are described in models/corpora/README.md; pre-tokenizers: Radford et al. 2019, section 2.2
(GPT-2's regular expression); cl100k's is GPT-4's; a bounded alphabet: character_coverage of sentencepiece (Kudo &
Richardson 2018; the characters that cover 99.95 % of the text), limit_alphabet of tokenizers.trainers (the 1,000 most
frequent ones).

    text -> words (pre-tokenizer) -> {distinct word: count} -> rows of characters or bytes

Glossary
    word           what the pre-tokenizer cuts: no piece reaches across its border; together the words are the text
    alphabet       the characters that words are spelled with, of byte-level BPE all 256 bytes: never removed
    rare           a character that is not in the alphabet. It is a word by itself: <|unk|>, or its bytes
    special        tokens that begin the vocabulary and that no text can spell: <|unk|>, <|endoftext|>
    byte fallback  256 bytes stand in the vocabulary, by themselves: no merge takes them up. A rare character is written
                   as its bytes; so is one never seen

The alphabet takes at most half of the places that special tokens and fallback bytes leave, and at least one: the most
frequent characters, of equals the earlier code points. Else a text of 2,469 different characters (the Chinese poems)
would fill a vocabulary of 2,000 before anything is learned. WordPiece counts "a" and "##a" as two. With byte fallback a
character that occurs less than min_frequency times is rare too. Of byte-level BPE no character is rare.

Pre-tokenizers: "gpt2" and "cl100k" are read from tiktoken; "whitespace": runs of white space, runs of anything else;
"none": the whole text is one word.

Simplified: white space is kept as it is, not written "▁" or "Ġ". The limit is a share of the vocabulary instead of a
share of the text (sentencepiece) or a number (tokenizers). At a rare character a word ends, and another begins after
it; tokenizers' trainers drop the character and join its neighbours.
"""

import bisect
import types
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
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


def apart(words: Iterable[str], rare: Collection[str]) -> list[str]:
    """The same words, cut around every one of these characters."""
    if not rare:
        return list(words)
    cut = regex.compile(f"([{''.join(map(regex.escape, sorted(rare)))}])")
    return [part for word in words for part in cut.split(word) if part]


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

    words: tuple[str, ...]  # in order; a rare character is a word by itself
    rare: frozenset[str]  # these characters
    n_rare: int  # how often they stand in the text, all together
    n_rare_token: int  # tokens that they take: one <|unk|> each, or their bytes
    count: dict[str, int]  # {distinct word: how often}, without the rare characters
    special: tuple[str, ...]
    fallback: tuple[bytes, ...]


def outside(task: Task, words: Sequence[str], room: int) -> frozenset[str]:
    """The characters that are too rare for an alphabet of at most `room` pieces."""
    count = Counter(task.text)
    order = sorted(count, key=lambda character: (-count[character], character))

    def n_piece(n: int) -> int:
        """Pieces that the n most frequent characters make."""
        return len(spell(task, set(apart(set(words), order[n:])) - {*order[n:]})[0])

    least = task.min_frequency if task.byte_fallback else 1
    n = min(room, sum(many >= least for many in count.values()))
    if task.algorithm == "wordpiece" and n_piece(n) > room:
        # A character makes one piece or two, so half as many always fit; how many do is found by bisection.
        few = max(room // 2, 1)
        n = max(few - 1 + bisect.bisect_right(range(few, n + 1), room, key=n_piece), few)
    return frozenset(order[n:])


def corpus(task: Task) -> Corpus:
    """Cut the text into words, also around the characters that are too rare for the alphabet."""
    words, rare = pretokenize(task.text, task.pretokenizer), frozenset[str]()
    in_bytes = task.algorithm == "byte-bpe"
    special = (END,) if in_bytes else (UNKNOWN, END)
    fallback = task.byte_fallback and not in_bytes  # its alphabet is the bytes already
    if not in_bytes:
        rare = outside(task, words, max((task.vocab_size - len(special) - 256 * fallback) // 2, 1))
        words = apart(words, rare)
    single = [word for word in words if word in rare]
    return Corpus(
        words=tuple(words),
        rare=rare,
        n_rare=len(single),
        n_rare_token=sum(len(character.encode()) for character in single) if fallback else len(single),
        count=dict(Counter(word for word in words if word not in rare)),
        special=special,
        fallback=tuple(bytes([value]) for value in range(256)) if fallback else (),
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
