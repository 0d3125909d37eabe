"""One prompt, three ways of letting a language model see it: beside the words, between the layers, or as words.

Sources: the modules and their papers, models/fusion_styles.py; codes of pictures, models/vq_scenes.py; a model trained
to read and write them, models/early_fusion.py. What is counted of real systems: models/fusion_systems.py. Claims:
models/fusion_claims.py. References: models/fusion_reference.py.

    prompt     picture 1, its caption, picture 2, its caption, ..., the last picture, the visitor's question
    length     positions of the language model's sequence: words + pictures x (n, 1, or n + 2)
    cache      key and value vectors kept for the next word: 2 x (layers x length + gated layers x latents)
    pairs      (query, key) pairs that the masks allow, in all layers that read words

Glossary
    late, cross, early   with a projector (LLaVA), gated cross-attention (Flamingo), discrete codes (Chameleon)
    segment   a word, a mark, or all tokens of a picture: what the schematic draws as one piece
    memory    latents beside the sequence, which only cross-attention has

Axes: p picture, y and x pixels, h and w places of codes. Conventions: pictures are uint8 here. Simplified: all pictures
of a prompt have one size; the language model is small and untrained, so its answers mean nothing: shapes, counts, masks
and what a gate of 0 does are what holds for trained ones, too.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from models import fusion_claims, fusion_reference, fusion_styles, scenes, vq_scenes
from models.fields import Choice, Range, Text, no_tick
from models.fusion_styles import LM, N_CODE_ROW, PICTURE, Parts
from models.image_input import Picture
from models.scene_captions import LANGUAGES
from models.scene_notation import read
from models.scene_questions import IMAGE_ID, VOCABULARY, Words, describe, tokenise
from models.vision_transformer import patchify
from models.vq_scenes import VQScenes

STYLES = ("late", "cross", "early")
SIZES = ("32", "48", "64", "96")  # multiples of every patch size
PATCHES = ("4", "8", "16")
POOLS = ("1", "2", "4", "8")
CODE_PIXELS = 4  # what a code stands for, along an edge: a convolution's stride, whatever the patch size
MOST_WORDS = 40


@dataclass(frozen=True)
class Config:
    """A prompt and the three models' sizes."""

    text: Annotated[str, Text(200)] = "what colour is the circle ?"
    n_picture: Annotated[int, Range(1, 4)] = 2
    n_pixel: Annotated[str, Choice(*SIZES)] = "32"
    patch: Annotated[str, Choice(*PATCHES)] = "4"
    gate: Annotated[float, Range(0.0, 2.0, 0.1)] = 1.0
    n_latent: Annotated[int, Range(4, 64, 4)] = 16
    every: Annotated[int, Range(1, 4)] = 2  # a gated layer before every so manieth layer
    scene: Annotated[str, Text(400)] = "white; large red circle 30 40; small blue star 72 66"  # the last picture
    seed: Annotated[int, Range(0, 99)] = 0  # of the pictures before it, and of the weights
    caption: Annotated[str, Text(200)] = (
        "a large red circle on the left, white background"  # to be written as a picture
    )
    guidance: Annotated[float, Range(0.0, 5.0, 0.5)] = 2.0
    written: Annotated[int, Range(0, 64)] = 64  # codes written so far
    place: Annotated[int, Range(-1, 63)] = -1  # of the code that is changed
    code: Annotated[int, Range(-1, 255)] = -1  # what it becomes
    fps: Annotated[int, Range(1, 24)] = 2
    seconds: Annotated[int, Range(1, 60)] = 8
    pool: Annotated[str, Choice(*POOLS)] = "1"  # frames whose tokens are averaged


@dataclass(frozen=True)
class Segment:
    """A piece of a sequence."""

    kind: str  # "word", "mark" or "picture"
    text: str
    picture: int  # -1: none
    start: int  # its first position
    n: int  # how many positions


@dataclass(frozen=True)
class Stage:
    """A module on the way from a picture to the language model. shape: of what leaves it, for one picture."""

    name: str
    shape: tuple[int, ...]
    n_param: int


@dataclass(frozen=True)
class Lane:
    """One style on the prompt."""

    style: str
    stages: tuple[Stage, ...]
    segments: tuple[Segment, ...]
    memory: tuple[Segment, ...]  # latents beside the sequence, one segment for each picture
    n_per_picture: int  # positions that a picture takes in the sequence
    length: int
    cache: int  # key and value vectors
    pairs: int
    n_image_param: int  # what seeing adds to the language model
    side: int  # places along an edge of a picture's tokens; 0: latents, which have no place
    colour: UInt8[Tensor, "p n 3"]  # of each of a picture's tokens, n = side^2
    sees: Bool[Tensor, "t m"]  # which latents each position may read; m = 0 without
    logits: Float[Tensor, "v"]  # of the next word


