"""A Vision Transformer at work on one picture: patches, positions, [CLS], and where every head of every layer looks.

Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1 and figures 1, 6 and 7. Two models: a
small one trained here to name the shape, colour and size of one drawn thing (models/small_vision.py), and a DINOv2-type
ViT-S/14 that has learned from photographs without labels (models/dinov2.py).

    picture -> patches (models/patch_embedding.py) -> + positions -> blocks -> [CLS] -> heads        what is computed
    attention, roll-out, reach, features (models/vit_reading.py)                                     what is read out

Glossary
    side      patches along an edge, n = side^2         t, s   tokens as queries and as keys: [CLS], then n patches
    things    what is drawn on the ground; `thing` is the share of each patch that they cover
    usual     the answer to the picture as it is, patches in order, with positions

Conventions: pictures are "3 y x" in [-1, 1] for the models, 0 ... 255 to be shown. Attention is kept in half precision.
Shuffling moves whole patches, always in the same random order, and what is known of them with them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from models import dinov2, small_vision, vit_claims, vit_reading, vit_reference
from models.fields import Choice, Range, Text, no_tick
from models.image_input import Picture
from models.patch_embedding import LARGEST, SMALLEST, bytes_of
from models.scene_notation import read as read_scene
from models.scene_notation import write
from models.scenes import Scene, draw
from models.vision_studies import DEPTH, QUESTION_NAMES
from models.vision_transformer import VisionTransformer
from models.vit_reading import Encoder

MODELS = ("small", "dinov2")
GRIDS = ("8", "14")  # patches along an edge that the DINOv2-type model is given
MOST_LAYERS = 12
ORDERS = ("accuracy", "parameters", "data")
ORDER_SEED = 3  # of the shuffled patches


@dataclass(frozen=True)
class Config:
    """A picture, a model, and what is looked at."""

    scene: Annotated[str, Text(400)] = "white; large red heart 34 40"
    model: Annotated[str, Choice(*MODELS)] = "small"
    grid: Annotated[str, Choice(*GRIDS)] = "8"
    trained: bool = True
    shuffle: bool = False
    positions: bool = True
    kept: Annotated[float, Range(0.0, 1.0, 0.05)] = 0.5  # of the roll-out
    layer: Annotated[int, Range(1, MOST_LAYERS)] = MOST_LAYERS  # the last one, if there are fewer
    source: Annotated[int, Range(0, 196)] = 0  # [CLS], or a patch
    patch: Annotated[int, Range(SMALLEST, LARGEST)] = 16
    side: Annotated[int, Range(4, 16)] = 8  # patches along an edge, for interpolated positions
    depth: Annotated[int, Range(1, DEPTH)] = 2  # of the receptive fields
    shift: Annotated[int, Range(0, 8)] = 3  # pixels
    ratio: Annotated[int, Range(10, 95, 5)] = 75  # per cent of the patches that are masked
    swin_stage: Annotated[int, Range(1, 4)] = 1
    swin_block: Annotated[int, Range(1, 6)] = 1
    resolution: Annotated[int, Range(112, 1344)] = 224
    question: Annotated[str, Choice(*QUESTION_NAMES)] = "all"
    order: Annotated[str, Choice(*ORDERS)] = "accuracy"


@dataclass(frozen=True)
class Trace:
    """One picture, read."""

    model: str
    own: bool  # uploaded, not drawn
    scene: str  # in notation; "" of an uploaded picture
    trained: bool
    shuffle: bool
    positions: bool
    side: int
    patch: int  # pixels
    d_model: int
    picture: UInt8[Tensor, "y x 3"]  # as the model sees it
    thing: Float[Tensor, "n"]  # 0 where nothing is known
    attention: Float[Tensor, "l h t s"]
    rollout: Float[Tensor, "l t s"]
    distance: Float[Tensor, "l h"]  # pixels
    answer: dict[str, Float[Tensor, "_"]]  # question: probabilities; none from a model without heads
    usual: dict[str, Float[Tensor, "_"]]


def sampled(cfg: Config) -> Config:
    """The same trace, whatever of it is shown: what needs no new pass makes none."""
    plain, small = Config(), cfg.model == "small"
    return replace(
        plain, scene=cfg.scene, model=cfg.model, shuffle=cfg.shuffle, kept=cfg.kept,
        grid=plain.grid if small else cfg.grid,
        trained=cfg.trained if small else plain.trained,
        positions=cfg.positions,
    )  # fmt: skip


@lru_cache(maxsize=1)
def untrained() -> small_vision.Classifier:
    """The small model as it was before training."""
    return small_vision.fresh("vit")


def classifier(cfg: Config) -> small_vision.Classifier:
    """The small model. Raises ModelUnavailable."""
    return small_vision.load("vit") if cfg.trained else untrained()


def encoder(cfg: Config) -> Encoder:
    """The transformer alone. Raises ModelUnavailable."""
    if cfg.model == "dinov2":
        return dinov2.load()
    body = classifier(cfg).body
    assert isinstance(body, VisionTransformer)
    return body


def side_of(cfg: Config, model: Encoder) -> int:
    """Patches along an edge."""
    return int(cfg.grid) if isinstance(model, dinov2.Dinov2) else model.shape.side


def seen_by(
    cfg: Config, picture: Picture | None, n_pixel: int, patch: int
) -> tuple[Float[Tensor, "3 y x"], Float[Tensor, "n"]]:
    """The picture in the model's size, and how much of every patch is a thing. Raises SceneUnreadable."""
    side = n_pixel // patch
    if picture is not None:
        image, thing = picture.square(n_pixel), torch.zeros(side**2)
    else:
        scene = read_scene(cfg.scene)
        image, ground = draw([scene], n_pixel)[0], draw([Scene(scene.background)], n_pixel)[0]
        covered = ((image - ground).abs().amax(0) > 0.2).float()
        thing = F.avg_pool2d(covered[None], patch)[0].flatten()
    if cfg.shuffle:
        order = torch.randperm(side**2, generator=torch.Generator().manual_seed(ORDER_SEED))
        image, thing = vit_reading.shuffled(image, patch, order), thing[order]
    return image, thing


