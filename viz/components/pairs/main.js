/**
 * Pictures against texts: a table of how well each fits each, as frames. See __init__.py for what Python sends.
 * State sent to the server: "scrub" when the slider is let go, "chosen" after a click.
 */
import { gradient } from "../kit/colour.js";
import { make, reserve } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { number } from "../kit/format.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { Player } from "../kit/player.js";
import { rows, scene } from "./export.js";
import { layout, pairAt } from "./layout.js";
import { Model } from "./model.js";
import { Painter } from "./paint.js";
import { Texts } from "./texts.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const NARROW = 600;
const SIDE = 250; // the least that the texts take beside the table
const BETWEEN = 28;
const KINDS = ["share", "similarity"];
/** Milliseconds per frame while it plays: every step deserves a look. */
const pace = (count) => Math.max(70, Math.min(420, 6000 / count));

class Pairs extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("pairs", place);
    /** What a click keeps, and what is pointed at. @type {{row: number, column: number}|null} */
    this.chosen = null;
    /** @type {{row: number|null, column: number|null}|null} */
    this.pointed = null;
    this.which = "share";
    this.echo = { chosen: new Echo(), show: new Echo() };
    this.painter = new Painter();
    this.player = new Player({ show: () => this.draw(), release: (index) => this.send("scrub", index), pace });
    this.switches = KINDS.map((kind) => make("button", { type: "button", onclick: () => this.see(kind) }));
    this.kinds = make("div", { class: "segments", role: "group" }, this.switches);
    this.scale = make("div", { class: "scale", "aria-hidden": "true" });
    this.said = make("p", { class: "said" });
    this.base = make("canvas", { "aria-hidden": "true" });
    this.top = make("canvas", {
      class: "top",
      tabindex: 0,
      role: "application",
      onpointermove: (event) => event.pointerType !== "touch" && this.point(this.under(event)),
      onpointerleave: (event) => event.pointerType !== "touch" && this.point(null),
      onclick: (event) => this.click(this.under(event)),
      onkeydown: (event) => this.key(event),
      onblur: () => this.point(null),
    });
    this.table = make("div", { class: "table" }, [this.base, this.top]);
    this.lens = make("canvas", { class: "lens", "aria-hidden": "true" });
    this.info = make("div", { class: "info" });
    this.texts = new Texts({
      point: (column) => this.point(column === null ? null : { row: null, column }),
      press: (column) => this.choose({ row: this.shown.row ?? 0, column }),
    });
    this.side = make("div", { class: "side" }, [make("div", { class: "pair" }, [this.lens, this.info]), this.texts.element]);
    this.place = make("div", { class: "place" }, [this.table, this.side]);
    this.frame.append(
      make("div", { class: "head" }, [this.kinds, this.scale, this.tools]),
      this.said,
      this.place,
      this.spoken,
    );
  }

  destroy() {
    super.destroy();
    this.player.stop();
  }

  get index() {
    return this.player.index;
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.model = new Model(data);
    this.painter.kept.clear();
    const { n, m } = this.model;
    if (this.echo.show.isNews(data.show)) this.which = data.show;
    if (this.echo.chosen.isNews(data.chosen)) this.chosen = data.chosen && { row: data.chosen[0], column: data.chosen[1] };
    if (this.chosen && (this.chosen.row >= n || this.chosen.column >= m)) this.chosen = null;
    this.pointed = null;
    this.texts.update(data.texts, this.say);
    this.kinds.setAttribute("aria-label", this.say("pairs_kinds"));
    this.switches.forEach((button, i) => (button.textContent = this.say(`pairs_${KINDS[i]}`)));
    this.player.update({ ...data, scrub: this.model.frames > 1 ? data.scrub : null }, this.model.frames, this.say);
    this.player.stand(this.place);
    const name = () => (this.model.frames > 1 ? `${data.name}-${data.scrub?.values[this.index] ?? this.index}` : data.name);
    this.offer(() => scene(this), () => rows(this), name);
    this.top.setAttribute("aria-label", this.say("pairs_table", { n, m }));
    this.top.setAttribute("aria-description", this.say("pairs_keys"));
    this.restyle();
  }

  dress() {
    this.painter.dress(this.theme);
    this.frame.style.setProperty("--heat", this.theme.palette.probability[4]);
  }

  see(kind) {
    this.which = kind;
    this.draw();
  }

  /** Share out the room: what the rows above and below leave is the table's. */
  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width || !this.theme) return;
    const narrow = width < NARROW;
    const { n, m } = this.model;
    this.frame.classList.toggle("narrow", narrow);
    this.player.scrubber.element.classList.toggle("stacked", narrow);
    reserve(this.said, this.data.readout, width);
    this.place.style.height = "";
    const taken = this.frame.getBoundingClientRect().height - this.place.getBoundingClientRect().height;
    const free = narrow ? null : Math.max(140, this.data.height - taken);
    this.at = layout(n, m, narrow ? width - 2 : width - SIDE - BETWEEN, free);
    const scale = (this.ratio = window.devicePixelRatio || 1);
    for (const canvas of [this.base, this.top]) {
      Object.assign(canvas, { width: Math.round(this.at.width * scale), height: Math.round(this.at.height * scale) });
      Object.assign(canvas.style, { width: `${this.at.width}px`, height: `${this.at.height}px` });
    }
    Object.assign(this.table.style, { width: `${this.at.width}px`, height: `${this.at.height}px` });
    this.place.style.height = narrow ? "auto" : `${Math.max(free ?? 0, this.at.height)}px`;
    const side = narrow ? 84 : 112;
    Object.assign(this.lens, { width: Math.round(side * scale), height: Math.round(side * scale) });
    Object.assign(this.lens.style, { width: `${side}px`, height: `${side}px` });
    this.texts.arrange();
    this.draw();
  }

  /** The pair that is read: pointed at, chosen, or the first picture and its text. */
  get shown() {
    const kept = this.chosen ?? { row: 0, column: this.model.partner(this.index, 0) };
    const { pointed } = this;
    if (!pointed) return kept;
    return { row: pointed.row ?? kept.row, column: pointed.column ?? this.model.partner(this.index, pointed.row ?? kept.row) };
  }

  draw() {
    if (!this.at) return;
    const { model, painter, index, which, theme } = this;
    const shapes = [...painter.shapes(model, this.at, which, index), ...painter.rings(model, this.at)];
    painter.draw(this.base.getContext("2d"), shapes, this.ratio);
    const { ramp, low, end } = model.tables[which];
    const strip = make("i", { class: "ramp", style: `background: ${gradient(theme.palette[ramp])}` });
    this.scale.replaceChildren(make("span", { text: number(low, 2) }), strip, make("span", { text: number(end, 2) }));
    this.switches.forEach((button, i) => button.setAttribute("aria-pressed", String(KINDS[i] === which)));
    const { readout } = this.data;
    const text = readout[Math.min(index, readout.length - 1)] ?? "";
    if (this.said.textContent !== text) this.said.textContent = text;
    this.mark();
    if (model.frames > 1) this.speak(() => this.sentence());
  }

  mark() {
    const { model, painter, index, shown } = this;
    painter.point(this.top.getContext("2d"), model, this.at, this.pointed ?? this.chosen, this.ratio);
    const pen = this.lens.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, this.lens.width, this.lens.height);
    pen.drawImage(painter.picture(model, index, shown.row), 0, 0, this.lens.width, this.lens.height);
    this.info.replaceChildren(...this.reading());
    this.texts.show(shown.column, (column) => ({ share: model.value("share", index, shown.row, column) / model.tables.share.end }));
  }

  /** The pair in words. @returns {Node[]} */
  reading() {
    const { model, index, say, shown } = this;
    const row = (label, value) => make("span", { class: "value" }, [make("span", { text: label }), make("b", { text: value })]);
    return [
      make("b", { class: "which", text: say("pairs_pair", { row: shown.row + 1, column: shown.column + 1 }) }),
      make("span", { class: "caption", text: model.texts[shown.column], title: model.texts[shown.column] }),
      row(say("pairs_similarity"), number(model.value("similarity", index, shown.row, shown.column))),
      row(say("pairs_share"), number(model.value("share", index, shown.row, shown.column))),
      make("span", { class: "fit", text: model.right(shown.row, shown.column) ? say("pairs_right") : "" }),
    ];
  }

  sentence() {
    const { data, index, model, say, shown } = this;
    const when = data.scrub ? `${data.scrub.label} ${data.scrub.values[index]}.` : "";
    const [similarity, share] = ["similarity", "share"].map((which) => `${say(`pairs_${which}`)} ${number(model.value(which, index, shown.row, shown.column))}`);
    const fit = model.right(shown.row, shown.column) ? `, ${say("pairs_right")}` : "";
    const pair = `${say("pairs_pair", { row: shown.row + 1, column: shown.column + 1 })}: ${model.texts[shown.column]}, ${similarity}, ${share}${fit}`;
    return [when, this.said.textContent, pair].filter((text) => text).join(" ");
  }

  /** @param {PointerEvent|MouseEvent} event */
  under(event) {
    if (!this.at) return null;
    const box = this.top.getBoundingClientRect();
    return pairAt(this.at, this.model.n, this.model.m, event.clientX - box.left, event.clientY - box.top);
  }

  point(pair) {
    if (JSON.stringify(pair) === JSON.stringify(this.pointed)) return;
    this.pointed = pair;
    if (this.at) this.mark();
  }

  click(pair) {
    if (!pair) return;
    const full = { row: pair.row ?? this.shown.row, column: pair.column ?? this.model.partner(this.index, pair.row ?? 0) };
    this.choose(this.chosen && full.row === this.chosen.row && full.column === this.chosen.column ? null : full);
  }

  choose(pair) {
    const value = pair && [pair.row, pair.column];
    if (JSON.stringify(value) === JSON.stringify(this.chosen && [this.chosen.row, this.chosen.column])) return;
    this.chosen = pair;
    this.mark();
    this.echo.chosen.note(value);
    this.send("chosen", value);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { n, m } = this.model;
    const { row, column } = this.shown;
    const within = (value, size) => Math.max(0, Math.min(size - 1, value));
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -m], End: [0, m], PageUp: [-n, 0], PageDown: [n, 0] }[event.key];
    if (move) this.point(this.pointed || this.chosen ? { row: within(row + move[0], n), column: within(column + move[1], m) } : { row, column });
    else if (event.key === "Enter" || event.key === " ") this.click(this.shown);
    else if (event.key === "Escape") {
      if (this.pointed) this.point(null);
      else this.choose(null);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.speak(() => this.sentence());
  }
}

export default browserComponent(style, (place) => new Pairs(place));
