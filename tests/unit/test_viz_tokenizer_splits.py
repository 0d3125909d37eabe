"""What the pictures of a split text hold, against the Trace they were drawn from."""

from __future__ import annotations

import dataclasses

import pytest

from models import tokenizer_splits
from models.language_model import ModelUnavailable
from models.tokenizer import Edge, Lattice, Lookup, Match, Matches, Merge, Merges
from models.tokenizer_splits import Config, Missing, Trace, facts, trace
from tests.tree import PAGES
from viz import tokenizer_splits as pictures
from viz.palette import experts

SPEC = PAGES["tokenizer-splits"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
TITLES = {name: block["en"] for name, block in SPEC["controls"]["tokenizers"]["options"].items()}
TEXT = "The <b>old</b> cat $x$ 猫 🙂"


@pytest.fixture(scope="module")
def seen() -> Trace:
    return trace(Config(text=TEXT, tokenizers="bytes tiny-lm words", row=1, token=3, d_model=128))


def test_the_staff_has_one_row_per_tokenizer(seen: Trace) -> None:
    view = pictures.staff(seen, WORDS, TITLES, [])
    assert (view.component, view.data["text"], view.data["picked"]) == ("tokens", TEXT, [1, 3])
    assert [row["name"] for row in view.data["rows"]] == ["bytes", "tiny LM (trained here)", "words"]
    assert [row["note"] for row in view.data["rows"]] == [f"{row.n_token} tokens" for row in seen.row]
    for row in seen.row:
        assert str(row.n_token) in view.alt
    assert f"{seen.n_boundary} places" in view.alt


def test_a_missing_tokenizer_is_a_row_with_its_sentence(seen: Trace) -> None:
    reason = ModelUnavailable("asset_missing", name="Qwen", command="python -m assets fetch qwen")
    view = pictures.staff(dataclasses.replace(seen, missing=(Missing("qwen", reason),)), WORDS, TITLES, ["run this"])
    assert view.data["rows"][-1]["name"] == "Qwen"
    assert view.data["rows"][-1]["sentence"] == "run this"


def test_the_height_grows_with_what_there_is_to_show() -> None:
    short, long = (trace(Config(text="word " * n, tokenizers="bytes words")) for n in (3, 200))
    assert pictures.staff(short, WORDS, TITLES, []).height < pictures.staff(long, WORDS, TITLES, []).height <= 490


@pytest.mark.parametrize(
    ("story", "kind", "caption"),
    [
        (Merges(("l", "o", "w"), (Merge(0, "l", "o", 4), Merge(0, "lo", "w", 9)), 0), "replay", "merges"),
        (Matches("lows", (Match(("lows", "low"), 2, True), Match(("##s",), 1, True)), 1), "search", "matches"),
        (Lattice("lo", (Edge(0, 2, "lo", -1.0, True), Edge(0, 1, "l", -2.0, False)), -1.0, 0), "lattice", "lattice"),
        (Lookup("low", True), None, "lookup"),
    ],
)
def test_every_story_has_its_picture_and_caption(seen: Trace, story: object, kind: str | None, caption: str) -> None:
    told = dataclasses.replace(seen, story=story)
    view = pictures.story(told, WORDS)
    assert (view.data["kind"] if view else None) == kind
    assert pictures.caption_of_story(told, facts(told)) == caption
    assert caption in SPEC["captions"]


def test_bars_say_what_they_show(seen: Trace) -> None:
    figure = pictures.counts(seen, WORDS, TITLES)
    assert list(figure.data[0].x) == [row.n_token for row in seen.row]
    assert len(figure.layout.annotations) == len(seen.row)
    assert f"{len(TEXT) / seen.row[1].n_token:.2f} characters" in figure.layout.annotations[1].text
    assert f"{seen.row[2].n_unknown / seen.row[2].n_token:.0%} unknown" in figure.layout.annotations[2].text
    figure = pictures.cost(seen, WORDS, TITLES)
    assert list(figure.data[0].x)[:3] == [count / 1e6 for count in seen.n_parameter]
    assert "Llama 2: 32,000 entries: 8.2 M" in figure.layout.meta["alt"]  # 32,000 x 128 x 2
    assert list(figure.data[0].marker.color) == [pictures.BAR] * 3 + [pictures.QUIET] * 6
    assert "bytes: 256 entries" in figure.layout.meta["alt"]


def test_languages_are_small_multiples(seen: Trace) -> None:
    figure = pictures.languages(seen, WORDS, TITLES)
    assert tuple(tokenizer_splits.SAMPLES) == pictures.LANGUAGES
    assert len(figure.data) == len(pictures.LANGUAGES)
    for i, bar in enumerate(figure.data):
        assert list(bar.x) == seen.sample[:, i].tolist()


def test_vocabulary_against_tokens(seen: Trace) -> None:
    points = pictures.vocabulary(seen, WORDS, TITLES).data[0]
    assert list(points.x) == [row.vocab_size for row in seen.row]
    assert list(points.y) == [row.n_token for row in seen.row]


def test_captions_fit_the_rows(seen: Trace) -> None:
    assert pictures.captions(seen, facts(seen)) == ["look", "disputes", "lossy"]
    alone = trace(Config(text=TEXT, tokenizers="bytes"))
    assert pictures.captions(alone, facts(alone)) == ["alone", "lossless"]
    empty = trace(Config(text="", tokenizers="bytes words"))
    assert pictures.captions(empty, facts(empty)) == ["empty"]
    assert {*pictures.captions(seen, facts(seen)), "empty", "alone", "even", "lossless"} <= set(SPEC["captions"])


def test_names_and_white_space_are_for_the_reader(seen: Trace) -> None:
    named = pictures.named(facts(seen) | {"piece": " a\n", "most": "gpt2"}, TITLES)
    assert (named["piece"], named["most"]) == ("·a↵", "GPT-2")


def test_nothing_of_ones_own_is_markup(seen: Trace) -> None:
    path = "/home/<b>me</b>/$x$/tokenizer.json"
    own = dataclasses.replace(seen, row=(dataclasses.replace(seen.row[0], name=path),))
    assert "<b>me" not in pictures.counts(own, WORDS, TITLES).layout.annotations[0].text.removeprefix("<b>")


def test_thumbnail(seen: Trace) -> None:
    svg = pictures.thumbnail(seen)
    assert svg.count("<rect") > 10
    assert any(colour in svg for colour in experts())
    assert pictures.thumbnail(trace(Config(text="", tokenizers="bytes"))).startswith("<svg")
