"""From pixels to words: a picture, a question, and the projector between a vision encoder and a language model."""

from functools import partial

import ui
from models import projection
from models import projection_studies as study
from viz import projection as pictures
from viz import projection_studies as further

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(projection.Config)
    own = here.upload()
    asked = projection.sampled(cfg)
    trace = here.run(projection.trace, asked, own)
    left, right = here.split(2, 5)
    with left:
        if trace.scene:
            here.show(pictures.composer(trace.scene, here.words), key="scene", scene=lambda text: {"scene": text})
        here.show(pictures.answer(trace, here.words), key="answer")
    with right:
        chain = pictures.chain(trace, here.words, cfg.layer, cfg.place)
        here.show(chain, key="chain", source=lambda i: {"place": i}, off=lambda cells: {"off": pictures.link(cells)})
    facts = projection.facts(trace, cfg.layer, cfg.place)
    for name in pictures.captions(trace):
        here.caption(name, **facts)

    def show(name: str) -> None:
        if name == "heads":
            here.show(pictures.heads(trace, here.words, cfg.place), key=name, source=lambda i: {"place": i})
        elif name == "nearest":
            here.show(pictures.nearest(trace, here.words), key=name)
        if name in ("heads", "nearest"):
            here.note(f"note_{name}", **facts)
            return
        for part, draws in further.SHOWN[name].items():
            work, numbers = study.STUDIES[part]
            found = here.run(work, asked, own)
            for draw in draws:
                drawn = draw(found, here.words, cfg.depth if part == "real" else cfg.step)
                if isinstance(drawn, dict):
                    here.table(drawn)
                else:
                    here.show(drawn, key=f"{part}-{draw.__name__}")
            here.note(f"note_{part}", **numbers(found))

    here.gallery({name: partial(show, name) for name in here.spec["gallery"]})


here.more()
