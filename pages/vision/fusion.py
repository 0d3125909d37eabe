"""Fusion: one prompt of pictures and words in three models; pictures as codes; video; what real systems publish."""

from functools import partial

import ui
from models import fusion, fusion_codes, fusion_systems, fusion_video
from models.scenes import RADIUS, RGB, SHAPES
from viz import fusion as pictures
from viz import fusion_studies as studies

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(fusion.Config)
    own = here.upload()
    trace = here.run(fusion.trace, fusion.prompted(cfg), own)
    here.show(pictures.board(trace, here.words), key="board")
    facts, columns = fusion.facts(trace), here.split(1, 1)
    for i, name in enumerate(pictures.captions(trace)):
        with columns[i % 2]:
            here.caption(name, **facts)

    def further(name: str) -> None:
        if name == "codes":
            found = here.run(fusion_codes.codes, cfg.scene, cfg.place, cfg.code, own)
            here.show(pictures.codes(found, here.words), key=name, source=lambda row: {"place": pictures.place_of(row)})
            here.note("note_codes_all", **fusion_codes.codes_facts(found))
            sides = here.split(1, 1)
            with sides[0]:
                scene = pictures.compose(fusion_codes.notation(cfg.scene), SHAPES, RGB, RADIUS, here.words)
                here.show(scene, key="scene", scene=lambda text: {"scene": text})
            with sides[1]:
                book = pictures.codebook(found, here.words)
                here.show(book, key="book", source=lambda row: {"code": pictures.code_of(row, found)})
        elif name == "written":
            found = here.run(fusion_codes.written, cfg.caption, cfg.guidance, cfg.scene, cfg.seed, own)
            here.show(studies.written(found, cfg.written, here.words), key=name)
            here.note("note_written", **fusion_codes.written_facts(found))
        elif name == "mask":
            here.show(pictures.mask(trace, here.words), key=name)
            here.note("note_mask", **facts)
        elif name == "video":
            sizes = int(cfg.pool), trace.lanes[0].n_per_picture, cfg.n_latent
            found = here.run(fusion_video.video, cfg.scene, cfg.seconds, *sizes)
            here.show(studies.video(found, cfg.fps, here.words), key=name)
            here.show(studies.film(found, cfg.fps, here.words), key="film")
            for note in studies.video_notes(found):
                here.note(note, **fusion_video.video_facts(found, cfg.fps))
        else:
            if name == "systems":
                here.show(studies.systems(fusion_systems.SYSTEMS, here.words), key=name)
            here.table(studies.TABLES[name](getattr(fusion_systems, name.upper()), here.words))
            here.note(f"note_{name}")

    here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
