/**
 * The curve over the scrubber: position k of the slider, the cursor and the k-th value of the curve stand above each
 * other, and the slider's track is the axis. Also drawn here: the values at the axis' ends, and marks, which are buttons.
 */
import { rounds, textWidth } from "../kit/axis.js";
import { make, makeSvg } from "../kit/dom.js";
import { draggable } from "../kit/drag.js";
import { number } from "../kit/format.js";

/** Half the slider's thumb: the ends of the axis lie this far inside the slider. */
export const THUMB = 8;
const FLAG = 22;
const LABEL = 17;
const NEAR = 10;
/** Up to so many steps each has its own mark on the axis, where there is room. */
const FEW = 30;
const GAP = 8;

/** Where the axis has a value, in steps and parts of steps; null if it never has. @param {ArrayLike<number>} axis */
export function crossing(axis, value) {
  for (let k = 0; k < axis.length; k++) {
    if (axis[k] === value) return k;
    const next = axis[k + 1];
    if (k + 1 < axis.length && (axis[k] - value) * (next - value) < 0) return k + (value - axis[k]) / (next - axis[k]);
  }
  return null;
}

export class Curve {
  /**
   * @param {object} wiring
   * @param {(index: number, asked: number) => void} wiring.drag the pointer moves along the curve
   * @param {() => void} wiring.grab @param {() => void} wiring.settle it starts, it ends
   * @param {(index: number) => void} wiring.jump a mark was clicked
   */
  constructor({ drag, grab, settle, jump }) {
    this.jump = jump;
    this.step = 0;
    this.svg = makeSvg("svg", { class: "plot", "aria-hidden": "true" });
    this.flags = make("div", { class: "flags" });
    this.ticks = make("div", { class: "ticks", "aria-hidden": "true" });
    this.element = make("div", { class: "curve" }, [this.svg, this.flags]);
    draggable(this.svg, { grab, settle, drag: (clientX, asked) => drag(this.nearest(clientX), asked) });
  }

  /** @param {import("./model.js").Model} model */
  update(model, say) {
    Object.assign(this, { model, say });
  }

  /** @param {number} clientX */
  nearest(clientX) {
    const share = (clientX - this.svg.getBoundingClientRect().left - this.left) / Math.max(1, this.right - this.left);
    return Math.max(0, Math.min(this.model.steps, Math.round(share * this.model.steps)));
  }

  /** @param {number} step a whole number or a part */
  x(step) {
    const { steps } = this.model;
    return this.left + (steps ? (step / steps) * (this.right - this.left) : 0);
  }

  y(value) {
    const [low, high] = this.limits;
    return this.floor - (high > low ? (value - low) / (high - low) : 0.5) * (this.floor - this.top);
  }

  /** Everything that does not move. @param {number} width @param {number} height of the plot without its marks */
  resize(width, height, font) {
    const { model } = this;
    Object.assign(this, { width, font });
    const values = Array.from(model.curve).filter(Number.isFinite);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const levels = rounds(low, high, Math.min(4, height / 28), true);
    this.limits = [levels[0], levels[levels.length - 1]];
    this.left = 12 + Math.max(...levels.map((level) => this.size(String(level), 12)));
    this.right = width - THUMB - 2;
    const rows = this.placeFlags();
    this.top = rows * FLAG + 8;
    this.bottom = this.top + height - 6;
    this.floor = this.bottom - LABEL; // below the lowest value there is room for the cursor's own
    this.points = Array.from(model.curve, (value, k) => [this.x(k), this.y(value)]);
    this.words = this.points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
    const lines = levels.flatMap((level) => {
      const y = Math.round(this.y(level)) + 0.5;
      return [
        makeSvg("path", { class: "grid", d: `M${this.left} ${y}H${this.right}` }),
        makeSvg("text", { class: "level", x: this.left - 7, y, "text-anchor": "end", "dominant-baseline": "central", text: String(level) }),
      ];
    });
    const poles = this.poles.map(({ step, row }) =>
      makeSvg("path", { class: "pole", d: `M${this.x(step).toFixed(1)} ${row * FLAG + 2}V${this.bottom}` }),
    );
    const part = (name) => makeSvg("path", { class: name });
    this.area = part("area");
    this.future = makeSvg("path", { class: "future", d: `M${this.words.join("L")}` });
    this.past = part("past");
    this.cursor = part("cursor");
    this.dot = part("dot");
    this.value = makeSvg("text", { class: "value", "dominant-baseline": "central" });
    this.unit = makeSvg("text", { class: "unit", "dominant-baseline": "central" });
    this.svg.setAttribute("width", String(width));
    this.svg.setAttribute("height", String(this.top + height));
    this.svg.replaceChildren(...lines, ...poles, this.area, this.future, this.past, this.cursor, this.dot, this.value, this.unit);
    this.writeTicks();
    this.paint(this.step);
  }

  size(text, size, weight = 400) {
    return textWidth(text, size, weight, this.font);
  }

