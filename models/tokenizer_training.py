"""Byte pair encoding, WordPiece and Unigram trained on a text, and every state of the vocabulary on the way.

Sources: Sennrich et al. 2016 (models/byte_pair_training.py), Schuster & Nakajima 2012 (models/wordpiece_training.py),
Kudo 2018 (models/unigram_training.py, models/unigram.py); the tokenizer of whole words: models/word_tokenizer.py; words
and alphabets: models/training_corpus.py; the frames: models/trained_vocabulary.py.

    vocabulary = special tokens, 256 bytes (with byte fallback), the alphabet, what the training adds or leaves
    alphabet   = the most frequent characters, in at most half of the room; the others are rare: <|unk|>, or their bytes

    bpe         merges the pair of the highest count, on characters
    byte-bpe    the same on the bytes of the text's UTF-8; its alphabet is all 256 bytes
    wordpiece   merges the pair of the highest score f(ab) / (f(a) f(b)); inside a word pieces are written "##a"
    unigram     starts with many pieces and removes those whose loss hurts least

Glossary
    step        one merge, or one round of EM and pruning
    frame       the state after so many steps: frame 0 is the start, so there is one more frame than there are steps
    piece       a string of the vocabulary; its id is its index, special tokens first
    rival       the other rule of merging: WordPiece's score if this is BPE, BPE's count if this is WordPiece
    lattice     every way to cut one word with the pieces of a Unigram model, and the probability of each
    alpha       samples are drawn with probability P(way)^alpha / Z

If the algorithm is not Unigram, the word's lattice is that of a Unigram model trained on the same text to the same
size.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, Int

from models import training_corpus, unigram, word_tokenizer
from models import training_reference as reference
from models.fields import Choice, Range, Text, no_tick
from models.tokenizer_training_claims import CLAIMS
from models.trained_vocabulary import N_SHOWN, Model, Token, learn, log_probs, unigrams
from models.training_corpus import N_CHAR, Task, pretokenize, supplied
from models.word_tokenizer import RoundTrip

__all__ = ["CLAIMS", "Config", "Trace", "check", "facts", "trace"]

N_DRAW = 500  # sampled segmentations
N_CHECKED = 200  # characters of a word that are compared with the library
N_ENUMERATED = 4_096  # segmentations of a word that are listed one by one to sum their probabilities
TEXT = supplied("own")


@dataclass(frozen=True)
class Config:
    """One training, one frame of it, and one word to cut."""

    algorithm: Annotated[str, Choice("bpe", "byte-bpe", "wordpiece", "unigram")] = "bpe"
    corpus: Annotated[str, Choice("shakespeare", "chinese", "python", "own")] = "own"
    text: Annotated[str, Text(N_CHAR)] = TEXT  # where the corpus is "own"
    vocab_size: Annotated[int, Range(50, 2_000)] = 400  # special tokens included; the alphabet gets half of the rest
    min_frequency: Annotated[int, Range(1, 20)] = 2
    pretokenizer: Annotated[str, Choice("gpt2", "cl100k", "whitespace", "none")] = "gpt2"
    byte_fallback: bool = False  # 256 pieces more, so that rare characters are not lost
    step: Annotated[int, Range(0, 2_000)] = 100  # the frame shown; the last one if there are not so many
    word: Annotated[str, Text(64)] = "unlowest"
    alpha: Annotated[float, Range(0.05, 2.0, 0.05)] = 0.5
    n_best: Annotated[int, Range(1, 10)] = 5
    sample: Annotated[str, Text(200)] = "The lowest  tide , newest boats: 🙂 zigzag!"
    seed: Annotated[int, Range(0, 99)] = 0


@dataclass(frozen=True)
class Cut:
    """One way to cut a word."""

    span: tuple[tuple[int, int], ...]  # in characters of the word
    log_prob: float  # ln P, the sum over its pieces
    share: float  # of the probability of all ways
    tempered: float  # the same of P^alpha
    n_drawn: int  # how many of N_DRAW samples were this one


@dataclass(frozen=True)
class WordLattice:
    """Every way to cut one word, under a Unigram model trained on the same text."""

    word: str  # as it stands in a sentence: with a space before it if the model's pieces begin so
    start: Int[np.ndarray, "e"]
    end: Int[np.ndarray, "e"]
    log_prob: Float[np.ndarray, "e"]
    known: Bool[np.ndarray, "e"]  # False: a character that is no piece
    best: Bool[np.ndarray, "e"]  # lies on the most probable path
    marginal: Float[np.ndarray, "e"]  # probability that a random way uses this edge
    n_best: tuple[Cut, ...]  # the most probable first; the first one is Viterbi's
    drawn: tuple[Cut, ...]  # the distinct samples, the most often drawn first; as many as n_best at most
    n_distinct: int  # distinct samples in all
    n_way: int
    total: float  # the ways' probabilities added up one by one; 1. nan if there are more than N_ENUMERATED


@dataclass(frozen=True)
class Trace:
    """A training with S steps, so S + 1 frames, and p pieces in all; m candidates a step, c numbers for each."""

    algorithm: str
    text: str
    step: int  # the frame shown
    n_step: int
    # the vocabulary
    vocab_size: int  # that was asked for
    piece: tuple[str, ...]  # for the reader: a byte that is no character by itself is <0xE4>
    written: tuple[str, ...]  # the text that a piece stands for: "##a" is "a"; "" for bytes that form no character
    n_special: int
    n_byte: int  # bytes of the fallback
    n_alphabet: int
    n_rare_character: int  # the text's characters that the alphabet has no room for: <|unk|>, or bytes of the fallback
    rare_share: float  # of the text
    born: Int[np.ndarray, "p"]  # the frame in which a piece is first there
    gone: Int[np.ndarray, "p"]  # the frame from which on it is not; S + 1: it stays
    parent: Int[np.ndarray, "p 2"]  # the two pieces it was merged from; -1: it was not
    # the curve
    n_token: Int[np.ndarray, "f"]  # tokens of the whole text
    curve: Float[np.ndarray, "f"]  # characters per token; 0 for the empty text
    axis: Int[np.ndarray, "f"]  # size of the vocabulary
    log_likelihood: Float[np.ndarray, "f"]  # unigram: of the text, nats; otherwise nan
    # the table
    columns: tuple[str, ...]  # what the c numbers are
    pair: Int[np.ndarray, "S m 2"]  # ids; -1 in the second: a single piece; -1 in both: no row
    numbers: Float[np.ndarray, "S m c"]
    chosen: Bool[np.ndarray, "S m"]  # merged, or removed, by this step
    rival: Bool[np.ndarray, "S m"]  # what WordPiece would merge if this is BPE, and the other way round
    first_difference: int  # the first step at which the two rules disagree; S: none
    n_rare: Int[np.ndarray, "S"]  # unigram: pieces that the step's EM dropped, before it pruned; otherwise 0
    loss: Float[np.ndarray, "p"]  # unigram: what removing the piece cost by the estimate, nats; nan: never removed so
    # the text, its first N_SHOWN characters, cut anew in every frame: one of these two says where
    shown: str
    until: Int[np.ndarray, "b"] | None  # per boundary between two characters: the frame from which on it is gone
    bits: Int[np.ndarray, "b"] | None  # unigram: bit k is on if it is there in frame k
    # one word, one sample
    lattice: WordLattice
    sentence: str  # the sample itself
    sample: tuple[str, ...]  # the sample's tokens in the finished vocabulary
    sample_known: tuple[bool, ...]  # False: the unknown token
    words: RoundTrip  # the sample in the tokenizer of whole words


def training_text(cfg: Config) -> str:
    """The text that is trained on."""
    return cfg.text[:N_CHAR] if cfg.corpus == "own" else supplied(cfg.corpus)


def count_ways(n: int, arcs: Sequence[unigram.Edge]) -> int:
    """How many paths lead from boundary 0 to n."""
    ways = [1] + [0] * n
    for start, end, _ in arcs:  # sorted by start: ways[start] is complete
        ways[end] += ways[start]
    return ways[n]


def cut_word(cfg: Config, model: Model) -> WordLattice:
    """The word's lattice, its most probable ways, and samples of them."""
    pieces, longest, unknown = model
    # Where words are learned with the space before them, a word is looked up as it stands in a sentence.
    spaced = any(len(piece) > 1 and piece[0] == " " and piece[1] != " " for piece in pieces)
    word = cfg.word if not spaced or cfg.word[:1].isspace() or not cfg.word else " " + cfg.word
    arcs = unigram.lattice(word, pieces, longest, unknown)
    z = unigram.forward(len(word), arcs)[-1]
    z_alpha = unigram.forward(len(word), [(a, b, cfg.alpha * step) for a, b, step in arcs])[-1]
    generator = np.random.default_rng(cfg.seed)
    sampled = Counter(map(tuple, unigram.samples(word, pieces, longest, unknown, cfg.alpha, generator, N_DRAW)))
    step = {(start, end): score for start, end, score in arcs}

    def cut(span: tuple[tuple[int, int], ...]) -> Cut:
        score = sum((step[edge] for edge in span), start=0.0)
        share, tempered = math.exp(score - z), math.exp(cfg.alpha * score - z_alpha)
        return Cut(span, score, share, tempered, sampled[span])

    n_way, total = count_ways(len(word), arcs), math.nan
    ways = unigram.n_best(word, pieces, longest, unknown, n_way if n_way <= N_ENUMERATED else cfg.n_best)
    if n_way <= N_ENUMERATED:
        total = math.fsum(math.exp(score - z) for _, score in ways)
    best = set(ways[0][0])
    expected = unigram.marginals(word, pieces, longest, unknown)
    return WordLattice(
        word=word,
        start=np.array([start for start, _, _ in arcs], np.int32),
        end=np.array([end for _, end, _ in arcs], np.int32),
        log_prob=np.array([score for _, _, score in arcs], float),
        known=np.array([word[start:end] in pieces for start, end, _ in arcs], bool),
        best=np.array([(start, end) in best for start, end, _ in arcs], bool),
        marginal=np.array([expected[start, end] for start, end, _ in arcs], float),
        n_best=tuple(cut(tuple(span)) for span, _ in ways[: cfg.n_best]),
        drawn=tuple(cut(span) for span, _ in sampled.most_common(cfg.n_best)),
        n_distinct=len(sampled),
        n_way=n_way,
        total=total,
    )


