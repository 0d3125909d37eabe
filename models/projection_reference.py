"""The chain beside independent computations of it, for the page's "check it now".

Whole chain and Q-Former: transformers' LlavaForConditionalGeneration and Blip2QFormerModel with copied weights, made in
models/scene_vlm_reference.py. Projectors of single patches: their formulas, written out.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models import projectors, scene_vlm_reference
from models.projectors import PerPatch, QFormer
from models.scene_questions import tokenise
from models.scene_vlm import Vlm
from models.scenes import draw, scatter

QUESTION = "where is the red circle seen from the blue square ?"


def differences(vlm: Vlm) -> dict[str, float]:
    """Largest differences on one picture and one question. LLaVA's class knows one projector only: where the chain has
    another one, a random MLP takes its place there, and its own is compared alone."""
    picture = draw(scatter(torch.Generator().manual_seed(11), 1))
    features, projector = vlm.features(picture), vlm.projector
    found: dict[str, float] = {}
    if isinstance(projector, QFormer):
        own = scene_vlm_reference.qformer(projector, features)
        found |= {f"Blip2QFormerModel, {name}": value for name, value in own.items()}
    elif isinstance(projector, PerPatch):
        found["projector, its formula"] = formula(vlm, features)
    if vlm.variant != "mlp-64":
        vlm = replace(vlm, projector=mlp(), variant="mlp-64")
    whole = scene_vlm_reference.llava(vlm, picture, tokenise(QUESTION).ids)
    return found | {f"LlavaForConditionalGeneration, {name}": value for name, value in whole.items()}


def mlp() -> nn.Module:
    """A random one in its place."""
    return projectors.make("mlp-64", torch.Generator().manual_seed(0)).requires_grad_(False)


def formula(vlm: Vlm, features: Float[Tensor, "1 n d"]) -> float:
    """Of a matrix or an MLP, one token after the other; each token's input is the mean of its patches."""
    got, projector = vlm.project(features), vlm.projector
    assert isinstance(projector, PerPatch)
    far = 0.0
    first, second = projector.linear_1, projector.linear_2
    for k, token in enumerate(got.tokens[0]):
        z = features[0, got.source[0, k] > 0].mean(0)
        h: Tensor = F.linear(z, first.weight, first.bias)
        if second is not None:
            h = F.linear(h * (1 + torch.erf(h / 2**0.5)) / 2, second.weight, second.bias)
        far = max(far, float((h - token).abs().max()))
    return far
