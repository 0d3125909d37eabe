"""The miniature Stable Diffusion as shipped: files against their card, the judge, and what it draws of a caption.

Numbers are measured on the half-precision weights in models/weights. The judge was trained apart from the rest.
"""

import hashlib
import json
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models import scene_pipeline
from models.denoising_steps import sample as denoise_steps
from models.denoising_steps import timesteps
from models.language_model import ModelUnavailable
from models.noise_schedule import schedule
from models.scene_captions import read
from models.scene_pipeline import FILES, PLACES, TextBatch, load, tokenise
from models.scenes import COLOURS, HELD_OUT, Scene, draw, sample
from models.tiny_lm import WEIGHTS
from training import scene_scores

CARD = json.loads((WEIGHTS / "scenes.json").read_text(encoding="utf-8"))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_files_are_those_of_the_card_and_small() -> None:
    files = [WEIGHTS / f"{name}.safetensors" for name in FILES]
    assert sum(file.stat().st_size for file in files) < 9e6
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == CARD["sha256"][file.stem]
    assert [tuple(pair) for pair in CARD["held_out"]] == sorted(HELD_OUT)
    pipeline = load()
    for part in ("vae", "classifier"):
        assert CARD["trained"][part]["n_param"] == pipeline.n_param(part)
    assert CARD["trained"]["unet"]["n_param"] == pipeline.n_param("unet") + pipeline.n_param("text")
    assert pipeline.n_param() == sum(map(pipeline.n_param, ("encoder", "decoder", "text", "unet")))


def test_the_judge_is_right_on_fresh_pictures() -> None:
    found = scene_scores.classifier_accuracy(load(), 300, seed=9_001)
    assert min(found.values()) > 0.95
    assert min(CARD["measured"]["classifier"].values()) > 0.95


def test_the_judge_knows_an_empty_picture() -> None:
    empty = [Scene(colour) for colour in COLOURS]
    assert load().see(draw(empty)) == empty
    assert load().judge(draw(empty[:1]), read("a circle")) == [{"count": False, "shape": False}]


def test_the_judge_says_which_attribute_is_wrong() -> None:
    pipeline, scenes = load(), sample(rng(9_002), 40, None)
    pictures = draw(scenes)
    assert sum(all(verdict.values()) for verdict in pipeline.judge(pictures, scenes)) >= 39
    crossed = pipeline.judge(pictures, scenes[1:] + scenes[:1])
    for verdict, scene, other in zip(crossed, scenes, scenes[1:] + scenes[:1], strict=True):
        assert verdict["background"] == (scene.background == other.background)
    assert pipeline.judge(pictures[:3], read("red")) == pipeline.judge(pictures[:3], [read("red")] * 3)


def test_latents_are_of_unit_size_and_give_the_picture_back() -> None:
    pipeline, scenes = load(), sample(rng(9_003), 200, False)
    latent = pipeline.vae.encode(draw(scenes))
    assert latent.shape == (200, 4, 8, 8)
    assert latent.mean((0, 2, 3)).abs().max() < 0.3
    assert latent.std((0, 2, 3)).tolist() == pytest.approx([1.0] * 4, abs=0.15)
    found = scene_scores.fidelity(pipeline, 120, seed=9_004)
    assert max(found["mse_seen"], found["mse_held_out"]) < 0.003  # of values in [-1, 1]
    assert min(found["same_scene_seen"], found["same_scene_held_out"]) > 0.94


def test_held_out_captions_of_one_object_are_drawn_right() -> None:
    """Everything named is right, on combinations of shape and colour that no training picture shows."""
    texts = scene_scores.fresh(9_005, 32, True, 1.0, random.Random(0))
    assert all(read(text).held_out for text in texts)
    assert scene_scores.accuracy(load(), texts, n_step=10)["whole"] > 0.7
    measured = CARD["measured"]["generated"]
    assert measured["held_out single"]["whole"] > 0.8
    assert measured["seen single"]["whole"] > 0.95 and measured["seen pair"]["whole"] > 0.85
    assert measured["seen pair"]["whole"] > measured["held_out pair"]["whole"] > 0.6


def test_a_caption_is_what_makes_the_difference() -> None:
    """Without guidance from the words (scale 0) the captions are met no better than by chance."""
    texts = scene_scores.fresh(9_006, 20, False, 1.0, random.Random(1))
    without = scene_scores.accuracy(load(), texts, scale=0.0, n_step=6)
    with_words = scene_scores.accuracy(load(), texts, scale=3.0, n_step=6)
    assert without["background"] < 0.4 < 0.8 < with_words["background"]
    assert without["shape"] < 0.5 < 0.7 < with_words["shape"]


