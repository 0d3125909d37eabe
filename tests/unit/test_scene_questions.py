"""Questions about scenes: answers against pictures and by hand, both languages alike, words that come back."""

import random
from collections import Counter

import pytest
import torch

from models import scene_questions as asking
from models.scene_captions import say
from models.scene_notation import read
from models.scenes import COLOURS, RGB, SHAPES, draw, scatter

SCENE = read("white; large red circle 25 50; small blue star 75 60; small blue circle 70 10")


def test_answers_by_hand() -> None:
    found = {q.text: q.answer for q in asking.questions(SCENE, "en")}
    assert found["what colour is the star ?"] == "blue" and "what colour is the circle ?" not in found
    assert found["which shape is red ?"] == "circle" and "which shape is blue ?" not in found
    for what, number in {"circles": 2, "rings": 0, "blue shapes": 2, "green shapes": 0, "shapes": 3}.items():
        assert found[f"how many {what} are there ?"] == str(number)
    assert "how many white shapes are there ?" not in found  # the background
    assert found["where is the red circle seen from the blue star ?"] == "left"
    assert found["where is the blue star seen from the red circle ?"] == "right"
    assert found["where is the blue circle seen from the blue star ?"] == "above"
    assert found["where is the blue star seen from the blue circle ?"] == "below"
    assert "where is the blue circle seen from the red circle ?" not in found  # 45 and 40 per cent: neither is clear


def test_both_languages_ask_the_same() -> None:
    for scene in scatter(torch.Generator().manual_seed(3), 40):
        english, chinese = (asking.questions(scene, language) for language in ("en", "zh"))
        assert [q.kind for q in english] == [q.kind for q in chinese]
        for one, other in zip(english, chinese, strict=True):
            if one.kind in ("colour", "shape"):
                assert say(one.answer, "zh") == other.answer
            elif one.kind == "count":
                assert one.answer == other.answer


def test_colour_answers_against_the_pixels() -> None:
    for scene in scatter(torch.Generator().manual_seed(4), 20, counts=(1,)):
        picture, thing = draw([scene])[0], scene.objects[0]
        if thing.shape == "ring":
            continue  # its middle shows the background
        pixel = (picture[:, int(thing.y * 32), int(thing.x * 32)] + 1) / 2
        nearest = min(RGB, key=lambda name: (torch.tensor(RGB[name]) - pixel).norm().item())
        assert asking.known(scene, f"what color is the {thing.shape}").answer == nearest  # type: ignore[union-attr]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_question_and_answer_is_made_of_known_words_and_is_recognised(language: str) -> None:
    for scene in scatter(torch.Generator().manual_seed(1), 60):
        for q in asking.questions(scene, language):
            words = asking.tokenise(q.text)
            assert not words.unknown and asking.PAD_ID not in words.ids
            (answer,) = asking.tokenise(q.answer).ids
            assert asking.VOCABULARY[answer] == q.answer and q.answer in asking.answers(q.kind, language)
            assert asking.known(scene, q.text) == q
        assert not asking.tokenise(asking.describe(scene, language, random.Random(0))).unknown


def test_spelling_gives_the_text_back() -> None:
    assert asking.spell(asking.tokenise("What color is the circle?").ids) == "what colour is the circle?"
    assert asking.spell(asking.tokenise("红色圆形在蓝色方形的哪里？").ids) == "红色圆形在蓝色方形的哪边?"
    assert asking.tokenise("why is the moon red").unknown == ("why", "moon")


def test_kinds_and_numbers_are_asked_evenly() -> None:
    rng = random.Random(0)
    scenes = scatter(torch.Generator().manual_seed(2), 1500, counts=(2, 3))
    asked = [q for scene in scenes if (q := asking.ask(scene, rng))]
    kinds = Counter(q.kind for q in asked)
    assert min(kinds.values()) > 0.8 * len(asked) / 4 * 0.9
    numbers = Counter(q.answer for q in asked if q.kind == "count")
    assert numbers["0"] < 0.5 * sum(numbers.values())
    alone = read("white; large red circle 30 50")
    assert asking.ask(alone, rng, kind="relation") is None


def test_vocabulary_is_of_distinct_words() -> None:
    assert len(set(asking.VOCABULARY)) == len(asking.VOCABULARY)
    assert {asking.WORD_ID[c] for c in COLOURS}.isdisjoint(asking.WORD_ID[s] for s in SHAPES)
