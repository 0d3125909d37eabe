/**
 * The matrix of all scores: which cell is looked at, and the diagonal of the cells whose positions are as far apart.
 *
 * @typedef {{x: number, y: number, side: number}} Layout
 */
import { ramp, rampIndex } from "../kit/colour.js";

/** Room for the numbers along both axes. */
const AXIS = { left: 30, top: 20 };
/** Room for the frame of a cell at the lower or right edge. */
const EDGE = 3;

/** The matrix in the lower right corner of its room. @returns {Layout} */
export function layout(width, height) {
  const side = Math.max(40, Math.floor(Math.min(width - AXIS.left, height - AXIS.top)) - EDGE);
  return { x: width - side - EDGE, y: AXIS.top, side };
}

/** The width at which a matrix fills this height. */
export const widthFor = (height) => height - AXIS.top + AXIS.left;

/** One pixel per cell. @returns {HTMLCanvasElement} */
export function picture(model, theme) {
  const colours = ramp(theme.palette.signed);
  const image = new ImageData(model.count, model.count);
  model.score.forEach((value, i) => {
    const k = 3 * rampIndex(value, -model.largestScore, model.largestScore);
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = colours[k + c];
    image.data[4 * i + 3] = 255;
  });
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = model.count;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** The cell under a point, the nearest one if it is outside. */
export function cellAt(at, count, x, y) {
  const index = (along) => Math.max(0, Math.min(count - 1, Math.floor((along / at.side) * count)));
  return { m: index(y - at.y), n: index(x - at.x) };
}

/** The cell's frame, its diagonal (a rail while the distance is kept), its way from both axes. @returns {import("./strokes.js").Layer[]} */
export function marks(model, at, m, n, locked, theme, newPath) {
  const { palette, text, back } = theme;
  const cell = at.side / model.count;
  const [diagonal, frame, query, key] = [newPath(), newPath(), newPath(), newPath()];
  const d = m - n;
  const [from, to] = [Math.max(0, d), Math.min(model.count - 1, model.count - 1 + d)];
  diagonal.moveTo(at.x + (from - d) * cell, at.y + from * cell);
  diagonal.lineTo(at.x + (to - d + 1) * cell, at.y + (to + 1) * cell);
  const [x, y] = [at.x + n * cell, at.y + m * cell];
  const grow = cell < 7 ? (7 - cell) / 2 : 0;
  frame.rect(x - grow, y - grow, cell + 2 * grow, cell + 2 * grow);
  query.moveTo(at.x, y + cell / 2);
  query.lineTo(x - grow, y + cell / 2);
  key.moveTo(x + cell / 2, at.y);
  key.lineTo(x + cell / 2, y - grow);
  return [
    { path: diagonal, line: back, width: locked ? 4.5 : 3, alpha: locked ? 0.8 : 0.35 },
    { path: diagonal, line: text, width: locked ? 2 : 1, alpha: locked ? 1 : 0.75 },
    { path: query, line: back, width: 4, alpha: 0.6 },
    { path: key, line: back, width: 4, alpha: 0.6 },
    { path: query, line: palette.query, width: 2 },
    { path: key, line: palette.key, width: 2 },
    { path: frame, line: back, width: 4 },
    { path: frame, line: text, width: 2 },
  ];
}

/** m and n in figures, where their lines meet the axes. @returns {any[]} */
export function names(model, at, m, n, theme) {
  const cell = at.side / model.count;
  const name = (role, index, place) => {
    const text = String(model.positions[index]);
    return { kind: "text", text, fill: theme.palette[role], size: 13, weight: 600, ...place };
  };
  const within = (along) => Math.max(at.y + 7, Math.min(at.y + at.side - 7, along));
  const half = 4 * String(model.positions[n]).length;
  const across = Math.max(at.x + half, Math.min(at.x + at.side - half, at.x + (n + 0.5) * cell));
  return [
    name("query", m, { x: at.x - 6, y: within(at.y + (m + 0.5) * cell), anchor: "end" }),
    name("key", n, { x: across, y: at.y - 10, anchor: "middle" }),
  ];
}
