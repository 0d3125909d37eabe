"""Two position encodings side by side on one sentence, and each of them alone."""

from functools import partial

import ui
from models import no_position
from models import position_encodings as positions
from viz import position_encodings as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(positions.Config, positions.limits)
    trace = here.run(positions.trace, cfg)
    facts = pictures.named(positions.facts(trace), here.words)
    here.show(pictures.pair(trace, here.words), key="pair")
    left, right = here.split(2, 3)

    with left:
        for name in pictures.captions(trace):
            here.caption(name, **facts)

    def further(name: str) -> None:
        shown = here.run(no_position.learn, cfg.seed) if name == "nope" else trace  # trained only when asked for
        for part in pictures.parts(name):
            # The clocks report two positions at once.
            both = {"scrubs": lambda at: {"first": at[0], "second": at[1]}} if part == "turning" else {}
            here.show(getattr(pictures, part)(shown, here.words), key=part, **both)
        here.caption(pictures.caption_of(trace, name), **facts)

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
