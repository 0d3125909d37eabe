"""Train the projector between the DINOv2-type ViT-S/14 and SmolLM2, both frozen: `python -m training.real_projector`.

    features   what the encoder makes of 3,000 scenes, computed once
    words      warm start: each image token is drawn towards the words of what its cell shows. Needs no language model
    align      LLaVA's stage 1: SmolLM2 reads image tokens and answers; the loss reaches the projector through it
    again      the same once more, on other batches, the learning rate warmed up again
    card       measures what is shipped: models/weights/real_projector.json. `--last` ships and measures the last
               checkpoint of a training that was stopped early

Needs the assets dinov2-vits14 and smollm2. Stopped and started again, every run goes on from its last checkpoint.

Recipe: a row is a picture's tokens, some questions and now and then a caption, side by side: each sees the picture and
itself, and is placed right after the picture. So one pass over the picture serves several answers, and the projector
meets only what it meets when it is used. Only answers count in the loss. SmolLM2 runs in bfloat16, and keeps each
matrix transposed as well: without that, going backward took five times as long as going forward.
"""

import argparse
import hashlib
import json
import platform
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

import assets
from models import dinov2, real_vlm, stored_rows
from models.real_vlm import ASK, BEFORE, CAPTION, N_BLOCK, N_PIXEL, N_TOKEN, SIDE, Projector, plain, pool, worded
from models.scene_questions import KINDS, Question, describe, questions
from models.scenes import COLOURS, HELD_OUT, RADIUS, SHAPES, Scene, draw, inside, scatter
from models.tiny_lm import WEIGHTS
from training import loop


@dataclass(frozen=True)
class Recipe:
    """How one of the passes is trained."""

    n_step: int
    n_row: int  # pictures in a batch
    lr: float
    n_warmup: int
    weight_decay: float = 0.01
    n_ask: int = 6  # questions about each picture
    share_caption: float = 0.4  # of the pictures, one of them is a caption
    n_scene: int = 3_000
    seed: int = 0


WORDS = Recipe(n_step=400, n_row=64, lr=2e-3, n_warmup=20)
ALIGN = Recipe(n_step=320, n_row=8, lr=1e-3, n_warmup=10)
AGAIN = Recipe(n_step=400, n_row=8, lr=1e-3, n_warmup=20, seed=1)
COUNTS = (1, 2, 2)  # objects in a scene
MOST = 2  # questions of one kind about a picture
SHARPNESS = 12.0  # of the cosine with words, in the warm start
N_TEST = 80  # scenes of each split


def rng(recipe: Recipe, step: int) -> torch.Generator:
    """For one batch."""
    return torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)


# --- the encoder, once ------------------------------------------------------------------------------------------------


def scenes(recipe: Recipe) -> list[Scene]:
    """To train on: no combination held out."""
    return scatter(torch.Generator().manual_seed(recipe.seed + 70), recipe.n_scene, False, COUNTS)


@torch.no_grad()
def encode(shown: Sequence[Scene], n_row: int = 32) -> Float[Tensor, "b k d"]:
    """Pooled features, half precision."""
    encoder, parts = dinov2.load(), []
    for i in range(0, len(shown), n_row):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            tokens = encoder.after(draw(shown[i : i + n_row], N_PIXEL), N_BLOCK)
        parts.append(pool(tokens[:, 1:].float()).half())
    return torch.cat(parts)


def encoded(cache: Path, recipe: Recipe) -> tuple[list[Scene], Float[Tensor, "n k d"]]:
    """The scenes and what the encoder makes of them; every 500 are kept, so that a stop costs little."""
    shown, file = scenes(recipe), cache / f"real_features_{recipe.n_scene}_{recipe.seed}.pt"
    done = torch.load(file, weights_only=True) if file.exists() else torch.zeros(0, N_TOKEN, 384).half()
    while len(done) < len(shown):
        done = torch.cat((done, encode(shown[len(done) : len(done) + 500])))
        torch.save(done, file)
        print(f"features {len(done)}/{len(shown)}", flush=True)
    return shown, done


