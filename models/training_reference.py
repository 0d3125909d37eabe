"""The `tokenizers` library asked the same questions: what it merges, and how it cuts a word.

Its trainers are handed our words, joined by a character that no word holds and cut there again, so that only the
training is compared. Byte-level BPE sees a byte as one printable symbol, as GPT-2 wrote it.
"""

import json
from collections.abc import Callable, Iterable, Sequence

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from models.byte_pair_training import Piece
from models.trained_vocabulary import readable

# byte -> symbol: itself where it prints in Latin-1, else the next character from U+0100 on.
PRINTING = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
SYMBOL = {value: chr(value) for value in PRINTING}
SYMBOL |= {value: chr(0x100 + i) for i, value in enumerate(value for value in range(256) if value not in SYMBOL)}


def symbols(piece: Piece) -> str:
    """A piece as the library writes it."""
    return piece if isinstance(piece, str) else "".join(SYMBOL[value] for value in piece)


def separated(words: Sequence[str]) -> tuple[str, str]:
    """(the words joined, the character between them)."""
    used = set().union(*words)
    mark = next(chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in used)
    return mark.join(words), mark


def merges(
    words: Iterable[str], special: Sequence[str], vocab_size: int, min_frequency: int, in_bytes: bool
) -> list[tuple[str, str]]:
    """The merges of tokenizers.trainers.BpeTrainer, in order."""
    written = [symbols(word.encode()) if in_bytes else word for word in words]
    text, mark = separated(written)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(mark, "removed")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(special),
        initial_alphabet=list(SYMBOL.values()) if in_bytes else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def wordpiece_vocabulary(words: Sequence[str], vocab_size: int) -> list[str]:
    """The vocabulary of tokenizers.trainers.WordPieceTrainer, in the order in which it grew."""
    text, mark = separated(words)
    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(mark, "removed")
    trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=[], show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def bpe(vocabulary: Sequence[str], merged: Sequence[tuple[str, str]], in_bytes: bool) -> Callable[[str], list[str]]:
    """tokenizers.models.BPE's cut of a word. vocabulary, merged: as the library writes them."""
    index = {piece: token for token, piece in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.BPE(index, list(merged)))
    if not in_bytes:
        return lambda word: tokenizer.encode(word).tokens
    value = {symbol: value for value, symbol in SYMBOL.items()}
    return lambda word: [
        readable(bytes(value[symbol] for symbol in token)) for token in tokenizer.encode(symbols(word.encode())).tokens
    ]


def wordpiece(vocabulary: Sequence[str], unknown: str) -> Callable[[str], list[str]]:
    """tokenizers.models.WordPiece's cut of a word."""
    index = {piece: token for token, piece in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(index, unk_token=unknown, max_input_chars_per_word=10_000))
    return lambda word: tokenizer.encode(word).tokens


def unigram(log_prob: dict[str, float]) -> Callable[[str], list[str]]:
    """tokenizers.models.Unigram's cut of a word."""
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), *log_prob.items()], unk_id=0))
    return lambda word: tokenizer.encode(word).tokens
