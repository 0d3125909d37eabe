/**
 * Unigram's lattice: the characters on a line, below it every piece that fits as a box under its characters, the long
 * ones above. Ink is the probability that the piece is used; one path is drawn through its boxes.
 */
import { luminance, ramp, rampIndex } from "../kit/colour.js";
import { number } from "../kit/format.js";
import { squeeze } from "./ink.js";
import { face, phrase } from "./phrase.js";

const NAME = 13;
const SMALL = 11;
const HEAD = 30;
const LINE = HEAD - 6; // of the characters
const EDGE = 8; // beside the word, for the ends of the path
const INSET = 3; // between a box and the end of its characters: the path runs there
const COLUMN = { least: 36, scrolled: 46, most: 84 };
const LOW = 21;
const HIGH = 33;
const BETWEEN = 5;

export class Lattice {
  constructor(data, say) {
    this.data = data;
    this.say = say;
    this.path = 0;
    /** Edge under the pointer. @type {number|null} */
    this.over = null;
    this.walked = null;
    this.lanes = lanes(data.edges);
    this.head = HEAD;
  }

  place(width, height, measure) {
    const { edges, letters } = this.data;
    this.measure = measure;
    const both = (edge) => measure(face(edge.text), NAME, 600) + measure(number(edge.log_prob), SMALL) + 14 + 2 * INSET;
    const wanted = Math.max(...edges.map((edge) => both(edge) / (edge.to - edge.from)));
    const share = Math.floor((width - 2 * EDGE - 4) / letters.length);
    // Where the word does not fit it scrolls, and then every box may have the room it needs.
    const { least, scrolled, most } = COLUMN;
    this.column = share >= least ? Math.min(most, share) : Math.max(least, Math.min(scrolled, wanted));
    this.rows = [];
    let y = HEAD + 6;
    for (const lane of this.lanes) {
      const tight = lane.some((i) => both(edges[i]) > (edges[i].to - edges[i].from) * this.column);
      this.rows.push({ y, h: tight ? HIGH : LOW, tight });
      y += (tight ? HIGH : LOW) + BETWEEN;
    }
    // Room that is left over makes the rows higher.
    const extra = Math.max(0, Math.min(8, (height - y - 4) / this.rows.length));
    this.rows.forEach((row, i) => {
      row.y += i * extra;
      row.h += extra * 0.7;
    });
    this.width = 2 * EDGE + letters.length * this.column;
    this.height = y + extra * this.rows.length + 2;
  }

  x(at) {
    return EDGE + at * this.column;
  }

  box(i) {
    const { from, to } = this.data.edges[i];
    const { y, h } = this.rows[this.data.edges[i].lane];
    return { x: this.x(from) + INSET, y, w: (to - from) * this.column - 2 * INSET, h };
  }

  shapes(inks, palette) {
    const { edges, token } = this.data;
    const shapes = [];
    const colours = ramp(palette.probability);
    const onPath = new Set(this.shown.edges);
    this.walk(shapes, inks);
    edges.forEach((edge, i) => {
      const place = this.box(i);
      const k = 3 * rampIndex(edge.share, 0, 1);
      const colour = [colours[k], colours[k + 1], colours[k + 2]];
      const dark = luminance(colour) <= 0.18;
      const best = onPath.has(i);
      const ink = dark ? "#ffffff" : luminance(colour) > 0.5 || edge.share > 0.3 ? "#16161a" : inks.text;
      const fill = `rgb(${colour})`;
      shapes.push({ kind: "rect", ...place, radius: 4, fill, line: best ? fill : inks.rule });
      this.label(shapes, edge, place, ink, best);
    });
    for (const i of this.shown.edges) shapes.push(ring(this.box(i), 0, inks.text, 2));
    if (token !== null) shapes.push(ring(this.box(token), 4.5, inks.ownLine, 3));
    const over = this.over ?? this.walked;
    shapes.push(over === null ? { kind: "path", d: "M0 0" } : ring(this.box(over), 0.5, inks.text, 1.5));
    return shapes;
  }

