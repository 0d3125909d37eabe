"""The three styles' modules: against transformers' classes, by explicit loops, masks, gates, counts."""

from __future__ import annotations

import pytest
import torch

from models import early_fusion, fusion_reference, fusion_styles
from models.fusion_styles import (
    D_IMAGE,
    LM,
    N_CODE_ROW,
    PICTURE,
    Decoder,
    GatedCross,
    Parts,
    Projector,
    Resampler,
    attend,
    build,
    count,
    cross,
    early,
    features,
    late,
    sight,
    sines,
    text_only,
)

MARK = 3


def randoms(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def parts() -> Parts:
    return build(n_pixel=24, patch=8, n_latent=5, every=2, gate=0.7, seed=3)


@pytest.fixture(scope="module")
def seen(parts: Parts) -> list[torch.Tensor]:
    return [features(parts, randoms(3, 24, 24, seed=i).clamp(-1, 1)) for i in range(2)]


def test_against_transformers_classes() -> None:
    """Chameleon's quantiser, IDEFICS's resampler and gated layer; a prime number of latents."""
    found = fusion_reference.differences(7, 11)
    assert set(found) == {"codes", "code vectors", "straight-through gradient", "resampler", "gated layer", "gate 0"}
    assert max(found.values()) < 1e-5 and found["codes"] == found["gate 0"] == 0


def test_attention_by_explicit_loops() -> None:
    q, k, v = randoms(3, 8), randoms(5, 8, seed=1), randoms(5, 8, seed=2)
    allowed = torch.tensor([[True, False, True, True, False], [True] * 5, [False, False, False, True, False]])
    out = attend(q, k, v, 2, allowed)
    for t in range(3):
        for h in range(2):
            part = slice(4 * h, 4 * h + 4)
            at = [s for s in range(5) if allowed[t, s]]
            share = torch.stack([q[t, part] @ k[s, part] / 2 for s in at]).softmax(0)
            torch.testing.assert_close(out[t, part], sum(w * v[s, part] for w, s in zip(share, at, strict=True)))


def test_a_gated_layer_by_its_formula() -> None:
    layer = GatedCross(0.4)
    fusion_styles.fill(layer, torch.Generator().manual_seed(1))
    layer.b.data.fill_(-0.3)  # the two gates are told apart
    x, memory = randoms(3, LM.d_model), randoms(2, D_IMAGE, seed=1)
    sees = torch.tensor([[False, False], [True, False], [True, True]])
    out = layer(x, memory, sees)

    def rms(z: torch.Tensor) -> torch.Tensor:
        return z / (z.square().mean(-1, keepdim=True) + 1e-6).sqrt()

    read = torch.zeros(3, LM.d_model)
    read[1] = layer.out(layer.v(memory[0]))  # one key: all of the attention
    read[2] = layer.out(attend(layer.q(rms(x))[2:], layer.k(memory), layer.v(memory), 4))[0]
    y = x + torch.tanh(torch.tensor(0.4)) * read
    inner = layer.gate(rms(y))
    right = y + torch.tanh(torch.tensor(-0.3)) * layer.down(inner * inner.sigmoid() * layer.up(rms(y)))
    torch.testing.assert_close(out, right, rtol=1e-4, atol=1e-5)


def test_shut_gates_are_the_text_model_exactly(seen: list[torch.Tensor]) -> None:
    shut = build(24, 8, 5, 1, 0.0, 3)
    prompt = [PICTURE, 40, 41, PICTURE, 42]
    assert torch.equal(cross(shut, prompt, seen, MARK)[-1], text_only(shut, prompt, MARK))
    ajar = build(24, 8, 5, 1, 0.1, 3)
    assert not torch.equal(cross(ajar, prompt, seen, MARK)[-1], text_only(ajar, prompt, MARK))


def test_sight_is_the_last_pictures() -> None:
    rows = sight([40, PICTURE, 41, PICTURE, PICTURE, 42], 3, 2).tolist()
    none, first, second, third = (
        [False] * 6,
        [True] * 2 + [False] * 4,
        [False, False, True, True, False, False],
        [False] * 4 + [True] * 2,
    )
    assert rows == [none, first, first, second, third, third]


def test_earlier_pictures_reach_later_words_only_through_words(parts: Parts, seen: list[torch.Tensor]) -> None:
    """Right after the second picture, with nothing between, the first one leaves no trace."""
    other = [seen[0] + 1, seen[1]]
    bare = [PICTURE, PICTURE, 40]
    direct = build(24, 8, 5, 4, 0.7, 3)  # one gated layer, before the first: no word has been written yet
    first, changed = (cross(direct, bare, f, MARK) for f in (seen, other))
    assert not torch.equal(first[1], changed[1]), "the memory is another one"
    x = direct.lm.embed(torch.tensor([MARK, MARK, 40])) + sines(3, LM.d_model)
    gate = direct.gated[0]
    assert gate is not None
    a, b = gate(x, first[1], first[2]), gate(x, changed[1], changed[2])
    assert torch.equal(a[1:], b[1:]) and not torch.equal(a[0], b[0])


def test_the_resampler_gives_as_many_latents_for_any_picture() -> None:
    resampler = Resampler(7)
    fusion_styles.fill(resampler, torch.Generator().manual_seed(0))
    few, many = randoms(4, D_IMAGE), randoms(61, D_IMAGE)
    assert resampler(few).shape == resampler(many).shape == (7, D_IMAGE)
    torch.testing.assert_close(
        resampler(many),
        resampler(many[torch.randperm(61, generator=torch.Generator().manual_seed(1))]),
        rtol=1e-4,
        atol=1e-5,
    )


def test_lengths_and_order_of_the_sequences(parts: Parts, seen: list[torch.Tensor]) -> None:
    prompt = [40, PICTURE, 41, 42, PICTURE]
    x, logits = late(parts, prompt, seen)
    assert x.shape == (3 + 2 * 9, LM.d_model) and logits.shape == (early_fusion.N_WORD,)
    torch.testing.assert_close(x[1:10], parts.projector(seen[0]))
    assert torch.equal(x[10], parts.lm.embed.weight[41])
    codes = [torch.arange(9), torch.arange(9) + 20]
    y, _ = early(parts, prompt, codes)
    assert y.shape == (3 + 2 * 11, LM.d_model)
    assert torch.equal(y[1], parts.lm.embed.weight[early_fusion.BOI_ID])
    assert torch.equal(y[-2], parts.lm.embed.weight[early_fusion.FIRST_CODE + 28])
    z, memory, sees, _ = cross(parts, prompt, seen, MARK)
    assert z.shape == (5, LM.d_model) and memory.shape == (10, D_IMAGE) and sees.shape == (5, 10)


def test_late_is_what_llava_does() -> None:
    """Image tokens in a tiny Llava with our projector's weights: the sequence that its language model reads."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    small = {"intermediate_size": 7, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(hidden_size=D_IMAGE, **small),
        text_config=LlamaConfig(hidden_size=LM.d_model, vocab_size=11, **small),
        projector_hidden_act="gelu",
    )
    theirs, ours = LlavaMultiModalProjector(config), Projector()
    theirs.linear_1.load_state_dict(ours.first.state_dict())
    theirs.linear_2.load_state_dict(ours.second.state_dict())
    feature = randoms(13, D_IMAGE)
    torch.testing.assert_close(ours(feature), theirs(feature[None])[0])


def test_the_last_position_decides_and_nothing_looks_ahead(parts: Parts) -> None:
    x = randoms(6, LM.d_model)
    first = parts.lm(x[:4])
    torch.testing.assert_close(parts.lm(torch.cat((x[:4], torch.zeros(0, LM.d_model)))), first)
    assert not torch.allclose(parts.lm(x), first)


def test_the_same_language_model_whatever_stands_around_it() -> None:
    a, b = build(24, 8, 5, 2, 0.7, 3), build(48, 4, 11, 1, 0.0, 3)
    for name, weight in a.lm.state_dict().items():
        assert torch.equal(weight, b.lm.state_dict()[name]), name
    assert not torch.equal(a.lm.embed.weight, build(24, 8, 5, 2, 0.7, 4).lm.embed.weight)
    assert [layer is not None for layer in a.gated] == [True, False, True, False]
    assert all(layer is not None for layer in b.gated)


def test_parameters_are_counted(parts: Parts) -> None:
    d, e = LM.d_model, D_IMAGE
    assert count(parts.projector) == e * d + d + d * d + d
    assert count(GatedCross(0.0)) == 2 * d + 2 * d * d + 2 * e * d + 3 * d * LM.d_ff + 2
    assert N_CODE_ROW == 2 + 256 and isinstance(parts.lm, Decoder)
    layer = 4 * d * d + 3 * d * LM.d_ff + 2 * d + 2 * (d // LM.n_head)
    assert count(parts.lm) == early_fusion.N_TOKEN * d + LM.n_layer * layer + d
