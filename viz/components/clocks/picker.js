/**
 * Which face is pointed at: by the pointer, by the arrow keys, or kept by a click. Above the canvas lies one transparent
 * option per face, which is what a keyboard and a screen reader meet.
 */
import { make } from "../kit/dom.js";
import { number } from "../kit/format.js";
import { turnText } from "./faces.js";
import { between } from "./model.js";

const degrees = (angle) => `${number(Math.round((angle * 180) / Math.PI))}°`;

export class Picker {
  /** @param {{change: () => void}} wiring */
  constructor({ change }) {
    this.change = change;
    /** @type {number|null} */
    this.hover = null;
    /** @type {number|null} */
    this.picked = null;
    this.element = make("div", { class: "list", role: "listbox", onkeydown: (event) => this.key(event) });
  }

  /** @param {import("./model.js").Model} model */
  update(model, say) {
    Object.assign(this, { model, say });
    if (this.picked >= model.pairs) this.picked = null;
    this.hover = null;
    this.element.setAttribute("aria-label", `${say("clocks_faces")} (${model.pairs})`);
    if (this.options?.length !== model.pairs) {
      this.options = Array.from({ length: model.pairs }, (_, j) =>
        make("div", {
          class: "option",
          role: "option",
          onpointerenter: (event) => event.pointerType !== "touch" && this.point(j),
          onpointerleave: () => this.point(null),
          onfocus: () => this.point(j),
          onblur: () => this.point(null),
          onclick: () => this.pick(j),
        }),
      );
      this.element.replaceChildren(...this.options);
    }
    this.mark();
  }

  /** @param {import("./faces.js").Layout} at */
  arrange(at) {
    this.columns = at.columns;
    this.options.forEach((option, j) => {
      const [left, top] = [(j % at.columns) * at.cellW, Math.floor(j / at.columns) * at.cellH];
      const box = { left: left + 2, top: top + 1, width: at.cellW - 4, height: at.cellH - 2 };
      for (const [side, length] of Object.entries(box)) option.style[side] = `${length}px`;
    });
  }

  get shown() {
    return this.hover ?? this.picked;
  }

  mark() {
    const here = Math.min(this.model.pairs - 1, this.shown ?? 0);
    this.options.forEach((option, j) => {
      option.setAttribute("aria-selected", String(j === this.picked));
      option.tabIndex = j === here ? 0 : -1;
    });
  }

  point(j) {
    this.hover = j;
    this.change();
  }

  pick(j) {
    this.picked = j === this.picked ? null : j;
    this.mark();
    this.change();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = this.options.indexOf(event.target);
    const last = this.options.length - 1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Home: -last, End: last };
    if (event.key in steps) {
      const to = Math.max(0, Math.min(last, from + steps[event.key]));
      this.options[from].tabIndex = -1;
      this.options[to].tabIndex = 0;
      this.options[to].focus();
    } else if (event.key === "Enter" || event.key === " ") {
      this.pick(from);
    } else if (event.key === "Escape") {
      [this.picked, this.hover] = [null, null];
      this.mark();
      this.change();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Names of the options, with the numbers of the positions that rest. */
  name(m, n) {
    this.options.forEach((option, j) => {
      const turn = turnText(this.model.wavelength[j]);
      option.setAttribute("aria-label", this.say("clocks_face", { pair: j + 1, turn, share: number(this.model.share(m, n, j)) }));
    });
  }

  /** The dot product of the face that is shown. @returns {Node[]} */
  sentence(m, n) {
    const { model, say, shown: j } = this;
    if (j === null) return [make("p", { class: "hint", text: say("clocks_hint") })];
    const [q, k] = [model.hand("query", m, j), model.hand("key", n, j)];
    const share = model.share(m, n, j);
    const term = (role, value, first) =>
      make("span", { class: `term of-${role}`, text: value < 0 && !first ? `(${number(value)})` : number(value) });
    const sum = [term("query", q[0], true), "·", term("key", k[0]), " + ", term("query", q[1]), "·", term("key", k[1])];
    const scaled = model.factor === 1 ? sum : ["(", ...sum, `) · ${number(model.factor)}`];
    const [a, b] = [model.angle("query", m, j), model.angle("key", n, j)];
    const angles = { query: degrees(a), key: degrees(b), between: degrees(Math.abs(between(a, b))) };
    const turn = model.wavelength[j];
    return [
      make("p", { class: "product" }, [
        make("b", { text: say("clocks_pair", { n: j + 1 }) }),
        make("span", { class: "formula" }, [...scaled, " = ", make("b", { text: number(share) })]),
      ]),
      make("p", { class: "angles" }, [
        make("span", { text: turn === Infinity ? say("clocks_never") : say("clocks_turns", { turn: turnText(turn) }) }),
        make("span", { class: "of-query", text: `${say("clocks_hand_query")} ${angles.query}` }),
        make("span", { class: "of-key", text: `${say("clocks_hand_key")} ${angles.key}` }),
        make("span", { text: say("clocks_between", { angle: angles.between }) }),
      ]),
    ];
  }
}
