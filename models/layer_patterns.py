"""Which layers rotate and which know no position: models that mix RoPE layers with layers without any encoding.

Sources: the configurations in transformers 5.23, which the tests compare with: `SmolLM3Config.no_rope_layers`,
`Llama4TextConfig.no_rope_layers` and `layer_types`, `Cohere2Config.layer_types` (its attention rotates in the sliding
layers only), `LlamaConfig`. "iRoPE": Meta 2025, "The Llama 4 herd". The mixture under study: Yang et al. 2025, "Rope to
Nope and Back Again". Models without any encoding: Kazemnejad et al. 2023.

    layer i (from 0) rotates  <=>  (i + 1) % interval != 0          interval 4: R R R N R R R N ...

Glossary
    interval    every interval-th layer has no position; 0: all rotate; 1: none does
    reach       tokens that a rotating layer sees: a window (sliding), a block (chunked), or 0 for all before it

Beware of the name: in `no_rope_layers`, 1 means that the layer does rotate.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor


@dataclass(frozen=True)
class Pattern:
    """One model's layers."""

    title: str
    n_layer: int
    interval: int
    reach: int = 0
    local: str = "full"  # what a rotating layer sees: "full", "sliding" or "chunked"


PATTERNS: dict[str, Pattern] = {
    "llama": Pattern("LLaMA 7B", 32, 0),
    "cohere2": Pattern("Cohere 2", 40, 4, 4_096, "sliding"),
    "llama4": Pattern("Llama 4 Scout", 48, 4, 8_192, "chunked"),
    "smollm3": Pattern("SmolLM3 3B", 36, 4),
}


def rotates(n_layer: int, interval: int) -> Bool[Tensor, "l"]:
    """True for the layers that turn their queries and keys."""
    number = torch.arange(1, n_layer + 1)
    return number % interval != 0 if interval else torch.ones(n_layer, dtype=torch.bool)


@dataclass(frozen=True)
class Strip:
    """A model's layers from the first to the last."""

    title: str  # "" for the pattern that the reader chose
    rotates: Bool[Tensor, "l"]
    reach: int
    local: str


def strips(interval: int) -> tuple[Strip, ...]:
    """Every model of PATTERNS, and last a stack of 36 layers with the reader's own interval."""
    known = [Strip(p.title, rotates(p.n_layer, p.interval), p.reach, p.local) for p in PATTERNS.values()]
    return (*known, Strip("", rotates(36, interval), 0, "full"))
