"""Texts of all kinds for the tokenizers' tests, always the same ones for a seed, and the law that every split keeps."""

import random
import string
from collections.abc import Iterator

import numpy as np

from models.tokenizer import Split, Tokenizer

ALPHABETS = [
    string.ascii_letters + " ,.'\"-",
    "  \t\n\r\x0b\x0c\x85\u3000\xa0\u2028\x00\x07\x1f\x7f\u200b\u200d\ufeff\ufffd\xad",
    "0123456789.,:-+=/",
    "éèüßñçøåŁžșİıſΣσςÅ",
    "привет мир Ёж",
    "人工智能改变世界，。、の日本語カタカナ한국어가각ㄱㅏ",
    "🙂👩\u200d👧\ufe0f❤🏳🌈🇩🇪👍🏽",
    "ﬁ①½²™ℌｶﾞＡ｢ﷺ㍿",
    "e\u0301a\u0308n\u0303\u0323\u0301\u1100\u1161\u11a8",
    "▁_ <unk><s></s><0x41>⁇##[UNK][CLS]<|endoftext|>",
    "العربيةहिन्दीไทยעברית",
    "(),;:!?{}[]<>|&*^%$#@~`",
]
ENGLISH = (
    "the of and to in a is that it was for on are with his they be this have from or one had by word but not what all "
    "were we when your can said there use each which she do how their if will up other about out many then them these "
    "tokenization unbelievable hugging understood Gutenberg Botchan school teacher anyone ization newspaper"
)
WORDS = ENGLISH.split()


def texts(n: int, seed: int, without: frozenset[str] = frozenset()) -> Iterator[str]:
    """n texts of up to about 100 characters: any code points, English, runs, and mixtures of alphabets.

    without: characters that do not occur.
    """
    draw = random.Random(seed)
    drop = {ord(char): None for char in without}
    for _ in range(n):
        match draw.randrange(5):
            case 0:
                tops = (0x80, 0x800, 0x10000, 0x110000)
                codes = (draw.randrange(draw.choice(tops)) for _ in range(draw.randrange(24)))
                made = "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)
            case 1:
                made = " ".join(
                    draw.choice(WORDS) + draw.choice(["", "", "", ",", ".", "\n"]) for _ in range(draw.randrange(15))
                )
            case 2:
                made = draw.choice([*WORDS, *".- \n=*0\t", "人", "🙂"]) * draw.randrange(30)
            case _:
                alphabets = (draw.choice(ALPHABETS) for _ in range(draw.randrange(6)))
                made = "".join("".join(draw.choices(alphabet, k=draw.randrange(9))) for alphabet in alphabets)
        yield made.translate(drop)


def assert_lawful(tokenizer: Tokenizer, text: str, split: Split) -> None:
    """Spans are in order and inside the text; decoding gives it back if and only if nothing was dropped or changed."""
    n = len(text.encode())
    assert split.id.dtype == split.start.dtype == split.end.dtype == np.int32 and split.exact.dtype == np.bool_
    assert len(split.id) == len(split.start) == len(split.end) == len(split.exact)
    assert ((split.start >= 0) & (split.start <= split.end) & (split.end <= n)).all(), text
    assert (np.diff(split.start) >= 0).all() and (np.diff(split.end) >= 0).all(), text
    apart = split.start[1:] >= split.end[:-1]
    assert (apart | ~split.exact[1:] | (split.start[1:] == split.end[1:])).all(), text
    depth = np.zeros(n + 1, np.int64)
    np.add.at(depth, split.start, 1)
    np.add.at(depth, split.end, -1)
    covered = np.cumsum(depth)[:-1] > 0
    lossless = tokenizer.decode(split.id.tolist()) == text
    assert lossless == bool(covered.all() and split.exact.all()), text
    assert ((split.id >= 0) & (split.id < tokenizer.vocab_size)).all()


def assert_reading(tokenizer: Tokenizer, text: str, special: bool = False) -> Split:
    """Split, and hold every token against `decode`: an exact one decodes to the bytes it was read from."""
    split = tokenizer.split(text, special)
    assert_lawful(tokenizer, text, split)
    raw = text.encode()
    for i in np.flatnonzero(split.exact[1:]) + 1:  # the first may carry a prefix that decoding takes away
        if split.start[i] > 0:
            whole = tokenizer.decode(split.id[: i + 1].tolist()).encode()
            surface = raw[split.start[i] : split.end[i]]
            assert whole.endswith(surface) or b"\xef\xbf\xbd" in whole, (text, i)
    return split
