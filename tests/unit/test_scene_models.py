"""The parts of the miniature Stable Diffusion, untrained: blocks against torch's own and against sums written out.

References: `nn.MultiheadAttention` and `nn.TransformerEncoderLayer` with copied weights, `torch.distributions`, the
whole U-Net once more as one function of its weights, loops. Widths that must differ do.
"""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import noise_schedule, scene_classifier, scene_parts, scene_text, scene_unet, scene_vae
from models.scene_captions import N_WORD, PAD_ID, VOCABULARY, Request, Wanted, read, request
from models.scene_classifier import QUESTIONS, SceneClassifier, answers, compare
from models.scene_parts import Attention, ResBlock, initialise, time_embedding
from models.scene_text import TextBatch, TextEncoder, blend, join, pack
from models.scene_unet import PLACES, SceneUNet, word_maps
from models.scene_vae import SceneVAE, kl, reconstruction_loss
from models.scenes import COLOURS, LAYOUTS, SHAPES, SIZES, Scene, Shape, sample
from training import scene_scores
from training import scenes as training


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed))


M = TypeVar("M", bound=nn.Module)


def scrambled(module: M, seed: int = 1) -> M:
    """All weights random, gains and biases and last layers too, so that none of them can be forgotten unseen."""
    generator = rng(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight += 0.15 * torch.randn(weight.shape, generator=generator)
    return module.requires_grad_(False)


# --- blocks ----------------------------------------------------------------------------------------------------------


def slow_norm(x: Tensor, w: dict[str, Tensor], name: str) -> Tensor:
    """Group normalisation, group by group."""
    out = torch.empty_like(x)
    n = x.shape[1] // 8
    for i in range(len(x)):
        for g in range(8):
            part = x[i, g * n : (g + 1) * n]
            out[i, g * n : (g + 1) * n] = (part - part.mean()) / (part.var(correction=0) + 1e-5).sqrt()
    return out * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]


def slow_conv(x: Tensor, w: dict[str, Tensor], name: str, stride: int = 1) -> Tensor:
    """A 3 x 3 convolution as a matrix product over patches."""
    patches = F.unfold(x, 3, padding=1, stride=stride)
    side = math.isqrt(patches.shape[-1])
    out = w[f"{name}.weight"].flatten(1) @ patches + w[f"{name}.bias"][:, None]
    return out.unflatten(-1, (side, side))


def part(w: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in w.items() if key.startswith(f"{name}.")}


def slow_res(x: Tensor, e: Tensor | None, w: dict[str, Tensor]) -> Tensor:
    y = slow_conv(slow_norm(x, w, "norm_1") * slow_norm(x, w, "norm_1").sigmoid(), w, "conv_1")
    if e is not None:
        y = y + ((e * e.sigmoid()) @ w["time.weight"].T + w["time.bias"])[:, :, None, None]
    z = slow_norm(y, w, "norm_2")
    skip = x if "skip.weight" not in w else F.conv2d(x, w["skip.weight"], w["skip.bias"])
    return skip + slow_conv(z * z.sigmoid(), w, "conv_last")


