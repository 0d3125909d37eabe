/**
 * The text as units, the columns of the staff: what a reader sees as one letter (a grapheme cluster) is one unit. Where
 * some row cuts inside it, its code points are units; where some row cuts inside a code point, its bytes are.
 *
 * @typedef {{count: number, from: Uint32Array, byte: Uint32Array, kind: Uint8Array, part: Uint8Array, parts: Uint8Array,
 *   rtl: Uint8Array, joined: Uint8Array, at: Int32Array, text: string}} Units
 *   from: place in the text (UTF-16), byte: place in its UTF-8, both with one entry more for the end; part of parts: which
 *   byte of a code point; joined: letters whose form depends on their neighbours; at: unit of each byte
 */

export const LETTER = 0;
export const SPACE = 1;
export const TAB = 2;
export const NEWLINE = 3;
export const MARK = 4;
export const BYTE = 5;
export const COMBINING = 6;

/** Names of what prints nothing. */
const NAMES = new Map([
  [0x7f, "DEL"],
  [0x85, "NEL"],
  [0xa0, "NBSP"],
  [0xad, "SHY"],
  [0x61c, "ALM"],
  [0x180e, "MVS"],
  [0x200b, "ZWSP"],
  [0x200c, "ZWNJ"],
  [0x200d, "ZWJ"],
  [0x200e, "LRM"],
  [0x200f, "RLM"],
  [0x2028, "LS"],
  [0x2029, "PS"],
  [0x202a, "LRE"],
  [0x202b, "RLE"],
  [0x202c, "PDF"],
  [0x202d, "LRO"],
  [0x202e, "RLO"],
  [0x202f, "NNBSP"],
  [0x2060, "WJ"],
  [0x2066, "LRI"],
  [0x2067, "RLI"],
  [0x2068, "FSI"],
  [0x2069, "PDI"],
  [0x3000, "IDSP"],
  [0xfeff, "BOM"],
]);
for (let i = 0; i < 16; i++) NAMES.set(0xfe00 + i, `VS${i + 1}`);
const CONTROLS = "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US";
CONTROLS.split(" ").forEach((name, code) => NAMES.set(code, name));

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zs}\p{Zl}\p{Zp}\p{Co}\p{Cn}\u115f\u1160\u3164\uffa0\u2800]/u;
const COMBINES = /\p{M}/u;

/** What a code point that prints nothing is called, "" if it prints. @param {number} code */
export function markOf(code) {
  if (code < 0x7f && code > 0x20) return "";
  const name = NAMES.get(code);
  if (name) return name;
  if (!UNSEEN.test(String.fromCodePoint(code))) return "";
  return code.toString(16).toUpperCase().padStart(4, "0");
}

const within = (code, ranges) => {
  for (let i = 0; i < ranges.length; i += 2) if (code >= ranges[i] && code <= ranges[i + 1]) return true;
  return false;
};

/**
 * Code points of which two in a row are two clusters, whatever they are. Only the rest goes to Intl.Segmenter, which is
 * slow. (In Unicode's annex 29 their class is "Other", or pictures, which only a joiner joins.)
 */
const ALONE = [
  0x20, 0x7e, 0x09, 0x0a, 0xa1, 0xac, 0xae, 0x2ff, 0x370, 0x377, 0x37a, 0x37f, 0x384, 0x482, 0x48a, 0x52f, 0x5d0, 0x5ea,
  0x620, 0x64a, 0x2010, 0x2027, 0x3001, 0x3029, 0x3041, 0x3096, 0x30a1, 0x30fa, 0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xac00,
  0xd7a3, 0xff01, 0xff60, 0x1f300, 0x1f3fa, 0x1f400, 0x1f64f, 0x1f680, 0x1f6c5, 0x1f900, 0x1f9ff, 0x20000, 0x2a6df,
];
const alone = (code) => (code < 0x7f ? code >= 0x20 || code === 10 || code === 9 : within(code, ALONE));

const RTL = [0x590, 0x8ff, 0xfb1d, 0xfdff, 0xfe70, 0xfefc, 0x10800, 0x10fff, 0x1e800, 0x1eeff];
const JOINING = [0x600, 0x65f, 0x66e, 0x6ff, 0x700, 0x77f, 0x7c0, 0x7ff, 0x840, 0x8ff, 0xfb50, 0xfdff, 0xfe70, 0xfefc, 0x1800, 0x18af];
const DIGIT = /\p{Nd}/u;
const STRONG = /[\p{L}\p{N}]/u;

/** The kind of a code point that nobody cuts. @param {number} code */
function kindOf(code) {
  if (code === 0x20) return SPACE;
  if (code === 0x0a) return NEWLINE;
  if (code === 0x09) return TAB;
  if (code > 0x20 && code < 0x7f) return LETTER;
  if (markOf(code)) return MARK;
  return code > 0x2ff && COMBINES.test(String.fromCodePoint(code)) ? COMBINING : LETTER;
}

const KNOWN = 128;
const RIGHT_TO_LEFT = 8;
const JOINS = 16;
const IS_DIGIT = 32;
const IS_STRONG = 64;
const properties = new Uint8Array(0x110000); // virtual memory: only the parts of it that a text touches become real

