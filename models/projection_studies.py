"""What is measured on the chain of models/projection.py: every question of a scene, every patch switched off, how image
tokens came to lie where they lie, which parts learn, and published systems beside this one. How often it is right:
models/projection_scores.py. The same with real models: models/projection_real.py.

Glossary
    token, word    image tokens and the language model's embeddings of the words for colours and shapes
    plane          the two main axes of the directions of tokens and words after training (vectors of length 1: what a
                   cosine sees); all earlier steps are drawn in it
    gap            distance of the tokens' mean from the words' mean, in root mean square lengths of a word
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from models import projection, projection_real, projection_scores, projectors, scene_notation, scene_vlm
from models.fields import no_tick
from models.image_input import Picture
from models.projection import Config
from models.projection_questions import UNSEEN
from models.projection_systems import System, counted, published
from models.scene_captions import LANGUAGES, say
from models.scene_questions import KINDS, WORD_ID, Question, questions
from models.scene_vlm import Part, question_ids
from models.scenes import COLOURS, SHAPES, draw

MOST_ROWS = 24


def pixels_of(cfg: Config, picture: Picture | None) -> Float[Tensor, "1 3 y x"]:
    """What the encoder sees."""
    return draw([scene_notation.read(cfg.scene)]) if picture is None else picture.square(32)[None]


# --- every question of one scene -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answered:
    """One question, what the model said, how sure it was, and what is right ("" if nobody knows)."""

    kind: str
    question: str
    answer: str
    p: float
    truth: str


def every(cfg: Config, picture: Picture | None = None, tick: Callable[[float], None] = no_tick) -> tuple[Answered, ...]:
    """All questions of the scene, at most MOST_ROWS: of those about nothing ("how many ...": 0) only the first two."""
    vlm, found = projection.chain(cfg.projector, cfg.phase), []
    if picture is None:
        scene = scene_notation.read(cfg.scene)
        asked = questions(scene, cfg.language)
        nothing = [q for q in asked if q.answer == "0"][2:]
        asked = sorted((q for q in asked if q not in nothing), key=lambda q: KINDS.index(q.kind))
    else:
        i = LANGUAGES.index(cfg.language)
        asked = [Question(kind, cfg.language, both[i], "") for kind, both in UNSEEN.items()]
    off, features = projection.patches_off(cfg.off), pixels_of(cfg, picture)
    for i, question in enumerate(spread(asked)):
        seen = vlm.answer(features, question_ids(question.text)[0], off, cfg.way, n_most=4)
        p = float(seen.probability[0].max())
        found.append(Answered(question.kind, question.text, projection.shown(seen), p, question.answer))
        tick((i + 1) / len(asked))
    return tuple(found)


def spread(asked: list[Question]) -> list[Question]:
    """MOST_ROWS of them, the same number of each kind where there are enough."""
    kept: list[Question] = []
    by_kind = [[q for q in asked if q.kind == kind] for kind in KINDS]
    while len(kept) < min(MOST_ROWS, len(asked)):
        kept += [queue.pop(0) for queue in by_kind if queue]
    return sorted(kept[:MOST_ROWS], key=lambda q: KINDS.index(q.kind))


def every_facts(found: tuple[Answered, ...]) -> dict[str, float | int]:
    """How many are right, by kind."""
    known = [one for one in found if one.truth]
    return {
        "n": len(known),
        "n_right": sum(one.answer == one.truth for one in known),
        **{
            f"{name}_{kind}": sum(1 for one in known if one.kind == kind and (name == "n" or one.answer == one.truth))
            for kind in KINDS
            for name in ("n", "right")
        },
    }


# --- each patch alone switched off -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ablated:
    """What the answer loses with each patch alone switched off, in both ways, beside where it looked."""

    picture: UInt8[Tensor, "y x 3"]
    answer: str
    loss: float  # of the answer with every patch on, nats
    tokens: Float[Tensor, "n"]
    pixels: Float[Tensor, "n"]
    looked: Float[Tensor, "n"]  # attention from where the answer begins, mean over layers and heads


def ablated(cfg: Config, picture: Picture | None = None, tick: Callable[[float], None] = no_tick) -> Ablated:
    """Of the answer with every patch on."""
    vlm, pixels = projection.chain(cfg.projector, cfg.phase), pixels_of(cfg, picture)
    put = projection.asked(cfg, None if picture else scene_notation.read(cfg.scene))
    ids, _ = question_ids(put.text)
    seen = vlm.answer(pixels, ids)
    tick(0.1)
    loss, tokens = vlm.ablate(pixels, ids, seen.answer, "tokens")
    tick(0.3)
    _, gone = vlm.ablate(pixels, ids, seen.answer, "pixels")
    looked = seen.on_patches[:, :, 0].mean((0, 1))
    return Ablated(projection.bytes_of(pixels[0]), projection.shown(seen), loss, tokens, gone, looked)


def ablated_facts(found: Ablated) -> dict[str, float | int]:
    """How the three maps go together."""
    n = len(found.tokens)
    top = {name: set(getattr(found, name).topk(8).indices.tolist()) for name in ("tokens", "pixels", "looked")}
    return {
        "loss": found.loss,
        "most_tokens": float(found.tokens.max()),
        "most_pixels": float(found.pixels.max()),
        "sum_tokens": float(found.tokens.sum()),
        "n_patch": n,
        "both": len(top["tokens"] & top["pixels"]),
        "looked": len(top["tokens"] & top["looked"]),
    }


# --- image tokens beside words, over training ------------------------------------------------------------------------


@dataclass(frozen=True)
class Growth:
    """Snapshots c of the main projector and of the words, in one plane."""

    step: tuple[int, ...]
    phase: tuple[int, ...]  # stage 1 or 2
    token: Float[Tensor, "c n 2"]
    word: Float[Tensor, "c w 2"]
    name: tuple[str, ...]  # w
    language: Int[Tensor, "w"]  # 0 English, 1 Chinese
    covered: tuple[str, ...]  # n: what each token's patch shows
    cosine: Float[Tensor, "c"]  # to the nearest word, mean over tokens
    gap: Float[Tensor, "c"]
    ratio: Float[Tensor, "c"]  # length of a token over length of a word, root mean squares
    explained: float  # share of the last snapshot's variance that the plane shows


@torch.no_grad()
def growth(cfg: Config, picture: Picture | None = None) -> Growth:
    """Of one picture. Raises ModelUnavailable."""
    past = scene_vlm.history(pixels_of(cfg, picture))
    names = [(say(name, language), i) for i, language in enumerate(LANGUAGES) for name in (*COLOURS, *SHAPES)]
    words = past.words[:, [WORD_ID[name] for name, _ in names]]
    pointing = F.normalize(past.tokens, dim=-1), F.normalize(words, dim=-1)
    last = torch.cat([part[-1] for part in pointing])
    mean = last.mean(0)
    _, size, axis = torch.linalg.svd(last - mean, full_matrices=False)
    axis = axis[:2] * axis[:2].gather(1, axis[:2].abs().argmax(1, keepdim=True)).sign()
    vlm = scene_vlm.load()
    near = [vlm.nearest(tokens, 1, table)[1].mean() for tokens, table in zip(past.tokens, past.words, strict=True)]
    length = words.square().sum(-1).mean(-1).sqrt()
    scene = None if picture else scene_notation.read(cfg.scene)
    return Growth(
        step=past.step,
        phase=past.stage,
        token=(pointing[0] - mean) @ axis.T,
        word=(pointing[1] - mean) @ axis.T,
        name=tuple(name for name, _ in names),
        language=torch.tensor([i for _, i in names]),
        covered=projection.covered(scene),
        cosine=torch.stack(near),
        gap=(past.tokens.mean(1) - words.mean(1)).norm(dim=-1) / length,
        ratio=past.tokens.square().sum(-1).mean(-1).sqrt() / length,
        explained=float(size[:2].square().sum() / size.square().sum()),
    )


def growth_facts(found: Growth) -> dict[str, float | int]:
    """From the first snapshot to the last, and where stage 1 ends."""
    between = max(i for i, phase in enumerate(found.phase) if phase == found.phase[0])
    return {
        "n": len(found.step),
        "last_step": found.step[-1],
        "explained": found.explained,
        **{
            f"{name}_{when}": float(getattr(found, name)[i])
            for name in ("cosine", "gap", "ratio")
            for when, i in (("first", 0), ("between", between), ("last", -1))
        },
    }


# --- published systems beside this one ---


def systems(cfg: Config, picture: Picture | None = None) -> tuple[System, ...]:
    """This page's chain first."""
    vlm = scene_vlm.load()
    assert vlm.projector is not None
    shape = vlm.encoder.shape
    here = System(
        "", shape.n_pixel, shape.patch, shape.side**2, shape.d_model, "mlp", projectors.n_token(vlm.variant),
        vlm.lm.cfg.d_model, counted(vlm.encoder), counted(vlm.projector), counted(vlm.lm), (True, True),
    )  # fmt: skip
    return (here, *published())


