"""Unigram training against slow loops, the lattice of one word, torch's digamma and sentencepiece."""

import io
import itertools
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch

from models import unigram
from models import unigram_training as training
from models.training_corpus import pretokenize, supplied

RANDOM = random.Random(3)
WORDS = Counter("".join(RANDOM.choice("aabbcd") for _ in range(RANDOM.randint(1, 9))) for _ in range(120))
ENGLISH = Counter(pretokenize(supplied("shakespeare")[:6_000], "gpt2"))


def model_of(pieces: list[str], log_prob: np.ndarray) -> tuple[dict[str, float], int, float]:
    return {p: float(q) for p, q in zip(pieces, log_prob, strict=True) if q > -math.inf}, training.LONGEST, -99.0


@pytest.mark.parametrize("words", [WORDS, Counter({"abababab": 1}), Counter({"a" * 40: 2, "b": 1}), Counter()])
@pytest.mark.parametrize("least", [2, 5])
def test_substrings_are_all_that_branch(words: Counter, least: int) -> None:
    count: Counter = Counter()
    for word, n in words.items():
        for i, j in itertools.combinations(range(len(word) + 1), 2):
            if j - i <= training.LONGEST:
                count[word[i:j]] += n
    frequent = {s: n for s, n in count.items() if n >= least and len(s) >= 2}
    alphabet = set("".join(words))
    expected = {s: n for s, n in frequent.items() if not any(frequent.get(s + c) == n for c in alphabet)}
    assert training.substrings(words, least) == expected


def test_seed() -> None:
    pieces, log_prob, n_alphabet = training.seed(WORDS, 2)
    assert pieces[:n_alphabet] == sorted(set("".join(WORDS)))
    found = training.substrings(WORDS, 2)
    score = [found[piece] * len(piece) for piece in pieces[n_alphabet:]]
    assert score == sorted(score, reverse=True) and len(score) == len(found)
    text = "".join(word * n for word, n in WORDS.items())
    assert np.exp(log_prob).sum() == pytest.approx(1)
    assert math.exp(log_prob[0] - log_prob[n_alphabet]) == pytest.approx(text.count("a") / score[0])
    assert len(training.seed(WORDS, 2, n_seed=10)[0]) == 10
    assert training.seed(WORDS, 2, n_seed=0)[0] == pieces[:n_alphabet]  # characters are never left out


@pytest.mark.parametrize("words", [WORDS, ENGLISH, Counter({"abacabad" * 300: 1, "dab": 4})])
def test_the_e_step_is_the_sum_of_the_words_marginals(words: Counter) -> None:
    """Word by word in logarithms (models/unigram.py); one word of 2,400 characters needs the scaling of plain sums."""
    pieces, log_prob, _ = training.seed(words, 2)
    count, log_likelihood = training.Text(words, {p: i for i, p in enumerate(pieces)}).expected(log_prob)
    model = model_of(pieces, log_prob)
    slow: Counter = Counter()
    total = 0.0
    for word, n in words.items():
        total += n * unigram.forward(len(word), unigram.lattice(word, *model))[-1]
        for (start, end), p in unigram.marginals(word, *model).items():
            slow[word[start:end]] += n * p
    assert log_likelihood == pytest.approx(total)
    np.testing.assert_allclose(count, [slow[piece] for piece in pieces], rtol=1e-6, atol=1e-9)
    # Conservation: expected pieces cover every character once.
    assert count @ np.array([len(piece) for piece in pieces]) == pytest.approx(
        sum(len(w) * n for w, n in words.items())
    )


def test_viterbi_through_all_words_is_viterbi_of_each() -> None:
    words = WORDS | Counter({"a" * 33: 1})  # a run of one letter: ties
    pieces, log_prob, _ = training.seed(words, 2)
    log_prob = np.round(log_prob * 8) / 8  # more ties
    text = training.Text(words, {p: i for i, p in enumerate(pieces)})
    count, boundary = text.best(log_prob)
    slow: Counter = Counter()
    at = 0
    for word, n in words.items():
        spans, _ = unigram.viterbi(word, *model_of(pieces, log_prob))
        assert [start for start, _ in spans] == [i for i in range(len(word)) if boundary[at + i]]
        for start, end in spans:
            slow[word[start:end]] += n
        at += len(word)
    assert count.tolist() == [slow[piece] for piece in pieces]
    assert boundary[-1] and len(boundary) == at + 1


