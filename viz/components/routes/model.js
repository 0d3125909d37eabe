/**
 * Who is sent where: the arrays of Python, with the questions that the drawings ask.
 *
 * @typedef {{expert: number, weight: number, kept: boolean, rank: number}} Pick an expert of a token; rank from 0
 * @typedef {{token: number, weight: number, kept: boolean, rank: number}} Visit a token of an expert
 * @typedef {{picks: Pick[][], visits: Visit[][], sums: number[], most: number, dropped: number[], assigned: number}} Frame
 *   picks by token, the strongest first; visits by expert, in the order of the text; sums of the weights by token;
 *   most: the largest sum; dropped: tokens that no expert serves; assigned: how many picks there are
 */
import { unpack } from "../kit/decode.js";

export class Model {
  /** @param {any} data see __init__.py */
  constructor(data) {
    this.tokens = data.tokens;
    this.experts = data.experts;
    const arrays = ["chosen", "kept", "weight", "logit", "probability", "score"];
    /** @type {Record<string, Float32Array|Uint8Array>} */
    this.values = {};
    for (const name of arrays) {
      if (!data[name]) continue;
      const { shape, values } = unpack(data[name]);
      [this.frames, this.t, this.e] = shape;
      this.values[name] = values;
    }
    /** @type {Frame[]} */
    this.known = [];
    this.limit = data.limit ?? null;
    this.columns = ["logit", "probability", "score", "weight"].filter((name) => this.values[name]);
  }

  at(name, frame, token, expert) {
    return this.values[name][(frame * this.t + token) * this.e + expert];
  }

  /** @param {number} f @returns {Frame} */
  frame(f) {
    return (this.known[f] ??= this.read(f));
  }

  /** @returns {Frame} */
  read(f) {
    const visits = Array.from({ length: this.e }, () => []);
    const [picks, sums, dropped] = [[], [], []];
    const asked = this.values.score ?? this.values.probability ?? this.values.weight;
    let assigned = 0;
    for (let token = 0; token < this.t; token++) {
      const own = [];
      const from = (f * this.t + token) * this.e;
      for (let expert = 0; expert < this.e; expert++) {
        if (!this.values.chosen[from + expert]) continue;
        own.push({ expert, weight: this.values.weight[from + expert], kept: !!this.values.kept[from + expert], wish: asked[from + expert] });
      }
      own.sort((a, b) => b.weight - a.weight || b.wish - a.wish || a.expert - b.expert);
      own.forEach((pick, rank) => {
        pick.rank = rank;
        visits[pick.expert].push({ token, weight: pick.weight, kept: pick.kept, rank });
      });
      picks.push(own);
      assigned += own.length;
      sums.push(own.reduce((sum, { weight }) => sum + weight, 0));
      if (!own.some(({ kept }) => kept)) dropped.push(token);
    }
    return { picks, visits, sums, most: Math.max(...sums), dropped, assigned };
  }

  every() {
    return Array.from({ length: this.frames }, (_, f) => this.frame(f));
  }

  /** The most tokens that an expert gets, or is asked to take, in any frame. */
  get fullest() {
    return (this.full ??= Math.max(1, ...this.every().flatMap(({ visits }) => visits.map((list) => list.length))));
  }

  /** The most experts that a token is sent to. */
  get busiest() {
    return (this.busy ??= Math.max(1, ...this.every().flatMap(({ picks }) => picks.map((own) => own.length))));
  }

  /** Whether any token, in any frame, is turned away by an expert or asked for by none. */
  get loses() {
    return (this.lost ??= this.every().some(
      ({ visits, dropped }) => dropped.length || visits.some((list) => list.some(({ kept }) => !kept)),
    ));
  }

  /** The smallest of one of the numbers in a frame of one token, infinities left out. */
  least(name, frame, token) {
    let least = Infinity;
    for (let expert = 0; expert < this.e; expert++) {
      const value = this.at(name, frame, token, expert);
      if (value > -Infinity) least = Math.min(least, value);
    }
    return least;
  }

  /** The largest size of one of the numbers in a frame of one token, infinities left out. */
  largest(name, frame, token) {
    let most = 0;
    for (let expert = 0; expert < this.e; expert++) {
      const size = Math.abs(this.at(name, frame, token, expert));
      if (size < Infinity) most = Math.max(most, size);
    }
    return most;
  }
}
