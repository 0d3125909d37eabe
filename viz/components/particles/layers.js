/**
 * What is drawn in a plane, from the ground up, as layers (ink.js).
 *
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./model.js").Plane} Plane
 * @typedef {import("./ink.js").Layer} Layer
 * @typedef {{left: number, top: number, width: number, height: number, X: (x: number) => number, Y: (y: number) => number,
 *   model: Model, radius: number, theme: import("../kit/colour.js").Theme}} Space
 */
import { ramp } from "../kit/colour.js";
import { disc } from "./ink.js";

/** Points lie on each other: so many rounds of rim and disc keep them apart. */
const ROUNDS = 5;
/** The deepest colour of a density leaves the points on it legible. */
const DEEPEST = 0.52;
/** A comet's tail: so many frames, where there are at most so many points. */
const TAIL = 5;
const MOST_TAILS = 640;
/** What a followed point has come in the last so many frames is drawn stronger. */
const FRESH = 10;
/** All ways together have at most so many corners; longer ones leave frames out. */
const MOST_CORNERS = 120_000;

/** @returns {Space} */
export function space(model, box, theme) {
  const { left, top, width, height } = box;
  const [across, down] = [width / (model.x[1] - model.x[0]), height / (model.y[1] - model.y[0])];
  const crowd = Math.sqrt((width * height) / Math.max(1, model.count));
  return {
    ...box,
    model,
    theme,
    radius: Math.max(1.7, Math.min(4, crowd / 5.6)),
    X: (x) => left + (x - model.x[0]) * across,
    Y: (y) => top + (model.y[1] - y) * down,
  };
}

/** A class's colour; points without classes are written in ink. @param {Plane} plane */
export const groupColour = ({ palette, text }, plane, group) => (plane.group ? palette.expert[group % palette.expert.length] : text);

const box = ({ left, top, width, height }) => (to) => {
  to.moveTo(left, top);
  to.lineTo(left + width, top);
  to.lineTo(left + width, top + height);
  to.lineTo(left, top + height);
  to.closePath();
};

// --- behind the points --------------------------------------------------------------------------------------------

/** 256 colours from the ground of a plane to the deepest, [r, g, b]. */
function shades(theme) {
  const table = ramp(theme.palette.probability);
  const at = (value) => 3 * Math.round(value * DEEPEST);
  return Array.from({ length: 256 }, (_, value) => [0, 1, 2].map((c) => table[at(value) + c]));
}

