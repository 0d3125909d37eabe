"""Drawings as text: round trips, anything pasted, and points that lie evenly along the strokes."""

from __future__ import annotations

import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.drawing import (
    ALPHABET,
    EXAMPLE,
    LONGEST,
    MOST_POINTS,
    REACH,
    SPREAD,
    NothingDrawn,
    along,
    parse,
    read,
    write,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_by_hand() -> None:
    """ "0" is 0 and "_" is 63; x comes first, y counts from the bottom."""
    line, dot = parse("0__0.VW")
    torch.testing.assert_close(line, torch.tensor([[-REACH, REACH], [REACH, -REACH]]))
    torch.testing.assert_close(dot, (torch.tensor([[31.0, 32.0]]) / 63 * 2 - 1) * REACH)
    assert len(ALPHABET) == len(set(ALPHABET)) == 64


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(ALPHABET, min_size=2, max_size=40).map(lambda s: s[: len(s) // 2 * 2]), min_size=1, max_size=6))
def test_round_trip(strokes: list[str]) -> None:
    text = ".".join(strokes)
    assert write(parse(text)) == text


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    strokes = parse(text)
    assert sum(map(len, strokes)) <= MOST_POINTS
    assert all(len(stroke) and float(stroke.abs().max()) <= REACH + 1e-6 for stroke in strokes)
    try:
        assert len(read(text)) == len(strokes) > 0
    except NothingDrawn as refused:
        assert refused.sentence("en").endswith(".") and refused.sentence("zh").endswith("。")


@pytest.mark.parametrize(
    "text", ["", ".", "...", "x", "人工智能 🙂 مرحبا <script>alert(1)</script>", "\0", "V" * 3 + "\ud800"]
)
def test_what_is_no_drawing_says_so(text: str) -> None:
    with pytest.raises(NothingDrawn) as refused:
        read(text)
    again = pickle.loads(pickle.dumps(refused.value))
    assert str(again) == str(refused.value) == again.sentence("en")


def test_much_too_long() -> None:
    assert sum(map(len, parse("ab" * 100_000))) == MOST_POINTS
    assert len(EXAMPLE) < LONGEST and len(read(EXAMPLE)) == 4


def test_points_lie_along_the_strokes_in_proportion_to_their_length() -> None:
    """A line three times as long gets three times as many, evenly; across it they spread as said."""
    strokes = [torch.tensor([[-1.5, 1.0], [1.5, 1.0]]), torch.tensor([[0.7, -1.0], [0.7, -1.5], [0.7, -2.0]])]
    x, stroke = along(strokes, 40_000, generator())
    assert float((stroke == 0).float().mean()) == pytest.approx(3 / 4, abs=0.01)
    first, second = x[stroke == 0], x[stroke == 1]
    assert float((first[:, 1] - 1).std()) == pytest.approx(SPREAD, rel=0.03)
    assert float(first[:, 0].mean()) == pytest.approx(0, abs=0.02)
    assert float(first[:, 0].std()) == pytest.approx(math.hypot(3 / math.sqrt(12), SPREAD), rel=0.02)
    assert float(second[:, 1].mean()) == pytest.approx(-1.5, abs=0.01)
    assert float(((second[:, 1] < -1.5).float()).mean()) == pytest.approx(0.5, abs=0.02)


def test_a_dot_is_a_stroke() -> None:
    """Alone it has all points; beside a line of length 1 it counts as a quarter as long."""
    x, stroke = along(read("VV"), 500, generator())
    assert set(stroke.tolist()) == {0} and float(x.std()) < 2 * SPREAD
    x, stroke = along([torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 1.0], [2.0, 1.0]])], 40_000, generator())
    assert float((stroke == 0).float().mean()) == pytest.approx(0.25 / 1.25, abs=0.01)
    twice, _ = along(read("VVVV"), 500, generator())  # a dot drawn twice is a dot
    assert float(twice.std()) < 2 * SPREAD
