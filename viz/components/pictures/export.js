/** The pictures as a list of shapes (for SVG and PNG) and as a table (for CSV). */
import { snapshot } from "../kit/snapshot.js";
import { radius } from "./paint.js";

const MARGIN = 16; // as snapshot.js has it

/** A copy, because the brush writes over its own. */
function copy(canvas) {
  const found = document.createElement("canvas");
  Object.assign(found, { width: canvas.width, height: canvas.height });
  found.getContext("2d").drawImage(canvas, 0, 0);
  return found;
}

/** Texts, rings and the slider as they stand; every picture as an image of its own pixels below them. */
export function scene(figure) {
  const { frame, theme, data, model, boards, brush, film } = figure;
  const found = snapshot(frame, theme, data.alt);
  const origin = frame.getBoundingClientRect();
  const corner = (element) => {
    const box = element.getBoundingClientRect();
    return [MARGIN + box.left - origin.left, MARGIN + box.top - origin.top, box];
  };
  const images = [];
  boards.forEach((one, g) => {
    const [left, top] = corner(one.canvas);
    const word = g ? null : figure.shownWord;
    const { wide, picture: high } = one.board;
    one.places.forEach(({ x, y }, picture) => {
      const place = { kind: "image", x: left + x, y: top + y, w: wide, h: high, radius: radius(wide) };
      images.push({ ...place, source: copy(brush.source(model.groups[g], figure.index, picture, word !== null)) });
      if (word !== null) images.push({ ...place, source: copy(brush.heat(model.heat, figure.index, picture, word)), smooth: true });
    });
  });
  if (!film.element.hidden) {
    for (const { canvas } of film.rows) {
      const [x, y, box] = corner(canvas);
      images.push({ kind: "image", x, y, w: box.width, h: box.height, source: canvas });
    }
  }
  found.shapes.unshift(...images);
  return found;
}

const exact = (value) => Number(value.toPrecision(4));

/** Every pixel of this frame, a row each; then the heat of every word. @returns {(string|number)[][]} */
export function rows(figure) {
  const { model, index, data, say } = figure;
  const when = data.scrub ? [[data.scrub.label, data.scrub.values[index]], []] : [];
  const pixels = model.groups.flatMap((group) =>
    Array.from({ length: group.count }, (_, p) => p).flatMap((p) =>
      Array.from({ length: group.width * group.height }, (_, i) => {
        const [x, y] = [i % group.width, Math.floor(i / group.width)];
        return [group.name, p + 1, group.titles[p] ?? "", x, y, ...group.pixel(index, p, x, y)];
      }),
    ),
  );
  const found = [...when, ["group", "picture", "title", "x", "y", "R", "G", "B"], ...pixels];
  const { heat } = model;
  if (!heat) return found;
  found.push([], [say("pictures_word"), "picture", "x", "y", "weight"]);
  for (let word = 0; word < heat.words; word++) {
    for (let p = 0; p < heat.count; p++) {
      const at = heat.at(index, p, word);
      for (let i = 0; i < heat.width * heat.height; i++) {
        found.push([heat.labels[word], p + 1, i % heat.width, Math.floor(i / heat.width), exact((heat.values[at + i] / 255) * heat.top[word])]);
      }
    }
  }
  return found;
}
