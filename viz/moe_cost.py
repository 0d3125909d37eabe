"""Pictures of what a mixture of experts costs. Each takes a Trace of models/moe_cost.py and the page's words.

One slider, the tokens of a step, lies on the axis of `step` and moves the bars of `bars`, the curves of `touched` and
those of `shrinking`. Parts of a model keep their colours; what a token leaves idle is hatched. The still pictures are
in viz/moe_models.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.ledger import Group, Part, Row, ledger
from viz.moe_models import PARTS, PLACES, arithmetic, colour, devices, landscape, layers, memory, short
from viz.view import View

if TYPE_CHECKING:
    from models.moe_cost import Trace

__all__ = [
    "PICTURES", "arithmetic", "bars", "below", "captions", "combinations", "devices", "landscape", "layers", "memory",
    "shrinking", "step", "thumbnail", "touched",
]  # fmt: skip

Words = Mapping[str, str]
MAIN, FIGURE = 410, 360  # heights in pixels
B = 1e9
TICKS = [(float(t), f"{t:,}") for t in (1, 4, 16, 64, 256, 1024, 4096)]
MOST = 10**38  # what a line may reach: 32 bits hold no more


def bars(trace: Trace, words: Words) -> View:
    """Six bars on one scale: what each model stores, reads for a step of every size, and uses for a token."""
    idle = Part(words["idle"], PLACES["experts"], hatched=True)
    parts = [Part(words[f"part_{part}"], PLACES[part]) for part in PARTS]
    experts = PARTS.index("experts")
    order = [*range(experts + 1), len(PARTS), *range(experts + 1, len(PARTS))]  # idle experts beside those used
    groups = []
    for m, name in enumerate(trace.name):
        total, used, read = (x[m].numpy() / B for x in (trace.total, trace.active, trace.read_parts))
        groups.append(
            Group(
                short(name),
                [
                    Row(words["row_stored"], np.append(used, (total - used)[experts])[order]),
                    Row(
                        [words["row_read"].format(batch=int(b)) for b in trace.batch],
                        np.pad(read, ((0, 0), (0, 1)))[:, order],
                    ),
                    Row(words["row_used"], np.append(used, 0.0)[order]),
                ],
            )
        )
    sums = [trace.total.sum(1), trace.read[:, trace.index], trace.active.sum(1)]
    return ledger(
        [[*parts, idle][i] for i in order],
        groups,
        axis=words["axis_billions"],
        unit="B",
        follow="batch",
        index=trace.index,
        alt=words["alt_bars"].format(
            batch=int(trace.batch[trace.index]),
            values="; ".join(
                f"{name}: " + ", ".join(f"{float(row[m]) / B:,.1f}" for row in sums)
                for m, name in enumerate(trace.name)
            ),
        ),
        height=MAIN,
        name="stored-read-used",
    )


def step(trace: Trace, words: Words) -> View:
    """What one step fetches from memory against its tokens, in GB; the slider lies on the axis."""
    x, scale = trace.batch.numpy(), trace.size / B
    n = trace.shape[0].n_expert
    lines = [
        Line(short(trace.name[0]), trace.read[0].numpy() * scale, role="line:2"),
        Line(short(trace.name[1]), trace.read[1].numpy() * scale, role="line:1"),
    ]
    if n:
        lines.append(Line(words["line_popular"], trace.read_skewed.numpy() * scale, role="line:2", quiet=True))
    readout = []
    for i, b in enumerate(x.tolist()):
        gb = float(trace.read[0, i]) * scale
        first = words["readout"].format(batch=b, touched=float(trace.touched[0, i]), n=n)
        readout.append(
            [first if n else words["readout_dense"].format(batch=b), words["readout_gb"].format(gb=gb, per=gb / b)]
        )
    i = trace.index
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_batch"], log=True, ticks=TICKS),
        y_axis=Axis(words["axis_read"], low=0.0),
        scrub=Scrub("batch", words["axis_batch"], x.tolist(), i),
        on_axis=True,
        readout=readout,
        alt=words["alt_step"].format(
            name=trace.name[0],
            beside=trace.name[1],
            batch=int(x[i]),
            touched=float(trace.touched[0, i]),
            n=n,
            gb=float(trace.read[0, i]) * scale,
            gb_beside=float(trace.read[1, i]) * scale,
        ),
        height=MAIN,
        name="read-per-step",
    )


def touched(trace: Trace, words: Words) -> View:
    """Different experts of one layer that a step asks for: the formula, drawn tokens, and popular experts."""
    x, i = trace.batch.numpy(), trace.index
    n = trace.shape[0].n_expert
    return curves(
        x,
        [
            Line(words["line_formula"], trace.touched[0].numpy(), role="line:2"),
            Line(words["line_sampled"], trace.sampled.numpy(), role="line:0", form="dots"),
            Line(words["line_popular"], trace.skewed.numpy(), role="line:3"),
        ],
        x_axis=Axis(words["axis_batch"], log=True, ticks=TICKS),
        y_axis=Axis(words["axis_experts"].format(n=n), low=0.0, high=float(max(n, 1))),
        follow="batch",
        index=i,
        cursor=x,
        alt=words["alt_experts"].format(
            n=n,
            batch=int(x[i]),
            touched=float(trace.touched[0, i]),
            sampled=float(trace.sampled[i]),
            skewed=float(trace.skewed[i]),
        ),
        height=FIGURE,
        name="experts-touched",
    )


def shrinking(trace: Trace, words: Words) -> View:
    """Tokens that one expert gets, from the batch of one device and from all devices' together."""
    x, i = trace.batch.numpy(), trace.index
    return curves(
        x,
        [
            Line(words["line_together"].format(d=trace.n_device), trace.per_expert[1].numpy(), role="line:2"),
            Line(words["line_alone"], trace.per_expert[0].numpy(), role="line:1"),
            Line(words["line_dense"], x.astype(float), quiet=True),
        ],
        x_axis=Axis(words["axis_device_batch"], log=True, ticks=TICKS),
        y_axis=Axis(words["axis_tokens"], log=True),
        follow="batch",
        index=i,
        cursor=x,
        alt=words["alt_shrinking"].format(
            batch=int(x[i]),
            alone=float(trace.per_expert[0, i]),
            d=trace.n_device,
            together=float(trace.per_expert[1, i]),
        ),
        height=FIGURE,
        name="tokens-per-expert",
    )


