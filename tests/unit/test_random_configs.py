"""Every combination of legal field values is a legal experiment: random Configs of every mechanism in the tree."""

from __future__ import annotations

import importlib
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.fields import Choice, Kind, LogRange, Range, Several, Text, fields
from tests.tree import PAGES, WITH_MECHANISM, mechanism

PATIENCE = 20  # seconds: a mechanism whose experiments take long is tried with as many as fit


def _values(kind: Kind, default: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, bool):
        return st.booleans()
    if isinstance(kind, Choice):
        return st.sampled_from(kind.names)
    if isinstance(kind, Several):
        names = st.sampled_from(kind.names)
        return st.lists(names, min_size=kind.least, max_size=kind.most, unique=True).map(" ".join)
    if isinstance(kind, Text):
        return st.one_of(st.just(default), st.text(max_size=min(kind.max_length, 60)))
    assert isinstance(kind, Range | LogRange)
    if isinstance(default, int):
        return st.integers(int(kind.low), int(kind.high))
    return st.floats(kind.low, kind.high)


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_any_config_gives_a_trace_its_facts_and_its_picture(slug: str) -> None:
    module = mechanism(slug)
    pictures = importlib.import_module(f"viz.{PAGES[slug].mechanism}")
    strategies = {name: _values(kind, default) for name, (_, kind, default) in fields(module.Config).items()}

    began = time.monotonic()

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(st.builds(module.Config, **strategies))
    def holds(config: Any) -> None:
        if time.monotonic() - began > PATIENCE:
            return
        try:
            trace = module.trace(config)
        except Exception as error:
            assert hasattr(error, "sentence"), f"{config} raised {error!r}"  # a model that cannot be had says so
            return
        assert module.facts(trace)
        assert pictures.thumbnail(trace).startswith("<svg")

    holds()
