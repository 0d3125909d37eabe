"""`python -m bench`: how quick Model Atlas is, as ratios to a floor measured in the same run.

The floor is a bare Streamlit page with one slider that draws the page's own figures from a file, with no model or frame
around them. Page and floor take turns, so that both meet the same machine.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import assets
from bench import diffusion, experts, positions, subwords, vision
from bench.browse import ROOT, Server, Tab, chromium
from ui.catalogue import entries
from ui.settings import limit_threads

limit_threads()


@dataclass(frozen=True)
class Case:
    """A page in a state, and the slider that is moved: between two neighbouring values, by one key."""

    slug: str
    control: str
    values: tuple[int, int]
    state: dict[str, Any]

    def path(self, **more: Any) -> str:
        return f"/{self.slug}?{urlencode(more | self.state)}"

    def floor(self) -> tuple[str, dict[str, str]]:
        """The floor's app and environment: the figures of both values."""
        return "bench/floor_app.py", {"MODEL_ATLAS_FLOOR": str(figures(self))}


MASKS = Case("attention-masks", "n_token", (16, 17), {"source": "random", "mask": "full"})
ROUTER = Case("moe-router", "k_moe", (2, 3), {})
DENOISING = Case("denoising", "n_step", (50, 63), {})
CLIP = Case("clip", "number", (9, 10), {})


