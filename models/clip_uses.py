"""What a trained CLIP is used for, and where it fails: zero-shot classification, retrieval, combinations, binding.

Source: Radford et al. 2021, section 3.1 (zero-shot: a class is a caption, the classifier is made of text vectors) and
Yuksekgonul et al. 2023, "When and Why Vision-Language Models Behave like Bags-of-Words" (binding and order).

    share_t = softmax_t(cosine(picture, caption_t) / temperature)

Glossary
    labels     captions to choose from, separated by semicolons or line breaks
    pool       120 pictures from a seed of their own, every other one of a combination that training never showed
    fitting    a scene of the pool fits a query if everything the query names is so (models/scene_captions.py)

Conventions: a text that names a combination held out, and a picture that shows one, are held out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from models import scene_notation
from models.clip_measures import KINDS, binding_cases, named
from models.clip_training import bytes_of
from models.fields import no_tick
from models.image_input import Picture
from models.scene_captions import read
from models.scene_classifier import compare
from models.scene_clip import load
from models.scene_questions import describe, tokenise
from models.scenes import COLOURS, HELD_OUT, N_PIXEL, SHAPES, Scene, draw, sample, scatter

MOST_LABELS = 12
N_POOL = 120
N_FOUND = 8
N_EACH = 12  # pictures of each combination


@dataclass(frozen=True)
class Choice:
    """One picture and the captions it chooses from."""

    scene: str  # in one line; "" of an uploaded picture
    shown: UInt8[Tensor, "y x 3"]
    label: tuple[str, ...]
    cosine: Float[Tensor, "t"]
    share: Float[Tensor, "t"]
    n_word: tuple[int, ...]  # of each caption, words that the text tower knows
    unknown: tuple[str, ...]
    fits: tuple[bool | None, ...]  # whether a caption is true of the scene; None where that cannot be told
    n_cut: int  # captions beyond MOST_LABELS, left out


def split_labels(text: str) -> tuple[list[str], int]:
    """The captions, and how many more there were. An empty text is one empty caption."""
    parts = [part.strip() for part in re.split(r"[;；\n]", text)]
    parts = list(dict.fromkeys(part for part in parts if part)) or [""]
    return parts[:MOST_LABELS], max(0, len(parts) - MOST_LABELS)


@torch.no_grad()
def zero_shot(scene: str, labels: str, temperature: float, picture: Picture | None = None) -> Choice:
    """Of a scene in one line (models/scene_notation.py), or of an uploaded picture. Raises SceneUnreadable."""
    clip, (texts, cut) = load(), split_labels(labels)
    known = None if picture else scene_notation.read(scene)
    shown = picture.square(N_PIXEL) if picture else draw([known] if known else [])[0]
    cosine = clip.encode_text(texts) @ clip.encode_image(shown[None])[0]
    words = [tokenise(text) for text in texts]
    return Choice(
        scene=scene_notation.write(known) if known else "",
        shown=bytes_of(shown),
        label=tuple(texts),
        cosine=cosine,
        share=torch.softmax(cosine / temperature, 0),
        n_word=tuple(len(one.ids) for one in words),
        unknown=tuple(dict.fromkeys(word for one in words for word in one.unknown)),
        fits=tuple(true_of(known, text) if known else None for text in texts),
        n_cut=cut,
    )


def true_of(scene: Scene, text: str) -> bool | None:
    """Whether everything a caption names is so in the scene; None for a caption that asks for nothing or contradicts
    itself. A caption of one object is true of a scene that has such an object beside others."""
    asked = read(text)
    if asked.problem:
        return None
    if asked.background and asked.background != scene.background:
        return False
    if not asked.objects:
        return True
    if len(asked.objects) == 1 and len(scene.objects) > 1:
        (want,) = asked.objects
        return any(
            all(getattr(want, name) in (None, getattr(thing, name)) for name in ("shape", "colour", "size"))
            and asked.layout in (None, thing.place)
            for thing in scene.objects
        )
    return all(compare(scene, asked).values())


def choice_facts(found: Choice) -> dict[str, float | int | str]:
    """What the caption beside it names."""
    order = found.share.argsort(descending=True).tolist()
    first, second = order[0], order[min(1, len(order) - 1)]
    verdict = [found.fits[i] for i in order]
    return {
        "n": len(order),
        "label": found.label[first],
        "share": float(found.share[first]),
        "cosine": float(found.cosine[first]),
        "second": found.label[second],
        "second_share": float(found.share[second]),
        "second_cosine": float(found.cosine[second]),
        "lowest": float(found.cosine.min()),
        "right": {True: "✓", False: "✗", None: "?"}[verdict[0]],
        "n_true": sum(fit is True for fit in found.fits),
        "unknown": ", ".join(found.unknown),
        "n_cut": found.n_cut,
    }


# --- retrieval -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pool:
    """Pictures and captions to search in."""

    scene: tuple[Scene, ...]
    text: tuple[str, ...]
    image: Float[Tensor, "p d"]
    words: Float[Tensor, "p d"]


@lru_cache(maxsize=2)
@torch.no_grad()
def pool(language: str) -> Pool:
    """Embedded once."""
    clip, generator = load(), torch.Generator().manual_seed(7_501)
    halves = [sample(generator, N_POOL // 2, held_out) for held_out in (False, True)]
    scenes = tuple(scene for both in zip(*halves, strict=True) for scene in both)
    texts = tuple(describe(scene, language) for scene in scenes)
    return Pool(scenes, texts, clip.encode_image(draw(scenes)), clip.encode_text(texts))


@dataclass(frozen=True)
class Found:
    """The nearest of the pool, nearest first, both ways."""

    query: str
    scene: str  # in one line; "" of an uploaded picture
    picture: UInt8[Tensor, "k y x 3"]  # for the query
    picture_cosine: Float[Tensor, "k"]
    fitting: tuple[bool | None, ...]
    n_fitting: int | None  # in the whole pool
    shown: UInt8[Tensor, "y x 3"]  # the picture that asks for a caption
    text: tuple[str, ...]
    text_cosine: Float[Tensor, "j"]
    true: tuple[bool | None, ...]
    unknown: tuple[str, ...]


@torch.no_grad()
def retrieve(query: str, scene: str, language: str, picture: Picture | None = None) -> Found:
    """Pictures for a text, and captions for a picture. Raises SceneUnreadable."""
    clip, known = load(), pool(language)
    cosine = known.image @ clip.encode_text([query])[0]
    near = cosine.argsort(descending=True)[:N_FOUND].tolist()
    fits = [true_of(one, query) for one in known.scene]
    drawn = None if picture else scene_notation.read(scene)
    shown = picture.square(N_PIXEL) if picture else draw([drawn] if drawn else [])[0]
    spoken = known.words @ clip.encode_image(shown[None])[0]
    said = spoken.argsort(descending=True)[:N_FOUND].tolist()
    return Found(
        query=query,
        scene=scene_notation.write(drawn) if drawn else "",
        picture=bytes_of(draw([known.scene[i] for i in near])),
        picture_cosine=cosine[near],
        fitting=tuple(fits[i] for i in near),
        n_fitting=None if None in fits else sum(map(bool, fits)),
        shown=bytes_of(shown),
        text=tuple(known.text[i] for i in said),
        text_cosine=spoken[said],
        true=tuple(true_of(drawn, known.text[i]) if drawn else None for i in said),
        unknown=tokenise(query).unknown,
    )


def found_facts(found: Found) -> dict[str, float | int | str]:
    """What the note names."""
    hits = [fit for fit in found.fitting if fit]
    return {
        "query": found.query,
        "n": len(found.fitting),
        "n_pool": N_POOL,
        "n_hit": len(hits),
        "n_fitting": found.n_fitting or 0,
        "unknown": ", ".join(found.unknown),
        "cosine": float(found.picture_cosine[0]),
        "last": float(found.picture_cosine[-1]),
        "text": found.text[0],
        "text_cosine": float(found.text_cosine[0]),
    }


# --- combinations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Combinations:
    """Zero-shot accuracy of every combination of shape and colour."""

    share: Float[Tensor, "shape colour"]  # of pictures whose nearest of 48 captions is right
    shape: Float[Tensor, "shape colour"]  # whose nearest caption has the right shape
    colour: Float[Tensor, "shape colour"]
    held_out: Bool[Tensor, "shape colour"]
    n_each: int
    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = COLOURS


@torch.no_grad()
def combinations(language: str, tick: Callable[[float], None] = no_tick) -> Combinations:
    """N_EACH pictures of each, one object anywhere, chosen among all 48 captions."""
    clip = load()
    texts = clip.encode_text([named(*kind, language) for kind in KINDS])
    marks = torch.zeros(3, len(KINDS))
    pictures = _of_each(N_EACH)
    for k, kind in enumerate(KINDS):
        best = (clip.encode_image(draw(pictures[kind])) @ texts.T).argmax(1).tolist()
        hits = [(KINDS[i] == kind, KINDS[i][0] == kind[0], KINDS[i][1] == kind[1]) for i in best]
        marks[:, k] = torch.tensor(hits).float().mean(0)
        tick((k + 1) / len(KINDS))
    both, shape, colour = marks.view(3, len(SHAPES), len(COLOURS))
    held = torch.tensor([kind in HELD_OUT for kind in KINDS]).view(len(SHAPES), len(COLOURS))
    return Combinations(both, shape, colour, held, N_EACH)


def _of_each(n: int) -> dict[tuple[str, str], list[Scene]]:
    """n scenes with one object, of each combination."""
    generator = torch.Generator().manual_seed(7_601)
    found: dict[tuple[str, str], list[Scene]] = {kind: [] for kind in KINDS}
    while any(len(scenes) < n for scenes in found.values()):
        for scene in scatter(generator, 400, None, counts=(1,)):
            (thing,) = scene.objects
            if len(found[thing.shape, thing.colour]) < n:
                found[thing.shape, thing.colour].append(scene)
    return found


def combination_facts(found: Combinations) -> dict[str, float | int | str]:
    """What the note names."""
    held = found.held_out
    worst = int(found.share.masked_fill(~held, 2).argmin())
    return {
        "n": found.n_each * held.numel(),
        "n_each": found.n_each,
        "seen": float(found.share[~held].mean()),
        "held_out": float(found.share[held].mean()),
        "held_shape": float(found.shape[held].mean()),
        "held_colour": float(found.colour[held].mean()),
        "seen_shape": float(found.shape[~held].mean()),
        "seen_colour": float(found.colour[~held].mean()),
        "worst_share": float(found.share.flatten()[worst]),
        "worst": named(*KINDS[worst]),
        "chance": 1 / held.numel(),
    }


# --- binding ---------------------------------------------------------------------------------------------------------

CASES = ("colour", "shape", "binding", "place")


@dataclass(frozen=True)
class Binding:
    """Pictures of two objects; the right caption against one that is wrong in one way."""

    share: tuple[float, ...]  # right caption nearer, by CASES
    margin: tuple[float, ...]  # mean cosine of the right one minus that of the wrong one, by CASES
    picture: UInt8[Tensor, "k y x 3"]
    right: tuple[str, ...]  # k
    swapped: tuple[str, ...]
    right_cosine: tuple[float, ...]
    swapped_cosine: tuple[float, ...]
    n: int
    cases: tuple[str, ...] = CASES


@torch.no_grad()
def bindings(language: str, n: int = 300, tick: Callable[[float], None] = no_tick) -> Binding:
    """The first N_FOUND of them to look at."""
    clip = load()
    scenes, texts = binding_cases(n, language)
    tick(0.1)
    u = clip.encode_image(draw(scenes))
    tick(0.5)
    s = (clip.encode_text([text for row in texts for text in row]).view(n, -1, u.shape[1]) @ u[:, :, None])[:, :, 0]
    pairs = {"binding": (0, 1), "colour": (0, 2), "shape": (0, 3), "place": (4, 5)}
    k = N_FOUND
    return Binding(
        share=tuple(float((s[:, a] > s[:, b]).float().mean()) for a, b in (pairs[name] for name in CASES)),
        margin=tuple(float((s[:, a] - s[:, b]).mean()) for a, b in (pairs[name] for name in CASES)),
        picture=bytes_of(draw(scenes[:k])),
        right=tuple(row[0] for row in texts[:k]),
        swapped=tuple(row[1] for row in texts[:k]),
        right_cosine=tuple(s[:k, 0].tolist()),
        swapped_cosine=tuple(s[:k, 1].tolist()),
        n=n,
    )


def binding_facts(found: Binding) -> dict[str, float | int]:
    """What the note names."""
    return {
        "n": found.n,
        **{name: found.share[i] for i, name in enumerate(CASES)},
        **{f"{name}_margin": found.margin[i] for i, name in enumerate(CASES)},
    }
