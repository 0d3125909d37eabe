/**
 * Where everything stands. Sizes hold for all frames, so that nothing jumps while they play.
 *
 * @typedef {{x: number, y: number, w: number, text: string, dots: number, line: number}} Chip
 * @typedef {{size: number, pitch: number, high: number, strip: number, chips: Chip[], lines: number, height: number}} Text
 * @typedef {{x: number, w: number, top: number, bottom: number}} Bin top and bottom of the room for tokens
 */
import { measured } from "./brush.js";
import { shorten, visible } from "../kit/format.js";

const PAD = 5;
const EDGE = 3; // room for the ring around a token
/** Between tokens of one word, and before a word. */
const GAP = { word: 2, space: 5 };
/** From large letters to small ones; `most` letters of a token; `breaks`: a new line of the text begins one here. */
const SIZES = [
  { size: 21, pitch: 58, strip: 17, most: 22, breaks: true, few: 16 },
  { size: 17, pitch: 46, strip: 14, most: 22, breaks: true, few: 34 },
  { size: 15, pitch: 41, strip: 12, most: 22, breaks: true },
  { size: 14, pitch: 38, strip: 12, most: 18, breaks: true },
  { size: 13, pitch: 35, strip: 11, most: 14, breaks: true },
  { size: 13, pitch: 35, strip: 11, most: 14, breaks: false },
  { size: 12, pitch: 31, strip: 10, most: 10, breaks: false },
  { size: 11, pitch: 28, strip: 9, most: 8, breaks: false },
  { size: 11, pitch: 27, strip: 9, most: 5, breaks: false },
];
export const LEAST = { one: 18, more: 25 }; // width of a token that goes to one expert, or to more

/** Leading spaces, which are drawn as dots, and what follows them. */
function parts(label, most) {
  const spaces = Math.min(8, /^ */.exec(label)[0].length);
  const text = label.trimStart() === "" && spaces === label.length ? "" : shorten(visible(label.slice(spaces)), most);
  return { dots: label ? spaces : 0, text: label ? text : visible(label) };
}

/** Width of the dots of leading spaces in letters of a size. */
export const dotted = (dots, size) => dots * size * 0.42;

/** The tokens as running text, as large as there is room for. @param {string[]} labels @returns {Text} */
export function textLayout(labels, width, room, font, least) {
  for (const sizes of SIZES) {
    if (labels.length > (sizes.few ?? Infinity)) continue;
    const found = lay(labels, width, sizes, font, least);
    if (found.height <= room || sizes === SIZES[SIZES.length - 1]) return found;
  }
}

function lay(labels, width, { size, pitch, strip, most, breaks }, font, least) {
  const chips = [];
  let [x, line] = [0, 0];
  labels.forEach((label, i) => {
    const { dots, text } = parts(label, most);
    const w = Math.min(width - 2 * EDGE, Math.max(size < 12 ? LEAST.one : least, Math.ceil(measured(text, size, 400, font) + dotted(dots, size)) + 2 * PAD));
    const gap = x === 0 ? 0 : /^\s/.test(label) ? GAP.space : GAP.word;
    const fresh = breaks && i > 0 && labels[i - 1].includes("\n") && x > 0;
    if (fresh || x + gap + w > width - 2 * EDGE) {
      line += 1;
      x = 0;
    } else x += gap;
    chips.push({ x: x + EDGE, y: line * pitch + EDGE, w, text, dots, line });
    x += w;
  });
  const high = pitch - 6;
  return { size, pitch, high, strip, chips, lines: line + 1, height: line * pitch + high + 2 * EDGE };
}

const NARROWEST = 20; // bin

/**
 * The experts' bins, in as many shelves as it takes, each with cells for the tokens of the fullest.
 * @returns {{bins: Bin[], columns: number, cw: number, ch: number, rows: number, shelves: number, label: number, written: boolean}}
 */
export function binLayout({ count, slots, x, width, top, height, label, spill }) {
  const shelves = Math.max(1, Math.ceil((count * NARROWEST) / width));
  const across = Math.ceil(count / shelves);
  const gap = width / across > 60 ? 10 : width / across > 34 ? 6 : 3;
  const w = Math.min(150, (width - gap * (across - 1)) / across);
  const step = across > 1 ? (width - w) / (across - 1) : 0;
  const shelf = height / shelves;
  const room = shelf - label - (shelves > 1 ? 8 : 0);
  const cells = cellLayout(w - 6, room - spill - 3, slots);
  const bins = Array.from({ length: count }, (_, i) => {
    const [column, row] = [i % across, Math.floor(i / across)];
    const left = across > 1 ? x + column * step : x + (width - w) / 2;
    return { x: left, w, top: top + row * shelf + (row ? 8 : 0), bottom: top + row * shelf + (row ? 8 : 0) + room };
  });
  return { bins, ...cells, shelves, label };
}

