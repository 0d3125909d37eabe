/**
 * How large the panels are: all equally, as large as the room allows.
 *
 * @typedef {{columns: number, size: number, step: number, title: number, lines: number, width: number, height: number}} Layout
 *   a panel's side; from one row of panels to the next; room above the cells, lines of text below; all of it
 */
import { textWidth } from "../kit/axis.js";

const GAP = 14;
const BETWEEN = 10;
const TITLE = 22;
const LINE = 16;
const LINES = 3;
/** Up to so many panels are at least so large, whatever height that takes. */
const LEAST = [[4, 140], [16, 72], [Infinity, 40]];
const MOST = 440;
/** On a narrow screen panels are at least so wide, and stand below each other if they must. */
const PHONE = [[4, 150], [16, 100], [Infinity, 50]];

/** Lines that the longest note takes in so narrow a column. */
function lines(panels, size, font) {
  const notes = new Set(panels.flatMap(({ notes }) => notes));
  const wide = [...notes].map((text) => Math.ceil((textWidth(text, 12, 400, font) * 1.06) / size));
  return Math.min(LINES, Math.max(0, ...wide));
}

/** @param {import("./model.js").Model} model @param {number|null} room in height; null: as high as it gets @returns {Layout} */
export function layout(model, asked, width, room, font, narrow) {
  const { panels, side } = model;
  const count = panels.length;
  let columns = Math.min(asked, count);
  if (narrow) {
    const [, least] = PHONE.find(([most]) => count <= most);
    columns = Math.max(1, Math.min(columns, Math.floor((width + GAP) / (least + GAP))));
  }
  const rows = Math.ceil(count / columns);
  const title = panels.some((one) => one.title || one.heat) ? TITLE : 0;
  let size = Math.min(MOST, (width - (columns - 1) * GAP) / columns);
  const below = (s) => LINE * lines(panels, s, font);
  const heightAt = (s) => rows * (title + s + (below(s) ? below(s) + 4 : 0)) + (rows - 1) * BETWEEN;
  const lowest = Math.min(size, LEAST.find(([most]) => count <= most)[1]);
  if (room !== null) while (size > lowest && heightAt(size) > room) size -= Math.max(0.5, (heightAt(size) - room) / rows / 2);
  size = whole(Math.max(lowest, size), side);
  const high = heightAt(size);
  return { columns, size, step: (high + BETWEEN) / rows, title, lines: lines(panels, size, font), width: columns * (size + GAP) - GAP, height: high };
}

export const gapBetween = GAP;

/** The next smaller size at which each cell has as many pixels of the screen, if that is not much smaller. */
function whole(size, side) {
  const scale = window.devicePixelRatio || 1;
  const snapped = (Math.floor((size * scale) / side) * side) / scale;
  return snapped > 0.9 * size ? snapped : Math.floor(size);
}
