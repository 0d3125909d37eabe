/**
 * Byte pair encoding replayed: time runs downwards, one row per merge. A piece is a column of the picture from the row
 * in which it is made to the row in which it is merged, so that reading along a row gives the word's pieces after that
 * step. What has not happened yet lies under a veil.
 */
import { number } from "../kit/format.js";
import { squeeze } from "./ink.js";
import { face, phrase } from "./phrase.js";

const NAME = 13;
const SMALL = 11;
const GAP = 1.5; // between a piece and its neighbour, on each side
const LETTERS = 20; // height of the row of characters above their bytes
const RESULT = 8; // between the last merge and the tokens
const ROW = { least: 17, most: 30 };
const LEAF = { least: 20, most: 76 };

export class Replay {
  constructor(data, say) {
    this.data = data;
    this.say = say;
    this.steps = data.steps;
    this.merges = data.pieces.filter((piece) => piece.parts).sort((a, b) => a.born - b.born);
    this.step = data.steps;
  }

  /** Where everything stands. @param {number} width @param {number} height of the box @param {Function} measure */
  place(width, height, measure) {
    const { data } = this;
    this.measure = measure;
    const rank = (piece) => measure(number(piece.rank, 7), SMALL);
    // Room that a leaf needs so that every merge can have its rank beside its name.
    const both = this.merges.map((piece) => {
      const name = measure(face(piece.text), NAME, 600);
      return (name + rank(piece) + 18) / (piece.to - piece.from);
    });
    const alone = data.pieces.filter((piece) => !piece.parts).map((piece) => measure(face(piece.text), NAME, 600) + 6);
    const leaf = Math.max(LEAF.least, ...alone);
    const numbers = measure(String(this.steps), SMALL) + 12;
    const ranks = Math.max(0, ...this.merges.map(rank)) + 10;
    const n = data.leaves;
    const wanted = Math.max(leaf, ...both);
    // Ranks stand in the boxes; only where that alone would not fit they stand beside the rows.
    this.beside = numbers + n * wanted > width && numbers + ranks + n * leaf <= width;
    this.left = this.merges.length ? numbers + (this.beside ? ranks : 0) : 0;
    this.numbers = numbers;
    const least = this.beside ? leaf : wanted;
    this.leaf = Math.max(least, Math.min(LEAF.most, Math.floor((width - this.left - 2) / n)));
    this.top = data.letters.length ? LETTERS : 0;
    const rows = this.steps + (this.steps ? 2 : 1);
    const fitting = Math.floor((height - this.top - (this.steps ? RESULT : 0) - 4) / rows);
    this.row = Math.max(ROW.least, Math.min(ROW.most, fitting));
    this.width = Math.max(this.left + n * this.leaf + 2, 1);
    this.height = this.y(rows) + (this.steps ? RESULT : 0) + 3;
    this.head = this.y(1) - 1;
  }

  /** Top of a row: 0 the characters, 1 the first merge. */
  y(row) {
    return this.top + row * this.row;
  }

  x(leaf) {
    return this.left + leaf * this.leaf;
  }

  /** @param {import("./ink.js").Inks} inks */
  shapes(inks) {
    const { data, step, row } = this;
    const shapes = [];
    const end = this.y(this.steps + 1) + (this.steps ? RESULT : 0);
    // How long a piece lasts.
    for (const piece of data.pieces) {
      const y = this.y(piece.born) + row / 2;
      const h = (piece.gone === null ? end : this.y(piece.gone)) - y;
      if (this.steps) shapes.push({ kind: "rect", ...this.box(piece), y, h, fill: piece.mine ? inks.ownStem : inks.stem });
    }
    for (const piece of this.merges) this.made(shapes, piece, inks);
    for (const piece of this.steps ? data.pieces.filter((one) => one.gone === null) : []) {
      const { x, w } = this.box(piece);
      const fill = piece.mine ? inks.own : inks.box;
      const line = piece.mine ? { line: inks.ownLine } : {};
      shapes.push({ kind: "rect", x, w, y: end, h: row, radius: 4, fill, ...line });
      const text = squeeze(face(piece.text), w - 2, this.measure, NAME, 600);
      shapes.push({ kind: "text", x: x + w / 2, y: end + row / 2, text, size: NAME, weight: 600, anchor: "middle", fill: inks.text });
    }
    for (const [i, piece] of this.merges.entries()) {
      const y = this.y(i + 1) + row / 2;
      const fill = i + 1 === step ? inks.text : inks.quiet;
      const weight = i + 1 === step ? 700 : 400;
      shapes.push({ kind: "text", x: this.numbers - 8, y, text: String(i + 1), size: SMALL, anchor: "end", fill, weight });
      if (this.beside) shapes.push({ kind: "text", x: this.left - 8, y, text: number(piece.rank, 7), size: SMALL, anchor: "end", fill, weight });
    }
    // What has not happened yet.
    const from = step === this.steps ? this.height : this.y(step + 1);
    shapes.push({ kind: "path", d: `M0 ${from}H${this.width}V${this.height}H0z`, fill: inks.back, alpha: 0.76 });
    this.emphasis(shapes, inks);
    return shapes;
  }

