"""What a training leaves behind: the vocabulary in every frame, and how it cuts a new word.

Sources: models/byte_pair_training.py, models/wordpiece_training.py, models/unigram_training.py; encoding:
models/byte_pair_encoding.py, models/unigram.py, and for WordPiece Devlin et al. 2019, "BERT" (longest match first).

Glossary
    step       one merge, or one round of EM and pruning
    frame      the state after so many steps: frame 0 is the start, so there is one more frame than there are steps
    candidate  what a step could choose: the N_CANDIDATE best pairs by the algorithm's own rule, and what the rival rule
               would take; of a pruning the pieces on both sides of the line
"""

import itertools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cachetools
import numpy as np

from models import byte_pair_encoding, byte_pair_training, unigram, unigram_training, wordpiece_training
from models.byte_pair_training import Piece
from models.fields import no_tick
from models.training_corpus import Corpus, Task, apart, corpus, spell
from models.word_tokenizer import UNKNOWN

N_SHOWN = 1_200  # characters that are drawn anew at every step
N_CANDIDATE = 8  # rows of the table, and one more for what the rival rule would take
PENALTY = 10.0  # a character that is no piece costs this much more than the rarest piece, as in sentencepiece

Token = tuple[str, bool]  # as the reader sees it, and whether the vocabulary has it
Model = tuple[dict[str, float], int, float]  # Unigram: {piece: ln p}, the longest piece, ln p of an unknown character


def readable(piece: Piece) -> str:
    """A piece for the reader: bytes that are no character, or a control character, are written <0xE4>."""
    if isinstance(piece, str):
        return piece
    # What is not UTF-8 decodes to lone surrogates U+DC80 .. U+DCFF, one per byte.
    text = piece.decode("utf-8", "surrogateescape")
    hidden = [c not in "\n\t" and (c < " " or c == "\x7f" or "\udc80" <= c <= "\udcff") for c in text]
    return "".join(f"<0x{ord(c) & 0xFF:02X}>" if hide else c for c, hide in zip(text, hidden, strict=True))


def text_of(piece: Piece) -> str:
    """The text that a piece stands for, "" if it is not whole characters."""
    if isinstance(piece, bytes):
        text = piece.decode("utf-8", "ignore")
        return text if text.encode() == piece else ""
    return piece


@dataclass(frozen=True)
class Learned:
    """What a training leaves behind: the part of Trace that does not depend on the frame shown, and how to encode."""

    field: dict[str, Any]  # fields of Trace
    piece: list[Piece]
    merge: list[tuple[Piece, Piece]]  # in order; Unigram has none
    cut: Callable[[str], list[Token]]  # one word -> its tokens


def shown_words(words: Sequence[str]) -> list[str]:
    """The words that the first N_SHOWN characters need."""
    shown, n = [], 0
    for word in words:
        if n >= N_SHOWN:
            break
        shown.append(word)
        n += len(word)
    return shown


