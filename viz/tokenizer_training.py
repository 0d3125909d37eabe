"""Pictures of a tokenizer being trained: every step of the vocabulary, the text as it is cut then, a word's lattice.

Every function takes a Trace of models/tokenizer_training.py and the page's words, and returns a View or a Plotly figure
with an alt text of its own numbers. One scrubber moves the curve, the table, the vocabulary and the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz import palette
from viz.components.kit import Scrub
from viz.components.merges import merges
from viz.components.story import lattice as story_lattice
from viz.components.tokens import Frames, Row, tokens
from viz.plots import finish, shown, visible
from viz.tokenizer_splits import spelled
from viz.view import View

if TYPE_CHECKING:
    from models.tokenizer_training import Cut, Trace

Words = Mapping[str, str]
STEPS, TEXT, STORY, FIGURE = 468, 170, 320, 360  # heights in pixels
LIGHT, STRONG = palette.palette()["probability"][3], palette.palette()["probability"][6]


def steps(trace: Trace, words: Words) -> View:
    """The compression curve with the scrubber as its axis, the next candidates, the vocabulary, the tree of merges."""
    first = trace.first_difference
    rule = words["rule_wordpiece" if trace.algorithm != "wordpiece" else "rule_bpe"]
    pruned = trace.algorithm == "unigram"
    marks = [] if pruned or first >= trace.n_step else [(first, words["mark_difference"].format(rule=rule))]
    return merges(
        trace.piece,
        trace.born,
        trace.gone,
        trace.parent,
        trace.curve,
        trace.axis,
        trace.pair,
        trace.numbers,
        trace.chosen,
        [words[f"column_{column}"] for column in trace.columns],
        Scrub("step", words["step"], range(trace.n_step + 1), trace.step),
        rival=None if pruned else trace.rival,
        marks=marks,
        words={
            "curve": words["curve"],
            "axis": words["axis"],
            "chosen": words["removed" if pruned else "taken"],
            "rival": words["rival"].format(rule=rule),
        },
        alt=words["alt_steps"].format(
            n=trace.n_step, start=float(trace.curve[0]), end=float(trace.curve[-1]), size=int(trace.axis[-1])
        ),
        height=STEPS,
        name="training",
    )


def text(trace: Trace, words: Words) -> View:
    """The beginning of the text, cut by the vocabulary of the step on the scrubber."""
    frames = Frames(trace.n_step + 1, until=trace.until, bits=trace.bits, vocabulary=trace.written)
    return tokens(
        trace.shown,
        [Row(words[f"name_{trace.algorithm}"], frames=frames)],
        alt=words["alt_text"].format(n=len(trace.shown)),
        words=words,
        follow="step",
        index=trace.step,
        height=TEXT,
        name="text",
    )


def named(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts with the white space of pieces made visible."""
    pieces = ("_left", "_right", "dearest", "best", "word")
    return {
        key: spelled(visible(value)) if isinstance(value, str) and key.endswith(pieces) else value
        for key, value in facts.items()
    }


def captions(trace: Trace) -> list[str]:
    """Names of the captions that say what the steps show."""
    if not trace.text:
        return ["no_text"]
    here = "begin" if not trace.step else "end" if trace.step == trace.n_step else "merged"
    wanted = {
        "no_step": not trace.n_step,
        "pruned": bool(trace.n_step) and trace.algorithm == "unigram",
        here: bool(trace.n_step) and trace.algorithm != "unigram",
        "compression": True,
        "short": bool(trace.n_step) and int(trace.axis[-1]) < trace.vocab_size,
        "over": int(trace.axis[-1]) > trace.vocab_size,
        "rare": trace.n_rare_character > 0,
        "specials": True,
    }
    return [name for name, it_is_so in wanted.items() if it_is_so]


def lattice(trace: Trace, words: Words) -> View | None:
    """Every way to cut the word: the best ones in order, then what sampling drew. None for an empty word."""
    seen = trace.lattice
    if not seen.word:
        return None
    edge = [
        (int(a), int(b), seen.word[a:b], float(p), bool(best))
        for a, b, p, best in zip(seen.start, seen.end, seen.log_prob, seen.best, strict=True)
    ]
    place = {(a, b): i for i, (a, b, *_) in enumerate(edge)}

    def path(label: str, cut: Cut) -> tuple[str, list[int], float]:
        return label, [place[span] for span in cut.span], cut.log_prob

    paths = [path(words["nth_best"].format(n=i + 1), cut) for i, cut in enumerate(seen.n_best)]
    paths += [path(words["drawn"].format(n=cut.n_drawn), cut) for cut in seen.drawn[:4]]
    alt = words["alt_lattice"].format(word=seen.word, edges=len(edge), ways=seen.n_way)
    return story_lattice(seen.word, edge, None, paths=paths, alt=alt, height=STORY, name="lattice")


