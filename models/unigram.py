"""The Unigram language model over pieces: the best, the n best, sampled and expected ways to cut a word.

Source: Kudo 2018, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword
Candidates", sections 3.2 and 3.3. The search is Viterbi's (1967), the sums are the forward-backward algorithm's.

    P(x) = product over the pieces x_1 .. x_m of p(x_i)    every piece is drawn by itself
    best   x* = argmax P(x) over all segmentations of the word
    sample x with probability P(x)^alpha / Z_alpha         alpha = 0: all ways alike; alpha -> infinity: only the best

Glossary
    word      characters 0 .. n; a boundary is a place 0 .. n between them
    edge      (start, end, log_prob): a piece that fits between two boundaries; a path 0 -> n is a segmentation
    log_prob  ln p(piece), natural logarithm
    longest   characters of the longest piece: no longer one is looked for
    unknown   log-probability of the edge that stands over a character which is no piece by itself

Ties: of two equally probable ways to reach a boundary the one whose last piece starts first is kept, that is the longer
last piece. sentencepiece 0.2.3 and tokenizers 0.23.3 decide so: both go through the edges by their start and replace
only on ">". sentencepiece adds in single precision, this file and tokenizers in double.
"""

import bisect
import heapq
import math
from collections.abc import Iterable, Mapping

import numpy as np

Edge = tuple[int, int, float]
Path = list[tuple[int, int]]


def edges(word: str, log_prob: Mapping[str, float], longest: int) -> list[Edge]:
    """Every piece that fits somewhere in the word, by start, then by end."""
    n = len(word)
    return [
        (start, end, log_prob[word[start:end]])
        for start in range(n)
        for end in range(start + 1, min(n, start + longest) + 1)
        if word[start:end] in log_prob
    ]


def lattice(word: str, log_prob: Mapping[str, float], longest: int, unknown: float) -> list[Edge]:
    """The edges, and an `unknown` one over each character that is no piece by itself: so a path always exists."""
    known = edges(word, log_prob, longest)
    single = {start for start, end, _ in known if end == start + 1}
    missing = [(start, start + 1, unknown) for start in range(len(word)) if start not in single]
    return sorted(known + missing) if missing else known


def viterbi(word: str, log_prob: Mapping[str, float], longest: int, unknown: float) -> tuple[Path, float]:
    """The most probable segmentation: its spans and its log-probability. The empty word has the empty one, ln 1 = 0."""
    best = [0.0] + [-math.inf] * len(word)
    origin = [-1] * (len(word) + 1)
    # Sorted by start: when an edge leaves a boundary, all edges into that boundary have been seen.
    for start, end, step in lattice(word, log_prob, longest, unknown):
        if best[start] + step > best[end] or origin[end] < 0:
            best[end], origin[end] = best[start] + step, start
    spans: Path = []
    end = len(word)
    while end:
        spans.append((origin[end], end))
        end = origin[end]
    return spans[::-1], best[-1]


def n_best(word: str, log_prob: Mapping[str, float], longest: int, unknown: float, n: int) -> list[tuple[Path, float]]:
    """The n most probable segmentations, the most probable first; fewer if the word has fewer.

    Viterbi with n survivors at each boundary instead of one: the n best ways to a boundary go through the n best ways
    to the boundary before. Ties fall as in `viterbi`, so the first is its answer. (sentencepiece searches backwards
    with A* instead: the same segmentations, but in no promised order among equals.)
    """
    into: list[list[tuple[int, float]]] = [[] for _ in range(len(word) + 1)]
    for start, end, step in lattice(word, log_prob, longest, unknown):
        into[end].append((start, step))
    # A survivor: (log-probability, the boundary before, which survivor of that boundary).
    best: list[list[tuple[float, int, int]]] = [[(0.0, -1, -1)]]
    for end in range(1, len(word) + 1):
        ways = [
            (score + step, start, which) for start, step in into[end] for which, (score, _, _) in enumerate(best[start])
        ]
        # nsmallest is stable: equals stay in the order of their starts.
        best.append(heapq.nsmallest(n, ways, key=lambda way: -way[0]))
    found = []
    for score, start, which in best[-1][:n]:
        spans: Path = []
        end, before = len(word), (start, which)
        while end:
            spans.append((before[0], end))
            end, rank = before
            before = best[end][rank][1:]
        found.append((spans[::-1], score))
    return found


def log_sum(values: Iterable[float]) -> float:
    """ln(sum(exp(values))) without overflow; -inf for no value at all."""
    values = list(values)
    top = max(values, default=-math.inf)
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(value - top) for value in values))


def forward(n: int, arcs: Iterable[Edge]) -> list[float]:
    """ln of the summed probability of all ways from boundary 0 to each boundary 0 .. n."""
    into: list[list[tuple[int, float]]] = [[] for _ in range(n + 1)]
    for start, end, step in arcs:
        into[end].append((start, step))
    total = [0.0]
    for end in range(1, n + 1):
        total.append(log_sum(total[start] + step for start, step in into[end]))
    return total


def sample(
    word: str,
    log_prob: Mapping[str, float],
    longest: int,
    unknown: float,
    alpha: float,
    generator: np.random.Generator,
) -> Path:
    """One segmentation, drawn with probability P(x)^alpha / Z_alpha over all of them."""
    return samples(word, log_prob, longest, unknown, alpha, generator, 1)[0]


def samples(
    word: str,
    log_prob: Mapping[str, float],
    longest: int,
    unknown: float,
    alpha: float,
    generator: np.random.Generator,
    n: int,
) -> list[Path]:
    """n of them.

    Forward filtering, backward sampling: from the word's end, the last piece is drawn in proportion to all ways that
    lead to it, then the piece before; no list of segmentations is needed.
    """
    arcs = [(start, end, alpha * step) for start, end, step in lattice(word, log_prob, longest, unknown)]
    total = forward(len(word), arcs)
    into: list[list[int]] = [[] for _ in range(len(word) + 1)]  # starts of the pieces that end at a boundary
    share: list[list[float]] = [[] for _ in range(len(word) + 1)]  # their probabilities, summed up one after the other
    for start, end, step in arcs:
        into[end].append(start)
        share[end].append((share[end] or [0.0])[-1] + math.exp(total[start] + step - total[end]))
    found = []
    for _ in range(n):
        spans: Path = []
        end = len(word)
        while end:
            # The shares sum to 1 up to rounding: the draw is scaled to what they really sum to.
            start = into[end][bisect.bisect_right(share[end], generator.random() * share[end][-1])]
            spans.append((start, end))
            end = start
        found.append(spans[::-1])
    return found


def marginals(word: str, log_prob: Mapping[str, float], longest: int, unknown: float) -> dict[tuple[int, int], float]:
    """How probable it is that a segmentation drawn from P(x) / Z uses each edge; forward-backward.

    Along the word these add up to its n characters: every character lies under exactly one edge of a path.
    """
    n = len(word)
    arcs = lattice(word, log_prob, longest, unknown)
    before = forward(n, arcs)
    # Backward sums are forward sums of the mirrored word.
    after = forward(n, [(n - end, n - start, step) for start, end, step in arcs])[::-1]
    return {(start, end): math.exp(before[start] + step + after[end] - before[n]) for start, end, step in arcs}
