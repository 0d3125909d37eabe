"""The routes' Python side: what the two builders send and refuse."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from ui.settings import ROOT
from viz.components import routes as package
from viz.components.kit import Scrub
from viz.components.routes import paths, routes

FOLDER = ROOT / "viz" / "components" / "routes"
N, T, E, K = 3, 7, 5, 2


def unpack(packed: dict[str, Any]) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(packed["b64"]), "?" if packed["dtype"] == "b1" else f"<{packed['dtype']}")
    return raw.reshape(packed["shape"])


def given(*, n: int = N, t: int = T, e: int = E, k: int = K, **other: Any) -> dict[str, Any]:
    """Softmax, the best k, renormalised; the first expert has no room for its last token."""
    rng = np.random.default_rng(3)
    logit = rng.normal(size=(n, t, e))
    probability = np.exp(logit) / np.exp(logit).sum(-1, keepdims=True)
    chosen = (-probability).argsort(-1).argsort(-1) < k
    weight = np.where(chosen, probability, 0)
    weight /= weight.sum(-1, keepdims=True)
    kept = chosen.copy()
    for frame in kept:
        last = np.flatnonzero(frame[:, 0])
        frame[last[-1:], 0] = False
    arguments = {
        "tokens": [f" t{i}" for i in range(t)],
        "experts": [str(i + 1) for i in range(e)],
        "logit": logit,
        "probability": probability,
        "weight": np.where(kept, weight, 0),
        "chosen": chosen,
        "kept": kept,
        "scrub": Scrub("layer", "layer", range(1, n + 1), 1),
        "alt": "some routes",
    }
    return arguments | other


def walked(**other: Any) -> dict[str, Any]:
    """The same for the paths."""
    names = ("tokens", "experts", "chosen", "weight", "kept", "alt")
    seen = given(**{k: other.pop(k) for k in ("n", "t", "e") if k in other})
    return {name: seen[name] for name in names} | {"layers": [str(i) for i in range(len(seen["kept"]))]} | other


def test_everything_arrives() -> None:
    wanted = given(limit=[2, 3, 4], token=4, shared=["s"], stages=["a", "b", "c"], words={"hint": "h"})
    view = routes(**wanted)
    data = view.data
    assert (view.component, view.height, view.alt) == ("routes", 560, "some routes")
    for name in ("logit", "probability", "weight"):
        np.testing.assert_allclose(unpack(data[name]), wanted[name], rtol=1e-6)
    for name in ("chosen", "kept"):
        np.testing.assert_array_equal(unpack(data[name]), wanted[name])
    assert data["mode"] == "routes" and data["score"] is None
    assert data["tokens"] == wanted["tokens"] and data["experts"] == wanted["experts"]
    assert (data["token"], data["limit"], data["shared"], data["index"]) == (4, [2, 3, 4], ["s"], 1)
    assert data["stages"] == {"logit": "a", "probability": "b", "weight": "c"} and data["words"] == {"hint": "h"}
    assert data["scrub"] == {"field": "layer", "label": "layer", "values": [1, 2, 3], "index": 1}
    json.dumps(data, allow_nan=False)


def test_a_score_is_a_column_of_its_own() -> None:
    wanted = given(score=given()["probability"] - 0.1, stages=["a", "b", "c", "d"])
    data = routes(**wanted).data
    np.testing.assert_allclose(unpack(data["score"]), wanted["score"], rtol=1e-6)
    assert list(data["stages"]) == ["logit", "probability", "score", "weight"]


def test_paths_arrive() -> None:
    wanted = walked(token=2, height=400, name="p")
    view = paths(**wanted)
    assert (view.component, view.height, view.data["mode"], view.data["name"]) == ("routes", 400, "paths", "p")
    np.testing.assert_array_equal(unpack(view.data["kept"]), wanted["kept"])
    np.testing.assert_allclose(unpack(view.data["weight"]), wanted["weight"], rtol=1e-6)
    assert view.data["layers"] == ["0", "1", "2"] and view.data["token"] == 2
    json.dumps(view.data, allow_nan=False)


def test_tensors_arrive_too() -> None:
    wanted = given()
    tensors: dict[str, Any] = {k: torch.as_tensor(v) if isinstance(v, np.ndarray) else v for k, v in wanted.items()}
    assert routes(**tensors).data == routes(**wanted).data


def test_an_expert_that_is_switched_off() -> None:
    wanted = given()
    for name, value in (("logit", -np.inf), ("probability", 0), ("weight", 0), ("chosen", False), ("kept", False)):
        wanted[name][..., 0] = value
    data = routes(**wanted).data
    assert np.isneginf(unpack(data["logit"])[..., 0]).all()
    json.dumps(data, allow_nan=False)


def test_one_of_everything() -> None:
    one = given(n=1, t=1, e=1, k=1) | {"kept": [[[True]]], "weight": [[[1.0]]], "scrub": None}
    assert unpack(routes(**one).data["weight"]).shape == (1, 1, 1)
    wanted = walked(n=1, t=1, e=1)
    assert paths(**wanted).data["layers"] == ["0"]


def test_frames_follow_another_scrubber() -> None:
    data = routes(**given(scrub=None, follow="layer", index=2)).data
    assert (data["scrub"], data["follow"], data["index"]) == (None, "layer", 2)


def test_the_size_of_a_full_picture() -> None:
    """A page's usual text and layers; then as much as there may be."""
    assert len(json.dumps(routes(**given(n=4, t=60, e=8)).data)) < 45_000
    assert len(json.dumps(routes(**given(n=64, t=128, e=64, k=6)).data)) < 6_000_000


