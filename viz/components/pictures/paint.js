/** Pixels on the screen: sharp squares, however large they are drawn, and the heat of a word over a picture. */
import { luminance, ramp, rgb } from "../kit/colour.js";

const RADIUS = 4;
/** Under a heat map a picture loses so much of its colour, and then fades so far into the page. */
const GREY = 0.4;
const SOFT = 0.55;

/** A canvas that is kept and written over. */
function sheet(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return { canvas, pen: canvas.getContext("2d") };
}

/** As many pictures' own pixels are kept, so that a frame seen before need not be made again. */
const KEPT = 12_000_000;

export class Brush {
  constructor() {
    /** @type {Map<string, ReturnType<typeof sheet>>} */
    this.sheets = new Map();
    /** @type {Map<string, HTMLCanvasElement>} */
    this.kept = new Map();
    this.size = 0;
  }

  /** Other pictures, or other colours. */
  forget() {
    this.kept.clear();
    this.size = 0;
  }

  /** @param {import("../kit/colour.js").Theme} theme */
  dress(theme) {
    this.forget();
    this.theme = theme;
    this.colours = ramp(theme.palette.probability);
    const back = rgb(theme.back.startsWith("#") ? theme.back : theme.dark ? "#12151a" : "#ffffff");
    this.back = luminance(back) < 0.3 ? back.map((c) => c + 10) : back;
  }

  sheet(name, width, height) {
    const key = `${name} ${width} ${height}`;
    if (!this.sheets.has(key)) this.sheets.set(key, sheet(width, height));
    return this.sheets.get(key);
  }

  /** What is made once and then kept. @param {() => ImageData} make @returns {HTMLCanvasElement} */
  once(key, make) {
    let canvas = this.kept.get(key);
    if (!canvas) {
      const image = make();
      if (this.size > KEPT) this.forget();
      this.size += image.width * image.height;
      const found = sheet(image.width, image.height);
      found.pen.putImageData(image, 0, 0);
      ({ canvas } = found);
      this.kept.set(key, canvas);
    }
    return canvas;
  }

  /** One picture in its own pixels; dull and pale where a heat map will lie on it. @returns {HTMLCanvasElement} */
  source(group, frame, picture, pale) {
    return this.once(`${group.nth} ${Math.min(frame, group.frames - 1)} ${picture} ${pale}`, () => {
      const image = group.image(frame, picture);
      if (pale) this.fade(image.data);
      return image;
    });
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

  /** A word's heat in its own cells: the deeper the colour, the less of the picture shows through. */
  heat(heat, frame, picture, word) {
    return this.once(`heat ${Math.min(frame, heat.frames - 1)} ${picture} ${word}`, () => {
      const image = new ImageData(heat.width, heat.height);
      const from = heat.at(frame, picture, word);
      for (let i = 0; i < heat.width * heat.height; i++) {
        const level = heat.values[from + i];
        for (let c = 0; c < 3; c++) image.data[4 * i + c] = this.colours[3 * level + c];
        image.data[4 * i + 3] = 255 * Math.min(0.9, 1.25 * (level / 255) ** 0.85);
      }
      return image;
    });
  }

  /**
   * One picture, its pixels as squares of equal size; if they do not fall on whole pixels of the screen, first larger than
   * needed and then smaller.
   * @param {CanvasRenderingContext2D} pen @param {number} scale pixels of the screen per CSS pixel
   */
  draw(pen, source, x, y, w, h, scale, smooth = false) {
    const times = (w * scale) / source.width;
    if (smooth || Math.abs(times - Math.round(times)) < 0.01) {
      pen.imageSmoothingEnabled = smooth;
      pen.drawImage(source, x, y, w, h);
      return;
    }
    const k = Math.ceil(times);
    const large = this.sheet("large", source.width * k, source.height * k);
    large.pen.imageSmoothingEnabled = false;
    large.pen.drawImage(source, 0, 0, source.width * k, source.height * k);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(large.canvas, x, y, w, h);
  }

  /** All pictures of a group. @param {{x: number, y: number}[]} places @param {number|null} word whose heat lies on them */
  group(pen, group, frame, board, places, scale, heat, word) {
    const { wide, picture: high } = board;
    pen.save();
    pen.beginPath();
    for (const { x, y } of places) pen.roundRect(x, y, wide, high, radius(wide));
    pen.clip();
    places.forEach(({ x, y }, picture) => {
      this.draw(pen, this.source(group, frame, picture, word !== null), x, y, wide, high, scale);
      if (word !== null) this.draw(pen, this.heat(heat, frame, picture, word), x, y, wide, high, scale, true);
    });
    pen.restore();
    this.edges(pen, places, wide, high);
  }

  /** A hairline, so that a picture as pale as the page still has an edge. */
  edges(pen, places, w, h) {
    pen.strokeStyle = this.theme.dark ? "rgb(255 255 255 / 0.16)" : "rgb(0 0 0 / 0.13)";
    pen.lineWidth = 1;
    pen.beginPath();
    for (const { x, y } of places) pen.roundRect(x + 0.5, y + 0.5, w - 1, h - 1, radius(w));
    pen.stroke();
  }
}

export const radius = (side) => (side < 40 ? 2 : RADIUS);
