/** What Python sent, and the questions the picture asks of it. */
import { unpack } from "../kit/decode.js";

const values = (packed) => (packed ? unpack(packed).values : null);

/** What moves: n frames of m places. */
class Motion {
  constructor(packed) {
    const { shape, values: flat } = unpack(packed);
    [this.frames, this.count] = shape;
    this.flat = flat;
    this.between = new Float32Array(2 * this.count);
  }

  /** All places at a time, x and y in turn; a time between two frames lies on the straight line between them. */
  at(time) {
    const { flat, frames, count, between } = this;
    const first = Math.max(0, Math.min(frames - 1, Math.floor(time)));
    const share = Math.min(frames - 1, time) - first;
    const size = 2 * count;
    if (share <= 0) return flat.subarray(first * size, (first + 1) * size);
    const [from, to] = [first * size, (first + 1) * size];
    for (let i = 0; i < size; i++) between[i] = flat[from + i] + share * (flat[to + i] - flat[from + i]);
    return between;
  }

  /** One of them in a frame. @returns {[number, number]} */
  of(frame, i) {
    const at = 2 * (Math.min(frame, this.frames - 1) * this.count + i);
    return [this.flat[at], this.flat[at + 1]];
  }
}

export class Plane {
  /** @param {any} data see __init__.py */
  constructor(data) {
    const { title, notes, outline, anchors, labels } = data;
    Object.assign(this, { title, notes, outline, anchors, labels });
    this.points = new Motion(data.points);
    this.count = this.points.count;
    this.target = data.target && new Motion(data.target);
    this.ghost = data.ghost && values(data.ghost);
    this.group = values(data.group);
    this.origins = data.origins && values(data.origins);
    this.vectors = data.vectors && new Motion(data.vectors);
    this.density = data.density && unpack(data.density);
    this.largest = values(data.largest);
    /** On which side of their places the names stand. @type {Map<string, number>} */
    this.sides = new Map();
    /** How many groups there are; points without a group are one. */
    this.groups = this.group ? this.group.reduce((most, one) => Math.max(most, one), 0) + 1 : 1;
    /** Whether what lies behind the points changes from frame to frame. */
    this.restless = Boolean((this.density && this.density.shape[0] > 1) || (this.vectors && this.vectors.frames > 1));
  }

  note(frame) {
    return this.notes[Math.min(frame, this.notes.length - 1)] ?? "";
  }

  groupOf(i) {
    return this.group ? this.group[i] : 0;
  }

  /** Cells of one frame's density, 0 to 255, row by row from the top. */
  cells(frame) {
    const [n, rows, columns] = this.density.shape;
    const from = Math.min(frame, n - 1) * rows * columns;
    return { rows, columns, cells: this.density.values.subarray(from, from + rows * columns) };
  }
}

export class Model {
  /** @param {any} data see __init__.py */
  constructor(data) {
    /** @type {Plane[]} */
    this.planes = data.planes.map((one) => new Plane(one));
    const { frames, x, y, axes, trails, targets, groups } = data;
    Object.assign(this, { frames, x, y, axes, trails, targets, groups });
    this.count = Math.max(...this.planes.map(({ count }) => count));
    this.grouped = this.planes.some(({ group }) => group);
  }

  /** Width by height of the planes. */
  get aspect() {
    return (this.x[1] - this.x[0]) / (this.y[1] - this.y[0]);
  }

  inside(x, y) {
    return x >= this.x[0] && x <= this.x[1] && y >= this.y[0] && y <= this.y[1];
  }

  /** How many points of a plane are not in it. @param {Plane} plane @param {number} frame */
  outside(plane, frame) {
    const xy = plane.points.at(frame);
    let count = 0;
    for (let i = 0; i < xy.length; i += 2) if (!this.inside(xy[i], xy[i + 1])) count += 1;
    return count;
  }
}