def with_at(name: str, value: Any) -> dict[str, Any]:
    array = given()[name].copy()
    array[1, 2, 3] = value
    return {name: array}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (given(t=129), "1 to 128"),
        ({"tokens": []}, "1 to 128"),
        (given(e=65), "1 to 64"),
        (given(n=65), "1 to 64 frames"),
        ({"chosen": np.ones((T, E), bool)}, "chosen"),
        ({"kept": given()["kept"][:, :, :-1]}, "kept"),
        ({"kept": given()["kept"][:-1]}, "one shape"),
        ({"kept": np.ones((N, T, E), bool)}, "only what was chosen"),
        ({"logit": given()["logit"].swapaxes(1, 2)}, "logit"),
        ({"probability": given()["probability"][:1]}, "probability"),
        ({"score": given()["probability"][:1]}, "score"),
        ({"weight": given()["weight"][..., :1]}, "weight"),
        *((with_at("logit", value), "finite") for value in (np.nan, np.inf)),
        *((with_at("weight", value), "finite") for value in (np.nan, -np.inf)),
        (with_at("probability", 1.5), "0 to 1"),
        (with_at("probability", -0.1), "0 to 1"),
        ({"weight": -given()["weight"]}, "negative"),
        ({"weight": 2e3 * given()["weight"]}, "negative, and no"),
        ({"weight": given()["probability"]}, "0 wherever"),
        ({"scrub": None}, "a scrub"),
        ({"scrub": Scrub("layer", "layer", range(N + 1), 0)}, "'layer'"),
        ({"scrub": Scrub("layer", "layer", range(N), N)}, "index"),
        ({"index": N}, "index"),
        ({"token": T}, "no token 7"),
        ({"token": -1}, "no token -1"),
        ({"limit": [1, 2]}, "limit"),
        ({"limit": [1, 2, -1]}, "limit"),
        ({"stages": ["a", "b"]}, "stages"),
        ({"stages": ["a", "b", "c"], "score": given()["probability"]}, "stages"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        routes(**given() | wrong)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"layers": ["1", "2"]}, "2 names for 3 layers"),
        ({"weight": walked()["weight"][:, :-1]}, "weight"),
        ({"weight": np.full((N, T, E), np.nan)}, "finite"),
        ({"kept": np.ones((N, T, E), bool)}, "only what was chosen"),
        ({"weight": np.full((N, T, E), 0.1)}, "0 wherever"),
        ({"token": 7}, "no token"),
        (walked(t=129), "1 to 128"),
    ],
)
def test_paths_that_do_not_fit_are_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        paths(**walked() | wrong)


def test_labels_can_always_travel() -> None:
    odd = ["\ud800", "<b>", "\x00", "猫", "", "\u202e", "a"]
    data = routes(**given(tokens=odd, words={"hint": "\udfff"}, shared=["\ud800"])).data
    assert (
        data["tokens"] == ["\ufffd", *odd[1:]] and data["words"] == {"hint": "\ufffd"} and data["shared"] == ["\ufffd"]
    )
    json.dumps(data, ensure_ascii=False).encode("utf-8")


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_that_is_said_exists() -> None:
    known = set(re.findall(r"^  (routes_\w+):", (FOLDER.parent / "kit" / "words.js").read_text(encoding="utf-8"), re.M))
    scripts = "".join(script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js"))
    said = set(re.findall(r'"(routes_\w+)"', scripts))
    assert said | {f"routes_{name}" for name in ("logit", "probability", "score", "weight")} == known
