"""The mixture of experts trained here, and its dense twins: decoders that differ in their feed-forward layer alone.

Sources: the decoder as in models/tiny_lm.py (Touvron et al. 2023, "LLaMA", section 2.2). "moe": Jiang et al. 2024,
"Mixtral of Experts", section 2.1. "fine": DeepSeek-AI 2024, "DeepSeek-V3", section 2.1.2 (small experts, a shared one,
sigmoid gate, bias). Capacity: Fedus et al. 2022, "Switch Transformers", section 2.2, equation (3).

    x'_l    = x_l + sum_h z_h W_O^h                          attention, as in models/tiny_lm.py
    u       = rms_norm(x'_l)
    logit   = u W_r^T                                        the router: one row per expert; weights: models/gates.py
    x_{l+1} = x'_l + shared(u) + sum_e weight[t, e] E_e(u)   E_e and shared are SwiGLU layers
    logits  = rms_norm(x_L) E^T                              the embedding table again (tied)

    variant        feed-forward layer                                 width used by a token   width stored
    moe            8 experts of 90, the best 2                        180                     720
    fine           16 experts of 36, the best 4, and 1 shared of 36   180                     612
    dense_active   one of 180                                         180                     180
    dense_total    one of 720                                         720                     720

Glossary
    u        what router and experts read, "b t m"           bias     of "sigmoid_bias": moves the choice alone
    chosen   by the gate                                     kept     chosen and within the expert's capacity
    weight   as applied: 0 where not kept                    without  set of (layer, expert) switched off

Axes: b batch, t position, n = b * t, m model feature, f feed-forward feature, e expert, v vocabulary.

Conventions: rows of a batch queue one after another where an expert's places are counted. A token that no expert keeps
passes on the residual stream (and the shared expert). Simplified: no KV cache, no dropout.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from models import gates, tiny_lm
from models.gates import Gating
from models.language_model import ModelUnavailable
from models.tiny_lm import WEIGHTS, attend, rms_norm, rope, rope_angle, swiglu

VARIANTS = ("moe", "fine", "dense_active", "dense_total")
DOMAINS = ("shakespeare", "chinese", "python")
N_GROUP = 4  # of "group_limited": two to four experts each


@dataclass(frozen=True)
class Config:
    """The model's size. n_expert = 0 makes it dense: the shared experts are then the whole feed-forward layer."""

    vocab_size: int = 2048
    n_layer: int = 4
    n_kv_head: int = 2
    group_size: int = 2
    n_pair: int = 16
    d_model: int = 96
    n_ctx: int = 256
    n_expert: int = 8
    top_k: int = 2
    d_expert: int = 90
    n_shared: int = 0
    gate: str = "renormalised"
    moe_every: int = 1  # 2: layers 0, 2, ... are dense, as wide as what a token uses in the others
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def n_head(self) -> int:
        return self.n_kv_head * self.group_size

    @property
    def d_head(self) -> int:
        return 2 * self.n_pair

    @property
    def d_active(self) -> int:
        """Feed-forward features that work for one token."""
        return (self.top_k + self.n_shared) * self.d_expert

    def sparse(self, layer: int) -> bool:
        """Whether this layer has a router."""
        return self.n_expert > 0 and (layer + 1) % self.moe_every == 0

    def n_param(self, active: bool = False) -> int:
        """Weights stored or, with `active`, those that work for one token (the tied embedding counts once)."""
        attention = 2 * self.d_model * self.d_head * (self.n_head + self.n_kv_head)
        total = self.vocab_size * self.d_model + self.d_model
        for layer in range(self.n_layer):
            width = self.d_active
            if self.sparse(layer):
                total += self.n_expert * self.d_model  # the router
                if not active:
                    width = (self.n_expert + self.n_shared) * self.d_expert
            total += attention + 3 * self.d_model * width + 2 * self.d_model
        return total


CONFIGS = {
    "moe": Config(),
    "fine": Config(n_expert=16, top_k=4, d_expert=36, n_shared=1, gate="sigmoid_bias"),
    "dense_active": Config(n_expert=0, top_k=0, d_expert=180, n_shared=1),
    "dense_total": Config(n_expert=0, top_k=0, d_expert=720, n_shared=1),
}