def main() -> None:
    """Measure everything and print one table."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--rounds", type=int, default=5, help="turns of page and floor")
    rounds = options.parse_args().rounds
    print(f"{'what':<52}{'page':>12}{'floor':>12}{'ratio':>8}")
    starts(rounds, MASKS)
    interactions(rounds, MASKS)
    interactions(rounds, ROUTER)
    interactions(rounds, DENOISING)
    interactions(rounds, CLIP)
    scrubbing()
    smollm2(rounds)
    positions.measure(rounds, report)
    experts.measure(rounds, report)
    diffusion.measure(rounds, report)
    vision.measure(rounds, report)
    subwords.measure(rounds, report)


def report(what: str, page: float, floor: float | None, unit: str) -> None:
    """One line of the table."""
    base = f"{floor:,.3g} {unit}" if floor is not None else "-"
    ratio = f"{page / floor:.2f}" if floor else "-"
    print(f"{what:<52}{f'{page:,.3g} {unit}':>12}{base:>12}{ratio:>8}", flush=True)


def figures(case: Case) -> Path:
    """A file with the pictures that the page shows at both values, caught where the frame hands them to Streamlit."""
    from streamlit.testing.v1 import AppTest

    caught: list[list[Any]] = []
    for value in case.values:
        shown: list[Any] = []

        def keep(picture: Any, *_: Any, kept: list[Any] = shown, **__: Any) -> None:
            kept.append(picture)

        visitor = AppTest.from_file(ROOT / "ui" / "shell.py", default_timeout=120).run()
        visitor.switch_page(f"../{entries()[case.slug].script.relative_to(ROOT)}")
        for name, setting in ({case.control: value} | case.state).items():
            visitor.query_params[name] = str(setting)
        with mock.patch("ui.figure.show", side_effect=keep):
            visitor.run()
        caught.append(shown)
    path = Path(tempfile.mkdtemp()) / "figures"
    path.write_bytes(pickle.dumps(caught))
    return path


def starts(rounds: int, case: Case) -> None:
    """From starting the server to the first picture, and from following a link on a warm server to it."""
    script, environment = case.floor()
    cold: dict[str, list[float]] = {"page": [], "floor": []}
    warm: dict[str, list[float]] = {"page": [], "floor": []}
    for _ in range(max(2, rounds // 2)):
        for name, entry, extra, path in [
            ("page", "app.py", {}, case.path()),
            ("floor", script, environment, "/"),
        ]:
            server = Server(entry, **extra)
            try:
                with chromium() as tab:
                    first = tab()
                    first.open(server.url + path)
                    until = time.perf_counter() - first.page.evaluate("performance.now()") / 1e3
                    cold[name].append(until + first.first_paint() / 1e3 - server.began)
                    for _ in range(2):
                        later = tab()
                        later.open(server.url + path)
                        warm[name].append(later.first_paint() / 1e3)
            finally:
                server.stop()
    report("server start to first picture", median(cold["page"]), median(cold["floor"]), "s")
    report("link on a running server to first picture", median(warm["page"]), median(warm["floor"]), "s")


def interactions(rounds: int, case: Case) -> None:
    """One key press on a slider: time to the first and the last paint, bytes over the wire, processor time."""
    script, environment = case.floor()
    page, floor = Server("app.py"), Server(script, **environment)
    found: dict[str, dict[str, list[float]]] = {}
    try:
        with chromium() as tab:
            one, two = tab(), tab()
            one.open(page.url + case.path(**{case.control: case.values[0]}))
            two.open(floor.url)
            slider = "[role=slider], input[type=range]"
            sliders = {"page": f".st-key-{case.control} :is({slider})", "floor": slider}
            for turn in range(2 * rounds + 2):
                key = "ArrowRight" if turn % 2 == 0 else "ArrowLeft"
                for name, view, server in [("page", one, page), ("floor", two, floor)]:
                    view.page.locator(sliders[name]).first.focus()
                    bytes_before, cpu_before = view.bytes, server.cpu()
                    first, last = view.key(key)
                    if turn >= 2:  # the first turns compute what later ones find
                        costs = {
                            "first": first,
                            "last": last,
                            "bytes": (view.bytes - bytes_before) / 1e3,
                            "cpu": (server.cpu() - cpu_before) * 1e3,
                        }
                        for what, cost in costs.items():
                            found.setdefault(name, {}).setdefault(what, []).append(cost)
    finally:
        page.stop()
        floor.stop()
    for what, title, unit in [
        ("first", "slider to first repainted picture", "ms"),
        ("last", "slider to last repainted picture", "ms"),
        ("bytes", "bytes per interaction", "kB"),
        ("cpu", "server processor time per interaction", "ms"),
    ]:
        report(f"{case.slug}: {title}", median(found["page"][what]), median(found["floor"][what]), unit)


SENTENCES = "The cat sat on the mat. " * 12  # more tokens than the picture holds
DRAGS = {  # what is dragged -> its page in a state
    "64 matrices of 64 x 64": "attention-masks?mask=sliding&n_token=64&source=random",
    "32 clocks and their scores, 64 positions": "rope?n_pair=32&n_token=64",
    "the same, a head of SmolLM2": f"rope?{urlencode({'source': 'smollm2', 'text': SENTENCES})}",
}


def scrubbing() -> None:
    """Pictures painted per second while a scrubber is dragged."""
    server = Server("app.py")
    try:
        with chromium() as tab:
            for what, path in DRAGS.items():
                report(f"pictures a second: {what}", drag(tab(), f"{server.url}/{path}"), None, "/s")
    finally:
        server.stop()


def drag(one: Tab, url: str) -> float:
    """Drag a page's first scrubber from end to end and back: pictures a second."""
    one.open(url)
    slider = one.page.locator(".stBidiComponent input[type=range]").first
    box = slider.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    one.page.evaluate("performance.clearMeasures('atlas:frame')")
    one.page.mouse.move(box["x"] + 4, middle)
    one.page.mouse.down()
    began = time.perf_counter()
    for sweep in range(2):
        for step in range(120):
            share = step / 119 if sweep == 0 else 1 - step / 119
            one.page.mouse.move(box["x"] + 4 + share * (box["width"] - 8), middle)
    took = time.perf_counter() - began
    frames = one.page.evaluate("performance.getEntriesByName('atlas:frame').length")
    one.page.mouse.up()
    return float(frames / took)


def smollm2(rounds: int) -> None:
    """Attention of 64 tokens through SmolLM2, against the same model called through plain transformers."""
    if not assets.present("smollm2"):
        print("attention of 64 tokens through SmolLM2: not measured (python -m assets fetch smollm2)")
        return
    import torch
    from transformers import AutoModelForCausalLM

    from models import language_model

    torch.set_num_threads(1)
    ours = language_model.load("smollm2")
    ids = (ours.encode("The animal did not cross the street because it was too tired. " * 8))[:64]
    plain = AutoModelForCausalLM.from_pretrained(
        assets.path("smollm2"), attn_implementation="eager", dtype=torch.float32
    )
    plain.eval()
    times: dict[str, list[float]] = {"page": [], "floor": []}
    for turn in range(rounds + 1):
        for name in times:
            began = time.perf_counter()
            if name == "page":
                ours.read(ids)
            else:
                with torch.no_grad():
                    plain(torch.tensor([ids]), output_attentions=True)
            if turn:
                times[name].append(time.perf_counter() - began)
    report("attention of 64 tokens through SmolLM2", median(times["page"]), median(times["floor"]), "s")


median = statistics.median

if __name__ == "__main__":
    main()
