/**
 * A drawing: strokes of points on a grid of 64 by 64, from the left and from the bottom; and its text (see __init__.py).
 *
 * @typedef {[number, number]} Point
 */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
export const SIDE = ALPHABET.length;

/** @param {string} text @returns {Point[][]} */
export function read(text) {
  const strokes = text.split(".").map((stroke) => {
    const points = [];
    for (let i = 0; i + 1 < stroke.length; i += 2) points.push([ALPHABET.indexOf(stroke[i]), ALPHABET.indexOf(stroke[i + 1])]);
    return points;
  });
  return strokes.filter(({ length }) => length);
}

/** @param {Point[][]} strokes */
export const write = (strokes) => strokes.map((stroke) => stroke.map(([x, y]) => ALPHABET[x] + ALPHABET[y]).join("")).join(".");

/** @param {Point[][]} strokes */
export const size = (strokes) => strokes.reduce((sum, { length }) => sum + length, 0);

/** How far a point lies from the line between two others. */
function away([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const long = dx * dx + dy * dy;
  const share = long ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / long)) : 0;
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}

/** Only the points from which the line would depart by more than `least` without them (Ramer 1972, Douglas and Peucker 1973). */
function simple(points, least) {
  if (points.length < 3) return points;
  const keep = new Set([0, points.length - 1]);
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    let [most, at] = [least, -1];
    for (let i = from + 1; i < to; i++) {
      const far = away(points[i], points[from], points[to]);
      if (far > most) [most, at] = [far, i];
    }
    if (at >= 0) {
      keep.add(at);
      open.push([from, at], [at, to]);
    }
  }
  return points.filter((_, i) => keep.has(i));
}

/** Beyond this a form would be lost: what has too many points even so keeps every second, third ... */
const COARSE = 1.5;

/**
 * A stroke as the hand drew it (in steps of the grid, not rounded) with as few points as its form needs, and never more
 * than there is room for. @param {Point[]} raw @param {number} room @returns {Point[]}
 */
export function thinned(raw, room) {
  if (room < 1) return [];
  const inside = (value) => Math.max(0, Math.min(SIDE - 1, Math.round(value)));
  let found = [];
  for (let least = 0.35; least < COARSE; least *= 1.5) {
    const points = simple(raw, least).map(([x, y]) => [inside(x), inside(y)]);
    found = points.filter(([x, y], i) => !i || x !== points[i - 1][0] || y !== points[i - 1][1]);
    if (found.length <= room) return found;
  }
  const stride = Math.ceil(found.length / room);
  return found.filter((_, i) => i % stride === 0);
}
