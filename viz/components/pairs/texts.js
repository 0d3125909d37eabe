/** The texts, numbered as the columns are; one of them stands out. */
import { make, reachable } from "../kit/dom.js";

export class Texts {
  /** @param {{point: (column: number|null) => void, press: (column: number) => void}} wiring */
  constructor({ point, press }) {
    this.list = make("div", { class: "texts" });
    this.element = this.list;
    /** @type {{item: HTMLElement, bar: HTMLElement, text: HTMLElement, number: HTMLElement}[]} */
    this.items = [];
    const at = (event) => this.items.findIndex(({ item }) => item.contains(event.target));
    this.list.addEventListener("pointermove", (event) => event.pointerType !== "touch" && point(at(event) < 0 ? null : at(event)));
    this.list.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && point(null));
    this.list.addEventListener("click", (event) => at(event) >= 0 && press(at(event)));
  }

  update(texts, say) {
    this.say = say;
    while (this.items.length < texts.length) this.items.push(this.make());
    for (const { item } of this.items.splice(texts.length)) item.remove();
    this.items.forEach(({ text, number }, i) => {
      text.textContent = text.title = texts[i];
      number.textContent = String(i + 1);
    });
  }

  make() {
    const [number, text, bar] = [make("b", { class: "nth" }), make("span", { class: "text" }), make("i", { class: "bar" })];
    const item = make("div", { class: "item" }, [bar, number, text]);
    this.list.append(item);
    return { item, bar, text, number };
  }

  arrange() {
    reachable(this.list, this.list.scrollHeight > this.list.clientHeight + 1, this.say("pairs_texts", { n: this.items.length }));
  }

  /** @param {number|null} column stands out @param {(column: number) => {share: number, colour: string}|null} of a row's cells */
  show(column, value) {
    this.items.forEach(({ item, bar }, i) => {
      item.classList.toggle("on", i === column);
      const found = value(i);
      const share = found ? Math.min(1, found.share) : 0;
      bar.style.width = `${share < 0.01 ? 0 : 100 * share}%`;
    });
    if (column === null) return;
    const { item } = this.items[column];
    const [top, bottom] = [item.offsetTop, item.offsetTop + item.offsetHeight];
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (bottom > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = bottom - this.list.clientHeight;
  }
}
