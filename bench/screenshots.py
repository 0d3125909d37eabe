"""`python -m bench.screenshots [FOLDER]`: every page at 1400 x 900 and 390 x 844, light and dark, both languages."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

from bench.browse import Server, chromium
from ui.catalogue import LANGUAGES, entries


def main(folder: Path) -> None:
    """One PNG per page, size, theme and language."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server("app.py")
    try:
        with chromium() as tab:
            for size, theme, lang in product([(1400, 900), (390, 844)], ["light", "dark"], LANGUAGES):
                one = tab()
                one.page.set_viewport_size({"width": size[0], "height": size[1]})
                for slug in ["", *entries()]:
                    one.page.goto(f"{server.url}/{slug}?lang={lang}&theme={theme}")
                    one.quiet()
                    one.page.screenshot(path=folder / f"{slug or 'home'}-{size[0]}-{theme}-{lang}.png")
                one.page.context.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
