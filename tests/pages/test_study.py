"""The interview deck and the list of claims: they hold what the pages hold, no more and no less."""

from __future__ import annotations

import pytest

from tests.pages.conftest import Visit, sound
from tests.tree import PAGES


def _all(kind: str) -> list[dict]:
    return [one for entry in PAGES.values() for one in entry.spec.get(kind, [])]


def test_the_deck_turns_through_every_question_and_back_to_the_first(visit: Visit) -> None:
    visitor = visit("interview")
    seen = []
    for _ in _all("questions"):
        seen.append(visitor.subheader[0].value)
        next(button for button in visitor.button if button.label == "Next").click().run()
        sound(visitor)
    assert seen == [question["question"]["en"] for question in _all("questions")]
    assert visitor.subheader[0].value == seen[0]


def test_a_card_reveals_short_then_long(visit: Visit) -> None:
    visitor = visit("interview", "zh", card=2)
    question = _all("questions")[1]
    assert visitor.subheader[0].value == question["question"]["zh"]
    shown = [text.value for text in visitor.markdown]
    assert not any(question["short"]["zh"] in text for text in shown)
    visitor.toggle[0].set_value(True).run()
    assert any(question["short"]["zh"] in text.value for text in visitor.markdown)
    assert not any(question["long"]["zh"] == text.value for text in visitor.markdown)
    visitor.toggle[1].set_value(True).run()
    assert any(question["long"]["zh"] == text.value for text in visitor.markdown)


@pytest.mark.xdist_group("claims")  # where the numbers are computed already
def test_every_claim_is_in_the_table(visit: Visit) -> None:
    visitor = visit("claims")
    shown = "\n".join(text.value for text in visitor.markdown)
    for claim in _all("claims"):
        assert f"“{claim['claim']['en']}”" in shown, claim["id"]


@pytest.mark.xdist_group("claims")  # where the numbers are computed already
def test_claims_are_filtered_by_verdict(visit: Visit) -> None:
    visitor = visit("claims", verdict="wrong")
    shown = "\n".join(text.value for text in visitor.markdown)
    for claim in _all("claims"):
        assert (f"“{claim['claim']['en']}”" in shown) == (claim["verdict"] == "wrong"), claim["id"]
