"""Claims about fusion that people repeat, each with numbers computed when it is read.

Sources: named in the page's claims. Sizes of CLIP: transformers' own class, built without weights from the published
configurations (openai/CLIP; mlfoundations/open_clip, ViT-g-14.json and ViT-bigG-14.json).
"""

import math

import torch
from torch import Tensor

from models import early_fusion, fusion_codes, fusion_styles, fusion_systems, fusion_video, scenes, vq_scenes
from models.early_fusion import N_TOKEN, N_WORD
from models.fusion_styles import D_IMAGE, LM, PICTURE
from models.scene_questions import IMAGE_ID

# name: width, layers, heads, feed-forward width, pixels, patch
CLIPS = {
    "large": (1024, 24, 16, 4096, 336, 14),  # OpenAI's ViT-L/14@336px
    "g": (1408, 40, 16, 6144, 224, 14),  # OpenCLIP's ViT-g-14
    "bigg": (1664, 48, 16, 8192, 224, 14),  # OpenCLIP's ViT-bigG-14
}
GEMINI_FRAME = 258  # tokens of a frame that Google's interface counts, at one frame a second


def clip_sizes() -> dict[str, float | int]:
    """Millions of parameters of three image towers, and the tokens they give."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    found: dict[str, float | int] = {}
    for name, (width, n_layer, n_head, d_ff, n_pixel, patch) in CLIPS.items():
        config = CLIPVisionConfig(
            hidden_size=width, num_hidden_layers=n_layer, num_attention_heads=n_head, intermediate_size=d_ff,
            image_size=n_pixel, patch_size=patch,
        )  # fmt: skip
        with torch.device("meta"):
            tower = CLIPVisionModel(config)
        found[name] = fusion_styles.count(tower) / 1e6
        found[f"{name}_token"] = (n_pixel // patch) ** 2 + 1
    return found


def video() -> dict[str, float | int]:
    """A minute of video as frames."""
    llava = fusion_systems.by_name("LLaVA-1.5")
    one, full = (fusion_video.lengths(60, fps, llava.n_token, 1, 64, vq_scenes.N_PLACE)[1] for fps in (1, 24))
    return {
        "per_frame": llava.n_token,
        "one": one,
        "full": full,
        "context": fusion_systems.CONTEXT,
        "frames_fit": fusion_systems.fits(llava, 0),
        "gemini": GEMINI_FRAME * 60,
        "gemini_frame": GEMINI_FRAME,
    }


def early_kinds() -> dict[str, float | int]:
    """Three models called early fusion or native, and what a picture is for each."""
    named = {
        name: fusion_systems.by_name(full)
        for name, full in (("chameleon", "Chameleon"), ("llama", "Llama 4"), ("fuyu", "Fuyu-8B"))
    }
    return {
        **{name: one.n_token for name, one in named.items()},
        **{f"{name}_pixel": one.n_pixel for name, one in named.items()},
        "vocabulary": 8_192,
        "ours": vq_scenes.N_PLACE,
        "ours_code": vq_scenes.N_CODE,
    }


@torch.no_grad()
def lossless() -> dict[str, float | int]:
    """What 64 codes keep of scenes that the codebook has not seen; and the bits of a Chameleon picture."""
    vq = vq_scenes.load().model
    x = scenes.draw(scenes.scatter(torch.Generator().manual_seed(9_001), 100))
    again = vq.decode(vq.encode(x))
    wrong = 127.5 * (again - x)
    chameleon = fusion_systems.by_name("Chameleon")
    return {
        "n": len(x),
        "rmse": float(wrong.square().mean().sqrt()),
        "worst": float(wrong.square().mean((1, 2, 3)).sqrt().max()),
        "plain": float(127.5 * (x.mean((2, 3), keepdim=True) - x).square().mean().sqrt()),
        "bits": vq_scenes.N_PLACE * math.log2(vq_scenes.N_CODE),
        "raw": 8.0 * x[0].numel(),
        "chameleon_bits": chameleon.n_token * math.log2(8_192),
        "chameleon_times": 8 * 3 * chameleon.n_pixel**2 / (chameleon.n_token * math.log2(8_192)),
    }


def _prompt(n_picture: int = 2) -> list[int]:
    words = [10, 11, 12, 13]
    return [token for _ in range(n_picture) for token in (PICTURE, *words)]


@torch.no_grad()
def closed_gate() -> dict[str, float | int]:
    """What pictures change in the logits, with gates shut, ajar and open; and by a projector."""
    found: dict[str, float | int] = {}
    prompt = _prompt()
    for name, gate in (("shut", 0.0), ("ajar", 0.1), ("open", 1.0)):
        parts, feature = _parts(gate)
        blind = fusion_styles.text_only(parts, prompt, IMAGE_ID)
        found[name] = float((fusion_styles.cross(parts, prompt, feature, IMAGE_ID)[-1] - blind).abs().max())
        found["late"] = float((fusion_styles.late(parts, prompt, feature)[-1] - blind).abs().max())
    return found


def _parts(gate: float, n_pixel: int = 32) -> tuple[fusion_styles.Parts, list[Tensor]]:
    parts = fusion_styles.build(n_pixel, 4, 16, 2, gate, 0)
    drawn = scenes.draw(scenes.scatter(torch.Generator().manual_seed(9_002), 2), n_pixel)
    return parts, [fusion_styles.features(parts, one) for one in drawn]


@torch.no_grad()
def cost() -> dict[str, float | int]:
    """Lengths of one prompt with small and large pictures, and the cache of keys and values."""
    found: dict[str, float | int] = {}
    prompt = _prompt()
    for n_pixel in (32, 96):
        parts, feature = _parts(1.0, n_pixel)
        x, memory, _, _ = fusion_styles.cross(parts, prompt, feature, IMAGE_ID)
        late = len(fusion_styles.late(parts, prompt, feature)[0])
        gated = sum(layer is not None for layer in parts.gated)
        found |= {
            f"late_{n_pixel}": late,
            f"cross_{n_pixel}": len(x),
            f"memory_{n_pixel}": len(memory),
            f"late_cache_{n_pixel}": 2 * LM.n_layer * late,
            f"cross_cache_{n_pixel}": 2 * (LM.n_layer * len(x) + gated * len(memory)),
        }
    return found | {
        "param": float(fusion_styles.count(*[layer for layer in parts.gated if layer is not None])),
        "width": D_IMAGE,
    }


def can_draw() -> dict[str, float | int]:
    """What the three can say next, and how well the trained one draws."""
    measured = early_fusion.load().card["measured"]
    return {
        "words": N_WORD,
        "all": N_TOKEN,
        "codes": N_TOKEN - N_WORD,
        **{name: measured["write_seen"][name] for name in ("background", "layout", "colour", "shape")},
        "n": measured["n"],
        "side": fusion_codes.N_SIDE,
    }
