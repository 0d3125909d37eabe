"""The lattice of a word, against a list of all its segmentations, sentencepiece and tokenizers."""

import io
import itertools
import math
import random

import numpy as np
import pytest
import sentencepiece
from tokenizers import Tokenizer, models

from models import unigram

UNKNOWN = -20.0
# Sums of eighths are exact, so equal probabilities are equal numbers: "ab" + "c" ties with "a" + "bc".
VOCABULARY = {
    "a": -2.0, "b": -2.5, "c": -3.0, "ab": -2.625, "bc": -3.625, "abc": -5.5, "ba": -3.125, "aa": -4.0, "aba": -5.125,
    "abab": -5.25, "dd": -1.0,
}  # fmt: skip
LONGEST = 4


def every_way(word: str) -> dict[tuple[tuple[int, int], ...], float]:
    """All segmentations with their log-probabilities: a choice of cuts, nothing shared with the code under test."""
    found = {}
    for size in range(len(word)):
        for cuts in itertools.combinations(range(1, len(word)), size):
            spans = tuple(itertools.pairwise((0, *cuts, len(word))))
            pieces = [word[start:end] for start, end in spans]
            if all(piece in VOCABULARY or len(piece) == 1 for piece in pieces):
                found[spans] = sum(VOCABULARY.get(piece, UNKNOWN) for piece in pieces)
    return found


WORDS = ["a", "d", "abc", "ababab", "aabbccab", "dddab", "xabdd", "cabacabax", "abababab"]
RANDOM = random.Random(7)
WORDS += ["".join(RANDOM.choice("aabbcdx") for _ in range(RANDOM.randint(1, 11))) for _ in range(40)]


@pytest.mark.parametrize("word", WORDS)
def test_edges_are_all_pieces_that_fit(word: str) -> None:
    slow = [
        (start, start + size, VOCABULARY[word[start : start + size]])
        for start in range(len(word))
        for size in range(1, len(word) - start + 1)
        if word[start : start + size] in VOCABULARY
    ]
    assert unigram.edges(word, VOCABULARY, LONGEST) == slow
    assert all(end - start <= 2 for start, end, _ in unigram.edges(word, VOCABULARY, 2))


@pytest.mark.parametrize("word", WORDS)
def test_viterbi_finds_the_best_of_all_and_of_equals_the_longest_last_piece(word: str) -> None:
    ways = every_way(word)
    # Boundary by boundary from the end the earliest start wins, so the reversed starts are the smallest.
    best = min(ways, key=lambda spans: (-ways[spans], [start for start, _ in reversed(spans)]))
    assert unigram.viterbi(word, VOCABULARY, LONGEST, UNKNOWN) == (list(best), ways[best])


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("n", [1, 3, 7, 1_000])
def test_n_best_are_the_n_best_of_all(word: str, n: int) -> None:
    ways = every_way(word)
    found = unigram.n_best(word, VOCABULARY, LONGEST, UNKNOWN, n)
    assert [score for _, score in found] == sorted(ways.values(), reverse=True)[:n]
    assert len({tuple(spans) for spans, _ in found}) == min(n, len(ways))
    assert all(ways[tuple(spans)] == score for spans, score in found)
    assert found[0] == unigram.viterbi(word, VOCABULARY, LONGEST, UNKNOWN)


@pytest.mark.parametrize("word", WORDS)
def test_marginals_are_the_weighted_share_of_all_ways(word: str) -> None:
    ways = every_way(word)
    total = math.fsum(math.exp(score) for score in ways.values())
    slow: dict[tuple[int, int], float] = {}
    for spans, score in ways.items():
        for span in spans:
            slow[span] = slow.get(span, 0.0) + math.exp(score) / total
    found = unigram.marginals(word, VOCABULARY, LONGEST, UNKNOWN)
    assert found == pytest.approx({span: found.get(span, 0.0) for span in found} | slow, abs=1e-12)
    assert set(slow) <= set(found)
    # Conservation: every character lies under exactly one edge of each path.
    for at in range(len(word)):
        assert sum(p for (start, end), p in found.items() if start <= at < end) == pytest.approx(1)


