/** Panels on a canvas: the picture, its cells' colours, the heat over it, what is switched off. */
import { luminance, ramp, rampIndex, rgb } from "../kit/colour.js";
import { hatchPattern } from "../kit/scene.js";

/** Under a heat map a picture loses so much of its colour, and then fades so far into the page. */
const GREY = 0.4;
const SOFT = 0.5;
const KEPT = 96;

function sheet(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return { canvas, pen: canvas.getContext("2d") };
}

/** Where a cell lies in a panel of this size, its patches pulled apart by a share of a patch. */
export function cellBox(side, gap, size, cell) {
  const wide = size / (side + gap * (side - 1));
  const step = wide * (1 + gap);
  return { x: (cell % side) * step, y: Math.floor(cell / side) * step, size: wide };
}

/** The cell at a place of a panel. @returns {number|null} */
export function cellAt(side, gap, size, x, y) {
  if (x < 0 || y < 0 || x >= size || y >= size) return null;
  const step = (size / (side + gap * (side - 1))) * (1 + gap);
  const at = (place) => Math.min(side - 1, Math.floor(place / step));
  return at(y) * side + at(x);
}

export class Brush {
  constructor() {
    /** @type {Map<string, HTMLCanvasElement>} */
    this.kept = new Map();
    this.small = null;
  }

  /** Other pictures, or other colours. */
  forget() {
    this.kept.clear();
  }

  /** @param {import("../kit/colour.js").Theme} theme */
  dress(theme) {
    this.forget();
    this.theme = theme;
    this.ramps = { probability: ramp(theme.palette.probability), signed: ramp(theme.palette.signed) };
    const back = rgb(theme.back.startsWith("#") ? theme.back : theme.dark ? "#12151a" : "#ffffff");
    this.back = luminance(back) < 0.3 ? back.map((c) => c + 10) : back;
  }

  /** A picture's own pixels; dull and pale where heat will lie on it. @returns {HTMLCanvasElement} */
  source(model, image, frame, pale) {
    const picture = model.pictures[image];
    const key = `${image} ${Math.min(frame, picture.frames - 1)} ${pale}`;
    let canvas = this.kept.get(key);
    if (!canvas) {
      const pixels = picture.pixels(frame);
      if (pale) this.fade(pixels.data);
      const made = sheet(pixels.width, pixels.height);
      made.pen.putImageData(pixels, 0, 0);
      if (this.kept.size > KEPT) this.kept.clear();
      this.kept.set(key, (canvas = made.canvas));
    }
    return canvas;
  }

  fade(data) {
    const { back } = this;
    for (let i = 0; i < data.length; i += 4) {
      const grey = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
      for (let c = 0; c < 3; c++) {
        const dull = grey * GREY + data[i + c] * (1 - GREY);
        data[i + c] = dull * (1 - SOFT) + back[c] * SOFT;
      }
    }
  }

  /** The cells' own layer: colours, and heat that covers what lies below the more the stronger it is. */
  cells(model, panel, frame, source) {
    const { side, cells } = model;
    if (this.small?.canvas.width !== side) this.small = sheet(side, side);
    const image = new ImageData(side, side);
    const { data } = image;
    const { colour, heat } = panel;
    const under = Boolean(colour) || panel.image !== null;
    const table = this.ramps[panel.signed ? "signed" : "probability"];
    const end = heat ? panel.end(frame, source) : 0;
    for (let cell = 0; cell < cells; cell++) {
      const at = 4 * cell;
      if (colour) {
        panel.rgb(frame, cell).forEach((c, i) => (data[at + i] = c));
        data[at + 3] = 255;
      }
      if (!heat) continue;
      const value = panel.value(frame, source, cell);
      const share = end > 0 ? Math.min(1, Math.abs(value) / end) : 0;
      const step = 3 * (panel.signed ? rampIndex(value, -end, end) : rampIndex(value, 0, end));
      const alpha = under ? Math.min(0.9, 1.25 * share ** 0.85) : 1;
      for (let c = 0; c < 3; c++) data[at + c] = colour ? table[step + c] * alpha + data[at + c] * (1 - alpha) : table[step + c];
      if (!colour) data[at + 3] = 255 * alpha;
    }
    this.small.pen.putImageData(image, 0, 0);
    return this.small.canvas;
  }

