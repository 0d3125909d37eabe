/**
 * Draws one panel on two stacked canvases: `base` holds cells and labels, `top` what follows the pointer, so that moving
 * the pointer repaints no cell and swapping a picture repaints no label.
 *
 * @typedef {import("./layout.js").Layout} Layout
 * @typedef {import("./model.js").Stage} Stage
 * @typedef {import("./model.js").Cell} Cell
 */
import { luminance, ramp, rampIndex, rgb } from "../kit/colour.js";
import { number, shorten, visible } from "../kit/format.js";
import { hatchPattern } from "../kit/scene.js";

const FONT_SIZE = 12;
const SIN45 = Math.SQRT1_2;
/** Cells at least this wide and high have their number written in them. */
const NUMBER_CELL = { w: 38, h: 22 };

/** The 256 colours of a stage's scale. @param {Stage} stage @param {any} palette */
export function stageRamp(stage, palette) {
  return ramp(stage.scale === "mask" ? palette.probability.slice(1, 3) : palette[stage.scale]);
}

/** The picture of one matrix, one pixel per cell. @returns {Uint8ClampedArray} red, green, blue, alpha */
export function pixels(stage, frame, limits, theme) {
  const colours = stageRamp(stage, theme.palette);
  const back = rgb(theme.palette.masked.back);
  const hatch = stage.hatch(frame);
  const start = stage.start(frame);
  const image = new Uint8ClampedArray(4 * hatch.length);
  for (let i = 0; i < hatch.length; i++) {
    const at = 3 * rampIndex(stage.values[start + i], limits[0], limits[1]);
    image[4 * i] = hatch[i] ? back[0] : colours[at];
    image[4 * i + 1] = hatch[i] ? back[1] : colours[at + 1];
    image[4 * i + 2] = hatch[i] ? back[2] : colours[at + 2];
    image[4 * i + 3] = 255;
  }
  return image;
}

export class Painter {
  /** @param {HTMLCanvasElement} base @param {HTMLCanvasElement} top */
  constructor(base, top) {
    this.canvases = [base, top];
    this.base = base.getContext("2d");
    this.top = top.getContext("2d");
    this.small = document.createElement("canvas"); // one pixel per cell, enlarged when drawn
    this.scale = 1;
  }