def test_digamma() -> None:
    x = np.concatenate([np.linspace(0.5, 12, 97), [1e2, 1e4, 1e6]])
    np.testing.assert_allclose(training.digamma(x), torch.digamma(torch.tensor(x)).numpy(), rtol=1e-9, atol=1e-9)


def test_m_step() -> None:
    count, alive = np.array([0.1, 6.0, 0.4, 3.5]), np.array([True, True, True, True])
    log_prob, after = training.m_step(count, alive, n_alphabet=1)
    assert after.tolist() == [True, True, False, True]  # the first is a character
    psi = torch.digamma(torch.tensor([0.5, 6.0, 3.5, 10.0], dtype=torch.float64)).numpy()
    np.testing.assert_allclose(log_prob[[0, 1, 3]], psi[:3] - psi[3])
    assert log_prob[2] == -math.inf
    plain, kept = training.m_step(count, alive, n_alphabet=1, sparse=False)
    np.testing.assert_allclose(np.exp(plain), count / 10)
    assert kept.all()


def test_em_raises_the_likelihood() -> None:
    pieces, log_prob, n_alphabet = training.seed(ENGLISH, 2)
    text = training.Text(ENGLISH, {p: i for i, p in enumerate(pieces)})
    alive = np.ones(len(pieces), bool)
    gone_through = []
    for _ in range(6):
        count, log_likelihood = text.expected(log_prob)
        log_prob, alive = training.m_step(count, alive, n_alphabet, sparse=False)
        gone_through.append(log_likelihood)
    assert all(after > before for before, after in itertools.pairwise(gone_through))
    assert gone_through[-1] - gone_through[0] > 100


def test_losses_are_those_of_the_second_best_spelling() -> None:
    """For each piece: its count goes to the parts of the best other way to spell it (n_best of models/unigram.py)."""
    pieces, log_prob, n_alphabet = training.seed(ENGLISH, 2)
    index = {p: i for i, p in enumerate(pieces)}
    text, spellings = training.Text(ENGLISH, index), training.Spellings(pieces, index, n_alphabet)
    alive = np.ones(len(pieces), bool)
    for _ in range(2):
        log_prob, alive = training.m_step(text.expected(log_prob)[0], alive, n_alphabet)
        text.only(alive)
    spellings.only(alive)
    count = text.best(log_prob)[0]
    loss = training.losses(count, log_prob, alive, spellings)
    total, model, free = count.sum(), model_of(pieces, log_prob), 0
    for token, piece in enumerate(pieces):
        if not alive[token]:
            assert math.isnan(loss[token])
        elif token < n_alphabet:
            assert loss[token] == math.inf
        else:
            (best, _), (second, _) = unigram.n_best(piece, *model, n=2)
            if len(best) > 1 or count[token] == 0:
                assert loss[token] == 0
                free += 1
                continue
            n = count[token]
            parts = [count[index[piece[a:b]]] + n for a, b in second]
            before = math.log(n / total)
            after = sum(math.log(part / (total + n * (len(second) - 1))) for part in parts)
            assert loss[token] == pytest.approx(n * (before - after))
    assert 0 < free < alive.sum()


@pytest.mark.parametrize(("words", "size"), [(WORDS, 12), (ENGLISH, 120), (ENGLISH, 400), (ENGLISH, 1)])
def test_training_shrinks_to_the_size_and_keeps_all_characters(words: Counter, size: int) -> None:
    done = training.train(words, size)
    alphabet, n_char = set("".join(words)), sum(len(word) * n for word, n in words.items())
    length = np.array([len(piece) for piece in done.piece])
    assert set(done.piece[: done.n_alphabet]) == alphabet
    assert len(done.frame) == len(done.step) + 1
    assert done.frame[-1].alive.sum() == max(size, len(alphabet))
    for before, step, after in zip(done.frame, done.step, done.frame[1:], strict=False):
        assert np.array_equal(before.alive, after.alive | step.rare | step.removed)  # nothing comes back
        assert not (after.alive & (step.rare | step.removed)).any()
        size_now = int((before.alive & ~step.rare).sum())
        wanted = max(size, len(alphabet))
        if before is done.frame[0]:
            share = min(1.0, max(0.75, (wanted / size_now) ** (1 / 12)))
        line = max(int(min(1.1, 1 / share) * wanted), len(alphabet))
        assert step.by_loss == (size_now > line)
        if step.by_loss:
            assert after.alive.sum() == max(line, int(share * size_now))
        # What goes was not worth more than what stays.
        value = step.loss if step.by_loss else step.log_prob
        stay = after.alive.copy()
        stay[: done.n_alphabet] = False
        if step.removed.any() and stay.any():
            assert value[step.removed].max() <= value[stay].min()
    for frame in done.frame:
        assert frame.alive[: done.n_alphabet].all()
        assert np.array_equal(frame.alive, frame.log_prob > -math.inf)
        assert frame.count @ length == n_char  # the best paths cover the text
        assert not frame.count[~frame.alive].any()
        model = model_of(done.piece, frame.log_prob)
        slow = sum(n * unigram.forward(len(w), unigram.lattice(w, *model))[-1] for w, n in words.items())
        assert frame.log_likelihood == pytest.approx(slow)
    assert done.step[-1].by_loss is False


