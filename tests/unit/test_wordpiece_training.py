"""WordPiece's score against counting anew and a published example; what the library's trainer really does."""

import itertools
import random
from collections import Counter
from fractions import Fraction

import pytest

from models import byte_pair_training as bpe
from models import training_reference
from models import wordpiece_training as wordpiece
from models.training_corpus import pretokenize, supplied

RANDOM = random.Random(5)
TEXTS = [
    ["".join(RANDOM.choice(letters) for _ in range(RANDOM.randint(1, 11))) for _ in range(n)]
    for letters in ("ab", "abc", "abcdef")
    for n in (5, 29)
]


def learned(words: list[str], n_step: int, min_frequency: int = 1, rank: bpe.Rank = wordpiece.by_score) -> bpe.Training:
    count = Counter(words)
    alphabet, spelled = wordpiece.marked(count)
    rows = {spelled[word]: n for word, n in count.items()}
    return bpe.train(rows, alphabet, len(alphabet) + n_step, min_frequency, rank, bpe.by_count, glue=wordpiece.glue)


def rows_of(words: list[str]) -> list[list[str]]:
    return [[word[0], *("##" + c for c in word[1:])] for word in words]


def counted(rows: list[list[str]]) -> tuple[Counter, Counter]:
    return Counter(pair for row in rows for pair in itertools.pairwise(row)), Counter(p for row in rows for p in row)


def merge(rows: list[list[str]], left: str, right: str) -> str:
    new = left + right.removeprefix("##")
    for row in rows:
        at = 0
        while at < len(row) - 1:
            if (row[at], row[at + 1]) == (left, right):
                row[at : at + 2] = [new]
            at += 1
    return new


@pytest.mark.parametrize("words", TEXTS)
@pytest.mark.parametrize("min_frequency", [1, 3])
def test_every_step_takes_the_highest_score(words: list[str], min_frequency: int) -> None:
    done, rows = learned(words, 15, min_frequency), rows_of(words)
    ids = done.piece.index
    for step in done.step:
        pairs, frequency = counted(rows)
        # Exact fractions: no rounding decides a tie.
        score = {
            pair: Fraction(n, frequency[pair[0]] * frequency[pair[1]])
            for pair, n in pairs.items()
            if n >= min_frequency
        }
        order = sorted(score, key=lambda pair: (-score[pair], ids(pair[0]), ids(pair[1])))
        names = [(done.piece[i], done.piece[j]) for i, j in zip(step.left, step.right, strict=True)]
        assert names[:8] == order[:8]
        assert [Fraction(int(n), int(d)) for n, d in zip(step.count, step.apart, strict=True)] == [
            score[p] for p in names
        ]
        most = min(score, key=lambda pair: (-pairs[pair], ids(pair[0]), ids(pair[1])))
        assert names[step.rival] == most
        assert merge(rows, *order[0]) == done.piece[step.new]
    assert done.n_token[-1] == sum(map(len, rows))
    assert ["".join(piece.removeprefix("##") for piece in row) for row in rows] == words  # conservation
    assert len(done.step) == 15 or max(counted(rows)[0].values(), default=0) < min_frequency


def test_a_published_example() -> None:
    """Hugging Face course, chapter 6.6: hug 10, pug 5, pun 12, bun 4, hugs 5. First "##gs" with 5 / (20 * 5); then all
    pairs with "##u" score 1/36, of which the course takes h-u as the first it met, and our rule b-u."""
    words = ["hug"] * 10 + ["pug"] * 5 + ["pun"] * 12 + ["bun"] * 4 + ["hugs"] * 5
    done = learned(words, 3)
    assert set(done.piece[:7]) == {"b", "h", "p", "##g", "##n", "##s", "##u"}
    assert done.piece[7:9] == ["##gs", "bu"]
    assert [int(d) / int(n) for n, d in zip(done.step[1].count, done.step[1].apart, strict=True)][:5] == [36.0] * 5
    first = done.step[0]
    assert (int(first.count[0]), int(first.apart[0])) == (5, 100)
    # BPE would have begun with u-g or u-n: 20 and 16 times.
    assert (first.count[first.rival], done.piece[first.left[first.rival]]) == (20, "##u")


def test_marks() -> None:
    alphabet, spelled = wordpiece.marked(["aba", "ca", "b"])
    assert alphabet == ["a", "b", "c", "##a", "##b"]
    assert spelled == {"aba": (0, 4, 3), "ca": (2, 3), "b": (1,)}
    assert wordpiece.glue("##a", "##b") == "##ab"
    assert wordpiece.glue("a", "##b") == "ab"
    assert wordpiece.marked([]) == ([], {})


def test_the_score_is_the_gain_in_likelihood() -> None:
    """ln score + ln N = ln p(ab) - ln p(a) - ln p(b), with p = frequency / N."""
    words = TEXTS[-1]
    pairs, frequency = counted(rows_of(words))
    n = sum(frequency.values())
    step = learned(words, 1).step[0]
    (left, right), alphabet = step.pair, learned(words, 0).piece
    a, b = alphabet[left], alphabet[right]
    gain = Fraction(pairs[a, b], n) / (Fraction(frequency[a], n) * Fraction(frequency[b], n))
    assert gain == Fraction(int(step.count[0]), int(step.apart[0])) * n


def test_the_library_trains_its_wordpiece_by_count() -> None:
    """Each piece that tokenizers' WordPieceTrainer adds comes from a pair of the highest count at that moment; our
    score would have taken another pair every time. Its ids of "##a" change from run to run, and with them the ties: so
    any of the most frequent pairs will do."""
    words = pretokenize(supplied("shakespeare")[:5_000], "gpt2")
    vocabulary = training_reference.wordpiece_vocabulary(words, 200)
    rows = rows_of(words)
    grown = [piece for piece in vocabulary if len(piece.removeprefix("##")) > 1]
    assert len(grown) > 80
    scored_too = 0
    for piece in grown:
        pairs, frequency = counted(rows)
        most = max(pairs.values())
        best = max(pairs[pair] / (frequency[pair[0]] * frequency[pair[1]]) for pair in pairs if pairs[pair] > 1)
        made_of = [pair for pair, n in pairs.items() if n == most and pair[0] + pair[1].removeprefix("##") == piece]
        assert len(made_of) == 1, piece
        left, right = made_of[0]
        scored_too += pairs[left, right] / (frequency[left] * frequency[right]) == best
        merge(rows, left, right)
    assert scored_too == 0
