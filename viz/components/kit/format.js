/** How numbers and tokens are written everywhere in the browser components. */

export const MINUS = "\u2212";
const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** @param {number} n a whole number */
export function superscript(n) {
  const digits = [...String(Math.abs(n))].map((d) => SUPERSCRIPT[Number(d)]).join("");
  return (n < 0 ? "⁻" : "") + digits;
}

/**
 * A number with three significant digits: 0.0123, 1.23, 123, 12346, 4.56·10⁻⁷, −∞. Whole numbers stay whole.
 * @param {number} value @param {number} [digits]
 */
export function number(value, digits = 3) {
  if (Number.isNaN(value)) return "–";
  const sign = value < 0 ? MINUS : "";
  const size = Math.abs(value);
  if (size === Infinity) return `${sign}∞`;
  if (Number.isInteger(size) && size < 1e6) return sign + size;
  if (size < 1e-3 || size >= 1e6) {
    const [mantissa, power] = size.toExponential(digits - 1).split("e");
    return `${sign}${mantissa}·10${superscript(Number(power))}`;
  }
  return sign + (size >= 10 ** (digits - 1) ? String(Math.round(size)) : size.toPrecision(digits));
}

/** A value that somebody chose, as people write it: at most so many digits and no zeros behind them. 0.75, 0.032, 5·10⁻⁵. */
export const chosen = (value, digits = 4) => number(value, digits).replace(/\.0+(?=·|$)|(\.\d*[1-9])0+(?=·|$)/, "$1");

/** Control characters and spaces that would be invisible, as visible marks. */
const MARKS = new Map([
  ["\n", "↵"],
  ["\r", "␍"],
  ["\t", "⇥"],
  ["\u00a0", "⍽"],
  ["\u3000", "□"],
  ["\ufeff", "⟨BOM⟩"],
]);

/**
 * A token as a label: leading and trailing spaces become a raised dot, everything else that prints nothing gets a mark.
 * @param {string} token
 */
export function visible(token) {
  if (token === "") return "∅";
  const marked = token
    .replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length))
    .replace(/[\n\r\t\u00a0\u3000\ufeff]/g, (c) => MARKS.get(c))
    .replace(/[\u0000-\u001f]/g, (c) => String.fromCodePoint(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069]/g, (c) => `⟨${c.charCodeAt(0).toString(16)}⟩`);
  return marked.isWellFormed?.() === false ? marked.toWellFormed() : marked;
}

/** At most `length` characters, the last one an ellipsis where something was cut. @param {string} text */
export function shorten(text, length = 18) {
  const letters = [...text];
  return letters.length > length ? `${letters.slice(0, length - 1).join("")}…` : text;
}
