"""A page in Streamlit's own test harness: the shell runs, then the page, as for a visitor."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from streamlit.testing.v1 import AppTest

from ui import home
from ui.catalogue import entries
from ui.settings import ROOT

Visit = Callable[..., AppTest]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of one page run in one process: what one of them has computed the others find in the cache."""
    for item in items:
        slug = getattr(item, "callspec", None) and item.callspec.params.get("slug")
        if slug and Path(__file__).parent in item.path.parents and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(slug))


@pytest.fixture(scope="session")
def visit() -> Visit:
    """visit(slug, lang="en", **parameters): a new visitor opens a link."""

    def open_link(slug: str, lang: str = "en", **parameters: Any) -> AppTest:
        # The harness has to run the shell once to learn its pages; the home page is drawn only for who asks for it.
        with patch.object(home, "draw", lambda: None) if slug else nullcontext():
            visitor = AppTest.from_file(ROOT / "ui" / "shell.py", default_timeout=120).run()
        if slug:
            visitor.switch_page(f"../{entries()[slug].script.relative_to(ROOT)}")
        visitor.query_params["lang"] = lang
        for name, value in parameters.items():
            visitor.query_params[name] = str(value)
        return visitor.run()

    return open_link


def sound(visitor: AppTest) -> None:
    """No exception anywhere on the page."""
    assert not visitor.exception, [f"{error.message}\n{error.stack_trace}" for error in visitor.exception]
