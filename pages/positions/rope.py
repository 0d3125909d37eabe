"""Rotary position embedding: pairs of features as clocks that turn with position."""

from functools import partial

import ui
from models import rope
from viz import rope as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(rope.Config, rope.limits)
    trace = here.run(rope.trace, cfg)
    facts = rope.facts(trace)
    here.show(pictures.clocks(trace, here.words), key="clocks", scrubs=lambda at: {"query": at[0], "key": at[1]})
    left, right = here.split(5, 7)

    with left:
        for name in pictures.captions(trace):
            here.caption(name, **facts)

    def further(name: str) -> None:
        here.show(getattr(pictures, name)(trace, here.words), key=name)
        here.caption(pictures.caption_of(trace, name, facts), **facts)

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
