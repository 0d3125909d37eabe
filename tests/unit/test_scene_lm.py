"""The scenes' language model: a Llama with copied weights, packed turns against turns alone, masks, training."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from models import scene_lm
from models.scene_captions import say
from models.scene_lm import SceneLM, causal, side_by_side
from models.scene_questions import END_ID, IMAGE_ID, KINDS, VOCABULARY, WORD_ID
from models.scene_vlm import untrained
from models.scene_vlm_reference import llama_weights
from models.scenes import Scene, Shape
from models.tiny_lm import Config
from training import scene_lm as training

CFG = Config(
    vocab_size=37, n_layer=3, n_kv_head=5, group_size=1, n_pair=7, d_model=25, d_ff=29, n_ctx=43, rope_base=1e3
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def toy() -> SceneLM:
    """Gains are random, too."""
    model = SceneLM(CFG, rng())
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=rng(1))
    return model.requires_grad_(False)


def ids(b: int = 2, n: int = 11) -> torch.Tensor:
    return torch.randint(37, (b, n), generator=rng(2))


def test_it_is_a_llama() -> None:
    model, words = toy(), ids()
    config = LlamaConfig(
        vocab_size=37, hidden_size=25, intermediate_size=29, num_hidden_layers=3, num_attention_heads=5,
        num_key_value_heads=5, head_dim=14, rms_norm_eps=1e-5, tie_word_embeddings=True, max_position_embeddings=43,
        rope_parameters={"rope_type": "default", "rope_theta": 1e3}, attn_implementation="eager",
    )  # fmt: skip
    theirs = LlamaForCausalLM(config).eval().requires_grad_(False)
    weights = llama_weights(replace(untrained("blind"), lm=model))
    theirs.load_state_dict({f"model.{k}": w for k, w in weights.items()} | {"lm_head.weight": model.embedding})
    expected = theirs(words, output_attentions=True, output_hidden_states=True)
    ours = model(model.embed(words), keep=True)
    torch.testing.assert_close(ours.logits, expected.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.stack(ours.attention), torch.stack(expected.attentions), rtol=1e-4, atol=1e-6)
    for layer in range(3):
        torch.testing.assert_close(ours.hidden[layer], expected.hidden_states[layer], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.logits, model(model.embed(words)).logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.stack(ours.attention).sum(-1), torch.ones(3, 2, 5, 11))


def test_segments_by_hand() -> None:
    allowed, position = side_by_side(torch.tensor([[0, 0, 1, 1, 2, -1]]))
    assert position[0, :5].tolist() == [0, 1, 2, 3, 2]
    rows = ["#.....", "##....", "###...", "####..", "##..#.", ".....#"]
    assert ["".join(".#"[int(x)] for x in row) for row in allowed[0]] == rows
    assert torch.equal(side_by_side(torch.zeros(1, 5, dtype=torch.long))[0], causal(5))


def test_turns_side_by_side_are_turns_alone() -> None:
    model, context, turns = toy(), ids(1, 5), [ids(1, 3) + 1, ids(1, 4), ids(1, 2)]
    words = torch.cat((context, *turns), 1) % 37
    segment = torch.tensor([[0] * 5 + [1] * 3 + [2] * 4 + [3] * 2 + [-1] * 3])
    padded = torch.cat((words, torch.zeros(1, 3, dtype=torch.long)), 1)
    packed = model(model.embed(padded), *side_by_side(segment)).logits
    at = 5
    for turn in turns:
        n = turn.shape[1]
        alone = model(model.embed(torch.cat((context, words[:, at : at + n]), 1))).logits
        torch.testing.assert_close(packed[:, at : at + n], alone[:, 5:], rtol=1e-4, atol=1e-5)
        at += n


def test_what_is_not_allowed_changes_nothing() -> None:
    model, words = toy(), ids(1)
    allowed = causal(11) & (torch.arange(11) != 4)[None, None]
    allowed |= torch.eye(11, dtype=torch.bool)
    x = model.embed(words)
    other = x.clone()
    other[0, 4] += 1
    moved = (model(x, allowed).logits - model(other, allowed).logits).abs().amax(-1)[0] > 1e-6
    assert moved.tolist() == [i == 4 for i in range(11)]


def test_only_the_distance_counts() -> None:
    model = toy()
    x = model.embed(ids())
    a, b = (model(x, position=torch.arange(11)[None] + start).logits for start in (0, 29))
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


# --- texts to train on ------------------------------------------------------------------------------------------------


def ids_of(word: str) -> int:
    return training.ids(word)[0]


SCENE = Scene("white", (Shape("circle", "red", "large", 0.3, 0.7), Shape("star", "green", "small", 0.8, 0.8)))


def test_a_map_says_what_lies_where() -> None:
    for seed in range(5):
        places = training.word_map(SCENE, random.Random(seed))
        assert len(places) == 64 and {len(words) for words in places} == {7}
        assert {len(words) for words in training.word_map(SCENE, random.Random(seed), False)} == {3}
        for (row, column), names in {(5, 2): "red circle large", (6, 6): "green star small"}.items():
            english = [WORD_ID[name] for name in names.split()]
            found = places[8 * row + column][:3]
            chinese = [ids_of(say(name, "zh")) for name in names.split()]
            assert all(word in pair for word, pair in zip(found, zip(english, chinese, strict=True), strict=True))
        ground = {places[0][0], places[63][0]}
        assert ground <= {WORD_ID["white"], WORD_ID["白色"]}


def test_a_batch_by_hand() -> None:
    made = training.batch([[50, 51]], [[((60, 61), (70,)), ((62,), (71, 72))]], learn_context=True)
    assert made.segment[0].tolist() == [0] * 3 + [1] * 5 + [2] * 5
    assert [VOCABULARY[i] for i in made.ids[0, [0, 3, 6, 8, 10]]] == [
        "<start>",
        "<question>",
        "<answer>",
        "<question>",
        "<answer>",
    ]
    assert made.target[0].tolist() == [50, 51, -1, -1, -1, -1, 70, END_ID, -1, -1, 71, 72, END_ID]
    assert made.weight[0, [6, 7]].tolist() == [1, 1]
    assert made.weight[0, [10, 12]].tolist() == pytest.approx([training.CAPTION] * 2)


def test_places_are_sums_of_words() -> None:
    lm, source = SceneLM(generator=rng()), random.Random(3)
    places = training.word_map(SCENE, source)
    made = training.about([places], [training.turns(SCENE, source, 2)], True)
    x = training.read_in(lm, made)
    assert made.ids[0, 1:65].tolist() == [IMAGE_ID] * 64
    for i in (0, 18, 63):
        right, down = (i % 8 + 0.5) / 8, (i // 8 + 0.5) / 8
        shares = (1, 1, 1, 1 - right, right, 1 - down, down)
        expected = sum(share * lm.embedding[w] for share, w in zip(shares, places[i], strict=True))
        torch.testing.assert_close(x[0, 1 + i], expected)
    torch.testing.assert_close(x[:, 65:], lm.embed(made.ids)[:, 65:])


def test_texts_tell_of_every_combination_in_the_second_pass_alone() -> None:
    for recipe, some in ((training.FIRST, False), (training.RECIPE, True)):
        told = training.scenes_to_tell(rng(5), 200, recipe.held_out)
        assert any(scene.held_out for scene in told) == some


def test_questions_are_even_and_right() -> None:
    source, seen = random.Random(0), dict.fromkeys(KINDS, 0)
    for question, answer in training.turns(SCENE, source, 400):
        words = " ".join(VOCABULARY[i] for i in question)
        seen["relation" if any(w in words for w in ("seen", "哪边")) else
             "count" if any(w in words for w in ("many", "几个")) else
             "colour" if any(w in words for w in ("colour", "颜色")) else "shape"] += 1  # fmt: skip
        assert len(answer) == 1
    assert all(60 < n < 140 for n in seen.values()), seen


def test_training_stopped_and_resumed_is_the_same(tmp_path: Path) -> None:
    recipe = training.Recipe(n_step=3, n_row=2, n_turn=2, n_warmup=1)
    whole, log = training.train(recipe, tmp_path / "a.pt")
    training.train(recipe, tmp_path / "b.pt", stop_at=2)
    again, other = training.train(recipe, tmp_path / "b.pt")
    assert log.losses == other.losses and torch.equal(whole.embedding, again.embedding)


# --- as shipped -------------------------------------------------------------------------------------------------------


def test_it_answers_from_text() -> None:
    lm = scene_lm.load()
    for held_out, least in ((False, 0.9), (True, 0.8)):
        found = training.measure(lm, training.word_map, 60, 77, held_out)
        assert min(found[kind] for kind in ("colour", "shape")) > least, found