# --- SmolLM2, frozen --------------------------------------------------------------------------------------------------


class _Map(torch.autograd.Function):
    """x W^T, whose way back uses a transposed copy of W."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return F.linear(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None, None]:
        return F.linear(gradient[0].contiguous(), ctx.transposed), None, None


class FrozenMap(nn.Module):
    """A linear map that does not learn."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight, self.transposed = weight, weight.T.contiguous()

    def forward(self, x: Tensor) -> Tensor:
        return _Map.apply(x, self.weight, self.transposed)


class Reader:
    """SmolLM2 in bfloat16, and its tokenizer."""

    def __init__(self) -> None:
        from transformers import AutoTokenizer, LlamaForCausalLM

        folder = assets.path("smollm2")
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.lm: Any = LlamaForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16, attn_implementation="eager", local_files_only=True
        )
        self.lm.eval().requires_grad_(False)
        for module in list(self.lm.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, FrozenMap(child.weight.data))
        self.embedding: Float[Tensor, "v m"] = self.lm.model.embed_tokens.weight.data.float()
        self.before = self.ids(BEFORE)

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def segment(self, given: str, answer: str) -> tuple[list[int], int]:
        """Ids of a question with its answer and the end of the line, and how many of them are the answer's."""
        said = self.ids(f" {answer}\n")
        return self.ids(given) + said, len(said)

    def losses(
        self, tokens: Float[Tensor, "b k m"], rows: list[list[tuple[list[int], int]]]
    ) -> tuple[Float[Tensor, "a"], Int[Tensor, "a"], Int[Tensor, "a"]]:
        """Per answer token: its loss, which it was, and what was guessed. `rows[i]`: the segments about picture i."""
        n_before = len(self.before) + N_TOKEN
        length = n_before + max(sum(len(ids) for ids, _ in row) for row in rows)
        b = len(rows)
        ids = torch.zeros(b, length, dtype=torch.long)
        part = torch.full((b, length), -1)  # which segment; 0: the picture
        place = torch.zeros(b, length, dtype=torch.long)
        where: list[tuple[int, int]] = []
        for i, row in enumerate(rows):
            ids[i, : len(self.before)] = torch.tensor(self.before)
            part[i, :n_before], place[i, :n_before] = 0, torch.arange(n_before)
            at = n_before
            for k, (segment, n_answer) in enumerate(row, 1):
                end = at + len(segment)
                ids[i, at:end], part[i, at:end] = torch.tensor(segment), k
                place[i, at:end] = n_before + torch.arange(len(segment))
                where += [(i, end - n_answer + j) for j in range(n_answer)]
                at = end
        x = self.embedding[ids]
        x = torch.cat((x[:, : len(self.before)], tokens, x[:, n_before:]), 1).bfloat16()
        allowed = (part[:, None] == part[:, :, None]) | (part[:, None] == 0)
        allowed = (allowed & torch.ones(length, length, dtype=torch.bool).tril()) | torch.eye(length, dtype=torch.bool)
        mask = torch.zeros(b, 1, length, length).masked_fill(~allowed[:, None], -1e9).bfloat16()
        out = self.lm.model(inputs_embeds=x, attention_mask=mask, position_ids=place, use_cache=False)
        picked = torch.tensor(where).T
        hidden = out.last_hidden_state[picked[0], picked[1] - 1]
        right = ids[picked[0], picked[1]]
        logits = self.lm.lm_head(hidden).float()
        return F.cross_entropy(logits, right, reduction="none"), right, logits.argmax(-1)


# --- what is asked ----------------------------------------------------------------------------------------------------


