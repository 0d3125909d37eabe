/** An arcs view as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { luminance, ramp, rampIndex } from "../kit/colour.js";
import { visible } from "../kit/format.js";
import { curve, HEAD, opacity, percent } from "./columns.js";

const MARGIN = 20;
const LINE = 24; // paper has room
const SPAN = 260;
const COLUMN = 150;

/** A line of column tokens, then a line per row token. @param {import("./model.js").Weights} weights */
export function table(weights) {
  const lines = [["", ...weights.cols]];
  for (let row = 0; row < weights.t; row++) {
    lines.push([weights.rows[row], ...Array.from({ length: weights.s }, (_, col) => Number(weights.at(row, col).toPrecision(6)))]);
  }
  return lines;
}

/** @returns {import("../kit/scene.js").Scene} */
export function toScene(view) {
  const { theme, data } = view;
  const drawn = data.mode === "text" ? textShapes(view) : arcShapes(view);
  const common = { back: theme.back, font: theme.font, masked: theme.palette.masked, stops: theme.palette.probability };
  return { ...drawn, ...common, title: data.alt };
}

function arcShapes({ weights, columns, theme, direction, focus, data }) {
  const shapes = [];
  const stroke = theme.palette.probability[5];
  const arcs = columns.arcs(direction, focus);
  const most = Math.max(0.2, ...arcs.map((arc) => arc.weight));
  const left = MARGIN + COLUMN;
  const place = (i) => MARGIN + HEAD + (i + 0.5) * LINE;
  for (const { row, col, weight } of arcs) {
    // The path starts at 0: shift its x-coordinates by the left column.
    const d = curve(place(row), place(col), SPAN - 12).replace(/(-?[\d.]+) (-?[\d.]+)/g, (_, x, y) => `${+x + left + 6} ${y}`);
    const alpha = Number(opacity(weight, most, focus === null));
    shapes.push({ kind: "path", d, line: stroke, width: focus === null ? 1.5 : 1.5 + 3 * (weight / most), alpha });
  }
  const right = left + SPAN;
  const links = focus === null ? null : weights.links(direction, focus);
  const write = (side, labels) =>
    labels.forEach((label, i) => {
      const mine = side === direction;
      const share = !mine && links && links[i].weight >= 0.005 ? percent(links[i].weight) : "";
      const text = [visible(label), share].filter(Boolean);
      const [x, anchor] = side === "looks_at" ? [left, "end"] : [right, "start"];
      const weight = (mine && i === focus) || (share && links[i].weight >= 0.1) ? 600 : 400;
      shapes.push({ kind: "text", x, y: place(i), text: (side === "looks_at" ? text.reverse() : text).join("  "), anchor, fill: theme.text, weight });
    });
  write("looks_at", weights.rows);
  write("looked_at", weights.cols);
  const { words } = data;
  if (words.rows) shapes.push({ kind: "text", x: left, y: MARGIN + 8, text: words.rows, anchor: "end", fill: theme.palette.query, weight: 600 });
  if (words.cols) shapes.push({ kind: "text", x: right, y: MARGIN + 8, text: words.cols, fill: theme.palette.key, weight: 600 });
  return { shapes, width: right + COLUMN + MARGIN, height: HEAD + LINE * Math.max(weights.t, weights.s) + 2 * MARGIN };
}

/** The words where the browser has put them. */
function textShapes({ text, frame, theme, direction, focus, weights }) {
  const shapes = [];
  const colours = ramp(theme.palette.probability);
  const links = focus === null ? null : weights.links(direction, focus);
  const origin = text.element.getBoundingClientRect();
  const draw = (tokens, coloured) =>
    tokens.forEach((token, i) => {
      const box = token.getBoundingClientRect();
      const [x, y] = [box.left - origin.left + MARGIN, box.top - origin.top + MARGIN];
      const k = 3 * rampIndex(coloured && links ? links[i].weight : 0, 0, 1);
      const colour = [colours[k], colours[k + 1], colours[k + 2]];
      const shown = coloured && links && links[i].weight >= 0.002;
      if (shown) shapes.push({ kind: "rect", x, y, w: box.width, h: box.height, radius: 3, fill: `rgb(${colour})` });
      const fill = !shown ? theme.text : luminance(colour) > 0.18 ? "#16161a" : "#ffffff";
      const middle = { x: x + box.width / 2, y: y + box.height / 2, anchor: "middle" };
      shapes.push({ kind: "text", ...middle, text: token.textContent, fill, size: 18 });
    });
  draw(text.sources, weights.same);
  if (!weights.same) draw(text.targets, true);
  if (focus !== null) {
    const box = text.sources[focus].getBoundingClientRect();
    const place = { x: box.left - origin.left + MARGIN, y: box.top - origin.top + MARGIN, w: box.width, h: box.height };
    const line = direction === "looks_at" ? theme.palette.query : theme.palette.key;
    shapes.push({ kind: "rect", ...place, radius: 3, line });
  }
  return { shapes, width: origin.width + 2 * MARGIN, height: text.element.scrollHeight + 2 * MARGIN };
}
