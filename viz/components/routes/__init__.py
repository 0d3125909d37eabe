"""Tokens on their way through a mixture of experts, said in Python: the text, the experts' bins below it and the
ribbons between them, one frame per layer (or per step, per k ...); and the tokens' paths over all layers.

    routes(tokens, ["1", "2", ...], logit, probability, weight, chosen, kept,
           scrub=Scrub("layer", "layer", (1, 2, 3, 4), 0), alt="...")
    paths(tokens, ["1", "2", ...], chosen, weight, kept, ["1", "2", "3", "4"], alt="...")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean, numbers_of
from viz.view import View, pack

STATES = ("scrub", "token")  # index at which the scrubber was let go; index of the pinned token, or null
MOST_TOKENS = 128
MOST_EXPERTS = 64
MOST_FRAMES = 64
_SUM = 1e3  # a gate's scale beyond this is a mistake


def routes(
    tokens: Sequence[str],
    experts: Sequence[str],
    logit: ArrayLike,
    probability: ArrayLike,
    weight: ArrayLike,
    chosen: ArrayLike,
    kept: ArrayLike,
    *,
    score: ArrayLike | None = None,
    scrub: Scrub | None = None,
    follow: str = "",
    index: int = 0,
    token: int | None = None,
    limit: Sequence[int] | None = None,
    shared: Sequence[str] = (),
    stages: Sequence[str] = (),
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 560,
    name: str = "routes",
) -> View:
    """One router, or one after the other: n frames of t tokens by e experts.

    experts: short names, as they stand on the bins ("1", "2", ...)
    logit, probability: (n, t, e) what the router computes; an expert that is switched off has the logit -inf
    score: (n, t, e) what the experts are compared by, where that is not the probability (sigmoid plus bias)
    weight: (n, t, e) as applied to the experts' outputs; 0 where not chosen or dropped
    chosen, kept: (n, t, e) masks: what the gate chose, and what of it found room; kept is a part of chosen
    scrub: plays the frames; follow: they follow this field's scrubber, wherever on the page it is; index: the first
        frame shown then
    token: index of the pinned token
    limit: tokens that an expert has room for in each frame; None: no limit
    shared: names of the experts that every token passes
    stages: names of the columns of bars: logit, probability, (score,) weight; () takes the kit's
    words: what the page says differently from the kit (ui/words.toml, [kit.routes_...], named here without "routes_")
    height: of the picture; on a phone, where its parts stand under each other, it grows
    name: start of the file name of an export

    Raises:
        ValueError: nothing or too much to draw, shapes that do not fit each other, a number that is not finite (but for
            logits of -inf), something kept that was not chosen, or weight on what was not kept.
    """
    masks = _masks(tokens, experts, chosen, kept)
    n, t, e = masks["chosen"].shape
    numbers = {"logit": logit, "probability": probability, "weight": weight}
    if score is not None:
        numbers["score"] = score
    arrays = {what: np.asarray(values, dtype=np.float64) for what, values in numbers.items()}
    for what, array in arrays.items():
        if array.shape != (n, t, e):
            raise ValueError(f"{what} {array.shape}: {(n, t, e)} is needed")
        low = np.isneginf(array) if what in ("logit", "score") else np.zeros_like(array, dtype=bool)
        if not np.isfinite(array[~low]).all():
            raise ValueError(f"{what}: every number is finite")
    if arrays["probability"].min() < 0 or arrays["probability"].max() > 1 + 1e-4:
        raise ValueError("probability: from 0 to 1")
    _weights(arrays["weight"], masks["kept"])
    if scrub is None and not follow and n > 1:
        raise ValueError(f"{n} frames: a scrub that plays them, or a field to follow")
    if scrub is not None and len(scrub.values) != n:
        raise ValueError(f"{len(scrub.values)} values of {scrub.field!r} for {n} frames")
    if not 0 <= index < n:
        raise ValueError(f"index {index} of {n} frames")
    if limit is not None and (len(limit) != n or min(limit) < 0):
        raise ValueError(f"limit: one number of tokens, from 0, for each of the {n} frames")
    if stages and len(stages) != len(arrays):
        raise ValueError(f"{len(stages)} stages for {len(arrays)} columns of bars: {', '.join(arrays)}")
    order = ["logit", "probability", *(["score"] if score is not None else []), "weight"]
    data: dict[str, Any] = {
        "mode": "routes",
        **_common(tokens, experts, masks, arrays["weight"], token, words, name),
        "logit": numbers_of(arrays["logit"].astype(np.float32)),
        "probability": numbers_of(arrays["probability"].astype(np.float32)),
        "score": numbers_of(arrays["score"].astype(np.float32)) if score is not None else None,
        "index": scrub.index if scrub else index,
        "scrub": scrub.data() if scrub else None,
        "follow": follow,
        "limit": None if limit is None else [int(x) for x in limit],
        "shared": [clean(label) for label in shared],
        "stages": dict(zip(order, map(clean, stages), strict=False)),
    }
    return View("routes", data, height, alt)


def paths(
    tokens: Sequence[str],
    experts: Sequence[str],
    chosen: ArrayLike,
    weight: ArrayLike,
    kept: ArrayLike,
    layers: Sequence[str],
    *,
    token: int | None = None,
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 560,
    name: str = "paths",
) -> View:
    """Layers as columns, experts as rows, a line per token through the expert with its largest weight.

    chosen, weight, kept: (l, t, e), one for each layer; layers: their names; the rest as in `routes`

    Raises:
        ValueError: as `routes`.
    """
    masks = _masks(tokens, experts, chosen, kept)
    weights = np.asarray(weight, dtype=np.float64)
    if weights.shape != masks["chosen"].shape:
        raise ValueError(f"weight {weights.shape}: {masks['chosen'].shape} is needed")
    if len(layers) != len(weights):
        raise ValueError(f"{len(layers)} names for {len(weights)} layers")
    if not np.isfinite(weights).all():
        raise ValueError("weight: every number is finite")
    _weights(weights, masks["kept"])
    data: dict[str, Any] = {
        "mode": "paths",
        **_common(tokens, experts, masks, weights, token, words, name),
        "layers": [clean(label) for label in layers],
    }
    return View("routes", data, height, alt)


def _masks(tokens: Sequence[str], experts: Sequence[str], chosen: ArrayLike, kept: ArrayLike) -> dict[str, np.ndarray]:
    """Both masks, once they are known to fit."""
    masks = {"chosen": np.asarray(chosen, dtype=bool), "kept": np.asarray(kept, dtype=bool)}
    t, e = len(tokens), len(experts)
    if not (1 <= t <= MOST_TOKENS and 1 <= e <= MOST_EXPERTS):
        raise ValueError(f"{t} tokens, {e} experts: 1 to {MOST_TOKENS} and 1 to {MOST_EXPERTS}")
    for what, mask in masks.items():
        if mask.ndim != 3 or mask.shape[1:] != (t, e) or not 1 <= len(mask) <= MOST_FRAMES:
            raise ValueError(f"{what} {mask.shape}: 1 to {MOST_FRAMES} frames of {t} tokens by {e} experts")
    if masks["chosen"].shape != masks["kept"].shape:
        raise ValueError(f"chosen {masks['chosen'].shape}, kept {masks['kept'].shape}: one shape is needed")
    if (masks["kept"] & ~masks["chosen"]).any():
        raise ValueError("kept: only what was chosen")
    return masks


def _weights(weight: np.ndarray, kept: np.ndarray) -> None:
    if (weight < 0).any() or weight.sum(-1).max() > _SUM:
        raise ValueError(f"weight: not negative, and no token's sum is more than {_SUM:.0f}")
    if (weight[~kept] != 0).any():
        raise ValueError("weight: 0 wherever an expert was not chosen or had no room")


def _common(
    tokens: Sequence[str],
    experts: Sequence[str],
    masks: Mapping[str, np.ndarray],
    weight: np.ndarray,
    token: int | None,
    words: Mapping[str, str] | None,
    name: str,
) -> dict[str, Any]:
    if token is not None and not 0 <= token < len(tokens):
        raise ValueError(f"there is no token {token}")
    return {
        "tokens": [clean(label) for label in tokens],
        "experts": [clean(label) for label in experts],
        "chosen": pack(masks["chosen"]),
        "kept": pack(masks["kept"]),
        "weight": numbers_of(weight.astype(np.float32)),
        "token": token,
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
