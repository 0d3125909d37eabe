/** The vocabulary as chips, the newest first; what this step removed stands before them, struck out. */
import { make } from "../kit/dom.js";
import { dressChip, makeChip } from "./chip.js";

/** Chips are painted while the scrubber moves as many as the box is likely to show; more come when they are asked for. */
const AREA = 1062; // square pixels for a chip with its gap: enough for the button below them to stay in sight
const LEAST = 60;
const MOST = 240;
const MOST_REMOVED = 60;
const MORE = 500;

export class Vocabulary {
  /** @param {{pick: (id: number|null) => void}} wiring a piece was chosen, or let go */
  constructor({ pick }) {
    this.pick = pick;
    this.title = make("h3");
    this.list = make("div", { class: "chips", role: "listbox", onkeydown: (event) => this.key(event) });
    this.more = make("button", { type: "button", class: "more", onclick: () => this.grow() });
    this.scrolled = false; // asking the box itself would cost a layout
    this.scroll = make("div", { class: "scroll", onscroll: () => (this.scrolled = true) }, [this.list, this.more]);
    this.element = make("section", { class: "vocabulary" }, [this.title, this.scroll]);
    this.usual = MOST;
    this.most = MOST;
    this.step = -1;
    /** @type {Map<number, any>} */
    this.chips = new Map();
    /** @type {number|null} */
    this.focused = null;
  }

  /** @param {import("./model.js").Model} model */
  update(model, say) {
    Object.assign(this, { model, say });
    this.chips.clear();
    this.step = -1;
    this.element.setAttribute("aria-label", say("merges_vocabulary"));
  }

  restyle(dark) {
    this.dark = dark;
    this.chips.clear();
    this.step = -1;
  }

  resize() {
    const { clientWidth, clientHeight } = this.scroll;
    this.usual = Math.max(LEAST, Math.min(MOST, Math.round((clientWidth * clientHeight) / AREA)));
    this.step = -1;
  }

  chip(id) {
    let chip = this.chips.get(id);
    if (!chip) {
      chip = makeChip({ role: "option", "aria-selected": "false", onclick: () => this.press(id) });
      chip.dataset.id = String(id);
      dressChip(chip, id, this.model, this.dark);
      this.chips.set(id, chip);
    }
    return chip;
  }

  /** @param {number} step @param {number|null} picked */
  paint(step, picked) {
    if (step !== this.step) {
      this.step = step;
      this.most = this.usual;
      if (this.scrolled) this.scroll.scrollTop = 0;
      this.scrolled = false;
    }
    const { model, say } = this;
    this.list.setAttribute("aria-label", `${say("merges_vocabulary")}: ${model.axis[step]}. ${say("merges_keys")}`);
    const removed = model.removed(step);
    const gone = removed.slice(0, this.most === this.usual ? MOST_REMOVED : this.most);
    const alive = model.vocabulary(step, this.most);
    this.shown = [...gone, ...alive];
    this.arrange(this.shown.map((id) => this.chip(id)));
    const tabbed = this.shown.includes(this.focused) ? this.focused : this.shown[0];
    const struck = new Set(gone);
    for (const id of this.shown) {
      const chip = this.chips.get(id);
      const out = struck.has(id);
      const state = `chip${model.isNew(id, step) && !out ? " new" : ""}${out ? " gone" : ""}${id === picked ? " picked" : ""}`;
      if (chip.className !== state) {
        chip.className = state;
        chip.setAttribute("aria-selected", String(id === picked));
        if (out) chip.setAttribute("aria-label", `${model.name(id)}, ${say("merges_removed", { step })}`);
        else chip.removeAttribute("aria-label");
      }
      chip.tabIndex = id === tabbed ? 0 : -1;
    }
    const hidden = removed.length + model.alive[step] - this.shown.length;
    this.more.hidden = hidden <= 0;
    this.more.textContent = say("merges_more", { n: hidden });
    const size = make("span", { class: "count", text: String(model.axis[step]) });
    const change = step > 0 ? model.axis[step] - model.axis[step - 1] : 0;
    const sign = change ? [make("span", { class: "change", text: `${change > 0 ? "+" : "\u2212"}${Math.abs(change)}` })] : [];
    this.title.replaceChildren(say("merges_vocabulary"), size, ...sign);
    this.picked = picked;
  }

  /** Put the chips in the list. Those that stay are not touched: they keep the keyboard's focus and cost no layout. */
  arrange(chips) {
    const { list } = this;
    const { activeElement } = /** @type {ShadowRoot} */ (list.getRootNode());
    const focused = list.contains(activeElement);
    const wanted = new Set(chips);
    for (const chip of [...list.children]) if (!wanted.has(chip)) chip.remove();
    let next = list.firstElementChild;
    for (const chip of chips) {
      if (chip === next) next = next.nextElementSibling;
      else list.insertBefore(chip, next);
    }
    if (focused && !wanted.has(activeElement)) chips[0]?.focus({ preventScroll: true });
  }

  grow() {
    const before = this.shown.length;
    this.most += MORE;
    this.paint(this.step, this.picked);
    this.focus(this.shown[Math.min(before, this.shown.length - 1)]);
  }

  /** A piece pressed again is let go. */
  press(id) {
    this.focused = id;
    this.pick(this.picked === id ? null : id);
  }

  focus(id) {
    if (id === undefined) return;
    this.chips.get(this.focused)?.setAttribute("tabindex", "-1");
    this.focused = id;
    const chip = this.chips.get(id);
    chip.tabIndex = 0;
    chip.focus();
  }

  /** The chip above or below: the nearest middle in the next line. */
  vertical(at, way) {
    const here = this.chip(this.shown[at]);
    const middle = here.offsetLeft + here.offsetWidth / 2;
    let best = at;
    let line = null;
    for (let i = at + way; i >= 0 && i < this.shown.length; i += way) {
      const chip = this.chip(this.shown[i]);
      if (chip.offsetTop === here.offsetTop) continue;
      line ??= chip.offsetTop;
      if (chip.offsetTop !== line) break;
      const far = (k) => Math.abs(this.chip(this.shown[k]).offsetLeft + this.chip(this.shown[k]).offsetWidth / 2 - middle);
      if (best === at || far(i) < far(best)) best = i;
    }
    return best;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = Math.max(0, this.shown.indexOf(Number(/** @type {HTMLElement} */ (event.target).dataset.id)));
    const moves = {
      ArrowLeft: () => at - 1,
      ArrowRight: () => at + 1,
      ArrowUp: () => this.vertical(at, -1),
      ArrowDown: () => this.vertical(at, 1),
      Home: () => 0,
      End: () => this.shown.length - 1,
    };
    if (event.key in moves) this.focus(this.shown[Math.max(0, Math.min(this.shown.length - 1, moves[event.key]()))]);
    else if (event.key === "Enter" || event.key === " ") this.press(this.shown[at]);
    else if (event.key === "Escape" && this.picked !== null) this.pick(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