  /** @param {number} width @param {number} height in CSS pixels */
  resize(width, height) {
    this.scale = window.devicePixelRatio || 1;
    for (const canvas of this.canvases) {
      canvas.width = Math.round(width * this.scale);
      canvas.height = Math.round(height * this.scale);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    [this.width, this.height] = [width, height];
    for (const pen of [this.base, this.top]) pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
  }

  /** @param {import("../kit/colour.js").Theme} theme */
  dress(theme) {
    this.theme = theme;
    this.font = (weight) => `${weight} ${FONT_SIZE}px ${theme.font}`;
    this.hatch = hatchPattern(this.base, theme.palette.masked, this.scale);
  }

  /** Width of the widest label. @param {string[]} labels */
  widest(labels) {
    this.base.font = this.font(600);
    return Math.max(0, ...labels.map((label) => this.base.measureText(shorten(visible(label))).width));
  }

  /** Cells and labels. @param {Stage} stage @param {Layout} at */
  paintAll(stage, frame, limits, at) {
    this.base.clearRect(0, 0, this.width, this.height);
    this.paintLabels(stage, at);
    this.paintCells(stage, frame, limits, at);
  }

  /**
   * @param {Uint8ClampedArray|null} [from] the picture to come from, with `share` of the way done
   */
  paintCells(stage, frame, limits, at, from = null, share = 1) {
    const pen = this.base;
    let image = pixels(stage, frame, limits, this.theme);
    if (from && from.length === image.length && share < 1) {
      image = image.map((to, i) => from[i] + (to - from[i]) * share);
    }
    const { t, s } = stage;
    if (this.small.width !== s || this.small.height !== t) Object.assign(this.small, { width: s, height: t });
    this.small.getContext("2d").putImageData(new ImageData(image, s, t), 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.clearRect(at.x, at.y, at.w, at.h);
    pen.drawImage(this.small, at.x, at.y, at.w, at.h);
    pen.globalAlpha = share;
    this.paintHatch(stage, frame, at);
    pen.globalAlpha = 1;
    this.paintGaps(stage, at);
    if (share === 1 && at.cellW >= NUMBER_CELL.w && at.cellH >= NUMBER_CELL.h) this.paintNumbers(stage, frame, at, image);
  }

  paintHatch(stage, frame, at) {
    const hatch = stage.hatch(frame);
    const { t, s } = stage;
    const pen = this.base;
    pen.beginPath();
    for (let row = 0; row < t; row++) {
      for (let col = 0; col < s; col++) {
        if (!hatch[row * s + col]) continue;
        const from = col;
        while (col + 1 < s && hatch[row * s + col + 1]) col++; // one rectangle per run of masked cells
        pen.rect(at.x + from * at.cellW, at.y + row * at.cellH, (col + 1 - from) * at.cellW, at.cellH);
      }
    }
    pen.fillStyle = this.hatch;
    pen.fill();
  }

  /** Thin lines of the page's colour between the cells, once the cells are large enough to lose a pixel. */
  paintGaps({ t, s }, at) {
    const pen = this.base;
    const side = Math.min(at.cellW, at.cellH);
    if (side < 8) return;
    const gap = side >= 14 ? 1 : 1 / this.scale;
    pen.fillStyle = this.theme.back;
    for (let col = 1; col < s; col++) pen.fillRect(at.x + col * at.cellW - gap, at.y, gap, at.h);
    for (let row = 1; row < t; row++) pen.fillRect(at.x, at.y + row * at.cellH - gap, at.w, gap);
  }

  paintNumbers(stage, frame, at, image) {
    if (stage.scale === "mask") return;
    const pen = this.base;
    const hatch = stage.hatch(frame);
    pen.font = this.font(400);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let i = 0; i < hatch.length; i++) {
      const [row, col] = [Math.floor(i / stage.s), i % stage.s];
      const value = stage.at(frame, row, col);
      if (hatch[i] && Number.isFinite(value)) continue; // a masked softmax cell needs no 0
      const light = luminance([image[4 * i], image[4 * i + 1], image[4 * i + 2]]) > 0.18;
      pen.fillStyle = light ? "#16161a" : "#ffffff";
      const text = number(value, at.cellW >= 46 ? 3 : 2);
      if (hatch[i]) this.pill(pen, text, at.x + (col + 0.5) * at.cellW, at.y + (row + 0.5) * at.cellH);
      else pen.fillText(text, at.x + (col + 0.5) * at.cellW, at.y + (row + 0.5) * at.cellH);
    }
  }

  /** Text on a plain ground, where the hatch would disturb it. */
  pill(pen, text, x, y) {
    const width = pen.measureText(text).width + 6;
    pen.fillStyle = this.theme.palette.masked.back;
    pen.fillRect(x - width / 2, y - 8, width, 16);
    pen.fillStyle = this.theme.text;
    pen.fillText(text, x, y);
  }

  paintLabels(stage, at) {
    const pen = this.base;
    pen.fillStyle = this.theme.text;
    for (let row = 0; row < stage.t; row += at.rowEvery) this.rowLabel(pen, stage, at, row, 400);
    for (let col = 0; col < stage.s; col += at.colEvery) this.colLabel(pen, stage, at, col, 400);
  }

  /** A label cut to the room it has. @param {CanvasRenderingContext2D} pen */
  fit(pen, text, room) {
    let label = shorten(visible(text));
    for (let n = [...label].length - 1; n > 1 && pen.measureText(label).width > room; n--) label = shorten(label, n);
    return label;
  }

  /** @param {string} [ground] colour drawn behind a label that stands out */
  rowLabel(pen, stage, at, row, weight, ground) {
    pen.font = this.font(weight);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const y = at.y + (row + 0.5) * at.cellH;
    const label = this.fit(pen, stage.rows[row] ?? "", at.rowSpace - 6);
    if (ground) this.ground(pen, ground, 0, y - 8, at.rowSpace - 3, 16);
    this.label(pen, label, at.x - 6, y);
  }

  colLabel(pen, stage, at, col, weight, ground) {
    pen.save();
    pen.font = this.font(weight);
    pen.textBaseline = "middle";
    pen.textAlign = at.colAngle === 0 ? "center" : "left";
    pen.translate(at.x + (col + 0.5) * at.cellW, at.y - (at.colAngle === 0 ? 10 : 6));
    pen.rotate((-at.colAngle * Math.PI) / 180);
    const rise = at.colSpace - 12;
    const room = at.colAngle === 0 ? at.cellW * (ground ? 3 : 1) : at.colAngle === 45 ? rise / SIN45 : rise + 6;
    const label = this.fit(pen, stage.cols[col] ?? "", room);
    const width = pen.measureText(label).width + 6;
    if (ground) this.ground(pen, ground, at.colAngle === 0 ? -width / 2 : -3, -8, width, 16);
    this.label(pen, label, 0, 0);
    pen.restore();
  }

  /** A label whose leading dots (spaces of the token) step back behind its letters. */
  label(pen, text, x, y) {
    const dots = /^·+(?=[^·])/.exec(text)?.[0] ?? "";
    const rest = text.slice(dots.length);
    const [dotsWidth, restWidth] = [dots, rest].map((part) => pen.measureText(part).width);
    const start = { right: x - dotsWidth - restWidth, center: x - (dotsWidth + restWidth) / 2, left: x }[pen.textAlign];
    pen.save();
    pen.textAlign = "left";
    pen.fillText(rest, start + dotsWidth, y);
    pen.globalAlpha = 0.5;
    pen.fillText(dots, start, y);
    pen.restore();
  }

  ground(pen, colour, x, y, w, h) {
    const ink = pen.fillStyle;
    pen.fillStyle = colour;
    pen.fillRect(x, y, w, h);
    pen.fillStyle = ink;
  }

  /**
   * What follows the pointer: everything but the cell's row and column steps back, the cell gets a frame, its labels
   * stand out in their roles' colours.
   * @param {Stage} stage @param {Layout} at @param {Cell|null} cell @param {boolean} pinned
   */
  paintCross(stage, at, cell, pinned) {
    const pen = this.top;
    pen.clearRect(0, 0, this.width, this.height);
    if (!cell) return;
    const { theme } = this;
    const row = Math.min(cell.row, stage.t - 1);
    const col = Math.min(cell.col, stage.s - 1);
    const [x, y] = [at.x + col * at.cellW, at.y + row * at.cellH];
    const [right, bottom] = [x + at.cellW, y + at.cellH];
    pen.globalAlpha = 0.5;
    pen.fillStyle = theme.back;
    for (const [x0, x1] of [[at.x, x], [right, at.x + at.w]]) {
      for (const [y0, y1] of [[at.y, y], [bottom, at.y + at.h]]) pen.fillRect(x0, y0, x1 - x0, y1 - y0);
    }
    pen.globalAlpha = 1;
    const [rowColour, colColour] = stage.roles.map((role) => theme.palette[role] ?? theme.text);
    pen.lineWidth = 1.5;
    for (const [colour, box] of [
      [rowColour, [at.x, y, at.w, at.cellH]],
      [colColour, [x, at.y, at.cellW, at.h]],
    ]) {
      pen.strokeStyle = colour;
      pen.strokeRect(box[0] - 0.5, box[1] - 0.5, box[2], box[3]);
    }
    for (const [colour, width, grow] of [[theme.back, 5, 1], [theme.text, pinned ? 3 : 2, 1]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.strokeRect(x - grow, y - grow, at.cellW + 2 * grow - 1, at.cellH + 2 * grow - 1);
    }
    pen.fillStyle = rowColour;
    this.rowLabel(pen, stage, at, row, 600, theme.back);
    pen.fillStyle = colColour;
    this.colLabel(pen, stage, at, col, 600, theme.back);
  }
}
