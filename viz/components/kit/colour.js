/**
 * Colours: the palette (palette.json, shared with Python) and the theme that is on.
 *
 * Streamlit writes its theme as CSS variables around every component. Text and borders use those variables directly in
 * CSS; a canvas cannot, so `readTheme` resolves them.
 *
 * @typedef {{dark: boolean, text: string, back: string, font: string, palette: Record<string, any>}} Theme
 */

const answer = await fetch(new URL("./palette.json", import.meta.url));
if (!answer.ok) throw new Error(`The palette could not be loaded (${answer.status}).`);
const palettes = await answer.json();

/** Fonts that hold Chinese, Japanese and Korean: a canvas does not always find one by itself. */
const CJK = '"Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei"';

/** @param {string} hex "#RRGGBB" @returns {[number, number, number]} */
export function rgb(hex) {
  const n = parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

/** Any CSS colour as [r, g, b] (0 to 255), through the browser's own parser. @param {string} css */
function parse(css) {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  pen.fillStyle = css;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** Relative luminance of WCAG 2, 0 (black) to 1 (white). @param {number[]} c */
export function luminance(c) {
  const [r, g, b] = c.map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** How well two colours can be told apart as text and ground, 1 to 21 (WCAG 2). @param {string} a @param {string} b */
export function contrast(a, b) {
  const [low, high] = [luminance(parse(a)), luminance(parse(b))].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** The colour, or the nearest darker (on a dark ground: lighter) one in which text can be read. @param {string} hex */
export function legible(hex, back, least = 4.5) {
  const far = luminance(parse(back)) < 0.3 ? 255 : 0;
  for (let share = 0; share < 1; share += 0.04) {
    const mixed = rgb(hex).map((c) => Math.round(c + (far - c) * share));
    const found = `#${mixed.map((c) => c.toString(16).padStart(2, "0")).join("")}`;
    if (contrast(found, back) >= least) return found;
  }
  return far ? "#ffffff" : "#000000";
}

/** @param {Element} host an element inside Streamlit's theme @returns {Theme} */
export function readTheme(host) {
  const style = getComputedStyle(host);
  const get = (name, fallback) => style.getPropertyValue(`--st-${name}`).trim() || fallback;
  const back = get("background-color", "#ffffff");
  const dark = luminance(parse(back)) < 0.3;
  return {
    dark,
    back,
    text: get("text-color", dark ? "#fafafa" : "#31333f"),
    font: `${get("font", "sans-serif")}, ${CJK}`,
    palette: palettes[dark ? "dark" : "light"],
  };
}

/**
 * Call back when the theme switches, with no help from the server: an invisible element repeats the theme's two colours
 * with a transition of one millisecond, and a transition that ends is an event.
 * @param {ShadowRoot} root @param {() => void} changed
 */
export function watchTheme(root, changed) {
  const probe = document.createElement("i");
  probe.className = "theme-probe";
  probe.setAttribute("aria-hidden", "true");
  probe.addEventListener("transitionend", changed);
  root.append(probe);
}

/** A palette list as 256 colours, r g b r g b ... @param {string[]} stops */
export function ramp(stops) {
  const colours = stops.map(rgb);
  const table = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (colours.length - 1);
    const k = Math.min(colours.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) table[3 * i + c] = colours[k][c] + (colours[k + 1][c] - colours[k][c]) * (at - k);
  }
  return table;
}

/** Position of a value in a 256-colour ramp. @param {number} value @param {number} low @param {number} high */
export function rampIndex(value, low, high) {
  const share = high > low ? (value - low) / (high - low) : 0;
  return Math.round(255 * Math.min(1, Math.max(0, share)));
}

/** The stops of a palette list as a CSS gradient from left to right. @param {string[]} stops */
export const gradient = (stops) => `linear-gradient(90deg, ${stops.join(", ")})`;
