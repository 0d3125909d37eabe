/**
 * Where the little matrices go, in CSS pixels from the top left of the scrolled content.
 *
 * @typedef {{columns: number, cell: number, stepX: number, stepY: number, left: number, top: number, titled: boolean,
 *   scored: boolean, width: number, height: number}} Layout
 *   left, top: room for the names of rows and columns; titled, scored: whether each matrix carries its title and number
 */

const GAP = 8;
/** A matrix is never smaller than a finger can hit; then the box scrolls sideways. */
const SMALLEST = 24;
const LARGEST = { table: 88, flow: 92 };
/** Room for the frame around a selected matrix. */
const EDGE = 5;
/** If the whole table fits the box with matrices of at least this size, it is shown at once, without scrolling. */
const AT_ONCE = 36;

/**
 * @param {{n: number, columns: number|null, hasScores: boolean, rowName: number, width: number, height: number}} wanted
 */
export function layout({ n, columns, hasScores, rowName, width, height }) {
  const table = columns !== null;
  const left = table ? rowName + 10 : EDGE;
  const top = table ? 22 : EDGE;
  const room = width - left - 4;
  const wanted = table ? columns : Math.max(2, Math.floor((room + GAP) / (84 + GAP)));
  const gap = table && room / wanted < 48 ? 3 : GAP;
  const byWidth = (room - gap * (wanted - 1)) / wanted;
  const rows = Math.ceil(n / wanted);
  const byHeight = (height - top - 4) / rows - gap - (hasScores ? 21 : 0);
  const fits = table && byHeight >= AT_ONCE ? Math.min(byWidth, byHeight) : byWidth;
  const cell = Math.floor(Math.max(SMALLEST, Math.min(table ? LARGEST.table : LARGEST.flow, fits)));
  const titled = !table;
  const scored = hasScores && cell >= AT_ONCE;
  const below = (titled ? 16 : 0) + (scored && !titled ? 16 : 0) + (hasScores ? 5 : 0);
  const stepY = cell + below + gap + (titled ? 6 : 0);
  return {
    columns: wanted,
    cell,
    stepX: cell + gap,
    stepY,
    left,
    top,
    titled,
    scored,
    width: left + wanted * (cell + gap) - gap + 4,
    height: top + rows * stepY + 4,
  };
}

/** The corner of matrix i. @param {Layout} at */
export const corner = (at, i) => ({
  x: at.left + (i % at.columns) * at.stepX,
  y: at.top + Math.floor(i / at.columns) * at.stepY,
});
