/** The drawing: axes, bands and marks, the lines, their names at their ends, and the cursor that reads them all. */
import { counted, isPowerOfTwo, logRounds, rounds, textWidth } from "../kit/axis.js";
import { legible, ramp, rgb } from "../kit/colour.js";
import { makeSvg } from "../kit/dom.js";
import { chosen, MINUS, number, superscript } from "../kit/format.js";
import { spread, wrap } from "./labels.js";
import { bars, disc, dots, polyline, steps } from "./shapes.js";

export const THUMB = 8;
const SMALL = 12; // pixels of the axes' and the names' letters
const LINE = 15; // from one line of text to the next
const MARK = 17; // a row of marks' names
const GUTTER = 0.3; // of the width at most, for the names
const AWAY = 14; // from a line's end to its name
const NEAR = 8;
const MARK_ROWS = 3;
const INNER = 0.8; // a line that never comes further than this share of the axis has its name inside the picture

export class Chart {
  constructor() {
    this.svg = makeSvg("svg", { class: "plot", "aria-hidden": "true" });
  }

  /** @param {import("./model.js").Model} model @param {any} data */
  update(model, data) {
    Object.assign(this, { model, data });
  }

  /** @param {import("../kit/colour.js").Theme} theme */
  restyle(theme) {
    this.theme = theme;
    const { palette, back, text } = theme;
    let k = 0;
    this.colours = this.model.lines.map(({ role, quiet }) => {
      if (quiet && !role) return null;
      if (role === "ink") return text;
      const [name, place] = role ? role.split(":") : ["line", String(k++)];
      const list = palette[name];
      if (typeof list === "string") return legible(list, back);
      if (name === "line") return legible(list[Number(place) % list.length], back);
      const table = ramp(list);
      const i = Math.round(255 * Number(place));
      return legible(`#${[0, 1, 2].map((c) => table[3 * i + c].toString(16).padStart(2, "0")).join("")}`, back);
    });
  }

  size(text, weight = 400, size = SMALL) {
    return textWidth(text, size, weight, this.theme.font);
  }

  // --- what does not move ---------------------------------------------------------------------------------------

  /** @param {number} width @param {number} height @param {{names: boolean, slider: boolean}} how names at the lines' ends */
  resize(width, height, { names, slider }) {
    const { data } = this;
    Object.assign(this, { width, height, slider });
    this.bottom = height - LINE - (slider ? 12 : 8);
    // How many rows the marks' names take depends on the width that the y axis leaves, and that on the rows.
    let rows = MARK_ROWS;
    for (let round = 0; round < 2; round++) {
      this.top = 8 + rows * MARK;
      this.levels = this.yTicks();
      this.left = Math.ceil(10 + Math.max(slider ? THUMB : 0, ...this.levels.map(({ text }) => this.size(text))));
      this.gutter(width, names);
      rows = this.layMarks(rows);
    }
    this.top = 8 + rows * MARK;
    this.columns = this.model.lines.map((line) => Float64Array.from(line.x, (value) => this.x(value)));
    const part = (name) => makeSvg("path", { class: name });
    this.paths = this.model.lines.map((line, l) => this.dressed(line, this.colours[l]));
    this.cursor = part("cursor");
    this.points = this.model.lines.map((_, l) => makeSvg("path", { class: "point", style: `fill: ${this.colours[l] ?? "var(--quiet)"}` }));
    this.track = part("track");
    this.thumb = part("thumb");
    this.halo = part("halo");
    this.tags = makeSvg("g");
    this.ends = this.makeNames(names);
    this.svg.setAttribute("width", String(width));
    this.svg.setAttribute("height", String(height));
    const order = [...this.paths.keys()].sort((a, b) => Number(this.model.lines[b].quiet) - Number(this.model.lines[a].quiet));
    this.svg.replaceChildren(
      ...this.makeBands(),
      ...this.makeGrid(),
      ...this.makeMarks(),
      ...order.map((l) => this.paths[l]),
      ...this.makeDotNames(),
      ...this.makeTicks(),
      ...(slider ? [this.track] : []),
      this.cursor,
      ...this.ends.flatMap(({ parts, leader }) => [leader, ...parts]),
      ...this.points,
      this.tags,
      this.here,
      ...(slider ? [this.halo, this.thumb] : []),
    );
    if (slider) this.track.setAttribute("d", `M${this.left} ${this.bottom + 0.5}H${this.right}`);
    /** The frame that stands; null: none yet. @type {number|null} */
    this.drawn = null;
    /** Heights of its points in pixels. @type {Float64Array[]} */
    this.shown = [];
  }