def task_of(cfg: Config) -> Task:
    """What of a Config the training depends on."""
    return Task(
        cfg.algorithm, training_text(cfg), cfg.vocab_size, cfg.min_frequency, cfg.pretokenizer, cfg.byte_fallback
    )


def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Train, and show one frame, one word and one sample. `tick` may raise to cancel."""
    task = task_of(cfg)
    done = learn(task, lambda part: tick(0.7 * part))
    _, model = unigrams(replace(task, algorithm="unigram"), lambda part: tick(0.7 + 0.25 * part))
    n_step = len(done.field["axis"]) - 1
    step = min(cfg.step, n_step)
    n_token = done.field["n_token"]
    tokens = [token for word in pretokenize(cfg.sample, cfg.pretokenizer) for token in done.cut(word)]
    return Trace(
        algorithm=cfg.algorithm,
        text=task.text,
        step=step,
        n_step=n_step,
        vocab_size=cfg.vocab_size,
        curve=np.divide(len(task.text), n_token, out=np.zeros(n_step + 1), where=n_token > 0),
        shown=task.text[:N_SHOWN],
        lattice=cut_word(cfg, log_probs(model, step if cfg.algorithm == "unigram" else -1)),
        sentence=cfg.sample,
        sample=tuple(token for token, _ in tokens),
        sample_known=tuple(known for _, known in tokens),
        words=word_tokenizer.round_trip(cfg.sample, task.text),
        **done.field,
    )


def named(trace: Trace, step: int, row: int) -> dict[str, str | int | float]:
    """The pieces and numbers of one candidate; of no candidate empty names and zeros."""
    if not 0 <= step < trace.n_step or trace.pair[step, row, 0] < 0:
        return {"left": "", "right": "", "count": 0, "score": 0.0}
    left, right = (trace.piece[token] if token >= 0 else "" for token in trace.pair[step, row])
    numbers = dict(zip(trace.columns, trace.numbers[step, row].tolist(), strict=True))
    return {"left": left, "right": right, "count": int(numbers["count"]), "score": numbers.get("score", 0.0)}


def facts(trace: Trace) -> dict[str, int | float | str]:
    """The captions' numbers. `made_`: the merge that led to the frame shown; `next_`: the one that follows; `differ_`:
    the first one that the rival rule would not have made; `rival_`: what it would have made."""
    step, last, found = trace.step, trace.n_step, trace.lattice
    differ, best = trace.first_difference, found.n_best[0]
    rival = int(trace.rival[differ].argmax()) if differ < last else 0
    pruned = np.flatnonzero(~np.isnan(trace.loss))
    dearest = pruned[trace.loss[pruned].argmax()] if len(pruned) else -1
    answer: dict[str, int | float | str] = {
        "n_char": len(trace.text),
        "step": step,
        "n_step": last,
        "n_special": trace.n_special,
        "n_byte": trace.n_byte,
        "n_alphabet": trace.n_alphabet,
        "n_rare_character": trace.n_rare_character,
        "rare_share": trace.rare_share,
        "wanted": trace.vocab_size,
        "short_of": max(trace.vocab_size - int(trace.axis[-1]), 0),  # nothing more was frequent enough
        "over": max(int(trace.axis[-1]) - trace.vocab_size, 0),  # the bytes alone are more
        "first_difference": differ,
        "n_rare": int(trace.n_rare.sum()),
        "n_pruned": len(pruned),
        "dearest": trace.piece[dearest] if dearest >= 0 else "",
        "dearest_loss": float(trace.loss[dearest]) if dearest >= 0 else 0.0,
        "word": found.word,
        "best": " | ".join(found.word[start:end] for start, end in best.span),
        "best_log_prob": best.log_prob,
        "best_share": best.share,
        "best_tempered": best.tempered,
        "best_drawn": best.n_drawn,
        "n_draw": N_DRAW,
        "n_distinct": found.n_distinct,
        "n_way": found.n_way,
        "n_sample_token": len(trace.sample),
        "n_sample_unknown": trace.sample_known.count(False),
        "n_word_token": len(trace.words.token),
        "n_word_unknown": trace.words.known.count(False),
        "n_word_vocabulary": trace.words.vocab_size,
        "lossless": int(trace.words.lossless),
        "decoded": trace.words.decoded,
    }
    for name, frame in (("start", 0), ("here", step), ("end", last)):
        answer[f"vocab_{name}"] = int(trace.axis[frame])
        answer[f"token_{name}"] = int(trace.n_token[frame])
        answer[f"curve_{name}"] = float(trace.curve[frame])
    rows = {"made": (step - 1, 0), "next": (step, 0), "differ": (differ, 0), "rival": (differ, rival)}
    for name, at in rows.items():
        answer |= {f"{name}_{key}": value for key, value in named(trace, *at).items()}
    return answer


def check(cfg: Config) -> dict[str, float]:
    """Differences from `tokenizers` on this very text, and of the word's probabilities from what they must sum to."""
    task, found = task_of(cfg), trace(cfg).lattice
    given, done = training_corpus.corpus(task), learn(task)
    in_bytes = cfg.algorithm == "byte-bpe"
    words = shortened(given.count)
    answer = {}
    if cfg.algorithm in ("bpe", "byte-bpe"):
        plain = [word for word in given.words if word not in given.rare]
        size = max(cfg.vocab_size - len(given.fallback), 0)
        theirs = reference.merges(plain, given.special, size, cfg.min_frequency, in_bytes)
        ours = [(reference.symbols(left), reference.symbols(right)) for left, right in done.merge]
        answer["tokenizers.trainers.BpeTrainer"] = sum(a != b for a, b in itertools.zip_longest(ours, theirs))
        library = reference.bpe([*map(reference.symbols, done.piece)], theirs, in_bytes)
        answer["tokenizers.models.BPE"] = differing(words, done.cut, library)
    if cfg.algorithm == "wordpiece":
        library = reference.wordpiece([str(piece) for piece in done.piece], word_tokenizer.UNKNOWN)
        answer["tokenizers.models.WordPiece"] = differing(words, done.cut, library)
    other = replace(task, algorithm="unigram")
    library = reference.unigram(log_probs(unigrams(other)[1], -1)[0])
    answer["tokenizers.models.Unigram"] = differing(shortened(unigrams(other)[0].count), learn(other).cut, library)
    if not math.isnan(found.total):
        answer["sum of probabilities"] = abs(found.total - 1)
    # Every character lies under exactly one edge of each way.
    covered = float((found.marginal * (found.end - found.start)).sum())
    answer["expected characters"] = abs(covered - len(found.word))
    return {name: float(value) for name, value in answer.items()}


def shortened(words: Iterable[str]) -> list[str]:
    """Long words cut short: the library's WordPiece takes time that grows with the square of their length."""
    return list(dict.fromkeys(word[:N_CHECKED] for word in words))


def differing(words: Sequence[str], ours: Callable[[str], list[Token]], theirs: Callable[[str], list[str]]) -> int:
    """How many words the two cut differently."""
    return sum([token for token, _ in ours(word)] != theirs(word) for word in words)
