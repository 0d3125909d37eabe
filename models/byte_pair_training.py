"""Byte pair encoding is learned: merge the most frequent pair of neighbours, again and again.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2, algorithm 1;
on bytes instead of characters: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.

    start      the vocabulary is the alphabet; every word is the row of its characters (or of its bytes)
    each step  (a, b) = argmax over pairs of count(a, b);  the vocabulary gains ab;  every "a b" becomes "ab"
    stop       the vocabulary is large enough, or no pair is frequent enough

Glossary
    word        what the pre-tokenizer cuts: no pair reaches across its border. Equal words are counted, not repeated
    piece       a str (characters) or bytes; its id is its index in the list of pieces
    pair        (left id, right id) of two neighbouring pieces
    count       how often a pair stands in the text; in "aaa" the pair (a, a) counts twice, but only one can be merged
    frequency   how often a piece stands in the text
    rank        which order the pairs are taken in: here by count, in models/wordpiece_training.py by a score

Ties: of equally frequent pairs the one with the smallest left id, then the smallest right id, is merged. With the
alphabet sorted by code point this is the rule of tokenizers.trainers.BpeTrainer (tokenizers/src/models/bpe/trainer.rs:
the queue is ordered by count, then by the pair of ids, ascending). Sennrich's own script prefers the largest pair of
strings instead.

The algorithm in the paper counts all pairs anew at every step. Only the neighbours of a merged pair change, so here the
counts are kept up to date: training costs as much as there are merges in the text, not steps times text.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from models.fields import no_tick

Piece = str | bytes
Rank = Callable[["Pairs", Int[np.ndarray, "c"], int], Int[np.ndarray, "m"]]


class Pairs:
    """Distinct words as one long row of symbols, and the counts of their pairs, kept up to date merge by merge.

    words: {word as a tuple of piece ids: how often it stands in the text}; n_piece: ids in use at first.
    """

    def __init__(self, words: dict[tuple[int, ...], int], n_piece: int) -> None:
        self.symbol = [s for word in words for s in word]  # place -> piece id; -1 once merged into the place before
        self.weight = [n for word, n in words.items() for _ in word]  # place -> how often its word stands in the text
        self.before: list[int] = []  # place -> the place before in the same word, or -1
        self.after: list[int] = []
        for word in words:
            first, last = len(self.before), len(self.before) + len(word) - 1
            self.before += [-1, *range(first, last)] if word else []
            self.after += [*range(first + 1, last + 1), -1] if word else []
        self.slot: dict[tuple[int, int], int] = {}  # pair -> its row in the arrays below
        self.places: list[list[int]] = []  # slot -> where its left piece stands; may list places that are gone
        self.left, self.right, self.count = np.zeros((3, 1024), np.int64)
        self.frequency = np.bincount(self.symbol, self.weight, n_piece).astype(np.int64)
        for at, then in enumerate(self.after):
            if then >= 0:
                self.change(self.symbol[at], self.symbol[then], self.weight[at], at)

    def change(self, left: int, right: int, by: int, place: int = -1) -> None:
        """The pair occurs `by` times more (or less), now also at `place`."""
        slot = self.slot.setdefault((left, right), len(self.places))
        if slot == len(self.places):
            self.places.append([])
            if slot == len(self.count):
                self.left, self.right, self.count = (np.append(x, 0 * x) for x in (self.left, self.right, self.count))
            self.left[slot], self.right[slot] = left, right
        self.count[slot] += by
        if place >= 0:
            self.places[slot].append(place)

    def merge(self, left: int, right: int, new: int) -> list[int]:
        """Make one piece of every "left right", from left to right in each word. Returns the places merged away."""
        if new == len(self.frequency):
            self.frequency = np.append(self.frequency, 0)
        slot, symbol = self.slot[left, right], self.symbol
        gone, merged = [], 0
        for at in sorted(self.places[slot]):
            then = self.after[at]
            # In "aaa" the second "a" is used up by the first merge: its own pair is gone.
            if symbol[at] != left or then < 0 or symbol[then] != right:
                continue
            n, before, after = self.weight[at], self.before[at], self.after[then]
            self.count[slot] -= n
            if before >= 0:
                self.change(symbol[before], left, -n)
                self.change(symbol[before], new, n, before)
            if after >= 0:
                self.change(right, symbol[after], -n)
                self.change(new, symbol[after], n, at)
                self.before[after] = at
            symbol[at], symbol[then], self.after[at] = new, -1, after
            merged += n
            gone.append(then)
        self.places[slot] = []
        self.frequency[left] -= merged
        self.frequency[right] -= merged  # the same piece twice where left == right
        self.frequency[new] += merged
        return gone

    def frequent(self, least: int) -> Int[np.ndarray, "c"]:
        """Slots of the pairs that occur at least so often."""
        return np.flatnonzero(self.count[: len(self.places)] >= max(least, 1))


def first(key: np.ndarray, left: np.ndarray, right: np.ndarray, m: int) -> Int[np.ndarray, "m"]:
    """Indices of the m largest keys, the largest first; of equals the smallest (left, right) first."""
    among = np.arange(len(key))
    if len(key) > m:
        # Sorting only those that reach the m-th largest keeps 2,000 steps fast.
        among = np.flatnonzero(key >= np.partition(key, -m)[-m])
    return among[np.lexsort((right[among], left[among], -key[among]))[:m]]


def by_count(pairs: Pairs, slots: Int[np.ndarray, "c"], m: int) -> Int[np.ndarray, "m"]:
    """The m most frequent of these pairs: BPE."""
    return slots[first(pairs.count[slots], pairs.left[slots], pairs.right[slots], m)]


@dataclass(frozen=True)
class Step:
    """One merge, and what stood to choose from."""

    pair: tuple[int, int]
    new: int  # id of the piece that it makes
    left: Int[np.ndarray, "m"]  # the candidates: the best by the rule, the first one taken; then, if it is not among
    right: Int[np.ndarray, "m"]  # them, the one that the rival rule would take
    count: Int[np.ndarray, "m"]
    apart: Int[np.ndarray, "m"]  # frequency(left) * frequency(right): WordPiece's score is count / apart
    rival: int  # which of the candidates the rival rule would take


@dataclass(frozen=True)
class Training:
    """A vocabulary and how it came to be."""

    piece: list[Piece]  # the alphabet, then one piece per step
    step: list[Step]
    n_token: list[int]  # of the text, before the first step and after each
    gone: list[int]  # place -> the step that merges it into the place before it; len(step) if none does


def join(left: Piece, right: Piece) -> Piece:
    """The piece that a merge makes."""
    return left + right  # type: ignore[operator]  # both are str, or both bytes


def train(
    words: dict[tuple[int, ...], int],
    alphabet: Sequence[Piece],
    vocab_size: int,
    min_frequency: int,
    rank: Rank = by_count,
    rival: Rank = by_count,
    glue: Callable[[Piece, Piece], Piece] = join,
    n_candidate: int = 8,
    tick: Callable[[float], None] = no_tick,
) -> Training:
    """Merge until there are vocab_size pieces, or until no pair occurs min_frequency times (or even once).

    words: {tuple of indices into `alphabet`: count}. rank: the rule that chooses; rival: a rule that only says what it
    would have chosen. A vocab_size below the alphabet's length learns nothing and drops nothing.
    """
    piece = list(alphabet)
    known = {name: token for token, name in enumerate(piece)}
    pairs = Pairs(words, len(piece))
    step: list[Step] = []
    gone = [-1] * len(pairs.symbol)
    n_token = [sum(len(word) * n for word, n in words.items())]
    first_size, wanted = len(piece), max(vocab_size - len(piece), 1)
    while len(piece) < vocab_size:
        slots = pairs.frequent(min_frequency)
        if not len(slots):
            break
        best = rank(pairs, slots, n_candidate)
        other = rival(pairs, slots, 1)[0]
        if other not in best:
            best = np.append(best, other)
        left, right = pairs.left[best], pairs.right[best]
        pair = int(left[0]), int(right[0])
        name = glue(piece[pair[0]], piece[pair[1]])
        new = known.setdefault(name, len(piece))
        if new == len(piece):
            piece.append(name)
        step.append(
            Step(
                pair=pair,
                new=new,
                left=left,
                right=right,
                count=pairs.count[best],
                apart=pairs.frequency[left] * pairs.frequency[right],
                rival=int(np.flatnonzero(best == other)[0]),
            )
        )
        merged = pairs.merge(*pair, new)
        for place in merged:
            gone[place] = len(step) - 1
        n_token.append(n_token[-1] - sum(pairs.weight[place] for place in merged))
        tick((len(piece) - first_size) / wanted)
    return Training(piece, step, n_token, [len(step) if g < 0 else g for g in gone])


def in_characters(words: Iterable[str]) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """(alphabet, {word: its characters' places in the alphabet}): the characters, sorted by code point."""
    words = list(words)
    alphabet = sorted(set().union(*words))
    index = {character: token for token, character in enumerate(alphabet)}
    return alphabet, {word: tuple(index[character] for character in word) for word in words}


def in_bytes(words: Iterable[str]) -> tuple[list[bytes], dict[str, tuple[int, ...]]]:
    """(alphabet, {word: its bytes' places in the alphabet}): all 256 bytes, those that print in Latin-1 first.

    GPT-2 writes a byte as a printable symbol, the others as the characters from U+0100 on; tokenizers sorts by symbol.
    """
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    order = printing + sorted(set(range(256)) - set(printing))
    index = {value: token for token, value in enumerate(order)}
    return [bytes([value]) for value in order], {word: tuple(index[value] for value in word.encode()) for word in words}
