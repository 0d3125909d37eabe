"""CLIP: which caption belongs to which picture, learned on drawn scenes; what it can do then, and where it fails."""

from functools import partial

import ui
from models import clip, clip_gallery, scenes
from viz import clip as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(clip.Config)
    own = here.upload()
    trace = here.run(clip.trace, clip.shown(cfg))
    step = clip.at(trace, cfg.step)
    board = pictures.board(trace, here.words, step, cfg.row, cfg.column)
    here.show(board, key="board", chosen=lambda cell: {"row": cell[0], "column": cell[1]})
    facts = clip.facts(trace, cfg.step, cfg.row, cfg.column)
    for column, name in zip(here.split(1, 1), pictures.said(trace), strict=True):
        with column:
            here.caption(name, **facts)

    def further(name: str) -> None:
        work, arguments = clip_gallery.asked(name, cfg, own)
        found = here.run(work, *arguments)
        left, right = here.split(5, 6) if name in clip_gallery.COMPOSED else here.split(1) * 2
        with left:
            if name in clip_gallery.COMPOSED and not found.scene:
                here.show(pictures.original(found, here.words), key="own")
            elif name in clip_gallery.COMPOSED:
                composer = pictures.composer(found.scene, scenes.RGB, scenes.RADIUS, here.words)
                here.show(composer, key="scene", scene=lambda text: {"scene": text})
        with right:
            for i, drawn in enumerate(pictures.views(name, found, step, cfg.temperature, here.words)):
                if isinstance(drawn, dict):
                    here.table(drawn)
                else:
                    here.show(drawn, key=f"{name}-{i}")
        for note in pictures.notes(name, found, cfg.trained):
            said = pictures.named(name, found, here.words)
            here.note(note, **{**clip_gallery.facts(name, found, cfg), **said})

    here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
