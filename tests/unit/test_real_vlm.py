"""models/real_vlm.py and its training on tiny models with random weights; the real ones where they are present."""

import json

import pytest
import torch
from torch.testing import assert_close

import assets
from models import dinov2, pretrained, real_vlm
from models.dinov2 import Dinov2
from models.language_model import ModelUnavailable
from models.real_vlm import ASK, BEFORE, N_TOKEN, Projector, RealVlm, plain, pool, worded
from models.scenes import HELD_OUT, draw, scatter
from tests.unit import tiny_checkpoints as tiny
from training import real_projector
from training.real_projector import ALIGN, FrozenMap, Reader

D, M = 22, 30  # widths of the tiny encoder and of the tiny language model
QUESTION = "what is red ?"


@pytest.fixture(scope="module")
def vlm(tmp_path_factory) -> RealVlm:
    folder = tiny.save(tmp_path_factory.mktemp("lm") / "llama", tiny.llama(), tiny.byte_bpe())
    generator = torch.Generator().manual_seed(1)
    encoder = Dinov2(dinov2.Shape(d_model=D, n_layer=2, n_head=2, d_ff=33, side=5))
    projector = Projector(D, M).start(generator, 0.5)
    projector.mean.copy_(torch.randn(D, generator=generator))
    projector.deviation.copy_(torch.rand(D, generator=generator) + 0.5)
    for weight in encoder.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.3
    reader = pretrained.load_any(str(folder))
    return RealVlm(encoder.eval().requires_grad_(False), projector.eval().requires_grad_(False), reader, {})


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return draw(scatter(torch.Generator().manual_seed(3), 1), real_vlm.N_PIXEL)


def alone(vlm: RealVlm, tokens: torch.Tensor, ids: list[int]) -> torch.Tensor:
    """Logits of the plain model, tokens between the words before and the words after."""
    table = vlm.words
    x = torch.cat((table[vlm.ids(BEFORE)], tokens, table[ids]))[None]
    return vlm.reader._model(inputs_embeds=x).logits[0]


def test_cells_are_means_of_two_by_two_patches():
    features = torch.randn(3, 64, 5, generator=torch.Generator().manual_seed(0))
    found = pool(features)
    for cell in range(16):
        row, column = divmod(cell, 4)
        patches = [8 * (2 * row + i) + 2 * column + j for i in (0, 1) for j in (0, 1)]
        assert_close(found[:, cell], features[:, patches].mean(1))


def test_tokens_are_the_projection_of_cells(vlm, picture):
    features = vlm.features(picture)
    assert_close(features, vlm.encoder(picture, keep=True).layers[-1][:, 1:], atol=1e-4, rtol=1e-4)
    tokens, source, off = vlm.project(features[0])
    assert not off.any() and tokens.shape == (N_TOKEN, M)
    assert_close(source.sum(-1), torch.ones(N_TOKEN))
    cell = (pool(features)[0] - vlm.projector.mean) / vlm.projector.deviation
    first = torch.nn.functional.gelu(cell @ vlm.projector.first.weight.T + vlm.projector.first.bias)
    assert_close(tokens, first @ vlm.projector.second.weight.T + vlm.projector.second.bias, atol=1e-4, rtol=1e-4)


def test_patches_that_are_off_are_left_out(vlm, picture):
    """Patch 10 is in cell 1 (rows 0 and 1, columns 2 and 3); 0, 1, 8 and 9 are all of cell 0."""
    features = vlm.features(picture)[0]
    tokens, source, off = vlm.project(features, [10, 0, 1, 8, 9])
    assert off.tolist() == [True] + [False] * 15
    assert source[1].nonzero().flatten().tolist() == [2, 3, 11]
    assert_close(source[1, [2, 3, 11]], torch.full((3,), 1 / 3))
    assert_close(tokens[1], vlm.projector(features[[2, 3, 11]].mean(0)), atol=1e-5, rtol=1e-5)
    trace = vlm.answer(picture, QUESTION, off=[10, 0, 1, 8, 9], n_most=2)
    assert (trace.attention[..., trace.image_at] * (1 - torch.eye(len(trace.words))[trace.image_at])).max() < 1e-6
    moved = tokens.clone()
    moved[0] += 3
    for one in (tokens, moved):
        asked = vlm.prompt(QUESTION)[0]
        logits = vlm.run(one[None], off[None], asked).logits[0, -1]
        best = logits.softmax(-1).max()
        assert best == pytest.approx(trace.guesses[0][0][1], rel=1e-4)


