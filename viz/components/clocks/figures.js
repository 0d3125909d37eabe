/** The numbers that the picture is about, large: both positions, their distance, the score and how it changed. */
import { gradient } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { MINUS, number, shorten, visible } from "../kit/format.js";

/** Digits of a score, so that the largest shows as many in all and nothing jumps. */
const DIGITS = 5;

export class Figures {
  constructor() {
    const figure = (name, role = "") => {
      const [symbol, note, value] = ["symbol", "token", "amount"].map((part) => make(part === "token" ? "bdi" : "span", { class: part }));
      this[name] = { symbol, note, value };
      return make("div", { class: `figure ${role}` }, [make("div", { class: "title" }, [symbol, note]), value]);
    };
    const positions = [figure("m", "of-query"), figure("n", "of-key"), figure("distance")];
    this.ends = [make("span"), make("span")];
    this.needle = make("i", { class: "needle" });
    this.bar = make("div", { class: "bar" }, [this.needle]);
    this.element = make("div", { class: "figures" }, [
      make("div", { class: "positions" }, positions),
      make("div", { class: "result" }, [figure("score"), figure("change", "of-change")]),
      make("div", { class: "scale" }, [this.ends[0], this.bar, this.ends[1]]),
    ]);
  }

  /** @param {import("./model.js").Model} model */
  update(model, say) {
    Object.assign(this, { model, say });
    const texts = { m: "m", n: "n", distance: `m ${MINUS} n`, score: say("clocks_score") };
    for (const [name, text] of Object.entries(texts)) this[name].symbol.textContent = text;
    const size = model.largestScore;
    this.ends.forEach((end, i) => (end.textContent = number(i ? size : -size, 2)));
    const before = Math.floor(Math.log10(size || 1)) + (size >= 1 ? 1 : 2); // of the decimal point; 0.1 counts its 0 too
    this.decimals = Math.max(0, Math.min(7, DIGITS - before));
  }

  /** @param {import("../kit/colour.js").Theme} theme */
  dress({ palette }) {
    this.bar.style.background = gradient(palette.signed);
  }

  /** @param {number} m @param {number} n @param {{m: number, n: number}} origin where the movement began */
  write(m, n, origin) {
    const { model } = this;
    const set = (name, text) => (this[name].value.textContent = text);
    set("m", number(model.positions[m], 6));
    set("n", number(model.positions[n], 6));
    set("distance", number(model.distance(m, n), 6));
    set("score", this.fixed(model.at(m, n)));
    this.needle.style.left = `${50 + (50 * model.at(m, n)) / (model.largestScore || 1)}%`;
    const token = (index) => (model.labels.length ? shorten(visible(model.labels[index])) : "");
    this.m.note.textContent = token(m);
    this.n.note.textContent = token(n);
    const moved = this.moved(m, n, origin);
    this.change.symbol.textContent = moved && "Δ";
    this.change.note.textContent = moved;
    set("change", moved && this.difference(m, n, origin));
  }

  /** How far both have come since the movement began; empty where they stand still. */
  moved(m, n, origin) {
    const { model, say } = this;
    const [dm, dn] = [m - origin.m, n - origin.n];
    if (!dm && !dn) return "";
    if (dm === dn) return say("clocks_moved_both", { steps: number(dm * model.step, 6) });
    return say("clocks_moved", { m: number(model.positions[origin.m], 6), n: number(model.positions[origin.n], 6) });
  }

  /** What the score did meanwhile, with as many decimals as it takes to see that it is not 0: +0.0000001. */
  difference(m, n, origin) {
    const change = this.model.at(m, n) - this.model.at(origin.m, origin.n);
    if (change === 0) return "0";
    const needed = Math.min(20, Math.ceil(-Math.log10(Math.abs(change))));
    return (change > 0 ? "+" : "") + this.fixed(change, Math.max(this.decimals, needed));
  }

  fixed(value, decimals = this.decimals) {
    return value.toFixed(decimals).replace("-", MINUS);
  }

  spoken(m, n, origin) {
    const { model, say } = this;
    const state = { m: number(model.positions[m], 6), n: number(model.positions[n], 6), score: this.fixed(model.at(m, n)) };
    const now = say("clocks_state", { ...state, distance: number(model.distance(m, n), 6) });
    const moved = this.moved(m, n, origin);
    return moved ? `${now} ${moved}: ${say("clocks_changed", { change: this.difference(m, n, origin) })}` : now;
  }
}
