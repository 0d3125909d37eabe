"""Two small classifiers of drawn scenes, a convolutional network and a Vision Transformer, equal in all but the kind.

Sources: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", section II (local receptive
fields, shared weights). Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", sections 3.1 and 4.3. Liu et al.
2022, "A ConvNet for the 2020s" (normalisation over channels, GELU).

    CNN    x_0 = picture,  x_l = GELU(LN(conv_l(x_{l-1})))      3 x 3, two of five with stride 2;  y = mean over places
    ViT    models/vision_transformer.py                          y = [CLS]
    both   logits = W y + b, one softmax per question

Glossary
    question    "shape", "colour" or "size" of the only object        place     a position of a layer's grid
    side        places along an edge: 32, 16, 16, 8, 8 in the CNN, 8 in every layer of the ViT

Conventions: pictures are "b 3 y x" in [-1, 1]. LN normalises over the channels of one place alone, so that every answer
of a layer depends on nothing outside its receptive field.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from models.language_model import ModelUnavailable
from models.scenes import COLOURS, SHAPES, SIZES, Scene
from models.vision_transformer import Shape, VisionTransformer

WEIGHTS = Path(__file__).parent / "weights"
Kind = Literal["cnn", "vit"]
KINDS: tuple[Kind, ...] = ("cnn", "vit")
QUESTIONS = {"shape": SHAPES, "colour": COLOURS, "size": SIZES}
VIT = Shape(n_pixel=32, patch=4, d_model=64, n_layer=3, n_head=4, d_ff=256)
LAYERS = ((16, 1), (32, 2), (64, 1), (96, 2), (96, 1))  # channels and stride of each convolution
KERNEL = 3


def waves(side: int, d_model: int) -> Float[Tensor, "t d"]:
    """Sines and cosines of row and column, half of the width each; zeros for [CLS]: where learned positions
    start. Frequencies 10000^(-i / (d/4)), as Vaswani et al. 2017, section 3.5."""
    frequency = 10_000 ** (-torch.arange(d_model // 4) / (d_model // 4))
    angle = torch.arange(side)[:, None] * frequency
    one = torch.cat((angle.sin(), angle.cos()), 1)
    row, column = one.repeat_interleave(side, 0), one.repeat(side, 1)
    return torch.cat((torch.zeros(1, d_model), torch.cat((row, column), 1)))


@torch.no_grad()
def narrow_start(model: nn.Module, generator: torch.Generator) -> None:
    """Matrices and convolutions of deviation fan-in^-0.5, biases 0. ViT's 0.02 is next to nothing at a width of 64."""
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            weight.zero_()
        elif weight.dim() > 1:
            weight.normal_(0.0, weight[0].numel() ** -0.5, generator=generator)