  /** What stays in sight above: the characters, and where the path begins and ends. */
  headShapes(inks) {
    const { letters } = this.data;
    const shapes = letters.map((letter, i) => {
      const text = squeeze(face(letter), this.column - 2, this.measure, 16, 600);
      return { kind: "text", x: this.x(i + 0.5), y: 11, text, size: 16, weight: 600, anchor: "middle", fill: inks.text };
    });
    shapes.push({ kind: "path", d: `M${this.x(0)} ${LINE}H${this.x(letters.length)}`, line: inks.rule });
    for (let i = 0; i <= letters.length; i++) {
      shapes.push({ kind: "path", d: `M${this.x(i)} ${LINE - 3}v6`, line: inks.rule });
    }
    const stops = this.shown.edges;
    const ends = stops.length ? [0, this.data.edges[stops.at(-1)].to] : [];
    for (const x of ends.map((at) => this.x(at))) {
      shapes.push({ kind: "path", d: `M${x - 4.5} ${LINE}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z`, fill: inks.text });
      shapes.push({ kind: "path", d: `M${x} ${LINE}V${HEAD}`, line: inks.text, width: 2.5 });
    }
    return shapes;
  }

  label(shapes, edge, { x, y, w, h }, fill, best) {
    const { tight } = this.rows[edge.lane];
    const weight = best ? 700 : 400;
    const value = number(edge.log_prob);
    const middle = { x: x + w / 2, anchor: "middle" };
    if (tight) {
      const text = squeeze(face(edge.text), w - 2, this.measure, NAME, weight);
      shapes.push({ kind: "text", ...middle, y: y + h / 2 - 7, text, size: NAME, weight, fill });
      shapes.push({ kind: "text", ...middle, y: y + h / 2 + 8, text: value, size: SMALL, fill });
      return;
    }
    const room = this.measure(value, SMALL) + 6;
    const text = squeeze(face(edge.text), w - room - 4, this.measure, NAME, weight);
    const wide = this.measure(text, NAME, weight);
    const from = x + (w - wide - room) / 2;
    shapes.push({ kind: "text", x: from, y: y + h / 2, text, size: NAME, weight, fill });
    shapes.push({ kind: "text", x: from + wide + 6, y: y + h / 2 + 0.5, text: value, size: SMALL, fill });
  }

  get shown() {
    return this.data.paths[this.path];
  }

  /** The path from the end of each box to the beginning of the next; behind the boxes, so that it hides no label. */
  walk(shapes, inks) {
    const stops = this.shown.edges;
    const middle = (i) => this.box(i).y + this.box(i).h / 2;
    const joints = stops.map((i, k) => [this.x(this.data.edges[i].from), k ? middle(stops[k - 1]) : LINE, middle(i)]);
    const last = stops.at(-1);
    if (last !== undefined) joints.push([this.x(this.data.edges[last].to), middle(last), LINE]);
    for (const [k, [x, y0, y1]] of joints.entries()) {
      const left = k ? `M${x - INSET} ${y0}H${x}` : `M${x} ${y0}`;
      const right = k < joints.length - 1 ? `H${x + INSET}` : "";
      shapes.push({ kind: "path", d: `${left}V${y1}${right}`, line: inks.text, width: 2.5 });
    }
  }

  percent(share, digits = 3) {
    return share > 0 && share < 1e-4 ? "< 0.01 %" : `${number(100 * share, digits)} %`;
  }

