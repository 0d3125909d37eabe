/**
 * What the staff shows of one line: boxes, letters and rings. The canvas (here) and the exports (export.js) draw the same.
 *
 * @typedef {import("./main.js").Staff} Staff
 * @typedef {{kind: "token"|"lost"|"sliver", token: number, x: number, w: number, openLeft: boolean, openRight: boolean}} Box
 *   open: the token goes on in the line before or after; lost: letters that no token holds; sliver: a token of no letter
 * @typedef {{text: string, x: number, size: "letter"|"hex"|"mark", quiet: boolean, left: boolean}} Glyph
 *   x: its middle, or its left end
 */
import { rgb } from "../kit/colour.js";
import { shorten } from "../kit/format.js";
import { edge, tint } from "../kit/hue.js";
import { hatchPattern } from "../kit/scene.js";
import { font, ready, rowTop } from "./layout.js";
import { BYTE, LETTER, MARK, NEWLINE, SPACE, shownAs, TAB } from "./text.js";

export const RING = 3;
const SLIVER = 4;
/** Pictures of lines kept: more than a tall screen shows. */
const KEPT = 80;

/** Pieces of a line, left and right end, that the units first .. end stand on. */
export function fragments({ units, lines }, line, first, end) {
  if (end <= first) return [];
  ready(units, lines, line);
  const { x, w, turned } = lines;
  if (!turned[line]) return [[x[first], x[end - 1] + w[end - 1]]];
  const ranges = [];
  for (let u = first; u < end; u++) ranges.push([x[u], x[u] + w[u]]);
  ranges.sort((a, b) => a[0] - b[0]);
  const joined = [ranges[0]];
  for (const range of ranges.slice(1)) {
    const last = joined[joined.length - 1];
    if (range[0] - last[1] < 0.5) last[1] = range[1];
    else joined.push(range);
  }
  return joined;
}

/** Where the boundary before a unit is drawn. */
export function boundary({ units, lines }, line, unit) {
  ready(units, lines, line);
  const { x, w, back, line: starts } = lines;
  if (unit < starts[line + 1]) return back[unit] ? x[unit] + w[unit] : x[unit];
  if (unit === starts[line]) return 0; // the last line has no unit
  return back[unit - 1] ? x[unit - 1] : x[unit - 1] + w[unit - 1];
}

/** @param {Staff} staff @param {import("./rows.js").Row} row @param {number} line @param {(box: Box) => void} found */
export function boxes(staff, row, line, found) {
  const { line: starts, lines } = staff.lines;
  const [from, to] = [starts[line], starts[line + 1]];
  const closes = line === lines - 1;
  const slivers = new Map(); // boundary -> how many are there already
  let upto = from;
  const lost = (until) => {
    for (const [left, right] of fragments(staff, line, upto, until)) {
      found({ kind: "lost", token: -1, x: left, w: right - left, openLeft: false, openRight: false });
    }
  };
  let i = row.after(from);
  while (i > 0 && row.empty(i - 1) && row.first[i - 1] === from) i--;
  for (; i < row.count; i++) {
    const [first, end] = [row.first[i], row.endOf(i)];
    if (first > to || (first === to && !(closes && end === first))) break;
    if (first === end) {
      if (first > upto) lost(first);
      upto = Math.max(upto, first);
      const there = slivers.get(first) ?? 0;
      slivers.set(first, there + 1);
      const x = boundary(staff, line, first) - SLIVER / 2 + there * (SLIVER + 1);
      found({ kind: "sliver", token: i, x, w: SLIVER, openLeft: false, openRight: false });
      continue;
    }
    if (first > upto) lost(first);
    const pieces = fragments(staff, line, Math.max(first, from), Math.min(end, to));
    const share = row.shared.get(i);
    if (share && pieces.length === 1 && share.from >= from && share.to <= to) {
      const [[left, right]] = fragments(staff, line, share.from, share.to);
      const step = (right - left) / share.of;
      if (share.part > 0) pieces[0][0] = left + share.part * step;
      if (share.part < share.of - 1) pieces[0][1] = left + (share.part + 1) * step;
    }
    pieces.forEach(([left, right]) => {
      found({ kind: "token", token: i, x: left, w: right - left, openLeft: first < from, openRight: end > to });
    });
    upto = Math.max(upto, Math.min(end, to));
  }
  if (upto < to) lost(to);
}

