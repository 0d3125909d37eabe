/**
 * The matrix inspector: one or two matrices side by side, computed in steps that can be walked forwards and backwards,
 * where every cell says how it was made. See __init__.py for what Python sends.
 *
 * State sent to the server: "pin" [row, column] or null, "stage" on a step, "scrub" when the slider is let go.
 */
import { readTheme } from "../kit/colour.js";
import { iconButton, make } from "../kit/dom.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { Scrubber } from "../kit/scrubber.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import { table, toScene } from "./export.js";
import { Model } from "./model.js";
import { Panel } from "./panel.js";

const style = await sheet(new URL("./main.css", import.meta.url));

/** Below this width two panels stand under each other. */
const STACK = 600;
/** From this width a single panel has its notes at its side. */
const BESIDE = 640;
const NOTES = { beside: 264, below: 104, belowNarrow: 128 };

class Inspector {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root, send }) {
    this.root = root;
    this.send = send;
    this.step = 0;
    this.frame = 0;
    /** @type {import("./model.js").Cell|null} under the pointer or moved by keys */
    this.hover = null;
    /** @type {import("./model.js").Cell|null} */
    this.pin = null;
    this.echo = { step: new Echo(), pin: new Echo() };
    /** @type {Panel[]} */
    this.panels = [];

