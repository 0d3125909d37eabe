/** The picture as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { snapshot } from "../kit/snapshot.js";

const MARGIN = 16; // as snapshot.js has it
const exact = (value) => (Math.abs(value) < 3e4 ? Number(value.toPrecision(5)) : "");

/** Text as it stands; what is painted on canvases is drawn again as paths. */
export function scene({ frame, shown, theme, data, followed, looked }) {
  const found = snapshot(frame, theme, data.alt);
  const origin = frame.getBoundingClientRect();
  for (const panel of shown) {
    const box = panel.map.getBoundingClientRect();
    found.shapes.push(...panel.shapes(MARGIN + box.left - origin.left, MARGIN + box.top - origin.top, followed, looked));
  }
  return found;
}

/** All points of this frame, then the ways of the followed ones. @returns {(string|number)[][]} */
export function rows({ model, index, data, followed }) {
  const when = data.scrub?.label ?? "frame";
  const value = (k) => data.scrub?.values[k] ?? k;
  const titles = model.planes.map(({ title }, k) => title || String(k + 1));
  const rest = model.planes.some(({ target }) => target) ? ["end x", "end y"] : [];
  const row = (plane, p, frame, i) => {
    const end = plane.target ? plane.target.of(frame, i) : [];
    const group = plane.group ? (model.groups[plane.group[i]] ?? plane.group[i] + 1) : "";
    return [titles[p], value(frame), plane.labels[i] || i + 1, group, ...[...plane.points.of(frame, i), ...end].map(exact)];
  };
  const now = model.planes.flatMap((plane, p) => Array.from({ length: plane.count }, (_, i) => row(plane, p, index, i)));
  const ways = model.planes.flatMap((plane, p) =>
    followed.filter((i) => i < plane.count).flatMap((i) => Array.from({ length: plane.points.frames }, (_, k) => row(plane, p, k, i))),
  );
  return [["plane", when, "point", "group", "x", "y", ...rest], ...now, ...(ways.length ? [[], ...ways] : [])];
}
