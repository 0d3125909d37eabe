/**
 * How large pictures are and where they stand: all of one width, in the arrangement of the groups that makes them largest.
 *
 * @typedef {{columns: number, wide: number, picture: number, rows: {top: number, high: number, titles: number,
 *   notes: number}[], width: number, height: number}} Board
 *   a picture's size; for each row of cells where it begins, how high a cell is and how many lines of text it has; all of it
 */
import { textWidth } from "../kit/axis.js";

const GAP = 10; // between pictures
const BETWEEN = 34; // between groups
const NAME = 26; // above a group
const LOWER = 14; // between lines of groups
const LINE = 16; // of text
const LEAST = 22;
const MOST = 300;
/** On a narrow screen a row is broken where its pictures would be smaller than this. */
const PHONE = 62;
const PHONE_TITLED = 76;
/** Titles and notes never take more lines. */
const LINES = { titles: 3, notes: 2 };

export const gapOf = (side) => (side < 40 ? 4 : side < 64 ? 7 : GAP);

/** The widths of a text's words, which are where it can be broken; measured once. @type {Map<string, number[]>} */
const measured = new Map();

function widths(text, weight, font) {
  const key = `${weight} ${font} ${text}`;
  let found = measured.get(key);
  if (!found) {
    const words = text.match(/[\u2e80-\uffff]|[^\s\u2e80-\uffff]+\s*/gu) ?? [text];
    found = words.map((word) => textWidth(word, 12, weight, font));
    if (measured.size > 5000) measured.clear();
    measured.set(key, found);
  }
  return found;
}

/** How many lines a text takes in so narrow a column. */
function lines(text, side, weight, font) {
  if (!text) return 0;
  let [count, room] = [1, side];
  for (const wide of widths(text, weight, font)) {
    if (wide > room && room < side) [count, room] = [count + 1, side];
    room -= wide;
  }
  return count;
}

/** Lines below the pictures from one to another, for the longest text of all frames. */
function text(group, from, to, side, font) {
  const most = (texts, weight, limit) => Math.min(limit, Math.max(0, ...texts.map((one) => lines(one, side, weight, font))));
  const notes = new Set(group.notes.flatMap((row) => row.slice(from, to)));
  return { titles: most(group.titles.slice(from, to), 600, LINES.titles), notes: most([...notes], 400, LINES.notes) };
}

/** One group with pictures of this width. @returns {Board} */
function board(group, columns, side, font) {
  const picture = Math.max(1, Math.round((side * group.height) / group.width));
  const gap = gapOf(side);
  const rows = [];
  let top = 0;
  for (let from = 0; from < group.count; from += columns) {
    const below = text(group, from, from + columns, side, font);
    const under = LINE * (below.titles + below.notes);
    const high = picture + (under ? under + 4 : 0);
    rows.push({ top, high, ...below });
    top += high + gap + (under ? 2 : 0);
  }
  const last = rows[rows.length - 1];
  return { columns, wide: side, picture, rows, width: columns * side + (columns - 1) * gap, height: last.top + last.high };
}

/**
 * @param {import("./model.js").Group[]} groups
 * @param {number} width @param {number|null} height null: as high as it gets
 * @returns {{boards: Board[], per: number, width: number, height: number, side: number}} per: groups in a line
 */
export function layout(groups, width, height, font, narrow) {
  let best = null;
  const counts = groups.map((_, k) => Math.ceil(groups.length / (k + 1))); // as even as can be, for 1 line, 2 lines ...
  for (const per of new Set(counts)) {
    const found = fill(groups, per, width, height, font, narrow);
    if (!best || found.side > best.side * 1.04) best = found;
  }
  return best;
}

function fill(groups, per, width, height, font, narrow) {
  const inLines = Array.from({ length: Math.ceil(groups.length / per) }, (_, k) => groups.slice(k * per, (k + 1) * per));
  const columns = groups.map((group) => Math.min(group.columns, group.count));
  if (narrow && per === 1) {
    groups.forEach((group, g) => {
      const least = group.titles.some((title) => title) || group.notes.length ? PHONE_TITLED : PHONE;
      columns[g] = Math.max(1, Math.min(columns[g], Math.floor((width + GAP) / (least + GAP))));
    });
  }
  const columnsOf = new Map(groups.map((group, g) => [group, columns[g]]));
  const wide = (line, side) => {
    const gaps = line.reduce((sum, group) => sum + columnsOf.get(group) - 1, 0) * gapOf(side);
    return (width - gaps - (line.length - 1) * BETWEEN) / line.reduce((sum, group) => sum + columnsOf.get(group), 0);
  };
  let side = Math.min(MOST, ...inLines.map((line) => wide(line, wide(line, GAP))));
  const boardsAt = (s) => groups.map((group, g) => board(group, columns[g], s, font));
  const heightAt = (boards) => {
    const of = inLines.map((_, k) => NAME + Math.max(...boards.slice(k * per, (k + 1) * per).map((one) => one.height)));
    return of.reduce((sum, one) => sum + one, 0) + (inLines.length - 1) * LOWER;
  };
  side = Math.max(LEAST, Math.floor(side));
  if (height !== null && heightAt(boardsAt(side)) > height) {
    let low = LEAST;
    while (side - low > 1) {
      const middle = (low + side) >> 1;
      if (heightAt(boardsAt(middle)) > height) side = middle;
      else low = middle;
    }
    side = low;
  }
  side = whole(side, Math.max(...groups.map((group) => group.width)));
  const boards = boardsAt(side);
  const widths = inLines.map((line, k) => boards.slice(k * per, (k + 1) * per).reduce((sum, one) => sum + one.width, (line.length - 1) * BETWEEN));
  return { boards, per, width: Math.max(...widths), height: heightAt(boards), side };
}

/** The next smaller width at which each pixel has as many pixels of the screen, if that is not much smaller. */
function whole(side, pixels) {
  const scale = window.devicePixelRatio || 1;
  const snapped = (Math.floor((side * scale) / pixels) * pixels) / scale;
  return snapped > 0.93 * side ? snapped : side;
}
