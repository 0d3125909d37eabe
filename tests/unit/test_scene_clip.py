"""Both towers by hand and against transformers, both losses against loops, any text, what the shipped weights can."""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from models import clip_reference, scene_clip
from models.clip_measures import binding, fixed_scenes, measure, retrieval, zero_shot
from models.scene_clip import LOSSES, MOST_SCALE, N_WORD, Clip, load, pack, sigmoid_loss, softmax_loss
from models.scene_questions import END_ID, PAD_ID, START_ID, WORD_ID
from models.scenes import draw
from models.tiny_lm import WEIGHTS
from models.vision_transformer import Shape
from training import scene_clip as training

TEXTS = ("", "🙂" * 90, "مرحبا <b>x</b>", "红" * 300, "a red red red circle " * 60)


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Untrained, its similarities far apart."""
    model = Clip(Shape(n_pixel=8, patch=4, d_model=20, n_layer=1, n_head=2, d_ff=12), n_joint=11)
    return model.start(torch.Generator().manual_seed(5)).requires_grad_(False).eval()


def test_losses_pair_by_pair() -> None:
    z = 3 * torch.randn(7, 7, generator=torch.Generator().manual_seed(0))
    assert float(softmax_loss(z)) == pytest.approx(clip_reference.slow_softmax(z.tolist()), rel=1e-6)
    assert float(sigmoid_loss(z)) == pytest.approx(clip_reference.slow_sigmoid(z.tolist()), rel=1e-6)
    assert float(softmax_loss(z)) == pytest.approx(float(softmax_loss(z.T)), rel=1e-6), "both towers alike"
    assert float(softmax_loss(z + 5)) == pytest.approx(float(softmax_loss(z)), rel=1e-5), "no bias would matter"
    assert float(softmax_loss(torch.zeros(13, 13))) == pytest.approx(math.log(13), rel=1e-6), "guessing"


def test_losses_by_hand() -> None:
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(softmax_loss(z)) == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-6)
    # two right pairs at z = 1, two wrong ones at 0: (2 log(1 + e^-1) + 2 log 2) / 2
    assert float(sigmoid_loss(z)) == pytest.approx(math.log(1 + math.exp(-1)) + math.log(2), rel=1e-6)


def test_against_transformers(clip: Clip) -> None:
    z = torch.randn(5, 5, generator=torch.Generator().manual_seed(2))
    found = clip_reference.differences(clip_reference_ready(clip), z, 0.3, -2.0)
    assert max(found.values()) < 1e-5, found


def test_the_twins_loss_is_transformers_siglip() -> None:
    """Its own scale and bias, on the vectors that SiglipModel makes: the loss that SiglipModel returns."""
    ours = Clip(Shape(n_pixel=8, d_model=20, n_layer=1, n_head=2, d_ff=12), n_joint=20, biased=True)
    assert ours.logit_bias is not None
    with torch.no_grad():
        theirs = clip_reference.siglip_model()
        ours.logit_scale.copy_(theirs.logit_scale[0])
        ours.logit_bias.copy_(theirs.logit_bias[0])
        generator = torch.Generator().manual_seed(4)
        ids = torch.randint(1, 22, (5, 7), generator=generator)
        out = theirs(input_ids=ids, pixel_values=torch.randn(5, 3, 14, 14, generator=generator), return_loss=True)
        z = ours.logits(out.image_embeds, out.text_embeds)
        torch.testing.assert_close(z.T, out.logits_per_text)
        assert float(LOSSES["sigmoid"](z)) == pytest.approx(float(out.loss), rel=1e-5)


def clip_reference_ready(clip: Clip) -> Clip:
    """The text tower of the small one, the pictures of one of 32 pixels."""
    whole = Clip(Shape(d_model=20, n_layer=1, n_head=2, d_ff=12), n_joint=11).start(torch.Generator().manual_seed(6))
    whole.text.load_state_dict(clip.text.state_dict())
    whole.text_head.load_state_dict(clip.text_head.state_dict())
    return whole.requires_grad_(False).eval()


def test_packing() -> None:
    assert pack(["a red circle", ""]).tolist() == [
        [START_ID, WORD_ID["a"], WORD_ID["red"], WORD_ID["circle"], END_ID],
        [START_ID, END_ID, PAD_ID, PAD_ID, PAD_ID],
    ]
    long = pack(["red " * 300])
    assert long.shape == (1, N_WORD) and int(long[0, -1]) == END_ID
    assert pack([]).shape == (0, 2)


def test_padding_and_company_change_nothing(clip: Clip) -> None:
    texts = ["a red circle", "", "a small blue star on the left, white background", "绿色方形"]
    together = clip.encode_text(texts)
    for text, row in zip(texts, together, strict=True):
        torch.testing.assert_close(clip.encode_text([text])[0], row, rtol=1e-4, atol=1e-5)


def test_words_in_another_order_are_another_text(clip: Clip) -> None:
    a, b = clip.encode_text(["red circle and blue square", "blue circle and red square"])
    assert float((a - b).norm()) > 1e-3


def test_text_is_causal(clip: Clip) -> None:
    """What stands behind END is never seen: not even another word."""
    ids = pack(["a red circle", "a red circle and a blue star"])
    other = ids.clone()
    other[0, 5] = WORD_ID["heart"]
    torch.testing.assert_close(clip.texts(other)[0], clip.texts(ids)[0])


def test_any_text_and_no_picture(clip: Clip) -> None:
    found = clip.encode_text([*TEXTS, "\0", "x" * 100_000])
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found)))
    assert clip.encode_image(torch.zeros(0, 3, 8, 8)).shape[0] == clip.encode_text([]).shape[0] == 0


def test_pictures_by_the_parts(clip: Clip) -> None:
    x = torch.randn(70, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    found = clip.encode_image(x)
    seen = clip.image(x[65:66])
    by_hand = clip.image_head.weight @ seen.out[0, 0]
    torch.testing.assert_close(found[65], by_hand / by_hand.norm(), rtol=1e-4, atol=1e-5)


def test_the_start() -> None:
    shape = Shape(n_pixel=8, d_model=20, n_layer=1, n_head=2, d_ff=12)
    a, b = (Clip(shape).start(torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert float(a.logit_scale.detach().exp()) == pytest.approx(1 / 0.07)
    twin = Clip(shape, biased=True).start(torch.Generator().manual_seed(3))
    assert a.logit_bias is None and twin.logit_bias is not None
    assert (float(twin.logit_scale.detach().exp()), float(twin.logit_bias.detach())) == (pytest.approx(10), -10)
    own = {"logit_scale", "logit_bias"}
    weights = dict(a.named_parameters())
    assert set(weights) | own == {name for name, _ in twin.named_parameters()}
    assert all(torch.equal(weight, weights[name]) for name, weight in twin.named_parameters() if name not in own)


# --- training --------------------------------------------------------------------------------------------------------


def test_families_differ_in_one_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "N_FAMILY", 12)
    found, pictures = training.families(tmp_path, training.Recipe(n_step=1))
    assert pictures.shape == (12, 5, 3, 32, 32)
    for family in found:
        assert not any(scene.held_out for scene in family)
        for scene in family:
            assert (scene.background, len(scene.objects)) == (family[0].background, len(family[0].objects))
        changed = [k for k in range(len(family[0].objects)) if len({scene.objects[k].shape for scene in family}) > 1]
        assert len(changed) == 1 and len({scene.objects[changed[0]].shape for scene in family}) == 5
        assert len({scene.objects[changed[0]].colour for scene in family}) == 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> training.Recipe:
    """Three steps of a small model."""
    for name, value in {"N_FAMILY": 4, "N_SAME": 1}.items():
        monkeypatch.setattr(training, name, value)
    small = Shape(d_model=20, n_layer=1, n_head=2, d_ff=12)
    monkeypatch.setattr(training, "Clip", lambda biased=False: Clip(small, biased=biased))
    monkeypatch.setattr(training, "watch", lambda clip: {})
    return training.Recipe(n_step=3, n_row=8, n_scene=12)


def test_both_losses_draw_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: training.Recipe
) -> None:
    """Every picture and every word, at every step; and what each step minimises is the loss by its formula."""
    drawn: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    slow = {"softmax": clip_reference.slow_softmax, "sigmoid": clip_reference.slow_sigmoid}
    for loss in LOSSES:
        seen = drawn.setdefault(loss, [])
        by_hand: list[float] = []

        class Watched(Clip):
            def pictures(self, picture: torch.Tensor, fast: bool = False) -> torch.Tensor:
                self.last = picture
                return super().pictures(picture, fast)

            def logits(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
                z = self.logit_scale.detach().exp() * u.detach() @ v.detach().T
                z = z + (0 if self.logit_bias is None else self.logit_bias.detach())
                by_hand.append(slow[loss](z.tolist()))  # noqa: B023  (called before the next loss)
                return super().logits(u, v)

            def texts(self, ids: torch.Tensor) -> torch.Tensor:
                if len(ids) == 8:  # a batch, not the fixed pairs
                    seen.append((self.last, ids))  # noqa: B023
                return super().texts(ids)

        small = Shape(d_model=20, n_layer=1, n_head=2, d_ff=12)
        monkeypatch.setattr(training, "Clip", lambda biased=False: Watched(small, biased=biased))  # noqa: B023
        _, log = training.train(quick, tmp_path, loss)
        assert log.losses == pytest.approx(by_hand, rel=1e-4)
    assert len(drawn["softmax"]) == len(drawn["sigmoid"]) == 3
    for one, other in zip(drawn["softmax"], drawn["sigmoid"], strict=True):
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_the_twins_checkpoint_is_its_own(tmp_path: Path, quick: training.Recipe) -> None:
    """One cannot be taken for the other: each has its file, its snapshots and its identity."""
    training.train(quick, tmp_path, stop_at=1)
    twin, _ = training.train(quick, tmp_path, "sigmoid", stop_at=1)
    assert {"scene_clip.pt", "scene_siglip.pt"} <= {file.name for file in tmp_path.iterdir()}
    kept = torch.load(tmp_path / "scene_siglip_snapshots" / "0.pt", weights_only=True)
    assert float(kept["bias"]) == -10 and "bias" not in torch.load(
        tmp_path / "scene_clip_snapshots" / "0.pt", weights_only=True
    )
    (tmp_path / "scene_clip.pt").replace(tmp_path / "scene_siglip.pt")
    with pytest.raises(SystemExit):
        training.train(quick, tmp_path, "sigmoid")
    assert twin.logit_bias is not None and twin.logit_bias.requires_grad


def test_a_training_goes_on_where_it_stopped(tmp_path: Path, quick: training.Recipe) -> None:
    recipe = quick
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    for folder in (whole, halved):
        folder.mkdir()
    a, log = training.train(recipe, whole)
    training.train(recipe, halved, stop_at=2)
    b, _ = training.train(recipe, halved)
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert len(log.losses) == 3 and float(a.logit_scale.detach()) <= MOST_SCALE
    kept = sorted(int(file.stem) for file in (whole / "scene_clip_snapshots").glob("*.pt"))
    assert kept[0] == 0 and kept[-1] == 3


def test_snapshots_are_spread() -> None:
    steps = training.snapshot_steps(1_600)
    assert steps[0] == 0 and steps[-1] == 1_600 and 15 <= len(steps) <= 20
    assert all(b <= 1.9 * a + 1 for a, b in pairwise(steps[1:]))


def test_the_fixed_pairs_are_not_of_the_training() -> None:
    scenes = fixed_scenes()
    assert len(scenes) == len(set(scenes)) == 40
    assert [scene.held_out for scene in scenes] == [False, True] * 20
    assert not set(scenes) & set(training.sample(torch.Generator().manual_seed(0), 2_000))


# --- the shipped weights ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Clip:
    return load()


def test_half_precision_lost_nothing(shipped: Clip) -> None:
    assert float(shipped.logit_scale.exp()) == pytest.approx(shipped.card["trained"]["scale"], rel=1e-2)
    assert set(shipped.card["sha256"]) == {"clip_image", "clip_text", "clip_training", "clip_twin"}
    for name, sha in shipped.card["sha256"].items():
        assert hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest() == sha, name
    assert not any(weight.requires_grad for weight in shipped.parameters())


def test_zero_shot_of_combinations_never_seen(shipped: Clip) -> None:
    """Chance is 1/48 for both, 1/6 for the shape, 1/8 for the colour. Another seed than the card's."""
    held, seen = (zero_shot(shipped, held_out, 120, seed=8_001) for held_out in (True, False))
    card = shipped.card["measured"]["en"]
    for found, name in ((held, "zero_shot_held_out"), (seen, "zero_shot_seen")):
        assert found["colour"] > 0.9
        assert abs(found["both"] - card[name]["both"]) < 0.15
    assert seen["both"] > 0.75 and held["both"] > 0.35


