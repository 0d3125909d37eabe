"""Who may look at whom: one head's scores under a mask, or under two."""

import dataclasses
from functools import partial

import ui
from models import attention_masks as masks
from viz import attention_masks as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(masks.Config, masks.limits)
    trace = here.run(masks.trace, cfg)
    facts = masks.facts(trace)
    left, right = here.split(5, 3) if len(trace.shown) == 1 else (here.split(1)[0], here.split(1)[0])

    with left:
        # The number that the scrubber turns is the first mask's, or the second's if the first has none.
        field = masks.scrubbed(cfg)
        pairs = [dataclasses.replace(cfg, mask=shown.name) for shown in trace.shown if field]
        here.show(
            pictures.matrix(trace, here.words, [here.run(masks.sweep, one, field) for one in pairs]), key="matrix"
        )

    with right:
        here.caption(f"look_{cfg.mask}", **facts)
        here.caption("compare" if len(trace.shown) == 2 else "strongest", **facts)
        if cfg.source != "random":
            here.caption("head", **facts)
        if trace.n_cut:
            here.caption("cut", **facts)

        def further(name: str) -> None:
            here.show(getattr(pictures, name)(trace, here.words), key=name)
            here.caption({"scale_curve": "scale", "spectrum": "rank"}.get(name, name), **facts)

        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
