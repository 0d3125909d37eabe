"""Pictures of what a longer context costs: the cache's bytes, the share of the scores, and the lengths of real models.

`kv` and `share` take a Trace of models/context_cost.py and the page's words; one slider, on the axis of `kv`, moves
both. `lengths` takes the table of models/context_lengths.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.view import View

if TYPE_CHECKING:
    from models.context_cost import Trace
    from models.context_lengths import Context

Words = Mapping[str, str]
COST, TABLE = 360, 500  # heights in pixels
GIB = 2**30
MARKS = ((2048, "mark_gpt3"), (131072, "mark_128k"))


def kv(trace: Trace, words: Words, field: str = "length") -> View:
    """Cache of one sequence in GiB against its length; the slider lies on the axis. field: of the page's Config."""
    lines = [Line(name, trace.kv[m].numpy() / GIB, role=f"line:{m}") for m, name in enumerate(trace.name)]
    i = trace.index
    return curves(
        trace.n.numpy(),
        lines,
        x_axis=Axis(words["length"], log=True, kilo=1024),
        y_axis=Axis(words["kv"], log=True),
        scrub=Scrub(field, words["length"], trace.n.tolist(), i),
        on_axis=True,
        marks=[(at, words[name]) for at, name in MARKS],
        alt=words["alt_kv"].format(
            length=int(trace.n[i]),
            values="; ".join(f"{name} {float(trace.kv[m, i]) / GIB:.3g} GiB" for m, name in enumerate(trace.name)),
        ),
        height=COST,
        name="kv-cache",
    )


def share(trace: Trace, words: Words, field: str = "length") -> View:
    """What part of the arithmetic of reading a prompt the scores are, in percent. Follows the slider of `kv`."""
    lines = [Line(name, 100 * trace.share[m].numpy(), role=f"line:{m}") for m, name in enumerate(trace.name)]
    i = trace.index
    return curves(
        trace.n.numpy(),
        lines,
        x_axis=Axis(words["length"], log=True, kilo=1024),
        y_axis=Axis(words["share"], low=0, high=100),
        follow=field,
        index=i,
        cursor=trace.n.tolist(),
        marks=[(at, words[name]) for at, name in MARKS],
        alt=words["alt_share"].format(
            length=int(trace.n[i]),
            values="; ".join(f"{name} {float(trace.share[m, i]):.1%}" for m, name in enumerate(trace.name)),
        ),
        height=COST,
        name="quadratic-share",
    )


def lengths(contexts: Sequence[Context], words: Words) -> View:
    """One row for each model, the earliest on top: a coloured dot at the context it is offered with, and where that is
    more than it was ever trained on, a line back to a dark dot there."""
    n = len(contexts)
    families = list(dict.fromkeys(one.family for one in contexts))
    rows = [(n - 1 - i, one) for i, one in enumerate(contexts)]
    stretched = [(row, one.trained, one) for row, one in rows if one.trained is not None and one.trained < one.offered]
    lines = [
        Line("", [row, row], x=[trained, one.offered], role=_role(families, one.family), quiet=True)
        for row, trained, one in stretched
    ]
    stretched.sort(key=lambda found: found[1])
    dark = [row for row, *_ in stretched], [trained for _, trained, _ in stretched]
    lines.append(Line("", dark[0], x=dark[1], role="ink", form="dots"))
    for family in families:
        own = sorted((one.offered, row, one.name) for row, one in rows if one.family == family)
        lines.append(
            Line(
                "",
                [row for _, row, _ in own],
                x=[offered for offered, _, _ in own],
                role=_role(families, family),
                form="dots",
                labels=[name for *_, name in own],
            )
        )
    years = {one.year: row for row, one in reversed(rows)}  # the first row of each year
    longest = max(contexts, key=lambda one: one.offered)
    return curves(
        [min(one.trained or one.offered for one in contexts), longest.offered],
        lines,
        x_axis=Axis(words["context"], log=True, low=256, high=2.0**24, kilo=1024),
        y_axis=Axis(words["rows"], low=-0.6, high=n - 0.4, ticks=[(row, str(year)) for year, row in years.items()]),
        alt=words["alt_lengths"].format(
            n=n, first=contexts[0].name, start=contexts[0].offered, last=longest.name, end=longest.offered
        ),
        height=TABLE,
        name="context-lengths",
    )


def _role(families: Sequence[str], family: str) -> str:
    return f"line:{families.index(family) % 8}"
