/**
 * One map: the plane's regions as pixels, and what is drawn on them as paths, so that canvas and file are the same drawing.
 *
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./model.js").Run} Run
 * @typedef {{d: string, fill?: string, line?: string, width?: number, alpha?: number}} Layer
 */
import { contrast, rgb } from "../kit/colour.js";

/** Shades of one colour in a file; without a word about probability the share below is drawn exactly. */
const STEPS = 50;
/** Share of the expert's colour in an area: least and most probable, and where nobody says how probable. */
const TINT = { light: [0.14, 0.66, 0.42], dark: [0.16, 0.66, 0.42] };
/** Pale colours are harder to tell apart: the tint rises faster where it is pale. */
const CURVE = 0.75;
/** What is not looked at keeps this share of its tint. */
const FADED = 0.22;

const short = (x) => Math.round(x * 100) / 100;
const mix = (a, b, share) => a.map((c, i) => Math.round(c + (b[i] - c) * share));

/** Black or white: what can be read on a colour. */
export const inkOn = (colour) => (contrast("#ffffff", colour) > contrast("#101214", colour) ? "#ffffff" : "#101214");

/** Colours of all experts: they start again when they run out. */
export const colourOf = (theme, expert) => theme.palette.expert[expert % theme.palette.expert.length];

/** The page's ground as [r, g, b], however the theme writes it. */
export function ground(theme) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = theme.back;
  return rgb(/^#/.test(pen.fillStyle) ? pen.fillStyle : theme.dark ? "#12151a" : "#ffffff");
}

/** How much of the expert's colour an area shows, by how probable the expert is (0 to 255). */
function tint(model, theme) {
  const [low, high, plain] = TINT[theme.dark ? "dark" : "light"];
  const [least, most] = model.sureness;
  const step = most > least ? 1 / (most - least) : 0;
  return (sure) => (model.sure ? low + (high - low) * Math.max(0, Math.min(1, (sure - least) * step)) ** CURVE : plain);
}

/** The full colours of all experts' areas; those of experts that are not looked at are pale. @param {number[]} back */
export function fulls(model, theme, back, lit) {
  return Array.from({ length: model.experts }, (_, e) => mix(back, rgb(colourOf(theme, e)), lit === null || lit === e ? 1 : FADED));
}

/** A point's rim: its colour, this far towards black. */
const RIM = 0.6;

/** How far each pixel is from the middle of its cell, and how much the cell before it, its own and the next one weigh. */
function nearby(pixels, cells) {
  const own = new Int32Array(pixels);
  const weight = new Float32Array(3 * pixels);
  const end = new Int32Array(cells); // the first pixel after each cell
  for (let p = 0; p < pixels; p++) {
    const at = ((p + 0.5) / pixels) * cells;
    own[p] = Math.min(cells - 1, Math.floor(at));
    end[own[p]] = p + 1;
    const f = at - own[p] - 0.5;
    weight.set([0.5 * (0.5 - f) ** 2, 0.75 - f * f, 0.5 * (0.5 + f) ** 2], 3 * p);
  }
  return { own, weight, end };
}

/** The cells with all eight neighbours of the same owner, as 1. */
function inner(owner, rows, columns) {
  const found = new Uint8Array(rows * columns).fill(1);
  const unlike = (i, j) => {
    if (owner[i] !== owner[j]) found[i] = found[j] = 0;
  };
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++, i++) {
      if (c + 1 < columns) unlike(i, i + 1);
      if (r + 1 === rows) continue;
      unlike(i, i + columns);
      if (c + 1 < columns) unlike(i, i + columns + 1);
      if (c) unlike(i, i + columns - 1);
    }
  }
  return found;
}

/**
 * The owner of every pixel. Borders run smoothly between the cells instead of along their edges: each pixel asks the nine
 * cells around it, weighted by nearness (a quadratic B-spline), and nothing is blurred.
 * @param {(p: number) => void} [uneven] called for every pixel that may have another owner beside it
 */
export function owners(run, frame, width, height, uneven) {
  const { rows, columns } = run;
  const owner = run.owner(frame);
  const found = new Uint8Array(width * height);
  const [across, down] = [nearby(width, columns), nearby(height, rows)];
  const calm = inner(owner, rows, columns);
  const votes = new Float32Array(run.experts);
  for (let y = 0; y < height; y++) {
    const row = down.own[y];
    for (let x = 0; x < width; ) {
      const column = across.own[x];
      const end = across.end[column];
      const cell = row * columns + column;
      if (calm[cell]) found.fill(owner[cell], y * width + x, y * width + end);
      for (; x < end; x++) {
        if (calm[cell]) continue;
        found[y * width + x] = elected(owner, rows, columns, row, column, down.weight, 3 * y, across.weight, 3 * x, votes);
        uneven?.(y * width + x);
      }
    }
  }
  return found;
}

