/**
 * A picture made of elements (boxes, text, SVG paths) as a scene, so that it can be downloaded as it stands on the screen.
 * What is scrolled away, hidden or a control (a button with an icon, the export buttons) is left out; a slider becomes a line
 * and a disc.
 */
import { make } from "./dom.js";

const MARGIN = 16;
const THUMB = 8;
const SKIPPED = ".icon-button, .toolbar, .spoken, .theme-probe";

/**
 * @param {HTMLElement} root @param {import("./colour.js").Theme} theme @param {string} title
 * @returns {import("./scene.js").Scene}
 */
export function snapshot(root, theme, title) {
  const origin = root.getBoundingClientRect();
  const shot = { shapes: [], x: MARGIN - origin.left, y: MARGIN - origin.top, colour: colours(theme.back), pen: pen() };
  walk(root, shot, origin);
  const { back, font, palette } = theme;
  const [width, height] = [Math.ceil(origin.width) + 2 * MARGIN, Math.ceil(origin.height) + 2 * MARGIN];
  return { width, height, back, font, masked: palette.masked, stops: palette.probability, title, shapes: shot.shapes };
}

const pen = () => make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });

/** Computed colours as "#rrggbb" on the page's ground, null where nothing shows. @param {string} back */
function colours(back) {
  const brush = pen();
  /** @type {Map<string, string|null>} */
  const known = new Map([["none", null]]);
  const read = () => brush.getImageData(0, 0, 1, 1).data;
  return (css) => {
    if (known.has(css)) return known.get(css);
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = css;
    brush.fillRect(0, 0, 1, 1);
    const seen = read()[3] > 0;
    brush.fillStyle = back;
    brush.fillRect(0, 0, 1, 1);
    brush.fillStyle = css;
    brush.fillRect(0, 0, 1, 1);
    const hex = [...read()].slice(0, 3).map((c) => c.toString(16).padStart(2, "0"));
    known.set(css, seen ? `#${hex.join("")}` : null);
    return known.get(css);
  };
}

const overlap = (a, b) => {
  const [left, top] = [Math.max(a.left, b.left), Math.max(a.top, b.top)];
  const [right, bottom] = [Math.min(a.right, b.right), Math.min(a.bottom, b.bottom)];
  return { left, top, right, bottom, empty: right <= left || bottom <= top };
};

/** Scrolled away, or so far that only a sliver is left. */
function hidden(box, clip) {
  const seen = overlap(box, clip);
  return seen.empty || seen.bottom - seen.top < Math.min(12, box.height / 2);
}

/** @param {Element} element @param {any} shot @param {{left: number, top: number, right: number, bottom: number}} clip */
function walk(element, shot, clip) {
  if (element.matches(SKIPPED)) return;
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden" || style.opacity === "0") return;
  const box = element.getBoundingClientRect();
  const shapes = element instanceof SVGElement;
  if (style.display !== "contents" && box.width && box.height && hidden(box, clip)) return;
  if (element.matches("input[type=range]")) return drawSlider(/** @type {HTMLInputElement} */ (element), box, style, shot);
  if (shapes) drawShape(element, style, shot, clip);
  else drawBox(box, style, shot, clip);
  if (style.overflowX !== "visible" && !shapes) clip = overlap(box, clip);
  for (const child of element.childNodes) {
    if (child instanceof Element) walk(child, shot, clip);
    else if (child.nodeType === Node.TEXT_NODE && !shapes) drawText(/** @type {Text} */ (child), style, shot, clip);
  }
}

function drawBox(box, style, { shapes, x, y, colour }, clip) {
  const seen = overlap(box, clip);
  if (seen.empty) return;
  const place = { x: seen.left + x, y: seen.top + y, w: seen.right - seen.left, h: seen.bottom - seen.top };
  const fill = colour(style.backgroundColor);
  const sides = ["Top", "Right", "Bottom", "Left"].map((side) => (parseFloat(style[`border${side}Width`]) ? colour(style[`border${side}Color`]) : null));
  const radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, place.w / 2, place.h / 2);
  const all = sides.every((side) => side) ? sides[0] : undefined;
  const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) ? colour(style.outlineColor) : null;
  if (outline) shapes.push({ kind: "rect", x: place.x - 2, y: place.y - 2, w: place.w + 4, h: place.h + 4, radius: radius + 2, fill: outline });
  if (fill || all) shapes.push({ kind: "rect", ...place, radius, ...(fill && { fill }), ...(all && { line: all }) });
  if (all) return;
  const { x: left, y: top, w, h } = place;
  const edges = [`M${left} ${top}h${w}`, `M${left + w} ${top}v${h}`, `M${left} ${top + h}h${w}`, `M${left} ${top}v${h}`];
  const widths = ["Top", "Right", "Bottom", "Left"].map((side) => parseFloat(style[`border${side}Width`]));
  edges.forEach((d, i) => sides[i] && shapes.push({ kind: "path", d, line: sides[i], width: widths[i] }));
}

