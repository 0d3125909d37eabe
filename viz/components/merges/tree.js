/** How a piece was merged: a dendrogram over its first pieces, each inner node with the step that made it. */
import { textWidth } from "../kit/axis.js";
import { make, makeSvg, reachable } from "../kit/dom.js";
import { shorten } from "../kit/format.js";
import { tint } from "../kit/hue.js";
import { dressChip, makeChip } from "./chip.js";

const LEAF = { height: 22, narrow: 24, wide: 46 };
const NODE = 20;

export class Tree {
  constructor() {
    this.title = make("h3");
    this.chip = makeChip();
    this.note = make("span", { class: "note" });
    this.svg = makeSvg("svg", { "aria-hidden": "true" });
    this.spoken = make("p", { class: "spoken" });
    this.scroll = make("div", { class: "scroll" }, [this.svg]);
    const head = make("div", { class: "tree-head" }, [this.chip, this.note]);
    this.element = make("section", { class: "tree" }, [this.title, head, this.scroll, this.spoken]);
  }

  /** @param {import("./model.js").Model} model */
  update(model, say) {
    Object.assign(this, { model, say });
    this.title.textContent = say("merges_tree");
    this.element.setAttribute("aria-label", say("merges_tree"));
  }

  restyle(theme) {
    this.theme = theme;
  }

  resize() {
    this.width = this.scroll.clientWidth;
    this.height = this.scroll.clientHeight;
    if (this.id !== undefined) this.paint(this.step, this.id);
  }

  size(text, size = 12, weight = 400) {
    return textWidth(text, size, weight, this.theme.font);
  }

  /** @param {number} step @param {number} id */
  paint(step, id) {
    Object.assign(this, { step, id });
    const { model, say } = this;
    dressChip(this.chip, id, model, this.theme.dark, 40);
    const [born, gone] = [model.born[id], model.gone[id]];
    this.note.textContent = gone <= step
      ? say("merges_removed", { step: gone })
      : born ? say("merges_made", { step: born }) : say("merges_start");
    this.chip.classList.toggle("gone", gone <= step);
    this.draw(model.tree(id));
  }

  /** @param {import("./model.js").Node} root */
  draw(root) {
    const { model, width, height, theme } = this;
    if (!width || !height) return;
    this.resizeTo(0, 0);
    this.svg.replaceChildren();
    this.spoken.textContent = "";
    if (!root.parts.length) return reachable(this.scroll, false); // its chip says it all
    const leaves = [];
    const collect = (node) => (node.parts.length ? node.parts.forEach(collect) : leaves.push(node));
    collect(root);
    const names = leaves.map((leaf) => shorten(model.name(leaf.id), 8));
    const widest = Math.max(...names.map((name) => this.size(name, 13))) + 12;
    const column = Math.max(LEAF.narrow, widest, Math.min(LEAF.wide, (width - 2) / leaves.length));
    const wide = Math.max(width, column * leaves.length + 2);
    // A tree wider than its box scrolls sideways: its scroll bar takes room from the height.
    const room = height - (wide > width ? 12 : 0) - LEAF.height - 4;
    const rise = Math.max(NODE + 4, Math.min(46, (room - NODE / 2 - 2) / root.level));
    const tall = root.level * rise + NODE / 2 + 2 + LEAF.height;
    const left = (wide - column * leaves.length) / 2;
    const [x, y] = [(node) => left + node.at * column, (node) => tall - LEAF.height - node.level * rise];
    const lines = [];
    const boxes = [];
    const sentence = [];
    const visit = (node) => {
      node.parts.forEach(visit);
      if (!node.parts.length) return;
      const dash = model.born[node.id] > this.step ? " ahead" : "";
      const [a, b] = node.parts;
      const top = y(node);
      lines.push(makeSvg("path", { class: `branch${dash}`, d: `M${x(a).toFixed(1)} ${y(a).toFixed(1)}V${top.toFixed(1)}H${x(b).toFixed(1)}V${y(b).toFixed(1)}` }));
      boxes.push(...this.node(node, x(node), top, column, dash));
      sentence.push(`${model.name(a.id)} + ${model.name(b.id)} → ${model.name(node.id)}: ${this.say("merges_made", { step: model.born[node.id] })}`);
    };
    visit(root);
    leaves.forEach((leaf, i) => {
      const w = Math.min(column - 4, Math.max(20, this.size(names[i], 13) + 12));
      const middle = { x: x(leaf).toFixed(1), y: (y(leaf) + LEAF.height / 2).toFixed(1), "text-anchor": "middle", "dominant-baseline": "central" };
      boxes.push(makeSvg("rect", { x: (x(leaf) - w / 2).toFixed(1), y: y(leaf).toFixed(1), width: w.toFixed(1), height: LEAF.height, rx: 4, fill: tint(leaf.id, theme.dark) }));
      boxes.push(makeSvg("text", { class: "leaf", ...middle, text: names[i] }));
    });
    this.resizeTo(wide, tall);
    this.svg.replaceChildren(...lines, ...boxes);
    reachable(this.scroll, wide > width || tall + 4 > height, this.say("merges_tree"));
    this.spoken.textContent = sentence.join("; ");
  }

  resizeTo(width, height) {
    this.svg.setAttribute("width", String(width));
    this.svg.setAttribute("height", height.toFixed(1));
  }

  /** The piece of an inner node, if there is room, and the step that made it. */
  node(node, x, y, column, dash) {
    const step = String(this.model.born[node.id]);
    const name = shorten(this.model.name(node.id), 16);
    const [number, label] = [this.size(step, 11), this.size(name, 12, 600)];
    const span = (Math.abs(node.parts[1].at - node.parts[0].at) + 1) * column - 6;
    const full = label + number + 17 <= span;
    const w = full ? label + number + 17 : number + 10;
    const left = x - w / 2;
    const box = { x: left.toFixed(1), y: (y - NODE / 2).toFixed(1), width: w.toFixed(1), height: NODE, rx: 4 };
    const text = (kind, at, content) => makeSvg("text", { class: kind, x: at.toFixed(1), y: y.toFixed(1), "dominant-baseline": "central", text: content });
    const title = makeSvg("title", { text: `${this.model.name(node.id)}: ${this.say("merges_made", { step })}` });
    return [
      makeSvg("rect", { ...box, class: `node${dash}`, fill: dash ? this.theme.back : tint(node.id, this.theme.dark) }, [title]),
      ...(full ? [text("name", left + 5, name), text("made", left + 11 + label, step)] : [text("made", left + 5, step)]),
    ];
  }
}
