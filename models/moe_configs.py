"""Real models' sizes with their sources (models/moe_configs.toml), and any config.json that a visitor pastes.

A pasted config of a known family is counted by models/moe_families.py at once; of any other kind that transformers has
a causal language model for, the model is built on the meta device and counted there (models/moe_meta.py). Only numbers,
names and lists of them are read from it: nothing in it is run, looked up or downloaded.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import moe_families
from models.moe_families import LARGEST, MOST_LAYERS, Bad, Missing, whole
from models.moe_shapes import Shape

MOST_EXPERTS = 2048
MOST_MODULES = 40_000  # experts times layers, for a model that has to be built
OPENED = ("defaults", "quoted", "script", "account")  # how each real config was read: see models/moe_configs.toml


class ConfigRefused(Exception):
    """A text that is no config to count: `key` says why, `values` what it is about."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key, values)
        self.key, self.values = key, values

    def sentence(self, language: str = "en", plain: Callable[[object], object] = lambda value: value) -> str:
        """One clear sentence as Markdown; `plain` writes a value so that nothing in it is read as markup."""
        words = _file()["refused"][self.key]
        return words[language].format(**{name: plain(value) for name, value in self.values.items()})

    def __str__(self) -> str:
        return self.sentence()


@dataclass(frozen=True)
class Real:
    """A published model. published: the makers' round numbers in billions, total and active; None if they give none."""

    key: str
    name: str
    published: tuple[float, float] | None
    opened: str
    source: str
    url: str
    values: dict[str, Any]
    shape: Shape

    @property
    def sparse(self) -> bool:
        return self.shape.n_expert > 0


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@functools.cache
def reals() -> dict[str, Real]:
    """All models of the file, in its order."""
    return {
        key: Real(
            key,
            about["name"],
            (float(about["published"][0]), float(about["published"][1])) if "published" in about else None,
            about["opened"],
            about["source"],
            about["url"],
            about["config"],
            moe_families.shape_of(about["config"]),
        )
        for key, about in _file().items()
        if "config" in about
    }


def example() -> str:
    """The config that the page offers for editing: that of Mixtral 8x7B."""
    return json.dumps(reals()["mixtral-8x7b"].values, indent=1)


def parse(text: str) -> dict[str, Any]:
    """The fields of a pasted config.json that sizes depend on, those of its text part if it has several.

    Raises:
        ConfigRefused: no JSON, no object, no model_type, or numbers that no model has.
    """
    if not text.strip():
        raise ConfigRefused("empty")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigRefused("not_json", line=error.lineno) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in brackets
        raise ConfigRefused("not_json", line=1) from None
    if not isinstance(found, dict):
        raise ConfigRefused("no_object")
    inner = found.get("text_config")
    if isinstance(inner, dict):
        kind = inner.get("model_type") or found.get("model_type")
        found = {"tie_word_embeddings": found.get("tie_word_embeddings", False), **inner, "model_type": kind}
    kind = found.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise ConfigRefused("no_type")
    values: dict[str, Any] = {"model_type": {"llama4": "llama4_text"}.get(kind, kind)}
    for name, value in found.items():
        if isinstance(value, bool | int | float | None) or (isinstance(value, list) and all(map(_plain, value))):
            values.setdefault(name, value)
    return values


def _plain(value: object) -> bool:
    return isinstance(value, int | float | str)


def shape_of(text: str) -> tuple[str, Shape]:
    """(model_type, shape) of a pasted config.json.

    Raises:
        ConfigRefused: it cannot be counted; why, in one sentence.
    """
    values = parse(text)
    kind = values["model_type"]
    try:
        shape = moe_families.shape_of(values) if kind in moe_families.FAMILIES else _built(values)
    except Missing as error:
        raise ConfigRefused("missing", kind=_short(kind), field=error.args[0]) from None
    except Bad as error:
        raise ConfigRefused(
            "bad", field=_short(error.name), what=_short(error.value), low=error.low, high=error.high
        ) from None
    if shape.n_expert > MOST_EXPERTS:
        raise ConfigRefused("bad", field="num_experts", what=shape.n_expert, low=1, high=MOST_EXPERTS)
    if shape.top_k > shape.n_expert:
        raise ConfigRefused("too_many", top=shape.top_k, n=shape.n_expert)
    return kind, shape


def _built(values: dict[str, Any]) -> Shape:
    """A model of a family that is not written out here, built on the meta device."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    from models import moe_meta

    kind = values["model_type"]
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ConfigRefused("unknown", kind=_short(kind), known=", ".join(moe_families.FAMILIES))
    layers, experts = 1, 1
    for name, value in values.items():
        if isinstance(value, int) and not isinstance(value, bool):
            count = whole(name, abs(value))
            layers = max(layers, count if "layer" in name else 1)
            experts = max(experts, count if "experts" in name else 1)
    if layers > MOST_LAYERS:
        raise Bad("num_hidden_layers", layers, 1, MOST_LAYERS)
    if experts > MOST_EXPERTS or experts * layers > MOST_MODULES:
        raise Bad("num_experts", experts, 1, min(MOST_EXPERTS, MOST_MODULES // layers))
    try:
        return moe_meta.shape_of(moe_meta.build(values))
    except Exception as error:  # whatever a foreign config makes of a foreign class
        raise ConfigRefused("no_build", what=_short(f"{type(error).__name__}: {error}")) from None


def _short(value: object) -> str:
    """A pasted value, fit for a sentence: at most 60 characters, none that cannot be printed."""
    text = str(value) if not isinstance(value, int) or abs(value) < 10**20 else f"{str(value)[:12]}…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:60]) + "…" * (len(text) > 60)


__all__ = ["LARGEST", "OPENED", "ConfigRefused", "Real", "example", "parse", "reals", "shape_of"]