def systems_facts(found: tuple[System, ...]) -> dict[str, float | int]:
    """Shares of a context of 4096 tokens."""
    _, first, seven, _, queries = found
    return {
        "n_first": first.n_token, "n_later": seven.n_token, "n_query": queries.n_token,
        "share_later": seven.n_token / 4096, "share_query": queries.n_token / 4096,
        "bridge_linear": first.bridge / 1e6, "bridge_mlp": seven.bridge / 1e6, "bridge_query": queries.bridge / 1e6,
    }  # fmt: skip


# --- which parts learn -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stages:
    """Who learns when, here and elsewhere, and the gradients on the way."""

    name: tuple[str, ...]  # systems, this page's first
    size: Float[Tensor, "system 3"]  # parameters of encoder, projector, language model
    learns: tuple[tuple[tuple[bool, bool, bool], ...], ...]  # system, stage 1 and 2, the same three parts
    part: tuple[Part, ...]  # what this very answer would have each part change
    step: tuple[int, ...]  # of the training of the main variant
    phase: tuple[int, ...]
    norm: Float[Tensor, "step 3"]  # gradient norms then; 0 where a part is frozen


def stages(cfg: Config, picture: Picture | None = None) -> Stages:
    """The chain's parts, and four published systems'. Raises ModelUnavailable."""
    vlm = projection.chain(cfg.projector, cfg.phase)
    pixels = pixels_of(cfg, picture)
    put = projection.asked(cfg, None if picture else scene_notation.read(cfg.scene))
    ids, _ = question_ids(put.text)
    part = vlm.gradients(pixels, ids, vlm.answer(pixels, ids).answer)
    others = published()
    sizes = [[one.n_param for one in part], *([one.encoder, one.bridge, one.language] for one in others)]
    learns = [((False, True, False), (False, True, True))]
    learns += [((False, True, False), (False, *one.trained)) for one in others]
    past = vlm.card.get("gradients", [])
    return Stages(
        name=("", *(one.name for one in others)),
        size=torch.tensor(sizes, dtype=torch.float64),
        learns=tuple(learns),
        part=part,
        step=tuple(one["step"] for one in past),
        phase=tuple(one["stage"] for one in past),
        norm=torch.tensor([[one[name] for name in PARTS] for one in past]).view(-1, 3),
    )


