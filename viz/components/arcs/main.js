/**
 * Who looks at whom: arcs between two columns of tokens, or the running text coloured by one token's weights. Pointing
 * at a token changes the focus at once, a click pins it. See __init__.py for what Python sends.
 *
 * State sent to the server: "focus", the index of the pinned token, or null; "direction", which way the switch stands.
 *
 * @typedef {import("./model.js").Direction} Direction
 */
import { gradient, readTheme } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { shorten, visible } from "../kit/format.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import { Columns, percent } from "./columns.js";
import { table, toScene } from "./export.js";
import { Weights } from "./model.js";
import { RunningText } from "./text.js";

const style = await sheet(new URL("./main.css", import.meta.url));

class Arcs {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root, send }) {
    this.root = root;
    this.send = send;
    /** As the switch stands. @type {Direction} */
    this.chosen = "looks_at";
    /** Token under the pointer or the keyboard. @type {{index: number, direction: Direction}|null} */
    this.hover = null;
    /** @type {number|null} */
    this.pin = null;
    this.echo = { focus: new Echo(), direction: new Echo() };
    this.columns = new Columns({
      point: (direction, i) => this.point(i, direction),
      press: (direction, i) => this.press(i, direction),
    });
    this.text = new RunningText({ point: (i) => this.point(i), press: (i) => this.press(i) });
    this.switch = make("div", { class: "segments", role: "group" });
    this.bar = make("div", { class: "bar" });
    this.scroller = make("div", {
      class: "scroller",
      onpointerleave: () => this.point(null),
      onkeydown: (event) => this.key(event),
      onfocusout: () => this.point(null),
    });
    this.readout = make("div", { class: "readout" });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    this.frame = make("div", { class: "kit who", role: "figure" }, [this.bar, this.scroller, this.readout, this.spoken]);
    root.append(this.frame);
    this.observer = new ResizeObserver(() => this.data && this.fit());
    this.observer.observe(this.frame);
  }

  destroy() {
    this.observer.disconnect();
  }

  update(data) {
    this.data = data;
    this.say = speaker(data.ui);
    this.weights = new Weights(data);
    if (this.echo.direction.isNews(data.direction)) this.chosen = data.direction;
    if (this.echo.focus.isNews(data.focus)) [this.pin, this.revealed] = [data.focus, ""];
    this.frame.setAttribute("aria-label", data.alt);
    this.frame.style.height = `${data.height}px`;
    this.frame.classList.toggle("narrowly", data.mode === "arcs");
    this.build();
    this.restyle();
  }

  build() {
    const { data, say } = this;
    this.hover = null;
    if (this.pin !== null && this.pin >= this.weights.sources(this.chosen).length) this.pin = null;
    const drawing = data.mode === "text" ? this.text : this.columns;
    if (data.mode === "text") this.text.build(this.weights, this.direction, say, data.words);
    else this.columns.build(this.weights, say, data.words);
    if (this.scroller.firstChild !== drawing.element) this.scroller.replaceChildren(drawing.element);
    this.switch.setAttribute("aria-label", say("direction"));
    const choice = (direction) =>
      make("button", { type: "button", text: say(direction), onclick: () => this.turn(direction) });
    this.buttons = { looks_at: choice("looks_at"), looked_at: choice("looked_at") };
    this.switch.replaceChildren(...Object.values(this.buttons));
    this.scale = make("i");
    const makers = {
      svg: () => toSvg(toScene(this)),
      png: () => toPng(toScene(this)),
      csv: () => csv(table(this.weights)),
    };
    const tools = toolbar(makers, () => data.name, say);
    this.bar.replaceChildren(this.switch, make("span", { class: "scale" }, ["0", this.scale, "100 %"]), tools);
  }

  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    this.scale.style.background = gradient(this.theme.palette.probability);
    this.frame.style.setProperty("--query", this.theme.palette.query);
    this.frame.style.setProperty("--key", this.theme.palette.key);
    this.fit();
  }

  fit() {
    if (this.data.mode === "arcs") this.columns.fit(this.frame.clientWidth, this.scroller.clientHeight);
    this.show();
    this.reveal();
  }

  /** Bring the pinned token and the one it is joined to most into the box, if not all tokens are. */
  reveal() {
    const { pin, scroller, columns } = this;
    const signs = `${pin} ${this.chosen} ${columns.line}`;
    if (pin === null || this.data.mode !== "arcs" || signs === this.revealed) return;
    this.revealed = signs;
    const [strongest] = this.weights.strongest(this.chosen, pin, 1);
    const ends = [columns.middle(pin), columns.middle(strongest?.index ?? pin)];
    const room = scroller.clientHeight - 2 * columns.line;
    const from = Math.max(...ends) - Math.min(...ends) <= room ? Math.min(...ends) : ends[0] - room / 2;
    if (ends.some((y) => y < scroller.scrollTop || y > scroller.scrollTop + scroller.clientHeight)) {
      scroller.scrollTop = from - 2 * columns.line;
    }
  }

  /** In the columns the side that is pointed at decides, so that both can be asked. @returns {Direction} */
  get direction() {
    return this.hover?.direction ?? this.chosen;
  }

  get focus() {
    return this.hover?.index ?? this.pin;
  }

  show() {
    const view = { direction: this.direction, focus: this.focus, pinned: this.isPinned() };
    if (this.data.mode === "text") this.text.show(view, this.theme);
    else this.columns.show(view, this.theme);
    for (const [direction, button] of Object.entries(this.buttons)) {
      button.setAttribute("aria-pressed", String(direction === this.direction));
    }
    this.readout.replaceChildren(...this.sentence());
  }

  /** "it looks at: animal 69 %, street 12 % ...", the strongest first. @returns {Node[]} */
  sentence() {
    const { weights, direction, focus, say } = this;
    if (focus === null) return [make("span", { class: "hint", text: this.data.words.hint ?? say("hint_tokens") })];
    const mine = direction === "looks_at" ? "query" : "key";
    const name = (label, role) => make("bdi", { class: `name ${role}`, text: shorten(visible(label)) });
    const others = weights.strongest(direction, focus, 6).flatMap(({ index, weight }) => [
      make("span", { class: "link" }, [
        name(weights.targets(direction)[index], mine === "query" ? "key" : "query"),
        make("span", { class: "number", text: ` ${percent(weight)}` }),
      ]),
    ]);
    return [name(weights.sources(direction)[focus], mine), make("span", { class: "verb", text: say(direction) }), ...others];
  }

  isPinned() {
    return this.focus === this.pin && this.direction === this.chosen;
  }

  /** @param {number|null} index @param {Direction} [direction] of the column it stands in */
  point(index, direction = this.chosen) {
    if (index === (this.hover?.index ?? null) && direction === this.direction) return;
    this.hover = index === null ? null : { index, direction };
    this.show();
  }

  /** Pin a token; the pinned one again lets it go. @param {number} index @param {Direction} [direction] */
  press(index, direction = this.chosen) {
    const same = this.pin === index && this.chosen === direction;
    this.turn(direction);
    this.setPin(same ? null : index);
  }

  setPin(pin) {
    if (pin === this.pin) return;
    this.pin = pin;
    this.show();
    this.echo.focus.note(pin);
    this.send("focus", pin);
  }

  /** @param {Direction} direction */
  turn(direction) {
    if (direction === this.chosen) return;
    this.chosen = direction;
    this.hover = null;
    if (this.pin !== null && this.pin >= this.weights.sources(direction).length) this.setPin(null);
    if (this.data.mode === "text") this.text.build(this.weights, direction, this.say, this.data.words);
    this.show();
    this.echo.direction.note(direction);
    this.send("direction", direction);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tokens = this.data.mode === "text" ? this.text.sources : this.columns.tokens[this.direction];
    const now = Math.max(0, tokens.indexOf(this.root.activeElement));
    const back = ["ArrowUp", "ArrowLeft"];
    const forth = ["ArrowDown", "ArrowRight"];
    const sideways = this.data.mode === "arcs" && (event.key === "ArrowLeft" || event.key === "ArrowRight");
    if (sideways) {
      const direction = event.key === "ArrowLeft" ? "looks_at" : "looked_at";
      const other = this.columns.tokens[direction];
      other[Math.min(now, other.length - 1)].focus();
    } else if (back.includes(event.key) || forth.includes(event.key)) {
      const next = now + (back.includes(event.key) ? -1 : 1);
      tokens[Math.max(0, Math.min(tokens.length - 1, next))].focus();
    } else if (event.key === "Home" || event.key === "End") {
      tokens[event.key === "Home" ? 0 : tokens.length - 1].focus();
    } else if (event.key === "Escape") {
      this.hover = null;
      this.setPin(null);
      this.show();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.spoken.textContent = this.readout.textContent;
  }
}

export default browserComponent(style, (place) => new Arcs(place));
