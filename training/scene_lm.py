"""Train the scenes' language model on text alone: `python -m training.scene_lm`. It never sees a picture.

A text is a context and questions about it with their answers. The context is a caption, or a map: 64 places in reading
order, an 8 x 8 grid, each the sum of three words' embeddings: colour, shape and size of what lies there. It stands
where image tokens will stand later. In a second pass "left", "right", "top" and "bottom" join the sum, the farther that
way the more, and the texts tell of every combination of shape and colour: some are held out from pictures, none from
texts.

    START context QUESTION q_1 ANSWER a_1 END          several questions about one context stand side by side (segments)

Recipe: with four questions about each scene, a third of them with one object, the model had not learned after 2,000
steps which colour belongs to which shape: it named any colour of the context. Eight questions about each, most scenes
with several objects, and less weight for captions, whose words drown the answers, were not enough either as long as a
place of a map held one word: what belongs together stood in different places. Now it stands in one.

Stopped and started again, the run goes on from its last checkpoint: batch i is drawn from a generator seeded by i.
"""

import argparse
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models import scene_lm
from models.scene_captions import LANGUAGES, say
from models.scene_lm import SceneLM, side_by_side
from models.scene_questions import (
    ANSWER_ID,
    END_ID,
    IMAGE_ID,
    KINDS,
    PAD_ID,
    QUESTION_ID,
    RELATIONS,
    START_ID,
    Question,
    describe,
    questions,
    relation,
    tokenise,
)
from models.scene_vlm import DESCRIBE
from models.scenes import RADIUS, Scene, Shape, sample, scatter
from models.stored_rows import write
from models.tiny_lm import WEIGHTS
from training import loop

SIDE = 8
PLACED = ("left", "right", "top", "bottom")
CAPTION = 0.1  # weight of a caption's word: most could be others, and answers, one word each, should not drown in them
Turn = tuple[tuple[int, ...], tuple[int, ...]]  # question, answer


@dataclass(frozen=True)
class Recipe:
    """How the language model learns."""

    n_step: int = 2_400
    n_row: int = 32
    n_turn: int = 8  # questions about each scene
    lr: float = 3e-3
    n_warmup: int = 100
    weight_decay: float = 0.01
    seed: int = 0
    share_map: float = 0.65  # of batches
    held_out: bool | None = False  # pairs of shape and colour in the texts, as in models/scenes.py
    placed: bool = False  # whether maps say where each place is
    end: int = 100_000  # the learning rate falls as for n_step, but the run ends here
    relations: int = 1  # how much more often than other kinds they are asked
    places: int = 0  # of the questions about a map: how many ask where one object is


FIRST = Recipe()
RECIPE = Recipe(n_step=1_600, lr=2e-3, seed=1, held_out=None, placed=True, end=900, relations=3)


class Complete(random.Random):
    """Chooses at random, but leaves nothing out: captions drop an attribute where `random` says a high number."""

    def random(self) -> float:
        return 0.0


@lru_cache(maxsize=100_000)
def ids(text: str) -> tuple[int, ...]:
    """Of a text's words."""
    return tokenise(text).ids


def caption(scene: Scene, rng: random.Random, language: str | None = None) -> tuple[int, ...]:
    """Everything about a scene, in a random template."""
    return ids(describe(scene, language or rng.choice(LANGUAGES), Complete(rng.getrandbits(32))))


def word_map(scene: Scene, rng: random.Random, placed: bool = True) -> tuple[tuple[int, ...], ...]:
    """Words for each of 8 x 8 places: colour, shape and size of what lies there, or of the background, and PLACED."""
    language, places = rng.choice((*LANGUAGES, "")), PLACED if placed else ()
    words = []
    for row in range(SIDE):
        for column in range(SIDE):
            place = (column + 0.5) / SIDE, (row + 0.5) / SIDE
            away = [math.dist(place, (thing.x, thing.y)) / RADIUS[thing.size] for thing in scene.objects]
            k = min(range(len(away)), key=away.__getitem__, default=-1)
            said: tuple[str, ...] = (scene.background, "background", "background")
            if k >= 0 and away[k] < 0.9:
                thing = scene.objects[k]
                said = (thing.colour, thing.shape, thing.size)
            words.append(tuple(ids(say(word, language or rng.choice(LANGUAGES)))[0] for word in (*said, *places)))
    return tuple(words)


