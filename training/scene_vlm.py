"""Train projectors and chains on the scenes: `python -m training.scene_vlm`, after training.scene_encoder and scene_lm.

    features   what the frozen encoder makes of the training scenes, computed once (cache)
    NAME       a variant of models/scene_vlm.py: both stages, models/weights/scene_vlm_NAME.safetensors
    card       measures what is shipped: scene_vlm.json

Stage 1: the projector alone learns to have the frozen language model tell what is there, in both languages. Stage 2:
projector and language model learn from eight questions and a caption about each scene; every fourth batch is text
alone, as in training/scene_lm.py, or the language model would take what no picture shows for impossible. All variants
see the same scenes and texts in the same order for the same number of steps, the main one for longer. The blind variant
has the same questions without the picture. Stopped and started again, every run goes on from its last checkpoint: batch
i is drawn from a generator seeded by (seed, i) alone.

Recipe: colours, shapes and counts are answered after a few hundred steps, relations much later. What helped: to ask for
them more often, easier questions beside them (training.scene_lm.place_turn: where one object is, or relations of things
called by one word), a higher learning rate, and a language model that had learned where things are from text first.
"""

import argparse
import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models import projectors, scene_lm, scene_vlm
from models.scene_captions import LANGUAGES
from models.scene_lm import SceneLM, side_by_side
from models.scene_questions import ANSWER_ID, IMAGE_ID, KINDS, answers, questions
from models.scene_vlm import BLIND, DESCRIBE, MAIN, STAGES, VARIANTS, Vlm
from models.scenes import HELD_OUT, Scene, draw, scatter
from models.stored_rows import write
from models.tiny_lm import WEIGHTS
from training import loop
from training.scene_lm import RECIPE as TEXT
from training.scene_lm import Batch, Turn, batch, caption, ids, loss_of, pick, read_in, telling, text_batch, turns


@dataclass(frozen=True)
class Recipe:
    """How one stage of one variant is trained."""

    stage: int
    n_step: int
    lr: float
    n_row: int = 32
    n_turn: int = 8  # questions about each scene
    relations: int = 3  # how much more often than other kinds they are asked
    places: int = 2  # of the questions: how many are of training.scene_lm.place_turn
    n_warmup: int = 50
    weight_decay: float = 0.01
    seed: int = 0


STAGE_1 = Recipe(stage=1, n_step=150, lr=3e-3)
STAGE_2 = Recipe(stage=2, n_step=500, lr=2e-3, seed=1)
MAIN_1 = replace(STAGE_1, n_step=300)
MAIN_2 = replace(STAGE_2, n_step=5_000, lr=4e-3, places=4)
N_SCENE = 16_000
TEXT_EVERY = 4  # in stage 2 one batch of so many is text alone
SCENE_SEED, TEST_SEED, PROBE_SEED = 31, 9_101, 9_201
N_TEST = 300  # scenes of each split
SNAPSHOTS = {1: (1, 10, 30, 80, 150, 300), 2: (1, 30, 100, 300, 700, 1_300, 2_500, 5_000)}  # after so many steps


def recipes(variant: str) -> tuple[Recipe, Recipe]:
    """Of both stages."""
    return (MAIN_1, MAIN_2) if variant == MAIN else (STAGE_1, STAGE_2)


class Chain(nn.Module):
    """What learns."""

    def __init__(self, projector: nn.Module | None, lm: SceneLM) -> None:
        super().__init__()
        self.projector, self.lm = projector, lm

    def forward(self, features: Float[Tensor, "b n d"], made: Batch) -> Float[Tensor, ""]:
        """The loss. Image tokens take the places of IMAGE."""
        x = self.lm.embed(made.ids)
        if self.projector is not None:
            tokens = self.projector(features).tokens
            x = torch.cat((x[:, :1], tokens, x[:, 1 + tokens.shape[1] :]), 1)
        return loss_of(self.lm, x, made)


# --- data ------------------------------------------------------------------------------------------------------------


def scenes() -> list[Scene]:
    """To train on."""
    generator, part = torch.Generator().manual_seed(SCENE_SEED), N_SCENE // 5
    alone = scatter(generator, part, False, (1,), sized=True)
    return alone + scatter(generator, N_SCENE - part, False, (2, 2, 3, 3, 4), sized=True)


@torch.no_grad()
def encoded(cache: Path) -> Float[Tensor, "n p d"]:
    """Their features, half precision."""
    name = hashlib.sha256((WEIGHTS / "scene_encoder.safetensors").read_bytes()).hexdigest()[:12]
    file = cache / f"scene_vlm_features_{N_SCENE}_{name}.pt"
    if not file.exists():
        eye, every, found = scene_vlm.encoder(), scenes(), []
        for i in range(0, N_SCENE, 250):
            found.append(eye(draw(every[i : i + 250]), keep=True).layers[-2][:, 1:].half())
        torch.save(torch.cat(found), file)
    return torch.load(file, weights_only=True, mmap=True)