def ask(scene: Scene, rng: random.Random, n: int, share_caption: float) -> list[tuple[str, str]]:
    """(what is given, what is answered), n of them, kinds in turn; at times the first is a caption."""
    found: dict[str, list[Question]] = {kind: questions(scene, "en", (kind,)) for kind in KINDS}
    for pool_ in found.values():
        rng.shuffle(pool_)
    found["count"].sort(key=lambda q: q.answer == "0" and rng.random() < 0.8)  # most counts are 0: they come last
    turns = [kind for kind in KINDS if found[kind]]
    chosen: list[tuple[str, str]] = []
    rng.shuffle(turns)
    for k in range(MOST):
        for kind in turns:
            if k < len(found[kind]) and len(chosen) < n:
                q = found[kind][k]
                chosen.append((ASK.format(question=plain(q.text)), worded(q.answer)))
    if rng.random() < share_caption:
        chosen[0] = (CAPTION, describe(scene, "en", rng))
    return chosen


def shown_in(scene: Scene) -> Float[Tensor, "k w"]:
    """For each cell, which words of COLOURS and SHAPES it should be near: an object's two, else the background's."""
    n = SIDE // 2 * 8  # samples along an edge
    grid = (torch.arange(n) + 0.5) / n
    target = torch.zeros(N_TOKEN, len(COLOURS) + len(SHAPES))
    target[:, COLOURS.index(scene.background)] = 1
    for thing in scene.objects:
        radius = RADIUS[thing.size]
        u, v = torch.broadcast_tensors((grid - thing.x) / radius, (grid[:, None] - thing.y) / radius)
        share = F.avg_pool2d(inside(thing.shape, u, v)[None].float(), 8).flatten()
        touched = share > min(0.15, 0.9 * float(share.max()))
        target[touched] = 0
        target[touched, COLOURS.index(thing.colour)] = 0.5
        target[touched, len(COLOURS) + SHAPES.index(thing.shape)] = 0.5
    return target


# --- the two passes ---------------------------------------------------------------------------------------------------


def begin(reader: Reader, features: Float[Tensor, "n k d"], recipe: Recipe) -> Projector:
    """Fresh weights, and the statistics of the features."""
    model = Projector()
    flat = features[:1_000].float().flatten(0, 1)
    model.mean.copy_(flat.mean(0))
    model.deviation.copy_(flat.std(0))
    size = float(reader.embedding.square().mean().sqrt())
    return model.start(torch.Generator().manual_seed(recipe.seed), size)


def warm(
    reader: Reader, model: Projector, recipe: Recipe, shown: list[Scene], features: Tensor, checkpoint: Path
) -> loop.Log:
    """In place: cosines with the words of COLOURS and SHAPES say what a cell shows, and tokens get a word's length."""
    words = reader.embedding[[reader.ids(f" {word}")[0] for word in (*COLOURS, *SHAPES)]]
    length = words.norm(dim=-1).mean()
    target = torch.stack([shown_in(scene) for scene in shown])

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        at = torch.randint(len(shown), (recipe.n_row,), generator=rng(recipe, step))
        tokens = model(features[at].float())
        cosine = F.normalize(tokens, dim=-1) @ F.normalize(words, dim=-1).T
        loss = F.cross_entropy((SHARPNESS * cosine).flatten(0, 1), target[at].flatten(0, 1))
        loss = loss + 0.1 * (tokens.norm(dim=-1) / length - 1).square().mean()
        return loss, float(loss.detach())

    return loop.fit(model, recipe, loss_at, checkpoint, repr(("words", recipe)))


def align(
    reader: Reader, model: Projector, recipe: Recipe, shown: list[Scene], features: Tensor, checkpoint: Path,
    stop_at: int | None = None,
) -> loop.Log:  # fmt: skip
    """In place: stage 1."""
    right: list[float] = []

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = rng(recipe, step)
        words = random.Random(int(torch.randint(2**62, (), generator=generator)))
        at = torch.randint(len(shown), (recipe.n_row,), generator=generator)
        rows = [
            [reader.segment(*pair) for pair in ask(shown[i], words, recipe.n_ask, recipe.share_caption)]
            for i in at.tolist()
        ]
        loss, wanted, guess = reader.losses(model(features[at].float()), rows)
        counts = wanted != reader.ids("\n")[0]
        right.append(float((guess == wanted)[counts].float().mean()))
        return loss.mean(), float(loss[counts].mean().detach())

    def note(step: int) -> dict[str, Any] | None:
        if (step + 1) % 25:
            return None
        recent = right[-25:]
        return {"step": step + 1, "right": round(sum(recent) / len(recent), 3)}

    return loop.fit(
        model, recipe, loss_at, checkpoint, repr(("align", recipe)), note=note, stop_at=stop_at, save_every=25
    )