/**
 * Letters of a line. @param {Staff} staff @param {number} line
 * @param {(glyph: Glyph) => void} found
 * @param {"all"|"steady"|"bytes"} which steady: those that are alike in all rows; bytes: the letters that some row cuts
 * @param {import("./rows.js").Row|null} row whose cuts decide whether bytes are shown
 */
export function glyphs(staff, line, found, which = "all", row = null) {
  const { units } = staff;
  ready(units, staff.lines, line);
  const { line: starts, x, w, back } = staff.lines;
  const { kind, joined, part, parts, text, from } = units;
  for (let u = starts[line]; u < starts[line + 1]; u++) {
    const what = kind[u];
    if (what === BYTE) {
      if (which === "steady" || (part[u] && u > starts[line])) continue;
      byteGlyphs(u);
      continue;
    }
    if (which === "bytes") continue;
    if (what === LETTER && joined[u]) {
      // Letters that join are drawn as one word, which the browser shapes.
      const first = u;
      while (u + 1 < starts[line + 1] && kind[u + 1] === LETTER && joined[u + 1] && back[u + 1] === back[u]) u++;
      const left = Math.min(x[first], x[u]);
      found({ text: text.slice(from[first], from[u + 1]), x: left, size: "letter", quiet: false, left: true });
      continue;
    }
    const quiet = what === SPACE || what === TAB || what === NEWLINE;
    const width = what === NEWLINE ? w[u] / 2 : w[u];
    const place = back[u] ? x[u] + w[u] - width / 2 : x[u] + width / 2;
    found({ text: shownAs(units, u).text, x: place, size: what === MARK ? "mark" : "letter", quiet, left: false });
  }

  function byteGlyphs(u) {
    const n = parts[u];
    let cut = false;
    for (let k = 1; k < n; k++) cut ||= row !== null && row.edge[u + k] === 1;
    if (!cut) {
      const middle = (Math.min(x[u], x[u + n - 1]) + Math.max(x[u] + w[u], x[u + n - 1] + w[u])) / 2;
      const shown = shownAs(units, u);
      found({ text: shown.text, x: middle, size: shown.kind === MARK ? "mark" : "letter", quiet: false, left: false });
      return;
    }
    for (let k = 0; k < n; k++) {
      const hex = staff.bytes[units.byte[u + k]].toString(16).toUpperCase().padStart(2, "0");
      found({ text: hex, x: x[u + k] + w[u + k] / 2, size: "hex", quiet: false, left: false });
    }
  }
}

/** Where two rows below each other disagree. @param {(x: number, upper: number) => void} found */
export function rings(staff, line, found) {
  const { line: starts } = staff.lines;
  for (let r = 0; r + 1 < staff.rows.length; r++) {
    const [above, below] = [staff.rows[r].edge, staff.rows[r + 1].edge];
    for (let u = Math.max(1, starts[line]); u < starts[line + 1]; u++) {
      if (above[u] !== below[u]) found(boundary(staff, line, u), r);
    }
  }
}

/** A colour between two, as CSS. @param {string} a @param {string} b hex colours @param {number} share of a */
function mix(a, b, share) {
  const [x, y] = [rgb(a), rgb(b)];
  return `rgb(${x.map((value, i) => Math.round(share * value + (1 - share) * y[i])).join(",")})`;
}

const HEX = /^#[0-9a-f]{6}$/i;

