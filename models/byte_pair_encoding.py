"""Byte pair encoding (BPE), the encoder: a word's bytes are merged, pair by pair, until no known pair is left.

Sources: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2 and
algorithm 1; on bytes instead of characters: Radford et al. 2019, "Language Models are Unsupervised Multitask
Learners", section 2.2.

    pieces = the word's bytes
    while some adjacent pair has a rank:
        merge the adjacent pair of the lowest rank, the leftmost if there are several

Glossary
    piece   bytes of the word that are joined by now; in the end each piece is a token
    pair    two pieces side by side
    rank    when training learned the merge of a pair: 0 was the first, so the most frequent, and is merged first

Which pairs have a rank is a convention. There are two:
    by_pair    a list of merges: (l, ow) has a rank if training merged l with ow. Sennrich et al.; Hugging Face's
               `tokenizers`; CLIP.
    by_token   a ranked vocabulary: (l, ow) has a rank if "low" is a token, from whatever pair training made it.
               tiktoken, and the vocabularies of Qwen and Mistral (Tekken), which are written for it.
They can differ: merges (b, c), (a, b), (ab, c) leave "abc" as a bc by pair, and make it one token by token. On 300,000
random words with the merges of CLIP, DeepSeek and tiny-lm they never did.

Simplified: tokenizers split a text into words first (models/byte_pair_tokenizers.py); BPE itself knows only one word.
"""

from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

Rank = Callable[[bytes, bytes], int | None]  # of the pair (left, right); None: this pair is never merged


def by_pair(rank: Mapping[tuple[bytes, bytes], int]) -> Rank:
    """The rank of a pair in a list of merges."""
    return lambda left, right: rank.get((left, right))


def by_token(rank: Mapping[bytes, int]) -> Rank:
    """The rank of a pair in a ranked vocabulary."""
    return lambda left, right: rank.get(left + right)


def replay(pieces: Sequence[bytes], rank: Rank) -> tuple[list[bytes], list[tuple[int, bytes, bytes, int]]]:
    """The definition, step by step: (tokens, merges in order), a merge as (index of the left piece, left, right, rank).

    Every step looks at every pair, so n pieces take O(n^2): right for a word that is shown to a reader.
    """
    pieces = list(pieces)
    merges: list[tuple[int, bytes, bytes, int]] = []
    while True:
        ranked = [(r, at) for at, pair in enumerate(pairwise(pieces)) if (r := rank(*pair)) is not None]
        if not ranked:
            return pieces, merges
        lowest, at = min(ranked)
        left, right = pieces[at : at + 2]
        merges.append((at, left, right, lowest))
        pieces[at : at + 2] = [left + right]


def merge(pieces: Sequence[bytes], rank: Rank) -> list[bytes]:
    """The same tokens in O(n log n): a merge changes two pairs only, so all others keep their place in a queue.

    The pieces are a linked list: piece i stands where its first part stood, and after[i] is the piece that follows. A
    queued (rank, i, j, k) is the pair of pieces i and j, with k after them; it is stale if a merge took i, j or k away.
    """
    pieces, n = list(pieces), len(pieces)
    after, before = list(range(1, n + 1)), list(range(-1, n))
    queue = [(r, i, i + 1, i + 2) for i in range(n - 1) if (r := rank(pieces[i], pieces[i + 1])) is not None]
    heapify(queue)
    while queue:
        _, i, j, k = heappop(queue)
        if after[i] != j or after[j] != k:
            continue
        pieces[i] += pieces[j]
        after[i], before[k], after[j] = k, i, -1  # piece j is gone
        if i > 0 and (r := rank(pieces[before[i]], pieces[i])) is not None:
            heappush(queue, (r, before[i], i, k))
        if k < n and (r := rank(pieces[i], pieces[k])) is not None:
            heappush(queue, (r, i, k, after[k]))
    return [piece for piece, follower in zip(pieces, after, strict=True) if follower != -1]
