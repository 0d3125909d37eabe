/**
 * Panels of patches, with the heat of one source over all of them. See __init__.py for what Python sends. State sent to the
 * server: "scrub" when the slider is let go, "source" when a click keeps one, "off" when a click switches a cell.
 */
import { gradient } from "../kit/colour.js";
import { make, reserve } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { MINUS, number } from "../kit/format.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { Player } from "../kit/player.js";
import { Board } from "./board.js";
import { Chips } from "./chips.js";
import { rows, scene } from "./export.js";
import { layout } from "./layout.js";
import { Model } from "./model.js";
import { Brush } from "./paint.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const NARROW = 600;
/** Milliseconds per frame while it plays: every step deserves a look. */
const pace = (count) => Math.max(70, Math.min(600, 6000 / count));

class Patches extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("patches", place);
    /** The row that a click keeps, 0 for none. */
    this.kept = 0;
    /** The word that is pointed at. @type {number|null} */
    this.looked = null;
    /** @type {{panel: number, cell: number}|null} */
    this.at = null;
    /** @type {Set<number>} */
    this.off = new Set();
    this.echo = { source: new Echo(), off: new Echo() };
    this.brush = new Brush();
    this.player = new Player({ show: () => this.draw(), release: (index) => this.send("scrub", index), pace });
    this.chips = new Chips({ look: (source) => this.look(source), press: (source) => this.keep(source) });
    this.board = new Board({
      point: (at) => this.point(at),
      press: ({ cell }) => this.press(cell),
      key: (event) => this.key(event),
      enter: () => this.at ?? this.point({ panel: 0, cell: this.start() }),
    });
    this.info = make("div", { class: "info" });
    this.legend = make("div", { class: "legend", "aria-hidden": "true" });
    this.said = make("p", { class: "said" });
    this.place = make("div", { class: "place" }, [this.board.element]);
    this.top = make("div", { class: "top" }, [this.info, this.legend, this.tools]);
    this.frame.append(this.top, this.said, this.place, this.spoken);
  }

  destroy() {
    super.destroy();
    this.player.stop();
  }

  get index() {
    return this.player.index;
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.model = new Model(data);
    const { panels, cells, sources, kind, names, frames } = this.model;
    if (this.echo.source.isNews(data.source)) this.kept = data.source;
    if (this.echo.off.isNews(data.off)) this.off = new Set(data.off ?? []);
    if (this.kept >= sources) this.kept = 0;
    this.looked = null;
    if (this.at && (this.at.panel >= panels.length || this.at.cell >= cells)) this.at = null;
    this.switches = data.off !== null;
    this.keeps = this.model.pointed && !this.switches;
    this.board.update(this.model, this.say, this.say(this.switches ? "patches_keys_switch" : this.keeps ? "patches_keys" : "patches_keys_read"));
    const shown = kind === "chips" ? names : kind === "cls" && this.keeps ? [this.model.sourceName(0, this.say)] : [];
    this.chips.update(shown, this.say("patches_sources", { n: sources }));
    this.standChips(kind === "chips");
    this.player.update({ ...data, scrub: frames > 1 ? data.scrub : null }, frames, this.say);
    this.player.stand(this.place);
    const name = () => (frames > 1 ? `${data.name}-${data.scrub?.values[this.index] ?? this.index}` : data.name);
    this.offer(() => scene(this), () => rows(this), name);
    this.restyle();
  }

  /** Words above the panels have a line of their own; [CLS] alone stands in the first line. */
  standChips(many) {
    const { element } = this.chips;
    element.classList.toggle("bars", many);
    if (many ? element.nextSibling === this.place : element.parentNode === this.top) return;
    if (many) this.place.before(element);
    else this.top.prepend(element);
  }

  dress() {
    const { palette } = this.theme;
    this.brush.dress(this.theme);
    this.frame.style.setProperty("--heat", palette.probability[5]);
    this.frame.style.setProperty("--source", palette.query);
    this.scales();
  }

  /** The scales of the colours. */
  scales() {
    const { palette } = this.theme;
    const scales = [false, true].map((signed) => {
      const panels = this.model.panels.filter((panel) => panel.heat && panel.signed === signed);
      if (!panels.length) return null;
      const ends = new Set(panels.map(({ largest }) => largest));
      const one = ends.size === 1 && !ends.has(null) ? number([...ends][0], 2) : this.say("patches_own");
      const ramp = make("i", { class: "ramp", style: `background: ${gradient(palette[signed ? "signed" : "probability"])}` });
      const own = ends.size > 1 || ends.has(null);
      const low = signed ? (own ? MINUS : MINUS + one) : "0";
      return make("span", { class: "scale" }, [make("span", { text: low }), ramp, make("span", { text: own && signed ? `+ (${one})` : one })]);
    });
    this.legend.replaceChildren(...scales.filter(Boolean));
  }

  /** Share out the room: what the rows above and below leave is the panels'. */
  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const narrow = width < NARROW;
    this.narrow = narrow;
    this.frame.classList.toggle("narrow", narrow);
    this.player.scrubber.element.classList.toggle("stacked", narrow);
    reserve(this.said, this.data.readout, width);
    this.frame.style.height = "auto";
    const taken = this.frame.getBoundingClientRect().height - this.place.getBoundingClientRect().height;
    const free = narrow ? null : Math.max(80, this.data.height - taken);
    const room = Math.floor(width) - 8;
    const found = layout(this.model, this.data.columns, room, free === null ? null : free - 8, this.theme.font, narrow);
    const scale = window.devicePixelRatio || 1;
    this.place.style.height = `${narrow ? found.height + 8 : Math.max(free, found.height + 8)}px`;
    this.place.style.paddingLeft = `${4 + Math.max(0, Math.floor((room - found.width) / 2))}px`;
    this.board.arrange(found, scale);
    this.draw();
  }

  /** The source whose row is shown. */
  get source() {
    const { model, data, at, kept, looked } = this;
    if (model.kind === "one") return 0;
    if (model.kind === "chips") return looked ?? kept;
    if (looked !== null) return 0;
    return kept || (data.followPointer && at ? model.sourceOf(at.cell) : 0);
  }

  get state() {
    const { source, model, at, off, index, theme } = this;
    const ring = model.pointed ? model.cellOf(source) : null;
    const colours = { source: theme.palette.query, cell: theme.text };
    return { frame: index, source, off, at, ring, reads: !at || ring !== at.cell, colours };
  }

  draw() {
    if (!this.theme || !this.board.layout) return;
    const { state } = this;
    this.board.draw(this.brush, state);
    this.drawChips(state);
    const { readout } = this.data;
    const text = readout[Math.min(this.index, readout.length - 1)] ?? "";
    if (this.said.textContent !== text) this.said.textContent = text;
    this.tell(state);
    if (this.model.frames > 1 || this.at) this.speak(() => this.sentence());
  }

  sentence() {
    const { data, index } = this;
    const when = data.scrub ? `${data.scrub.label} ${data.scrub.values[index]}.` : "";
    return [when, this.said.textContent, this.at ? this.info.textContent : ""].join(" ").trim();
  }

  /** How much each word looks at the cell that is pointed at, in the panel it lies in. */
  drawChips({ source, frame, at }) {
    const { model, kept, say } = this;
    const many = (one) => one?.heat?.sources > 1;
    const panel = at && many(model.panels[at.panel]) ? model.panels[at.panel] : model.panels.find(many);
    const value = (i) => (panel && model.kind === "chips" ? (at ? panel.value(frame, i, at.cell) : panel.value(frame, i, panel.strongest(frame, i))) : 0);
    const values = this.chips.chips.map((_, i) => value(i));
    const most = Math.max(1e-12, ...values.map(Math.abs));
    const label = (i) => (model.kind === "chips" ? `${model.names[i]}: ${number(values[i], 2)}` : model.sourceName(i, say));
    this.chips.show(source, kept, (i) => Math.abs(values[i]) / most, label);
  }

  /** The line above: what is pointed at. */
  tell({ source, frame, at, ring, reads }) {
    const { model, say, off } = this;
    const part = (text, tag = "span") => make(tag, { text });
    const found = [];
    if (at) {
      const panel = model.panels[at.panel];
      found.push(part(model.cellName(at.cell, say), "b"));
      if (off.has(at.cell) || panel.isOff(frame, at.cell)) found.push(part(say("patches_off")));
      const text = (panel.texts.length ? panel : model.panels.find(({ texts }) => texts.length))?.texts[at.cell];
      if (text) found.push(part(text));
      if (panel.heat) {
        const called = panel.title ? `${panel.title}: ` : "";
        const from = panel.heat.sources > 1 ? model.sourceName(source, say) : "";
        if (reads || !from) found.push(part(`${called}${from ? `${from} → ` : ""}${number(panel.value(frame, source, at.cell), 3)}`));
        else {
          const cell = panel.strongest(frame, source);
          found.push(part(called + say("patches_strongest", { cell: model.cellName(cell, say), value: number(panel.value(frame, source, cell), 2) })));
        }
      }
    } else {
      if (ring !== null && this.kept) found.push(part(say("patches_kept", { name: model.sourceName(source, say) }), "b"));
      if (off.size) found.push(part(say("patches_count", { n: off.size, of: model.cells }), "b"));
      const read = model.hasHeat || model.panels.some(({ texts }) => texts.length);
      if (read || this.switches) found.push(part(say(this.switches ? "patches_hint_switch" : this.keeps ? "patches_hint" : "patches_hint_read")));
    }
    this.info.replaceChildren(...found);
  }

  point(at) {
    if (at?.cell === this.at?.cell && at?.panel === this.at?.panel) return;
    this.at = at;
    this.draw();
  }

  look(source) {
    if (source === this.looked) return;
    this.looked = source;
    this.draw();
  }

  press(cell) {
    if (this.switches) {
      if (this.off.has(cell)) this.off.delete(cell);
      else this.off.add(cell);
      this.draw();
      const list = [...this.off].sort((a, b) => a - b);
      this.echo.off.note(list);
      this.send("off", list);
    } else if (this.keeps) {
      const row = this.model.sourceOf(cell);
      this.keep(row === this.kept ? 0 : row);
    }
  }

  keep(row) {
    this.looked = null;
    const news = row !== this.kept;
    this.kept = row;
    this.draw();
    if (!news) return;
    this.echo.source.note(row);
    this.send("source", row);
  }

  /** Where the keyboard begins: at the kept patch, or in the middle. */
  start() {
    const { model, kept } = this;
    const half = model.side >> 1;
    return (kept ? model.cellOf(kept) : null) ?? half * model.side + half;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { side, panels } = this.model;
    const now = this.at ?? { panel: 0, cell: this.start() };
    const [row, column] = this.model.place(now.cell);
    const clip = (value, most) => Math.max(0, Math.min(most, value));
    const to = (r, c) => this.point({ panel: now.panel, cell: clip(r, side - 1) * side + clip(c, side - 1) });
    const panel = (by) => this.point({ panel: clip(now.panel + by, panels.length - 1), cell: now.cell });
    const does = {
      ArrowLeft: () => to(row, column - 1),
      ArrowRight: () => to(row, column + 1),
      ArrowUp: () => to(row - 1, column),
      ArrowDown: () => to(row + 1, column),
      Home: () => to(row, 0),
      End: () => to(row, side - 1),
      PageUp: () => panel(-1),
      PageDown: () => panel(1),
      Enter: () => this.press(now.cell),
      " ": () => this.press(now.cell),
      Escape: () => (this.kept && this.keeps ? this.keep(0) : this.point(null)),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }
}

export default browserComponent(style, (place) => new Patches(place));
