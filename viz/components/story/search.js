/**
 * Longest match first: for each token a column of the candidates, the longest above, struck out down to the one that the
 * vocabulary has. The columns stand on one line, so that this line reads as the tokens and a column's height is the work.
 */
import { squeeze } from "./ink.js";
import { face, phrase } from "./phrase.js";

const ROW = { least: 18, most: 26 }; // where there are few candidates, they are larger
const CAPTION = 20;
const GAP = { least: 18, most: 46 };
const WIDE = { least: 120, most: 240 };
const PAD = 10;

export class Search {
  constructor(data, say) {
    this.data = data;
    this.say = say;
    this.chosen = data.token;
    this.unknown = data.matches.some((match) => !match.found);
  }

  place(width, height, measure) {
    this.measure = measure;
    const { matches } = this.data;
    const room = height - CAPTION - 12;
    const wanted = 1 + Math.max(...matches.map((match) => this.lines(match, Infinity).length));
    this.row = Math.max(ROW.least, Math.min(ROW.most, Math.floor(room / (wanted + 0.4))));
    this.size = 13 + (this.row - ROW.least) / 4;
    this.boxed = Math.round(1.4 * this.row);
    const rows = Math.max(3, Math.floor((room - this.boxed) / this.row));
    const fair = Math.floor((width - 4 - GAP.least * (matches.length - 1)) / matches.length);
    const widest = Math.max(WIDE.least, Math.min(WIDE.most, fair));
    this.columns = matches.map((match) => {
      const lines = this.lines(match, rows);
      const found = match.found ? face(match.tried.at(-1)) : this.say("nothing");
      const texts = [...lines.map((line) => line.text), found];
      const wide = Math.max(...texts.map((text) => measure(text, this.size, 700)), measure(this.caption(match), 11));
      const w = Math.min(widest, wide + 2 * PAD);
      return { lines, found: squeeze(found, w - 2 * PAD, measure, this.size, 700), w };
    });
    const total = this.columns.reduce((sum, column) => sum + column.w, 0);
    const between = Math.max(1, matches.length - 1);
    const gap = Math.max(GAP.least, Math.min(GAP.most, (width - total - 4) / between));
    let x = 2;
    for (const column of this.columns) {
      column.x = x;
      x += column.w + gap;
    }
    this.gap = gap;
    const most = Math.max(...this.columns.map((column) => column.lines.length));
    this.base = 6 + most * this.row + 4;
    this.width = x - gap + 2;
    this.height = this.base + this.boxed + CAPTION;
  }

  /** The failed candidates, so many that they fit: where some are left out, a line says how many. */
  lines(match, rows) {
    const failed = match.found ? match.tried.slice(0, -1) : match.tried;
    const missing = match.count - match.tried.length;
    // What is missing in what Python sent lies in the middle; what does not fit is taken from there, too.
    const middle = missing ? Math.min(failed.length, Math.ceil(match.tried.length / 2)) : Math.ceil(failed.length / 2);
    const fits = failed.length + (missing ? 1 : 0) <= rows;
    const head = fits ? middle : Math.min(middle, Math.ceil((rows - 1) / 2));
    const tail = fits ? failed.length - middle : Math.min(failed.length - middle, rows - 1 - head);
    const hidden = failed.length + missing - head - tail;
    const line = (label) => ({ text: face(label), struck: true });
    const more = hidden ? [{ text: `… ${this.say("more_terms").replace("{n}", String(hidden))}`, struck: false }] : [];
    return [...failed.slice(0, head).map(line), ...more, ...failed.slice(failed.length - tail).map(line)];
  }

  caption(match) {
    return this.say("tried").replace("{n}", String(match.count));
  }

