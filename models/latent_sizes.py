"""What diffusion in a latent space saves, counted: positions, values, pairs of attention, operations, parameters.

Sources: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", sections 3.1 and 3.3; the
model card of Stable Diffusion v1 (downsampling factor 8, "860M UNet", "123M text encoder"). The shapes of Stable
Diffusion 1.5 are the arguments below; its parameters and operations are counted here, on diffusers' and transformers'
own classes, built on torch's meta device: modules with shapes and without numbers. Nothing is downloaded or run.

    an r x r picture            r^2 positions        3 r^2 values        (r^2)^2 pairs in self-attention
    its latent, r/8 x r/8 x 4   1/64 of them         1/48                1/4096

Glossary
    operation   a multiplication or an addition of a matrix product, convolution or attention; not norms, not softmax
    evaluation  the U-Net run once on one latent; with guidance every step takes two

Conventions: parameters are all that training moves. A picture has 3 channels, a latent 4, and is 8 times smaller in
width and in height. Simplified: the whole U-Net is counted at every size, self-attention at its finest level included,
which a model made for pixels would leave out.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.checkpoint import LOADING
from models.fields import no_tick

FACTOR, CHANNELS, LATENT_CHANNELS = 8, 3, 4  # Stable Diffusion's
RESOLUTIONS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
N_WORD, WIDTH = 77, 768  # what CLIP's text encoder hands over: tokens, features
PUBLISHED = {"unet": 860, "text": 123}  # millions of parameters, as the model card of Stable Diffusion v1 says
PARTS = ("text", "unet", "encoder", "decoder")


@dataclass(frozen=True)
class Size:
    """What one picture of a resolution is made of."""

    position: int
    value: int
    pair: int


def pixels(resolution: int) -> Size:
    """A picture, pixel by pixel."""
    n = resolution**2
    return Size(n, CHANNELS * n, n * n)


def latents(resolution: int, factor: int = FACTOR, channels: int = LATENT_CHANNELS) -> Size:
    """The same picture's latent."""
    n = (resolution // factor) ** 2
    return Size(n, channels * n, n * n)


def saving(resolution: int) -> dict[str, float]:
    """How many times less there is of everything in the latent."""
    a, b = pixels(resolution), latents(resolution)
    return {"position": a.position / b.position, "value": a.value / b.value, "pair": a.pair / b.pair}


# --- Stable Diffusion 1.5 --------------------------------------------------------------------------------------------

UNET: Mapping[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 8,
}
VAE: Mapping[str, Any] = {
    "sample_size": 512,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
TEXT: Mapping[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": WIDTH,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": N_WORD,
    "hidden_act": "quick_gelu",
}


@functools.cache
def modules() -> dict[str, Any]:
    """Stable Diffusion's parts on the meta device: unet, vae, text."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with LOADING, torch.device("meta"):
        return {
            "unet": UNet2DConditionModel(**UNET),
            "vae": AutoencoderKL(**VAE),
            "text": CLIPTextModel(CLIPTextConfig(**TEXT)),
        }


@functools.cache
def parameters() -> dict[str, int]:
    """Parameters of every part."""
    built = modules()
    vae = built["vae"]
    return {
        "text": _count(built["text"]),
        "unet": _count(built["unet"]),
        "encoder": _count(vae.encoder, vae.quant_conv),
        "decoder": _count(vae.decoder, vae.post_quant_conv),
    }


def _count(*of: nn.Module) -> int:
    return sum(parameter.numel() for module in of for parameter in module.parameters())


@functools.cache
def layers(cross: bool) -> int:
    """Attention layers of the U-Net: those that look at words, or those that look at other positions."""
    return sum(name.endswith("attn2" if cross else "attn1") for name, _ in modules()["unet"].named_modules())


@torch.no_grad()
def operations(work: Callable[[], Any]) -> int:
    """Operations of a computation on the meta device, by torch's own counter."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


@functools.cache
def unet_operations(side: int) -> int:
    """Operations of the U-Net for one input of side x side positions."""
    x, text = torch.zeros(1, 4, side, side, device="meta"), torch.zeros(1, N_WORD, WIDTH, device="meta")
    return operations(lambda: modules()["unet"](x, torch.zeros(1, device="meta"), text))


@functools.cache
def other_operations() -> dict[str, int]:
    """Operations of the other parts for one picture of 512 x 512."""
    built = modules()
    image, z = torch.zeros(1, 3, 512, 512, device="meta"), torch.zeros(1, 4, 64, 64, device="meta")
    ids = torch.zeros(1, N_WORD, dtype=torch.long, device="meta")
    return {
        "text": operations(lambda: built["text"](ids)),
        "encoder": operations(lambda: built["vae"].encode(image)),
        "decoder": operations(lambda: built["vae"].decode(z)),
    }


@dataclass(frozen=True)
class Real:
    """Stable Diffusion 1.5 at 512 x 512."""

    parameter: tuple[int, ...]  # of PARTS
    operation: tuple[int, ...]  # of PARTS, each run once
    pixel_operation: int  # of the same U-Net if its input were the picture


def stable_diffusion(tick: Callable[[float], None] = no_tick) -> Real:
    """All that is counted about the real model."""
    tick(0.05)
    parameter = parameters()
    tick(0.6)
    operation = {"unet": unet_operations(512 // FACTOR)} | other_operations()
    tick(0.8)
    return Real(
        tuple(parameter[part] for part in PARTS), tuple(operation[part] for part in PARTS), unet_operations(512)
    )


@dataclass(frozen=True)
class Stage:
    """One station on the way from a caption to a picture: a part with parameters, or what flows between parts."""

    name: str
    parameter: int = 0
    shape: str = ""
    used: bool = True  # whether text to image runs it


def stages(
    parameter: Mapping[str, int], caption: str, words: tuple[int, int], latent: tuple[int, ...], image: tuple[int, ...]
) -> tuple[Stage, ...]:
    """All stations in order. parameter: of PARTS."""

    def across(shape: tuple[int, ...]) -> str:
        return " × ".join(map(str, shape))

    return (
        Stage("caption", shape=caption),
        Stage("text", parameter["text"]),
        Stage("words", shape=across(words)),
        Stage("noise", shape=across(latent)),
        Stage("unet", parameter["unet"]),
        Stage("latent", shape=across(latent)),
        Stage("decoder", parameter["decoder"]),
        Stage("image", shape=across(image)),
        Stage("encoder", parameter["encoder"], used=False),
    )


def both_stages(tick: Callable[[float], None] = no_tick) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """Stable Diffusion 1.5 at 512 x 512, and the model of this page."""
    from models.scene_captions import N_WORD as OUR_WORDS
    from models.scene_pipeline import load
    from models.scene_vae import N_CHANNEL, N_SIDE
    from models.scenes import N_PIXEL

    tick(0.05)
    real = stages(parameters(), f"{N_WORD}", (N_WORD, WIDTH), (4, 64, 64), (3, 512, 512))
    pipeline = load()
    own = {part: pipeline.n_param(part) for part in PARTS}
    latent, image = (N_CHANNEL, N_SIDE, N_SIDE), (3, N_PIXEL, N_PIXEL)
    return real, stages(own, f"≤ {OUR_WORDS}", (OUR_WORDS, pipeline.text.width), latent, image)


# --- claims ----------------------------------------------------------------------------------------------------------


def sixty_four() -> dict[str, float]:
    """Claim: 512 x 512 to 64 x 64 is 64 times less computation."""
    saved, real = saving(512), stable_diffusion()
    at = dict(zip(PARTS, real.operation, strict=True))
    return saved | {
        "unet": at["unet"] / 1e12,
        "unet_pixel": real.pixel_operation / 1e12,
        "measured": real.pixel_operation / at["unet"],
        "decoder": at["decoder"] / 1e12,
        "decoder_share": at["decoder"] / (at["decoder"] + 100 * at["unet"]),
        "decoder_evaluations": at["decoder"] / at["unet"],
    }


def components() -> dict[str, float]:
    """Claim: three components, VAE encoder, U-Net, VAE decoder."""
    count = parameters()
    total = sum(count.values())
    return {f"{name}_million": value / 1e6 for name, value in count.items()} | {
        "total_million": total / 1e6,
        "unused": count["encoder"] / total,
    }


def injected() -> dict[str, float | int]:
    """Claim: the prompt enters by cross-attention."""
    keys = [p for name, p in modules()["unet"].named_parameters() if ".attn2." in name]
    count = parameters()
    return {
        "n_cross": layers(True),
        "n_self": layers(False),
        "n_word": N_WORD,
        "width": WIDTH,
        "cross_million": sum(p.numel() for p in keys) / 1e6,
        "share": sum(p.numel() for p in keys) / count["unet"],
        "text_million": count["text"] / 1e6,
    }


def differences() -> dict[str, float]:
    """The counts against published ones, as a share of the last digit given; the arithmetic against the definition."""
    count, saved = parameters(), saving(512)
    found = {
        f"{part}: {count[part] / 1e6:.1f} M, published {millions} M": float(round(count[part] / 1e6) != millions)
        for part, millions in PUBLISHED.items()
    }
    exact = {"position": 512**2 / 64**2, "value": 3 * 512**2 / (4 * 64**2), "pair": math.pow(512 / 64, 4)}
    return found | {f"saving: {name}": abs(saved[name] - want) for name, want in exact.items()}
