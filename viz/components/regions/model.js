/**
 * What Python sent, and the questions the picture asks of it.
 *
 * @typedef {{expert: number, x: number, y: number, room: number}} Centre in cells, from the upper left corner; room: how
 *   far it is to the nearest cell of another expert
 */
import { unpack } from "../kit/decode.js";

const values = (packed) => (packed ? unpack(packed).values : null);

export class Run {
  /** @param {any} data @param {number} experts @param {number} points */
  constructor(data, experts, points) {
    this.title = data.title;
    this.notes = data.notes;
    const [frames, rows, columns] = data.owner.shape;
    Object.assign(this, { experts, points, frames, rows, columns });
    this.owners = spread(data.owner, frames * rows * columns);
    this.load = values(data.load);
    this.strength = values(data.strength);
    /** Probabilities have a grid of their own, which may be coarser. */
    [, this.downs, this.acrosses] = data.strength?.shape ?? [0, 0, 0];
    this.chosen = values(data.chosen);
    this.dropped = values(data.dropped);
    this.limits = values(data.limit);
    /** @type {Map<number, Centre[]>} */
    this.known = new Map();
  }

  /** One frame's cells, row by row. */
  owner(frame) {
    const size = this.rows * this.columns;
    return this.owners.subarray(frame * size, (frame + 1) * size);
  }

  /** The router's probability of the owner on its own grid, 0 to 255; null if it was not sent. */
  sure(frame) {
    const size = this.downs * this.acrosses;
    return this.strength && this.strength.subarray(frame * size, (frame + 1) * size);
  }

  /** The cell at a place (in shares of the map). */
  cell([u, v]) {
    const inside = (at, count) => Math.max(0, Math.min(count - 1, Math.floor(at * count)));
    return inside(v, this.rows) * this.columns + inside(u, this.columns);
  }

  /** The probability at a place, between the nearest four that are known, 0 to 1. */
  sureAt(frame, [u, v]) {
    const sure = this.sure(frame);
    const [x, y] = [u * this.acrosses - 0.5, v * this.downs - 0.5];
    const at = (r, c) => {
      const [row, column] = [Math.max(0, Math.min(this.downs - 1, r)), Math.max(0, Math.min(this.acrosses - 1, c))];
      return sure[row * this.acrosses + column];
    };
    const [c, r] = [Math.floor(x), Math.floor(y)];
    const along = (row) => at(row, c) * (1 - x + c) + at(row, c + 1) * (x - c);
    return (along(r) * (1 - y + r) + along(r + 1) * (y - r)) / 255;
  }

  share(frame, expert) {
    return this.load[frame * this.experts + expert];
  }

  limit(frame) {
    return this.limits ? this.limits[frame] : null;
  }

  note(frame) {
    return this.notes[Math.min(frame, this.notes.length - 1)] ?? "";
  }

  /** The expert that a point is sent to, -1 if nobody said. */
  sent(frame, point) {
    return this.chosen ? this.chosen[frame * this.points + point] : -1;
  }

  lost(frame, point) {
    return Boolean(this.dropped && this.dropped[frame * this.points + point]);
  }

  /** The busiest expert, its share, and how many experts get anything. */
  summary(frame) {
    let [best, used] = [0, 0];
    for (let e = 0; e < this.experts; e++) {
      if (this.share(frame, e) > this.share(frame, best)) best = e;
      if (this.share(frame, e) > 0) used += 1;
    }
    return { best, share: this.share(frame, best), used };
  }

  /** For every connected region, a place for its owner's name. @param {Model} model @returns {Centre[]} */
  centres(frame, model) {
    this.crowd ??= crowd(model, this.rows, this.columns);
    if (!this.known.has(frame)) this.known.set(frame, centres(this.owner(frame), this.rows, this.columns, this.crowd));
    return this.known.get(frame);
  }
}

/** Lengths of equal cells after each other, as the cells themselves. */
function spread(packed, size) {
  const [expert, length] = [values(packed.expert), values(packed.length)];
  const cells = new Uint8Array(size);
  let at = 0;
  expert.forEach((one, i) => cells.fill(one, at, (at += length[i])));
  return cells;
}

/** How deep inside its region a cell counts that lies at the edge of the plane: the region goes on beyond it. */
const EDGE = 3;
/** How much room a name takes, as a share of the map's side. */
const NAME = 0.055;
/** Where a name has room, it stands near the region's centre of mass and hides few points: what a cell of distance, and a
 * point, count against a cell of depth. */
const PULL = 0.1;
const HIDES = 0.35;

/** How far each cell is from the nearest cell of another owner: two passes, with steps of 1 and √2. */
function depths(owner, rows, columns) {
  const depth = new Float32Array(rows * columns).fill(Infinity);
  const visit = (i, steps) => {
    const [r, c] = [Math.floor(i / columns), i % columns];
    let found = Math.min(depth[i], EDGE + Math.min(r, c, rows - 1 - r, columns - 1 - c));
    for (const [dr, dc, far] of steps) {
      const [nr, nc] = [r + dr, c + dc];
      if (nr < 0 || nc < 0 || nr >= rows || nc >= columns) continue;
      const near = nr * columns + nc;
      found = Math.min(found, owner[near] === owner[i] ? depth[near] + far : far / 2);
    }
    depth[i] = found;
  };
  const steps = [[0, -1, 1], [-1, 0, 1], [-1, -1, Math.SQRT2], [-1, 1, Math.SQRT2]];
  const back = steps.map(([r, c, far]) => [-r, -c, far]);
  for (let i = 0; i < depth.length; i++) visit(i, steps);
  for (let i = depth.length - 1; i >= 0; i--) visit(i, back);
  return depth;
}

