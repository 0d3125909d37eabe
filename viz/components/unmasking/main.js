/**
 * Texts that are filled in step by step. See __init__.py for what Python sends. State sent to the server: "scrub" when the
 * slider is let go, "masked" when places of the first lane have been masked or restored.
 */
import { gradient, luminance, ramp, rampIndex, rgb } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { Film } from "../kit/film.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { Player } from "../kit/player.js";
import { scene, table } from "./export.js";
import { Row } from "./lane.js";
import { Lens } from "./lens.js";
import { Model } from "./model.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const NARROW = 600;
/** Sizes of the boxes, as main.css has them, from large to small. */
const SIZES = ["large", "middle", "small"];
/** A strip's height, the more of them the lower. */
const STRIP = [0, 54, 40, 30, 24];
const pace = (count) => Math.max(60, Math.min(500, 7000 / count));

class Unmasking extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("unmasking", place);
    /** Places of the first lane that the visitor has masked. @type {Set<number>} */
    this.yours = new Set();
    /** What is pointed at. @type {{row: number, place: number}|null} */
    this.at = null;
    /** While the mouse is pressed: whether the places it passes are masked or restored. @type {boolean|null} */
    this.painting = null;
    this.ordered = true;
    this.echo = { masked: new Echo(), order: new Echo() };
    this.player = new Player({ show: () => this.draw(), release: (index) => this.send("scrub", index), pace });
    this.film = new Film(this.player.scrubber);
    this.lens = new Lens();
    this.legend = make("div", { class: "legend" });
    this.switch = make("button", { type: "button", class: "order", onclick: () => this.setOrder(!this.ordered) });
    this.hint = make("div", { class: "hint" });
    this.lanes = make("div", { class: "lanes" });
    /** @type {Row[]} */
    this.rows = [];
    this.frame.append(
      make("div", { class: "top" }, [this.legend, make("div", { class: "right" }, [this.switch, this.tools])]),
      this.lanes,
      this.hint,
      this.film.element,
      this.lens.element,
      this.spoken,
    );
    this.released = () => this.settle();
    window.addEventListener("pointerup", this.released);
    window.addEventListener("pointercancel", this.released);
  }

  destroy() {
    super.destroy();
    window.removeEventListener("pointerup", this.released);
    window.removeEventListener("pointercancel", this.released);
    this.player.stop();
  }

  get index() {
    return this.player.index;
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.model = new Model(data);
    const { lanes } = this.model;
    this.clickable = data.masked !== null;
    if (this.echo.masked.isNews(data.masked)) this.yours = new Set(data.masked ?? []);
    if (this.echo.order.isNews(data.order)) this.ordered = data.order;
    this.at = null;
    while (this.rows.length < lanes.length) this.rows.push(this.makeRow(this.rows.length));
    for (const { element } of this.rows.splice(lanes.length)) element.remove();
    this.rows.forEach((row, l) => row.update(lanes[l], this.clickable && !l, this.say));
    this.hint.textContent = this.say(this.clickable ? "unmasking_hint_click" : "unmasking_hint");
    this.switch.textContent = this.say("unmasking_order");
    this.switch.title = this.say("unmasking_order_help");
    this.switch.hidden = !(data.order && this.model.fills);
    const plays = Boolean(data.scrub) && this.model.frames > 1;
    this.player.update({ ...data, scrub: plays ? data.scrub : null }, this.model.frames, this.say);
    this.player.stand(this.film.element);
    const strips = lanes.filter(({ frames }) => frames > 1);
    const high = STRIP[strips.length];
    const strip = (lane) => ({ title: lane.title, high, paint: (pen, width) => this.paintStrip(lane, pen, width, high) });
    this.film.update(plays ? strips.map(strip) : [], this.model.frames, plays);
    const name = () => (this.model.frames > 1 ? `${data.name}-${this.step(this.index)}` : data.name);
    this.offer(() => scene(this), () => table(this), name);
    this.restyle();
  }

  makeRow(l) {
    const row = new Row({
      point: (place) => this.point(place === null ? null : { row: l, place }),
      grab: (place) => this.grab(l, place),
      drag: (place) => this.drag(l, place),
      tap: (place) => this.toggle(l, place),
      key: (place, event) => this.key(l, place, event),
    });
    this.lanes.append(row.element);
    return row;
  }

  /** How a frame is called: the slider's value there. @param {number} frame */
  step(frame) {
    return String(this.data.scrub?.values[frame] ?? frame);
  }

  dress() {
    const { palette, dark } = this.theme;
    this.colours = ramp(palette.probability);
    this.inks = Array.from({ length: 256 }, (_, i) => (luminance([...this.colours.slice(3 * i, 3 * i + 3)]) > 0.179 ? "#000000" : "#ffffff"));
    const { style } = this.frame;
    style.setProperty("--masked-back", palette.masked.back);
    style.setProperty("--masked-line", palette.masked.line);
    style.setProperty("--removed", dark ? "#ff8d9a" : "#b8283c");
    style.setProperty("--share", palette.probability[5]);
    for (const row of this.rows) for (const box of row.boxes) box.was = "";
    this.legend.replaceChildren(...this.keys());
  }

  /** What the marks mean. @returns {Node[]} */
  keys() {
    const { model, say, theme } = this;
    const found = [[make("i", { class: "sign masked" }), say("unmasking_key_masked")]];
    if (model.fills) found.push([make("i", { class: "sign new" }), say("unmasking_key_new")]);
    if (model.removes) found.push([make("i", { class: "sign removed" }), say("unmasking_key_removed")]);
    const keys = found.map(([mark, text]) => make("span", { class: "key" }, [mark, make("span", { text })]));
    if (model.weighs) {
      const bar = make("i", { class: "ramp", style: `background: ${gradient(theme.palette.probability)}` });
      keys.push(make("span", { class: "key" }, [make("span", { text: "0" }), bar, make("span", { text: `1 ${say("unmasking_key_weight")}` })]));
    }
    return keys;
  }

  /** The largest boxes with which everything fits; if none do, the picture grows. */
  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width || !this.colours) return;
    const narrow = width < NARROW;
    this.frame.classList.toggle("narrow", narrow);
    this.player.scrubber.element.classList.toggle("stacked", narrow);
    this.frame.style.minHeight = "0";
    for (const row of this.rows) row.measure(this.theme.font);
    this.draw();
    for (const size of narrow ? SIZES.slice(1) : SIZES) {
      this.frame.dataset.size = size;
      if (this.frame.offsetHeight <= this.data.height) break;
    }
    this.frame.style.minHeight = `${this.data.height}px`;
    if (!this.film.element.hidden) {
      const track = this.player.scrubber.range.getBoundingClientRect();
      this.film.arrange(track.left - this.film.element.getBoundingClientRect().left, track.width);
      this.film.show(this.index);
    }
  }

  draw() {
    if (!this.colours) return;
    const step = (frame) => this.step(frame);
    this.rows.forEach((row) => row.show(this.index, this.colours, this.inks, this.yours, step));
    this.frame.classList.toggle("ordered", this.ordered);
    this.switch.setAttribute("aria-pressed", String(this.ordered));
    if (!this.film.element.hidden) this.film.show(this.index);
    this.showLens();
    if (this.model.frames > 1) this.speak(() => this.sentence());
  }

  sentence() {
    const { data, index, model, say } = this;
    const when = data.scrub ? `${data.scrub.label} ${this.step(index)}.` : "";
    const lanes = model.lanes.map((lane) => `${say("unmasking_state", { title: lane.title, n: lane.open(index), of: lane.count })} ${lane.note(index)}`);
    return [when, ...lanes].join(" ").trim();
  }

  /** Places that were not given from top to bottom, frames across: what is masked is grey, what is filled has its
   * probability's colour. */
  paintStrip(lane, pen, width, high) {
    const every = Array.from({ length: lane.count }, (_, place) => place);
    const free = every.filter((place) => !lane.fixed[place]);
    const places = free.length ? free : every;
    const image = new ImageData(lane.frames, places.length);
    const { palette } = this.theme;
    const [open, plain] = [rgb(palette.masked.line), rgb(palette.probability[4])];
    places.forEach((place, row) => {
      for (let frame = 0; frame < lane.frames; frame++) {
        const share = lane.share(frame, place);
        const masked = lane.masked(frame, place);
        const level = 3 * rampIndex(share ?? 0, 0, 1);
        const colour = masked ? open : share === null ? plain : this.colours.slice(level, level + 3);
        image.data.set([...colour, masked ? 110 : 255], 4 * (row * lane.frames + frame));
      }
    });
    const canvas = make("canvas", { width: lane.frames, height: places.length });
    canvas.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = places.length > 2 * high;
    pen.drawImage(canvas, 0, 0, width, high);
  }

  point(at) {
    this.at = at;
    this.showLens();
  }

  showLens() {
    const { at } = this;
    if (!at || this.painting !== null) return this.lens.hide();
    const asked = this.clickable && !at.row && this.yours.has(at.place);
    this.lens.show(this.rows[at.row], at.place, this.index, (frame) => this.step(frame), asked, this.frame);
  }

  setOrder(on) {
    this.ordered = on;
    this.arrange();
    this.draw();
  }

  /** A place of the first lane is masked, or restored. */
  grab(row, place) {
    if (!this.clickable || row) return;
    this.painting = !this.yours.has(place);
    this.before = [...this.yours].sort((a, b) => a - b).join();
    this.drag(row, place);
  }

  drag(row, place) {
    if (this.painting === null || row) return;
    if (this.painting) this.yours.add(place);
    else this.yours.delete(place);
    this.draw();
  }

  settle() {
    if (this.painting === null) return;
    this.painting = null;
    const masked = [...this.yours].sort((a, b) => a - b);
    if (masked.join() === this.before) return;
    this.echo.masked.note(masked);
    this.send("masked", masked);
  }

  toggle(row, place) {
    this.grab(row, place);
    this.settle();
    this.showLens();
  }

  /** @param {number} row @param {number} place @param {KeyboardEvent} event */
  key(row, place, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = this.rows[row];
    const last = here.boxes.length - 1;
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) here.focus(Math.max(0, Math.min(last, to)));
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") here.focus(this.beside(here, place, event.key === "ArrowUp" ? -1 : 1));
    else if (event.key === "Enter" || event.key === " ") this.toggle(row, place);
    else if (event.key === "Escape") this.point(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The nearest place in the line above or below. */
  beside(row, place, way) {
    const boxes = row.boxes.map(({ element }) => element.getBoundingClientRect());
    const here = boxes[place];
    const middle = (box) => (box.left + box.right) / 2;
    const others = boxes.map((box, i) => ({ i, box })).filter(({ box }) => way * (box.top - here.top) > 2);
    if (!others.length) return place;
    const line = others.reduce((near, { box }) => (way * (box.top - near) < 0 ? box.top : near), others[0].box.top);
    const inLine = others.filter(({ box }) => Math.abs(box.top - line) < 2);
    const away = ({ box }) => Math.abs(middle(box) - middle(here));
    return inLine.reduce((best, one) => (away(one) < away(best) ? one : best)).i;
  }
}

export default browserComponent(style, (place) => new Unmasking(place));
