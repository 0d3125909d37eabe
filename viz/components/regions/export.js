/** The picture as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { snapshot } from "../kit/snapshot.js";
import { areas } from "./plane.js";

const MARGIN = 16; // as snapshot.js has it
const exact = (value) => Number(value.toPrecision(6));

/** Text and bars as they stand; what is painted on canvases is drawn again as paths. */
export function scene({ frame, shown, theme, data, index, lit, at }) {
  const found = snapshot(frame, theme, data.alt);
  const origin = frame.getBoundingClientRect();
  const corner = (element) => {
    const box = element.getBoundingClientRect();
    return [MARGIN + box.left - origin.left, MARGIN + box.top - origin.top];
  };
  for (const panel of shown) {
    const [x, y] = corner(panel.map);
    const { layers, texts } = panel.drawing(index, lit, at);
    const below = areas(panel.model, panel.run, index, panel.width, panel.height, theme, ...panel.colours(lit));
    found.shapes.push(
      ...[...below, ...layers].map((layer) => ({ kind: "path", x, y, ...layer })),
      ...texts.map((text) => ({ ...text, x: text.x + x, y: text.y + y })),
    );
  }
  return found;
}

/** The loads of all frames, then the points of this one. @returns {(string|number)[][]} */
export function rows(model, frame, scrub) {
  const when = scrub?.label ?? "frame";
  const value = (k) => scrub?.values[k] ?? k;
  const loads = model.runs.flatMap((run, r) =>
    Array.from({ length: model.frames }, (_, k) => [
      run.title || r + 1,
      value(k),
      ...model.names.map((_, e) => exact(run.share(k, e))),
    ]),
  );
  const several = (name) => model.runs.map((run, r) => (run.title ? `${name} (${run.title})` : `${name} ${r + 1}`));
  const points = model.points.map((point, i) => [
    ...point.map(exact),
    model.group ? (model.groups[model.group[i]] ?? model.group[i] + 1) : "",
    ...model.runs.map((run) => (run.sent(frame, i) < 0 ? "" : model.names[run.sent(frame, i)])),
    ...model.runs.map((run) => Number(run.lost(frame, i))),
  ]);
  return [
    ["run", when, ...model.names.map((name) => `expert ${name}`)],
    ...loads,
    [],
    [when, value(frame)],
    ["x", "y", "cluster", ...several("expert"), ...several("dropped")],
    ...points,
  ];
}
