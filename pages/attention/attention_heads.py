"""What the heads of a model look at, and what the model says without some of them."""

from functools import partial

import ui
from models import attention_heads as heads
from viz import attention_heads as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(heads.Config)
    trace = here.run(heads.trace, cfg)
    facts = heads.facts(trace)
    left, right = here.split(5, 7)

    with left:
        # A click opens a head; the switch above the grid makes clicks turn heads off.
        clicks = {"selected": partial(heads.opened, trace), "marked": partial(heads.switched, trace)}
        here.show(pictures.heads(trace, here.words), key="heads", **clicks)
        for name in pictures.captions_of_all(trace):
            here.caption(name, **facts)

    with right:
        here.show(pictures.head(trace, here.words), key=trace.view, focus=lambda token: {"focus": token})
        here.caption(pictures.caption_of_relation(trace), **facts)

    left, right = here.split(5, 7)
    with left:
        for name in pictures.captions_of_one(trace):
            here.caption(name, **facts)

    def further(name: str) -> None:
        if name == "groups" or trace.next_label:
            here.show(getattr(pictures, name)(trace, here.words), key=name)
        here.caption(pictures.caption_of(trace, name), **facts)

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
