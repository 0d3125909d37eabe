/**
 * One panel: a matrix with its title, legend and the sentence that explains the cell under the pointer.
 *
 * @typedef {import("./model.js").Cell} Cell
 * @typedef {import("./model.js").Stage} Stage
 * @typedef {{frame: number, cell: Cell|null, pinned: boolean, limits: [number, number]}} View what to show of a stage
 */
import { gradient } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { number, shorten, visible } from "../kit/format.js";
import { explain, plain } from "./explain.js";
import { cellAt, layout } from "./layout.js";
import { Painter, pixels, stageRamp } from "./paint.js";
import { profile } from "./profile.js";

const TRANSITION_MS = 140;
const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Panel {
  /**
   * @param {object} wiring
   * @param {(cell: Cell|null) => void} wiring.point @param {(cell: Cell) => void} wiring.press
   * @param {(event: KeyboardEvent) => void} wiring.key @param {() => void} wiring.blur
   */
  constructor({ point, press, key, blur }) {
    this.title = make("div", { class: "panel-title" });
    this.base = make("canvas", { "aria-hidden": "true" });
    this.top = make("canvas", {
      class: "top",
      tabindex: 0,
      role: "application",
      onpointermove: (event) => point(this.cellUnder(event)),
      onpointerleave: () => point(null),
      onclick: (event) => {
        const cell = this.cellUnder(event);
        if (cell) press(cell);
      },
      onkeydown: key,
      onblur: blur,
    });
    this.picture = make("div", { class: "picture" }, [this.base, this.top]);
    this.legend = make("div", { class: "legend" });
    this.readout = make("div", { class: "readout" });
    this.profile = make("div", { class: "profile" }); // shown where there is room at the side
    this.notes = make("div", { class: "notes" }, [this.legend, this.readout, this.profile]);
    this.element = make("section", { class: "panel" }, [this.title, this.picture, this.notes]);
    this.painter = new Painter(this.base, this.top);
    this.animation = 0;
    this.room = 4;
  }

  /** @param {PointerEvent|MouseEvent} event */
  cellUnder(event) {
    if (!this.at) return null;
    const box = this.top.getBoundingClientRect();
    return cellAt(this.at, this.stage.t, this.stage.s, event.clientX - box.left, event.clientY - box.top);
  }

  /** Words and theme. @param {import("../kit/colour.js").Theme} theme */
  dress(theme, say, words) {
    [this.theme, this.say, this.words] = [theme, say, words];
    this.painter.dress(theme);
  }

  /** How the stage would lie on a canvas of this size. @param {Stage} stage */
  plan(stage, width, height) {
    return layout({
      width,
      height,
      t: stage.t,
      s: stage.s,
      rowLabel: this.painter.widest(stage.rows),
      colLabel: this.painter.widest(stage.cols),
      grain: 1 / (window.devicePixelRatio || 1),
    });
  }

  /** Room that these stages need of what there is, the same for all so that a step moves nothing. @param {Stage[]} stages */
  need(stages, width, height) {
    const plans = stages.map((stage) => this.plan(stage, width, height));
    return {
      width: Math.max(...plans.map((plan) => plan.usedWidth)),
      height: Math.max(...plans.map((plan) => plan.usedHeight)),
    };
  }

  /** @param {number} width @param {number} height of the canvas @param {{room: number, beside: boolean}} notes room:
   * products that fit in the sentence; beside: the notes stand at the side */
  resize(width, height, { room, beside }) {
    [this.room, this.beside] = [room, beside];
    this.painter.resize(width, height);
    this.painter.dress(this.theme); // the hatch depends on the pixel ratio
  }

  /**
   * Draw a stage from nothing. @param {Stage} stage @param {View} view
   * @param {boolean} [moving] fade from the stage shown before
   */
  show(stage, view, moving = false) {
    const before = this.stage;
    const from = moving && before && !stillness.matches && before.t === stage.t && before.s === stage.s ? this.last : null;
    cancelAnimationFrame(this.animation);
    this.stage = stage;
    this.view = view;
    this.at = this.plan(stage, this.painter.width, this.painter.height);
    this.painter.paintAll(stage, view.frame, view.limits, this.at);
    if (from) this.fade(from);
    this.remember();
    this.writeLegend();
    this.point(view.cell, view.pinned);
  }

  /** Another frame of the same stage: only the cells are painted. */
  swap(frame) {
    cancelAnimationFrame(this.animation);
    this.view.frame = frame;
    this.painter.paintCells(this.stage, frame, this.view.limits, this.at);
    this.remember();
    this.point(this.view.cell, this.view.pinned);
  }

  /** Keep the pixels a transition to the next stage starts from (made only when it happens). */
  remember() {
    const { stage, theme, view } = this;
    const { frame, limits } = view;
    Object.defineProperty(this, "last", { get: () => pixels(stage, frame, limits, theme), configurable: true });
  }

  /** @param {Uint8ClampedArray} from */
  fade(from) {
    const begin = performance.now();
    const { stage, view, at } = this;
    const step = () => {
      const share = Math.min(1, (performance.now() - begin) / TRANSITION_MS);
      this.painter.paintCells(stage, view.frame, view.limits, at, from, share);
      if (share < 1) this.animation = requestAnimationFrame(step);
    };
    step();
  }

  /** Light a cell, write its computation. @param {Cell|null} cell */
  point(cell, pinned) {
    this.view.cell = cell;
    this.view.pinned = pinned;
    this.painter.paintCross(this.stage, this.at, cell, pinned);
    this.readout.replaceChildren(...(cell ? this.sentence(this.within(cell), pinned) : [this.hint()]));
    this.profile.replaceChildren(...(cell && this.beside ? this.bars(this.within(cell)) : []));
  }

  /** The cell, moved inside where this stage is smaller than the one it was chosen on. @param {Cell} cell */
  within({ row, col }) {
    return { row: Math.min(row, this.stage.t - 1), col: Math.min(col, this.stage.s - 1) };
  }

  hint() {
    return make("p", { class: "hint", text: this.words.hint ?? this.say("hint") });
  }

  /** @param {Cell} cell @returns {Node[]} */
  sentence(cell, pinned) {
    const { stage, view, say } = this;
    const parts = explain(stage, view.frame, cell, { say, room: this.room });
    const name = (text, role, n) =>
      make("span", { class: "name", style: `color: ${this.colour(role)}` }, [
        make("bdi", { text: shorten(visible(text ?? "")) }),
        ...(text === String(n) || text === String(n + 1) ? [] : [make("sub", { text: String(n + 1) })]),
      ]);
    const value = stage.at(view.frame, cell.row, cell.col);
    const shown = stage.scale === "mask" ? say(value ? "visible" : "masked") : number(value);
    return [
      make("div", { class: "cell-head" }, [
        name(stage.rows[cell.row], stage.roles[0], cell.row),
        make("span", { class: "arrow", text: "→", "aria-hidden": "true" }),
        name(stage.cols[cell.col], stage.roles[1], cell.col),
        make("strong", { class: "cell-value", text: shown }),
        ...(pinned ? [make("span", { class: "tag", text: say("pinned") })] : []),
      ]),
      make("p", { class: "formula" }, parts.map((part) => this.span(part))),
    ];
  }

  /** @param {Cell} cell @returns {Node[]} */
  bars(cell) {
    const { stage, view, theme } = this;
    const title = this.say("row_strongest", { row: shorten(visible(stage.rows[cell.row] ?? "")) });
    return profile(stage, view.frame, cell, { limits: view.limits, colours: stageRamp(stage, theme.palette), title });
  }

  colour(role) {
    return this.theme.palette[role] ?? (role === "quiet" ? "var(--quiet)" : "inherit");
  }

  /** @param {import("./explain.js").Part} part */
  span({ text, role, kind }) {
    const style = role ? `color: ${this.colour(role)}` : null;
    return make(kind === "label" ? "bdi" : "span", { class: kind, style, text });
  }

  /** The sentence of a cell without its layout. @param {Cell} cell */
  spoken(cell) {
    const inside = this.within(cell);
    const { stage } = this;
    const where = `${visible(stage.rows[inside.row] ?? "")} → ${visible(stage.cols[inside.col] ?? "")}`;
    return `${where}: ${plain(explain(stage, this.view.frame, inside, { say: this.say, room: this.room }))}`;
  }

  writeLegend() {
    const { stage, say, theme } = this;
    const { palette } = theme;
    const [low, high] = this.view.limits;
    const parts = [];
    const swatch = (background) => make("i", { class: "swatch", style: `background: ${background}` });
    if (stage.scale === "mask") {
      parts.push(make("span", { class: "key" }, [swatch(palette.probability[1]), say("visible")]));
    } else {
      const bar = make("i", { class: "bar", style: `background: ${gradient(palette[stage.scale])}` });
      parts.push(make("span", { class: "key" }, [make("span", { text: number(low) }), bar, make("span", { text: number(high) })]));
    }
    if (stage.hatch(this.view.frame).includes(1)) {
      const { back, line } = palette.masked;
      const stripes = `repeating-linear-gradient(135deg, ${line} 0 1px, ${back} 1px 4.24px)`;
      parts.push(make("span", { class: "key" }, [swatch(stripes), say("masked")]));
    }
    const [rows, cols] = stage.axes ?? [this.words.rows, this.words.cols];
    const axis = (id, arrow, text, role) =>
      make("span", { class: "key", title: say(id) }, [make("b", { style: `color: ${this.colour(role)}`, text: `${text} ${arrow}` })]);
    if (rows) parts.push(axis("rows_are", "↓", rows, stage.roles[0]));
    if (cols) parts.push(axis("columns_are", "→", cols, stage.roles[1]));
    this.legend.replaceChildren(...parts);
  }
}