export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    /** @type {Map<number, HTMLCanvasElement>} */
    this.kept = new Map();
  }

  /** @param {import("../kit/colour.js").Theme} theme @param {string} accent a colour */
  dress(theme, accent) {
    this.theme = theme;
    this.accent = accent;
    const plain = HEX.test(theme.text) && HEX.test(theme.back);
    this.quiet = plain ? mix(theme.text, theme.back, 0.62) : theme.text;
    this.rule = plain ? mix(theme.text, theme.back, 0.16) : theme.text;
    this.band = plain ? mix(theme.text, theme.back, 0.07) : theme.back;
    this.forget();
  }

  forget() {
    this.kept.clear();
  }

  resize(width, height) {
    this.scale = window.devicePixelRatio || 1;
    [this.width, this.height] = [width, height];
    this.canvas.width = Math.round(width * this.scale);
    this.canvas.height = Math.round(height * this.scale);
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px`, marginBottom: `${-height}px` });
    this.hatch = hatchPattern(this.pen, this.theme.palette.masked, this.scale);
    this.forget();
  }

  /** What the box shows, from `top` pixels of the whole on. @param {Staff} staff */
  paint(staff, top) {
    const { pen, scale } = this;
    const { group, left } = staff.measures;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const first = Math.max(0, Math.floor(top / group));
    const last = Math.min(staff.lines.lines - 1, Math.floor((top + this.height) / group));
    for (let line = first; line <= last; line++) {
      pen.setTransform(scale, 0, 0, scale, 0, Math.round((line * group - top) * scale));
      this.marked = staff.marked().map((mark) => ({ ...mark, places: outline(staff, line, mark) }));
      pen.fillStyle = this.band;
      for (const { places } of this.marked) for (const { x, w } of places) pen.fillRect(left + x, 2, w, staff.measures.bottom - 2);
      // Names above their rows stand on what is outlined there.
      if (!staff.measures.name) this.paintNames(staff, line);
      pen.translate(left, 0);
      this.paintLine(staff, line);
      pen.translate(-left, 0);
      if (staff.measures.name) this.paintNames(staff, line);
    }
  }

  paintLine(staff, line) {
    const { pen, theme } = this;
    const { measures } = staff;
    const { dark } = theme;
    const letters = this.letters(staff, line);
    const middle = (measures.text - measures.row) / 2;
    if (staff.plain) {
      this.stamp(letters, middle);
      this.writeBytes(staff, line, null, middle + measures.row / 2);
    }
    staff.rows.forEach((row, r) => {
      const y = rowTop(measures, r);
      boxes(staff, row, line, (box) => this.box(box, row, y, measures.row, dark));
      this.stamp(letters, y);
      this.writeBytes(staff, line, row, y + measures.row / 2);
    });
    this.paintRings(staff, line);
    this.paintMarks(staff, line);
  }

  /** @param {Box} box */
  box(box, row, y, h, dark) {
    const { pen } = this;
    const { x, w, openLeft, openRight } = box;
    pen.beginPath();
    if (box.kind === "sliver") {
      pen.roundRect(x, y - 1, w, h + 2, w / 2);
      pen.fillStyle = edge(row.hueOf(box.token), dark);
      pen.fill();
      return;
    }
    const round = Math.min(5, w / 3);
    const [l, r] = [openLeft ? 0 : round, openRight ? 0 : round];
    const [x0, x1] = [x + (openLeft ? 0 : 1), x + w - (openRight ? 0 : 1)];
    pen.roundRect(x0, y, Math.max(1, x1 - x0), h, [l, r, r, l]);
    const whole = box.kind === "token" && row.exact(box.token);
    pen.fillStyle = whole ? tint(row.hueOf(box.token), dark) : this.hatch;
    pen.fill();
    if (box.kind === "token" && !whole) {
      pen.beginPath();
      pen.roundRect(x0 + 0.75, y + 0.75, Math.max(1, x1 - x0 - 1.5), h - 1.5, [l, r, r, l]);
      pen.strokeStyle = edge(row.hueOf(box.token), dark);
      pen.lineWidth = 1.5;
      pen.stroke();
    }
  }

  /** The line's letters, drawn once and stamped on every row. */
  letters(staff, line) {
    let picture = this.kept.get(line);
    if (picture) return picture;
    const { scale } = this;
    const { ruler } = staff;
    picture = document.createElement("canvas");
    picture.width = Math.max(1, Math.ceil((staff.lineWidth(line) + 8) * scale));
    picture.height = Math.round(staff.measures.row * scale);
    const pen = picture.getContext("2d");
    pen.scale(scale, scale);
    pen.textBaseline = "middle";
    glyphs(staff, line, (glyph) => this.glyph(pen, glyph, staff.measures.row / 2, ruler), "steady");
    if (this.kept.size >= KEPT) this.kept.delete(this.kept.keys().next().value);
    this.kept.set(line, picture);
    return picture;
  }

  stamp(picture, y) {
    const { pen, scale } = this;
    pen.drawImage(picture, 0, y, picture.width / scale, picture.height / scale);
  }

  /** @param {CanvasRenderingContext2D} pen @param {Glyph} glyph */
  glyph(pen, glyph, y, ruler) {
    pen.font = ruler.fonts[glyph.size];
    pen.textAlign = glyph.left ? "left" : "center";
    pen.fillStyle = glyph.quiet ? this.quiet : this.theme.text;
    pen.fillText(glyph.text, glyph.x, y + 1);
  }

  writeBytes(staff, line, row, y) {
    if (!staff.hasBytes) return;
    const { pen } = this;
    pen.textBaseline = "middle";
    glyphs(staff, line, (glyph) => this.glyph(pen, glyph, y, staff.ruler), "bytes", row);
  }

  paintRings(staff, line) {
    const { pen, theme } = this;
    const { measures } = staff;
    pen.lineWidth = 1.4;
    pen.strokeStyle = theme.text;
    pen.fillStyle = theme.back;
    pen.beginPath();
    rings(staff, line, (x, upper) => {
      const y = rowTop(measures, upper) + measures.row + measures.gap / 2;
      pen.moveTo(x + RING, y);
      pen.arc(x, y, RING, 0, 2 * Math.PI);
    });
    pen.fill();
    pen.stroke();
  }

  /** The span of the token under the pointer, and of the picked one, through all rows. */
  paintMarks(staff, line) {
    const { pen, theme } = this;
    const { measures } = staff;
    for (const { picked, row, token, places } of this.marked) {
      pen.strokeStyle = picked ? this.accent : theme.text;
      for (const { x, w } of places) {
        pen.lineWidth = 1.25;
        pen.beginPath();
        pen.roundRect(x, 2, w, measures.bottom - 2, 6);
        pen.stroke();
      }
      pen.lineWidth = 2.5;
      boxes(staff, staff.rows[row], line, (box) => {
        if (box.token !== token) return;
        pen.beginPath();
        pen.roundRect(box.x, rowTop(measures, row) - 1, box.w, measures.row + 2, Math.min(6, box.w / 2));
        pen.stroke();
      });
    }
  }

  paintNames(staff, line) {
    const { pen, theme, quiet } = this;
    const { measures } = staff;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    if (line) {
      pen.fillStyle = this.rule;
      pen.fillRect(0, -measures.below / 2, this.width, 1);
    }
    staff.rows.forEach((row, r) => {
      const top = rowTop(measures, r);
      if (measures.name) {
        pen.font = font(11, theme.font, 600);
        const name = fit(pen, row.name, this.width * 0.6);
        const x = pen.measureText(name).width + 8;
        pen.font = font(11, theme.font);
        const note = fit(pen, row.note, this.width - x);
        const wide = note ? x + pen.measureText(note).width : x - 8;
        pen.fillStyle = theme.back;
        pen.fillRect(0, top - 12, wide + 3, 11);
        pen.fillStyle = quiet;
        pen.fillText(note, x, top - 7);
        pen.font = font(11, theme.font, 600);
        pen.fillStyle = theme.text;
        pen.fillText(name, 0, top - 7);
        return;
      }
      const middle = top + measures.row / 2;
      pen.font = font(13, theme.font, 600);
      pen.fillStyle = theme.text;
      pen.fillText(fit(pen, row.name, measures.left - 12), 0, row.note ? middle - 6 : middle);
      pen.font = font(11, theme.font);
      pen.fillStyle = quiet;
      pen.fillText(fit(pen, row.note, measures.left - 12), 0, middle + 8);
    });
  }
}

/** The part of a token's span that lies in this line, as what is outlined. */
export function outline(staff, line, { row, token }) {
  const tokens = staff.rows[row];
  const { line: starts, lines } = staff.lines;
  const [first, end] = [tokens.first[token], tokens.endOf(token)];
  if (first === end) {
    const here = first >= starts[line] && (first < starts[line + 1] || (line === lines - 1 && first === starts[line + 1]));
    return here ? [{ x: boundary(staff, line, first) - 3, w: 6 }] : [];
  }
  const [from, to] = [Math.max(first, starts[line]), Math.min(end, starts[line + 1])];
  return fragments(staff, line, from, to).map(([left, right]) => ({ x: left - 0.5, w: right - left + 1 }));
}

/** A label cut to the room it has. */
function fit(pen, text, room) {
  let label = text;
  for (let n = [...text].length - 1; n > 0 && pen.measureText(label).width > room; n--) label = shorten(text, n);
  return label;
}