@dataclass(frozen=True)
class Switches:
    """How a trained model is run differently. The defaults change nothing."""

    gate: str = ""  # one of GATES; "": as trained
    top_k: int = 0  # experts per token; 0: as trained
    temperature: float = 1.0  # divides the router's logits
    noise: float = 0.0  # jitter of the router's input; for "noisy_topk" the deviation added to the logits
    seed: int = 0  # of noise and of the "random" router
    capacity_factor: float = 0.0  # 0: no limit
    shared: bool = True
    without: frozenset[tuple[int, int]] = frozenset()

    def gate_of(self, cfg: Config) -> str:
        """The name in models/gates.py."""
        return cfg.gate if self.gate in ("", "random", "untrained") else self.gate


AS_TRAINED = Switches()
GATES = (
    "softmax_topk",
    "topk_softmax",
    "renormalised",
    "sigmoid_bias",
    "group_limited",
    "dense",
    "expert_choice",
    "noisy_topk",
    "random",  # a router that does not look at the token: its logits are drawn anew for each, then the gate as trained
    "untrained",  # a router whose weights are drawn anew, then the gate as trained
)


@dataclass(frozen=True)
class LayerTrace:
    """What one router did."""

    logit: Float[Tensor, "b t e"]  # after jitter and temperature
    probability: Float[Tensor, "b t e"]  # softmax of the logits, or their sigmoids; 0 for an expert switched off
    score: Float[Tensor, "b t e"]  # what the gate compared
    chosen: Bool[Tensor, "b t e"]
    kept: Bool[Tensor, "b t e"]
    weight: Float[Tensor, "b t e"]


def gating(
    logit: Float[Tensor, "n e"],
    cfg: Config,
    how: Switches,
    bias: Float[Tensor, "e"],
    generator: torch.Generator,
) -> Gating:
    """The gate that `how` asks for."""
    n_expert = logit.shape[1]
    k = min(how.top_k or cfg.top_k, n_expert)
    name = how.gate_of(cfg)
    if name == "dense":
        return gates.dense(logit)
    if name == "expert_choice":
        return gates.expert_choice(logit, min(len(logit), gates.capacity(len(logit), n_expert, 1.0, k)))
    if name == "noisy_topk":
        return gates.noisy_topk(logit, torch.full_like(logit, how.noise), k, generator)
    if name == "sigmoid_bias":
        return gates.sigmoid_bias(logit, k, bias)
    if name == "group_limited":
        n_group = math.gcd(N_GROUP, n_expert)
        return gates.group_limited(logit, k, n_group, max(math.ceil(n_group / 2), math.ceil(k * n_group / n_expert)))
    return {"softmax_topk": gates.softmax_topk, "topk_softmax": gates.topk_softmax, "renormalised": gates.renormalised}[
        name
    ](logit, k)


def mixture(
    u: Float[Tensor, "n m"],
    weight: Float[Tensor, "n e"],
    kept: Bool[Tensor, "n e"],
    w_gate: Float[Tensor, "e f m"],
    w_up: Float[Tensor, "e f m"],
    w_down: Float[Tensor, "e m f"],
) -> Float[Tensor, "n m"]:
    """sum_e weight[t, e] E_e(u_t). Each expert computes only the tokens it keeps: that is the whole saving."""
    out = torch.zeros_like(u)
    for e, matrices in enumerate(zip(w_gate, w_up, w_down, strict=True)):
        at = kept[:, e].nonzero()[:, 0]
        out = out.index_add(0, at, weight[at, e, None] * swiglu(u[at][None], *matrices)[0])
    return out


