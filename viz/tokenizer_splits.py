"""Pictures of one text split by several tokenizers: the token staff, one token's story, what it all costs.

Every function takes a Trace of models/tokenizer_splits.py, the page's words and the tokenizers' titles, and returns a
View or a Plotly figure with an alt text of its own numbers. A token's hue comes from its id; hatched is what is lost.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz import palette
from viz.components.story import lattice, replay, search
from viz.components.tokens import Row, tokens
from viz.plots import finish, visible
from viz.view import View

if TYPE_CHECKING:
    from models.tokenizer_splits import Trace

Words = Mapping[str, str]
STORY, FIGURE = 300, 320  # heights in pixels
BAR = palette.palette()["probability"][5]  # a middle tone, which stands out on light and on dark paper alike
QUIET = palette.palette()["verdict"]["gray"]
LANGUAGES = ("en", "zh", "ja", "ko", "ru", "ar", "hi", "es", "de", "code")  # the order of Trace.sample's columns


def staff(trace: Trace, words: Words, titles: Mapping[str, str], reasons: Sequence[str]) -> View:
    """The text in lines, one row per tokenizer below each. reasons: why each of Trace.missing cannot be had."""
    rows = [
        Row(
            name=titles.get(row.name, row.name),
            note=words["row_note"].format(n=row.n_token),
            id=row.split.id,
            start=row.split.start,
            end=row.split.end,
            exact=row.split.exact,
            piece=row.piece,
            rank=row.rank,
            rank_name=words["log_prob" if row.algorithm == "unigram" else "merge_rank"],
        )
        for row in trace.row
    ]
    rows += [
        Row(name=titles.get(missing.name, missing.name), sentence=reason)
        for missing, reason in zip(trace.missing, reasons, strict=True)
    ]
    counts = "; ".join(f"{row.name}: {row.note}" for row in rows if not row.sentence)
    return tokens(
        trace.text,
        rows,
        picked=trace.picked,
        words=words,
        alt=words["alt_staff"].format(n=len(trace.text), counts=counts, shared=trace.n_common, all=trace.n_boundary),
        height=_height(trace.text, len(rows)),
        name="tokens",
    )


def _height(text: str, n_row: int) -> int:
    """Pixels of the staff: by what there is to show, in coarse steps, so that the page moves little while one types."""
    lines = sum(1 + len(line) // 100 for line in text[:2_000].split("\n"))
    shelves = lines * (n_row + 1)
    return next((height for most, height in ((3, 190), (6, 270), (9, 340), (11, 400)) if shelves <= most), 490)


def story(trace: Trace, words: Words) -> View | None:
    """Why the chosen token is what it is; None for one that needs no search."""
    told: Any = trace.story  # whose class is known by name only: the arrow does not point to models
    token = int(trace.row[trace.picked[0]].split.id[trace.picked[1]]) if trace.picked else None
    match type(told).__name__:
        case "Merges":
            steps = [(merge.at, merge.left, merge.right, merge.rank) for merge in told.merge]
            alt = words["alt_replay"].format(word="".join(told.start), n=len(steps))
            return replay(
                told.start, steps, told.n_before, rank_name=words["merge_rank"], token_id=token, alt=alt, height=STORY
            )
        case "Matches":
            found = [(match.tried, match.n_tried, match.found) for match in told.match]
            alt = words["alt_search"].format(word=told.word, n=len(found))
            return search(told.word, found, told.token, token_id=token, alt=alt, height=STORY)
        case "Lattice":
            edges = [(edge.start, edge.end, edge.piece, edge.log_prob, edge.best) for edge in told.edge]
            alt = words["alt_lattice"].format(word=told.word, n=len(edges), value=told.log_prob)
            return lattice(told.word, edges, told.token, token_id=token, alt=alt, height=STORY)
    return None


def caption_of_story(trace: Trace, facts: Mapping[str, object]) -> str:
    """Name of the caption that tells the chosen token's story."""
    name = {"Merges": "merges", "Matches": "matches", "Lattice": "lattice", "Lookup": "lookup"}[
        type(trace.story).__name__
    ]
    return "no_merge" if name == "merges" and not facts["n_merge"] else name


