/**
 * Small multiples: many little matrices to compare at a glance; point at one to enlarge it, click to select it.
 * See __init__.py for what Python sends. State sent to the server: "selected" and "marked", lists of
 * indices.
 */
import { gradient, ramp, readTheme } from "../kit/colour.js";
import { unpack } from "../kit/decode.js";
import { make } from "../kit/dom.js";
import { number } from "../kit/format.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import { table, toScene } from "./export.js";
import { corner, layout } from "./layout.js";
import { paintNames, paintOne } from "./paint.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const BAR = 36;
const ENLARGED = 176;

class Grid {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root, send }) {
    this.root = root;
    this.send = send;
    /** @type {number[]} */
    this.selected = [];
    /** Crossed out. @type {number[]} */
    this.marked = [];
    this.focused = 0;
    this.several = false;
    this.echo = { selected: new Echo(), marked: new Echo() };
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.pen = this.canvas.getContext("2d");
    this.list = make("div", { class: "list", role: "listbox", onkeydown: (event) => this.key(event) });
    this.scroller = make("div", { class: "scroller", onscroll: () => this.later() }, [this.canvas, this.list]);
    this.lens = make("div", { class: "lens", hidden: true, "aria-hidden": "true" });
    this.bar = make("div", { class: "bar" });
    this.frame = make("div", { class: "kit grid" }, [this.bar, this.scroller, this.lens]);
    root.append(this.frame);
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.frame);
    this.fontsCame = () => this.data && this.arrange();
    document.fonts?.addEventListener("loadingdone", this.fontsCame);
  }

  destroy() {
    this.observer.disconnect();
    document.fonts?.removeEventListener("loadingdone", this.fontsCame);
  }

  update(data) {
    this.data = data;
    this.say = speaker(data.ui);
    const { shape, values } = unpack(data.maps);
    [this.n, this.m] = shape;
    this.values = values;
    this.best = Math.max(1e-9, ...(data.scores ?? []));
    for (const name of /** @type {const} */ (["selected", "marked"])) {
      if (this.echo[name].isNews(data[name])) this[name] = data[name] ?? [];
      this[name] = this[name].filter((i) => i < this.n);
    }
    this.focused = Math.min(this.focused, this.n - 1);
    this.frame.style.height = `${data.height}px`;
    this.scroller.style.height = `${data.height - BAR}px`;
    this.build();
    this.restyle();
  }

  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    this.frame.style.setProperty("--score", this.theme.palette.key);
    this.images = this.picture();
    this.writeBar();
    this.arrange();
  }

  /** All little matrices below each other, one pixel per cell. */
  picture() {
    const colours = ramp(this.theme.palette.probability);
    const image = new ImageData(this.m, this.m * this.n);
    this.values.forEach((value, i) => {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = colours[3 * value + c];
      image.data[4 * i + 3] = 255;
    });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  /** One option per matrix: what a keyboard and a screen reader meet, transparent above the canvas. */
  build() {
    const { data } = this;
    this.list.setAttribute("aria-label", data.alt);
    this.list.setAttribute("aria-multiselectable", String(Boolean(data.multiple)));
    this.options = data.names.map((text, i) =>
      make("div", {
        role: "option",
        class: "option",
        "aria-label": this.fullName(i),
        onclick: (event) => this.press(i, event.shiftKey || event.ctrlKey || event.metaKey || this.several),
        onpointerenter: () => this.enlarge(i),
        onpointerleave: () => this.enlarge(null),
        onfocus: () => this.enlarge(i),
        onblur: () => this.enlarge(null),
      }),
    );
    this.list.replaceChildren(...this.options);
  }

  fullName(i) {
    const { names, scores, score_name } = this.data;
    if (!scores) return names[i];
    return `${names[i]}, ${score_name || this.say("score", { n: "" }).trim()} ${number(scores[i])}`;
  }

  writeBar() {
    const { data, say, theme } = this;
    const { words } = data;
    const several = make("button", {
      type: "button",
      class: "choice",
      "aria-pressed": String(this.several),
      title: words.mark_help ?? say("select_many_help"),
      text: words.mark ?? say("select_many"),
      onclick: () => {
        this.several = !this.several;
        several.setAttribute("aria-pressed", String(this.several));
      },
    });
    this.unmark = make("button", {
      type: "button",
      class: "choice",
      text: words.unmark ?? "×",
      onclick: () => this.setMarked([]),
    });
    const scale = make("span", { class: "scale" }, [
      "0",
      make("i", { style: `background: ${gradient(theme.palette.probability)}` }),
      number(data.largest),
    ]);
    const makers = {
      svg: () => toSvg(toScene(this)),
      png: () => toPng(toScene(this)),
      csv: () => csv(table(this)),
    };
    const score = data.score_name ? [make("span", { class: "score-name", text: data.score_name })] : [];
    const tools = toolbar(makers, () => data.name, say);
    const switches = data.marked ? [several, this.unmark] : data.multiple ? [several] : [];
    this.bar.replaceChildren(...switches, scale, ...score, tools);
  }

  arrange() {
    const width = this.scroller.clientWidth;
    if (!this.data || !width) return;
    const { data, pen } = this;
    pen.font = this.font(400);
    const rowName = Math.max(0, ...(data.rows ?? []).map((text) => pen.measureText(text).width));
    const height = data.height - BAR;
    const { columns } = data;
    this.at = layout({ n: this.n, columns, hasScores: !!data.scores, rowName: Math.ceil(rowName), width, height });
    this.scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * this.scale);
    this.canvas.height = Math.round(height * this.scale);
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px`, marginBottom: `${-height}px` });
    Object.assign(this.list.style, { width: `${this.at.width}px`, height: `${this.at.height}px` });
    this.options.forEach((option, i) => {
      const { x, y } = corner(this.at, i);
      const below = this.at.stepY - this.at.cell > 8 ? this.at.stepY - this.at.cell - 8 : 0;
      Object.assign(option.style, {
        left: `${x}px`,
        top: `${y}px`,
        width: `${this.at.cell}px`,
        height: `${this.at.cell + below}px`,
      });
    });
    this.mark();
  }

  font(weight) {
    return `${weight} 12px ${this.theme.font}`;
  }

  /** Selection as the options say it. */
  mark() {
    this.options.forEach((option, i) => {
      option.setAttribute("aria-selected", String(this.selected.includes(i)));
      option.tabIndex = i === this.focused ? 0 : -1;
    });
    this.unmark.hidden = this.marked.length === 0;
    this.paint();
  }

  later() {
    this.request ??= requestAnimationFrame(() => {
      this.request = null;
      this.paint();
    });
  }

  /** Only what the box shows now. */
  paint() {
    const { pen, at, theme, data, scale } = this;
    const { scrollTop: top, scrollLeft: left } = this.scroller;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.translate(-left, -top);
    const first = Math.max(0, Math.floor((top - at.top) / at.stepY) * at.columns);
    const last = Math.min(this.n, (Math.ceil((top + data.height - at.top) / at.stepY) + 1) * at.columns);
    for (let i = first; i < last; i++) paintOne(this, i);
    if (data.columns) paintNames(this, left, top);
  }

  /** A larger copy beside the matrix under the pointer. @param {number|null} i */
  enlarge(i) {
    this.lens.hidden = i === null;
    if (i === null) return;
    const { m, at } = this;
    const canvas = make("canvas");
    [canvas.width, canvas.height] = [m, m];
    canvas.getContext("2d").drawImage(this.images, 0, i * m, m, m, 0, 0, m, m);
    const score = this.data.scores ? [make("div", { text: `${this.data.score_name} ${number(this.data.scores[i])}`.trim() })] : [];
    this.lens.replaceChildren(canvas, make("strong", { text: this.data.names[i] }), ...score);
    const { x, y } = corner(at, i);
    const size = { w: ENLARGED + 20, h: ENLARGED + 72 };
    const right = x - this.scroller.scrollLeft + at.cell + 12;
    const free = this.frame.clientWidth - at.width > size.w + 12; // beside the table it covers nothing
    const other = Math.max(0, x - this.scroller.scrollLeft - size.w - 12);
    const left = free ? at.width + 16 : right + size.w < this.frame.clientWidth ? right : other;
    const top = free ? BAR + at.top : BAR + y - this.scroller.scrollTop;
    Object.assign(this.lens.style, {
      left: `${left}px`,
      top: `${Math.max(0, Math.min(this.data.height - size.h, top))}px`,
    });
  }

  /** @param {number} i @param {boolean} add to the selection instead of replacing it; or cross out, or bring back */
  press(i, add) {
    this.focused = i;
    const toggled = (list) => (list.includes(i) ? list.filter((k) => k !== i) : [...list, i]);
    if (add && this.data.marked) return this.setMarked(toggled(this.marked));
    this.selected = add && this.data.multiple ? toggled(this.selected) : [i];
    this.mark();
    this.echo.selected.note(this.selected);
    this.send("selected", this.selected);
  }

  /** @param {number[]} marked */
  setMarked(marked) {
    this.marked = marked;
    this.mark();
    this.echo.marked.note(marked);
    this.send("marked", marked);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { columns } = this.at;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -this.n, End: this.n };
    if (event.key in moves && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const to = this.focused + moves[event.key];
      const vertical = event.key === "ArrowUp" || event.key === "ArrowDown";
      if (!vertical || (to >= 0 && to < this.n)) this.focused = Math.max(0, Math.min(this.n - 1, to));
      this.mark();
      this.options[this.focused].focus();
    } else if (event.key === "Enter" || event.key === " ") {
      this.press(this.focused, event.shiftKey || event.ctrlKey || event.metaKey || this.several);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

export default browserComponent(style, (place) => new Grid(place));
