"""How quick the pages about positions are: drags of their pictures, RoPE's trace, reading past the trained length."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

Report = Callable[[str, float, float | None, str], None]


def took(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def turns(rounds: int, page: Callable[[int], object], floor: Callable[[int], object]) -> tuple[float, float]:
    """Medians of both, in turns, each turn with its own number; the first is not counted."""
    times = [(took(lambda i=i: page(i)), took(lambda i=i: floor(i))) for i in range(rounds + 1)]  # type: ignore[misc]
    ours, theirs = zip(*times[1:], strict=True)
    return statistics.median(ours), statistics.median(theirs)


def measure(rounds: int, report: Report) -> None:
    """Both computations, each beside the library that does only the heart of it."""
    turning(rounds, report)
    reading(rounds, report)


def turning(rounds: int, report: Report) -> None:
    """All that the page rope shows of new vectors, 64 positions of 32 pairs, with the picture that is sent; floor:
    the scores of 512 draws at 128 distances by Llama's rotary embedding, for one base."""
    import torch
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    from models import rope
    from ui.catalogue import entries
    from viz import rope as pictures

    words = {name: block["en"] for name, block in entries()["rope"].spec["words"].items()}
    position = torch.arange(rope.N_DISTANCE)[None]

    def page(seed: int) -> object:
        return pictures.clocks(rope.trace(rope.Config(n_pair=32, n_token=64, seed=seed)), words)

    def floor(seed: int) -> object:
        draws = torch.randn(2, rope.N_DRAW, 1, 64, generator=torch.Generator().manual_seed(seed))
        query, key = (x.expand(-1, rope.N_DISTANCE, -1)[None] for x in draws)
        about = {"rope_type": "default", "rope_theta": 1e4}
        config = LlamaConfig(hidden_size=64, num_attention_heads=1, rope_parameters=about)
        turned, still = apply_rotary_pos_emb(query, key, *LlamaRotaryEmbedding(config)(query, position))
        return (turned * still[:, :, :1]).sum(-1)

    report("RoPE of new vectors at 21 bases, floor: at one", *turns(rounds, page, floor), "ms")


def reading(rounds: int, report: Report) -> None:
    """Loss at each of 1,024 positions by the shipped RoPE model under YaRN; floor: Llama's logits from its weights."""
    from models import context_methods, position_lm
    from models.long_context_reference import by_library

    model, scheme = position_lm.load("rope"), context_methods.scheme_at("yarn", 16.0)(1024)
    texts = position_lm.held_out(rounds + 1, 1025)
    page, floor = turns(
        rounds,
        lambda i: position_lm.loss_by_position(model, texts[i][None], scheme),
        lambda i: by_library("yarn", model, texts[i][None, :-1], 16.0, 64, 1e4),
    )
    report("1,024 tokens through the small RoPE model", page, floor, "ms")
