/**
 * Why a token is what it is: merges replayed, the search for the longest match, or the lattice. What they share is
 * here: a sentence above, the drawing in a box that scrolls, a player or a switch below, exports and keys. See
 * __init__.py for what Python sends. Nothing is reported to the server.
 */
import { gradient, readTheme } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { browserComponent, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { Scrubber } from "../kit/scrubber.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import { inksOf, ruler } from "./ink.js";
import { Lattice } from "./lattice.js";
import { Replay } from "./replay.js";
import { Screen } from "./screen.js";
import { Search } from "./search.js";

const style = await sheet(new URL("./main.css", import.meta.url));
const PICTURES = { replay: Replay, search: Search, lattice: Lattice };
const MARGIN = 16; // around an exported drawing

class Story {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root }) {
    this.root = root;
    this.sentence = make("div", { class: "sentence" });
    this.tools = make("div", { class: "tools" });
    this.screen = new Screen();
    this.above = new Screen(); // what stays when the drawing is scrolled
    this.head = make("div", { class: "head" }, [this.above.element]);
    this.scroller = make(
      "div",
      {
        class: "scroller",
        tabindex: 0,
        role: "group",
        onkeydown: (event) => this.key(event),
        onpointermove: (event) => this.point("hover", event),
        onpointerleave: () => this.set(this.picture.leave?.()),
        onclick: (event) => this.point("press", event),
      },
      [this.head, this.screen.element],
    );
    this.foot = make("div", { class: "foot" });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    const top = make("div", { class: "top" }, [this.sentence, this.tools]);
    this.frame = make("div", { class: "kit story", role: "figure" }, [top, this.scroller, this.foot, this.spoken]);
    root.append(this.frame);
    this.observer = new ResizeObserver(() => this.data && this.arrange());
    this.observer.observe(this.frame);
    this.fontsCame = () => this.data && this.restyle();
    document.fonts?.addEventListener("loadingdone", this.fontsCame);
  }

  destroy() {
    this.observer.disconnect();
    this.scrubber?.stop();
    document.fonts?.removeEventListener("loadingdone", this.fontsCame);
  }

  update(data) {
    const kit = speaker(data.ui);
    this.kit = kit;
    const say = (id) => data.words[id] ?? (id === "more_terms" ? kit(id) : kit(`story_${id}`));
    const told = JSON.stringify({ ...data, ui: null, lang: null, height: null, alt: null });
    // The same story again (another language, another height) stays where the visitor has brought it.
    const kept = told === this.told && this.picture ? this.picture : null;
    this.told = told;
    this.data = data;
    this.say = say;
    this.picture = new PICTURES[data.kind](data, say);
    if (kept) for (const name of ["step", "chosen", "path", "walked"]) if (name in kept) this.picture[name] = kept[name];
    this.frame.setAttribute("aria-label", data.alt);
    this.frame.style.height = `${data.height}px`;
    this.frame.dataset.kind = data.kind;
    this.scroller.setAttribute("aria-label", say(`keys_${data.kind}`));
    const makers = {
      svg: () => toSvg(this.file()),
      png: () => toPng(this.file()),
      csv: () => csv(this.picture.table()),
    };
    this.tools.replaceChildren(toolbar(makers, () => data.name, kit));
    this.writeFoot(Boolean(kept));
    this.restyle();
    this.reveal(!kept);
  }

  /** @param {boolean} kept whether the scrubber goes on where it is */
  writeFoot(kept) {
    const { data, picture, say } = this;
    if (!kept) this.scrubber?.stop();
    if (data.kind === "replay" && picture.steps) {
      if (!kept || !this.scrubber) this.scrubber = new Scrubber({ paint: (step) => this.set({ step }, false), release: () => this.speak() });
      const values = Array.from({ length: picture.steps + 1 }, (_, i) => i);
      this.scrubber.update({ field: "", label: say("scrub"), values, index: picture.step }, this.kit);
      this.foot.replaceChildren(this.scrubber.element);
    } else if (data.kind === "lattice") {
      this.buttons = data.paths.map((path, i) =>
        make("button", { type: "button", onclick: () => this.set({ path: i, walked: null }) }, [
          make("span", { text: path.label || say("best") }),
          make("span", { class: "share", text: picture.shareOf(path, 2) }),
        ]),
      );
      const choice = make("div", { class: "segments", role: "group", "aria-label": say("switch") }, this.buttons);
      this.ramp = make("i");
      const name = make("span", { class: "scale-name", text: say("scale") });
      const scale = make("span", { class: "scale" }, [name, "0", this.ramp, "100 %"]);
      this.foot.replaceChildren(...(data.paths.length > 1 ? [choice] : []), scale);
    } else {
      this.foot.replaceChildren();
    }
    this.foot.hidden = !this.foot.firstChild;
  }

  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    this.inks = inksOf(this.theme, this.data.token_id ?? this.data.token ?? 0);
    this.measure = ruler(this.theme.font);
    if (this.ramp) this.ramp.style.background = gradient(this.theme.palette.probability);
    this.arrange();
  }

  arrange() {
    const { clientWidth, clientHeight } = this.scroller;
    if (!clientWidth) return;
    this.picture.place(clientWidth, clientHeight, this.measure);
    this.show();
  }

  /** @returns {import("../kit/scene.js").Scene} */
  scene(shapes) {
    const { theme, picture, data } = this;
    const drawn = { width: Math.ceil(picture.width), height: Math.ceil(picture.height), shapes };
    const common = { back: theme.back, font: theme.font, masked: theme.palette.masked, stops: theme.palette.probability };
    return { ...drawn, ...common, title: data.alt };
  }

  /** The whole drawing with paper around it. */
  file() {
    const { picture, inks, theme } = this;
    return framed(this.scene([...picture.shapes(inks, theme.palette), ...(picture.headShapes?.(inks) ?? [])]), MARGIN);
  }

  show() {
    const { picture, inks, theme } = this;
    this.screen.show(this.scene(picture.shapes(inks, theme.palette)));
    this.above.show(this.scene(picture.headShapes?.(inks) ?? []));
    const height = picture.head ?? 0;
    const size = { width: `${Math.ceil(picture.width)}px`, height: `${height}px`, marginBottom: `${-height}px` };
    Object.assign(this.head.style, size);
    this.sentence.replaceChildren(...this.picture.sentence());
    this.sentence.title = this.sentence.textContent;
    this.buttons?.forEach((button, i) => button.setAttribute("aria-pressed", String(i === this.picture.path)));
  }

  /** Change what the picture is asked; the player follows. @param {Record<string, any>|null|undefined} change */
  set(change, follow = true) {
    const news = Object.entries(change ?? {}).filter(([name, value]) => this.picture[name] !== value);
    if (!news.length) return;
    Object.assign(this.picture, Object.fromEntries(news));
    if (follow && "step" in change) {
      this.scrubber.stop();
      this.scrubber.show(this.picture.step);
    }
    this.show();
    if (!("over" in change)) this.reveal();
  }

  /** @param {"hover"|"press"} what @param {PointerEvent} event */
  point(what, event) {
    const box = this.screen.element.getBoundingClientRect();
    const change = this.picture[what]?.(event.clientX - box.left, event.clientY - box.top);
    if (!change) return;
    this.set(change);
    if (what === "press") this.speak();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const change = this.picture.key(event.key);
    if (!change) return;
    this.set(change);
    this.speak();
    event.preventDefault();
    event.stopPropagation();
  }

  speak() {
    this.spoken.textContent = this.sentence.textContent;
  }

  /** Bring what the picture is about into the box, if it is not there. @param {boolean} [first] a new story */
  reveal(first = false) {
    const { scroller } = this;
    const { x, y } = this.picture.focus(first);
    const head = this.picture.head ?? 0;
    const near = (at, from, room, over) =>
      at < from + over + 24 || at > from + room - 24 ? Math.max(0, at - (room + over) / 2) : from;
    scroller.scrollLeft = near(x, scroller.scrollLeft, scroller.clientWidth, 0);
    scroller.scrollTop = near(y, scroller.scrollTop, scroller.clientHeight, head);
  }
}

/** A drawing with paper around it. @param {import("../kit/scene.js").Scene} scene @returns {typeof scene} */
function framed(scene, margin) {
  const shapes = scene.shapes.map((shape) => ({ ...shape, x: (shape.x ?? 0) + margin, y: (shape.y ?? 0) + margin }));
  return { ...scene, width: scene.width + 2 * margin, height: scene.height + 2 * margin, shapes };
}

export default browserComponent(style, (place) => new Story(place));
