/**
 * The clock faces: where they stand, and what is drawn on them. Angles are counted against the clock from the right, as in
 * mathematics: a pair (1, 0) points right, (0, 1) up.
 *
 * @typedef {{columns: number, cellW: number, cellH: number, beside: boolean, radius: number}} Layout
 *   beside: wavelength and share stand at the right of a face, not under it
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./strokes.js").Layer} Layer
 */
import { between } from "./model.js";

/** Room for the wavelength and the share, under a face or at its side. */
const NOTE = { under: 30, beside: 58 };
const GAP = { x: 12, y: 7 };
const LARGEST = 120;
const SMALLEST = 8;
/** A last row that is not full is untidy: it must be worth this much in size. */
const RAGGED = 0.75;
/** How many earlier positions leave a mark on the rim. */
const TRAIL = 9;

/** The grid with the largest faces. @returns {Layout} */
export function layout({ n, width, height }) {
  let best = null;
  for (let columns = 1; columns <= n; columns++) {
    const [cellW, cellH] = [width / columns, height / Math.ceil(n / columns)];
    for (const beside of [false, true]) {
      const [w, h] = beside ? [cellW - NOTE.beside, cellH] : [cellW, cellH - NOTE.under];
      const radius = Math.min(LARGEST, (w - Math.min(GAP.x, 0.15 * cellW)) / 2, (h - GAP.y) / 2);
      const worth = radius * (n % columns ? RAGGED : 1);
      if (!best || worth > best.worth) best = { columns, cellW, cellH, beside, radius: Math.max(SMALLEST, radius), worth };
    }
  }
  return best;
}

/** A height in which n faces fill this width, on a phone. */
export function heightFor(n, width) {
  const columns = n <= 4 ? 2 : n <= 20 ? 4 : n <= 36 ? 6 : 8;
  const cell = Math.min(2 * LARGEST + GAP.x, width / columns);
  return Math.round(Math.ceil(n / columns) * (cell - GAP.x + NOTE.under + GAP.y));
}

/** The middle of face j. @param {Layout} at */
export function middle({ columns, cellW, cellH, beside, radius }, j) {
  const [x, y] = [(j % columns) * cellW, Math.floor(j / columns) * cellH];
  if (beside) return { x: x + (cellW - NOTE.beside - GAP.x) / 2 + GAP.x / 2, y: y + cellH / 2 };
  return { x: x + cellW / 2, y: y + (cellH - NOTE.under - GAP.y) / 2 + GAP.y / 2 };
}

/** Positions per turn: 6.3, 628, 54 k, ∞. @param {number} turn */
export function turnText(turn) {
  if (turn === Infinity) return "∞";
  for (const [unit, name] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    if (turn >= 0.9995 * unit) return short(turn / unit) + name;
  }
  return short(turn);
}

const short = (x) => (x >= 99.5 ? String(Math.round(x)) : String(Number(x.toPrecision(2))));

/** What does not move: the dials, their marks, their names. @returns {{layers: Layer[], texts: any[]}} */
export function dials(model, at, theme, newPath) {
  const [disc, rim, marks, axis] = [newPath(), newPath(), newPath(), newPath()];
  const { text } = theme;
  const texts = [];
  for (let j = 0; j < model.pairs; j++) {
    const { x, y } = middle(at, j);
    for (const path of [disc, rim]) {
      const radius = at.radius - (path === disc ? 2 * bandOf(at) : 0);
      path.moveTo(x + radius, y);
      path.arc(x, y, radius, 0, 2 * Math.PI);
    }
    const bar = barOf(at, j);
    axis.rect(bar.x - bar.half, bar.y, 2 * bar.half, bar.h);
    marks.moveTo(bar.x, bar.y - 2);
    marks.lineTo(bar.x, bar.y + bar.h + 2);
    const name = { kind: "text", text: turnText(model.wavelength[j]), fill: text, size: at.beside ? (at.radius > 50 ? 16 : 14) : 12 };
    texts.push(at.beside ? { ...name, x: x + at.radius + 11, y: y - 9, anchor: "start" } : { ...name, x, y: y + at.radius + 12, anchor: "middle" });
  }
  const layers = [
    { path: disc, fill: text, alpha: 0.045 },
    { path: rim, line: text, alpha: 0.18 },
    { path: axis, fill: text, alpha: 0.07 },
    { path: marks, line: text, alpha: 0.55 },
  ];
  return { layers, texts };
}

/** The bar that shows the share of face j: its middle, half its length. */
function barOf(at, j) {
  const { x, y } = middle(at, j);
  if (at.beside) return { x: x + at.radius + 11 + 23, y: y + 5, half: 23, h: 6 };
  return { x, y: y + at.radius + 21, half: Math.round(Math.min(34, at.radius * 0.92)), h: 6 };
}

