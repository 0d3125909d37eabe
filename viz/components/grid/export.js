/** The small multiples as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { ramp } from "../kit/colour.js";
import { number } from "../kit/format.js";
import { corner } from "./layout.js";

const MARGIN = 16;

/** One line per matrix: title, score, then its cells row by row. */
export function table({ data, values, n, m }) {
  const head = ["title", data.score_name || "score"];
  for (let row = 1; row <= m; row++) for (let col = 1; col <= m; col++) head.push(`row ${row} column ${col}`);
  const lines = [head];
  for (let i = 0; i < n; i++) {
    const cells = Array.from(values.subarray(i * m * m, (i + 1) * m * m), (v) => Number(((v / 255) * data.largest).toFixed(4)));
    lines.push([data.titles[i], data.scores ? Number(data.scores[i].toPrecision(6)) : "", ...cells]);
  }
  return lines;
}

/** @returns {import("../kit/scene.js").Scene} */
export function toScene({ data, values, n, m, at, theme, selected, marked }) {
  const colours = ramp(theme.palette.probability);
  const { text, back, font, palette } = theme;
  const shapes = [];
  const side = at.cell / m;
  for (let i = 0; i < n; i++) {
    const x0 = MARGIN + corner(at, i).x;
    const y0 = MARGIN + corner(at, i).y;
    for (let k = 0; k < m * m; k++) {
      const from = k;
      const value = values[i * m * m + k];
      while ((k + 1) % m && values[i * m * m + k + 1] === value) k++; // neighbours of one colour are one rectangle
      const fill = `rgb(${colours[3 * value]},${colours[3 * value + 1]},${colours[3 * value + 2]})`;
      const place = { x: x0 + (from % m) * side, y: y0 + Math.floor(from / m) * side };
      shapes.push({ kind: "rect", ...place, w: (k + 1 - from) * side + 0.2, h: side + 0.2, fill });
    }
    if (marked.includes(i)) shapes.push({ kind: "text", x: x0 + at.cell / 2, y: y0 + at.cell / 2, text: "✕", fill: text, size: at.cell / 2, anchor: "middle" });
    if (selected.includes(i)) shapes.push({ kind: "rect", x: x0 - 2, y: y0 - 2, w: at.cell + 4, h: at.cell + 4, line: text });
    let y = y0 + at.cell + 14;
    if (at.titled) shapes.push({ kind: "text", x: x0, y, text: data.titles[i], fill: text, weight: 600 });
    if (at.scored) {
      const anchor = at.titled ? "end" : "start";
      shapes.push({ kind: "text", x: at.titled ? x0 + at.cell : x0, y, text: number(data.scores[i], 2), fill: text, anchor });
    }
  }
  if (data.columns) {
    (data.rows ?? []).forEach((name, r) => {
      const y = MARGIN + at.top + r * at.stepY + at.cell / 2;
      shapes.push({ kind: "text", x: MARGIN + at.left - 8, y, text: name, fill: text, anchor: "end" });
    });
    (data.cols ?? []).forEach((name, c) => {
      const x = MARGIN + at.left + c * at.stepX + at.cell / 2;
      shapes.push({ kind: "text", x, y: MARGIN + 10, text: name, fill: text, anchor: "middle" });
    });
  }
  const [width, height] = [at.width + 2 * MARGIN, at.height + 2 * MARGIN];
  return { width, height, back, font, masked: palette.masked, stops: palette.probability, title: data.alt, shapes };
}
