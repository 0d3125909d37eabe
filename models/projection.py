"""From pixels to words through a projector: one picture, one question, and every number of the chain between them.

Sources: Liu et al. 2023, "Visual Instruction Tuning" (LLaVA), sections 4.1-4.2; Liu et al. 2024, "Improved Baselines
with Visual Instruction Tuning" (LLaVA 1.5), section 3; Li et al. 2023, "BLIP-2", section 3.1. The parts, trained on
drawn scenes: training/scene_encoder.py (vision encoder), models/projectors.py, scene_lm.py, scene_vlm.py (the chain).
What is measured: models/projection_studies.py and projection_claims.py. Published systems: projection_systems.py.

    picture -> 64 patches -> vision encoder -> 64 features z -> projector -> image tokens h
    START h_1 .. h_k QUESTION what colour is the circle ? ANSWER -> language model -> red

Glossary
    z, features    one vector per patch               h, tokens    what stands where words' embeddings stand, too
    source         share of each patch in each token; attention to a token is handed on to patches by it
    place          a position after the picture: a word of the question, or where a word of the answer is predicted
    effect         how much the loss of the answer grows when one patch alone is switched off, nats
    phase          0: projector still random; 1: after stage 1 (alignment); 2: after stage 2 (instructions)

Axes: n patches, k image tokens, l layer, h head, q place, w candidate words, y and x of the picture.

Conventions: patches are numbered from 0 in reading order, in links from 1. PCA colours: the first three principal axes
of features (or tokens) of 64 fixed scenes, so that a colour means the same in every picture. Simplified beside LLaVA:
32 x 32 pictures of shapes, 95 words, a language model of three layers.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from models import projection_claims, projection_reference, projectors, scene_notation, scene_vlm
from models.fields import Choice, Range, Text, no_tick
from models.image_input import Picture
from models.principal_colours import Axes, principal
from models.projection_questions import ASK, Asked, choose
from models.scene_captions import LANGUAGES, say, translation
from models.scene_questions import END_ID, VOCABULARY
from models.scene_vlm import AnswerTrace, Vlm, question_ids
from models.scenes import COLOURS, RADIUS, Scene, draw, inside, scatter

PHASES = ("2", "1", "0")
WAYS = ("tokens", "pixels")
N_LAYER = 3
N_PATCH = 64
SIDE = 8
N_NEAR = 3
N_WORD = 4  # candidate answers shown
NEEDED = 0.1  # nats: a patch is needed if the answer costs so much more without it
COVERED = 0.25  # of a patch: then it shows the shape
N_REFERENCE = 64  # scenes that the PCA colours are from


@dataclass(frozen=True)
class Config:
    """A scene, a question, and the chain that answers it."""

    ask: Annotated[str, Choice(*ASK)] = "colour"
    question: Annotated[str, Text(200)] = "what colour is the circle ?"
    tongue: Annotated[str, Choice("page", *LANGUAGES)] = "page"  # where there is no page: English
    projector: Annotated[str, Choice(*projectors.NAMES)] = scene_vlm.MAIN
    phase: Annotated[str, Choice(*PHASES)] = "2"
    scene: Annotated[str, Text(400)] = "white; large red circle 30 40; small blue star 72 66"
    off: Annotated[str, Text(300)] = ""  # patches, numbered from 1
    way: Annotated[str, Choice(*WAYS)] = "tokens"
    layer: Annotated[int, Range(1, N_LAYER)] = 2
    place: Annotated[int, Range(-1, 80)] = -1  # -1: the one that predicts the answer
    step: Annotated[int, Range(0, 40)] = 40  # of the training, in a further picture
    depth: Annotated[int, Range(1, 30)] = 30  # layer of the real language model, in a further picture

    @property
    def language(self) -> str:
        """Of the question: one of LANGUAGES."""
        return LANGUAGES[0] if self.tongue == "page" else self.tongue


@dataclass(frozen=True)
class Trace:
    """One question about one picture."""

    picture: UInt8[Tensor, "y x 3"]  # as the encoder reads it: with way "pixels" some patches are painted over
    scene: str  # in the notation of models/scene_notation.py; "" if it was uploaded
    covered: tuple[str, ...]  # n: "red circle", "white" for the ground, "" if unknown
    question: str
    kind: str  # of KINDS, "caption" or "typed"
    truth: str  # "" if nobody knows
    replaced: bool  # the scene has no clear question of the kind asked for
    unknown: tuple[str, ...]  # words of the typed question that the model has never seen
    off: tuple[int, ...]
    d_feature: int
    d_model: int
    feature: UInt8[Tensor, "n 3"]
    token: UInt8[Tensor, "k 3"]
    source: Float[Tensor, "k n"]
    near: tuple[tuple[str, ...], ...]  # k x N_NEAR
    also: tuple[str, ...]  # k: the first of `near` in the other language, "" without
    cosine: Float[Tensor, "k _"]
    colour_word: tuple[str, ...]  # k: the colour that the first colour word among `near` names, in English; "" without
    prompt: tuple[str, ...]  # q: words of the question; from answer_at on, the word predicted there
    answer_at: int
    heads: Float[Tensor, "l h q k"]  # attention to image tokens
    attention: Float[Tensor, "l q k"]  # mean over heads
    answer: str
    word: tuple[str, ...]  # w
    probability: Float[Tensor, "w"]  # at the first place of the answer
    intact: str  # the answer with every patch on
    intact_p: float
    effect: Float[Tensor, "n"]

    @property
    def n_needed(self) -> int:
        """Patches without which the answer costs NEEDED more."""
        return int((self.effect > NEEDED).sum())


def patches_off(text: str) -> tuple[int, ...]:
    """The patches of a link, from 0; everything else in it is passed over."""
    numbers = {int(found) for found in re.findall(r"(?<![\d.])\d{1,2}(?![\d.])", text)}
    return tuple(sorted(number - 1 for number in numbers if 1 <= number <= N_PATCH))


def covered(scene: Scene | None) -> tuple[str, ...]:
    """What each patch shows: the shape on top that covers COVERED of it, else the ground."""
    if scene is None:
        return ("",) * N_PATCH
    fine = 8  # samples along an edge of a patch
    grid = (torch.arange(SIDE * fine) + 0.5) / (SIDE * fine)
    on_top = torch.full((SIDE * fine, SIDE * fine), -1)
    for i, thing in enumerate(scene.objects):
        u, v = ((grid - c) / RADIUS[thing.size] for c in (thing.x, thing.y))
        on_top[inside(thing.shape, *torch.broadcast_tensors(u, v[:, None]))] = i
    cells = on_top.view(SIDE, fine, SIDE, fine).transpose(1, 2).reshape(N_PATCH, -1)
    share = torch.stack([(cells == i).float().mean(1) for i in range(len(scene.objects))] or [torch.zeros(N_PATCH)])
    names = [f"{thing.colour} {thing.shape}" for thing in scene.objects]
    return tuple(
        names[i] if share >= COVERED and names else scene.background
        for share, i in zip(*(part.tolist() for part in share.max(0)), strict=True)
    )


@lru_cache(maxsize=24)
def chain(variant: str, phase: str) -> Vlm:
    """The chain in one of its phases. Raises ModelUnavailable."""
    if phase != "0":
        return scene_vlm.load(variant, int(phase))
    fresh = projectors.make(variant, torch.Generator().manual_seed(0)).requires_grad_(False).eval()
    return replace(scene_vlm.load(variant, 1), projector=fresh)


@lru_cache(maxsize=24)
@torch.no_grad()
def axes(vlm_of: Callable[[str, str], Vlm], variant: str, phase: str) -> tuple[Axes, Axes]:
    """Of features and of image tokens, from N_REFERENCE fixed scenes."""
    vlm = vlm_of(variant, phase)
    scenes = scatter(torch.Generator().manual_seed(7), N_REFERENCE, held_out=None)
    features = vlm.features(draw(scenes))
    return principal(features.flatten(0, 1)), principal(vlm.project(features).tokens.flatten(0, 1))


def sampled(cfg: Config) -> Config:
    """The same answer, whatever of it is looked at."""
    plain = Config()
    return replace(
        cfg, layer=plain.layer, place=plain.place, step=plain.step, depth=plain.depth,
        question=cfg.question if cfg.ask == "typed" else plain.question,
    )  # fmt: skip


def asked(cfg: Config, scene: Scene | None) -> Asked:
    """What to ask. Raises QuestionUnreadable."""
    return choose(cfg.ask, cfg.language, cfg.question, scene)


@torch.no_grad()
def trace(cfg: Config, picture: Picture | None = None, tick: Callable[[float], None] = no_tick) -> Trace:
    """Ask, and keep what was on the way. Raises SceneUnreadable, QuestionUnreadable, ModelUnavailable."""
    scene = scene_notation.read(cfg.scene) if picture is None else None
    pixels = draw([scene]) if scene else picture.square(32)[None]  # type: ignore[union-attr]
    put, vlm = asked(cfg, scene), chain(cfg.projector, cfg.phase)
    ids, _ = question_ids(put.text)
    off = patches_off(cfg.off)
    tick(0.1)
    seen = vlm.answer(pixels, ids, off, cfg.way)
    plain = vlm.answer(pixels, ids) if off else seen
    tick(0.4)
    _, effect = vlm.ablate(pixels, ids, plain.answer, cfg.way)
    feature_axes, token_axes = axes(chain, cfg.projector, cfg.phase)
    near, cosine = vlm.nearest(seen.tokens, N_NEAR)
    found = tuple(tuple(VOCABULARY[i] for i in row) for row in near.tolist())
    heads = seen.attention[:, :, 1 + seen.n_image :, 1 : 1 + seen.n_image]
    likely = seen.probability[0].topk(N_WORD)
    return Trace(
        picture=bytes_of((vlm.paint(pixels, off) if cfg.way == "pixels" else pixels)[0]),
        scene=scene_notation.write(scene) if scene else "",
        covered=covered(scene),
        question=put.text,
        kind=put.kind,
        truth=put.truth,
        replaced=put.replaced,
        unknown=put.unknown,
        off=off,
        d_feature=seen.features.shape[-1],
        d_model=seen.tokens.shape[-1],
        feature=feature_axes.paint(seen.features),
        token=token_axes.paint(seen.tokens),
        source=seen.source,
        near=found,
        also=tuple(translation(row[0]) for row in found),
        cosine=cosine,
        colour_word=tuple(colour_word(row) for row in found),
        prompt=(*(VOCABULARY[i] for i in seen.ids[1 + seen.n_image : seen.answer_at]), *predicted(seen)),
        answer_at=seen.answer_at - 1 - seen.n_image,
        heads=heads,
        attention=heads.mean(1),
        answer=shown(seen),
        word=tuple(VOCABULARY[i] for i in likely.indices.tolist()),
        probability=likely.values,
        intact=shown(plain),
        intact_p=float(plain.probability[0].max()),
        effect=effect,
    )


def bytes_of(picture: Float[Tensor, "3 y x"]) -> UInt8[Tensor, "y x 3"]:
    """From [-1, 1] to 0 ... 255, the colour last."""
    return ((picture.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def predicted(seen: AnswerTrace) -> list[str]:
    """The word that each place from ANSWER on predicts; END last, unless the answer was cut."""
    return [VOCABULARY[i] for i in (*seen.answer, END_ID)[: len(seen.ids) - seen.answer_at]]


def shown(seen: AnswerTrace) -> str:
    """The answer, a dash if it is empty."""
    return seen.text or "–"


def colour_word(near: tuple[str, ...]) -> str:
    """The English name of the first colour among some words."""
    names = {say(colour, language): colour for language in LANGUAGES for colour in COLOURS}
    return next((names[word] for word in near if word in names), "")


# --- what the captions say -------------------------------------------------------------------------------------------


def facts(trace: Trace, layer: int = N_LAYER, place: int = -1) -> dict[str, float | int | str]:
    """The numbers that the captions name, of the layer and the place shown."""
    q = place if 0 <= place < len(trace.prompt) else trace.answer_at
    looked = trace.attention[min(max(layer, 1), len(trace.attention)) - 1, q]
    patch = looked @ trace.source
    top = int(patch.argmax())
    things = torch.tensor([" " in what for what in trace.covered])
    most = int(trace.effect.argmax())
    share = float(patch.sum())
    named = [
        i for i, what in enumerate(trace.covered)
        if " " in what and words_of(what) & set(trace.near[int(trace.source[:, i].argmax())])
    ]  # fmt: skip
    return {
        "question": trace.question,
        "answer": trace.answer,
        "p": float(trace.probability[0]),
        "truth": trace.truth or "?",
        "mark": "✓" if trace.answer == trace.truth else "✗",
        "unknown": ", ".join(trace.unknown),
        "n_off": len(trace.off),
        "n_patch": len(trace.covered),
        "n_token": len(trace.near),
        "intact": trace.intact,
        "intact_p": trace.intact_p,
        "place": ("→ " if q >= trace.answer_at else "") + trace.prompt[q].strip("<>"),
        "layer": min(max(layer, 1), len(trace.attention)),
        "share": share,
        "top": float(patch[top]),
        "row": top // SIDE + 1,
        "column": top % SIDE + 1,
        "area": float(things.float().mean()),
        "on_things": float(patch[things].sum()) / max(share, 1e-9),
        "most": float(trace.effect[most]),
        "most_row": most // SIDE + 1,
        "most_column": most % SIDE + 1,
        "n_needed": trace.n_needed,
        "limit": NEEDED,
        "n_thing": int(things.sum()),
        "n_named": len(named),
        "cosine": float(trace.cosine[:, 0].mean()),
        "first": trace.near[int(trace.source[:, top].argmax())][0],
    }


def words_of(what: str) -> set[str]:
    """ "red circle" in both languages, word by word."""
    return {say(name, language) for name in what.split() for language in LANGUAGES}


def check(cfg: Config) -> dict[str, float]:
    """The chain against transformers' LlavaForConditionalGeneration and Blip2QFormerModel with copied weights."""
    return projection_reference.differences(chain(cfg.projector, cfg.phase))


CLAIMS = projection_claims.CLAIMS
