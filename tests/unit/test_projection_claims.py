"""What the page says of the shipped weights: right on pairs that training never showed, blind without the picture, and
the numbers of its claims."""

from __future__ import annotations

import pytest

from models import projection, projection_claims, scene_vlm
from models.projection import Config, facts, trace
from models.scene_questions import KINDS
from tests.tree import PAGES

SPEC = PAGES["projection"].spec


def test_the_shipped_chain_answers_what_training_never_showed() -> None:
    """Fresh questions on held-out pairs; the targets are the project's, with a margin for so few questions."""
    asked = projection_claims.sheet()
    assert all(thing.held_out_small for scene, _ in asked for thing in scene.objects)
    vlm = scene_vlm.load()
    share = {kind: projection_claims.score(vlm, [one for one in asked if one[1].kind == kind]) for kind in KINDS}
    assert share["colour"] > 0.75 and share["shape"] > 0.7 and share["relation"] > 0.5, share
    blind = projection_claims.score(scene_vlm.load(scene_vlm.BLIND), asked)
    assert sum(share.values()) / 4 > blind + 0.2


def test_the_default_page_is_right_and_the_circles_patches_matter() -> None:
    seen = trace(Config())
    assert seen.answer == seen.truth
    said = facts(seen, Config().layer)
    assert float(said["on_things"]) > 1.2 * float(said["area"]), "shapes get more than their share"
    covered_up = trace(Config(**next(one["state"] for one in SPEC["presets"] if one["id"] == "switch-off")))
    assert covered_up.intact == covered_up.truth == "red" and covered_up.answer != "red"


def test_before_stage_1_nothing_is_understood() -> None:
    asked = projection_claims.sheet()[:40]
    early, late = (projection_claims.score(projection.chain(scene_vlm.MAIN, phase), asked) for phase in ("0", "2"))
    assert late > early + 0.3


def test_the_claims_numbers_go_together() -> None:
    frozen = projection_claims.frozen()
    assert frozen["moved_encoder"] == 0 and frozen["moved_bridge"] > 0.01 and frozen["moved_language"] > 0.01
    sizes = [frozen[f"{name}_thousand"] for name in ("bridge", "encoder", "language")]
    assert frozen["share"] == pytest.approx(sizes[0] / sum(sizes))
    assert frozen["large_share"] == pytest.approx(20_979_712 / (20_979_712 + 303_507_456 + 6_738_415_616))
    words = projection_claims.words()
    assert -1 <= words["cosine"] <= 1 and 0 <= words["above"] <= 1 and words["length"] > 0
    relative = projection_claims.relative()
    assert relative["relative"] == pytest.approx(relative["mean"] / relative["reads"]) and relative["n"] > 60
    blind = projection_claims.blind()
    assert blind["sees"] > blind["blind"] + 0.2
