/**
 * The tokens' paths over the layers: layers as columns, experts as rows, a line per token through the expert that weighs
 * most. Pure functions from the model and the layout to shapes of a scene.
 *
 * @typedef {{layer: number, expert: number, x: number, y: number, w: number, h: number, tokens: number[]}} Node
 */
import { inkOn, measured, mix } from "./brush.js";
import { chipShapes, colourOf } from "./flow.js";
import { LEAST, textLayout } from "./layout.js";

const round = (x) => Math.round(x * 10) / 10;
const LEFT = 34;
const NODE = 13;
/** More nodes than this are no stops of the keyboard. */
export const MOST_STOPS = 640;
const FOOT = 26;
const GAP = 24;
/** Radius of the disc of the weight 1. */
const DISC = 9;
/** Widest line of a token. */
const THICK = 7;

/** The expert that a token goes to first in each layer; e, one beyond the last, where none serves it. */
export function trails(model) {
  return (model.trail ??= Array.from({ length: model.t }, (_, token) =>
    Array.from({ length: model.frames }, (_, l) => model.frame(l).picks[token].find(({ kept }) => kept)?.expert ?? model.e),
  ));
}

/** @param {import("./model.js").Model} model @param {any} data */
export function pathLayout(model, data, { width, height, font }) {
  const phone = height === null;
  const text = textLayout(model.tokens, width, phone ? 330 : 0.36 * height, font, LEAST.more);
  const top = text.height + GAP;
  const rows = model.e + (model.loses ? 1 : 0);
  const room = phone ? Math.max(320, 14 * rows) : Math.max(190, height - top - FOOT);
  const row = room / rows;
  const all = trails(model);
  const counts = Array.from({ length: model.frames }, () => new Array(rows).fill(0));
  for (const trail of all) trail.forEach((expert, l) => counts[l][expert]++);
  const most = Math.max(...counts.flat());
  const line = Math.min(THICK, (row * 0.86) / most);
  const inner = width - LEFT - NODE;
  const bar = Math.max(2, Math.min(NODE, (0.45 * inner) / Math.max(1, model.frames - 1)));
  const x = (l) => LEFT + NODE / 2 + (model.frames > 1 ? ((inner - 6) * l) / (model.frames - 1) : inner / 2);
  const middle = (expert) => top + (expert + 0.5) * row;
  /** @type {Node[]} */
  const nodes = [];
  /** Height of every token at every layer. @type {number[][]} */
  const places = Array.from({ length: model.t }, () => []);
  for (let l = 0; l < model.frames; l++) {
    for (let expert = 0; expert < rows; expert++) {
      const tokens = all.flatMap((trail, token) => (trail[l] === expert ? [token] : []));
      tokens.sort((a, b) => (l ? places[a][l - 1] - places[b][l - 1] : 0) || a - b);
      const h = tokens.length * line;
      const from = middle(expert) - h / 2;
      tokens.forEach((token, n) => (places[token][l] = from + (n + 0.5) * line));
      nodes.push({ layer: l, expert, x: x(l) - bar / 2, y: from, w: bar, h, tokens });
    }
  }
  const wide = Math.min(NODE + 10, inner / Math.max(1, model.frames - 1) - 1);
  const box = (node) => ({ left: x(node.layer) - wide / 2, top: middle(node.expert) - row / 2 + 1, width: wide, height: row - 2 });
  const stops = nodes.map(box);
  const handles = nodes.length > MOST_STOPS ? [] : stops;
  const at = { text, top, row, rows, line, nodes, places, x, middle, stops, handles, width, height: Math.max(height ?? 0, top + room + FOOT) };
  return { ...at, bottom: top + room, wide: (words, size = text.size, weight = 400) => measured(words, size, weight, font) };
}

/** Layers as flow.js has them. @param {any} view see main.js @returns {(() => any[])[]} */
export function layers(view) {
  const { model, at, theme, focus } = view;
  const node = focus.expert === null ? null : at.nodes[focus.expert];
  const inside = node && new Set(node.tokens);
  const lit = focus.token !== null ? (i) => i === focus.token : inside ? (i) => inside.has(i) : () => true;
  const calm = focus.token === null && !node;
  const scene = { ...view, focus, node, lit, calm, paper: theme.back, red: theme.palette.verdict.red };
  const strips = (token, width) => strip(model, token, width);
  const heads = trails(model).map((trail) => ({ first: trail[0], gone: trail.every((expert) => expert === model.e) }));
  return [
    () => [...ground(scene), ...lines(scene), ...knots(scene), ...(focus.token === null ? [] : discs(scene))],
    () => chipShapes(scene, strips, heads),
    () => [],
  ];
}

/** A token's strip: its first expert in every layer, all as wide. */
function strip(model, token, width) {
  const trail = trails(model)[token];
  return trail.map((expert, l) => ({ expert, kept: expert < model.e, x: (l * width) / trail.length, w: width / trail.length }));
}