@pytest.mark.parametrize(("n_in", "n_out", "n_time"), [(16, 24, 13), (24, 24, 0), (8, 8, 7)])
def test_residual_block(n_in: int, n_out: int, n_time: int) -> None:
    block = scrambled(ResBlock(n_in, n_out, n_time))
    x, e = noise(3, n_in, 5, 5), noise(3, n_time, seed=2) if n_time else None
    assert torch.allclose(block(x, e), slow_res(x, e, block.state_dict()), atol=2e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_torchs(masked: bool) -> None:
    ours = scrambled(Attention(12, 7, 3))
    theirs = nn.MultiheadAttention(12, 3, bias=True, kdim=7, vdim=7, batch_first=True).requires_grad_(False)
    key, value = ours.w_kv.weight.chunk(2)
    theirs.q_proj_weight.copy_(ours.w_q.weight)
    theirs.k_proj_weight.copy_(key)
    theirs.v_proj_weight.copy_(value)
    theirs.in_proj_bias.zero_()
    theirs.out_proj.load_state_dict(ours.w_last.state_dict())
    x, y = noise(2, 11, 12), noise(2, 5, 7, seed=1)
    mask = torch.tensor([[True, True, True, False, False], [True] * 5]) if masked else None
    out, attention = ours(x, y, mask)
    right, weights = theirs(x, y, y, None if mask is None else ~mask, average_attn_weights=False)
    assert torch.allclose(out, right, atol=1e-5)
    assert torch.allclose(attention, weights, atol=1e-6)
    assert torch.allclose(attention.sum(-1), torch.ones(2, 3, 11))


def test_text_layer_is_torchs() -> None:
    ours = scrambled(scene_text.Layer(12, 3))
    theirs = nn.TransformerEncoderLayer(12, 3, 48, 0.0, "gelu", batch_first=True, norm_first=True).requires_grad_(False)
    theirs.self_attn.in_proj_weight.copy_(torch.cat((ours.attention.w_q.weight, ours.attention.w_kv.weight)))
    theirs.self_attn.in_proj_bias.zero_()
    theirs.self_attn.out_proj.load_state_dict(ours.attention.w_last.state_dict())
    for mine, other in (("norm_1", "norm1"), ("norm_2", "norm2"), ("up", "linear1"), ("down_last", "linear2")):
        getattr(theirs, other).load_state_dict(getattr(ours, mine).state_dict())
    x, mask = noise(2, 5, 12), torch.tensor([[True, True, True, False, False], [True] * 5])
    assert torch.allclose(ours(x, mask)[mask], theirs(x, src_key_padding_mask=~mask)[mask], atol=1e-5)


def test_time_embedding_by_hand() -> None:
    found = time_embedding(torch.tensor([0.0, 7.0, 999.0]), 6)
    for t, row in zip((0.0, 7.0, 999.0), found, strict=True):
        angle = [t * 10_000 ** (-k / 3) for k in range(3)]
        right = [math.cos(a) for a in angle] + [math.sin(a) for a in angle]
        assert row.tolist() == pytest.approx(right, abs=1e-4)


def test_weights_begin_as_they_should() -> None:
    net = SceneUNet()
    initialise(net, rng())
    state = net.state_dict()
    for name, weight in state.items():
        if weight.dim() > 1:
            std = 0.0 if "_last." in name else weight[0].numel() ** -0.5
            assert float(weight.std()) == pytest.approx(std, rel=0.15), name
        elif name.endswith("bias"):
            assert not weight.any()
        else:
            assert (weight == 1).all()
    again = SceneUNet()
    initialise(again, rng())
    assert all(torch.equal(a, b) for a, b in zip(state.values(), again.state_dict().values(), strict=True))
    x, text = noise(2, 4, 8, 8), noise(2, 5, 96)
    assert not net(x, torch.tensor([3.0, 9.0]), text, torch.ones(2, 5).bool())[0].any()  # before training: v = 0


# --- the U-Net -------------------------------------------------------------------------------------------------------


def slow_words(x: Tensor, text: Tensor, mask: Tensor, w: dict[str, Tensor], n_head: int) -> tuple[Tensor, Tensor]:
    """Self-attention, cross-attention, feed-forward; one head after another."""
    b, c, h, wide = x.shape
    y = x.flatten(2).transpose(1, 2)

    def attend(z: Tensor, other: Tensor, keep: Tensor, name: str) -> tuple[Tensor, Tensor]:
        q, kv = z @ w[f"{name}.w_q.weight"].T, other @ w[f"{name}.w_kv.weight"].T
        d, outs, found = c // n_head, [], []
        for i in range(n_head):
            k, v = kv[..., i * d : (i + 1) * d], kv[..., c + i * d : c + (i + 1) * d]
            score = q[..., i * d : (i + 1) * d] @ k.transpose(1, 2) / d**0.5
            a = score.exp() * keep[:, None]
            found.append(a / a.sum(-1, keepdim=True))
            outs.append(found[-1] @ v)
        return torch.cat(outs, -1) @ w[f"{name}.w_last.weight"].T + w[f"{name}.w_last.bias"], torch.stack(found, 1)

    def level(z: Tensor, name: str) -> Tensor:
        return F.layer_norm(z, (c,), w[f"{name}.weight"], w[f"{name}.bias"])

    z = level(y, "norm_1")
    y = y + attend(z, z, torch.ones(b, z.shape[1]), "own")[0]
    found, attention = attend(level(y, "norm_2"), text, mask.float(), "cross")
    y = y + found
    y = y + F.gelu(level(y, "norm_3") @ w["up.weight"].T + w["up.bias"]) @ w["down_last.weight"].T + w["down_last.bias"]
    return y.transpose(1, 2).reshape(b, c, h, wide), attention


def test_the_whole_u_net_written_out() -> None:
    net = scrambled(SceneUNet(fine=16, coarse=24, n_time=11, n_text=7, n_head=2))
    w = net.state_dict()
    x, t, text = noise(3, 4, 8, 8), torch.tensor([0.0, 500.0, 999.0]), noise(3, 5, 7, seed=4)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False], [True] * 4 + [False]])
    out, attention = net(x, t, text, mask)

    e = time_embedding(t, 16) @ w["time_1.weight"].T + w["time_1.bias"]
    e = (e * e.sigmoid()) @ w["time_2.weight"].T + w["time_2.bias"]
    seen = {}

    def pair(y: Tensor, name: str, place: str) -> Tensor:
        y = slow_res(y, e, part(w, f"{name}.res"))
        y, seen[place] = slow_words(y, text, mask, part(w, f"{name}.words"), 2)
        return y

    a = pair(slow_conv(x, w, "into") + w["place8"], "down8.0", "down8.0")
    b = pair(a, "down8.1", "down8.1")
    c = pair(slow_conv(b, w, "shrink", 2) + w["place4"], "down4.0", "down4.0")
    d = pair(c, "down4.1", "down4.1")
    y = slow_res(pair(d, "mid4", "mid4"), e, part(w, "mid"))
    y = pair(torch.cat((y, d), 1), "up4.0", "up4.0")
    y = pair(torch.cat((y, c), 1), "up4.1", "up4.1")
    y = slow_conv(y.repeat_interleave(2, 2).repeat_interleave(2, 3), w, "grow")
    y = pair(torch.cat((y, b), 1), "up8.0", "up8.0")
    y = pair(torch.cat((y, a), 1), "up8.1", "up8.1")
    z = slow_norm(y, w, "norm")
    assert torch.allclose(out, slow_conv(z * z.sigmoid(), w, "out_last"), atol=2e-4)
    assert tuple(attention) == PLACES == tuple(seen)
    for place in PLACES:
        side = 8 if "8" in place else 4
        assert attention[place].shape == (3, 2, side * side, 5)
        assert torch.allclose(attention[place], seen[place], atol=1e-5)
        assert not attention[place][1, :, :, 2:].any()  # nobody looks at padding
        assert torch.allclose(attention[place].sum(-1), torch.ones(()))