/** The density of one frame as an image of one pixel per cell. @param {Plane} plane */
export function densityImage(plane, frame, theme) {
  const { rows, columns, cells } = plane.cells(frame);
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const table = Uint32Array.from(shades(theme), ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
  for (let i = 0; i < cells.length; i++) pixels[i] = table[cells[i]];
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** The plane's ground, if no density lies there. @param {Space} at @returns {Layer[]} */
export const ground = (at, dense) => (dense ? [] : [{ trace: box(at), fill: at.theme.text, alpha: 0.035 }]);

/** @param {Space} at @returns {Layer[]} */
export const edges = (at) => [{ trace: box(at), line: at.theme.text, alpha: 0.2 }];

/**
 * A field: an arrow in the middle of each of its places. The longest fill a cell of their grid, the shorter are paler.
 * @param {Plane} plane @param {Space} at @returns {Layer[]}
 */
export function arrows(plane, frame, at) {
  if (!plane.origins) return [];
  const vectors = plane.vectors.at(frame);
  const count = vectors.length / 2;
  const sizes = Array.from({ length: count }, (_, i) => Math.hypot(vectors[2 * i], vectors[2 * i + 1]));
  const most = [...sizes].sort((a, b) => a - b)[Math.floor(0.95 * (count - 1))] || Math.max(...sizes) || 1;
  const cell = Math.sqrt((at.width * at.height) / count);
  const alphas = [0.3, 0.45, 0.6, 0.75];
  /** @type {number[][]} */
  const lots = alphas.map(() => []);
  sizes.forEach((size, i) => size > 0 && lots[Math.min(3, Math.floor((4 * size) / most))].push(i));
  const line = at.theme.palette.query;
  return alphas.map((alpha, k) => ({
    line,
    alpha,
    width: 1.2,
    trace: (to) => {
      for (const i of lots[k]) {
        const long = cell * (0.2 + 0.62 * Math.min(1, sizes[i] / most));
        const [dx, dy] = [(vectors[2 * i] / sizes[i]) * long, (-vectors[2 * i + 1] / sizes[i]) * long];
        arrow(to, at.X(plane.origins[2 * i]), at.Y(plane.origins[2 * i + 1]), dx, dy);
      }
    },
  }));
}

/** Its tip at the end, its tail at the origin of the vector. */
function arrow(to, x, y, dx, dy) {
  const [ex, ey] = [x + dx, y + dy];
  const barb = 0.32;
  to.moveTo(x, y);
  to.lineTo(ex, ey);
  to.moveTo(ex - barb * (dx - 0.6 * dy), ey - barb * (dy + 0.6 * dx));
  to.lineTo(ex, ey);
  to.lineTo(ex - barb * (dx + 0.6 * dy), ey - barb * (dy - 0.6 * dx));
}

/** What stands still: the data, outlines, and with `trails` everybody's way. @param {Plane} plane @param {Space} at */
export function still(plane, at, paths) {
  const { X, Y, theme, model } = at;
  const { ghost, outline, anchors, points } = plane;
  /** @type {Layer[]} */
  const found = outline.map((line) => ({
    line: theme.text,
    width: 1.3,
    alpha: 0.55,
    trace: (to) => line.forEach(([x, y], k) => (k ? to.lineTo(X(x), Y(y)) : to.moveTo(X(x), Y(y)))),
  }));
  if (ghost) {
    const r = Math.max(1.3, Math.min(2.2, 60 / Math.sqrt(ghost.length)));
    const discs = [];
    for (let i = 0; i < ghost.length; i += 2) if (model.inside(ghost[i], ghost[i + 1])) discs.push(X(ghost[i]), Y(ghost[i + 1]));
    found.push({ discs, r, fill: theme.text, alpha: theme.dark ? 0.34 : 0.27 });
  }
  if (paths && points.frames > 1) {
    const stride = Math.ceil((points.frames * points.count) / MOST_CORNERS);
    const alpha = Math.max(0.02, Math.min(0.5, 0.34 / coverage(points, at, stride) ** 0.75));
    for (let i = 0; i < points.count; i++) {
      const line = groupColour(theme, plane, plane.groupOf(i));
      found.push({ trace: way(points, i, 0, points.frames - 1, at, stride), line, width: 0.9, alpha });
    }
  }
  for (const [x, y] of anchors) found.push({ trace: (to) => disc(to, X(x), Y(y), 3.5), fill: theme.back, line: theme.text, width: 1.6 });
  return found;
}

/** How many times all ways together would cover the plane: the more, the paler they are. */
function coverage(points, { X, Y, width, height }, stride) {
  let long = 0;
  for (let i = 0; i < points.count; i++) {
    for (let k = stride; k < points.frames; k += stride) {
      const [[x, y], [px, py]] = [points.of(k, i), points.of(k - stride, i)];
      long += Math.min(width, Math.hypot(X(x) - X(px), Y(y) - Y(py)));
    }
  }
  return Math.max(0.01, (1.2 * long) / (width * height));
}

/** One point's way from one time to another. */
function way(points, i, from, until, { X, Y }, stride = 1) {
  return (to) => {
    const place = (time) => {
      const first = Math.floor(time);
      const [x, y] = points.of(first, i);
      if (time === first) return [X(x), Y(y)];
      const [nx, ny] = points.of(first + 1, i);
      return [X(x + (time - first) * (nx - x)), Y(y + (time - first) * (ny - y))];
    };
    to.moveTo(...place(from));
    for (let k = Math.floor(from) + stride; k < until; k += stride) to.lineTo(...place(k));
    to.lineTo(...place(until));
  };
}

// --- the points ---------------------------------------------------------------------------------------------------

/** @param {Plane} plane @param {number} time @param {Space} at @returns {Layer[]} */
export function tails(plane, time, at) {
  const { points } = plane;
  if (points.frames < 2 || points.count > MOST_TAILS) return [];
  const last = Math.ceil(time);
  const found = [];
  for (let age = Math.min(TAIL, last); age >= 1; age--) {
    for (let group = 0; group < plane.groups; group++) {
      const [from, until] = [last - age, Math.min(time, last - age + 1)];
      const trace = (to) => {
        for (let i = 0; i < points.count; i++) if (plane.groupOf(i) === group) way(points, i, from, until, at)(to);
      };
      found.push({ trace, line: groupColour(at.theme, plane, group), width: 1.3, alpha: 0.12 + (0.4 * (TAIL - age + 1)) / TAIL });
    }
  }
  return found;
}

/** All points, in rounds, so that those on each other stay apart. @param {Plane} plane @param {Space} at @returns {Layer[]} */
export function dots(plane, time, at) {
  const { X, Y, model, radius, theme } = at;
  const xy = plane.points.at(time);
  const look = { r: radius, line: theme.back, width: 1 };
  const found = Array.from({ length: ROUNDS * plane.groups }, (_, k) => ({
    discs: [],
    fill: groupColour(theme, plane, k % plane.groups),
    ...look,
  }));
  for (let i = 0; i < plane.count; i++) {
    const [x, y] = [xy[2 * i], xy[2 * i + 1]];
    if (model.inside(x, y)) found[(i % ROUNDS) * plane.groups + plane.groupOf(i)].discs.push(X(x), Y(y));
  }
  return [...found, beyond(xy.slice(), at)];
}

/** Points that are outside leave a mark where the edge is nearest. @returns {Layer} */
function beyond(xy, { left, top, width, height, X, Y, model, theme }) {
  const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
  const trace = (to) => {
    for (let i = 0; i < xy.length; i += 2) {
      if (model.inside(xy[i], xy[i + 1])) continue;
      const [x, y] = [X(xy[i]), Y(xy[i + 1])];
      const [ex, ey] = [clamp(x, left + 2, left + width - 2), clamp(y, top + 2, top + height - 2)];
      const far = Math.hypot(x - ex, y - ey) || 1;
      to.moveTo(ex, ey);
      to.lineTo(clamp(ex - (5 * (x - ex)) / far, left + 2, left + width - 2), clamp(ey - (5 * (y - ey)) / far, top + 2, top + height - 2));
    }
  };
  return { trace, line: theme.palette.verdict.red, width: 1.4, alpha: 0.55 };
}

/** Where every point will end. @param {Plane} plane @param {Space} at @returns {Layer[]} */
export function ends(plane, time, at) {
  if (!plane.target) return [];
  const { X, Y, model, theme } = at;
  const [xy, goal] = [plane.points.at(time).slice(), plane.target.at(time).slice()];
  const lines = (to) => {
    for (let i = 0; i < goal.length; i += 2) {
      to.moveTo(X(xy[i]), Y(xy[i + 1]));
      to.lineTo(X(goal[i]), Y(goal[i + 1]));
    }
  };
  const rings = [];
  for (let i = 0; i < goal.length; i += 2) if (model.inside(goal[i], goal[i + 1])) rings.push(X(goal[i]), Y(goal[i + 1]));
  const alpha = Math.max(0.1, Math.min(0.5, 4 / Math.sqrt(plane.count)));
  const line = theme.palette.value;
  return [{ trace: lines, line, width: 0.7, alpha }, { discs: rings, r: 1.8, line, width: 1, alpha: 0.7 }];
}

/**
 * One point that is looked at or followed: its way (what is past solid, what comes faint), where it will end, and itself.
 * @param {Plane} plane @param {number} i @param {number} time @param {Space} at @param {{colour: string, trailed: boolean,
 *   kept: boolean}} look @returns {Layer[]}
 */
export function one(plane, i, time, at, { colour, trailed, kept }) {
  if (i >= plane.count) return [];
  const { X, Y, model, theme, radius } = at;
  const { points, target } = plane;
  const xy = points.at(time);
  const [x, y] = [xy[2 * i], xy[2 * i + 1]];
  /** A disc or ring, where it is in the plane. */
  const spot = (px, py, r, look) => (model.inside(px, py) ? [{ trace: (to) => disc(to, X(px), Y(py), r), ...look }] : []);
  /** @type {Layer[]} */
  const found = [];
  const [until, end] = [Math.min(time, points.frames - 1), points.frames - 1];
  if (trailed && until < end) found.push({ trace: way(points, i, until, end, at), line: colour, width: 1.4, alpha: 0.4, dash: "1 4" });
  if (trailed && until > 0) {
    const fresh = Math.max(0, until - FRESH);
    const [past, late] = [way(points, i, 0, fresh, at), way(points, i, fresh, until, at)];
    const halo = { line: theme.back, width: 3.6, alpha: 0.7 };
    if (fresh) found.push({ trace: past, line: colour, width: 1.3, alpha: 0.6 });
    found.push({ trace: late, ...halo }, { trace: late, line: colour, width: 2 });
    found.push(...spot(...points.of(0, i), 2.6, { fill: theme.back, line: colour, width: 1.5 }));
  }
  if (target) {
    const goal = target.at(time);
    const [gx, gy, line] = [goal[2 * i], goal[2 * i + 1], theme.palette.value];
    const trace = (to) => {
      to.moveTo(X(x), Y(y));
      to.lineTo(X(gx), Y(gy));
    };
    found.push({ trace, line: theme.back, width: 3, alpha: 0.7 }, { trace, line, width: 1.2 });
    found.push(...spot(gx, gy, 4.4, { fill: theme.back, line, width: 2 }));
  }
  if (kept) return [...found, ...spot(x, y, radius + 2.4, { fill: colour, line: theme.back, width: 2 })];
  const ring = (look) => spot(x, y, radius + 3.2, look);
  return [...found, ...ring({ line: theme.back, width: 4, alpha: 0.8 }), ...ring({ line: colour, width: 1.8 })];
}
