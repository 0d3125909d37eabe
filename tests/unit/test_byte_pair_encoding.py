"""The byte pair encoder: its two forms against each other, against `tokenizers` and tiktoken, and by hand."""

import random
import time
from itertools import pairwise

import pytest
import tiktoken
from tokenizers import models as hugging_face

from models.byte_pair_encoding import by_pair, by_token, merge, replay

BYTE = {bytes([value]): value for value in range(256)}


def bytes_of(word: str) -> list[bytes]:
    return [bytes([value]) for value in word.encode()]


def random_merges(rng: random.Random, alphabet: str, n: int) -> dict[tuple[bytes, bytes], int]:
    """A list of merges as training makes it: each joins two pieces there are by then, and makes a new one."""
    pieces, merges = bytes_of(alphabet), {}
    while len(merges) < n:
        pair = (rng.choice(pieces), rng.choice(pieces))
        if len(made := b"".join(pair)) <= 6 and made not in pieces:
            merges[pair] = len(merges)
            pieces.append(made)
    return merges


def test_a_word_by_hand() -> None:
    # Sennrich et al. 2016, figure 1, learns these four merges from {low, lowest, newer, wider}; "lower" is new to it.
    merges = {("r", "."): 0, ("l", "o"): 1, ("lo", "w"): 2, ("e", "r."): 3}
    rank = by_pair({(left.encode(), right.encode()): r for (left, right), r in merges.items()})
    tokens, steps = replay(bytes_of("lower."), rank)
    assert tokens == [b"low", b"er."] == merge(bytes_of("lower."), rank)
    assert steps == [(4, b"r", b".", 0), (0, b"l", b"o", 1), (0, b"lo", b"w", 2), (1, b"e", b"r.", 3)]


def test_of_equal_ranks_the_leftmost_goes_first() -> None:
    rank = by_token({b"aa": 0, b"aaaa": 1})
    tokens, steps = replay(bytes_of("aaaaa"), rank)
    assert tokens == [b"aaaa", b"a"] == merge(bytes_of("aaaaa"), rank)
    assert [at for at, *_ in steps] == [0, 1, 0]
    assert merge(bytes_of("aaaaaaa"), rank) == [b"aaaa", b"aa", b"a"]


def test_a_pair_that_a_merge_has_made_may_overtake_one_that_waits() -> None:
    rank = by_token({b"xy": 5, b"xyz": 1})
    tokens, steps = replay(bytes_of("xyzxy"), rank)
    assert tokens == [b"xyz", b"xy"] == merge(bytes_of("xyzxy"), rank)
    assert [step[3] for step in steps] == [5, 1, 5]


def test_the_two_conventions_differ_where_a_token_has_another_way_to_be_made() -> None:
    pairs = {(b"b", b"c"): 0, (b"a", b"b"): 1, (b"ab", b"c"): 2}
    assert merge(bytes_of("abc"), by_pair(pairs)) == [b"a", b"bc"]
    assert merge(bytes_of("abc"), by_token({left + right: r for (left, right), r in pairs.items()})) == [b"abc"]


@pytest.mark.parametrize("word", ["", "a"])
def test_too_short_to_merge(word: str) -> None:
    assert merge(bytes_of(word), by_token({b"aa": 0})) == bytes_of(word)
    assert replay(bytes_of(word), by_token({b"aa": 0})) == (bytes_of(word), [])


@pytest.mark.parametrize("seed", range(6))
def test_against_tokenizers(seed: int) -> None:
    rng = random.Random(seed)
    merges = random_merges(rng, "abcd", 40)
    pieces = [*map(bytes.decode, bytes_of("abcd")), *(b"".join(pair).decode() for pair in merges)]
    ids = {piece: i for i, piece in enumerate(pieces)}
    reference = hugging_face.BPE(ids, [(left.decode(), right.decode()) for left, right in merges])
    for _ in range(300):
        word = "".join(rng.choices("abcd", k=rng.randint(1, 40)))
        expected = [token.value.encode() for token in reference.tokenize(word)]
        assert merge(bytes_of(word), by_pair(merges)) == expected == replay(bytes_of(word), by_pair(merges))[0]


@pytest.mark.parametrize("seed", range(6))
def test_against_tiktoken(seed: int) -> None:
    """Any ranked vocabulary will do, also one that no training could make: ranks shuffled, pieces missing."""
    rng = random.Random(seed)
    made = {"".join(rng.choices("abc", k=rng.randint(2, 5))).encode() for _ in range(60)}
    ranks = {piece: r for r, piece in enumerate(rng.sample(sorted(made), len(made)))}
    everything = BYTE | {piece: r + 256 for piece, r in ranks.items()}
    reference = tiktoken.Encoding("test", pat_str=r"[\s\S]+", mergeable_ranks=everything, special_tokens={})
    for _ in range(300):
        word = "".join(rng.choices("abc", k=rng.choice((2, 7, 40, 400))))
        if word.encode() in ranks:
            continue  # tiktoken does not merge what is a token as a whole
        expected = [reference.decode_single_token_bytes(i) for i in reference.encode_ordinary(word)]
        assert merge(bytes_of(word), by_token(ranks)) == expected
        if len(word) <= 40:
            assert replay(bytes_of(word), by_token(ranks))[0] == expected


def test_every_step_of_a_replay_is_the_best_there_is() -> None:
    rng = random.Random(7)
    merges = random_merges(rng, "abc", 30)
    for _ in range(200):
        word = "".join(rng.choices("abc", k=rng.randint(1, 30)))
        tokens, steps = replay(bytes_of(word), by_pair(merges))
        pieces = bytes_of(word)
        for at, left, right, rank in steps:
            ranks = [merges.get(pair, 999) for pair in pairwise(pieces)]
            assert (pieces[at], pieces[at + 1]) == (left, right)
            assert rank == ranks[at] == min(ranks) and ranks.index(rank) == at
            pieces[at : at + 2] = [left + right]
        assert pieces == tokens and not any(pair in merges for pair in pairwise(pieces))


def test_a_long_word_takes_about_as_long_as_many_short_ones() -> None:
    rank = by_token({b"a" * 2**k: k for k in range(1, 6)})

    def seconds(n_char: int, n_word: int) -> float:
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            for _ in range(n_word):
                merge([b"a"] * n_char, rank)
            best = min(best, time.process_time() - start)
        return best

    # n log n: log2(100,000) is 2.8 times log2(64), and memory is farther away. Quadratic would be 1,500 times.
    assert seconds(100_032, 1) < 12 * seconds(64, 1_563)