/** @param {HTMLInputElement} slider */
function drawSlider(slider, box, style, { shapes, x, y, colour }) {
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const share = high > low ? (Number(slider.value) - low) / (high - low) : 0;
  const [left, middle] = [box.left + x, (box.top + box.bottom) / 2 + y];
  const at = left + THUMB + share * (box.width - 2 * THUMB);
  const [rule, accent, paper] = ["rule", "accent", "paper"].map((name) => colour(style.getPropertyValue(`--${name}`)));
  shapes.push({ kind: "rect", x: left, y: middle - 2, w: box.width, h: 4, radius: 2, fill: rule });
  shapes.push({ kind: "rect", x: left, y: middle - 2, w: at - left, h: 4, radius: 2, fill: accent });
  shapes.push({ kind: "rect", x: at - THUMB, y: middle - THUMB, w: 2 * THUMB, h: 2 * THUMB, radius: THUMB, fill: accent, line: paper });
}

/** A text node line by line, as the browser broke it; what a box cuts off ends in an ellipsis. */
function drawText(node, style, shot, clip) {
  const size = parseFloat(style.fontSize);
  const fill = shot.colour(style.color) ?? "#000000";
  const weight = Number(style.fontWeight) || 400;
  const range = document.createRange();
  for (const { text, box } of lines(node, range)) {
    const middle = (box.top + box.bottom) / 2;
    if (middle < clip.top || middle > clip.bottom || box.left >= clip.right - 2) continue;
    shot.pen.font = `${weight} ${size}px ${style.fontFamily}`;
    const shown = fit(text, Math.max(0, clip.right - box.left), box.width, shot.pen);
    const [x, y] = [box.left + shot.x, middle + shot.y];
    shot.shapes.push({ kind: "text", x, y, text: shown, fill, size, weight });
    if (style.textDecorationLine.includes("line-through")) {
      shot.shapes.push({ kind: "path", d: `M${x} ${y}h${Math.min(box.width, clip.right - box.left)}`, line: fill });
    }
  }
}

/** @param {Text} node @param {Range} range */
function lines(node, range) {
  const text = node.data;
  if (!text.trim()) return [];
  range.selectNodeContents(node);
  if (range.getClientRects().length <= 1) return [{ text, box: range.getBoundingClientRect() }];
  const found = [];
  for (const { 0: word, index } of text.matchAll(/\S\s*/gu)) {
    range.setStart(node, index);
    range.setEnd(node, index + word.length);
    const box = range.getBoundingClientRect();
    const last = found[found.length - 1];
    if (last && Math.abs(last.box.top - box.top) < 2) last.text += word;
    else found.push({ text: word, box });
  }
  return found;
}

function fit(text, room, width, brush) {
  if (width <= room + 1) return text;
  const letters = [...text];
  while (letters.length > 1 && brush.measureText(`${letters.join("")}…`).width > room) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}

/** @param {Element} element a path, rect or text inside an svg element; without transforms */
function drawShape(element, style, { shapes, x, y, colour }, clip) {
  const svg = element.ownerSVGElement;
  if (!svg) return;
  const origin = svg.getBoundingClientRect();
  const [dx, dy] = [origin.left + x, origin.top + y];
  const get = (name) => Number(element.getAttribute(name));
  const fill = colour(style.fill);
  const line = colour(style.stroke);
  const paint = { ...(fill && { fill }), ...(line && { line }) };
  const dash = style.strokeDasharray === "none" ? undefined : style.strokeDasharray.replaceAll("px", "");
  if (element.tagName === "path" && element.getAttribute("d")) {
    const width = parseFloat(style.strokeWidth);
    const alpha = Number(style.opacity) * (line ? 1 : Number(style.fillOpacity));
    shapes.push({ kind: "path", d: element.getAttribute("d"), x: dx, y: dy, ...paint, width, alpha, dash });
  } else if (element.tagName === "rect") {
    if (overlap(element.getBoundingClientRect(), clip).empty) return;
    shapes.push({ kind: "rect", x: get("x") + dx, y: get("y") + dy, w: get("width"), h: get("height"), radius: get("rx"), ...paint, dash });
  } else if (element.tagName === "text") {
    if (overlap(element.getBoundingClientRect(), clip).empty) return;
    const anchor = element.getAttribute("text-anchor") ?? "start";
    const [size, weight] = [parseFloat(style.fontSize), Number(style.fontWeight)];
    shapes.push({ kind: "text", x: get("x") + dx, y: get("y") + dy, text: element.textContent, fill: fill ?? "#000000", size, anchor, weight });
  }
}