def pairwise(task: Task, tick: Callable[[float], None]) -> Learned:
    """BPE, byte-level BPE or WordPiece."""
    given = corpus(task)
    scored = task.algorithm == "wordpiece"
    alphabet, spelled = spell(task, given.count)
    base: list[Piece] = [*given.special, *given.fallback, *alphabet]
    n_before, n_base = len(base) - len(alphabet), len(base)
    rules = byte_pair_training.by_count, wordpiece_training.by_score
    done = byte_pair_training.train(
        {tuple(token + n_before for token in spelled[word]): n for word, n in given.count.items()},
        base,
        task.vocab_size,
        task.min_frequency,
        rank=rules[scored],
        rival=rules[not scored],
        glue=wordpiece_training.glue if scored else byte_pair_training.join,
        n_candidate=N_CANDIDATE,
        tick=tick,
    )
    n_piece, n_step = len(done.piece), len(done.step)
    born, parent = np.zeros(n_piece, np.int32), np.full((n_piece, 2), -1, np.int32)
    pair = np.full((n_step, N_CANDIDATE + 1, 2), -1, np.int32)
    numbers = np.zeros((n_step, N_CANDIDATE + 1, 2))
    chosen, rival = np.zeros((2, n_step, N_CANDIDATE + 1), bool)
    for k, step in enumerate(done.step):
        if step.new >= n_base and not born[step.new]:
            born[step.new], parent[step.new] = k + 1, step.pair
        m = len(step.left)
        pair[k, :m, 0], pair[k, :m, 1] = step.left, step.right
        numbers[k, :m, 0], numbers[k, :m, 1] = step.count, step.count / step.apart
        chosen[k, 0] = rival[k, step.rival] = True
    # Which pieces carry WordPiece's mark: a longer one if its left part does.
    n_mark = len(wordpiece_training.INSIDE) if scored else 0
    marks = [n_mark if i >= n_before and len(piece) > 1 else 0 for i, piece in enumerate(base)]
    for left, _ in parent[n_base:]:
        marks.append(marks[left])

    # Where each distinct word begins in the trainer's row. A boundary inside a character is none of the text's.
    first = dict(zip(spelled, np.cumsum([0, *map(len, spelled.values())]).tolist(), strict=False))
    until: list[int] = []
    for word in shown_words(given.words):
        at = first.get(word, -1)
        for i, character in enumerate(word):
            until.append(done.gone[at] + 1 if i else n_step + 1)
            at += len(character.encode()) if task.algorithm == "byte-bpe" else 1
    field = {
        "piece": tuple(map(readable, done.piece)),
        "written": tuple(text_of(piece[mark:]) for piece, mark in zip(done.piece, marks, strict=True)),
        "n_special": len(given.special),
        "n_byte": len(given.fallback),
        "n_alphabet": len(alphabet),
        "n_rare_character": len(given.rare),
        "rare_share": given.n_rare / max(len(task.text), 1),
        "n_rare": np.zeros(n_step, np.int32),
        "born": born,
        "gone": np.full(n_piece, n_step + 1, np.int32),
        "parent": parent,
        "n_token": np.array(done.n_token) + given.n_rare_token,
        "axis": n_base + np.searchsorted(np.sort(born[n_base:]), np.arange(n_step + 1), "right"),
        "log_likelihood": np.full(n_step + 1, math.nan),
        "columns": ("count", "score"),
        "pair": pair,
        "numbers": numbers,
        "chosen": chosen,
        "rival": rival,
        "first_difference": next((k for k, step in enumerate(done.step) if step.rival), n_step),
        "loss": np.full(n_piece, math.nan),
        "until": np.array(until[1:N_SHOWN], np.int32),
        "bits": None,
    }
    known = set(done.piece[n_before:])
    merge = [(done.piece[left], done.piece[right]) for left, right in (step.pair for step in done.step)]
    if scored:

        def matched(word: str) -> list[Token]:
            # A rare character stands alone, as in the training; BERT sets every Chinese character alone.
            return [t for part in apart([word], given.rare) for t in longest_match(part, known, task.byte_fallback)]

        return Learned(field, done.piece, merge, matched)
    rank = byte_pair_encoding.by_pair({(as_bytes(left), as_bytes(right)): k for k, (left, right) in enumerate(merge)})
    in_bytes = task.algorithm == "byte-bpe"
    return Learned(field, done.piece, merge, lambda word: merged(word, known, rank, in_bytes, task.byte_fallback))


def as_bytes(piece: Piece) -> bytes:
    """A piece as the encoder takes it."""
    return piece.encode() if isinstance(piece, str) else piece


def unseen(character: str, byte_fallback: bool) -> list[Token]:
    """The tokens of a character that is no piece: its bytes, or the unknown token."""
    return [(readable(bytes([value])), True) for value in character.encode()] if byte_fallback else [(UNKNOWN, False)]


def merged(
    word: str, known: set[Piece], rank: byte_pair_encoding.Rank, in_bytes: bool, byte_fallback: bool
) -> list[Token]:
    """A word's tokens by BPE: the merges in the order in which they were learned."""
    if in_bytes:
        pieces = byte_pair_encoding.merge([bytes([value]) for value in word.encode()], rank)
        return [(readable(piece), True) for piece in pieces]
    tokens: list[Token] = []
    # What the alphabet has not stands by itself; no merge reaches across it.
    for has, run in itertools.groupby(word, known.__contains__):
        if has:
            pieces = byte_pair_encoding.merge([character.encode() for character in run], rank)
            tokens += [(piece.decode(), True) for piece in pieces]
        else:
            tokens += [token for character in run for token in unseen(character, byte_fallback)]
    return tokens


def longest_match(word: str, known: set[Piece], byte_fallback: bool) -> list[Token]:
    """A word's tokens by WordPiece: from the left, the longest piece that fits. Without byte fallback one place where
    nothing fits makes the whole word unknown, as in BERT; with it, only the character there is written as bytes."""
    tokens: list[Token] = []
    longest = max((len(piece) for piece in known), default=1)
    at, inside = 0, False
    while at < len(word):
        mark = wordpiece_training.INSIDE if inside else ""
        ends = range(min(len(word), at + longest), at, -1)
        end = next((end for end in ends if mark + word[at:end] in known), None)
        if end is not None:
            tokens.append((mark + word[at:end], True))
        elif byte_fallback:
            tokens += unseen(word[at], True)
        else:
            return [(UNKNOWN, False)]
        # After bytes a piece begins anew, as it did in the training.
        at, inside = (at + 1, False) if end is None else (end, True)
    return tokens


