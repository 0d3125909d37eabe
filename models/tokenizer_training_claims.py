"""What people say about how tokenizers are trained, settled by training them.

Each claim trains on the supplied Shakespeare, 50,000 characters, cut by GPT-2's pre-tokenizer.
"""

import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from models import byte_pair_training, training_reference, unigram, wordpiece_training
from models.trained_vocabulary import learn, log_probs, unigrams
from models.training_corpus import Task, pretokenize, supplied

Numbers = dict[str, int | float | str]

CORPUS = "shakespeare"
UNSEEN = "naïve 人工智能 🙂"
N_HELD_OUT = 10_000  # characters at the end of the text


def task(algorithm: str, vocab_size: int = 500, byte_fallback: bool = False, text: str = "") -> Task:
    return Task(algorithm, text or supplied(CORPUS), vocab_size, 2, "gpt2", byte_fallback)


def trained(rank: byte_pair_training.Rank, rival: byte_pair_training.Rank, n_step: int) -> byte_pair_training.Training:
    """The first merges by one rule, the other watching. Both begin with WordPiece's pieces: only the rules differ."""
    count = Counter(pretokenize(supplied(CORPUS), "gpt2"))
    alphabet, spelled = wordpiece_training.marked(count)
    words = {spelled[word]: n for word, n in count.items()}
    size = len(alphabet) + n_step
    return byte_pair_training.train(words, alphabet, size, 2, rank, rival, glue=wordpiece_training.glue)


@lru_cache(maxsize=1)
def two_rules() -> Numbers:
    """BPE goes for frequency, WordPiece for mutual information: where they first part, and what they have in common."""
    n_step = 300
    by_count = trained(byte_pair_training.by_count, wordpiece_training.by_score, n_step)
    by_score = trained(wordpiece_training.by_score, byte_pair_training.by_count, n_step)
    n_alphabet = len(by_count.piece) - n_step
    parting = next(k for k, step in enumerate(by_count.step) if step.rival)
    step = by_count.step[parting]
    answer: Numbers = {"step": parting + 1}
    for name, row in (("bpe", 0), ("wordpiece", step.rival)):
        answer[f"{name}_pair"] = " + ".join(str(by_count.piece[i[row]]) for i in (step.left, step.right))
        answer[f"{name}_count"] = int(step.count[row])
        answer[f"{name}_score"] = float(step.count[row] / step.apart[row])
    for name, training in (("bpe", by_count), ("wordpiece", by_score)):
        answer[f"{name}_mean_count"] = float(np.mean([s.count[0] for s in training.step]))
        # ln of f(ab) N / (f(a) f(b)), in bits; N: pieces in the text before the merge.
        information = [
            math.log2(s.count[0] / s.apart[0] * n) for s, n in zip(training.step, training.n_token, strict=False)
        ]
        answer[f"{name}_bits"] = float(np.mean(information))
    shared = {*by_count.piece[n_alphabet:]} & {*by_score.piece[n_alphabet:]}
    return answer | {"n_step": n_step, "n_shared": len(shared)}


@lru_cache(maxsize=1)
def several_ways() -> Numbers:
    """Unigram can cut one word in several ways; BPE's merges allow one."""
    model = log_probs(unigrams(task("unigram"))[1], -1)
    word, alpha, n_draw = " nightingale", 0.3, 1_000
    generator = np.random.default_rng(0)
    drawn = Counter(map(tuple, unigram.samples(word, *model, alpha, generator, n_draw)))
    best, log_prob = unigram.viterbi(word, *model)
    z = unigram.forward(len(word), unigram.lattice(word, *model))[-1]
    again = {tuple(token for token, _ in learn(task("bpe")).cut(word)) for _ in range(10)}
    return {
        "word": word.strip(),
        "best": " | ".join(word[start:end] for start, end in best).strip(),
        "share": math.exp(log_prob - z),
        "alpha": alpha,
        "n_draw": n_draw,
        "n_distinct": len(drawn),
        "n_best_drawn": drawn[tuple(best)],
        "n_bpe": len(again),
        "bpe": " | ".join(next(iter(again))).strip(),
    }


