/** What Python sent, by lane, frame and place, and what follows from it: since when each token has stood there. */
import { unpack } from "../kit/decode.js";

const NEWLINE = /[\n↵]/;

export class Lane {
  /** @param {string[]} vocabulary */
  constructor(sent, vocabulary) {
    const { shape, values } = unpack(sent.token);
    [this.frames, this.count] = shape;
    Object.assign(this, { token: values, title: sent.title, notes: sent.notes, vocabulary });
    this.weight = sent.weight && unpack(sent.weight).values;
    this.fixed = unpack(sent.fixed).values;
    this.blocks = new Set(sent.blocks);
    if (sent.guess) {
      const [ids, shares] = sent.guess.map(unpack);
      this.guess = { ids: ids.values, shares: shares.values, many: ids.shape[2] };
    }
    this.since = this.stands();
    /** Places after which the text goes on in a new line: where the given text does. What is written may break its lines anew
     * in every frame; its boxes stay where they are. */
    this.ends = new Set(Array.from({ length: this.count }, (_, i) => i).filter((i) => this.fixed[i] && NEWLINE.test(this.text(0, i) ?? "")));
  }

  at(frame, place) {
    return Math.min(frame, this.frames - 1) * this.count + place;
  }

  /** The frame in which what stands at a place came there. */
  stands() {
    const since = new Uint16Array(this.token.length);
    for (let i = this.count; i < since.length; i++) {
      since[i] = this.token[i] === this.token[i - this.count] ? since[i - this.count] : Math.floor(i / this.count);
    }
    return since;
  }

  masked(frame, place) {
    return this.token[this.at(frame, place)] === 0;
  }

  /** The token's text; null where it is masked. @returns {string|null} */
  text(frame, place) {
    const id = this.token[this.at(frame, place)];
    return id ? this.vocabulary[id - 1] : null;
  }

  /** Every text that a place ever holds. @returns {string[]} */
  texts(place) {
    const found = new Set();
    for (let frame = 0; frame < this.frames; frame++) found.add(this.token[this.at(frame, place)]);
    return [...found].filter((id) => id).map((id) => this.vocabulary[id - 1]);
  }

  /** What has happened at a place in this very frame. @returns {""|"new"|"removed"} */
  news(frame, place) {
    const i = this.at(frame, place);
    if (frame >= this.frames || !frame || this.token[i] === this.token[i - this.count]) return "";
    return this.token[i] ? "new" : "removed";
  }

  /** The frame in which a place was filled; 0: never, or from the start. */
  filled(frame, place) {
    return this.fixed[place] || this.masked(frame, place) ? 0 : this.since[this.at(frame, place)];
  }

  share(frame, place) {
    return this.weight && !this.fixed[place] && !this.masked(frame, place) ? this.weight[this.at(frame, place)] : null;
  }

  note(frame) {
    return this.notes[Math.min(frame, this.notes.length - 1)] ?? "";
  }

  /** How many places are masked. */
  open(frame) {
    let n = 0;
    for (let i = 0; i < this.count; i++) if (this.masked(frame, i)) n++;
    return n;
  }

  /** The likeliest tokens of a place that was not given: those of this frame, else of the last frame that had any. */
  guesses(frame, place) {
    if (!this.guess || this.fixed[place]) return [];
    const { ids, shares, many } = this.guess;
    for (let f = Math.min(frame, this.frames - 1); f >= 0; f--) {
      const from = this.at(f, place) * many;
      const found = Array.from({ length: many }, (_, k) => from + k).filter((i) => ids[i] && shares[i] > 0);
      if (found.length) return found.map((i) => ({ text: this.vocabulary[ids[i] - 1], share: shares[i] }));
    }
    return [];
  }
}

export class Model {
  constructor(data) {
    this.frames = data.frames;
    this.lanes = data.lanes.map((sent) => new Lane(sent, data.vocabulary));
    this.weighs = this.lanes.some(({ weight }) => weight);
    this.given = this.lanes.some(({ fixed }) => fixed.some((one) => one));
    const changes = (kind) => this.lanes.some((lane) => some(lane, kind));
    this.fills = changes("new");
    this.removes = changes("removed");
  }
}

function some(lane, kind) {
  for (let frame = 1; frame < lane.frames; frame++) {
    for (let i = 0; i < lane.count; i++) if (lane.news(frame, i) === kind) return true;
  }
  return false;
}