/** The owner with the most weight among a cell and its neighbours; beyond the edge the plane goes on as at the edge. */
function elected(owner, rows, columns, row, column, down, dy, across, dx, votes) {
  votes.fill(0);
  for (let k = 0; k < 3; k++) {
    const r = Math.max(0, Math.min(rows - 1, row + k - 1)) * columns;
    for (let l = 0; l < 3; l++) {
      const c = Math.max(0, Math.min(columns - 1, column + l - 1));
      votes[owner[r + c]] += down[dy + k] * across[dx + l];
    }
  }
  let best = 0;
  for (let e = 1; e < votes.length; e++) if (votes[e] > votes[best]) best = e;
  return best;
}

const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
const word = ([r, g, b], alpha = 255) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** An image of the given size, written as one 32-bit number per pixel. */
function image(width, height, write) {
  const found = new ImageData(width, height);
  write(new Uint32Array(found.data.buffer));
  return found;
}

/**
 * The regions on a canvas of its own size in pixels: full colours, above them the page's ground, the thicker the less
 * probable the expert is, and above all a line `thick` pixels wide between two regions.
 */
export function paintAreas(canvas, model, run, frame, theme, back, colours, line, thick) {
  const { width, height } = canvas;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const share = tint(model, theme);
  const table = colours.map((colour) => word(model.sure && run.strength ? colour : mix(back, colour, share(255))));
  /** @type {number[]} */
  const uneven = [];
  const own = owners(run, frame, width, height, (p) => uneven.push(p));
  pen.putImageData(image(width, height, (out) => own.forEach((expert, p) => (out[p] = table[expert]))), 0, 0);
  if (run.strength) pen.drawImage(veil(run, frame, share, back), 0, 0, width, height);
  const lines = canvasOf(width, height);
  const border = word(line);
  const draws = (out) => {
    for (const p of uneven) {
      const x = p % width;
      for (let k = 1; k <= thick; k++) {
        const below = p + k * width;
        if ((x + k < width && own[p + k] !== own[p]) || (below < own.length && own[below] !== own[p])) out[p] = border;
      }
    }
  };
  lines.getContext("2d").putImageData(image(width, height, draws), 0, 0);
  pen.drawImage(lines, 0, 0);
}

/** The page's ground as a veil over the full colours, one pixel per known probability. */
function veil(run, frame, share, back) {
  const found = canvasOf(run.acrosses, run.downs);
  const sure = run.sure(frame);
  const thick = (out) => sure.forEach((value, i) => (out[i] = word(back, Math.round(255 * (1 - share(value))))));
  found.getContext("2d").putImageData(image(run.acrosses, run.downs, thick), 0, 0);
  return found;
}

/** For a file: one path per colour, neighbours of one colour as one box. @returns {Layer[]} */
export function areas(model, run, frame, width, height, theme, back, colours) {
  const [w, h] = [Math.round(width / 2), Math.round(height / 2)];
  const [cw, ch] = [width / w, height / h];
  const own = owners(run, frame, w, h);
  const share = tint(model, theme);
  const colour = (i) => {
    const sure = run.strength ? 255 * run.sureAt(frame, [((i % w) + 0.5) / w, (Math.floor(i / w) + 0.5) / h]) : 255;
    return `rgb(${mix(back, colours[own[i]], Math.round(share(sure) * STEPS) / STEPS).join(",")})`;
  };
  /** @type {Map<string, string>} */
  const paths = new Map();
  for (let i = 0; i < own.length; i++) {
    const [from, fill] = [i, colour(i)];
    while ((i + 1) % w && colour(i + 1) === fill) i++;
    const [left, top] = [short((from % w) * cw), short(Math.floor(from / w) * ch)];
    const box = `M${left} ${top}h${short((i + 1 - from) * cw + 0.2)}v${short(ch + 0.2)}H${left}Z`;
    paths.set(fill, (paths.get(fill) ?? "") + box);
  }
  return [...paths].map(([fill, d]) => ({ d, fill }));
}

// --- points -------------------------------------------------------------------------------------------------------

const polygon = (corners, r, turn) =>
  Array.from({ length: corners }, (_, k) => {
    const angle = turn + (2 * Math.PI * k) / corners;
    return [r * Math.cos(angle), r * Math.sin(angle)];
  });
const star = (r) => {
  const far = (k) => r * (k % 2 ? 0.5 : 1.25);
  return polygon(10, 1, -Math.PI / 2).map(([x, y], k) => [x * far(k), y * far(k)]);
};
const plus = (r) => {
  const [a, b] = [0.38 * r, 1.08 * r];
  return [[-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b], [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a]];
};
/** One shape per cluster; they start again when they run out. A circle has no corners. */
const SHAPES = [
  () => [],
  (r) => polygon(4, 1.2 * r, Math.PI / 4),
  (r) => polygon(3, 1.3 * r, -Math.PI / 2),
  (r) => polygon(4, 1.25 * r, 0),
  plus,
  (r) => polygon(3, 1.3 * r, Math.PI / 2),
  star,
  (r) => polygon(6, 1.1 * r, 0),
];

