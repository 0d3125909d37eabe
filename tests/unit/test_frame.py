"""The frame's small parts: values in the URL, text as text, sliders' stops, what gets cut."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from models.fields import Choice, LogRange, Range, Several, Text, fields
from ui import address, controls
from ui.language import plain


@given(st.integers(1, 64))
def test_a_number_survives_the_url(value: int) -> None:
    assert address.read(address.write(value), Range(1, 64), 4) == value


@given(st.floats(0, 1))
def test_a_float_survives_the_url_exactly(value: float) -> None:
    assert address.read(address.write(value), Range(0.0, 1.0), 0.5) == value


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_text_survives_the_url(value: str) -> None:
    assert address.read(address.write(value), Text(50), "") == value
    assert address.read(address.write("~" + value), Text(50), "") == "~" + value


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=100, max_size=200))
def test_a_long_text_travels_compressed(value: str) -> None:
    written = address.write(value * 10)
    assert written.startswith("~") and len(written) < len(value.encode()) * 10
    assert address.read(written, Text(50), "") == value * 10
    assert address.read(written[: len(written) // 2], Text(50), "") != value * 10


def test_what_no_address_holds_is_left_out() -> None:
    assert address.fits(address.write("the cat sat " * 8_000))
    hard = "".join(chr(0x4E00 + (i * i * 7919) % 20_000) for i in range(40_000))
    assert not address.fits(address.write(hard))


def test_several_of_a_list() -> None:
    kind = Several("a", "b", "c", least=1, most=2)
    assert address.read(address.write("c a"), kind, "a") == "c a"
    assert [address.read(text, kind, "a") for text in ("", "a b c", "a a", "d", "a d")] == [None] * 5


@pytest.mark.parametrize(
    ("text", "kind", "default"),
    [
        ("999", Range(1, 64), 4),
        ("nan", Range(0.0, 1.0), 0.5),
        ("inf", Range(0.0, 1.0), 0.5),
        ("4.5", Range(1, 64), 4),
        ("sideways", Choice("causal", "full"), "causal"),
        ("maybe", True, True),
        ("", Range(1, 64), 4),
    ],
)
def test_what_no_control_has_is_refused(text: str, kind: object, default: object) -> None:
    assert address.read(text, kind, default) is None  # type: ignore[arg-type]


def test_booleans_are_read_as_they_are_written() -> None:
    assert [address.read(address.write(flag), True, True) for flag in (True, False)] == [True, False]


def test_plain_text_is_never_markup() -> None:
    assert plain("*a* <b> $x$ [l](u) `c`") == r"\*a\* \<b\> \$x\$ \[l\]\(u\) \`c\`"
    assert ":red[" not in plain(":red[x] :smile:")
    assert plain("www.a.b c@d -> --") == "www\u2060\\.a\\.b c\\@\u2060d \\-\u2060\\> \\-\u2060\\-"
    assert plain("a\r\n\nb") == "a ↵ b"
    assert plain(0.5) == 0.5


def test_clean_cuts_and_counts() -> None:
    assert controls.clean("abc", 3) == ("abc", 0, 3)
    assert controls.clean("a\0b\ud800c" + "x" * 100_000, 5) == ("abcxx", 2, 100_003)


def test_log_stops_hold_both_ends_and_the_default() -> None:
    stops = controls.log_stops(LogRange(1e2, 1e7), 12_345.0)
    assert stops[0] == 1e2
    assert stops[-1] == 1e7
    assert 12_345.0 in stops
    assert stops == sorted(set(stops))
    ratios = [b / a for a, b in itertools.pairwise(stops)]
    assert max(ratios) < 10 ** (1 / 8) * 1.02


def test_log_stops_of_a_count_are_whole_numbers() -> None:
    stops = controls.log_stops(LogRange(1, 1000, per_decade=10), 50)
    assert all(isinstance(stop, int) for stop in stops)
    assert stops[:4] == [1, 2, 3, 4]
    assert stops[-1] == 1000
    assert 50 in stops
    assert stops == sorted(set(stops))


def test_a_field_no_widget_could_show_is_refused() -> None:
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Bad:
        width: int = 3

    Bad.__annotations__["width"] = int
    with pytest.raises(TypeError, match="width"):
        fields(Bad)


def test_a_page_forgets_the_controls_of_the_page_before() -> None:
    """Both call something `depth`, with different defaults and ranges; the language is one for all."""

    def page() -> None:
        import streamlit as st

        from models.fields import Choice, Range
        from ui import address

        about = {"first": (Range(1, 4), 3), "second": (Range(5, 9), 7)}[st.query_params["page"]]
        address.sync("lang", Choice("en", "zh"), "en", sticky=True)
        address.enter(st.query_params["page"])
        address.sync("depth", *about)

    app = AppTest.from_function(page, default_timeout=60)
    app.query_params["page"], app.query_params["lang"] = "first", "zh"
    assert app.run().session_state["depth"] == 3
    app.session_state["depth"] = 4  # chosen; the URL is not followed here
    assert app.run().session_state["depth"] == 4, "the same page keeps it"
    app.query_params["page"] = "second"
    assert app.run().session_state["depth"] == 7
    assert app.session_state["lang"] == "zh"
    assert not app.exception


@pytest.mark.parametrize(
    ("url", "given"), [({}, "page"), ({"lang": "zh"}, "zh"), ({"lang": "zh", "asked": "en"}, "en")]
)
def test_an_option_may_stand_for_the_language_of_the_page(url: dict[str, str], given: str) -> None:
    def page() -> None:
        import dataclasses
        from typing import Annotated

        import streamlit as st

        from models.fields import Choice
        from ui import controls

        @dataclasses.dataclass(frozen=True)
        class Config:
            asked: str = "page"

        Config.__annotations__["asked"] = Annotated[str, Choice("page", "en", "zh")]
        options = {name: {"en": name, "zh": name} for name in ("page", "en", "zh")}
        about = {"asked": {"label": {"en": "Asked in", "zh": "提问"}, "options": options}}
        st.text(controls.draw(Config, about).asked)

    app = AppTest.from_function(page, default_timeout=60)
    for name, value in url.items():
        app.query_params[name] = value
    assert app.run().text[0].value == given
    assert not app.exception


def test_a_text_is_composed_of_pieces() -> None:
    """A press puts a word at the end; the text stays one that can be typed; another press on the same word counts."""

    def page() -> None:
        import dataclasses
        from typing import Annotated

        from models.fields import Text  # noqa: F401 (this function runs as a script of its own)
        from ui import controls

        @dataclasses.dataclass(frozen=True)
        class Config:
            text: Annotated[str, Text(14)] = "a red"

        both = {"en": "Caption", "zh": "描述"}
        pieces = [{"en": "star", "zh": "星形"}, {"en": ",", "zh": "，"}]
        controls.draw(Config, {"text": {"label": both, "pieces": pieces}})

    app = AppTest.from_function(page, default_timeout=60).run()
    assert app.text_input[0].value == "a red"
    app.pills[0].set_value("star").run()
    assert app.text_input[0].value == "a red star" and app.pills[0].value is None
    app.pills[0].set_value("star").run()
    assert app.text_input[0].value == "a red star", "what would not fit is not put there"
    app.button[0].click().run()
    assert app.text_input[0].value == ""
    app.pills[0].set_value("star").run()
    assert app.text_input[0].value == "star" and not app.exception


def test_an_uploaded_picture_is_read_or_refused_and_its_results_stay_private() -> None:
    def page() -> None:
        import streamlit as st

        from models.image_input import Picture
        from ui import controls
        from ui.jobs import JOBS
        from ui.page import Page

        class Entry:
            slug, spec = "here", {}  # type: ignore[var-annotated]

        here = Page(Entry())  # type: ignore[arg-type]
        here._places = controls.places()
        picture = here.upload()
        if picture is None:
            st.text("none")
        else:
            again = here.run(Picture.pixels, picture, 4) is here.run(Picture.pixels, picture, 4)
            st.text(f"{here.run(Picture.pixels, picture, 4).max()} {again} {JOBS.finished(Picture.pixels, picture, 4)}")

    held = io.BytesIO()
    Image.new("RGB", (9, 9), (7, 70, 77)).save(held, "PNG")
    app = AppTest.from_function(page, default_timeout=60).run()
    assert app.text[0].value == "none"
    app.file_uploader[0].set_value(("mine.png", held.getvalue(), "image/png")).run()
    assert app.text[0].value == "77 True False", "computed once, and not kept for others"
    assert not app.warning
    app.file_uploader[0].set_value(("mine.png", b"<svg/>", "image/png")).run()
    assert app.text[0].value == "none"
    assert "PNG" in app.warning[0].value and not app.exception