def combinations(trace: Trace, words: Words) -> View:
    """Ways to choose experts when each is split m times: the paper's example, and the chosen model."""
    x = trace.split.numpy()
    ways = [[float(one) if one < MOST else np.nan for one in row] for row in trace.ways]
    n, k = trace.shape[0].n_expert, trace.shape[0].top_k
    lines = [Line(words["line_ways"].format(n=16, k=2), ways[0], role="line:2")]
    if n:
        lines.append(Line(words["line_ways"].format(n=n, k=k), ways[1], role="line:1", quiet=True))
    i = trace.split_index
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_split"], low=1, high=8, ticks=[(float(m), str(m)) for m in x]),
        y_axis=Axis(words["axis_ways"], log=True, low=1.0),
        scrub=Scrub("split", words["axis_split"], x.tolist(), i),
        on_axis=True,
        readout=[
            [words["readout_ways"].format(n=16 * m, k=2 * m, ways=trace.ways[0][s])] for s, m in enumerate(x.tolist())
        ],
        alt=words["alt_combinations"].format(m=int(x[i]), ways=trace.ways[0][i]),
        height=FIGURE,
        name="combinations",
    )


PICTURES = (touched, arithmetic, memory, devices, shrinking, combinations, layers, landscape)


NOTES = {"deepseek-v3": "prediction", "qwen3-next-80b-a3b": "prediction", "llama4-scout": "text",
         "llama4-maverick": "text", "switch-base-8": "switch", "switch-base-128": "switch"}  # fmt: skip

UNPUBLISHED = ("switch-base-8", "switch-base-128", "own")  # their makers give no round numbers


def below(name: str, trace: Trace) -> str:
    """Name of the caption below a picture of the gallery; what devices send depends on how many there are."""
    if name != "devices":
        return name
    n, k, d = trace.shape[0].n_expert, trace.shape[0].top_k, trace.n_device
    if not n:
        return "devices_none"
    if d == 1:
        return "devices_one"
    return "devices_single" if k == 1 else "devices_apart" if n <= d else "devices"


def captions(trace: Trace) -> list[str]:
    """Names of the captions below the main pictures: what they show, and where the sizes come from."""
    names = ["look", "routed", "batch"] if trace.shape[0].n_expert else ["no_expert"]
    names.append(f"source_{trace.opened}")
    if trace.key[0] not in UNPUBLISHED:
        names.append("published")
    return names + ([f"note_{NOTES[trace.key[0]]}"] if trace.key[0] in NOTES else [])


def thumbnail(trace: Trace) -> str:
    """The bars as they are on the page: stored, read and used, of both models."""
    stored = [float(row.sum()) for row in trace.total]
    drawn = []
    for m in (0, 1):
        used = float(trace.active[m].sum())
        fill = colour("experts" if trace.shape[m].n_expert else "dense")
        for r, value in enumerate((stored[m], float(trace.read[m, trace.index]), used)):
            y = 8 + 44 * m + 13 * r
            whole, solid = (max(1.5, 144 * each / max(stored)) for each in (value, used if r == 0 else value))
            drawn.append(f'<rect x="8" y="{y}" width="{whole:.1f}" height="10" fill="{fill}" fill-opacity="0.3"/>')
            drawn.append(f'<rect x="8" y="{y}" width="{solid:.1f}" height="10" fill="{fill}"/>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(drawn)}</svg>'
