"""The Unigram vocabulary is learned: begin with far too many pieces, drop those that the text misses least.

Source: Kudo 2018, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword
Candidates", section 3.2. Details that the paper leaves open are those of sentencepiece (src/unigram_model_trainer.cc).

    seed     the alphabet, and the substrings that occur at least twice, by count * length
    E step   expected count of a piece = sum over words of P(piece stands here | word), forward-backward over all ways
             to cut the word (models/unigram.py)
    M step   ln p(piece) = digamma(count) - digamma(sum of counts); a piece expected less than half a time is dropped
    prune    loss(piece) = how much the text's log-likelihood falls if the piece is replaced by its best other spelling,
             its count going to the pieces of that spelling; keep a share of them, those with the largest loss, and
             every character
    repeat   E, M, E, M, prune, until there are little more than vocab_size pieces; then keep those of highest p
    share    max(0.75, (vocab_size / n) ** (1 / 12)), n pieces being left by the first two EM iterations

Glossary
    piece     a str of at most LONGEST characters; its id is its index among the pieces in the beginning
    alive     whether a piece is still in the vocabulary
    lattice   all words, one after the other, as one row of boundaries; an edge is a piece that fits between two of
              them. No edge crosses a word's border, so all words are searched, or summed over, in one pass
    step      two EM iterations and a reduction; the last one's is the cut by probability
    frame     the state after so many steps; frame 0 is the seed

Why digamma: exp(digamma(n)) is about n - 1/2, so rare pieces lose more than frequent ones: a sparse prior (Liang &
Klein 2007). The probabilities then add up to a little less than 1. With the logarithm instead (sparse=False), EM is the
paper's, and it raises the likelihood at every iteration.

Differs from sentencepiece 0.2.3: there the share is 0.75 at all times and the last cut is from 1.1 * vocab_size, which
leaves one or two rounds where few pieces are to go. Here they go in twelve equal ratios, the last of them the cut by
probability; where these would be coarser than 0.75 and 1.1, it is those. What the M step drops is as there: the seed's
probabilities favour long pieces, so in the first round most pieces are expected less than half a time. Characters never
die in the M step (there they may, and come back at the end with a low score); the seed is counted inside words (there
in whole lines, so a word that one and the same character always follows, be it a space, is no seed); a dictionary
instead of a suffix array; doubles instead of floats. Given the same seed and the same share, seven of eight pieces of a
vocabulary of 800 are the same (tests/unit/test_unigram_training.py).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from models.fields import no_tick

LONGEST = 16  # characters of a piece, as in sentencepiece
N_SEED = 10_000  # sentencepiece: 1,000,000
N_SUB_ITERATION = 2
SHRINKING_FACTOR = 0.75
OVERSHOOT = 1.1  # prune down to this times the wanted size, or less, then cut by probability
N_ROUND = 12  # prunings, the last cut among them; more where SHRINKING_FACTOR is reached, never more than 31
LEAST_EXPECTED = 0.5
TINY = 1e-100  # below this, forward sums are scaled up


def substrings(words: Mapping[str, int], least: int) -> dict[str, int]:
    """{substring of 2 to LONGEST characters that occurs at least so often: its count}.

    As in a suffix tree, a substring that is always followed by the same character is left to its longer self.
    """
    found: dict[str, int] = {}
    places = [(word, at, n) for word, n in words.items() for at in range(len(word))]
    for size in range(2, LONGEST + 1):
        count: Counter[str] = Counter()
        for word, at, n in places:
            if at + size <= len(word):
                count[word[at : at + size]] += n
        # What is rare stays rare when it grows, so its places need not be looked at again.
        places = [(word, at, n) for word, at, n in places if count[word[at : at + size]] >= least]
        frequent = {piece: n for piece, n in count.items() if n >= least}
        for piece, n in frequent.items():
            if found.get(piece[:-1]) == n:
                del found[piece[:-1]]
        found |= frequent
    return found


def seed(words: Mapping[str, int], least: int, n_seed: int = N_SEED) -> tuple[list[str], Float[np.ndarray, "p"], int]:
    """(pieces, their log-probabilities, size of the alphabet): all characters, then substrings by count * length."""
    characters: Counter[str] = Counter()
    for word, n in words.items():
        for character in word:
            characters[character] += n
    alphabet = sorted(characters)
    score = {piece: n * len(piece) for piece, n in substrings(words, least).items()}
    longer = sorted(score, key=lambda piece: (-score[piece], piece))[: max(n_seed - len(alphabet), 0)]
    weight = np.array([characters[c] for c in alphabet] + [score[piece] for piece in longer], float)
    return alphabet + longer, np.log(weight / weight.sum()), len(alphabet)


@dataclass(frozen=True)
class Lattice:
    """All edges over a row of words; sorted by end, then by start."""

    n: int  # boundaries are 0 .. n
    start: Int[np.ndarray, "e"]
    end: Int[np.ndarray, "e"]
    piece: Int[np.ndarray, "e"]  # id

    def only(self, keep: Bool[np.ndarray, "e"]) -> "Lattice":
        """The lattice with these edges only."""
        return Lattice(self.n, self.start[keep], self.end[keep], self.piece[keep])


def lattice(words: Iterable[str], index: Mapping[str, int], longest: int) -> Lattice:
    """Every piece wherever it fits in the words."""
    edges: list[tuple[int, int, int]] = []
    offset = 0
    for word in words:
        for end in range(1, len(word) + 1):
            for start in range(max(0, end - longest), end):
                piece = index.get(word[start:end])
                if piece is not None:
                    edges.append((offset + start, offset + end, piece))
        offset += len(word)
    columns = np.array(edges, np.int64).reshape(-1, 3).T
    return Lattice(offset, *columns)


def viterbi(arcs: Lattice, log_prob: Float[np.ndarray, "p"]) -> Int[np.ndarray, "k"]:
    """The edges of the most probable path through all words, last first; ties as in models/unigram.py."""
    best = [0.0] + [-math.inf] * arcs.n
    via = [-1] * (arcs.n + 1)
    start = arcs.start.tolist()
    for edge, (a, b, step) in enumerate(zip(start, arcs.end.tolist(), log_prob[arcs.piece].tolist(), strict=True)):
        score = best[a] + step
        if score > best[b]:
            best[b], via[b] = score, edge
    path = []
    at = arcs.n
    while at:
        path.append(via[at])
        at = start[via[at]]
    return np.array(path, np.int64)


def sums(n: int, start: Sequence[int], end: Sequence[int], prob: Sequence[float]) -> Float[np.ndarray, "b"]:
    """ln of the summed probability of all ways from boundary 0 to each boundary. Edges sorted by end.

    Added as plain numbers, which is fast, and scaled up by a new factor whenever they get too small.
    """
    total = [1.0] + [0.0] * n
    scale = [0.0] * (n + 1)  # ln of what total[b] was multiplied with
    current, done = 0.0, 0
    for a, b, p in zip(start, end, prob, strict=True):
        if b != done:
            # All edges into `done` are in.
            if total[done] < TINY:
                factor = 1.0 / total[done]
                current += math.log(factor)
                for back in range(max(0, done - LONGEST), done + 1):
                    total[back] *= factor
                    scale[back] = current
            done = b
            scale[b] = current
        total[b] += total[a] * p
    return np.log(total) - np.array(scale)


class Text:
    """The words of a text as one lattice, with how often each stands in the text."""

    def __init__(self, words: Mapping[str, int], index: Mapping[str, int]) -> None:
        self.arcs = lattice(words, index, LONGEST)
        self.ends = np.cumsum([0, *map(len, words)])  # boundaries between words
        self.count = np.array(list(words.values()), np.int64)
        self.weight = np.repeat(self.count, np.diff(self.ends))  # character -> count of its word
        self._order()

    def _order(self) -> None:
        # The mirror image, sorted by its ends: backward sums are forward sums of it.
        self.mirror = np.lexsort((-self.arcs.end, -self.arcs.start))

    def only(self, alive: Bool[np.ndarray, "p"]) -> None:
        """Take away the edges of pieces that are no longer alive."""
        self.arcs = self.arcs.only(alive[self.arcs.piece])
        self._order()

    def expected(self, log_prob: Float[np.ndarray, "p"]) -> tuple[Float[np.ndarray, "p"], float]:
        """E step: (expected count of every piece, log-likelihood of the text)."""
        arcs, step = self.arcs, log_prob[self.arcs.piece]
        prob, back = np.exp(step), self.mirror
        before = sums(arcs.n, arcs.start.tolist(), arcs.end.tolist(), prob.tolist())
        mirrored = arcs.n - arcs.end[back], arcs.n - arcs.start[back], prob[back]
        after = sums(arcs.n, *(x.tolist() for x in mirrored))[::-1]
        share = np.exp(before[arcs.start] + step + after[arcs.end] - before[arcs.n])
        count = np.bincount(arcs.piece, share * self.weight[arcs.start], len(log_prob)).astype(float)
        return count, float((np.diff(before[self.ends]) * self.count).sum())

    def best(self, log_prob: Float[np.ndarray, "p"]) -> tuple[Int[np.ndarray, "p"], Bool[np.ndarray, "b"]]:
        """(how often each piece stands on the best paths, which boundaries these paths have)."""
        path = viterbi(self.arcs, log_prob)
        count = np.bincount(self.arcs.piece[path], self.weight[self.arcs.start[path]], len(log_prob))
        boundary = np.zeros(self.arcs.n + 1, bool)
        boundary[self.arcs.start[path]] = boundary[-1] = True
        return count.astype(np.int64), boundary


def digamma(x: Float[np.ndarray, "p"]) -> Float[np.ndarray, "p"]:
    """The derivative of ln Gamma: psi(x) = psi(x + 1) - 1/x up to x >= 8, there its asymptotic series."""
    low = np.zeros_like(x)
    for _ in range(8):
        small = x < 8
        low = low - np.where(small, 1 / x, 0)
        x = np.where(small, x + 1, x)
    square = 1 / x**2
    return low + np.log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))


def m_step(
    count: Float[np.ndarray, "p"], alive: Bool[np.ndarray, "p"], n_alphabet: int, sparse: bool = True
) -> tuple[Float[np.ndarray, "p"], Bool[np.ndarray, "p"]]:
    """(log-probabilities, -inf for the dead; alive). sparse=False: the M step of maximum likelihood, drops nothing."""
    if not sparse:
        with np.errstate(divide="ignore"):
            return np.log(count / count.sum()), alive
    count = count.copy()
    count[:n_alphabet] = np.maximum(count[:n_alphabet], LEAST_EXPECTED)  # characters stay
    alive = alive & (count >= LEAST_EXPECTED)
    log_prob = np.full(len(count), -math.inf)
    psi = digamma(np.append(count[alive], max(count[alive].sum(), LEAST_EXPECTED)))
    log_prob[alive] = psi[:-1] - psi[-1]
    return log_prob, alive


class Spellings:
    """For every piece of two characters or more, the other ways to spell it with pieces."""

    def __init__(self, piece: Sequence[str], index: Mapping[str, int], n_alphabet: int) -> None:
        self.n_alphabet = n_alphabet
        longer = piece[n_alphabet:]
        arcs = lattice(longer, index, LONGEST)
        self.ends = np.cumsum([0, *map(len, longer)])
        owner = np.repeat(np.arange(n_alphabet, len(piece)), np.diff(self.ends))  # character -> the piece it is part of
        own = arcs.piece == owner[arcs.start]  # the piece as a whole is not another way
        self.arcs, self.owner = arcs.only(~own), owner

    def only(self, alive: Bool[np.ndarray, "p"]) -> None:
        """Take away dead pieces from the spellings. Of dead pieces' own spellings only the characters stay."""
        arcs = self.arcs
        keep = alive[arcs.piece] & (alive[self.owner[arcs.start]] | (arcs.end - arcs.start == 1))
        self.arcs = arcs.only(keep)

    def best(
        self, log_prob: Float[np.ndarray, "p"]
    ) -> tuple[Float[np.ndarray, "p"], Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:
        """(log-probability of each piece's best other spelling, 0 for characters; and all these spellings' parts as
        two columns: the piece spelled, the piece it is spelled with)."""
        path = viterbi(self.arcs, log_prob)
        whole, part = self.owner[self.arcs.start[path]], self.arcs.piece[path]
        return np.bincount(whole, log_prob[part], len(log_prob)).astype(float), whole, part


def losses(
    count: Int[np.ndarray, "p"], log_prob: Float[np.ndarray, "p"], alive: Bool[np.ndarray, "p"], spellings: Spellings
) -> Float[np.ndarray, "p"]:
    """How much the log-likelihood of the best paths falls, in nats over the whole text, if the piece is removed.

    inf for characters, which stay; 0 for a piece that no best path uses. Removing a piece gives its count to the parts
    of its best other spelling: their probabilities and the sum of all counts change with it.
    """
    other, whole, part = spellings.best(log_prob)
    n_part = np.bincount(whole, minlength=len(count))
    total = count.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        total_after = np.log(total + count * (n_part - 1))
        after = np.bincount(whole, np.log(count[part] + count[whole]) - total_after[whole], len(count))
        loss = count * (np.log(count) - np.log(total) - after)
    # If its parts are more probable than the piece itself, no best path uses it: nothing is lost.
    loss[(count == 0) | (other > log_prob)] = 0.0
    loss[: spellings.n_alphabet] = math.inf
    loss[~alive] = math.nan
    return loss


def bite(size: int, wanted: int, n_round: int = N_ROUND) -> tuple[float, float]:
    """(share of the pieces that a pruning keeps, times the wanted size at which the last cut is due), if so many pieces
    are to shrink to so many. With n_round=1 it is sentencepiece's (0.75, 1.1) wherever a quarter or more has to go."""
    share = min(max((wanted / max(size, 1)) ** (1 / n_round), SHRINKING_FACTOR), 1.0)
    return share, min(1 / share, OVERSHOOT)


@dataclass(frozen=True)
class Frame:
    """The vocabulary after so many steps."""

    alive: Bool[np.ndarray, "p"]
    log_prob: Float[np.ndarray, "p"]  # -inf for the dead
    count: Int[np.ndarray, "p"]  # on the best paths through the text
    boundary: Bool[np.ndarray, "b"]  # of the best paths through the distinct words, one after the other
    log_likelihood: float  # of the text, nats, summed over all ways to cut it


@dataclass(frozen=True)
class Step:
    """Two EM iterations and a reduction, and why a piece went or stayed. All as the EM iterations leave it."""

    loss: Float[np.ndarray, "p"]  # nats, see losses(); nan for what is no longer alive
    log_prob: Float[np.ndarray, "p"]
    count: Int[np.ndarray, "p"]  # on the best paths
    rare: Bool[np.ndarray, "p"]  # dropped by EM: expected too rarely
    removed: Bool[np.ndarray, "p"]  # by the reduction
    by_loss: bool  # else by log_prob: the final cut


@dataclass(frozen=True)
class Training:
    """A vocabulary and how it came to be: len(step) + 1 frames."""

    piece: list[str]  # the alphabet, then by decreasing count * length
    n_alphabet: int
    frame: list[Frame]
    step: list[Step]


def train(
    words: Mapping[str, int],
    vocab_size: int,
    min_frequency: int = 2,
    n_seed: int = N_SEED,
    n_round: int = N_ROUND,
    tick: Callable[[float], None] = no_tick,
) -> Training:
    """Seed, then EM and pruning down to vocab_size pieces, or to the alphabet if that is more.

    words: {word: count}. A substring is a seed if it occurs max(2, min_frequency) times.
    """
    piece, log_prob, n_alphabet = seed(words, max(2, min_frequency), n_seed)
    vocab_size = max(vocab_size, n_alphabet)
    index = {name: token for token, name in enumerate(piece)}
    text, spellings = Text(words, index), Spellings(piece, index, n_alphabet)
    alive = np.ones(len(piece), bool)
    is_character = np.arange(len(piece)) < n_alphabet
    frames: list[Frame] = []
    steps: list[Step] = []
    by_loss = True
    share = overshoot = 0.0  # the first round sets them
    expected, log_likelihood = text.expected(log_prob)
    while True:
        frames.append(Frame(alive, log_prob, *text.best(log_prob), log_likelihood))
        if not by_loss:
            return Training(piece, n_alphabet, frames, steps)
        before = alive
        for iteration in range(N_SUB_ITERATION):
            # The first E step is the one that gave the frame its likelihood.
            if iteration:
                expected, _ = text.expected(log_prob)
            log_prob, alive = m_step(expected, alive, n_alphabet)
            text.only(alive)
        spellings.only(alive)
        count, size = text.best(log_prob)[0], int(alive.sum())
        loss = losses(count, log_prob, alive, spellings)
        if not steps:
            share, overshoot = bite(size, vocab_size, n_round)
        line = max(int(overshoot * vocab_size), n_alphabet)
        by_loss = size > line
        target = max(line, int(share * size)) if by_loss else vocab_size
        value = np.where(alive, np.where(is_character, math.inf, loss if by_loss else log_prob), -math.inf)
        keep = np.zeros(len(piece), bool)
        keep[np.argsort(-value, kind="stable")[:target]] = True  # of equals the earlier ones
        keep &= alive
        steps.append(Step(loss, log_prob, count, before & ~alive, alive & ~keep, by_loss))
        alive, log_prob = keep, np.where(keep, log_prob, -math.inf)
        text.only(alive)
        spellings.only(alive)
        expected, log_likelihood = text.expected(log_prob)
        left = max(int(alive.sum()) - vocab_size, 0)
        tick(1 - left / max(len(piece) - vocab_size, 1))
