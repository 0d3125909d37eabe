"""Latent diffusion: a small Stable Diffusion trained here, from the typed caption to the picture, every part open."""

from functools import partial

import ui
from models import latent_diffusion as latent
from models import latent_measures as measure
from models import latent_sizes as sizes
from viz import latent_diffusion as pictures

here = ui.open_page(__file__)


@here.live
def picture() -> None:
    cfg = here.controls(latent.Config)
    trace = here.run(latent.trace, latent.sampled(cfg))
    step = latent.at(trace, cfg.step)
    facts = latent.facts(trace, cfg.step, cfg.chosen, cfg.word)
    board = pictures.board(trace, here.words, step, cfg.chosen, cfg.word)
    here.show(board, key="board", chosen=lambda i: {"chosen": i}, word=lambda i: {"word": i})
    columns = here.split(1, 1)
    for i, name in enumerate(pictures.captions(trace, cfg.word)):
        with columns[i % 2]:
            here.caption(name, **facts)

    def further(name: str) -> None:
        if name == "parts":
            here.show(pictures.parts(*here.run(sizes.both_stages), here.words), key=name)
            here.note("note_parts")
        elif name == "sizes":
            rows = [(sizes.pixels(one), sizes.latents(one)) for one in sizes.RESOLUTIONS]
            here.show(pictures.sizes(sizes.RESOLUTIONS, rows, cfg.resolution, here.words), key=name)
            here.note("note_sizes", **sizes.saving(cfg.resolution), resolution=cfg.resolution)
        elif name == "vae":
            found = here.run(measure.reconstruct, cfg.seed)
            here.show(pictures.vae(found, here.words), key=name)
            here.note("note_vae", **measure.reconstruction_facts(found))
        elif name in ("guidances", "steps"):
            found = here.run(measure.guidances) if name == "guidances" else here.run(measure.steps, cfg.guidance)
            value = {"guidances": cfg.guidance, "steps": cfg.steps}[name]
            here.show(getattr(pictures, name)(found, value, here.words), key=name)
            here.show(pictures.strip(found, here.words), key=f"{name}-strip")
            here.note(f"note_{name}", **measure.sweep_facts(found))
        else:
            found = here.run(measure.combinations, cfg.guidance)
            here.table(pictures.table(found, measure.ATTRIBUTES, measure.GROUPS, here.words))
            here.note("note_combinations", **measure.combination_facts(found))
            here.show(pictures.combinations(found, measure.GROUPS, here.words), key=name)
            here.show(pictures.confusion(found, measure.SHAPES, here.words), key="confusion")
            here.show(pictures.owners(found, measure.KINDS, measure.OWNERS, here.words), key="owners")

    here.gallery({name: partial(further, name) for name in here.spec["gallery"]})


here.more()
