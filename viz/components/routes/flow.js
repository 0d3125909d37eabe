/**
 * The picture of one router: text, ribbons, bins, what is past them, and the text again. Pure functions from the model and
 * the layout to shapes of a scene.
 *
 * @typedef {{key: string, token: number, expert: number, weight: number, kept: boolean, rank: number,
 *   x: number, y: number, w: number, h: number}} Cell a token in an expert's bin
 * @typedef {{token: number|null, expert: number|null, pinned: boolean}} Focus
 */
import { fit, inkOn, mix } from "./brush.js";
import { cell, dotted } from "./layout.js";

const round = (x) => Math.round(x * 10) / 10;
/** Ribbons at rest: from so many on they are left out. */
const CROWD = 640;
/** Width of the ribbon of the weight 1. */
const WIDE = 22;
/** Parts of a chip's strip that can still be told apart. */
const PARTS = 8;
/** How much is left of the colours of what is not in focus, while the pointer looks, and while a token stays pinned. */
const DIM = { look: 0.42, pinned: 0.62 };
export const dimmed = ({ pinned }) => (pinned ? DIM.pinned : DIM.look);

export const colourOf = (theme, expert) => theme.palette.expert[expert % theme.palette.expert.length];

/** Every token in every bin: those that found room from the bottom, above them who did not. @returns {Cell[]} */
export function cellsOf(model, at, f) {
  const limit = model.limit?.[f] ?? Infinity;
  return model.frame(f).visits.flatMap((visits, expert) => {
    const bin = at.bins.bins[expert];
    const served = visits.filter(({ kept }) => kept);
    const turned = visits.filter(({ kept }) => !kept);
    const { columns } = at.bins;
    const first = Math.ceil(Math.max(served.length, Math.min(limit, served.length)) / columns) * columns;
    return [...served, ...turned].map((visit, n) => {
      const slot = n < served.length ? n : first + n - served.length;
      const place = cell(at.bins, bin, slot);
      if (n >= served.length) place.y -= at.spill;
      return { ...visit, expert, key: `${visit.token} ${visit.rank}`, ...place };
    });
  });
}

/** Segments of a token's strip: an expert each, as wide as its weight. */
export function segments(model, f, token, width) {
  const { picks, sums } = model.frame(f);
  const whole = Math.max(1, sums[token]);
  const served = picks[token].filter(({ kept }) => kept);
  const turned = picks[token].filter(({ kept }) => !kept).slice(0, 3);
  const lost = turned.length && Math.min(11, (width * (served.length ? 0.5 : 1)) / turned.length);
  const room = width - turned.length * lost;
  let x = 0;
  const found = served.slice(0, PARTS).map((pick) => {
    const w = (room * pick.weight) / whole;
    x += w;
    return { ...pick, x: x - w, w };
  });
  for (const pick of turned) {
    found.push({ ...pick, x, w: lost });
    x += lost;
  }
  return found;
}

/**
 * Three layers: what moves below the text, the text and all that stands still, the tokens in the bins.
 * @param {any} view see main.js @param {Cell[]} cells where they stand at this moment
 * @returns {(() => any[])[]}
 */
export function layers(view, cells) {
  const { model, at, theme, index: f, focus } = view;
  const lit = litBy(model, f, focus);
  const calm = focus.token === null && focus.expert === null;
  const scene = { ...view, focus, f, lit, calm, paper: theme.back, red: theme.palette.verdict.red, frame: model.frame(f) };
  return [
    () => [...buckets(scene), ...ribbons(scene, cells)],
    () => [...chips(scene), ...labels(scene), ...shared(scene), ...band(scene)],
    () => stacks(scene, cells),
  ];
}

/** Which tokens stand out. @returns {(token: number) => boolean} */
export function litBy(model, f, { token, expert }) {
  if (token !== null) return (i) => i === token;
  if (expert === null) return () => true;
  const tokens = new Set(model.frame(f).visits[expert].map((visit) => visit.token));
  return (i) => tokens.has(i);
}

