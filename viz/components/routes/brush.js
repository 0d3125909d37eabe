/** Shapes of a scene (kit/scene.js) painted on a canvas, so that the picture and its file are the same drawing. */
import { contrast, luminance, rgb } from "../kit/colour.js";
import { textWidth } from "../kit/axis.js";

/** @param {CanvasRenderingContext2D} pen @param {any[]} shapes @param {string} font */
export function paint(pen, shapes, font) {
  let set = "";
  pen.textBaseline = "middle";
  for (const shape of shapes) {
    const { kind, x = 0, y = 0, fill, line, width = 1, alpha = 1, dash } = shape;
    pen.globalAlpha = alpha;
    if (kind === "text") {
      const wanted = `${shape.weight ?? 400} ${shape.size ?? 12}px ${font}`;
      if (wanted !== set) pen.font = set = wanted;
      pen.textAlign = shape.anchor === "middle" ? "center" : (shape.anchor ?? "start");
      pen.fillStyle = fill;
      if (!shape.angle) pen.fillText(shape.text, x, y);
      else turned(pen, shape);
      continue;
    }
    if (line) {
      pen.lineWidth = width;
      pen.strokeStyle = line;
      pen.setLineDash(dash ? dash.split(" ").map(Number) : []);
    }
    if (kind === "rect") {
      if (!shape.radius && !line) {
        pen.fillStyle = fill;
        pen.fillRect(x, y, shape.w, shape.h);
        continue;
      }
      pen.beginPath();
      pen.roundRect(x, y, shape.w, shape.h, shape.radius ?? 0);
      if (fill) {
        pen.fillStyle = fill;
        pen.fill();
      }
      if (line) pen.stroke();
      continue;
    }
    const path = new Path2D(shape.d);
    pen.translate(x, y);
    if (fill) {
      pen.fillStyle = fill;
      pen.fill(path);
    }
    if (line) pen.stroke(path);
    pen.translate(-x, -y);
  }
  pen.globalAlpha = 1;
  pen.setLineDash([]);
}

function turned(pen, { x, y, text, angle }) {
  pen.save();
  pen.translate(x, y);
  pen.rotate((angle * Math.PI) / 180);
  pen.fillText(text, 0, 0);
  pen.restore();
}


/** @type {Map<string, string>} */
const inks = new Map();

/** Where black and white can be read equally well: (0.18 + 0.05)² = 1.05 · 0.05. */
const MIDDLE = 0.18;
const LEGIBLE = 4.7;

/** Black or white, whichever can be read better on a colour. @param {string} back "#rrggbb" */
export function inkOn(back) {
  let ink = inks.get(back);
  if (!ink) inks.set(back, (ink = luminance(rgb(back)) > MIDDLE ? "#101114" : "#ffffff"));
  return ink;
}

/** @type {Map<string, string>} */
const grounds = new Map();

/** A colour as the ground of a text: at most `share` of it, so that the text can be read. */
export function ground(colour, back, text, share) {
  const key = `${colour}${back}${text}${share}`;
  if (!grounds.has(key)) {
    let part = share;
    while (part > 0.05 && contrast(mix(colour, back, part), text) < LEGIBLE) part -= 0.03;
    grounds.set(key, mix(colour, back, part));
  }
  return grounds.get(key);
}

/** @type {Map<string, number>} */
const widths = new Map();

/** As kit/axis.js measures it, remembered. */
export function measured(text, size, weight, font) {
  const key = `${size} ${weight} ${text} ${font}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > 5000) widths.clear();
    widths.set(key, (width = textWidth(text, size, weight, font)));
  }
  return width;
}

/** An opaque CSS colour as "#rrggbb". @param {string} css */
export function hexOf(css) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = css;
  return pen.fillStyle;
}

/** @type {Map<string, string>} */
const mixed = new Map();

/** Colours mixed: `share` of the first. @param {string} a "#rrggbb" @param {string} b @param {number} share */
export function mix(a, b, share) {
  if (share >= 1) return a;
  const part = Math.round(share * 100);
  const key = `${a}${b}${part}`;
  let found = mixed.get(key);
  if (!found) {
    if (mixed.size > 5000) mixed.clear();
    const [one, other] = [rgb(a), rgb(b)];
    const channel = (i) => Math.round((one[i] * part + other[i] * (100 - part)) / 100).toString(16).padStart(2, "0");
    mixed.set(key, (found = `#${channel(0)}${channel(1)}${channel(2)}`));
  }
  return found;
}

/** @type {Map<string, string>} */
const fitted = new Map();

/** As much of a text as there is room for, the last letter an ellipsis; empty where not even one letter fits. */
export function fit(text, room, size, weight, font) {
  const key = `${text}\u0000${Math.floor(room)}\u0000${size}${weight}${font}`;
  if (fitted.size > 5000) fitted.clear();
  if (!fitted.has(key)) fitted.set(key, cut(text, room, size, weight, font));
  return fitted.get(key);
}

function cut(text, room, size, weight, font) {
  if (textWidth(text, size, weight, font) <= room) return text;
  const letters = [...text];
  while (letters.length && textWidth(`${letters.join("")}…`, size, weight, font) > room) letters.pop();
  if (letters.length > 2) return `${letters.join("")}…`;
  const short = [...text];
  while (short.length && textWidth(short.join(""), size, weight, font) > room) short.pop();
  return short.join("");
}