  /**
   * One panel with its upper left corner at (x, y).
   * @param {CanvasRenderingContext2D} pen @param {number} scale pixels of the screen per CSS pixel
   * @param {{frame: number, source: number, off: Set<number>}} state
   */
  panel(pen, model, panel, x, y, size, scale, { frame, source, off }) {
    const { side, cells } = model;
    const gap = panel.image === null ? 0 : model.gap;
    const image = panel.image === null ? null : this.source(model, panel.image, frame, Boolean(panel.heat));
    const layer = panel.colour || panel.heat ? this.cells(model, panel, frame, source) : null;
    const round = (value) => Math.round(value * scale) / scale;
    const box = (cell) => {
      const at = cellBox(side, gap, size, cell);
      const [left, top] = [round(x + at.x), round(y + at.y)];
      return [left, top, round(x + at.x + at.size) - left, round(y + at.y + at.size) - top];
    };
    pen.imageSmoothingEnabled = false;
    if (!image && !layer) {
      pen.fillStyle = this.theme.dark ? "rgb(255 255 255 / 0.05)" : "rgb(0 0 0 / 0.035)";
      pen.fillRect(x, y, size, size);
    }
    if (image && gap) {
      for (let cell = 0; cell < cells; cell++) {
        const [w, h] = [image.width / side, image.height / side];
        pen.drawImage(image, (cell % side) * w, Math.floor(cell / side) * h, w, h, ...box(cell));
        if (layer) pen.drawImage(layer, cell % side, Math.floor(cell / side), 1, 1, ...box(cell));
      }
    } else {
      if (image) {
        pen.imageSmoothingEnabled = image.width > size * scale;
        pen.drawImage(image, x, y, size, size);
        pen.imageSmoothingEnabled = false;
      }
      if (layer) pen.drawImage(layer, x, y, size, size);
      if (!panel.heat) this.lines(pen, side, x, y, size, round);
      this.edge(pen, x, y, size);
    }
    pen.fillStyle = this.hatch(pen, scale);
    for (let cell = 0; cell < cells; cell++) if (off.has(cell) || panel.isOff(frame, cell)) pen.fillRect(...box(cell));
  }

  hatch(pen, scale) {
    if (this.hatched?.scale !== scale || this.hatched.theme !== this.theme) {
      this.hatched = { scale, theme: this.theme, pattern: hatchPattern(pen, this.theme.palette.masked, scale) };
    }
    return this.hatched.pattern;
  }

  /** Where one cell ends and the next begins, on any colour. */
  lines(pen, side, x, y, size, round) {
    if (size / side < 6) return;
    pen.beginPath();
    for (let k = 1; k < side; k++) {
      const at = round((k * size) / side);
      pen.rect(x + at - 0.25, y, 0.5, size);
      pen.rect(x, y + at - 0.25, size, 0.5);
    }
    pen.fillStyle = "rgb(128 128 128 / 0.55)";
    pen.fill();
  }

  edge(pen, x, y, size) {
    pen.strokeStyle = this.theme.dark ? "rgb(255 255 255 / 0.16)" : "rgb(0 0 0 / 0.13)";
    pen.lineWidth = 1;
    pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  }

  /** A frame around a cell that is seen on every colour. */
  ring(pen, model, panel, x, y, size, cell, colour, width) {
    const at = cellBox(model.side, panel.image === null ? 0 : model.gap, size, cell);
    const grow = Math.max(0, (7 - at.size) / 2);
    const place = [x + at.x - grow, y + at.y - grow, at.size + 2 * grow, at.size + 2 * grow];
    for (const [line, wide] of [["#fff", width + 2.5], [this.theme.dark ? "#000" : "#fff", width + 2.5], [colour, width]]) {
      pen.strokeStyle = line;
      pen.lineWidth = wide;
      pen.strokeRect(...place);
    }
  }
}