@pytest.mark.parametrize("word", WORDS)
def test_forward_sums_all_ways(word: str) -> None:
    arcs = unigram.lattice(word, VOCABULARY, LONGEST, UNKNOWN)
    z = math.fsum(math.exp(score) for score in every_way(word).values())
    assert unigram.forward(len(word), arcs)[-1] == pytest.approx(math.log(z))
    # The probabilities of all segmentations sum to 1.
    found = unigram.n_best(word, VOCABULARY, LONGEST, UNKNOWN, 10_000)
    assert math.fsum(math.exp(score) for _, score in found) / z == pytest.approx(1)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 2.0])
def test_samples_come_as_often_as_the_power_of_their_probability_says(alpha: float) -> None:
    word, n = "ababxc", 6_000
    ways = {spans: math.exp(alpha * score) for spans, score in every_way(word).items()}
    generator = np.random.default_rng(3)
    count = dict.fromkeys(ways, 0)
    for spans in unigram.samples(word, VOCABULARY, LONGEST, UNKNOWN, alpha, generator, n):
        count[tuple(spans)] += 1
    expected = {spans: n * weight / sum(ways.values()) for spans, weight in ways.items()}
    # Five standard deviations of a binomial count.
    for spans, mean in expected.items():
        assert abs(count[spans] - mean) <= 5 * math.sqrt(mean) + 1, spans


def test_a_sharp_sample_is_the_best_path_and_the_generator_decides_the_rest() -> None:
    draws = [
        unigram.sample("abcabc", VOCABULARY, LONGEST, UNKNOWN, 0.1, np.random.default_rng(seed)) for seed in range(30)
    ]
    assert len({tuple(spans) for spans in draws}) > 5
    assert draws[0] == unigram.sample("abcabc", VOCABULARY, LONGEST, UNKNOWN, 0.1, np.random.default_rng(0))
    sharp = unigram.sample("aba", VOCABULARY, LONGEST, UNKNOWN, 500.0, np.random.default_rng(1))
    assert sharp == unigram.viterbi("aba", VOCABULARY, LONGEST, UNKNOWN)[0]


def test_the_empty_word() -> None:
    assert unigram.viterbi("", VOCABULARY, LONGEST, UNKNOWN) == ([], 0.0)
    assert unigram.n_best("", VOCABULARY, LONGEST, UNKNOWN, 3) == [([], 0.0)]
    assert unigram.sample("", VOCABULARY, LONGEST, UNKNOWN, 1.0, np.random.default_rng(0)) == []
    assert unigram.marginals("", VOCABULARY, LONGEST, UNKNOWN) == {}


def test_a_vocabulary_without_pieces_still_cuts() -> None:
    assert unigram.viterbi("xy", {}, 0, -3.0) == ([(0, 1), (1, 2)], -6.0)


def test_ties_fall_as_in_sentencepiece() -> None:
    """Runs of one letter tie all the time: p(aa) + p(a) = p(a) + p(aa)."""
    lines = ["a" * k for k in range(1, 30)] + ["ab" * k for k in range(1, 9)] + ["aab" * k for k in range(1, 8)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="unigram", vocab_size=20, hard_vocab_limit=False,
        character_coverage=1.0, minloglevel=2,
    )  # fmt: skip
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    log_prob = {theirs.id_to_piece(i): theirs.get_score(i) for i in range(3, theirs.get_piece_size())}
    longest, unknown = max(map(len, log_prob)), min(log_prob.values()) - 10
    tied = 0
    for _ in range(1_500):
        word = "".join(RANDOM.choice("aab") for _ in range(RANDOM.randint(1, 25)))
        spans, score = unigram.viterbi("▁" + word, log_prob, longest, unknown)
        assert [("▁" + word)[start:end] for start, end in spans] == theirs.encode(word, out_type=str)
        two = unigram.n_best("▁" + word, log_prob, longest, unknown, 2)
        tied += len(two) == 2 and abs(two[1][1] - score) < 1e-9
    assert tied > 20  # else nothing was tested


def test_ties_fall_as_in_tokenizers() -> None:
    theirs = Tokenizer(models.Unigram([("<unk>", -9.0), *VOCABULARY.items()], unk_id=0))
    longest = max(map(len, VOCABULARY))
    for _ in range(1_500):
        word = "".join(RANDOM.choice("aabbc") for _ in range(RANDOM.randint(1, 20)))
        spans, _ = unigram.viterbi(word, VOCABULARY, longest, UNKNOWN)
        assert [word[start:end] for start, end in spans] == theirs.encode(word).tokens
