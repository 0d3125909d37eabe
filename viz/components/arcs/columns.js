/**
 * Bipartite arcs: the looking tokens on the left, the tokens they look at on the right.
 *
 * @typedef {import("./model.js").Weights} Weights
 * @typedef {import("./model.js").Direction} Direction
 */
import { make, makeSvg } from "../kit/dom.js";
import { visible } from "../kit/format.js";

/** Height of a token's line: as much as fits, but never too little to read. On a phone a finger must hit it. */
const LINE = { most: 24, least: 16, finger: 24 };
export const HEAD = 26;
const PHONE = 600;

export class Columns {
  /**
   * @param {object} wiring
   * @param {(direction: Direction, index: number|null) => void} wiring.point
   * @param {(direction: Direction, index: number) => void} wiring.press
   */
  constructor(wiring) {
    this.wiring = wiring;
    this.svg = makeSvg("svg", { "aria-hidden": "true", class: "arcs" });
    this.lists = {
      looks_at: make("div", { class: "column left", role: "group" }),
      looked_at: make("div", { class: "column right", role: "group" }),
    };
    this.element = make("div", { class: "columns" }, [this.lists.looks_at, this.svg, this.lists.looked_at]);
  }

  /** @param {Weights} weights */
  build(weights, say, words) {
    this.weights = weights;
    /** @type {Record<Direction, HTMLElement[]>} */
    this.tokens = { looks_at: [], looked_at: [] };
    for (const direction of /** @type {Direction[]} */ (["looks_at", "looked_at"])) {
      const title = direction === "looks_at" ? words.rows : words.cols;
      this.tokens[direction] = weights.sources(direction).map((label, i) => this.token(direction, label, i, say));
      const head = make("div", { class: `column-title ${direction}`, text: title ?? "" });
      this.lists[direction].setAttribute("aria-label", title || say(direction));
      this.lists[direction].replaceChildren(head, ...this.tokens[direction]);
    }
  }

  /** Share out the room so that all tokens are in sight, if they can be. @param {number} width @param {number} height */
  fit(width, height) {
    const n = Math.max(this.weights.t, this.weights.s);
    const least = width < PHONE ? LINE.finger : LINE.least;
    this.line = Math.max(least, Math.min(LINE.most, Math.floor((height - HEAD - 4) / n)));
    this.height = HEAD + this.line * n + 4;
    this.svg.setAttribute("height", String(this.height));
    this.element.style.setProperty("--line", `${this.line}px`);
  }

  /** Where a token stands, from the top of the drawing. @param {number} i */
  middle(i) {
    return HEAD + (i + 0.5) * this.line;
  }

  token(direction, label, i, say) {
    const text = visible(label);
    return make(
      "button",
      {
        type: "button",
        class: "token",
        tabindex: -1,
        title: text,
        "aria-label": say("token", { n: i + 1, text }),
        onpointerenter: () => this.wiring.point(direction, i),
        onfocus: () => this.wiring.point(direction, i),
        onclick: () => this.wiring.press(direction, i),
      },
      [make("bdi", { class: "label", text }), make("span", { class: "share" })],
    );
  }

  /** @param {{direction: Direction, focus: number|null, pinned: boolean}} view */
  show({ direction, focus, pinned }, theme) {
    const { weights } = this;
    const width = this.svg.clientWidth || 200;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    const stroke = theme.palette.probability[5];
    const arcs = this.arcs(direction, focus);
    const most = Math.max(0.2, ...arcs.map((arc) => arc.weight));
    this.svg.replaceChildren(
      ...arcs.map(({ row, col, weight }) =>
        makeSvg("path", {
          d: curve(this.middle(row), this.middle(col), width),
          stroke,
          "stroke-width": focus === null ? 1.5 : 1.5 + 3 * (weight / most),
          opacity: opacity(weight, most, focus === null),
        }),
      ),
    );
    const other = direction === "looks_at" ? "looked_at" : "looks_at";
    const links = focus === null ? [] : weights.links(direction, focus);
    const role = direction === "looks_at" ? theme.palette.query : theme.palette.key;
    this.tokens[direction].forEach((token, i) => {
      token.classList.toggle("focus", i === focus);
      token.classList.toggle("pinned", i === focus && pinned);
      token.style.setProperty("--role", role);
      write(token, null);
      token.tabIndex = i === (focus ?? 0) ? 0 : -1;
    });
    this.tokens[other].forEach((token, i) => {
      token.classList.remove("focus", "pinned");
      token.tabIndex = -1;
      write(token, focus === null ? null : links[i].weight);
    });
  }

  arcs(direction, focus) {
    if (focus === null) return this.weights.all();
    const links = this.weights.links(direction, focus).filter((link) => link.weight >= 0.002);
    return links.map(({ index, weight }) =>
      direction === "looks_at" ? { row: focus, col: index, weight } : { row: index, col: focus, weight },
    );
  }
}

/** The other side of the focused token: how strongly it is joined, as a number and as ink. */
function write(token, weight) {
  token.lastChild.textContent = weight !== null && weight >= 0.005 ? percent(weight) : "";
  token.classList.toggle("faint", weight !== null && weight < 0.005);
  token.classList.toggle("strong", weight !== null && weight >= 0.1);
}

/** @param {number} weight from 0 to 1 */
export const percent = (weight) => `${(100 * weight).toFixed(weight < 0.0995 ? 1 : 0)} %`;

export const opacity = (weight, most, all) => Math.min(1, (all ? 0.05 : 0.12) + 0.88 * (weight / most)).toFixed(3);

/** From a height on the left to a height on the right. */
export function curve(y0, y1, width) {
  const bend = width * 0.45;
  return `M0 ${y0}C${bend} ${y0} ${width - bend} ${y1} ${width} ${y1}`;
}
