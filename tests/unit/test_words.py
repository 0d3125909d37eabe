"""All text: both languages, the same placeholders, everything named exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from models.fields import Choice, Several, fields
from tests.tree import PAGES, WITH_MECHANISM, mechanism
from ui.catalogue import LANGUAGES, read_toml
from ui.more import VERDICTS, placeholders
from ui.settings import ROOT

FILES = [path for top in ("pages", "ui", "models", "viz") for path in sorted((ROOT / top).rglob("*.toml"))]
KEYS = {
    "order", "mechanism", "atlas", "terms", "title", "promise", "controls", "words", "captions", "gallery", "presets",
    "predict", "mathematics", "claims", "questions", "sources",
}  # fmt: skip


def _texts(node: Any, trail: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every table that holds `en` or `zh`, with its place."""
    if isinstance(node, list):
        return [text for i, child in enumerate(node) for text in _texts(child, f"{trail}[{i}]")]
    if not isinstance(node, dict):
        return []
    if set(node) & set(LANGUAGES):
        return [(trail, node)]
    return [text for name, child in node.items() for text in _texts(child, f"{trail}.{name}")]


def _in_billions(text: str) -> str:
    """The text with its amounts as English counts them: `467 亿` (code .0f亿) has the digits of 46.7 billion (.1f)."""
    text = re.sub(r":,\.(\d)f亿\}", lambda found: f":,.{int(found[1]) + 1}f}}", text)
    return text.replace(":,g亿}", ":,g}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_languages_stand_side_by_side(path: Path) -> None:
    for trail, block in _texts(read_toml(path)):
        if trail.endswith(".text") and ".sources" in trail:
            continue  # a paper's title is not translated
        assert set(LANGUAGES) <= set(block), f"{trail} lacks a language"
        if isinstance(block["en"], str) and ".mathematics" not in trail:
            assert placeholders(block["en"]) == placeholders(block["zh"]), trail
            formats = [sorted(re.findall(r"\{[^{}]*\}", _in_billions(block[lang]))) for lang in LANGUAGES]
            assert formats[0] == formats[1], f"{trail}: a number is formatted differently"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_fields_own_chinese(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "变压器" not in text
    assert "代币" not in text


@pytest.mark.parametrize("slug", PAGES)
def test_a_page_says_what_it_must(slug: str) -> None:
    spec = PAGES[slug].spec
    assert set(spec) <= KEYS, "an unknown key: misspelt?"
    assert {"title", "promise", "terms", "order"} <= set(spec)
    for kind in ("presets", "questions", "claims"):
        ids = [one["id"] for one in spec.get(kind, [])]
        assert len(ids) == len(set(ids)), f"two {kind} share an id"
    for one in [*spec.get("presets", []), *spec.get("questions", [])]:
        assert "figure" not in one or one["figure"] in spec["gallery"], one["id"]
    assert all(claim["verdict"] in VERDICTS for claim in spec.get("claims", []))


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_controls_match_the_config(slug: str) -> None:
    config, spec = fields(mechanism(slug).Config), PAGES[slug].spec["controls"]
    assert set(spec) == set(config)
    assert not set(config) & {"lang", "theme", "missing", "section", "verdict", "figure", "stage", "pin", "card"}, (
        "a name the shell uses in the URL"
    )
    for name, (_, kind, _) in config.items():
        if spec[name].get("place") == "hidden":
            continue
        if isinstance(kind, Choice | Several):
            assert set(spec[name]["options"]) == set(kind.names), name
        for other, allowed in spec[name].get("when", {}).items():
            assert list(spec).index(other) < list(spec).index(name), f"{name} depends on the later {other}"
            if isinstance(config[other][1], Choice | Several):
                assert set(allowed) <= set(config[other][1].names)
    main = [n for n, about in spec.items() if about.get("place", "main") == "main" and "when" not in about]
    assert len(main) <= 5, "two to five main controls; rarer ones belong behind More"


def test_atlas_parts_exist() -> None:
    parts = {part["id"] for part in read_toml(ROOT / "viz/components/atlas/anatomy.toml")["parts"]}
    for slug, entry in PAGES.items():
        assert set(entry.spec.get("atlas", [])) <= parts, slug
