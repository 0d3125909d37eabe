/** The scene as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { snapshot } from "../kit/snapshot.js";
import { outline } from "./shapes.js";

const MARGIN = 16; // as snapshot.js has it

/** The objects as outlines, below everything else; what stands out over the picture's edge is covered. */
export function picture(figure) {
  const { frame, theme, data, canvas, side } = figure;
  const found = snapshot(frame, theme, data.alt);
  const [origin, box] = [frame.getBoundingClientRect(), canvas.getBoundingClientRect()];
  const [x, y] = [MARGIN + box.left - origin.left, MARGIN + box.top - origin.top];
  const paths = figure.things.map((thing) => {
    const [left, top, radius] = figure.at(thing);
    return { kind: "path", d: outline(thing.shape, x + left, y + top, radius), fill: figure.css(thing.colour) };
  });
  const { width, height } = found;
  const cover = `M0 0H${width}V${height}H0ZM${x} ${y}v${side}h${side}v${-side}Z`;
  found.shapes.unshift(
    { kind: "rect", x, y, w: side, h: side, fill: figure.css(figure.ground) },
    ...paths,
    { kind: "path", d: cover, fill: theme.back },
  );
  return found;
}

/** @returns {(string|number)[][]} */
export const rows = ({ ground, things }) => [
  ["object", "size", "colour", "shape", "x", "y"],
  [0, "", ground, "background", "", ""],
  ...things.map(({ size, colour, shape, x, y }, k) => [k + 1, size, colour, shape, x, y]),
];
