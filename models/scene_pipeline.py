"""Stable Diffusion in miniature, put together: captions in, pictures out, and a judge of the result.

    caption -> tokenise -> text encoder -> hidden        (models/scene_captions.py, models/scene_text.py)
    noise + hidden -> U-Net, step by step -> latent      (models/scene_unet.py, models/denoising_steps.py)
    latent -> VAE decoder -> picture                     (models/scene_vae.py)
    picture, caption -> classifier -> verdict            (models/scene_classifier.py)

Glossary
    kind         what the U-Net says: "v"        alpha_bar   of the 1000 training times, models/noise_schedule.py
    guidance     unconditional + scale (conditional - unconditional); the unconditional caption is ""

Conventions: latents "b 4 8 8", pictures "b 3 32 32" in [-1, 1]. The weights are stored in half precision and computed
in single. A Pipeline is never written to: visitors' threads share it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from models import noise_schedule
from models.language_model import ModelUnavailable
from models.scene_captions import Caption, Request, read, request, tokenise
from models.scene_classifier import SceneClassifier, compare
from models.scene_text import TextBatch, TextEncoder, blend, join
from models.scene_unet import PLACES, SceneUNet, word_maps
from models.scene_vae import N_CHANNEL, N_SIDE, SceneVAE
from models.scenes import Scene
from models.tiny_lm import WEIGHTS

__all__ = ["PLACES", "Caption", "Pipeline", "Request", "TextBatch", "blend", "join", "load", "read", "tokenise"]
KIND = "v"
SCHEDULE = "cosine"
N_TRAIN = 1000
FILES = ("scene_vae", "scene_text", "scene_unet", "scene_classifier")
Part = TypeVar("Part", bound=nn.Module)


@dataclass(frozen=True)
class Pipeline:
    """All parts. `card`: how they were trained and what was measured."""

    vae: SceneVAE
    text: TextEncoder
    denoiser: SceneUNet
    classifier: SceneClassifier
    card: dict[str, Any]
    kind: str = KIND

    @cached_property
    def alpha_bar(self) -> Float[Tensor, "n"]:
        """Of the schedule the U-Net was trained on."""
        return noise_schedule.schedule(SCHEDULE, N_TRAIN)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> TextBatch:
        """Captions as the U-Net reads them; "" is the unconditional one."""
        return self.text.read(texts)

    @torch.no_grad()
    def unet(
        self, latent: Float[Tensor, "b c h w"], t: int | Float[Tensor, "b"], text: TextBatch
    ) -> tuple[Float[Tensor, "b c h w"], dict[str, Float[Tensor, "b heads _ k"]]]:
        """v for each latent, and by name of PLACES the attention of 8 x 8 or 4 x 4 positions to the words."""
        time = torch.full((len(latent),), float(t)) if isinstance(t, int) else t
        return self.denoiser(latent, time, text.hidden, text.mask)

    def word_maps(self, attention: dict[str, Float[Tensor, "b heads _ k"]]) -> Float[Tensor, "b k h w"]:
        """Where each word is looked at, 8 x 8; sums to 1 over the words."""
        return word_maps(attention)

    def noise(self, n: int, generator: torch.Generator) -> Float[Tensor, "b c h w"]:
        """Where generation starts."""
        return torch.randn(n, N_CHANNEL, N_SIDE, N_SIDE, generator=generator)

    def n_param(self, part: str = "all") -> int:
        """Weights of "vae", "encoder", "decoder" (its halves), "text", "unet", "classifier", or "all" but the last."""
        parts: dict[str, tuple[nn.Module, ...]] = {
            "vae": (self.vae,),
            "encoder": (self.vae.encoder,),
            "decoder": (self.vae.decoder,),
            "text": (self.text,),
            "unet": (self.denoiser,),
            "classifier": (self.classifier,),
            "all": (self.vae, self.text, self.denoiser),
        }
        return sum(weight.numel() for module in parts[part] for weight in module.parameters())

    @torch.no_grad()
    def see(self, pictures: Float[Tensor, "b 3 y x"]) -> list[Scene]:
        """What the classifier takes each picture for."""
        return self.classifier.see(pictures)

    def judge(
        self, pictures: Float[Tensor, "b 3 y x"], wanted: Sequence[Scene | Request] | Scene | Request
    ) -> list[dict[str, bool]]:
        """Per picture, by attribute that is asked for, whether it is right. One `wanted` stands for all pictures.

        Attributes: "count", "background", "layout", and "shape", "colour", "size" (of two objects "shape 1", ...).
        """
        if isinstance(wanted, Scene | Request):
            wanted = [wanted] * len(pictures)
        asked = [request(each) if isinstance(each, Scene) else each for each in wanted]
        return [compare(seen, each) for seen, each in zip(self.see(pictures), asked, strict=True)]


def load_part(name: str, module: Part) -> Part:
    """`module` with its shipped weights, frozen. Raises whatever is wrong with them."""
    stored = load_file(WEIGHTS / f"{name}.safetensors")
    module.load_state_dict({key: weight.float() for key, weight in stored.items()})
    return module.requires_grad_(False).eval()


@lru_cache(maxsize=1)
def load() -> Pipeline:
    """The shipped models. Raises ModelUnavailable."""
    try:
        return Pipeline(
            load_part("scene_vae", SceneVAE()),
            load_part("scene_text", TextEncoder()),
            load_part("scene_unet", SceneUNet()),
            load_part("scene_classifier", SceneClassifier()),
            json.loads((WEIGHTS / "scenes.json").read_text(encoding="utf-8")),
        )
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
