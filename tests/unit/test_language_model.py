"""models/language_model.py: a model is loaded once however many ask, and no name of a visitor's becomes markup."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from models import language_model, pretrained
from models.language_model import ModelUnavailable


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    language_model.load.cache_clear()
    yield
    language_model.load.cache_clear()


def test_who_asks_for_a_model_that_is_being_loaded_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, loaded = [], threading.Event(), language_model.load("tiny-lm")

    def slowly() -> language_model.LanguageModel:
        begun.append(1)
        assert go.wait(10)
        return loaded

    monkeypatch.setattr(pretrained, "load_minilm", slowly)
    answers: list[object] = []
    visitors = [threading.Thread(target=lambda: answers.append(language_model.load("minilm"))) for _ in range(4)]
    for one in visitors:
        one.start()
    assert language_model.load("tiny-lm") is loaded  # nobody else is held up
    go.set()
    for one in visitors:
        one.join(10)
    assert answers == [loaded] * 4
    assert len(begun) == 1


def test_a_failure_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModelUnavailable("asset_missing", name="MiniLM", command="python -m assets fetch minilm")

    monkeypatch.setattr(pretrained, "load_minilm", missing)
    with pytest.raises(ModelUnavailable):
        language_model.load("minilm")
    monkeypatch.setattr(pretrained, "load_minilm", lambda: language_model.load("tiny-lm"))
    assert language_model.load("minilm") is language_model.load("tiny-lm")


def test_only_a_command_of_ours_keeps_its_signs() -> None:
    error = ModelUnavailable("asset_missing", name="*m*", command="python -m assets fetch m-1")
    said = error.sentence("en", lambda value: str(value).replace("*", "★").replace("-", "★"))
    assert "★m★" in said
    assert "`python -m assets fetch m-1`" in said
    assert ModelUnavailable("No *such* thing.").sentence("zh", lambda value: str(value).upper()) == "NO *SUCH* THING."