@dataclass(frozen=True)
class Trace:
    """All three styles."""

    image: UInt8[Tensor, "p y x 3"]
    code: Int[Tensor, "p h w"]
    words: tuple[str, ...]  # of the prompt without pictures
    unknown: tuple[str, ...]
    n_cut: int  # words of the question left out
    lanes: tuple[Lane, Lane, Lane]
    gate: float  # tanh of it is what gated layers are multiplied by
    gated: tuple[bool, ...]  # which of the language model's layers have one before them
    n_lm_param: int
    blind: Float[Tensor, "v"]  # logits without any picture

    @property
    def n_picture(self) -> int:
        """Pictures in the prompt."""
        return len(self.image)


def prompted(cfg: Config) -> Config:
    """What the three models depend on: everything else is left as it is by default, so that nothing is run again."""
    keep = ("text", "n_picture", "n_pixel", "patch", "gate", "n_latent", "every", "scene", "seed")
    return Config(**{name: getattr(cfg, name) for name in keep})


def question(text: str) -> tuple[Words, int]:
    """The question's words, and how many were too many."""
    words = tokenise(text)
    return Words(words.ids[:MOST_WORDS], words.unknown), max(0, len(words.ids) - MOST_WORDS)


def scenery(cfg: Config) -> list[scenes.Scene]:
    """The pictures' scenes: drawn at random, the last one the visitor's."""
    before = scenes.scatter(torch.Generator().manual_seed(cfg.seed), cfg.n_picture - 1, counts=(1, 2))
    return [*before, read(cfg.scene)]


def prompt_of(cfg: Config) -> tuple[list[int], Words, int]:
    """Word ids with PICTURE where a picture stands: every picture before its caption, the last before the question."""
    asked, n_cut = question(cfg.text)
    language = LANGUAGES[any("\u3400" <= letter <= "\u9fff" for letter in cfg.text)]
    rng = random.Random(cfg.seed)
    ids: list[int] = []
    for scene in scenery(cfg)[:-1]:
        ids += [PICTURE, *tokenise(describe(scene, language, rng)).ids]
    return [*ids, PICTURE, *asked.ids], asked, n_cut


