"""One text through several real tokenizers: where they cut, what it costs, what is lost, and why."""

from functools import partial

import ui
from models import tokenizer_splits as splits
from viz import tokenizer_splits as pictures

here = ui.open_page(__file__)
titles = here.titles("tokenizers")


@here.live
def picture() -> None:
    cfg = here.controls(splits.Config)
    trace = here.run(splits.trace, cfg)
    facts = pictures.named(splits.facts(trace), titles)
    reasons = [here.reason(missing.reason) for missing in trace.missing]
    here.show(
        pictures.staff(trace, here.words, titles, reasons),
        key="staff",
        picked=lambda at: {"row": at[0], "token": at[1]},
    )
    left, right = here.split(1, 1)

    with left:
        if trace.story:
            if told := pictures.story(trace, here.words):
                here.show(told, key=told.data["kind"])
            here.caption(pictures.caption_of_story(trace, facts), **facts)
        for name in pictures.captions(trace, facts):
            here.caption(name, **facts)

    def further(name: str) -> None:
        here.show(getattr(pictures, name)(trace, here.words, titles), key=name)
        here.caption(name, **facts)

    with right:
        if trace.row:
            here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
