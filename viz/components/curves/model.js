/**
 * What Python sent, and the questions the picture asks of it.
 *
 * @typedef {{name: string, note: string, role: string, form: string, quiet: boolean, labels: string[], n: number,
 *   frames: number, x: ArrayLike<number>, y: ArrayLike<number>}} Line
 */
import { unpack } from "../kit/decode.js";

/** The keyboard stops at this many places at most. */
const MOST_STOPS = 4096;

export class Model {
  /** @param {any} data see __init__.py */
  constructor(data) {
    const { values: x } = unpack(data.x);
    /** @type {Line[]} */
    this.lines = data.lines.map((line) => {
      const { values, shape } = unpack(line.y);
      return { ...line, y: values, frames: shape[0], n: shape[1], x: line.x ? unpack(line.x).values : x };
    });
    this.x = x;
    this.frames = data.frames;
    this.log = data.x_axis.log;
    const { low, high } = data.x_axis;
    const all = [...new Set(this.lines.flatMap((line) => Array.from(line.x)))].filter((at) => at >= low && at <= high);
    all.sort((a, b) => a - b);
    const stride = Math.ceil(all.length / MOST_STOPS);
    /** Where the cursor can stand: every position of every line. */
    this.stops = all.filter((_, i) => i % stride === 0 || i === all.length - 1);
  }

  /** @param {Line} line @param {number} frame @param {number} i */
  y(line, frame, i) {
    return line.y[(line.frames > 1 ? frame : 0) * line.n + i];
  }

  /** The last position at which a line shows something in any frame. @param {Line} line */
  reach(line) {
    for (let i = line.n - 1; i >= 0; i--) {
      for (let frame = 0; frame < line.frames; frame++) {
        const value = this.y(line, frame, i);
        if (value === value) return line.x[i];
      }
    }
    return line.x[0];
  }

  /** How far apart two positions are on the axis. */
  between(a, b) {
    return this.log ? Math.abs(Math.log(a / b)) : Math.abs(a - b);
  }

  /** Index of the value nearest on the axis. @param {ArrayLike<number>} ascending @param {number} at */
  nearest(ascending, at) {
    let [low, high] = [0, ascending.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (ascending[middle] <= at) low = middle;
      else high = middle;
    }
    return this.between(ascending[high], at) < this.between(ascending[low], at) ? high : low;
  }

  /**
   * What every line shows at a position: its nearest point, or all of its points that stand there.
   * @param {number} frame @param {number} at
   * @returns {{line: Line, l: number, i: number, x: number, y: number, name: string}[]}
   */
  read(frame, at) {
    return this.lines.flatMap((line, l) => {
      const nearest = this.nearest(line.x, at);
      if (!this.covers(line, at, nearest)) return [];
      const found = [];
      let first = nearest;
      while (first && line.x[first - 1] === line.x[nearest]) first -= 1;
      for (let i = first; i < line.n && line.x[i] === line.x[nearest]; i++) {
        const y = this.y(line, frame, i);
        if (y === y) found.push({ line, l, i, x: line.x[i], y, name: line.labels[i] || line.name });
      }
      return found;
    });
  }

  /** A line says something between its first and its last point; one that is alone, only there. */
  covers(line, at, i) {
    const near = this.between(line.x[i], at);
    if (near <= 1e-6 * (this.log ? 1 : Math.abs(at))) return true;
    if (line.labels.length) return false;
    const [first, last] = [line.x[0], line.x[line.n - 1]];
    if (at > first && at < last) return true;
    const edge = line.n > 1 ? this.between(line.x[i], line.x[i ? i - 1 : 1]) / 2 : 0;
    return near <= edge;
  }
}
