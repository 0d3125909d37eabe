"""What a transformer's parameters are, part by part and layer by layer, and which of them one token uses.

A layer mixes tokens (attention, or a linear kind of it) and then treats each by itself: in a dense FFN, or in n experts
of which a router chooses k, beside a shared expert that every token passes. So, with p_e parameters in one expert,

    total  = everything else + n p_e        in each MoE layer
    active = everything else + k p_e

Counted as active are also the embeddings and the norms, as makers of models do when they name a number; not counted are
key-value caches, activations, routing biases that no gradient trains, and modules for multi-token prediction.

Arithmetic: a matrix of p parameters costs 2 p operations (one multiplication, one addition) for each token. The
embedding is looked up, norms and biases are not matrices: neither is counted. Nor are attention scores, which depend on
the length.

Glossary
    n, k      experts in a layer, experts per token    part     one of PARTS
    shared    an expert every token passes             vector   norms, biases and tables that are looked up
"""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("embedding", "attention", "dense", "router", "shared", "experts", "head", "vector")
FFNS = ("dense", "moe", "shared")  # what follows attention; shared: experts and a shared one
MIXERS = ("attention", "linear", "encoder", "decoder")


class Amount(float):
    """A number of parameters in billions, as English counts; with the format code 亿 in Chinese, by 10^8."""

    def __format__(self, code: str) -> str:
        if code.endswith("亿"):
            return f"{10 * float(self):{code[:-1]}} 亿"
        return f"{float(self):{code}}"


@dataclass(frozen=True)
class Layer:
    """Parameters of one layer; `expert` of one expert."""

    mixer: str
    ffn: str
    attention: int = 0
    dense: int = 0
    router: int = 0
    shared: int = 0
    expert: int = 0
    vector: int = 0


@dataclass(frozen=True)
class Shape:
    """A model. head: 0 if it is the embedding once more; n_expert and top_k: 0 if all of its layers are dense."""

    d_model: int
    n_expert: int
    top_k: int
    embedding: int
    head: int
    vector: int
    layers: tuple[Layer, ...]

    @property
    def moe_layers(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if layer.expert)

    @property
    def expert(self) -> int:
        """Parameters of one expert in one layer."""
        return self.moe_layers[0].expert if self.moe_layers else 0


def _parts(shape: Shape, n_used: int | float) -> dict[str, int | float]:
    """Parameters of each part where n_used experts of every MoE layer count."""
    return {
        "embedding": shape.embedding,
        "attention": sum(layer.attention for layer in shape.layers),
        "dense": sum(layer.dense for layer in shape.layers),
        "router": sum(layer.router for layer in shape.layers),
        "shared": sum(layer.shared for layer in shape.layers),
        "experts": n_used * sum(layer.expert for layer in shape.layers),
        "head": shape.head,
        "vector": shape.vector + sum(layer.vector for layer in shape.layers),
    }


def total(shape: Shape) -> dict[str, int]:
    """All parameters, by part."""
    return {part: int(count) for part, count in _parts(shape, shape.n_expert).items()}


def active(shape: Shape) -> dict[str, int]:
    """Those that one token uses."""
    return {part: int(count) for part, count in _parts(shape, shape.top_k).items()}


def read(shape: Shape, n_distinct: int | float) -> dict[str, int | float]:
    """Those that are fetched from memory for a step in which n_distinct experts of each MoE layer are asked for. Of the
    embedding a step looks up single rows, which are left out; where it is the head as well it is read whole."""
    parts = _parts(shape, n_distinct)
    return parts | {"embedding": 0.0 if shape.head else float(shape.embedding)}


def flops(shape: Shape) -> dict[str, int]:
    """Operations for one token, by part."""
    used = active(shape) | {"embedding": 0, "head": shape.head or shape.embedding, "vector": 0}
    return {part: 2 * used[part] for part in PARTS}


def n_total(shape: Shape) -> int:
    return sum(total(shape).values())


def n_active(shape: Shape) -> int:
    return sum(active(shape).values())
