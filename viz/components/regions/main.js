/**
 * The plane coloured by the expert that owns each place, the load of every expert beside it, and strips with the loads of
 * all frames above the slider that plays them. See __init__.py for what Python sends. State sent to the server: "scrub" when
 * the slider is let go.
 */
import { readTheme } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { follow } from "../kit/follow.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { Scrubber } from "../kit/scrubber.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import { rows, scene } from "./export.js";
import { percent } from "./loads.js";
import { Legend } from "./legend.js";
import { Model } from "./model.js";
import { Panel } from "./panel.js";
import { Strips } from "./strips.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const REST_MS = 400;
/** Room above and below the maps, as main.css has it. */
const ABOVE = 58;
const BELOW = 30;
const STRIP = 38;
const ONE_STRIP = 50;
const SCRUB = 40;
const GAP = 28;
/** A panel narrower than this has its bars under the map. */
const BESIDE = 420;
const BARS = { least: 150, most: 420 };
const NARROW = 600;

class Regions {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root, send }) {
    this.root = root;
    this.index = 0;
    /** The place that is looked at, as shares of the plane. @type {[number, number]|null} */
    this.at = null;
    /** The expert that a click keeps, and the one that is pointed at. @type {number|null} */
    this.pinned = null;
    /** @type {number|null} */
    this.looked = null;
    this.echo = new Echo();
    this.scrubber = new Scrubber({ paint: (index) => this.show(index), release: (index) => send("scrub", index) });
    this.strips = new Strips({
      grab: () => this.scrubber.hold(),
      drag: (index, asked) => this.scrubber.drag(index, asked),
      settle: () => this.scrubber.settle(),
    });
    this.legend = new Legend();
    this.tools = make("div", { class: "tools" });
    this.panels = make("div", { class: "panels" });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    this.frame = make("div", { class: "kit regions", role: "figure" }, [
      make("div", { class: "top" }, [this.legend.element, this.tools]),
      this.panels,
      this.strips.element,
      this.spoken,
    ]);
    /** @type {Panel[]} */
    this.shown = [];
    root.append(this.frame);
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.frame);
    this.fontsCame = () => this.data && this.arrange();
    document.fonts?.addEventListener("loadingdone", this.fontsCame);
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
    const own = Object.fromEntries(Object.entries(data.words).map(([id, text]) => [`regions_${id}`, text]));
    this.say = speaker({ ...data.ui, ...own });
    this.model = new Model(data);
    const { runs, experts } = this.model;
    if (this.pinned !== null && this.pinned >= experts) this.pinned = null;
    this.looked = null;
    this.frame.setAttribute("aria-label", data.alt);
    this.frame.classList.toggle("two", runs.length > 1);
    while (this.shown.length < runs.length) this.shown.push(this.makePanel());
    this.shown.length = runs.length;
    const elements = this.shown.map(({ element }) => element);
    if (elements.length !== this.panels.children.length) this.panels.replaceChildren(...elements);
    this.shown.forEach((panel, k) => panel.update(this.model, runs[k], this.say, k === 0));
    this.legend.update(this.model, this.say);
    this.wire(data);
    this.strips.update(this.model, Boolean(data.scrub), this.say);
    const makers = {
      svg: () => toSvg(scene(this)),
      png: () => toPng(scene(this)),
      csv: () => csv(rows(this.model, this.index, data.scrub)),
    };
    const name = () => (this.model.frames > 1 ? `${data.name}-${data.scrub?.values[this.index] ?? this.index}` : data.name);
    this.tools.replaceChildren(toolbar(makers, name, this.say));
    this.restyle();
  }

  makePanel() {
    return new Panel({
      point: (at) => this.point(at),
      look: (expert) => this.look(expert),
      pin: (expert) => this.pin(expert),
    });
  }

  /** Who plays the frames: a slider of its own, and whoever else moves the same field. */
  wire(data) {
    if (this.echo.isNews(data.index)) this.index = data.index;
    this.index = Math.min(this.index, this.model.frames - 1);
    const { element } = this.scrubber;
    if (data.scrub) {
      this.scrubber.update(data.scrub, this.say);
      this.index = this.scrubber.index;
      if (!element.isConnected) this.strips.element.after(element);
    } else element.remove();
    const field = data.follow || data.scrub?.field || "";
    if (field === this.field) return;
    this.unfollow?.();
    this.field = field;
    this.unfollow = field ? follow(field, (index) => this.heard(index)) : undefined;
  }

  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    this.frame.style.setProperty("--lost", this.theme.palette.verdict.red);
    for (const panel of this.shown) panel.dress(this.theme);
    this.legend.dress(this.theme);
    this.arrange();
  }

  /** Share out the room; where bars stand under their map, the height follows from the width. */
  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const { runs, aspect, frames } = this.model;
    const two = runs.length > 1;
    const narrow = width < NARROW;
    const wide = two ? (width - (narrow ? 14 : GAP)) / 2 : width;
    const beside = wide >= BESIDE;
    const strips = frames > 1 ? (two ? 2 * STRIP : ONE_STRIP) : 0;
    const free = this.data.height - ABOVE - BELOW - strips - (this.data.scrub ? SCRUB : 0);
    let [w, h] = beside ? [wide - BARS.least - 16, free] : [wide, Math.max(free, wide / aspect)];
    [w, h] = w / aspect <= h ? [w, w / aspect] : [h * aspect, h];
    this.frame.classList.toggle("under", !beside);
    this.frame.style.height = beside ? `${this.data.height}px` : "auto";
    const bars = beside ? Math.min(BARS.most, wide - w - 16) : wide;
    for (const panel of this.shown) panel.arrange(Math.floor(w), Math.floor(h), Math.floor(bars), beside);
    if (this.data.scrub) this.scrubber.element.classList.toggle("stacked", narrow);
    const track = this.data.scrub ? this.scrubber.range.getBoundingClientRect() : null;
    const left = this.strips.element.getBoundingClientRect().left;
    if (track) this.strips.arrange(track.left - left, track.width, this.theme);
    else this.strips.arrange(narrow ? 0 : 150, narrow ? width : width - 150, this.theme);
    this.draw();
  }

  get lit() {
    return this.looked ?? this.pinned;
  }

  draw() {
    for (const panel of this.shown) {
      panel.draw(this.index, this.lit, this.at);
      panel.loads.mark(this.pinned);
    }
    this.strips.show(this.index);
    this.strips.light(this.lit);
    this.speak();
  }

  /** One frame, at once. @param {number} index */
  show(index) {
    this.index = Math.min(index, this.model.frames - 1);
    this.draw();
  }

  /** Another scrubber of the same field moves. */
  heard(index) {
    if (!this.model || index === this.index || index >= this.model.frames) return;
    if (this.data.scrub) this.scrubber.moved(index);
    else this.echo.note(index);
    this.show(index);
  }

  /** A place is looked at, in all maps. @param {[number, number]|null} at */
  point(at) {
    this.at = at;
    for (const panel of this.shown) panel.drawMarks(this.index, this.lit, at);
  }

  look(expert) {
    if (expert === this.looked) return;
    this.looked = expert;
    this.draw();
  }

  pin(expert) {
    this.pinned = expert === this.pinned ? null : expert;
    this.draw();
  }

  /** Say the state to screen readers, once it rests. */
  speak() {
    window.clearTimeout(this.speaking);
    this.speaking = window.setTimeout(() => {
      const { model, say, data, index } = this;
      const when = data.scrub ? [`${data.scrub.label} ${data.scrub.values[index]}.`] : [];
      const runs = model.runs.map((run) => {
        const { best, share, used } = run.summary(index);
        const values = { name: model.names[best], share: percent(share), used, all: model.experts };
        return `${run.title ? `${run.title}: ` : ""}${say("regions_state", values)} ${run.note(index)}`.trim();
      });
      this.spoken.textContent = [...when, ...runs].join(" ");
    }, REST_MS);
  }
}

export default browserComponent(style, (place) => new Regions(place));
