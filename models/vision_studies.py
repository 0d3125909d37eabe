"""What a convolution knows by birth and a transformer must learn: three measurements on small trained models.

Sources: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", sections 3.1 (inductive bias) and 4.3. Luo et al.
2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", section 2. Zhang 2019,
"Making Convolutional Networks Shift-Invariant Again", sections 3 and 4.

    reach      f_l(x + e at one pixel) - f_l(x)              which places of layer l answer, and how strongly
    field      r_l = r_{l-1} + (k - 1) j_{l-1},  j_l = j_{l-1} s_l       pixels along an edge that a place can see
    effective  sqrt((sum g)^2 / sum g^2),  g = |d f_l(middle) / d pixel|^2        and as good as sees
    shift      |f(T_s x) - T_{s/j} f(x)| / |f(x) - mean|     0 where a layer is equivariant
    hunger     accuracy on fresh pictures against the number of pictures learned from

Glossary
    k, s, j    kernel, stride, and the product of all strides so far           T_s     a shift to the right by s pixels
    kind       "cnn" or "vit": models/small_vision.py                          cell    8 x 8 squares of 4 x 4 pixels

Conventions: pictures are "b 3 y x" in [-1, 1], 32 pixels wide. Shifts wrap around the edge, and so does the padding of
convolutions while equivariance is measured, so that borders play no part; a shift that is no whole number of places is
compared with what lies between two places.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from models.fields import no_tick
from models.masked_autoencoder import as_bytes
from models.scenes import draw, scatter
from models.small_vision import KERNEL, KINDS, LAYERS, QUESTIONS, VIT, Classifier, Layer, SmallCNN, card, fresh, load
from models.vision_transformer import VisionTransformer

DEPTH = len(LAYERS)  # layers of the CNN; the ViT has as many stations: patches, three blocks, last normalisation
SIDE, CELL = VIT.side, VIT.patch
N_PROBE = 8
SHIFTS = tuple(range(9))
OPERATIONS = ("convolution", "average", "maximum", "stride", "cnn", "patches", "vit")


def classifier(kind: str, trained: bool = True) -> Classifier:
    """A shipped classifier, or one as it was before training."""
    one = KINDS[KINDS.index(kind)]
    return load(one) if trained else fresh(one)


# --- which places see a pixel ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reach:
    """m: CNN, ViT; l: five layers, of the ViT patches, blocks 1 to 3, last normalisation; source and cell: 8 x 8."""

    moved: Float[Tensor, "m l source cell"]  # |change| of a cell's answer, over the layer's usual size
    share: Float[Tensor, "m l"]  # of all pairs of source and cell, those that moved
    field: Int[Tensor, "m l"]  # pixels along an edge that a place can see
    extent: Int[Tensor, "m l"]  # and that the middle place was measured to see
    effective: Float[Tensor, "m l"]
    gradient: Float[Tensor, "m l y x"]  # g of the middle place, over its largest


def fields() -> Int[Tensor, "m l"]:
    """Pixels along an edge that one place of each layer can see. Attention sees all."""
    edge, jump, found = 1, 1, []
    for _, stride in LAYERS:
        edge, jump = edge + (KERNEL - 1) * jump, jump * stride
        found.append(edge)
    return torch.tensor([found, [VIT.patch] + [VIT.n_pixel] * (DEPTH - 1)])


def stations(model: Classifier, picture: Float[Tensor, "b 3 y x"]) -> list[Float[Tensor, "b c v u"]]:
    """The grids of DEPTH layers."""
    grids = model.grids(picture)
    if isinstance(model.body, VisionTransformer):
        grids = [*grids, model.body.norm(grids[-1].movedim(1, -1)).movedim(-1, 1)]
    return grids


def prodded(picture: Float[Tensor, "1 3 y x"]) -> Float[Tensor, "source 3 y x"]:
    """In each picture another cell's middle pixel is changed: by half the range, towards the other end."""
    rows = torch.arange(SIDE).repeat_interleave(SIDE) * CELL + CELL // 2
    columns = torch.arange(SIDE).repeat(SIDE) * CELL + CELL // 2
    found, source = picture.repeat(SIDE**2, 1, 1, 1), torch.arange(SIDE**2)
    old = found[source, :, rows, columns]
    found[source, :, rows, columns] = torch.where(old > 0, old - 1, old + 1)
    return found