@lru_cache(maxsize=1)
def out_of_vocabulary() -> Numbers:
    """Subword tokenizers have no unknown words: true of bytes, not of characters."""

    def n_unknown(algorithm: str, vocab_size: int, byte_fallback: bool) -> int:
        cut = learn(task(algorithm, vocab_size, byte_fallback)).cut
        return sum(not known for word in pretokenize(UNSEEN, "gpt2") for _, known in cut(word))

    return {
        "text": UNSEEN,
        "n_char": len(UNSEEN),
        "bpe": n_unknown("bpe", 500, False),
        "wordpiece": n_unknown("wordpiece", 500, False),
        "unigram": n_unknown("unigram", 500, False),
        "fallback": n_unknown("bpe", 756, True),
        "byte_bpe": n_unknown("byte-bpe", 756, False),
    }


@lru_cache(maxsize=1)
def larger_is_better() -> Numbers:
    """Characters per token against vocabulary size, on the text trained on and on text held out."""
    text, held_out = supplied(CORPUS)[:-N_HELD_OUT], supplied(CORPUS)[-N_HELD_OUT:]
    count, other = (Counter(pretokenize(part, "gpt2")) for part in (text, held_out))
    # A word that occurs 0 times takes part in every merge and has no say in any. It shows what the merges make of it.
    words = {word: count[word] for word in count | other}
    alphabet, spelled = byte_pair_training.in_characters(words)
    rows = {spelled[word]: n for word, n in words.items()}
    done = byte_pair_training.train(rows, alphabet, 2_000, 1)
    weight = np.repeat([other[word] for word in words], [len(word) for word in words])
    saved = np.bincount(done.gone, weight, len(done.step) + 1)[:-1]
    seen, unseen = np.array(done.n_token), len(held_out) - np.append(0, np.cumsum(saved))
    answer: Numbers = {"n_step": len(done.step), "n_worse": int((np.diff(seen) >= 0).sum())}
    answer["held_out_worse"] = int((np.diff(unseen) > 0).sum())
    answer["held_out_useless"] = int((np.diff(unseen) == 0).sum())
    for size in (250, 500, 1_000, 2_000):
        at = size - len(alphabet)
        answer[f"seen_{size}"] = len(text) / int(seen[at])
        answer[f"held_out_{size}"] = len(held_out) / float(unseen[at])
    return answer


@lru_cache(maxsize=1)
def library_wordpiece() -> Numbers:
    """The library's WordPieceTrainer: whose pieces does it learn?"""
    n_step = 300
    by_count = trained(byte_pair_training.by_count, byte_pair_training.by_count, n_step)
    by_score = trained(wordpiece_training.by_score, byte_pair_training.by_count, n_step)
    words = pretokenize(supplied(CORPUS), "gpt2")
    n_alphabet = len(by_count.piece) - n_step
    # Its alphabet also has every inner character without "##".
    size = len({*by_count.piece[:n_alphabet], *set().union(*words)}) + n_step
    theirs = {
        piece for piece in training_reference.wordpiece_vocabulary(words, size) if len(piece.removeprefix("##")) > 1
    }
    return {
        "n_piece": len(theirs),
        "as_bpe": len(theirs & {*map(str, by_count.piece[n_alphabet:])}),
        "as_score": len(theirs & {*map(str, by_score.piece[n_alphabet:])}),
    }


CLAIMS: dict[str, Callable[[], Numbers]] = {
    "two_rules": two_rules,
    "several_ways": several_ways,
    "out_of_vocabulary": out_of_vocabulary,
    "larger_is_better": larger_is_better,
    "library_wordpiece": library_wordpiece,
}
