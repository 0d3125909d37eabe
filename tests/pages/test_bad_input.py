"""Whatever a visitor pastes, names or links to: a picture or one sentence, and the rest of the page as it was."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from models import attention_masks, checkpoint, head_reading, language_model
from models.fields import Text, fields
from tests.pages.conftest import Visit, sound
from tests.tree import PAGES, WITH_MECHANISM, mechanism, shown_when
from tests.unit import tiny_checkpoints
from ui import address, language, page
from ui.catalogue import LANGUAGES
from ui.jobs import Jobs

TEXTS = [
    (slug, name, kind.max_length)
    for slug in WITH_MECHANISM
    for name, (_, kind, _) in fields(mechanism(slug).Config).items()
    if isinstance(kind, Text)
]
MARKUP = "<b>b</b><script>alert(1)</script> :red[x] :smile: $x$ [a](b) ![c](d) **e** `f` # g | h"
PASTED = {
    "nothing": "",
    "one letter": "x",
    "far too much": "naïves 它🙂 " * 10_000,
    "one endless word": "x" * 100_000,
    "emoji": "👩\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 👍🏽",
    "right to left": "مرحبا بالعالم \u202eabc שלום",
    "NUL": "a\0b\0",
    "controls": "a\x01\x1b[31m\x7f\ufeff\ufffe\u2028b",
    "markup": MARKUP,
    "lines": "\n\r\n\n",
    "spaces": "   \t \u3000",
    "special tokens": "<s></s>[CLS][SEP][MASK]<|endoftext|><|im_start|>",
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub answers nothing; each test has workers, and so results, of its own."""

    def nobody(name: str) -> Path:
        raise language_model.ModelUnavailable("unreachable", name=name)

    monkeypatch.setattr(checkpoint, "_from_hub", nobody)
    monkeypatch.setattr(page, "JOBS", Jobs())
    language_model.load.cache_clear()


def kinds(visitor: AppTest) -> Counter[str]:
    """How many elements of each kind the page has."""
    count: Counter[str] = Counter()
    waiting: list[Any] = [visitor._tree]
    while waiting:
        node = waiting.pop()
        count[node.type] += 1
        waiting += getattr(node, "children", {}).values()
    return count


def prose(visitor: AppTest) -> list[str]:
    """All that is drawn as Markdown."""
    return [one.value for group in ("markdown", "caption", "warning", "info") for one in getattr(visitor, group)]


def answered(visitor: AppTest, slug: str) -> str:
    """The page is whole and shows pictures (then ""), or one sentence, instead or where only a further picture needs
    the text: that sentence."""
    sound(visitor)
    for preset in PAGES[slug].spec["presets"]:
        assert visitor.button(key=f"_preset_{preset['id']}")
    assert kinds(visitor)["tab_container"] == 1
    pictures = kinds(visitor)["bidi_component"] + kinds(visitor)["plotly_chart"] - 1  # one is the shell's own
    assert pictures or visitor.warning
    assert len(visitor.warning) <= 1
    return visitor.warning[0].value if visitor.warning else ""


def parameter(visitor: AppTest, name: str) -> str | None:
    held = visitor.query_params.get(name)
    return held[0] if isinstance(held, list) else held


def widget(visitor: AppTest, name: str) -> Any:
    found = (*visitor.text_area, *visitor.text_input, *visitor.selectbox)
    return next(one for one in found if one.key in (name, f"_{name}_en", f"_{name}_zh"))


@pytest.mark.parametrize(("slug", "name", "most"), TEXTS)
def test_anything_may_be_pasted(visit: Visit, slug: str, name: str, most: int) -> None:
    """A picture or one sentence; what was cut or left out is said; the URL holds what is shown, and no more."""
    default, shown = getattr(mechanism(slug).Config(), name), shown_when(slug, name)
    typing, following = visit(slug, **shown), visit(slug, **shown)
    for about, text in PASTED.items():
        widget(typing, name).input(text).run()
        following.query_params[name] = text
        following.run()  # the second to ask for the same: nothing is computed again
        kept = text.replace("\0", "")[:most]
        given = len(text.replace("\0", ""))
        for way, visitor in (("typed", typing), ("linked", following)):
            answered(visitor, slug)
            said = [one.value for one in visitor.caption]
            assert widget(visitor, name).value == kept, (about, way)
            assert getattr(visitor.session_state[f"_cfg_{slug}"], name) == kept, (about, way)
            held = None if kept == default else address.write(kept)
            assert parameter(visitor, name) == held, f"{about}, {way}: another URL"
            assert any(f"first {most:,} of {given:,}" in one for one in said) == (given > most), (about, way)
            assert any("left out: 2." in one for one in said) == ("\0" in text), (about, way)


