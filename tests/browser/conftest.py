"""A freshly started server and a Chromium to look at it with. Everything waits for states, never for seconds."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from ui.settings import ROOT
from viz.view import View

expect.set_options(timeout=20_000)  # a busy machine is not a fault
IDLE = ".stApp[data-test-script-state=notRunning]"
AXE = ROOT / ".cache" / "npm" / "node_modules" / "axe-core" / "axe.min.js"


class Server:
    """`streamlit run app.py` on a free port, until it is stopped; or of another script, with a larger environment."""

    def __init__(self, log: Path, script: str = "app.py", **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(self.port)]
        self._log = log.open("w")
        surroundings = os.environ | environment
        self.process = subprocess.Popen(command, cwd=ROOT, env=surroundings, stdout=self._log, stderr=subprocess.STDOUT)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self._log.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the browser tests of this worker."""
    running = Server(tmp_path_factory.mktemp("server") / "log")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium if there is one, else Playwright's own."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=quiet)
        yield chromium
        chromium.close()


class Visitor:
    """One browser tab; collects what the console complains about."""

    def __init__(self, browser: Browser, url: str, width: int, height: int) -> None:
        self._context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        self.page: Page = self._context.new_page()
        self.base = url
        self.complaints: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("requestfailed", self._failed)

    def _failed(self, request: Request) -> None:
        """What a page leaves behind unfinished when it goes away is no fault of its own."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url}")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def open(self, path: str = "/", **parameters: object) -> Page:
        """Follow a link and wait until the page has been drawn."""
        query = f"?{urlencode({k: str(v) for k, v in parameters.items()})}" if parameters else ""
        self.page.goto(f"{self.base}{path}{query}")
        self.idle()
        return self.page

    def idle(self) -> None:
        """Wait until the script has run, every picture is painted and every component has something to show."""
        self.page.wait_for_selector(IDLE, timeout=60_000)
        self.page.wait_for_function(
            """() => window.__atlasMenu  // the shell's own component has run, so components can be mounted
              && !document.querySelector('[data-stale="true"], .stSpinner, .stProgress, .stSkeleton')
              && [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
                .every((host) => host.shadowRoot?.querySelector('button, canvas, svg, input'))
              && [...document.querySelectorAll('.stPlotlyChart')].every((chart) => chart.querySelector('.main-svg'))
              && document.querySelector('.st-key-atlas-end')""",
            timeout=60_000,
        )
        self.page.wait_for_selector(IDLE, timeout=60_000)

    def close(self) -> None:
        self._context.close()


@pytest.fixture
def visitor(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """A new visitor at 1400 x 900, or at the size a test asks for with @pytest.mark.parametrize("visitor", ...)."""
    width, height = getattr(request, "param", (1400, 900))
    one = Visitor(browser, server.url, width, height)
    yield one
    one.close()


# --- browser components on their own: no Streamlit, a bare page that mounts them with its theme variables ---------

TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
PAGE = """<!doctype html><html lang="en"><head><title>component</title><style>
  body { margin: 0; background: var(--st-background-color) }
  main { max-width: 1100px; margin: auto; padding: 16px }
  .light { --st-background-color: #ffffff; --st-text-color: #1a1d21; --st-primary-color: #0b62a8; --st-font: serif }
  .dark { --st-background-color: #12151a; --st-text-color: #e8eaed; --st-primary-color: #6db5f2; --st-font: serif }
</style></head><body class="light"><main><div id="host"></div></main></body></html>"""
# `sent` is what all components told the server; `mount` gives the first one (#host) new data. Further ones stand below
# it as #host1, #host2 ...
MOUNT = """async (views) => {
  window.sent = [];
  window.mounts = [];
  for (const [i, [name, data]] of views.entries()) {
    const module = await import(`/kit/${name}/main.js`);
    const place = i ? Object.assign(document.createElement("div"), { id: `host${i}` }) : host;
    if (i) host.parentElement.append(place);
    const parentElement = place.attachShadow({ mode: "open" });
    const component = { parentElement, setStateValue: (id, value) => sent.push([id, value]) };
    if (!i) window.component = { data, ...component };
    mounts.push((data) => void module.default({ ...component, data }));
    mounts[i](data);
  }
  window.mount = mounts[0];
}"""
Open = Callable[..., Page]


class Files(BaseHTTPRequestHandler):
    """The components' files from disk, which the browser keeps from test to test; everything else is the bare page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        file = ROOT / "viz" / "components" / path.removeprefix("/kit/")
        body = file.read_bytes() if path.startswith("/kit/") else PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", TYPES.get(file.suffix, "text/html; charset=utf-8"))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=3600")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def bare(browser: Browser) -> Iterator[tuple[BrowserContext, str]]:
    """Where components are mounted alone: a browser context that keeps their files, and the bare page's address."""
    files = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    Thread(target=files.serve_forever, daemon=True).start()
    context = browser.new_context()
    yield context, f"http://localhost:{files.server_port}"
    context.close()
    files.shutdown()


def scrub(
    page: Page, slider: Locator, values: Iterable[float], what: str, record: Callable[[str, object], None]
) -> int:
    """Drag a slider to these shares of its length, one movement each: how many pictures were painted on the way.

    Nothing is sent while the hand is down. The rate is reported, not asserted: it is the machine's.
    """
    place = slider.bounding_box()
    assert place
    y = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + 8, y)
    page.mouse.down()
    sent = page.evaluate("sent.length")
    page.evaluate("performance.clearMeasures()")
    begin = page.evaluate("performance.now()")
    for value in values:
        page.mouse.move(place["x"] + 8 + (place["width"] - 16) * value, y)
    seconds = (page.evaluate("performance.now()") - begin) / 1000
    painted: int = page.evaluate("performance.getEntriesByName('atlas:frame').length")
    assert page.evaluate("sent.length") == sent, "dragging tells the server nothing"
    page.mouse.up()
    record("pictures per second while scrubbing", round(painted / seconds, 1))
    print(f"\nscrubbing {what}: {painted} pictures in {seconds:.2f} s, {painted / seconds:.1f} a second")
    return painted


def hosts(page: Page, names: Iterable[str]) -> Iterator[tuple[str, Locator]]:
    """The places of views mounted below each other, each with its view's name."""
    for i, name in enumerate(names):
        yield name, page.locator(f"#host{i or ''}")


def faults(page: Page, names: Iterable[str], within: str = "document.querySelector('main')", **options: Any) -> Any:
    """What axe objects to on a page of views below each other: the rule, how grave, the views it lies in, and where.

    Two views may have landmarks of one name, as they would on two pages; one view may not.
    """
    page.add_script_tag(path=AXE)
    found = page.evaluate(f"(options) => axe.run({within}, options)", {"resultTypes": ["violations"]} | options)
    called = {f"#host{i or ''}": name for i, name in enumerate(names)}

    def views(node: Any) -> list[str]:
        return [called.get(place, place) for place in re.findall(r"#host\d*", json.dumps(node["target"]))]

    def repeated(node: Any) -> bool:
        places = [
            view for one in [node, *(n for rule in node["any"] for n in rule["relatedNodes"])] for view in views(one)
        ]
        return len(places) > len(set(places))

    told = []
    for one in found["violations"]:
        nodes = [node for node in one["nodes"] if one["id"] != "landmark-unique" or repeated(node)]
        if nodes:
            where = dict.fromkeys(view for node in nodes for view in views(node))
            told.append(
                (one["id"], one["impact"], [*where], [node["target"] for node in nodes][:3], nodes[0]["any"][:1])
            )
    return told


@pytest.fixture
def show(bare: tuple[BrowserContext, str]) -> Any:
    """Mount a View in a page of its own, or several below each other; the page must not complain."""
    context, origin = bare
    pages: list[Page] = []
    complaints: list[str] = []
    words = tomllib.loads((ROOT / "ui" / "words.toml").read_text(encoding="utf-8"))["kit"]

    def mount(*views: View, width: int = 1100, lang: str = "en") -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 800})
        pages.append(page)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(origin)
        ui = {name: word[lang] for name, word in words.items()}
        common = {"lang": lang, "ui": ui}
        data = [[view.component, view.data | {"alt": view.alt, "height": view.height} | common] for view in views]
        page.evaluate(MOUNT, data)
        return page

    yield mount
    for page in pages:
        page.close()
    assert not complaints
