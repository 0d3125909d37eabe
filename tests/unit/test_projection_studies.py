"""What is measured on the chain: every question, patch by patch, tokens beside words, who learns, how often right."""

from __future__ import annotations

import pytest
import torch

from models import projection, projection_scores, projection_studies, projectors, scene_vlm
from models.projection import Config
from models.projection_studies import STUDIES, ablated, every, growth, stages, systems
from models.scene_notation import read as scene_of
from models.scene_questions import KINDS, questions, tokenise
from models.scenes import draw
from tests.tree import PAGES
from tests.unit import untrained_chain

WORDS = PAGES["projection"].spec["words"]


@pytest.fixture(autouse=True)
def _untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "chain", untrained_chain.chain)
    monkeypatch.setattr(scene_vlm, "load", lambda *_, **__: untrained_chain.chain())
    monkeypatch.setattr(scene_vlm, "card", untrained_chain.card)
    monkeypatch.setattr(scene_vlm, "history", untrained_chain.history)


def test_every_question_with_its_answer() -> None:
    cfg = Config(tongue="zh")
    found = every(cfg)
    asked = {q.text: q for q in questions(scene_of(cfg.scene), "zh")}
    assert {one.kind for one in found} == set(KINDS) and len(found) <= 24
    assert all(asked[one.question].answer == one.truth for one in found)
    assert sum(one.truth == "0" for one in found) == 2, "of questions about nothing only the first two"
    one = found[3]
    seen = untrained_chain.chain().answer(draw([scene_of(cfg.scene)]), tokenise(one.question).ids, n_most=4)
    assert one.answer == projection.shown(seen) and one.p == pytest.approx(float(seen.probability[0].max()))
    said = projection_studies.every_facts(found)
    assert said["n"] == len(found) == sum(said[f"n_{kind}"] for kind in KINDS)
    assert said["n_right"] == sum(said[f"right_{kind}"] for kind in KINDS)


def test_many_questions_are_thinned_evenly() -> None:
    scene = "white; " + "; ".join(
        f"small {c} {s} {x} {y}"
        for c, s, x, y in [("red", "circle", 15, 15), ("blue", "star", 50, 20), ("green", "ring", 85, 15),
                           ("orange", "heart", 20, 80), ("purple", "square", 55, 75), ("black", "triangle", 85, 80)]
    )  # fmt: skip
    found = every(Config(scene=scene))
    counts = [sum(one.kind == kind for one in found) for kind in KINDS]
    assert len(found) == 24 and max(counts) - min(counts) <= 1


def test_patch_by_patch_in_both_ways() -> None:
    cfg = Config(projector="pool-16", ask="colour")
    found, vlm, pixels = ablated(cfg), untrained_chain.chain("pool-16"), draw([scene_of(cfg.scene)])
    ids = tokenise("what colour is the circle ?").ids
    seen = vlm.answer(pixels, ids)
    assert found.answer == projection.shown(seen)
    painted = vlm.paint(pixels, (21,))
    assert float((painted - pixels)[:, :, 8:12, 20:24].abs().max()) >= 0
    assert torch.equal(painted[:, :, :8], pixels[:, :, :8]), "only patch 21, in row 2, column 5"
    loss = [float(vlm.loss(vlm.project(vlm.features(one)), ids, seen.answer)) for one in (pixels, painted)]
    assert found.loss == pytest.approx(loss[0], abs=1e-4)
    assert float(found.pixels[21]) == pytest.approx(loss[1] - loss[0], abs=1e-3)
    looked = torch.einsum("lhk,kn->lhn", seen.on_tokens[:, :, 0], seen.source).mean((0, 1))
    torch.testing.assert_close(found.looked, looked)
    said = projection_studies.ablated_facts(found)
    assert said["both"] == len(set(found.tokens.topk(8).indices.tolist()) & set(found.pixels.topk(8).indices.tolist()))


def test_tokens_and_words_in_one_plane() -> None:
    found = growth(Config())
    past = untrained_chain.history(draw([scene_of(Config().scene)]))
    assert found.step == untrained_chain.STEPS and found.token.shape == (5, 64, 2) and found.word.shape == (5, 28, 2)
    # distances in the plane never exceed those in space, and the plane is the best one for the last snapshot
    space = past.tokens[-1] / past.tokens[-1].norm(dim=-1, keepdim=True)
    a, b = (found.token[-1, 3] - found.token[-1, 40]).norm(), (space[3] - space[40]).norm()
    assert float(a) <= float(b) + 1e-4
    both = torch.cat((found.token[-1], found.word[-1]))
    words = past.words[-1][[tokenise(name).ids[0] for name in found.name]]
    whole = torch.cat((space, words / words.norm(dim=-1, keepdim=True)))
    share = both.var(0).sum() / whole.var(0).sum()
    assert found.explained == pytest.approx(float(share), abs=1e-4)
    torch.testing.assert_close(found.cosine, found.cosine[:1].expand(5), rtol=0.1, atol=0.1), "a longer token, same way"
    assert float(found.ratio[2] / found.ratio[0]) == pytest.approx(3, rel=1e-4), "three times as long, words unmoved"
    plain = past.words[0][[tokenise(name).ids[0] for name in found.name]]
    lengths = [(sum(float(row @ row) for row in rows) / len(rows)) ** 0.5 for rows in (past.tokens[0], plain)]
    assert float(found.ratio[0]) == pytest.approx(lengths[0] / lengths[1], rel=1e-4)
    apart = float((past.tokens[0].mean(0) - plain.mean(0)).norm()) / lengths[1]
    assert float(found.gap[0]) == pytest.approx(apart, rel=1e-4)
    said = projection_studies.growth_facts(found)
    assert said["ratio_between"] == pytest.approx(float(found.ratio[2])) and said["last_step"] == 60


