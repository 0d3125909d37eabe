"""What is often said of Vision Transformers, with the numbers that settle it: looked up, counted, or computed here.

Looked up: models/imagenet.py. Counted: transformers' classes, without weights. Computed: Swin's grids and windows, and
what models/vision_studies.py measures of the two small classifiers.
"""

from __future__ import annotations

import torch

from models import imagenet, masked_autoencoder, swin, vision_studies
from models.imagenet import MAE_SCRATCH, MAE_TUNED, ROWS
from models.scenes import Scene, Shape, draw, scatter

Numbers = dict[str, float | int]
PICTURE = Scene("white", (Shape("heart", "red", "large", 0.34, 0.4),))
N_MAE = 24
SEED = 52_000  # of scenes that no training has seen


def base_after_21k() -> Numbers:
    """Claim: ViT-B/16 trained on ImageNet-21K reaches 84.5 %."""
    return {
        "million": imagenet.count("ViT-B/16") / 1e6,
        "paper": ROWS["b-21k-paper"].top1,
        "again": ROWS["b-21k-again"].top1,
        "small": ROWS["b-21k-small"].top1,
        "tokens": (384 // 16) ** 2 + 1,
        "tokens_small": (224 // 16) ** 2 + 1,
    }


def large_after_jft() -> Numbers:
    """Claim: ViT-L/16 trained on JFT-300M reaches 88.5 % with 307 M parameters."""
    return {
        "large": ROWS["l-jft"].top1,
        "huge": ROWS["h-jft"].top1,
        "large_million": imagenet.count("ViT-L/16") / 1e6,
        "huge_million": imagenet.count("ViT-H/14") / 1e6,
    }


def resnet_on_imagenet() -> Numbers:
    """Claim: on ImageNet-1K alone, ResNet beats ViT."""
    return {
        "resnet": ROWS["resnet"].top1,
        "resnet_new": ROWS["resnet-new"].top1,
        "vit": ROWS["b-paper"].top1,
        "vit_new": ROWS["b-torchvision"].top1,
        "vit_mae": ROWS["b-mae-recipe"].top1,
        "resnet_million": imagenet.count("ResNet-152") / 1e6,
        "vit_million": imagenet.count("ViT-B/16") / 1e6,
    }


def mae_gain() -> Numbers:
    """Claim: MAE adds 2 to 3 points."""
    names = ("base", "large", "huge")
    found: Numbers = {}
    for name, before, after in zip(names, MAE_SCRATCH, MAE_TUNED, strict=True):
        found |= {f"{name}_before": before, f"{name}_after": after, f"{name}_gain": after - before}
    return found


@torch.no_grad()
def swin_grids() -> Numbers:
    """Claim: Swin's stages have 56, 28, 14 and 7 tokens along an edge. A Swin-T without weights is run on 224 x 224."""
    plan = swin.stages()
    with torch.device("meta"):
        grids = swin.Swin(plan)(torch.zeros(1, 3, swin.N_PIXEL, swin.N_PIXEL))
    pairs, everything = sum(s.depth * s.pairs for s in plan), sum(s.depth * s.side**4 for s in plan)
    found: Numbers = {f"side_{k + 1}": grid.shape[1] for k, grid in enumerate(grids)}
    found |= {f"width_{k + 1}": grid.shape[3] for k, grid in enumerate(grids)}
    return found | {
        "cost": swin.cost(swin.N_PIXEL) / 1e9,
        "cost_everything": swin.cost(swin.N_PIXEL, windows=False) / 1e9,
        "pairs": pairs,
        "times": everything / pairs,
    }


def not_invariant() -> Numbers:
    """Claim: CNNs are translation invariant. One scene's equivariance errors, and 100 scenes' answers after a shift."""
    found = vision_studies.shift(draw([PICTURE]))
    error = dict(zip(vision_studies.OPERATIONS, found.error[:, 1].tolist(), strict=True))
    same = vision_studies.steadiness()
    return {
        "convolution": error["convolution"],
        "stride": error["stride"],
        "cnn_1": float(same[0, 1]),
        "vit_1": float(same[1, 1]),
        "cnn_3": float(same[0, 3]),
        "vit_3": float(same[1, 3]),
    }


def small_data() -> Numbers:
    """Claim: from few pictures a CNN learns more than a ViT."""
    said = vision_studies.hunger_facts(vision_studies.hunger(), "shape")
    return {**said, "points": 100 * said["gap"]}


def global_field() -> Numbers:
    """Claim: a ViT sees everything at once, a CNN only what is near."""
    found = vision_studies.reach(draw([PICTURE]))
    return {
        "cnn_first": float(found.share[0, 0]),
        "cnn_last": float(found.share[0, -1]),
        "field": int(found.field[0, -1]),
        "vit_first": float(found.share[1, 1]),
    }


def mae_visible() -> Numbers:
    """Claim: MAE hides 75 %, and its encoder reads only the rest. N_MAE fresh scenes are painted in."""
    pictures = draw(scatter(torch.Generator().manual_seed(SEED), N_MAE), masked_autoencoder.ENCODER.n_pixel)
    index = masked_autoencoder.RATIOS.index(masked_autoencoder.RATIO)
    painted = [masked_autoencoder.paint(one[None]) for one in pictures]
    hidden = painted[0].hidden[index]
    n, visible = len(hidden), int((~hidden).sum())
    return {
        "n": n,
        "visible": visible,
        "token": visible + 1,
        "share": (visible + 1) ** 2 / (n + 1) ** 2,
        "n_picture": N_MAE,
        "error": sum(float(one.error[index]) for one in painted) / N_MAE,
        "plain": sum(float(one.plain[index]) for one in painted) / N_MAE,
    }


CLAIMS = {
    "base-21k": base_after_21k,
    "large-jft": large_after_jft,
    "resnet-beats": resnet_on_imagenet,
    "mae-gain": mae_gain,
    "swin-grids": swin_grids,
    "cnn-invariant": not_invariant,
    "small-data": small_data,
    "global-field": global_field,
    "mae-visible": mae_visible,
}
