"""One's own tokenizer: a tokenizer.json, a SentencePiece .model, the folder that holds one, or a Hugging Face id.

Sources: the file formats are those of the `tokenizers` and `sentencepiece` libraries; the algorithms' papers are
named in models/byte_pair_encoding.py, wordpiece.py and unigram.py.

    split   by the library the file was written for; its places, in characters, become places in bytes
    story   by the algorithms of this project where the file is BPE, WordPiece or Unigram, and only if they come to the
            library's own tokens; everything else (whole words, exotic options) is told as a mere look-up

Decoding writes the tokens one after the other and guesses nothing: white space that the tokenizer dropped stays lost.
What the tokenizer puts in front of every text (SentencePiece's ▁) is taken away again.

Safety: both formats are data. No code that comes with a model runs, and from the hub comes this one file only.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from models import unigram
from models.byte_pair_encoding import by_pair, replay
from models.language_model import ModelUnavailable, legible
from models.segments import first_bytes
from models.sentencepiece_tokenizers import SentencePiece, around
from models.tiny_lm import byte_of_symbol
from models.tokenizer import Algorithm, Edge, Lattice, Lookup, Matches, Merge, Merges, Split, Story, Tokenizer
from models.wordpiece import tell

LIMIT = 100_000_000  # bytes; the largest tokenizer.json in use have about a third
FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")  # as models call them
PROBE = "a é\n\U0010fffd 1"  # what a usable tokenizer can split
ALGORITHMS: dict[str, Algorithm] = {"BPE": "bpe", "WordPiece": "wordpiece", "Unigram": "unigram"}
TOLD = 64


class OwnTokenizer:
    """`Tokenizer` for a tokenizer.json. Everything is fixed at construction."""

    def __init__(self, name: str, text: str) -> None:
        """text: what is in the file. Raises ValueError, or what the library raises, if it cannot be used."""
        content = json.loads(text)
        content["truncation"] = content["padding"] = None
        # It would add special tokens, and take leading spaces out of the places of tokens.
        content["post_processor"] = None
        self._text = json.dumps(content)
        self._plain = tokenizers.Tokenizer.from_str(self._text)
        self._plain.encode_special_tokens = True  # as ordinary characters
        model = content["model"]
        self._kind = model.get("type") or type(self._plain.model).__name__
        self.name = name
        self.algorithm: Algorithm = ALGORITHMS.get(self._kind, "units")

        vocabulary = self._plain.get_vocab()
        self.vocab_size = max(vocabulary.values()) + 1
        self._piece = {i: piece for piece, i in vocabulary.items()}
        added = content.get("added_tokens") or []
        self.special: Mapping[str, int] = {token["content"]: token["id"] for token in added if token.get("special")}
        self._added = {token["id"] for token in added}
        self._vocabulary = vocabulary
        self.unknown = self._unknown(model)

        self._suffix = model.get("end_of_word_suffix") or ""
        self._mark = model.get("continuing_subword_prefix") or ("##" if self._kind == "WordPiece" else "")
        parts = json.dumps([content.get("pre_tokenizer"), content.get("decoder")])
        self._symbol = byte_of_symbol() if '"ByteLevel"' in parts else {}
        self._space = "" if self._symbol else "▁" if "▁" in json.dumps(content["model"], ensure_ascii=False) else ""
        self._byte_fallback = bool(model.get("byte_fallback"))
        merges = [tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m) for m in model.get("merges") or []]
        self._merge = by_pair({(left.encode(), right.encode()): i for i, (left, right) in enumerate(merges)})
        self._rank = {
            left + right.removeprefix(self._mark): i for i, (left, right) in reversed(list(enumerate(merges)))
        }
        pairs = model["vocab"] if self._kind == "Unigram" else []
        self._log_prob = {piece: float(score) for piece, score in pairs if self._vocabulary[piece] != self.unknown}
        self._longest = max(map(len, self._log_prob), default=1)
        self._unknown_score = min(self._log_prob.values(), default=0.0) - 10.0

        self._prefix = False
        found = self._plain.encode("a", add_special_tokens=False)
        self._prefix = self.decode(found.ids) == " a"
        for special in (False, True):
            self.split(PROBE, special)

    def _unknown(self, model: Mapping[str, Any]) -> int | None:
        if self._kind == "Unigram":
            unknown = model.get("unk_id")
            return None if unknown is None or model.get("byte_fallback") else int(unknown)
        unknown = self._vocabulary.get(model.get("unk_token") or "")
        return None if model.get("byte_fallback") and self._kind == "BPE" else unknown

    @cached_property
    def _with_special(self) -> tokenizers.Tokenizer:
        return tokenizers.Tokenizer.from_str(self._text)

    def _encode(self, text: str, special: bool) -> tokenizers.Encoding:
        library = self._with_special if special and self.special else self._plain
        return library.encode(text, add_special_tokens=False)

    def split(self, text: str, special: bool = False) -> Split:
        """See `Tokenizer.split`. Tokens that share a character get the bytes of it that they stand for, if they do."""
        encoding = self._encode(text, special)
        raw, byte = text.encode(), first_bytes(text)
        ids = encoding.ids
        place = byte[np.array(encoding.offsets, np.int64).reshape(-1, 2)].tolist()
        written = [self._written(i) for i in ids]
        if self._prefix and written:
            written[0] = written[0].removeprefix(b" ")
        exact = [False] * len(ids)
        first = 0
        while first < len(ids):
            # A group: tokens whose places overlap.
            last, (start, end) = first + 1, place[first]
            while last < len(ids) and place[last][0] < end:
                end = max(end, place[last][1])
                last += 1
            if b"".join(written[first:last]) == raw[start:end] and ids[first] != self.unknown:
                for i in range(first, last):
                    place[i] = [start, start + len(written[i])]
                    start = place[i][1]
                    exact[i] = True
            first = last
        spans = np.array(place, np.int32).reshape(-1, 2)
        return Split(np.array(ids, np.int32), spans[:, 0].copy(), spans[:, 1].copy(), np.array(exact, np.bool_))

    def _written(self, token: int) -> bytes:
        """What a token adds to the text."""
        piece = self._piece.get(token, "")
        if token in self._added:
            return piece.encode()
        if self._symbol and all(char in self._symbol for char in piece):
            return bytes(self._symbol[char] for char in piece)
        if self._byte_fallback and len(piece) == 6 and piece.startswith("<0x"):
            return bytes([int(piece[3:5], 16)])
        piece = piece.removeprefix(self._mark).removesuffix(self._suffix)
        return (piece.replace(self._space, " ") if self._space else piece).encode()

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer.decode`."""
        text = b"".join(self._written(i) for i in ids).decode("utf-8", "replace")
        return text.removeprefix(" ") if self._prefix else text

    def piece(self, token: int) -> str:
        """See `Tokenizer.piece`: as the file writes it, but for bytes that it writes as other characters."""
        piece = self._piece.get(token, f"<{token}>")
        return self._shown(piece) if token not in self._added else piece

    def _shown(self, piece: str) -> str:
        if not self._symbol or not all(char in self._symbol for char in piece):
            return piece
        text = bytes(self._symbol[char] for char in piece).decode("utf-8", "surrogateescape")
        return "".join(f"<0x{ord(c) & 0xFF:02X}>" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)

    def rank(self, token: int) -> float | None:
        """See `Tokenizer.rank`."""
        piece = self._piece.get(token, "")
        found = self._log_prob.get(piece) if self.algorithm == "unigram" else self._rank.get(piece)
        return None if found is None else float(found)

    # --- why ----------------------------------------------------------------------------------------------------------

    def story(self, text: str, split: Split, index: int) -> Story:
        """See `Tokenizer.story`."""
        special = bool(np.isin(split.id, list(self.special.values())).any())
        encoding = self._encode(text, special)
        ids, words = encoding.ids, encoding.word_ids  # each access makes a new list
        token = ids[index]
        surface = text.encode()[split.start[index] : split.end[index]].decode("utf-8", "replace")
        plain = Lookup(surface if len(surface) <= TOLD else surface[:TOLD] + "…", token != self.unknown)
        word = words[index]
        if token in self._added or word is None:
            return plain
        low = high = index
        while low and words[low - 1] == word and ids[low - 1] not in self._added:
            low -= 1
        while high < len(ids) and words[high] == word and ids[high] not in self._added:
            high += 1
        pieces = [self._piece[i] for i in ids[low:high]]
        which, unknown = index - low, token == self.unknown
        told: Story | None = None
        if self.algorithm == "wordpiece":
            told = self._tell_matches([surface] if unknown else pieces, which, unknown)
        elif self.algorithm == "bpe" and not unknown:
            told = self._tell_merges(pieces, which)
        elif self.algorithm == "unigram" and not unknown:
            told = self._tell_lattice(pieces, which)
        return told or plain

    def _tell_merges(self, pieces: list[str], which: int) -> Merges | None:
        """BPE: the merges of a word's pieces; None if they lead elsewhere."""
        left, right = around(pieces, which)
        start: list[str] = []
        for piece in pieces[left:right]:
            body = piece.removesuffix(self._suffix)
            is_byte = self._byte_fallback and len(piece) == 6 and piece.startswith("<0x")
            chars = [piece] if is_byte else list(body)
            if piece != body:
                chars[-1:] = [chars[-1] + self._suffix] if chars else [self._suffix]
            start += chars
        final, merges = replay([piece.encode() for piece in start], self._merge)
        if self._mark or [piece.decode() for piece in final] != pieces[left:right]:
            return None
        steps = tuple(Merge(i, self._shown(a.decode()), self._shown(b.decode()), rank) for i, a, b, rank in merges)
        return Merges(tuple(map(self._shown, start)), steps, which - left)

    def _tell_matches(self, pieces: list[str], which: int, unknown: bool) -> Story | None:
        """WordPiece: the search for a word's pieces; None if it finds others."""
        word = pieces[0] + "".join(piece.removeprefix("##") for piece in pieces[1:])
        found = tell(word, self._vocabulary, which) if self._mark == "##" else None
        if not isinstance(found, Matches):
            return found
        told = [match.tried[-1] if match.found else "" for match in found.match]
        # An unknown word comes as the text writes it: its search must fail.
        return found if told[: which + 1] == pieces[: which + 1] or (unknown and not told[-1]) else None

    def _tell_lattice(self, pieces: list[str], which: int) -> Lattice | None:
        """Unigram: the lattice of a word and its best path; None if that is another than the library's."""
        left, right = around(pieces, which)
        word = "".join(pieces[left:right])
        if self._byte_fallback and any(piece.startswith("<0x") for piece in pieces[left:right]):
            return None
        path, total = unigram.viterbi(word, self._log_prob, self._longest, self._unknown_score)
        if [word[a:b] for a, b in path] != pieces[left:right]:
            return None
        arcs = unigram.lattice(word, self._log_prob, self._longest, self._unknown_score)
        best = set(path)
        edges = tuple(Edge(a, b, word[a:b], step, (a, b) in best) for a, b, step in arcs)
        told = next(i for i, (a, b, _) in enumerate(arcs) if (a, b) == path[which - left])
        return Lattice(word, edges, total, told)


