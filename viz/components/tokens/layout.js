/**
 * Where everything stands, in CSS pixels: units into lines of the given width, each line with one row per tokenizer.
 *
 * @typedef {import("./text.js").Units} Units
 * @typedef {{line: Uint32Array, lines: number, x: Float32Array, w: Float32Array, turned: Uint8Array, back: Uint8Array,
 *   width: number}} Lines
 *   line: first unit of each line and, at the end, the number of units; x, w: of each unit from the line's left end;
 *   turned: whether a line holds letters that run from right to left (2: and has been put into its order on the screen,
 *   see `ready`); back: whether a unit does
 */
import { BYTE, direction, LETTER, MARK, NEWLINE, SPACE, shownAs, TAB } from "./text.js";

/** Words and letters measured at most; a text with more different ones is laid out by the width of a typical one. */
const MEASURED = 3000;
/** Sizes of letters in pixels, the largest first: the first in which the whole text is in sight is taken. */
export const SIZES = [20, 18, 16, 15];
/** Parts of a letter's size: two hex digits of a byte, and the name of what prints nothing. */
const HEX = 0.74;
const NAME = 0.6;
const JOINER = "\u200d";

/** Room on each side of what needs more than a column. */
const PAD = 2;

/** Widths as the canvas draws them, remembered per font. */
export class Ruler {
  /** @param {CanvasRenderingContext2D} pen @param {string} mono font families @param {number} size of a letter */
  constructor(pen, mono, size) {
    this.pen = pen;
    this.size = size;
    this.sizes = { letter: size, hex: Math.round(HEX * size), mark: Math.max(9, Math.round(NAME * size)) };
    this.fonts = { letter: font(size, mono), hex: font(this.sizes.hex, mono, 500), mark: font(this.sizes.mark, mono, 600) };
    /** @type {Map<string, number>} */
    this.letters = new Map();
    /** @type {Map<string, number[]>} */
    this.words = new Map();
    this.column = Math.ceil(this.measure("0", "letter")) + 1;
    this.hexColumn = Math.ceil(this.measure("00", "hex")) + 6;
    this.wide = Math.ceil(this.measure("中", "letter")) + PAD;
  }

  measure(text, kind) {
    this.pen.font = this.fonts[kind];
    return this.pen.measureText(text).width;
  }

  /** Column width of a letter. @param {string} text */
  letter(text) {
    const code = text.charCodeAt(0);
    if (text.length === 1) {
      if (code < 0x7f) return this.column;
      if ((code >= 0x4e00 && code <= 0x9fff) || (code >= 0xac00 && code <= 0xd7a3)) return this.wide;
    }
    let width = this.letters.get(text);
    if (width === undefined) {
      if (this.letters.size > MEASURED) return code < 0x1100 ? this.column : this.wide;
      width = Math.max(this.column, Math.ceil(this.measure(text, "letter")) + (code < 0x1100 ? 1 : PAD));
      this.letters.set(text, width);
    }
    return width;
  }

  mark(text) {
    const key = `mark ${text}`;
    if (!this.letters.has(key)) this.letters.set(key, Math.max(this.column, Math.ceil(this.measure(text, "mark")) + 7));
    return this.letters.get(key);
  }

  /** Widths of a word's letters in the forms they take beside each other. @param {string[]} letters */
  word(letters) {
    const text = letters.join("");
    let widths = this.words.get(text);
    if (!widths) {
      if (this.words.size > MEASURED || letters.length > 64) return letters.map((letter) => this.letter(letter));
      let so = "";
      let before = 0;
      widths = letters.map((letter, i) => {
        so += letter;
        const upto = this.measure(i < letters.length - 1 ? so + JOINER : so, "letter");
        const width = Math.max(4, upto - before);
        before = upto;
        return width;
      });
      this.words.set(text, widths);
    }
    return widths;
  }
}

export const font = (size, family, weight = 400) => `${weight} ${size}px ${family}`;

/** Width of every unit. @param {Units} units @param {Ruler} ruler */
export function widthsOf(units, ruler) {
  const { count, kind, text, from, joined } = units;
  const w = new Float32Array(count);
  for (let u = 0; u < count; u++) {
    const what = kind[u];
    if (what === LETTER && joined[u]) {
      const letters = [];
      const first = u;
      while (u < count && kind[u] === LETTER && joined[u]) letters.push(text.slice(from[u], from[++u]));
      w.set(ruler.word(letters), first);
      u--;
    } else if (what === LETTER) {
      const code = text.charCodeAt(from[u]);
      w[u] = code < 0x7f && from[u + 1] - from[u] === 1 ? ruler.column : ruler.letter(text.slice(from[u], from[u + 1]));
    } else if (what === SPACE) {
      w[u] = ruler.column;
    } else if (what === TAB) {
      w[u] = 3 * ruler.column;
    } else if (what === NEWLINE) {
      w[u] = 2 * ruler.column;
    } else if (what === BYTE) {
      if (units.part[u] === 0) {
        const shown = shownAs(units, u);
        const whole = shown.kind === MARK ? ruler.mark(shown.text) : ruler.letter(shown.text);
        w[u] = Math.max(ruler.hexColumn, whole / units.parts[u]);
      } else {
        w[u] = w[u - 1];
      }
    } else if (what === MARK) {
      w[u] = ruler.mark(shownAs(units, u).text);
    } else {
      w[u] = ruler.letter(shownAs(units, u).text);
    }
  }
  return w;
}