/** Kind and properties of a code point, found out once. @param {number} code */
function propertiesOf(code) {
  let known = properties[code];
  if (known) return known;
  const letter = String.fromCodePoint(code);
  known = KNOWN | kindOf(code);
  if (within(code, RTL)) known |= RIGHT_TO_LEFT;
  if (within(code, JOINING)) known |= JOINS;
  if (DIGIT.test(letter)) known |= IS_DIGIT;
  if (STRONG.test(letter)) known |= IS_STRONG;
  properties[code] = known;
  return known;
}

/** Which way a code point runs: 1 right to left, 0 left to right, 2 a number, -1 as its neighbours. @param {number} code */
export function direction(code) {
  const known = propertiesOf(code);
  if (!(known & IS_STRONG)) return known & RIGHT_TO_LEFT && (known & 7) !== MARK ? 1 : -1;
  return known & IS_DIGIT ? 2 : known & RIGHT_TO_LEFT ? 1 : 0;
}

const segmenter = Intl.Segmenter && new Intl.Segmenter("und", { granularity: "grapheme" });

/** Calls found(start, end) for each cluster of the text, in order. @param {string} text */
function clusters(text, found) {
  const n = text.length;
  let i = 0;
  while (i < n) {
    const first = text.codePointAt(i);
    let j = i + (first > 0xffff ? 2 : 1);
    let before = alone(first);
    for (let code; j < n; before = alone(code), j += code > 0xffff ? 2 : 1) {
      code = text.codePointAt(j);
      if (before && alone(code)) break;
    }
    if (j - i <= 1) found(i, j);
    else if (!segmenter) for (let k = i, next; k < j; k = next) found(k, (next = k + (text.codePointAt(k) > 0xffff ? 2 : 1)));
    else for (const { index, segment } of segmenter.segment(text.slice(i, j))) found(i + index, i + index + segment.length);
    i = j;
  }
}

const width8 = (code) => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);

/**
 * @param {string} text without lone surrogates
 * @param {number} nByte of its UTF-8
 * @param {Uint8Array} cut per byte 0 .. nByte: whether some row has a boundary before it
 * @returns {Units}
 */
export function unitsOf(text, nByte, cut) {
  const from = new Uint32Array(nByte + 1);
  const byte = new Uint32Array(nByte + 1);
  const [kind, part, parts, rtl, joined] = Array.from({ length: 5 }, () => new Uint8Array(nByte + 1));
  const at = new Int32Array(nByte + 1);
  let u = 0;
  let b = 0;
  /** One unit, or the bytes of one code point. */
  const add = (start, code, bytes, what) => {
    from[u] = start;
    byte[u] = b;
    kind[u] = what;
    parts[u] = 1;
    if (code > 0x58f) {
      const known = propertiesOf(code);
      if (known & RIGHT_TO_LEFT) rtl[u] = 1;
      if (known & JOINS) joined[u] = 1;
    }
    for (let k = 0; k < bytes; k++) at[b + k] = u;
    b += bytes;
    u++;
  };
  const codePoint = (start, code) => {
    const bytes = width8(code);
    let split = false;
    for (let k = 1; k < bytes; k++) split ||= cut[b + k] === 1;
    if (split) {
      for (let k = 0; k < bytes; k++) {
        add(start, code, 1, BYTE);
        [part[u - 1], parts[u - 1], joined[u - 1]] = [k, bytes, 0];
      }
    } else {
      add(start, code, bytes, propertiesOf(code) & 7);
    }
  };
  clusters(text, (start, end) => {
    const code = text.codePointAt(start);
    const size = code > 0xffff ? 2 : 1;
    if (end - start === size) return codePoint(start, code);
    let bytes = 0;
    for (let k = start; k < end; k++) {
      const next = text.codePointAt(k);
      bytes += width8(next);
      if (next > 0xffff) k++;
    }
    let split = false;
    for (let k = 1; k < bytes; k++) split ||= cut[b + k] === 1;
    if (!split) {
      add(start, code, bytes, code === 0x0d ? NEWLINE : propertiesOf(code) & 7);
      return;
    }
    for (let k = start; k < end; k += text.codePointAt(k) > 0xffff ? 2 : 1) codePoint(k, text.codePointAt(k));
  });
  from[u] = text.length;
  byte[u] = nByte;
  at[nByte] = u;
  return { count: u, from, byte, kind, part, parts, rtl, joined, at, text };
}

/**
 * What a unit shows: its own text, or the name or sign of what prints nothing. Of a byte: what its letter shows.
 * @param {Units} units @param {number} u
 * @returns {{text: string, kind: number}}
 */
export function shownAs(units, u) {
  const text = units.text.slice(units.from[u], units.from[u + units.parts[u] - units.part[u]]);
  const kind = units.kind[u] === BYTE ? propertiesOf(text.codePointAt(0)) & 7 : units.kind[u];
  return { text: SIGNS[kind] ?? (kind === COMBINING ? `\u25cc${text}` : kind === MARK ? markOf(text.codePointAt(0)) : text), kind };
}

const SIGNS = { [SPACE]: "·", [TAB]: "⇥", [NEWLINE]: "↵" };