def test_who_learns_and_by_how_much() -> None:
    found = stages(Config(ask="relation"))
    vlm = untrained_chain.chain()
    size = [sum(w.numel() for w in part.parameters()) for part in (vlm.encoder, vlm.projector, vlm.lm)]  # type: ignore[union-attr]
    assert found.size[0].tolist() == size and found.name[2] == "LLaVA-1.5 7B"
    assert found.learns[0] == ((False, True, False), (False, True, True))
    assert found.learns[4] == ((False, True, False), (False, True, False)), "BLIP-2's language model never learns"
    assert found.norm.shape == (5, 3) and found.norm[1].tolist() == pytest.approx([0, 0.5, 3.0])
    # a finite difference along the gradient of the projector's bias
    pixels, ids = draw([scene_of(Config().scene)]), tokenise("where is the red circle seen from the blue star ?").ids
    answer = vlm.answer(pixels, ids).answer
    projector = projectors.make("mlp-64")
    projector.load_state_dict(vlm.projector.state_dict())  # type: ignore[union-attr]
    loss = vlm.loss(projector(vlm.features(pixels)), ids, answer).sum()
    grads = torch.autograd.grad(loss, list(projector.parameters()))
    norm = sum(float(g.square().sum()) for g in grads) ** 0.5
    assert next(p.gradient for p in found.part if p.name == "projector") == pytest.approx(norm, rel=1e-3)
    said = projection_studies.stages_facts(found)
    assert said["share_1"] == pytest.approx(size[1] / sum(size)) and said["llava_1"] < 0.004 < said["llava_2"]


def test_scores_are_the_cards() -> None:
    card = untrained_chain.card()
    found = projection_scores.kinds(Config(projector="pool-4"))
    assert found.held_out[3] == pytest.approx(card["accuracy"]["pool-4"]["2"]["held_out"]["both"]["relation"])
    assert found.aligned[0] == pytest.approx(card["accuracy"]["pool-4"]["1"]["held_out"]["both"]["colour"])
    assert found.blind[1] == pytest.approx(card["accuracy"]["blind"]["2"]["seen"]["both"]["shape"])
    assert found.language[1, 2] == pytest.approx(card["accuracy"]["pool-4"]["2"]["held_out"]["zh"]["count"])
    assert found.reader[0] == pytest.approx(card["lm"]["accuracy_held_out"]["map"]["colour"]) and found.n_question == 56
    budget = projection_scores.budget(Config())
    assert budget.name == projectors.NAMES and budget.n_token == (64, 64, 16, 4, 1, 4, 8, 16, 32)
    assert budget.n_param[0] == 96 * 96 + 96 and budget.n_param[1] == 2 * (96 * 96 + 96)
    said = projection_scores.budget_facts(budget)
    assert (said["main_steps"], said["other_steps"], said["equal"]) == (900, 60, 0.75)
    best = said["best"]
    table = card["accuracy"][best]["2"]["held_out"]["both"]
    assert sum(table[kind] for kind in KINDS) / 4 == pytest.approx(float(budget.mean.max()))


def test_rank_correlation_is_scipys() -> None:
    from scipy.stats import spearmanr

    a, b = torch.tensor([0.3, 0.9, 0.5, 0.7, 0.1]), torch.tensor([4, 64, 4, 16, 1])
    ours = projection_scores.rank_correlation(a, b)
    assert ours == pytest.approx(spearmanr(a.numpy(), b.numpy()).statistic, abs=1e-6)


def test_this_page_among_the_systems() -> None:
    found = systems(Config())
    assert found[0].name == "" and (found[0].n_patch, found[0].n_token, found[0].d_model) == (64, 64, 96)
    assert found[0].bridge == 2 * (96 * 96 + 96) and len(found) == 5


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", [name for name in STUDIES if name not in ("real", "measured", "ablated")])
def test_notes_have_their_numbers(name: str, lang: str) -> None:
    work, numbers = STUDIES[name]
    assert WORDS[f"note_{name}"][lang].format(**numbers(work(Config(ask="colour"))))