def weights_of_places() -> Float[Tensor, "p w"]:
    """How much each of a place's seven words counts in its sum: 1, and for PLACED how far it lies that way."""
    middle = (torch.arange(SIDE) + 0.5) / SIDE
    y, x = (each.flatten() for each in torch.meshgrid(middle, middle, indexing="ij"))
    return torch.stack((*[torch.ones(SIDE**2)] * 3, 1 - x, x, 1 - y, y), 1)


def turns(
    scene: Scene, rng: random.Random, n: int, kinds: Sequence[str] = KINDS, relations: int = 1, places: int = 0
) -> list[Turn]:
    """Questions with their answers: kinds evenly as far as the scene allows, numbers evenly; each language alike.

    places: how many of the n are of `place_turn`.
    """
    found: list[Turn] = []
    pools = {language: questions(scene, language, kinds) for language in LANGUAGES}
    for _ in range(places):
        asked = place_turn(scene, rng)
        if asked:
            found.append(asked)
    for _ in range(n - places):
        pool = pools[rng.choice(LANGUAGES)]
        chosen = pick(pool, rng, relations)
        if chosen:
            found.append((unmarked(ids(chosen.text), rng), ids(chosen.answer)))
    return found


def names(thing: Shape, scene: Scene, language: str) -> list[str]:
    """What tells an object from the others: its colour and shape, or one of them where that is enough."""
    gap = " " * (language == "en")
    colour, shape, any_shape = (say(word, language) for word in (thing.colour, thing.shape, "thing"))
    same = [t for t in scene.objects if t is not thing]
    found = []
    if all((t.shape, t.colour) != (thing.shape, thing.colour) for t in same):
        found.append(f"{colour}{gap}{shape}")
    if all(t.shape != thing.shape for t in same):
        found.append(shape)
    if all(t.colour != thing.colour for t in same) and thing.colour != scene.background:
        found.append(f"{colour}{gap}{any_shape}")
    return found


def place_turn(scene: Scene, rng: random.Random) -> Turn | None:
    """Where one object is, in the picture or seen from another one, by any name: steps towards relations."""
    language = rng.choice(LANGUAGES)
    called = [(thing, names(thing, scene, language)) for thing in scene.objects]
    called = [(thing, some) for thing, some in called if some]
    if not called:
        return None
    thing, some = rng.choice(called)
    pairs = [(a, b, relation(a[0], b[0])) for a in called for b in called if a is not b]
    pairs = [pair for pair in pairs if pair[2]]
    if pairs and rng.random() < 0.5:
        a, b, where = rng.choice(pairs)
        first, second = rng.choice(a[1]), rng.choice(b[1])
        asked = f"where is the {first} seen from the {second} ?" if language == "en" else f"{first}在{second}的哪边？"
        return ids(asked), ids(where if language == "en" else say(RELATIONS[where], "zh"))
    name = rng.choice(some)
    asked = f"where is the {name} ?" if language == "en" else f"{name}在哪边？"
    return ids(asked), ids(say(thing.place, language))


def pick(pool: list[Question], rng: random.Random, relations: int = 1) -> Question | None:
    """A kind, then a question of it; the answer 0 as rarely as any other number."""
    if not pool:
        return None
    found = sorted({q.kind for q in pool})
    kind = rng.choice(found + [kind for kind in found if kind == "relation"] * (relations - 1))
    pool = [q for q in pool if q.kind == kind]
    if kind == "count":
        number = rng.choice(sorted({q.answer for q in pool}))
        pool = [q for q in pool if q.answer == number]
    return rng.choice(pool)


def unmarked(question: tuple[int, ...], rng: random.Random) -> tuple[int, ...]:
    """Now and then without its question mark, as one types."""
    return question[:-1] if rng.randrange(10) == 0 else question


