/**
 * Outlines of the shapes, as models/scenes.py defines them: in a shape's own coordinates its radius is 1 and v points down.
 * The text of a scene, as __init__.py describes it.
 *
 * @typedef {{size: string, colour: string, shape: string, x: number, y: number}} Thing x and y in per cent of the edges
 */

const turn = (share) => 2 * Math.PI * share;
const POINTS = 120;

/** The curve (a² + b² - 1)³ = a² b³ around its middle, a and b its own coordinates, b upwards. */
function heart() {
  return Array.from({ length: POINTS }, (_, i) => {
    const [cos, sin] = [Math.cos(turn(i / POINTS)), Math.sin(turn(i / POINTS))];
    let [low, high] = [0.5, 1.5];
    for (let k = 0; k < 40; k++) {
      const r = (low + high) / 2;
      if ((r * r - 1) ** 3 < r ** 5 * cos ** 2 * sin ** 3) low = r;
      else high = r;
    }
    return [(low * cos) / 1.2, (0.15 - low * sin) / 1.15];
  });
}

const around = (count, radius) =>
  Array.from({ length: count }, (_, i) => [radius(i) * Math.sin(turn(i / count)), -radius(i) * Math.cos(turn(i / count))]);

/** Each shape's closed lines; the second one of the ring runs the other way round, so it is a hole. */
const LINES = {
  circle: [around(POINTS, () => 1)],
  ring: [around(POINTS, () => 1), around(POINTS, () => 0.5).reverse()],
  square: [[[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]]],
  triangle: [[[0, -1], [0.95, 0.75], [-0.95, 0.75]]],
  star: [around(10, (i) => (i % 2 ? 0.5 : 1))],
  heart: [heart()],
};

/** The path of a shape. @param {string} shape @param {number} x @param {number} y @param {number} radius */
export function outline(shape, x, y, radius) {
  const at = ([u, v]) => `${(x + radius * u).toFixed(2)} ${(y + radius * v).toFixed(2)}`;
  return LINES[shape].map((line) => `M${line.map(at).join("L")}Z`).join("");
}

/** A place in per cent, with one decimal at most. */
const place = (value) => String(Math.round(10 * value) / 10);

/** @param {string} ground @param {Thing[]} things */
export const write = (ground, things) =>
  [ground, ...things.map(({ size, colour, shape, x, y }) => `${size} ${colour} ${shape} ${place(x)} ${place(y)}`)].join("; ");
