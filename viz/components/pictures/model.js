/** What Python sent, by group, frame and picture. */
import { unpack } from "../kit/decode.js";

/** One group of pictures, `count` of them, `width` by `height` pixels, in 1 or all frames. */
export class Group {
  constructor(sent, nth) {
    const { shape, values } = unpack(sent.images);
    this.nth = nth;
    [this.frames, this.count, this.height, this.width] = shape;
    Object.assign(this, { values, name: sent.name, columns: sent.columns, titles: sent.titles, marks: sent.marks });
    this.notes = sent.notes;
    this.size = 3 * this.width * this.height;
  }

  /** Where a picture's bytes begin. */
  at(frame, picture) {
    return (Math.min(frame, this.frames - 1) * this.count + picture) * this.size;
  }

  /** @returns {[number, number, number]} */
  pixel(frame, picture, x, y) {
    const at = this.at(frame, picture) + 3 * (y * this.width + x);
    return [this.values[at], this.values[at + 1], this.values[at + 2]];
  }

  /** The pixel at a place given as shares of the width and the height. @returns {[number, number]} */
  place(u, v) {
    const within = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
    return [within(u, this.width), within(v, this.height)];
  }

  note(frame, picture) {
    return this.notes.length ? this.notes[Math.min(frame, this.notes.length - 1)][picture] : "";
  }

  /** A picture as opaque pixels. */
  image(frame, picture) {
    const image = new ImageData(this.width, this.height);
    const { values } = this;
    let from = this.at(frame, picture);
    for (let to = 0; to < image.data.length; to += 4) {
      image.data[to] = values[from++];
      image.data[to + 1] = values[from++];
      image.data[to + 2] = values[from++];
      image.data[to + 3] = 255;
    }
    return image;
  }
}

/** How much each place of a picture has to do with each word. */
export class Heat {
  constructor(sent) {
    const { shape, values } = unpack(sent.maps);
    [this.frames, this.count, this.words, this.height, this.width] = shape;
    Object.assign(this, { values, labels: sent.labels, top: sent.top });
    this.largest = Math.max(...this.top);
  }

  at(frame, picture, word) {
    return ((Math.min(frame, this.frames - 1) * this.count + picture) * this.words + word) * this.width * this.height;
  }

  /** The share of the scale's end, 0 to 1, at a place given as shares. */
  share(frame, picture, word, u, v) {
    const within = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
    return this.values[this.at(frame, picture, word) + within(v, this.height) * this.width + within(u, this.width)] / 255;
  }

  value(frame, picture, word, u, v) {
    return this.share(frame, picture, word, u, v) * this.top[word];
  }

  /** The largest value of a word in one picture of a frame, or in all of them. @param {number|null} picture */
  most(frame, picture, word) {
    const from = this.at(frame, picture ?? 0, word);
    let found = 0;
    const size = this.width * this.height;
    const many = picture === null ? this.count : 1;
    for (let p = 0; p < many; p++) {
      const start = from + p * this.words * size;
      for (let i = start; i < start + size; i++) if (this.values[i] > found) found = this.values[i];
    }
    return (found / 255) * this.top[word];
  }
}

export class Model {
  constructor(data) {
    this.frames = data.frames;
    this.groups = data.groups.map((sent, nth) => new Group(sent, nth));
    this.heat = data.heat && new Heat(data.heat);
  }

  /** Whether a group's pictures are those of the first group, seen differently. */
  linked(g) {
    return this.groups[g].count === this.groups[0].count;
  }
}
