/**
 * The tokens of one row, in units of the text: given once, or anew for every frame of a training.
 *
 * @typedef {import("./text.js").Units} Units
 * @typedef {{part: number, of: number, from: number, to: number}} Share of the units from .. to, part out of `of`
 */

import { unpack } from "../kit/decode.js";

/** @param {import("../kit/decode.js").Packed} packed */
const numbers = (packed) => /** @type {Int32Array} */ (unpack(packed).values);

export class Row {
  /** @param {any} data see __init__.py @param {number} index among all rows */
  constructor(data, index) {
    this.index = index;
    this.name = data.name;
    this.note = data.note;
    this.rankName = data.rank_name ?? "";
    this.pieces = data.piece ?? {};
    this.ranks = data.rank ?? {};
    this.frame = 0;
    this.frames = data.frames ? { ...data.frames, values: numbers(data.frames.values) } : null;
    if (this.frames) this.places = new Map(this.frames.vocabulary.map((piece, i) => [piece, i]));
    else this.read(data);
  }

  read(data) {
    this.ids = numbers(data.id);
    const length = numbers(data.length);
    const skip = numbers(data.skip);
    const n = length.length;
    this.skips = skip.some((bytes) => bytes > 0);
    [this.start, this.end] = [new Int32Array(n), new Int32Array(n)];
    this.inexact = new Set(numbers(data.inexact));
    const jump = new Map(Array.from(numbers(data.moved), (i, k) => [i, skip[k]]));
    for (let i = 0, at = 0; i < n; i++) {
      // The end moves on by the length and by what was skipped (less than 0: a span shared with the token before).
      at += length[i] + (jump.size ? (jump.get(i) ?? 0) : 0);
      this.end[i] = at;
      this.start[i] = at - length[i];
    }
  }

  /** Whether anything of the text is lost. @param {number} nByte */
  loses(nByte) {
    if (this.frames) return false;
    return this.skips || this.inexact.size > 0 || (this.end.at(-1) ?? 0) < nByte;
  }

  get count() {
    return this.first.length;
  }

  /** Note every byte at which this row ever has a boundary. @param {Uint8Array} cut @param {Uint32Array} bytes of each code point's start */
  mark(cut, bytes) {
    if (this.frames) {
      this.frames.values.forEach((value, i) => {
        if (value !== 0) cut[bytes[i + 1]] = 1;
      });
    } else {
      for (let i = 0; i < this.start.length; i++) cut[this.start[i]] = cut[this.end[i]] = 1;
    }
  }

  /** From bytes to units. @param {Units} units @param {Uint32Array} bytes */
  place(units, bytes) {
    this.units = units;
    this.edge = new Uint8Array(units.count + 1);
    this.shared = new Map();
    if (this.frames) {
      const { values } = this.frames;
      this.borders = Uint32Array.from(values, (_, i) => units.at[bytes[i + 1]]);
      this.show(this.frame);
      return;
    }
    const n = this.start.length;
    [this.first, this.last] = [new Int32Array(n), new Int32Array(n)];
    for (let i = 0; i < n; i++) {
      this.first[i] = units.at[this.start[i]];
      this.last[i] = units.at[this.end[i]];
      this.edge[this.first[i]] = 1;
      this.edge[this.last[i]] = 1;
    }
    for (let i = 1; i < n; i++) if (this.first[i] < this.last[i - 1]) i = this.share(i - 1);
  }

  /** Tokens from i on that stand for parts of one letter divide it among them; returns the last of them. */
  share(i) {
    let j = i;
    while (j + 1 < this.first.length && this.first[j + 1] < this.last[i] && this.last[j + 1] > this.first[j + 1]) j++;
    const from = this.first[j];
    const to = Math.max(from + 1, Math.min(this.last[i], this.last[j]));
    for (let k = i; k <= j; k++) this.shared.set(k, { part: k - i, of: j - i + 1, from, to });
    return Math.max(j, i + 1);
  }

  /** The tokens of one frame. @param {number} frame */
  show(frame) {
    this.frame = Math.max(0, Math.min(this.frames.count - 1, frame));
    const { kind, values } = this.frames;
    const { borders, edge, units } = this;
    edge.fill(0);
    if (!this.room) this.room = new Int32Array(borders.length + 1);
    let n = 0;
    let from = 0;
    for (let i = 0; i < borders.length; i++) {
      const there = kind === "until" ? values[i] > this.frame : (values[i] >>> this.frame) & 1;
      if (!there) continue;
      this.room[n++] = from;
      from = borders[i];
      edge[from] = 1;
    }
    if (units.count) {
      this.room[n++] = from;
      edge[0] = edge[units.count] = 1;
    }
    this.first = this.room.subarray(0, n);
    this.last = null;
  }

  /** First unit after the token. @param {number} i */
  endOf(i) {
    return this.last ? this.last[i] : i + 1 < this.count ? this.first[i + 1] : this.units.count;
  }

  slice(i) {
    const { text, from } = this.units;
    return text.slice(from[this.first[i]], from[this.endOf(i)]);
  }

  /** -1: a segment that the vocabulary does not hold. @param {number} i */
  id(i) {
    return this.frames ? (this.places.get(this.slice(i)) ?? -1) : this.ids[i];
  }

  /** What the hue is made from. */
  hueOf(i) {
    const id = this.id(i);
    return id >= 0 || !this.frames ? id : hash(this.slice(i));
  }

  piece(i) {
    return this.frames ? this.slice(i) : (this.pieces[this.ids[i]] ?? "");
  }

  rank(i) {
    return this.frames ? undefined : this.ranks[this.ids[i]];
  }

  exact(i) {
    return !this.inexact?.has(i);
  }

  empty(i) {
    return this.first[i] === this.endOf(i);
  }

  /** Bytes of the text. @param {number} i @returns {[number, number]} */
  span(i) {
    const { byte } = this.units;
    return [byte[this.first[i]], byte[this.endOf(i)]];
  }

  /** The first token that ends after this unit begins (its count if there is none). @param {number} unit */
  after(unit) {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.endOf(middle) > unit) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The token that holds this unit, or -1. */
  tokenAt(unit) {
    const i = this.after(unit);
    return i < this.count && this.first[i] <= unit ? i : -1;
  }
}

/** A number from a piece that has no id (FNV-1a), so that it has a colour of its own. @param {string} text */
function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h >>> 0) % 100_003;
}
