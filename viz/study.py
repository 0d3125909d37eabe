"""Small pictures of the two study pages, from counts: SVG with viewBox 0 0 160 100 for light and dark paper."""

from __future__ import annotations

from collections.abc import Sequence

from viz import palette


def bars(counts: Sequence[tuple[int, str, str]]) -> str:
    """One horizontal bar per (count, name, colour of palette.json's verdict); zeros are left out."""
    shown = [one for one in counts if one[0]]
    height = 84 / max(1, len(shown))
    longest = max((count for count, _, _ in shown), default=1)
    parts = []
    for row, (count, name, shade) in enumerate(shown):
        y, width, thick = 8 + row * height, 78 * count / longest, height * 0.7
        colour = palette.palette()["verdict"][shade]
        parts.append(f'<rect x="12" y="{y:.1f}" width="{width:.1f}" height="{thick:.1f}" rx="2" fill="{colour}"/>')
        parts.append(
            f'<text x="{17 + width:.1f}" y="{y + thick / 2:.1f}" dominant-baseline="central" font-size="8"'
            f' font-family="sans-serif" fill="#7d838c">{count} {name}</text>'
        )
    return _svg(parts)


def cards(counts: Sequence[int]) -> str:
    """A fan of cards, one per section; the top one says how many questions there are in all."""
    parts, n = [], max(3, len(counts))
    for i in range(n):
        turn, alpha = (i - (n - 1) / 2) * 9, 0.3 + 0.7 * (i + 1) / n
        parts.append(
            f'<rect x="54" y="16" width="52" height="68" rx="6" fill="{palette.colour("query_fill")}"'
            f' fill-opacity="{alpha:.2f}" transform="rotate({turn:.1f} 80 110)"/>'
        )
    parts.append(
        f'<text x="{80 + 3.2 * (n - 1):.0f}" y="50" text-anchor="middle" dominant-baseline="central" font-size="22"'
        f' font-weight="600" font-family="sans-serif" fill="#ffffff">{sum(counts)}</text>'
    )
    return _svg(parts)


def _svg(parts: Sequence[str]) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(parts)}</svg>'
