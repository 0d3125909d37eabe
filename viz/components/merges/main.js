/**
 * The training of a tokenizer, step by step: a curve whose axis is the scrubber, and below it what the step at hand is made
 * of. See __init__.py for what Python sends. State sent to the server: "scrub" when the slider is let go.
 */
import { make } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { number } from "../kit/format.js";
import { browserComponent, sheet } from "../kit/host.js";
import { Scrubber } from "../kit/scrubber.js";
import { snapshot } from "../kit/snapshot.js";
import { Curve, THUMB } from "./curve.js";
import { Model } from "./model.js";
import { Table } from "./table.js";
import { Tree } from "./tree.js";
import { Vocabulary } from "./vocabulary.js";

const style = await sheet(new URL("./main.css", import.meta.url));

/** Below this width, as in main.css, the panels stand under each other. */
const NARROW = 560;

class Merges extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("merges", place);
    /** The piece whose tree is kept; null: the newest one. @type {number|null} */
    this.picked = null;
    this.scrubber = new Scrubber({ paint: (index) => this.paint(index), release: (index) => this.send("scrub", index) });
    this.curve = new Curve({
      grab: () => this.scrubber.hold(),
      drag: (index, asked) => this.scrubber.drag(index, asked),
      settle: () => this.scrubber.settle(),
      jump: (step) => this.scrubber.jump(step),
    });
    this.table = new Table();
    this.vocabulary = new Vocabulary({ pick: (id) => this.pick(id) });
    this.tree = new Tree();
    this.panels = make("div", { class: "panels" }, [this.table.element, this.vocabulary.element, this.tree.element]);
    this.frame.append(this.scrubber.element, this.tools, this.curve.element, this.curve.ticks, this.panels, this.spoken);
  }

  destroy() {
    super.destroy();
    this.scrubber.stop();
  }

  /** @param {any} data see __init__.py */
  update(data) {
    const before = this.picked !== null && this.model.pieces[this.picked];
    this.take(data);
    this.model = new Model(data);
    if (before !== false && this.model.pieces[this.picked] !== before) this.picked = null;
    this.frame.style.height = `${data.height}px`;
    this.frame.classList.toggle("treeless", !this.model.hasTrees);
    for (const part of [this.curve, this.table, this.vocabulary, this.tree]) part.update(this.model, this.say);
    this.scrubber.update(data.scrub, this.say);
    this.offer(() => snapshot(this.frame, this.theme, data.alt), () => this.rows(), () => `${data.name}-${this.scrubber.index}`);
    this.restyle();
  }

  dress() {
    this.vocabulary.restyle(this.theme.dark);
    this.tree.restyle(this.theme);
  }

  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const height = Math.round(Math.max(72, Math.min(150, this.data.height * (width < NARROW ? 0.175 : 0.2))));
    this.curve.resize(width, height, this.theme.font);
    this.frame.style.setProperty("--from", `${this.curve.left - THUMB}px`);
    this.frame.style.setProperty("--to", `${width - this.curve.right - THUMB}px`);
    this.vocabulary.resize();
    this.paint(this.scrubber.index);
    this.table.resize();
    this.tree.resize();
  }

  /** One step, at once. @param {number} step */
  paint(step) {
    const { model } = this;
    const shown = Math.min(step, model.steps);
    this.curve.paint(shown);
    this.table.paint(shown, this.theme.dark);
    this.vocabulary.paint(shown, this.picked);
    if (model.hasTrees) this.tree.paint(shown, this.picked ?? model.latest(shown));
    this.speak(() => this.sentence(shown));
  }

  /** @param {number|null} id */
  pick(id) {
    this.picked = id;
    this.vocabulary.paint(this.scrubber.index, id);
    this.tree.paint(this.scrubber.index, id ?? this.model.latest(this.scrubber.index));
  }

  /** A step, for screen readers. */
  sentence(step) {
    const { model, say } = this;
    const taken = model.candidates(step).filter(({ chosen }) => chosen);
    const names = taken.map(({ left, right }) => [left, right].filter((id) => id >= 0).map((id) => model.name(id)).join(" + "));
    const state = `${number(model.curve[step])} ${say("merges_curve")}, ${say("merges_axis")} ${number(model.axis[step], 4)}.`;
    return `${state} ${names.length ? `${say("merges_chosen")}: ${names.join(", ")}` : say("merges_done")}`;
  }

  /** Every candidate of every step. @returns {(string|number)[][]} */
  rows() {
    const { model, say, data } = this;
    const names = ["curve", "axis", "chosen", "rival"].map((id) => say(`merges_${id}`));
    const lines = [[data.scrub.label, names[1], names[0], "left", "right", ...model.columns, names[2], ...(model.rival ? [names[3]] : [])]];
    const piece = (id) => (id < 0 ? "" : model.pieces[id]);
    const exact = (value) => Number(value.toPrecision(6));
    for (let step = 0; step <= model.steps; step++) {
      const state = [data.scrub.values[step], exact(model.axis[step]), exact(model.curve[step])];
      const found = model.candidates(step);
      if (!found.length) lines.push(state);
      for (const { left, right, numbers, chosen, rival } of found) {
        const marks = [Number(chosen), ...(model.rival ? [Number(rival)] : [])];
        lines.push([...state, piece(left), piece(right), ...numbers.map(exact), ...marks]);
      }
    }
    return lines;
  }
}

export default browserComponent(style, (place) => new Merges(place));
