/** The picture as a list of shapes (for SVG and PNG) and as tables (for CSV). */
import { ramp, rampIndex } from "../kit/colour.js";
import { snapshot } from "../kit/snapshot.js";
import * as board from "./board.js";
import * as faces from "./faces.js";
import { PathText, shapes } from "./strokes.js";

const MARGIN = 16; // as snapshot.js has it
const newPath = () => new PathText();
const exact = (value) => Number(value.toPrecision(7));

/** Text, sliders and legend as they stand; what is painted on canvases is drawn again as lines. */
export function scene({ frame, faces: left, board: right, figures, theme, data, model, at, m, n, locked }) {
  const found = snapshot(frame, theme, data.alt);
  const origin = frame.getBoundingClientRect();
  const corner = (element) => {
    const box = element.getBoundingClientRect();
    return [MARGIN + box.left - origin.left, MARGIN + box.top - origin.top];
  };
  const moved = (texts, [x, y]) => texts.map((text) => ({ ...text, x: text.x + x, y: text.y + y }));
  found.stops = theme.palette.signed;
  const [x, y] = corner(figures.bar);
  found.shapes.unshift({ kind: "rect", x, y, w: figures.bar.clientWidth, h: figures.bar.clientHeight, radius: 4, fill: "ramp" });
  const [one, other] = [corner(left), corner(right)];
  const { layers, texts } = faces.dials(model, at.faces, theme, newPath);
  found.shapes.push(
    ...shapes([...layers, ...faces.movement(model, at.faces, m, n, data.unit, theme, newPath)], ...one),
    ...moved(texts, one),
    ...cells(model, at.board, theme, other),
    ...shapes(board.marks(model, at.board, m, n, locked, theme, newPath), ...other),
    ...moved(board.names(model, at.board, m, n, theme), other),
  );
  return found;
}

/** One shape per colour, with neighbours of one colour as one rectangle. */
function cells(model, at, theme, [x, y]) {
  const colours = ramp(theme.palette.signed);
  const side = at.side / model.count;
  /** @type {Map<number, PathText>} */
  const paths = new Map();
  const index = (i) => rampIndex(model.score[i], -model.largestScore, model.largestScore);
  for (let i = 0; i < model.score.length; i++) {
    const [from, k] = [i, index(i)];
    while ((i + 1) % model.count && index(i + 1) === k) i++;
    if (!paths.has(k)) paths.set(k, new PathText());
    const [row, column] = [Math.floor(from / model.count), from % model.count];
    paths.get(k).rect(at.x + column * side, at.y + row * side, (i + 1 - from) * side + 0.2, side + 0.2);
  }
  return [...paths].map(([k, { d }]) => ({ kind: "path", d, x, y, fill: `rgb(${colours.slice(3 * k, 3 * k + 3).join(",")})` }));
}

/** The pairs at m and n, then the scores of all positions. @returns {(string|number)[][]} */
export function rows(model, m, n, [query, key]) {
  const { positions } = model;
  const pairs = model.wavelength.map((turn, j) => [
    j + 1,
    turn === Infinity ? "inf" : exact(turn),
    ...model.hand("query", m, j).map(exact),
    ...model.hand("key", n, j).map(exact),
    exact(model.share(m, n, j)),
  ]);
  const scores = positions.map((position, i) => [position, ...positions.map((_, j) => exact(model.at(i, j)))]);
  return [
    [query.label, positions[m], key.label, positions[n], "score", exact(model.at(m, n))],
    ...(model.labels.length ? [["token", model.labels[m], "token", model.labels[n]]] : []),
    [],
    ["pair", "positions per turn", "query 1", "query 2", "key 1", "key 2", "share of the score"],
    ...pairs,
    [],
    [`${query.label} (rows), ${key.label} (columns)`, ...positions],
    ...scores,
  ];
}