class Layer(nn.Module):
    """One convolution that keeps the picture's size or halves it, and what follows it at each place."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, KERNEL, stride, padding=KERNEL // 2)
        self.norm = nn.LayerNorm(n_out)

    def forward(self, x: Float[Tensor, "b c y x"]) -> Float[Tensor, "b d v u"]:
        return F.gelu(self.norm(self.conv(x).movedim(1, -1))).movedim(-1, 1)


class SmallCNN(nn.Module):
    """Pictures in, the grid of every layer out."""

    def __init__(self, layers: Sequence[tuple[int, int]] = LAYERS) -> None:
        super().__init__()
        widths = [3, *(width for width, _ in layers)]
        self.layers = nn.ModuleList(Layer(n, *layer) for n, layer in zip(widths, layers, strict=False))

    def forward(self, picture: Float[Tensor, "b 3 y x"]) -> list[Float[Tensor, "b c v u"]]:
        found = []
        picture = picture.contiguous(memory_format=torch.channels_last)  # LN reads all channels of a place
        for layer in self.layers:
            picture = layer(picture)
            found.append(picture)
        return found


class Classifier(nn.Module):
    """One of the two bodies and a linear head for each question."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.body: SmallCNN | VisionTransformer = SmallCNN() if kind == "cnn" else VisionTransformer(VIT)
        width = LAYERS[-1][0] if kind == "cnn" else VIT.d_model
        self.heads = nn.ModuleDict({name: nn.Linear(width, len(names)) for name, names in QUESTIONS.items()})

    def start(self, generator: torch.Generator) -> "Classifier":
        """Fresh weights, biases zero. Returns itself."""
        narrow_start(self, generator)
        if isinstance(self.body, VisionTransformer):
            nn.init.normal_(self.body.cls, std=0.02, generator=generator)
            self.body.position.data.copy_(waves(self.body.shape.side, self.body.shape.d_model))
        return self

    def summary(self, picture: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b d"]:
        """What the heads read."""
        if isinstance(self.body, VisionTransformer):
            return self.body(picture, keep=True).summary  # fused attention is slow backwards in half precision
        return self.body(picture)[-1].mean((2, 3))

    def forward(self, picture: Float[Tensor, "b 3 y x"]) -> dict[str, Float[Tensor, "b _"]]:
        y = self.summary(picture)
        return {name: head(y) for name, head in self.heads.items()}

    def grids(self, picture: Float[Tensor, "b 3 y x"]) -> list[Float[Tensor, "b c v u"]]:
        """What every layer has at each place; of the ViT also the embedded patches with their positions, first."""
        if not isinstance(self.body, VisionTransformer):
            return self.body(picture)
        side = self.body.shape.side
        return [x[:, 1:].transpose(1, 2).unflatten(2, (side, side)) for x in self.body(picture, keep=True).layers]

    @property
    def n_param(self) -> int:
        return sum(weight.numel() for weight in self.parameters())


def answers(scenes: Sequence[Scene]) -> dict[str, Tensor]:
    """The right answer to every question, of scenes with one object."""
    things = [scene.objects[0] for scene in scenes]
    return {
        name: torch.tensor([names.index(getattr(thing, name)) for thing in things]) for name, names in QUESTIONS.items()
    }


def loss(logits: dict[str, Float[Tensor, "b _"]], right: dict[str, Tensor]) -> Float[Tensor, ""]:
    """Sum over the questions of the mean cross-entropy, nats."""
    total = torch.zeros(())
    for name, logit in logits.items():
        total = total + F.cross_entropy(logit.float(), right[name])
    return total


@torch.no_grad()
def accuracy(model: Classifier, pictures: Float[Tensor, "n 3 y x"], right: dict[str, Tensor]) -> dict[str, float]:
    """Share answered right, per question, and "all" of them at once."""
    parts = [model(part) for part in pictures.split(500)]
    good = {name: torch.cat([part[name].argmax(-1) for part in parts]) == right[name] for name in right}
    every = torch.stack(list(good.values())).all(0)
    return {name: round(float(one.float().mean()), 4) for name, one in (good | {"all": every}).items()}


def fresh(kind: Kind, seed: int = 0) -> Classifier:
    """Untrained."""
    model = Classifier(kind).start(torch.Generator().manual_seed(seed))
    return model.requires_grad_(False).eval()


@lru_cache(maxsize=2)
def load(kind: Kind) -> Classifier:
    """The shipped classifier, trained on the most pictures.

    Raises:
        ModelUnavailable: the weights are missing or damaged.
    """
    try:
        stored = load_file(WEIGHTS / f"vision_{kind}.safetensors")
        model = Classifier(kind)
        model.load_state_dict({name: weight.float() for name, weight in stored.items()})
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
    return model.requires_grad_(False).eval()


@lru_cache(maxsize=1)
def card() -> dict[str, Any]:
    """How the classifiers were trained, and what was measured of each.

    Raises:
        ModelUnavailable: the card is missing or damaged.
    """
    try:
        return json.loads((WEIGHTS / "vision.json").read_text(encoding="utf-8"))
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
