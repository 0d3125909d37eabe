/**
 * The matrices of an inspector, decoded, with the questions the picture asks of them.
 *
 * A panel holds stages (scores, scale, mask, softmax, output ...). A stage holds one matrix, or one per scrubber frame.
 *
 * @typedef {import("../kit/decode.js").Unpacked} Unpacked
 * @typedef {{row: number, col: number}} Cell
 */
import { unpack } from "../kit/decode.js";

/** Rows of an operand (t, d), or of one frame of it (n, t, d). */
class Operand {
  /** @param {import("../kit/decode.js").Packed} packed */
  constructor(packed) {
    const { shape, values } = unpack(packed);
    this.values = values;
    this.width = shape[shape.length - 1];
    this.rows = shape[shape.length - 2];
    this.frames = shape.length === 3 ? shape[0] : 1;
  }

  at(frame, row, j) {
    const f = Math.min(frame, this.frames - 1);
    return this.values[(f * this.rows + row) * this.width + j];
  }
}

export class Stage {
  /**
   * @param {any} data one stage as the Python builder wrote it
   * @param {Stage|null} before
   * @param {{rows: string[], cols: string[]}} shared labels of the whole inspector
   */
  constructor(data, before, shared) {
    const { shape, values, exact } = unpack(data.values);
    Object.assign(this, { before, values, exact });
    this.name = data.name;
    /** @type {"signed"|"probability"|"mask"} */
    this.scale = data.scale;
    this.t = shape[shape.length - 2];
    this.s = shape[shape.length - 1];
    this.frames = shape.length === 3 ? shape[0] : 1;
    this.rows = data.rows ?? shared.rows;
    this.cols = data.cols ?? shared.cols;
    this.roles = data.roles;
    this.axes = data.axes;
    this.explain = data.explain;
    this.explainMasked = data.masked;
    this.numbers = data.numbers ?? {};
    this.left = data.left ? new Operand(data.left) : null;
    this.right = data.right ? new Operand(data.right) : null;
    this.limits = data.limits ?? null;
    /** @type {Map<number, Uint8Array>} */
    this.hatches = new Map();
  }

  /** Where frame `frame` starts in `values`. */
  start(frame) {
    return Math.min(frame, this.frames - 1) * this.t * this.s;
  }

  at(frame, row, col) {
    return this.values[this.start(frame) + row * this.s + col];
  }

  /** The nearest earlier stage of the same shape that holds numbers (a mask of yes and no has none to compute with). */
  get source() {
    let stage = this.before;
    while (stage && (stage.scale === "mask" || stage.t !== this.t || stage.s !== this.s)) stage = stage.before;
    return stage;
  }

  /**
   * Which cells are masked in one frame: minus infinity, not a number, "no" in a mask, or an exact 0 where an earlier
   * stage of the same shape was masked (softmax of minus infinity).
   * @returns {Uint8Array} 1 for masked, row by row
   */
  hatch(frame) {
    const key = Math.min(frame, this.lastFrame());
    const known = this.hatches.get(key);
    if (known) return known;
    const earlier = this.before && this.before.t === this.t && this.before.s === this.s ? this.before.hatch(frame) : null;
    const hatch = new Uint8Array(this.t * this.s);
    const start = this.start(frame);
    for (let i = 0; i < hatch.length; i++) {
      const value = this.values[start + i];
      const own = Number.isNaN(value) || value === -Infinity || (this.scale === "mask" && value === 0);
      hatch[i] = own || (value === 0 && earlier?.[i] === 1) ? 1 : 0;
    }
    this.hatches.set(key, hatch);
    return hatch;
  }

  /** The last frame at which this stage or an earlier one still changes. */
  lastFrame() {
    return Math.max(this.frames, this.before ? this.before.lastFrame() + 1 : 1) - 1;
  }

  masked(frame, { row, col }) {
    return this.hatch(frame)[row * this.s + col] === 1;
  }

  /** Smallest and largest finite value over all frames. @returns {[number, number]} */
  get extent() {
    if (!this.known) {
      let low = Infinity;
      let high = -Infinity;
      for (const value of this.values) {
        if (!Number.isFinite(value)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      this.known = low > high ? [0, 0] : [low, high];
    }
    return this.known;
  }

  /**
   * The parts of the sum that made a cell: left[row, j] * right[col, j] over j. Without a left operand the weights are
   * the earlier matrix (an output is the weighted sum of values): then `label` names what each part came from.
   * @returns {{j: number, left: number, right: number, label: string|null}[]}
   */
  terms(frame, { row, col }) {
    if (!this.right) return [];
    const weights = this.left ? null : this.weightStage;
    const parts = [];
    for (let j = 0; j < this.right.width; j++) {
      const left = weights ? weights.at(frame, row, j) : this.left.at(frame, row, j);
      parts.push({ j, left, right: this.right.at(frame, col, j), label: weights ? weights.cols[j] : null });
    }
    return parts;
  }

  /** The earlier stage whose rows weigh this stage's sum. */
  get weightStage() {
    let stage = this.before;
    while (stage && (stage.scale === "mask" || stage.s !== this.right?.width)) stage = stage.before;
    return stage;
  }
}

export class Model {
  constructor(data) {
    const shared = { rows: data.rows, cols: data.cols };
    this.panels = data.panels.map((panel) => {
      /** @type {Stage[]} */
      const stages = [];
      for (const stage of panel.stages) stages.push(new Stage(stage, stages[stages.length - 1] ?? null, shared));
      return { title: panel.title, stages };
    });
    this.count = Math.max(...this.panels.map((panel) => panel.stages.length));
    this.names = this.panels.find((panel) => panel.stages.length === this.count).stages.map((stage) => stage.name);
  }

  /** Panel p at step i; a panel with fewer steps stays at its last. */
  stage(p, i) {
    const { stages } = this.panels[p];
    return stages[Math.min(i, stages.length - 1)];
  }

  /**
   * The values at both ends of the colour scale of step i, the same for all panels so that they compare.
   * @returns {[number, number]}
   */
  limits(i) {
    const stages = this.panels.map((_, p) => this.stage(p, i));
    const given = stages.find((stage) => stage.limits)?.limits;
    if (given) return given;
    const low = Math.min(...stages.map((stage) => stage.extent[0]));
    const high = Math.max(...stages.map((stage) => stage.extent[1]));
    if (stages[0].scale === "mask") return [0, 1];
    if (stages[0].scale === "probability") return [0, high || 1];
    const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return [-reach, reach];
  }
}
