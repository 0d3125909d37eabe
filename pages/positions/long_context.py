"""Past the trained length: six trained models, and what makes the RoPE model read on."""

from functools import partial

import ui
from models import long_context
from models.context_lengths import CONTEXTS
from viz import context_cost as prices
from viz import long_context as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(long_context.Config)
    trace = here.run(long_context.trace, cfg)
    facts = long_context.facts(trace)
    left, right = here.split(3, 2)
    with left:
        here.show(pictures.loss(trace, here.words), key="loss")
    with right:
        here.show(pictures.recall(trace, here.words), key="recall")
    left, right = here.split(2, 3)
    with left:
        for name in pictures.captions(trace, facts):
            here.caption(name, **facts)

    def further(name: str) -> None:
        if name == "cost":
            here.show(prices.kv(trace.cost, here.words), key="kv")
            here.show(prices.share(trace.cost, here.words), key="share")
        elif name == "lengths":
            here.show(prices.lengths(CONTEXTS, here.words), key="lengths")
        else:
            here.show(getattr(pictures, name)(trace, here.words), key=name)
        here.caption(name, **facts)

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
