/** What a place holds and what else was likely there: a note beside its box. */
import { make } from "../kit/dom.js";
import { visible } from "../kit/format.js";
import { percent } from "./lane.js";

const AWAY = 8;

export class Lens {
  constructor() {
    this.element = make("div", { class: "lens", hidden: true, "aria-hidden": "true" });
  }

  hide() {
    this.element.hidden = true;
  }

  /** @param {import("./lane.js").Row} row @param {number} place @param {HTMLElement} frame that it stays within */
  show(row, place, index, step, asked, frame) {
    const { lane, say } = row;
    const text = lane.text(index, place);
    const guesses = lane.guesses(index, place);
    const label = row.label(index, place, step, asked);
    const cut = label.indexOf(": ");
    const head = make("div", { class: "lens-head" }, [
      make("b", { text: label.slice(0, cut) }),
      make("span", { text: label.slice(cut + 2) }),
    ]);
    const most = Math.max(...guesses.map(({ share }) => share), 1e-9);
    const lines = guesses.flatMap((one) => [
      make("span", { class: one.text === text ? "guess taken" : "guess", text: visible(one.text) }),
      make("i", { class: "share" }, [make("b", { style: `width: ${(100 * one.share) / most}%` })]),
      make("span", { class: "amount", text: percent(one.share) }),
    ]);
    const list = lines.length ? [make("div", { class: "lens-name", text: say("unmasking_guesses") }), make("div", { class: "guesses" }, lines)] : [];
    this.element.replaceChildren(head, ...list);
    this.element.hidden = false;
    this.stand(row.boxes[place].element, frame);
  }

  /** Below the box, else above it, never outside the frame. */
  stand(box, frame) {
    const [at, within] = [box.getBoundingClientRect(), frame.getBoundingClientRect()];
    const { offsetWidth: w, offsetHeight: h } = this.element;
    const x = Math.max(0, Math.min(within.width - w, (at.left + at.right) / 2 - within.left - w / 2));
    const below = at.bottom - within.top + AWAY;
    const above = at.top - within.top - h - AWAY;
    const y = below + h <= within.height || above < 0 ? below : above;
    Object.assign(this.element.style, { left: `${Math.round(x)}px`, top: `${Math.round(y)}px` });
  }
}
