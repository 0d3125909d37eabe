/**
 * Points on their way through up to three planes, played by one slider. See __init__.py for what Python sends. State sent to
 * the server: "scrub" when the slider is let go, "followed" when a point is followed or let go.
 */
import { textWidth } from "../kit/axis.js";
import { make } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { Player } from "../kit/player.js";
import { rows, scene } from "./export.js";
import { Legend } from "./legend.js";
import { Model } from "./model.js";
import { Panel } from "./panel.js";

const style = await sheet(new URL("./main.css", import.meta.url));
const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");

/** Above the planes, for a title, below them, for the slider; as main.css has it. */
const TOP = 30;
const TITLE = 24;
const LINE = 18;
const HERE = 28;
const SCRUB = 40;
const GAP = 26;
/** Below this width, as in main.css, planes stand under each other. */
const NARROW = 600;
/** A note takes at most so many lines, or stands this far beside the title. */
const MOST_LINES = 3;
const AWAY = 14;
const MOST_FOLLOWED = 8;
/** From one frame to the next, where there is time; frames that come faster are shown as they come. */
const GLIDE_MS = 220;
const HURRY_MS = 120;
/** Milliseconds per frame while it plays. */
const pace = (count) => Math.max(33, Math.min(420, 4200 / count));

class Particles extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("particles", place);
    /** What of the motion is on the screen: between two frames while the points glide. */
    this.time = 0;
    this.shownAt = 0;
    /** @type {number[]} */
    this.followed = [];
    /** @type {number|null} */
    this.looked = null;
    this.echo = new Echo();
    this.player = new Player({ show: (index) => this.show(index), release: (index) => this.send("scrub", index), pace });
    this.legend = new Legend();
    this.free = make("button", { type: "button", class: "free", onclick: () => this.follow([]) });
    this.panels = make("div", { class: "panels" });
    this.frame.append(make("div", { class: "top" }, [this.legend.element, this.free, this.tools]), this.panels, this.spoken);
    /** @type {Panel[]} */
    this.shown = [];
  }

  get index() {
    return this.player.index;
  }

  destroy() {
    super.destroy();
    this.player.stop();
    cancelAnimationFrame(this.request);
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.model = new Model(data);
    const { planes, count, frames } = this.model;
    this.looked = this.place = null;
    if (this.echo.isNews(data.followed)) this.followed = data.followed;
    this.followed = this.followed.filter((i) => i < count);
    while (this.shown.length < planes.length) {
      this.shown.push(new Panel({ look: (i, place) => this.look(i, place), press: (i) => this.press(i) }));
    }
    this.shown.length = planes.length;
    if (this.panels.children.length !== planes.length) this.panels.replaceChildren(...this.shown.map(({ element }) => element));
    this.shown.forEach((panel, k) => panel.update(this.model, planes[k], this.say, k === 0));
    this.legend.update(this.model, this.say);
    this.player.update(data, frames, this.say);
    this.player.stand(this.panels);
    this.time = this.index;
    const name = () => (frames > 1 ? `${data.name}-${data.scrub?.values[this.index] ?? this.index}` : data.name);
    this.offer(() => scene(this), () => rows(this), name);
    this.restyle();
  }

  dress() {
    this.legend.dress(this.theme);
    for (const panel of this.shown) panel.dress(this.theme);
  }

  /** Share out the room; where planes stand under each other, the height follows from the width. */
  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const { planes, aspect } = this.model;
    const narrow = width < NARROW;
    const { left, top, bottom } = Panel.margins(this.model);
    const wide = narrow ? width : (width - (planes.length - 1) * GAP) / planes.length;
    const rest = TOP + TITLE + top + bottom + HERE + (this.data.scrub ? SCRUB : 0);
    let [w, h, lines] = [wide - left, Infinity, 0];
    // How many lines the notes take depends on the width of the planes, and that on the room the notes leave.
    for (let round = 0; round < 3; round++) {
      if (!narrow) h = this.data.height - rest - LINE * lines;
      w = Math.floor(Math.min(wide - left, h * aspect));
      lines = Math.max(lines, ...planes.map((plane) => this.lines(plane, w + left)));
    }
    h = Math.floor(w / aspect);
    this.frame.style.height = narrow ? "auto" : `${rest + LINE * lines + h}px`;
    for (const panel of this.shown) panel.arrange(w, h, lines);
    this.draw();
  }

  /** How many lines below the title the longest note of all frames takes; none if it fits beside the title. */
  lines({ title, notes }, width) {
    const { font } = this.theme;
    const longest = 1.03 * Math.max(0, ...notes.map((text) => textWidth(text, 13, 400, font)));
    if (longest + AWAY + textWidth(title, 15, 700, font) <= width) return 0;
    return Math.min(MOST_LINES, Math.ceil(longest / width));
  }

  draw() {
    for (const panel of this.shown) panel.draw(this.index, this.time, this.followed, this.looked);
    this.tell();
  }

  tell() {
    this.shown.forEach((panel) => panel.tell(this.place));
    this.free.hidden = !this.followed.length;
    this.free.textContent = this.say("particles_free", { n: this.followed.length });
    this.speak(() => this.sentence());
  }

  /** Another frame: points glide there where there is time for it. @param {number} index */
  show(index) {
    const now = performance.now();
    const since = now - this.shownAt;
    this.shownAt = now;
    const { scrubber } = this.player;
    const near = Math.abs(index - this.time) <= 2.5;
    cancelAnimationFrame(this.request);
    if (stillness.matches || !near || (!scrubber.timer && since < HURRY_MS)) {
      this.time = index;
      this.draw();
      return;
    }
    const [from, long] = [this.time, scrubber.timer ? pace(this.model.frames) : GLIDE_MS];
    const glide = () => {
      const share = Math.min(1, (performance.now() - now) / long);
      this.time = share < 1 ? from + (index - from) * (scrubber.timer ? share : 1 - (1 - share) ** 3) : index;
      for (const panel of this.shown) panel.draw(this.index, this.time, this.followed, this.looked);
      if (share < 1) this.request = requestAnimationFrame(glide);
      else this.tell();
    };
    glide();
  }

  /** A point is looked at, in all planes, or a place. */
  look(i, place = null) {
    if (i === this.looked && i !== null) return;
    const drawn = i === this.looked;
    Object.assign(this, { looked: i, place: i === null ? place : null });
    if (drawn) for (const panel of this.shown) panel.tell(this.place);
    else this.draw();
  }

  /** Follow a point, or let it go; the oldest makes room. @param {number} i */
  press(i) {
    const kept = this.followed.filter((one) => one !== i);
    this.follow(kept.length < this.followed.length ? kept : [...kept, i].slice(-MOST_FOLLOWED));
  }

  follow(followed) {
    this.followed = followed;
    this.echo.note(followed);
    this.send("followed", followed);
    this.draw();
  }

  /** "step 40. DDPM: distance 0.12; 3 outside; point 4, (0.31, −1.20)." */
  sentence() {
    const { model, say, data, index } = this;
    const seen = this.looked === null ? this.followed.slice(-1) : [this.looked];
    const planes = model.planes.map((plane, k) => {
      const gone = model.outside(plane, index);
      const parts = [plane.note(index), gone ? say("particles_outside", { n: gone }) : "", ...seen.map((i) => this.shown[k].sentence(i))];
      const told = parts.filter(Boolean).join("; ");
      return told && `${plane.title ? `${plane.title}: ` : ""}${told}.`;
    });
    const when = data.scrub ? `${data.scrub.label} ${data.scrub.values[index]}.` : "";
    return [when, ...planes].filter(Boolean).join(" ");
  }
}

export default browserComponent(style, (place) => new Particles(place));