def captions(trace: Trace, facts: Mapping[str, object]) -> list[str]:
    """Names of the captions that say what the staff shows."""
    if not trace.row or not trace.text:
        return ["empty"] if trace.row else []
    wanted = {
        "alone": len(trace.row) == 1,
        "even": len(trace.row) > 1 and facts["n_fewest"] == facts["n_most"],
        "look": len(trace.row) > 1 and facts["n_fewest"] != facts["n_most"],
        "disputes": len(trace.row) > 1,
        "lossless": facts["n_lossless"] == facts["n_row"],
        "lossy": facts["n_lossless"] != facts["n_row"],
    }
    return [name for name, it_is_so in wanted.items() if it_is_so]


def named(facts: Mapping[str, object], titles: Mapping[str, str]) -> dict[str, object]:
    """The facts with tokenizers called by their titles and the white space of pieces made visible."""
    calls, pieces = ("fewest", "most", "lossiest", "told_by"), ("piece", "left", "right", "word")
    answer = dict(facts)
    answer |= {name: titles.get(str(facts[name]), facts[name]) for name in calls}
    return answer | {name: spelled(visible(str(facts[name]))) for name in pieces}


def spelled(piece: str) -> str:
    """A piece in a sentence as the pictures write it: a byte that is no character is its two hex digits."""
    return re.sub(r"(?:<0x[0-9A-F]{2}>)+", lambda run: run[0][3:-1].replace("><0x", " "), piece)


def counts(trace: Trace, words: Words, titles: Mapping[str, str]) -> go.Figure:
    """Tokens of this text, one bar per tokenizer, with characters and bytes per token."""
    n_char, n_byte = len(trace.text), len(trace.text.encode())
    said = []
    for row in trace.row:
        n = max(row.n_token, 1)
        text = words["bar_counts"].format(n=row.n_token, char=n_char / n, byte=n_byte / n)
        said.append(text + words["bar_unknown"].format(share=row.n_unknown / n) * bool(row.n_unknown))
    names = [_title(row.name, titles) for row in trace.row]
    return _bars(names, [row.n_token for row in trace.row], said, words["axis_tokens"], words)


def cost(trace: Trace, words: Words, titles: Mapping[str, str]) -> go.Figure:
    """Parameters that each vocabulary takes, with the share of the context window and the time this text takes.

    In grey the tables of well-known models at the same width.
    """
    said = [
        words["bar_cost"].format(
            size=row.vocab_size, million=count / 1e6, context=trace.context[i], seconds=trace.seconds[i]
        )
        for i, (row, count) in enumerate(zip(trace.row, trace.n_parameter, strict=True))
    ]
    said += [words["bar_size"].format(size=size, million=count / 1e6) for size, count in trace.published.values()]
    names = [_title(row.name, titles) for row in trace.row] + list(trace.published)
    values = [count / 1e6 for count in (*trace.n_parameter, *(count for _, count in trace.published.values()))]
    return _bars(names, values, said, words["axis_parameters"], words, n_quiet=len(trace.published))


