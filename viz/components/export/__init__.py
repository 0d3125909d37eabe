"""Exports of the Plotly figure above it: SVG, PNG, and its numbers as CSV. Works in the browser; nothing is sent."""

STATES: tuple[str, ...] = ()
