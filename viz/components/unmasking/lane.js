/** One text as boxes that flow like words; each as wide as the widest token it ever holds. */
import { textWidth } from "../kit/axis.js";
import { rampIndex } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { visible } from "../kit/format.js";

/** Letters are measured at this size and given in em. */
const RULER = 100;
const LEAST = 1.1;
const MOST = 14;
/** Small letters are not quite large letters made small. */
const SLACK = 0.2;

export const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);

/** A token's text; the dot that stands for its space is paler. @returns {(Node|string)[]} */
function pieces(text) {
  const seen = visible(text);
  return seen.startsWith("·") && seen !== "·" ? [make("i", { class: "dot", text: "·" }), seen.slice(1)] : [seen];
}

export class Row {
  /**
   * @param {object} wiring
   * @param {(place: number|null) => void} wiring.point
   * @param {(place: number) => void} wiring.tap a finger has touched a place
   * @param {(place: number) => void} wiring.grab the mouse is pressed on a place
   * @param {(place: number) => void} wiring.drag the pressed mouse comes to another place
   * @param {(place: number, event: KeyboardEvent) => void} wiring.key
   */
  constructor(wiring) {
    this.wiring = wiring;
    this.title = make("b", { class: "lane-title" });
    this.note = make("span", { class: "lane-note" });
    this.flow = make("div", { class: "flow", role: "listbox" });
    this.element = make("div", { class: "lane" }, [make("div", { class: "lane-head" }, [this.title, this.note]), this.flow]);
    /** @type {any[]} */
    this.boxes = [];
    this.listen();
  }