  share(value, { low, high, log }) {
    if (!(high > low)) return 0.5;
    return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  }

  x(value) {
    return this.left + this.inset + this.share(value, this.data.x_axis) * (this.right - this.left - 2 * this.inset);
  }

  y(value) {
    return this.bottom - this.share(value, this.yAxis) * (this.bottom - this.top);
  }

  /** The value of the x axis at a place of the window. @param {number} clientX */
  valueAt(clientX) {
    const { low, high, log } = this.data.x_axis;
    const from = this.left + this.inset;
    const share = (clientX - this.svg.getBoundingClientRect().left - from) / Math.max(1, this.right - this.left - 2 * this.inset);
    return log ? low * (high / low) ** share : low + share * (high - low);
  }

  tickText(value, { kilo }) {
    if (kilo) return counted(value, kilo);
    const size = Math.abs(value);
    if (size === 0 || (size >= 1e-3 && size < 1e6)) return `${value < 0 ? MINUS : ""}${size}`;
    const [mantissa, power] = size.toExponential().split("e");
    return `${value < 0 ? MINUS : ""}${mantissa === "1" ? "" : `${mantissa}·`}10${superscript(Number(power))}`;
  }

  ticksOf(axis, about, enclose) {
    const { low, high, log } = axis;
    if (axis.ticks) return axis.ticks.map(([value, text]) => ({ value, text }));
    const two = log && high / low >= 4 && (axis.kilo === 1024 || (axis === this.data.x_axis && isPowerOfTwo(low) && isPowerOfTwo(high)));
    const values = log ? logRounds(low, high, about, two) : rounds(low, high, about, enclose);
    return values.map((value) => ({ value, text: this.tickText(value, axis) }));
  }

  /** The y axis ends at round values where Python gave no limits. */
  yTicks() {
    const axis = this.data.y_axis;
    const about = Math.max(2, axis.log ? (this.bottom - this.top) / 30 : Math.min(6, (this.bottom - this.top) / 46));
    let ticks = this.ticksOf(axis, about, true);
    this.yAxis = { ...axis };
    const [lowFixed, highFixed] = axis.fixed;
    if (!axis.log && !axis.ticks && axis.high > axis.low) {
      if (!lowFixed) this.yAxis.low = ticks[0].value;
      if (!highFixed) this.yAxis.high = ticks[ticks.length - 1].value;
    } else if (axis.log) {
      const room = (axis.high / axis.low) ** 0.03;
      if (!lowFixed) this.yAxis.low /= room;
      if (!highFixed) this.yAxis.high *= room;
    }
    if (!(this.yAxis.high > this.yAxis.low)) {
      const half = axis.log ? 2 : Math.abs(axis.low) * 0.1 || 1;
      this.yAxis.low = axis.log ? axis.low / half : axis.low - half;
      this.yAxis.high = axis.log ? axis.high * half : axis.high + half;
    }
    const { low, high } = this.yAxis;
    const slack = axis.log ? 0 : (high - low) * 1e-9;
    ticks = ticks.filter(({ value }) => value >= low - slack && value <= high + slack);
    return ticks;
  }

