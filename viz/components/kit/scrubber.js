/**
 * A slider over pictures that are already here. Dragging swaps them at the screen's rate and tells the server nothing;
 * the value is reported once, on release. What else on the page follows this slider (follow.js) hears of every picture.
 * Every painted picture leaves one `atlas:frame` entry in the browser's performance timeline (start: the movement that
 * asked for it; end: its picture painted).
 *
 * @typedef {{field: string, label: string, values: (number|string)[], index: number}} Scrub
 */
import { icon, iconButton, make } from "./dom.js";
import { announce } from "./follow.js";
import { chosen } from "./format.js";
import { Echo } from "./host.js";

const FRAME = "atlas:frame";
/** Playing through all pictures takes about this long, within sensible bounds per picture. */
const PLAY_MS = 5000;
/** From about this many pictures on, playing leaves some out: a film of a minute is too long. */
const PLAY_ALL = 500;
const BUTTONS = ["first", "back", "play", "forward", "last"];
const playPause = (count) => Math.max(33, Math.min(400, PLAY_MS / count));

let recorded = 0;

/** @param {number} asked when the movement happened, on performance.now()'s clock */
function recordFrame(asked) {
  if (recorded++ > 5000) {
    performance.clearMeasures(FRAME); // a long session must not fill the timeline
    recorded = 0;
  }
  performance.measure(FRAME, { start: Math.min(asked, performance.now()) });
}

export class Scrubber {
  /**
   * @param {object} wiring
   * @param {(index: number) => void} wiring.paint draws one picture, at once
   * @param {(index: number) => void} wiring.release the visitor settled on this one
   * @param {() => [number, number]} [wiring.bounds] first and last picture that the visitor may reach now
   * @param {string[]} [wiring.buttons] which of them there are
   * @param {(count: number) => number} [wiring.pace] milliseconds per picture while it plays
   */
  constructor({ paint, release, bounds = () => [0, this.count - 1], buttons = BUTTONS, pace = playPause }) {
    Object.assign(this, { paint, release, bounds, buttons, pace });
    this.index = 0;
    this.count = 0;
    this.asked = 0;
    this.request = 0;
    this.timer = 0;
    this.held = false;
    this.element = make("div", { class: "scrubber", role: "group" });
  }

  /** Elements are made again only if what they show changed, so a drag survives an update. @param {Scrub} scrub */
  update(scrub, say) {
    this.field = scrub.field;
    const shape = JSON.stringify([scrub.label, scrub.values, say("play")]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.build(scrub, say);
      this.echo = new Echo();
    }
    if (this.echo.isNews(scrub.index) && !this.held && !this.timer) {
      this.settled = scrub.index;
      this.show(scrub.index);
    }
  }

  /** @param {Scrub} scrub */
  build(scrub, say) {
    this.stop();
    this.say = say;
    this.texts = scrub.values.map((value) => (typeof value === "number" ? chosen(value) : String(value)));
    this.count = this.texts.length;
    this.range = make("input", {
      type: "range",
      min: 0,
      max: this.count - 1,
      step: 1,
      "aria-label": scrub.label,
      oninput: (event) => this.drag(Number(this.range.value), event.timeStamp),
      onchange: () => this.settle(),
      onpointerdown: () => this.hold(),
      onpointercancel: () => (this.held = false),
    });
    this.output = make("output", { class: "scrub-value" });
    const widest = Math.max(...this.texts.map((text) => [...text].length));
    this.output.style.minWidth = `${widest}ch`;
    this.playButton = iconButton("play", say("play"), () => this.toggle());
    const step = (to) => () => this.jump(to());
    const buttons = {
      first: iconButton("first", say("first"), step(() => 0)),
      back: iconButton("back", say("step_back"), step(() => this.index - 1)),
      play: this.playButton,
      forward: iconButton("forward", say("step_forward"), step(() => this.index + 1)),
      last: iconButton("last", say("last"), step(() => this.count - 1)),
    };
    this.element.setAttribute("aria-label", scrub.label);
    this.element.replaceChildren(
      make("div", { class: "scrub-buttons" }, this.buttons.map((name) => buttons[name])),
      make("span", { class: "scrub-name" }, [make("span", { text: `${scrub.label} = ` }), this.output]),
      this.range,
    );
  }

  /** The visitor has taken hold of it: playing ends, and the server moves nothing until it is let go. */
  hold() {
    this.stop();
    this.held = true;
    this.range.focus({ preventScroll: true });
  }

  /** Write the position, without drawing. @param {number} index */
  show(index) {
    this.index = Math.max(0, Math.min(this.count - 1, index));
    this.range.value = String(this.index);
    this.range.style.setProperty("--share", `${this.count > 1 ? (100 * this.index) / (this.count - 1) : 0}%`);
    this.output.textContent = this.texts[this.index];
    this.range.setAttribute("aria-valuetext", this.texts[this.index]);
  }

  /** Another scrubber of the same field has moved, and will report it. @param {number} index */
  moved(index) {
    this.stop();
    this.settled = index;
    this.show(index);
  }

  /** Ask for a picture; several movements within one screen refresh draw only the last. */
  drag(index, asked = performance.now()) {
    const [low, high] = this.bounds();
    this.show(Math.max(low, Math.min(high, index)));
    if (!this.request) {
      this.asked = asked;
      this.request = requestAnimationFrame(() => this.draw());
    }
  }

  draw() {
    this.request = 0;
    this.paint(this.index);
    announce(this.field, this.index);
    recordFrame(this.asked);
  }

  settle() {
    this.held = false;
    if (this.request) {
      cancelAnimationFrame(this.request);
      this.draw();
    }
    if (this.index === this.settled) return;
    this.settled = this.index;
    this.echo.note(this.index);
    this.release(this.index);
  }

  jump(index) {
    this.stop();
    this.drag(index);
    this.settle();
  }

  toggle() {
    if (this.timer) {
      this.stop();
      this.settle();
      return;
    }
    if (this.index >= this.bounds()[1]) this.drag(this.bounds()[0]);
    const stride = Math.ceil(this.count / PLAY_ALL);
    this.timer = window.setInterval(() => {
      this.drag(this.index + stride);
      if (this.index >= this.bounds()[1]) this.toggle();
    }, this.pace(this.count));
    this.dress();
  }

  stop() {
    if (!this.timer) return;
    window.clearInterval(this.timer);
    this.timer = 0;
    this.dress();
  }

  /** The play button shows what a press does now. */
  dress() {
    const label = this.say(this.timer ? "pause" : "play");
    this.playButton.setAttribute("aria-label", label);
    this.playButton.title = label;
    this.playButton.replaceChildren(icon(this.timer ? "pause" : "play"));
  }
}