  /** Marks hang like flags on a pole at their step, on the side and in the row where there is room. */
  placeFlags() {
    /** @type {[number, number][][]} */
    const taken = [[], []];
    const free = (row, from, to) => taken[row].every(([a, b]) => to < a || from > b);
    this.poles = [];
    const buttons = this.model.marks.map(([step, text]) => {
      const x = this.x(step);
      const wide = Math.min(this.size(text, 12) + 14, this.width * 0.6);
      const places = [0, 1].flatMap((row) => [[row, x, x + wide], [row, x - wide, x]]);
      const inside = places.filter(([, from, to]) => from >= 0 && to <= this.width);
      const found = inside.find(([row, from, to]) => free(row, from, to)) ?? [1, Math.max(0, x - 8), x + 8];
      const [row, from, to] = found;
      taken[row].push([from, to + 4]);
      this.poles.push({ step, row });
      const side = from < x ? (to > x ? "small" : "before") : "after";
      return make("button", {
        type: "button",
        class: `flag ${side}`,
        style: `left: ${from}px; top: ${row * FLAG}px; width: ${to - from}px`,
        title: text,
        "aria-label": text,
        onclick: () => this.jump(step),
        text: side === "small" ? "•" : text,
      });
    });
    this.flags.replaceChildren(...buttons);
    return this.poles.length ? 1 + Math.max(...this.poles.map(({ row }) => row)) : 0;
  }

  /** Vocabulary sizes along the axis: round ones, or each step's own where there are few. */
  writeTicks() {
    const { axis, steps } = this.model;
    const sizes = Array.from(axis);
    const few = steps <= FEW;
    const about = Math.max(2, Math.round(this.width / 130));
    const wanted = few ? sizes : rounds(Math.min(...sizes), Math.max(...sizes), about);
    const places = few ? sizes.map((size, k) => [k, size]) : wanted.map((size) => [crossing(axis, size), size]);
    this.places = [];
    let last = -Infinity;
    for (const [at, size] of places.filter(([k]) => k !== null).sort((a, b) => a[0] - b[0])) {
      const text = number(size, 4);
      const half = this.size(text, 12) / 2;
      const x = Math.max(half, Math.min(this.width - half, this.x(at)));
      if (x - half < last + NEAR) continue;
      last = x + half;
      this.places.push({ x, half, element: make("span", { class: "tick", text, style: `left: ${x}px` }) });
    }
    this.here = make("span", { class: "tick here" });
    this.ticks.replaceChildren(...this.places.map(({ element }) => element), this.here);
  }

  /** Move the cursor. @param {number} step */
  paint(step) {
    this.step = Math.min(step, this.model.steps);
    if (!this.points) return;
    const [x, y] = this.points[this.step];
    const past = this.words.slice(0, this.step + 1).join("L");
    this.past.setAttribute("d", `M${past}`);
    this.area.setAttribute("d", `M${this.left.toFixed(1)} ${this.bottom}L${past}L${x.toFixed(1)} ${this.bottom}Z`);
    this.cursor.setAttribute("d", `M${x.toFixed(1)} ${this.top - 4}V${this.bottom + 6}`);
    this.dot.setAttribute("d", `M${(x - 4.5).toFixed(1)} ${y.toFixed(1)}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z`);
    const text = number(this.model.curve[this.step]);
    const [value, unit] = [this.size(text, 15, 600), this.size(this.say("merges_curve"), 12)];
    const [left, middle] = this.room(x, y, value + 5 + unit);
    this.value.textContent = text;
    this.unit.textContent = this.say("merges_curve");
    this.value.setAttribute("x", left.toFixed(1));
    this.unit.setAttribute("x", (left + value + 5).toFixed(1));
    for (const element of [this.value, this.unit]) element.setAttribute("y", middle.toFixed(1));
    this.tick(x);
  }

  tick(x) {
    const text = `${this.say("merges_axis")} ${number(this.model.axis[this.step], 4)}`;
    const half = this.size(text, 12, 600) / 2;
    const middle = Math.max(half, Math.min(this.width - half, x));
    this.here.textContent = text;
    this.here.style.left = `${middle}px`;
    for (const { x: at, half: size, element } of this.places) {
      element.style.visibility = Math.abs(at - middle) < half + size + NEAR ? "hidden" : "visible";
    }
  }

  /** Where the cursor's value can stand without touching the curve: beside the dot, above or below. */
  room(x, y, wide) {
    const sides = [x + 10, x - 10 - wide].filter((left) => left >= this.left && left + wide <= this.width);
    const places = [];
    for (let far = 14; far < this.bottom - this.top; far += 6) {
      for (const middle of [y - far, y + far]) places.push(...sides.map((left) => [left, middle]));
    }
    const good = places.filter(([, middle]) => middle - LABEL / 2 >= this.top - 6 && middle + LABEL / 2 <= this.bottom);
    const clear = good.find(([left, middle]) => this.clear(left - 6, left + wide + 8, middle - GAP - 1, middle + GAP + 1));
    const anywhere = Math.max(this.left, Math.min(this.width - wide, x + 10));
    return clear ?? good[0] ?? [anywhere, Math.max(this.top + GAP, Math.min(this.bottom - GAP, y - 14))];
  }

  /** Whether the curve stays out of a box. */
  clear(left, right, top, bottom) {
    const { steps } = this.model;
    const step = (x) => ((x - this.left) / Math.max(1, this.right - this.left)) * steps;
    const first = Math.max(0, Math.floor(step(left)));
    const last = Math.min(steps, Math.ceil(step(right)));
    for (let k = first; k <= last; k++) {
      const y = this.points[k][1];
      const next = this.points[Math.min(k + 1, last)][1];
      if (Math.max(y, next) >= top && Math.min(y, next) <= bottom) return false;
    }
    return true;
  }
}
