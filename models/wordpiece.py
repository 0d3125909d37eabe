"""WordPiece as BERT uses it: words, then for each word the longest pieces that fit, from left to right.

Sources: Schuster & Nakajima 2012, "Japanese and Korean Voice Search", section 3; Wu et al. 2016, "Google's Neural
Machine Translation System", section 4.1; Devlin et al. 2019, "BERT", section 3. The steps are those of the `tokenizers`
library's BertNormalizer and BertPreTokenizer, which the tests compare with.

    clean     drop control characters and U+FFFD; every kind of white space becomes a space
    CJK       a space around every Chinese character: each is a word
    accents   canonical decomposition (NFD), then drop the combining marks: é -> e
    case      lower
    words     cut at spaces, which are dropped, and around every punctuation mark
    pieces    at each place of a word the longest piece in the vocabulary; inside a word a piece is written "##ing"

    hugging   -> hugging? no   huggin? no   hugg? no   hug: yes    | ##ging? no   ##gin? no ...

If one place fits no piece, the whole word is [UNK]; so is a word of more than 100 characters, unseen.

What is lost: case, accents, white space, unknown words. Hugging Face's decoder guesses one space before every word;
here nothing is guessed: the words come back without spaces.

Simplified: no [CLS] and [SEP] around the text. Characters are judged by Python's Unicode tables, which are newer than
those of the library: they differ only in characters that came after Unicode 8.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

import assets
from models.language_model import ModelUnavailable
from models.segments import Part, around_special, between_special, first_bytes, join, remember
from models.tokenizer import Algorithm, Lookup, Match, Matches, Split

LONGEST_WORD = 100
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# White space as Unicode defines it, without the control characters that cleaning drops (vertical tab, form feed, NEL).
SPACES = "\t\n\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
SPACE = re.compile(f"[{SPACES}]")
CHUNKS = re.compile(
    f"[{SPACES}]*[^{SPACES}]+|[{SPACES}]+"
)  # what is remembered at a time: white space and what follows
ASCII_WORDS = re.compile("[A-Za-z0-9]+|[^A-Za-z0-9 ]")
# The CJK ideographs and their extensions; the library begins extension E at U+2B920, 256 characters late.
CHINESE = re.compile("[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b920-\U0002ceaf"
                     "\uf900-\ufaff\U0002f800-\U0002fa1f]")  # fmt: skip
ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def is_dropped(char: str) -> bool:
    """Control characters, format characters such as ZWJ, private use, and the replacement character."""
    return char == "\N{REPLACEMENT CHARACTER}" or unicodedata.category(char) in ("Cc", "Cf", "Co")


def is_punctuation(char: str) -> bool:
    """All that is neither letter, digit, space nor control in ASCII, and what Unicode calls punctuation beyond it."""
    return char in ASCII_PUNCTUATION or unicodedata.category(char)[0] == "P"


@lru_cache(1 << 16)
def normal_form(char: str, lower: bool) -> tuple[tuple[str, bool], ...]:
    """What one character becomes: nothing, a space, itself, or its letters without accents and in lower case.

    Each with whether it is a word by itself.
    """
    if SPACE.match(char):
        return ((" ", False),)
    if is_dropped(char):
        return ()
    parts = [char]
    if lower:
        parts = [c.lower() for c in unicodedata.normalize("NFD", char) if unicodedata.category(c) != "Mn"]
    chinese = bool(CHINESE.match(char))
    return tuple((c, chinese or is_punctuation(c)) for c in "".join(parts))


def words(chunk: str, lower: bool) -> Iterator[tuple[str, Sequence[int]]]:
    """The words of a text, each with the index in the text of every character in it."""
    if lower and chunk.isascii() and chunk.isprintable():  # the same, with nothing to drop: most of an English text
        for match in ASCII_WORDS.finditer(chunk):
            yield match[0].lower(), range(match.start(), match.end())
        return
    word: list[str] = []
    place: list[int] = []
    for i, char in enumerate(chunk):
        for c, alone in normal_form(char, lower):
            if alone or c == " ":
                if word:
                    yield "".join(word), place
                if c != " ":
                    yield c, [i]
                word, place = [], []
            else:
                word.append(c)
                place.append(i)
    if word:
        yield "".join(word), place


def longest_match_first(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Where the pieces of a word end; [] if some place of it fits no piece."""
    ends: list[int] = []
    start = 0
    while start < len(word):
        end, mark = len(word), "##" if start else ""
        while end > start and mark + word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return []
        ends.append(end)
        start = end
    return ends


