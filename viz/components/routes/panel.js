/** Beside the picture: how the router decides about one token, in columns of bars; without a token, the load of all. */
import { make } from "../kit/dom.js";
import { number, shorten, visible } from "../kit/format.js";
import { ground, inkOn, mix } from "./brush.js";
import { colourOf } from "./flow.js";

const ROW = { most: 32, least: 17 };
const HEAD = 134;

export const percent = (share) => `${number(100 * share, share < 0.0995 ? 2 : 3)} %`;

export class Panel {
  constructor() {
    this.title = make("div", { class: "panel-title" });
    this.table = make("div", { class: "bars" });
    this.foot = make("div", { class: "panel-foot" });
    this.element = make("div", { class: "panel", role: "group" }, [this.title, this.table, this.foot]);
  }

  /** @param {import("./model.js").Model} model */
  update(model, data, say) {
    Object.assign(this, { model, data, say });
    this.element.setAttribute("aria-label", say(data.mode === "paths" ? "routes_load_layers" : "routes_panel"));
  }

  /** @param {number} height @param {number} width */
  arrange(height, width) {
    this.wide = width >= 300;
    const most = Math.max(4, Math.floor((height - HEAD) / ROW.least));
    this.rows = Math.min(this.data.layers ? this.model.frames : this.model.e, most);
    this.row = Math.max(ROW.least, Math.min(ROW.most, (height - HEAD) / this.rows));
    this.element.style.setProperty("--row", `${this.row.toFixed(1)}px`);
    this.element.style.height = `${height}px`;
  }

  /** @param {any} theme */
  dress(theme) {
    this.theme = theme;
  }

  /** @param {number} f @param {import("./flow.js").Focus} focus */
  show(f, { token, expert, pinned }) {
    if (this.data.mode === "paths") this.path(token);
    else if (token === null) this.load(f, expert);
    else this.token(f, token, pinned);
  }

  name(expert, on) {
    const colour = colourOf(this.theme, expert);
    const style = on ? `background: ${colour}; color: ${inkOn(colour)}` : `box-shadow: inset 0 0 0 1.5px ${colour}`;
    return make("span", { class: on ? "badge on" : "badge", style, text: this.model.experts[expert] });
  }

  /** A number on its bar. @param {number} share from 0 to 1 of the room @param {number} [from] where the bar begins */
  bar(expert, value, share, { from = 0, quiet = false } = {}) {
    const { back, text } = this.theme;
    const ink = quiet ? mix(text, back, 0.78) : text; // as main.css has it
    const fill = ground(colourOf(this.theme, expert), back, ink, quiet ? 0.2 : 0.55);
    const left = 100 * (share < 0 ? from + share : from);
    const bar = make("i", { style: `left: ${left.toFixed(1)}%; width: ${(100 * Math.abs(share)).toFixed(1)}%; background: ${fill}` });
    return make("span", { class: quiet ? "bar quiet" : "bar" }, [bar, make("span", { text: value })]);
  }

  /** The experts that are shown: all, or those that come nearest to being chosen, in their order. */
  chosenFew(f, token) {
    const { model } = this;
    const all = Array.from({ length: model.e }, (_, expert) => expert);
    if (model.e <= this.rows) return all;
    const asked = model.values.score ? "score" : "probability";
    const rank = (expert) => model.at(asked, f, token, expert) + (model.at("chosen", f, token, expert) ? 1e6 : 0);
    return all.sort((a, b) => rank(b) - rank(a)).slice(0, this.rows - 1).sort((a, b) => a - b);
  }

  token(f, token, pinned) {
    const { model, data, say } = this;
    const { picks, sums } = model.frame(f);
    const own = new Map(picks[token].map((pick) => [pick.expert, pick]));
    const columns = model.columns.filter((name) => name !== "weight");
    const most = Object.fromEntries([...columns, "weight"].map((name) => [name, model.largest(name, f, token) || 1]));
    const signed = new Set(columns.filter((name) => name === "logit" || model.least(name, f, token) < 0));
    const title = (name) => make("span", { class: "column", text: `${name === "logit" ? "" : "→ "}${data.stages?.[name] ?? say(`routes_${name}`)}` });
    const cells = [make("span"), ...columns.map(title), make("span"), title("weight")];
    const few = this.chosenFew(f, token);
    for (const expert of few) {
      const pick = own.get(expert);
      cells.push(this.name(expert, !!pick?.kept));
      for (const name of columns) {
        const value = model.at(name, f, token, expert);
        const share = Number.isFinite(value) ? value / most[name] : 0;
        const [length, from] = signed.has(name) ? [share / 2, 0.5] : [share, 0];
        cells.push(this.bar(expert, number(value), length, { from, quiet: !pick }));
      }
      cells.push(this.mark(pick));
      if (pick?.kept) cells.push(this.bar(expert, number(pick.weight), pick.weight / Math.max(1, most.weight)));
      else cells.push(make("span", { class: pick ? "bar full" : "bar none", text: pick ? say("routes_full") : "" }));
    }
    this.table.className = `bars of-token columns-${columns.length + 1}`;
    this.table.replaceChildren(...cells);
    this.head(token);
    const gone = !picks[token].some(({ kept }) => kept);
    const more = model.e - few.length;
    this.foot.classList.toggle("lost", gone);
    const sum = gone ? say("routes_lost") : say("routes_sum", { x: sums[token].toFixed(3) });
    const tally = make("div", { class: "tally" }, [make("span", { text: more ? say("routes_more", { n: more }) : "" }), make("span", { class: "sum", text: sum })]);
    this.foot.replaceChildren(tally, make("div", { class: "formula" }, this.formula(picks[token])));
  }