  /** What stays in sight above: the characters. */
  headShapes(inks) {
    const { data } = this;
    const shapes = [];
    for (const letter of data.letters) {
      const [x0, x1] = [this.x(letter.from) + 4, this.x(letter.to) - 4];
      const text = squeeze(face(letter.text), x1 - x0, this.measure, NAME);
      shapes.push({ kind: "text", x: (x0 + x1) / 2, y: 8, text, size: NAME + 1, anchor: "middle", fill: inks.text });
      shapes.push({ kind: "path", d: `M${x0} ${LETTERS}v-3H${x1}v3`, line: inks.rule });
    }
    for (const piece of data.pieces.slice(0, data.leaves)) this.made(shapes, piece, inks);
    this.emphasis(shapes, inks);
    return shapes;
  }

  box(piece) {
    return { x: this.x(piece.from) + GAP, w: (piece.to - piece.from) * this.leaf - 2 * GAP };
  }

  /** A piece in the row in which it is made. */
  made(shapes, piece, inks) {
    const y = this.y(piece.born) + 1;
    const { x, w } = this.box(piece);
    shapes.push({ kind: "rect", x, w, y, h: this.row - 2, radius: 4, fill: piece.mine ? inks.own : inks.box });
    this.label(shapes, piece, x, w, y + this.row / 2 - 1, inks);
  }

  /** A piece's name, with its rank if that stands in the boxes. */
  label(shapes, piece, x, w, y, inks) {
    const rank = piece.parts && !this.beside ? number(piece.rank, 7) : "";
    const ranked = rank ? this.measure(rank, SMALL) + 6 : 0;
    const text = squeeze(face(piece.text), w - 4 - ranked, this.measure, NAME, piece.parts ? 600 : 400);
    const wide = this.measure(text, NAME, piece.parts ? 600 : 400);
    const from = x + (w - wide - ranked) / 2;
    shapes.push({ kind: "text", x: from, y, text, size: NAME, weight: piece.parts ? 600 : 400, fill: inks.text });
    if (rank) shapes.push({ kind: "text", x: from + wide + 6, y: y + 0.5, text: rank, size: SMALL, fill: inks.quiet });
  }

  /** The merge of this step: its box, and the two pieces that it joins. */
  emphasis(shapes, inks) {
    const merge = this.merges[this.step - 1];
    const y = merge ? this.y(this.step) : 0;
    const rounded = ({ x, w }, top, bottom) =>
      `M${x + 4} ${top}h${w - 8}a4 4 0 0 1 4 4V${bottom - 4}a4 4 0 0 1-4 4h${8 - w}a4 4 0 0 1-4-4V${top + 4}a4 4 0 0 1 4-4z`;
    const outline = (place, top, bottom, width) =>
      shapes.push({ kind: "path", d: merge ? rounded(place, top, bottom) : "M0 0", line: merge ? inks.text : "none", width });
    outline(merge ? this.box(merge) : {}, y + 1, y + this.row - 1, 2);
    for (const i of merge ? merge.parts : [0, 0]) {
      const part = this.data.pieces[i];
      outline(merge ? this.box(part) : {}, this.y(part.born) + 1, y - 1, 1);
    }
  }

  /** @returns {(Node|string)[]} */
  sentence() {
    const { data, say, step, steps } = this;
    const pieces = data.pieces.flatMap((piece) => [" ", ...phrase("{piece}", { piece: { piece: piece.text } })]).slice(1);
    if (!steps) return phrase(say("whole"), { pieces: { nodes: pieces } });
    if (!step) return phrase(say("start"), { n: data.leaves });
    const merge = this.merges[step - 1];
    const [left, right] = merge.parts.map((i) => ({ piece: data.pieces[i].text }));
    return phrase(say("step"), { step, count: steps, left, right, name: data.rank_name, rank: number(merge.rank, 7) });
  }

  /** Which row is at this height. @returns {{step: number}} */
  press(_, y) {
    return { step: Math.max(0, Math.min(this.steps, Math.floor((y - this.top) / this.row))) };
  }

  /** What the box should show: the row of this step; at first, the token. @param {boolean} first */
  focus(first) {
    const merge = this.merges[this.step - 1];
    if (!merge) return { x: 0, y: 0 };
    if (first && this.step === this.steps) {
      const token = this.data.pieces.filter((piece) => piece.mine).at(-1);
      return { x: (this.x(token.from) + this.x(token.to)) / 2, y: this.height };
    }
    return { x: (this.x(merge.from) + this.x(merge.to)) / 2, y: this.y(this.step) + this.row / 2 };
  }

  key(key) {
    const moves = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, Home: -this.steps, End: this.steps };
    if (!(key in moves)) return null;
    return { step: Math.max(0, Math.min(this.steps, this.step + moves[key])) };
  }

  table() {
    const { data } = this;
    const lines = this.merges.map((piece, i) => {
      const [left, right] = piece.parts.map((k) => data.pieces[k].text);
      return [i + 1, left, right, piece.text, piece.rank];
    });
    return [["step", "left", "right", "piece", "rank"], ...lines];
  }
}