  /** Room on the right for the names. */
  gutter(width, names) {
    const { lines } = this.model;
    const room = Math.round(width * GUTTER) - AWAY;
    this.wraps = lines.map((line) => {
      if (!names || !(line.name || line.note)) return null;
      const measure = (text) => this.size(text, 600);
      const name = line.name ? wrap(line.name, room, measure) : [];
      const note = line.note ? wrap(line.note, room, (text) => this.size(text)) : [];
      const inner = this.share(this.model.reach(line), this.data.x_axis) < INNER;
      return { name, note, inner, wide: Math.max(...name.map(measure), ...note.map((text) => this.size(text))) };
    });
    const drawn = lines.some(({ form }) => form === "bars" || form === "dots");
    const widest = Math.max(0, ...this.wraps.map((one) => (one && !one.inner ? one.wide : 0)));
    this.right = width - (widest ? Math.ceil(widest) + AWAY + 2 : this.slider ? THUMB + 2 : 10);
    this.inset = 0;
    if (!drawn) return;
    const across = this.right - this.left;
    const count = Math.max(...lines.filter(({ form }) => form === "bars").map(({ n }) => n), 0);
    this.inset = count ? Math.min(24, across / Math.max(2, 2 * count)) : 6;
  }

  // --- axes -----------------------------------------------------------------------------------------------------

  makeGrid() {
    return this.levels.flatMap(({ value, text }) => {
      const y = Math.floor(this.y(value)) + 0.5;
      return [
        makeSvg("path", { class: "grid", d: `M${this.left} ${y}H${this.right}` }),
        makeSvg("text", { class: "level", x: this.left - 7, y, "text-anchor": "end", "dominant-baseline": "central", text }),
      ];
    });
  }

  makeTicks() {
    const middle = this.height - LINE / 2;
    const y = this.bottom + 0.5;
    const about = Math.max(2, (this.right - this.left) / (this.data.x_axis.log ? 58 : 74));
    const ticks = this.ticksOf(this.data.x_axis, about, false).filter(({ value }) => {
      const share = this.share(value, this.data.x_axis);
      return share >= -1e-9 && share <= 1 + 1e-9;
    });
    const parts = [makeSvg("path", { class: "axis", d: `M${this.left} ${y}H${this.right}` })];
    /** @type {{x: number, half: number, element: Element}[]} */
    this.places = [];
    let last = -Infinity;
    for (const { value, text } of ticks) {
      const x = this.x(value);
      const half = this.size(text) / 2;
      parts.push(makeSvg("path", { class: "axis", d: `M${x.toFixed(1)} ${y}v4` }));
      const at = Math.max(half, Math.min(this.width - half, x));
      if (at - half < last + NEAR) continue;
      last = at + half;
      const element = makeSvg("text", { class: "tick", x: at.toFixed(1), y: middle.toFixed(1), "text-anchor": "middle", "dominant-baseline": "central", text });
      this.places.push({ x: at, half, element });
      parts.push(element);
    }
    this.here = makeSvg("text", { class: "tick here", y: middle.toFixed(1), "text-anchor": "middle", "dominant-baseline": "central" });
    return parts;
  }

  // --- marks and bands ------------------------------------------------------------------------------------------

