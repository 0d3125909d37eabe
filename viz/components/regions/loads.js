/** The bars beside a map: each expert's share of the assignments, the even share, and the capacity if there is one. */
import { make } from "../kit/dom.js";
import { number } from "../kit/format.js";
import { colourOf, inkOn } from "./plane.js";

/** Height of a line of text above or below the bars, and of a bar's row where there is as much room as wanted. */
const LINE = 20;
const ROW = 20;

/** 12 %, 3.4 %, 0 %. @param {number} share */
export function percent(share) {
  const value = 100 * share;
  const rounded = value >= 9.95 || value === 0 ? String(Math.round(value)) : value < 0.05 ? "< 0.1" : value.toFixed(1);
  return `${rounded} %`;
}

/** An even share such as 12.5 %, without zeros that say nothing. @param {number} share */
export const evenly = (share) => `${number(Math.round(1000 * share) / 10, 3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")} %`;

export class Loads {
  /** @param {{look: (expert: number|null) => void, pin: (expert: number|null) => void}} wiring */
  constructor({ look, pin }) {
    Object.assign(this, { look, pin });
    this.title = make("div", { class: "loads-title" });
    this.list = make("div", { class: "rows", role: "listbox" });
    this.foot = make("div", { class: "loads-foot", "aria-hidden": "true" });
    this.element = make("div", { class: "loads" }, [this.title, this.list, this.foot]);
    this.list.addEventListener("pointerleave", () => this.look(null));
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focusout", (event) => !this.list.contains(event.relatedTarget) && this.look(null));
  }

  /** @param {import("./model.js").Model} model @param {import("./model.js").Run} run */
  update(model, run, say) {
    const made = JSON.stringify([model.names, say("regions_expert")]);
    Object.assign(this, { model, run, say });
    this.title.textContent = say("regions_load");
    this.list.setAttribute("aria-label", `${run.title ? `${run.title}: ` : ""}${say("regions_load")}, ${say("regions_even", { share: evenly(model.even) })}`);
    if (made === this.made) return;
    this.made = made;
    this.bars = model.names.map((name, e) => {
      const chip = make("span", { class: "chip", "aria-hidden": "true", text: name });
      const spoken = make("span", { class: "spoken", text: `${say("regions_expert", { name })}: ` });
      const [fill, over, even, cap] = ["fill", "over", "even", "cap"].map((kind) => make("i", { class: kind }));
      const track = make("span", { class: "track" }, [fill, over, even, cap]);
      const amount = make("span", { class: "amount" });
      const row = make("div", { class: "row", role: "option", tabindex: e ? "-1" : "0", "aria-selected": "false" }, [
        spoken,
        chip,
        track,
        amount,
      ]);
      row.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && this.look(e));
      row.addEventListener("focus", () => row.matches(":focus-visible") && this.look(e));
      row.addEventListener("click", () => this.pin(e));
      return { row, chip, fill, over, even, cap, amount };
    });
    this.list.replaceChildren(...this.bars.map(({ row }) => row));
  }

  key(event) {
    const at = this.bars.findIndex(({ row }) => row === event.target);
    const last = this.bars.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.pin(null);
    else if (event.key === "Enter" || event.key === " ") this.pin(at);
    else if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    else this.focus(Math.max(0, Math.min(last, to)));
    event.preventDefault();
    event.stopPropagation();
  }

  focus(expert) {
    this.bars.forEach(({ row }, e) => row.setAttribute("tabindex", e === expert ? "0" : "-1"));
    this.bars[expert].row.focus();
  }

  dress(theme) {
    this.bars.forEach(({ chip, fill }, e) => {
      const colour = colourOf(theme, e);
      Object.assign(chip.style, { background: colour, color: inkOn(colour) });
      fill.style.background = colour;
    });
  }

  /** How high the rows are. @param {number|null} height of the whole; null: it follows from the rows */
  arrange(height) {
    const foot = this.model.limited ? 2 * LINE : LINE;
    const room = height === null ? ROW * this.bars.length : height - LINE - foot;
    const high = Math.max(12, Math.min(26, Math.floor(room / this.bars.length)));
    this.foot.style.height = `${foot}px`;
    this.list.style.setProperty("--row", `${high}px`);
    this.element.classList.toggle("dense", high < 17);
    const letters = Math.max(...this.model.names.map((name) => name.length));
    this.element.style.setProperty("--chip", `${(high < 17 ? 12 : 14) + 6 * letters}px`);
  }

  /** One frame. */
  write(frame) {
    const { model, run } = this;
    const wide = (share) => `${Math.min(100, (100 * share) / model.most)}%`;
    const limit = run.limit(frame);
    this.bars.forEach(({ row, fill, over, even, cap, amount }, e) => {
      const share = run.share(frame, e);
      const served = limit === null ? share : Math.min(share, limit);
      fill.style.width = wide(served);
      over.style.left = wide(served);
      over.style.width = wide(share - served);
      even.style.left = wide(model.even);
      cap.hidden = limit === null || limit > model.most;
      if (!cap.hidden) cap.style.left = wide(limit);
      amount.textContent = percent(share);
      row.classList.toggle("idle", share === 0);
    });
    this.writeFoot(limit);
  }

  /** What the two lines across the bars are. */
  writeFoot(limit) {
    const { model, say } = this;
    const parts = [make("span", { class: "is-even" }, [make("i"), say("regions_even", { share: evenly(model.even) })])];
    if (limit !== null) {
      parts.push(make("span", { class: "is-cap" }, [make("i"), say("regions_limit", { share: evenly(limit) })]));
    }
    this.foot.replaceChildren(...parts);
  }

  /** Which expert is kept. @param {number|null} pinned */
  mark(pinned) {
    this.bars.forEach(({ row }, e) => row.setAttribute("aria-selected", String(pinned === e)));
  }

  /** @param {number|null} lit */
  light(lit) {
    this.bars.forEach(({ row }, e) => row.classList.toggle("faint", lit !== null && lit !== e));
  }
}
