"""Pictures of the router page: what they hold is the trace, in every combination that changes their shape."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from models import moe_router, router_measure, specialisation
from models.moe_router import Config, Trace, trace
from models.router_measure import Capacities, Drop, Favourites, Sweep
from models.router_reading import Signed
from models.specialisation import CLASSES, Favourite, Layer, Specialisation
from tests.tree import PAGES
from ui.catalogue import LANGUAGES
from ui.more import placeholders
from viz import moe_router as pictures
from viz import router_gates
from viz import router_measure as measured
from viz.view import View

SHORT = "KING:\nNo <b>more</b>.\n东风夜放花千树。\ndef f(x):\n    return x\n"
SPEC = PAGES["moe-router"].spec
WORDS = {language: {name: block[language] for name, block in SPEC["words"].items()} for language in LANGUAGES}
OWN = ("routing", "matrix", "paths", "load", "orders", "example", "overflow", "kinds")
MEASURED = ("losses", "capacities", "held_out", "drop", "specialists", "favourites")


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    kind = {"b1": "?"}.get(packed["dtype"], f"<{packed['dtype']}")
    return np.frombuffer(base64.b64decode(packed["b64"]), kind).reshape(packed["shape"])


def some(n: int, *, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed))


def layer(n_expert: int, seed: int) -> Layer:
    table = torch.rand(n_expert, 3 + len(CLASSES), generator=torch.Generator().manual_seed(seed)) * 100
    share = table[:, :3].sum(1) / table[:, :3].sum()
    table[:, 3 + CLASSES.index("special")] = 0
    return Layer(table[:, :3], table[:, 3:], torch.zeros(n_expert, 7), share, 0.9, 0.3, 0.4, 0.01, 0.02, 0.1, 0.15)


def work(name: str, shown: Trace) -> Any:
    """Made-up results of the heavy works: the pictures must show exactly these."""
    n_layer, _, n_expert = shown.logit.shape
    found = Specialisation(
        torch.zeros(3, 2, 5, dtype=torch.long), torch.zeros(n_layer, 3, 2, 5, n_expert, dtype=torch.bool),
        tuple(layer(n_expert, seed) for seed in range(n_layer)), {"shakespeare": 1.0, "chinese": 2.0, "python": 3.0},
    )  # fmt: skip
    favourite = Favourite(5, "·<i>$x$|", 3.25, 40, 0.5, (("a ", "b<0xE4>", "\nc"), ("d", "b", "e")))
    return {
        "losses": 3 + some(n_expert),
        "capacities": Capacities((0.5, 1.0, 1.5), (1, 2, 3), some(3 * n_layer).view(3, n_layer), 3 + some(3), 3.0),
        "held_out": Sweep(shown.trained_k, 3 + some(3 * n_expert).view(n_expert, 3), 3 + some(3), some(3, seed=2)),
        "drop": Drop(1, 3 + some(3), 2.5 + some(3, seed=1), some(3 * n_expert, seed=3).view(n_expert, 3) - 0.2),
        "specialists": found,
        "favourites": Favourites(found, ((favourite,), *[()] * (n_expert - 1))),
    }[name]  # fmt: skip


def alt_of(picture: View | go.Figure) -> str:
    return picture.alt if isinstance(picture, View) else picture.layout.meta["alt"]


# --- every picture, both languages, every shape ----------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    "cfg",
    [
        Config(text=SHORT),
        Config(text=SHORT, model="fine", gate="trained", capacity=0.5),
        Config(text=SHORT, model="fine", gate="group_limited", without="2.3 2.4", n_shown=5),
        Config(text="", gate="noisy_topk", noise=0.5, capacity=0.25),
        Config(text=SHORT, gate="expert_choice", n_shown=1),
        Config(text=SHORT, model="fine", gate="random", k_fine=16, shared=False),
        Config(text=SHORT, gate="dense", without="1.1"),
    ],
    ids=lambda cfg: f"{cfg.model}-{cfg.gate}",
)
def test_every_picture_can_be_drawn(cfg, lang):
    shown, words = trace(cfg), WORDS[lang]
    for name in OWN:
        picture = getattr(pictures, name)(shown, words)
        said = alt_of(picture)
        assert said and "{" not in said and "nan" not in said, name
        if isinstance(picture, View):
            json.dumps(picture.data)
        else:
            picture.to_json()
    for name in MEASURED:
        found = work(name, shown)
        picture = getattr(measured, name)(shown, found, words)
        if name == "favourites":
            assert len({len(cells) for cells in picture.values()}) == 1 and len(picture) == 4
        else:
            said = alt_of(picture)
            assert said and "{" not in said and "nan" not in said, name
        numbers = measured.facts(name, shown, found, words)
        for said in measured.notes(name, numbers):
            note = SPEC["words"][f"note_{said}"][lang]
            assert placeholders(note) <= set(numbers), name
            assert "{" not in note.format(**numbers)
    for name in pictures.captions(shown):
        assert "{" not in SPEC["captions"][name][lang].format(**moe_router.facts(shown))
    assert pictures.thumbnail(shown).startswith("<svg") and "nan" not in pictures.thumbnail(shown)


def test_every_gallery_item_has_a_picture_and_words():
    assert set(SPEC["gallery"]) == (set(OWN) - {"routing"}) | set(MEASURED)
    for name in SPEC["gallery"]:
        assert (name in SPEC["captions"]) != (f"note_{name}" in SPEC["words"]), name
    for gate in moe_router.GATES[1:]:
        assert f"gate_{gate}" in SPEC["captions"]


def test_no_word_is_left_over():
    """Every word of the page is used by its pictures, or as a note."""
    used = set()

    class Watched(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            used.add(name)
            return super().__getitem__(name)

    words = Watched(WORDS["en"])
    for cfg in (
        Config(text=SHORT, capacity=0.5), Config(text=SHORT, model="fine", n_shown=5),
        Config(text=SHORT, gate="group_limited"), Config(text=SHORT, gate="noisy_topk"),
    ):  # fmt: skip
        shown = trace(cfg)
        for name in OWN:
            getattr(pictures, name)(shown, words)
        for name in MEASURED:
            getattr(measured, name)(shown, work(name, shown), words)
            measured.facts(name, shown, work(name, shown), words)
    assert {name for name in words if not name.startswith("note_")} - used == set()


# --- the hero --------------------------------------------------------------------------------------------------------


def test_routing_holds_the_trace():
    shown = trace(Config(text=SHORT, capacity=0.5, layer=3, token=4))
    view = pictures.routing(shown, WORDS["en"])
    assert view.data["experts"] == [str(e + 1) for e in range(8)] and view.data["tokens"] == list(shown.label)
    for what in ("logit", "probability", "weight", "chosen", "kept"):
        np.testing.assert_allclose(unpacked(view.data[what]), getattr(shown, what).numpy(), rtol=1e-3, atol=1e-6)
    assert view.data["limit"] == [shown.limit] * 4 and view.data["shared"] == [] and view.data["score"] is None
    assert view.data["scrub"]["field"] == "layer" and view.data["scrub"]["values"] == [1, 2, 3, 4]
    assert view.data["index"] == 2 and view.data["token"] == 4
    lost = int((shown.chosen[2] & ~shown.kept[2]).sum())
    assert lost > 0 and f"dropped: {lost}" in view.alt
    plain = pictures.routing(trace(Config(text=SHORT)), WORDS["en"])
    assert plain.data["limit"] is None and "capacity" not in plain.alt


def test_what_is_compared_has_its_own_column():
    fine = trace(Config(text=SHORT, model="fine"))
    view = pictures.routing(fine, WORDS["en"])
    np.testing.assert_allclose(unpacked(view.data["score"]), fine.score.numpy(), rtol=1e-3, atol=1e-5)
    assert list(view.data["stages"].values()) == ["logit", "sigmoid", "+ bias", "weight"]
    assert view.data["shared"] == ["shared expert"]
    assert pictures.routing(trace(Config(text=SHORT, model="fine", shared=False)), WORDS["en"]).data["shared"] == []
    drawn = pictures.routing(trace(Config(text=SHORT, model="fine", gate="random")), WORDS["en"])
    assert "+ bias" in drawn.data["stages"].values(), "a random router has the gate it was trained with"
    switch = pictures.routing(trace(Config(text=SHORT, gate="softmax_topk")), WORDS["en"])
    assert list(switch.data["stages"].values()) == ["logit", "softmax", "weight"]


def test_experts_folded_into_one_lose_nothing():
    shown = trace(Config(text=SHORT, model="fine", n_shown=5, gate="softmax_topk", without="1.7"))
    view = pictures.routing(shown, WORDS["en"])
    assert view.data["experts"] == ["1", "2", "3", "4", "5", "6–16"]
    weight, probability = unpacked(view.data["weight"]), unpacked(view.data["probability"])
    np.testing.assert_allclose(weight.sum(-1), shown.weight.sum(-1).numpy(), rtol=2e-3)
    np.testing.assert_allclose(probability.sum(-1), 1, rtol=5e-3)
    np.testing.assert_allclose(
        unpacked(view.data["logit"])[..., 5], shown.logit[..., 5:].logsumexp(-1).numpy(), rtol=5e-3, atol=5e-3
    )
    assert (unpacked(view.data["chosen"])[..., 5] == shown.chosen[..., 5:].any(-1).numpy()).all()


# --- the others ------------------------------------------------------------------------------------------------------


def test_matrix_and_load():
    shown = trace(Config(text=SHORT[:30], layer=2, token=3))
    stages = pictures.matrix(shown, WORDS["en"]).data["panels"][0]["stages"]
    logit, probability, weight = (unpacked(stage["values"]) for stage in stages)
    np.testing.assert_allclose(logit, shown.logit[1].numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(probability, shown.probability[1].numpy(), rtol=1e-3, atol=1e-5)
    assert (np.isneginf(weight) == ~shown.kept[1].numpy()).all(), "who does not work is empty, not 0"
    assert pictures.below("matrix", shown) == ["matrix"] and pictures.below("load", shown) == ["load"]
    areas = pictures.load(shown, WORDS["en"])
    assert len(areas.data) == 8 and areas.layout.shapes[0].x0 == 3, "the pinned token is marked"
    for e, area in enumerate(areas.data):
        counted = [int(shown.chosen[1, : t + 1, e].sum()) / (2 * (t + 1)) for t in range(len(shown.ids))]
        np.testing.assert_allclose(area.y, counted, rtol=1e-6)
        assert area.fillcolor == router_gates.colour_of(e)


@pytest.mark.parametrize(("token", "first", "end"), [(0, 0, 32), (16, 0, 32), (40, 24, 56), (127, 96, 128)])
def test_a_long_text_is_shown_around_the_pinned_token(token, first, end):
    shown = trace(Config(text="ab cd " * 100, token=token, layer=1))
    assert shown.near == (first, end) and len(shown.ids) == 128
    view = pictures.matrix(shown, WORDS["en"])
    logit = unpacked(view.data["panels"][0]["stages"][0]["values"])
    np.testing.assert_allclose(logit, shown.logit[0, first:end].numpy(), rtol=1e-3, atol=1e-5)
    assert view.data["rows"] == list(shown.label[first:end]) and view.data["cols"] == [str(e + 1) for e in range(8)]
    row, expert = view.data["pin"]
    assert first + row == token and expert == int(shown.weight[0, token].argmax())
    assert pictures.below("matrix", shown) == ["matrix", "matrix_part"] and moe_router.facts(shown)["n_near"] == 32


def test_orders_kinds_and_overflow():
    shown = trace(Config(text=SHORT))
    bars = pictures.orders(shown, WORDS["en"])
    assert len(bars.data) == 5 and len(pictures.example(shown, WORDS["en"]).data) == 3
    for i, row in enumerate(bars.data):
        np.testing.assert_allclose(row.y, shown.order[i].numpy(), rtol=1e-6)
    titles = [note.text for note in pictures.example(shown, WORDS["en"]).layout.annotations]
    assert [title.split("= ")[1] for title in titles] == ["0.629", "1.000", "1.000"]
    maps = pictures.kinds(shown, WORDS["en"]).data
    for gate, drawn in zip(shown.kinds, maps, strict=True):
        weight = np.where(gate.chosen.numpy(), gate.weight.numpy(), np.nan).T
        np.testing.assert_allclose(np.array(drawn.z, float), weight, rtol=1e-5)
    full = pictures.overflow(shown, WORDS["en"])
    assert full.data["limit"] == [1, 2, 3, 4] and full.data["index"] == 1, "factor 1, if the page has no limit"
    assert (unpacked(full.data["kept"]).sum((1, 2)) == [3, 5, 6, 6]).all()
    assert pictures.overflow(trace(Config(text="x", capacity=1.5)), WORDS["en"]).data["index"] == 2
    assert pictures.overflow(trace(Config(text="x", capacity=0.75)), WORDS["en"]).data["index"] == 1
    assert "dropped: 1" in full.alt and "capacity 2" in full.alt
    for drawn in (bars, pictures.example(shown, WORDS["en"])):
        axes = list(drawn.select_yaxes())
        assert all(list(axis.tickvals) == [0, 0.5, 1] and axis.showticklabels is not False for axis in axes)


def test_measured_pictures_hold_what_was_measured():
    shown, words = trace(Config(text=SHORT, k_moe=3)), WORDS["en"]
    made = {name: work(name, shown) for name in MEASURED}
    lines = measured.losses(shown, made["losses"], words).data["lines"]
    np.testing.assert_allclose(unpacked(lines[0]["y"])[0], made["losses"].numpy(), rtol=1e-6)
    assert unpacked(lines[2]["x"]).tolist() == [3.0]
    assert float(unpacked(lines[2]["y"])[0, 0]) == pytest.approx(float(made["losses"][2]))
    lines = measured.held_out(shown, made["held_out"], words).data["lines"]
    for d in range(3):
        np.testing.assert_allclose(unpacked(lines[d]["y"])[0], made["held_out"].loss[:, d].numpy(), rtol=1e-6)
    np.testing.assert_allclose(unpacked(lines[3]["y"])[0], made["held_out"].loss.mean(1).numpy(), rtol=1e-6)
    lines = measured.capacities(shown, made["capacities"], words).data["lines"]
    np.testing.assert_allclose(unpacked(lines[2]["y"])[0], 100 * made["capacities"].dropped[:, 2].numpy(), rtol=1e-5)
    drawn = measured.drop(shown, made["drop"], words).data[0]
    np.testing.assert_allclose(np.array(drawn.z, float), made["drop"].rise.T.numpy(), rtol=1e-6)
    assert drawn.zmin == -drawn.zmax, "signed: 0 in the middle"
    load, by_domain, by_class = measured.specialists(shown, made["specialists"], words).data
    one = made["specialists"].layers[shown.layer]
    np.testing.assert_allclose(load.y, one.load.numpy(), rtol=1e-6)
    table = one.by_domain / one.by_domain.sum(0)
    np.testing.assert_allclose(np.array(by_domain.z, float), table.T.numpy(), rtol=1e-5)
    assert WORDS["en"]["class_special"] not in by_class.y and len(by_class.y) == len(CLASSES) - 1, (
        "classes that never occur are left out"
    )
    assert (tuple(measured.CLASSES), tuple(measured.DOMAINS)) == (CLASSES, specialisation.DOMAINS)


def test_numbers_of_the_notes_by_hand():
    shown, words = trace(Config(text=SHORT)), WORDS["en"]
    rise = torch.tensor([[0.1, 0.4, -0.1], [0.0, 0.2, 0.9], [0.05, 0.05, 0.05]])
    said = measured.facts("drop", shown, Drop(1, torch.tensor([1.0, 2.0, 3.0]), torch.ones(3), rise), words)
    assert (said["expert"], said["domain"], said["most"]) == (2, "Python", "+0.90")
    assert (said["layer"], said["least"], said["least_rise"]) == (2, 3, "+0.050")
    assert (said["shakespeare_rise"], said["chinese_rise"], said["mean"]) == ("0.00", "+1.00", "+0.183")
    assert measured.notes("drop", said) == ["drop_changed", "drop"]
    said = measured.facts("drop", shown, Drop(1, torch.ones(3), torch.ones(3), rise), words)
    assert measured.notes("drop", said) == ["drop_trained", "drop"], "no +0.00, +0.00 and +0.00"
    dropped = torch.tensor([[0.5, 0.25], [0.2, 0.4], [0.0, 0.0]])
    capacities = Capacities((0.5, 1.0, 1.5), (1, 2, 3), dropped, torch.tensor([4.0, 3.5, 3.0]), 3.0)
    said = measured.facts("capacities", shown, capacities, words)
    assert (said["share"], said["worst"], said["worst_share"]) == (pytest.approx(0.3), 2, pytest.approx(0.4))
    assert (said["rise"], said["tight_rise"], said["enough"]) == ("+0.50", "+1.00", "1.5")
    never = Capacities((0.5, 1.0), (1, 2), dropped[:2], torch.tensor([4.0, 3.5]), 3.0)
    assert measured.facts("capacities", shown, never, words)["enough"] == "> 1"
    said = measured.facts("losses", shown, torch.tensor([3.0, 2.5, 2.4, 2.6, 2.6, 2.6, 2.6, 2.7]), words)
    assert (said["now"], said["best"], said["all"]) == (pytest.approx(2.5), 3, pytest.approx(2.7))
    assert (said["gain"], said["times"]) == (pytest.approx(0.1), pytest.approx(1.5))


@pytest.mark.parametrize(
    ("loss", "where"),
    [
        ([3.0, 2.5, 2.4, 2.6, 2.6, 2.6, 2.6, 2.7], "more"),
        ([3.0, 2.5, 2.6, 2.6, 2.6, 2.6, 2.6, 2.7], "trained"),
        ([3.0, 2.501, 2.6, 2.5, 2.6, 2.6, 2.6, 2.7], "trained"),  # the same with two decimals
        ([2.3, 2.5, 2.4, 2.6, 2.6, 2.6, 2.6, 2.7], "fewer"),
        ([2.5] * 8, "flat"),
    ],
)
def test_where_the_least_loss_lies(loss, where):
    said = measured.facts("losses", trace(Config(text=SHORT)), torch.tensor(loss), WORDS["en"])
    assert measured.notes("losses", said) == ["losses", f"losses_{where}"]


@pytest.mark.parametrize(
    ("x", "digits", "said"),
    [(0.126, 2, "+0.13"), (-0.126, 2, "−0.13"), (-0.004, 2, "0.00"), (0.0004, 3, "0.000"), (-12.0, 2, "−12.00")],
)
def test_signed_numbers(x, digits, said):
    assert measured.signed(x, digits) == said == f"{Signed(x):+.{digits}f}"


def test_favourites_are_plain_text():
    shown = trace(Config(text=SHORT))
    table = measured.favourites(shown, work("favourites", shown), WORDS["en"])
    columns = list(table.values())
    assert columns[0] == [str(e + 1) for e in range(8)]
    assert columns[1][0] == "·<i>$x$|\u00a0×3.2" and columns[1][1] == "–"
    assert columns[2][0] == "a·\u200b[b▯]↵c"
    bytes_of = "".join(f"<0x{byte:02X}>" for byte in "放夜".encode())
    assert measured._short(f"<0xBE>{bytes_of}<0xE4><0xB8> a") == "▯放夜▯·\u200ba", "whole characters are read"


def test_colours_start_again_and_numbers_do_not():
    assert router_gates.colour_of(0) == router_gates.colour_of(8) != router_gates.colour_of(1)
    bars = pictures.orders(trace(Config(text=SHORT, model="fine")), WORDS["en"])
    assert list(bars.data[0].x) == [str(e + 1) for e in range(16)]


def test_captions_follow_the_state():
    def names(**fields: Any) -> list[str]:
        return pictures.captions(trace(Config(text=SHORT, **fields)))

    assert names() == ["routed", "balance", "unchanged"]
    assert names(gate="random") == ["routed", "balance", "changed", "gate_random"]
    assert "dropped" in names(capacity=0.25) and "within" not in names(capacity=0.25)
    assert "without" in names(without="1.1") and "bad" in names(without="9.9")
    assert names(capacity=3.0)[-1] in ("within", "dropped")
    assert router_measure.FACTORS[-1] == 3.0
    long = pictures.captions(trace(Config(text="ab " * 200)))
    assert "cut" in long
    assert pictures.captions(trace(Config(text=""))) == ["routed", "balance"], "nothing to predict"