/** The bins, empty, with their rim where there is a limit. */
function buckets({ model, at, theme, f, paper, frame, say, focus }) {
  const found = [];
  const limit = model.limit?.[f];
  const { columns, ch } = at.bins;
  const share = frame.assigned / model.e;
  at.bins.bins.forEach((bin, e) => {
    const colour = colourOf(theme, e);
    const rim = limit === undefined ? null : bin.bottom - 3 - Math.ceil(limit / columns) * ch;
    const top = rim === null ? bin.top : Math.max(bin.top, rim);
    const h = bin.bottom - top;
    const strong = focus.expert === e;
    const back = mix(colour, paper, theme.dark ? (strong ? 0.24 : 0.12) : strong ? 0.2 : 0.08);
    found.push({ kind: "rect", x: bin.x, y: top, w: bin.w, h, radius: 4, fill: back });
    const walls = `M${bin.x} ${round(top)}V${bin.bottom - 4}q0 4 4 4H${round(bin.x + bin.w - 4)}q4 0 4 -4V${round(top)}`;
    found.push({ kind: "path", d: walls, line: mix(colour, paper, strong ? 1 : 0.6), width: strong ? 2 : 1.2 });
  });
  if (limit !== undefined) return [...found, ...rims(at, limit, theme, say)];
  for (const bin of at.bins.bins) {
    const y = bin.bottom - 3 - (share / columns) * ch;
    found.push({ kind: "path", d: `M${round(bin.x - 2)} ${round(y)}h${round(bin.w + 4)}`, line: mix(theme.text, paper, 0.55), width: 1, dash: "3 3" });
  }
  return found;
}

/** Where each bin is full. */
function rims({ bins }, limit, theme) {
  const y = (bin) => bin.bottom - 3 - Math.ceil(limit / bins.columns) * bins.ch;
  return bins.bins
    .filter((bin) => y(bin) >= bin.top - 1)
    .map((bin) => ({ kind: "path", d: `M${round(bin.x - 3)} ${round(y(bin))}h${round(bin.w + 6)}`, line: theme.text, width: 1.6 }));
}

/** From the text's tokens to their places in the bins, from there back into the text. */
function ribbons(scene, cells) {
  const { at, f, model, theme, lit, calm, focus, frame, red } = scene;
  const found = [];
  if (calm && frame.assigned > CROWD) return lost(scene);
  const quiet = Math.min(0.55, 2.8 / Math.sqrt(frame.assigned));
  const faint = quiet * 0.16;
  const whole = Math.max(1, frame.most);
  const ordered = calm ? cells : [...cells].sort((a, b) => lit(a.token) - lit(b.token) || b.weight - a.weight);
  const few = frame.assigned <= CROWD;
  for (const own of ordered) {
    const on = lit(own.token);
    if (!on && (!few || !own.kept)) continue;
    const far = focus.expert !== null && own.expert !== focus.expert;
    const chip = at.text.chips[own.token];
    const part = segments(model, f, own.token, chip.w - 6).find(({ expert }) => expert === own.expert);
    const x0 = chip.x + 3 + (part ? part.x + part.w / 2 : chip.w / 2);
    const share = own.weight / whole;
    const colour = own.kept ? colourOf(theme, own.expert) : red;
    const width = focus.token !== null && on ? Math.max(1.5, WIDE * share) : 0.7 + (calm || !on ? 3.2 : 5) * share;
    const alpha = calm ? quiet : !on ? faint : far ? 0.14 : focus.token !== null ? 0.92 : 0.75;
    const x1 = own.x + own.w / 2;
    const dash = own.kept ? undefined : "5 3";
    if (!own.kept && calm) continue;
    found.push({ kind: "path", d: fall(x0, chip.y + at.text.high, at.text.height, x1, at.rim(own), own.y + (focus.token === null ? 1 : 0)), line: colour, width, alpha, dash });
    if (own.kept && at.band && (on || calm)) found.push({ kind: "path", d: rise(x1, at.out(own), at.tick(own.token), at.band.y), line: colour, width, alpha });
  }
  return [...through(scene), ...found, ...lost(scene)];
}