class Block(nn.Module):
    """One layer: attention, then the feed-forward layer, each adding to the residual stream."""

    bias: Float[Tensor, "e"]  # set by training, not by the gradient

    def __init__(self, cfg: Config, layer: int) -> None:
        super().__init__()
        self.cfg, self.layer, self.sparse = cfg, layer, cfg.sparse(layer)
        d_model, d_expert = cfg.d_model, cfg.d_expert
        self.gain_attention = nn.Parameter(torch.ones(d_model))
        self.w_q = nn.Parameter(torch.zeros(cfg.n_head * cfg.d_head, d_model))
        self.w_k = nn.Parameter(torch.zeros(cfg.n_kv_head * cfg.d_head, d_model))
        self.w_v = nn.Parameter(torch.zeros(cfg.n_kv_head * cfg.d_head, d_model))
        self.w_o = nn.Parameter(torch.zeros(d_model, cfg.n_head * cfg.d_head))
        self.gain_mlp = nn.Parameter(torch.ones(d_model))
        self.d_shared = d_shared = cfg.n_shared * d_expert if self.sparse else cfg.d_active
        if d_shared:
            self.shared_gate = nn.Parameter(torch.zeros(d_shared, d_model))
            self.shared_up = nn.Parameter(torch.zeros(d_shared, d_model))
            self.shared_down = nn.Parameter(torch.zeros(d_model, d_shared))
        if self.sparse:
            self.w_router = nn.Parameter(torch.zeros(cfg.n_expert, d_model))
            self.register_buffer("bias", torch.zeros(cfg.n_expert))
            self.w_gate = nn.Parameter(torch.zeros(cfg.n_expert, d_expert, d_model))
            self.w_up = nn.Parameter(torch.zeros(cfg.n_expert, d_expert, d_model))
            self.w_down = nn.Parameter(torch.zeros(cfg.n_expert, d_model, d_expert))

    def route(self, u: Float[Tensor, "n m"], how: Switches, generator: torch.Generator) -> LayerTrace:
        """The router's decision, with b = 1."""
        cfg = self.cfg
        jittered = gates.jitter(u, how.noise, generator) if how.noise and how.gate != "noisy_topk" else u
        w_router = self.w_router
        if how.gate == "untrained":
            w_router = torch.randn(w_router.shape, generator=generator) * cfg.d_model**-0.5
        logit = F.linear(jittered, w_router) / how.temperature
        if how.gate == "random":
            logit = torch.randn(logit.shape, generator=generator)
        off = torch.tensor([(self.layer, e) in how.without for e in range(cfg.n_expert)])
        if off.all():
            nothing = torch.zeros_like(logit)
            gate = Gating(nothing - torch.inf, nothing > 0, nothing)
        else:
            gate = gating(logit.masked_fill(off, -torch.inf), cfg, how, self.bias, generator)
        kept = gate.chosen
        if how.capacity_factor:
            k = min(how.top_k or cfg.top_k, cfg.n_expert)
            limit = gates.capacity(len(u), cfg.n_expert, how.capacity_factor, k)
            kept = gates.within_capacity(gate.chosen, gate.score, limit)
        sigmoid = how.gate_of(cfg) == "sigmoid_bias"
        probability = logit.sigmoid() if sigmoid else logit.masked_fill(off, -torch.inf).softmax(-1).nan_to_num()
        fields = (logit, probability.masked_fill(off, 0.0), gate.score, gate.chosen, kept, gate.weight * kept)
        return LayerTrace(*(value[None] for value in fields))

    def attention(self, x: Float[Tensor, "b t m"], angle: Float[Tensor, "t p"]) -> Float[Tensor, "b t m"]:
        """What attention adds to the stream."""

        def heads(weight: Tensor) -> Float[Tensor, "b h t d"]:
            return F.linear(normed, weight).unflatten(-1, (-1, self.cfg.d_head)).transpose(1, 2)

        normed = rms_norm(x, self.gain_attention, self.cfg.norm_eps)
        z, _ = attend(rope(heads(self.w_q), angle), rope(heads(self.w_k), angle), heads(self.w_v))
        return F.linear(z.transpose(1, 2).flatten(2), self.w_o)

    def feed_forward(
        self, u: Float[Tensor, "b t m"], how: Switches, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b t m"], LayerTrace | None]:
        """What the experts add to the stream, and the router's decision if this layer has one."""
        out = torch.zeros_like(u)
        if self.d_shared and (how.shared or not self.sparse):
            out = swiglu(u, self.shared_gate, self.shared_up, self.shared_down)
        if not self.sparse:
            return out, None
        flat = u.flatten(0, 1)
        trace = self.route(flat, how, generator)
        routed = mixture(flat, trace.weight[0], trace.kept[0], self.w_gate, self.w_up, self.w_down)
        shaped = {name: value[0].unflatten(0, u.shape[:2]) for name, value in vars(trace).items()}
        return out + routed.view_as(u), LayerTrace(**shaped)

    def forward(
        self, x: Float[Tensor, "b t m"], angle: Float[Tensor, "t p"], how: Switches, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b t m"], LayerTrace | None]:
        x = x + self.attention(x, angle)
        added, trace = self.feed_forward(rms_norm(x, self.gain_mlp, self.cfg.norm_eps), how, generator)
        return x + added, trace


class TinyMoE(nn.Module):
    """The decoder. `forward` writes nothing to the module, so threads may share it."""

    def __init__(self, cfg: Config, generator: torch.Generator | None = None) -> None:
        """Random weights from `generator`; without one the matrices are zero, waiting for `load_state_dict`."""
        super().__init__()
        self.cfg = cfg
        self.embedding = nn.Parameter(torch.zeros(cfg.vocab_size, cfg.d_model))
        self.layers = nn.ModuleList(Block(cfg, layer) for layer in range(cfg.n_layer))
        self.gain_final = nn.Parameter(torch.ones(cfg.d_model))
        if generator is not None:
            for name, weight in self.named_parameters():
                if weight.dim() > 1:
                    # Each layer adds twice to the stream: smaller steps keep its size independent of depth (GPT-2).
                    # Small experts begin with numbers as small as their dense twin's: larger ones are slow to forget.
                    n_in = cfg.d_active if name.endswith("_down") else weight.shape[-1]
                    depth = (2 * cfg.n_layer) ** -0.5 if name.endswith(("w_o", "_down")) else 1.0
                    std = 0.02 if name == "embedding" else n_in**-0.5 * depth
                    nn.init.normal_(weight, std=std, generator=generator)

    def forward(
        self, ids: Int[Tensor, "b t"], how: Switches = AS_TRAINED
    ) -> tuple[Float[Tensor, "b t v"], tuple[LayerTrace, ...]]:
        """Logits for the token after each position, and what every router did (dense layers have none)."""
        generator = torch.Generator().manual_seed(how.seed)
        angle = rope_angle(ids.shape[1], self.cfg.n_pair, self.cfg.rope_base)
        x, traces = self.embedding[ids], []
        for layer in self.layers:
            x, trace = layer(x, angle, how, generator)
            if trace is not None:
                traces.append(trace)
        return F.linear(rms_norm(x, self.gain_final, self.cfg.norm_eps), self.embedding), tuple(traces)


# --- the shipped files -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=len(VARIANTS))
def load(variant: str = "moe") -> TinyMoE:
    """A shipped model: stored in half precision, computed in single. Raises ModelUnavailable."""
    model = TinyMoE(CONFIGS[variant])
    try:
        weights = load_file(WEIGHTS / f"tiny_moe_{variant}.safetensors")
        model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
    return model.requires_grad_(False).eval()


@lru_cache(maxsize=1)
def held_out() -> dict[str, Int[Tensor, "r t"]]:
    """Rows of n_ctx tokens per domain from documents never trained on, each begun by <bos>. Not to be written to."""
    try:
        stored = load_file(WEIGHTS / "tiny_moe.heldout.safetensors")
        return {name: stored[name].long() for name in DOMAINS}
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error


def encode(text: str) -> list[int]:
    """<bos> and the text's tokens: the tokenizer is the tiny LM's, trained on the same three domains."""
    return tiny_lm.load().encode(text)


def label(ids: list[int]) -> tuple[str, ...]:
    """What each token shows."""
    return tiny_lm.load().label(ids)