def questions_batch(recipe: Recipe, step: int, every: Sequence[Scene], n_image: int) -> tuple[list[int], Batch]:
    """(which scenes, what is asked of them) at one step."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)
    at = torch.randint(len(every), (recipe.n_row,), generator=generator).tolist()
    rng = random.Random(int(torch.randint(2**62, (), generator=generator)))
    asked = []
    for i in at:
        if recipe.stage == 1:
            asked.append([(ids(DESCRIBE[language]), caption(every[i], rng, language)) for language in LANGUAGES])
        else:
            asked.append(
                [*turns(every[i], rng, recipe.n_turn, KINDS, recipe.relations, recipe.places), telling(every[i], rng)]
            )
    return at, batch([[IMAGE_ID] * n_image] * len(at), asked, learn_context=False)


# --- training --------------------------------------------------------------------------------------------------------


def n_image(variant: str) -> int:
    """Image tokens in the sequence."""
    return 0 if variant == BLIND else projectors.n_token(variant)


def begin(variant: str) -> Chain:
    """A random projector before the language model as pretrained."""
    source = torch.Generator().manual_seed(VARIANTS.index(variant))
    projector = None if variant == BLIND else projectors.make(variant, source)
    lm = SceneLM()
    lm.load_state_dict(scene_lm.load().state_dict())
    return Chain(projector, lm)


def train_stage(
    chain: Chain, variant: str, recipe: Recipe, features: Tensor, cache: Path, stop_at: int | None = None
) -> loop.Log:
    """In place."""
    every = scenes()
    chain.lm.requires_grad_(recipe.stage == 2)

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        if recipe.stage == 2 and step % TEXT_EVERY == TEXT_EVERY - 1:
            text = replace(TEXT, n_row=recipe.n_row, seed=recipe.seed + 50, places=recipe.places)
            read = text_batch(text, step)
            loss = loss_of(chain.lm, read_in(chain.lm, read), read)
            return loss, float(loss.detach())
        at, made = questions_batch(recipe, step, every, n_image(variant))
        loss = chain(features[at].float(), made)
        return loss, float(loss.detach())

    def note(step: int) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        if variant == MAIN and step + 1 in SNAPSHOTS[recipe.stage]:
            snapshot(chain, cache, recipe.stage, step + 1)
            found = {"step": step + 1, "gradients": gradients(chain, recipe, every, features)}
        if (step + 1) % 250 == 0:
            test = Vlm(scene_vlm.encoder(), chain.projector, chain.lm, variant, recipe.stage, {})
            found |= {"step": step + 1}
            for name, held in (("seen", False), ("held_out", True)):
                marks = accuracy(test, test_set(60, 5, held))
                found[name] = {kind: marks["both"][kind] for kind in (*KINDS, "all")}
        return found or None

    checkpoint = cache / f"scene_vlm_{variant}_{recipe.stage}.pt"
    return loop.fit(chain, recipe, loss_at, checkpoint, repr((variant, recipe, N_SCENE)), note=note, stop_at=stop_at)


def snapshot(chain: Chain, cache: Path, stage: int, step: int) -> None:
    """Projector and embedding table as they are now."""
    assert chain.projector is not None
    weights = {f"projector.{key}": w.detach().clone() for key, w in chain.projector.state_dict().items()}
    torch.save(weights | {"words": chain.lm.embedding.detach().clone()}, cache / f"scene_vlm_snap_{stage}_{step}.pt")


def gradients(chain: Chain, recipe: Recipe, every: Sequence[Scene], features: Tensor) -> dict[str, float]:
    """Norms of the loss' gradient on one fixed batch, by part, learning or not."""
    at, made = questions_batch(replace(recipe, seed=PROBE_SEED), 0, every, n_image(MAIN))
    chain.lm.requires_grad_(True)
    names = [name for name, _ in chain.named_parameters()]
    found = torch.autograd.grad(chain(features[at].float(), made), list(chain.parameters()))
    chain.lm.requires_grad_(recipe.stage == 2)
    return {
        part: round(
            float(sum(g.square().sum() for n, g in zip(names, found, strict=True) if n.startswith(part))) ** 0.5, 5
        )
        for part in ("projector", "lm")
    }


