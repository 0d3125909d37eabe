"""The same chain with real models: a DINOv2-type ViT-S/14, a projector trained on scenes, and SmolLM2-135M.

The models, their sources and what was measured: models/real_vlm.py. Here: one scene (or uploaded picture) and one
English question, with the inspections of models/projection.py.

Glossary
    depth    layer of the language model, 1 to 30       place    a position after the picture
    near     words of SmolLM2's vocabulary with the largest cosine to an image token
    effect   how much the loss of the right answer (the given one, if nobody knows it) grows without one token, nats

Axes: n patches, k image tokens, l layer, q place, y and x of the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from models import projection, real_vlm, scene_notation
from models.fields import no_tick
from models.image_input import Picture
from models.principal_colours import principal
from models.projection import Config
from models.scene_questions import KINDS
from models.scenes import draw

N_DEPTH = 30
N_GUESS = 5


@dataclass(frozen=True)
class Real:
    """One question about one picture."""

    picture: UInt8[Tensor, "y x 3"]
    question: str
    answer: str
    truth: str  # as this model should say it; "" if nobody knows
    guess: tuple[tuple[str, float], ...]  # the first place
    feature: UInt8[Tensor, "n 3"]  # colours: main axes of this picture's own features
    source: Float[Tensor, "k n"]
    near: tuple[tuple[str, ...], ...]  # k x 3
    cosine: Float[Tensor, "k _"]
    prompt: tuple[str, ...]  # q
    answer_at: int
    attention: Float[Tensor, "l q k"]  # mean over heads
    off: tuple[int, ...]
    loss: float
    effect: Float[Tensor, "k"]


@torch.no_grad()
def real(cfg: Config, picture: Picture | None = None, tick: Callable[[float], None] = no_tick) -> Real:
    """Ask in English, whatever language is chosen. Raises ModelUnavailable, which names what is missing."""
    models = real_vlm.load()
    tick(0.3)
    scene = scene_notation.read(cfg.scene) if picture is None else None
    pixels = draw([scene], real_vlm.N_PIXEL) if scene else picture.square(real_vlm.N_PIXEL)[None]  # type: ignore[union-attr]
    put = projection.asked(replace(cfg, tongue="en"), scene)
    question = "" if put.kind == "caption" else put.text
    off = projection.patches_off(cfg.off)
    seen = models.answer(pixels, question, off)
    tick(0.6)
    truth = real_vlm.worded(put.truth)
    loss, effect = models.losses(pixels, question, truth or (seen.text.split() or ["a"])[0])
    near, cosine = models.nearest(seen.tokens)
    first = seen.image_at + len(seen.tokens)
    heads = seen.attention[:, :, first:, seen.image_at : first].mean(1)
    return Real(
        picture=projection.bytes_of(pixels[0]),
        question=put.text,
        answer=seen.text or "–",
        truth=truth,
        guess=seen.guesses[0][:N_GUESS],
        feature=principal(seen.features).paint(seen.features),
        source=seen.source,
        near=near,
        cosine=cosine,
        prompt=seen.words[first:],
        answer_at=seen.answer_at - first,
        attention=heads,
        off=off,
        loss=loss,
        effect=effect,
    )


def real_facts(found: Real) -> dict[str, float | int | str]:
    """What the note under the picture says."""
    share = found.attention[:, found.answer_at].sum(-1)
    top = int(found.attention[:, found.answer_at].sum(0).argmax())
    return {
        "question": found.question,
        "answer": found.answer,
        "truth": found.truth or "?",
        "mark": "✓" if found.answer == found.truth else "✗",
        "p": found.guess[0][1],
        "share_first": float(share[0]),
        "share_most": float(share.max()),
        "depth": int(share.argmax()) + 1,
        "top": top + 1,
        "near": ", ".join(found.near[top]),
        "cosine": float(found.cosine[:, 0].mean()),
        "most": float(found.effect.max()),
    }


@dataclass(frozen=True)
class Measured:
    """Shares of right answers, of the card."""

    kind: tuple[str, ...]
    seen: Float[Tensor, "kind"]
    held_out: Float[Tensor, "kind"]
    blind: Float[Tensor, "kind"]  # held-out scenes, image tokens of another picture
    n_question: int
    n_param: int
    warm: int  # steps towards words, without the language model
    steps: int


def measured(cfg: Config, picture: Picture | None = None) -> Measured:
    """Raises ModelUnavailable."""
    card = real_vlm.card()

    def row(table: dict[str, dict[str, float]], split: str) -> Float[Tensor, "kind"]:
        return torch.tensor([table[split][kind] for kind in KINDS])

    return Measured(
        kind=KINDS,
        seen=row(card["accuracy"], "seen"),
        held_out=row(card["accuracy"], "held_out"),
        blind=row(card["blind"], "held_out"),
        n_question=int(sum(card["n_question"]["held_out"][kind] for kind in KINDS)),
        n_param=int(card["n_param"]),
        warm=int(card["steps"]["words"]),
        steps=sum(n for name, n in card["steps"].items() if name != "words"),
    )


def measured_facts(found: Measured) -> dict[str, float | int]:
    """Every kind's shares by name."""
    about = {"n_question": found.n_question, "n_million": found.n_param / 1e6, "warm": found.warm, "steps": found.steps}
    return about | {
        f"{name}_{kind}": float(getattr(found, name)[i])
        for name in ("seen", "held_out", "blind")
        for i, kind in enumerate(found.kind)
    }
