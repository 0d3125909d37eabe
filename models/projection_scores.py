"""How often the chain of models/scene_vlm.py is right: by kind of question, beside its baselines, and by projector.

Shares are those of the card models/weights/scene_vlm.json, measured by training/scene_vlm.py on questions about scenes
that training never drew; tests measure some of them anew.

Glossary
    seen, held out   objects of kinds (shape, colour, size) that training scenes showed, or never showed: small ones of
                     eight pairs of shape and colour (models/scenes.py)
    blind            the language model trained on the same questions without any picture
    aligned          after stage 1: only captions were learned, only by the projector
    reader           the language model before any picture, given a word for each of the 64 places instead
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models import projectors, scene_vlm
from models.image_input import Picture
from models.projection import Config
from models.scene_captions import LANGUAGES
from models.scene_questions import KINDS


@dataclass(frozen=True)
class Accuracy:
    """Shares of right answers. Axes: kind, then what was measured."""

    kind: tuple[str, ...]
    chance: Float[Tensor, "kind"]  # always the most frequent answer
    blind: Float[Tensor, "kind"]  # seen combinations, no picture
    aligned: Float[Tensor, "kind"]  # after stage 1, held out
    seen: Float[Tensor, "kind"]
    held_out: Float[Tensor, "kind"]
    reader: Float[Tensor, "kind"]  # held out, the language model alone: 64 words, one per place, instead of the picture
    n_question: int
    language: Float[Tensor, "language kind"]  # held out


def shares(card: dict[str, Any], variant: str, stage: int, split: str, language: str = "both") -> Float[Tensor, "kind"]:
    """One row of the card's table."""
    table = card["accuracy"][variant][str(stage)][split][language]
    return torch.tensor([table[kind] for kind in KINDS])


def kinds(cfg: Config, picture: Picture | None = None) -> Accuracy:
    """Of one projector, by kind of question. Raises ModelUnavailable."""
    card = scene_vlm.card()
    counts = card["n_question"]["held_out"]
    return Accuracy(
        kind=KINDS,
        chance=torch.tensor([card["chance"][kind] for kind in KINDS]),
        blind=shares(card, scene_vlm.BLIND, 2, "seen"),
        aligned=shares(card, cfg.projector, 1, "held_out"),
        seen=shares(card, cfg.projector, 2, "seen"),
        held_out=shares(card, cfg.projector, 2, "held_out"),
        reader=torch.tensor([card["lm"]["accuracy_held_out"]["map"][kind] for kind in KINDS]),
        n_question=int(sum(counts[language][kind] for language in LANGUAGES for kind in KINDS)),
        language=torch.stack([shares(card, cfg.projector, 2, "held_out", language) for language in LANGUAGES]),
    )


def kinds_facts(found: Accuracy) -> dict[str, float | int]:
    """Every kind's shares by name."""
    names = ("chance", "blind", "aligned", "seen", "held_out", "reader")
    return {"n_question": found.n_question} | {
        f"{name}_{kind}": float(getattr(found, name)[i]) for name in names for i, kind in enumerate(found.kind)
    }


@dataclass(frozen=True)
class Budget:
    """All projectors: how many tokens they give, and how often the answers are right, held-out combinations."""

    name: tuple[str, ...]
    n_token: tuple[int, ...]
    n_param: tuple[int, ...]
    share: Float[Tensor, "name kind"]
    mean: Float[Tensor, "name"]
    blind: Float[Tensor, "kind"]
    steps: tuple[int, ...]  # of stage 2
    equal: float  # the default's mean when it had trained as long as the others, on fewer questions


def budget(cfg: Config, picture: Picture | None = None) -> Budget:
    """Of the card. Raises ModelUnavailable."""
    card = scene_vlm.card()
    names = tuple(name for name in projectors.NAMES if name in card["accuracy"])
    share = torch.stack([shares(card, name, 2, "held_out") for name in names])
    return Budget(
        name=names,
        n_token=tuple(projectors.n_token(name) for name in names),
        n_param=tuple(projectors.n_param(projectors.make(name)) for name in names),
        share=share,
        mean=share.mean(1),
        blind=shares(card, scene_vlm.BLIND, 2, "held_out"),
        steps=tuple(int(card["variants"][name]["steps"][1]) for name in names),
        equal=early(card),
    )


def early(card: dict[str, Any]) -> float:
    """The default's mean on held-out kinds at the step where the others stopped, in stage 2."""
    least = min(one["steps"][1] for one in card["variants"].values())
    seen = [one for one in card["watched"][scene_vlm.MAIN][1] if "held_out" in one]
    near = min(seen, key=lambda one: abs(one["step"] - least))
    return float(sum(near["held_out"][kind] for kind in KINDS) / len(KINDS))


def budget_facts(found: Budget) -> dict[str, float | int | str]:
    """The best, the cheapest, and what one token is worth."""
    best = int(found.mean.argmax())
    one = found.name.index("pool-1")
    relation = KINDS.index("relation")
    fair = found.mean.clone()
    fair[found.name.index(scene_vlm.MAIN)] = found.equal
    return {
        "best": found.name[best],
        "best_mean": float(found.mean[best]),
        "one_mean": float(found.mean[one]),
        "one_relation": float(found.share[one, relation]),
        "best_relation": float(found.share[best, relation]),
        "blind_mean": float(found.blind.mean()),
        "by_token": rank_correlation(fair, torch.tensor(found.n_token)),
        "by_param": rank_correlation(fair, torch.tensor(found.n_param)),
        "main_steps": max(found.steps),
        "other_steps": min(found.steps),
        "equal": found.equal,
        "least": min(found.n_param),
        "most": max(found.n_param),
    }


def rank_correlation(a: Float[Tensor, "name"], b: Int[Tensor, "name"]) -> float:
    """Spearman's: the correlation of the ranks, equal values sharing their mean rank."""

    def ranks(x: Tensor) -> Float[Tensor, "name"]:
        return ((x[:, None] > x).sum(1) + ((x[:, None] == x).sum(1) - 1) / 2).float()

    return float(torch.corrcoef(torch.stack((ranks(a), ranks(b))))[0, 1])
