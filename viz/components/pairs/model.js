/** What Python sent, by frame, row (picture) and column (text). */
import { unpack } from "../kit/decode.js";

export class Model {
  constructor(data) {
    const { shape, values } = unpack(data.images);
    [this.pictured, this.n, this.high, this.wide] = shape;
    this.pixels = values;
    this.texts = data.texts;
    this.m = data.texts.length;
    this.frames = data.frames;
    /** What cells can show: numbers, and the ends of their scale. */
    this.tables = {
      share: { ...unpack(data.share), low: 0, end: data.end, ramp: "probability" },
      similarity: { ...unpack(data.similarity), low: -data.reach, end: data.reach, ramp: "signed" },
    };
    this.rings = unpack(data.right).values;
  }

  /** @param {"share"|"similarity"} which */
  value(which, frame, row, column) {
    const { shape, values } = this.tables[which];
    return values[(Math.min(frame, shape[0] - 1) * this.n + row) * this.m + column];
  }

  right(row, column) {
    return Boolean(this.rings[row * this.m + column]);
  }

  /** The first pair that belongs together in a row, or the row's strongest. */
  partner(frame, row) {
    let best = 0;
    for (let column = 0; column < this.m; column++) {
      if (this.right(row, column)) return column;
      if (this.value("share", frame, row, column) > this.value("share", frame, row, best)) best = column;
    }
    return best;
  }

  /** A picture as opaque pixels. */
  image(frame, row) {
    const image = new ImageData(this.wide, this.high);
    let from = (Math.min(frame, this.pictured - 1) * this.n + row) * 3 * this.wide * this.high;
    for (let to = 0; to < image.data.length; to += 4) {
      for (let c = 0; c < 3; c++) image.data[to + c] = this.pixels[from++];
      image.data[to + 3] = 255;
    }
    return image;
  }
}
