"""BPE training against a trainer that counts everything anew, against tokenizers, and by hand."""

import itertools
import json
import random
from collections import Counter

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from models import byte_pair_training as bpe
from models import training_reference, wordpiece_training
from models.training_corpus import pretokenize, supplied

RANDOM = random.Random(11)


def slow(words: list[str], alphabet: list[str], vocab_size: int, min_frequency: int) -> list[tuple]:
    """Sennrich's algorithm 1, word for word: all pairs are counted at every step.

    Returns [(pair, all candidates best first, piece frequencies, segmented words)], one per step and one for the end.
    """
    piece = list(alphabet)
    rows = [list(word) for word in words]
    steps = []
    while True:
        count = Counter(pair for row in rows for pair in itertools.pairwise(row))
        order = sorted(
            (pair for pair in count if count[pair] >= min_frequency),
            key=lambda pair: (-count[pair], piece.index(pair[0]), piece.index(pair[1])),
        )
        frequency = Counter(part for row in rows for part in row)
        steps.append(([(pair, count[pair]) for pair in order], frequency, [list(row) for row in rows]))
        if len(piece) >= vocab_size or not order:
            return steps
        left, right = order[0]
        if left + right not in piece:
            piece.append(left + right)
        for row in rows:
            at = 0
            while at < len(row) - 1:
                if (row[at], row[at + 1]) == (left, right):
                    row[at : at + 2] = [left + right]
                at += 1


def learned(words: list[str], vocab_size: int, min_frequency: int = 1, **how) -> tuple[bpe.Training, dict]:
    alphabet, spelled = bpe.in_characters(dict.fromkeys(words))
    count = Counter(words)
    rows = {spelled[word]: n for word, n in count.items()}
    return bpe.train(rows, alphabet, vocab_size, min_frequency, **how), spelled


def merges(training: bpe.Training) -> list[tuple[str, str]]:
    return [(training.piece[left], training.piece[right]) for left, right in (step.pair for step in training.step)]


def random_words(letters: str, n_word: int, length: int) -> list[str]:
    return ["".join(RANDOM.choice(letters) for _ in range(RANDOM.randint(1, length))) for _ in range(n_word)]


TEXTS = [
    random_words(letters, n, length) for letters in ("a", "ab", "abc", "abcde") for n, length in ((3, 17), (23, 7))
]


@pytest.mark.parametrize("words", TEXTS)
@pytest.mark.parametrize("min_frequency", [1, 2, 3])
def test_every_step_is_that_of_counting_anew(words: list[str], min_frequency: int) -> None:
    size = len(set("".join(words))) + 13
    done, _ = learned(words, size, min_frequency, rival=wordpiece_training.by_score)
    expected = slow(words, sorted(set("".join(words))), size, min_frequency)
    assert len(done.step) == len(expected) - 1
    assert done.n_token == [sum(map(len, rows)) for _, _, rows in expected]
    for step, (order, frequency, _) in zip(done.step, expected, strict=False):
        names = [(done.piece[left], done.piece[right]) for left, right in zip(step.left, step.right, strict=True)]
        assert names[:8] == [pair for pair, _ in order[:8]]
        assert (done.piece[step.pair[0]], done.piece[step.pair[1]]) == order[0][0]
        assert done.piece[step.new] == "".join(order[0][0])
        count = dict(order)
        assert step.count.tolist() == [count[pair] for pair in names]
        assert step.apart.tolist() == [frequency[left] * frequency[right] for left, right in names]
        # The rival is the best of all pairs by WordPiece's score; of equals the first by its ids.
        place = {pair: i for i, (pair, _) in enumerate(order)}
        ids = done.piece.index
        best = min(count, key=lambda p: (-count[p] / (frequency[p[0]] * frequency[p[1]]), ids(p[0]), ids(p[1])))
        assert names[step.rival] == best
        assert len(names) == min(8, len(order)) + (place[best] >= 8)


@pytest.mark.parametrize("words", TEXTS)
def test_gone_gives_the_text_as_it_stood_after_every_step(words: list[str]) -> None:
    size = len(set("".join(words))) + 13
    done, _ = learned(words, size)
    distinct = list(dict.fromkeys(words))
    for k, (_, _, rows) in enumerate(slow(words, sorted(set("".join(words))), size, 1)):
        segmented = dict(zip(words, rows, strict=True))
        at = 0
        for word in distinct:
            cuts = [i for i in range(1, len(word)) if done.gone[at + i] >= k]
            pieces = [word[i:j] for i, j in zip([0, *cuts], [*cuts, len(word)], strict=True)]
            assert pieces == segmented[word]
            assert "".join(pieces) == word  # conservation: no character is lost
            at += len(word)