def train(variant: str, cache: Path) -> None:
    """Both stages, and the files. Blind: stage 2 alone."""
    features, chain, logs = encoded(cache), begin(variant), []
    shipped: dict[str, Tensor] = {}
    for recipe in recipes(variant):
        if variant == BLIND and recipe.stage == 1:
            logs.append(loop.Log())
            continue
        if recipe.stage == 1 and variant == MAIN and not (cache / f"scene_vlm_{MAIN}_1.pt").exists():
            snapshot(chain, cache, 1, 0)
        logs.append(train_stage(chain, variant, recipe, features, cache))
        if chain.projector is not None:
            weights = chain.projector.state_dict()
            shipped |= {f"projector_{recipe.stage}.{key}": weight.clone() for key, weight in weights.items()}
    ship(variant, chain, shipped, logs, cache)


def export(variant: str, cache: Path) -> None:
    """The files as of the last checkpoints of a variant that is still learning."""
    chain, logs = begin(variant), []
    shipped: dict[str, Tensor] = {}
    for stage in STAGES:
        file = cache / f"scene_vlm_{variant}_{stage}.pt"
        if not file.exists():
            logs.append(loop.Log())
            continue
        saved = torch.load(file, weights_only=True)
        chain.load_state_dict(saved["model"])
        logs.append(loop.Log(**saved["log"]))
        if chain.projector is not None:
            weights = chain.projector.state_dict()
            shipped |= {f"projector_{stage}.{key}": weight.clone() for key, weight in weights.items()}
    ship(variant, chain, shipped, logs, cache)


def ship(variant: str, chain: Chain, shipped: dict[str, Tensor], logs: Sequence[loop.Log], cache: Path) -> None:
    """Weights of both stages in one file; what the card will say in the cache."""
    shipped |= {f"lm.{key}": weight for key, weight in chain.lm.state_dict().items()}
    write(shipped, WEIGHTS / f"scene_vlm_{variant}.safetensors")
    said = {
        "n_token": n_image(variant),
        "n_param": 0 if chain.projector is None else projectors.n_param(chain.projector),
        "steps": [len(log.losses) for log in logs],
        "seconds": [round(log.seconds) for log in logs],
        "loss_curve": [loop.curve(log.losses, 50) for log in logs],
        "notes": [log.notes for log in logs],
    }
    (cache / f"scene_vlm_{variant}.json").write_text(json.dumps(said), encoding="utf-8")
    if variant == MAIN:
        ship_snapshots(cache, {stage: len(log.losses) for stage, log in zip(STAGES, logs, strict=True)})


def ship_snapshots(cache: Path, steps: dict[int, int]) -> None:
    """Those that were reached. Steps count on through both stages."""
    kept = [(1, 0), *((stage, n) for stage in STAGES for n in SNAPSHOTS[stage] if n <= steps[stage])]
    every = [torch.load(cache / f"scene_vlm_snap_{stage}_{n}.pt", weights_only=True) for stage, n in kept]
    stacked = {name: torch.stack([each[name] for each in every]) for name in every[0]}
    stacked["step"] = torch.tensor([n + (steps[1] if stage == 2 else 0) for stage, n in kept])
    stacked["stage"] = torch.tensor([stage for stage, _ in kept])
    write(stacked, WEIGHTS / "scene_vlm_training.safetensors")


# --- measuring -------------------------------------------------------------------------------------------------------


def test_set(n: int, seed: int, held_out: bool) -> tuple[list[Scene], list[dict[tuple[str, str], Turn]]]:
    """Fresh scenes, and per scene one question of each (language, kind) that it allows."""
    generator = torch.Generator().manual_seed(TEST_SEED + seed)
    every = scatter(generator, n, held_out, sized=True)
    rng = random.Random(TEST_SEED + seed)
    asked: list[dict[tuple[str, str], Turn]] = []
    for scene in every:
        found = {}
        for language in LANGUAGES:
            for kind in KINDS:
                chosen = pick(questions(scene, language, (kind,)), rng)
                if chosen:
                    found[language, kind] = ids(chosen.text), ids(chosen.answer)
        asked.append(found)
    return every, asked


@torch.no_grad()
def accuracy(vlm: Vlm, test: tuple[list[Scene], list[dict[tuple[str, str], Turn]]]) -> dict[str, dict[str, float]]:
    """By language ("both": all questions) and kind ("all": mean of the four): share of answers that are right."""
    every, asked = test
    right: dict[tuple[str, str], list[bool]] = {}
    for i in range(0, len(every), 50):
        features = vlm.features(draw(every[i : i + 50]))
        part = asked[i : i + 50]
        seen = vlm.project(features)
        k = seen.tokens.shape[1]
        made = batch([[IMAGE_ID] * k] * len(part), [list(each.values()) for each in part], False)
        x = vlm.lm.embed(made.ids)
        x = torch.cat((x[:, :1], seen.tokens, x[:, 1 + k :]), 1)
        hit = vlm.lm(x, *side_by_side(made.segment)).logits.argmax(-1) == made.target
        for row, each in enumerate(part):
            marks = hit[row][made.ids[row] == ANSWER_ID].tolist()
            for key, mark in zip(each, marks, strict=True):
                right.setdefault(key, []).append(mark)
    return table(right)