def telling(scene: Scene, rng: random.Random) -> Turn:
    """A caption as an answer."""
    language = rng.choice(LANGUAGES)
    return unmarked(ids(DESCRIBE[language]), rng), caption(scene, rng, language)


@dataclass(frozen=True)
class Batch:
    """Rows of words. target: the next word where it counts, else -1. weight: how much it counts."""

    ids: Int[Tensor, "b t"]
    segment: Int[Tensor, "b t"]
    target: Int[Tensor, "b t"]
    weight: Float[Tensor, "b t"]
    places: Int[Tensor, "b p w"] | None = None  # words of a map: each place after START is the sum of its words


def batch(contexts: Sequence[Sequence[int]], asked: Sequence[Sequence[Turn]], learn_context: bool) -> Batch:
    """START context, then the turns side by side. Answers count; the context's own words if `learn_context`."""
    rows: list[tuple[list[int], list[int], list[int], list[float]]] = []
    for context, several in zip(contexts, asked, strict=True):
        words, segment, target = [START_ID, *context], [0] * (1 + len(context)), [-1] * (1 + len(context))
        if learn_context:
            target[: len(context)] = context
        for k, (question, answer) in enumerate(several, 1):
            turn = [QUESTION_ID, *question, ANSWER_ID, *answer]
            words += turn
            segment += [k] * len(turn)
            target += [-1] * (len(question) + 1) + [*answer, END_ID]
        short = [k > 0 and len(several[k - 1][1]) == 1 for k in segment]
        rows.append((words, segment, target, [1.0 if alone else CAPTION for alone in short]))
    n = max(len(row[0]) for row in rows)
    filled = [
        torch.tensor([row[i] + [fill] * (n - len(row[i])) for row in rows])
        for i, fill in enumerate((PAD_ID, -1, -1, 0.0))
    ]
    return Batch(*filled)


def read_in(lm: SceneLM, made: Batch) -> Float[Tensor, "b t m"]:
    """The language model's input: word embeddings, and in a map their sums."""
    x = lm.embed(made.ids)
    if made.places is None:
        return x
    n = made.places.shape[1]
    words = lm.embed(made.places.flatten(1)).unflatten(1, (n, -1))
    counts = weights_of_places()[:, : words.shape[2], None]
    return torch.cat((x[:, :1], (words * counts).sum(2), x[:, 1 + n :]), 1)


def about(contexts: Sequence[Any], asked: Sequence[Sequence[Turn]], maps: bool, learn_context: bool = False) -> Batch:
    """A batch on maps or on captions."""
    if not maps:
        return batch(contexts, asked, learn_context)
    return replace(batch([[IMAGE_ID] * SIDE**2] * len(contexts), asked, False), places=torch.tensor(contexts))


def loss_of(lm: SceneLM, x: Float[Tensor, "b t m"], made: Batch) -> Float[Tensor, ""]:
    """Weighted mean over the words that count. Each matrix product in bfloat16."""
    allowed, position = side_by_side(made.segment)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = lm(x, allowed, position, keep=True).logits
    counts = made.target >= 0
    each = F.cross_entropy(logits[counts].float(), made.target[counts], reduction="none")
    return (each * made.weight[counts]).sum() / made.weight[counts].sum()


def scenes_to_tell(generator: torch.Generator, n: int, held_out: bool | None) -> list[Scene]:
    """Mostly of several objects: what belongs together is not learned from one alone."""
    part = n // 5
    return sample(generator, part, held_out, 0.3) + scatter(generator, n - part, held_out, (1, 2, 2, 3, 3, 4, 4))


def able(scene: Scene, maps: bool) -> tuple[str, ...]:
    """Kinds of questions that a map or a caption answers: a list of three or four does not say where they are."""
    return KINDS if maps or len(scene.objects) <= 2 else KINDS[:3]


