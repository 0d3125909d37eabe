/**
 * A pad to draw on, by hand or by keyboard. See __init__.py for what Python sends. State sent to the server: "strokes", the
 * drawing as text.
 */
import { unpack } from "../kit/decode.js";
import { make, makeSvg } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { snapshot } from "../kit/snapshot.js";
import { read, SIDE, size, thinned, write } from "./drawing.js";

const style = await sheet(new URL("./main.css", import.meta.url));

/** A drawing is reported this long after a stroke, unless the next one begins. */
const REST_MS = 900;
/** Room above and below the pad, as main.css has it. */
const TOP = 34;
const BELOW = 40;
const ARROWS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

class Sketch extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("sketch", place);
    /** @type {import("./drawing.js").Point[][]} */
    this.strokes = [];
    /** The stroke under the hand, in steps of the grid, not rounded. @type {import("./drawing.js").Point[]|null} */
    this.raw = null;
    /** Where the keyboard's pen is; null: the pad has no focus. @type {import("./drawing.js").Point|null} */
    this.pen = null;
    this.down = false;
    this.full = false;
    this.echo = new Echo();
    this.timer = 0;
    this.svg = makeSvg("svg", { class: "pad", role: "application", tabindex: "0" });
    this.hint = make("span", { class: "hint" });
    const button = (click) => make("button", { type: "button", onclick: click });
    this.buttons = { undo: button(() => this.undo()), clear: button(() => this.clear()), done: button(() => this.flush()) };
    this.frame.append(
      make("div", { class: "top" }, [this.hint, this.tools]),
      this.svg,
      make("div", { class: "buttons" }, Object.values(this.buttons)),
      this.spoken,
    );
    this.listen();
  }

  destroy() {
    super.destroy();
    window.clearTimeout(this.timer);
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    if (this.echo.isNews(data.strokes) && !this.raw) {
      window.clearTimeout(this.timer);
      this.timer = 0;
      this.strokes = read(data.strokes);
      this.reported = data.strokes;
    }
    this.sampled = data.sampled ? unpack(data.sampled).values : new Float32Array();
    this.svg.setAttribute("aria-label", `${this.say("sketch_pad")}. ${this.say("sketch_keys")}`);
    for (const [name, button] of Object.entries(this.buttons)) button.textContent = this.say(`sketch_${name}`);
    this.offer(() => snapshot(this.frame, this.theme, data.alt), () => this.rows(), () => data.name);
    this.restyle();
  }

  dress() {
    this.frame.style.setProperty("--key", this.theme.palette.key);
  }

  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    this.side = Math.floor(Math.min(width, this.data.height - TOP - BELOW));
    this.frame.style.height = `${this.data.height}px`;
    this.frame.style.setProperty("--side", `${this.side}px`);
    for (const name of ["width", "height"]) this.svg.setAttribute(name, String(this.side));
    this.draw();
  }

  // --- drawing --------------------------------------------------------------------------------------------------

  listen() {
    const { svg } = this;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button || !this.data) return;
      svg.setPointerCapture(event.pointerId);
      this.begin(this.at(event));
    });
    svg.addEventListener("pointermove", (event) => {
      if (!this.raw || !svg.hasPointerCapture(event.pointerId)) return;
      const moves = event.getCoalescedEvents?.() ?? [];
      this.raw.push(...(moves.length ? moves : [event]).map((one) => this.at(one)));
      this.draw();
    });
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => this.end());
    svg.addEventListener("focus", () => svg.matches(":focus-visible") && this.move(0, 0));
    svg.addEventListener("blur", () => {
      this.end();
      this.pen = null;
      this.draw();
    });
    svg.addEventListener("keydown", (event) => this.key(event));
  }

  /** Where the pointer is, in steps of the grid. @returns {import("./drawing.js").Point} */
  at({ clientX, clientY }) {
    const box = this.svg.getBoundingClientRect();
    const inside = (value) => Math.max(0, Math.min(SIDE - 1, value));
    return [inside(((clientX - box.left) / box.width) * (SIDE - 1)), inside((1 - (clientY - box.top) / box.height) * (SIDE - 1))];
  }

  /** The way back: pixels of the pad. */
  place([x, y]) {
    const scale = this.side / (SIDE - 1);
    return [x * scale, this.side - y * scale];
  }

  begin(point) {
    window.clearTimeout(this.timer);
    this.full = size(this.strokes) >= this.data.most;
    this.raw = this.full ? null : [point];
    this.draw();
  }

  /** The stroke has ended: it is thinned, and the drawing reported unless another stroke follows soon. */
  end() {
    this.down = false;
    if (!this.raw) return;
    const points = thinned(this.raw, this.data.most - size(this.strokes));
    this.raw = null;
    if (points.length) this.strokes = [...this.strokes, points];
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.flush(), REST_MS);
    this.draw();
  }

  undo() {
    this.strokes = this.strokes.slice(0, -1);
    this.flush();
  }

  clear() {
    this.strokes = [];
    this.flush();
  }

  /** Report the drawing now. */
  flush() {
    window.clearTimeout(this.timer);
    this.timer = 0;
    this.full = false;
    const text = write(this.strokes);
    if (text !== this.reported) {
      this.reported = text;
      this.echo.note(text);
      this.send("strokes", text);
    }
    this.draw();
  }

  // --- the keyboard ---------------------------------------------------------------------------------------------

  key(event) {
    const { key } = event;
    const does = { Backspace: () => this.undo(), Delete: () => this.clear(), Enter: () => this.finish(), Escape: () => this.end(), " ": () => this.press() };
    if ((event.ctrlKey || event.metaKey) && key === "z") does.z = does.Backspace;
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!ARROWS[key] && !does[key]) return;
    event.preventDefault();
    event.stopPropagation();
    if (ARROWS[key]) this.move(...ARROWS[key].map((one) => one * (event.shiftKey ? 5 : 1)));
    else does[key]();
  }

  move(dx, dy) {
    const inside = (value) => Math.max(0, Math.min(SIDE - 1, value));
    const [x, y] = this.pen ?? [SIDE / 2, SIDE / 2];
    this.pen = [inside(x + dx), inside(y + dy)];
    if (this.raw && (dx || dy)) this.raw.push(this.pen);
    this.draw();
  }

  /** The pen is put down, or lifted. */
  press() {
    if (!this.pen) this.move(0, 0);
    if (this.raw) return this.end();
    this.begin(this.pen);
    this.down = Boolean(this.raw);
    return this.draw();
  }

  finish() {
    this.end();
    this.flush();
  }

  // --- the picture ----------------------------------------------------------------------------------------------

  draw() {
    if (!this.side) return;
    const { side, sampled, data, say, strokes, raw, pen } = this;
    const scale = side / (2 * data.half);
    let dots = "";
    for (let i = 0; i < sampled.length; i += 2) {
      const [x, y] = [side / 2 + sampled[i] * scale, side / 2 - sampled[i + 1] * scale];
      if (x >= 0 && x <= side && y >= 0 && y <= side) dots += circle(x, y, 1.6);
    }
    const [middle, third] = [side / 2, side / 4];
    const grid = `M${middle} 0V${side}M0 ${middle}H${side}M${third} 0V${side}M${3 * third} 0V${side}M0 ${third}H${side}M0 ${3 * third}H${side}`;
    const path = (name, d) => makeSvg("path", { class: name, d });
    const lines = strokes.map((stroke) => smooth(stroke.map((point) => this.place(point))));
    const children = [makeSvg("rect", { class: "paper", width: side, height: side, rx: 6 }), path("grid", grid), path("stroke", lines.join(""))];
    if (raw) children.push(path("stroke raw", smooth(raw.map((point) => this.place(point)))));
    if (dots) children.push(path("sampled", dots));
    if (!strokes.length && !raw) children.push(makeSvg("text", { x: middle, y: middle - 14, "text-anchor": "middle", class: "empty", text: say("sketch_hint") }));
    if (pen) {
      const [x, y] = this.place(pen);
      children.push(path(this.down ? "pen down" : "pen", `M${x - 9} ${y}h18M${x} ${y - 9}v18${circle(x, y, 5)}`));
    }
    this.svg.replaceChildren(...children);
    this.tell();
  }

  tell() {
    const { strokes, say, data, buttons, pen } = this;
    const values = { strokes: strokes.length, n: size(strokes), most: data.most };
    this.hint.textContent = this.full ? say("sketch_full", values) : say("sketch_state", values);
    buttons.undo.disabled = buttons.clear.disabled = !strokes.length;
    buttons.done.disabled = !this.timer;
    const at = pen ? say(this.down ? "sketch_pen_down" : "sketch_pen_up", { x: pen[0], y: pen[1] }) : "";
    this.speak(() => [at, this.hint.textContent].filter(Boolean).join(". "));
  }

  /** Every point in the plane's own units. @returns {(string|number)[][]} */
  rows() {
    const plane = (value) => Number((((2 * value) / (SIDE - 1) - 1) * this.data.half).toFixed(3));
    return [["stroke", "x", "y"], ...this.strokes.flatMap((stroke, k) => stroke.map(([x, y]) => [k + 1, plane(x), plane(y)]))];
  }
}

const circle = (x, y, r) => `M${(x + r).toFixed(1)} ${y.toFixed(1)}a${r} ${r} 0 1 0 ${-2 * r} 0a${r} ${r} 0 1 0 ${2 * r} 0`;

/** A line without corners through the middles between its points; a single point is a dot. */
function smooth(points) {
  const at = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  if (points.length === 1) return `M${at(points[0])}h0.1`;
  const middle = ([ax, ay], [bx, by]) => at([(ax + bx) / 2, (ay + by) / 2]);
  const bends = points.slice(1, -1).map((point, i) => `Q${at(point)} ${middle(point, points[i + 2])}`);
  return `M${at(points[0])}L${middle(points[0], points[1])}${bends.join("")}L${at(points[points.length - 1])}`;
}

export default browserComponent(style, (place) => new Sketch(place));
