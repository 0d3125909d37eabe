"""A language small enough to know exactly: counting forwards or backwards round the clock.

With words 0 to v - 1 a sentence is i, i + 1, i + 2, ... or i, i - 1, i - 2, ..., each modulo v: 2 v sentences, all
equally frequent. Every next word follows from two words before it, and no word says anything about itself alone. So the
best denoiser can be written down (Bayes over 2 v sentences), and whether a text belongs to the language can be seen at
a glance: "four five six" does, "four six six" does not.

Axes: s sentence, l position, v word, b text.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LEAST = 3  # with fewer words forwards and backwards are the same


def sentences(n_word: int, length: int) -> Int[Tensor, "s l"]:
    """All sentences: forwards from every word, then backwards from every word.

    Raises:
        ValueError: too few words, or too short to tell forwards from backwards.
    """
    if n_word < LEAST or length < 2:
        raise ValueError(f"{n_word} words, {length} positions: at least {LEAST} and 2")
    start, place = torch.arange(n_word)[:, None], torch.arange(length)
    return torch.cat((start + place, start - place)) % n_word


def belongs(text: Int[Tensor, "b l"], language: Int[Tensor, "s l"]) -> Bool[Tensor, "b"]:
    """Whether each text is one of the sentences."""
    return (text[:, None] == language).all(-1).any(-1)


def word_shares(weight: Float[Tensor, "b s"], language: Int[Tensor, "s l"], n_word: int) -> Float[Tensor, "b l v"]:
    """Probability of each word at each position, from the probabilities of whole sentences."""
    present = torch.nn.functional.one_hot(language, n_word).to(weight.dtype)
    return (weight @ present.flatten(1)).unflatten(-1, present.shape[1:])
