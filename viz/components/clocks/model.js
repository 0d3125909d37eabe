/**
 * What Python sent, and the questions the picture asks of it. Positions m (query) and n (key) are indices from 0.
 *
 * @typedef {"query"|"key"} Role
 */
import { unpack } from "../kit/decode.js";

export class Model {
  /** @param {any} data see __init__.py */
  constructor(data) {
    this.hands = { query: unpack(data.query).values, key: unpack(data.key).values };
    this.score = unpack(data.score).values;
    this.part = unpack(data.part);
    this.perDistance = this.part.shape.length === 2;
    this.factor = data.factor;
    this.wavelength = data.wavelength.map((turn) => turn ?? Infinity);
    this.pairs = this.wavelength.length;
    this.positions = data.positions;
    this.count = this.positions.length;
    this.labels = data.labels;
    /** Positions from one index to the next. */
    this.step = this.count > 1 ? this.positions[1] - this.positions[0] : 1;
    this.longest = 0;
    for (const role of /** @type {const} */ (["query", "key"])) {
      for (let i = 0; i < this.hands[role].length; i += 2) {
        this.longest = Math.max(this.longest, Math.hypot(this.hands[role][i], this.hands[role][i + 1]));
      }
    }
    this.largestShare = largest(this.part.values);
    this.largestScore = largest(this.score);
  }

  /** The two numbers of a pair after the rotation. @param {Role} role @returns {[number, number]} */
  hand(role, position, pair) {
    const at = 2 * (position * this.pairs + pair);
    return [this.hands[role][at], this.hands[role][at + 1]];
  }

  /** Radians, counted against the clock from the first number's axis; NaN for a hand of length 0. @param {Role} role */
  angle(role, position, pair) {
    const [x, y] = this.hand(role, position, pair);
    return x === 0 && y === 0 ? NaN : Math.atan2(y, x);
  }

  /**
   * Where the hand was so many positions earlier. Hands of tokens differ from one to the next: then it is where this very
   * hand would have been, by the turn of its pair.
   */
  earlier(role, position, pair, age) {
    if (!this.labels.length) return this.angle(role, position - age, pair);
    return this.angle(role, position, pair) - (2 * Math.PI * age * this.step) / this.wavelength[pair];
  }

  /** A pair's share of the score. */
  share(m, n, pair) {
    const row = this.perDistance ? m - n + this.count - 1 : m * this.count + n;
    return this.part.values[row * this.pairs + pair];
  }

  at(m, n) {
    return this.score[m * this.count + n];
  }

  distance(m, n) {
    return this.positions[m] - this.positions[n];
  }
}

/** @param {ArrayLike<number>} values */
function largest(values) {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}

/** The angle from the key's hand to the query's by the shorter way, -π to π. */
export function between(query, key) {
  const turn = (query - key) % (2 * Math.PI);
  return turn > Math.PI ? turn - 2 * Math.PI : turn <= -Math.PI ? turn + 2 * Math.PI : turn;
}
