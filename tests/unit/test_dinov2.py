"""models/dinov2.py against transformers' Dinov2Model with the same weights, and against the ONNX file it comes from."""

import functools

import pytest
import torch
from torch.testing import assert_close

import assets
from models import dinov2
from models.dinov2 import Dinov2, Shape
from models.language_model import ModelUnavailable
from models.scenes import Scene, draw, inside, scatter
from models.scenes import Shape as Thing

# Widths no two of which are alike; a head is 11 wide, the grid of learned positions 5 x 5, that of the pictures 7 x 7.
SMALL = Shape(patch=3, d_model=22, n_layer=2, n_head=2, d_ff=66, side=5)
LINEAR = {  # transformers' names for linear maps: the source's
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


@functools.cache
def theirs():
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=22, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=3, image_size=15, patch_size=3
    )
    config._attn_implementation = "eager"
    model = Dinov2Model(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for weight in model.state_dict().values():
        weight.copy_(torch.randn(weight.shape, generator=generator) * 0.4)
    return model


def as_file() -> dict[str, torch.Tensor]:
    """Their weights under the names and in the layouts of a converted file."""
    file = {}
    for name, weight in theirs().state_dict().items():
        *layer, block, part, kind = ("", "", "", *name.split("."))[-4:] if name.count(".") < 3 else name.rsplit(".", 3)
        if f"{block}.{part}" in LINEAR:
            place = ".".join((*layer, LINEAR[f"{block}.{part}"]))
            file |= {f"{place}.matrix": weight.T.contiguous()} if kind == "weight" else {f"{place}.bias": weight}
        elif name == "embeddings.position_embeddings":
            file |= {"position of cls": weight[:, :1], "positions of patches": weight[:, 1:]}
        else:
            file[name] = weight
    return file


@functools.cache
def ours() -> Dinov2:
    model = Dinov2(SMALL)
    model.load_state_dict(dinov2.renamed(as_file()))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("side", [5, 7])
def test_every_layer_is_what_transformers_computes(side):
    """On the grid of the learned positions, and on another one, for which they are interpolated."""
    picture = torch.rand(2, 3, 3 * side, 3 * side, generator=torch.Generator().manual_seed(side)) * 2 - 1
    mine = ours()(picture, keep=True)
    normal = ((picture + 1) / 2 - ours().mean) / ours().deviation
    right = theirs()(normal, output_hidden_states=True, output_attentions=True)
    assert len(mine.layers) == 3 and len(mine.attention) == 2
    for a, b in zip((*mine.layers, *mine.attention), (*right.hidden_states, *right.attentions), strict=True):
        assert_close(a, b, atol=2e-5, rtol=1e-5)
    assert_close(mine.out, right.last_hidden_state, atol=2e-5, rtol=1e-5)
    assert_close(mine.summary, right.last_hidden_state[:, 0], atol=2e-5, rtol=1e-5)
    assert mine.patches.shape == (2, side**2, 22)
    for weights in mine.attention:
        assert_close(weights.sum(-1), torch.ones(2, 2, 1 + side**2))
    plain = ours()(picture)
    assert plain.layers == plain.attention == ()
    assert_close(plain.out, mine.out, atol=2e-5, rtol=1e-5)


def test_on_their_own_grid_positions_stay_as_they_were_learned():
    assert_close(ours().positions(5), ours().position, atol=1e-6, rtol=0)


def test_a_white_pixel_by_hand():
    """White is 1 in [0, 1]: (1 - 0.485) / 0.229 = 2.2489 for red. One weight of 2 and a bias of 0.25 make 4.7478."""
    model = Dinov2(SMALL).requires_grad_(False)
    model.embed.weight.zero_()
    model.embed.weight[5, 0, 1, 2] = 2
    model.embed.bias.fill_(0.25)
    token = model.tokens(torch.ones(1, 3, 15, 15))[0, 13]
    assert token[5] == pytest.approx(4.7478, abs=1e-4) and token[4] == 0.25


@pytest.mark.parametrize("size", [(15, 18), (16, 16)])
def test_pictures_that_patches_do_not_tile_are_refused(size):
    with pytest.raises(ValueError, match="multiple of 3"):
        ours()(torch.zeros(1, 3, *size))


def test_a_matrix_is_called_after_its_bias():
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper

    def tensor(name, *dims):
        return helper.make_tensor(name, 1, dims, [0.0] * torch.Size(dims).numel())

    nodes = [
        helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["a"]),
        helper.make_node("Add", ["backbone.encoder.layer.0.mlp.fc1.bias", "a"], ["b"]),
        helper.make_node("MatMul", ["b", "onnx::MatMul_8"], ["c"]),
        helper.make_node("Add", ["c", "backbone.encoder.layer.0.mlp.fc2.bias"], ["d"]),
        helper.make_node("Concat", ["onnx::Concat_1", "onnx::Reshape_2"], ["e"], axis=1),
    ]
    weights = [
        tensor("onnx::MatMul_7", 2, 3),
        tensor("onnx::MatMul_8", 3, 2),
        tensor("backbone.encoder.layer.0.mlp.fc1.bias", 3),
        tensor("backbone.encoder.layer.0.mlp.fc2.bias", 2),
        tensor("onnx::Concat_1", 1, 1, 2),
        tensor("onnx::Reshape_2", 1, 4, 2),
    ]
    assert dinov2.names(helper.make_graph(nodes, "g", [], [], weights)) == {
        "onnx::MatMul_7": "encoder.layer.0.mlp.fc1.matrix",
        "onnx::MatMul_8": "encoder.layer.0.mlp.fc2.matrix",
        "backbone.encoder.layer.0.mlp.fc1.bias": "encoder.layer.0.mlp.fc1.bias",
        "backbone.encoder.layer.0.mlp.fc2.bias": "encoder.layer.0.mlp.fc2.bias",
        "onnx::Concat_1": "position of cls",
        "onnx::Reshape_2": "positions of patches",
    }