# --- from a name to a file --------------------------------------------------------------------------------------------


def load(name: str) -> Tokenizer:
    """A file, a folder or a Hugging Face id as a tokenizer. Raises ModelUnavailable."""
    shown = legible(name)
    file = locate(name, shown)
    try:
        if file.stat().st_size > LIMIT:
            raise ValueError("too large")
        if file.suffix == ".model":
            return SentencePiece(name, file.read_bytes(), by_library=True)
        return OwnTokenizer(name, file.read_text(encoding="utf-8"))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the libraries raise whatever they like, and a Rust panic is no Exception
        raise ModelUnavailable("bad_tokenizer", name=shown) from error


def locate(name: str, shown: str) -> Path:
    """The file that a name stands for. Raises ModelUnavailable."""
    try:
        if not name.strip() or len(name) > 1000 or "\0" in name:
            raise ValueError
        at = Path(name.strip()).expanduser()
        is_file, is_folder = at.is_file(), at.is_dir()
    except (ValueError, OSError, RuntimeError):  # RuntimeError: the home of a user that does not exist
        raise ModelUnavailable("no_tokenizer_name", name=shown) from None
    if is_file:
        return at
    if is_folder:
        try:
            return next(
                at / file for file in [*FILES, *sorted(f.name for f in at.glob("*.model"))] if (at / file).is_file()
            )
        except (StopIteration, OSError):
            raise ModelUnavailable("no_tokenizer", name=shown) from None
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name.strip())
    except HFValidationError:
        is_path = "/" in name or "\\" in name
        raise ModelUnavailable("no_tokenizer_file" if is_path else "no_tokenizer_name", name=shown) from None
    if at.suffix in (".json", ".model"):
        raise ModelUnavailable("no_tokenizer_file", name=shown)
    return _from_hub(name.strip(), shown)


def _from_hub(name: str, shown: str) -> Path:
    """The tokenizer file of a hub id, in the hub's own cache. Raises ModelUnavailable."""
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    from models.checkpoint import HUB_DEADLINE, HUB_SECONDS, within

    for file in FILES:
        cached = try_to_load_from_cache(name, file)
        if isinstance(cached, str):
            return Path(cached)
    try:
        info = within(HUB_DEADLINE, lambda: HfApi().model_info(name, timeout=HUB_SECONDS))
    except RepositoryNotFoundError as error:  # also for a gated or private one
        raise ModelUnavailable("unknown_id", name=shown) from error
    except Exception as error:
        raise ModelUnavailable("unreachable", name=shown) from error
    there = {sibling.rfilename for sibling in info.siblings or []}
    wanted = next((file for file in FILES if file in there), None)
    if wanted is None:
        raise ModelUnavailable("no_tokenizer", name=shown)
    try:
        return Path(hf_hub_download(name, wanted, etag_timeout=HUB_SECONDS))
    except GatedRepoError as error:
        raise ModelUnavailable("unknown_id", name=shown) from error
    except Exception as error:
        raise ModelUnavailable("broken_off", name=shown) from error