def test_chinese_reads_like_english(shipped: Clip) -> None:
    a, b = (zero_shot(shipped, False, 100, language, seed=8_002)["both"] for language in ("en", "zh"))
    assert abs(a - b) < 0.15


def test_retrieval_among_sixty(shipped: Clip) -> None:
    found = retrieval(shipped, False, 60, seed=8_003)
    assert found["text"] > 0.8 and found["picture"] > 0.8, found


def test_binding_is_its_weak_side(shipped: Clip) -> None:
    """A wrong colour is seen at once, whose colour it is hardly."""
    found = binding(shipped, 120, seed=8_004)
    assert found["colour"] > 0.9 and 0.45 < found["binding"] < found["colour"] - 0.2, found
    assert abs(found["place"] - 0.5) < 0.15, "who stands where, it does not know at all"


def test_measures_are_complete(monkeypatch: pytest.MonkeyPatch, shipped: Clip) -> None:
    names = set(shipped.card["measured"]["en"])
    assert names == {
        "zero_shot_seen", "zero_shot_held_out", "retrieval_seen", "retrieval_held_out", "binding", "gap",
    }  # fmt: skip
    assert set(shipped.card["twin"]["measured"]["zh"]) == names
    assert measure.__doc__ and shipped.image_head.out_features == scene_clip.N_JOINT
    assert shipped.encode_image(draw(fixed_scenes()[:2])).shape == (2, 64)
