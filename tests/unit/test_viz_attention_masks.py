"""The pictures of attention masks: what they carry is what the trace holds, alt texts and words included."""

import base64
import dataclasses
import re
import string
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from models import attention_masks
from models.attention_masks import CLAIMS, PARAMETER, Config, facts, scrubbed, sweep, trace
from models.fields import Choice, fields
from models.visibility import RULES
from viz import attention_masks as viz

SPEC = tomllib.loads(
    (Path(attention_masks.__file__).parents[1] / "pages/attention/attention_masks.toml").read_text("utf-8")
)
WORDS = {language: {name: text[language] for name, text in SPEC["words"].items()} for language in ("en", "zh")}
EN = WORDS["en"]
FIGURES = ("edit", "reach", "entropy", "scale_curve", "cost", "spectrum")
TWO = Config(source="random", mask="sliding", compare="longformer", n_token=13, d_head=7, window=3, edit=4)


def unpack(packed: dict) -> np.ndarray:
    kind = {"f2": "<f2", "f4": "<f4", "u1": "u1", "b1": "?"}[packed["dtype"]]
    return np.frombuffer(base64.b64decode(packed["b64"]), kind).reshape(packed["shape"])


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_inspector_carries_the_five_steps() -> None:
    seen = trace(TWO)
    view = viz.matrix(seen, EN)
    assert view.component == "matrix"
    assert view.height == viz.INSPECTOR
    for panel, shown in zip(view.data["panels"], seen.shown, strict=True):
        expected = (seen.score, seen.scaled, shown.masked, shown.weight, shown.output)
        assert [stage["name"] for stage in panel["stages"]] == [
            EN[f"stage_{x}"] for x in ("score", "scaled", "masked", "weight", "output")
        ]
        for stage, values in zip(panel["stages"], expected, strict=True):
            np.testing.assert_allclose(unpack(stage["values"]), values.numpy(), rtol=1e-3, atol=1e-4)
        assert f"{int(shown.mask.sum())}/169" in panel["title"]
        assert f"{int(shown.mask.sum())}/169" in view.alt
        # The operands that the hover multiplies give the cell.
        first, last = panel["stages"][0], panel["stages"][4]
        left, right = unpack(first["left"]), unpack(first["right"])
        np.testing.assert_allclose(left @ right.T, seen.score.numpy(), rtol=1e-2, atol=1e-2)
        np.testing.assert_allclose(shown.weight.numpy() @ unpack(last["right"]).T, shown.output.numpy(), atol=1e-2)
    assert view.data["scrub"] is None
    off = viz.matrix(trace(dataclasses.replace(TWO, scaled=False)), EN)
    assert off.data["panels"][0]["stages"][1]["explain"] == EN["explain_unscaled"]


def test_scrubber_plays_every_value_in_the_panel_that_knows_it() -> None:
    cfg = dataclasses.replace(TWO, compare="causal")
    assert scrubbed(cfg) == "window"
    assert scrubbed(dataclasses.replace(cfg, mask="causal", compare="chunked")) == "chunk"
    assert scrubbed(dataclasses.replace(cfg, mask="causal", compare="none")) is None
    seen = trace(cfg)
    sweeps = [sweep(dataclasses.replace(cfg, mask=shown.name), "window") for shown in seen.shown]
    view = viz.matrix(seen, EN, sweeps)
    assert view.data["scrub"]["field"] == "window"
    assert view.data["scrub"]["values"][view.data["scrub"]["index"]] == 3
    sliding, causal = (unpack(panel["stages"][3]["values"]) for panel in view.data["panels"])
    np.testing.assert_allclose(sliding, sweeps[0].weight.numpy(), rtol=1e-2, atol=1e-3)
    assert causal.shape == (13, 13)  # one picture: a causal mask has no window
    masked = unpack(view.data["panels"][0]["stages"][2]["values"])
    assert (np.isneginf(masked) == ~sweeps[0].mask.numpy()).all()


def test_edit_figure_labels_exact_zeros_and_only_those() -> None:
    seen = trace(dataclasses.replace(TWO, mask="causal", compare="full"))
    figure = viz.edit(seen, EN)
    for bars, shown in zip(figure.data, seen.shown, strict=True):
        np.testing.assert_array_equal(bars.y, shown.edit_difference.numpy())
        assert [text == "0" for text in bars.text] == [float(d) == 0 for d in shown.edit_difference]
    assert list(figure.data[0].text[:4]) == ["0"] * 4
    assert "9 of 13 outputs change, 0 of them before it" in figure.layout.meta["alt"]
    assert "13 of 13 outputs change, 4 of them before it" in figure.layout.meta["alt"]


def test_reach_figure_shows_the_row_that_learns_most() -> None:
    seen = trace(dataclasses.replace(TWO, n_layer=3))
    figure = viz.reach(seen, EN)
    for strip, shown in zip(figure.data, seen.shown, strict=True):
        heard = shown.reach[:, shown.far]
        np.testing.assert_array_equal(strip.z, heard.numpy())
        assert ", ".join(str(int(n)) for n in heard.sum(-1)) in figure.layout.meta["alt"]
    assert list(figure.layout.yaxis.ticktext) == ["1 · 3", "2 · 5", "3 · 7"]


