/** The words of the caption: point at one to see where the pictures attend to it, click to keep it; a bar tells how much. */
import { make } from "../kit/dom.js";
import { gradient } from "../kit/colour.js";
import { number } from "../kit/format.js";

export class Chips {
  /** @param {{look: (word: number|null) => void, press: (word: number) => void, release: () => void}} wiring */
  constructor(wiring) {
    this.wiring = wiring;
    this.row = make("div", { class: "chips", role: "group" });
    this.low = make("span", { text: "0" });
    this.ramp = make("i", { class: "ramp" });
    this.high = make("span", { class: "high" });
    this.scale = make("div", { class: "scale" }, [this.low, this.ramp, this.high]);
    this.element = make("div", { class: "words" }, [this.row, this.scale]);
    /** @type {any[]} */
    this.chips = [];
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      wiring.release();
      event.stopPropagation();
    });
  }

  /** @param {import("./model.js").Heat|null} heat */
  update(heat, say) {
    this.element.hidden = !heat;
    this.heat = heat;
    this.say = say;
    if (!heat) return;
    this.row.setAttribute("aria-label", say("pictures_words", { n: heat.words }));
    while (this.chips.length < heat.words) this.chips.push(this.make(this.chips.length));
    for (const { element } of this.chips.splice(heat.words)) element.remove();
    this.chips.forEach(({ text, element }, i) => {
      text.textContent = heat.labels[i];
      element.title = heat.labels[i];
    });
  }

  make(i) {
    const { look, press } = this.wiring;
    const text = make("span", { class: "chip-text" });
    const bar = make("i", { class: "chip-bar" }, [make("b")]);
    const element = make("button", { type: "button", class: "chip" }, [text, bar]);
    element.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && look(i));
    element.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && look(null));
    element.addEventListener("focus", () => element.matches(":focus-visible") && look(i));
    element.addEventListener("blur", () => look(null));
    element.addEventListener("click", () => press(i));
    this.row.append(element);
    return { element, text, bar: bar.firstChild };
  }

  dress(theme) {
    this.ramp.style.background = gradient(theme.palette.probability);
  }

  /** @param {number|null} word shown @param {number|null} pinned @param {(word: number) => number} value */
  show(word, pinned, value) {
    const { heat } = this;
    if (!heat) return;
    this.chips.forEach(({ element, bar }, i) => {
      const seen = value(i);
      element.setAttribute("aria-pressed", String(i === pinned));
      element.setAttribute("aria-label", `${heat.labels[i]}: ${number(seen)}`);
      element.classList.toggle("looked", i === word);
      bar.style.width = `${heat.largest > 0 ? Math.min(100, (100 * seen) / heat.largest) : 0}%`;
    });
    this.scale.classList.toggle("off", word === null);
    this.high.textContent = number(heat.top[word ?? 0], 2);
  }
}
