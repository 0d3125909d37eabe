"""Pictures of the chain from pixels to an answer: patches, features, image tokens, attention, what each patch does.

Every function takes a Trace of models/projection.py and the page's words, and returns a View with an alt text of its
own numbers. A click on a patch switches it off; the words above the panels are the places that look at the picture; the
scrubber runs through the layers of the language model. Measurements: viz/projection_studies.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from viz.components.kit import Scrub
from viz.components.ledger import Group, Part, Row, ledger
from viz.components.patches import Panel, patches
from viz.components.scene import scene
from viz.palette import plotly_scale
from viz.plots import finish
from viz.view import View

if TYPE_CHECKING:
    from models.projection import Trace

Words = Mapping[str, str]
CHAIN, COMPOSER, ANSWER, EVERY_HEAD = 660, 440, 205, 620  # heights in pixels
N_ANSWER = 4  # of the likeliest words
LITTLE = 0.1  # nats: smaller effects are not blown up to full colours
GAP = 0.12  # between patches, as a share of one
SWATCH = {
    "red": "#de2929", "orange": "#f58c1a", "yellow": "#f7de38", "green": "#2ea647", "blue": "#295cdb",
    "purple": "#8f3db8", "white": "#f7f7f7", "black": "#141414",
}  # fmt: skip
GREY = "#9a9ea6"  # no colour word is near
RADIUS = {"small": 0.14, "large": 0.22}
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")


def composer(text: str, words: Words) -> View:
    """The scene, to be changed by hand."""
    return scene(
        text,
        shapes={name: words[f"thing_{name}"] for name in SHAPES},
        colours={name: (words[f"thing_{name}"], css) for name, css in SWATCH.items()},
        sizes={name: (words[f"thing_{name}"], radius) for name, radius in RADIUS.items()},
        alt=words["alt_scene"].format(n=text.count(";"), text=text),
        height=COMPOSER,
    )


def chain(trace: Trace, words: Words, layer: int, source: int) -> View:
    """Left to right: the picture in patches, what the encoder makes of them, what the projector makes of that; where
    each word looks; and what each patch does to the answer."""
    n_layer, n_token = len(trace.attention), len(trace.near)
    side, shown = round(trace.source.shape[1] ** 0.5), _source(trace, source)
    looked = on_patches(trace)
    owner = trace.source.numpy().argmax(0)
    texts = [words["patch_shows"].format(row=i // side + 1, column=i % side + 1, what=_what(one, words)) for i, one in
             enumerate(trace.covered)]  # fmt: skip
    near = [words["token_near"].format(n=k + 1, values=_near(trace, k)) for k in owner]
    image = trace.picture.numpy()
    effect = trace.effect.numpy()
    return patches(
        [
            Panel(
                words["panel_patches"].format(n=len(texts)), image, texts=texts,
                note=words["note_patches"].format(side=side, n=trace.picture.shape[0] // side),
            ),
            Panel(
                words["panel_features"], colour=trace.feature.numpy()[None], texts=texts,
                note=words["note_features"].format(n=len(texts), d=trace.d_feature),
            ),
            Panel(
                words["panel_tokens"].format(n=n_token), colour=trace.token.numpy()[owner][None], texts=near,
                note=words["note_tokens"].format(n=n_token, d=trace.d_model),
            ),
            Panel(
                words["panel_words"], colour=_painted(trace)[owner][None], texts=near,
                note=words["note_words"],
            ),
            Panel(
                words["panel_attention"], image, heat=looked, texts=texts,
                note=[
                    words["note_attention"].format(layer=i + 1, share=float(trace.attention[i, shown].sum()))
                    for i in range(n_layer)
                ],
            ),
            Panel(
                words["panel_effect"], image, heat=effect[None, None], signed=True, texts=texts,
                largest=max(LITTLE, float(np.abs(effect).max())),
                note=words["note_effect"].format(answer=shorten(trace.intact)),
            ),
        ],
        side=side,
        columns=3,
        sources=sources(trace, words),
        source=shown,
        chips=True,
        off=trace.off,
        gap=GAP,
        scrub=Scrub("layer", words["layer"], tuple(range(1, n_layer + 1)), min(max(layer, 1), n_layer) - 1),
        alt=words["alt_chain"].format(
            n=len(texts), k=n_token, answer=trace.answer, p=float(trace.probability[0]), off=len(trace.off),
            share=float(trace.attention[-1, trace.answer_at].sum()), most=float(effect.max()),
            row=int(effect.argmax()) // side + 1, column=int(effect.argmax()) % side + 1,
        ),
        height=CHAIN,
        name="chain",
    )  # fmt: skip


def _near(trace: Trace, k: int) -> str:
    """The nearest words of one token, with their cosines."""
    return ", ".join(f"{word} {c:.2f}" for word, c in zip(trace.near[k], trace.cosine[k].tolist(), strict=True))


def shorten(answer: str) -> str:
    """A description does not fit under a panel."""
    return answer if len(answer) <= 18 else answer[:17] + "…"


def on_patches(trace: Trace) -> np.ndarray:
    """(layer, source, patch): attention to image tokens, handed on to the patches they were made of."""
    return np.einsum("lqk,kn->lqn", trace.attention.numpy(), trace.source.numpy())


def _source(trace: Trace, source: int) -> int:
    """The chosen place, else the one that gives the answer."""
    return source if 0 <= source < trace.attention.shape[1] else trace.answer_at


def sources(trace: Trace, words: Words) -> list[str]:
    """The places after the picture, in order, the markers in plain language."""
    named = {f"<{name}>": words[f"mark_{name}"] for name in ("question", "answer", "end")}
    said = [named.get(word, word) for word in trace.prompt]
    return [f"→ {word}" if q >= trace.answer_at else word for q, word in enumerate(said)]


def _what(thing: str, words: Words) -> str:
    """What a patch shows: "" nothing that is known, one colour word for the ground, or "colour shape"."""
    parts = thing.split()
    if not parts:
        return words["shows_picture"]
    if len(parts) == 1:
        return words["shows_ground"].format(colour=words[f"thing_{parts[0]}"])
    return words["shows_thing"].format(colour=words[f"thing_{parts[0]}"], shape=words[f"thing_{parts[1]}"])


def _painted(trace: Trace) -> np.ndarray:
    """(token, 3): the colour that one of its nearest words names; grey without."""
    css = [SWATCH[name] if name else GREY for name in trace.colour_word]
    return np.array([[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in css], np.uint8)


def answer(trace: Trace, words: Words) -> View:
    """The likeliest answers, the scene's own one marked."""
    shown = list(zip(trace.word, trace.probability.tolist(), strict=True))[:N_ANSWER]
    rows = [Row(words["row_right"].format(word=word) if word == trace.truth else word, [100 * p]) for word, p in shown]
    values = ", ".join(f"{word} {p:.0%}" for word, p in zip(trace.word, trace.probability.tolist(), strict=True))
    return ledger(
        [Part(words["part_answer"], 0)],
        [Group(words["group_answer"].format(question=trace.question), rows)],
        axis=words["axis_answer"],
        unit="%",
        words={"hint": " "},
        alt=words["alt_answer"].format(question=trace.question, values=values),
        height=ANSWER,
        name="answer",
    )


