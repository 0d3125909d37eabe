"""What image classifiers reach on ImageNet, each number with its source, and their parameters, counted.

ImageNet's validation set, one guess (top-1), in per cent. The rows of a widespread table are kept as they are told,
beside what the sources say. Parameters are counted on transformers' own classes, without weights.

Sources: [vit] Dosovitskiy et al. 2021, tables 2 and 5; [repo] the README of google-research/vision_transformer;
[torchvision] its table of weights; [mae] He et al. 2022, table 3, and FINETUNE.md of facebookresearch/mae; [swin]
MODELHUB.md of microsoft/Swin-Transformer. `read` says whether the source itself was opened, or is only reported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

# Weights and biases with a classifier of 1000 classes, as `count` finds them; at 224 pixels, Swin-L at 384.
PARAMETERS = {
    "ResNet-152": 60_192_808,
    "ViT-B/16": 86_567_656,
    "ViT-L/16": 304_326_632,
    "ViT-H/14": 632_045_800,
    "Swin-L": 196_735_516,
}


@dataclass(frozen=True)
class Row:
    """One trained model. data: pictures it was trained on before ImageNet-1K; pixels: edge of the pictures it is judged
    on; told: what the widespread table says, 0 if it has no such row."""

    model: str
    data: str
    n_picture: float  # millions, for order
    pixels: int
    top1: float
    source: str
    read: bool
    told: float = 0.0


ROWS = {
    "resnet": Row("ResNet-152", "ImageNet-1K", 1.28, 224, 78.31, "torchvision V1", True, 78.3),
    "resnet-new": Row("ResNet-152", "ImageNet-1K", 1.28, 224, 82.28, "torchvision V2", True),
    "b-paper": Row("ViT-B/16", "ImageNet-1K", 1.28, 384, 77.91, "ViT, table 5", False, 77.9),
    "b-torchvision": Row("ViT-B/16", "ImageNet-1K", 1.28, 224, 81.07, "torchvision V1", True),
    "b-mae-recipe": Row("ViT-B/16", "ImageNet-1K", 1.28, 224, 82.3, "MAE, table 3", False),
    "b-mae": Row("ViT-B/16", "ImageNet-1K, MAE", 1.28, 224, 83.66, "mae FINETUNE.md", True),
    "l-mae": Row("ViT-L/16", "ImageNet-1K, MAE", 1.28, 224, 85.95, "mae FINETUNE.md", True),
    "h-mae": Row("ViT-H/14", "ImageNet-1K, MAE", 1.28, 224, 86.93, "mae FINETUNE.md", True),
    "b-21k-small": Row("ViT-B/16", "ImageNet-21K", 14.0, 224, 81.2, "google-research README", True),
    "b-21k-paper": Row("ViT-B/16", "ImageNet-21K", 14.0, 384, 83.97, "ViT, table 5", False, 84.5),
    "b-21k-again": Row("ViT-B/16", "ImageNet-21K", 14.0, 384, 84.62, "google-research README", True),
    "l-jft": Row("ViT-L/16", "JFT-300M", 300.0, 512, 87.76, "ViT, table 2", False, 88.5),
    "h-jft": Row("ViT-H/14", "JFT-300M", 300.0, 518, 88.55, "ViT, table 2", False),
    "swin": Row("Swin-L", "ImageNet-22K", 14.0, 384, 87.3, "Swin MODELHUB.md", True, 87.3),
}
# MAE: the same recipe from scratch, and after pre-training; ViT-B/16, L/16 and H/14 of 224 pixels.
MAE_SCRATCH, MAE_TUNED = (82.3, 82.6, 83.1), (83.6, 85.9, 86.9)


@dataclass(frozen=True)
class Part:
    """A part of a network, with what is repeated in it, its output's shape at 224 pixels, and its parameters."""

    name: str
    repeated: int
    shape: tuple[int, ...]
    n_parameter: int


def resnet_152() -> tuple[Part, ...]:
    """He et al. 2016, table 1: bottleneck blocks of three convolutions, 1 x 1, 3 x 3, 1 x 1, around which the input is
    added. Every convolution has a batch normalisation (two numbers per channel) and no bias."""
    found = [Part("stem", 1, (64, 56, 56), 3 * 7 * 7 * 64 + 2 * 64)]
    n_in = 64
    for k, depth in enumerate((3, 8, 36, 3)):
        middle, out = 64 * 2**k, 256 * 2**k
        n = sum(
            (n_in if i == 0 else out) * middle + 9 * middle**2 + middle * out + 2 * (2 * middle + out)
            for i in range(depth)
        )
        found.append(Part("bottleneck", depth, (out, 56 // 2**k, 56 // 2**k), n + n_in * out + 2 * out))
        n_in = out
    return (*found, Part("classifier", 1, (1000,), 2048 * 1000 + 1000))


def vit_b() -> tuple[Part, ...]:
    """Dosovitskiy et al. 2021, table 1: ViT-Base with patches of 16."""
    d, depth, n_token = 768, 12, 197
    return (
        Part("patches", 1, (196, d), 3 * 16**2 * d + d),
        Part("positions", 1, (n_token, d), d + n_token * d),
        Part("attention", depth, (n_token, d), depth * (4 * (d**2 + d) + 2 * d)),
        Part("mlp", depth, (n_token, d), depth * (8 * d**2 + 5 * d + 2 * d)),
        Part("classifier", 1, (1000,), 2 * d + d * 1000 + 1000),
    )


@cache
def count(model: str) -> int:
    """The parameters of one of PARAMETERS, counted on transformers' class. Raises KeyError."""
    import torch
    from transformers import (
        ResNetConfig,
        ResNetForImageClassification,
        SwinConfig,
        SwinForImageClassification,
        ViTConfig,
        ViTForImageClassification,
    )

    def vit(width: int, depth: int, heads: int, patch: int) -> Any:
        sizes: dict[str, Any] = {"hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": heads}
        return ViTForImageClassification(ViTConfig(**sizes, intermediate_size=4 * width, patch_size=patch, **classes))

    def swin_l() -> Any:
        sizes: dict[str, Any] = {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48]}
        return SwinForImageClassification(SwinConfig(**sizes, image_size=384, window_size=12, **classes))

    classes: dict[str, Any] = {"num_labels": 1000}
    makers: dict[str, Callable[[], Any]] = {
        "ResNet-152": lambda: ResNetForImageClassification(
            ResNetConfig(depths=[3, 8, 36, 3], layer_type="bottleneck", **classes)
        ),
        "ViT-B/16": lambda: vit(768, 12, 12, 16),
        "ViT-L/16": lambda: vit(1024, 24, 16, 16),
        "ViT-H/14": lambda: vit(1280, 32, 16, 14),
        "Swin-L": swin_l,
    }
    make = makers[model]
    with torch.device("meta"):
        return sum(weight.numel() for weight in make().parameters())


def rows(order: str) -> list[tuple[Row, int]]:
    """All rows with their parameters, the largest first: by "accuracy", "parameters" or "data"."""
    key = {
        "accuracy": lambda one: (-one[0].top1,),
        "parameters": lambda one: (-one[1], -one[0].top1),
        "data": lambda one: (-one[0].n_picture, -one[0].top1),
    }[order]
    return sorted(((row, PARAMETERS[row.model]) for row in ROWS.values()), key=key)
