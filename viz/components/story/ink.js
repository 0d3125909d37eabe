/**
 * The colours of a story, as hex, so that the exported file needs no style sheet; and its letters' widths.
 *
 * @typedef {{text: string, quiet: string, rule: string, box: string, stem: string, back: string, own: string,
 *   ownStem: string, ownLine: string}} Inks
 *   box, stem: a piece where it is made and while it lasts; own…: the same of the token that the story is about
 */
import { edge, tint } from "../kit/hue.js";

/** Any CSS colour as [r, g, b], through the browser's own parser. @param {string} css */
function channels(css) {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  pen.fillStyle = css;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** @param {import("../kit/colour.js").Theme} theme @param {number} id whose hue the token has @returns {Inks} */
export function inksOf(theme, id) {
  const [text, back, own] = [theme.text, theme.back, tint(id, theme.dark)].map(channels);
  const mix = (a, b, share) =>
    `#${a.map((x, i) => Math.round(share * x + (1 - share) * b[i]).toString(16).padStart(2, "0")).join("")}`;
  return {
    text: mix(text, back, 1),
    quiet: mix(text, back, 0.76),
    rule: mix(text, back, 0.3),
    box: mix(text, back, 0.11),
    stem: mix(text, back, 0.045),
    back: mix(back, back, 1),
    own: tint(id, theme.dark),
    ownStem: mix(own, back, 0.45),
    ownLine: edge(id, theme.dark),
  };
}

const pen = document.createElement("canvas").getContext("2d");

/** How wide a text is. @param {string} font family @returns {(text: string, size: number, weight?: number) => number} */
export function ruler(font) {
  /** @type {Map<string, number>} */
  const known = new Map();
  return (text, size, weight = 400) => {
    const key = `${weight} ${size} ${text}`;
    if (!known.has(key)) {
      pen.font = `${weight} ${size}px ${font}`;
      known.set(key, pen.measureText(text).width);
    }
    return known.get(key);
  };
}

/** The longest form of a text that is at most `room` wide: what is cut away is in its middle. */
export function squeeze(text, room, measure, size, weight = 400) {
  if (measure(text, size, weight) <= room) return text;
  const letters = [...text];
  for (let keep = letters.length - 1; keep > 1; keep--) {
    const head = Math.ceil(keep / 2);
    const shown = `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (keep - head)).join("")}`;
    if (measure(shown, size, weight) <= room) return shown;
  }
  return measure("…", size, weight) <= room ? "…" : "";
}
