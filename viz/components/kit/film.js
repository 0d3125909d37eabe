/**
 * All frames at once, in strips above the slider's track: each frame has its share of the width, so that the thumb always
 * stands under the frame that is shown. A strip can be dragged as the slider itself.
 *
 * @typedef {{title: string, high: number, paint: (pen: CanvasRenderingContext2D, width: number, high: number) => void}} Strip
 */
import { make } from "./dom.js";
import { draggable } from "./drag.js";

/** Room left of the track from which on the strips' names stand there. */
const ROOM = 90;

export class Film {
  /** @param {import("./scrubber.js").Scrubber} scrubber */
  constructor(scrubber) {
    this.scrubber = scrubber;
    this.element = make("div", { class: "film", "aria-hidden": "true" });
    this.cursor = make("i", { class: "film-cursor" });
    this.left = 0;
    this.width = 1;
    this.count = 0;
    /** @type {{strip: Strip, canvas: HTMLCanvasElement, title: HTMLElement, row: HTMLElement}[]} */
    this.rows = [];
    draggable(this.element, {
      grab: () => this.playable && scrubber.hold(),
      drag: (clientX, asked) => this.playable && scrubber.drag(this.indexAt(clientX), asked),
      settle: () => this.playable && scrubber.settle(),
    });
  }

  /** @param {Strip[]} strips @param {number} count of frames @param {boolean} playable the slider is ours */
  update(strips, count, playable) {
    Object.assign(this, { count, playable });
    this.element.hidden = !strips.length;
    this.element.classList.toggle("playable", playable);
    while (this.rows.length < strips.length) this.rows.push(this.makeRow());
    this.rows.length = strips.length;
    strips.forEach((strip, k) => {
      const { row, title } = this.rows[k];
      this.rows[k].strip = strip;
      row.style.setProperty("--high", `${strip.high}px`);
      title.textContent = title.title = strip.title;
    });
    this.element.replaceChildren(...this.rows.map(({ row }) => row), this.cursor);
  }

  makeRow() {
    const canvas = make("canvas", { "aria-hidden": "true" });
    const title = make("span", { class: "film-title" });
    return { strip: null, canvas, title, row: make("div", { class: "film-row" }, [title, canvas]) };
  }

  /** Where the track lies, in pixels from the left edge of the strips. */
  arrange(left, width) {
    Object.assign(this, { left, width: Math.max(1, width) });
    this.element.classList.toggle("titled", left >= ROOM);
    const scale = window.devicePixelRatio || 1;
    for (const { strip, canvas, title } of this.rows) {
      title.style.width = left >= ROOM ? `${left - 12}px` : "";
      Object.assign(canvas, { width: Math.round(this.width * scale), height: Math.round(strip.high * scale) });
      Object.assign(canvas.style, { left: `${left}px`, width: `${this.width}px`, height: `${strip.high}px` });
    }
    this.paint();
  }

  paint() {
    const scale = window.devicePixelRatio || 1;
    for (const { strip, canvas } of this.rows) {
      const pen = canvas.getContext("2d");
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      strip.paint(pen, this.width, strip.high);
    }
  }

  indexAt(clientX) {
    const share = (clientX - this.element.getBoundingClientRect().left - this.left) / this.width;
    return Math.max(0, Math.min(this.count - 1, Math.floor(share * this.count)));
  }

  /** @param {number} index @param {[number, number]} [part] from where to where, as shares of the width, it is marked */
  show(index, [from, to] = [index / this.count, (index + 1) / this.count]) {
    const wide = Math.max(5, (to - from) * this.width);
    const middle = this.left + ((from + to) / 2) * this.width;
    const start = Math.max(this.left, Math.min(this.left + this.width - wide, middle - wide / 2));
    Object.assign(this.cursor.style, { left: `${start}px`, width: `${wide}px` });
  }
}