def test_other_figures_draw_the_traces_numbers() -> None:
    seen = trace(TWO)
    bars, ceiling = viz.entropy(seen, EN).data[:2]
    np.testing.assert_allclose(bars.y, seen.shown[0].entropy.numpy())
    assert (np.asarray(bars.y) <= np.asarray(ceiling.y) + 1e-4).all()
    raw, scaled, here = viz.scale_curve(seen, EN).data
    np.testing.assert_allclose(raw.y, seen.peak[1].numpy())
    np.testing.assert_allclose(scaled.y, seen.peak[0].numpy())
    assert list(here.x) == [7]
    (cost,) = viz.cost(seen, EN).data
    named = dict(zip(cost.y, cost.x, strict=True))
    assert named[EN["mask_full"]] == 1
    assert named[EN["mask_sliding"]] == seen.pairs["sliding"] / 169
    assert len(named) == len(RULES)
    for line, shown in zip(viz.spectrum(seen, EN).data, seen.shown, strict=True):
        np.testing.assert_allclose(line.y, shown.singular.numpy(), rtol=1e-5)
        assert f"{attention_masks.effective_rank(shown.singular):.1f}" in line.name


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("mask", RULES)
def test_every_mask_draws_in_both_languages(mask: str, language: str) -> None:
    words = WORDS[language]
    for n_token, compare in ((2, "none"), (17, "full"), (128, "none")):
        cfg = Config(source="random", mask=mask, compare=compare, n_token=n_token)
        seen = trace(cfg)
        field = scrubbed(cfg)
        sweeps = [sweep(dataclasses.replace(cfg, mask=s.name), field) for s in seen.shown] if field else []
        alts = [viz.matrix(seen, words, sweeps).alt]
        for name in FIGURES:
            figure = getattr(viz, name)(seen, words)
            alts.append(figure.layout.meta["alt"])
            assert figure.layout.height == viz.FIGURE
            assert figure.layout.font.color is None
        assert all(alt and not re.search(r"[{}]|nan|inf", alt) for alt in alts), alts


def test_a_label_is_never_markup() -> None:
    seen = dataclasses.replace(trace(TWO), label=("<b>x</b>", "$x$", "a" * 99, "", "&", *"abcdefgh"))
    figure = viz.edit(seen, EN)
    assert figure.layout.xaxis.ticktext[:2] == ("&lt;b&gt;x&lt;/b&gt;", "&#36;x&#36;")
    assert len(figure.layout.xaxis.ticktext[2]) == 12
    viz.matrix(seen, EN)


def test_thumbnail_is_a_small_picture_that_stands_alone() -> None:
    seen = trace(TWO)
    svg = viz.thumbnail(seen)
    root = ET.fromstring(svg)
    assert root.attrib["viewBox"] == "0 0 160 100"
    assert len(root) == int(seen.shown[0].mask.sum())
    assert len(svg) < 40_000


# --- words ------------------------------------------------------------------------------------------------------------


def texts(block: object, path: str = "") -> list[tuple[str, dict[str, str]]]:
    """Every {en, zh} table of the TOML with its path."""
    if isinstance(block, dict):
        if set(block) == {"en", "zh"}:
            return [(path, block)]
        return [found for key, value in block.items() for found in texts(value, f"{path}.{key}")]
    if isinstance(block, list):
        return [found for i, value in enumerate(block) for found in texts(value, f"{path}[{i}]")]
    return []


def test_words_are_complete_and_alike_in_both_languages() -> None:
    for path, block in texts({k: v for k, v in SPEC.items() if k not in ("mathematics", "terms")}):
        assert block["en"].strip(), path
        assert block["zh"].strip(), path
        assert placeholders(block["en"]) == placeholders(block["zh"]), path
        assert not re.search("变压器|代币", block["zh"]), path
    kinds = fields(Config)
    assert set(SPEC["controls"]) == set(kinds)
    for name, (_, kind, _) in kinds.items():
        if isinstance(kind, Choice):
            assert set(SPEC["controls"][name]["options"]) == set(kind.names)


def test_every_caption_can_be_filled_from_the_facts() -> None:
    numbers = facts(trace(TWO))
    assert {f"look_{mask}" for mask in RULES} <= set(SPEC["captions"])
    for name, block in SPEC["captions"].items():
        for text in block.values():
            assert text.format(**numbers), name
    assert {PARAMETER[mask] for mask in RULES} - {None} <= set(SPEC["words"])


def test_claims_are_settled_by_live_numbers() -> None:
    lived = set()
    for claim in SPEC["claims"]:
        values = CLAIMS[claim["live"]]() if "live" in claim else {}
        lived.add(claim.get("live"))
        for text in claim["answer"].values():
            assert "{" not in text.format(**values)
    assert set(CLAIMS) <= lived


def test_linked_states_are_legal_and_the_prediction_has_its_answer() -> None:
    kinds = fields(Config)
    blocks = [*SPEC["presets"], *SPEC["questions"], SPEC["predict"]]
    assert len(SPEC["questions"]) >= 8
    for block in blocks:
        for name, value in block["state"].items():
            kind = kinds[name][1]
            legal = (
                value in kind.names
                if isinstance(kind, Choice)
                else True
                if kind is True
                else kind.low <= value <= kind.high
            )
            assert legal, (block, name)
        if block["state"].get("source") == "random":
            trace(Config(**block["state"]))
    about = SPEC["predict"]
    numbers = facts(trace(Config(**about["state"])))
    assert sum(option["value"] == numbers[about["fact"]] for option in about["options"]) == 1
