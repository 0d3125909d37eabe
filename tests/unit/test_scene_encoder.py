"""The scenes' vision encoder: what is under a patch by a slow loop, the loss by hand, names of the shipped weights."""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file

from models.scene_notation import read
from models.scenes import COLOURS, HELD_OUT, RADIUS, SHAPES, scatter
from models.tiny_lm import WEIGHTS
from models.vision_transformer import Shape, VisionTransformer
from training import scene_encoder as training
from training.scene_encoder import REACH, SHAPE, Namer, accuracy, name_loss, under


def test_what_is_under_a_patch_by_hand_and_by_a_slow_loop() -> None:
    scenes = [
        read("white; large red circle 25 25; small blue star 75 80"),
        *scatter(torch.Generator().manual_seed(9), 5),
    ]
    found = under(scenes)
    assert found[0, :, 9].tolist() == [SHAPES.index("circle"), COLOURS.index("red")]  # row 1, column 1
    assert found[0, :, 54].tolist() == [SHAPES.index("star"), COLOURS.index("blue")]  # row 6, column 6
    assert found[0, :, 7].tolist() == [len(SHAPES), len(COLOURS)]  # top right: nothing
    for i, scene in enumerate(scenes):
        for patch in range(64):
            x, y = (patch % 8 + 0.5) / 8, (patch // 8 + 0.5) / 8
            over = [t for t in scene.objects if math.dist((x, y), (t.x, t.y)) < RADIUS[t.size] + REACH]
            right = [SHAPES.index(over[-1].shape), COLOURS.index(over[-1].colour)] if over else [6, 8]
            assert found[i, :, patch].tolist() == right


def test_loss_by_hand() -> None:
    logits = torch.zeros(1, 2, 16)
    logits[0, 0, 3], logits[0, 1, 7 + 2] = 4.0, 5.0
    right = torch.tensor([[[3, 6], [1, 2]]])
    shape = (math.log(math.exp(4) + 6) - 4 + math.log(7)) / 2
    colour = (math.log(9) + math.log(math.exp(5) + 8) - 5) / 2
    assert abs(name_loss(logits, right).item() - shape - colour) < 1e-5


def test_training_scenes_show_no_small_object_that_is_held_out() -> None:
    shown = scatter(torch.Generator().manual_seed(0), 3_000, sized=True)
    assert not any(thing.held_out_small for scene in shown for thing in scene.objects)
    assert any(thing.held_out and thing.size == "large" for scene in shown for thing in scene.objects)
    held = scatter(torch.Generator().manual_seed(1), 100, held_out=True, sized=True)
    assert all(thing.held_out_small for scene in held for thing in scene.objects)


def shipped() -> Namer:
    model = Namer().eval()
    weights = load_file(WEIGHTS / "scene_encoder.safetensors")
    model.load_state_dict({key: weight.float() for key, weight in weights.items()})
    return model


def test_the_shipped_encoder_names_what_is_under_its_patches() -> None:
    model, card = shipped(), json.loads((WEIGHTS / "scene_encoder.json").read_text(encoding="utf-8"))
    assert card["held_out"] == [[*pair, "small"] for pair in sorted(map(list, HELD_OUT))]
    for held_out in (False, True):
        found = accuracy(model, held_out, 150, seed=77)
        said = card["measured"]["held_out" if held_out else "seen"]
        assert found["shape"] > 0.85 and found["colour"] > 0.85, (held_out, found)
        assert abs(found["shape"] - said["shape"]) < 0.06 and abs(found["colour"] - said["colour"]) < 0.06


def test_training_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    recipe = training.Recipe(n_step=3, n_row=2, n_scene=20, n_warmup=1)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole, _ = training.train(recipe, tmp_path / "whole")
    training.train(recipe, tmp_path / "parts", stop_at=1)
    resumed, log = training.train(recipe, tmp_path / "parts")
    assert len(log.losses) == 3
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_stem_gives_the_same_grid_and_sees_a_little_beyond_its_patch() -> None:
    assert Shape(stem=True) == SHAPE
    model = VisionTransformer(SHAPE).start(torch.Generator().manual_seed(0)).requires_grad_(False)
    picture = torch.zeros(1, 3, 32, 32)
    changed = picture.clone()
    changed[0, :, 14, 14] = 1.0  # in the patch of row 3, column 3
    moved = (model.tokens(changed) - model.tokens(picture))[0, 1:].abs().sum(-1).view(8, 8) > 0
    # 1 + 2 (1 + 1) + 4 (1 + 1) pixels on each side: cells further than two away know nothing of it
    rows, columns = moved.nonzero().T
    assert moved[3, 3] and 9 <= moved.sum() <= 25
    assert rows.min() >= 1 and rows.max() <= 5 and columns.min() >= 1 and columns.max() <= 5
