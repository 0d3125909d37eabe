/** The picture as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { snapshot } from "../kit/snapshot.js";
import { mix } from "./brush.js";
import { cellsOf } from "./flow.js";

const MARGIN = 16; // as snapshot.js has it
const exact = (value) => (Number.isFinite(value) ? Number(value.toPrecision(6)) : value > 0 ? "inf" : "-inf");

/** Panel, slider and legend as they stand; what is painted on the canvas is drawn again. */
export function scene(view) {
  const { frame, canvases, theme, data, model, at, index } = view;
  const found = snapshot(frame, theme, data.alt);
  const [outer, inner] = [frame.getBoundingClientRect(), canvases[0].getBoundingClientRect()];
  const [x, y] = [MARGIN + inner.left - outer.left, MARGIN + inner.top - outer.top];
  for (const shape of view.layers(view.over ? [] : cellsOf(model, at, index)).flatMap((layer) => layer())) {
    const { alpha = 1, ...rest } = shape;
    const faded = alpha < 1 && shape.kind !== "path" ? { ...rest, ...opaque(shape, alpha, theme.back) } : shape;
    found.shapes.push({ ...faded, x: (shape.x ?? 0) + x, y: (shape.y ?? 0) + y });
  }
  return found;
}

/** Boxes and texts of a scene know no transparency: their colours on the page's ground. */
function opaque({ fill, line }, alpha, back) {
  const on = (colour) => (colour ? mix(colour, back, alpha) : undefined);
  return { fill: on(fill), line: on(line) };
}

/** One row per frame, token and expert that it was sent to; with all numbers. @returns {(string|number)[][]} */
export function rows({ model, data }) {
  const columns = model.columns;
  const name = data.layers ? "layer" : (data.scrub?.label ?? data.follow ?? "");
  const head = ["frame", "token", "text", "expert", "chosen", "served", ...columns];
  const found = [name ? [name, ...head.slice(1)] : head];
  for (let f = 0; f < model.frames; f++) {
    const frame = data.scrub?.values[f] ?? data.layers?.[f] ?? f;
    for (let token = 0; token < model.t; token++) {
      for (let expert = 0; expert < model.e; expert++) {
        const values = columns.map((column) => exact(model.at(column, f, token, expert)));
        found.push([frame, token + 1, model.tokens[token], model.experts[expert], model.at("chosen", f, token, expert), model.at("kept", f, token, expert), ...values]);
      }
    }
  }
  return found;
}
