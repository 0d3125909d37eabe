"""Which experts a trained router sends each token to, and what depends on it."""

from functools import partial

import ui
from models import moe_router as router
from models import router_measure as measure
from viz import moe_router as pictures
from viz import router_measure as measured

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(router.Config)
    trace = here.run(router.trace, cfg)
    facts = router.facts(trace)
    how, _ = router.switches(cfg)
    here.show(pictures.routing(trace, here.words), key="routing", token=router.pinned)
    said = pictures.captions(trace)
    for column, names in zip(here.split(1, 1), (said[:2], said[2:]), strict=True):
        with column:
            for name in names:
                here.caption(name, **facts)

    # These read more than the text once: they are computed only when their picture is asked for.
    works = {
        "losses": (measure.text_losses, cfg.model, trace.ids, how),
        "capacities": (measure.text_capacities, cfg.model, trace.ids, how),
        "held_out": (measure.sweep, cfg.model, how),
        "drop": (measure.drop, cfg.model, how, trace.layer),
        "specialists": (measure.specialists, cfg.model, how),
        "favourites": (measure.favourites, cfg.model, how, trace.layer),
    }

    def further(name: str) -> None:
        if name not in works:
            here.show(getattr(pictures, name)(trace, here.words), key=name)
            for said in pictures.below(name, trace):
                here.caption(said, **facts)
            return
        found = here.run(*works[name])
        drawn = getattr(measured, name)(trace, found, here.words)
        if name == "favourites":
            here.table(drawn)
        else:
            here.show(drawn, key=name)
        numbers = measured.facts(name, trace, found, here.words)
        for said in measured.notes(name, numbers):
            here.note(f"note_{said}", **numbers)

    here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
