/** All panels on one canvas, their titles and notes around them, and who points at which cell. */
import { make } from "../kit/dom.js";
import { number } from "../kit/format.js";
import { gapBetween } from "./layout.js";
import { cellAt } from "./paint.js";

export class Board {
  /**
   * @param {object} wiring
   * @param {(at: {panel: number, cell: number}|null) => void} wiring.point
   * @param {(at: {panel: number, cell: number}) => void} wiring.press
   * @param {(event: KeyboardEvent) => void} wiring.key
   * @param {() => void} wiring.enter the keyboard has come
   */
  constructor(wiring) {
    this.wiring = wiring;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.pen = this.canvas.getContext("2d");
    this.element = make("div", { class: "board", role: "application", tabindex: "0" }, [this.canvas]);
    /** @type {{element: HTMLElement, name: HTMLElement, value: HTMLElement, cells: HTMLElement, note: HTMLElement}[]} */
    this.panels = [];
    const at = (event) => this.at(event);
    this.element.addEventListener("pointermove", (event) => event.pointerType !== "touch" && wiring.point(at(event)));
    this.element.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && wiring.point(null));
    this.element.addEventListener("click", (event) => {
      const found = at(event);
      wiring.point(found);
      if (found) wiring.press(found);
    });
    this.element.addEventListener("keydown", wiring.key);
    this.element.addEventListener("focus", () => this.element.matches(":focus-visible") && wiring.enter());
    this.element.addEventListener("blur", () => wiring.point(null));
  }

  /** @param {import("./model.js").Model} model */
  update(model, say, keys) {
    Object.assign(this, { model, say });
    const { panels, side } = model;
    this.element.setAttribute("aria-label", say("patches_board", { n: panels.length, side }));
    this.element.setAttribute("aria-description", keys);
    while (this.panels.length < panels.length) this.panels.push(this.makePanel());
    for (const { element } of this.panels.splice(panels.length)) element.remove();
    this.panels.forEach(({ name }, k) => (name.textContent = name.title = panels[k].title));
  }

  makePanel() {
    const [name, value, note] = ["name", "value", "note"].map((one) => make("span", { class: one }));
    const cells = make("div", { class: "cells" });
    const head = make("div", { class: "head" }, [name, value]);
    const element = make("div", { class: "panel", role: "img" }, [head, cells, note]);
    this.element.append(element);
    return { element, head, name, value, cells, note };
  }

  /** @param {import("./layout.js").Layout} layout */
  arrange(layout, scale) {
    Object.assign(this, { layout, scale });
    const { columns, size, step, title, lines, width, height } = layout;
    Object.assign(this.canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    for (const box of [this.canvas, this.element]) Object.assign(box.style, { width: `${width}px`, height: `${height}px` });
    const snap = (value) => Math.round(value * scale) / scale;
    this.places = this.panels.map((_, k) => ({ x: snap((k % columns) * (size + gapBetween)), y: snap(Math.floor(k / columns) * step + title) }));
    this.panels.forEach(({ element, head, cells, note }, k) => {
      const { x, y } = this.places[k];
      Object.assign(element.style, { left: `${x}px`, top: `${y - title}px`, width: `${size}px` });
      head.style.height = `${title}px`;
      head.hidden = !title;
      head.classList.toggle("small", size < 84);
      cells.style.height = `${size}px`;
      note.style.height = `${16 * lines}px`;
      note.style.webkitLineClamp = String(Math.max(1, lines));
    });
  }

  /** @returns {{panel: number, cell: number}|null} */
  at({ clientX, clientY }) {
    if (!this.layout) return null;
    const box = this.canvas.getBoundingClientRect();
    const { model, layout } = this;
    for (let panel = 0; panel < this.places.length; panel++) {
      const { x, y } = this.places[panel];
      const gap = model.panels[panel].image === null ? 0 : model.gap;
      const cell = cellAt(model.side, gap, layout.size, clientX - box.left - x, clientY - box.top - y);
      if (cell !== null) return { panel, cell };
    }
    return null;
  }

  /**
   * @param {import("./paint.js").Brush} brush
   * @param {{frame: number, source: number, off: Set<number>, ring: number|null, at: {panel: number, cell: number}|null,
   *   reads: boolean, colours: {source: string, cell: string}}} state
   */
  draw(brush, state) {
    if (!this.layout) return;
    const { pen, canvas, model, layout, places, scale } = this;
    const { frame, source, ring, at, colours } = state;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    model.panels.forEach((panel, k) => {
      const { x, y } = places[k];
      brush.panel(pen, model, panel, x, y, layout.size, scale, state);
      if (at) brush.ring(pen, model, panel, x, y, layout.size, at.cell, colours.cell, 1.5);
      if (ring !== null) brush.ring(pen, model, panel, x, y, layout.size, ring, colours.source, 2.5);
      const one = this.panels[k];
      const note = panel.note(frame);
      if (one.note.textContent !== note) one.note.textContent = one.note.title = note;
      const value = this.value(panel, state);
      if (one.value.textContent !== value) one.value.textContent = value;
      const label = this.label(panel, frame, source);
      if (one.element.getAttribute("aria-label") !== label) one.element.setAttribute("aria-label", label);
    });
  }

  /** What stands beside a title: the value that is read, or where the colours end. */
  value(panel, { frame, source, at, reads }) {
    if (!panel.heat) return "";
    if (at && (reads || panel.heat.sources === 1)) return number(panel.value(frame, source, at.cell), 2);
    return this.say(panel.signed ? "patches_end_signed" : "patches_end", { value: number(panel.end(frame, source), 2) });
  }

  /** "head 1: strongest at patch 3 4: 0.21. a note" */
  label(panel, frame, source) {
    const { model, say } = this;
    const found = panel.title ? [panel.title] : [];
    if (!panel.heat || !panel.title) found.unshift(say("patches_panel", { n: panel.nth + 1, of: model.panels.length }));
    if (panel.heat) {
      const cell = panel.strongest(frame, source);
      const value = number(panel.value(frame, source, cell), 2);
      found.push(say("patches_strongest", { cell: model.cellName(cell, say), value }));
    }
    return [...found, panel.note(frame)].filter(Boolean).join(": ");
  }
}
