/** The panels as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { make } from "../kit/dom.js";
import { snapshot } from "../kit/snapshot.js";

const MARGIN = 16; // as snapshot.js has it
const SCALE = 2;

/** Texts and the slider as they stand; every panel as an image below them, painted anew, with its rings. */
export function scene(figure) {
  const { frame, theme, data, model, board, brush, state } = figure;
  const found = snapshot(frame, theme, data.alt);
  const [origin, canvas] = [frame.getBoundingClientRect(), board.canvas.getBoundingClientRect()];
  const [left, top] = [MARGIN + canvas.left - origin.left, MARGIN + canvas.top - origin.top];
  const { size } = board.layout;
  const rim = 4; // a ring may lie over the edge
  const images = model.panels.map((panel, k) => {
    const source = make("canvas", { width: Math.round((size + 2 * rim) * SCALE), height: Math.round((size + 2 * rim) * SCALE) });
    const pen = source.getContext("2d");
    pen.scale(SCALE, SCALE);
    brush.panel(pen, model, panel, rim, rim, size, SCALE, state);
    if (state.ring !== null) brush.ring(pen, model, panel, rim, rim, size, state.ring, state.colours.source, 2.5);
    const { x, y } = board.places[k];
    return { kind: "image", x: left + x - rim, y: top + y - rim, w: size + 2 * rim, h: size + 2 * rim, source, smooth: true };
  });
  found.shapes.unshift(...images);
  return found;
}

const exact = (value) => Number(value.toPrecision(4));

/** Every cell of this frame, a row each, with the weight that the shown source gives it. @returns {(string|number)[][]} */
export function rows(figure) {
  const { model, index, data, say, state } = figure;
  const when = data.scrub ? [[data.scrub.label, data.scrub.values[index]], []] : [];
  const texts = model.panels.some((panel) => panel.texts.length);
  const colours = model.panels.some((panel) => panel.colour);
  const head = ["panel", "source", "row", "column", "weight", "off", ...(colours ? ["R", "G", "B"] : []), ...(texts ? ["text"] : [])];
  const found = [...when, head];
  for (const panel of model.panels) {
    for (let cell = 0; cell < model.cells; cell++) {
      const [row, column] = model.place(cell);
      const off = state.off.has(cell) || panel.isOff(index, cell);
      const weight = panel.heat ? exact(panel.value(index, state.source, cell)) : "";
      const from = panel.heat?.sources > 1 ? model.sourceName(state.source, say) : "";
      const colour = colours ? (panel.colour ? panel.rgb(index, cell) : ["", "", ""]) : [];
      found.push([panel.title, from, row + 1, column + 1, weight, off ? 1 : 0, ...colour, ...(texts ? [panel.texts[cell] ?? ""] : [])]);
    }
  }
  return found;
}