class WordPiece:
    """`Tokenizer` for a vocabulary of pieces. Everything is fixed at construction."""

    algorithm: Algorithm = "wordpiece"

    def __init__(self, name: str, vocabulary: Mapping[str, int], lower: bool = True) -> None:
        """vocabulary: id of each piece, [UNK] among them. lower: drop case and accents."""
        self.name, self.lower = name, lower
        self.vocabulary = dict(vocabulary)
        self.vocab_size = max(self.vocabulary.values()) + 1
        self.unknown: int | None = self.vocabulary["[UNK]"]
        self.special: Mapping[str, int] = {piece: self.vocabulary[piece] for piece in SPECIAL if piece in vocabulary}
        self._piece = {i: piece for piece, i in self.vocabulary.items()}
        self._part = remember(self._cut)

    def split(self, text: str, special: bool = False) -> Split:
        """See `Tokenizer.split`."""
        return around_special(text, self.special, self._plain) if special else self._plain(text)

    def _plain(self, text: str, first: bool = True) -> Split:
        """The tokens of a text without special tokens."""
        return join(map(self._part, CHUNKS.findall(text)))

    def _cut(self, chunk: str) -> Part:
        """The tokens of a part of a text that no word reaches out of."""
        byte = first_bytes(chunk).tolist()
        ids, starts, ends, exact = [], [], [], []
        for word, place in words(chunk, self.lower):
            pieces = self._pieces(word)
            start = 0
            for end in pieces or [len(word)]:
                first, past = place[start], place[end - 1] + 1
                ids.append(self.vocabulary[("##" if start else "") + word[start:end] if pieces else "[UNK]"])
                starts.append(byte[first])
                ends.append(byte[past])
                exact.append(bool(pieces) and chunk[first:past] == word[start:end])
                start = end
        return Part(tuple(ids), tuple(starts), tuple(ends), tuple(exact), byte[-1])

    def _pieces(self, word: str) -> list[int]:
        """Where the pieces of a word end; [] if it is unknown."""
        return longest_match_first(word, self.vocabulary) if len(word) <= LONGEST_WORD else []

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer.decode`. White space is lost, and none is made up."""
        return "".join(self.piece(i).removeprefix("##") for i in ids)

    def piece(self, token: int) -> str:
        """See `Tokenizer.piece`: "##ing" is a piece that continues a word."""
        return self._piece.get(token, f"<{token}>")

    def rank(self, token: int) -> float | None:
        """None: the longest piece wins, whatever its rank."""
        return None

    def story(self, text: str, split: Split, index: int) -> Lookup | Matches:
        """See `Tokenizer.story`."""
        part, at, _ = between_special(text, self.special, split, index)
        if self.special.get(part) == split.id[index]:
            return Lookup(part, True)
        # The text from white space to white space around the token holds its word.
        raw, begin = part.encode(), int(split.start[index]) - at
        before, after = raw[:begin].decode(), raw[begin:].decode()
        chunk = SPACE.split(before)[-1] + SPACE.split(after, maxsplit=1)[0]
        first = at + begin - len(SPACE.split(before)[-1].encode())
        # How many of the chunk's tokens come before this one.
        left = index - int(np.searchsorted(split.start, first))
        for word, _ in words(chunk, self.lower):
            n_piece = len(self._pieces(word)) or 1
            if left < n_piece:
                return tell(word, self.vocabulary, left)
            left -= n_piece
        raise ValueError(f"this text has no token {index}")


def tell(word: str, vocabulary: Mapping[str, int], token: int) -> Lookup | Matches:
    """The search for a word's pieces, up to the last one or, in a long word, up to the token at that index."""
    if len(word) > LONGEST_WORD:
        return Lookup(word[:64] + "…", False)
    ends = longest_match_first(word, vocabulary)
    found: list[Match] = []
    start = 0
    while start < len(word) and (not found or found[-1].found):
        if len(word) > 64 and len(found) > token and ends:
            word = word[:start]
            break
        mark = "##" if start else ""
        tried = [mark + word[start:end] for end in range(len(word), start, -1)]
        n_tried = next((n for n, piece in enumerate(tried, 1) if piece in vocabulary), 0)
        shown = tried[: n_tried or None]
        shown = shown if len(shown) <= 16 else shown[:8] + shown[-8:]
        found.append(Match(tuple(shown), n_tried or len(tried), n_tried > 0))
        start = len(word) - n_tried + 1
    # An unknown word is one token: the search that failed made it.
    return Matches(word, tuple(found), token if ends else len(found) - 1)


@lru_cache(1)
def load_bert() -> WordPiece:
    """bert-base-uncased's tokenizer, 30,522 pieces. Raises ModelUnavailable."""
    asset = assets.find("minilm")
    title = "BERT"
    try:
        lines = (assets.path("minilm") / "vocab.txt").read_text(encoding="utf-8").split("\n")
        pieces = lines[:-1] if lines[-1] == "" else lines
        return WordPiece("bert", {piece: i for i, piece in enumerate(pieces)})
    except assets.AssetMissing as missing:
        raise ModelUnavailable("asset_missing", name=title, command=missing.command) from missing
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable("asset_damaged", name=title, command=asset.command) from error