def test_words_in_the_place_of_image_tokens_are_just_words(vlm):
    """Embeddings of ids where the picture stands: the same logits as for all those ids read as text."""
    ids = torch.arange(5, 5 + N_TOKEN).tolist()
    asked = vlm.prompt(QUESTION)[0]
    hidden = torch.zeros(1, N_TOKEN, dtype=torch.bool)
    found = vlm.run(vlm.words[ids][None], hidden, asked).logits
    right = vlm.reader._model(input_ids=torch.tensor([[*vlm.ids(BEFORE), *ids, *asked]])).logits
    assert_close(found, right, atol=1e-4, rtol=1e-4)


def test_an_answer_is_the_likeliest_word_again_and_again(vlm, picture):
    trace = vlm.answer(picture, QUESTION, n_most=3)
    before, asked = vlm.ids(BEFORE), vlm.ids(ASK.format(question="what is red?"))
    t = len(before) + N_TOKEN + len(asked)
    assert (trace.image_at, trace.answer_at) == (len(before), t - 1)
    said: list[int] = []
    for guesses in trace.guesses[:3]:
        logits = alone(vlm, trace.tokens, [*asked, *said])[-1].softmax(-1)
        assert guesses[0][1] == pytest.approx(float(logits.max()), rel=1e-4)
        assert [p for _, p in guesses] == sorted((p for _, p in guesses), reverse=True)
        said.append(int(logits.argmax()))
    n_said = len(trace.words) - t
    assert trace.text == vlm.reader._tokenizer.decode(said[:n_said]).strip()
    n = t + n_said
    assert trace.hidden.shape == (4, n, M) and trace.attention.shape == (3, 10, n, n)
    assert_close(trace.hidden[0, trace.image_at : trace.image_at + N_TOKEN], trace.tokens)
    assert_close(trace.attention.sum(-1), torch.ones(3, 10, n))
    assert trace.on_tokens.shape == (3, 10, n_said + 1, N_TOKEN)
    assert_close(trace.on_tokens[1, 2, 0], trace.attention[1, 2, t - 1, len(before) : len(before) + N_TOKEN])
    assert_close(trace.on_patches.sum(-1), trace.on_tokens.sum(-1))
    assert_close(trace.on_patches[0, 0, 0, 63], trace.on_tokens[0, 0, 0, 15] / 4)


def test_what_an_answer_loses_without_each_token(vlm, picture):
    plain_loss, more = vlm.losses(picture, QUESTION, "2")
    tokens, _, _ = vlm.project(vlm.features(picture)[0])
    asked, target = vlm.prompt(QUESTION)[0], vlm.ids(" two")[0]
    right = -alone(vlm, tokens, asked)[-1].log_softmax(-1)[target]
    assert plain_loss == pytest.approx(float(right), rel=1e-4)
    hidden = torch.zeros(1, N_TOKEN, dtype=torch.bool)
    hidden[0, 6] = True
    without = -vlm.run(tokens[None], hidden, asked).logits[0, -1].log_softmax(-1)[target]
    assert more.shape == (N_TOKEN,) and float(more[6]) == pytest.approx(float(without - right), abs=1e-4)


@pytest.mark.parametrize(
    "text", ["", " ?", "x" * 100_000, "🙂 مرحبا", "a\0b", "<script>alert(1)</script>", "什么颜色？"]
)
def test_any_text_can_be_asked(vlm, picture, text):
    trace = vlm.answer(picture, text, n_most=1)
    assert trace.cut == (len(text) > 1000) and torch.isfinite(trace.hidden).all() and len(trace.words) < 300


def test_the_nearest_word_of_a_word_is_itself(vlm):
    words, cosine = vlm.nearest(vlm.words[[40, 41]] * 2.5, 2)
    assert [row[0] for row in words] == list(vlm.reader.label([40, 41]))
    assert_close(cosine[:, 0], torch.ones(2))


