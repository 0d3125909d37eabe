/** What the inspector shows, as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { rampIndex } from "../kit/colour.js";
import { number, shorten, visible } from "../kit/format.js";
import { explain, plain } from "./explain.js";
import { stageRamp } from "./paint.js";

const MARGIN = 20;

/** @returns {(string|number)[][]} one block per panel: a line of column labels, then a line per row */
export function table(model, step, frame) {
  const lines = [];
  model.panels.forEach((panel, p) => {
    const stage = model.stage(p, step);
    if (lines.length) lines.push([]);
    lines.push([panel.title ? `${panel.title}: ${stage.name}` : stage.name, ...stage.cols]);
    for (let row = 0; row < stage.t; row++) {
      const values = Array.from({ length: stage.s }, (_, col) => Number(stage.at(frame, row, col).toPrecision(6)));
      lines.push([stage.rows[row] ?? row, ...values]);
    }
  });
  return lines;
}

/** @returns {import("../kit/scene.js").Scene} */
export function toScene({ data, model, panels, step, frame, pin, theme, say }) {
  const { palette, text, back } = theme;
  const shapes = [];
  const limits = model.limits(step);
  let left = MARGIN;
  let height = 0;
  panels.forEach((panel, p) => {
    const stage = model.stage(p, step);
    const at = panel.at;
    const heading = [model.panels[p].title, stage.name].filter(Boolean).join(": ");
    shapes.push({ kind: "text", x: left, y: MARGIN + 4, text: heading, fill: text, size: 15, weight: 600 });
    const top = MARGIN + 20;
    shapes.push(...cells(stage, frame, limits, at, left, top, palette));
    shapes.push(...labels(panel, stage, at, left, top, text));
    let bottom = top + at.y + at.h + 18;
    const key = legend(stage, frame, limits, left + at.x, bottom, theme, say);
    shapes.push(...key.shapes);
    const width = Math.max(at.usedWidth, key.right - left, 300);
    if (pin) {
      const cell = panel.within(pin);
      const box = { x: left + at.x + cell.col * at.cellW, y: top + at.y + cell.row * at.cellH, w: at.cellW, h: at.cellH };
      shapes.push({ kind: "rect", ...box, line: text });
      const sentence = plain(explain(stage, frame, cell, { say, room: 4 }));
      bottom += 8;
      for (const line of wrap(sentence, width / 7)) {
        bottom += 19;
        shapes.push({ kind: "text", x: left, y: bottom, text: line, fill: text, size: 13 });
      }
    }
    height = Math.max(height, bottom + MARGIN);
    left += Math.ceil(width) + 32;
  });
  const stops = palette[model.stage(0, step).scale] ?? palette.probability;
  const { font } = theme;
  return { width: left - 32 + MARGIN, height, back, font, masked: palette.masked, stops, title: data.alt, shapes };
}

/** Rectangles, neighbours of one colour in a row joined. */
function cells(stage, frame, limits, at, left, top, palette) {
  const colours = stageRamp(stage, palette);
  const hatch = stage.hatch(frame);
  const start = stage.start(frame);
  const fill = (i) => {
    if (hatch[i]) return "hatch";
    const k = 3 * rampIndex(stage.values[start + i], limits[0], limits[1]);
    return `rgb(${colours[k]},${colours[k + 1]},${colours[k + 2]})`;
  };
  const gap = Math.min(at.cellW, at.cellH) >= 5 ? 0.75 : 0;
  const shapes = [];
  for (let row = 0; row < stage.t; row++) {
    for (let col = 0; col < stage.s; col++) {
      const from = col;
      const colour = fill(row * stage.s + col);
      const joins = gap === 0 || colour === "hatch";
      while (joins && col + 1 < stage.s && fill(row * stage.s + col + 1) === colour) col++;
      const [x, y] = [left + at.x + from * at.cellW, top + at.y + row * at.cellH];
      shapes.push({ kind: "rect", x, y, w: (col + 1 - from) * at.cellW - gap, h: at.cellH - gap, fill: colour });
    }
  }
  return shapes;
}

function labels(panel, stage, at, left, top, fill) {
  const shapes = [];
  const name = (label) => shorten(visible(label ?? ""));
  for (let row = 0; row < stage.t; row += at.rowEvery) {
    const y = top + at.y + (row + 0.5) * at.cellH;
    shapes.push({ kind: "text", x: left + at.x - 6, y, text: name(stage.rows[row]), anchor: "end", fill });
  }
  for (let col = 0; col < stage.s; col += at.colEvery) {
    const flat = at.colAngle === 0;
    const place = { x: left + at.x + (col + 0.5) * at.cellW, y: top + at.y - (flat ? 10 : 6) };
    shapes.push({ kind: "text", ...place, text: name(stage.cols[col]), anchor: flat ? "middle" : "start", angle: -at.colAngle, fill });
  }
  return shapes;
}

/** Lines of at most about so many letters (a Chinese one counts double), broken at spaces. */
function wrap(text, letters) {
  const size = (part) => [...part].reduce((n, c) => n + (c > "\u2e80" ? 2 : 1), 0);
  const lines = [""];
  for (const word of text.split(/(?<= )/)) {
    const last = lines[lines.length - 1];
    if (last && size(last + word) > letters) lines.push(word);
    else lines[lines.length - 1] = last + word;
  }
  return lines;
}

function legend(stage, frame, limits, x, y, theme, say) {
  const fill = theme.text;
  const shapes = [];
  const wide = (text) => 7 * [...text].reduce((n, c) => n + (c > "\u2e80" ? 2 : 1), 0);
  if (stage.scale !== "mask") {
    const [low, high] = limits.map((limit) => number(limit));
    const start = x + wide(low) + 6;
    shapes.push({ kind: "text", x, y, text: low, fill });
    shapes.push({ kind: "rect", x: start, y: y - 5, w: 120, h: 10, fill: "ramp" });
    shapes.push({ kind: "text", x: start + 126, y, text: high, fill });
    x = start + 126 + wide(high) + 16;
  }
  if (stage.hatch(frame).includes(1)) {
    shapes.push({ kind: "rect", x, y: y - 6, w: 16, h: 12, fill: "hatch" });
    shapes.push({ kind: "text", x: x + 22, y, text: say("masked"), fill });
    x += 22 + wide(say("masked")) + 8;
  }
  return { shapes, right: x };
}
