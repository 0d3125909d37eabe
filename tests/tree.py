"""What the tree holds, for tests that run over all of it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from models.fields import Choice, Kind, LogRange, Range, Text, fields
from ui.catalogue import Entry, entries
from ui.controls import log_stops

PAGES: dict[str, Entry] = entries()
WITH_MECHANISM = {slug: entry for slug, entry in PAGES.items() if entry.mechanism}


def mechanism(slug: str) -> ModuleType:
    """models/<mechanism>.py of a page."""
    return importlib.import_module(f"models.{PAGES[slug].mechanism}")


def ends(kind: Kind, default: Any) -> list[Any]:
    """Both ends of a control; all alternatives of a choice; for text what people paste."""
    if isinstance(kind, bool):
        return [False, True]
    if isinstance(kind, Choice):
        return list(kind.names)
    if isinstance(kind, LogRange):
        stops = log_stops(kind, default)
        return [stops[0], stops[-1]]
    if isinstance(kind, Range):
        return [type(default)(kind.low), type(default)(kind.high)]
    assert isinstance(kind, Text)
    return ["", "x", "人工智能 🙂 مرحبا <script>alert(1)</script>"]


def all_ends() -> list[tuple[str, str, Any]]:
    """(slug, field, value) for every end of every control of every page."""
    return [
        (slug, name, value)
        for slug, entry in WITH_MECHANISM.items()
        for name, (_, kind, default) in fields(mechanism(slug).Config).items()
        if name in entry.spec["controls"]
        for value in ends(kind, default)
        if value != default
    ]


def states(slug: str) -> list[tuple[str, dict[str, Any]]]:
    """(id, state) of every preset, question and prediction of a page."""
    spec = PAGES[slug].spec
    found = [(p["id"], p["state"]) for p in spec.get("presets", [])]
    found += [(q["id"], q["state"]) for q in spec.get("questions", []) if "state" in q]
    if "predict" in spec:
        found.append(("predict", spec["predict"]["state"]))
    return found
