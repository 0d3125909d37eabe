/**
 * Where the pictures, the numbers of the texts and the cells stand.
 *
 * @typedef {{cell: number, picture: number, left: number, top: number, width: number, height: number}} Layout
 *   left, top: of the first cell; picture: a picture's side; all of it
 */
const HEAD = 20; // the texts' numbers
const BESIDE = 8; // between a picture and its row
const NUMBER = 22; // of a row
const LEAST = 4;
const MOST = 62;
export const GAP = 1;

/** @param {number} width @param {number|null} height null: as high as it gets @returns {Layout} */
export function layout(n, m, width, height) {
  const picture = (cell) => Math.max(14, Math.min(48, cell - 2));
  const left = (cell) => NUMBER + picture(cell) + BESIDE;
  const fits = (cell) => left(cell) + m * cell <= width && (height === null || HEAD + n * cell <= height);
  let cell = MOST;
  while (cell > LEAST && !fits(cell)) cell--;
  return { cell, picture: picture(cell), left: left(cell), top: HEAD, width: left(cell) + m * cell, height: HEAD + n * cell };
}

/** The pair under a place, or a whole row (column null) or column (row null). */
export function pairAt({ cell, left, top }, n, m, x, y) {
  const row = Math.floor((y - top) / cell);
  const column = Math.floor((x - left) / cell);
  const inRows = row >= 0 && row < n;
  const inColumns = column >= 0 && column < m;
  if (inRows && inColumns) return { row, column };
  if (inRows && x >= 0 && x < left) return { row, column: null };
  if (inColumns && y >= 0 && y < top) return { row: null, column };
  return null;
}