PARTS = ("encoder", "projector", "language_model")


def stages_facts(found: Stages) -> dict[str, float | int]:
    """Shares of parameters that learn, and this answer's gradients."""
    size = found.size
    share = size[:, 1] / size.sum(1)
    gradient = {one.name: one.gradient for one in found.part}
    return {
        "n_thousand": float(size[0].sum()) / 1e3,
        "projector_thousand": float(size[0, 1]) / 1e3,
        "share_1": float(share[0]),
        "share_2": float(size[0, 1:].sum() / size[0].sum()),
        "llava_1": float(share[2]),
        "llava_2": float(size[2, 1:].sum() / size[2].sum()),
        "blip": float(share[4]),
        **{f"gradient_{name}": gradient[name] for name in PARTS},
    }


# name: what is measured from a Config and an uploaded picture or None, and the numbers that the note below it says
STUDIES: dict[str, tuple[Callable[..., Any], Callable[[Any], dict[str, Any]]]] = {
    "every": (every, every_facts),
    "ablated": (ablated, ablated_facts),
    "growth": (growth, growth_facts),
    "kinds": (projection_scores.kinds, projection_scores.kinds_facts),
    "budget": (projection_scores.budget, projection_scores.budget_facts),
    "stages": (stages, stages_facts),
    "systems": (systems, systems_facts),
    "measured": (projection_real.measured, projection_real.measured_facts),
    "real": (projection_real.real, projection_real.real_facts),
}