@torch.no_grad()
def trace(cfg: Config, picture: Picture | None = None, tick: Callable[[float], None] = no_tick) -> Trace:
    """Run all three. `picture`: what the visitor uploaded, in the place of the last scene."""
    n, patch = int(cfg.n_pixel), int(cfg.patch)
    prompt, asked, n_cut = prompt_of(cfg)
    drawn = scenes.draw(scenery(cfg), n)
    if picture is not None:
        drawn[-1] = picture.square(n)
    parts = fusion_styles.build(n, patch, cfg.n_latent, cfg.every, cfg.gate, cfg.seed)
    vq = vq_scenes.load().model
    code = vq.encode(drawn)
    tick(0.2)
    feature = [fusion_styles.features(parts, one) for one in drawn]
    tick(0.4)
    lanes = [_late(parts, prompt, feature, drawn, patch)]
    tick(0.6)
    lanes.append(_cross(parts, prompt, feature, cfg.n_latent))
    tick(0.8)
    lanes.append(_early(parts, prompt, code, vq, n))
    return Trace(
        image=((drawn.movedim(1, -1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8),
        code=code,
        words=tuple(VOCABULARY[i] for i in prompt if i != PICTURE),
        unknown=asked.unknown,
        n_cut=n_cut,
        lanes=(lanes[0], lanes[1], lanes[2]),
        gate=cfg.gate,
        gated=tuple(layer is not None for layer in parts.gated),
        n_lm_param=_lm_size(parts),
        blind=fusion_styles.text_only(parts, prompt, IMAGE_ID),
    )


def _lm_size(parts: Parts) -> int:
    """Of the language model alone, without the rows for codes."""
    return fusion_styles.count(parts.lm) - N_CODE_ROW * LM.d_model


def segments(prompt: list[int], n: int, marks: tuple[str, ...] = ()) -> tuple[Segment, ...]:
    """What a prompt becomes if a picture takes n positions, between marks if there are any."""
    found: list[Segment] = []
    at, seen = 0, -1

    def put(kind: str, text: str, picture: int, size: int) -> None:
        nonlocal at
        found.append(Segment(kind, text, picture, at, size))
        at += size

    for token in prompt:
        if token != PICTURE:
            put("word", VOCABULARY[token], -1, 1)
            continue
        seen += 1
        if marks:
            put("mark", marks[0], seen, 1)
        put("picture", "", seen, n)
        if marks:
            put("mark", marks[1], seen, 1)
    return tuple(found)


def causal(n: int) -> int:
    """Pairs that a causal mask allows."""
    return n * (n + 1) // 2


def _late(parts: Parts, prompt: list[int], feature: list[Tensor], drawn: Tensor, patch: int) -> Lane:
    x, logits = fusion_styles.late(parts, prompt, feature)
    n, side = len(feature[0]), parts.encoder.shape.side
    mean = patchify(drawn, patch).unflatten(2, (3, -1)).mean(-1)
    size = fusion_styles.count(parts.encoder), fusion_styles.count(parts.projector)
    return Lane(
        style="late",
        stages=(Stage("encoder", tuple(feature[0].shape), size[0]), Stage("projector", (n, LM.d_model), size[1])),
        segments=segments(prompt, n),
        memory=(),
        n_per_picture=n,
        length=len(x),
        cache=2 * LM.n_layer * len(x),
        pairs=LM.n_layer * causal(len(x)),
        n_image_param=sum(size),
        side=side,
        colour=((mean + 1) * 127.5).round().clamp(0, 255).to(torch.uint8),
        sees=torch.zeros(len(x), 0, dtype=torch.bool),
        logits=logits,
    )


def _cross(parts: Parts, prompt: list[int], feature: list[Tensor], n_latent: int) -> Lane:
    x, memory, sees, logits = fusion_styles.cross(parts, prompt, feature, IMAGE_ID)
    layers = [layer for layer in parts.gated if layer is not None]
    size = fusion_styles.count(parts.encoder), fusion_styles.count(parts.resampler), fusion_styles.count(*layers)
    latents = tuple(Segment("picture", "", i, i * n_latent, n_latent) for i in range(len(feature)))
    short = tuple(
        Segment("mark", VOCABULARY[IMAGE_ID], sum(t == PICTURE for t in prompt[:i]), i, 1)
        if token == PICTURE
        else Segment("word", VOCABULARY[token], -1, i, 1)
        for i, token in enumerate(prompt)
    )
    return Lane(
        style="cross",
        stages=(
            Stage("encoder", tuple(feature[0].shape), size[0]),
            Stage("resampler", (n_latent, memory.shape[1]), size[1]),
            Stage("gated", (len(layers), LM.d_model), size[2]),
        ),
        segments=short,
        memory=latents,
        n_per_picture=1,
        length=len(x),
        cache=2 * (LM.n_layer * len(x) + len(layers) * len(memory)),
        pairs=LM.n_layer * causal(len(x)) + len(layers) * int(sees.sum()),
        n_image_param=sum(size),
        side=0,
        colour=torch.zeros(len(feature), 0, 3, dtype=torch.uint8),
        sees=sees,
        logits=logits,
    )


def _early(parts: Parts, prompt: list[int], code: Tensor, vq: VQScenes, n_pixel: int) -> Lane:
    flat = list(code.flatten(1))
    x, logits = fusion_styles.early(parts, prompt, flat)
    n = len(flat[0])
    size = fusion_styles.vq_encoder_size(vq), N_CODE_ROW * LM.d_model
    return Lane(
        style="early",
        stages=(
            Stage("vq", (vq_scenes.N_DIM, *code.shape[1:]), size[0]),
            Stage("nearest", (n,), 0),
            Stage("rows", (n, LM.d_model), size[1]),
        ),
        segments=segments(prompt, n, ("<boi>", "<eoi>")),
        memory=(),
        n_per_picture=n + 2,
        length=len(x),
        cache=2 * LM.n_layer * len(x),
        pairs=LM.n_layer * causal(len(x)),
        n_image_param=sum(size),
        side=n_pixel // CODE_PIXELS,
        colour=vq_scenes.inks()[code.flatten(1)],
        sees=torch.zeros(len(x), 0, dtype=torch.bool),
        logits=logits,
    )


# --- what the captions say -------------------------------------------------------------------------------------------


def facts(trace: Trace) -> dict[str, float | int | str]:
    """The numbers that the captions name."""
    late, cross, early = trace.lanes
    used = [len(one.unique()) for one in trace.code]
    return {
        "n_picture": trace.n_picture,
        "n_word": len(trace.words),
        "n_pixel": trace.image.shape[1],
        "unknown": ", ".join(trace.unknown),
        "n_cut": trace.n_cut,
        **{f"{lane.style}_length": lane.length for lane in trace.lanes},
        **{f"{lane.style}_per_picture": lane.n_per_picture for lane in trace.lanes},
        **{f"{lane.style}_cache": lane.cache for lane in trace.lanes},
        **{f"{lane.style}_pairs": lane.pairs for lane in trace.lanes},
        **{f"{lane.style}_param": lane.n_image_param for lane in trace.lanes},
        "n_latent": cross.memory[0].n,
        "n_memory": sum(one.n for one in cross.memory),
        "n_gated": sum(trace.gated),
        "n_layer": len(trace.gated),
        "gate": trace.gate,
        "open": float(torch.tensor(trace.gate).tanh()),
        "moved": float((cross.logits - trace.blind).abs().max()),
        "moved_late": float((late.logits - trace.blind).abs().max()),
        "cache_ratio": late.cache / cross.cache,
        "n_code_used": used[-1],
        "n_code": early.side**2,
        "lm_param": trace.n_lm_param,
        "image_share": (late.length - len(trace.words)) / late.length,
    }


def check(cfg: Config) -> dict[str, float]:
    """The quantiser, the resampler and the gated layer against transformers' own; what a closed gate changes."""
    return fusion_reference.differences(cfg.n_latent, cfg.seed)


CLAIMS = {
    "clip-sizes": fusion_claims.clip_sizes,
    "video": fusion_claims.video,
    "one-meaning": fusion_claims.early_kinds,
    "lossless": fusion_claims.lossless,
    "frozen": fusion_claims.closed_gate,
    "cost": fusion_claims.cost,
    "draw": fusion_claims.can_draw,
}
