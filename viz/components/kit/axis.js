/** Round values for axes, and how wide a text is. */
import { number } from "./format.js";

const pen = document.createElement("canvas").getContext("2d");

/** Width in CSS pixels. @param {string} text @param {number} size @param {number} weight @param {string} font */
export function textWidth(text, size, weight, font) {
  pen.font = `${weight} ${size}px ${font}`;
  return pen.measureText(text).width;
}

/** Round values, about so many: those between the limits, or with `enclose` those that enclose them. @returns {number[]} */
export function rounds(low, high, about, enclose = false) {
  if (!(high > low)) return [low];
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw * 0.85);
  const [up, down] = enclose ? [Math.floor, Math.ceil] : [Math.ceil, Math.floor];
  const [first, last] = [up(low / step - (enclose ? -1e-9 : 1e-9)), down(high / step + (enclose ? -1e-9 : 1e-9))];
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Multiples of a decade that a log axis may show, from few to many. */
const MANTISSAS = [[1], [1, 3], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]];

/**
 * Values for a log axis, at most about so many: powers of ten (every one, or every second ...), with 2 and 5 between where
 * there is room; powers of two if the axis counts in them. @returns {number[]}
 */
export function logRounds(low, high, about, two = false) {
  if (!(high > low)) return [low];
  const base = two ? 2 : 10;
  const span = Math.log(high / low) / Math.log(base);
  const first = Math.ceil(Math.log(low) / Math.log(base) - 1e-9);
  const last = Math.floor(Math.log(high) / Math.log(base) + 1e-9);
  const powers = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  if (two || span >= about) {
    const stride = Math.max(1, Math.ceil(powers.length / about));
    const found = powers.filter((power) => power % stride === 0).map((power) => base ** power);
    if (found.length > 1) return found;
  }
  const within = (mantissas) =>
    Array.from({ length: last - first + 3 }, (_, i) => first - 1 + i).flatMap((power) =>
      mantissas
        .map((m) => Number((m * 10 ** power).toPrecision(12)))
        .filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)),
    );
  const choices = MANTISSAS.map(within).filter((values) => values.length <= about * 1.3);
  const found = choices[choices.length - 1] ?? within([1]);
  return found.length > 1 ? found : rounds(low, high, Math.max(2, about / 2));
}

/** Whether a value is 2 to a whole power. */
export const isPowerOfTwo = (value) => value > 0 && Number.isInteger(Math.log2(value));

const THOUSANDS = ["", "K", "M", "G", "T"];

/** 131072 as 128K (kilo 1024), 128000 as 128K (kilo 1000), or as it is (kilo 0); `write`: a number as text. */
export function counted(value, kilo = 0, write = number) {
  if (!kilo || !Number.isFinite(value)) return write(value);
  const size = Math.abs(value);
  const step = Math.max(0, Math.min(THOUSANDS.length - 1, Math.floor(Math.log(size) / Math.log(kilo) + 1e-9)));
  return step ? `${write(value / kilo ** step)}${THOUSANDS[step]}` : write(value);
}
