"""What the pictures of denoising hold, against the Trace or the study they were drawn from."""

from __future__ import annotations

import base64
import dataclasses
import string
from typing import Any

import numpy as np
import pytest
import torch

from models import denoising
from models.denoising import Config, Trace, facts
from models.denoising_comparisons import Determinism, Guidance, Quality, Variance, WrongFormula
from models.denoising_studies import Exact, Forward, Kinds, Schedules, Training
from models.noise_schedule import SCHEDULES, beta, schedule, snr
from tests.tree import PAGES
from ui.more import placeholders
from viz import denoising as pictures
from viz import denoising_learning as learning
from viz import denoising_numbers as told
from viz import denoising_studies as others
from viz.view import View

SPEC = PAGES["denoising"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


def made_up(*shape: int, low: float = 0.01, high: float = 1.0) -> Any:
    """Numbers that are all different, in a mixed order."""
    n = int(np.prod(shape))
    mixed = (torch.arange(n) * 7919) % n
    return (low + (high - low) * mixed / n).reshape(shape)


def made(study: Any, *parts: Any) -> Any:
    """A study of these parts."""
    return study(*parts)


def line(view: View, name: str) -> np.ndarray:
    return numbers(next(one for one in view.data["lines"] if one["name"] == name)["y"])[0]


def places(view: View, name: str) -> np.ndarray:
    return numbers(next(one for one in view.data["lines"] if one["name"] == name)["x"])


@pytest.fixture(scope="module")
def seen() -> Trace:
    """Three steps of both samplers, at the second frame; their points end in different classes."""
    trace = denoising.at(denoising.trace(Config(n_step=3, towards=2, eta=0.5)), 600)
    number = torch.arange(trace.x.shape[2])
    return dataclasses.replace(trace, end_class=torch.stack([number % 2, number // 2 % 2]) + 1)


@pytest.fixture(scope="module")
def known() -> Schedules:
    bars = torch.stack([schedule(name) for name in SCHEDULES])
    t = (1, 500, 1000)
    rows = made_up(4, 3, 3)
    return made(
        Schedules, SCHEDULES, bars, torch.stack([beta(bar) for bar in bars]), snr(bars), t, *rows, (1, 2, 3), 0.0123
    )


def test_the_planes_are_both_samplers(seen: Trace) -> None:
    view = pictures.reverse(seen, WORDS, ("1", "2"))
    assert view.component == "particles" and view.data["frames"] == 4
    assert view.data["scrub"] == {"field": "t", "label": "t", "values": list(seen.t), "index": 1}
    for s, (plane, title) in enumerate(zip(view.data["planes"], ("DDPM", "DDIM, η = 0.5"), strict=True)):
        assert plane["title"] == title
        np.testing.assert_allclose(numbers(plane["points"]), seen.x[s], rtol=2e-3, atol=1e-3)
        np.testing.assert_allclose(numbers(plane["target"]), seen.x0[s], rtol=2e-3, atol=1e-3)
        np.testing.assert_allclose(numbers(plane["vectors"]), seen.field, rtol=2e-3, atol=1e-3)
        np.testing.assert_array_equal(numbers(plane["group"]), seen.end_class[s] - 1)
        assert plane["notes"][1] == f"distance to q(xₜ): {float(seen.gap[s, 1]):.3f}"
        assert f"{title}: {float(seen.gap[s, 1]):.3f} from the noised data" in view.alt
        assert f"at the end {float(seen.sliced[s]):.3f} from the data" in view.alt
    first = [numbers(plane["points"])[0] for plane in view.data["planes"]]
    np.testing.assert_array_equal(first[0], first[1], err_msg="both samplers have one start")
    assert view.data["trails"] == "all" and numbers(view.data["planes"][0]["points"]).shape[1] >= 200
    assert len(set(view.data["followed"])) == 3


def test_curves_follow_the_slider(seen: Trace, known: Schedules) -> None:
    views = pictures.curves_below(seen, known, WORDS)
    for view in views:
        assert (view.data["follow"], view.data["index"]) == ("t", 1)
        assert view.data["cursor"] == [float(t) for t in seen.t]
        assert f"t = {seen.t[1]}" in view.alt
    bars, ratios = line(views[0], "linear"), line(views[1], "linear")
    assert bars.shape == (1001,) and bars[0] == 1
    np.testing.assert_allclose(bars[1:], schedule("linear"), rtol=1e-6)
    assert bars[seen.t[1]] == pytest.approx(float(seen.alpha_bar[1])), (
        "the curve under the cursor is the frame's number"
    )
    assert ratios[500] == pytest.approx(float(snr(schedule("linear"))[499]), rel=1e-5)
    assert [one["quiet"] for one in views[0].data["lines"]] == [True, True, False], "the schedule in use comes last"
    for s, name in enumerate(("DDPM", "DDIM, η = 0.5")):
        np.testing.assert_allclose(line(views[2], name), seen.gap[s].flip(0), rtol=1e-6)
        np.testing.assert_array_equal(places(views[2], name), seen.t[::-1])


def test_what_runs_away_stays_drawable(seen: Trace) -> None:
    far = seen.x * torch.tensor([1e6, 1.0])[:, None, None, None]
    wild = dataclasses.replace(seen, x=far, gap=seen.gap * 1e6, formula="wrong", model="exact")
    view = pictures.reverse(wild, WORDS)
    assert view.data["planes"][0]["title"] == "DDPM, wrong formula"
    assert all(np.isfinite(numbers(plane["points"])).all() for plane in view.data["planes"])
    assert np.isfinite(line(pictures.gap(wild, WORDS), "DDPM, wrong formula")).all()
    assert pictures.captions(wild, facts(wild)) == ["wrong", "wrong_exact"]
    assert "e+0" in view.alt and facts(wild)["away_ddpm"] == 1


def test_the_field_and_the_forward_process(seen: Trace) -> None:
    view = others.field(seen, WORDS)
    assert (view.data["follow"], view.data["index"]) == ("t", 1)
    np.testing.assert_allclose(numbers(view.data["planes"][0]["points"]), seen.forward, rtol=2e-3, atol=1e-3)
    longest = float(seen.field[1].norm(dim=-1).max())
    assert f"at most {longest:.2f}" in view.alt and told.field(seen)["largest_field"] == pytest.approx(longest)
    t = (0, 250, 500, 1000)
    found = made(Forward, t, *made_up(2, 4, 29, 2), torch.arange(29) % 3 + 1, made_up(4, 11, 11), *made_up(4, 4))
    view = others.forward(found, 430, WORDS)
    assert view.data["scrub"] == {"field": "noised", "label": "t, forward", "values": list(t), "index": 2}
    for plane, x in zip(view.data["planes"], (found.x, found.closed), strict=True):
        np.testing.assert_allclose(numbers(plane["points"]), x, rtol=2e-3, atol=1e-3)
    assert f"ᾱ = {float(found.alpha_bar[2]):.4f}" in view.alt
    said = told.forward(found, 430)
    assert said["t"] == 500 and said["signal"] == pytest.approx(float(found.signal[2]))
    assert said["formula"] == pytest.approx(float(found.alpha_bar[2]) ** 0.5)
    assert said["std_closed"] == pytest.approx(float(found.closed[2].std()))


def test_schedules_by_formula_and_step_by_step(known: Schedules) -> None:
    view = others.schedules(known, WORDS)
    for i, name in enumerate(SCHEDULES):
        np.testing.assert_allclose(line(view, name), schedule(name).sqrt(), rtol=1e-6)
        np.testing.assert_allclose(line(view, f"{name}, step by step"), known.signal[i], rtol=1e-6)
    assert f"cosine {float(schedule('cosine')[499]):.3f}" in view.alt and "1.2e-02" in view.alt
    np.testing.assert_allclose(line(others.betas(known, WORDS), "cosine"), known.beta[1], rtol=1e-6)
    said = told.schedules(known) | told.betas(known)
    assert said["linear"] == pytest.approx(float(schedule("linear")[499]))
    assert (said["linear_first"], said["linear_last"]) == (pytest.approx(1e-4, rel=1e-2), pytest.approx(0.02, rel=1e-3))


def test_what_was_learned() -> None:
    t, kinds = (1, 200, 1000), ("epsilon", "x0", "v")
    found = made(Kinds, kinds, t, *made_up(4, 3, 3), made_up(3), 0.05)
    names = [WORDS[f"kind_{kind}"] for kind in kinds]
    for i, name in enumerate(names):
        np.testing.assert_allclose(line(learning.kinds(found, WORDS), name), found.epsilon_error[i], rtol=1e-6)
        np.testing.assert_allclose(line(learning.clean(found, WORDS), name), found.x0_error[i], rtol=1e-6)
    assert told.kinds(found)["x0_low"] == pytest.approx(float(found.epsilon_error[1, 0]))
    assert told.clean(found)["v_high"] == pytest.approx(float(found.x0_error[2, 2]))
    best = made(Exact, kinds, t, *made_up(2, 3, 3), made_up(3), 200, *made_up(3, 49, 2))
    np.testing.assert_allclose(line(learning.exact(best, WORDS), names[2]), best.error[2], rtol=1e-6)
    learned, truth = learning.fields(best, WORDS).data["planes"]
    np.testing.assert_allclose(numbers(learned["vectors"])[0], best.learned, rtol=1e-6)
    np.testing.assert_allclose(numbers(truth["vectors"])[0], best.truth, rtol=1e-6)
    said = told.exact(best)
    assert (said["t"], said["best"]) == (200, pytest.approx(float(best.best[1])))
    assert said["loss"] == pytest.approx(float(best.loss[0, 1]))
    curve = Training("v", (100, 200), torch.tensor([2.0, 0.5]), 12_345, 7.0, True)
    np.testing.assert_allclose(line(learning.training(curve, WORDS), "loss"), [2.0, 0.5])
    assert told.training(curve) == {"n_param": 12_345, "n_step": 200, "seconds": 7.0, "first": 2.0, "last": 0.5}


def test_steps_and_quality() -> None:
    count, name = (1, 5, 50, 1000), ("ddpm", "half", "ddim")
    found = made(Quality, count, name, *made_up(4, 3, 4), 0.031, 0.002, 512, 4)
    view = others.quality(found, WORDS)
    for i, title in enumerate(("DDPM", "DDIM, η = 0.5", "DDIM, η = 0")):
        np.testing.assert_allclose(line(view, title), found.sliced[i], rtol=1e-6)
    np.testing.assert_allclose(line(view, WORDS["floor"]), 0.031, rtol=1e-6)
    assert [text for _, text in view.data["x_axis"]["ticks"]] == ["1", "5", "50", "1000"]
    said = told.quality(found)
    assert (said["few"], said["some"], said["many"]) == (5, 50, 1000)
    assert said["ddim_few"] == pytest.approx(float(found.sliced[2, 1]))
    assert said["ddpm_many"] == pytest.approx(float(found.sliced[0, 3]))
    assert said["wins"] == int((found.sliced[2] < found.sliced[0]).sum())
    assert said["seconds_some"] == pytest.approx(float(found.seconds[2, 2]))


def test_guidance() -> None:
    scale = (0.0, 1.0, 2.0, 8.0)
    found = made(Guidance, scale, 3, made_up(4, 23, 2), *made_up(4, 4), 0.4, 0.02, made_up(31, 2))
    view = others.guidance(found, WORDS)
    for name in ("hit", "outside", "spread", "sliced"):
        np.testing.assert_allclose(line(view, WORDS[f"measure_{name}"]), getattr(found, name), rtol=1e-6)
    planes = others.guided(found, WORDS).data["planes"]
    assert [plane["title"] for plane in planes] == ["guidance 0", "guidance 2", "guidance 8"]
    for plane, k in zip(planes, (0, 2, 3), strict=True):
        np.testing.assert_allclose(numbers(plane["points"])[0], found.x[k], rtol=1e-6)
        assert plane["notes"] == [f"{float(found.hit[k]):.0%} in the class"]
    said = told.guidance(found)
    assert (said["n"], said["most"], said["hit_one"]) == (3, 8.0, pytest.approx(float(found.hit[1])))


def test_fresh_noise() -> None:
    found = made(Determinism, (0.0, 0.5, 1.0), *made_up(2, 3), made_up(2, 3, 29, 2), 0.0, 1.7, 1.2)
    view = others.determinism(found, WORDS)
    np.testing.assert_allclose(line(view, "same start"), found.apart, rtol=1e-6)
    np.testing.assert_allclose(line(view, "other start"), 1.7, rtol=1e-6)
    planes = others.runs(found, WORDS).data["planes"]
    for plane, k in zip(planes, (0, 2), strict=True):
        drawn, run = numbers(plane["points"])[0], numbers(plane["group"])
        np.testing.assert_allclose(drawn[run == 1], found.x[1, k], rtol=1e-6)
    assert told.determinism(found)["apart_full"] == pytest.approx(float(found.apart[2]))
    t = (1, 2, 3)
    noise = Variance(t, made_up(3), 2 * made_up(3), made_up(3, 3), (0.0, 0.5, 1.0), 1e-9, 1e-6, 50)
    view = others.variance(noise, WORDS)
    np.testing.assert_allclose(line(view, "DDPM, posterior"), noise.ddpm, rtol=1e-6)
    np.testing.assert_allclose(line(view, "DDIM, η = 1"), noise.ddim[2], rtol=1e-6)


def test_the_wrong_formula_on_a_line() -> None:
    name, t = ("right", "wrong", "silent"), (1000, 500, 0)
    spread = torch.tensor([[1.0, 0.9, 1.0], [1.0, 2.0, 1e36], [1.0, 0.3, 0.2]], dtype=torch.float64)
    found = WrongFormula(
        name, t, spread, made_up(3), made_up(3, 5), torch.linspace(-3, 3, 8), made_up(3, 7), made_up(7), made_up(1000)
    )
    view = others.wrong(found, WORDS)
    np.testing.assert_allclose(line(view, "wrong"), [1e36, 2.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(line(others.wrong_ends(found, WORDS), "right"), 100 * found.histogram[0], rtol=1e-6)
    assert "1e+36" in view.alt
    said = told.wrong(found)
    assert said["wrong"] == 1e36 and said["coefficient_middle"] == pytest.approx(float(found.coefficient[499]))
    assert told.wrong_ends(found)["near_silent"] == pytest.approx(float(found.near[2]))


def test_a_drawing_is_counted() -> None:
    view = pictures.pen("0zz0.VV", made_up(37, 2).numpy(), WORDS)
    assert view.component == "sketch" and view.data["strokes"] == "0zz0.VV"
    assert "2 strokes, 37 points" in view.alt
    assert pictures.pen("", None, WORDS, "Nothing is drawn.").alt == "Nothing is drawn."


def test_captions_say_what_is_shown(seen: Trace) -> None:
    def named(**changes: Any) -> list[str]:
        plain: dict[str, Any] = {"towards": 0, "n_step": 50, "eta": 0.0, "index": 1}
        return pictures.captions(dataclasses.replace(seen, **plain | changes), {})

    assert pictures.captions(seen, facts(seen)) == ["middle", "guided"]
    assert named(index=0) == ["start", "regions"] and named(index=3) == ["end", "regions"]
    assert named(eta=1.0) == ["middle", "same"] and named(eta=0.3) == ["middle", "part"]
    assert named(n_step=1)[1] == "one_step" and named(n_step=5)[1] == "few"
    assert named(data="drawn")[2] == "drawn" and named(kind="v")[2] == "kind_v"
    assert named(model="exact", kind="v")[2] == "exact_model"
    assert named(formula="wrong") == ["wrong", "wrong_learned"]
    for name in ("start", "middle", "end", "regions", "part", "same", "few", "one_step", "guided", "wrong"):
        for lang in ("en", "zh"):
            text = SPEC["captions"][name][lang].format(**facts(seen))
            assert any(letter.isdigit() for letter in text), name


def test_every_further_picture_has_its_sentence() -> None:
    """Every name in a sentence is one of the numbers; every picture of the gallery exists."""
    assert set(SPEC["gallery"]) == set(told.PARTS)
    assert set(told.PARTS) - set(told.UNREAD) == {"field", "wrong_formula"}, "drawn from the Trace, or asked nothing"
    for name, unread in told.UNREAD.items():
        cfg = Config(n_step=7, eta=0.5, data="letters", kind="v", seed=3)
        kept = told.asked(cfg, name)
        assert kept == dataclasses.replace(cfg, **{one: getattr(Config(), one) for one in unread})
    sources = {name: getattr(told, name) for name in dir(told)}
    for parts in told.PARTS.values():
        for draw, numbers_of in parts:
            if numbers_of is not None:
                assert f"note_{draw.__name__}" in SPEC["words"]
                assert numbers_of in sources.values()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_alts_have_numbers_in_both_languages(seen: Trace, known: Schedules, lang: str) -> None:
    words = {name: block[lang] for name, block in SPEC["words"].items()}
    for view in (
        pictures.reverse(seen, words),
        *pictures.curves_below(seen, known, words),
        others.field(seen, words),
        others.schedules(known, words),
        others.betas(known, words),
    ):
        assert any(letter.isdigit() for letter in view.alt) and "{" not in view.alt and "nan" not in view.alt
    for name, text in words.items():
        assert all(field is None or field.isidentifier() for _, field, _, _ in string.Formatter().parse(text)), name
        assert placeholders(text) == placeholders(SPEC["words"][name]["en"])


def test_the_thumbnail_shows_paths(seen: Trace) -> None:
    svg = pictures.thumbnail(seen)
    assert 30 < svg.count("<polyline") <= 80 and svg.count("<circle") == svg.count("<polyline")
    assert "nan" not in svg and len(svg) < 60_000