def learn(cache: Path, stop_at: int | None = None) -> tuple[Projector, dict[str, loop.Log]]:
    """All passes."""
    reader = Reader()
    shown, features = encoded(cache, ALIGN)
    model = begin(reader, features, WORDS)
    first = warm(reader, model, WORDS, shown, features, cache / "real_words.pt")
    logs = {"words": first}
    for name, recipe in (("align", ALIGN), ("again", AGAIN)):
        logs[name] = align(reader, model, recipe, shown, features, cache / f"real_{name}.pt", stop_at)
    return model, logs


def last(cache: Path) -> tuple[Projector, dict[str, loop.Log]]:
    """The same, from checkpoints of a training that was stopped early or is still going on."""
    logs = {}
    model = Projector()
    for name in ("words", "align", "again"):
        if not (cache / f"real_{name}.pt").exists():
            break
        saved = torch.load(cache / f"real_{name}.pt", weights_only=True)
        logs[name] = loop.Log(**saved["log"])
        model.load_state_dict(saved["model"])
    return model, logs


# --- what is measured -------------------------------------------------------------------------------------------------


def fresh(held_out: bool, n: int) -> list[Scene]:
    """Scenes to test with, from seeds that training does not use."""
    return scatter(torch.Generator().manual_seed(9_001 + held_out), n, held_out, COUNTS)


@torch.no_grad()
def accuracy(
    reader: Reader, model: Projector, held_out: bool, n: int = N_TEST, swapped: bool = False
) -> tuple[dict[str, float], dict[str, int], dict[str, float]]:
    """Of the likeliest first word among all, by kind of question; how many questions; the commonest answer's share.

    swapped: every question comes with the picture before, so that only what questions give away is left.
    """
    shown, words = fresh(held_out, n), random.Random(int(held_out))
    tokens = model(encode(shown).float())
    if swapped:
        tokens = tokens.roll(1, 0)
    hits: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    given: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for i in range(0, n, 4):
        rows, kinds = [], []
        for scene in shown[i : i + 4]:
            asked = [q for kind in KINDS if (q := question(scene, words, kind))]
            kinds += [q.kind for q in asked]
            for q in asked:
                given[q.kind][q.answer] += 1
            rows.append([reader.segment(ASK.format(question=plain(q.text)), worded(q.answer)) for q in asked])
        _, wanted, guess = reader.losses(tokens[i : i + 4], rows)
        first = torch.tensor([k == 0 for row in rows for _, n_answer in row for k in range(n_answer)])
        for kind, hit in zip(kinds, (wanted == guess)[first].tolist(), strict=True):
            hits[kind].append(hit)
    share = {kind: round(sum(found) / len(found), 4) for kind, found in hits.items()}
    common = {kind: round(max(found.values()) / found.total(), 4) for kind, found in given.items()}
    return share, {kind: len(found) for kind, found in hits.items()}, common


def question(scene: Scene, words: random.Random, kind: str) -> Question | None:
    """One of a kind; among counts, each answer alike."""
    found = questions(scene, "en", (kind,))
    if not found:
        return None
    answer = words.choice(sorted({q.answer for q in found})) if kind == "count" else None
    return words.choice([q for q in found if answer in (None, q.answer)])