  /** In which row, and on which side of its line, each mark's name stands. @param {number} most @returns {number} rows */
  layMarks(most) {
    const { marks, bands, x_axis } = this.data;
    /** @type {[number, number][][]} */
    const rows = [];
    const put = (places) => {
      for (let row = 0; row < most; row++) {
        for (const [from, to, ...rest] of places) {
          if (from < this.left - 4 || to > this.width) continue;
          if (rows[row]?.some(([a, b]) => to >= a && from <= b)) continue;
          (rows[row] ??= []).push([from - 6, to + 6]);
          return [row, ...rest];
        }
      }
      return null;
    };
    this.ribbons = bands.map(([low, high, text]) => {
      const [from, to] = [low, high].map((value) => Math.max(this.left, Math.min(this.right, this.x(value))));
      const half = this.size(text) / 2;
      const middle = Math.max(this.left + half, Math.min(this.right - half, (from + to) / 2));
      const found = text && to > from ? put([[middle - half, middle + half]]) : null;
      return { from, to, x: middle, text: found ? text : "", row: found?.[0] ?? 0 };
    });
    this.flags = marks.flatMap(([at, text]) => {
      const share = this.share(at, x_axis);
      if (!(share >= -1e-9 && share <= 1 + 1e-9)) return [];
      const x = this.x(at);
      const wide = this.size(text);
      const found = text ? put([[x + 4, x + 4 + wide, "start", x + 4], [x - 4 - wide, x - 4, "end", x - 4]]) : null;
      const [row, anchor, place] = found ?? [0, "start", x];
      return [{ at: x, text: found ? text : "", row, anchor, x: place }];
    });
    return rows.length;
  }

  rowAt(row) {
    return row * MARK + MARK / 2;
  }

  makeMarks() {
    return this.flags.flatMap(({ text, x, row, anchor, at }) => {
      const top = text ? this.rowAt(row) - 7 : this.top - 4;
      const pole = makeSvg("path", { class: "pole", d: `M${(Math.round(at) + 0.5).toFixed(1)} ${top.toFixed(1)}V${this.bottom}` });
      const name = makeSvg("text", { class: "mark", x: x.toFixed(1), y: this.rowAt(row).toFixed(1), "text-anchor": anchor, "dominant-baseline": "central", text });
      return text ? [pole, name] : [pole];
    });
  }

  makeBands() {
    return this.ribbons.flatMap(({ from, to, text, x, row }) => {
      if (!(to > from)) return [];
      const shade = makeSvg("rect", { class: "band", x: from.toFixed(1), y: this.top - 4, width: (to - from).toFixed(1), height: this.bottom - this.top + 4 });
      const name = makeSvg("text", { class: "mark", x: x.toFixed(1), y: this.rowAt(row).toFixed(1), "text-anchor": "middle", "dominant-baseline": "central", text });
      return text ? [shade, name] : [shade];
    });
  }

  // --- lines ----------------------------------------------------------------------------------------------------

  dressed(line, colour) {
    const paint = colour ?? "var(--faint)";
    const filled = line.form === "bars" || line.form === "dots";
    const style = filled ? `fill: ${paint}` : `stroke: ${paint}`;
    return makeSvg("path", { class: `series ${line.form}${line.quiet ? " quiet" : ""}`, style });
  }

  /** Dots are smaller where they are many. */
  radius(l) {
    const xs = this.columns[l];
    return Math.max(1.5, Math.min(3.5, (0.42 * (this.right - this.left)) / Math.max(1, xs.length)));
  }

  /** Bars of several lines stand side by side. */
  barPlace(l) {
    const group = this.model.lines.flatMap(({ form }, i) => (form === "bars" ? [i] : []));
    const xs = this.columns[l];
    let least = xs.length > 1 ? Infinity : Math.min(48, this.right - this.left);
    for (let i = 1; i < xs.length; i++) least = Math.min(least, xs[i] - xs[i - 1]);
    const width = Math.max(1, Math.min(48, (least * 0.78) / group.length));
    return { width, shift: (group.indexOf(l) - (group.length - 1) / 2) * width };
  }

  /** @returns {Float64Array} the heights of a line's points in pixels, NaN in gaps */
  heights(line, frame) {
    const from = line.frames > 1 ? frame * line.n : 0;
    const found = new Float64Array(line.n);
    const { low, high, log } = this.yAxis;
    const scale = (this.bottom - this.top) / (log ? Math.log(high / low) : high - low);
    for (let i = 0; i < line.n; i++) {
      const value = line.y[from + i];
      found[i] = this.bottom - (log ? Math.log(value / low) : value - low) * scale;
    }
    return found;
  }

