"""The home page's picture: an LLM's anatomy as a map of the pages, and every page as a card that a search filters."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from viz.view import View

STATES = ("open",)


def atlas(cards: list[dict[str, Any]], language: str, words: dict[str, str], alt: str, query: str = "") -> View:
    """The map and the cards.

    cards: one dict a page: slug, href, title, promise, section (texts), terms (all languages, for the search), parts
    (ids of anatomy.toml), thumbnail (SVG text that our own code drew; "" for
    none, None for one that is still to come). A part without a page is greyed.
    Its state `open` is the slug that was clicked.
    """
    anatomy = tomllib.loads(Path(__file__).with_name("anatomy.toml").read_text(encoding="utf-8"))
    owners = {part: card["slug"] for card in reversed(cards) for part in card["parts"]}
    parts = [
        {"id": part["id"], "box": part["box"], "label": part[language], "slug": owners.get(part["id"])}
        for part in anatomy["parts"]
    ]
    frames = [{"box": frame["box"], "label": frame[language]} for frame in anatomy["frames"]]
    data = {
        "parts": parts,
        "frames": frames,
        "arrows": anatomy["arrows"],
        "cards": cards,
        "words": words,
        "query": query,
    }
    return View("atlas", data, 0, alt)
