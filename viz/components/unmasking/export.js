/** The texts as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { snapshot } from "../kit/snapshot.js";

const MARGIN = 16; // as snapshot.js has it
/** A table of all frames has at most so many rows, else it is of this frame. */
const MOST_ROWS = 200_000;

/** Boxes and texts as they stand; hatching and the strips are drawn again. */
export function scene({ frame, theme, data, film, rows }) {
  const found = snapshot(frame, theme, data.alt);
  const origin = frame.getBoundingClientRect();
  const place = (element) => {
    const box = element.getBoundingClientRect();
    return { x: MARGIN + box.left - origin.left, y: MARGIN + box.top - origin.top, w: box.width, h: box.height };
  };
  const hatched = [...frame.querySelectorAll(".sign.masked"), ...rows.flatMap(({ boxes }) => boxes.map(({ element }) => element).filter((one) => one.matches(".masked")))];
  for (const element of hatched) found.shapes.push({ kind: "rect", ...place(element), radius: 5, fill: "hatch", line: theme.palette.masked.line });
  const strips = film.element.hidden ? [] : film.rows.map(({ canvas }) => ({ kind: "image", ...place(canvas), source: canvas }));
  found.shapes.unshift(...strips);
  return found;
}

const exact = (value) => (value === null ? "" : Number(value.toPrecision(4)));

/** A row for each lane, frame and place. @returns {(string|number)[][]} */
export function table(figure) {
  const { model, data, index } = figure;
  const step = (frame) => figure.step(frame);
  const many = model.lanes.reduce((sum, { count }) => sum + count, 0) * model.frames;
  const frames = many > MOST_ROWS ? [index] : Array.from({ length: model.frames }, (_, frame) => frame);
  const found = [["lane", data.scrub?.label ?? "step", "place", "token", "given", "probability", "filled in step"]];
  for (const frame of frames) {
    for (const lane of model.lanes) {
      for (let i = 0; i < lane.count; i++) {
        const text = lane.text(frame, i);
        const filled = lane.filled(frame, i);
        found.push([lane.title, step(frame), i + 1, text ?? "[MASK]", lane.fixed[i], exact(lane.share(frame, i)), filled ? step(filled) : ""]);
      }
    }
  }
  return found;
}
