"""One text, several tokenizers: where each of them cuts, what it costs, what it loses, and why.

Sources: the algorithms are in models/byte_pair_encoding.py, wordpiece.py, unigram.py and greedy_trie.py. What a text
costs in different languages: Petrov et al. 2023, "Language Model Tokenizers Introduce Unfairness Between Languages",
section 3 (the premium of a language is its token count over that of the same sentence in English).

    parameters = vocab_size * d_model                 the embedding table; once more for an output layer of its own
    seconds    = n_token * milliseconds per token     of a model that writes one token after another
    context    = n_token / n_ctx

Glossary
    boundary    a byte between two tokens
    dispute     a boundary that some of the tokenizers have and the others have not
    lost        a character that decoding does not give back: unknown, dropped, or written differently
    premium     tokens of a sentence divided by those of the same sentence in English

Simplified: tokens are counted without the special tokens that a model puts around a text.
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int

from models import tokenizer
from models.fields import LogRange, Range, Several, Text, no_tick
from models.language_model import ModelUnavailable
from models.segments import first_bytes
from models.tokenizer import NAMES, Lattice, Lookup, Matches, Merges, Split, Story
from models.tokenizer_claims import CLAIMS
from models.tokenizer_reference import reference

__all__ = ["CLAIMS", "Config", "Trace", "check", "facts", "trace"]

N_CHAR = 100_000
# Rows of the embedding tables of well-known models: the defaults of their classes in transformers 5.23; Llama 3 8B's
# own config.json.
PUBLISHED = {
    "Llama 2": 32_000,
    "GPT-2": 50_257,
    "Llama 3": 128_256,
    "Qwen2": 151_936,
    "Llama 4": 202_048,
    "Gemma 3": 262_208,
}
SAMPLES: dict[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Config:
    """One text and the tokenizers that split it."""

    text: Annotated[str, Text(N_CHAR)] = "Unbelievable: tokenizers cut 1234567 and 人工智能 differently 🙂"
    tokenizers: Annotated[str, Several(*NAMES, most=6)] = "gpt2 o200k bert mistral"
    own: Annotated[str, Text(200)] = ""  # a tokenizer.json, its folder, or a Hugging Face id
    special: bool = False  # read special tokens such as <|endoftext|> in the text as such
    d_model: Annotated[int, Range(64, 16_384, 64)] = 4_096
    tied: bool = False  # one table for embedding and output
    n_ctx: Annotated[float, LogRange(1e3, 1e7)] = 8_192.0
    ms_per_token: Annotated[int, Range(1, 200)] = 20
    row: Annotated[int, Range(0, 5)] = 0  # the token whose story is told: of which tokenizer,
    token: Annotated[int, Range(0, 4 * N_CHAR)] = 2  # and which one


@dataclass(frozen=True)
class Row:
    """What one tokenizer makes of the text."""

    name: str
    algorithm: str
    split: Split
    piece: dict[int, str]  # of every id that occurs
    rank: dict[int, float]  # BPE: rank of the merge; Unigram: log-probability; only where there is one
    vocab_size: int
    n_unknown: int
    n_lost: int  # characters that decoding does not give back
    decoded: str

    @property
    def n_token(self) -> int:
        return len(self.split.id)


@dataclass(frozen=True)
class Missing:
    """A tokenizer that cannot be had here and now, and why."""

    name: str
    reason: ModelUnavailable


@dataclass(frozen=True)
class Trace:
    """One text as several rows of tokens."""

    text: str
    row: tuple[Row, ...]
    missing: tuple[Missing, ...]
    special: bool
    n_boundary: int  # places where at least one tokenizer cuts
    n_common: int  # places where all of them do
    n_parameter: tuple[int, ...]  # embedding and output table, one per row
    published: dict[str, tuple[int, int]]  # the same of PUBLISHED: (rows, parameters)
    context: Float[np.ndarray, "r"]  # share of the context window
    seconds: Float[np.ndarray, "r"]
    sample: Int[np.ndarray, "r s"]  # tokens of the sample sentences, in the order of SAMPLES
    picked: tuple[int, int] | None  # row and token whose story is told; None if there is no token at all
    story: Story | None


def lost(text: str, split: Split) -> Int[np.ndarray, "n"]:
    """Indices of the text's characters that decoding does not give back, in order.

    A character is kept if all of its bytes lie in spans of tokens that decode to exactly what they were read from.
    """
    first = first_bytes(text)  # of each character, and the end of the text
    depth = np.zeros(first[-1] + 1, dtype=np.int64)
    np.add.at(depth, split.start[split.exact], 1)
    np.add.at(depth, split.end[split.exact], -1)
    bad = np.cumsum(depth)[:-1] == 0
    depth[:] = 0
    np.add.at(depth, split.start[~split.exact], 1)
    np.add.at(depth, split.end[~split.exact], -1)
    bad |= np.cumsum(depth)[:-1] > 0
    return np.flatnonzero(np.add.reduceat(bad, first[:-1]) > 0) if text else np.zeros(0, dtype=np.int64)


@lru_cache(maxsize=24)
def read(name: str, text: str, special: bool) -> Row:
    """One tokenizer's row. Remembered: whoever asks about another token waits for nothing."""
    found = tokenizer.load(name)
    split = found.split(text, special)
    ids = np.unique(split.id).tolist()
    rank = {i: value for i in ids if (value := found.rank(i)) is not None}
    return Row(
        name=name,
        algorithm=found.algorithm,
        split=split,
        piece={i: found.piece(i) for i in ids},
        rank=rank,
        vocab_size=found.vocab_size,
        n_unknown=int((split.id == found.unknown).sum()) if found.unknown is not None else 0,
        n_lost=len(lost(text, split)),
        decoded=found.decode(split.id.tolist()),
    )