def test_questions_and_answers_as_english_writes_them():
    assert plain("what colour is the star ?") == "what colour is the star?"
    assert [worded(one) for one in ("0", "4", "red", "12")] == ["zero", "four", "red", "12"]


# --- training ---------------------------------------------------------------------------------------------------------


def test_rows_side_by_side_answer_as_each_alone(vlm):
    """Two questions in one row, and a padded row: the losses of each by itself, up to bfloat16."""
    reader = Reader.__new__(Reader)
    reader.tokenizer, reader.embedding = vlm.reader._tokenizer, vlm.words
    reader.lm = tiny.llama().bfloat16().requires_grad_(False)
    reader.before = reader.ids(BEFORE)
    tokens = torch.randn(2, N_TOKEN, M, generator=torch.Generator().manual_seed(4))
    rows = [[reader.segment("\nwho?", "one"), reader.segment("\nwhat now?", "two")], [reader.segment("\na?", "b")]]
    loss, right, guess = reader.losses(tokens, rows)
    expected, said = [], []
    for shown, row in zip(tokens, rows, strict=True):
        for ids, n in row:
            logits = alone(vlm, shown, ids)[-n - 1 : -1]
            said += ids[-n:]
            expected.append(torch.nn.functional.cross_entropy(logits, torch.tensor(ids[-n:]), reduction="none"))
    assert right.tolist() == said and guess.shape == right.shape
    off = (loss - torch.cat(expected)).abs()
    assert off.max() < 0.35 and off.mean() < 0.08


def test_a_frozen_map_sends_the_gradient_on():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, generator=generator)
    x = torch.randn(2, 7, 3, generator=generator, requires_grad=True)
    y = FrozenMap(weight)(x)
    assert_close(y, x @ weight.T)
    (y * torch.arange(5.0)).sum().backward()
    assert_close(x.grad, (torch.arange(5.0) @ weight).expand(2, 7, 3))


def test_nothing_held_out_is_trained_on():
    kinds = {(t.shape, t.colour) for scene in real_projector.scenes(ALIGN) for t in scene.objects}
    assert not kinds & HELD_OUT and len(kinds) == 40
    tested = {(t.shape, t.colour) for scene in real_projector.fresh(True, 50) for t in scene.objects}
    assert tested <= HELD_OUT
    assert not set(real_projector.fresh(False, 50)) & set(real_projector.scenes(ALIGN))


# --- the real ones ----------------------------------------------------------------------------------------------------


def test_without_an_asset_there_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path))
    real_vlm.load.cache.clear()
    dinov2.load.cache.clear()
    with pytest.raises(ModelUnavailable) as caught:
        real_vlm.load()
    assert "python -m assets fetch" in caught.value.sentence("en")


def test_the_card_says_what_was_measured():
    card = real_vlm.card()
    assert card["n_param"] == sum(weight.numel() for weight in real_vlm.load_projector().parameters()) == 553_536 + 576
    for name in ("accuracy", "blind", "warm", "chance"):
        for split in ("seen", "held_out"):
            assert set(card[name][split]) == {"colour", "shape", "count", "relation"}
            assert all(0 <= share <= 1 for share in card[name][split].values())
    json.dumps(card, allow_nan=False)


def test_the_shipped_projector_tells_what_it_sees():
    """Right far more often than without the picture, also on combinations never trained on. By the card's measure."""
    for name in (dinov2.ASSET, "smollm2"):
        if not assets.present(name):
            pytest.skip(f"needs an asset: `{assets.find(name).command}`")
    reader, model, card = Reader(), real_vlm.load_projector(), real_vlm.card()
    for split, held_out in (("seen", False), ("held_out", True)):
        share, n, _ = real_projector.accuracy(reader, model, held_out, 24)
        blind = card["blind"][split]
        assert n["colour"] + n["shape"] >= 40
        assert share["colour"] + share["shape"] > blind["colour"] + blind["shape"] + 0.2, split
        assert abs(share["colour"] - card["accuracy"][split]["colour"]) < 0.3
