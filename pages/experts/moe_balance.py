"""Balance between experts: a live training collapses without a remedy, and with one it does not."""

from dataclasses import replace
from functools import partial

import ui
from models import cluster_ends, moe_balance
from viz import moe_balance as pictures

here = ui.open_page(__file__)
COMPARED = {"texts": "scopes", "remedies": "remedies", "strengths": "strengths", "seeds": "seeds"}


@here.live
def picture() -> None:
    cfg = here.controls(moe_balance.Config)
    trace = here.run(moe_balance.trace, moe_balance.trained(cfg))
    trace = moe_balance.at(trace, cfg.step)
    facts = moe_balance.facts(trace)
    here.show(pictures.plane(trace, here.words), key="plane")
    for place, name in zip(here.split(1, 1, 1), ("entropy", "loss", "gradient"), strict=True):
        with place:
            here.show(getattr(pictures, name)(trace, here.words), key=name)
    left, right = here.split(2, 3)
    with left:
        for name in pictures.captions(trace, facts):
            here.caption(name, **facts)

    def further(name: str) -> None:
        if name in COMPARED:
            found = here.run(moe_balance.compare, moe_balance.trained(cfg), name)
            here.show(getattr(pictures, COMPARED[name])(found, here.words), key=name)
            said = cluster_ends.ends(found)
            here.note(f"note_{name}", **facts | said | pictures.named(said, here.words))
        elif name == "bias" and cfg.remedy != "bias":  # no other remedy moves a bias: show the one that does
            moved = here.run(moe_balance.trace, moe_balance.trained(replace(cfg, remedy="bias")))
            moved = moe_balance.at(moved, cfg.step)
            here.show(pictures.bias(moved, here.words), key=name)
            here.caption("bias_instead", **moe_balance.facts(moved))
        else:
            here.show(getattr(pictures, name)(trace, here.words), key=name)
            here.caption(name, **facts)

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