def reach(picture: Float[Tensor, "1 3 y x"], trained: bool = True, tick: Callable[[float], None] = no_tick) -> Reach:
    """Both measurements of both models on one picture, 32 pixels wide. In double precision: what is 0 is 0."""
    x = picture.double()
    moved, gradient = [], []
    for m, kind in enumerate(KINDS):
        model = copy.deepcopy(classifier(kind, trained)).double()
        with torch.no_grad():
            before, after = stations(model, x), stations(model, prodded(x))
        moved.append(torch.stack([_moved(a, b) for a, b in zip(after, before, strict=True)]))
        tick((m + 0.4) / len(KINDS))
        gradient.append(_gradients(model, x))
        tick((m + 1) / len(KINDS))
    step, energy = torch.stack(moved), torch.stack(gradient)
    weight = energy.flatten(2)
    return Reach(
        moved=step.float(),
        share=(step > 0).double().mean((2, 3)).float(),
        field=fields(),
        extent=torch.tensor([[_extent(one) for one in layers] for layers in energy]),
        effective=(weight.sum(2) ** 2 / (weight**2).sum(2)).sqrt().float(),
        gradient=(energy / energy.amax((2, 3), keepdim=True)).float(),
    )


def _moved(after: Float[Tensor, "source c v u"], before: Float[Tensor, "1 c v u"]) -> Float[Tensor, "source cell"]:
    """Of each cell the place that moved most. Differences of rounding do not count."""
    change = (after - before).square().mean(1).sqrt() / before.square().mean().sqrt()
    return F.adaptive_max_pool2d(torch.where(change > 1e-12, change, 0), SIDE).flatten(1)


