/** One run: its title, its map, its bars, and what is at the place that is looked at. */
import { rgb } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { MINUS } from "../kit/format.js";
import { Loads, percent } from "./loads.js";
import * as plane from "./plane.js";

/** Areas have two pixels per CSS pixel on every screen: where it has fewer, the browser's averaging smooths the borders. */
const FINE = 2;
/** Between two regions. */
const LINE = { light: "#3a3f46", dark: "#d8dce2" };

/** A coordinate with as many decimals as a hundredth of the axis needs. */
function written(value, [low, high]) {
  const decimals = Math.max(0, Math.ceil(Math.log10(100 / (high - low))));
  return (Number(value.toFixed(decimals)) || 0).toFixed(decimals).replace("-", MINUS);
}

export class Panel {
  /**
   * @param {object} wiring
   * @param {(at: [number, number]|null) => void} wiring.point a place of the map is looked at
   * @param {(expert: number|null) => void} wiring.look an expert's bar is looked at
   * @param {(expert: number|null) => void} wiring.pin it is to be kept
   */
  constructor({ point, look, pin }) {
    this.point = point;
    this.title = make("b");
    this.note = make("span", { class: "note" });
    this.head = make("div", { class: "panel-title" }, [this.title, this.note]);
    this.areas = make("canvas", { "aria-hidden": "true" });
    this.marks = make("canvas", { role: "application", tabindex: "0" });
    this.map = make("div", { class: "map" }, [this.areas, this.marks]);
    this.loads = new Loads({ look, pin });
    this.here = make("div", { class: "here" });
    const body = make("div", { class: "body" }, [this.map, this.loads.element]);
    this.element = make("section", { class: "panel" }, [this.head, body, this.here]);
    [this.width, this.height] = [1, 1];
    this.listen();
  }

  listen() {
    const { marks } = this;
    const go = (event) => {
      const box = marks.getBoundingClientRect();
      const inside = (at) => Math.max(0, Math.min(1, at));
      this.point([inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)]);
    };
    marks.addEventListener("pointermove", go);
    marks.addEventListener("pointerdown", go);
    marks.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.point(null));
    marks.addEventListener("blur", () => this.point(null));
    marks.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return this.point(null);
      const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return undefined;
      event.preventDefault();
      event.stopPropagation();
      const { rows, columns } = this.run;
      const [u, v] = this.at ?? [0.5, 0.5];
      const cells = event.shiftKey ? 5 : 1;
      const move = (at, by, count) => Math.max(0.5, Math.min(count - 0.5, Math.floor(at * count) + 0.5 + by * cells)) / count;
      return this.point([move(u, step[0], columns), move(v, step[1], rows)]);
    });
  }

  /** @param {import("./model.js").Model} model @param {import("./model.js").Run} run */
  update(model, run, say, first) {
    Object.assign(this, { model, run, say });
    this.hint = first ? say("regions_hint") : "";
    this.title.textContent = run.title;
    this.title.title = run.title;
    this.loads.update(model, run, say);
    this.element.setAttribute("aria-label", run.title || say("regions_map"));
    this.marks.setAttribute("aria-label", `${run.title ? `${run.title}. ` : ""}${say("regions_map")}. ${say("regions_keys")}`);
  }

  dress(theme) {
    this.theme = theme;
    this.loads.dress(theme);
    this.drawn = "";
  }

  /** @param {number} width of the map @param {number} height @param {number} bars width of the bars */
  arrange(width, height, bars, beside) {
    Object.assign(this, { width, height });
    this.element.style.setProperty("--bars", `${bars}px`);
    this.scale = window.devicePixelRatio || 1;
    for (const [canvas, scale] of [[this.areas, FINE], [this.marks, this.scale]]) {
      Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    this.outlines = plane.outlines(this.model, width, height);
    this.loads.arrange(beside ? height : null);
    this.drawn = "";
  }

  /** The page's ground, and the full colours of areas while one expert is lit. */
  colours(lit) {
    const back = plane.ground(this.theme);
    return [back, plane.fulls(this.model, this.theme, back, lit)];
  }

  draw(frame, lit, at) {
    const wanted = `${frame} ${lit}`;
    if (wanted !== this.drawn) {
      const line = rgb(this.theme.dark ? LINE.dark : LINE.light);
      plane.paintAreas(this.areas, this.model, this.run, frame, this.theme, ...this.colours(lit), line, FINE);
      this.drawn = wanted;
    }
    this.note.textContent = this.run.note(frame);
    this.note.title = this.note.textContent;
    this.loads.write(frame);
    this.loads.light(lit);
    this.drawMarks(frame, lit, at);
  }

  /** Points, names and the probe; the areas stay as they are. */
  drawMarks(frame, lit, at) {
    this.at = at;
    const pen = this.marks.getContext("2d");
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const { layers, texts } = this.drawing(frame, lit, at);
    plane.draw(pen, layers);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const { text, x, y, fill, size, weight } of texts) {
      pen.font = `${weight} ${size}px ${this.theme.font}`;
      pen.fillStyle = fill;
      pen.fillText(text, x, y + 0.5);
    }
    this.tell(frame, at);
  }

  /** What stands on the areas, for canvas and file. */
  drawing(frame, lit, at) {
    const { model, run, theme, width, height } = this;
    const named = plane.names(model, run, frame, width, height, theme, lit);
    const layers = [
      ...plane.dots(model, run, frame, this.outlines, theme, lit),
      ...named.map(({ layer }) => layer),
      ...(at ? plane.probe(at, width, height, theme) : []),
    ];
    return { layers, texts: named.map(({ text }) => text) };
  }

  /** What is at the place that is looked at. */
  tell(frame, at) {
    if (!at) return this.here.replaceChildren(make("span", { class: "hint", text: this.hint }));
    const { model, run, say } = this;
    const expert = run.owner(frame)[run.cell(at)];
    const colour = plane.colourOf(this.theme, expert);
    const style = `background: ${colour}; color: ${plane.inkOn(colour)}`;
    const chip = make("span", { class: "chip", text: model.names[expert], style });
    const parts = [chip, make("b", { text: say("regions_expert", { name: model.names[expert] }) })];
    if (run.strength) parts.push(make("span", { text: say("regions_gate", { share: percent(run.sureAt(frame, at)) }) }));
    const point = model.pointAt(at, this.width, this.height);
    if (point >= 0) parts.push(...this.pointText(frame, point));
    else parts.push(make("span", { class: "quiet", text: this.place(at) }));
    this.marks.setAttribute("aria-description", parts.slice(1).map((part) => part.textContent).join(", "));
    return this.here.replaceChildren(...parts);
  }

  place(at) {
    const [x, y] = this.model.place(at);
    return `(${written(x, this.model.x)}, ${written(y, this.model.y)})`;
  }

  /** The point under the pointer: its cluster, and where it went. */
  pointText(frame, point) {
    const { model, run, say } = this;
    const parts = [];
    if (model.group) parts.push(model.groups[model.group[point]] ?? say("regions_cluster", { name: model.group[point] + 1 }));
    const expert = run.sent(frame, point);
    const lost = run.lost(frame, point);
    if (lost) parts.push(expert < 0 ? say("regions_dropped") : say("regions_lost", { name: model.names[expert] }));
    else if (expert >= 0) parts.push(say("regions_sent", { name: model.names[expert] }));
    return parts.map((text, k) => make("span", { class: lost && k === parts.length - 1 ? "lost" : "", text }));
  }
}