@lru_cache(maxsize=64)
def sample_counts(name: str) -> tuple[int, ...]:
    """Tokens that each sample sentence takes."""
    found = tokenizer.load(name)
    return tuple(len(found.split(sentence.strip("\n")).id) for sentence in SAMPLES.values())


def boundaries(split: Split) -> Int[np.ndarray, "n"]:
    """The bytes at which a token begins or ends, in order, without the text's own two ends."""
    edges = np.union1d(split.start, split.end)
    return edges[1:-1]


def trace(cfg: Config, tick=no_tick) -> Trace:  # type: ignore[no-untyped-def]
    """Split the text by every tokenizer and tell the story of one token."""
    text = cfg.text.encode("utf-8", "replace").decode("utf-8")
    rows: list[Row] = []
    missing: list[Missing] = []
    names = cfg.tokenizers.split()
    for i, name in enumerate(names):
        tick(i / len(names))
        try:
            rows.append(read(cfg.own if name == "own" else name, text, cfg.special))
            sample_counts(rows[-1].name)
        except ModelUnavailable as reason:
            missing.append(Missing(name, reason))
    cuts = [boundaries(row.split) for row in rows]
    common = set.intersection(*[set(cut.tolist()) for cut in cuts]) if cuts else set()
    n_token = np.array([row.n_token for row in rows], dtype=np.float64)
    per_entry = cfg.d_model * (1 if cfg.tied else 2)
    picked, story = None, None
    if any(row.n_token for row in rows):
        at = min(cfg.row, len(rows) - 1)
        at = at if rows[at].n_token else next(i for i, row in enumerate(rows) if row.n_token)
        picked = (at, min(cfg.token, rows[at].n_token - 1))
        story = tokenizer.load(rows[at].name).story(text, rows[at].split, picked[1])
    return Trace(
        text=text,
        row=tuple(rows),
        missing=tuple(missing),
        special=cfg.special,
        n_boundary=len(np.unique(np.concatenate(cuts))) if cuts else 0,
        n_common=len(common),
        n_parameter=tuple(row.vocab_size * per_entry for row in rows),
        published={name: (size, size * per_entry) for name, size in PUBLISHED.items()},
        context=n_token / cfg.n_ctx,
        seconds=n_token * cfg.ms_per_token / 1_000,
        sample=np.array([sample_counts(row.name) for row in rows], dtype=np.int64).reshape(len(rows), len(SAMPLES)),
        picked=picked,
        story=story,
    )


