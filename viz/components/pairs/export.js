/** The table as a list of shapes (for SVG and PNG) and as rows of numbers (for CSV). */
import { snapshot } from "../kit/snapshot.js";

const MARGIN = 16; // as snapshot.js has it

/** Texts and the slider as they stand; cells and pictures drawn anew. */
export function scene(figure) {
  const { frame, theme, data, painter, model } = figure;
  const found = snapshot(frame, theme, data.alt);
  const origin = frame.getBoundingClientRect();
  const box = figure.base.getBoundingClientRect();
  const [dx, dy] = [MARGIN + box.left - origin.left, MARGIN + box.top - origin.top];
  const shapes = [...painter.shapes(model, figure.at, figure.which, figure.index), ...painter.rings(model, figure.at)];
  found.shapes.unshift(...shapes.map((one) => ({ ...one, x: one.x + dx, y: one.y + dy })));
  const lens = figure.lens.getBoundingClientRect();
  const pair = figure.shown;
  found.shapes.push({ kind: "image", x: MARGIN + lens.left - origin.left, y: MARGIN + lens.top - origin.top, w: lens.width, h: lens.height, source: painter.picture(model, figure.index, pair.row ?? 0), radius: 4 });
  return found;
}

const exact = (value) => Number(value.toPrecision(4));

/** Every pair of this frame. @returns {(string|number)[][]} */
export function rows({ model, data, index }) {
  const found = data.scrub ? [[data.scrub.label, data.scrub.values[index]], []] : [];
  found.push(["picture", "text", "caption", "similarity", "share", "right"]);
  for (let row = 0; row < model.n; row++) {
    for (let column = 0; column < model.m; column++) {
      const values = ["similarity", "share"].map((which) => exact(model.value(which, index, row, column)));
      found.push([row + 1, column + 1, model.texts[column], ...values, model.right(row, column) ? 1 : 0]);
    }
  }
  return found;
}
