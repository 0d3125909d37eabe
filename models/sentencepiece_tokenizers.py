"""SentencePiece tokenizers, which segment the whole text, spaces and all: BPE by piece scores, and Unigram.

Sources: Kudo & Richardson 2018, "SentencePiece", section 3; BPE: Sennrich et al. 2016 (models/byte_pair_encoding.py);
Unigram: Kudo 2018, "Subword Regularization", section 3.2 (models/unigram.py).

    normalise   the model's own character map; a space becomes the visible mark ▁; perhaps one ▁ is put in front
    segment     BPE: of all adjacent pairs that make up a piece, merge the one with the highest score, leftmost first
                Unigram: the path of pieces with the highest sum of scores, which are log-probabilities
    fall back   a character that is no piece becomes its UTF-8 bytes, or <unk> in a model without byte pieces; unknown
                characters side by side are then one <unk>

Glossary
    normal form   the text as the model sees it; every byte of it knows which bytes of the text it comes from
    score         BPE: minus the order in which training learned the piece; Unigram: ln p(piece)
    segment       a part of the normal form that no piece can reach across the borders of: between its last character
                  and the next one's first stands a pair of characters that no piece holds side by side

The four models and what is peculiar about each
    mistral           BPE, 32,000. Nothing is normalised, all white space stays; ▁ in front. A literal ▁ (U+2581) is
                      read as a space. A run of spaces has pieces with the worst score of all, so they merge last.
    j2                Unigram, 262,144. NFKC; line breaks and tabs become spaces, some control characters vanish.
                      Nothing in front. Pieces reach over spaces ("▁as▁well▁as"). Commas and brackets always stand
                      alone. (AI21's own package adds steps around this model: its line break piece is not in here.)
    botchan-bpe, botchan-unigram   1,000 each, trained on the same novel, so that only the algorithm differs. NFKC; ▁ in
                      front; runs of spaces become one, those at the ends go. For botchan-bpe a line break is a space,
                      for botchan-unigram it is unknown. No byte pieces.

The sentencepiece library reads the model file and normalises; everything after is done here. Scores are added in
single precision, as the library does: in "----------" many paths are equal but for that rounding, and it decides.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

import assets
from models import unigram
from models.byte_pair_encoding import by_token, merge, replay
from models.language_model import ModelUnavailable
from models.segments import LONGEST_REMEMBERED, N_REMEMBERED, around_special, between_special, first_bytes
from models.tokenizer import Algorithm, Edge, Lattice, Lookup, Merge, Merges, Split, Story

SPACE = "▁"
TOLD = 64  # characters; of a longer segment only a part is told
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # kinds of pieces in a model file


@dataclass(frozen=True)
class NormalForm:
    """A text as the model sees it, byte by byte, with the bytes of the text that each byte comes from."""

    text: str
    start: Int[np.ndarray, "k"]
    end: Int[np.ndarray, "k"]
    same: Bool[np.ndarray, "k"]  # as part of a piece, it decodes to where it comes from
    same_byte: Bool[np.ndarray, "k"]  # as a byte piece, it does


class SentencePiece:
    """`Tokenizer` for a SentencePiece model file. Everything is fixed at construction."""

    def __init__(self, name: str, model: bytes, by_library: bool = False) -> None:
        """by_library: let the library segment too; then this file only says where the tokens stand, and why.

        Raises ValueError, or what the library raises, for what is no usable model file.
        """
        from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

        self._library = SentencePieceProcessor(model_proto=model)
        proto: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
        proto.ParseFromString(model)
        self.name, self._by_library = name, by_library
        self._normalizer, trainer = proto.normalizer_spec, proto.trainer_spec
        kinds: dict[int, Algorithm] = {trainer.UNIGRAM: "unigram", trainer.BPE: "bpe"}
        self.algorithm: Algorithm = kinds.get(trainer.model_type, "units")
        if not by_library and (self.algorithm == "units" or any(piece.type == UNUSED for piece in proto.pieces)):
            raise ValueError("only the library can segment with this model")
        self._suffix = trainer.treat_whitespace_as_suffix
        self._unknown_shown = trainer.unk_surface

        rows = [(piece.piece, piece.score, piece.type) for piece in proto.pieces]
        self._piece = [piece for piece, _, _ in rows]
        self._kind = [kind for _, _, kind in rows]
        self.vocab_size = len(rows)
        self._unk = self._kind.index(UNKNOWN)
        self.special: Mapping[str, int] = {
            piece: i for i, (piece, _, kind) in enumerate(rows) if kind == CONTROL and "reserved" not in piece
        }
        self._byte_id = {int(piece[3:5], 16): i for i, (piece, _, kind) in enumerate(rows) if kind == BYTE}
        self.unknown: int | None = None if self._byte_id else self._unk
        self._byte_of = {i: byte for byte, i in self._byte_id.items()}
        self._is_byte = np.array([kind == BYTE for kind in self._kind])

        self._id = {piece: i for i, (piece, _, kind) in enumerate(rows) if kind in (NORMAL, USER_DEFINED)}
        own = {piece for piece, _, kind in rows if kind == USER_DEFINED}
        self._own = re.compile("|".join(map(re.escape, sorted(own, key=len, reverse=True)))) if own else None
        score = {piece: score for piece, score, kind in rows if kind == NORMAL}
        order = sorted({score[piece] for piece in score if len(piece) > 1}, reverse=True)
        place = {value: rank for rank, value in enumerate(order)}
        # BPE: equal scores share a rank, so that the leftmost pair goes first.
        self._rank = {piece: place[score[piece]] for piece in score if len(piece) > 1}
        self._merge_rank = by_token({piece.encode(): rank for piece, rank in self._rank.items()})
        # Unigram: a piece that the model's maker defined gets a score that always wins.
        self._log_prob = score | {piece: 0.1 * (len(piece.encode()) - 1) for piece in own}
        self._unknown_score = min(score.values()) - 10.0
        self._reach = _reach(self._id) if self.algorithm == "unigram" else {}

        self._inside = _pairs(self._id)
        self._longest = max(map(len, self._id))
        # A Unigram segment comes again only with the same score before it, so in the same text: fewer, but longer ones.
        self._memorable = 16 * LONGEST_REMEMBERED if self.algorithm == "unigram" else LONGEST_REMEMBERED
        self._remembered = lru_cache(N_REMEMBERED // 4 if self.algorithm == "unigram" else N_REMEMBERED)(self._cut)

    # --- text -> tokens -----------------------------------------------------------------------------------------------

    def split(self, text: str, special: bool = False) -> Split:
        """See `Tokenizer.split`. Only the text's very beginning gets the ▁ in front, not what follows a special."""
        return around_special(text, self.special, self._split) if special else self._split(text)

    def _split(self, text: str, first: bool = True) -> Split:
        """The tokens of a text without special tokens. first: it is the beginning of the whole text."""
        form = self._normal_form(text, first or self._by_library)
        token, past = self._tokens(text, form)
        begin = np.concatenate(([0], past[:-1])) if len(past) else past
        is_byte = self._is_byte[token]
        wrong = np.where(is_byte, _any_false(form.same_byte, begin, past), _any_false(form.same, begin, past))
        return Split(
            id=token,
            start=form.start[begin].astype(np.int32),
            end=form.end[past - 1].astype(np.int32),
            exact=~wrong & (token != self._unk),
        )

    def _normal_form(self, text: str, first: bool = True) -> NormalForm:
        """The text as the model sees it. first: with the ▁ in front, if the model wants one."""
        normal, offsets = self._library.normalize(text, with_offsets=True)
        # offset[i]: the character of the text that character i of the normal form comes from; one more at the end.
        offset = np.array(offsets, np.int64)
        added = bool(normal) and self._normalizer.add_dummy_prefix
        mark = SPACE if added and (first or self._suffix) else ""
        if added:  # the ▁ comes from nowhere: it is put back below
            inner = slice(None, -1) if self._suffix else slice(1, None)
            normal, offset = normal[inner], offset[inner]
        # Characters of the normal form that come from one character of the text all have its place: where the next
        # place begins, that character ends.
        source, past = offset[:-1], offset[np.searchsorted(offset[:-1], offset[:-1], side="right")]
        code = np.frombuffer(normal.encode("utf-32-le"), np.uint32)
        there = np.append(np.frombuffer(text.encode("utf-32-le"), np.uint32), 0)[source]
        moves = np.diff(source) > 0
        alone = (past - source == 1) & np.append(moves, True) & np.insert(moves, 0, True)
        same_byte = alone & (code == there)
        same = alone & (np.where(code == ord(SPACE), ord(" "), code) == there)

        byte, edge = first_bytes(text), first_bytes(normal)
        width = np.diff(edge)
        # A byte of a character that is itself in the text stands for that very byte; else each stands for the whole.
        itself = np.repeat(same_byte, width)
        begin, end = np.repeat(byte[source], width), np.repeat(byte[past], width)
        begin = np.where(itself, begin + np.arange(len(begin)) - np.repeat(edge[:-1], width), begin)
        end = np.where(itself, begin + 1, end)
        columns = [begin, end, np.repeat(same, width), itself]
        if mark:
            nowhere = byte[offset[-1 if self._suffix else 0]]
            extra = [np.full(len(mark.encode()), value) for value in (nowhere, nowhere, True, False)]
            columns = [np.concatenate((c, e) if self._suffix else (e, c)) for c, e in zip(columns, extra, strict=True)]
        return NormalForm(normal + mark if self._suffix else mark + normal, *columns)

    def _tokens(self, text: str, form: NormalForm) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
        """(ids, the byte of the normal form at which each ends)."""
        if self._by_library:
            found = self._library.encode(text, return_type="proto").pieces
            ids = [piece.id for piece in found]
            width = [1 if piece.id in self._byte_of else len(piece.piece.encode()) for piece in found]
            return np.array(ids, np.int32), np.cumsum(np.array(width, np.int64))
        parts, score = [], 0.0
        for segment in self._segments(form.text):
            cut = self._remembered if len(segment) <= self._memorable else self._cut
            parts.append(cut(segment, score))
            score = parts[-1][2]
        token = np.array(list(chain.from_iterable([part[0] for part in parts])), np.int32)
        past = np.cumsum(np.array(list(chain.from_iterable([part[1] for part in parts])), np.int64))
        if self.unknown is not None and len(token):
            # Unknown characters side by side become one token.
            kept = np.append((token[:-1] != self._unk) | (token[1:] != self._unk), True)
            token, past = token[kept], past[kept]
        return token, past

    def _segments(self, normal: str) -> list[str]:
        """The normal form, cut wherever two characters meet that no piece holds side by side."""
        code = np.frombuffer(normal.encode("utf-32-le"), np.uint32).astype(np.int64)
        pair = code[:-1] << 21 | code[1:]
        place = np.minimum(np.searchsorted(self._inside, pair), len(self._inside) - 1)
        cuts = (np.flatnonzero(self._inside[place] != pair) + 1).tolist()
        return [normal[a:b] for a, b in pairwise([0, *cuts, len(normal)])] if normal else []

    def _cut(self, segment: str, score: float) -> tuple[tuple[int, ...], tuple[int, ...], float]:
        """(ids, bytes of each, score so far) of one segment. score: of all segments before; 0 in BPE."""
        ids: list[int] = []
        width: list[int] = []
        pieces, score = self._pieces(segment, score)
        for piece in pieces:
            token = self._id.get(piece)
            raw = piece.encode()
            if token is None and self._byte_id:
                ids += [self._byte_id[byte] for byte in raw]
                width += [1] * len(raw)
            else:
                ids.append(self._unk if token is None else token)
                width.append(len(raw))
        return tuple(ids), tuple(width), score

    def _pieces(self, segment: str, score: float) -> tuple[list[str], float]:
        """The segment's pieces, and the score so far; a piece not in the vocabulary is a single unknown character."""
        if self.algorithm == "unigram":
            return self._best_path(segment, score)
        found: list[str] = []
        for part, own in self._parts(segment):
            chars = [char.encode() for char in part]
            found += [part] if own else [piece.decode() for piece in merge(chars, self._merge_rank)]
        return found, score

    def _parts(self, segment: str) -> list[tuple[str, bool]]:
        """BPE: what the model's maker defined to be a piece (True) is taken out first, and never merged."""
        if self._own is None:
            return [(segment, False)]
        found, at = [], 0
        for match in self._own.finditer(segment):
            found += [(segment[at : match.start()], False), (match[0], True)]
            at = match.end()
        return [(part, own) for part, own in [*found, (segment[at:], False)] if part]

    def _best_path(self, segment: str, score: float) -> tuple[list[str], float]:
        """Unigram: `unigram.viterbi` in single precision, and no further at each place than a piece can reach."""
        n = len(segment)
        best = array("f", [score] + [-np.inf] * n)  # rounds what is stored in it
        origin = [0] * (n + 1)
        rounded = array("f", [0.0])
        log_prob, reach = self._log_prob, self._reach
        for start in range(n):
            if abs(best[start]) > TOO_FAR:
                for end in range(n, start - 1, -1):
                    best[end] -= best[start]
            so_far = best[start]
            far = self._longest
            for k in STEPS:
                if far < k:
                    break
                far = reach.get(segment[start : start + k], k - 1)
            if segment[start] not in log_prob:
                rounded[0] = so_far + self._unknown_score
                if rounded[0] > best[start + 1]:
                    best[start + 1], origin[start + 1] = rounded[0], start
            for end in range(start + 1, min(n, start + far) + 1):
                step = log_prob.get(segment[start:end])
                if step is not None:
                    rounded[0] = so_far + step
                    if rounded[0] > best[end]:
                        best[end], origin[end] = rounded[0], start
        found = []
        while n:
            found.append(segment[origin[n] : n])
            n = origin[n]
        return found[::-1], best[-1]

    # --- tokens -> text -----------------------------------------------------------------------------------------------

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer.decode`: ▁ becomes a space, and the ▁ in front is taken away again."""
        written = [self._written(i) for i in ids]
        if self._normalizer.add_dummy_prefix or self._normalizer.remove_extra_whitespaces:
            for i, token in enumerate(ids):
                if self._kind[token] in (NORMAL, USER_DEFINED):
                    written[i] = written[i].removeprefix(b" ")
                if written[i] or not self._normalizer.remove_extra_whitespaces:
                    break
        return b"".join(written).decode("utf-8", "replace")

    def _written(self, token: int) -> bytes:
        """What a token adds to the text."""
        if token in self._byte_of:
            return bytes([self._byte_of[token]])
        if token == self._unk:
            return str(self._unknown_shown).encode()
        piece = self._piece[token]
        return (piece if self._kind[token] == CONTROL else piece.replace(SPACE, " ")).encode()

    def piece(self, token: int) -> str:
        """See `Tokenizer.piece`: a space is written ▁."""
        return self._piece[token]

    def rank(self, token: int) -> float | None:
        """See `Tokenizer.rank`."""
        if self._kind[token] != NORMAL:
            return None
        piece = self._piece[token]
        found = self._log_prob.get(piece) if self.algorithm == "unigram" else self._rank.get(piece)
        return None if found is None else float(found)

    # --- why ----------------------------------------------------------------------------------------------------------

    def story(self, text: str, split: Split, index: int) -> Story:
        """See `Tokenizer.story`. Of a segment longer than 64 characters the pieces around the token are told."""
        token = int(split.id[index])
        surface = text.encode()[split.start[index] : split.end[index]].decode("utf-8", "replace")
        if token == self._unk or self._kind[token] in (CONTROL, USER_DEFINED) or self.algorithm == "units":
            return Lookup(surface[:TOLD], token != self._unk)
        part, first, place = between_special(text, self.special, split, index)
        form = self._normal_form(part, first=not first or self._by_library)
        _, past = self._tokens(part, form)
        return self._tell(form.text, int(past[place - 1]) if place else 0, int(past[place]))

    def _tell(self, normal: str, begin: int, past: int) -> Story:
        """How the piece at the bytes begin .. past of a normal form came about."""
        at, score = 0, 0.0
        for segment in self._segments(normal):
            pieces, score = self._pieces(segment, score)
            if begin < at + len(segment.encode()):
                break
            at += len(segment.encode())
        edge = np.cumsum([at] + [len(piece.encode()) for piece in pieces])
        which = int(np.searchsorted(edge, begin, side="right")) - 1
        left, right = around(pieces, which)
        word = "".join(pieces[left:right])
        if self.algorithm == "bpe":
            start: list[bytes] = []
            for char in word:
                known = char in self._id or not self._byte_id
                start += [char.encode()] if known else [bytes([byte]) for byte in char.encode()]
            final, merges = replay(start, self._merge_rank)
            ends = edge[left] + np.cumsum([len(piece) for piece in final])
            shown = tuple(self._show(piece) for piece in start)
            steps = tuple(Merge(i, self._show(left), self._show(right), rank) for i, left, right, rank in merges)
            return Merges(shown, steps, int(np.searchsorted(ends, past)))
        path = list(pairwise(np.cumsum([0] + [len(piece) for piece in pieces[left:right]]).tolist()))
        arcs = unigram.lattice(word, self._log_prob, self._longest, self._unknown_score)
        best = set(path)
        edges = tuple(Edge(a, b, word[a:b], step, (a, b) in best) for a, b, step in arcs)
        total = sum(step for a, b, step in arcs if (a, b) in best)
        told = next(i for i, (a, b, _) in enumerate(arcs) if (a, b) == path[which - left])
        return Lattice(word, edges, total, told)

    def _show(self, piece: bytes) -> str:
        """A piece as it is, a byte of an unknown character as <0xE4>."""
        try:
            shown = piece.decode()
        except UnicodeDecodeError:
            shown = ""
        return shown if shown in self._id or not self._byte_id else f"<0x{piece[0]:02X}>"


def around(pieces: Sequence[str], which: int) -> tuple[int, int]:
    """The range of pieces around one that together have at most TOLD characters, as far as that is possible."""
    left, right, n = which, which + 1, len(pieces[which])
    while True:
        if right < len(pieces) and n + len(pieces[right]) <= TOLD and (right - which <= which - left or not left):
            n += len(pieces[right])
            right += 1
        elif left and n + len(pieces[left - 1]) <= TOLD:
            n += len(pieces[left - 1])
            left -= 1
        else:
            return left, right


TOO_FAR = 100_000.0  # a score beyond this starts again from 0, so that single precision does not run out of digits
STEPS = (2, 4, 8, 16, 32)  # how many characters of a piece's beginning are looked at to tell how far it may reach


def _reach(pieces: Mapping[str, int]) -> dict[str, int]:
    """The length of the longest piece for each beginning of a piece that has a length in STEPS, and for ""."""
    reach: dict[str, int] = {}
    for piece in pieces:
        n = len(piece)
        for k in (0, *STEPS):
            if k > n:
                break
            head = piece[:k]
            if reach.get(head, 0) < n:
                reach[head] = n
    return reach


def _pairs(pieces: Mapping[str, int]) -> Int[np.ndarray, "p"]:
    """Every pair of characters that stand side by side in some piece, each as one number, in order."""
    joined = "\0".join(pieces)
    code = np.frombuffer(joined.encode("utf-32-le"), np.uint32).astype(np.int64)
    inner = (code[:-1] > 0) & (code[1:] > 0)
    found = np.unique((code[:-1] << 21 | code[1:])[inner])
    return found if len(found) else np.array([-1])


def _any_false(flag: Bool[np.ndarray, "k"], begin: Int[np.ndarray, "n"], end: Int[np.ndarray, "n"]) -> np.ndarray:
    """For each range begin .. end whether a flag in it is false."""
    count = np.concatenate(([0], np.cumsum(~flag)))
    return count[end] > count[begin]


FILES = {
    "mistral": ("mistral", "tokenizer.model"),
    "j2": ("j2", "tokenizer.model"),
    "botchan-bpe": ("botchan", "bpe.model"),
    "botchan-unigram": ("botchan", "unigram.model"),
}


@lru_cache(len(FILES))
def load(name: str) -> SentencePiece:
    """The tokenizer of that name in FILES. Raises ModelUnavailable."""
    asset, file = FILES[name]
    title = assets.find(asset).title.split(",")[0]
    try:
        return SentencePiece(name, (assets.path(asset) / file).read_bytes())
    except assets.AssetMissing as missing:
        raise ModelUnavailable("asset_missing", name=title, command=missing.command) from missing
    except Exception as error:  # a pinned file that does not load: something happened to it since
        raise ModelUnavailable("asset_damaged", name=title, command=assets.find(asset).command) from error