def test_worked_by_hand() -> None:
    """low 5, lower 2, newest 6, widest 3. e-s and s-t both stand 9 times: "e" has the smaller id. After "est" (9), l-o
    and o-w stand 7 times each, then lo-w 7; n-e, e-w and w-est 6 each, of which "e" comes first."""
    words = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    done, _ = learned(words, 10 + 6)
    assert done.piece[:10] == list("deilnorstw")
    found = merges(done)
    assert found == [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w"), ("e", "w"), ("n", "ew")]
    assert [int(step.count[0]) for step in done.step] == [9, 9, 7, 7, 6, 6]
    # 15 + 10 + 36 + 18 = 79 characters; each merge saves as many tokens as the pair stands there.
    assert done.n_token == [79, 70, 61, 54, 47, 41, 35]


def test_overlapping_pairs_merge_from_the_left() -> None:
    done, _ = learned(["aaaaa"], 4)
    assert merges(done) == [("a", "a"), ("aa", "a"), ("aa", "aaa")]
    assert [step.count.tolist()[0] for step in done.step] == [4, 1, 1]
    assert done.n_token == [5, 3, 2, 1]


@pytest.mark.parametrize("rank", [bpe.by_count, wordpiece_training.by_score])
def test_counts_are_kept_up_to_date(rank: bpe.Rank) -> None:
    """After any merges the counts are those of the symbols as they stand; frequencies times lengths are the text."""
    for words in TEXTS:
        alphabet, spelled = bpe.in_characters(dict.fromkeys(words))
        pairs = bpe.Pairs({spelled[word]: n for word, n in Counter(words).items()}, len(alphabet))
        length = [1] * len(alphabet)
        for _ in range(9):
            slots = pairs.frequent(1)
            if not len(slots):
                break
            slot = rank(pairs, slots, 1)[0]
            left, right = int(pairs.left[slot]), int(pairs.right[slot])
            pairs.merge(left, right, len(length))
            length.append(length[left] + length[right])
            counted: Counter = Counter()
            for at, symbol in enumerate(pairs.symbol):
                if symbol >= 0 and pairs.after[at] >= 0:
                    counted[symbol, pairs.symbol[pairs.after[at]]] += pairs.weight[at]
            kept = {pair: int(pairs.count[i]) for pair, i in pairs.slot.items() if pairs.count[i]}
            assert kept == counted
            assert int(pairs.frequency @ np.array(length)) == sum(map(len, words))


def test_limits() -> None:
    words = ["low", "lower", "lowest"]
    alphabet = sorted(set("".join(words)))
    for size in (0, 1, len(alphabet)):
        done, _ = learned(words, size)
        assert (done.piece, done.step, done.n_token) == (alphabet, [], [14])
        assert done.gone == [0] * 14  # no step, so "never" is 0
    assert learned(words, 100, min_frequency=50)[0].step == []
    assert learned([], 100)[0].step == []
    # With enough room every word ends up as one piece.
    done, _ = learned(words, 1_000)
    assert done.n_token[-1] == 3


def test_bytes_are_sorted_as_the_library_sorts_their_symbols() -> None:
    alphabet, spelled = bpe.in_bytes(["é!", "\n"])
    symbols = [training_reference.SYMBOL[piece[0]] for piece in alphabet]
    assert symbols == sorted(symbols)
    assert set(symbols) == set(pre_tokenizers.ByteLevel.alphabet())
    assert b"".join(alphabet[token] for token in spelled["é!"]) == "é!".encode()


@pytest.mark.parametrize("pretokenizer", ["gpt2", "cl100k", "whitespace", "none"])
@pytest.mark.parametrize("corpus", ["shakespeare", "chinese", "python"])
def test_merges_are_those_of_tokenizers(corpus: str, pretokenizer: str) -> None:
    """2,000 pieces of each text, and 1,000 beyond the alphabet of the Chinese one, which alone is more than 2,000."""
    text = supplied(corpus)
    words = pretokenize(text, pretokenizer)
    size = max(2_000, len(set(text)) + 1_000)
    done, _ = learned(words, size, 2)
    theirs = training_reference.merges(words, [], size, 2, in_bytes=False)
    assert merges(done) == theirs
    assert len(theirs) > 900
    tied = sum(len(step.count) > 1 and step.count[0] == step.count[1] for step in done.step)
    assert tied > 300  # else the rule for ties was not tested


@pytest.mark.parametrize("corpus", ["shakespeare", "chinese", "python"])
def test_byte_level_merges_are_those_of_tokenizers_with_its_own_pre_tokenizer(corpus: str) -> None:
    text = supplied(corpus)
    words = pretokenize(text, "gpt2")
    alphabet, spelled = bpe.in_bytes(dict.fromkeys(words))
    done = bpe.train({spelled[word]: n for word, n in Counter(words).items()}, alphabet, 2_000, 2)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=2_000,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    theirs = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    ours = [tuple(training_reference.symbols(done.piece[token]) for token in step.pair) for step in done.step]
    assert ours == theirs


def test_ties_on_random_texts_fall_as_in_tokenizers() -> None:
    for _ in range(80):
        words = random_words(RANDOM.choice(["ab", "abc", "abcdefgh"]), RANDOM.randint(1, 9), 60)
        size, least = RANDOM.choice([20, 60, 200]), RANDOM.choice([1, 2])
        done, _ = learned(words, size, least)
        assert merges(done) == training_reference.merges(words, [], size, least, in_bytes=False)


def test_progress_is_told_and_may_cancel() -> None:
    told: list[float] = []
    learned(TEXTS[-1], 20, tick=told.append)
    assert told == sorted(told) and told[-1] == 1.0

    def stop(fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        learned(TEXTS[-1], 20, tick=stop)
