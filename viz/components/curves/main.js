/**
 * A line chart that follows the hand: a slider plays its frames or lies along its axis; a cursor reads all lines.
 * See __init__.py for what Python sends. State sent to the server: "scrub" when the slider is let go.
 */
import { counted } from "../kit/axis.js";
import { readTheme } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { draggable } from "../kit/drag.js";
import { follow } from "../kit/follow.js";
import { chosen } from "../kit/format.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { Scrubber } from "../kit/scrubber.js";
import { snapshot } from "../kit/snapshot.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import { Chart } from "./chart.js";
import { Model } from "./model.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const REST_MS = 400;
/** Below this width the names stand in a row above the picture, unless they are short. */
const NARROW = 560;

class Curves {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root, send }) {
    this.root = root;
    this.index = 0;
    /** Where the pointer or the keyboard reads the lines; null: nowhere. @type {number|null} */
    this.stop = null;
    this.echo = new Echo();
    this.scrubber = new Scrubber({ paint: (index) => this.show(index), release: (index) => send("scrub", index) });
    this.chart = new Chart();
    this.title = make("span", { class: "y-title" });
    this.tools = make("div", { class: "tools" });
    this.head = make("div", { class: "head" }, [this.title, this.tools]);
    this.said = make("div", { class: "said" });
    this.legend = make("div", { class: "legend" });
    this.probe = make("input", {
      type: "range",
      class: "probe",
      min: 0,
      step: 1,
      oninput: () => this.read(Number(this.probe.value)),
      onfocus: () => this.read(Number(this.probe.value)),
      onblur: () => this.read(null),
      onkeydown: (event) => event.key === "Escape" && this.read(null),
    });
    this.box = make("div", { class: "box" }, [this.chart.svg, this.probe]);
    this.x = make("div", { class: "x-title" });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    this.frame = make("div", { class: "kit curves", role: "figure" }, [this.head, this.said, this.legend, this.box, this.x, this.spoken]);
    root.append(this.frame);
    this.listen();
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.frame);
    this.fontsCame = () => this.data && this.arrange();
    document.fonts?.addEventListener("loadingdone", this.fontsCame);
  }

  listen() {
    const { svg } = this.chart;
    draggable(svg, {
      grab: () => this.onAxis && this.scrubber.hold(),
      drag: (clientX, asked) => this.point(clientX, asked),
      settle: () => this.onAxis && this.scrubber.settle(),
    });
    svg.addEventListener("pointermove", (event) => {
      if (!this.onAxis && !svg.hasPointerCapture(event.pointerId)) this.point(event.clientX);
    });
    svg.addEventListener("pointerleave", () => !this.onAxis && this.read(null));
  }

  destroy() {
    document.fonts?.removeEventListener("loadingdone", this.fontsCame);
    this.observer.disconnect();
    this.scrubber.stop();
    this.unfollow?.();
    window.clearTimeout(this.speaking);
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.data = data;
    const own = Object.fromEntries(Object.entries(data.words).map(([id, text]) => [`curves_${id}`, text]));
    this.say = speaker({ ...data.ui, ...own });
    this.model = new Model(data);
    this.onAxis = data.on_axis;
    this.stop = null;
    this.chart.update(this.model, data);
    this.frame.setAttribute("aria-label", data.alt);
    this.frame.style.height = `${data.height}px`;
    this.frame.classList.toggle("on-axis", data.on_axis);
    this.title.textContent = data.y_axis.title;
    this.x.textContent = data.x_axis.title;
    this.wire(data);
    Object.assign(this.probe, { max: this.model.stops.length - 1, disabled: data.on_axis });
    this.probe.hidden = data.on_axis;
    this.probe.setAttribute("aria-label", this.say("curves_probe", { axis: data.x_axis.title }));
    const makers = { svg: () => toSvg(this.scene()), png: () => toPng(this.scene()), csv: () => csv(this.rows()) };
    const name = () => (this.model.frames > 1 ? `${data.name}-${this.index}` : data.name);
    this.tools.replaceChildren(toolbar(makers, name, this.say));
    this.restyle();
  }

  /** Who plays the frames: a slider of its own, and whoever else moves the same field. */
  wire(data) {
    if (this.echo.isNews(data.index)) this.index = data.index;
    this.index = Math.min(this.index, this.model.frames - 1);
    if (data.scrub) {
      const written = (value) => (data.on_axis && data.x_axis.kilo ? counted(value, data.x_axis.kilo, chosen) : value);
      this.scrubber.update({ ...data.scrub, values: data.scrub.values.map(written) }, this.say);
      this.index = this.scrubber.index;
    }
    this.placeSlider(data.scrub ? (data.on_axis ? "axis" : "below") : "none");
    const field = data.follow || data.scrub?.field || "";
    if (field !== this.field) {
      this.unfollow?.();
      this.field = field;
      this.unfollow = field ? follow(field, (index) => this.heard(index)) : undefined;
    }
  }

  /** The slider lies on the axis with its buttons above the picture, or stands below it. Nothing is moved that is there:
   * a moved element loses the keyboard's focus. @param {"axis"|"below"|"none"} where */
  placeSlider(where) {
    const { element, range } = this.scrubber;
    const into = (parent, child, before = null) => child && child.parentElement !== parent && parent.insertBefore(child, before);
    for (const old of this.box.querySelectorAll("input:not(.probe)")) if (old !== range || where !== "axis") old.remove();
    if (where === "none") return element.remove();
    into(where === "axis" ? this.head : this.frame, element, where === "axis" ? this.title : null);
    into(where === "axis" ? this.box : element, range);
  }

  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    this.chart.restyle(this.theme);
    this.arrange();
  }

  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const names = this.nameLines(width);
    this.reserve(width);
    this.chart.resize(this.box.clientWidth, this.box.clientHeight, { names, slider: this.onAxis });
    this.chart.paint(this.index, this.at());
    const { left, right, inset } = this.chart;
    for (const range of [this.probe, this.scrubber.range]) {
      if (range) Object.assign(range.style, { left: `${left + inset - 8}px`, width: `${right - left - 2 * inset + 16}px` });
    }
    this.x.style.paddingRight = `${width - right}px`;
    this.tell();
  }

  /** Names at the lines' ends, or where that would leave too little for the picture, in a row above it. */
  nameLines(width) {
    const { lines } = this.model;
    const widest = Math.max(0, ...lines.map(({ name }) => this.chart.size(name, 600)));
    const above = width < NARROW && widest > width * 0.24;
    this.legend.hidden = !above;
    if (!above) return true;
    this.legend.replaceChildren(
      ...lines.flatMap(({ name, note, quiet }, l) => {
        if (!name) return [];
        const colour = this.chart.colours[l];
        const mark = make("i", { style: colour ? `background: ${colour}` : "" });
        const text = make("span", { text: name, title: name, style: colour ? `color: ${colour}` : "" });
        return [make("span", { class: quiet ? "key quiet" : "key" }, [mark, text, ...(note ? [make("span", { class: "note", text: note })] : [])])];
      }),
    );
    return false;
  }

  /** The sentences above the picture keep the room of the longest of all frames. */
  reserve(width) {
    const { readout } = this.data;
    const rows = Math.max(0, ...readout.map((texts) => texts.length));
    const lines = Array.from({ length: rows }, (_, k) =>
      Math.max(1, ...readout.map((texts) => Math.ceil((this.chart.size(texts[k] ?? "", 400, 14) * 1.04) / width))),
    );
    this.said.hidden = !rows;
    this.said.style.height = `${21 * lines.reduce((sum, n) => sum + n, 0)}px`;
  }

  /** Where the cursor stands now. @returns {number|null} */
  at() {
    const { cursor } = this.data;
    if (this.stop !== null) return this.stop;
    return cursor ? cursor[Math.min(this.index, cursor.length - 1)] : null;
  }

  /** One frame, at once. @param {number} index */
  show(index) {
    this.index = Math.min(index, this.model.frames - 1);
    this.chart.paint(this.index, this.at());
    this.tell();
  }

  /** Another scrubber of the same field moves. */
  heard(index) {
    if (index === this.index || !this.model || index >= this.model.frames) return;
    if (this.data.scrub) this.scrubber.moved(index);
    else this.echo.note(index);
    this.show(index);
  }

  /** @param {number} clientX @param {number} [asked] */
  point(clientX, asked) {
    const value = this.chart.valueAt(clientX);
    if (!this.onAxis) return this.read(this.model.nearest(this.model.stops, value));
    const { values } = this.data.scrub;
    let best = 0;
    for (let k = 1; k < values.length; k++) {
      if (this.model.between(values[k], value) < this.model.between(values[best], value)) best = k;
    }
    this.scrubber.drag(best, asked);
  }

  /** Read all lines at one of the model's stops. @param {number|null} stop */
  read(stop) {
    if (!this.data || this.onAxis) return;
    this.stop = stop === null ? null : this.model.stops[stop];
    if (stop !== null) {
      this.probe.value = String(stop);
      this.probe.setAttribute("aria-valuetext", this.sentence(this.stop));
    }
    this.chart.paint(this.index, this.at());
  }

  /** What all lines show at a position, said. */
  sentence(at) {
    const { data, say, model } = this;
    const seen = model.read(this.index, at).filter(({ name }) => name);
    const values = seen.map(({ name, y }) => `${name} ${counted(y, data.y_axis.kilo)}`);
    return say("curves_at", { axis: data.x_axis.title, x: counted(at, data.x_axis.kilo, chosen), values: values.join("; ") || say("curves_nothing") });
  }

  /** The sentences of this frame; to screen readers once it rests. */
  tell() {
    const { readout } = this.data;
    const texts = readout[Math.min(this.index, readout.length - 1)] ?? [];
    this.said.replaceChildren(...texts.map((text) => make("p", { text })));
    window.clearTimeout(this.speaking);
    if (this.model.frames < 2) return;
    this.speaking = window.setTimeout(() => {
      const at = this.at();
      this.spoken.textContent = [...(at === null ? [] : [this.sentence(at)]), ...texts].join(" ");
    }, REST_MS);
  }

  /** @returns {import("../kit/scene.js").Scene} */
  scene() {
    return snapshot(this.frame, this.theme, this.data.alt);
  }

  /** Every point of every frame: a column for each line where all share the positions, else a row for each point. */
  rows() {
    const { model, data } = this;
    const exact = (value) => (value === value ? Number(value.toPrecision(6)) : "");
    const frames = Array.from({ length: model.frames }, (_, frame) => frame);
    const tag = (frame) => (model.frames > 1 ? [data.scrub?.values[frame] ?? frame] : []);
    const first = model.frames > 1 ? [data.scrub?.label ?? data.follow] : [];
    if (model.lines.every(({ x }) => x === model.x)) {
      const head = [...first, data.x_axis.title, ...model.lines.map(({ name }) => name)];
      const row = (frame, i) => [...tag(frame), exact(model.x[i]), ...model.lines.map((line) => exact(model.y(line, frame, i)))];
      return [head, ...frames.flatMap((frame) => Array.from(model.x, (_, i) => row(frame, i)))];
    }
    const rows = [[...first, "name", data.x_axis.title, data.y_axis.title]];
    for (const frame of frames) {
      for (const line of model.lines) {
        for (let i = 0; i < line.n; i++) {
          rows.push([...tag(frame), line.labels[i] || line.name, exact(line.x[i]), exact(model.y(line, frame, i))]);
        }
      }
    }
    return rows;
  }
}

export default browserComponent(style, (place) => new Curves(place));