@pytest.mark.parametrize("slug", sorted({slug for slug, _, _ in TEXTS}))
def test_a_note_goes_with_its_text(visit: Visit, slug: str) -> None:
    name = min((most, name) for other, name, most in TEXTS if other == slug)[1]
    visitor = visit(slug, **shown_when(slug, name), **{name: "x" * 100_000})
    assert any("first" in one.value and "100,000" in one.value for one in visitor.caption)
    visitor.query_params["lang"] = "zh"
    visitor.run()
    assert any("只保留" in one.value and "100,000" in one.value for one in visitor.caption), "in the new language"
    visitor.button(key=f"_preset_{PAGES[slug].spec['presets'][0]['id']}").click().run()
    assert not any("100,000" in one.value for one in visitor.caption)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("slug", ["attention-masks", "attention-heads"])
def test_no_token_is_read_as_markup(visit: Visit, slug: str, lang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every token is called a page of markup: none of it arrives unescaped, in no figure of the page."""
    monkeypatch.setattr(type(language_model.load("tiny-lm")), "label", lambda self, ids: (MARKUP,) * len(ids))
    for remembered in (head_reading.look, attention_masks.read):
        remembered.cache_clear()
    try:
        visitor = visit(slug, lang, text="to be or not to be, to be")
        for figure in PAGES[slug].spec["gallery"]:
            visitor.query_params["figure"] = figure
            visitor.run()
            assert not answered(visitor, slug)
            assert any(language.plain(MARKUP) in one for one in prose(visitor)), "no caption names a token any more"
            ours = [one.replace(language.plain(MARKUP), "") for one in prose(visitor)]
            for sign in ("<b>", "<script", ":red[", ":smile:", "$x$", "[a](b)", "![c]", "**e**", "`f`"):
                assert not any(sign in one for one in ours), sign
    finally:
        for remembered in (head_reading.look, attention_masks.read):
            remembered.cache_clear()


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("slug", ["attention-masks", "attention-heads"])
def test_what_is_beyond_128_tokens_is_cut_and_said(visit: Visit, slug: str, lang: str) -> None:
    visitor = visit(slug, lang, text="x" + "🙂" * 300)
    assert not answered(visitor, slug)
    model = language_model.load("tiny-lm")
    beyond = len(model.encode("x" + "🙂" * 300)) - 128
    assert beyond > 0
    assert any("128" in one and str(beyond) in one for one in prose(visitor))
    visitor = visit(slug, lang, text="to be")
    assert not any("128" in one for one in prose(visitor) if "**" not in one)


# --- a model of one's own ---------------------------------------------------------------------------------------------

SENTENCE = {"en": r"[^.].*\.", "zh": r".*。"}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoints.save(
        tmp_path_factory.mktemp("checkpoints") / "a *tiny* llama", tiny_checkpoints.llama(), tiny_checkpoints.byte_bpe()
    )


def names(tmp_path: Path) -> dict[str, str]:
    """{what it is: what the visitor types}."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")
    empty, pickle = tmp_path / "empty", tmp_path / "pickle"
    empty.mkdir()
    tiny_checkpoints.llama().config.save_pretrained(pickle)
    (pickle / "pytorch_model.bin").write_bytes(b"x")
    return {
        "nothing": "",
        "spaces": "   ",
        "nonsense": "no such model!",
        "markup": MARKUP,
        "a file": str(file),
        "no folder": str(tmp_path / "nowhere"),
        "an empty folder": str(empty),
        "a pickle": str(pickle),
        "out of reach": "owner/some-model",
    }


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_model_that_cannot_be_had_is_one_sentence(visit: Visit, lang: str, tmp_path: Path) -> None:
    visitor = visit("attention-heads", lang, model="own")
    for about, name in names(tmp_path).items():
        widget(visitor, "own").input(name).run()
        said = answered(visitor, "attention-heads")
        assert re.fullmatch(SENTENCE[lang], said), f"{about}: {said}"
        assert bool(re.search(r"[一-鿿]", said)) == (lang == "zh"), f"{about}: the wrong language: {said}"
        assert "{" not in said
        if name.strip():
            assert language.plain(name[:60]) in said, f"{about} is not named, or not as plain text: {said}"
        if about == "a pickle":
            assert language.plain("pytorch_model.bin") in said
    widget(visitor, "own").input("").run()
    widget(visitor, "model").select("tiny-lm").run()
    assert not answered(visitor, "attention-heads"), "the way back to a model that works"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_llama_of_ones_own_works(visit: Visit, llama: Path, lang: str) -> None:
    """Saved by a test, typed into the page: every view, an ablation, a text beyond its context, the check."""
    visitor = visit("attention-heads", lang, model="own", own=str(llama))
    assert not answered(visitor, "attention-heads")
    assert parameter(visitor, "own") == str(llama)
    assert any(language.plain(str(llama)) in one for one in prose(visitor))
    config = visitor.session_state["_cfg_attention-heads"]
    assert mechanism("attention-heads").trace(config).maps.shape[:2] == (3, 10)
    for name, value in {"view": "arcs", "order": "sink", "ablate": "2.9 0.3 3.0", "figure": "groups"}.items():
        visitor.query_params[name] = value
        visitor.run()
        assert not answered(visitor, "attention-heads")
    assert any(language.plain("3.0") in one for one in prose(visitor)), "it has no layer 3: that is said"
    visitor.query_params["text"] = "naïve 人工智能 " * 40
    visitor.run()
    assert not answered(visitor, "attention-heads")
    assert any("61" in one for one in prose(visitor)), "this model reads 61 tokens"