/** The token in focus on its way through the experts that all share, which weigh 1. */
function through({ at, focus, frame, theme, paper }) {
  if (focus.token === null) return [];
  const chip = at.text.chips[focus.token];
  const width = WIDE / Math.max(1, frame.most);
  const line = mix(theme.text, paper, 0.42);
  return at.shared.flatMap(({ y, h }) => {
    const x = Math.max(width, Math.min(at.across - width, at.tick(focus.token)));
    const down = fall(chip.x + chip.w / 2, chip.y + at.text.high, at.text.height, x, at.rim({ expert: 0 }), y);
    return [
      { kind: "path", d: down, line, width, alpha: 0.35 },
      { kind: "path", d: rise(x, y + h, at.tick(focus.token), at.band.y), line, width, alpha: 0.35 },
    ];
  });
}

/** Straight down behind the text, a bend in the gap, straight down into the bin. */
function fall(x0, y0, edge, x1, rim, y1) {
  const middle = (edge + rim) / 2;
  return `M${round(x0)} ${round(y0 - 2)}V${round(edge)}C${round(x0)} ${round(middle)} ${round(x1)} ${round(middle)} ${round(x1)} ${round(rim)}V${round(Math.max(rim, y1))}`;
}

function rise(x0, y0, x1, y1) {
  const middle = (y0 + y1) / 2;
  return `M${round(x0)} ${round(y0)}C${round(x0)} ${round(middle)} ${round(x1)} ${round(middle)} ${round(x1)} ${round(y1)}`;
}

/** Tokens that no expert serves: around the bins, on the residual stream alone. */
function lost({ at, lit, red, frame, focus, paper, theme, say }) {
  if (!at.lane) return [];
  const { x, w, top, bottom } = at.lane;
  const found = [{ kind: "rect", x, y: top, w, h: bottom - top, radius: 6, fill: mix(red, paper, theme.dark ? 0.13 : 0.06) }];
  const { dropped } = frame;
  dropped.forEach((token, n) => {
    const chip = at.text.chips[token];
    const on = lit(token);
    const lane = x + 20 + ((n + 0.5) / dropped.length) * (w - 26);
    const [x0, y0] = [chip.x + chip.w / 2, chip.y + at.text.high];
    const down = `M${round(x0)} ${round(y0)}V${round(at.text.height)}C${round(x0)} ${round(at.text.height + 40)} ${round(lane)} ${round(top - 30)} ${round(lane)} ${round(top + 12)}`;
    const back = `V${round(bottom - 6)}C${round(lane)} ${round(at.band.y)} ${round(at.tick(token))} ${round(bottom - 6)} ${round(at.tick(token))} ${round(at.band.y)}`;
    found.push({ kind: "path", d: down + back, line: red, width: focus.token === token ? 4 : 1.6, alpha: on ? 0.9 : 0.15 });
  });
  const text = `${say("routes_residual")}: ${dropped.length}`;
  found.push({ kind: "text", x: x + 11, y: (top + bottom) / 2, text, fill: theme.text, size: 12, anchor: "middle", angle: -90 });
  return found;
}

/** The running text: every token on its first expert's colour, below it a strip of all its experts. */
function chips(scene) {
  const { model, frame, f } = scene;
  const heads = frame.picks.map((own) => ({ first: own[0]?.expert, gone: !own.some(({ kept }) => kept) }));
  return chipShapes(scene, (token, width) => segments(model, f, token, width), heads);
}