  sentence() {
    const { data, say, shown } = this;
    const asked = this.over ?? this.walked;
    if (asked !== null) {
      const edge = data.edges[asked];
      const values = { log_prob: number(edge.log_prob, 4), probability: number(Math.exp(edge.log_prob)) };
      return phrase(say("edge"), { ...values, piece: { piece: edge.text }, share: this.percent(edge.share) });
    }
    const nodes = shown.edges.flatMap((i, k) => {
      const { text, log_prob } = data.edges[i];
      const value = shown.edges.length > 1 ? ` (${number(log_prob)})` : "";
      return [...(k ? [" + "] : []), ...phrase("{piece}{value}", { piece: { piece: text }, value })];
    });
    const values = { log_prob: number(shown.log_prob, 4), probability: number(Math.exp(shown.log_prob)) };
    return phrase(say("path"), { ...values, sum: { nodes }, share: this.shareOf(shown) });
  }

  /** Of all segmentations' probability. */
  shareOf(path, digits) {
    return this.data.total === null ? "–" : this.percent(Math.exp(path.log_prob - this.data.total), digits);
  }

  /** The edge under a point. */
  at(x, y) {
    const i = this.data.edges.findIndex((_, k) => {
      const box = this.box(k);
      return x >= box.x && x <= box.x + box.w && y >= box.y && y <= box.y + box.h;
    });
    return { over: i < 0 ? null : i };
  }

  hover(x, y) {
    return this.at(x, y);
  }

  press(x, y) {
    return { walked: this.at(x, y).over };
  }

  leave() {
    return { over: null };
  }

  focus() {
    const at = this.walked ?? this.data.token ?? this.shown.edges[0] ?? 0;
    const { x, y, w, h } = this.box(at);
    return { x: x + w / 2, y: y + h / 2 };
  }

  /** Left and right walk the edges from the beginning of the word; Escape returns to the path. */
  key(key) {
    if (key === "Escape") return { walked: null };
    const order = this.data.edges.map((_, i) => i).sort((a, b) => {
      const [left, right] = [this.data.edges[a], this.data.edges[b]];
      return left.from - right.from || left.to - right.to;
    });
    const now = this.walked === null ? -1 : order.indexOf(this.walked);
    const last = order.length - 1;
    const to = { ArrowLeft: now - 1, ArrowUp: now - 1, ArrowRight: now + 1, ArrowDown: now + 1, Home: 0, End: last }[key];
    return to === undefined ? null : { walked: order[Math.max(0, Math.min(last, to))] };
  }

  table() {
    const { edges, paths } = this.data;
    const lines = edges.map((edge, i) => {
      const uses = paths.map((path) => (path.edges.includes(i) ? 1 : 0));
      return [edge.from, edge.to, edge.text, edge.log_prob, Number(edge.share.toPrecision(6)), ...uses];
    });
    const names = paths.map((path) => path.label || this.say("best"));
    return [["start", "end", "piece", "log-probability", "probability that it is used", ...names], ...lines];
  }
}

/** Boxes in lanes: the longest first, then from left to right, each in the first lane of its length that is free there. */
function lanes(edges) {
  const rows = [];
  const order = edges.map((_, i) => i).sort((a, b) => {
    const [left, right] = [edges[a], edges[b]];
    return right.to - right.from - (left.to - left.from) || left.from - right.from;
  });
  for (const i of order) {
    const { from, to } = edges[i];
    let lane = rows.findIndex((row) => row.length === to - from && row.end <= from);
    if (lane < 0) lane = rows.push({ length: to - from, end: 0, edges: [] }) - 1;
    rows[lane].end = to;
    rows[lane].edges.push(i);
    edges[i].lane = lane;
  }
  return rows.map((row) => row.edges);
}

/** A rounded outline around a box. */
function ring({ x, y, w, h }, away, line, width) {
  const [left, top, right, bottom] = [x - away, y - away, x + w + away, y + h + away];
  const r = 4 + away / 2;
  const d =
    `M${left + r} ${top}H${right - r}a${r} ${r} 0 0 1 ${r} ${r}V${bottom - r}a${r} ${r} 0 0 1 ${-r} ${r}` +
    `H${left + r}a${r} ${r} 0 0 1 ${-r} ${-r}V${top + r}a${r} ${r} 0 0 1 ${r} ${-r}z`;
  return { kind: "path", d, line, width };
}
