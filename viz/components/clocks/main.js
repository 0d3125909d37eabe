/**
 * Rotary position embeddings as clocks: one face per pair of dimensions with the query's and the key's hand, and the matrix
 * of all scores beside them. See __init__.py for what Python sends. State sent to the server: "scrubs", the indices of m and
 * n, when both rest.
 */
import { readTheme } from "../kit/colour.js";
import { make, makeSvg } from "../kit/dom.js";
import { announce } from "../kit/follow.js";
import { browserComponent, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { Scrubber } from "../kit/scrubber.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import * as board from "./board.js";
import { rows, scene } from "./export.js";
import * as faces from "./faces.js";
import { Figures } from "./figures.js";
import { Model } from "./model.js";
import { Picker } from "./picker.js";
import { paint } from "./strokes.js";

const style = await sheet(new URL("./main.css", import.meta.url));
const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");

const REST_MS = 400;
/** Milliseconds per position while it plays: slow enough to see the fastest hand turn, and steps apart for who wants no motion. */
const PACE = { moving: 140, still: 700 };
/** Below this width, as in main.css, the parts stand under each other. */
const NARROW = 620;
const TOP = 30;
const SCRUBS = 80;
const READOUT = 50;
const FIGURES = 126;
const LINK = "M6.5 9.5 9.5 6.5M7 4.5 8.7 2.8a3.1 3.1 0 0 1 4.5 4.5L11.5 9M9 11.5 7.3 13.2a3.1 3.1 0 0 1-4.5-4.5L4.5 7";
const newPath = () => new Path2D();

class Clocks {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root, send }) {
    this.root = root;
    this.send = send;
    this.locked = false;
    [this.m, this.n] = [0, 0];
    /** The key position that the next picture is to show, where it differs. @type {number|null} */
    this.next = null;
    const pace = () => (stillness.matches ? PACE.still : PACE.moving);
    const release = () => this.report();
    this.query = new Scrubber({ paint: (m) => this.move(m, null), release, bounds: () => this.bounds("query"), buttons: ["play"], pace });
    this.key = new Scrubber({ paint: (n) => this.move(null, n), release, bounds: () => this.bounds("key"), buttons: [], pace });
    this.query.element.classList.add("of-query");
    this.key.element.classList.add("of-key");
    for (const [one, other] of [[this.query, this.key], [this.key, this.query]]) {
      one.element.addEventListener("pointerdown", (event) => this.take(other, event.target), { capture: true });
      one.element.addEventListener("input", () => other.stop(), { capture: true });
    }
    this.lock = make("button", { type: "button", class: "lock", "aria-pressed": "false", onclick: () => this.toggleLock() });
    this.picker = new Picker({ change: () => this.write() });
    this.figures = new Figures();
    const canvas = () => make("canvas", { "aria-hidden": "true" });
    this.canvases = { dials: canvas(), hands: canvas(), cells: canvas(), marks: canvas() };
    this.pens = Object.fromEntries(Object.entries(this.canvases).map(([name, one]) => [name, one.getContext("2d")]));
    const { dials, hands, cells, marks } = this.canvases;
    marks.removeAttribute("aria-hidden");
    for (const [name, value] of [["role", "application"], ["tabindex", "0"]]) marks.setAttribute(name, value);
    this.faces = make("div", { class: "faces" }, [dials, hands, this.picker.element]);
    this.readout = make("div", { class: "readout" });
    this.board = make("div", { class: "board" }, [cells, marks]);
    this.legend = make("div", { class: "legend" });
    this.tools = make("div", { class: "tools" });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    this.frame = make("div", { class: "kit clocks", role: "figure" }, [
      make("div", { class: "top" }, [this.legend, this.tools]),
      make("div", { class: "body" }, [
        make("div", { class: "left" }, [this.faces, this.readout]),
        make("div", { class: "right" }, [this.figures.element, this.board]),
      ]),
      make("div", { class: "scrubs" }, [this.query.element, this.key.element, this.lock]),
      this.spoken,
    ]);
    root.append(this.frame);
    this.listen(marks);
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.frame);
    this.fontsCame = () => this.data && this.arrange();
    document.fonts?.addEventListener("loadingdone", this.fontsCame);
  }

  destroy() {
    document.fonts?.removeEventListener("loadingdone", this.fontsCame);
    this.observer.disconnect();
    for (const scrubber of [this.query, this.key]) scrubber.stop();
    window.clearTimeout(this.speaking);
  }

  /** The matrix takes the pointer and the arrow keys. @param {HTMLCanvasElement} canvas */
  listen(canvas) {
    const drag = (event) => {
      const box = canvas.getBoundingClientRect();
      const { m, n } = board.cellAt(this.at.board, this.model.count, event.clientX - box.left, event.clientY - box.top);
      this.goTo(m, n, event.timeStamp);
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      for (const scrubber of [this.query, this.key]) scrubber.stop();
      this.begin();
      this.query.held = this.key.held = true;
      drag(event);
    });
    canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && drag(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.report());
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      for (const scrubber of [this.query, this.key]) scrubber.stop();
      const both = this.locked ? [step[0] + step[1], step[0] + step[1]] : step;
      this.goTo(this.m + both[0], this.n + both[1]);
      this.report();
    });
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.data = data;
    const own = Object.fromEntries(Object.entries(data.words).map(([id, text]) => [`clocks_${id}`, text]));
    this.say = speaker({ ...data.ui, ...own });
    this.model = new Model(data);
    this.frame.setAttribute("aria-label", data.alt);
    this.query.update(data.scrubs[0], this.say);
    this.key.update(data.scrubs[1], this.say);
    const [m, n] = [this.query.index, this.key.index];
    if (m !== this.m || n !== this.n || !this.origin) {
      [this.m, this.n] = [m, n];
      this.begin();
    }
    if (data.scrubs[0].index === m && data.scrubs[1].index === n) this.told = [m, n];
    const lock = this.say("clocks_keep");
    const icon = makeSvg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, class: "icon", "aria-hidden": "true" }, [
      makeSvg("path", { d: LINK, class: "stroke" }),
    ]);
    this.lock.replaceChildren(make("i", { class: "bracket" }), icon, make("span", { text: lock }));
    this.canvases.marks.setAttribute("aria-label", `${this.say("clocks_scores")}. ${this.say("clocks_keys")}`);
    this.picker.update(this.model, this.say);
    this.picker.name(m, n);
    this.figures.update(this.model, this.say);
    const makers = {
      svg: () => toSvg(scene(this)),
      png: () => toPng(scene(this)),
      csv: () => csv(rows(this.model, this.m, this.n, data.scrubs)),
    };
    const name = () => `${data.name}-${this.model.positions[this.m]}-${this.model.positions[this.n]}`;
    this.tools.replaceChildren(toolbar(makers, name, this.say));
    this.restyle();
  }

  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    const { palette } = this.theme;
    for (const role of ["query", "key"]) this.frame.style.setProperty(`--${role}`, palette[role]);
    this.legend.replaceChildren(
      ...["query", "key"].map((role) => make("span", { class: `hand of-${role}` }, [make("i"), this.say(`clocks_${role}`)])),
      make("span", { class: "note", text: this.say("clocks_under") }),
    );
    this.figures.dress(this.theme);
    this.cells = board.picture(this.model, this.theme);
    this.arrange();
  }

  /** Share out the room; on a phone the height follows from the width. */
  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const narrow = width < NARROW;
    const body = this.data.height - TOP - SCRUBS;
    const right = narrow ? width : Math.round(Math.max(220, Math.min(width * 0.38, board.widthFor(body - FIGURES))));
    const { pairs } = this.model;
    const wide = narrow ? width : width - right - 28;
    const high = narrow ? faces.heightFor(pairs, width) : body - READOUT;
    this.at = { faces: faces.layout({ n: pairs, width: wide, height: high }), board: null };
    const room = narrow ? [Math.min(width, 340), 340] : [right, body - FIGURES];
    this.at.board = board.layout(...room);
    this.frame.style.height = narrow ? "auto" : `${this.data.height}px`;
    this.frame.style.setProperty("--right", `${right}px`);
    this.size("dials", wide, high);
    this.size("hands", wide, high);
    this.size("cells", ...room);
    this.size("marks", ...room);
    this.picker.arrange(this.at.faces);
    this.still();
    this.draw();
  }

  size(name, width, height) {
    const canvas = this.canvases[name];
    const scale = window.devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    this.pens[name].setTransform(scale, 0, 0, scale, 0, 0);
  }

  /** What no movement changes. */
  still() {
    const { layers, texts } = faces.dials(this.model, this.at.faces, this.theme, newPath);
    this.wipe("dials");
    paint(this.pens.dials, layers);
    this.letter(this.pens.dials, texts);
    const { x, y, side } = this.at.board;
    this.wipe("cells");
    this.pens.cells.imageSmoothingEnabled = false;
    this.pens.cells.drawImage(this.cells, x, y, side, side);
  }

  wipe(name) {
    const { width, height } = this.canvases[name];
    const pen = this.pens[name];
    pen.save();
    pen.resetTransform();
    pen.clearRect(0, 0, width, height);
    pen.restore();
  }

  /** @param {CanvasRenderingContext2D} pen @param {any[]} texts as a scene has them */
  letter(pen, texts) {
    for (const { x, y, text, fill, size = 12, weight = 400, anchor } of texts) {
      pen.font = `${weight} ${size}px ${this.theme.font}`;
      pen.textAlign = anchor === "middle" ? "center" : anchor;
      pen.textBaseline = "middle";
      pen.fillStyle = fill;
      pen.fillText(text, x, y);
    }
  }

  /** Everything that follows m and n. */
  draw() {
    const { model, m, n, locked, at, theme } = this;
    this.wipe("hands");
    paint(this.pens.hands, faces.movement(model, at.faces, m, n, this.data.unit, theme, newPath));
    this.wipe("marks");
    paint(this.pens.marks, board.marks(model, at.board, m, n, locked, theme, newPath));
    this.letter(this.pens.marks, board.names(model, at.board, m, n, theme));
    this.write();
    this.speak();
  }

  /** The figures and the sentence of the face that is pointed at. */
  write() {
    if (!this.at) return;
    this.figures.write(this.m, this.n, this.origin);
    this.readout.replaceChildren(...this.picker.sentence(this.m, this.n));
  }

  /** First and last index that keeps the distance, where it is to be kept. */
  bounds(role) {
    const last = this.model.count - 1;
    if (!this.locked) return [0, last];
    const d = role === "query" ? this.m - this.n : this.n - this.m;
    return [Math.max(0, d), Math.min(last, last + d)];
  }

  /** The visitor takes hold of one scrubber: the other stops. A drag counts its change from here. */
  take(other, target) {
    other.stop();
    if (target.matches?.("input, .icon-button, .icon-button *")) this.begin();
  }

  /** What has changed is counted from here. */
  begin() {
    this.origin = { m: this.m, n: this.n };
  }

  toggleLock() {
    this.locked = !this.locked;
    this.lock.setAttribute("aria-pressed", String(this.locked));
    this.frame.classList.toggle("locked", this.locked);
    this.begin();
    this.draw();
  }

  /** Both positions at once; with the distance kept, the nearest place on the diagonal. */
  goTo(m, n, asked = performance.now()) {
    const last = this.model.count - 1;
    const inside = (index) => Math.max(0, Math.min(last, index));
    this.next = this.locked ? null : inside(n);
    this.query.drag(this.locked ? Math.round((m + n + this.m - this.n) / 2) : inside(m), asked);
  }

  /** A scrubber wants a picture: the other position follows if the distance is kept. */
  move(m, n) {
    const step = m === null ? n - this.n : m - this.m;
    const to = {
      m: m ?? (this.locked ? this.m + step : this.m),
      n: n ?? (this.locked ? this.n + step : (this.next ?? this.n)),
    };
    this.next = null;
    const follower = m === null ? "m" : "n";
    const changed = to[follower] !== this[follower];
    [this.m, this.n] = [to.m, to.n];
    this.query.show(this.m);
    this.key.show(this.n);
    this.draw();
    if (changed) announce(this.data.scrubs[follower === "m" ? 0 : 1].field, to[follower]);
  }

  /** Both have come to rest: the server hears of both at once. A scrubber that settles anew comes back here first. */
  report() {
    this.query.settle();
    this.key.settle();
    if (this.told?.[0] === this.m && this.told[1] === this.n) return;
    this.told = [this.m, this.n];
    this.send("scrubs", [this.m, this.n]);
  }

  /** Say the state to screen readers, once it rests. */
  speak() {
    window.clearTimeout(this.speaking);
    this.speaking = window.setTimeout(() => {
      this.spoken.textContent = this.figures.spoken(this.m, this.n, this.origin);
      this.picker.name(this.m, this.n);
    }, REST_MS);
  }
}

export default browserComponent(style, (place) => new Clocks(place));