  listen() {
    const { point, grab, drag, tap, key } = this.wiring;
    const place = (event) => {
      const box = event.target instanceof Element ? event.target.closest(".box") : null;
      return box ? Number(box.dataset.place) : null;
    };
    this.flow.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch") return;
      const at = place(event);
      point(at);
      if (at !== null && event.buttons & 1) drag(at);
    });
    this.flow.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && point(null));
    this.flow.addEventListener("pointerdown", (event) => {
      const at = place(event);
      if (at === null || event.button || event.pointerType === "touch") return;
      event.preventDefault();
      this.focus(at);
      grab(at);
    });
    this.flow.addEventListener("click", (event) => {
      if (event.pointerType !== "touch") return;
      const at = place(event);
      point(at);
      if (at !== null) tap(at);
    });
    this.flow.addEventListener("keydown", (event) => {
      const at = place(event);
      if (at !== null) key(at, event);
    });
    this.flow.addEventListener("focusin", (event) => {
      const at = place(event);
      if (at === null) return;
      this.enter(at);
      if (event.target.matches(":focus-visible")) point(at);
    });
    this.flow.addEventListener("focusout", () => point(null));
  }

  /** @param {import("./model.js").Lane} lane @param {boolean} clickable */
  update(lane, clickable, say) {
    Object.assign(this, { lane, clickable, say });
    this.title.textContent = this.title.title = lane.title;
    this.flow.setAttribute("aria-label", say("unmasking_list", { title: lane.title, n: lane.count }));
    this.flow.setAttribute("aria-description", say(clickable ? "unmasking_keys_click" : "unmasking_keys"));
    if (clickable) this.flow.setAttribute("aria-multiselectable", "true");
    else this.flow.removeAttribute("aria-multiselectable");
    this.flow.classList.toggle("clickable", clickable);
    const kept = this.boxes.findIndex(({ hit }) => hit.tabIndex === 0);
    while (this.boxes.length < lane.count) this.boxes.push(this.makeBox(this.boxes.length));
    for (const { element } of this.boxes.splice(lane.count)) element.remove();
    for (const old of this.flow.querySelectorAll(".end")) old.remove();
    this.boxes.forEach((box, i) => {
      box.was = "";
      box.element.classList.toggle("fixed", Boolean(lane.fixed[i]));
      box.bar.hidden = !lane.blocks.has(i) || !i;
      if (lane.ends.has(i)) box.element.after(make("i", { class: "end" }));
    });
    this.enter(kept >= 0 && kept < lane.count ? kept : 0);
  }

  makeBox(i) {
    const [text, digits] = ["text", "digits"].map((name) => make("span", { class: name, "aria-hidden": "true" }));
    const [bar, yours] = [make("i", { class: "bar", hidden: true }), make("i", { class: "yours", hidden: true })];
    const hit = make("div", { class: "hit", role: "option", tabindex: -1 });
    const element = make("div", { class: "box", "data-place": i }, [bar, text, digits, yours, hit]);
    this.flow.append(element);
    return { element, hit, text, digits, bar, yours, was: "" };
  }

  /** The Tab key comes to this place. */
  enter(place) {
    this.boxes.forEach(({ hit }, i) => (hit.tabIndex = i === place ? 0 : -1));
  }

  focus(place) {
    this.boxes[place]?.hit.focus({ preventScroll: true });
  }

  /** As wide as the widest token of all frames. @param {string} font */
  measure(font) {
    const { lane } = this;
    this.boxes.forEach((box, i) => {
      const wide = Math.max(LEAST, ...lane.texts(i).map((text) => textWidth(visible(text), RULER, 400, font) / RULER));
      box.element.style.setProperty("--wide", `${Math.min(MOST, Math.ceil(100 * (wide + SLACK)) / 100)}em`);
    });
  }

  /**
   * One frame: only boxes whose looks change are touched.
   * @param {Uint8ClampedArray} colours the probability ramp @param {string[]} inks for each of its colours
   * @param {Set<number>} yours places that the visitor has masked @param {(frame: number) => string} step
   */
  show(frame, colours, inks, yours, step) {
    const { lane, say } = this;
    const note = lane.note(frame);
    if (this.note.textContent !== note) this.note.textContent = this.note.title = note;
    this.boxes.forEach((box, i) => {
      const at = lane.at(frame, i);
      const news = lane.news(frame, i);
      const asked = this.clickable && yours.has(i);
      const now = `${this.clickable} ${lane.token[at]} ${lane.weight ? lane.weight[at] : ""} ${news} ${lane.since[at]} ${asked}`;
      if (now === box.was) return;
      box.was = now;
      const text = lane.text(frame, i);
      const share = lane.share(frame, i);
      const filled = lane.filled(frame, i);
      const { element } = box;
      element.classList.toggle("masked", text === null);
      element.classList.toggle("new", news === "new");
      element.classList.toggle("removed", news === "removed");
      element.classList.toggle("asked", asked && text !== null && Boolean(lane.fixed[i]));
      const level = share === null ? 0 : rampIndex(share, 0, 1);
      element.style.backgroundColor = share === null ? "" : `rgb(${colours[3 * level]} ${colours[3 * level + 1]} ${colours[3 * level + 2]})`;
      element.style.color = share === null ? "" : inks[level];
      box.text.replaceChildren(...(text === null ? [] : pieces(text)));
      box.digits.textContent = filled ? step(filled) : "";
      box.yours.hidden = !asked;
      if (this.clickable) box.hit.setAttribute("aria-selected", String(asked));
      else box.hit.removeAttribute("aria-selected");
      box.hit.setAttribute("aria-label", this.label(frame, i, step, asked));
    });
  }

  /** "place 12: the, filled in step 5, probability 62 %" */
  label(frame, i, step, asked) {
    const { lane, say } = this;
    const text = lane.text(frame, i);
    const share = lane.share(frame, i);
    const filled = lane.filled(frame, i);
    const parts = [
      text === null ? say(lane.news(frame, i) === "removed" ? "unmasking_removed" : "unmasking_masked") : visible(text),
      lane.fixed[i] ? say("unmasking_given") : "",
      filled ? say("unmasking_filled", { step: step(filled) }) : "",
      share === null ? "" : say("unmasking_probability", { share: percent(share) }),
      asked ? say("unmasking_yours") : "",
    ];
    return `${say("unmasking_place", { n: i + 1 })}: ${parts.filter((part) => part).join(", ")}`;
  }
}
