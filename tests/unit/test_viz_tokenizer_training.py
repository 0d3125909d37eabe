"""What the pictures of a training hold, against the Trace they were drawn from."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np
import pytest

from models.tokenizer_training import Config, Trace, facts, trace
from tests.tree import PAGES
from viz import tokenizer_training as pictures

SPEC = PAGES["tokenizer-training"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
TEXT = "low lower lowest slow slower slowest new newer newest wide wider widest " * 4
ALGORITHMS = ("bpe", "byte-bpe", "wordpiece", "unigram")


def numbers(packed: dict) -> np.ndarray:  # type: ignore[type-arg]
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "i4": "<i4", "u4": "<u4", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


def trained(algorithm: str, **more: object) -> Trace:
    if algorithm == "unigram":  # needs a text from which there is something to prune
        return trace(Config(algorithm=algorithm, **more))  # type: ignore[arg-type]
    size = 290 if algorithm == "byte-bpe" else 45
    return trace(Config(algorithm=algorithm, corpus="own", text=TEXT, vocab_size=size, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_steps_are_the_traces(algorithm: str) -> None:
    seen = trained(algorithm, step=2)
    view = pictures.steps(seen, WORDS)
    data = view.data
    assert view.component == "merges"
    assert data["pieces"] == list(seen.piece)
    assert numbers(data["pair"]).tolist() == seen.pair.tolist()
    assert numbers(data["chosen"]).tolist() == seen.chosen.tolist()
    assert data["scrub"]["index"] == seen.step == 2
    assert len(data["scrub"]["values"]) == seen.n_step + 1
    assert len(data["columns"]) == seen.numbers.shape[2]
    assert (data["rival"] is None) == (algorithm == "unigram")
    assert f"{seen.n_step} steps" in view.alt


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_text_follows_the_scrubber(algorithm: str) -> None:
    seen = trained(algorithm, step=1)
    data = pictures.text(seen, WORDS).data
    frames = data["rows"][0]["frames"]
    assert (data["text"], data["follow"], data["index"]) == (seen.shown, "step", 1)
    assert frames["count"] == seen.n_step + 1
    assert frames["kind"] == ("bits" if algorithm == "unigram" else "until")
    assert frames["vocabulary"] == list(seen.written)


def test_the_lattice_lists_the_best_and_then_the_drawn() -> None:
    seen = trained("unigram", word="lowest", n_best=3, alpha=0.3)
    view = pictures.lattice(seen, WORDS)
    assert view is not None
    paths = view.data["paths"]
    assert [path["label"] for path in paths[:3]] == [str(n + 1) for n in range(min(3, len(seen.lattice.n_best)))]
    spans = [(edge["from"], edge["to"]) for edge in view.data["edges"]]
    for path, cut in zip(paths, seen.lattice.n_best, strict=False):
        assert tuple(spans[i] for i in path["edges"]) == cut.span
        assert path["log_prob"] == pytest.approx(cut.log_prob, abs=1e-5)
    assert pictures.lattice(trained("bpe", word=""), WORDS) is None


def test_the_difference_marks_both_winners() -> None:
    seen = trained("bpe")
    figure = pictures.difference(seen, WORDS)
    assert figure is not None
    k = seen.first_difference
    for c, bars in enumerate(figure.data):
        winner = int(np.argmax(bars.x))
        assert bars.x[winner] == pytest.approx(np.nanmax(seen.numbers[k, :, c]))
        assert bars.marker.color[winner] == pictures.STRONG
    assert pictures.difference(trained("unigram"), WORDS) is None


def test_the_losses_are_in_order() -> None:
    seen = trained("unigram")
    figure = pictures.loss(seen, WORDS)
    assert figure is not None
    values = list(figure.data[0].y)
    assert values == sorted(values)
    assert len(values) == int(np.isfinite(seen.loss).sum())
    assert pictures.loss(trained("bpe"), WORDS) is None


def test_whole_words_lie_where_they_stand() -> None:
    seen = trained("bpe", sample="low  boat, low 猫!")
    view = pictures.words(seen, WORDS)
    assert view is not None
    row = view.data["rows"][0]
    raw = seen.sentence.encode()
    start = np.cumsum(numbers_of_row(row["length"])) - numbers_of_row(row["length"])
    skip = np.zeros(len(start), dtype=int)
    skip[numbers_of_row(row["moved"])] = numbers_of_row(row["skip"])
    start = start + np.cumsum(skip)
    found = [
        raw[a : a + n].decode() for a, n in zip(start.tolist(), numbers_of_row(row["length"]).tolist(), strict=True)
    ]
    assert found == list(seen.words.token)
    assert numbers_of_row(row["inexact"]).tolist() == [i for i, known in enumerate(seen.words.known) if not known]
    assert pictures.words(trained("bpe", sample=""), WORDS) is None


def numbers_of_row(packed: dict) -> np.ndarray:  # type: ignore[type-arg]
    return numbers(packed | {"shape": packed.get("shape", [-1])}).astype(int)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_caption_exists_and_fits(algorithm: str) -> None:
    for step in (0, 1, 2_000):
        seen = trained(algorithm, step=step)
        values = pictures.named(facts(seen))
        for name in pictures.captions(seen):
            for lang in ("en", "zh"):
                assert SPEC["captions"][name][lang].format(**values)
    empty = trace(Config(algorithm=algorithm, corpus="own", text=""))
    assert pictures.captions(empty) == ["no_text"]
    assert all(f"no_{name}" in SPEC["captions"] and name in SPEC["captions"] for name in SPEC["gallery"])


def test_white_space_is_visible_in_captions() -> None:
    seen = dataclasses.replace(trained("bpe", step=1))
    named = pictures.named(facts(seen) | {"made_left": " a\n"})
    assert named["made_left"] == "·a↵"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_thumbnail(algorithm: str) -> None:
    assert "<polyline" in pictures.thumbnail(trained(algorithm))
    assert "<polyline" in pictures.thumbnail(trace(Config(algorithm=algorithm, corpus="own", text="")))