  get box() {
    const { left, right, top, bottom } = this;
    return { left: left - 0.5, right: right + 0.5, top: top - 0.5, bottom: bottom + 0.5 };
  }

  outline(line, l, heights) {
    const { box } = this;
    const xs = this.columns[l];
    if (line.form === "steps") return steps(xs, heights, box);
    if (line.form === "dots") return dots(xs, heights, box, this.radius(l));
    if (line.form === "bars") {
      const { width, shift } = this.barPlace(l);
      const base = this.yAxis.log ? this.bottom : this.y(Math.max(this.yAxis.low, Math.min(this.yAxis.high, 0)));
      return bars(xs, heights, box, width, shift, base);
    }
    return polyline(xs, heights, box);
  }

  /** Names written beside the dots of a line that has some: where they touch neither dots nor each other, nor lines. */
  makeDotNames() {
    if (!this.model.lines.some(({ labels }) => labels.length)) return [];
    const shown = this.model.lines.map((line) => (line.form === "dots" ? [] : this.heights(line, 0)));
    const dots = this.model.lines.flatMap((line, l) => {
      if (line.form !== "dots" && !line.labels.length) return [];
      const heights = this.heights(line, 0);
      return Array.from(this.columns[l], (x, i) => ({ x, y: heights[i], l, text: line.labels[i] ?? "" }));
    });
    const boxes = dots.map(({ x, y }) => [x - 4, x + 4, y - 4, y + 4]);
    const free = ([left, right, top, bottom]) =>
      left >= this.left && right <= this.width && top >= this.top - LINE / 2 && bottom <= this.bottom &&
      boxes.every(([a, b, c, d]) => right <= a || left >= b || bottom <= c || top >= d);
    return dots.flatMap(({ x, y, l, text }) => {
      const wide = this.size(text, 600);
      const places = [
        [x + 8, y], [x - 8 - wide, y], [x - wide / 2, y - 12], [x - wide / 2, y + 12],
        [x + 5, y - 11], [x + 5, y + 11], [x - 5 - wide, y - 11], [x - 5 - wide, y + 11],
      ].map(([left, middle]) => [left, left + wide, middle - LINE / 2 + 1, middle + LINE / 2 - 1]);
      const open = text && y === y ? places.filter(free) : [];
      const found = open.find((place) => !this.crossings(...place, shown)) ?? open[0];
      if (!found) return [];
      boxes.push(found);
      const place = { x: found[0].toFixed(1), y: ((found[2] + found[3]) / 2).toFixed(1), "dominant-baseline": "central" };
      return [makeSvg("text", { class: "end", ...place, style: `fill: ${this.colours[l] ?? "var(--quiet)"}`, text })];
    });
  }

  // --- names at the ends ----------------------------------------------------------------------------------------

  makeNames(names) {
    return this.model.lines.flatMap((line, l) => {
      const wrapped = this.wraps[l];
      if (!names || !wrapped) return [];
      const text = (kind, content) => makeSvg("text", { class: kind, "dominant-baseline": "central", text: content });
      const parts = [
        ...wrapped.name.map((content) => {
          const element = text(`end${line.quiet ? " faint" : ""}`, content);
          if (this.colours[l]) element.style.fill = this.colours[l];
          return element;
        }),
        ...wrapped.note.map((content) => text("note", content)),
      ];
      const leader = makeSvg("path", { class: "leader", style: `stroke: ${this.colours[l] ?? "var(--faint)"}` });
      return [{ l, parts, leader, wide: wrapped.wide, inner: wrapped.inner, tall: parts.length * LINE, quiet: line.quiet }];
    });
  }

  /** The last point of a line that can be seen. @returns {[number, number]|null} */
  endOf(l, heights) {
    const xs = this.columns[l];
    for (let i = xs.length - 1; i >= 0; i--) {
      if (!(heights[i] === heights[i]) || xs[i] > this.right + 1) continue;
      return [xs[i], Math.max(this.top, Math.min(this.bottom, heights[i]))];
    }
    return null;
  }