/** Rows with their experts' numbers, columns with their layers' names. */
function ground({ model, at, theme, paper, red, data, say }) {
  const found = [];
  const quiet = mix(theme.text, paper, 0.78);
  for (let expert = 0; expert < at.rows; expert++) {
    const real = expert < model.e;
    const colour = real ? colourOf(theme, expert) : red;
    const y = at.middle(expert);
    const nth = Math.ceil(12 / at.row);
    const size = at.row < 13 ? 10 : 12;
    const h = nth > 1 ? at.row : Math.min(17, at.row - 1);
    found.push({ kind: "rect", x: LEFT, y: y - at.row / 2 + 1, w: at.width - LEFT, h: Math.max(1, at.row - 2), radius: 4, fill: mix(colour, paper, theme.dark ? 0.1 : 0.06) });
    found.push({ kind: "rect", x: 0, y: y - h / 2, w: 24, h, radius: Math.min(4.5, h / 3), fill: colour });
    if (expert % nth) continue;
    if (nth > 1) found.push({ kind: "rect", x: 0, y: y - 6, w: 24, h: 12, radius: 3, fill: colour });
    found.push({ kind: "text", x: 12, y: y + 0.5, text: real ? model.experts[expert] : "×", fill: inkOn(colour), size, weight: 700, anchor: "middle" });
  }
  const room = model.frames > 1 ? at.x(1) - at.x(0) : at.width;
  const long = Math.max(...data.layers.map((name) => at.wide(say("routes_layer", { n: name }), 12)));
  const step = Math.ceil((Math.max(...data.layers.map((name) => at.wide(name, 12))) + 8) / room);
  data.layers.forEach((name, l) => {
    if (l % step) return;
    const text = long < room - 8 ? say("routes_layer", { n: name }) : name;
    const half = at.wide(text, 12) / 2;
    const x = Math.max(LEFT + half, Math.min(at.width - half, at.x(l)));
    found.push({ kind: "text", x, y: at.bottom + 13, text, fill: quiet, size: 12, anchor: "middle" });
  });
  return found;
}

const bend = (x0, y0, x1, y1) => {
  const middle = (x0 + x1) / 2;
  return `M${round(x0)} ${round(y0)}C${round(middle)} ${round(y0)} ${round(middle)} ${round(y1)} ${round(x1)} ${round(y1)}`;
};

/** A line per token, in the colour of the expert that it comes from. */
function lines({ model, at, theme, lit, calm, red, focus, paper }) {
  const found = [[], []];
  const all = trails(model);
  const width = Math.max(0.8, at.line * 0.86);
  for (let token = 0; token < model.t; token++) {
    const on = lit(token);
    for (let l = 0; l + 1 < model.frames; l++) {
      const expert = all[token][l];
      const line = expert < model.e ? colourOf(theme, expert) : red;
      const d = bend(at.x(l), at.places[token][l], at.x(l + 1), at.places[token][l + 1]);
      const wide = on && focus.token !== null ? Math.max(4.5, width) : width;
      found[on && !calm ? 1 : 0].push({ kind: "path", d, line, width: wide, alpha: calm ? 0.5 : on ? 0.9 : 0.1 });
    }
  }
  return found.flat();
}

/** What the lines run through: a bar per expert and layer, as high as it has tokens. */
function knots({ model, at, theme, red, node, calm, lit, paper }) {
  return at.nodes.flatMap((one) => {
    if (!one.tokens.length) return [];
    const colour = one.expert < model.e ? colourOf(theme, one.expert) : red;
    const on = calm || one === node || (!node && one.tokens.some(lit));
    const { x, y, w, h } = one;
    const bar = { kind: "rect", x, y, w, h, radius: Math.min(3, h / 2), fill: on ? colour : mix(colour, paper, 0.4) };
    return one === node ? [{ kind: "rect", x: x - 2, y: y - 2, w: w + 4, h: h + 4, radius: 4, fill: theme.text }, bar] : [bar];
  });
}

/** All experts of the token in focus, as large as their weights; the further ones tied to its line. */
function discs({ model, at, theme, focus, paper }) {
  const found = [];
  const { token } = focus;
  for (let l = 0; l < model.frames; l++) {
    const { picks, most } = model.frame(l);
    const own = picks[token].filter(({ kept, weight }) => kept && weight > 0);
    const x = at.x(l);
    own.forEach(({ expert, weight }, rank) => {
      const y = rank ? at.middle(expert) : at.places[token][l];
      const radius = DISC * Math.sqrt(weight / Math.max(1, most));
      const colour = colourOf(theme, expert);
      if (rank) {
        const from = at.places[token][l];
        found.push({ kind: "path", d: `M${round(x)} ${round(from)}V${round(y)}`, line: mix(theme.text, paper, 0.6), width: 1.2, dash: "2 3" });
      }
      found.push({ kind: "rect", x: x - radius, y: y - radius, w: 2 * radius, h: 2 * radius, radius, fill: colour, line: theme.text, width: 1.6 });
    });
  }
  return found;
}

/** Which node a place belongs to. @returns {number|null} */
export function nodeAt(at, x, y) {
  const found = at.stops.findIndex(({ left, top, width, height }) => x >= left && x < left + width && y >= top && y < top + height);
  return found < 0 ? null : found;
}

/** The token whose line runs nearest to a place; null where none is near. */
export function lineAt(model, at, x, y) {
  const l = Array.from({ length: model.frames - 1 }, (_, i) => i).find((i) => x >= at.x(i) && x < at.x(i + 1));
  if (l === undefined) return null;
  const share = (x - at.x(l)) / (at.x(l + 1) - at.x(l));
  const rise = at.places.map((place) => place[l] + (place[l + 1] - place[l]) * eased(share));
  const best = rise.reduce((found, height, token) => (Math.abs(height - y) < Math.abs(rise[found] - y) ? token : found), 0);
  return Math.abs(rise[best] - y) <= Math.max(4, at.line) ? best : null;
}

/** Height of the bend at a share of its width: x runs as 3s(1-s)/2 + s³ ..., solved by halving. */
function eased(share) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 20; i++) {
    const s = (low + high) / 2;
    const x = 1.5 * s * (1 - s) ** 2 + 1.5 * s * s * (1 - s) + s ** 3;
    if (x < share) low = s;
    else high = s;
  }
  const s = (low + high) / 2;
  return 3 * s * s * (1 - s) + s ** 3;
}
