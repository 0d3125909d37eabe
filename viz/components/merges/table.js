/** The candidates of the next step: their pieces, their numbers with bars, who is taken and whom another algorithm would take. */
import { make, reachable } from "../kit/dom.js";
import { number } from "../kit/format.js";
import { dressChip, makeChip, makeSign } from "./chip.js";

/** Heights, as in main.css. */
const [HEAD, ROW] = [20, 22];

export class Table {
  constructor() {
    this.title = make("h3");
    this.head = make("tr");
    this.body = make("tbody");
    this.table = make("table", {}, [make("thead", {}, [this.head]), this.body]);
    this.done = make("p", { class: "done", hidden: true });
    this.legend = make("div", { class: "legend", "aria-hidden": "true" });
    this.scroll = make("div", { class: "scroll" }, [this.table, this.done]);
    this.element = make("section", { class: "candidates" }, [this.title, this.scroll, this.legend]);
  }

  /** @param {import("./model.js").Model} model */
  update(model, say) {
    Object.assign(this, { model, say });
    this.title.textContent = say("merges_candidates");
    this.done.textContent = say("merges_done");
    this.element.setAttribute("aria-label", say("merges_candidates"));
    const single = model.pair.every((id, i) => i % 2 === 0 || id < 0);
    this.table.classList.toggle("alone", !model.rival);
    this.head.replaceChildren(
      make("th", { class: "sign", scope: "col" }, [make("span", { class: "spoken", text: say("merges_chosen") })]),
      make("th", { scope: "col", text: say(single ? "merges_piece" : "merges_pair") }),
      ...model.columns.map((text) => make("th", { scope: "col", class: "number", title: text, text })),
    );
    // Numbers of one column need one width, or their bars could not be compared.
    this.digits = model.numbers.map((column) => column.reduce((most, value) => Math.max(most, [...number(value)].length), 3));
    this.rows = Array.from({ length: model.rows }, () => this.row());
    this.body.replaceChildren(...this.rows.map(({ element }) => element));
    const sign = (name) =>
      make("span", { class: "key" }, [makeSign(name), say(`merges_${name}`)]);
    this.legend.replaceChildren(sign("chosen"), ...(model.rival ? [sign("rival")] : []));
  }

  row() {
    const left = makeChip();
    const right = makeChip();
    const plus = make("span", { class: "plus", text: "+" });
    const signs = ["chosen", "rival"].map((name) =>
      make("span", { class: `mark ${name}`, title: this.say(`merges_${name}`) }, [
        makeSign(name),
        make("span", { class: "spoken", text: this.say(`merges_${name}`) }),
      ]),
    );
    const cells = this.model.columns.map((_, c) => {
      const [bar, text] = [make("i"), make("span", { style: `--digits: ${this.digits[c]}ch` })];
      return { bar, text, element: make("td", { class: "number" }, [make("div", { class: "amount" }, [make("div", { class: "bar" }, [bar]), text])]) };
    });
    const element = make("tr", {}, [
      make("td", { class: "sign" }, [make("div", { class: "signs" }, signs)]),
      make("th", { scope: "row" }, [make("div", { class: "pair" }, [left, plus, right])]),
      ...cells.map((cell) => cell.element),
    ]);
    return { element, left, plus, right, signs, cells };
  }

  resize() {
    const { clientHeight, scrollHeight } = this.scroll;
    reachable(this.scroll, Math.max(scrollHeight, HEAD + this.rows.length * ROW) > clientHeight, this.say("merges_candidates"));
  }

  /** @param {number} step @param {boolean} dark */
  paint(step, dark) {
    const found = this.model.candidates(step);
    const most = this.model.columns.map((_, c) => Math.max(0, ...found.map(({ numbers }) => Math.abs(numbers[c])).filter(Number.isFinite)));
    this.rows.forEach((row, i) => {
      const one = found[i];
      row.element.hidden = !one;
      if (!one) return;
      const single = one.right < 0;
      dressChip(row.left, one.left, this.model, dark, 14);
      if (!single) dressChip(row.right, one.right, this.model, dark, 14);
      row.plus.hidden = row.right.hidden = single;
      row.element.className = `${one.chosen ? "taken" : ""} ${one.rival ? "other" : ""}`;
      row.signs[0].hidden = !one.chosen;
      row.signs[1].hidden = !one.rival;
      row.cells.forEach(({ bar, text }, c) => {
        const value = one.numbers[c];
        text.textContent = number(value);
        bar.style.width = `${most[c] && Number.isFinite(value) ? (100 * Math.abs(value)) / most[c] : 0}%`;
      });
    });
    this.done.hidden = found.length > 0;
    this.table.hidden = !found.length;
    this.legend.hidden = !found.length;
  }
}
