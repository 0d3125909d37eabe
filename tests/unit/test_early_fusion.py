"""One transformer for words and codes: positions, masks, sampling, reading, its training and its shipped weights."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
import torch

from models import early_fusion as model
from models import scenes
from models.early_fusion import (
    BOI_ID,
    EOI_ID,
    FIRST_CODE,
    MOST_WORDS,
    N_TOKEN,
    N_WORD,
    EarlyFusion,
    Shape,
    batch,
    places,
    reading,
    writing,
)
from models.language_model import ModelUnavailable
from models.scene_captions import caption, read
from models.scene_questions import END_ID, PAD_ID, START_ID, spell, tokenise
from models.tiny_lm import WEIGHTS
from models.vq_scenes import N_CODE, N_PLACE
from training import early_fusion as training

SMALL = Shape(d_model=12, n_layer=2, n_head=3, d_ff=20)


@pytest.fixture
def small() -> EarlyFusion:
    return EarlyFusion(SMALL).start(torch.Generator().manual_seed(5)).eval()


def test_vocabulary_and_sequences() -> None:
    assert (N_TOKEN, FIRST_CODE) == (N_WORD + 2 + N_CODE, N_WORD + 2)
    codes = [(7 * i) % N_CODE for i in range(N_PLACE)]
    tokens = [FIRST_CODE + code for code in codes]
    assert writing([40, 41], codes) == [START_ID, 40, 41, BOI_ID, *tokens, EOI_ID, END_ID]
    assert reading([40, 41], codes) == [START_ID, BOI_ID, *tokens, EOI_ID, 40, 41, END_ID]


def test_words_count_from_the_last_picture_and_codes_in_their_picture() -> None:
    codes = list(range(N_PLACE))
    first = places(writing([40, 41], codes))
    assert first[:3] == [0, 1, 2] and first[3] == MOST_WORDS + N_PLACE
    assert first[4 : 4 + N_PLACE] == [MOST_WORDS + i for i in range(N_PLACE)]
    assert first[-2:] == [MOST_WORDS + N_PLACE + 1, 0]
    twice = [START_ID, *model.picture(codes), 40, *model.picture(codes), 41]
    assert places(twice)[-1] == 0 and places(twice).count(MOST_WORDS) == 2
    assert max(places([40] * 99)) == MOST_WORDS - 1


def test_a_block_against_its_formula(small: EarlyFusion) -> None:
    """Written out position by position and head by head."""
    block = small.blocks[0]
    x = torch.randn(1, 5, 12, generator=torch.Generator().manual_seed(1))
    out, weights = block(x, keep=True)
    assert weights is not None

    def rms(z: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return z / (z.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt() * gain

    q, k, v = (rms(x, block.norm_1.weight) @ block.qkv.weight.T).split(12, -1)
    mixed = torch.zeros(5, 12)
    for h in range(3):
        part = slice(4 * h, 4 * h + 4)
        for t in range(5):
            queries, keys = rms(q[0, t, part], block.norm_q.weight), rms(k[0, : t + 1, part], block.norm_k.weight)
            share = (keys @ queries / 2).softmax(0)
            torch.testing.assert_close(weights[0, h, t, : t + 1], share, rtol=1e-4, atol=1e-5)
            assert weights[0, h, t, t + 1 :].abs().sum().item() == 0
            mixed[t, part] = share @ v[0, : t + 1, part]
    y = x[0] + mixed @ block.out.weight.T
    gate, up = (rms(y, block.norm_2.weight) @ block.gate_up.weight.T).split(20, -1)
    torch.testing.assert_close(out[0], y + (gate.sigmoid() * gate * up) @ block.down.weight.T, rtol=1e-4, atol=1e-5)


def test_long_sequences_take_the_fused_kernel_and_agree(small: EarlyFusion, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, place = batch([[START_ID, *range(40, 60)]])
    plain, _ = small(ids, place)
    monkeypatch.setattr(model, "SHORT", 3)
    torch.testing.assert_close(small(ids, place)[0], plain, rtol=1e-4, atol=1e-5)


def test_nothing_looks_ahead_and_padding_changes_nothing(small: EarlyFusion) -> None:
    ids, place = batch([[START_ID, 40, 41, 42], [START_ID, 40, 43]])
    assert ids.tolist()[1] == [START_ID, 40, 43, PAD_ID]
    logits, attention = small(ids, place, keep=True)
    assert len(attention) == 2 and attention[0].shape == (2, 3, 4, 4)
    torch.testing.assert_close(attention[1].sum(-1), torch.ones(2, 3, 4))
    torch.testing.assert_close(logits[0, :2], logits[1, :2], msg="equal beginnings")
    alone, _ = small(*batch([[START_ID, 40, 43]]))
    torch.testing.assert_close(alone[0], logits[1, :3], rtol=1e-4, atol=1e-5)


def test_greedy_writing_takes_the_likeliest_code_each_time(small: EarlyFusion) -> None:
    done = model.write(small, [40, 41], 1, torch.Generator(), temperature=0.0)
    row = [START_ID, 40, 41, BOI_ID]
    for i in range(N_PLACE):
        share = small(*batch([row]))[0][0, -1, FIRST_CODE:].softmax(-1)
        assert int(done.code[0, i]) == int(share.argmax())
        assert float(done.chance[0, i]) == pytest.approx(share.max().item(), rel=1e-3)
        row.append(FIRST_CODE + int(share.argmax()))


def test_guidance_and_what_is_known(small: EarlyFusion) -> None:
    known = [9, 8, 7]
    plain = model.write(small, [40], 2, torch.Generator().manual_seed(1), known=known)
    assert plain.code[:, :3].tolist() == [known, known] and plain.chance[:, :3].tolist() == [[1.0] * 3] * 2
    assert plain.code.shape == (2, N_PLACE) and 0 <= int(plain.code.min()) <= int(plain.code.max()) < N_CODE
    again = model.write(small, [40], 2, torch.Generator().manual_seed(1), known=known)
    assert torch.equal(plain.code, again.code)
    none = model.write(small, [40], 1, torch.Generator(), guidance=0.0, temperature=0.0)
    bare = model.write(small, [], 1, torch.Generator(), temperature=0.0)
    assert torch.equal(none.code, bare.code), "guidance 0 does not hear the caption"


def test_reading_ends(small: EarlyFusion) -> None:
    found = model.read(small, [3] * N_PLACE, [40])
    assert found.words[0] == 40 and found.chance[0] == 1.0
    assert len(found.words) == len(found.chance) <= MOST_WORDS
    assert all(word < N_WORD for word in found.words)


# --- training --------------------------------------------------------------------------------------------------------


def test_an_interrupted_training_ends_at_the_same_weights(tmp_path: Path) -> None:
    recipe = training.Recipe(n_step=4, n_row=2, n_scene=3)
    some = scenes.sample(torch.Generator().manual_seed(0), 3)
    codes = torch.randint(N_CODE, (3, N_PLACE), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    whole, _ = training.train(recipe, some, codes, tmp_path / "whole.pt")
    training.train(recipe, some, codes, tmp_path / "parts.pt", stop_at=3)
    parts, _ = training.train(recipe, some, codes, tmp_path / "parts.pt")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, parts.state_dict()[name]), name


def test_the_loss_by_hand() -> None:
    """Two code targets and one word target, padding not counted."""
    ids = torch.tensor([[START_ID, BOI_ID, FIRST_CODE + 3, FIRST_CODE + 4, PAD_ID]])
    logits = torch.randn(1, 5, N_TOKEN, generator=torch.Generator().manual_seed(0))
    log = logits.log_softmax(-1)[0]
    code = -(log[1, FIRST_CODE + 3] + log[2, FIRST_CODE + 4]) / 2
    loss, shown = training.loss_of(logits, ids)
    assert float(shown) == pytest.approx(float(code), rel=1e-5)
    assert float(loss) == pytest.approx(float(code - 0.5 * log[0, BOI_ID]), rel=1e-5)


def test_rows_come_in_both_orders_and_languages() -> None:
    scene = scenes.Scene("white", (scenes.Shape("circle", "red", "large"),))
    rows = [training.row(scene, [5] * N_PLACE, random.Random(i)) for i in range(60)]
    assert {row[1] == BOI_ID for row in rows} == {True, False}
    texts = {spell([t for t in row if 6 <= t < N_WORD]) for row in rows}
    assert any(text.isascii() for text in texts) and any(not text.isascii() for text in texts)


def test_agreement_of_a_caption_with_a_scene() -> None:
    scene = scenes.Scene("white", (scenes.Shape("circle", "red", "large"),))
    assert all(training.agrees(read("a large red circle, white background"), scene).values())
    wrong = training.agrees(read("a small red star, blue background"), scene)
    assert wrong == {"shape": False, "colour": True, "size": False, "background": False}
    assert not training.agrees(read("red circle and red star"), scene)["shape"]


# --- the shipped weights ---------------------------------------------------------------------------------------------


def test_the_card_is_about_these_weights() -> None:
    card = model.load().card
    file = WEIGHTS / "early_fusion.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card["sha256"]
    assert file.stat().st_size < 1_000_000


def test_it_reads_and_writes_better_than_chance() -> None:
    """Reading is cheap enough to be measured anew; chance is 1/6 for shapes and 1/8 for colours."""
    some = scenes.sample(torch.Generator().manual_seed(31_415), 24, False, single=1.0)
    codes = training.coded(some)
    right = {"shape": 0, "colour": 0}
    for scene, code in zip(some, codes, strict=True):
        said = read(spell(model.read(model.load().model, code.tolist(), tokenise("a").ids).words))
        found = training.agrees(said, scene)
        right = {name: right[name] + found[name] for name in right}
    assert right["colour"] >= 12, "half of the colours"
    measured = model.load().card["measured"]
    assert measured["write_seen"]["background"] > 0.6 and measured["write_seen"]["layout"] > 0.5, "chance: 1/8, 1/7"
    assert measured["read_seen"]["colour"] > 0.7 and measured["read_held_out"]["colour"] > 0.7


def test_the_caption_decides_the_picture() -> None:
    """Codes of a scene are likelier after its own caption than after another's."""
    trained = model.load().model
    some = scenes.sample(torch.Generator().manual_seed(27_182), 12, False, single=1.0)
    codes = training.coded(some).long()
    words = [tokenise(caption(scene, "en")).ids for scene in some]

    def loss(at: list[int]) -> torch.Tensor:
        ids, place = batch([writing(words[j], codes[i].tolist()) for i, j in enumerate(at)])
        log = trained(ids, place)[0].log_softmax(-1)
        found = []
        for i, row in enumerate(ids):
            where = (row >= FIRST_CODE).nonzero()[:, 0]
            found.append(-log[i, where - 1, row[where]].mean())
        return torch.stack(found)

    own, other = loss(list(range(12))), loss([*range(1, 12), 0])
    assert float((own < other).float().mean()) >= 0.9 and float((other - own).mean()) > 0.1


def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "WEIGHTS", tmp_path)
    model.load.cache_clear()
    with pytest.raises(ModelUnavailable):
        model.load()
    model.load.cache_clear()
