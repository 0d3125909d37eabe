/**
 * The sentence under the picture: a template of the page, filled with the numbers of one cell.
 *
 * In a template, `{name}` is replaced by a live quantity:
 *   row, col              labels of the cell's row and column      row_index, col_index   their numbers, from 1
 *   value                 the cell                                 percent                the cell in percent
 *   prev                  the same cell one step earlier           max, sum               of that earlier row: its largest
 *   row_sum               sum of the cell's row                                           visible value m, and Σ exp(x − m)
 *   terms                 the products that add up to the value; n_terms: how many
 *   any name in `numbers` of the stage (d, for instance), one number or one per scrubber frame
 * `{query|text}`, `{key|text}`, `{value|text}`, `{quiet|text}` colour a text; a lone q, k or v is coloured by itself.
 * `{{` and `}}` are braces.
 *
 * @typedef {{text: string, role?: string, kind?: "label"|"number"|"symbol"|"operator"|"term"|"join"|"result"}} Part
 */
import { number, shorten, visible } from "../kit/format.js";

const TOKEN = /\{\{|\}\}|\{(\w+)(?:\|([^{}]*))?\}/g;
const SYMBOL = /(?<![A-Za-z0-9_])[qkvQKV](?![A-Za-z0-9_])/g;
const SYMBOL_ROLE = { q: "query", k: "key", v: "value" };

/**
 * @param {import("./model.js").Stage} stage
 * @param {number} frame @param {import("./model.js").Cell} cell
 * @param {{say: Function, room: number}} how room: how many products may be written out
 * @returns {Part[]}
 */
export function explain(stage, frame, cell, { say, room }) {
  const hidden = stage.masked(frame, cell);
  const template = hidden ? stage.explainMasked || say("masked_cell", { row: "{row}", col: "{col}" }) : stage.explain;
  const known = quantities(stage, frame, cell, { say, room });
  /** @type {Part[]} */
  const parts = [];
  let end = 0;
  for (const found of template.matchAll(TOKEN)) {
    literal(parts, template.slice(end, found.index));
    end = found.index + found[0].length;
    const [whole, name, text] = found;
    if (whole === "{{" || whole === "}}") parts.push({ text: whole[0] });
    else if (text !== undefined) parts.push({ text, role: name });
    else if (name in known) parts.push(...signed(known[name](), parts));
    else parts.push({ text: whole });
  }
  literal(parts, template.slice(end));
  return parts;
}

/** A negative number right behind an operator goes into brackets. @param {Part[]} found @param {Part[]} before */
function signed(found, before) {
  const negative = found.length === 1 && found[0].kind !== "label" && found[0].text.startsWith("\u2212");
  const behind = /[-\u2212+·×/] ?$/.test(before[before.length - 1]?.text ?? "");
  return negative && behind ? [{ ...found[0], text: `(${found[0].text})` }] : found;
}

/** Plain text, with a lone q, k or v in its colour. @param {Part[]} parts */
function literal(parts, text) {
  let end = 0;
  for (const found of text.matchAll(SYMBOL)) {
    if (found.index > end) parts.push({ text: text.slice(end, found.index) });
    parts.push({ text: found[0], role: SYMBOL_ROLE[found[0].toLowerCase()], kind: "symbol" });
    end = found.index + 1;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
}

/** Each quantity is computed only if the template asks for it. @returns {Record<string, () => Part[]>} */
function quantities(stage, frame, cell, { say, room }) {
  const { row, col } = cell;
  const value = stage.at(frame, row, col);
  const label = (text, role) => [{ text: shorten(visible(text)), role, kind: "label" }];
  const one = (x, kind = "number") => [{ text: number(x), kind }];
  const known = {
    row: () => label(stage.rows[row], stage.roles[0]),
    col: () => label(stage.cols[col], stage.roles[1]),
    row_index: () => one(row + 1),
    col_index: () => one(col + 1),
    value: () => one(value, "result"),
    percent: () => [{ text: `${number(100 * value)} %`, kind: "result" }],
    prev: () => one(stage.source ? stage.source.at(frame, row, col) : NaN),
    max: () => one(earlierRow(stage, frame, row).max),
    sum: () => one(earlierRow(stage, frame, row).sum),
    row_sum: () => one(rowOf(stage, frame, row).reduce((a, b) => a + b, 0)),
    terms: () => products(stage, frame, cell, { say, room }),
    n_terms: () => one(stage.right?.width ?? 0),
  };
  for (const [name, given] of Object.entries(stage.numbers)) {
    known[name] = () => one(Array.isArray(given) ? given[Math.min(frame, given.length - 1)] : given);
  }
  return known;
}

/** The finite values of one row. */
function rowOf(stage, frame, row) {
  const start = stage.start(frame) + row * stage.s;
  return Array.from(stage.values.subarray(start, start + stage.s)).filter(Number.isFinite);
}

/** Largest visible value m of the row that softmax read, and the sum of exp(x − m) over it. */
function earlierRow(stage, frame, row) {
  const source = stage.source;
  if (!source) return { max: NaN, sum: NaN };
  const hatch = stage.hatch(frame);
  const seen = [];
  for (let col = 0; col < stage.s; col++) {
    const value = source.at(frame, row, col);
    if (!hatch[row * stage.s + col] && Number.isFinite(value)) seen.push(value);
  }
  const max = Math.max(...seen);
  return { max, sum: seen.reduce((total, value) => total + Math.exp(value - max), 0) };
}

/** "0.42·1.31 − 0.20·0.77 + … 14 more": a dot product in order, a weighted sum with its largest parts first. */
function products(stage, frame, cell, { say, room }) {
  const all = stage.terms(frame, cell).filter((term) => stage.left || term.left !== 0);
  if (!stage.left) all.sort((a, b) => Math.abs(b.left * b.right) - Math.abs(a.left * a.right));
  const shown = all.length <= room + 1 ? all : all.slice(0, room);
  const [leftRole, rightRole] = stage.left ? [stage.roles[0], stage.roles[1]] : [undefined, "value"];
  /** @type {Part[]} */
  const parts = [];
  shown.forEach((term, i) => {
    const minus = i > 0 && term.left < 0; // "a − b·c" reads better than "a + (−b)·c"
    if (i > 0) parts.push({ text: minus ? " − " : " + ", kind: "operator" });
    const right = number(term.right);
    parts.push(
      { text: number(minus ? -term.left : term.left), role: leftRole, kind: "term" },
      { text: "·", kind: "join" },
      { text: term.right < 0 ? `(${right})` : right, role: rightRole, kind: "term" },
    );
    if (term.label !== null) parts.push({ text: ` ${shorten(visible(term.label), 12)}`, role: "quiet", kind: "join" });
  });
  if (shown.length < all.length) {
    const rest = say("more_terms", { n: all.length - shown.length });
    parts.push({ text: " + … ", kind: "operator" }, { text: `(${rest})`, role: "quiet" });
  }
  if (!shown.length) parts.push({ text: "0", kind: "number" });
  return parts;
}

/** The sentence as plain text, for screen readers and exports. @param {Part[]} parts */
export const plain = (parts) => parts.map((part) => part.text).join("");
