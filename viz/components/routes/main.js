/**
 * Tokens on their way through a mixture of experts. See __init__.py for what Python sends. State sent to the server: "scrub"
 * when the slider is let go, "token" when a token is pinned or let go.
 */
import { textWidth } from "../kit/axis.js";
import { legible } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { number, visible } from "../kit/format.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { Player } from "../kit/player.js";
import { hexOf, paint } from "./brush.js";
import { rows, scene } from "./export.js";
import * as flow from "./flow.js";
import { Handles } from "./handles.js";
import { flowLayout } from "./layout.js";
import { Model } from "./model.js";
import { Panel, percent } from "./panel.js";
import * as trails from "./paths.js";

const style = await sheet(new URL("./main.css", import.meta.url));
const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");

const FLIGHT_MS = 260;
/** Frames that follow each other faster, in a quick drag, are shown at once. */
const HURRY_MS = 120;
const MOST_IN_FLIGHT = 800;
const LEAVE_MS = 80;
/** Milliseconds per frame while it plays: layers are few and each deserves a look, steps are many. */
const pace = (count) => Math.max(120, Math.min(1100, 7000 / count));
/** Below this width, as in main.css, the parts stand under each other. */
const NARROW = 680;
const TOP = 34;
const SCRUB = 44;

class Routes extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("routes", place);
    /** When the frame last changed. */
    this.shown = 0;
    /** Under the pointer or the keyboard. */
    this.hover = { token: null, expert: null };
    /** @type {number|null} */
    this.pin = null;
    this.echo = new Echo();
    this.player = new Player({ show: () => this.show(), release: (index) => this.send("scrub", index), pace });
    /** From below: ribbons, text, tokens in the bins. */
    this.canvases = [0, 1, 2].map(() => make("canvas", { "aria-hidden": "true" }));
    this.pens = this.canvases.map((canvas) => canvas.getContext("2d"));
    this.handles = new Handles({
      point: (what) => this.point(what),
      press: (token) => this.press(token),
      release: () => this.release(),
    });
    this.panel = new Panel();
    this.flow = make("div", { class: "flow" }, [...this.canvases, ...this.handles.elements]);
    this.legend = make("div", { class: "legend" });
    this.body = make("div", { class: "body" }, [this.flow, this.panel.element]);
    this.frame.append(make("div", { class: "top" }, [this.legend, this.tools]), this.body, this.spoken);
    this.listen();
  }

  get index() {
    return this.player.index;
  }

  destroy() {
    super.destroy();
    this.player.stop();
    window.clearTimeout(this.leaving);
    cancelAnimationFrame(this.request);
  }

  /** The cells in the bins take the pointer too. */
  listen() {
    this.flow.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" || event.target !== this.flow) return;
      const expert = this.over && !this.at.handles.length ? trails.nodeAt(this.at, ...this.place(event)) : null;
      this.point(expert === null ? { token: this.under(event) } : { expert });
    });
    this.flow.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.point({}));
    this.flow.addEventListener("click", (event) => {
      const token = event.target === this.flow ? this.under(event) : null;
      if (token !== null) this.press(token);
      else if (event.target === this.flow) this.point({});
    });
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  place(event) {
    const box = this.flow.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** The token whose cell or line is there. @param {PointerEvent} event @returns {number|null} */
  under(event) {
    const [x, y] = this.place(event);
    if (this.over) return trails.lineAt(this.model, this.at, x, y);
    return this.cells?.find((cell) => x >= cell.x && x < cell.x + cell.w && y >= cell.y && y < cell.y + cell.h)?.token ?? null;
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.model = new Model(data);
    /** Whether the picture is the paths over all layers. */
    this.over = data.mode === "paths";
    this.hover = { token: null, expert: null };
    if (this.echo.isNews(data.token)) this.pin = data.token;
    if (this.pin !== null && this.pin >= this.model.t) this.pin = null;
    const plays = data.scrub && data.scrub.values.length > 1;
    this.player.update({ ...data, scrub: plays ? data.scrub : undefined }, this.model.frames, this.say);
    this.player.stand(this.body);
    this.frame.classList.toggle("scrubs", Boolean(plays));
    this.handles.update(this.model, this.say, this.stops());
    this.panel.update(this.model, data, this.say);
    const name = () => (this.model.frames > 1 && !this.over ? `${data.name}-${this.index + 1}` : data.name);
    this.offer(() => scene(this), () => rows(this), name);
    this.restyle();
    if (this.at) this.handles.name(this);
  }

  /** How many experts, or nodes of the paths, the keyboard can reach. */
  stops() {
    const { model } = this;
    if (!this.over) return model.e;
    const nodes = model.frames * (model.e + (model.loses ? 1 : 0));
    return nodes > trails.MOST_STOPS ? 0 : nodes;
  }

  dress() {
    const { back, text } = this.theme;
    Object.assign(this.theme, { back: hexOf(back), text: hexOf(text) });
    this.panel.dress(this.theme);
    this.frame.style.setProperty("--red", legible(this.theme.palette.verdict.red, this.theme.back));
    this.legend.replaceChildren(...this.keys());
  }

  /** What the marks mean. @returns {Node[]} */
  keys() {
    const { model, say, theme } = this;
    const [one, two] = [5, 1].map((expert) => flow.colourOf(theme, expert));
    const strip = make("i", { class: "key-strip" }, [make("b", { style: `flex: 2; background: ${one}` }), make("b", { style: `flex: 1; background: ${two}` })]);
    if (this.over) {
      const layers = make("i", { class: "key-strip" }, [0, 4, 2].map((expert) => make("b", { style: `flex: 1; background: ${flow.colourOf(theme, expert)}` })));
      const lost = model.loses ? [[make("i", { class: "key-lost" }), say("routes_key_dropped")]] : [];
      return this.marked([[layers, say("routes_key_layers")], ...lost]);
    }
    const found = [[strip, say("routes_key_strip")]];
    if (model.limit) found.push([make("i", { class: "key-line solid" }), say("routes_key_capacity")]);
    else found.push([make("i", { class: "key-line" }), say("routes_key_even")]);
    if (model.loses) found.push([make("i", { class: "key-lost" }), say("routes_key_dropped")]);
    return this.marked(found);
  }

  marked(found) {
    return found.map(([mark, text]) => make("span", { class: "key" }, [mark, make("span", { text })]));
  }

  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const narrow = width < NARROW;
    const side = narrow ? 0 : width < 900 ? 250 : 310;
    const body = this.data.height - TOP - (this.frame.classList.contains("scrubs") ? SCRUB : 0);
    const wide = narrow ? width : width - side - 26;
    this.at = (this.over ? trails.pathLayout : flowLayout)(this.model, this.data, { width: wide, height: narrow ? null : body, font: this.theme.font });
    this.frame.style.height = narrow ? "auto" : `${this.data.height + Math.max(0, this.at.height - body)}px`;
    this.frame.style.setProperty("--side", `${side}px`);
    const scale = window.devicePixelRatio || 1;
    for (const canvas of this.canvases) {
      Object.assign(canvas, { width: Math.round(wide * scale), height: Math.round(this.at.height * scale) });
      Object.assign(canvas.style, { width: `${wide}px`, height: `${this.at.height}px` });
    }
    this.flow.style.height = `${this.at.height}px`;
    this.scale = scale;
    this.handles.arrange(this.at);
    this.panel.arrange(narrow ? 134 + 27 * Math.min(16, this.model.e) : body, side || width);
    this.flight = null;
    this.draw();
  }

  /** What is in focus: what is pointed at, else the pinned token. @returns {import("./flow.js").Focus} */
  get focus() {
    const { token, expert } = this.hover;
    if (token === null && expert !== null) return { token: null, expert, pinned: false };
    return { token: token ?? this.pin, expert: null, pinned: token === null };
  }

  /** Everything, as it stands now. */
  draw() {
    if (!this.at) return;
    this.cells = this.placed();
    this.paint();
    this.panel.show(this.index, this.focus);
    this.handles.show(this.focus, this.pin);
    this.speak(() => this.said());
  }

  /** @param {number[]} which of the layers */
  paint(which = [0, 1, 2]) {
    const layers = this.layers(this.cells);
    for (const i of which) {
      const [pen, { width, height }] = [this.pens[i], this.canvases[i]];
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, width, height);
      pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
      paint(pen, layers[i](), this.theme.font);
    }
  }

  /** @param {import("./flow.js").Cell[]} cells */
  layers(cells) {
    return this.over ? trails.layers(this) : flow.layers(this, cells);
  }

  /** The cells of this frame; those that have just come from elsewhere are still on their way. */
  placed() {
    const cells = this.over ? [] : flow.cellsOf(this.model, this.at, this.index);
    if (!this.flight) return cells;
    const share = Math.min(1, (performance.now() - this.flight.start) / FLIGHT_MS);
    const gone = 1 - (1 - share) ** 3;
    for (const cell of cells) {
      const from = this.flight.from.get(cell.key);
      if (!from) continue;
      cell.x = from.x + (cell.x - from.x) * gone;
      cell.y = from.y + (cell.y - from.y) * gone;
    }
    if (share >= 1) this.flight = null;
    return cells;
  }

  /** Another frame: tokens fly from bin to bin. */
  show() {
    const from = new Map((this.cells ?? []).map(({ key, x, y }) => [key, { x, y }]));
    const now = performance.now();
    const calm = !stillness.matches && now - this.shown > HURRY_MS && this.cells?.length < MOST_IN_FLIGHT;
    this.shown = now;
    this.flight = calm ? { from, start: now } : null;
    this.draw();
    if (this.flight && !this.request) this.request = requestAnimationFrame(() => this.fly());
  }

  fly() {
    this.request = 0;
    if (!this.flight || !this.at) return;
    this.cells = this.placed();
    this.paint([0, 2]);
    if (this.flight) this.request = requestAnimationFrame(() => this.fly());
  }

  /** Nothing is in focus only after a moment, so that the way from one token to the next does not flicker. */
  point({ token = null, expert = null }) {
    window.clearTimeout(this.leaving);
    if (token === this.hover.token && expert === this.hover.expert) return;
    const change = () => {
      this.hover = { token, expert };
      this.draw();
    };
    if (token === null && expert === null) this.leaving = window.setTimeout(change, LEAVE_MS);
    else change();
  }

  /** Pin a token; the pinned one again lets it go. @param {number} token */
  press(token) {
    this.setPin(this.pin === token ? null : token);
  }

  release() {
    window.clearTimeout(this.leaving);
    this.hover = { token: null, expert: null };
    this.setPin(null);
    this.draw();
  }

  setPin(pin) {
    if (pin === this.pin) return;
    this.pin = pin;
    this.draw();
    this.echo.note(pin);
    this.send("token", pin);
  }

  /** "token 3: the. expert 2 61 %, expert 7 39 %" @param {number} token */
  sentence(token, f = this.index) {
    const { model, say } = this;
    if (this.over) return this.path(token);
    const picks = model.frame(f).picks[token];
    const parts = picks.map(({ expert, weight, kept }) =>
      kept ? say("routes_goes", { name: model.experts[expert], weight: number(weight) }) : say("routes_turned", { name: model.experts[expert] }),
    );
    if (!picks.some(({ kept }) => kept)) parts.push(say("routes_lost"));
    return say("routes_token", { n: token + 1, text: visible(model.tokens[token]), experts: parts.join(", ") });
  }

  /** "token 3: the. layer 1: expert 2; layer 2: expert 7" @param {number} token */
  path(token) {
    const { model, say, data } = this;
    const steps = trails.trails(model)[token].map((expert, l) => {
      const where = expert < model.e ? say("routes_first", { name: model.experts[expert] }) : say("routes_lost");
      return `${say("routes_layer", { n: data.layers[l] })}: ${where}`;
    });
    return say("routes_token", { n: token + 1, text: visible(model.tokens[token]), experts: steps.join("; ") });
  }

  /** An expert of this frame, or a node of the paths. */
  told(expert, f = this.index) {
    if (this.over) {
      const node = this.at.nodes[expert];
      const where = node.expert < this.model.e ? say1(this, node.expert) : this.say("routes_lost");
      return this.say("routes_node", { layer: this.data.layers[node.layer], where, n: node.tokens.length });
    }
    const { visits, assigned } = this.model.frame(f);
    const all = visits[expert].length;
    const served = visits[expert].filter(({ kept }) => kept).length;
    const text = this.say("routes_expert", { name: this.model.experts[expert], n: served, share: percent(all / (assigned || 1)) });
    return all > served ? `${text} ${this.say("routes_away", { n: all - served })}` : text;
  }

  /** What is in focus, for screen readers. */
  said() {
    const { token, expert } = this.focus;
    this.handles.name(this);
    return token !== null ? this.sentence(token) : expert !== null ? this.told(expert) : "";
  }

  wide(text, size = this.at.text.size, weight = 400) {
    return textWidth(text, size, weight, this.theme.font);
  }
}

const say1 = ({ say, model }, expert) => say("routes_first", { name: model.experts[expert] });

export default browserComponent(style, (place) => new Routes(place));