@torch.no_grad()
def trace(cfg: Config, picture: Picture | None = None, tick: Callable[[float], None] = no_tick) -> Trace:
    """One pass, and what it shows."""
    model = encoder(cfg)
    tick(0.2)
    side, patch = side_of(cfg, model), model.shape.patch
    image, thing = seen_by(cfg, picture, side * patch, patch)
    seen = vit_reading.read(model, vit_reading.embed(model, image[None], cfg.positions))
    tick(0.7)
    attention = torch.stack([weights[0] for weights in seen.attention])
    answer: dict[str, Tensor] = {}
    usual: dict[str, Tensor] = {}
    if cfg.model == "small":
        heads, (plain, _) = classifier(cfg).heads, seen_by(replace(cfg, shuffle=False), picture, side * patch, patch)
        answer = {name: head(seen.summary)[0].softmax(-1) for name, head in heads.items()}
        usual = {name: logit[0].softmax(-1) for name, logit in classifier(cfg)(plain[None]).items()}
    return Trace(
        model=cfg.model,
        own=picture is not None,
        scene="" if picture is not None else write(read_scene(cfg.scene)),
        trained=cfg.trained,
        shuffle=cfg.shuffle,
        positions=cfg.positions,
        side=side,
        patch=patch,
        d_model=seen.out.shape[-1],
        picture=bytes_of(image.permute(1, 2, 0)),
        thing=thing,
        attention=attention.half(),
        rollout=vit_reading.rollout(attention, cfg.kept).half(),
        distance=vit_reading.distance(attention, side, patch),
        answer=answer,
        usual=usual,
    )


# --- what the captions say, and what the claims rest on --------------------------------------------------------------


def at(trace: Trace, layer: int) -> int:
    """The layer shown: the last one if there are fewer."""
    return min(layer, len(trace.attention)) - 1


def from_token(trace: Trace, source: int) -> int:
    """The token that looks; [CLS] if the grid has no such patch."""
    return source if source <= trace.side**2 else 0


def facts(trace: Trace, layer: int = MOST_LAYERS, source: int = 0) -> dict[str, float | int | str]:
    """The numbers that the captions name, of one layer and the token that looks."""
    i, t, n = at(trace, layer), from_token(trace, source), trace.side**2
    look = trace.attention[i, :, t].float()  # h s
    mean = look.mean(0)
    flow = trace.rollout[i, t].float()
    top = int(mean[1:].argmax())
    near, far = int(trace.distance[i].argmin()), int(trace.distance[i].argmax())
    on = look[:, 1:] @ trace.thing / look[:, 1:].sum(1).clamp(min=1e-6)  # of what falls on patches
    best = int(on.argmax())
    said = {name: _named(name, value) for name, value in trace.answer.items()}
    usual = {name: _named(name, value) for name, value in trace.usual.items()}
    found: dict[str, float | int | str] = {
        "n_pixel": trace.side * trace.patch,
        "patch": trace.patch,
        "n_patch": n,
        "n_token": n + 1,
        "n_number": 3 * trace.patch**2,
        "d_model": trace.d_model,
        "n_layer": len(trace.attention),
        "n_head": trace.attention.shape[1],
        "layer": i + 1,
        "row": (t - 1) // trace.side + 1,
        "column": (t - 1) % trace.side + 1,
        "itself": float(mean[t]),
        "cls": float(mean[0]),
        "top_row": top // trace.side + 1,
        "top_column": top % trace.side + 1,
        "top": float(mean[1 + top]),
        "even": 1 / (n + 1),
        "area": float(trace.thing.mean()),
        "on": float(mean[1:] @ trace.thing / mean[1:].sum().clamp(min=1e-6)),
        "best_head": best + 1,
        "best_on": float(on[best]),
        "flow_on": float(flow[1:] @ trace.thing / flow[1:].sum().clamp(min=1e-6)),
        "near_head": near + 1,
        "near": float(trace.distance[i, near]),
        "far_head": far + 1,
        "far": float(trace.distance[i, far]),
        "even_far": vit_reading.even_distance(trace.side, trace.patch),
        "changed": sum(said[name][0] != usual[name][0] for name in said),
    }
    for name in small_vision.QUESTIONS:
        found[name], found[f"{name}_p"] = said.get(name, ("", 0.0))
        found[f"usual_{name}"], found[f"usual_{name}_p"] = usual.get(name, ("", 0.0))
    return found


def _named(question: str, probability: Float[Tensor, "k"]) -> tuple[str, float]:
    best = int(probability.argmax())
    return small_vision.QUESTIONS[question][best], float(probability[best])


def check(cfg: Config) -> dict[str, float]:
    """The patches, the small model, its positions and Swin's windows against transformers; rows that sum to 1."""
    return vit_reference.differences(classifier(replace(cfg, model="small")), trace(replace(cfg, model="small")))


CLAIMS = vit_claims.CLAIMS
