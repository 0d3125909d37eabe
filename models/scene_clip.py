"""CLIP in miniature: a picture tower and a text tower that meet in one space, trained on drawn scenes.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section 2.3 and
figure 3; the sigmoid loss: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", section 3 and algorithm 1.

    u_i = normalise(W_u ViT(picture_i)[CLS])            v_j = normalise(W_v transformer(text_j)[END])
    s_ij = u_i . v_j                                    z_ij = exp(scale) s_ij + bias
    softmax loss = 1/2 (mean_i -log softmax_j(z_i.)_i + mean_j -log softmax_i(z_.j)_j)        bias = 0
    sigmoid loss = -1/n sum_ij log sigmoid(y_ij z_ij)                                         y_ii = 1, else -1

Glossary
    scale     the logarithm of 1 / temperature: what is learned, at most log 100
    bias      the sigmoid loss' own number: most pairs are wrong, and it says so from the start
    joint     the space both towers end in, 64 features
    card      how the weights were trained and what was measured on them

Conventions: pictures "b 3 y x" in [-1, 1], texts in English or Chinese. As in CLIP the text tower is causal, its
summary is what END sees, and neither head has a bias.
"""

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from models.language_model import ModelUnavailable
from models.scene_questions import END_ID, PAD_ID, START_ID, VOCABULARY, tokenise
from models.small_vision import narrow_start, waves
from models.tiny_lm import WEIGHTS
from models.vision_transformer import Shape, VisionTransformer

N_JOINT = 64
SHAPE = Shape(stem=True)  # of the picture tower: with small convolutions it learns shapes many times faster
N_WORD = 40  # the longest text, START and END included; what comes after is cut
START_SCALE, MOST_SCALE = math.log(1 / 0.07), math.log(100)
SIGMOID_SCALE, SIGMOID_BIAS = math.log(10), -10.0  # where Zhai et al. start


def pack(texts: Sequence[str]) -> Int[Tensor, "b w"]:
    """START words END, padded to the longest. Unknown words are left out; nothing raises."""
    rows = [[START_ID, *tokenise(text).ids[: N_WORD - 2], END_ID] for text in texts]
    n = max(map(len, rows), default=2)
    return torch.tensor([row + [PAD_ID] * (n - len(row)) for row in rows], dtype=torch.long).view(len(rows), n)


class TextBlock(nn.Module):
    """A pre-norm block in which every word sees itself and those before it."""

    def __init__(self, d_model: int, n_head: int, d_ff: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.norm_1 = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.norm_2 = nn.LayerNorm(d_model)
        self.mlp = nn.Sequential(nn.Linear(d_model, d_ff), nn.GELU(), nn.Linear(d_ff, d_model))

    def forward(self, x: Float[Tensor, "b w d"]) -> Float[Tensor, "b w d"]:
        b, w, d = x.shape
        q, k, v = self.qkv(self.norm_1(x)).view(b, w, 3, self.n_head, d // self.n_head).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, w, d))
        return x + self.mlp(self.norm_2(x))


class TextTower(nn.Module):
    """ids -> one vector per text, what its END has gathered. Padding stands after END, where nobody looks."""

    def __init__(self, d_model: int = 96, n_layer: int = 2, n_head: int = 4) -> None:
        super().__init__()
        self.word = nn.Embedding(len(VOCABULARY), d_model)
        self.position = nn.Parameter(torch.zeros(N_WORD, d_model))
        self.blocks = nn.ModuleList(TextBlock(d_model, n_head, 4 * d_model) for _ in range(n_layer))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, ids: Int[Tensor, "b w"]) -> Float[Tensor, "b d"]:
        x = self.word(ids) + self.position[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        at = (ids == END_ID).int().argmax(1)
        return self.norm(x[torch.arange(len(x)), at])


class Clip(nn.Module):
    """Both towers, both heads, and the scale; for the sigmoid loss a bias, too. Shared between threads: nothing writes
    to it after loading."""

    def __init__(self, shape: Shape | None = None, n_joint: int = N_JOINT, biased: bool = False) -> None:
        super().__init__()
        shape = shape or SHAPE
        self.image = VisionTransformer(shape)
        self.image_head = nn.Linear(shape.d_model, n_joint, bias=False)
        self.text = TextTower(shape.d_model)
        self.text_head = nn.Linear(shape.d_model, n_joint, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(START_SCALE))
        self.logit_bias = nn.Parameter(torch.tensor(SIGMOID_BIAS)) if biased else None
        self.card: dict[str, Any] = {}

    def start(self, generator: torch.Generator) -> "Clip":
        """Fresh weights: matrices of deviation fan-in^-0.5, biases zero, places of patches as waves. Returns itself."""
        for part in (self.image, self.text, self.image_head, self.text_head):
            narrow_start(part, generator)
        nn.init.normal_(self.image.cls, std=0.02, generator=generator)
        for module in self.image.embed.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=(2 / module.weight[0].numel()) ** 0.5, generator=generator)
        with torch.no_grad():
            self.image.position.copy_(waves(self.image.shape.side, self.image.shape.d_model))
            self.logit_scale.fill_(START_SCALE if self.logit_bias is None else SIGMOID_SCALE)
        return self

    def pictures(self, picture: Float[Tensor, "b 3 y x"], fast: bool = False) -> Float[Tensor, "b joint"]:
        """u, with gradients. fast: in half precision, for training."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            found = self.image_head(self.image(picture, keep=fast).summary)
        return F.normalize(found.float(), dim=-1)

    def texts(self, ids: Int[Tensor, "b w"]) -> Float[Tensor, "b joint"]:
        """v, with gradients."""
        return F.normalize(self.text_head(self.text(ids)).float(), dim=-1)

    def logits(self, u: Float[Tensor, "n joint"], v: Float[Tensor, "m joint"]) -> Float[Tensor, "n m"]:
        """z: scaled cosines, plus the bias if there is one."""
        z = self.logit_scale.exp() * u @ v.T
        return z if self.logit_bias is None else z + self.logit_bias

    @torch.no_grad()
    def encode_image(self, pictures: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b joint"]:
        """u: length 1."""
        return (
            torch.cat([self.pictures(part) for part in pictures.split(64)])
            if len(pictures)
            else torch.zeros(0, N_JOINT)
        )

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "b joint"]:
        """v: length 1. A text without one known word has a vector, too: that of START END."""
        parts = [self.texts(pack(texts[i : i + 256])) for i in range(0, len(texts), 256)]
        return torch.cat(parts) if parts else torch.zeros(0, N_JOINT)


def softmax_loss(z: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """CLIP's: every picture picks its text among all, every text its picture."""
    right = torch.arange(len(z))
    return (F.cross_entropy(z, right) + F.cross_entropy(z.T, right)) / 2


def sigmoid_loss(z: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """SigLIP's: every pair is judged alone; summed over all pairs, divided by n (not by n^2)."""
    sign = 2 * torch.eye(len(z)) - 1
    return -F.logsigmoid(sign * z).sum() / len(z)


LOSSES = {"softmax": softmax_loss, "sigmoid": sigmoid_loss}


@lru_cache(maxsize=1)
def load() -> Clip:
    """The shipped towers, frozen. Raises ModelUnavailable."""
    try:
        clip = Clip()
        clip.load_state_dict({key: weight.float() for name in ("clip_image", "clip_text")
                              for key, weight in load_file(WEIGHTS / f"{name}.safetensors").items()})  # fmt: skip
        clip.card = json.loads((WEIGHTS / "scene_clip.json").read_text(encoding="utf-8"))
        return clip.requires_grad_(False).eval()
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