/** @param {(token: number, width: number) => any[]} strips @param {{first: number, gone: boolean}[]} heads */
export function chipShapes({ at, model, theme, lit, focus, paper, red }, strips, heads) {
  const { size, high, strip, chips: places } = at.text;
  const found = [];
  places.forEach(({ x, y, w, text, dots }, token) => {
    const on = lit(token);
    const alpha = on ? 1 : dimmed(focus);
    const { first, gone } = heads[token];
    const fill = gone || first >= model.e ? mix(red, paper, 0.1) : mix(colourOf(theme, first), paper, theme.dark ? 0.36 : 0.3);
    const line = gone ? { line: red, width: 1.5, dash: "4 2.5" } : {};
    found.push({ kind: "rect", x, y, w, h: high, radius: 5, fill: paper });
    found.push({ kind: "rect", x, y, w, h: high, radius: 5, fill, alpha, ...line });
    const middle = y + (high - strip) / 2;
    const weight = focus.token === token ? 600 : 400;
    found.push(...word({ dots, text }, { x: x + w / 2, y: middle, size, weight, ink: on ? theme.text : mix(theme.text, paper, 0.8), at }));
    for (const part of strips(token, w - 6)) found.push(...segment(part, x + 3, y + high - strip - 1, strip - 1, { theme, model, at, alpha, red }));
    if (focus.token === token) found.push({ kind: "rect", x: x - 1.5, y: y - 1.5, w: w + 3, h: high + 3, radius: 6.5, line: gone ? red : theme.text, width: 2 });
  });
  return found;
}

/** A token's text in the middle of a place, its leading spaces as dots. */
function word({ dots, text }, { x, y, size, weight = 400, ink, at }) {
  const room = dotted(dots, size);
  const left = x - (at.wide(text, size, weight) + room) / 2;
  const found = Array.from({ length: dots }, (_, i) => ({ kind: "rect", x: left + (i + 0.5) * (room / dots) - 1.2, y: y - 0.4, w: 2.2, h: 2.2, radius: 1.1, fill: ink, alpha: 0.5 }));
  if (text) found.push({ kind: "text", x: left + room, y, text, fill: ink, size, weight });
  return found;
}

function segment({ expert, kept, x, w }, left, y, h, { theme, model, at, alpha, red }) {
  const colour = mix(kept ? colourOf(theme, expert) : red, theme.back, alpha);
  const [from, wide] = [left + x + 0.5, Math.max(1.2, w - 1)];
  const found = [{ kind: "rect", x: from, y, w: wide, h, radius: Math.min(2.5, wide / 2), fill: colour }];
  const size = Math.min(h > 14 ? 12 : 10, h);
  const name = kept ? model.experts[expert] : "×";
  if (at.wide(name, size, 600) <= wide - 1) {
    found.push({ kind: "text", x: from + wide / 2, y: y + h / 2 + 0.5, text: name, fill: inkOn(colour), size, weight: 600, anchor: "middle" });
  }
  return found;
}

/** The tokens in the bins, deeper where their weight is larger. */
function stacks({ at, model, theme, f, lit, focus, paper, red, frame }, cells) {
  const found = [];
  const whole = Math.max(1, frame.most);
  const gap = at.bins.ch > 5 && at.bins.cw > 5 ? 1 : 0.4;
  const size = at.bins.ch > 30 ? 16 : at.bins.ch > 22 ? 13 : 11;
  for (const { token, expert, weight, kept, x, y, w, h } of cells) {
    const on = lit(token) && (focus.expert === null || focus.expert === expert);
    const colour = kept ? colourOf(theme, expert) : red;
    const deep = kept ? 0.24 + 0.66 * (weight / whole) : 0.14;
    const fill = mix(colour, paper, on ? deep : deep * dimmed(focus));
    if (!on || focus.token !== null) found.push({ kind: "rect", x, y: y - 0.5, w, h: h + 1, fill: mix(colourOf(theme, expert), paper, theme.dark ? 0.12 : 0.08) });
    const box = { x: x + gap / 2, y: y + gap / 2, w: w - gap, h: h - gap, radius: Math.min(3, h / 4) };
    found.push({ kind: "rect", ...box, fill, ...(kept ? {} : { line: red, width: 1, alpha: on ? 1 : 0.4 }) });
    if (at.bins.written) {
      const { text: label, dots } = at.text.chips[token];
      const text = fit(label, w - 6, size, 400, theme.font);
      const ink = on ? inkOn(fill) : mix(inkOn(fill), fill, 0.72);
      found.push(...word({ text, dots: label ? 0 : Math.min(dots, 4) }, { x: x + w / 2, y: y + h / 2 + 0.5, size, ink, at }));
    }
    if (focus.token === token && kept) found.push({ kind: "rect", ...box, line: kept ? theme.text : red, width: 1.8 });
  }
  return found;
}

