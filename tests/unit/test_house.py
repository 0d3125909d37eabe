"""The house rules a script can see: arrows point one way, nothing heavy at import, mechanisms have their parts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import PAGES, WITH_MECHANISM
from ui.catalogue import sections
from ui.settings import ROOT

BANNED = {
    "models": {"streamlit", "plotly", "ui", "viz", "pages"},
    "viz": {"streamlit", "torch", "ui", "pages", "models"},
    "pages": {"torch", "plotly", "streamlit"},
    "ui": {"torch", "pages", "transformers"},
}
SOURCES = [path for top in BANNED for path in sorted((ROOT / top).rglob("*.py"))]


def _imports(path: Path) -> set[str]:
    """Top-level packages a file imports while it runs (what only a type checker sees does not count)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path: Path) -> None:
    top = path.relative_to(ROOT).parts[0]
    allowed = {"torch"} if path.name in ("jobs.py", "warm.py") else set()  # they ready the worker threads
    assert not _imports(path) & (BANNED[top] - allowed)


def test_slugs_are_unique_and_sections_complete() -> None:
    slugs = [entry.slug for section in sections() for entry in section.pages]
    assert len(slugs) == len(set(slugs))
    assert not list((ROOT / "pages").glob("*.py")), (
        "a script directly in pages/ wakes Streamlit's legacy multipage mode"
    )
    for script in (ROOT / "pages").rglob("*.py"):
        assert script.with_suffix(".toml").exists(), f"{script.name} has no words"


@pytest.mark.parametrize("slug", PAGES)
def test_a_page_is_short(slug: str) -> None:
    assert len(PAGES[slug].script.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_a_mechanism_has_model_picture_and_test(slug: str) -> None:
    name = PAGES[slug].mechanism
    assert (ROOT / "models" / f"{name}.py").exists()
    assert (ROOT / "viz" / f"{name}.py").exists()
    assert (ROOT / "tests" / "unit" / f"test_{name}.py").exists()


def test_nothing_heavy_before_the_first_page() -> None:
    """app.py and the shell's own modules load neither torch nor transformers nor plotly (which Streamlit 1.67 itself
    imports to set its chart theme: what Streamlit loads alone does not count)."""
    code = (
        "import sys, streamlit; floor = set(sys.modules);"
        "import app, ui.page, ui.home, ui.study;"
        "heavy = {'torch', 'transformers', 'plotly'} & (set(sys.modules) - floor);"
        "sys.exit(f'imported at start: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


def test_weights_stay_small() -> None:
    total = sum(path.stat().st_size for path in (ROOT / "models" / "weights").rglob("*") if path.is_file())
    assert total < 40 * 2**20
