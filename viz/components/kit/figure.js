/**
 * What every picture in a frame of its own repeats: it is arranged anew when its width, the fonts or the theme change; it has
 * words, buttons that export it, and a sentence for screen readers.
 */
import { readTheme } from "./colour.js";
import { make } from "./dom.js";
import { toPng, toSvg } from "./scene.js";
import { csv, toolbar } from "./toolbar.js";
import { speaker } from "./words.js";

/** A state is read out once it has rested this long. */
const REST_MS = 400;

export class Figure {
  /** @param {string} name the component's: its frame's class, and how its words begin @param {import("./host.js").Place} place */
  constructor(name, { root, send }) {
    Object.assign(this, { name, root, send });
    this.tools = make("div", { class: "tools" });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    this.frame = make("div", { class: `kit ${name}`, role: "figure" });
    root.append(this.frame);
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.frame);
    this.fontsCame = () => this.data && this.arrange();
    document.fonts?.addEventListener("loadingdone", this.fontsCame);
  }

  destroy() {
    document.fonts?.removeEventListener("loadingdone", this.fontsCame);
    this.observer.disconnect();
    window.clearTimeout(this.speaking);
  }

  /** New data, its words and its alt text. @param {any} data */
  take(data) {
    this.data = data;
    const own = Object.fromEntries(Object.entries(data.words).map(([id, text]) => [`${this.name}_${id}`, text]));
    this.say = speaker({ ...data.ui, ...own });
    this.frame.setAttribute("aria-label", data.alt);
  }

  /**
   * The buttons that download it.
   * @param {() => import("./scene.js").Scene} scene @param {() => (string|number)[][]} rows @param {() => string} name of the file
   */
  offer(scene, rows, name) {
    const makers = { svg: () => toSvg(scene()), png: () => toPng(scene()), csv: () => csv(rows()) };
    this.tools.replaceChildren(toolbar(makers, name, this.say));
  }

  /** The theme may have changed, or the data. */
  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    this.dress();
    this.arrange();
  }

  /** What has the theme's colours. */
  dress() {}

  /** Share out the room. */
  arrange() {}

  /** @param {() => string} sentence for screen readers, asked for once the state rests */
  speak(sentence) {
    window.clearTimeout(this.speaking);
    this.speaking = window.setTimeout(() => (this.spoken.textContent = sentence()), REST_MS);
  }
}
