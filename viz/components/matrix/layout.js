/**
 * Where things go on a panel's canvas. All lengths in CSS pixels.
 *
 * @typedef {{x: number, y: number, w: number, h: number, cellW: number, cellH: number, rowEvery: number, colEvery: number,
 *   colAngle: 0|45|90, rowSpace: number, colSpace: number,
 *   usedWidth: number, usedHeight: number}} Layout
 *   x, y, w, h: the matrix; rowEvery: every how many rows a label fits; colAngle: degrees the column labels are turned
 */

/** Distance from one label's line to the next at 12 px. */
const LINE = 14;
const GAP = 6;
const LARGEST_CELL = 64;

/**
 * @param {object} wanted
 * @param {number} wanted.width @param {number} wanted.height room on the canvas
 * @param {number} wanted.t @param {number} wanted.s rows and columns
 * @param {number} wanted.rowLabel @param {number} wanted.colLabel widest label of each axis
 * @param {number} wanted.grain one device pixel
 * @returns {Layout}
 */
export function layout({ width, height, t, s, rowLabel, colLabel, grain }) {
  const rowSpace = Math.min(rowLabel, Math.max(56, width * 0.24)) + GAP;
  let cellW = 0;
  let cellH = 0;
  /** @type {0|45|90} */
  let colAngle = 0;
  let colSpace = 0;
  let overhang = 0;
  // Flat labels cost least height, slanted ones read best, upright ones are the narrowest: the first that fits.
  for (colAngle of /** @type {const} */ ([0, 45, 90])) {
    const label = Math.min(colLabel, colAngle === 90 ? 72 : 90);
    colSpace = (colAngle === 0 ? LINE : colAngle === 45 ? label * 0.71 + 10 : label) + GAP;
    overhang = colAngle === 45 ? label * 0.71 + 4 : 0;
    const room = { w: width - rowSpace - 1, h: height - colSpace - 1 };
    [cellW, cellH] = cells(room, t, s);
    // The last slanted labels may reach beyond the matrix: only as far as the canvas goes.
    if (rowSpace + cellW * s + overhang - cellW / 2 > width) [cellW, cellH] = cells({ ...room, w: room.w - overhang }, t, s);
    if (colAngle === 0 && colLabel <= cellW - 4) break;
    if (colAngle === 45 && cellW >= 17) break;
  }
  if (colAngle === 90) overhang = 0;
  const snap = (x) => (x > 3 * grain ? Math.floor(x / grain) * grain : x);
  cellW = snap(cellW);
  cellH = snap(cellH);
  const [w, h] = [cellW * s, cellH * t];
  return {
    x: rowSpace,
    y: colSpace,
    w,
    h,
    cellW,
    cellH,
    colAngle,
    rowSpace,
    colSpace,
    rowEvery: Math.max(1, Math.ceil(LINE / cellH)),
    colEvery: colAngle === 90 ? Math.max(1, Math.ceil(LINE / cellW)) : 1,
    usedHeight: colSpace + h + 2,
    usedWidth: Math.min(width, rowSpace + w + Math.max(0, overhang - cellW / 2) + 1),
  };
}

/** Square cells as large as fit; a strip that would be very thin is widened. @returns {[number, number]} */
function cells(room, t, s) {
  const fitW = room.w / s;
  const fitH = room.h / t;
  const side = Math.max(1, Math.min(fitW, fitH, LARGEST_CELL));
  const widen = Math.min(fitW, 4 * side, Math.max(side, Math.min(32, (room.w * 0.4) / s)));
  const heighten = Math.min(fitH, 4 * side, Math.max(side, Math.min(32, (room.h * 0.4) / t)));
  return [widen, heighten];
}

/** The cell under a point of the canvas, or null. @param {Layout} at */
export function cellAt(at, t, s, x, y) {
  const col = Math.floor((x - at.x) / at.cellW);
  const row = Math.floor((y - at.y) / at.cellH);
  return row >= 0 && row < t && col >= 0 && col < s ? { row, col } : null;
}
