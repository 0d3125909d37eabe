"""Text by unmasking: a masked diffusion model and an autoregressive one fill the same blanks, pass by pass."""

from functools import partial

import ui
from models import text_diffusion
from viz import text_diffusion as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(text_diffusion.Config)
    trace = here.run(text_diffusion.trace, text_diffusion.still(cfg))
    trace = text_diffusion.at(trace, cfg.step, cfg.dependence)
    facts = text_diffusion.facts(trace)
    here.show(pictures.strip(trace, here.words), key="strip", masked=text_diffusion.holed)
    left, right = here.split(2, 3)
    with left:
        for name in pictures.captions(trace):
            here.caption(name, **facts)

    def further(name: str) -> None:
        if name == "quality":
            found = here.run(text_diffusion.quality, text_diffusion.still(cfg))
            for place, one in zip(here.split(1, 1), ("perplexity", "distinct"), strict=True):
                with place:
                    here.show(getattr(pictures, one)(found, here.words), key=one)
            here.note("note_quality", **pictures.named(found))
        elif name == "held_out":
            seen = here.run(text_diffusion.held_out)
            here.show(pictures.held_out(seen, here.words), key=name)
            here.note("note_held_out", **pictures.bounds(seen, here.words))
        elif name == "schedule":
            here.show(pictures.schedule(trace, here.words), key=name)
            here.show(pictures.weight(here.words), key="weight")
            here.caption(name, **facts)
        elif name == "models":
            here.table(pictures.models(here.words))
            here.caption(name)
        else:
            here.show(getattr(pictures, name)(trace, here.words), key=name)
            here.caption(name, **facts)

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