  /** Names stand right of the picture, each as high as its line ends; those of lines that end early, beside their end. */
  placeNames() {
    const found = this.ends.map((one) => ({ ...one, end: this.endOf(one.l, this.shown[one.l]) }));
    for (const one of found.filter(({ end, inner }) => end && inner)) this.placeInside(one);
    const outer = found.filter(({ end, inner }) => end && !inner);
    // Where there is no room for all, those that are only context give way.
    let tall = outer.reduce((sum, one) => sum + one.tall, 0);
    const hidden = new Set(found.filter(({ end }) => !end));
    for (const one of [...outer.filter(({ quiet }) => !quiet), ...outer.filter(({ quiet }) => quiet)].reverse()) {
      if (tall <= this.bottom - this.top + LINE) break;
      tall -= one.tall;
      hidden.add(one);
    }
    const kept = outer.filter((one) => !hidden.has(one));
    const middles = spread(kept.map(({ end }) => end[1]), kept.map((one) => one.tall), this.top - LINE / 2, this.bottom + LINE / 2);
    kept.forEach((one, k) => {
      const [x, y] = one.end;
      const left = this.right + AWAY;
      this.write(one, left, middles[k]);
      const far = Math.abs(middles[k] - y) > 3 || x < this.right - 6;
      one.leader.setAttribute("d", far ? `M${(x + 3).toFixed(1)} ${y.toFixed(1)}L${(left - 3).toFixed(1)} ${middles[k].toFixed(1)}` : "");
    });
    for (const one of hidden) {
      one.leader.setAttribute("d", "");
      for (const part of one.parts) part.style.display = "none";
    }
  }

  write(one, left, middle) {
    one.parts.forEach((part, row) => {
      part.setAttribute("x", left.toFixed(1));
      part.setAttribute("y", (middle + (row - (one.parts.length - 1) / 2) * LINE).toFixed(1));
      part.style.display = "";
    });
  }

  /** Beside, above or below the end, where the fewest lines pass. */
  placeInside(one) {
    const [x, y] = one.end;
    const up = one.tall / 2 + 5;
    const right = Math.min(x + 8, this.right - one.wide);
    const over = Math.max(this.left + 4, x - one.wide);
    const places = [[right, y], [right, y - up], [right, y + up], [over, y - up - 3], [over, y + up + 3], [right, y - 2 * up], [right, y + 2 * up]]
      .filter(([, middle]) => middle - one.tall / 2 >= this.top - LINE / 2 && middle + one.tall / 2 <= this.bottom);
    const crossed = ([left, middle]) => this.crossings(left - 4, left + one.wide + 4, middle - one.tall / 2, middle + one.tall / 2);
    const best = places.map((place) => [crossed(place), place]).sort(([a], [b]) => a - b)[0]?.[1] ?? [right, y];
    this.write(one, best[0], best[1]);
    one.leader.setAttribute("d", "");
  }

  /** How many lines pass through a box. */
  crossings(left, right, top, bottom, shown = this.shown) {
    return shown.filter((heights, l) => {
      const xs = this.columns[l];
      for (let i = 0; i < heights.length; i++) {
        const next = Math.min(i + 1, heights.length - 1);
        if (xs[next] < left || xs[i] > right) continue;
        if (Math.max(heights[i], heights[next]) >= top && Math.min(heights[i], heights[next]) <= bottom) return true;
      }
      return false;
    }).length;
  }

  // --- what moves -----------------------------------------------------------------------------------------------