    this.steps = make("div", { class: "segments", role: "group" });
    this.stepper = make("div", { class: "stepper" }, [this.steps]);
    this.bar = make("div", { class: "bar" });
    this.grid = make("div", { class: "panels" });
    this.scrubber = new Scrubber({
      paint: (index) => this.swap(index),
      release: (index) => this.send("scrub", index),
    });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    this.frameElement = make("div", { class: "kit matrix", role: "figure" }, [this.bar, this.grid, this.spoken]);
    root.append(this.frameElement);
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.frameElement);
    // A canvas does not wait for fonts: paint again when they are there.
    this.fontsCame = () => this.data && this.arrange(true);
    document.fonts?.addEventListener("loadingdone", this.fontsCame);
  }

  destroy() {
    document.fonts?.removeEventListener("loadingdone", this.fontsCame);
    this.observer.disconnect();
    this.scrubber.stop();
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.data = data;
    this.say = speaker(data.ui);
    this.model = new Model(data);
    if (this.echo.step.isNews(data.stage)) this.step = data.stage;
    if (this.echo.pin.isNews(data.pin)) this.pin = data.pin && { row: data.pin[0], col: data.pin[1] };
    this.step = Math.min(this.step, this.model.count - 1);
    if (data.scrub) this.scrubber.update(data.scrub, this.say);
    this.frame = data.scrub ? this.scrubber.index : 0;
    this.build();
    this.restyle();
  }

  /** Elements for as many panels and steps as the data has. */
  build() {
    const { data, say, model } = this;
    while (this.panels.length < model.panels.length) this.panels.push(this.newPanel());
    this.panels.length = model.panels.length;
    this.panels.forEach((panel, p) => {
      panel.title.textContent = model.panels[p].title;
      panel.title.hidden = !model.panels[p].title;
      panel.top.setAttribute("aria-label", `${model.panels[p].title || data.alt}. ${say("keys")}`);
    });
    if (this.grid.childElementCount !== this.panels.length) {
      this.grid.replaceChildren(...this.panels.map((panel) => panel.element));
    }
    this.frameElement.setAttribute("aria-label", data.alt);
    this.steps.setAttribute("aria-label", say("steps"));
    const names = model.names.map((text, i) => make("button", { type: "button", text, title: text, onclick: () => this.goTo(i) }));
    this.steps.replaceChildren(...names);
    const many = model.count > 1;
    this.stepper.replaceChildren(
      ...(many ? [iconButton("back", say("previous_step"), () => this.goTo(this.step - 1))] : []),
      ...(many ? [this.steps, iconButton("forward", say("next_step"), () => this.goTo(this.step + 1))] : []),
    );
    const makers = {
      svg: () => toSvg(this.scene()),
      png: () => toPng(this.scene()),
      csv: () => csv(table(model, this.step, this.frame)),
    };
    const name = () => `${data.name ?? "matrix"}-${model.names[this.step]}`.replace(/\s+/g, "-");
    this.toolbar = toolbar(makers, name, say);
    this.bar.replaceChildren(this.stepper);
    if (data.scrub) this.grid.after(this.scrubber.element);
    else this.scrubber.element.remove();
  }

  newPanel() {
    return new Panel({
      point: (cell) => this.point(cell),
      press: (cell) => this.press(cell),
      key: (event) => this.key(event),
      blur: () => this.point(null),
    });
  }

  scene() {
    return toScene({ ...this, width: this.frameElement.clientWidth });
  }

  /** New theme, words or data: everything is painted again. */
  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    for (const panel of this.panels) panel.dress(this.theme, this.say, this.data.words);
    this.arrange(true);
  }

  /** Share out the room. The height is the data's own; only panels under each other need more of it. */
  arrange(again = false) {
    const width = this.frameElement.clientWidth;
    const dots = window.devicePixelRatio;
    if (!this.data || !width || (!again && width === this.width && dots === this.dots)) return;
    [this.width, this.dots] = [width, dots];
    const narrow = width < STACK;
    const bars = 40 + (this.data.scrub ? 44 : 0) + (narrow ? 28 : 0);
    const count = this.panels.length;
    const stacked = count > 1 && narrow;
    const beside = count === 1 && width >= BESIDE;
    const panelHeight = stacked ? Math.min(this.data.height - bars, width + 240) : this.data.height - bars;
    const panelWidth = stacked ? width : (width - (count - 1) * 24) / count;
    const notes = narrow ? NOTES.belowNarrow : NOTES.below;
    const title = this.panels.some((_, p) => this.model.panels[p].title) ? 24 : 0;
    const height = panelHeight - title - (beside ? 0 : notes);
    const room = beside ? 6 : panelWidth < 420 ? 3 : 4;
    this.frameElement.style.height = `${bars + (stacked ? 2 * panelHeight + 16 : panelHeight)}px`;
    if (narrow) this.frameElement.append(this.toolbar);
    else this.bar.append(this.toolbar);
    this.frameElement.classList.toggle("stacked", stacked);
    this.frameElement.classList.toggle("beside", beside);
    this.panels.forEach((panel, p) => {
      const roomWidth = panelWidth - (beside ? NOTES.beside + 28 : 0);
      const need = panel.need(this.model.panels[p].stages, roomWidth, height);
      panel.element.style.height = `${panelHeight}px`;
      panel.resize(Math.ceil(beside ? need.width : roomWidth), Math.ceil(Math.min(height, need.height)), { room, beside });
    });
    this.showAll();
  }

  showAll(moving = false) {
    const cell = this.hover ?? this.pin;
    this.panels.forEach((panel, p) => {
      const limits = this.model.limits(this.step);
      const view = { frame: this.frame, cell, pinned: !this.hover && !!this.pin, limits };
      panel.show(this.model.stage(p, this.step), view, moving);
    });
    [...this.steps.children].forEach((button, i) => {
      if (i === this.step) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
  }

  /** Another frame while the slider moves. */
  swap(frame) {
    this.frame = frame;
    for (const panel of this.panels) panel.swap(frame);
  }

  goTo(step) {
    const next = Math.max(0, Math.min(this.model.count - 1, step));
    if (next === this.step) return;
    this.step = next;
    this.showAll(true);
    this.echo.step.note(next);
    this.send("stage", next);
  }

  /** @param {import("./model.js").Cell|null} cell */
  point(cell) {
    if (cell?.row === this.hover?.row && cell?.col === this.hover?.col) return;
    this.hover = cell;
    this.light();
  }

  light() {
    const cell = this.hover ?? this.pin;
    const same = !!cell && cell.row === this.pin?.row && cell.col === this.pin?.col;
    for (const panel of this.panels) panel.point(cell, same);
  }

  /** Pin a cell; the pinned cell again lets it go. @param {import("./model.js").Cell} cell */
  press(cell) {
    const same = cell.row === this.pin?.row && cell.col === this.pin?.col;
    this.setPin(same ? null : cell);
  }

  setPin(cell) {
    this.pin = cell;
    this.light();
    const value = cell && [cell.row, cell.col];
    this.echo.pin.note(value);
    this.send("pin", value);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { t, s } = this.model.stage(0, this.step);
    const { row, col } = this.hover ?? this.pin ?? { row: 0, col: 0 };
    const fresh = !this.hover && !this.pin;
    const moves = {
      ArrowUp: [row - 1, col],
      ArrowDown: [row + 1, col],
      ArrowLeft: [row, col - 1],
      ArrowRight: [row, col + 1],
      Home: [row, 0],
      End: [row, s - 1],
      PageUp: [row - 8, col],
      PageDown: [row + 8, col],
    };
    if (event.key in moves) {
      const [r, c] = fresh ? [0, 0] : moves[event.key];
      this.point({ row: Math.max(0, Math.min(t - 1, r)), col: Math.max(0, Math.min(s - 1, c)) });
    } else if (event.key === "Enter" || event.key === " ") {
      this.press({ row, col });
    } else if (event.key === "Escape") {
      this.hover = null;
      if (this.pin) this.setPin(null);
      else this.light();
    } else if (event.key === "[" || event.key === "]") {
      this.goTo(this.step + (event.key === "]" ? 1 : -1));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.speak();
  }

  /** Say the cell to screen readers, once the keys rest. */
  speak() {
    window.clearTimeout(this.speaking);
    this.speaking = window.setTimeout(() => {
      const cell = this.hover ?? this.pin;
      this.spoken.textContent = cell ? this.panels.map((panel) => panel.spoken(cell)).join(" ") : this.say("hint");
    }, 150);
  }
}

export default browserComponent(style, (place) => new Inspector(place));