/** As few columns as let tokens be read; where nothing can be read, cells as square as possible. */
function cellLayout(width, height, slots) {
  const choices = Array.from({ length: 12 }, (_, k) => {
    const columns = k + 1;
    const cw = width / columns;
    const rows = Math.ceil(slots / columns);
    const ch = Math.min(rows <= 4 ? 40 : rows <= 8 ? 28 : 20, height / rows);
    return { columns, cw, ch, rows, written: cw >= 25 && ch >= 13.5 };
  });
  const read = choices.find(({ written }) => written);
  const square = ({ cw, ch }) => Math.min(cw, 2.2 * ch);
  return read ?? choices.reduce((best, one) => (square(one) > square(best) + 0.01 ? one : best));
}

/** The cell of the n-th token of a bin, filled from the bottom. */
export function cell({ columns, cw, ch }, bin, n) {
  const [column, row] = [n % columns, Math.floor(n / columns)];
  return { x: bin.x + 3 + column * cw, y: bin.bottom - 3 - (row + 1) * ch, w: cw, h: ch };
}

const GAP_Y = { most: 84, least: 44, loose: 130 };
const CAPTION = 18;
/** Gap and bins together, however long the text is. */
const LEAST_ROOM = 190;
const BAND = 14;
const SPILL = 5;
const SHARED = 24;

/**
 * The whole picture of one router, in a given height, or on a phone as high as it takes.
 * @param {import("./model.js").Model} model @param {any} data
 */
export function flowLayout(model, data, { width, height, font }) {
  const phone = height === null;
  const least = model.busiest > 1 ? LEAST.more : LEAST.one;
  const text = textLayout(model.tokens, width, phone ? 330 : 0.42 * height, font, least);
  const lane = model.loses ? { w: phone ? 46 : 64 } : null;
  const across = width - (lane ? lane.w + 12 : 0);
  const shelves = Math.ceil((model.e * NARROWEST) / across);
  const label = shelves === 1 && across / model.e < 58 ? 42 : 26;
  const out = 34;
  const below = out + BAND + CAPTION + data.shared.length * (SHARED + 4);
  const free = height === null ? 400 : Math.max(LEAST_ROOM, height - text.height - below);
  const slots = model.fullest;
  const spill = model.loses ? SPILL : 0;
  let gap = phone ? 60 : Math.max(GAP_Y.least, Math.min(GAP_Y.most, free * 0.26));
  let room = phone ? 270 * Math.max(1, shelves * 0.7) : free - gap;
  const sizes = { count: model.e, slots, x: 0, width: across, label, spill };
  const tried = binLayout({ ...sizes, top: 0, height: room });
  const spare = tried.shelves === 1 ? tried.bins[0].bottom - tried.rows * tried.ch - spill - 10 : 0;
  if (spare > 0 && model.limit) {
    room -= spare;
    gap = phone ? gap : Math.min(GAP_Y.loose, gap + spare);
  }
  const top = text.height + gap;
  const bins = binLayout({ ...sizes, top, height: room });
  const under = top + room;
  const shared = data.shared.map((name, i) => ({ x: 0, y: under + 4 + i * (SHARED + 4), w: across, h: SHARED, name }));
  const band = { y: under + data.shared.length * (SHARED + 4) + out, h: BAND };
  const step = width / model.t;
  const at = { text, bins, shared, band, step, spill, width, across, height: Math.max(height ?? 0, band.y + BAND + CAPTION) };
  if (lane) Object.assign(lane, { x: width - lane.w, top, bottom: under - 4 });
  return {
    ...at,
    lane,
    tick: (token) => (token + 0.5) * step,
    /** Where a ribbon enters the bin of a cell. */
    rim: (cell) => bins.bins[cell.expert]?.top ?? top,
    out: (cell) => bins.bins[cell.expert].bottom + label - 4,
    wide: (words, size = text.size, weight = 400) => measured(words, size, weight, font),
    handles: bins.bins.map((bin) => ({ left: bin.x - 2, top: bin.bottom + 2, width: bin.w + 4, height: label - 4 })),
  };
}
