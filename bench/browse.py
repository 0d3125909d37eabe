"""A browser that times itself: when the hand moved, when a picture was painted, what travelled meanwhile."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import CDPSession, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent

# Every drawing call on any canvas, and every change of a Plotly chart or of an SVG inside a component, is a paint;
# `atlas.paints` has their times.
WATCH = """
  window.atlas = { paints: [] };
  const note = () => atlas.paints.push(performance.now());
  for (const name of ["putImageData", "drawImage", "fillRect"]) {
    const real = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...given) { note(); return real.apply(this, given); };
  }
  const watch = (root, counts) => new MutationObserver((changes) => {
    if (changes.some((one) => one.target instanceof SVGElement && counts(one.target))) note();
  }).observe(root, { subtree: true, childList: true, attributes: true });
  watch(document, (node) => node.closest(".js-plotly-plot"));
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (how) {
    const root = attach.call(this, how);
    watch(root, () => true);
    return root;
  };
"""
SETTLED = (
    "([since, quiet]) => { const l = atlas.paints.at(-1) ?? 0; return l > since && performance.now() - l > quiet }"
)
IDLE = ".stApp[data-test-script-state=notRunning]"


class Server:
    """`streamlit run SCRIPT` on a free port."""

    def __init__(self, script: str, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://localhost:{port}"
        command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"{script} did not start") from None
                time.sleep(0.02)

    def cpu(self) -> float:
        """Seconds of processor time used so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


class Tab:
    """One browser tab at 1400 x 900."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self.page = page
        self.bytes = 0
        session.send("Network.enable")
        for event in ("Network.webSocketFrameReceived", "Network.webSocketFrameSent"):
            session.on(event, self._frame)
        page.add_init_script(WATCH)

    def _frame(self, event: dict) -> None:
        self.bytes += len(event["response"]["payloadData"]) * 3 // 4  # binary frames arrive as base64

    def open(self, url: str) -> None:
        """Follow a link; return when a first picture has been painted and nothing has moved for a while."""
        self.page.goto(url)
        self.settle(0.0)

    def settle(self, since: float, quiet: float = 400) -> None:
        """Wait until something was painted after `since` and then nothing for `quiet` milliseconds."""
        self.page.wait_for_function(SETTLED, arg=[since, quiet], timeout=90_000)
        self.page.wait_for_selector(IDLE)

    def quiet(self, still: float = 800) -> None:
        """Wait until the script has run and nothing in the document has changed for `still` milliseconds."""
        self.page.wait_for_selector(IDLE, timeout=90_000)
        self.page.evaluate(
            """still => new Promise((done) => {
                 let timer = setTimeout(done, still);
                 new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, still); })
                   .observe(document, { subtree: true, childList: true, attributes: true });
               })""",
            still,
        )

    def key(self, name: str) -> tuple[float, float]:
        """Press a key; milliseconds to the first and to the last picture it caused."""
        before = self.page.evaluate("performance.now()")
        self.page.keyboard.press(name)
        self.settle(before)
        paints = [at - before for at in self.page.evaluate("atlas.paints") if at > before]
        return paints[0], paints[-1]

    def first_paint(self) -> float:
        """Milliseconds from the start of navigation to the first picture."""
        return self.page.evaluate("atlas.paints[0]")


@contextmanager
def chromium() -> Iterator[Callable[[], Tab]]:
    """A new browser; call what it yields for a new tab with storage of its own."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=quiet)

        def tab() -> Tab:
            context = browser.new_context(viewport={"width": 1400, "height": 900})
            page = context.new_page()
            return Tab(page, context.new_cdp_session(page))

        yield tab
        browser.close()