def languages(trace: Trace, words: Words, titles: Mapping[str, str]) -> go.Figure:
    """Tokens of one sentence in nine languages and of a piece of code: a small panel each, one bar per tokenizer."""
    n = len(LANGUAGES)
    figure = make_subplots(
        rows=n // 2,
        cols=2,
        shared_xaxes="all",
        shared_yaxes=True,
        subplot_titles=[words[f"sample_{lang}"] for lang in LANGUAGES],
        vertical_spacing=0.05,
        horizontal_spacing=0.04,
    )
    names = [_title(row.name, titles) for row in trace.row]
    for i, lang in enumerate(LANGUAGES):
        values = trace.sample[:, i].tolist()
        bar = go.Bar(
            x=values,
            y=list(range(len(names))),
            orientation="h",
            marker_color=BAR,
            text=values,
            textposition="outside",
            constraintext="none",
            cliponaxis=False,
            customdata=names,
            hovertemplate=f"%{{customdata}}: %{{x}}<extra>{words[f'sample_{lang}']}</extra>",
        )
        figure.add_trace(bar, row=i // 2 + 1, col=i % 2 + 1)
    most = int(trace.sample.max(initial=1))
    figure.update_xaxes(range=[0, 1.2 * most], showgrid=False, showticklabels=False, zeroline=False)
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, autorange="reversed", showgrid=False)
    lines = [
        f"{titles.get(row.name, row.name)}: "
        + ", ".join(f"{words[f'sample_{lang}']} {int(trace.sample[r, i])}" for i, lang in enumerate(LANGUAGES))
        for r, row in enumerate(trace.row)
    ]
    height = 120 + (n // 2) * (34 + 18 * max(1, len(names)))
    return finish(figure, words["alt_languages"].format(lines="; ".join(lines)), height, showlegend=False, bargap=0.2)


def vocabulary(trace: Trace, words: Words, titles: Mapping[str, str]) -> go.Figure:
    """Vocabulary size against tokens of this text: what a larger table buys."""
    sizes = [row.vocab_size for row in trace.row]
    names = [_title(row.name, titles) for row in trace.row]
    figure = go.Figure(
        go.Scatter(
            x=sizes,
            y=[row.n_token for row in trace.row],
            mode="markers+text",
            text=names,
            textposition="top center",
            marker={"size": 13, "color": BAR},
            cliponaxis=False,
            hovertemplate="%{text}: %{x:,}, %{y}<extra></extra>",
        )
    )
    span = [np.log10(max(min(sizes, default=100), 1)) - 0.5, np.log10(max(sizes, default=1_000)) + 0.5]
    ticks = [mantissa * 10**power for power in range(2, 7) for mantissa in (1, 3)]
    names_of_ticks = [f"{tick:,}" for tick in ticks]
    figure.update_xaxes(type="log", title=words["axis_vocabulary"], range=span, tickvals=ticks, ticktext=names_of_ticks)
    figure.update_yaxes(title=words["axis_tokens"], rangemode="tozero")
    alt = words["alt_vocabulary"].format(
        lines="; ".join(f"{titles.get(row.name, row.name)}: {row.vocab_size:,}, {row.n_token}" for row in trace.row)
    )
    return finish(figure, alt, FIGURE)


def _title(name: str, titles: Mapping[str, str]) -> str:
    """A tokenizer's name for Plotly; one's own is called by the end of its path."""
    return html.escape(titles.get(name, name[-28:]), quote=False).replace("$", "&#36;")


def _bars(
    names: Sequence[str], values: Sequence[float], said: Sequence[str], axis: str, words: Words, n_quiet: int = 0
) -> go.Figure:
    """Thin bars, each with its numbers written above it, so that they fit on a phone; the last n_quiet are grey."""
    figure = go.Figure(
        go.Bar(
            x=values,
            y=list(range(len(names))),
            orientation="h",
            width=0.3,
            offset=0,
            marker_color=[BAR] * (len(names) - n_quiet) + [QUIET] * n_quiet,
            customdata=[f"{name}: {text}" for name, text in zip(names, said, strict=True)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    for i, (name, text) in enumerate(zip(names, said, strict=True)):
        place = {"x": 0, "y": i, "xref": "x", "yref": "y", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
        figure.add_annotation(text=f"<b>{name}</b>  {text}", **place)
    figure.update_yaxes(visible=False, range=[len(names) - 0.4, -0.7])
    figure.update_xaxes(title=axis, rangemode="tozero")
    alt = words["alt_bars"].format(axis=axis, lines="; ".join(f"{n}: {s}" for n, s in zip(names, said, strict=True)))
    height = 90 + 44 * max(1, len(names))
    return finish(figure, alt, height, margin={"l": 8, "r": 24, "t": 16, "b": 56})


def thumbnail(trace: Trace) -> str:
    """The first 48 bytes of the text as rows of coloured boxes."""
    colours = palette.experts()
    n_byte = min(48, max(len(trace.text.encode()), 1))
    step, boxes = 152 / n_byte, []
    for r, row in enumerate(trace.row[:4]):
        for token, start, end in zip(row.split.id, row.split.start, row.split.end, strict=True):
            if start >= n_byte:
                break
            width = max(1.0, (min(end, n_byte) - start) * step - 1.5)
            boxes.append(
                f'<rect x="{4 + start * step:.1f}" y="{8 + 22 * r}" width="{width:.1f}" height="17" rx="3"'
                f' fill="{colours[int(token) % len(colours)]}" fill-opacity="0.75"/>'
            )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(boxes)}</svg>'
