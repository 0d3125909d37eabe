"""What the pictures of fusion hold, against the Trace or the measurement they were drawn from."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import torch

from models import fusion, fusion_codes, fusion_systems, fusion_video
from models.fusion import Config, Trace
from models.fusion_codes import Written
from models.fusion_video import Video
from models.scenes import RADIUS, RGB, SHAPES
from tests.tree import PAGES
from viz import fusion as pictures
from viz import fusion_studies as studies

SPEC = PAGES["fusion"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


@pytest.fixture(scope="module")
def seen() -> Trace:
    return fusion.trace(Config(n_picture=2, patch="8", gate=0.5))


@pytest.fixture(scope="module")
def coded() -> fusion_codes.Codes:
    return fusion_codes.codes(Config().scene, 27, 9)


def test_the_board_shows_the_trace(seen: Trace) -> None:
    view = pictures.board(seen, WORDS)
    assert np.array_equal(numbers(view.data["images"]), seen.image.numpy())
    for drawn, lane in zip(view.data["lanes"], seen.lanes, strict=True):
        assert sum(piece["n"] for piece in drawn["pieces"]) == lane.length
        assert [box["name"] for box in drawn["boxes"]] == [WORDS[f"stage_{stage.name}"] for stage in lane.stages]
        assert drawn["numbers"][0]["text"] == f"{lane.length:,}" and drawn["side"] == lane.side
    shares = [[row["share"] for row in drawn["numbers"]] for drawn in view.data["lanes"]]
    assert [max(column) for column in zip(*shares, strict=True)] == [1.0] * 4, "one scale for all"
    gates = [[layer["gate"] for layer in drawn["layers"]] for drawn in view.data["lanes"]]
    assert gates[0] == gates[2] == [None] * 4
    assert gates[1] == [pytest.approx(np.tanh(0.5)), None, None, pytest.approx(np.tanh(0.5)), None, None]
    assert str(seen.lanes[0].length) in view.alt


def test_words_read_the_picture_before_them(seen: Trace) -> None:
    cross = pictures.board(seen, WORDS).data["lanes"][1]
    second = [i for i, piece in enumerate(cross["pieces"]) if piece["kind"] == "mark"][1]
    assert all(piece["reads"] == [0] for piece in cross["pieces"][:second])
    assert all(piece["reads"] == [1] for piece in cross["pieces"][second:])
    assert "picture 2" in cross["pieces"][-1]["said"] and "picture 1" in cross["pieces"][1]["said"]
    assert all(piece["reads"] == [] for piece in pictures.board(seen, WORDS).data["lanes"][0]["pieces"])


def test_masks(seen: Trace) -> None:
    view = pictures.mask(seen, WORDS)
    one, two = view.data["panels"]
    n, m = len(seen.lanes[0].segments), len(seen.lanes[1].segments)
    assert f"{n * (n + 1) // 2} allowed" in view.alt and f"{m * (m + 1) // 2 + m} allowed" in view.alt
    assert len(one["stages"]) == len(two["stages"]) == 1 and len(view.data["rows"]) == n


def test_codes_and_the_book(coded: fusion_codes.Codes) -> None:
    view = pictures.codes(coded, WORDS)
    assert view.data["source"] == 28 and len(view.data["sources"]) == 65
    assert f"{coded.rmse:.1f}" in view.alt
    assert [pictures.place_of(row) for row in (0, 1, 64)] == [-1, 0, 63]
    book = pictures.codebook(coded, WORDS)
    row = book.data["source"]
    assert pictures.code_of(row, coded) == 9 and pictures.code_of(0, coded) == -1
    assert book.data["sources"][row] == "code 9"
    plain = fusion_codes.codes(Config().scene)
    assert pictures.codes(plain, WORDS).data["source"] == 0 == pictures.codebook(plain, WORDS).data["source"]


def test_the_composer_is_given_the_scene() -> None:
    view = pictures.compose(fusion_codes.notation("a red circle"), SHAPES, RGB, RADIUS, WORDS)
    assert len(view.data["things"]) == 1 and "1 shapes" in view.alt


@pytest.fixture(scope="module")
def written() -> Written:
    n, film = 4, torch.zeros(33, 4, 32, 32, 3, dtype=torch.uint8)
    marks = ({"shape": True}, {"shape": False}, {"shape": True}, {})
    said = {"en": "a circle", "zh": "圆形"}
    chance = torch.full((n, 64), 0.25)
    return Written(tuple(range(0, 65, 2)), film, film, chance, marks, film[0, 0], said, {"en": 0.5, "zh": 0.25}, (), 3)


def test_written_pictures_are_marked(written: Written) -> None:
    view = studies.written(written, 33, WORDS)
    assert view.data["groups"][0]["marks"] == ["right", "wrong", "right", ""]
    assert view.data["scrub"]["field"] == "written" and view.data["scrub"]["values"][view.data["scrub"]["index"]] in (
        32,
        34,
    )
    assert "25%" in view.data["readout"][5]
    bare = studies.written(written.__class__(**(vars(written) | {"verdict": ()})), 64, WORDS)
    assert bare.data["groups"][0]["marks"] == []


@pytest.fixture(scope="module")
def clip() -> Video:
    n = len(fusion_video.FPS)
    rows = [fusion_video.lengths(3, fps, 11, 2, 5, 13) for fps in fusion_video.FPS]
    frames, late, pooled, cross, early = (tuple(column) for column in zip(*rows, strict=True))
    film = torch.zeros(n, 12, 32, 32, 3, dtype=torch.uint8)
    return Video(
        3,
        2,
        fusion_video.FPS,
        frames,
        late,
        pooled,
        cross,
        early,
        torch.linspace(0.2, 0.9, n),
        torch.full((n,), 0.1),
        film,
    )


def test_video_curves(clip: Video) -> None:
    view = studies.video(clip, 4, WORDS)
    assert view.data["index"] == 3 and f"{clip.late[3]:,}" in view.data["readout"][3][0] and "132 tokens" in view.alt
    assert len(view.data["lines"]) == 5
    still = Video(**(vars(clip) | {"pool": 1}))
    assert len(studies.video(still, 4, WORDS).data["lines"]) == 4, "nothing is averaged"
    assert "averaged" in view.data["readout"][3][0] and f"{clip.pooled[3]:,}" in view.data["readout"][3][0]
    assert "averaged" not in studies.video(still, 4, WORDS).data["readout"][3][0]
    assert studies.video_notes(still) == ["note_video"] and "note_video_pooled" in studies.video_notes(clip)
    film = studies.film(clip, 4, WORDS)
    assert film.data["follow"] == "fps" and film.data["index"] == 3


def test_systems_and_tables() -> None:
    view = studies.systems(fusion_systems.SYSTEMS, WORDS)
    rows = [row for group in view.data["groups"] for row in group["rows"]]
    assert len(rows) == len(fusion_systems.SYSTEMS)
    assert sum(float(numbers(row["values"]).sum()) for row in rows) == sum(
        one.n_token for one in fusion_systems.SYSTEMS
    )
    table = studies.system_table(fusion_systems.SYSTEMS, WORDS)
    assert {len(cells) for cells in table.values()} == {len(fusion_systems.SYSTEMS)} and "1,024" in table["tokens"]
    assert table["what connects"][1].startswith("Q-Former") and all(table["what connects"])
    unknown = studies.unknown_table(fusion_systems.UNKNOWN, WORDS)
    assert len(unknown) == 4 and unknown["GPT-4V"][0] == "not disclosed"


def test_captions_fit_the_state(seen: Trace) -> None:
    assert pictures.captions(seen)[-1] == "gate_open"
    shut = fusion.trace(Config(gate=0.0, text="an elephant ?"))
    assert {"gate_shut", "unknown"} <= set(pictures.captions(shut)) <= set(SPEC["captions"])
    assert pictures.thumbnail(seen).count("<rect") == sum(len(lane.segments) for lane in seen.lanes)
