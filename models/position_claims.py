"""Claims about position encodings that a computation settles, one function each; transformers' own code where it can.

Sources: T5 without 1/sqrt(d): Raffel et al. 2020, section 2.1, and `T5Attention`; its initial weights: `_init_weights`
in transformers. ALiBi: Press et al. 2022, section 3. GPT: Radford et al. 2018, section 4.1 (learned position
embeddings).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from models import position_lm
from models.layer_patterns import PATTERNS, rotates
from models.position_schemes import slopes

Answer = dict[str, float | int | str]


def fill(module: nn.Module, std: float) -> torch.Generator:
    """Seeded normal weights in place of those that a module was born with; the generator, for further draws."""
    generator = torch.Generator().manual_seed(0)
    for weight in module.parameters():
        weight.data.normal_(std=std, generator=generator)
    return generator


def claim_scale() -> Answer:
    """The weights of a small random T5 attention, against softmax with and without 1/sqrt(d)."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=11, d_model=512, d_kv=64, d_ff=16, num_layers=1, num_heads=2)
    config._attn_implementation = "eager"  # returns its weights
    attention = T5EncoderModel(config).eval().requires_grad_(False).encoder.block[0].layer[0].SelfAttention
    # W_Q starts smaller than W_K by sqrt(d), which has the effect of the division.
    ratio = float(attention.k.weight.std() / attention.q.weight.std())
    generator = fill(attention, config.d_model**-0.5)
    hidden = torch.randn(1, 13, config.d_model, generator=generator)
    with torch.no_grad():
        _, bias, weight = attention(hidden)
        query, key = (part(hidden).unflatten(-1, (2, 64)).transpose(1, 2) for part in (attention.q, attention.k))
        score = query @ key.mT
        plain = (score + bias).softmax(-1)
        divided = (score / config.d_kv**0.5 + bias).softmax(-1)
    return {
        "d": config.d_kv,
        "plain": float((weight - plain).abs().max()),
        "divided": float((weight - divided).abs().max()),
        "ratio": ratio,
        "root": config.d_kv**0.5,
        "n_bucket": config.relative_attention_num_buckets,
    }


def claim_slopes() -> Answer:
    """ALiBi's slopes of 8 heads, and of 12, where 2^(-8 h / n) does not hold; the loss of trained models that read with
    a scheme they were not trained with, in nats per token of held-out text, at the trained length."""
    ids = position_lm.held_out(16, 65)

    def loss(trained: str, read: str) -> float:
        scheme = position_lm.load(read).scheme
        return float(position_lm.loss_by_position(position_lm.load(trained), ids, scheme).mean())

    eight, twelve = slopes(8), slopes(12)
    formula = 2.0 ** (-8.0 * torch.arange(1, 13) / 12)
    return {
        "own": loss("alibi", "alibi"),
        "rope_own": loss("rope", "rope"),
        "rope_alibi": loss("rope", "alibi"),
        "none_own": loss("none", "none"),
        "none_alibi": loss("none", "alibi"),
        "first": float(eight[0]),
        "last": float(eight[-1]),
        "ratio": float(eight[1] / eight[0]),
        "twelve": ", ".join(f"{m:.3g}" for m in twelve.tolist()[8:]),
        "formula": ", ".join(f"{m:.3g}" for m in formula.tolist()[8:]),
    }


def claim_layers() -> Answer:
    """Layers of SmolLM3 that rotate, from transformers' configuration and from the rule."""
    from transformers import SmolLM3Config

    config = SmolLM3Config()
    pattern = PATTERNS["smollm3"]
    flags = [bool(flag) for flag in config.no_rope_layers or []]
    return {
        "n_layer": config.num_hidden_layers,
        "nope": flags.count(False),
        "rope": flags.count(True),
        "which": ", ".join(str(i + 1) for i, flag in enumerate(flags) if not flag),
        "differ": sum(a != b for a, b in zip(flags, rotates(pattern.n_layer, pattern.interval).tolist(), strict=True)),
    }


def claim_learned() -> Answer:
    """One step of training of a small GPT-2: do its position vectors move? And how many numbers they are in GPT-2."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=17, n_positions=32, n_embd=24, n_layer=1, n_head=2)
    config.bos_token_id = config.eos_token_id = None
    model = GPT2LMHeadModel(config).eval()
    generator = fill(model, 0.02)
    before = model.transformer.wpe.weight.detach().clone()
    ids = torch.randint(17, (2, 13), generator=generator)
    with torch.enable_grad():
        logits = model(input_ids=ids[:, :-1]).logits
        F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
        moved = (model.transformer.wpe.weight.detach() - before).abs().amax(-1)
    whole = GPT2Config()
    return {
        "moved": float(moved.max()),
        "n_moved": int((moved > 0).sum()),
        "n_read": ids.shape[1] - 1,
        "n_rest": len(moved) - (ids.shape[1] - 1),
        "gpt2_row": whole.n_positions,
        "gpt2_number": whole.n_positions * whole.n_embd,
    }


def claim_bias() -> Answer:
    """How much of each scheme's effect on the scores is the same for all words; see `laws`."""
    from models import position_encodings as page

    law = page.laws(page.measured(page.Config()))
    return {name: float(law[i, 2]) for i, name in enumerate(page.SCHEMES) if name != "none"}


def claim_order() -> Answer:
    """Two small models without any position encoding, trained to say where each token stands; see no_position.py."""
    from models import no_position

    learned = no_position.learn(0)
    return {
        "causal": float(learned.causal[-1]),
        "full": float(learned.full[-1]),
        "chance": learned.chance,
        "parity_causal": learned.parity_causal,
        "parity_full": learned.parity_full,
        "n_step": int(learned.step[-1]),
    }


CLAIMS: dict[str, Callable[[], Answer]] = {
    "scale": claim_scale,
    "slopes": claim_slopes,
    "layers": claim_layers,
    "learned": claim_learned,
    "bias": claim_bias,
    "order": claim_order,
}
