/** What Python sent: panels of cells, each with heat by frame and source. */
import { unpack } from "../kit/decode.js";

const within = (frame, count) => Math.min(frame, count - 1);

/** Pixels of one or all frames. */
export class Picture {
  constructor(sent) {
    const { shape, values } = unpack(sent);
    [this.frames, this.height, this.width] = shape;
    this.values = values;
  }

  /** Opaque pixels of a frame. */
  pixels(frame) {
    const image = new ImageData(this.width, this.height);
    let from = within(frame, this.frames) * this.width * this.height * 3;
    for (let to = 0; to < image.data.length; to += 4) {
      for (let c = 0; c < 3; c++) image.data[to + c] = this.values[from++];
      image.data[to + 3] = 255;
    }
    return image;
  }
}

export class Panel {
  constructor(sent, nth, cells) {
    const { title, notes, texts, signed, largest, image } = sent;
    Object.assign(this, { nth, cells, title, notes, texts, signed, largest, image });
    for (const name of ["colour", "off"]) {
      const found = sent[name] && unpack(sent[name]);
      this[name] = found && { frames: found.shape[0], values: found.values };
    }
    this.heat = null;
    if (!sent.heat) return;
    const { shape, values } = unpack(sent.heat.levels);
    this.heat = { frames: shape[0], sources: shape[1], levels: values, n: sent.heat.n, tops: unpack(sent.heat.top).values };
  }

  row(frame, source) {
    const { frames, sources } = this.heat;
    return within(frame, frames) * sources + within(source, sources);
  }

  /** The largest size in a row. */
  top(frame, source) {
    return this.heat.tops[this.row(frame, source)];
  }

  value(frame, source, cell) {
    const { levels, n } = this.heat;
    const row = this.row(frame, source);
    const level = levels[row * this.cells + cell];
    return ((this.signed ? level - n : level) / n) * this.heat.tops[row];
  }

  /** Where the colours end. */
  end(frame, source) {
    return this.largest ?? this.top(frame, source);
  }

  /** The cell whose value is largest in size. */
  strongest(frame, source) {
    const { levels, n } = this.heat;
    const from = this.row(frame, source) * this.cells;
    let [best, found] = [-1, 0];
    for (let cell = 0; cell < this.cells; cell++) {
      const size = this.signed ? Math.abs(levels[from + cell] - n) : levels[from + cell];
      if (size > best) [best, found] = [size, cell];
    }
    return found;
  }

  isOff(frame, cell) {
    return Boolean(this.off && this.off.values[within(frame, this.off.frames) * this.cells + cell]);
  }

  /** @returns {number[]} */
  rgb(frame, cell) {
    const at = 3 * (within(frame, this.colour.frames) * this.cells + cell);
    return [...this.colour.values.slice(at, at + 3)];
  }

  note(frame) {
    return this.notes.length ? this.notes[within(frame, this.notes.length)] : "";
  }
}

export class Model {
  constructor(data) {
    const { side, frames, kind, sources, gap } = data;
    Object.assign(this, { side, frames, kind, names: sources, gap, cells: side * side });
    this.pictures = data.images.map((sent) => new Picture(sent));
    this.panels = data.panels.map((sent, nth) => new Panel(sent, nth, this.cells));
    const counts = this.panels.map(({ heat }) => heat?.sources ?? 1);
    this.sources = Math.max(1, ...counts);
    /** The sources are cells, or [CLS] and cells. */
    this.pointed = kind === "cls" || kind === "cells";
    this.hasHeat = this.panels.some(({ heat }) => heat);
  }

  /** The row that belongs to a cell. */
  sourceOf(cell) {
    return this.kind === "cls" ? cell + 1 : cell;
  }

  /** The cell that a row belongs to. @returns {number|null} */
  cellOf(source) {
    if (this.kind === "cells") return source;
    return this.kind === "cls" && source > 0 ? source - 1 : null;
  }

  place(cell) {
    return [Math.floor(cell / this.side), cell % this.side];
  }

  /** "patch 3 4" */
  cellName(cell, say) {
    const [row, column] = this.place(cell);
    return say("patches_cell", { row: row + 1, column: column + 1 });
  }

  sourceName(source, say) {
    if (this.names.length) return this.names[source];
    const cell = this.cellOf(source);
    return cell === null ? (this.kind === "cls" ? "[CLS]" : "") : this.cellName(cell, say);
  }
}
