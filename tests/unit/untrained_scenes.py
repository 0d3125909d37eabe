"""The scenes' diffusion model, narrow and with random weights: what follows from the formulas holds for any network."""

from __future__ import annotations

import functools

import torch

from models.scene_classifier import SceneClassifier
from models.scene_pipeline import Pipeline
from models.scene_text import TextEncoder
from models.scene_unet import SceneUNet
from models.scene_vae import SceneVAE


@functools.cache
def pipeline() -> Pipeline:
    """Always the same weights."""
    source = torch.Generator().manual_seed(7)
    modules = SceneVAE(8, 16), TextEncoder(24), SceneUNet(16, 24, 32, 24), SceneClassifier(8)
    for module in modules:
        for weight in module.parameters():
            size = 1.5 / weight[0].numel() ** 0.5
            weight.data = (
                size * torch.randn(weight.shape, generator=source) if weight.ndim > 1 else torch.ones_like(weight)
            )
        module.requires_grad_(False).eval()
    return Pipeline(*modules, {})