  /** What becomes of the token: itself plus its experts' answers, each times its weight. */
  formula(picks) {
    const served = picks.filter(({ kept }) => kept);
    const room = this.wide ? 4 : 3;
    const most = served.length > room ? room - 1 : room;
    const terms = served.slice(0, most).flatMap(({ expert, weight }) => [" + ", make("span", { class: "term" }, [`${number(weight)} × `, this.name(expert, true)])]);
    const rest = served.length > most ? [" + …"] : [];
    const shared = (this.data.shared ?? []).flatMap((name) => [" + ", make("span", { class: "badge shared", text: name })]);
    return ["y = x", ...terms, ...rest, ...shared];
  }

  head(token) {
    const { model, say } = this;
    const label = make("bdi", { class: "label", text: shorten(visible(model.tokens[token]), 22) });
    this.title.replaceChildren(label, make("span", { class: "place", text: say("routes_place", { n: token + 1, of: model.t }) }));
  }

  /** Chosen as the how-manieth. */
  mark(pick) {
    if (!pick) return make("span", { class: "rank" });
    return make("span", { class: pick.kept ? "rank on" : "rank off", text: pick.kept ? pick.rank + 1 : "×" });
  }

  /** A token's experts in every layer, as wide as their weights. @param {number|null} token */
  path(token) {
    const { model, data, say } = this;
    this.table.className = "bars of-path";
    this.foot.classList.remove("lost");
    const cells = data.layers.slice(0, this.rows).flatMap((layer, l) => {
      const parts = token === null ? this.loads(l) : this.served(l, token);
      const strip = parts.length ? make("span", { class: "strip" }, parts) : make("span", { class: "bar full", text: say("routes_lost") });
      return [make("span", { class: "column", text: say("routes_layer", { n: layer }) }), strip];
    });
    this.table.replaceChildren(...cells);
    if (token === null) this.title.replaceChildren(make("span", { class: "label", text: say("routes_load_layers") }));
    else this.head(token);
    const hint = `${token === null ? `${say("routes_hint_paths")} ` : ""}${say("routes_note_layers")}`;
    const more = model.frames - this.rows;
    const rest = more > 0 ? [make("div", { text: say("routes_more_layers", { n: more }) })] : [];
    this.foot.replaceChildren(...rest, make("span", { class: "hint", text: hint }));
  }

  /** Parts of a strip: the experts of one token, as wide as their weights. */
  served(l, token) {
    const { picks, sums } = this.model.frame(l);
    const whole = Math.max(1, sums[token]);
    return picks[token].filter(({ kept, weight }) => kept && weight).map(({ expert, weight }) => this.part(expert, weight / whole));
  }

  /** Parts of a strip: all experts of one layer, as wide as their loads. */
  loads(l) {
    const { visits, assigned } = this.model.frame(l);
    return visits.flatMap((list, expert) => (list.length ? [this.part(expert, list.length / assigned)] : []));
  }

  part(expert, share) {
    const colour = colourOf(this.theme, expert);
    const text = share > 0.075 ? this.model.experts[expert] : "";
    return make("b", { style: `width: ${(100 * share).toFixed(2)}%; background: ${colour}; color: ${inkOn(colour)}`, text });
  }

  load(f, lit) {
    const { model, say } = this;
    const { visits, assigned } = model.frame(f);
    const counts = visits.map((list) => list.length);
    const most = Math.max(...counts, 1);
    const all = counts.map((_, e) => e);
    const few = model.e <= this.rows ? all : counts.map((_, e) => e).sort((a, b) => counts[b] - counts[a]).slice(0, this.rows - 1);
    const cells = few.flatMap((expert) => {
      const share = counts[expert] / (assigned || 1);
      return [this.name(expert, true), this.bar(expert, `${percent(share)}`, counts[expert] / most, { quiet: lit !== null && lit !== expert })];
    });
    this.table.className = "bars of-load";
    this.table.replaceChildren(...cells);
    this.title.replaceChildren(make("span", { class: "label", text: say("routes_load") }), make("span", { class: "place", text: say("routes_even", { share: percent(1 / model.e) }) }));
    this.foot.classList.remove("lost");
    this.foot.replaceChildren(make("span", { class: "hint", text: say("routes_hint") }));
  }
}