def table(right: dict[tuple[str, str], list[bool]]) -> dict[str, dict[str, float]]:
    """Means."""
    found: dict[str, dict[str, float]] = {}
    for name in (*LANGUAGES, "both"):
        marks = {
            kind: [m for (language, k), some in right.items() if k == kind and name in (language, "both") for m in some]
            for kind in KINDS
        }
        found[name] = {kind: round(sum(some) / max(1, len(some)), 4) for kind, some in marks.items()}
        found[name]["all"] = round(sum(found[name].values()) / len(KINDS), 4)
    return found


def chance(test: tuple[list[Scene], list[dict[tuple[str, str], Turn]]]) -> dict[str, float]:
    """Share of the commonest answer, by kind; mean of the languages."""
    found = {}
    for kind in KINDS:
        counts = [
            Counter(each[key][1] for each in test[1] if key in each) for key in ((lang, kind) for lang in LANGUAGES)
        ]
        found[kind] = round(sum(max(c.values()) / c.total() for c in counts) / len(counts), 4)
    return found


def write_card(cache: Path) -> None:
    """Everything measured on the weights as shipped."""
    scene_vlm.card.cache_clear()
    scene_vlm.load.cache_clear()
    file = WEIGHTS / "scene_vlm.json"
    if not file.exists():
        file.write_text("{}\n", encoding="utf-8")
    tests = {name: test_set(N_TEST, 1, name == "held_out") for name in ("seen", "held_out")}
    present = [name for name in VARIANTS if (WEIGHTS / f"scene_vlm_{name}.safetensors").exists()]
    marks = {
        name: {str(stage): {split: accuracy(scene_vlm.load(name, stage), test) for split, test in tests.items()}
               for stage in STAGES}
        for name in present
    }  # fmt: skip
    said = {name: json.loads((cache / f"scene_vlm_{name}.json").read_text(encoding="utf-8")) for name in present}
    notes = said.get(MAIN, {"notes": []})["notes"]
    before = said[MAIN]["steps"][0] if MAIN in said else 0
    files = ["scene_encoder", "scene_lm", "scene_vlm_training", *(f"scene_vlm_{name}" for name in present)]
    card = {
        "data": "drawn by models/scenes.py, texts by models/scene_questions.py; no other data",
        "held_out": [[*pair, "small"] for pair in sorted(map(list, HELD_OUT))],  # from pictures; texts tell of all
        "text_every": TEXT_EVERY,
        "recipe": {"stage_1": vars(STAGE_1), "stage_2": vars(STAGE_2), "main_1": vars(MAIN_1), "main_2": vars(MAIN_2)},
        "n_scene": N_SCENE,
        "n_test": N_TEST,
        "lm": json.loads((cache / "scene_lm.json").read_text(encoding="utf-8")),
        "variants": {name: {key: v for key, v in each.items() if key != "notes"} for name, each in said.items()},
        "gradients": [
            {"step": n["step"] + before * k, "stage": k + 1, "encoder": 0.0, "projector": n["gradients"]["projector"],
             "language_model": n["gradients"]["lm"]}
            for k, stage in enumerate(notes) for n in stage if "gradients" in n
        ],
        "watched": {name: each["notes"] for name, each in said.items()},
        "accuracy": marks,
        "chance": chance(tests["held_out"]),
        "answers": {kind: len(answers(kind, "en")) for kind in KINDS},
        "n_question": {
            split: {language: {kind: sum((language, kind) in each for each in test[1]) for kind in KINDS}
                    for language in LANGUAGES}
            for split, test in tests.items()
        },
        "sha256": {name: hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest() for name in files},
    }  # fmt: skip
    file.write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    scene_vlm.card.cache_clear()
    for name, stages in marks.items():
        print(
            name, {stage: {split: each["both"] for split, each in splits.items()} for stage, splits in stages.items()}
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the scenes' chains: models/weights/scene_vlm*")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(VARIANTS)}, card; all of them by default")
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"), help="checkpoints and features")
    parser.add_argument("--export", action="store_true", help="only write what the checkpoints hold so far")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.cache.mkdir(parents=True, exist_ok=True)
    for part in options.parts or (MAIN, *(name for name in VARIANTS if name != MAIN), "card"):
        if part == "card":
            write_card(options.cache)
        else:
            (export if options.export else train)(part, options.cache)


if __name__ == "__main__":
    main()
