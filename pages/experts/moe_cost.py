"""What a mixture of experts costs: real models counted part by part, beside a dense one."""

from functools import partial

import ui
from models import moe_cost
from viz import moe_cost as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(moe_cost.Config)
    trace = here.run(moe_cost.trace, cfg)
    facts = moe_cost.facts(trace)
    left, right = here.split(3, 2)
    with left:
        here.show(pictures.bars(trace, here.words), key="bars")
    with right:
        here.show(pictures.step(trace, here.words), key="step")
    left, right = here.split(2, 3)
    with left:
        for name in pictures.captions(trace):
            here.caption(name, **facts)

    def further(name: str) -> None:
        here.show(getattr(pictures, name)(trace, here.words), key=name)
        here.caption(pictures.below(name, trace), **facts)

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
