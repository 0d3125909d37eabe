/**
 * Models side by side on one prompt. Pointing at a piece of a sequence shows what it may look at, there and beside the
 * sequence; pointing at a token of a picture rings its place in that picture everywhere. See __init__.py for the data.
 */
import { unpack } from "../kit/decode.js";
import { make } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { browserComponent, sheet } from "../kit/host.js";
import { snapshot } from "../kit/snapshot.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const MARGIN = 16; // as snapshot.js has it
const NARROW = 900; // as main.css has it
const CELL = 7;

/** Pixels (values, n by m, three numbers each) on a canvas of their own. */
function painted(values, height, width) {
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { width, height, "aria-hidden": "true" }));
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set([values[3 * i], values[3 * i + 1], values[3 * i + 2], 255], 4 * i);
  pen.putImageData(image, 0, 0);
  return canvas;
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));

class Schematic extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("schematic", place);
    this.lanes = make("div", { class: "lanes" });
    this.said = make("p", { class: "said", "aria-live": "polite" });
    this.frame.append(make("div", { class: "head" }, [this.tools]), this.lanes, this.said);
    this.frame.addEventListener("keydown", (event) => this.key(event));
    this.lanes.addEventListener("pointerleave", () => this.point(null));
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.images = unpack(data.images);
    this.lanes.style.setProperty("--lanes", String(data.lanes.length));
    this.offer(() => this.scene(), () => this.table(), () => data.name);
    this.built = data.lanes.map((lane) => this.build(lane));
    this.lanes.replaceChildren(...this.built.map(({ element }) => element));
    this.point(null);
    this.restyle();
  }

  build(lane) {
    const { words } = this.data;
    const built = { lane, pieces: [], thumbs: [], colours: lane.colours && unpack(lane.colours) };
    const thumbs = make("div", { class: "thumbs" }, this.thumbs(built));
    const boxes = lane.boxes.map(({ name, note, role }) =>
      make("div", { class: `box ${role}` }, [make("b", { text: name }), make("i", { text: note })]),
    );
    const strips = make("div", { class: "strips" });
    if (lane.beside.length) strips.append(make("p", { class: "label", text: words.beside }), this.strip(built, lane.beside, true));
    strips.append(make("p", { class: "label", text: words.sequence }), this.strip(built, lane.pieces, false));
    const layers = lane.layers.map(({ name, gate }) => {
      const element = make("span", { class: gate === null ? "layer" : `layer gated${gate ? "" : " shut"}`, text: name });
      if (gate !== null) element.style.setProperty("--open", String(gate));
      return element;
    });
    const numbers = lane.numbers.flatMap(({ name, text, share }) => {
      const bar = make("div", { class: "bar" });
      bar.style.width = `${Math.max(0.5, 100 * share)}%`;
      return [make("span", { text: name }), make("span", {}, [bar]), make("span", { class: "value", text })];
    });
    built.element = make("section", { class: "lane", "aria-label": lane.title }, [
      make("p", { class: "title" }, [lane.title, " ", make("span", { text: lane.note })]),
      make("div", { class: "way" }, [thumbs, ...boxes]),
      strips,
      make("div", { class: "layers", role: "group", "aria-label": words.layers }, layers),
      make("div", { class: "numbers" }, numbers),
    ]);
    return built;
  }

  thumbs(built) {
    const [n, h, w] = this.images.shape;
    const size = 3 * h * w;
    return Array.from({ length: n }, (_, p) => {
      const ring = make("div", { class: "ring" });
      const canvas = painted(this.images.values.subarray(p * size, (p + 1) * size), h, w);
      const thumb = make("div", { class: "thumb" }, [canvas, ring]);
      this.cells(thumb, built, p, Math.max(1, built.lane.side));
      built.thumbs.push({ element: thumb, ring, picture: p });
      return thumb;
    });
  }

  strip(built, pieces, beside) {
    const { words } = this.data;
    const made = pieces.map((piece) => {
      const element = this.piece(built, piece, beside);
      const nth = built.pieces.length;
      element.setAttribute("role", "img");
      element.setAttribute("tabindex", nth ? "-1" : "0");
      element.setAttribute("aria-label", piece.said);
      element.addEventListener("pointerenter", () => this.point({ built, nth }));
      element.addEventListener("focus", () => this.point({ built, nth }));
      element.addEventListener("blur", () => this.point(null));
      built.pieces.push({ element, piece, beside, ring: element.querySelector(".ring") });
      return element;
    });
    return make("div", { class: "strip", role: "group", "aria-label": `${beside ? words.beside : words.sequence}. ${words.keys}` }, made);
  }

  piece(built, piece, beside) {
    const { side } = built.lane;
    if (piece.kind !== "picture") return make("span", { class: `piece ${piece.kind}`, text: piece.text });
    if (beside || !side) {
      const element = make("span", { class: "piece latents" }, Array.from({ length: piece.n }, () => make("u")));
      element.style.setProperty("--across", String(piece.n > 16 ? Math.ceil(piece.n / 4) : Math.ceil(piece.n / 2)));
      return element;
    }
    const size = 3 * side * side;
    const canvas = painted(built.colours.values.subarray(piece.picture * size, (piece.picture + 1) * size), side, side);
    const element = make("span", { class: "piece mosaic" }, [canvas, make("div", { class: "ring" })]);
    element.style.setProperty("--wide", `${Math.min(72, Math.max(44, side * CELL))}px`);
    this.cells(element, built, piece.picture, side, piece);
    return element;
  }

  /** Pointing at a place of a picture: its token in every lane. */
  cells(element, built, picture, side, piece) {
    element.addEventListener("pointermove", (event) => {
      const box = element.getBoundingClientRect();
      const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      if (u < 0 || v < 0 || u >= 1 || v >= 1) return;
      this.ring(picture, u, v);
      if (!piece) return;
      const cell = Math.floor(v * side) * side + Math.floor(u * side);
      this.tell(filled(this.data.words.cell, {
        picture: picture + 1, of: this.images.shape[0], cell: cell + 1, cells: side * side, position: piece.start + cell + 1, lane: built.lane.title,
      })); // prettier-ignore
    });
    element.addEventListener("pointerleave", () => this.ring(-1, 0, 0));
  }

  /** A ring around the place (u, v), shares of the edges, of one picture in every lane. */
  ring(picture, u, v) {
    for (const { lane, pieces, thumbs } of this.built) {
      const side = lane.side || 1;
      for (const { ring, picture: own } of [...thumbs, ...pieces.map(({ ring, piece }) => ({ ring, picture: piece.picture }))]) {
        if (!ring) continue;
        const on = own === picture && lane.side > 0;
        ring.classList.toggle("shown", on);
        if (!on) continue;
        const [left, top] = [Math.floor(u * side) / side, Math.floor(v * side) / side];
        Object.assign(ring.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 / side}%`, height: `${100 / side}%` });
      }
    }
  }

  /** @param {{built: any, nth: number}|null} at a piece of a lane, or nothing */
  point(at) {
    const chosen = at && at.built.pieces[at.nth];
    for (const built of this.built) {
      const here = at?.built === built;
      built.element.classList.toggle("pointed", here);
      for (const { element, ring, picture } of built.thumbs) {
        element.classList.toggle("on", chosen?.piece.picture === picture);
        if (!at) ring.classList.remove("shown");
      }
      built.pieces.forEach(({ element, piece, beside }, nth) => {
        element.classList.toggle("seen", here && this.sees(chosen, piece, beside));
        const same = Boolean(chosen) && chosen.piece.picture >= 0 && piece.picture === chosen.piece.picture && piece.kind === chosen.piece.kind;
        element.classList.toggle("on", here ? nth === at.nth : same);
      });
    }
    this.tell(chosen ? chosen.piece.said : this.data.words.hint);
  }

  /** Whether a piece may look at another: what comes before it and itself, and beside the sequence what it reads. */
  sees(from, piece, beside) {
    if (from.beside) return beside ? piece === from.piece : piece.reads.includes(from.piece.picture);
    return beside ? from.piece.reads.includes(piece.picture) : piece.start <= from.piece.start;
  }

  tell(text) {
    if (this.said.textContent !== text) this.said.textContent = text;
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    const active = this.root.activeElement;
    if (event.key === "Escape") active?.blur();
    for (const built of this.built ?? []) {
      const nth = built.pieces.findIndex(({ element }) => element === active);
      if (nth < 0) continue;
      if (!step) return;
      event.preventDefault();
      const to = Math.min(built.pieces.length - 1, Math.max(0, nth + step));
      built.pieces.forEach(({ element }, k) => element.setAttribute("tabindex", k === to ? "0" : "-1"));
      built.pieces[to].element.focus();
    }
  }

  dress() {
    const { palette } = this.theme;
    const colours = { trained: palette.expert[0], table: palette.expert[2], mark: palette.key, latent: palette.key_fill, bar: palette.query_fill };
    for (const [name, colour] of Object.entries(colours)) this.frame.style.setProperty(`--${name}`, colour);
  }

  arrange() {
    if (!this.data) return;
    const narrow = this.frame.clientWidth < NARROW;
    this.frame.style.height = narrow ? "auto" : `${this.data.height}px`;
  }

  scene() {
    const found = snapshot(this.frame, this.theme, this.data.alt);
    const origin = this.frame.getBoundingClientRect();
    for (const canvas of this.frame.querySelectorAll("canvas")) {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [box.left - origin.left + MARGIN, box.top - origin.top + MARGIN];
      found.shapes.push({ kind: "image", x, y, w: box.width, h: box.height, source: canvas, radius: 4 });
    }
    return found;
  }

  /** Every piece of every lane, then the numbers. */
  table() {
    const rows = this.built.flatMap(({ lane, pieces }) => [
      ...pieces.map(({ piece, beside }) => [lane.title, beside ? "beside" : "sequence", piece.kind, piece.text, piece.picture + 1, piece.start + 1, piece.n]),
      ...lane.numbers.map(({ name, text }) => [lane.title, "number", name, text, "", "", ""]),
    ]);
    return [["model", "where", "kind", "text", "picture", "position", "tokens"], ...rows];
  }
}

export default browserComponent(style, (place) => new Schematic(place));
