/** Cells, pictures and numbers on a canvas; what is pointed at on another one over it. */
import { luminance, ramp, rampIndex } from "../kit/colour.js";
import { GAP } from "./layout.js";

/** A share as a whole number of hundredths, a similarity with one decimal: what has room in a cell. */
export function brief(which, value) {
  if (which === "share") return value >= 0.995 && value < 1.005 ? "1" : value < 0.005 ? "" : `.${String(Math.round(100 * value)).padStart(2, "0")}`;
  return value.toFixed(1).replace("-", "\u2212");
}

export class Painter {
  constructor() {
    /** @type {Map<string, HTMLCanvasElement>} */
    this.kept = new Map();
  }

  /** @param {import("../kit/colour.js").Theme} theme */
  dress(theme) {
    this.theme = theme;
    this.ramps = { probability: ramp(theme.palette.probability), signed: ramp(theme.palette.signed) };
  }

  /** A picture in its own pixels. @returns {HTMLCanvasElement} */
  picture(model, frame, row) {
    const key = `${Math.min(frame, model.pictured - 1)} ${row}`;
    let canvas = this.kept.get(key);
    if (!canvas) {
      canvas = document.createElement("canvas");
      Object.assign(canvas, { width: model.wide, height: model.high });
      canvas.getContext("2d").putImageData(model.image(frame, row), 0, 0);
      this.kept.set(key, canvas);
    }
    return canvas;
  }

  /** [r, g, b] of a cell. */
  colour(model, which, frame, row, column) {
    const { low, end, ramp: name } = model.tables[which];
    const at = 3 * rampIndex(model.value(which, frame, row, column), low, end);
    return [...this.ramps[name].slice(at, at + 3)];
  }

  /** Every rectangle, text and picture that is shown, for the screen and for exports alike. @returns {any[]} */
  shapes(model, at, which, frame) {
    const { cell, left, top, picture } = at;
    const found = [];
    const every = cell >= 16 ? 1 : cell >= 12 ? 2 : cell >= 9 ? 4 : 8; // a number needs room
    const text = (x, y, text_, fill, size, anchor = "middle", weight = 400) => found.push({ kind: "text", x, y, text: text_, fill, size, anchor, weight });
    const quiet = this.theme.text;
    for (let column = 0; column < model.m; column++) {
      if ((column + 1) % every === 0) text(left + (column + 0.5) * cell, top - 10, String(column + 1), quiet, 11.5);
    }
    for (let row = 0; row < model.n; row++) {
      const y = top + row * cell;
      if ((row + 1) % every === 0) text(left - picture - 12, y + cell / 2, String(row + 1), quiet, 11.5, "end");
      const shown = Math.min(picture, Math.max(cell - 1, 6));
      found.push({ kind: "image", x: left - 8 - (picture + shown) / 2, y: y + (cell - shown) / 2, w: shown, h: shown, source: this.picture(model, frame, row), radius: shown > 20 ? 3 : 0 });
      for (let column = 0; column < model.m; column++) {
        const colour = this.colour(model, which, frame, row, column);
        const x = left + column * cell;
        found.push({ kind: "rect", x, y, w: cell - GAP, h: cell - GAP, radius: cell > 20 ? 3 : 0, fill: `#${colour.map((c) => c.toString(16).padStart(2, "0")).join("")}` });
        if (cell < 26) continue;
        const said = brief(which, model.value(which, frame, row, column));
        if (said) text(x + (cell - GAP) / 2, y + (cell - GAP) / 2, said, luminance(colour) > 0.22 ? "#15171a" : "#ffffff", cell < 34 ? 11 : 12.5);
      }
    }
    return found;
  }

  /** Where rings lie: pairs that belong together. */
  rings(model, { cell, left, top }) {
    const found = [];
    for (let row = 0; row < model.n; row++) {
      for (let column = 0; column < model.m; column++) {
        if (model.right(row, column)) found.push({ kind: "rect", x: left + column * cell, y: top + row * cell, w: cell - GAP, h: cell - GAP, radius: cell > 20 ? 3 : 0, line: this.theme.palette.value });
      }
    }
    return found;
  }

  /** @param {CanvasRenderingContext2D} pen */
  draw(pen, shapes, scale) {
    const { canvas } = pen;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.textBaseline = "middle";
    for (const one of shapes) {
      if (one.kind === "image") {
        pen.imageSmoothingEnabled = one.w * scale < one.source.width;
        pen.drawImage(one.source, one.x, one.y, one.w, one.h);
      } else if (one.kind === "rect") {
        pen.beginPath();
        pen.roundRect(one.x, one.y, one.w, one.h, one.radius);
        if (one.fill) {
          pen.fillStyle = one.fill;
          pen.fill();
        }
        if (one.line) {
          pen.strokeStyle = one.line;
          pen.lineWidth = one.w > 20 ? 2.5 : 1.5;
          pen.beginPath();
          pen.roundRect(one.x + 1, one.y + 1, one.w - 2, one.h - 2, one.radius);
          pen.stroke();
        }
      } else {
        pen.fillStyle = one.fill;
        pen.font = `${one.weight} ${one.size}px ${this.theme.font}`;
        pen.textAlign = { start: "left", middle: "center", end: "right" }[one.anchor];
        pen.fillText(one.text, one.x, one.y);
      }
    }
  }

  /** What is pointed at: its row, its column and the cell itself. */
  point(pen, model, { cell, left, top, picture }, pair, scale) {
    const { canvas } = pen;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    if (!pair) return;
    pen.strokeStyle = this.theme.text;
    const frame = (x, y, w, h, line) => {
      pen.lineWidth = line;
      pen.strokeRect(x - 0.5 - GAP / 2, y - 0.5 - GAP / 2, w + 0.5, h + 0.5);
    };
    if (pair.row !== null) frame(left - 10 - picture, top + pair.row * cell, picture + 10 + model.m * cell, cell, 1);
    if (pair.column !== null) frame(left + pair.column * cell, 2, cell, top - 2 + model.n * cell, 1);
    if (pair.row !== null && pair.column !== null) frame(left + pair.column * cell, top + pair.row * cell, cell, cell, 3);
  }
}
