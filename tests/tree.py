"""What the tree holds, for tests that run over all of it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from models.fields import Choice, Kind, LogRange, Range, Several, Text, fields
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
    if isinstance(kind, Several):
        return [" ".join(kind.names[: kind.least]), " ".join(kind.names[-kind.most :])]
    if isinstance(kind, LogRange):
        stops = log_stops(kind, default)
        return [stops[0], stops[-1]]
    if isinstance(kind, Range):
        return [type(default)(kind.low), type(default)(kind.high)]
    assert isinstance(kind, Text)
    return ["", "x", "人工智能 🙂 مرحبا <script>alert(1)</script>"]


def shown_when(slug: str, name: str) -> dict[str, Any]:
    """What other controls must say for the control `name` to be shown."""
    return {other: allowed[0] for other, allowed in PAGES[slug].spec["controls"][name].get("when", {}).items()}


def all_ends() -> list[tuple[str, str, Any]]:
    """(slug, field, value) for every end of every control of every page, in the range the page then offers."""
    found = []
    for slug, entry in WITH_MECHANISM.items():
        module, kinds = mechanism(slug), fields(mechanism(slug).Config)
        for name in entry.spec["controls"]:
            _, kind, default = kinds[name]
            if hasattr(module, "limits"):
                values = {other: given for other, (_, _, given) in kinds.items()} | shown_when(slug, name)
                kind = module.limits(values).get(name, kind)
            if isinstance(kind, Range):
                default = type(default)(min(max(default, kind.low), kind.high))
            found += [(slug, name, value) for value in ends(kind, default) if value != default]
    return found


def states(slug: str) -> list[tuple[str, dict[str, Any]]]:
    """(id, state) of every preset, question and prediction of a page."""
    spec = PAGES[slug].spec
    found = [(p["id"], p["state"]) for p in spec.get("presets", [])]
    found += [(q["id"], q["state"]) for q in spec.get("questions", []) if "state" in q]
    if "predict" in spec:
        found.append(("predict", spec["predict"]["state"]))
    return found
