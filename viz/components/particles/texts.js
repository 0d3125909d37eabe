/** What is written in a plane: names of places and points, how many are outside, numbers along the axes. */
import { rounds, textWidth } from "../kit/axis.js";
import { legible } from "../kit/colour.js";
import { number } from "../kit/format.js";

/** @typedef {import("./layers.js").Space} Space @typedef {import("./model.js").Plane} Plane */

/** All points are named where they are at most so many. */
const MOST_NAMED = 24;
const SIZE = 12;

/** Where a name may stand beside its place: to the right, to the left, above, below. */
const SIDES = [[1, 0], [-1, 0], [0, -1], [0, 1]];

/** How much a side away from the middle of the plane is better for the name of a place, against pixels covered. */
const OUTWARDS = 6;

/**
 * Names beside their places, on the first side where they are in the plane and cover no other name; a name that has found
 * its side stays there while it can.
 */
class Names {
  /** @param {Space} at @param {Map<string, number>} sides those of the last time */
  constructor(at, sides) {
    Object.assign(this, { at, sides, texts: [], taken: [] });
  }

  /** @param {number} [outwards] how much it is drawn to the side that is away from the middle of the plane */
  put(key, text, x, y, away, look, outwards = 0) {
    const { left, top, width, height, theme } = this.at;
    const [inX, inY] = [(left + width / 2 - x) / width, (top + height / 2 - y) / height];
    const wide = textWidth(text, SIZE, look.weight, theme.font);
    const before = this.sides.get(key);
    let best = { cost: Infinity };
    SIDES.forEach(([right, down], side) => {
      const beside = right > 0 ? x + away : right < 0 ? x - away - wide : x - wide / 2;
      const middle = y + down * (away + 4);
      const out = Math.max(0, left + 2 - beside, beside + wide - left - width + 2, top - middle + 8, middle + 8 - top - height);
      const from = Math.max(left + 2, Math.min(beside, left + width - wide - 2)); // a long name is moved in
      const box = [from, middle - 8, from + wide, middle + 8];
      const cost = 3 * out + this.taken.reduce((sum, one) => sum + shared(one, box), 0) + 0.5 * side;
      const better = outwards * (right * inX + down * inY) - (side === before ? 1 : 0);
      if (cost + better < best.cost) best = { cost: cost + better, side, box, from, middle };
    });
    this.sides.set(key, best.side);
    this.taken.push(best.box);
    this.texts.push({ kind: "text", text, x: best.from, y: best.middle, anchor: "start", size: SIZE, halo: true, ...look });
  }
}

/** How much two boxes cover of each other, in pixels of width. */
function shared(a, b) {
  const [wide, high] = [Math.min(a[2], b[2]) - Math.max(a[0], b[0]), Math.min(a[3], b[3]) - Math.max(a[1], b[1])];
  return wide > 0 && high > 0 ? wide : 0;
}

/**
 * Names of places, and of points: of few all, of many the followed ones; these are numbered where they have no names.
 * @param {Plane} plane @param {Space} at @param {number[]} followed @param {number|null} looked
 */
export function names(plane, time, at, followed, looked) {
  const { X, Y, model, theme, radius } = at;
  const found = new Names(at, plane.sides);
  plane.anchors.forEach(([x, y, text], k) => found.put(`anchor ${k}`, text, X(x), Y(y), 9, { fill: theme.text, weight: 600 }, OUTWARDS));
  const xy = plane.points.at(time);
  const name = (i, text, look) => {
    const [x, y] = [xy[2 * i], xy[2 * i + 1]];
    if (text && i < plane.count && model.inside(x, y)) found.put(`point ${i}`, text, X(x), Y(y), radius + 7, look);
  };
  const digit = (k) => (followed.length > 1 ? String(k + 1) : "");
  followed.forEach((i, k) => name(i, plane.labels[i] || digit(k), { fill: theme.palette.key, weight: 700 }));
  const all = plane.labels.length && plane.count <= MOST_NAMED ? plane.labels.map((_, i) => i) : [];
  for (const i of all) if (!followed.includes(i)) name(i, plane.labels[i], { fill: theme.text, weight: 400 });
  if (looked !== null && !all.length && !followed.includes(looked)) name(looked, plane.labels[looked], { fill: theme.text, weight: 400 });
  return found.texts;
}

/** How many points are not in the plane: a warning only where they are many. */
export function absent(text, share, { left, top, width, height, theme }) {
  const many = share > 0.1;
  const look = { fill: many ? legible(theme.palette.verdict.red, theme.back) : theme.text, weight: many ? 600 : 400 };
  return { kind: "text", text, x: left + width - 8, y: top + height - 12, anchor: "end", size: 12, halo: true, ...look };
}

/** Numbers along both axes and their names. @param {Space} at */
export function scales(model, at) {
  const { left, top, width, height, X, Y, theme } = at;
  const look = { kind: "text", fill: theme.text, size: 11, weight: 400 };
  return [
    ...rounds(model.x[0], model.x[1], width / 62).map((x) => ({ ...look, text: number(x), x: X(x), y: top + height + 11, anchor: "middle" })),
    ...rounds(model.y[0], model.y[1], height / 70).map((y) => ({ ...look, text: number(y), x: left - 6, y: Y(y), anchor: "end" })),
    { ...look, size: 12, text: model.axes[0], x: left + width / 2, y: top + height + 26, anchor: "middle" },
    { ...look, size: 12, text: model.axes[1], x: left - 36, y: top + height / 2, anchor: "middle", angle: -90 },
  ];
}
