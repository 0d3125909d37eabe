"""Pictures of the price of length: every number sent is the trace's, the alt text says the chosen length's."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from models import context_cost
from models.context_cost import GIB, MODELS, kv_bytes, quadratic_share
from models.context_lengths import BY_ID, CONTEXTS
from viz import context_cost as pictures

WORDS = {
    "length": "context",
    "kv": "cache",
    "share": "share",
    "mark_gpt3": "GPT-3",
    "mark_128k": "128K",
    "context": "context",
    "rows": "rows",
    "alt_kv": "{length:,}: {values}",
    "alt_share": "{length:,}: {values}",
    "alt_lengths": "{n} models, {first} {start:,} to {last} {end:,}",
}


def values(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), f"<{packed['dtype']}").reshape(packed["shape"])


@pytest.mark.parametrize("length", [2048, 131072])
def test_cache_and_share_stand_on_one_slider(length: int) -> None:
    trace = context_cost.trace(length)
    kv, share = pictures.kv(trace, WORDS), pictures.share(trace, WORDS)
    assert kv.data["on_axis"] and kv.data["scrub"]["field"] == share.data["follow"] == "length"
    assert kv.data["scrub"]["values"] == kv.data["cursor"] == share.data["cursor"] == context_cost.LENGTHS
    assert kv.data["scrub"]["index"] == share.data["index"] == context_cost.LENGTHS.index(length)
    for m, shape in enumerate(MODELS.values()):
        assert kv.data["lines"][m]["name"] == share.data["lines"][m]["name"] == shape.name
        assert kv.data["lines"][m]["role"] == share.data["lines"][m]["role"], "a model keeps its colour"
        expected = [kv_bytes(shape, n) / GIB for n in context_cost.LENGTHS]
        np.testing.assert_allclose(values(kv.data["lines"][m]["y"])[0], expected, rtol=1e-6)
        expected = [100 * quadratic_share(shape, n) for n in context_cost.LENGTHS]
        np.testing.assert_allclose(values(share.data["lines"][m]["y"])[0], expected, rtol=1e-6)
        assert f"{shape.name} {kv_bytes(shape, length) / GIB:.3g} GiB" in kv.alt
        assert f"{shape.name} {quadratic_share(shape, length):.1%}" in share.alt
    assert kv.alt.startswith(f"{length:,}") and share.alt.startswith(f"{length:,}")
    assert [at for at, _ in kv.data["marks"]] == [2048, 131072]


def test_every_model_has_its_row() -> None:
    view = pictures.lengths(CONTEXTS, WORDS)
    found = {}
    for line in view.data["lines"]:
        for name, x, row in zip(line["labels"], values(line["x"]), values(line["y"])[0], strict=False):
            found[name] = (int(x), int(row))
    assert found == {one.name: (one.offered, len(CONTEXTS) - 1 - i) for i, one in enumerate(CONTEXTS)}
    stretched = [one for one in CONTEXTS if one.trained and one.trained < one.offered]
    back = [line for line in view.data["lines"] if line["form"] == "line"]
    assert [values(line["x"]).tolist() for line in back] == [[one.trained, one.offered] for one in stretched]
    dark = next(line for line in view.data["lines"] if line["form"] == "dots" and line["role"] == "ink")
    assert sorted(values(dark["x"]).tolist()) == sorted(one.trained for one in stretched if one.trained)
    assert view.alt == f"{len(CONTEXTS)} models, GPT-1 512 to Llama 4 Scout {BY_ID['llama4-scout'].offered:,}"


def test_years_stand_at_their_first_model() -> None:
    ticks = {text: int(row) for row, text in pictures.lengths(CONTEXTS, WORDS).data["y_axis"]["ticks"]}
    for text, row in ticks.items():
        i = len(CONTEXTS) - 1 - row
        assert CONTEXTS[i].year == int(text) and (i == 0 or CONTEXTS[i - 1].year < int(text))
    assert set(ticks) == {str(one.year) for one in CONTEXTS}