def text_batch(recipe: Recipe, step: int) -> Batch:
    """Of one step: maps or captions."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)
    rng = random.Random(int(torch.randint(2**62, (), generator=generator)))
    scenes = scenes_to_tell(generator, recipe.n_row, recipe.held_out)
    maps = rng.random() < recipe.share_map
    contexts = [word_map(scene, rng, recipe.placed) if maps else caption(scene, rng) for scene in scenes]
    asked = [
        [*turns(s, rng, recipe.n_turn, able(s, maps), recipe.relations, recipe.places * maps), telling(s, rng)]
        for s in scenes
    ]
    return about(contexts, asked, maps, learn_context=not maps)


def train(
    recipe: Recipe, checkpoint: Path, stop_at: int | None = None, begin: SceneLM | None = None
) -> tuple[SceneLM, loop.Log]:
    """The model and its log. `begin`: where it goes on from."""
    lm = SceneLM(generator=torch.Generator().manual_seed(recipe.seed))
    if begin is not None:
        lm.load_state_dict(begin.state_dict())

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        made = text_batch(recipe, step)
        loss = loss_of(lm, read_in(lm, made), made)
        return loss, float(loss.detach())

    def note(step: int) -> dict[str, object] | None:
        return {"step": step + 1, **accuracy(lm, 60, step, False)} if (step + 1) % 200 == 0 else None

    return lm, loop.fit(
        lm,
        recipe,
        loss_at,
        checkpoint,
        repr(("scene_lm", recipe, lm.cfg)),
        note=note,
        stop_at=min(recipe.end, recipe.n_step, stop_at or recipe.n_step),
    )


@torch.no_grad()
def accuracy(lm: SceneLM, n: int, seed: int, held_out: bool = False) -> dict[str, dict[str, float]]:
    """By context and kind: share of questions whose likeliest answer is the right one. n scenes of each."""
    return {name: measure(lm, make, n, seed, held_out) for name, make in (("map", word_map), ("caption", caption))}


def measure(
    lm: SceneLM, make: Callable[[Scene, random.Random], tuple[Any, ...]], n: int, seed: int, held_out: bool
) -> dict[str, float]:
    """Of one kind of context."""
    rng = random.Random(seed + 7_000_001)
    scenes = scatter(torch.Generator().manual_seed(seed + 7_000_001), n, held_out)
    found = {}
    for kind in KINDS:
        able = [s for s in scenes if kind != "relation" or make is word_map or len(s.objects) == 2]
        pairs = [(s, turns(s, rng, 2, (kind,))) for s in able]
        pairs = [(s, several) for s, several in pairs if several]
        made = about([make(s, rng) for s, _ in pairs], [several for _, several in pairs], make is word_map)
        best = lm(read_in(lm, made), *side_by_side(made.segment)).logits.argmax(-1)
        asked = made.ids == ANSWER_ID
        found[kind] = round(float((best == made.target)[asked].float().mean()), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train the scenes' language model: models/weights/scene_lm.safetensors"
    )
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"), help="checkpoints")
    parser.add_argument("--stop-at", type=int, help="interrupt before this step and ship what there is")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.cache.mkdir(parents=True, exist_ok=True)
    first, before = train(FIRST, options.cache / "scene_lm_first.pt")
    lm, log = train(RECIPE, options.cache / "scene_lm.pt", options.stop_at, first)
    write(dict(lm.state_dict()), WEIGHTS / "scene_lm.safetensors")
    scene_lm.load.cache_clear()
    said = {
        "n_param": sum(weight.numel() for weight in lm.parameters()),
        "recipe": [vars(FIRST), vars(RECIPE)],
        "steps": len(before.losses) + len(log.losses),
        "seconds": round(before.seconds + log.seconds),
        "loss_curve": loop.curve(before.losses + log.losses, 60),
        "accuracy": accuracy(scene_lm.load(), 300, 1),
        "accuracy_held_out": accuracy(scene_lm.load(), 300, 2, True),
    }
    (options.cache / "scene_lm.json").write_text(json.dumps(said), encoding="utf-8")
    print(json.dumps({key: said[key] for key in ("accuracy", "accuracy_held_out")}, indent=1))


if __name__ == "__main__":
    main()