  shapes(inks) {
    const { row, size, boxed, measure } = this;
    const shapes = [];
    this.columns.forEach((column, i) => {
      const match = this.data.matches[i];
      const mine = i === this.chosen;
      const own = i === this.data.token;
      const { x, w } = column;
      const inner = w - 2 * PAD;
      const top = this.base - column.lines.length * row - 4;
      const fill = own ? inks.ownStem : inks.stem;
      if (mine) shapes.push({ kind: "rect", x, y: top - 2, w, h: this.base + boxed - top + 2, radius: 7, fill });
      column.lines.forEach((line, k) => {
        const y = top + (k + 0.5) * row;
        const text = squeeze(line.text, inner, measure, size);
        shapes.push({ kind: "text", x: x + PAD, y, text, size, fill: mine && line.struck ? inks.text : inks.quiet });
        const strike = `M${x + PAD - 3} ${y + 1}h${measure(text, size) + 6}`;
        if (line.struck) shapes.push({ kind: "path", d: strike, line: mine && own ? inks.ownLine : inks.quiet, width: 1.2 });
      });
      // In a word that becomes the unknown token, what was found before does not count.
      const lost = this.unknown && match.found;
      const paper = !match.found ? "hatch" : lost ? inks.back : own ? inks.own : inks.box;
      const line = !match.found ? inks.text : own ? inks.ownLine : inks.rule;
      const dash = lost ? { dash: "4 3" } : {};
      shapes.push({ kind: "rect", x, y: this.base, w, h: boxed, radius: 5, fill: paper, line, ...dash });
      const label = { kind: "text", x: x + PAD, fill: inks.text };
      if (!match.found) shapes.push(halo(x + PAD, this.base + boxed / 2, measure(column.found, size, 700), size, inks.back));
      shapes.push({ ...label, y: this.base + boxed / 2, text: column.found, size, weight: mine ? 700 : 600 });
      shapes.push({ ...label, y: this.base + boxed + 12, text: this.caption(match), size: 11, fill: inks.quiet });
      if (i > 0) this.arrow(shapes, this.columns[i - 1], column, top, inks);
    });
    return shapes;
  }

  /** From what was found to the search for the rest of the word. */
  arrow(shapes, from, to, top, inks) {
    const [x0, y0] = [from.x + from.w + 3, this.base + this.boxed / 2];
    const [x1, y1] = [to.x - 2, to.lines.length ? top + this.row / 2 : y0];
    const bend = (x1 - x0) * 0.7;
    shapes.push({ kind: "path", d: `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1 - 4} ${y1}`, line: inks.rule, width: 1.5 });
    shapes.push({ kind: "path", d: `M${x1} ${y1}l-6 -3.5v7z`, fill: inks.rule });
  }

  sentence() {
    const { data, say, chosen } = this;
    const match = data.matches[chosen];
    const values = { k: chosen + 1, count: data.matches.length, n: match.count, word: { piece: data.word } };
    const piece = { piece: match.tried.at(-1) };
    const id = !match.found ? "unfound" : this.unknown ? "found_lost" : "found";
    return phrase(say(id), { ...values, piece, first: { piece: match.tried[0] } });
  }

  press(x) {
    const i = this.columns.findIndex((column) => x >= column.x - this.gap / 2 && x < column.x + column.w + this.gap / 2);
    return i < 0 ? null : { chosen: i };
  }

  focus() {
    const { x, w } = this.columns[this.chosen];
    return { x: x + w / 2, y: this.height };
  }

  key(key) {
    const last = this.columns.length - 1;
    const moves = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -last, End: last };
    if (!(key in moves)) return null;
    return { chosen: Math.max(0, Math.min(last, this.chosen + moves[key])) };
  }

  table() {
    const lines = this.data.matches.flatMap((match, i) =>
      match.tried.map((text, k) => {
        const last = k === match.tried.length - 1;
        const middle = Math.ceil(match.tried.length / 2);
        const order = k < middle ? k + 1 : k + 1 + match.count - match.tried.length;
        return [i + 1, order, text, last && match.found ? "found" : "not in the vocabulary"];
      }),
    );
    return [["token", "try", "candidate", "result"], ...lines];
  }
}

/** Paper behind a text on hatching. */
function halo(x, y, w, size, fill) {
  return { kind: "rect", x: x - 4, y: y - size / 2 - 3, w: w + 8, h: size + 6, radius: 3, fill };
}