/** How many points a name in the middle of each cell would hide. @param {Model} model */
function crowd(model, rows, columns) {
  const found = new Float32Array(rows * columns);
  const reach = NAME * Math.min(rows, columns);
  for (const point of model.points) {
    const [u, v] = model.share(point);
    const [x, y] = [u * columns - 0.5, v * rows - 0.5];
    for (let r = Math.max(0, Math.ceil(y - reach)); r <= Math.min(rows - 1, y + reach); r++) {
      for (let c = Math.max(0, Math.ceil(x - reach)); c <= Math.min(columns - 1, x + reach); c++) {
        if (Math.hypot(r - y, c - x) <= reach) found[r * columns + c] += 1;
      }
    }
  }
  return found;
}

/** Which connected region each cell belongs to, numbered from 0; cells that touch at a corner only are not connected. */
function connected(owner, rows, columns) {
  const region = new Int32Array(rows * columns).fill(-1);
  let count = 0;
  for (let from = 0; from < region.length; from++) {
    if (region[from] >= 0) continue;
    const open = [from];
    region[from] = count;
    while (open.length) {
      const i = open.pop();
      const c = i % columns;
      for (const j of [c ? i - 1 : -1, c + 1 < columns ? i + 1 : -1, i - columns, i + columns]) {
        if (j < 0 || j >= region.length || region[j] >= 0 || owner[j] !== owner[i]) continue;
        region[j] = count;
        open.push(j);
      }
    }
    count += 1;
  }
  return { region, count };
}

/** @returns {Centre[]} */
function centres(owner, rows, columns, hides) {
  const depth = depths(owner, rows, columns);
  const enough = NAME * Math.min(rows, columns) + 1;
  const { region, count } = connected(owner, rows, columns);
  const found = Array.from({ length: count }, () => ({ x: 0, y: 0, n: 0, best: -Infinity, at: 0 }));
  region.forEach((one, i) => {
    found[one].x += i % columns;
    found[one].y += Math.floor(i / columns);
    found[one].n += 1;
  });
  region.forEach((k, i) => {
    const one = found[k];
    const away = Math.hypot((i % columns) - one.x / one.n, Math.floor(i / columns) - one.y / one.n);
    const score = Math.min(depth[i], enough) - PULL * away - HIDES * hides[i];
    if (score > one.best) Object.assign(one, { best: score, at: i });
  });
  return found.map(({ at }) => ({
    expert: owner[at],
    x: (at % columns) + 0.5,
    y: Math.floor(at / columns) + 0.5,
    room: depth[at],
  }));
}

export class Model {
  /** @param {any} data see __init__.py */
  constructor(data) {
    const { values: flat, shape } = unpack(data.points);
    this.count = shape[0];
    this.points = Array.from({ length: this.count }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
    this.group = values(data.group);
    this.groups = data.groups;
    this.names = data.experts;
    this.experts = data.experts.length;
    this.frames = data.frames;
    [this.x, this.y] = [data.x, data.y];
    /** @type {Run[]} */
    this.runs = data.runs.map((run) => new Run(run, this.experts, this.count));
    this.even = 1 / this.experts;
    this.limited = this.runs.some((run) => run.limits);
    const limits = this.runs.flatMap((run) => (run.limits ? Array.from(run.limits) : []));
    const loads = this.runs.map((run) => run.load.reduce((a, b) => Math.max(a, b), 0));
    /** The largest share that any bar shows, in any frame of any run; a limit beyond all of them is not worth the room. */
    this.most = Math.min(1, Math.max(...loads, Math.min(1.6 * Math.max(...loads), ...limits), 1.25 * this.even));
    this.loses = this.runs.some((run) => run.dropped?.some((one) => one));
    this.sure = this.runs.some((run) => run.strength);
    const known = this.runs.flatMap((run) => (run.strength ? [run.strength] : []));
    const all = (better) => known.reduce((found, one) => one.reduce(better, found), known[0]?.[0] ?? 0);
    /** The least and the most probable cell of all frames and runs, 0 to 255: they get the palest and the deepest colour. */
    this.sureness = [all((a, b) => Math.min(a, b)), all((a, b) => Math.max(a, b))];
    this.colours = this.runs.some((run) => run.chosen);
  }

  /** Width by height of the plane. */
  get aspect() {
    return (this.x[1] - this.x[0]) / (this.y[1] - this.y[0]);
  }

  /** A place of the plane as shares of the map, from its upper left corner. */
  share([x, y]) {
    return [(x - this.x[0]) / (this.x[1] - this.x[0]), (this.y[1] - y) / (this.y[1] - this.y[0])];
  }

  /** The other way round. */
  place([u, v]) {
    return [this.x[0] + u * (this.x[1] - this.x[0]), this.y[1] - v * (this.y[1] - this.y[0])];
  }

  /** The point nearest to a place (in shares), if it is near enough; -1. @param {number} reach in CSS pixels */
  pointAt([u, v], width, height, reach = 9) {
    let [best, least] = [-1, reach * reach];
    this.points.forEach((point, i) => {
      const [a, b] = this.share(point);
      const far = ((a - u) * width) ** 2 + ((b - v) * height) ** 2;
      if (far < least) [best, least] = [i, far];
    });
    return best;
  }
}