/** Number and load of every bin. */
function labels({ at, model, theme, frame, paper, focus }) {
  const found = [];
  const two = at.bins.label > 26;
  const alone = at.bins.shelves > 1;
  const quiet = mix(theme.text, paper, 0.78);
  at.bins.bins.forEach((bin, e) => {
    const colour = colourOf(theme, e);
    const size = bin.w < 26 ? 11 : 12;
    const name = fit(model.experts[e], bin.w - 3, size, 700, theme.font);
    const served = String(frame.visits[e].filter(({ kept }) => kept).length);
    const wide = Math.max(18, at.wide(name, 12, 700) + 10);
    const count = at.wide(served, 12);
    const w = Math.min(bin.w, wide);
    const left = two || alone ? bin.x + (bin.w - w) / 2 : bin.x + (bin.w - w - 7 - count) / 2;
    const [y, middle] = [bin.bottom + 5, bin.bottom + 13.5];
    if (focus.expert === e) found.push({ kind: "rect", x: left - 2, y: y - 2, w: w + 4, h: 21, radius: 6, fill: theme.text });
    found.push({ kind: "rect", x: left, y, w, h: 17, radius: 4.5, fill: colour });
    found.push({ kind: "text", x: left + w / 2, y: middle + 0.5, text: name, fill: inkOn(colour), size, weight: 700, anchor: "middle" });
    if (alone) return;
    const place = two ? { x: bin.x + bin.w / 2, y: middle + 17, anchor: "middle" } : { x: left + w + 7, y: middle + 0.5 };
    found.push({ kind: "text", ...place, text: served, fill: quiet, size: 12 });
  });
  return found;
}

/** Experts that every token passes. */
function shared({ at, theme, focus, paper, say, data }) {
  return at.shared.flatMap(({ x, y, w, h, name }) => {
    const back = mix(theme.text, paper, theme.dark ? 0.2 : 0.11);
    const text = fit(`${name}: ${say("routes_shared")}`, w - 20, 12, 400, theme.font);
    const found = [
      { kind: "rect", x, y, w, h, radius: 5, fill: back },
      { kind: "text", x: x + w / 2, y: y + h / 2 + 0.5, text, fill: theme.text, size: 12, anchor: "middle" },
    ];
    return found;
  });
}

/** The text again, a tick per token in its experts' colours; the one in focus larger. */
function band({ at, model, theme, f, lit, red, focus, frame, paper, say }) {
  const { y, h } = at.band;
  const found = [];
  const tick = (token, x, w, top, high, alpha) => {
    const { picks, sums } = frame;
    if (!picks[token].some(({ kept }) => kept)) return found.push({ kind: "rect", x, y: top, w, h: high, radius: 2, fill: red, alpha });
    let left = x;
    for (const { expert, weight } of picks[token]) {
      const part = (w * weight) / (sums[token] || 1);
      if (part) found.push({ kind: "rect", x: left, y: top, w: part, h: high, fill: colourOf(theme, expert), alpha });
      left += part;
    }
  };
  for (let token = 0; token < model.t; token++) {
    const w = at.step - Math.min(2, at.step / 5);
    tick(token, at.tick(token) - w / 2, w, y, h, lit(token) ? 1 : dimmed(focus) * 0.8);
  }
  if (focus.token !== null) {
    const w = Math.max(at.step, WIDE + 4);
    const x = Math.max(2, Math.min(at.width - w - 2, at.tick(focus.token) - w / 2));
    found.push({ kind: "rect", x: x - 2, y: y - 3, w: w + 4, h: h + 6, radius: 4, fill: paper, line: theme.text, width: 2 });
    tick(focus.token, x, w, y - 1, h + 2, 1);
  }
  const text = fit(say("routes_out"), at.width - 4, 12, 400, theme.font);
  found.push({ kind: "text", x: 1, y: y + h + 11, text, fill: mix(theme.text, paper, 0.78), size: 12 });
  return found;
}