def difference(trace: Trace, words: Words) -> go.Figure | None:
    """The candidates of the first step at which the two rules disagree, by count and by score. None: they never do."""
    k = trace.first_difference
    if trace.algorithm == "unigram" or k >= trace.n_step:
        return None
    rows = [i for i in range(trace.pair.shape[1]) if trace.pair[k, i, 0] >= 0]
    names = [shown(f"{trace.piece[trace.pair[k, i, 0]]} + {trace.piece[trace.pair[k, i, 1]]}") for i in rows]
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06,
        subplot_titles=[words["by_count"], words["by_score"]],
    )  # fmt: skip
    for c in range(2):
        values = trace.numbers[k, rows, c]
        best = float(np.nanmax(values))
        bar = go.Bar(
            x=values,
            y=list(range(len(rows))),
            orientation="h",
            marker_color=[STRONG if value == best else LIGHT for value in values],
            text=[f"{value:,.4g}" for value in values],
            textposition="outside",
            constraintext="none",
            cliponaxis=False,
            customdata=names,
            hovertemplate="%{customdata}: %{text}<extra></extra>",
        )
        figure.add_trace(bar, row=1, col=c + 1)
        figure.update_xaxes(range=[0, 1.45 * best or 1], showticklabels=False, showgrid=False, row=1, col=c + 1)
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, autorange="reversed", showgrid=False)
    lines = "; ".join(
        f"{name}: {trace.numbers[k, i, 0]:,.0f}, {trace.numbers[k, i, 1]:.3g}"
        for name, i in zip(names, rows, strict=True)
    )
    alt = words["alt_difference"].format(step=k + 1, lines=lines)
    return finish(figure, alt, 100 + 30 * len(rows), showlegend=False)


def loss(trace: Trace, words: Words) -> go.Figure | None:
    """What each removed piece cost, the cheapest first, coloured by its round. None: none was removed."""
    removed = np.flatnonzero(np.isfinite(trace.loss))
    if not len(removed):
        return None
    order = removed[np.argsort(trace.loss[removed], kind="stable")]
    names = [shown(trace.piece[i]) for i in order]
    figure = go.Figure(
        go.Scatter(
            x=np.arange(1, len(order) + 1),
            y=trace.loss[order],
            mode="markers",
            marker={"size": 6, "color": trace.gone[order], "colorscale": palette.plotly_scale("probability")[3:]},
            customdata=[[name, int(trace.gone[i])] for name, i in zip(names, order, strict=True)],
            hovertemplate=words["hover_loss"] + "<extra></extra>",
        )
    )
    figure.update_xaxes(title=words["axis_removed"])
    figure.update_yaxes(title=words["axis_loss"])
    alt = words["alt_loss"].format(n=len(order), first=names[0], last=names[-1], most=float(trace.loss[order[-1]]))
    return finish(figure, alt, FIGURE)


def words(trace: Trace, words: Words) -> View | None:
    """The sample text in the tokenizer of whole words: what is unknown or dropped is hatched. None if it is empty."""
    told, at, spans = trace.words, 0, []
    sample = trace.sentence
    if not sample:
        return None
    for token in told.token:
        start = sample.index(token, at)
        at = start + len(token)
        spans.append((len(sample[:start].encode()), len(sample[:at].encode())))
    row = Row(
        words["name_words"],
        note=words["row_note"].format(n=len(told.token)),
        id=np.array(told.id, dtype=np.int64),
        start=np.array([a for a, _ in spans], dtype=np.int64),
        end=np.array([b for _, b in spans], dtype=np.int64),
        exact=np.array(told.known, dtype=bool),
        piece=dict(zip(told.id, told.token, strict=True)),
    )
    alt = words["alt_words"].format(n=len(told.token), unknown=sum(not known for known in told.known))
    return tokens(sample, [row], alt=alt, words=words, height=130, name="words")


def thumbnail(trace: Trace) -> str:
    """The compression curve."""
    curve = np.asarray(trace.curve, dtype=float)
    low, high = float(curve.min()), float(curve.max())
    x = np.linspace(12, 148, len(curve)) if len(curve) > 1 else np.array([12.0])
    y = 88 - 74 * (curve - low) / (high - low or 1)
    every = max(1, len(curve) // 60)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[::every], y[::every], strict=True))
    at = min(trace.step, len(curve) - 1)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">'
        f'<polyline points="{points}" fill="none" stroke="{LIGHT}" stroke-width="3"/>'
        f'<circle cx="{x[at]:.1f}" cy="{y[at]:.1f}" r="5" fill="{STRONG}"/></svg>'
    )
