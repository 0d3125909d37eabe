/** What Python sent, and the questions the picture asks of it. */
import { unpack } from "../kit/decode.js";
import { number } from "../kit/format.js";

export class Model {
  /** @param {any} data see __init__.py */
  constructor(data) {
    this.data = data;
    this.parts = data.parts;
    /** Rows of all groups, one after the other. */
    this.rows = data.groups.flatMap(({ rows, name }) =>
      rows.map(({ label, values }) => ({ group: name, label, table: unpack(values) })),
    );
    let r = 0;
    /** Indices of the rows of each group. @type {number[][]} */
    this.groups = data.groups.map(({ rows }) => rows.map(() => r++));
    /** Whether a part shows anywhere. */
    this.shown = this.parts.map((_, p) => this.rows.some(({ table }) => column(table, p).some((value) => value > 0)));
  }

  /** @param {number} r @param {number} frame @returns {number[]} */
  values(r, frame) {
    const { values, shape } = this.rows[r].table;
    const at = Math.min(frame, shape[0] - 1) * shape[1];
    return Array.from(values.subarray(at, at + shape[1]));
  }

  label(r, frame) {
    const { label } = this.rows[r];
    return label[Math.min(frame, label.length - 1)];
  }

  written(value, bare = false) {
    const text = value >= 1000 ? Math.round(value).toLocaleString("en") : number(value);
    return bare || !this.data.unit ? text : `${text} ${this.data.unit}`;
  }

  sum(r, frame) {
    return this.written(this.values(r, frame).reduce((total, value) => total + value, 0));
  }

  /** Width of the widest sum of all frames. @param {(text: string) => number} wide */
  widest(wide) {
    return Math.max(
      ...this.rows.flatMap(({ table }, r) => Array.from({ length: table.shape[0] }, (_, frame) => wide(this.sum(r, frame)))),
    );
  }

  /** A row in numbers: its parts that are there, and their sum. */
  sentence(r, frame) {
    const parts = this.values(r, frame).flatMap((value, p) => (value > 0 ? [`${this.parts[p].name} ${this.written(value)}`] : []));
    return `${this.rows[r].group}, ${this.label(r, frame)}: ${this.sum(r, frame)} (${parts.join(", ")})`;
  }

  /** Numbers of one frame for a CSV file. */
  table(frame) {
    const exact = (value) => Number(value.toPrecision(7));
    const head = ["", this.data.axis, ...this.parts.map(({ name }) => name)];
    const rows = this.rows.map(({ group }, r) => [group, this.label(r, frame), ...this.values(r, frame).map(exact)]);
    return [head, ...rows];
  }
}

function column({ values, shape }, p) {
  return Array.from({ length: shape[0] }, (_, frame) => values[frame * shape[1] + p]);
}