def test_without_the_asset_there_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path))
    dinov2.load.cache.clear()
    with pytest.raises(ModelUnavailable) as caught:
        dinov2.load()
    assert "python -m assets fetch dinov2-vits14" in caught.value.sentence("en")
    assert caught.value.sentence("zh").endswith("。")


# --- the real one -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Dinov2:
    if not assets.present(dinov2.ASSET):
        pytest.skip(f"needs an asset: `{assets.find(dinov2.ASSET).command}`")
    return dinov2.load()


def test_the_real_one_computes_what_its_source_does(real):
    """Each against the largest number of its layer, which grows from 1 to 20; attention weights as they are."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    source = onnxruntime.InferenceSession(
        str(assets.path(dinov2.ASSET) / "graph.onnx"), options, providers=["CPUExecutionProvider"]
    )
    picture = draw(scatter(torch.Generator().manual_seed(5), 1), 224)
    normal = ((picture + 1) / 2 - real.mean) / real.deviation
    called = [out.name for out in source.get_outputs()]
    found = dict(zip(called, map(torch.from_numpy, source.run(called, {"input_image": normal.numpy()})), strict=True))
    seen = real(picture, keep=True)
    pairs = [(dinov2.TOKENS, seen.layers[0]), (dinov2.OUT, seen.out)]
    pairs += [(dinov2.LAYER.format(i), layer) for i, layer in enumerate(seen.layers[1:])]
    assert len(pairs) == 14 and seen.out.shape == (1, 257, 384)
    for name, mine in pairs:
        assert (mine - found[name]).abs().max() < 1e-5 * found[name].abs().max(), name
    for i, mine in enumerate(seen.attention):
        off = (mine - found[dinov2.ATTENTION.format(i)]).abs()
        assert mine.shape == (1, 6, 257, 257) and off.max() < 5e-5 and off.mean() < 1e-7, i


def test_the_real_ones_patches_tell_things_from_ground(real):
    """The first principal component of the patches alone puts nine in ten of a scene's patches on the right side."""
    scene = Scene("white", (Thing("star", "blue", "large", 0.3, 0.35), Thing("circle", "red", "large", 0.7, 0.7)))
    patches = real(draw([scene], 224)).patches[0]
    grid = (torch.arange(16) + 0.5) / 16
    covered = torch.zeros(16, 16, dtype=torch.bool)
    for thing in scene.objects:
        v, u = torch.meshgrid((grid - thing.y) / 0.22, (grid - thing.x) / 0.22, indexing="ij")
        covered |= inside(thing.shape, u, v)
    centred = patches - patches.mean(0)
    first = centred @ torch.linalg.svd(centred, full_matrices=False)[2][0]
    agree = ((first > 0) == covered.flatten()).float().mean()
    assert max(agree, 1 - agree) > 0.85