/** @param {number} group @returns {string} the d of a path */
export function shape(group, x, y, r) {
  const corners = SHAPES[group % SHAPES.length](r);
  if (!corners.length) return `M${short(x - r)} ${short(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  return `M${corners.map(([dx, dy]) => `${short(x + dx)} ${short(y + dy)}`).join("L")}Z`;
}

const cross = (x, y, r) => `M${short(x - r)} ${short(y - r)}l${2 * r} ${2 * r}M${short(x + r)} ${short(y - r)}l${-2 * r} ${2 * r}`;

/** Every point's own outline, which no frame changes. @param {Model} model */
export function outlines(model, width, height) {
  const r = Math.max(2.2, Math.min(3.8, Math.sqrt((width * height) / Math.max(1, model.count)) / 6));
  return model.points.map((point, i) => {
    const [u, v] = model.share(point);
    const [x, y] = [u * width, v * height];
    return { d: shape(model.group ? model.group[i] : 0, x, y, r), lost: cross(x, y, 1.1 * r) };
  });
}

/** The points of one frame. @param {Model} model @param {Run} run @returns {Layer[]} */
export function dots(model, run, frame, drawn, theme, lit) {
  /** @type {Map<number, string[]>} */
  const kept = new Map();
  const lost = [];
  for (let i = 0; i < model.count; i++) {
    const expert = run.sent(frame, i);
    if (run.lost(frame, i)) {
      if (lit === null || lit === expert) lost.push(drawn[i].lost);
      continue;
    }
    if (!kept.has(expert)) kept.set(expert, []);
    kept.get(expert).push(drawn[i].d);
  }
  const layers = [...kept].sort(([a], [b]) => a - b).flatMap(([expert, parts]) => {
    const alpha = lit === null || lit === expert ? 1 : 0.18;
    const d = parts.join("");
    const fill = expert < 0 ? theme.text : colourOf(theme, expert);
    const line = expert < 0 ? theme.text : `rgb(${mix(rgb(fill), theme.dark ? [0, 0, 0] : [20, 22, 26], RIM).join(",")})`;
    return [{ d, line: theme.back, width: 2.4, alpha: alpha * 0.9 }, { d, fill, line, width: 0.9, alpha }];
  });
  const gone = lost.join("");
  const red = theme.palette.verdict.red;
  return [...layers, { d: gone, line: theme.back, width: 4.2, alpha: 0.9 }, { d: gone, line: red, width: 2 }].filter(({ d }) => d);
}

// --- numbers and the probe ----------------------------------------------------------------------------------------

/** Radius of a name's disc and size of its letters, on a map of this size and on a small one. */
const NAMED = { radius: 11, size: 13 };
const NAMED_SMALL = { radius: 8.5, size: 11, below: 230 };

/** A disc with the expert's name in the middle of its region, where there is room. @returns {any[]} layers and texts */
export function names(model, run, frame, width, height, theme, lit) {
  const [cw, ch] = [width / run.columns, height / run.rows];
  const { radius, size } = width < NAMED_SMALL.below ? NAMED_SMALL : NAMED;
  const fits = ({ room, expert }) => room * Math.min(cw, ch) > 0.8 * radius && (lit === null || lit === expert);
  const found = run.centres(frame, model).filter(fits);
  return found.map(({ expert, x, y }) => {
    const colour = colourOf(theme, expert);
    const inside = (at, room) => Math.max(radius + 2, Math.min(room - radius - 2, at));
    const [px, py] = [inside(x * cw, width), inside(y * ch, height)];
    return {
      layer: { d: shape(0, px, py, radius), fill: colour, line: theme.back, width: 2 },
      text: { kind: "text", text: model.names[expert], x: px, y: py, anchor: "middle", fill: inkOn(colour), size, weight: 700 },
    };
  });
}

/** A cross of hairs and a ring at a place (in shares). @returns {Layer[]} */
export function probe([u, v], width, height, theme) {
  const [x, y] = [short(u * width), short(v * height)];
  const gap = 8;
  const hairs = `M0 ${y}H${x - gap}M${x + gap} ${y}H${width}M${x} 0V${y - gap}M${x} ${y + gap}V${height}`;
  return [
    { d: hairs, line: theme.back, width: 3, alpha: 0.5 },
    { d: hairs, line: theme.text, width: 1, alpha: 0.75 },
    { d: shape(0, x, y, gap), line: theme.back, width: 4, alpha: 0.8 },
    { d: shape(0, x, y, gap), line: theme.text, width: 1.6 },
  ];
}

/** @param {CanvasRenderingContext2D} pen @param {Layer[]} layers */
export function draw(pen, layers) {
  pen.lineJoin = "round";
  for (const { d, line, fill, width = 1, alpha = 1 } of layers) {
    const path = new Path2D(d);
    pen.globalAlpha = alpha;
    if (fill) {
      pen.fillStyle = fill;
      pen.fill(path);
    }
    if (line) {
      pen.strokeStyle = line;
      pen.lineWidth = width;
      pen.stroke(path);
    }
  }
  pen.globalAlpha = 1;
}
