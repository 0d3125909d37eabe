"""Further pictures of denoising: what the networks learned, beside each other and beside the best possible prediction.

Every function takes a study of models/denoising_studies.py and the page's words, and returns a View with an alt text of
its own numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from viz.components.curves import Axis, Line, curves
from viz.components.particles import Plane, particles
from viz.denoising import EDGE
from viz.view import View

if TYPE_CHECKING:
    from models.denoising_studies import Exact, Kinds, Training

Words = Mapping[str, str]
FIGURE, HALF = 360, 280  # heights in pixels
KINDS = ("line:0", "line:1", "line:2")  # the colours of what a network predicts


def kinds(found: Kinds, words: Words) -> View:
    """The error in epsilon that follows from each prediction, at every t."""
    return _errors(found, found.epsilon_error.numpy(), words, "axis_epsilon_error", "alt_kinds")


def clean(found: Kinds, words: Words) -> View:
    """The error in x0 that follows from each prediction, at every t."""
    return _errors(found, found.x0_error.numpy(), words, "axis_x0_error", "alt_clean")


def _errors(found: Kinds, errors: np.ndarray, words: Words, axis: str, alt: str) -> View:
    names = [words[f"kind_{kind}"] for kind in found.kind]
    return curves(
        np.array(found.t, float),
        [Line(names[i], error, role=KINDS[i]) for i, error in enumerate(errors)],
        x_axis=Axis(words["axis_t"], low=0, high=1000),
        y_axis=Axis(words[axis], log=True),
        alt=words[alt].format(
            low=found.t[0],
            high=found.t[-1],
            values="; ".join(
                f"{name} {error[0]:.2g}, {error[-1]:.2g}" for name, error in zip(names, errors, strict=True)
            ),
        ),
        height=HALF,
        name=f"errors-{axis.removeprefix('axis_')}",
    )


def exact(found: Exact, words: Words) -> View:
    """How far each network's epsilon is from the best possible one, at every t."""
    names = [words[f"kind_{kind}"] for kind in found.kind]
    errors = found.error.numpy()
    return curves(
        np.array(found.t, float),
        [Line(names[i], error, role=KINDS[i]) for i, error in enumerate(errors)],
        x_axis=Axis(words["axis_t"], low=0, high=1000),
        y_axis=Axis(words["axis_exact"], log=True),
        alt=words["alt_exact"].format(
            values="; ".join(
                f"{name} {error.min():.2g}–{error.max():.2g}" for name, error in zip(names, errors, strict=True)
            )
        ),
        height=HALF,
        name="exact",
    )


def fields(found: Exact, words: Words) -> View:
    """The field that the network learned beside the true one, at one t."""
    origin, learned, truth = (part.numpy() for part in (found.origin, found.learned, found.truth))
    nothing = np.empty((0, 2))
    return particles(
        [
            Plane(
                words["learned"],
                nothing,
                notes=[words["note_t"].format(t=found.shown)],
                arrows=(origin, learned[None]),
            ),
            Plane(words["truth"], nothing, notes=[words["note_t"].format(t=found.shown)], arrows=(origin, truth[None])),
        ],
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        trails="none",
        alt=words["alt_fields"].format(
            t=found.shown,
            n=len(origin),
            difference=float(np.sqrt(np.square(learned - truth).sum(-1).mean())),
            size=float(np.sqrt(np.square(truth).sum(-1).mean())),
        ),
        height=400,
        name="fields",
    )


def training(found: Training, words: Words) -> View:
    """The loss of the network in use while it was trained."""
    loss = found.loss.numpy()
    return curves(
        np.array(found.step, float),
        [Line(words["loss"], loss, role="line:0")],
        x_axis=Axis(words["axis_step"]),
        y_axis=Axis(words["axis_loss"], low=0),
        alt=words["alt_training"].format(n=found.step[-1], first=float(loss[0]), last=float(loss[-1])),
        height=FIGURE,
        name="training",
    )
