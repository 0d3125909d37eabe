"""How good the scenes' CLIP is, as numbers, on scenes that its training did not see.

    zero-shot     which of the 48 captions "a red circle" is nearest to a picture with one object
    retrieval     which of n captions belongs to a picture, and which of n pictures to a caption
    binding       "red circle and blue square" against "blue circle and red square": the same words, paired otherwise
    gap           the distance between the mean picture and the mean text of the fixed pairs; each vector has length 1

Glossary
    held out   pictures of a combination (shape, colour) that no training picture shows, nor its caption names
    recall     share whose right partner is the nearest of all

Conventions: seeds here are never those of training. Captions are made of the words of one language, by default English.
"""

import random
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from models.scene_captions import LANGUAGES, say
from models.scene_clip import Clip
from models.scene_questions import describe
from models.scenes import COLOURS, SHAPES, Scene, Shape, draw, sample, scatter

KINDS = tuple((shape, colour) for shape in SHAPES for colour in COLOURS)


# pictures each share is counted on
N_ZERO_SHOT, N_RETRIEVAL, N_BINDING = 400, 200, 400
N_WATCHED = 96  # while training


def fixed_scenes() -> list[Scene]:
    """The 40 that snapshots are taken of: in turn seen and held out; every fifth one shows two objects."""
    generator = torch.Generator().manual_seed(7_001)
    found = {}
    for held_out in (False, True):
        single, pair = (_different(sample(generator, 200, held_out, share)) for share in (1.0, 0.0))
        found[held_out] = [pair[i // 5] if i % 5 == 4 else single[i - i // 5] for i in range(20)]
    return [scene for both in zip(found[False], found[True], strict=True) for scene in both]


def _different(scenes: list[Scene]) -> list[Scene]:
    """One of each combination first, then the others."""
    first: dict[frozenset[tuple[str, str]], Scene] = {}
    for scene in scenes:
        first.setdefault(frozenset((thing.shape, thing.colour) for thing in scene.objects), scene)
    return [*first.values(), *(scene for scene in scenes if scene not in first.values())]


def named(shape: str, colour: str, language: str = "en") -> str:
    """The caption of a combination."""
    if language == "en":
        return f"{'an' if colour[0] == 'o' else 'a'} {colour} {shape}"
    return f"{say(colour, 'zh')}{say(shape, 'zh')}"


@torch.no_grad()
def zero_shot(
    clip: Clip, held_out: bool, n: int = N_ZERO_SHOT, language: str = "en", seed: int = 7_101
) -> dict[str, float]:
    """Share of pictures with one object anywhere whose nearest caption names its "shape", its "colour", "both"."""
    scenes = scatter(torch.Generator().manual_seed(seed), n, held_out, counts=(1,))
    captions = clip.encode_text([named(*kind, language) for kind in KINDS])
    best = (clip.encode_image(draw(scenes)) @ captions.T).argmax(1).tolist()
    pairs = [(KINDS[at], scene.objects[0]) for at, scene in zip(best, scenes, strict=True)]
    right = {
        "shape": [kind[0] == thing.shape for kind, thing in pairs],
        "colour": [kind[1] == thing.colour for kind, thing in pairs],
        "both": [kind == (thing.shape, thing.colour) for kind, thing in pairs],
    }
    return {name: round(sum(marks) / n, 4) for name, marks in right.items()}


@torch.no_grad()
def retrieval(
    clip: Clip, held_out: bool, n: int = N_RETRIEVAL, language: str = "en", seed: int = 7_201
) -> dict[str, float]:
    """Recall at 1 among n full captions, "text" given a picture and "picture" given a text."""
    scenes = sample(torch.Generator().manual_seed(seed), n, held_out)
    z = clip.encode_image(draw(scenes)) @ clip.encode_text([describe(scene, language) for scene in scenes]).T
    right = torch.arange(n)
    return {
        "text": round(float((z.argmax(1) == right).float().mean()), 4),
        "picture": round(float((z.argmax(0) == right).float().mean()), 4),
    }


def binding_cases(n: int, language: str = "en", seed: int = 7_301) -> tuple[list[Scene], list[tuple[str, ...]]]:
    """Scenes of two objects that differ in shape and colour, and six captions of each: right; colours swapped; one
    wrong colour; one wrong shape; right with places; places swapped. No caption names a combination held out."""
    rng = random.Random(seed)
    scenes: list[Scene] = []
    texts: list[tuple[str, ...]] = []
    while len(scenes) < n:
        (scene,) = sample(torch.Generator().manual_seed(rng.getrandbits(60)), 1, False, 0.0)
        a, b = scene.objects
        other = swapped(scene)
        if a.shape == b.shape or a.colour == b.colour or other.held_out or scene.layout != "beside":
            continue
        recoloured = [replace(a, colour=c) for c in COLOURS if c not in (a.colour, b.colour, scene.background)]
        reshaped = [replace(a, shape=s) for s in SHAPES if s not in (a.shape, b.shape)]
        scenes.append(scene)
        texts.append((
            two(a, b, language),
            two(other.objects[0], other.objects[1], language),
            two(rng.choice([one for one in recoloured if not one.held_out]), b, language),
            two(rng.choice([one for one in reshaped if not one.held_out]), b, language),
            beside(a, b, language),
            beside(b, a, language),
        ))  # fmt: skip
    return scenes, texts


@torch.no_grad()
def binding(clip: Clip, n: int = N_BINDING, language: str = "en", seed: int = 7_301) -> dict[str, float]:
    """Two objects of different shape and colour, side by side; how often the right caption of two is the nearer one.

    "binding": the wrong caption swaps the colours. "colour": it has one wrong colour instead. "shape": one wrong shape.
    "place": colours and shapes stay, left and right are swapped.
    """
    scenes, texts = binding_cases(n, language, seed)
    u = clip.encode_image(draw(scenes))
    s = (clip.encode_text([text for row in texts for text in row]).view(n, 6, -1) @ u[:, :, None])[:, :, 0]
    pairs = {"binding": (0, 1), "colour": (0, 2), "shape": (0, 3), "place": (4, 5)}
    return {name: round(float((s[:, a] > s[:, b]).float().mean()), 4) for name, (a, b) in pairs.items()}


def swapped(scene: Scene) -> Scene:
    """The first two objects with each other's colour."""
    a, b, *rest = scene.objects
    return replace(scene, objects=(replace(a, colour=b.colour), replace(b, colour=a.colour), *rest))


def two(a: Shape, b: Shape, language: str = "en") -> str:
    """A and B, without saying where."""
    link = " and " if language == "en" else "和"
    return named(a.shape, a.colour, language) + link + named(b.shape, b.colour, language)


def beside(a: Shape, b: Shape, language: str = "en") -> str:
    """A left of B."""
    if language == "en":
        return f"{named(a.shape, a.colour)} left of {named(b.shape, b.colour)}"
    return f"{named(a.shape, a.colour, 'zh')}在{named(b.shape, b.colour, 'zh')}的左边"


def gap(u: Float[Tensor, "n d"], v: Float[Tensor, "m d"]) -> float:
    """Distance between the two means."""
    return float((u.mean(0) - v.mean(0)).norm())


@torch.no_grad()
def watch(clip: Clip) -> dict[str, float]:
    """A few numbers on the way, quickly."""
    seen, held = (zero_shot(clip, held_out, N_WATCHED, seed=7_401) for held_out in (False, True))
    return {
        "seen": seen["both"],
        "held_out": held["both"],
        "retrieval": retrieval(clip, False, 100, seed=7_402)["text"],
        "binding": binding(clip, 100, seed=7_403)["binding"],
    }


def measure(clip: Clip) -> dict[str, dict[str, dict[str, float]]]:
    """What the card says: by language."""
    scenes = fixed_scenes()
    u = clip.encode_image(draw(scenes))
    return {
        language: {
            "zero_shot_seen": zero_shot(clip, False, language=language),
            "zero_shot_held_out": zero_shot(clip, True, language=language),
            "retrieval_seen": retrieval(clip, False, language=language),
            "retrieval_held_out": retrieval(clip, True, language=language),
            "binding": binding(clip, language=language),
            "gap": {"distance": round(gap(u, clip.encode_text([describe(one, language) for one in scenes])), 4)},
        }
        for language in LANGUAGES
    }
