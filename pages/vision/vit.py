"""Vision Transformer: a picture as a sentence of patches, and where every head of every layer looks."""

from functools import partial

import ui
from models import scenes, vit, vit_studies
from viz import imagenet
from viz import vit as pictures
from viz import vit_studies as figures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(vit.Config)
    own = here.upload()
    trace = here.run(vit.trace, vit.sampled(cfg), own)
    layer, source = vit.at(trace, cfg.layer), vit.from_token(trace, cfg.source)
    left, right = here.split(2, 5)
    with left:
        if own:
            here.show(pictures.original(trace, here.words), key="own")
        else:
            composer = pictures.composer(trace.scene, scenes.RGB, scenes.RADIUS, here.words)
            here.show(composer, key="scene", scene=lambda text: {"scene": text})
    with right:
        here.show(pictures.board(trace, here.words, layer, source), key="board", source=lambda i: {"source": i})
    facts = pictures.named(vit.facts(trace, cfg.layer, source), here.words)
    for name in pictures.captions(trace, source):
        here.caption(name, **facts)

    def further(name: str) -> None:
        found = here.run(getattr(vit_studies, name), vit_studies.asked(name, cfg), vit_studies.picture(name, own))
        for i, view in enumerate(figures.views(name, found, cfg, here.words)):
            here.show(view, key=f"{name}-{i}")
        if name == "imagenet":
            here.table(imagenet.table(found.rows, here.words))
        here.note(vit_studies.sentence(name, found, cfg), **vit_studies.facts(name, found, cfg))

    here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
