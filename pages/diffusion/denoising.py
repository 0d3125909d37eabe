"""Denoising in the plane: DDPM and DDIM side by side from one start, and everything their steps rest on."""

from functools import partial
from typing import Any

import ui
from models import denoising, denoising_comparisons, denoising_studies, drawing
from viz import denoising as pictures
from viz.denoising_numbers import PARTS, UNREAD, asked

here = ui.open_page(__file__)


def drawn(place: Any, cfg: denoising.Config) -> bool:
    """The visitor's own drawing; whether there is anything in it to be learned."""
    with place:
        try:
            points, problem = denoising_studies.points(cfg).numpy(), ""
        except drawing.NothingDrawn as error:
            points, problem = None, here.reason(error)
        pad = pictures.pen(cfg.drawing, points, here.words, problem)
        here.show(pad, key="pad", strokes=lambda text: {"drawing": text})
        here.note("nothing_drawn", reason=problem)
    return not problem


@here.live
def picture() -> None:
    cfg = here.controls(denoising.Config, denoising.limits)
    *pad, planes = here.split(2, 5) if cfg.data == "drawn" else here.split(1)
    if pad and not drawn(pad[0], cfg):
        return
    sampled = denoising.sampled(cfg)
    with planes:
        trace = denoising.at(here.run(denoising.trace, sampled), cfg.t)
        here.show(pictures.reverse(trace, here.words, denoising.labels(trace.data, trace.n_class)), key="planes")
    known, facts = here.run(denoising_studies.schedules, denoising.Config()), denoising.facts(trace)
    for place, view in zip(here.split(1, 1, 1), pictures.curves_below(trace, known, here.words), strict=True):
        with place:
            here.show(view, key=view.data["name"])
    left, right = here.split(2, 3)
    with left:
        for name in pictures.captions(trace, facts):
            here.caption(name, **facts)

    def further(name: str) -> None:
        study = denoising_studies if hasattr(denoising_studies, name) else denoising_comparisons
        about = [asked(sampled, name)] if name in UNREAD else []
        found = trace if name == "field" else here.run(getattr(study, name), *about)
        frame = [cfg.noised] if name == "forward" else []
        for draw, numbers in PARTS[name]:
            here.show(draw(found, *frame, here.words), key=draw.__name__)
            if numbers:
                here.note(f"note_{draw.__name__}", **numbers(found, *frame))

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
