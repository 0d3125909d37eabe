/**
 * The plane coloured by the expert that owns each place, the load of every expert beside it, and strips with the loads of
 * all frames above the slider that plays them. See __init__.py for what Python sends. State sent to the server: "scrub" when
 * the slider is let go.
 */
import { make } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { browserComponent, sheet } from "../kit/host.js";
import { Player } from "../kit/player.js";
import { rows, scene } from "./export.js";
import { percent } from "./loads.js";
import { Legend } from "./legend.js";
import { Model } from "./model.js";
import { Panel } from "./panel.js";
import { Strips } from "./strips.js";

const style = await sheet(new URL("./main.css", import.meta.url));

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

class Regions extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("regions", place);
    /** The place that is looked at, as shares of the plane. @type {[number, number]|null} */
    this.at = null;
    /** The expert that a click keeps, and the one that is pointed at. @type {number|null} */
    this.pinned = null;
    /** @type {number|null} */
    this.looked = null;
    this.player = new Player({ show: () => this.draw(), release: (index) => this.send("scrub", index) });
    const { scrubber } = this.player;
    this.strips = new Strips({
      grab: () => scrubber.hold(),
      drag: (index, asked) => scrubber.drag(index, asked),
      settle: () => scrubber.settle(),
    });
    this.legend = new Legend();
    this.panels = make("div", { class: "panels" });
    this.frame.append(make("div", { class: "top" }, [this.legend.element, this.tools]), this.panels, this.strips.element, this.spoken);
    /** @type {Panel[]} */
    this.shown = [];
  }

  get index() {
    return this.player.index;
  }

  destroy() {
    super.destroy();
    this.player.stop();
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.model = new Model(data);
    const { runs, experts } = this.model;
    if (this.pinned !== null && this.pinned >= experts) this.pinned = null;
    this.looked = null;
    this.frame.classList.toggle("two", runs.length > 1);
    while (this.shown.length < runs.length) this.shown.push(this.makePanel());
    this.shown.length = runs.length;
    const elements = this.shown.map(({ element }) => element);
    if (elements.length !== this.panels.children.length) this.panels.replaceChildren(...elements);
    this.shown.forEach((panel, k) => panel.update(this.model, runs[k], this.say, k === 0));
    this.legend.update(this.model, this.say);
    this.player.update(data, this.model.frames, this.say);
    this.player.stand(this.strips.element);
    this.strips.update(this.model, Boolean(data.scrub), this.say);
    const name = () => (this.model.frames > 1 ? `${data.name}-${data.scrub?.values[this.index] ?? this.index}` : data.name);
    this.offer(() => scene(this), () => rows(this.model, this.index, data.scrub), name);
    this.restyle();
  }

  makePanel() {
    return new Panel({
      point: (at) => this.point(at),
      look: (expert) => this.look(expert),
      pin: (expert) => this.pin(expert),
    });
  }

  dress() {
    this.frame.style.setProperty("--lost", this.theme.palette.verdict.red);
    for (const panel of this.shown) panel.dress(this.theme);
    this.legend.dress(this.theme);
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
    const { scrubber } = this.player;
    if (this.data.scrub) scrubber.element.classList.toggle("stacked", narrow);
    const track = this.data.scrub ? scrubber.range.getBoundingClientRect() : null;
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
    this.speak(() => this.sentence());
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

  /** "training step 20. Switch loss: expert 2 takes 75 %, 3 of 4 experts are used." */
  sentence() {
    const { model, say, data, index } = this;
    const when = data.scrub ? [`${data.scrub.label} ${data.scrub.values[index]}.`] : [];
    const runs = model.runs.map((run) => {
      const { best, share, used } = run.summary(index);
      const values = { name: model.names[best], share: percent(share), used, all: model.experts };
      return `${run.title ? `${run.title}: ` : ""}${say("regions_state", values)} ${run.note(index)}`.trim();
    });
    return [...when, ...runs].join(" ");
  }
}

export default browserComponent(style, (place) => new Regions(place));
