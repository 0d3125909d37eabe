"""Numbers behind the claims people repeat about routers; each function computes what its card says.

Sources: Shazeer et al. 2017, section 2.1 and appendix B; Fedus et al. 2022, section 2.2; Dai et al. 2024,
"DeepSeekMoE", section 3.2; the numbers of experts: default values of the configuration classes of transformers.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from models import gates, router_gates, tiny_moe
from models.tiny_moe import AS_TRAINED

Number = float | int | str


def gradient_size(order: str, k: int) -> float:
    """Largest gradient that reaches the logits of the example through the sum w . v, v fixed and arbitrary."""
    logit = torch.tensor([router_gates.EXAMPLE], requires_grad=True)
    with torch.enable_grad():
        weight = router_gates.order(order, logit, k, torch.zeros(logit.shape[1])).weight
        direction = torch.arange(1.0, 1 + logit.shape[1])
        (found,) = torch.autograd.grad((weight * direction).sum(), logit)
    return float(found.abs().max())


@torch.no_grad()
def claim_order() -> dict[str, Number]:
    """F16: softmax then top-k, or top-k then softmax."""
    weight = router_gates.orders(torch.tensor(router_gates.EXAMPLE), 2, torch.zeros(8))
    first, second = weight[0], weight[1]
    return {
        "one": float(first[0]),
        "two": float(first[1]),
        "sum": float(first.sum()),
        "one_after": float(second[0]),
        "two_after": float(second[1]),
        "same": float((weight[1] - weight[2]).abs().max()),
        "gradient_after": gradient_size("topk_softmax", 1),
        "gradient_switch": gradient_size("softmax_topk", 1),
    }


def claim_usual_k() -> dict[str, Number]:
    """F17: experts per token of real models, from the configuration classes of the installed library."""
    from transformers import DeepseekV3Config, MixtralConfig, Qwen3MoeConfig, Qwen3NextConfig
    from transformers.models.llama4 import Llama4TextConfig

    mixtral, v3, qwen, following = MixtralConfig(), DeepseekV3Config(), Qwen3MoeConfig(), Qwen3NextConfig()
    llama = Llama4TextConfig()
    return {
        "mixtral_k": mixtral.num_experts_per_tok,
        "mixtral": mixtral.num_local_experts,
        "v3_k": v3.num_experts_per_tok,
        "v3": v3.n_routed_experts,
        "qwen_k": qwen.num_experts_per_tok,
        "qwen": qwen.num_local_experts,
        "next_k": following.num_experts_per_tok,
        "next": following.num_experts,
        "llama_k": llama.num_experts_per_tok,
        "llama": llama.num_local_experts,
    }


@torch.no_grad()
def claim_capacity() -> dict[str, Number]:
    """F39: the example with factor 1, and who is dropped."""
    shown = router_gates.overflow()
    said: dict[str, Number] = {"tokens": len(router_gates.ASKED), "experts": 3}
    for name, factor in (("one", 1.0), ("more", 1.5)):
        at = shown.factor.index(factor)
        said[f"capacity_{name}"] = shown.limit[at]
        said[f"dropped_{name}"] = int((shown.chosen & ~shown.kept[at]).sum())
    return said


@torch.no_grad()
def claim_two_levels() -> dict[str, Number]:
    """F92: the second level is a sparse mixture, too; and how many logits two levels need."""
    a, b, k = 16, 16, 4
    generator = torch.Generator().manual_seed(0)
    primary, secondary = (torch.randn(size, generator=generator) for size in ((1, a), (1, a, b)))
    gate = gates.hierarchical(primary, secondary, 1, k)
    return {
        "a": a,
        "b": b,
        "k": k,
        "chosen": int(gate.chosen.sum()),
        "sum": float(gate.weight.sum()),
        "logits_two": a + b,
        "logits_flat": a * b,
    }


@torch.no_grad()
def claim_shared() -> dict[str, Number]:
    """F95: what the shared expert holds, measured by taking it away; and one routed expert for comparison."""
    from models.router_measure import domain_loss

    base = domain_loss("fine", AS_TRAINED)
    without = domain_loss("fine", replace(AS_TRAINED, shared=False)) - base
    layer = 1
    rises = [
        domain_loss("fine", replace(AS_TRAINED, without=frozenset({(layer, e)}))) - base
        for e in range(0, tiny_moe.CONFIGS["fine"].n_expert, 4)
    ]

    def mean(x: Tensor) -> float:
        return float(x.mean())

    return {
        "shakespeare": float(without[0]),
        "chinese": float(without[1]),
        "python": float(without[2]),
        "shared": mean(without),
        "routed": sum(map(mean, rises)) / len(rises),
    }


CLAIMS: dict[str, Callable[[], dict[str, Number]]] = {
    "order": claim_order,
    "usual_k": claim_usual_k,
    "capacity": claim_capacity,
    "two_levels": claim_two_levels,
    "shared": claim_shared,
}
