/**
 * Stacked bars on one scale. Pointing at a row, or moving to it by the keyboard, says its parts in numbers; a scrubber
 * elsewhere on the page moves the bars that have frames. See __init__.py for what Python sends.
 */
import { rounds, textWidth } from "../kit/axis.js";
import { readTheme } from "../kit/colour.js";
import { make, makeSvg } from "../kit/dom.js";
import { follow } from "../kit/follow.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { snapshot } from "../kit/snapshot.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import { Model } from "./model.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const HEADING = 24; // pixels above the rows of a group
const AXIS = 38; // numbers, and below them what they are
const GAP = 10; // between a label and its bar
const HATCH = 7;

/** Diagonal lines inside a box, as one path: they need no pattern and no clipping. */
function hatching(x, y, w, h) {
  let d = "";
  for (let c = HATCH; c < w + h; c += HATCH) {
    // The line u + v = c, u to the right and v downwards, where it crosses the box.
    const [from, to] = [Math.max(0, c - h), Math.min(w, c)];
    if (to > from) d += `M${(x + from).toFixed(1)} ${(y + c - from).toFixed(1)}L${(x + to).toFixed(1)} ${(y + c - to).toFixed(1)}`;
  }
  return d;
}

class Ledger {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root }) {
    this.root = root;
    this.index = 0;
    /** The row that is read out. @type {number|null} */
    this.row = null;
    this.echo = new Echo();
    this.legend = make("div", { class: "legend" });
    this.tools = make("div", { class: "tools" });
    this.head = make("div", { class: "head" }, [this.legend, this.tools]);
    this.svg = makeSvg("svg", { class: "plot", role: "group" });
    this.box = make("div", { class: "box" });
    this.box.append(this.svg);
    this.said = make("p", { class: "said", "aria-live": "polite" });
    this.frame = make("div", { class: "kit ledger", role: "figure" }, [this.head, this.box, this.said]);
    root.append(this.frame);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.read(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.frame);
  }

  destroy() {
    this.observer.disconnect();
    this.unfollow?.();
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.data = data;
    const own = Object.fromEntries(Object.entries(data.words).map(([id, text]) => [`ledger_${id}`, text]));
    this.say = speaker({ ...data.ui, ...own });
    this.model = new Model(data);
    if (this.echo.isNews(data.index)) this.index = data.index;
    this.index = Math.min(this.index, data.frames - 1);
    if (data.follow !== this.field) {
      this.unfollow?.();
      this.field = data.follow;
      this.unfollow = data.follow ? follow(data.follow, (index) => this.heard(index)) : undefined;
    }
    this.row = null;
    this.frame.setAttribute("aria-label", data.alt);
    this.svg.setAttribute("aria-label", data.axis);
    this.frame.style.height = `${data.height}px`;
    const makers = { svg: () => toSvg(this.scene()), png: () => toPng(this.scene()), csv: () => csv(this.model.table(this.index)) };
    this.tools.replaceChildren(toolbar(makers, () => data.name, this.say));
    this.build();
    this.restyle();
  }

  /** One group of shapes for each row, made once; `paint` moves them. */
  build() {
    this.names = this.data.groups.map(({ name }) => makeSvg("text", { class: "name", text: name }));
    this.rows = this.model.rows.map((_, r) => {
      const row = makeSvg("g", { class: "row", role: "img", tabindex: r ? -1 : 0 });
      row.addEventListener("focus", () => this.read(r));
      row.addEventListener("blur", () => this.read(null));
      const label = makeSvg("text", { class: "label", "text-anchor": "end" });
      const sum = makeSvg("text", { class: "sum" });
      const parts = this.model.parts.map(({ hatched }) => makeSvg(hatched ? "path" : "rect", { class: "part" }));
      const edges = this.model.parts.map(({ hatched }) => (hatched ? makeSvg("rect", { class: "edge" }) : null));
      row.append(label, ...parts, ...edges.filter(Boolean), sum);
      return { row, label, sum, parts, edges };
    });
    this.scale = makeSvg("g", { class: "scale", "aria-hidden": "true" });
    this.svg.replaceChildren(this.scale, ...this.names, ...this.rows.map(({ row }) => row));
  }

  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    const { expert } = this.theme.palette;
    this.colours = this.model.parts.map(({ colour }) => expert[colour]);
    this.legend.replaceChildren(
      ...this.model.parts.flatMap(({ name, hatched }, p) => {
        if (!this.model.shown[p]) return [];
        const box = { x: 0.5, y: 0.5, width: 12, height: 12, fill: hatched ? "none" : this.colours[p], stroke: this.colours[p] };
        const mark = makeSvg("svg", { width: 13, height: 13, viewBox: "0 0 13 13", "aria-hidden": "true" }, [makeSvg("rect", box)]);
        if (hatched) mark.append(makeSvg("path", { d: hatching(0.5, 0.5, 12, 12), stroke: this.colours[p], fill: "none" }));
        return [make("span", { class: "key" }, [mark, name])];
      }),
    );
    this.arrange();
  }

  arrange() {
    const width = this.box.clientWidth;
    if (!this.data || !this.colours || !width) return;
    const height = Math.max(60, this.data.height - this.head.offsetHeight - this.said.offsetHeight - 8);
    Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }).forEach(([name, value]) => this.svg.setAttribute(name, String(value)));
    const wide = (text, size = 13, weight = 400) => textWidth(text, size, weight, this.theme.font);
    const labels = this.model.rows.flatMap(({ label }) => label);
    this.left = Math.min(width * 0.4, Math.max(...labels.map((text) => wide(text)))) + GAP;
    this.room = Math.max(40, width - this.left - this.model.widest((text) => wide(text, 13, 600)) - 10);
    this.pitch = (height - AXIS - HEADING * this.names.length) / this.rows.length;
    this.bottom = height - AXIS;
    let y = 0;
    this.model.groups.forEach((rows, g) => {
      this.names[g].setAttribute("x", "0");
      this.names[g].setAttribute("y", String(y + 16));
      y += HEADING;
      for (const r of rows) {
        this.rows[r].y = y;
        y += this.pitch;
      }
    });
    this.drawScale();
    this.paint();
  }

  drawScale() {
    const x = (value) => this.left + (value / this.data.most) * this.room;
    const ticks = rounds(0, this.data.most, Math.max(2, this.room / 90)).filter((value) => value <= this.data.most);
    this.scale.replaceChildren(
      ...ticks.flatMap((value) => [
        makeSvg("path", { class: "rule", d: `M${x(value).toFixed(1)} ${HEADING - 4}V${this.bottom.toFixed(1)}` }),
        makeSvg("text", { class: "tick", x: x(value), y: this.bottom + 15, "text-anchor": "middle", text: this.model.written(value, true) }),
      ]),
      makeSvg("text", { class: "tick", x: this.left + this.room, y: this.bottom + 31, "text-anchor": "end", text: this.data.axis }),
    );
  }

  /** The bars of one frame. */
  paint() {
    const { model } = this;
    const thick = Math.min(34, this.pitch * 0.78);
    this.rows.forEach(({ row, label, sum, parts, edges, y }, r) => {
      const values = model.values(r, this.index);
      const top = y + (this.pitch - thick) / 2;
      const middle = top + thick / 2 + 4.5;
      let from = this.left;
      values.forEach((value, p) => {
        const w = (value / this.data.most) * this.room;
        if (edges[p]) {
          parts[p].setAttribute("d", hatching(from, top, w, thick));
          parts[p].setAttribute("stroke", this.colours[p]);
          place(edges[p], from + 0.5, top + 0.5, Math.max(0, w - 1), thick - 1);
          edges[p].setAttribute("stroke", w > 1 ? this.colours[p] : "none");
        } else {
          place(parts[p], from, top, w, thick);
          parts[p].setAttribute("fill", this.colours[p]);
        }
        from += w;
      });
      label.textContent = model.label(r, this.index);
      label.setAttribute("x", String(this.left - GAP));
      label.setAttribute("y", String(middle));
      sum.textContent = model.sum(r, this.index);
      sum.setAttribute("x", String(from + 6));
      sum.setAttribute("y", String(middle));
      row.setAttribute("aria-label", model.sentence(r, this.index));
    });
    this.tell();
  }

  heard(index) {
    if (!this.data || index === this.index || index >= this.data.frames) return;
    this.index = index;
    this.echo.note(index);
    this.paint();
  }

  point(event) {
    const y = event.clientY - this.svg.getBoundingClientRect().top;
    const found = this.rows.findIndex((row) => y >= row.y && y < row.y + this.pitch);
    this.read(found < 0 ? null : found);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") this.root.activeElement?.blur();
    if (!step) return;
    event.preventDefault();
    const at = this.rows.findIndex(({ row }) => row === this.root.activeElement);
    const to = Math.min(this.rows.length - 1, Math.max(0, at + step));
    this.rows.forEach(({ row }, r) => row.setAttribute("tabindex", r === to ? "0" : "-1"));
    this.rows[to].row.focus();
  }

  /** @param {number|null} row */
  read(row) {
    this.row = row;
    this.rows.forEach(({ row: one }, r) => one.classList.toggle("on", r === row));
    this.tell();
  }

  tell() {
    const text = this.row === null ? this.say("ledger_hint") : this.model.sentence(this.row, this.index);
    if (this.said.textContent !== text) this.said.textContent = text;
  }

  scene() {
    return snapshot(this.frame, this.theme, this.data.alt);
  }
}

function place(rect, x, y, width, height) {
  for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, value.toFixed(2));
}

export default browserComponent(style, (place) => new Ledger(place));