@torch.no_grad()
def blocks(n: int = 500, n_test: int = 100) -> dict[str, dict[str, list[float]]]:
    """How much of an object's colour and shape a linear map reads off its cells after each block of the encoder.

    Ridge regression on what cells show; from the input on (0) to block 12.
    """
    encoder = dinov2.load()
    sets = {"train": scatter(torch.Generator().manual_seed(9_010), n, False, COUNTS)}
    sets |= {"seen": fresh(False, n_test), "held_out": fresh(True, n_test)}
    cells: dict[str, list[Tensor]] = {}
    for name, shown in sets.items():
        parts = []
        for i in range(0, len(shown), 32):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                seen = encoder(draw(shown[i : i + 32], N_PIXEL), keep=True)
            parts.append(torch.stack([pool(layer[:, 1:].float()) for layer in seen.layers]))
        cells[name] = list(torch.cat(parts, 1).flatten(1, 2))
    target = {name: torch.stack([shown_in(scene) for scene in shown]).flatten(0, 1) for name, shown in sets.items()}
    found: dict[str, dict[str, list[float]]] = {name: {"colour": [], "shape": []} for name in ("seen", "held_out")}
    for block in range(len(cells["train"])):
        mean, deviation = cells["train"][block].mean(0), cells["train"][block].std(0) + 1e-6

        def bring(name: str, block: int = block, mean: Tensor = mean, deviation: Tensor = deviation) -> Tensor:
            x = (cells[name][block] - mean) / deviation
            return torch.cat((x, torch.ones(len(x), 1)), 1)

        x = bring("train")
        weight = torch.linalg.solve(x.T @ x + 30 * torch.eye(x.shape[1]), x.T @ target["train"])
        for name, by in found.items():
            guess, right = bring(name) @ weight, target[name]
            thing = right[:, len(COLOURS) :].sum(-1) > 0
            for what, part in (("colour", slice(None, len(COLOURS))), ("shape", slice(len(COLOURS), None))):
                hit = guess[thing, part].argmax(-1) == right[thing, part].argmax(-1)
                by[what].append(round(float(hit.float().mean()), 4))
    return found


# --- files ------------------------------------------------------------------------------------------------------------


def ship(model: Projector) -> None:
    """Matrices as bytes."""
    stored_rows.write(model.state_dict(), WEIGHTS / "real_projector.safetensors")


def write_card(cache: Path, logs: dict[str, loop.Log]) -> None:
    """Everything measured on the weights as shipped; SmolLM2 in bfloat16, as in training."""
    reader, model, begun = Reader(), real_vlm.load_projector(), Projector()
    begun.load_state_dict(torch.load(cache / "real_words.pt", weights_only=True)["model"])
    found: dict[str, Any] = {"accuracy": {}, "blind": {}, "warm": {}, "n_question": {}, "chance": {}}
    for split, held_out in (("seen", False), ("held_out", True)):
        found["accuracy"][split], found["n_question"][split], found["chance"][split] = accuracy(reader, model, held_out)
        found["blind"][split] = accuracy(reader, model, held_out, swapped=True)[0]
        found["warm"][split] = accuracy(reader, begun, held_out)[0]
        print(split, {name: found[name][split] for name in found}, flush=True)
    card = {
        "data": "drawn by models/scenes.py, questions by models/scene_questions.py, English; no other data",
        "held_out": sorted(map(list, HELD_OUT)),
        "recipe": {"words": asdict(WORDS), "align": asdict(ALIGN), "again": asdict(AGAIN)},
        "steps": {name: len(log.losses) for name, log in logs.items()},
        "seconds": {name: round(log.seconds) for name, log in logs.items()},
        "loss_curve": {name: loop.curve(log.losses, 40) for name, log in logs.items()},
        "right_curve": [
            (note["step"] + before, note["right"])
            for name, before in (("align", 0), ("again", ALIGN.n_step))
            for note in logs.get(name, loop.Log()).notes
        ],
        "n_param": sum(weight.numel() for weight in model.parameters()),
        **found,
        "blocks": blocks(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "sha256": {"real_projector": hashlib.sha256((WEIGHTS / "real_projector.safetensors").read_bytes()).hexdigest()},
    }
    (WEIGHTS / "real_projector.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the real tier's projector: models/weights/real_projector*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    parser.add_argument("--last", action="store_true", help="ship and measure the last checkpoint as it is")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)
    model, logs = last(args.cache) if args.last else learn(args.cache)
    ship(model)
    write_card(args.cache, logs)


if __name__ == "__main__":
    main()
