"""A drawing as text: short enough for a link, and a distribution to learn.

    text      strokes, separated by "."; a stroke is points one after the other, a point is two characters
    character one of 64, worth 0 to 63 by its place in ALPHABET: x from the left, then y from the bottom
    plane     coordinate = (value / 63 * 2 - 1) * 2.2

"0zz0.VV" is two strokes: a line from the left edge high up to the right edge at the bottom, and a dot in the middle.
Points of the distribution lie evenly along the strokes, with a little spread across. Every stroke is a class.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
REACH = 2.2
MOST_POINTS = 600
LONGEST = 1500  # characters: all points, and a separator after every fourth
SPREAD = 0.045  # standard deviation across a stroke
DOT = 0.25  # a stroke without length gets as many points as one this long
VALUE = {char: value for value, char in enumerate(ALPHABET)}

SENTENCES = {
    "empty": {"en": "Nothing is drawn yet: draw a line or a dot.", "zh": "还没有画任何东西：请画一条线或一个点。"},
    "foreign": {
        "en": "This link holds no drawing: {char} is not part of one. Draw a new one.",
        "zh": "链接里的不是图画：{char} 不属于图画文字。请重新画。",
    },
}


class NothingDrawn(Exception):
    """There is nothing to learn: `key` says why. Its message is one sentence, `sentence("zh")` in Chinese."""

    def __init__(self, key: str, char: str = "") -> None:
        self.key, self.char = key, char
        super().__init__(self.sentence("en"))

    def sentence(self, language: str, plain: Callable[[Any], Any] = str) -> str:
        """The message in one of the two languages."""
        return SENTENCES[self.key][language].format(char=plain(self.char))

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.key, self.char)


def parse(text: str) -> list[Float[Tensor, "_ 2"]]:
    """The strokes of any text, each k >= 1 points in the plane. What is not a point is left out; never raises."""
    strokes, left = [], MOST_POINTS
    for part in text[: 100 * LONGEST].split("."):
        values = [VALUE[char] for char in part if char in VALUE]
        pairs = list(zip(values[::2], values[1::2], strict=False))[:left]
        left -= len(pairs)
        if pairs:
            strokes.append((torch.tensor(pairs) / 63 * 2 - 1) * REACH)
    return strokes


def read(text: str) -> list[Float[Tensor, "_ 2"]]:
    """The strokes of a drawing.

    Raises:
        NothingDrawn: no point, or characters that no drawing has.
    """
    foreign = next((char for char in text.strip() if char not in VALUE and char != "."), None)
    if foreign is not None:
        raise NothingDrawn("foreign", foreign)
    strokes = parse(text)
    if not strokes:
        raise NothingDrawn("empty")
    return strokes


def write(strokes: Sequence[Float[Tensor, "_ 2"]]) -> str:
    """The text of strokes in the plane, to the nearest of 64 x 64 places; what lies outside goes to the edge."""
    texts = []
    for stroke in strokes:
        values = ((stroke / REACH + 1) / 2 * 63).round().long().clamp(0, 63)
        texts.append("".join(ALPHABET[x] + ALPHABET[y] for x, y in values.tolist()))
    return ".".join(texts)


def along(
    strokes: Sequence[Float[Tensor, "_ 2"]], n: int, generator: torch.Generator, spread: float = SPREAD
) -> tuple[Float[Tensor, "n 2"], Int[Tensor, "n"]]:
    """n points, evenly spread along all strokes, and the stroke (0...) of each."""
    start, end, owner = [], [], []
    for i, stroke in enumerate(strokes):
        closed = torch.cat((stroke, stroke[-1:]))  # a last piece without length: a dot has one, too
        start.append(closed[:-1])
        end.append(closed[1:])
        owner += [i] * len(stroke)
    first, last, of = torch.cat(start), torch.cat(end), torch.tensor(owner)
    length = (last - first).norm(dim=-1)
    whole = torch.zeros(len(strokes)).index_add_(0, of, length)
    length = torch.where((whole[of] < DOT) & (length == 0), DOT, length)  # its last piece stands for a dot
    piece = torch.multinomial(length, n, replacement=True, generator=generator)
    part = torch.rand(n, 1, generator=generator)
    x = first[piece] + part * (last[piece] - first[piece])
    return x + spread * torch.randn(n, 2, generator=generator), of[piece]


def face() -> str:
    """The example: a face, four strokes."""
    turn = torch.linspace(0, 2 * math.pi, 33)
    mouth = torch.linspace(1.15 * math.pi, 1.85 * math.pi, 13)
    brow = torch.linspace(0.75 * math.pi, 0.25 * math.pi, 5)

    def arc(angle: Tensor, x: float, y: float, radius: float) -> Tensor:
        return torch.stack((x + radius * angle.cos(), y + radius * angle.sin()), dim=-1)

    eyes = [arc(brow, -0.75, 0.3, 0.5), arc(brow, 0.75, 0.3, 0.5)]
    return write([arc(turn, 0.0, 0.0, 1.9), arc(mouth, 0.0, 0.0, 1.2), *eyes])


EXAMPLE = face()