def facts(trace: Trace) -> dict[str, int | float | str]:
    """The captions' numbers."""
    rows = trace.row
    counts = [row.n_token for row in rows] or [0]
    few, many = int(np.argmin(counts)), int(np.argmax(counts))
    worst = max(rows, key=lambda row: row.n_lost, default=None)
    at = trace.picked[0] if trace.picked else 0
    answer: dict[str, int | float | str] = {
        "n_char": len(trace.text),
        "n_byte": len(trace.text.encode()),
        "n_row": len(rows),
        "fewest": rows[few].name if rows else "",
        "n_fewest": counts[few],
        "most": rows[many].name if rows else "",
        "n_most": counts[many],
        "ratio": counts[many] / counts[few] if counts[few] else 1.0,
        "n_boundary": trace.n_boundary,
        "n_common": trace.n_common,
        "n_dispute": trace.n_boundary - trace.n_common,
        "n_lossless": sum(row.decoded == trace.text for row in rows),
        "lossiest": worst.name if worst else "",
        "n_lost": worst.n_lost if worst else 0,
        "n_unknown": worst.n_unknown if worst else 0,
        "decoded": worst.decoded if worst and len(worst.decoded) <= 160 else f"{worst.decoded[:159]}…" if worst else "",
        "told_by": rows[at].name if rows else "",
    }
    return answer | _story_facts(trace)


def _story_facts(trace: Trace) -> dict[str, int | float | str]:
    """Numbers about the one token whose story is told; all there whatever the story is, so that captions may differ."""
    answer: dict[str, int | float | str] = {
        "piece": "", "id": 0, "n_merge": 0, "n_word": 0, "left": "", "right": "", "rank": 0, "n_tried": 0, "word": "",
        "log_prob": 0.0, "path_log_prob": 0.0, "n_edge": 0,
    }  # fmt: skip
    if trace.picked is None:
        return answer
    row, index = trace.row[trace.picked[0]], trace.picked[1]
    answer |= {"id": int(row.split.id[index]), "piece": row.piece[int(row.split.id[index])]}
    match trace.story:
        case Merges() as story:
            own = own_merges(story)
            answer |= {"n_merge": len(own), "n_word": len(story.merge), "word": "".join(story.start)}
            if own:
                answer |= {"left": own[-1].left, "right": own[-1].right, "rank": own[-1].rank}
        case Matches() as story:
            answer |= {"word": story.word, "n_tried": story.match[story.token].n_tried if story.match else 0}
        case Lattice() as story:
            answer |= {"word": story.word, "path_log_prob": story.log_prob, "n_edge": len(story.edge)}
            answer |= {"log_prob": story.edge[story.token].log_prob} if story.edge else {}
        case Lookup() as story:
            answer |= {"word": story.word}
    return answer


def own_merges(story: Merges) -> list[tokenizer.Merge]:
    """The merges, in order, that made the story's token rather than another piece of its word."""
    pieces: list[list[int]] = [[] for _ in story.start]  # of each piece the indices of its merges
    for i, merge in enumerate(story.merge):
        pieces[merge.at : merge.at + 2] = [[*pieces[merge.at], *pieces[merge.at + 1], i]]
    return [story.merge[i] for i in sorted(pieces[story.n_before])]


def check(cfg: Config) -> dict[str, float]:
    """Token ids of the text against the tokenizers' own libraries: tiktoken, tokenizers, sentencepiece.

    Returns the number of tokens that differ, one entry per tokenizer that has a library of its own.
    """
    found: dict[str, float] = {}
    text = cfg.text.encode("utf-8", "replace").decode("utf-8")
    for name in cfg.tokenizers.split():
        try:
            encode = reference(cfg.own if name == "own" else name)
            ours = read(cfg.own if name == "own" else name, text, False).split.id.tolist()
        except ModelUnavailable:
            continue
        if encode is not None:
            theirs = encode(text)
            found[name] = float(sum(a != b for a, b in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs)))
    return found