def nearest(trace: Trace, words: Words) -> go.Figure:
    """The nearest word of every image token, in the tokens' own places; darker: a larger cosine."""
    k = len(trace.near)
    wide = next(n for n in (8, 4, 2, 1) if k % n == 0 and n * n <= max(k, 1) * (2 if k in (8, 32) else 1))
    cosine = trace.cosine[:, 0].numpy().reshape(-1, wide)
    # readers of one language are told what the other's word means
    text = np.array(
        [row[0] + (f"<br>{also}" if also else "") for row, also in zip(trace.near, trace.also, strict=True)]
    ).reshape(-1, wide)
    said = np.array(
        [", ".join(f"{word} {c:.2f}" for word, c in zip(row, values, strict=True))
         for row, values in zip(trace.near, trace.cosine.tolist(), strict=True)]
    ).reshape(-1, wide)  # fmt: skip
    figure = go.Figure(
        go.Heatmap(
            z=cosine,
            text=text,
            customdata=said,
            texttemplate="%{text}",
            hovertemplate="%{customdata}<extra></extra>",
            colorscale=plotly_scale("probability"),
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": words["axis_cosine"]}, "thickness": 12},
        )
    )
    figure.update_xaxes(visible=False, fixedrange=True)
    figure.update_yaxes(visible=False, fixedrange=True, autorange="reversed")
    counts = Counter(row[0] for row in trace.near).most_common(4)
    alt = words["alt_nearest"].format(
        n=k, cosine=float(trace.cosine[:, 0].mean()), values=", ".join(f"{word} {n}" for word, n in counts)
    )
    return finish(figure, alt, 90 + 42 * len(cosine), margin={"l": 8, "r": 8, "t": 8, "b": 8})


def heads(trace: Trace, words: Words, source: int) -> View:
    """Every head of every layer: where the chosen place looks."""
    n_layer, n_head = trace.heads.shape[:2]
    shown = _source(trace, source)
    looked = np.einsum("lhqk,kn->lhqn", trace.heads.numpy(), trace.source.numpy())
    share = trace.heads[:, :, shown].sum(-1)
    top = int(share.flatten().argmax())
    return patches(
        [
            Panel(
                words["panel_head"].format(layer=i + 1, head=h + 1), trace.picture.numpy(), heat=looked[i, h][None],
                note=words["note_head"].format(share=float(share[i, h])),
            )
            for i in range(n_layer)
            for h in range(n_head)
        ],
        side=round(trace.source.shape[1] ** 0.5),
        columns=n_head,
        sources=sources(trace, words),
        source=shown,
        chips=True,
        alt=words["alt_heads"].format(
            n=n_layer * n_head, place=sources(trace, words)[shown], layer=top // n_head + 1, head=top % n_head + 1,
            share=float(share.flatten()[top]),
        ),
        height=EVERY_HEAD,
        name="heads",
    )  # fmt: skip


def link(cells: Sequence[int]) -> str:
    """Switched-off patches as the link has them: numbered from 1."""
    return " ".join(str(cell + 1) for cell in sorted(cells))


def captions(trace: Trace) -> list[str]:
    """Names of the captions below the picture, by what it shows."""
    said = []
    if trace.unknown:
        said.append("unknown")
    if trace.replaced:
        said.append("replaced")
    said.append("answer" if trace.truth else "answer_open")
    if trace.off:
        said.append("off")
    return [*said, "look", "needed" if trace.n_needed else "redundant", "words"]


def thumbnail(trace: Trace) -> str:
    """The picture in patches, and the colours of its image tokens."""
    image = trace.picture.numpy()
    side = round(trace.source.shape[1] ** 0.5)
    n = image.shape[0] // side
    small = image.reshape(side, n, side, n, 3).mean((1, 3)).reshape(-1, 3)
    tokens = trace.token.numpy()[trace.source.numpy().argmax(0)]
    cells = []
    for k, colours in enumerate((small, trace.feature.numpy(), tokens)):
        for i, (red, green, blue) in enumerate(colours.astype(int).tolist()):
            x, y = 4 + 53 * k + i % side * 6.1, 26 + i // side * 6.1
            cells.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="5.2" height="5.2" fill="#{red:02x}{green:02x}{blue:02x}"/>'
            )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}</svg>'