  /** @param {number} frame @param {number|null} at the cursor's position on the x axis */
  paint(frame, at) {
    const fresh = this.drawn === null;
    const { lines } = this.model;
    if (fresh || frame !== this.drawn) {
      lines.forEach((line, l) => {
        if (!fresh && line.frames === 1) return;
        this.shown[l] = this.heights(line, frame);
        this.paths[l].setAttribute("d", this.outline(line, l, this.shown[l]));
      });
      this.placeNames();
      this.drawn = frame;
    }
    this.placeCursor(frame, at);
  }

  placeCursor(frame, at) {
    const { model, data } = this;
    const out = at === null;
    const x = out ? 0 : this.x(at);
    this.cursor.setAttribute("d", out ? "" : `M${x.toFixed(1)} ${this.top - 4}V${this.bottom}`);
    if (this.slider) {
      this.thumb.setAttribute("d", disc(x, this.bottom + 0.5, THUMB));
      this.halo.setAttribute("d", disc(x, this.bottom + 0.5, THUMB + 3));
    }
    this.writeHere(x, out ? "" : counted(at, data.x_axis.kilo, chosen));
    const tags = [];
    const discs = model.lines.map(() => "");
    for (const one of out ? [] : model.read(frame, at)) {
      const [px, py] = [this.columns[one.l][one.i] + (one.line.form === "bars" ? this.barPlace(one.l).shift : 0), this.y(one.y)];
      const inside = py >= this.top - 1 && py <= this.bottom + 1;
      if (inside && !one.line.quiet) discs[one.l] += disc(px, py, 3.5);
      tags.push({ ...one, y: Math.max(this.top, Math.min(this.bottom, py)), text: counted(one.y, data.y_axis.kilo) });
    }
    discs.forEach((d, l) => this.points[l].setAttribute("d", d));
    this.writeTags(x, tags);
  }

  /** The values beside the cursor, where they fit with the lines' names. */
  writeTags(x, tags) {
    const room = Math.floor((this.bottom - this.top + LINE) / LINE);
    const loud = tags.filter(({ line }) => !line.quiet);
    const shown = (tags.length <= room ? tags : loud).slice(0, room);
    const named = this.right - this.left > 420;
    const values = shown.map(({ line, text }) => this.size(text, line.quiet ? 400 : 600));
    const widths = shown.map(({ name }, k) => values[k] + (named && name ? 5 + this.size(name) : 0));
    const wide = Math.max(0, ...widths);
    const before = x + 10 + wide > this.right + 4 && x - 10 - wide > 0;
    const middles = spread(shown.map(({ y }) => y), shown.map(() => LINE), this.top - LINE / 2, this.bottom + LINE / 2 - 4);
    const elements = shown.flatMap(({ l, line, text, name }, k) => {
      const left = before ? x - 10 - widths[k] : x + 10;
      const top = middles[k] - LINE / 2;
      const write = (kind, at, content) => {
        const element = makeSvg("text", { class: `${kind}${line.quiet ? " faint" : ""}`, x: at.toFixed(1), y: middles[k].toFixed(1), "dominant-baseline": "central", text: content });
        if (this.colours[l]) element.style.fill = this.colours[l];
        return element;
      };
      const of = named && name ? [write("of", left + values[k] + 5, name)] : [];
      const ground = { x: (left - 3).toFixed(1), y: top.toFixed(1), width: (widths[k] + 6).toFixed(1), height: LINE, rx: 3 };
      return [makeSvg("rect", { class: "ground", ...ground }), write("value", left, text), ...of];
    });
    this.tags.replaceChildren(...elements);
  }

  /** The cursor's own position on the axis, in place of the ticks it would touch. */
  writeHere(x, text) {
    const half = this.size(text, 600) / 2;
    const middle = Math.max(half, Math.min(this.width - half, x));
    this.here.textContent = text;
    this.here.setAttribute("x", middle.toFixed(1));
    for (const place of this.places) {
      const touched = text && Math.abs(place.x - middle) < half + place.half + NEAR;
      place.element.style.visibility = touched ? "hidden" : "";
    }
  }
}
