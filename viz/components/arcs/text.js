/**
 * The running text, each token on the colour of the focused token's weight.
 *
 * @typedef {import("./model.js").Weights} Weights
 * @typedef {import("./model.js").Direction} Direction
 */
import { luminance, ramp, rampIndex } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { visible } from "../kit/format.js";

export class RunningText {
  /** @param {{point: (index: number|null) => void, press: (index: number) => void}} wiring */
  constructor(wiring) {
    this.wiring = wiring;
    this.element = make("div", { class: "texts" });
  }

  /** Tokens to focus, and, if the text looked at is another one, that text below. @param {Weights} weights */
  build(weights, direction, say, words) {
    this.weights = weights;
    const title = (side) => (weights.same ? "" : (side === "looks_at" ? words.rows : words.cols) || "");
    const other = direction === "looks_at" ? "looked_at" : "looks_at";
    this.sources = weights.sources(direction).map((label, i) => this.token(label, i, say, true));
    this.targets = weights.same ? this.sources : weights.targets(direction).map((label, i) => this.token(label, i, say, false));
    const paragraphs = [this.paragraph(title(direction), this.sources, weights.sources(direction))];
    if (!weights.same) paragraphs.push(this.paragraph(title(other), this.targets, weights.targets(direction)));
    this.element.replaceChildren(...paragraphs);
  }

  paragraph(title, tokens, labels) {
    gaps(labels).forEach((gap, i) => tokens[i].classList.toggle("apart", gap));
    const flow = tokens.flatMap((token, i) => (labels[i].includes("\n") ? [token, make("br")] : [token]));
    const text = make("div", { class: "running", role: "group" }, flow);
    return make("div", {}, [...(title ? [make("div", { class: "column-title", text: title })] : []), text]);
  }

  token(label, i, say, live) {
    // A space inside a text is a space; only what would leave nothing to see gets a mark.
    const text = label.trim() === "" || /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069]/.test(label);
    const shown = make("bdi", { text: text ? visible(label) : label });
    if (!live) return make("span", { class: "word" }, [shown]);
    return make(
      "button",
      {
        type: "button",
        class: "word",
        tabindex: -1,
        "aria-label": say("token", { n: i + 1, text: visible(label) }),
        onpointerenter: () => this.wiring.point(i),
        onfocus: () => this.wiring.point(i),
        onclick: () => this.wiring.press(i),
      },
      [shown],
    );
  }

  /** @param {{direction: Direction, focus: number|null, pinned: boolean}} view */
  show({ direction, focus, pinned }, theme) {
    const colours = ramp(theme.palette.probability);
    const links = focus === null ? null : this.weights.links(direction, focus);
    this.targets.forEach((token, i) => {
      const k = 3 * rampIndex(links ? links[i].weight : 0, 0, 1);
      const colour = [colours[k], colours[k + 1], colours[k + 2]];
      const plain = !links || links[i].weight < 0.002;
      token.style.background = plain ? "" : `rgb(${colour})`;
      token.style.color = plain ? "" : luminance(colour) > 0.18 ? "#16161a" : "#fff";
    });
    const role = direction === "looks_at" ? theme.palette.query : theme.palette.key;
    this.sources.forEach((token, i) => {
      token.classList.toggle("focus", i === focus);
      token.classList.toggle("pinned", i === focus && pinned);
      token.style.setProperty("--role", role);
      token.tabIndex = i === (focus ?? 0) ? 0 : -1;
    });
  }
}

const WIDE = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}/u;

/**
 * Which tokens need a gap behind them. Most tokenizers keep the space in the token; those that drop it (WordPiece marks
 * what continues a word with ## instead) would run all words together.
 * @param {string[]} labels
 */
export function gaps(labels) {
  if (labels.some((label) => /^\s+\S/.test(label))) return labels.map(() => false);
  return labels.map((label, i) => {
    const next = labels[i + 1] ?? "";
    const joined = next.trim() === "" || next.startsWith("##") || /^[.,;:!?)\]}%]+$/.test(next) || label.includes("\n");
    return !joined && !(WIDE.test(label.at(-1) ?? "") && WIDE.test(next[0]));
  });
}