@torch.enable_grad()
def _gradients(model: Classifier, picture: Float[Tensor, "1 3 y x"]) -> Float[Tensor, "l y x"]:
    """|d f(middle) / d pixel|^2 of every layer, estimated: E |J^T v|^2 over random v is the sum of the squares of J."""
    source, found = torch.Generator().manual_seed(0), []
    x = picture.clone().requires_grad_(True)
    for grid in stations(model, x):
        middle = grid[0, :, grid.shape[2] // 2, grid.shape[3] // 2]
        total = torch.zeros_like(x[0, 0])
        for _ in range(N_PROBE):
            v = torch.randn(len(middle), generator=source, dtype=x.dtype)
            (back,) = torch.autograd.grad(middle @ v, x, retain_graph=True)
            total = total + back[0].square().sum(0)
        found.append(total.detach() / N_PROBE)
    return torch.stack(found)


def _extent(energy: Float[Tensor, "y x"]) -> int:
    """Edge of the square around all pixels that matter at all."""
    there = (energy > 0).nonzero()
    return int((there.amax(0) - there.amin(0)).max()) + 1


# --- what a shift does -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shift:
    """o: OPERATIONS; n: SHIFTS; m: CNN, ViT; c: the six shapes."""

    image: UInt8[Tensor, "n y x 3"]
    stride: tuple[int, ...]  # o
    error: Float[Tensor, "o n"]
    summary: Float[Tensor, "m n"]  # |y(shifted) - y| / |y| of what the heads read: invariance would be 0
    probability: Float[Tensor, "m n c"]


@torch.no_grad()
def shift(picture: Float[Tensor, "1 3 y x"], trained: bool = True) -> Shift:
    """One picture, pushed to the right pixel by pixel."""
    moved = torch.cat([picture.roll(s, -1) for s in SHIFTS])
    answers = operations(moved, trained)
    models = [classifier(kind, trained) for kind in KINDS]
    read = [model.summary(moved) for model in models]
    return Shift(
        image=as_bytes(moved),
        stride=tuple(picture.shape[-1] // answers[name].shape[-1] for name in OPERATIONS),
        error=torch.stack([equivariance(answers[name], picture.shape[-1]) for name in OPERATIONS]),
        summary=torch.stack([(y - y[:1]).norm(dim=1) / y[0].norm() for y in read]),
        probability=torch.stack([model(moved)["shape"].softmax(-1) for model in models]),
    )


def operations(picture: Float[Tensor, "n 3 y x"], trained: bool = True) -> dict[str, Float[Tensor, "n c v u"]]:
    """What each of OPERATIONS makes of pictures: the CNN's first layer, alone and pooled by two in three ways; all of
    the CNN; the ViT's patches without positions, and its last block."""
    cnn, vit = classifier("cnn", trained), classifier("vit", trained)
    assert isinstance(cnn.body, SmallCNN) and isinstance(vit.body, VisionTransformer)
    grids = ring(cnn.body, picture)
    return {
        "convolution": grids[0],
        "average": F.avg_pool2d(grids[0], 2),
        "maximum": F.max_pool2d(grids[0], 2),
        "stride": grids[1],
        "cnn": grids[-1],
        "patches": vit.body.embed(picture),
        "vit": vit.grids(picture)[-1],
    }


def ring(body: SmallCNN, x: Float[Tensor, "n 3 y x"]) -> list[Float[Tensor, "n c v u"]]:
    """The CNN's layers on a picture whose right edge touches its left one, and its bottom its top."""
    found, edge = [], KERNEL // 2
    for layer in body.layers:
        assert isinstance(layer, Layer)
        padded = F.pad(x, (edge,) * 4, mode="circular")
        x = F.conv2d(padded, layer.conv.weight, layer.conv.bias, layer.conv.stride[0])
        x = F.gelu(layer.norm(x.movedim(1, -1))).movedim(-1, 1)
        found.append(x)
    return found


def equivariance(grids: Float[Tensor, "n c v u"], n_pixel: int) -> Float[Tensor, "n"]:
    """How far the answer to picture s, the first one shifted by s pixels, is from the first one's answer so shifted."""
    first, stride = grids[0], n_pixel // grids.shape[-1]
    size = (first - first.mean((1, 2), keepdim=True)).norm()
    found = []
    for s, grid in enumerate(grids):
        whole, part = divmod(s, stride)
        low, high = first.roll(whole, -1), first.roll(whole + 1, -1)
        found.append((grid - low - part / stride * (high - low)).norm() / size)
    return torch.stack(found)


@lru_cache(maxsize=2)
@torch.no_grad()
def steadiness(n_scene: int = 100) -> Float[Tensor, "m n"]:
    """Share of fresh scenes that are still called the same shape when the object stands s pixels further right."""
    source, room = torch.Generator().manual_seed(31), SHIFTS[-1] / VIT.n_pixel
    scenes = [one for one in scatter(source, 12 * n_scene, counts=(1,)) if one.objects[0].x < 0.74 - room][:n_scene]
    pictures = draw(scenes)
    rows = []
    for kind in KINDS:
        called = torch.stack([classifier(kind)(pictures.roll(s, -1))["shape"].argmax(-1) for s in SHIFTS])
        rows.append((called == called[0]).float().mean(1))
    return torch.stack(rows)


# --- how many pictures it takes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hunger:
    """m: CNN, ViT; q: "shape", "colour", "size", "all"; n: pictures learned from."""

    n_picture: tuple[int, ...]
    seen: Float[Tensor, "m q n"]  # accuracy on fresh pictures of kinds that were among those learned from
    held_out: Float[Tensor, "m q n"]  # of (shape, colour) pairs that never were
    train: Float[Tensor, "m q n"]  # on the pictures learned from
    n_step: int
    n_test: int


QUESTION_NAMES = (*QUESTIONS, "all")
BY_HEART = 0.95


def hunger() -> Hunger:
    """As measured when the classifiers were trained: training/vision.py.

    Raises:
        ModelUnavailable: the card is missing or damaged.
    """
    found = card()
    runs = {(run["kind"], run["n_picture"]): run for run in found["hunger"]}
    sizes = sorted({n for _, n in runs if all((kind, n) in runs for kind in KINDS)})

    def table(test: str) -> Float[Tensor, "m q n"]:
        rows = [[[runs[k, n][test][q] for n in sizes] for q in QUESTION_NAMES] for k in KINDS]
        return torch.tensor(rows)

    return Hunger(
        n_picture=tuple(sizes),
        seen=table("seen"),
        held_out=table("held_out"),
        train=table("train"),
        n_step=found["recipe"]["n_step"],
        n_test=found["n_test"],
    )


# --- what the captions say -------------------------------------------------------------------------------------------


def reach_facts(found: Reach) -> dict[str, float | int]:
    """Of the first and the last layer of the CNN, of the ViT's patches and its first block."""
    return {
        "n_pixel": VIT.n_pixel,
        "cnn_first": int(found.field[0, 0]),
        "cnn_last": int(found.field[0, -1]),
        "cnn_effective": float(found.effective[0, -1]),
        "cnn_share": float(found.share[0, -1]),
        "n_layer": DEPTH,
        "vit_first": int(found.field[1, 0]),
        "vit_effective": float(found.effective[1, -1]),
        "vit_share": float(found.share[1, 1]),
        "own": float(_own(found.moved[1, 1])),
    }


def _own(moved: Float[Tensor, "source cell"]) -> Float[Tensor, ""]:
    """How much more the touched cell itself moved than the others did on average."""
    others = (moved.sum() - moved.trace()) / (moved.numel() - len(moved))
    return moved.diagonal().mean() / others


def shift_facts(found: Shift, n: int) -> dict[str, float | int]:
    """Errors after a shift by n pixels; `cnn_change` and `vit_change` of what the heads read; the largest change of a
    probability over all shifts."""
    named = {f"error_{name}": float(found.error[o, n]) for o, name in enumerate(OPERATIONS)}
    swing = (found.probability - found.probability[:, :1]).abs().amax((1, 2))
    return named | {
        "shift": n,
        "cnn_change": float(found.summary[0, n]),
        "vit_change": float(found.summary[1, n]),
        "cnn_most": float(found.summary[0].max()),
        "vit_most": float(found.summary[1].max()),
        "cnn_swing": float(swing[0]),
        "vit_swing": float(swing[1]),
    }


def hunger_facts(found: Hunger, question: str = "shape") -> dict[str, float | int]:
    """Of the fewest and the most pictures; `cnn_enough` and `vit_enough`: the fewest with 90 % right, 0 if none;
    `cnn_fit` and `vit_fit`: what they know of the most; `fitted`: up to how many pictures both know BY_HEART of theirs;
    `lead`: by how many points at most the ViT is ahead anywhere; `equal`: from how many on the CNN does at least as
    well as the ViT from any number, 0 if never."""
    q = QUESTION_NAMES.index(question)
    said: dict[str, float | int] = {"fewest": found.n_picture[0], "most": found.n_picture[-1], "n_test": found.n_test}
    for m, kind in enumerate(KINDS):
        row = found.seen[m, q].tolist()
        said |= {
            f"{kind}_low": row[0],
            f"{kind}_high": row[-1],
            f"{kind}_held": float(found.held_out[m, q, -1]),
            f"{kind}_train": float(found.train[m, q, 0]),
            f"{kind}_fit": float(found.train[m, q, -1]),
            f"{kind}_enough": next((n for n, share in zip(found.n_picture, row, strict=True) if share >= 0.9), 0),
        }
    ahead = found.seen[0, q] - found.seen[1, q]
    matched = (found.seen[0, q] >= found.seen[1, q].max()).flip(0).cumprod(0)
    known = (found.train[:, q] >= BY_HEART).all(0).cumprod(0)
    return said | {
        "n_step": found.n_step,
        "gap": float(ahead.max()),
        "by_heart": BY_HEART,
        "fitted": (0, *found.n_picture)[int(known.sum())],
        "lead": 100 * max(0.0, -float(ahead.min())),
        "equal": (0, *reversed(found.n_picture))[int(matched.sum())],
    }