def pruning(task: Task, tick: Callable[[float], None]) -> Learned:
    """Unigram."""
    given, done = unigrams(task, tick)
    base: list[Piece] = [*given.special, *given.fallback]
    piece: list[Piece] = [*base, *done.piece]
    n_base, n_piece, n_frame = len(base), len(piece), len(done.frame)
    n_step, half = n_frame - 1, N_CANDIDATE // 2
    alive = np.array([frame.alive for frame in done.frame])  # frame, piece
    pair = np.full((n_step, N_CANDIDATE + 1, 2), -1, np.int32)
    numbers, chosen = np.zeros((n_step, N_CANDIDATE + 1, 3)), np.zeros((n_step, N_CANDIDATE + 1), bool)
    loss = np.full(n_piece, math.nan)
    for k, step in enumerate(done.step):
        value = step.loss if step.by_loss else step.log_prob
        stays = ~np.isnan(step.loss) & ~step.removed
        stays[: done.n_alphabet] = False  # characters are no candidates
        order = np.argsort(value, kind="stable")
        out, stay = order[step.removed[order]], order[stays[order]]
        if step.by_loss:
            loss[out + n_base] = step.loss[out]
        # The rows are where the line runs: the dearest pieces that go and the cheapest that stay.
        rows = np.append(out[-half:], stay[:half])
        pair[k, : len(rows), 0] = rows + n_base
        numbers[k, : len(rows)] = np.stack([step.loss[rows], step.count[rows], step.log_prob[rows]], 1)
        chosen[k, : len(out[-half:])] = True

    first = dict(zip(given.count, np.cumsum([0, *map(len, given.count)]).tolist(), strict=False))
    on = np.array([frame.boundary for frame in done.frame], np.int64)  # frame, boundary of the distinct words
    here = (on << np.arange(n_frame)[:, None]).sum(0)
    bits: list[int] = []
    for word in shown_words(given.words):
        at = first.get(word, -1)
        bits += [2**n_frame - 1, *here[at + 1 : at + len(word)].tolist()]
    field = {
        "piece": tuple(map(readable, piece)),
        "written": tuple(text_of(p) for p in piece),
        "n_special": len(given.special),
        "n_byte": len(given.fallback),
        "n_alphabet": done.n_alphabet,
        "n_rare_character": len(given.rare),
        "rare_share": given.n_rare / max(len(task.text), 1),
        "n_rare": np.array([step.rare.sum() for step in done.step], np.int32),
        "born": np.zeros(n_piece, np.int32),
        "gone": np.append(np.full(n_base, n_frame), alive.sum(0)).astype(np.int32),  # what dies stays dead
        "parent": np.full((n_piece, 2), -1, np.int32),
        "n_token": np.array([frame.count.sum() for frame in done.frame]) + given.n_rare_token,
        "axis": n_base + alive.sum(1),
        "log_likelihood": np.array([frame.log_likelihood for frame in done.frame]),
        "columns": ("loss", "count", "log_prob"),
        "pair": pair,
        "numbers": numbers,
        "chosen": chosen,
        "rival": np.zeros_like(chosen),
        "first_difference": n_step,
        "loss": loss,
        "until": None,
        "bits": np.array(bits[1:N_SHOWN], np.int64),
    }
    model = log_probs(done, n_step)
    return Learned(field, piece, [], lambda word: most_probable(word, model, task.byte_fallback))


def log_probs(done: unigram_training.Training, frame: int) -> Model:
    """The Unigram model of one frame."""
    at = done.frame[frame]
    model = {done.piece[i]: float(at.log_prob[i]) for i in np.flatnonzero(at.alive)}
    return model, max(map(len, model), default=1), min(model.values(), default=0.0) - PENALTY


def most_probable(word: str, model: Model, byte_fallback: bool) -> list[Token]:
    """A word's tokens by Unigram: the most probable path."""
    tokens: list[Token] = []
    for start, end in unigram.viterbi(word, *model)[0]:
        piece = word[start:end]
        tokens += [(piece, True)] if piece in model[0] else unseen(piece, byte_fallback)
    return tokens


# A cancelled training raises and is not remembered; the watcher is not part of what is asked for.
@cachetools.cached(cachetools.LRUCache(4), key=lambda task, tick=no_tick: task, condition=threading.Condition())
def unigrams(task: Task, tick: Callable[[float], None] = no_tick) -> tuple[Corpus, unigram_training.Training]:
    """A Unigram training of the task's text, whatever its algorithm is; remembered."""
    given = corpus(task)
    size = task.vocab_size - len(given.special) - len(given.fallback)
    return given, unigram_training.train(given.count, size, task.min_frequency, tick=tick)


@cachetools.cached(cachetools.LRUCache(4), key=lambda task, tick=no_tick: task, condition=threading.Condition())
def learn(task: Task, tick: Callable[[float], None] = no_tick) -> Learned:
    """The training, remembered: the frame shown, the word and the sample do not change it."""
    return (pruning if task.algorithm == "unigram" else pairwise)(task, tick)