# --- assets that are not there ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("slug", "field", "name"),
    [
        (slug, field, name)
        for slug, field in (("attention-masks", "source"), ("attention-heads", "model"))
        for name in ("minilm", "smollm2")
    ],
)
def test_a_missing_asset_is_named_with_its_command(
    visit: Visit, slug: str, field: str, name: str, lang: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    llama: Path,
) -> None:  # fmt: skip
    """Absent: one sentence with the command. Fetched while the page is open: the same page then shows it."""
    monkeypatch.setenv("MODEL_ATLAS_ASSETS", str(tmp_path))
    for remembered in (head_reading.look, attention_masks.read):
        remembered.cache_clear()
    visitor = visit(slug, lang, **{field: name})
    for _ in range(2):
        said = answered(visitor, slug)
        assert f"`python -m assets fetch {name}`" in said
        visitor.run()
    assert widget(visitor, field) and widget(visitor, "text"), "the controls are the way out"
    widget(visitor, field).select("tiny-lm").run()
    assert not answered(visitor, slug)
    widget(visitor, field).select(name).run()
    assert answered(visitor, slug)
    # "Fetching": the loader finds files now.
    from models import pretrained

    monkeypatch.setattr(pretrained.assets, "path", lambda asset: llama)
    try:
        visitor.run()
        assert not answered(visitor, slug)
        if slug == "attention-masks":
            assert visitor.slider(key="layer").max == 2, "the ranges are those of the model that has come"
    finally:
        language_model.load.cache_clear()
        for remembered in (head_reading.look, attention_masks.read):
            remembered.cache_clear()


def test_a_link_to_a_number_no_control_has_is_said_in_plain_text(visit: Visit) -> None:
    visitor = visit("attention-masks", source="random", n_token=MARKUP, mask="9" * 5000)
    assert not answered(visitor, "attention-masks")
    said = [one.value for one in visitor.caption]
    assert any(language.plain(MARKUP[:60]) in one for one in said)
    assert parameter(visitor, "n_token") is None
    assert address.write(16) in "".join(said)