def test_word_maps_are_means_that_sum_to_one() -> None:
    attention = {f"p{side}": noise(2, 3, side * side, 5, seed=side).softmax(-1) for side in (4, 8)}
    found = word_maps(attention)
    assert found.shape == (2, 5, 8, 8)
    assert torch.allclose(found.sum(1), torch.ones(2, 8, 8))
    for y, x, k in ((0, 7, 1), (5, 2, 4)):
        coarse = attention["p4"][:, :, (y // 2) * 4 + x // 2, k].mean(1)
        fine = attention["p8"][:, :, y * 8 + x, k].mean(1)
        assert torch.allclose(found[:, k, y, x], (coarse + fine) / 2)


# --- text ------------------------------------------------------------------------------------------------------------


def test_text_encoder_by_parts() -> None:
    net = scrambled(TextEncoder(width=12, n_layer=2, n_head=3))
    batch = net.read(["a red circle", "", "蓝色背景"])
    assert batch.ids.shape == (3, 5) and batch.hidden.shape == (3, 5, 12)
    assert [VOCABULARY[i] for i in batch.ids[2]] == ["<start>", "蓝色", "背景", "<end>", "<pad>"]
    assert torch.equal(batch.mask, batch.ids != PAD_ID)
    x = net.word[batch.ids] + net.position[:5]
    for layer in net.layers:
        x = layer(x, batch.mask)
    right = F.layer_norm(x, (12,), net.norm.weight, net.norm.bias)
    assert torch.allclose(batch.hidden, right)
    alone = net.read([""])
    assert torch.allclose(alone.hidden, batch.hidden[1:2, :2], atol=1e-6)  # padding changes nothing
    longest = net.read(["red " * 500])
    assert longest.ids.shape == (1, N_WORD)


def test_join_repeat_and_blend() -> None:
    net = scrambled(TextEncoder(width=8, n_head=2))
    short, long = net.read(["red circle"]), net.read(["a large blue ring on the left"])
    both = join(short, long)
    assert both.ids.shape == (2, 9) and len(both) == 2
    assert torch.equal(both.hidden[0, :4], short.hidden[0]) and not both.mask[0, 4:].any()
    twice = both.repeat(2)
    assert torch.equal(twice.ids, both.ids[[0, 0, 1, 1]])
    mixed = blend(short, long, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.equal(mixed.mask.sum(1), torch.tensor([4, 9, 9]))
    assert blend(long, short, torch.tensor([0.0, 0.75, 1.0])).mask.sum(1).tolist() == [9, 9, 4]
    assert torch.allclose(mixed.hidden[1], 0.75 * both.hidden[0] + 0.25 * both.hidden[1])
    unet = scrambled(SceneUNet(16, 16, 8, 8, 2))
    x, t = noise(1, 4, 8, 8), torch.tensor([300.0])
    for end, text in ((0, short), (2, long)):
        out = unet(x, t, text.hidden, text.mask)[0]
        assert torch.allclose(unet(x, t, mixed.hidden[end : end + 1], mixed.mask[end : end + 1])[0], out, atol=1e-4)


# --- the autoencoder -------------------------------------------------------------------------------------------------


def test_kl_is_the_distributions() -> None:
    mean, log_variance = noise(7, 3), noise(7, 3, seed=1)
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    assert torch.allclose(kl(mean, log_variance), theirs, atol=1e-6)
    assert float(kl(torch.tensor(2.0), torch.tensor(0.0))) == 2.0  # by hand: 4 / 2


def test_autoencoder_shapes_and_scaling() -> None:
    vae = scrambled(SceneVAE(fine=16, coarse=24))
    x = noise(3, 3, 32, 32).clamp(-1, 1)
    mean, log_variance = vae.moments(x)
    assert mean.shape == log_variance.shape == (3, 4, 8, 8)
    plain = vae.decode(vae.encode(x))
    assert plain.shape == x.shape and plain.abs().max() <= 1
    assert torch.allclose(plain, vae.paint(mean).clamp(-1, 1))
    vae.shift.copy_(torch.tensor([1.0, 2.0, 3.0, 5.0]))
    vae.scale.copy_(torch.tensor([2.0, 3.0, 5.0, 7.0]))
    assert torch.allclose(vae.encode(x)[:, 3] * 7 + 5, mean[:, 3], atol=1e-5)
    assert torch.allclose(vae.decode(vae.encode(x)), plain, atol=1e-4)  # scaling there and back changes nothing


def test_autoencoder_written_out() -> None:
    vae = scrambled(SceneVAE(fine=16, coarse=24))
    w, x = vae.state_dict(), noise(2, 3, 32, 32)
    deep = torch.stack([x[:, c, i::2, j::2] for c in range(3) for i in range(2) for j in range(2)], 1)
    y = slow_res(slow_conv(deep, w, "encoder.1"), None, part(w, "encoder.2"))
    y = slow_res(slow_conv(y, w, "encoder.3", 2), None, part(w, "encoder.4"))
    y = slow_norm(y, w, "encoder.5")
    moments = slow_conv(y * y.sigmoid(), w, "encoder.7")
    mean, log_variance = vae.moments(x)
    assert torch.allclose(mean, moments[:, :4], atol=1e-4)
    assert torch.allclose(log_variance, moments[:, 4:].clamp(-20, 5), atol=1e-4)
    y = slow_res(slow_conv(mean, w, "decoder.0"), None, part(w, "decoder.1"))
    y = slow_conv(y.repeat_interleave(2, 2).repeat_interleave(2, 3), w, "decoder.3")
    y = slow_norm(slow_res(slow_res(y, None, part(w, "decoder.4")), None, part(w, "decoder.5")), w, "decoder.6")
    y = slow_conv(y * y.sigmoid(), w, "decoder.8")
    painted = torch.zeros(2, 3, 32, 32)
    for k in range(12):
        painted[:, k // 4, k % 4 // 2 :: 2, k % 2 :: 2] = y[:, k]
    assert torch.allclose(vae.paint(mean), painted, atol=2e-4)


def test_reconstruction_loss_by_parts() -> None:
    vae = scrambled(SceneVAE(fine=8, coarse=8))
    x, z = noise(2, 3, 32, 32), noise(2, 4, 8, 8, seed=3)
    mean, log_variance = vae.moments(x)
    painted = vae.paint(mean + log_variance.exp().sqrt() * z)
    square = ((painted - x) ** 2).mean()
    loss, shown = reconstruction_loss(vae, x, z, 0.3)
    assert torch.allclose(shown, square)
    assert torch.allclose(loss, (painted - x).abs().mean() + square + 0.3 * kl(mean, log_variance).mean())


# --- the judge -------------------------------------------------------------------------------------------------------

ONE = Scene("blue", (Shape("circle", "red", "large", 0.3, 0.5),))
TWO = Scene("white", (Shape("star", "orange", "small", 0.26, 0.5), Shape("ring", "green", "large", 0.74, 0.5)))


def test_answers_by_hand() -> None:
    assert answers(ONE) == {
        "background": COLOURS.index("blue"), "layout": LAYOUTS.index("left"),
        "shape 1": SHAPES.index("circle"), "colour 1": COLOURS.index("red"), "size 1": SIZES.index("large"),
        "shape 2": -1, "colour 2": -1, "size 2": -1,
    }  # fmt: skip
    assert answers(TWO)["colour 2"] == COLOURS.index("green") and answers(TWO)["layout"] == LAYOUTS.index("beside")
    assert tuple(answers(Scene("red"))) == tuple(QUESTIONS)


def test_classifier_loss_is_a_sum_of_logs() -> None:
    net = scrambled(SceneClassifier(8))
    scenes = [ONE, TWO, Scene("red")]
    logits = net(noise(3, 3, 32, 32))
    total = 0.0
    for name, logit in logits.items():
        marks = [-float(row.softmax(0)[answers(scene)[name]].log())
                 for row, scene in zip(logit, scenes, strict=True) if answers(scene)[name] >= 0]  # fmt: skip
        total += sum(marks) / len(marks)
    assert float(scene_classifier.loss(logits, list(map(answers, scenes)))) == pytest.approx(total, rel=1e-5)


def test_what_is_seen_has_the_largest_logits() -> None:
    net = scrambled(SceneClassifier(8))
    x = noise(9, 3, 32, 32)
    logits = net(x)
    for i, scene in enumerate(net.see(x)):
        for name, index in answers(scene).items():
            if index >= 0:
                assert index == int(logits[name][i].argmax())


OBJECTS = {f"{name} {k}" for name in ("shape", "colour", "size") for k in (1, 2)}


@pytest.mark.parametrize(
    ("scene", "caption", "wrong"),
    [
        (ONE, "a large red circle on the left, blue background", set()),
        (ONE, "红色圆形", set()),
        (ONE, "a small red circle", {"size"}),
        (ONE, "a red star on the right", {"shape", "layout"}),
        (ONE, "a red circle and a blue square", {"count", "shape 1", "colour 1", "shape 2", "colour 2"}),
        (TWO, "a small orange star left of a large green ring", set()),
        (TWO, "a large green ring right of a small orange star", set()),
        (TWO, "a large green ring left of a small orange star", OBJECTS),
        (TWO, "a large green ring and a small orange star", set()),
        (TWO, "a large red ring and a small orange star", {"colour 1"}),
        (TWO, "an orange star above a green ring", {"layout"}),
        (TWO, "a star", {"count", "shape"}),
        (TWO, "white background", set()),
    ],
)  # fmt: skip
def test_verdicts_by_hand(scene: Scene, caption: str, wrong: set[str]) -> None:
    verdict = compare(scene, read(caption))
    assert {name for name, right in verdict.items() if not right} == wrong


def test_a_scene_meets_its_own_request_and_a_changed_one_misses_it() -> None:
    for scene in sample(rng(7), 60, None):
        wanted = request(scene)
        assert all(compare(scene, wanted).values())
        assert len(compare(scene, wanted)) == 3 + 3 * len(scene.objects)
        for name, other in (("shape", SHAPES), ("colour", COLOURS), ("size", SIZES)):
            first = wanted.objects[0]
            changed = replace(first, **{name: next(x for x in other if x != getattr(first, name))})
            verdict = compare(scene, replace(wanted, objects=(changed, *wanted.objects[1:])))
            assert sum(not right for right in verdict.values()) == 1
    assert compare(ONE, Request()) == {}
    assert compare(ONE, Request((Wanted(),))) == {"count": True}


# --- training --------------------------------------------------------------------------------------------------------


def test_times_are_spread_over_the_batch() -> None:
    t = training.spread_times(8, rng())
    assert sorted(int(x) // 125 for x in t) == list(range(8))
    assert not torch.equal(t, t.sort().values)


def test_training_captions_are_of_both_languages_and_some_are_empty() -> None:
    texts = training.captions(sample(rng(8), 2_000, False), rng(9))
    empty = sum(not text for text in texts) / 2_000
    chinese = sum(not text.isascii() for text in texts if text) / sum(bool(text) for text in texts)
    assert empty == pytest.approx(training.SHARE_EMPTY, abs=0.025)
    assert chinese == pytest.approx(0.5, abs=0.04)


def test_diffusion_loss_by_hand() -> None:
    """A network that says 0 misses all of v: the loss is the mean square of v."""

    class Silent(nn.Module):
        def forward(self, latent: Tensor, t: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
            self.seen = (latent, t, ids)
            return torch.zeros_like(latent)

    net, latent = Silent(), noise(5, 4, 8, 8)
    found = training.diffusion_loss(net, latent, ["red", "", "red", "red", ""], rng(3))
    generator = rng(3)
    t = training.spread_times(5, generator)
    e = torch.randn(latent.shape, generator=generator)
    ab = noise_schedule.schedule("cosine")[t][:, None, None, None]
    v = ab.sqrt() * e - (1 - ab).sqrt() * latent
    assert torch.allclose(found, (v**2).mean(), atol=1e-6)
    seen, time, ids = net.seen
    assert torch.equal(time, t.float()) and torch.equal(ids, pack(["red", "", "red", "red", ""])[0])
    assert torch.allclose(seen, ab.sqrt() * latent + (1 - ab).sqrt() * e, atol=1e-6)


def test_what_a_caption_leaves_open_is_not_asked() -> None:
    assert training.said(ONE, "a large red circle on the left, blue background") == answers(ONE)
    left_open = {name for name, index in training.said(ONE, "a red circle").items() if index == -1}
    assert left_open == {"background", "layout", "size 1", "shape 2", "colour 2", "size 2"}
    assert training.said(TWO, "a large green ring right of a small orange star, white background") == answers(TWO)
    assert set(training.said(TWO, "an orange star and a green ring").values()) == {-1}  # which comes first?


def test_the_reader_reads_the_mean_word(tmp_path: Path) -> None:
    reader = training.train_text(replace(TINY, n_step=8, n_row=8), sample(rng(3), 12, False), tmp_path / "text.pt")
    ids, mask = pack(["a red circle", "blue"])
    mean = torch.stack([hidden[keep].mean(0) for hidden, keep in zip(reader.text(ids, mask), mask, strict=True)])
    for head, logit in zip(reader.heads, reader(ids, mask).values(), strict=True):
        assert torch.allclose(logit, head(mean), atol=1e-5)
    losses = torch.load(tmp_path / "text.pt", weights_only=True)["log"]["losses"]
    assert losses[-1] < losses[0]


TINY = training.Recipe(n_step=2, n_row=6, lr=1e-3, n_warmup=1, n_scene=12)


def test_training_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both halves of two runs, one of them interrupted: the same weights. And the mean of the weights trails them."""
    scenes, pictures = training.drawn(tmp_path, False, TINY)
    assert pictures.shape == (12, 3, 32, 32) and pictures.dtype == torch.uint8 and len(scenes) == 12
    monkeypatch.setattr(training, "SceneUNet", partial(SceneUNet, fine=8, coarse=8, n_time=8))
    latent = noise(12, 4, 8, 8)
    begin = training.Denoiser()
    initialise(begin, rng(5))
    whole, _ = training.train_unet(TINY, scenes, latent, tmp_path / "a.pt", begin)
    training.train_unet(TINY, scenes, latent, tmp_path / "b.pt", begin, stop_at=1)
    broken, log = training.train_unet(TINY, scenes, latent, tmp_path / "b.pt", begin)
    exported, shown = training.last(tmp_path / "b.pt")
    assert shown.losses == log.losses
    assert all(torch.equal(a, b) for a, b in zip(broken.parameters(), exported.parameters(), strict=True))
    assert len(log.losses) == 2
    for a, b in zip(whole.parameters(), broken.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    state = torch.load(tmp_path / "a.pt", weights_only=True)["model"]
    moved = [float((state[f"now.{name}"] - weight).abs().sum()) for name, weight in whole.state_dict().items()]
    assert sum(moved) > 0


def test_the_mean_of_the_weights_forgets_faster_at_first() -> None:
    pacer = training.Pacer(training.Denoiser())
    first, name = pacer.mean.text.word.clone(), "text.word"
    with torch.no_grad():
        pacer.now.get_parameter(name).add_(1.0)
    pacer.follow()
    start = first + 0.9 * (pacer.now.get_parameter(name) - first)
    assert torch.allclose(pacer.mean.get_parameter(name), start, atol=1e-6)
    pacer.n_step = 10**6
    pacer.follow()
    late = start + (1 - training.EMA) * (pacer.now.get_parameter(name) - start)
    assert torch.allclose(pacer.mean.get_parameter(name), late, atol=1e-6)


def test_a_few_steps_teach_the_autoencoder_and_the_judge(tmp_path: Path) -> None:
    scenes, pictures = training.drawn(tmp_path, False, TINY)
    vae, recipe = SceneVAE(16, 16), replace(TINY, n_step=15, lr=3e-3)
    initialise(vae, rng())
    log = training.train_vae(vae, recipe, pictures, 1e-4, tmp_path / "vae.pt")
    assert log.losses[-1] < 0.7 * log.losses[0]
    _, log = training.train_classifier(recipe, scenes, pictures, tmp_path / "judge.pt")
    assert log.losses[-1] < 0.9 * log.losses[0]
    found = training.latents(vae, pictures)
    assert torch.allclose(found, vae.encode(pictures.float() / 127.5 - 1), atol=1e-5)


def test_spoiled_pictures_stay_close() -> None:
    x = noise(4, 3, 32, 32).clamp(-1, 1)
    spoiled = scene_scores.spoil(x, rng(1))
    assert spoiled.shape == x.shape
    flat = torch.full((200, 3, 32, 32), 0.5)
    difference = scene_scores.spoil(flat, rng(2)) - flat
    assert float(difference.std()) == pytest.approx(math.hypot(0.06, 0.03), rel=0.1)


def test_text_batches_hold_what_they_say() -> None:
    ids = torch.zeros(2, 3, dtype=torch.long)
    assert len(TextBatch(ids, ids > 0, noise(2, 3, 5))) == 2
    assert scene_vae.N_SIDE**2 * scene_vae.N_CHANNEL * 12 == 32 * 32 * 3  # twelve times fewer values
    assert scene_unet.PLACES[4] == "mid4" and scene_parts.N_GROUP == 8
