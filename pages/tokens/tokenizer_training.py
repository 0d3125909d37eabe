"""A tokenizer trained step by step: BPE, byte-level BPE, WordPiece and Unigram on the reader's own text."""

from functools import partial

import ui
from models import tokenizer_training as training
from viz import tokenizer_training as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(training.Config)
    trace = here.run(training.trace, cfg)
    facts = pictures.named(training.facts(trace))
    here.show(pictures.steps(trace, here.words), key="steps")
    here.show(pictures.text(trace, here.words), key="text")
    left, right = here.split(2, 3)

    with left:
        for name in pictures.captions(trace):
            here.caption(name, **facts)

    def further(name: str) -> None:
        shown = getattr(pictures, name)(trace, here.words)
        if shown is not None:
            here.show(shown, key=name)
        here.caption(name if shown is not None else f"no_{name}", **facts)

    with right:
        here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
