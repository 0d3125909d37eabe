"""What the pages/ tree holds: sections, pages and their words. No list of pages exists anywhere else.

A page is a pair of files, `pages/<section>/<page>.py` and `<page>.toml`; a section is a folder with `section.toml`.
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from pathlib import Path
from typing import Any

from ui.settings import ROOT

LANGUAGES = {"en": "English", "zh": "中文"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One page: where its script is, its URL path, and its TOML."""

    slug: str
    script: Path
    section: str
    spec: dict[str, Any] = dataclasses.field(repr=False, hash=False)

    @property
    def mechanism(self) -> str:
        """Name of models/<mechanism>.py and viz/<mechanism>.py; empty for a page that has none (interview, claims)."""
        return self.spec.get("mechanism", self.script.stem)


@dataclasses.dataclass(frozen=True)
class Section:
    """A folder under pages/."""

    name: str
    icon: str
    title: dict[str, str] = dataclasses.field(hash=False)
    pages: tuple[Entry, ...]


def read_toml(path: Path) -> dict[str, Any]:
    """The parsed file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


@functools.cache
def sections(root: Path = ROOT / "pages") -> tuple[Section, ...]:
    """All sections with their pages, in the order their TOML files give."""
    found = []
    for folder in sorted(path.parent for path in root.glob("*/section.toml")):
        about = read_toml(folder / "section.toml")
        scripts = (s for s in sorted(folder.glob("*.py")) if s.with_suffix(".toml").exists())
        entries = [Entry(s.stem.replace("_", "-"), s, folder.name, read_toml(s.with_suffix(".toml"))) for s in scripts]
        entries.sort(key=lambda e: (e.spec.get("order", 1000), e.slug))
        found.append((about.get("order", 1000), Section(folder.name, about["icon"], about["title"], tuple(entries))))
    return tuple(section for _, section in sorted(found, key=lambda pair: (pair[0], pair[1].name)))


def entries() -> dict[str, Entry]:
    """{slug: page} of all pages, in order."""
    return {entry.slug: entry for section in sections() for entry in section.pages}


def entry_of(script: str | Path) -> Entry:
    """The page whose script this is.

    Raises:
        KeyError: no page has this script.
    """
    return entries()[Path(script).stem.replace("_", "-")]
