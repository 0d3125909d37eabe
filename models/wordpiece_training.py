"""WordPiece is learned: merge the pair that explains the text best, not the one that is most frequent.

Source: Schuster & Nakajima 2012, "Japanese and Korean Voice Search", section 3 (of all new units the one is added that
raises the likelihood of the training data most). Google never published its trainer; the score below is the usual
account of it (Hugging Face course, chapter 6.6).

    score(a, b) = f(ab) / (f(a) f(b))

Why this: under a unigram model p(x) = f(x) / N, joining one a with one b changes the text's log-likelihood by
ln p(ab) - ln p(a) - ln p(b). With N the same for all pairs that is ln score + const: the pointwise mutual information
of a and b. A rare pair that always stands together scores higher than a frequent pair of frequent pieces.

Glossary
    f(ab)   how often the pair stands in the text          count, in models/byte_pair_training.py
    f(a)    how often the piece stands in the text         frequency
    "##b"   a piece that stands inside a word; "b" begins one. They are two pieces, and joining drops the marks

A word that itself begins with "##" can spell a piece like one that stands inside. BERT cuts at every "#" first.

Ties: of equal scores the smallest (left id, right id), as in models/byte_pair_training.py.

Beware: tokenizers.trainers.WordPieceTrainer does not train so. It is BpeTrainer with the prefix "##" and takes the most
frequent pair (tokenizers/src/models/wordpiece/trainer.rs); tests/unit/test_wordpiece_training.py shows it. What it does
with the vocabulary, longest match first, is WordPiece's (models/wordpiece.py).
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int

from models.byte_pair_training import Pairs, Piece, first

INSIDE = "##"


def by_score(pairs: Pairs, slots: Int[np.ndarray, "c"], m: int) -> Int[np.ndarray, "m"]:
    """The m of these pairs with the highest score: WordPiece."""
    left, right = pairs.left[slots], pairs.right[slots]
    # The product is exact in 64 bits and the division rounds correctly, so equal scores are equal numbers.
    return slots[first(pairs.count[slots] / (pairs.frequency[left] * pairs.frequency[right]), left, right, m)]


def glue(left: Piece, right: Piece) -> Piece:
    """ "##a" + "##b" = "##ab": the right piece's mark goes, the left one's stays."""
    assert isinstance(left, str) and isinstance(right, str)
    return left + right[len(INSIDE) :]


def marked(words: Iterable[str]) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """(alphabet, {word: places in the alphabet}): characters that begin words, sorted, then those inside, sorted."""
    words = list(words)
    begin = sorted({word[0] for word in words})
    inside = sorted(set().union(*(word[1:] for word in words)))
    at_begin = {character: token for token, character in enumerate(begin)}
    at_inside = {character: token for token, character in enumerate(inside, len(begin))}
    alphabet = begin + [INSIDE + character for character in inside]
    return alphabet, {word: (at_begin[word[0]], *(at_inside[c] for c in word[1:])) for word in words}
