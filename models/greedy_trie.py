"""RWKV's tokenizer: at each place of the text the longest token that fits, found in a trie of bytes.

Source: Peng et al. 2024, "Eagle and Finch: RWKV with Matrix-Valued States and Dynamic Recurrence", on the
"World" tokenizer.

    "understood" -> the trie is walked u, n, d, ... as far as some token begins so; the last token passed is taken

Nothing is normalised and nothing is cut beforehand: spaces and line breaks are bytes like all others. Every single byte
is a token, so nothing is unknown, and decoding gives the text back. No merge has a rank; greedy is not shortest: a long
first token may force two more where two even ones would do.

Glossary
    trie     a tree whose edges are bytes: the path from the root to a node spells the beginning of some token
    reach    how far the walk from a place comes before no token begins so

Convention: id 0 is the end of a text, and stands for no bytes.
"""

import ast
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

import assets
from models.language_model import ModelUnavailable
from models.segments import around_special, between_special
from models.tokenizer import Algorithm, Lookup, Match, Matches, Split

END = "<|endoftext|>"
VOCAB_SIZE = 65_536  # rows of RWKV's embedding table; the last ones are not in use
TOLD = 64  # bytes of the text around a token that its story tells


def read_vocabulary(file: Path) -> dict[int, bytes]:
    """The bytes of each token. A line is: its id, a Python literal of its text or its bytes, its number of bytes.

    The literal is parsed, never run. Raises ValueError.
    """
    token: dict[int, bytes] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        number, literal = line.split(" ", 1)
        literal, width = literal.rsplit(" ", 1)
        try:
            written = ast.literal_eval(literal)
        except SyntaxError as error:
            raise ValueError(f"not a literal: {literal[:40]}") from error
        token[int(number)] = written.encode() if isinstance(written, str) else bytes(written)
        if len(token[int(number)]) != int(width):
            raise ValueError(f"token {number} does not have {width} bytes")
    return token


class Trie:
    """Tokens by their bytes. A node is a number, 0 the root."""

    def __init__(self, token: Mapping[int, bytes]) -> None:
        """token: the bytes of each id."""
        self._next: dict[int, int] = {}  # node * 256 + byte -> node: one flat dict takes far less memory than many
        self._id = [-1]  # of each node: the token that ends there, or -1
        for i, raw in token.items():
            node = 0
            for byte in raw:
                edge = node << 8 | byte
                node = self._next.setdefault(edge, len(self._id))
                if node == len(self._id):
                    self._id.append(-1)
            self._id[node] = i

    def longest(self, raw: bytes, start: int) -> tuple[int, int, int]:
        """(id, end, reach) of the longest token that stands in the bytes at `start`; id -1 if none does."""
        node, at, found, end = 0, start, -1, start
        step, tokens, n = self._next.get, self._id, len(raw)
        while at < n:
            after = step(node << 8 | raw[at])
            if after is None:
                break
            node = after
            at += 1
            if tokens[node] >= 0:
                found, end = tokens[node], at
        return found, end, at


class GreedyTrie:
    """`Tokenizer` for a vocabulary of byte strings. Everything is fixed at construction."""

    algorithm: Algorithm = "longest-match"
    unknown: int | None = None

    def __init__(self, name: str, token: Mapping[int, bytes], vocab_size: int, special: Mapping[str, int]) -> None:
        """token: the bytes of each id. Raises ValueError if a single byte is no token: some texts would have no end."""
        if {bytes([byte]) for byte in range(256)} - set(token.values()):
            raise ValueError("not every single byte is a token")
        self.name, self.vocab_size, self.special = name, vocab_size, special
        self._token = dict(token) | {i: piece.encode() for piece, i in special.items()}
        self._trie = Trie(token)

    def split(self, text: str, special: bool = False) -> Split:
        """See `Tokenizer.split`."""
        return around_special(text, self.special, self._plain) if special else self._plain(text)

    def _plain(self, text: str, first: bool = True) -> Split:
        """The tokens of a text without special tokens."""
        return self._split(text.encode())

    def _split(self, raw: bytes) -> Split:
        """The tokens of a text without special tokens."""
        ids, ends = [], []
        at, longest, n = 0, self._trie.longest, len(raw)
        while at < n:
            token, at, _ = longest(raw, at)
            ids.append(token)
            ends.append(at)
        end = np.array(ends, np.int32)
        start = np.concatenate((np.zeros(1, np.int32), end[:-1])) if ids else end
        return Split(np.array(ids, np.int32), start, end, np.ones(len(ids), np.bool_))

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer.decode`."""
        return b"".join(self._token.get(i, b"") for i in ids).decode("utf-8", "replace")

    def piece(self, token: int) -> str:
        """See `Tokenizer.piece`. A row of the table that is not in use is <65535>."""
        return _show(self._token[token]) if token in self._token else f"<{token}>"

    def rank(self, token: int) -> float | None:
        """None: the longest token wins, whatever its id."""
        return None

    def story(self, text: str, split: Split, index: int) -> Lookup | Matches:
        """See `Tokenizer.story`. Tried are the beginnings of tokens that the trie was walked along, longest first."""
        part, first, place = between_special(text, self.special, split, index)
        if self.special.get(part) == split.id[index]:
            return Lookup(part, True)
        raw, starts = part.encode(), split.start[index - place : index + 1] - first
        # Only the last tokens before it are told: the text has no words.
        low = int(np.searchsorted(starts, starts[-1] - TOLD // 2))
        end, found = 0, []
        for at in starts[low:].tolist():
            _, end, reach = self._trie.longest(raw, at)
            tried = [_show(raw[at:cut]) for cut in range(reach, end - 1, -1)]
            found.append(Match(tuple(tried if len(tried) <= 16 else tried[:8] + tried[-8:]), len(tried), True))
        return Matches(_show(raw[int(starts[low]) : end]), tuple(found), place - low)


def _show(raw: bytes) -> str:
    """Bytes as text; one that is part of no whole character as <0xE4>."""
    return "".join(
        f"<0x{ord(char) & 0xFF:02X}>" if 0xDC80 <= ord(char) <= 0xDCFF else char
        for char in raw.decode("utf-8", "surrogateescape")
    )


@lru_cache(1)
def load_rwkv() -> GreedyTrie:
    """The tokenizer of RWKV 4 to 7, 65,529 tokens. Raises ModelUnavailable."""
    asset = assets.find("rwkv")
    title = asset.title.split(",")[0]
    try:
        token = read_vocabulary(assets.path("rwkv") / "vocabulary.txt")
        return GreedyTrie("rwkv", token, VOCAB_SIZE, {END: 0})
    except assets.AssetMissing as missing:
        raise ModelUnavailable("asset_missing", name=title, command=missing.command) from missing
    except (OSError, ValueError) as error:
        raise ModelUnavailable("asset_damaged", name=title, command=asset.command) from error