def test_bites() -> None:
    """Twelve equal ratios; sentencepiece's numbers if more is to go, or if it is to go in one; nothing to go."""
    share, overshoot = training.bite(1_000, 500)
    assert share**12 == pytest.approx(0.5) and overshoot == pytest.approx(1 / share)
    assert training.bite(100_000, 500) == training.bite(1_000, 500, n_round=1) == (0.75, 1.1)
    assert training.bite(400, 500) == (1.0, 1.0)


@pytest.mark.parametrize("letters", ["ab", "abc", "abcdefghijkl"])
def test_there_are_never_too_many_rounds(letters: str) -> None:
    """From the largest seed to the smallest vocabulary: 32 frames fit into 32 bits."""
    word = "".join(RANDOM.choice(letters) for _ in range(20_000))
    done = training.train(Counter([word]), 1)
    assert len(done.piece) > 0.7 * training.N_SEED
    assert len(done.frame) <= 32
    # Even if EM drops nothing: 0.75 at a time from the seed down to an alphabet of two.
    size, n = training.N_SEED, 1
    while size > 2:
        size, n = max(int(0.75 * size), 2), n + 1
    assert n <= 31


@pytest.mark.parametrize(("size", "least"), [(120, 10), (300, 10)])
def test_there_are_about_twelve_rounds(size: int, least: int) -> None:
    assert least <= len(training.train(ENGLISH, size).step) <= 14
    assert len(training.train(ENGLISH, size, n_round=1).step) < least


def test_limits() -> None:
    assert training.train(Counter(), 100).piece == []
    one = training.train(Counter({"a": 3}), 100)
    assert (one.piece, one.frame[-1].count.tolist()) == (["a"], [3])
    none = training.train(WORDS, 100, min_frequency=10_000)
    assert none.piece == sorted(set("".join(WORDS)))
    assert len(none.step) == 1

    def stop(fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        training.train(WORDS, 10, tick=stop)
    told: list[float] = []
    training.train(ENGLISH, 100, tick=told.append)
    assert told == sorted(told) and told[-1] == 1.0


@pytest.mark.parametrize("n_round", [1, training.N_ROUND])
def test_the_vocabulary_is_nearly_sentencepieces(tmp_path: Path, n_round: int) -> None:
    """Same words, same seed, same size, same share kept. The rest are the spellings of characters that die early there
    and stay here."""
    lines = [" ".join(line.split()) for line in supplied("shakespeare").splitlines() if line.strip()]
    words = Counter("▁" + word for line in lines for word in line.split(" "))
    found = training.substrings(words, 2)
    seed = tmp_path / "seed.tsv"
    seed.write_text("".join(f"{piece}\t{n}\n" for piece, n in found.items()), encoding="utf-8")
    size, output = 800, io.BytesIO()
    done = training.train(words, size, n_round=n_round)
    share = max(0.75, (size / int((done.frame[0].alive & ~done.step[0].rare).sum())) ** (1 / n_round))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=output, model_type="unigram", vocab_size=size + 3,
        character_coverage=1.0, normalization_rule_name="identity", split_by_unicode_script=False,
        split_by_number=False, seed_sentencepieces_file=str(seed), num_threads=1, minloglevel=2, shrinking_factor=share,
    )  # fmt: skip
    theirs = sentencepiece.SentencePieceProcessor(model_proto=output.getvalue())
    score = {theirs.id_to_piece(i): theirs.get_score(i) for i in range(3, size + 3)}
    last = done.frame[-1]
    ours = {done.piece[i]: float(last.log_prob[i]) for i in np.flatnonzero(last.alive)}
    both = ours.keys() & score.keys()
    assert len(both) > 0.86 * size
    # And the pieces are about as probable.
    assert np.median([abs(ours[piece] - score[piece]) for piece in both]) < 0.1
