/**
 * What Python sent, and the questions the picture asks of it. Position k is the state after k steps.
 *
 * @typedef {{left: number, right: number, numbers: number[], chosen: boolean, rival: boolean}} Candidate
 *   ids of the pair, right -1: a single piece
 * @typedef {{id: number, size: number, level: number, at: number, parts: Node[]}} Node
 *   one piece in a tree: size in leaves, level above the leaves, middle in leaves from the left
 */
import { unpack } from "../kit/decode.js";
import { face } from "../story/phrase.js";

export class Model {
  /** @param {any} data see __init__.py */
  constructor(data) {
    this.pieces = data.pieces;
    this.columns = data.columns;
    this.marks = data.marks;
    for (const name of ["born", "gone", "parent", "curve", "axis", "pair", "chosen"]) this[name] = unpack(data[name]).values;
    this.rival = data.rival && unpack(data.rival).values;
    this.numbers = data.numbers.map((column) => unpack(column).values);
    this.steps = this.curve.length - 1;
    this.rows = unpack(data.pair).shape[1];
    this.hasTrees = this.parent.some((id) => id >= 0);
    this.index();
  }

  /** Ids by the step that made them and by the step that removed them, so that no step has to look at all. */
  index() {
    const ids = Array.from(this.pieces.keys());
    this.newest = ids.sort((a, b) => this.born[b] - this.born[a] || a - b);
    /** @type {Map<number, number[]>} */
    this.left = new Map();
    const change = new Int32Array(this.steps + 2);
    this.pieces.forEach((_, id) => {
      const [born, gone] = [this.born[id], this.gone[id]];
      if (gone <= born) return;
      change[born] += 1;
      change[gone] -= 1;
      if (gone > this.steps) return;
      if (!this.left.has(gone)) this.left.set(gone, []);
      this.left.get(gone).push(id);
    });
    let alive = 0;
    this.alive = Array.from(change.subarray(0, this.steps + 1), (n) => (alive += n));
    // The first place in `newest` whose piece is there after k steps.
    this.from = new Int32Array(this.steps + 1);
    let at = this.newest.length;
    for (let step = 0; step <= this.steps; step++) {
      while (at > 0 && this.born[this.newest[at - 1]] <= step) at -= 1;
      this.from[step] = at;
    }
  }

  /** @param {number} id */
  name(id) {
    return face(this.pieces[id].replaceAll(" ", "·"));
  }

  /** At most `most` pieces that are there after k steps, the newest first. */
  vocabulary(step, most) {
    const ids = [];
    for (let i = this.from[step]; i < this.newest.length && ids.length < most; i++) {
      if (this.gone[this.newest[i]] > step) ids.push(this.newest[i]);
    }
    return ids;
  }

  /** Pieces that the k-th step removed. @returns {number[]} */
  removed(step) {
    return this.left.get(step) ?? [];
  }

  /** The last piece that a step up to k made, or the first one there is. */
  latest(step) {
    return this.vocabulary(step, 1)[0] ?? this.newest[this.from[step]] ?? 0;
  }

  isNew(id, step) {
    return step > 0 && this.born[id] === step;
  }

  /** The candidates of step k + 1. @returns {Candidate[]} */
  candidates(step) {
    const found = [];
    if (step >= this.steps) return found;
    for (let row = 0; row < this.rows; row++) {
      const i = step * this.rows + row;
      const [left, right] = [this.pair[2 * i], this.pair[2 * i + 1]];
      if (left < 0) continue;
      const numbers = this.numbers.map((column) => column[i]);
      found.push({ left, right, numbers, chosen: !!this.chosen[i], rival: !!this.rival?.[i] });
    }
    return found;
  }

  /** @param {number} id @param {number} [from] leaves to its left @returns {Node} */
  tree(id, from = 0) {
    const [left, right] = [this.parent[2 * id], this.parent[2 * id + 1]];
    if (left < 0) return { id, size: 1, level: 0, at: from + 0.5, parts: [] };
    const first = this.tree(left, from);
    const second = this.tree(right, from + first.size);
    return {
      id,
      size: first.size + second.size,
      level: 1 + Math.max(first.level, second.level),
      at: (first.at + second.at) / 2,
      parts: [first, second],
    };
  }
}
