/** The loads of all frames, one strip per run above the slider's track, and a line through all of them at this frame. */
import { make, makeSvg } from "../kit/dom.js";
import { draggable } from "../kit/drag.js";
import { colourOf, inkOn } from "./plane.js";

/** Half of the slider's thumb: its first and last position lie this far inside the track. */
const THUMB = 8;
const HIGH = { one: 46, two: 34 };
const short = (x) => Math.round(x * 10) / 10;

export class Strips {
  /** @param {{grab: () => void, drag: (index: number, asked: number) => void, settle: () => void}} wiring */
  constructor(wiring) {
    this.element = make("div", { class: "strips", "aria-hidden": "true" });
    this.wiring = wiring;
    this.left = 0;
    this.wide = 0;
    draggable(this.element, {
      grab: () => this.playable && wiring.grab(),
      drag: (clientX, asked) => this.playable && wiring.drag(this.indexAt(clientX), asked),
      settle: () => this.playable && wiring.settle(),
    });
  }

  /** @param {import("./model.js").Model} model @param {boolean} playable the slider is ours */
  update(model, playable, say) {
    Object.assign(this, { model, playable });
    this.element.hidden = model.frames < 2;
    this.element.classList.toggle("playable", playable);
    this.high = model.runs.length > 1 ? HIGH.two : HIGH.one;
    this.parts = model.runs.map((run) => {
      const svg = makeSvg("svg", { class: "strip", height: this.high });
      const title = make("span", { class: "strip-title", text: model.runs.length > 1 ? run.title : say("regions_history") });
      title.title = title.textContent;
      return { run, svg, title, row: make("div", { class: "strip-row" }, [title, svg]) };
    });
    this.cursor = make("i", { class: "cursor" });
    this.element.replaceChildren(...this.parts.map(({ row }) => row), this.cursor);
  }

  /** Where the slider's track lies: from `left`, `width` wide. */
  arrange(left, width, theme) {
    Object.assign(this, { left: left + THUMB, wide: Math.max(1, width - 2 * THUMB) });
    const { frames } = this.model;
    if (frames < 2) return;
    for (const { run, svg, title } of this.parts) {
      title.style.width = left > 60 ? `${left - 8}px` : "";
      Object.assign(svg.style, { left: `${this.left}px` });
      svg.setAttribute("width", String(this.wide));
      svg.replaceChildren(...this.areas(run, theme));
    }
    this.element.classList.toggle("titled", left > 60);
  }

  /** Shares on top of each other, the first expert at the bottom. */
  areas(run, theme) {
    const { model, wide, high } = this;
    const x = (frame) => (wide * frame) / (model.frames - 1);
    const floor = new Float64Array(model.frames);
    const found = [];
    for (let e = 0; e < model.experts; e++) {
      const from = Array.from(floor);
      for (let k = 0; k < model.frames; k++) floor[k] += run.share(k, e);
      const line = (heights) => heights.map((share, k) => `${short(x(k))} ${short(high * (1 - share))}`);
      const d = `M${line(Array.from(floor)).join("L")}L${line(from).reverse().join("L")}Z`;
      const colour = colourOf(theme, e);
      found.push(makeSvg("path", { d, fill: colour, stroke: theme.back, "stroke-width": 0.8, class: "area", "data-expert": e }));
      found.push(...this.name(run, e, from, floor, x, colour));
    }
    return found;
  }

  /** An expert's name where its band stays high enough for long enough, as late as possible. */
  name(run, e, from, to, x, colour) {
    const { model, high } = this;
    for (let k = model.frames - 1; k > 0; k--) {
      const middle = (from[k] + to[k]) / 2;
      const within = (j) => Math.min(to[j] - middle, middle - from[j]) * high >= 7;
      const [left, right] = [x(k) - 8, x(k) + 8];
      if (right > this.wide - 4 || left < 2) continue;
      let fits = true;
      for (let j = 0; j < model.frames && fits; j++) if (x(j) >= left - 2 && x(j) <= right + 2) fits = within(j);
      if (!fits) continue;
      const place = { x: short(x(k)), y: short(high * (1 - middle)), "text-anchor": "middle", "dominant-baseline": "central" };
      return [makeSvg("text", { ...place, class: "strip-name", style: `fill: ${inkOn(colour)}`, text: model.names[e] })];
    }
    return [];
  }

  indexAt(clientX) {
    const at = clientX - this.element.getBoundingClientRect().left - this.left;
    return Math.max(0, Math.min(this.model.frames - 1, Math.round((at / this.wide) * (this.model.frames - 1))));
  }

  /** The line stands at this frame. */
  show(frame) {
    if (this.model.frames > 1) this.cursor.style.left = `${this.left + (this.wide * frame) / (this.model.frames - 1)}px`;
  }

  /** @param {number|null} lit */
  light(lit) {
    for (const area of this.element.querySelectorAll(".area")) {
      area.classList.toggle("faint", lit !== null && Number(area.getAttribute("data-expert")) !== lit);
    }
  }
}