def test_accuracy_counts_what_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that were not generated but drawn: of the scenes asked for, then of others."""
    scenes = sample(rng(9_008), 12, None)
    texts = scene_scores.asked(scenes, random.Random(3))
    monkeypatch.setattr(scene_scores, "generate", lambda pipeline, texts: draw(scenes))
    assert set(scene_scores.accuracy(load(), texts).values()) == {1.0}
    others = [Scene(scene.background) for scene in scenes]
    monkeypatch.setattr(scene_scores, "generate", lambda pipeline, texts: draw(others))
    found = scene_scores.accuracy(load(), texts)
    assert found["background"] == 1.0 and found["whole"] == found["count"] == found["shape"] == found["layout"] == 0.0


def test_the_same_noise_gives_the_same_picture() -> None:
    texts = ["a red circle", "左边一个大的蓝色方形"]
    first, again = (scene_scores.generate(load(), texts, n_step=3) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, scene_scores.generate(load(), texts, n_step=3, seed=1))


def test_pictures_do_not_depend_on_their_neighbours() -> None:
    texts = ["a red circle", "左边一个大的蓝色方形，白色背景"]
    pipeline, noise = load(), rng(3)
    x, text = pipeline.noise(2, noise), pipeline.encode_text(texts)
    together = pipeline.unet(x, 700, text)[0]
    for i, caption in enumerate(texts):
        alone = pipeline.unet(x[i : i + 1], torch.tensor([700.0]), pipeline.encode_text([caption]))[0]
        assert torch.allclose(together[i], alone[0], atol=1e-4)


def test_the_network_knows_noise_from_signal() -> None:
    """v at the last time is minus the picture's mean guess, at the first one the noise: its error is small there."""
    pipeline, scenes = load(), sample(rng(9_007), 64, False)
    latent, noise = pipeline.vae.encode(draw(scenes)), pipeline.noise(64, rng(4))
    text = pipeline.encode_text(scene_scores.asked(scenes, random.Random(2)))
    assert torch.equal(pipeline.alpha_bar, schedule("cosine", 1000))
    for t, bound in ((500, 0.35), (800, 0.35)):
        ab = pipeline.alpha_bar[t]
        v = pipeline.unet(ab.sqrt() * latent + (1 - ab).sqrt() * noise, t, text)[0]
        right = ab.sqrt() * noise - (1 - ab).sqrt() * latent
        assert float(((v - right) ** 2).mean()) < bound * float((right**2).mean())


def test_words_are_looked_at_where_the_thing_is() -> None:
    """The object's colour and shape draw attention where it will be, the background's colour elsewhere."""
    pipeline, places = load(), {"on the left": (slice(2, 6), slice(0, 4)), "at the bottom": (slice(4, 8), slice(2, 6))}
    ratio: dict[str, list[float]] = {"red": [], "star": [], "white": []}
    for place, (rows, columns) in places.items():
        caption = f"a large red star {place}, white background"
        text, maps = pipeline.encode_text([caption]), []

        def denoise(x: Tensor, t: int, text: TextBatch = text, maps: list[Tensor] = maps) -> Tensor:
            v, attention = pipeline.unet(x, t, text)
            maps.append(pipeline.word_maps(attention))
            return v

        start = pipeline.noise(1, rng(5))
        denoise_steps(denoise, start, pipeline.alpha_bar, timesteps(8), pipeline.kind, keep=())
        seen = torch.stack(maps)[:, 0].mean(0)  # word, row, column
        there = torch.zeros(8, 8, dtype=torch.bool)
        there[rows, columns] = True
        for word, found in ratio.items():
            weight = seen[tokenise(caption).words.index(word)]
            found.append(float(weight[there].mean() / weight[~there].mean()))
    assert min(ratio["red"]) > 3 and min(ratio["star"]) > 1.8 and max(ratio["white"]) < 0.85


def test_attention_of_every_place_sums_to_one() -> None:
    pipeline = load()
    text = pipeline.encode_text(["a red circle", ""])
    _, attention = pipeline.unet(pipeline.noise(2, rng(6)), 300, text)
    assert tuple(attention) == PLACES
    for weight in attention.values():
        assert torch.allclose(weight.sum(-1), torch.ones(()), atol=1e-5)


def test_sixteen_pictures_cost_their_passes_and_little_more() -> None:
    """20 guided steps against 40 bare passes of the U-Net over the same batch; the CPU's own seconds count."""
    pipeline = load()
    texts = ["a large red circle left of a small blue square, white background"] * 16
    text, x = pipeline.encode_text(texts), pipeline.noise(16, rng(7))
    scene_scores.generate(pipeline, texts, n_step=1)
    start = time.process_time()
    for _ in range(40):
        pipeline.unet(x, 300, text)
    floor = time.process_time() - start
    start = time.process_time()
    scene_scores.generate(pipeline, texts, n_step=20)
    ratio = (time.process_time() - start) / floor
    assert ratio < 2, f"{ratio:.2f} times the passes"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the files, to be spoiled."""
    for name in FILES:
        shutil.copy(WEIGHTS / f"{name}.safetensors", tmp_path)
    shutil.copy(WEIGHTS / "scenes.json", tmp_path)
    monkeypatch.setattr(scene_pipeline, "WEIGHTS", tmp_path)
    load.cache_clear()
    yield tmp_path
    load.cache_clear()


@pytest.mark.parametrize("name", ["scene_unet.safetensors", "scenes.json"])
def test_damaged_files_are_one_clear_sentence(elsewhere: Path, name: str) -> None:
    assert load()
    load.cache_clear()
    (elsewhere / name).write_bytes(b"\0" * 40)
    with pytest.raises(ModelUnavailable) as caught:
        load()
    assert "models/weights" in caught.value.sentence("en") and "models/weights" in caught.value.sentence("zh")
