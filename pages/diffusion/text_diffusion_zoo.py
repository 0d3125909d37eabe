"""Five ways to diffuse text, each computed live: D3PM, Diffusion-LM, DiffuSeq, SSD-LM, AR-Diffusion."""

from typing import Any

import ui
from models import text_diffusion_zoo as zoo
from viz import text_diffusion_zoo as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(zoo.Config, zoo.limits)
    trace = zoo.at(here.run(zoo.trace, zoo.computed(cfg)), cfg)
    facts = zoo.facts(trace)

    def show(place: Any, name: str) -> None:
        with place:
            here.show(pictures.PICTURES[name](trace, here.words), key=name)

    above, below = pictures.PAGE[cfg.kind]
    for place, (_, name) in zip(here.split(*(width for width, _ in above)), above, strict=True):
        show(place, name)
    *places, last = here.split(*(width for width, _ in below), 2)
    with last:
        for name in pictures.notes(trace, facts):
            here.note(name, **facts | pictures.named(trace, here.words))
    for place, (_, name) in zip(places, below, strict=True):
        show(place, name)


here.more()
