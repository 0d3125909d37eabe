"""What people repeat about encoder, projector and language model, and the numbers that settle it.

Shapes and sizes of published systems: models/projection_systems.py. The rest is measured here and now on the chain that
models/scene_vlm.py ships: 24 fresh scenes of held-out kinds of objects, a few questions each.
"""

import random
from collections.abc import Callable

import torch
import torch.nn.functional as F

from models import projection_systems, scene_vlm
from models.scene_captions import LANGUAGES
from models.scene_questions import KINDS, MARKERS, Question, ask
from models.scene_vlm import Vlm, question_ids
from models.scenes import Scene, draw, scatter

N_SCENE, SEED = 24, 4242


def fresh() -> list[Scene]:
    """Scenes of small objects whose kinds training showed only large."""
    return scatter(torch.Generator().manual_seed(SEED), N_SCENE, held_out=True, counts=(1, 2, 3), sized=True)


def sheet() -> list[tuple[Scene, Question]]:
    """Scenes with one question of each kind that they answer, in turns English and Chinese."""
    rng = random.Random(SEED)
    found = []
    for i, scene in enumerate(fresh()):
        for kind in KINDS:
            question = ask(scene, rng, LANGUAGES[i % 2], kind)
            if question:
                found.append((scene, question))
    return found


def score(vlm: Vlm, asked: list[tuple[Scene, Question]]) -> float:
    """Share of right answers."""
    pictures = draw([scene for scene, _ in asked])
    right = [
        vlm.answer(picture[None], question_ids(question.text)[0], n_most=3).text == question.answer
        for picture, (_, question) in zip(pictures, asked, strict=True)
    ]
    return sum(right) / len(right)


def relative() -> dict[str, float | int]:
    """A score relative to a reader of captions, as LLaVA's 85.1 % is."""
    asked = sheet()
    card = scene_vlm.card()
    sees = score(scene_vlm.load(), asked)
    mean = sum(card["accuracy"][scene_vlm.MAIN]["2"]["held_out"]["both"][kind] for kind in KINDS) / len(KINDS)
    reads = sum(card["lm"]["accuracy_held_out"]["map"][kind] for kind in KINDS) / len(KINDS)
    return {"n": len(asked), "sees": sees, "mean": mean, "reads": reads, "relative": mean / reads}


def frozen() -> dict[str, float | int]:
    """Who has how many parameters, here and in LLaVA 1.5, and whose change from one stage to the next."""
    first, second = scene_vlm.load(stage=1), scene_vlm.load(stage=2)
    large = projection_systems.llava("LLaVA-1.5 7B", 336, "7B", 2)
    count = projection_systems.counted
    encoder, bridge, language = (count(part) for part in (second.encoder, second.projector, second.lm))  # type: ignore[arg-type]

    def moved(a: torch.nn.Module, b: torch.nn.Module) -> float:
        change = sum(float((x - y).square().sum()) for x, y in zip(a.parameters(), b.parameters(), strict=True))
        return (change / sum(float(x.square().sum()) for x in a.parameters())) ** 0.5

    assert first.projector is not None and second.projector is not None
    return {
        "encoder_thousand": encoder / 1e3, "bridge_thousand": bridge / 1e3, "language_thousand": language / 1e3,
        "share": bridge / (encoder + bridge + language), "moved_encoder": moved(first.encoder, second.encoder),
        "moved_bridge": moved(first.projector, second.projector), "moved_language": moved(first.lm, second.lm),
        "large_share": large.bridge / (large.encoder + large.bridge + large.language),
    }  # fmt: skip


def words() -> dict[str, float | int]:
    """How near image tokens are to words, and words to each other."""
    vlm = scene_vlm.load()
    pictures = draw([scene for scene, _ in sheet()][::4])
    tokens = vlm.project(vlm.features(pictures)).tokens.flatten(0, 1)
    table = vlm.lm.embedding[len(MARKERS) :]
    rows = F.normalize(table, dim=-1)
    _, cosine = vlm.nearest(tokens, 1)
    return {
        "n": len(tokens), "cosine": float(cosine.mean()), "above": float((cosine > 0.9).float().mean()),
        "among": float((rows @ rows.T).fill_diagonal_(-1).max(1).values.mean()),
        "length": float(tokens.norm(dim=-1).mean()), "word_length": float(table.norm(dim=-1).mean()),
    }  # fmt: skip


def blind() -> dict[str, float | int]:
    """What the words of questions alone give away."""
    card = scene_vlm.card()
    asked = sheet()
    table = card["accuracy"]
    return {
        "n": len(asked), "sees": score(scene_vlm.load(), asked), "blind": score(scene_vlm.load(scene_vlm.BLIND), asked),
        **{f"blind_{kind}": table[scene_vlm.BLIND]["2"]["held_out"]["both"][kind] for kind in KINDS},
        **{f"sees_{kind}": table[scene_vlm.MAIN]["2"]["held_out"]["both"][kind] for kind in KINDS},
    }  # fmt: skip


CLAIMS: dict[str, Callable[[], dict[str, float | int]]] = {
    "shapes": projection_systems.shapes,
    "data": projection_systems.data,
    "relative": relative,
    "frozen": frozen,
    "kinds": projection_systems.kinds,
    "words": words,
    "blind": blind,
}