/** How far back from a full line a better place to break is looked for. */
const LOOK_BACK = 24;

/**
 * @param {Units} units @param {Float32Array} w @param {number} width of a line
 * @param {Uint8Array} shared per unit: how many rows have a boundary before it
 * @returns {Lines}
 */
export function linesOf(units, w, width, shared) {
  const { count, kind, part, rtl } = units;
  const starts = [0];
  let room = width;
  let first = 0;
  for (let u = 0; u < count; u++) {
    if (w[u] > room && u > first) {
      const to = breakBefore(u, first, units, shared);
      starts.push(to);
      first = to;
      room = width;
      for (let k = to; k < u; k++) room -= w[k];
    }
    room -= w[u];
    if (kind[u] === NEWLINE) {
      starts.push(u + 1);
      first = u + 1;
      room = width;
    }
  }
  const lines = starts.length;
  const line = new Uint32Array(lines + 1);
  line.set(starts);
  line[lines] = count;
  const x = new Float32Array(count);
  const [turned, back] = [new Uint8Array(lines), new Uint8Array(count)];
  let widest = 0;
  for (let i = 0; i < lines; i++) {
    let left = 0;
    for (let u = line[i]; u < line[i + 1]; u++) {
      x[u] = left;
      left += w[u];
      if (rtl[u]) turned[i] = 1;
    }
    widest = Math.max(widest, left);
  }
  return { line, lines, x, w, turned, back, width: widest };

  /** The place that most rows share, the last one of several; never inside a code point. */
  function breakBefore(u, start, { part: inside }, shares) {
    let best = u;
    let score = -1;
    const back = Math.max(start + 1, u - LOOK_BACK, start + Math.ceil((u - start) / 2));
    for (let k = u; k >= back; k--) {
      if (inside[k]) continue;
      const here = shares[k] + (kind[k] === SPACE && kind[k - 1] !== SPACE ? 0.5 : 0);
      if (here > score) [best, score] = [k, here];
    }
    return part[best] ? best - part[best] || u : best;
  }
}

/** Must be called before a line's x is read: only lines that are shown are put into order. @param {Units} units @param {Lines} lines */
export function ready(units, lines, line) {
  if (lines.turned[line] !== 1) return;
  lines.turned[line] = 2;
  reorder(units, lines.line[line], lines.line[line + 1], lines.w, lines.x, lines.back);
}

/**
 * The order on the screen of a line with letters that run from right to left: Unicode's bidirectional algorithm (annex 9,
 * rules P2, I1, I2 and L2) for the two levels that plain text needs, without explicit embeddings.
 */
function reorder({ text, from, kind }, first, end, w, x, back) {
  const n = end - first;
  const level = new Uint8Array(n);
  const strong = new Int8Array(n); // 1 right to left, 0 left to right, 2 number, -1 neither
  for (let i = 0; i < n; i++) strong[i] = direction(text.codePointAt(from[first + i]));
  const base = strong.find((s) => s === 0 || s === 1) ?? 0;
  for (let i = 0, before = base; i < n; i++) {
    if (strong[i] === 0 || strong[i] === 1) {
      before = strong[i];
      level[i] = strong[i] === 1 ? 1 : base ? 2 : 0;
    } else if (strong[i] === 2) {
      level[i] = before === 1 || base ? 2 : 0;
    } else {
      let j = i;
      while (j < n && strong[j] === -1) j++;
      // Between two numbers that run the same way a separator goes with them; else numbers count as right to left here.
      const after = j === n ? base : strong[j] === 2 ? before : strong[j];
      const number = strong[j] === 2 && i > 0 && strong[i - 1] === 2 && j - i === 1 && kind[first + i] !== SPACE;
      const same = before === after ? before : base;
      for (let k = i; k < j; k++) level[k] = number ? level[i - 1] : same === 1 ? 1 : base ? 2 : 0;
      i = j - 1;
    }
  }
  const order = Array.from({ length: n }, (_, i) => i);
  for (const least of [2, 1]) {
    for (let i = 0; i < n; i++) {
      if (level[order[i]] < least) continue;
      let j = i;
      while (j < n && level[order[j]] >= least) j++;
      order.splice(i, j - i, ...order.slice(i, j).reverse());
      i = j;
    }
  }
  let left = 0;
  for (const i of order) {
    x[first + i] = left;
    back[first + i] = level[i] & 1;
    left += w[first + i];
  }
}

/**
 * Heights. Below each line of text its rows; a row's box, then the gap in which rings sit.
 * @typedef {{text: number, row: number, gap: number, name: number, below: number, group: number, left: number}} Measures
 *   name: room above a row for its name, where there is none at the left; left: room for names at the left
 * @param {number} rows @param {boolean} narrow @param {number} left @param {number} size of letters
 * @param {boolean} plain whether the text itself stands above its rows; else they say all of it
 * @returns {Measures}
 */
export function measures(rows, narrow, left, size, plain = true) {
  const text = plain ? 2 * size : 4;
  const row = Math.round(1.74 * size);
  const gap = size > 16 ? 9 : 7;
  const name = narrow ? 12 : 0;
  const below = 16;
  return { text, row, gap, name, below, left, group: text + rows * (row + gap + name) + below };
}

/** Top of a row's boxes within its group. @param {Measures} m @param {number} row */
export const rowTop = (m, row) => m.text + row * (m.row + m.gap + m.name) + m.name;