/** Each hand has its own track along the rim, this wide. */
const bandOf = ({ radius }) => Math.max(3, Math.min(9, 0.11 * radius));

/** What moves. @returns {Layer[]} */
export function movement(model, at, m, n, unit, theme, newPath) {
  const { palette, text } = theme;
  const place = { query: m, key: n };
  const band = bandOf(at);
  const reach = at.radius - 2 * band - 1.5;
  const length = (x, y) => (unit ? (x || y ? reach : 0) : (Math.hypot(x, y) / (model.longest || 1)) * reach);
  const slim = at.radius > 40 ? 2.4 : at.radius > 24 ? 2 : 1.5;
  const [wedge, arc] = [newPath(), newPath()];
  const bars = { low: newPath(), high: newPath() };
  const layers = [];
  for (let j = 0; j < model.pairs; j++) {
    const { x, y } = middle(at, j);
    const [from, to] = [model.angle("key", n, j), model.angle("query", m, j)];
    const turn = between(to, from);
    if (Math.abs(turn) > 0.01) {
      const r = at.radius * 0.36;
      wedge.moveTo(x, y);
      wedge.arc(x, y, r, -from, -from - turn, turn > 0);
      wedge.closePath();
      arc.moveTo(x + r * Math.cos(from), y - r * Math.sin(from));
      arc.arc(x, y, r, -from, -from - turn, turn > 0);
    }
    const share = model.share(m, n, j) / (model.largestShare || 1);
    const bar = barOf(at, j);
    if (share) bars[share > 0 ? "high" : "low"].rect(bar.x + Math.min(0, share * bar.half), bar.y, Math.abs(share) * bar.half, bar.h);
  }
  layers.push({ path: wedge, fill: text, alpha: 0.1 }, { path: arc, line: text, alpha: 0.35 });
  for (const role of /** @type {const} */ (["key", "query"])) {
    const width = role === "key" ? 1.6 * slim : slim; // the key's hand shows beside the query's where both lie on one another
    for (let age = Math.min(TRAIL, place[role]); age >= 0; age--) {
      const ticks = newPath();
      const [inner, outer] = role === "query" ? [at.radius - band, at.radius] : [at.radius - 2 * band, at.radius - band];
      for (let j = 0; j < model.pairs; j++) {
        const angle = model.earlier(role, place[role], j, age);
        if (Number.isNaN(angle)) continue;
        const { x, y } = middle(at, j);
        ticks.moveTo(x + inner * Math.cos(angle), y - inner * Math.sin(angle));
        ticks.lineTo(x + outer * Math.cos(angle), y - outer * Math.sin(angle));
      }
      layers.push({ path: ticks, line: palette[role], width: age ? 1.5 : slim + 0.5, alpha: age ? 0.7 * (1 - age / (TRAIL + 1)) : 1 });
    }
    const [shafts, heads] = [newPath(), newPath()];
    for (let j = 0; j < model.pairs; j++) {
      const { x, y } = middle(at, j);
      const [a, b] = model.hand(role, place[role], j);
      arrow(shafts, heads, x, y, Math.atan2(b, a), length(a, b), width);
    }
    layers.push({ path: shafts, line: palette[role], width, cap: "round" }, { path: heads, fill: palette[role] });
  }
  layers.push({ path: bars.low, fill: palette.signed[1] }, { path: bars.high, fill: palette.signed[9] });
  return layers;
}

/** A hand from (x, y). A short one is all head, so that it still points. */
function arrow(shafts, heads, x, y, angle, length, width) {
  const [cos, sin] = [Math.cos(angle), -Math.sin(angle)];
  const head = Math.min(length, 4.4 + 1.6 * width);
  const half = 0.45 * head;
  const tip = { x: x + length * cos, y: y + length * sin };
  const base = { x: tip.x - head * cos, y: tip.y - head * sin };
  if (length > head) {
    shafts.moveTo(x, y);
    shafts.lineTo(base.x, base.y);
  }
  heads.moveTo(tip.x, tip.y);
  heads.lineTo(base.x - half * sin, base.y + half * cos);
  heads.lineTo(base.x + half * sin, base.y - half * cos);
  heads.closePath();
}

/** The face under a point, or -1. @param {Layout} at */
export function faceAt(at, n, x, y) {
  const [column, row] = [Math.floor(x / at.cellW), Math.floor(y / at.cellH)];
  const j = row * at.columns + column;
  return column >= 0 && column < at.columns && row >= 0 && j < n ? j : -1;
}
