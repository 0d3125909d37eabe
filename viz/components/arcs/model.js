/** The weights of an arcs view, with the questions its drawings ask. */
import { unpack } from "../kit/decode.js";

/**
 * One token's view of the others.
 * @typedef {"looks_at"|"looked_at"} Direction
 * @typedef {{index: number, weight: number}} Link
 */
export class Weights {
  constructor(data) {
    const { shape, values } = unpack(data.weights);
    [this.t, this.s] = shape;
    this.values = values;
    this.rows = data.rows;
    this.cols = data.cols;
    this.same = data.rows.length === data.cols.length && data.rows.every((label, i) => label === data.cols[i]);
  }

  at(row, col) {
    return this.values[row * this.s + col];
  }

  /** Tokens that can be in focus. @param {Direction} direction */
  sources(direction) {
    return direction === "looks_at" ? this.rows : this.cols;
  }

  /** Tokens that the focused one is joined to. @param {Direction} direction */
  targets(direction) {
    return direction === "looks_at" ? this.cols : this.rows;
  }

  /** Weight between the focused token and each other. @param {Direction} direction @param {number} focus */
  links(direction, focus) {
    const n = this.targets(direction).length;
    const weight = (i) => (direction === "looks_at" ? this.at(focus, i) : this.at(i, focus));
    return Array.from({ length: n }, (_, index) => ({ index, weight: weight(index) }));
  }

  /** The strongest of them, largest first. @param {Direction} direction */
  strongest(direction, focus, count) {
    const seen = this.links(direction, focus).filter((link) => link.weight >= 0.005);
    return seen.sort((a, b) => b.weight - a.weight).slice(0, count);
  }

  /** All arcs worth drawing when no token is in focus: each row's strongest. */
  all() {
    const arcs = [];
    for (let row = 0; row < this.t; row++) {
      for (const { index, weight } of this.strongest("looks_at", row, 10)) {
        if (weight >= 0.03) arcs.push({ row, col: index, weight });
      }
    }
    return arcs;
  }
}
