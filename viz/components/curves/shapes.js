/** Lines, steps, dots and bars as SVG paths, in pixels; what is not a number is a gap. */

const round = (value) => Math.round(value * 10) / 10;

/** Pixels by which a drawn line may pass beside a point: not seen, and a smooth line needs few points. */
const TOLERANCE = 0.2;

/**
 * Which points a line needs so that it passes all others within the tolerance; -1 stands for a gap. x ascends, so a cone of
 * slopes from the last point kept says in one pass what may be left out.
 * @param {ArrayLike<number>} x @param {ArrayLike<number>} y @returns {number[]} indices
 */
export function needed(x, y) {
  const kept = [];
  for (let from = 0; from < x.length; from++) {
    if (!(y[from] === y[from])) continue;
    if (kept.length) kept.push(-1);
    kept.push(from);
    let anchor = from;
    let [low, high] = [-Infinity, Infinity];
    let i = from + 1;
    for (; i < x.length && y[i] === y[i]; i++) {
      const slope = (y[i] - y[anchor]) / (x[i] - x[anchor]);
      if (slope < low || slope > high) {
        anchor = i - 1;
        kept.push(anchor);
        [low, high] = [-Infinity, Infinity];
      }
      const across = x[i] - x[anchor];
      low = Math.max(low, (y[i] - TOLERANCE - y[anchor]) / across);
      high = Math.min(high, (y[i] + TOLERANCE - y[anchor]) / across);
    }
    if (i - 1 > from) kept.push(i - 1);
    from = i;
  }
  return kept;
}

/**
 * A polyline inside a box: what leaves the box is cut at its edge.
 * @param {ArrayLike<number>} x @param {ArrayLike<number>} y
 * @param {{left: number, right: number, top: number, bottom: number}} box
 */
export function polyline(x, y, box) {
  let path = "";
  let inside = false; // the pen is down at the point before
  let last = -1; // the point before, -1 after a gap
  const { left, right, top, bottom } = box;
  for (const i of needed(x, y)) {
    if (i < 0) {
      last = -1;
      inside = false;
      continue;
    }
    const [px, py] = [x[i], y[i]];
    const here = px >= left && px <= right && py >= top && py <= bottom;
    if (here && inside) {
      path += `L${round(px)} ${round(py)}`;
    } else if (last >= 0) {
      const cut = clip(x[last], y[last], px, py, box);
      if (cut) path += `${inside ? "" : `M${round(cut[0])} ${round(cut[1])}`}L${round(cut[2])} ${round(cut[3])}`;
    } else if (here) {
      const alone = i + 1 >= x.length || !(y[i + 1] === y[i + 1]);
      path += `M${round(px)} ${round(py)}${alone ? "h.01" : ""}`;
    }
    inside = here;
    last = i;
  }
  return path;
}

/** The part of a segment inside the box (Liang and Barsky 1984), or null. */
function clip(ax, ay, bx, by, { left, right, top, bottom }) {
  let [from, to] = [0, 1];
  const [dx, dy] = [bx - ax, by - ay];
  for (const [p, q] of [[-dx, ax - left], [dx, right - ax], [-dy, ay - top], [dy, bottom - ay]]) {
    if (p === 0 && q < 0) return null;
    if (p === 0) continue;
    if (p < 0) from = Math.max(from, q / p);
    else to = Math.min(to, q / p);
  }
  return from <= to ? [ax + from * dx, ay + from * dy, ax + to * dx, ay + to * dy] : null;
}

/** Each value holds until halfway to the next. */
export function steps(x, y, box) {
  const [px, py] = [[], []];
  for (let i = 0; i < x.length; i++) {
    const from = i ? (x[i - 1] + x[i]) / 2 : x[i];
    const to = i + 1 < x.length ? (x[i] + x[i + 1]) / 2 : x[i];
    px.push(from, to);
    py.push(y[i], y[i]);
  }
  return polyline(px, py, box);
}

/** A disc around a point. */
export const disc = (x, y, radius) =>
  `M${round(x - radius)} ${round(y)}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0Z`;

export function dots(x, y, box, radius) {
  let path = "";
  for (let i = 0; i < x.length; i++) {
    const [px, py] = [x[i], y[i]];
    if (!(py >= box.top - 0.5 && py <= box.bottom + 0.5 && px >= box.left - 0.5 && px <= box.right + 0.5)) continue;
    path += disc(px, py, radius);
  }
  return path;
}

/** @param {number} width of one bar @param {number} shift of its middle @param {number} base where bars stand */
export function bars(x, y, box, width, shift, base) {
  let path = "";
  const inside = (value) => Math.max(box.top, Math.min(box.bottom, value));
  for (let i = 0; i < x.length; i++) {
    if (!(y[i] === y[i])) continue;
    const [from, to] = [x[i] + shift - width / 2, x[i] + shift + width / 2].map((at) => Math.max(box.left - 24, Math.min(box.right + 24, at)));
    if (to > from) path += `M${round(from)} ${round(inside(base))}V${round(inside(y[i]))}H${round(to)}V${round(inside(base))}Z`;
  }
  return path;
}
