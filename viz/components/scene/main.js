/**
 * A picture on which objects are put and moved, by hand or by keyboard. See __init__.py for what Python sends. State sent to
 * the server: "scene", the new text.
 */
import { make } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { picture, rows } from "./export.js";
import { outline, write } from "./shapes.js";
import { Tools } from "./tools.js";

const style = await sheet(new URL("./main.css", import.meta.url));

/** Arrow keys are reported once they rest this long. */
const REST_MS = 450;
/** With less room the tools stand below the picture. */
const BESIDE = 520;
const LEAST = 170;
/** On a phone the picture is what the finger needs. */
const PHONE = { screen: 600, least: 290 };
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const inside = (value) => Math.max(0, Math.min(100, value));
const tidy = Math.round;

class Scene extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("scene", place);
    this.ground = "";
    /** @type {import("./shapes.js").Thing[]} */
    this.things = [];
    /** @type {number|null} */
    this.chosen = null;
    /** What a click on the ground puts down; the chosen object is made of the same. */
    this.pen = null;
    /** @type {{thing: number, x: number, y: number, moved: boolean}|null} */
    this.drag = null;
    this.echo = new Echo();
    this.timer = 0;
    this.info = make("span", { class: "info" });
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.brush = this.canvas.getContext("2d");
    this.list = make("div", { class: "list" });
    this.ring = make("i", { class: "ring", hidden: true });
    this.pad = make("div", { class: "pad", role: "application", tabindex: "0" }, [this.canvas, this.list, this.ring]);
    this.tray = new Tools({
      choose: (part, id) => this.choose(part, id),
      ground: (id) => this.paintGround(id),
      move: (axis, value, done) => this.slide(axis, value, done),
      add: () => this.addSomewhere(),
      remove: () => this.remove(),
    });
    this.main = make("div", { class: "main" }, [this.pad, this.tray.element]);
    this.frame.append(make("div", { class: "top" }, [this.info, this.tools]), this.main, this.spoken);
    this.listen();
  }

  destroy() {
    super.destroy();
    window.clearTimeout(this.timer);
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.pen ??= { shape: data.shapes[0].id, colour: (data.colours[1] ?? data.colours[0]).id, size: data.sizes[data.sizes.length - 1].id };
    for (const [part, list] of [["shape", data.shapes], ["colour", data.colours], ["size", data.sizes]]) {
      if (!list.some(({ id }) => id === this.pen[part])) this.pen[part] = list[0].id;
    }
    if (this.echo.isNews([data.ground, data.text]) && !this.drag && !this.timer) this.adopt(data);
    this.pad.setAttribute("aria-label", this.say("scene_pad"));
    this.pad.setAttribute("aria-description", this.say("scene_keys"));
    this.tray.update(data, this.say);
    this.offer(() => picture(this), () => rows(this), () => data.name);
    this.restyle();
  }

  /** What the server says. */
  adopt(data) {
    this.ground = data.ground;
    this.things = data.things.map((thing) => ({ ...thing }));
    this.reported = write(this.ground, this.things);
    const last = this.things.length - 1; // something is always chosen at first, so that the tools change something
    if (!this.known || (this.chosen !== null && this.chosen > last)) this.chosen = last < 0 ? null : last;
    this.known = true;
    this.refill();
  }

  /** The pen is made of what the chosen object is made of. */
  refill() {
    if (this.chosen === null) return;
    const { shape, colour, size } = this.things[this.chosen];
    this.pen = { shape, colour, size };
  }

  css(colour) {
    return this.data.colours.find(({ id }) => id === colour).css;
  }

  label(part, id) {
    return this.data[`${part}s`].find((one) => one.id === id).label;
  }

  radius(thing) {
    return this.data.sizes.find(({ id }) => id === thing.size).radius * this.side;
  }

  /** Centre and radius in pixels of the picture. @returns {[number, number, number]} */
  at(thing) {
    return [(thing.x / 100) * this.side, (thing.y / 100) * this.side, this.radius(thing)];
  }

  called(thing) {
    const parts = Object.fromEntries(["shape", "colour", "size"].map((part) => [part, this.label(part, thing[part])]));
    return this.say("scene_thing", { ...parts, x: Math.round(thing.x), y: Math.round(thing.y) });
  }

  // --- room -----------------------------------------------------------------------------------------------------

  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const beside = width >= BESIDE;
    this.frame.classList.toggle("beside", beside);
    const top = this.main.getBoundingClientRect().top - this.frame.getBoundingClientRect().top;
    const below = beside ? 0 : this.tray.element.offsetHeight + 8;
    const free = this.data.height - top - below - 4;
    const side = Math.min(beside ? width - 250 : width - 8, Math.max(window.innerWidth < PHONE.screen ? PHONE.least : LEAST, free));
    this.side = Math.floor(side);
    this.frame.style.setProperty("--side", `${this.side}px`);
    const scale = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(this.side * scale), height: Math.round(this.side * scale) });
    this.scale = this.canvas.width / this.side;
    this.draw();
  }

  draw() {
    if (!this.side) return;
    const { brush, scale, side, things, chosen, data, say } = this;
    brush.setTransform(scale, 0, 0, scale, 0, 0);
    brush.fillStyle = this.css(this.ground);
    brush.fillRect(0, 0, side, side);
    for (const thing of things) {
      brush.fillStyle = this.css(thing.colour);
      brush.fill(new Path2D(outline(thing.shape, ...this.at(thing))));
    }
    while (this.list.children.length < things.length) this.list.append(make("div", { class: "hit", role: "img" }));
    while (this.list.children.length > things.length) this.list.lastChild.remove();
    things.forEach((thing, k) => {
      const [x, y, radius] = this.at(thing);
      const hit = this.list.children[k];
      hit.setAttribute("aria-label", `${say("scene_nth", { n: k + 1, of: things.length })}: ${this.called(thing)}`);
      Object.assign(hit.style, { left: `${x - radius}px`, top: `${y - radius}px`, width: `${2 * radius}px`, height: `${2 * radius}px` });
    });
    const thing = chosen === null ? null : things[chosen];
    this.ring.hidden = !thing;
    if (thing) {
      const [x, y, radius] = this.at(thing);
      const r = radius + 5;
      Object.assign(this.ring.style, { left: `${x - r}px`, top: `${y - r}px`, width: `${2 * r}px`, height: `${2 * r}px` });
    }
    this.tray.show(this.pen, this.ground, thing, things.length >= data.most);
    this.info.textContent = thing ? this.called(thing) : say(things.length >= data.most ? "scene_full" : "scene_hint", { most: data.most });
    this.info.title = this.info.textContent;
  }

  // --- the hand -------------------------------------------------------------------------------------------------

  listen() {
    const { pad } = this;
    pad.addEventListener("pointerdown", (event) => {
      if (event.button || !this.data) return;
      const [x, y] = this.place(event);
      const thing = this.pick(x, y);
      this.drag = null;
      if (thing === null) return;
      pad.setPointerCapture(event.pointerId);
      this.drag = { thing, x: x - this.things[thing].x, y: y - this.things[thing].y, moved: false };
      this.select(thing);
    });
    pad.addEventListener("pointermove", (event) => {
      if (!this.drag || !pad.hasPointerCapture(event.pointerId)) return;
      const [x, y] = this.place(event);
      const thing = this.things[this.drag.thing];
      this.drag.moved = true;
      Object.assign(thing, { x: tidy(inside(x - this.drag.x)), y: tidy(inside(y - this.drag.y)) });
      this.draw();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      pad.addEventListener(name, () => {
        if (!this.drag?.moved) return;
        this.report();
        this.drag = null;
        this.dragged = true; // the click that follows puts nothing down
      });
    }
    pad.addEventListener("click", (event) => {
      const skip = this.dragged || this.drag;
      this.dragged = false;
      this.drag = null;
      if (skip) return;
      const [x, y] = this.place(event);
      if (this.pick(x, y) === null) this.put(x, y);
    });
    pad.addEventListener("keydown", (event) => this.key(event));
  }

  /** In per cent of the edges. @returns {[number, number]} */
  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [(100 * (clientX - box.left)) / box.width, (100 * (clientY - box.top)) / box.height];
  }

  /** The object at a place: the uppermost that covers it, or else one whose circle it lies in. @returns {number|null} */
  pick(x, y) {
    const [px, py] = [(x / 100) * this.side, (y / 100) * this.side];
    const found = (test) => this.things.findLastIndex((thing) => test(thing));
    this.brush.setTransform(1, 0, 0, 1, 0, 0);
    const covers = found((thing) => this.brush.isPointInPath(new Path2D(outline(thing.shape, ...this.at(thing))), px, py));
    const near = covers >= 0 ? covers : found((thing) => Math.hypot(this.at(thing)[0] - px, this.at(thing)[1] - py) < this.at(thing)[2]);
    return near >= 0 ? near : null;
  }

  // --- what can be done -----------------------------------------------------------------------------------------

  select(thing) {
    this.chosen = thing;
    this.refill();
    this.draw();
    this.tell();
  }

  put(x, y) {
    if (this.things.length >= this.data.most) {
      this.chosen = null;
      this.draw();
      return this.tell();
    }
    this.things.push({ ...this.pen, x: tidy(inside(x)), y: tidy(inside(y)) });
    this.select(this.things.length - 1);
    this.report();
  }

  /** Where there is most room. */
  addSomewhere() {
    const grid = [20, 35, 50, 65, 80].flatMap((y) => [20, 35, 50, 65, 80].map((x) => [x, y]));
    const room = ([x, y]) => Math.min(60, ...this.things.map((thing) => Math.hypot(thing.x - x, thing.y - y)));
    const best = grid.reduce((a, b) => (room(b) - Math.hypot(b[0] - 50, b[1] - 50) / 50 > room(a) - Math.hypot(a[0] - 50, a[1] - 50) / 50 ? b : a));
    this.put(...best);
  }

  remove() {
    if (this.chosen === null) return;
    this.things.splice(this.chosen, 1);
    this.chosen = null;
    this.draw();
    this.tell();
    this.report();
  }

  choose(part, id) {
    this.pen = { ...this.pen, [part]: id };
    const thing = this.chosen === null ? null : this.things[this.chosen];
    if (thing) thing[part] = id;
    this.draw();
    this.tell();
    if (thing) this.report();
  }

  paintGround(id) {
    this.ground = id;
    this.draw();
    this.report();
  }

  slide(axis, value, done) {
    const thing = this.things[this.chosen ?? -1];
    if (!thing) return;
    if (Math.round(thing[axis]) !== value) thing[axis] = value;
    this.draw();
    if (done) this.report();
  }

  /** Tell the server, if there is news. */
  report() {
    window.clearTimeout(this.timer);
    this.timer = 0;
    const text = write(this.ground, this.things);
    if (text === this.reported) return;
    this.reported = text;
    this.echo.note([this.ground, text]);
    this.send("scene", text);
  }

  tell() {
    this.speak(() => this.info.textContent);
  }

  // --- the keyboard ---------------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { things, chosen } = this;
    const next = (by) => things.length && this.select(((chosen ?? (by > 0 ? -1 : 0)) + by + things.length) % things.length);
    const does = {
      PageDown: () => next(1),
      PageUp: () => next(-1),
      Enter: () => this.addSomewhere(),
      Delete: () => this.remove(),
      Backspace: () => this.remove(),
      Escape: () => this.select(null),
    }[event.key];
    const arrow = ARROWS[event.key];
    if (!does && !arrow) return;
    event.preventDefault();
    event.stopPropagation();
    if (does) does();
    else if (chosen === null) next(1);
    else this.step(things[chosen], ...arrow.map((one) => one * (event.shiftKey ? 5 : 1)));
  }

  step(thing, dx, dy) {
    Object.assign(thing, { x: inside(Math.round(thing.x) + dx), y: inside(Math.round(thing.y) + dy) });
    this.draw();
    this.tell();
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.report(), REST_MS);
  }
}

export default browserComponent(style, (place) => new Scene(place));
