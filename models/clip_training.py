"""What the scenes' CLIP learned when: vectors of 40 fixed pairs of picture and caption at some twenty steps.

The towers learned with the softmax loss, their twin with the sigmoid loss; training/scene_clip.py kept the vectors of
both on its way. Of the twin nothing else is shipped.

Glossary
    p, t      picture and caption of a pair      d    joint feature, of 64
    gap       distance of the mean picture from the mean caption; every vector has length 1
    recall    share of pictures whose own caption is the nearest of all ("text"), and of captions ("picture")

Conventions: temperature = 1 / scale; the bias is 0 with the softmax loss. In pairs, every other one shows a combination
that training never did.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor

from models.clip_measures import fixed_scenes
from models.language_model import ModelUnavailable
from models.scene_captions import LANGUAGES
from models.scene_clip import LOSSES, load
from models.scene_questions import describe
from models.scenes import Scene, draw
from models.tiny_lm import WEIGHTS

N_PAIR = 40
WATCHED = ("step", "seen", "held_out", "retrieval", "binding")


@dataclass(frozen=True)
class Training:
    """Snapshots of one training."""

    step: tuple[int, ...]  # steps taken: 0 is untrained
    image: Float[Tensor, "n p d"]
    text: Float[Tensor, "n language p d"]
    scale: Float[Tensor, "n"]  # 1 / temperature
    bias: Float[Tensor, "n"]
    card: dict[str, Any]


FILES = {"softmax": "clip_training", "sigmoid": "clip_twin"}  # by what the towers were trained with


@lru_cache(maxsize=len(FILES))
def training(loss: str = "softmax") -> Training:
    """The shipped snapshots. Raises ModelUnavailable."""
    card = load().card
    try:
        card = card if loss == "softmax" else card["twin"]
        kept = load_file(WEIGHTS / f"{FILES[loss]}.safetensors")
        image, text = (F.normalize(kept[part].float(), dim=-1) for part in ("image", "text"))
        n, p, d = image.shape
        return Training(
            step=tuple(card["snapshots"]),
            image=image,
            text=text.view(n, len(LANGUAGES), p, d),
            scale=kept["scale"].exp(),
            bias=kept.get("bias", torch.zeros(n)),
            card=card["trained"],
        )
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error


@dataclass(frozen=True)
class Pairs:
    """The fixed pairs as one sees and reads them."""

    scene: tuple[Scene, ...]
    picture: UInt8[Tensor, "p y x 3"]
    text: tuple[tuple[str, ...], ...]  # language, pair

    def order(self, group: str) -> list[int]:
        """Those of "seen", "held_out" or "both" combinations, in turn."""
        return [i for i, scene in enumerate(self.scene) if group == "both" or scene.held_out == (group == "held_out")]


@lru_cache(maxsize=1)
def pairs() -> Pairs:
    """All of them."""
    scenes = fixed_scenes()
    texts = tuple(tuple(describe(scene, language) for scene in scenes) for language in LANGUAGES)
    return Pairs(tuple(scenes), bytes_of(draw(scenes)), texts)


def bytes_of(picture: Float[Tensor, "*p 3 y x"]) -> UInt8[Tensor, "*p y x 3"]:
    """From [-1, 1] to 0 ... 255, the colour last."""
    return ((picture.movedim(-3, -1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Progress:
    """One training as curves over its snapshots; recalls and gap among all 40 pairs, in one language."""

    step: tuple[int, ...]
    loss: Float[Tensor, "n"]  # of the 40 pairs, the one trained with, at the temperature and bias learned so far
    recall_text: Float[Tensor, "n"]
    recall_picture: Float[Tensor, "n"]
    temperature: Float[Tensor, "n"]
    gap: Float[Tensor, "n"]
    right: Float[Tensor, "n"]  # mean cosine of right pairs
    wrong: Float[Tensor, "n"]  # and of all others
    batch: int  # pairs in a batch
    hard: int  # of them, look-alikes
    watched: dict[str, tuple[int | float, ...]]  # "step" and shares that were measured on other scenes while it trained
    trained: str = "softmax"
    bias: Float[Tensor, "n"] | None = None  # learned so far; None: there is none


def progress(language: str = "en", trained: str = "softmax") -> Progress:
    """Of the shipped snapshots."""
    found = training(trained)
    text = found.text[:, LANGUAGES.index(language)]
    s = found.image @ text.mT
    p = s.shape[1]
    z = s * found.scale[:, None, None] + found.bias[:, None, None]
    own = torch.arange(p)
    diagonal = s.diagonal(dim1=1, dim2=2)
    notes = found.card["notes"]
    return Progress(
        step=found.step,
        loss=torch.stack([LOSSES[trained](one) for one in z]),
        recall_text=(s.argmax(2) == own).float().mean(1),
        recall_picture=(s.argmax(1) == own).float().mean(1),
        temperature=1 / found.scale,
        gap=(found.image.mean(1) - text.mean(1)).norm(dim=1),
        right=diagonal.mean(1),
        wrong=(s.sum((1, 2)) - diagonal.sum(1)) / (p * (p - 1)),
        batch=found.card["recipe"]["n_row"],
        hard=found.card["n_hard"],
        watched={name: tuple(note[name] for note in notes) for name in WATCHED},
        trained=trained,
        bias=found.bias if trained == "sigmoid" else None,
    )  # fmt: skip


@dataclass(frozen=True)
class Gap:
    """All vectors in a plane, at every snapshot: pictures, then English, then Chinese captions."""

    step: tuple[int, ...]
    point: Float[Tensor, "n m 2"]
    group: tuple[int, ...]  # m: 0 picture, 1 English, 2 Chinese
    label: tuple[str, ...]
    distance: Float[Tensor, "n"]  # gap between pictures and all captions
    languages: Float[Tensor, "n"]  # gap between English and Chinese captions
    same: Float[Tensor, "n"]  # share of pictures whose nearest other vector of all is a picture
    explained: float  # share of all variance that the plane shows, at the last snapshot
    trained: str = "softmax"


def gap(trained: str = "softmax") -> Gap:
    """The plane is that of the last snapshot: from the mean caption to the mean picture, and the direction across it in
    which the vectors vary most."""
    found = training(trained)
    p = found.image.shape[1]
    every = torch.cat((found.image, found.text.flatten(1, 2)), 1)
    last = every[-1] - every[-1].mean(0)
    across = last[:p].mean(0) - last[p:].mean(0)
    along = across / across.norm()
    rest = last - (last @ along)[:, None] * along
    # what remains after each group's own mean is taken away: how scenes differ, not how groups do
    inner = torch.cat([part - part.mean(0) for part in rest.split(p)])
    _, _, basis = torch.linalg.svd(inner, full_matrices=False)
    second = basis[0] * torch.sign(basis[0][basis[0].abs().argmax()])
    plane = torch.stack((along, second), 1)
    point = (every - every[-1].mean(0)) @ plane
    s = every @ every.mT
    s.diagonal(dim1=1, dim2=2).fill_(-2)
    captions = pairs().text
    return Gap(
        step=found.step,
        point=point,
        group=tuple(k for k in range(3) for _ in range(p)),
        label=(*captions[0], *captions[0], *captions[1]),
        distance=(found.image.mean(1) - found.text.mean((1, 2))).norm(dim=1),
        languages=(found.text[:, 0].mean(1) - found.text[:, 1].mean(1)).norm(dim=1),
        same=(s[:, :p].argmax(2) < p).float().mean(1),
        explained=float((last @ plane).square().sum() / last.square().sum()),
        trained=trained,
    )


def progress_facts(found: Progress) -> dict[str, float | int | str]:
    """What the note beside the curves names."""
    seen = found.watched["step"]
    bias = found.bias if found.bias is not None else torch.zeros(len(found.step))
    lift = int(found.wrong.argmax())  # where the towers had moved all pairs together most
    return {
        "lift": float(found.wrong[lift]),
        "lift_step": found.step[lift],
        "lift_share": float(torch.sigmoid(found.wrong[lift] / found.temperature[lift] + bias[lift])),
        "prior": 1 / found.batch,
        "loss": found.trained,
        "bias_start": float(bias[0]),
        "bias": float(bias[-1]),
        "step": found.step[-1],
        "right_start": float(found.right[0]),
        "wrong_start": float(found.wrong[0]),
        "right": float(found.right[-1]),
        "wrong": float(found.wrong[-1]),
        "recall": float(found.recall_text[-1]),
        "back": float(found.recall_picture[-1]),
        "temperature_start": float(found.temperature[0]),
        "temperature": float(found.temperature[-1]),
        "first": seen[0],
        "every": seen[0],
        "hard": found.hard,
        "batch": found.batch,
        **{f"{name}_first": found.watched[name][0] for name in ("seen", "held_out", "binding")},
        **{f"{name}_last": found.watched[name][-1] for name in ("seen", "held_out", "binding")},
    }


def gap_facts(found: Gap) -> dict[str, float | int | str]:
    """What the note beside the plane names."""
    return {
        "loss": found.trained,
        "step": found.step[-1],
        "gap_start": float(found.distance[0]),
        "gap": float(found.distance[-1]),
        "languages": float(found.languages[-1]),
        "languages_start": float(found.languages[0]),
        "same": float(found.same[-1]),
        "explained": found.explained,
        "n": len(found.group),
    }
