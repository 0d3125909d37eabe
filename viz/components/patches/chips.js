/** Sources that are no patches: point at one to see where it looks, click to keep it. */
import { make } from "../kit/dom.js";

export class Chips {
  /** @param {{look: (source: number|null) => void, press: (source: number) => void}} wiring */
  constructor(wiring) {
    this.wiring = wiring;
    this.element = make("div", { class: "chips", role: "group" });
    /** @type {any[]} */
    this.chips = [];
  }

  /** @param {string[]} names @param {string} label */
  update(names, label) {
    this.element.hidden = !names.length;
    this.element.setAttribute("aria-label", label);
    while (this.chips.length < names.length) this.chips.push(this.make(this.chips.length));
    for (const { element } of this.chips.splice(names.length)) element.remove();
    this.chips.forEach(({ element, text }, i) => {
      text.textContent = element.title = names[i];
    });
    this.names = names;
  }

  make(i) {
    const { look, press } = this.wiring;
    const text = make("span", { class: "chip-text" });
    const bar = make("b");
    const element = make("button", { type: "button", class: "chip" }, [text, make("i", { class: "chip-bar" }, [bar])]);
    element.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && look(i));
    element.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && look(null));
    element.addEventListener("focus", () => element.matches(":focus-visible") && look(i));
    element.addEventListener("blur", () => look(null));
    element.addEventListener("click", () => press(i));
    this.element.append(element);
    return { element, text, bar };
  }

  /** @param {number} shown @param {number} kept @param {(source: number) => number} share of the longest bar, 0 to 1 */
  show(shown, kept, share, label) {
    this.chips.forEach(({ element, bar }, i) => {
      element.setAttribute("aria-pressed", String(i === kept));
      element.setAttribute("aria-label", label(i));
      element.classList.toggle("looked", i === shown);
      bar.style.width = `${100 * share(i)}%`;
    });
  }
}
