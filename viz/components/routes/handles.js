/** What the pointer and the keyboard take hold of: an invisible handle on every token of the text and on every bin. */
import { make } from "../kit/dom.js";

export class Handles {
  /**
   * @param {object} wiring
   * @param {(what: {token?: number|null, expert?: number|null}) => void} wiring.point
   * @param {(token: number) => void} wiring.press
   * @param {() => void} wiring.release
   */
  constructor(wiring) {
    this.wiring = wiring;
    this.list = make("div", { class: "handles", role: "listbox", onkeydown: (event) => this.tokenKey(event) });
    this.row = make("div", { class: "handles", role: "toolbar", onkeydown: (event) => this.expertKey(event) });
    this.elements = [this.list, this.row];
    this.tokens = [];
    this.experts = [];
  }

  /** @param {import("./model.js").Model} model */
  update(model, say, count) {
    this.list.setAttribute("aria-label", `${say("routes_tokens")} (${model.t}). ${say("routes_keys")}`);
    this.row.setAttribute("aria-label", `${say("routes_experts")} (${model.e})`);
    this.row.hidden = !count;
    const listen = (what, more = {}) => ({
      onpointerenter: (event) => event.pointerType !== "touch" && this.wiring.point(what),
      onpointerleave: (event) => event.pointerType !== "touch" && this.wiring.point({}),
      onfocus: (event) => event.target.matches(":focus-visible") && this.wiring.point(what),
      onblur: () => this.wiring.point({}),
      ...more,
    });
    if (this.tokens.length !== model.t) {
      this.tokens = Array.from({ length: model.t }, (_, token) =>
        make("div", { class: "handle", role: "option", tabindex: token ? -1 : 0, ...listen({ token }, { onclick: () => this.wiring.press(token) }) }),
      );
      this.list.replaceChildren(...this.tokens);
      this.state = "";
    }
    if (this.experts.length !== count) {
      const tap = (expert) => (event) => event.pointerType === "touch" && this.wiring.point({ expert });
      this.experts = Array.from({ length: count }, (_, expert) =>
        make("button", { class: "handle", type: "button", tabindex: expert ? -1 : 0, ...listen({ expert }, { onclick: tap(expert) }) }),
      );
      this.row.replaceChildren(...this.experts);
    }
  }

  /** @param {any} at */
  arrange(at) {
    this.at = at;
    const place = (element, box) => {
      for (const [side, length] of Object.entries(box)) element.style[side] = `${length}px`;
    };
    at.text.chips.forEach(({ x, y, w }, i) => place(this.tokens[i], { left: x, top: y, width: w, height: at.text.high }));
    at.handles.forEach((box, i) => place(this.experts[i], box));
  }

  /** @param {import("./flow.js").Focus} focus @param {number|null} pin */
  show(focus, pin) {
    const here = focus.token ?? 0;
    const state = `${here} ${pin}`;
    if (state === this.state) return;
    this.state = state;
    this.tokens.forEach((option, i) => {
      option.setAttribute("aria-selected", String(i === pin));
      option.tabIndex = i === here ? 0 : -1;
    });
  }

  /** Names of all handles, once the picture rests. */
  name(view) {
    this.tokens.forEach((option, i) => option.setAttribute("aria-label", view.sentence(i)));
    this.experts.forEach((button, e) => button.setAttribute("aria-label", view.told(e)));
  }

  /** @param {KeyboardEvent} event */
  tokenKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = this.tokens.indexOf(event.target);
    const last = this.tokens.length - 1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last };
    if (event.key in steps) this.tokens[Math.max(0, Math.min(last, from + steps[event.key]))].focus();
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") this.tokens[this.nearest(from, event.key === "ArrowUp" ? -1 : 1)].focus();
    else if (event.key === "Enter" || event.key === " ") this.wiring.press(from);
    else if (event.key === "Escape") this.wiring.release();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The token above or below. */
  nearest(from, way) {
    const { chips } = this.at.text;
    const middle = (chip) => chip.x + chip.w / 2;
    const there = chips.map((chip, i) => ({ chip, i })).filter(({ chip }) => chip.line === chips[from].line + way);
    if (!there.length) return from;
    return there.reduce((best, one) =>
      Math.abs(middle(one.chip) - middle(chips[from])) < Math.abs(middle(best.chip) - middle(chips[from])) ? one : best,
    ).i;
  }

  /** @param {KeyboardEvent} event */
  expertKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = this.experts.indexOf(event.target);
    const last = this.experts.length - 1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last };
    if (event.key === "Escape") this.wiring.release();
    else if (event.key in steps) {
      const to = this.experts[Math.max(0, Math.min(last, from + steps[event.key]))];
      this.experts[from].tabIndex = -1;
      to.tabIndex = 0;
      to.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
