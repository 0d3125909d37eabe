/** What the staff shows, as a list of shapes (for SVG and PNG); all of its tokens as a table (for CSV). */
import { edge, tint } from "../kit/hue.js";
import { rowTop } from "./layout.js";
import { boxes, glyphs, outline, RING, rings } from "./paint.js";

const MARGIN = 16;

/** One line per token. @param {import("./main.js").Staff} staff */
export function table({ rows, bytes }) {
  const lines = [["row", "index", "id", "piece", "start", "end", "bytes"]];
  for (const row of rows) {
    for (let i = 0; i < row.count; i++) {
      const [start, end] = row.span(i);
      let hex = "";
      for (let b = start; b < end; b++) hex += (b > start ? " " : "") + bytes[b].toString(16).toUpperCase().padStart(2, "0");
      const id = row.id(i);
      lines.push([row.name, i, id < 0 ? "" : id, row.piece(i), start, end, hex]);
    }
  }
  return lines;
}

/** The lines that are in sight, whole. @param {import("./main.js").Staff} staff @returns {import("../kit/scene.js").Scene} */
export function toScene(staff) {
  const { measures, theme, rows, data, width } = staff;
  const first = staff.lineAt(staff.top);
  const last = staff.lineAt(staff.top + staff.height - 1);
  const shapes = [];
  for (let line = first; line <= last; line++) shapes.push(...lineShapes(staff, line, MARGIN, MARGIN + (line - first) * measures.group));
  const height = (last - first + 1) * measures.group - measures.below + 2 * MARGIN;
  return {
    width: width + 2 * MARGIN,
    height: rows.length ? height : 60,
    back: theme.back,
    font: staff.mono,
    masked: theme.palette.masked,
    stops: theme.palette.probability,
    title: data.alt,
    shapes,
  };
}

function lineShapes(staff, line, x0, y0) {
  const { measures, theme, painter, rows } = staff;
  const { dark, text: ink, back } = theme;
  const shapes = [];
  const left = x0 + measures.left;
  const write = (glyph, y) =>
    shapes.push({
      kind: "text",
      x: left + glyph.x,
      y,
      text: glyph.text,
      size: staff.ruler.sizes[glyph.size],
      fill: glyph.quiet ? painter.quiet : ink,
      anchor: glyph.left ? "start" : "middle",
      weight: { letter: 400, hex: 500, mark: 600 }[glyph.size],
    });
  if (staff.plain) glyphs(staff, line, (glyph) => write(glyph, y0 + measures.text / 2), "all", null);
  rows.forEach((row, r) => {
    const top = y0 + rowTop(measures, r);
    const named = measures.name ? { x: x0, y: top - 7 } : { x: x0, y: top + measures.row / 2 - (row.note ? 6 : 0) };
    shapes.push({ kind: "text", ...named, text: row.name, fill: ink, size: measures.name ? 11 : 12, weight: 600 });
    if (row.note && !measures.name) {
      shapes.push({ kind: "text", x: x0, y: top + measures.row / 2 + 8, text: row.note, fill: painter.quiet, size: 10 });
    }
    boxes(staff, row, line, (box) => {
      const place = { kind: "rect", x: left + box.x + 1, y: top, w: Math.max(1, box.w - 2), h: measures.row };
      const radius = box.openLeft || box.openRight ? 0 : Math.min(5, box.w / 3);
      const hue = box.token < 0 ? 0 : row.hueOf(box.token);
      if (box.kind === "sliver") shapes.push({ ...place, x: left + box.x, w: box.w, radius: 2, fill: edge(hue, dark) });
      else if (box.kind === "lost") shapes.push({ ...place, radius, fill: "hatch" });
      else if (row.exact(box.token)) shapes.push({ ...place, radius, fill: tint(hue, dark) });
      else shapes.push({ ...place, radius, fill: "hatch", line: edge(hue, dark) });
    });
    glyphs(staff, line, (glyph) => write(glyph, top + measures.row / 2), "all", row);
  });
  rings(staff, line, (x, upper) => {
    const y = y0 + rowTop(measures, upper) + measures.row + measures.gap / 2;
    shapes.push({ kind: "rect", x: left + x - RING, y: y - RING, w: 2 * RING, h: 2 * RING, radius: RING, fill: back, line: ink });
  });
  for (const mark of staff.marked().filter((one) => one.picked)) {
    for (const { x, w } of outline(staff, line, mark)) {
      shapes.push({ kind: "rect", x: left + x, y: y0 + 2, w, h: measures.bottom - 2, radius: 6, line: painter.accent });
    }
  }
  return shapes;
}
