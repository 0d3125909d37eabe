"""Pictures of the chain with real models: what a DINOv2-type encoder and SmolLM2 make of the same scene and question.

Every function takes what models/projection_real.py found and the page's words, and returns a View (or the columns of a
table) with an alt text of its own numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from viz.components.kit import Scrub
from viz.components.ledger import Group, Part, Row, ledger
from viz.components.patches import Panel, patches
from viz.plots import visible
from viz.view import View

if TYPE_CHECKING:
    from models.projection_real import Measured, Real

Words = Mapping[str, str]
CHAIN, ANSWER = 420, 250  # heights in pixels
GAP = 0.08


def measured(found: Measured, words: Words, at: int = 0) -> dict[str, list[str]]:
    """{title: cells}: a row for each kind of question."""
    columns = {words["column_kind"]: [words[f"kind_{kind}"] for kind in found.kind]}
    for name in ("blind", "seen", "held_out"):
        columns[words[f"real_{name}"]] = [f"{share:.0%}" for share in getattr(found, name).tolist()]
    return columns


def chain(found: Real, words: Words, at: int = 30) -> View:
    """The patches, the encoder's features, attention at every depth, and what each image token does."""
    side = round(found.source.shape[1] ** 0.5)
    image, source = found.picture.numpy(), found.source.numpy()
    owner = source.argmax(0)
    n_depth = len(found.attention)
    near = [
        words["token_near"].format(
            n=k + 1,
            values=", ".join(
                f"{visible(word)} {c:.2f}" for word, c in zip(found.near[k], found.cosine[k].tolist(), strict=True)
            ),
        )
        for k in owner
    ]
    share = found.attention[:, found.answer_at].sum(-1)
    effect = found.effect.numpy()[owner]
    return patches(
        [
            Panel(words["panel_patches"].format(n=side**2), image, texts=near, note=words["real_note_patches"]),
            Panel(
                words["panel_features"],
                colour=found.feature.numpy()[None],
                texts=near,
                note=words["real_note_features"],
            ),
            Panel(
                words["panel_attention"],
                image,
                heat=np.einsum("lqk,kn->lqn", found.attention.numpy(), source),
                texts=near,
                note=[words["note_attention"].format(layer=i + 1, share=float(one)) for i, one in enumerate(share)],
            ),
            Panel(
                words["panel_effect"],
                image,
                heat=effect[None, None],
                signed=True,
                texts=near,
                note=words["note_effect"].format(answer=found.truth or found.answer),
            ),
        ],
        side=side,
        columns=4,
        sources=sources(found, words),
        source=found.answer_at,
        chips=True,
        gap=GAP,
        scrub=Scrub("depth", words["depth"], tuple(range(1, n_depth + 1)), min(max(at, 1), n_depth) - 1),
        alt=words["alt_real"].format(
            question=found.question,
            answer=found.answer,
            p=found.guess[0][1],
            share=float(share.max()),
            depth=int(share.argmax()) + 1,
            most=float(found.effect.max()),
        ),
        height=CHAIN,
        name="real",
    )


def sources(found: Real, words: Words) -> list[str]:
    """The places after the picture: each word of the question, then where each word of the answer is predicted."""
    asked = [visible(word) for word in found.prompt[: found.answer_at]]
    said = [visible(word) for word in found.prompt[found.answer_at + 1 :]]
    return [*asked, *(f"→ {word}" for word in (*said, words["mark_end"]))]


def guesses(found: Real, words: Words, at: int = 0) -> View:
    """The likeliest first tokens of 49,152."""
    values = ", ".join(f"{visible(word)} {p:.0%}" for word, p in found.guess)
    return ledger(
        [Part(words["part_answer"], 0)],
        [Group(found.question, [Row(visible(word), [100 * p]) for word, p in found.guess])],
        axis=words["real_axis_answer"],
        unit="%",
        words={"hint": " "},
        alt=words["alt_answer"].format(question=found.question, values=values),
        height=ANSWER,
        name="guesses",
    )
