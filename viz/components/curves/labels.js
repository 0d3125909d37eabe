/** Texts that stand below each other without touching, each as near as it can be to where it belongs. */

/**
 * The least squared moves that keep the order and the distances (isotonic regression by pooling neighbours).
 * @param {number[]} wanted middles @param {number[]} heights @param {number} top @param {number} bottom
 * @returns {number[]} middles, in the order given
 */
export function spread(wanted, heights, top, bottom) {
  const order = [...wanted.keys()].sort((a, b) => wanted[a] - wanted[b] || a - b);
  let offset = 0;
  const offsets = order.map((i, k) => (offset += k ? (heights[order[k - 1]] + heights[i]) / 2 : 0));
  /** @type {{sum: number, n: number}[]} */
  const pools = [];
  order.forEach((i, k) => {
    pools.push({ sum: wanted[i] - offsets[k], n: 1 });
    while (pools.length > 1) {
      const [before, last] = pools.slice(-2);
      if (before.sum / before.n <= last.sum / last.n) break;
      pools.splice(-2, 2, { sum: before.sum + last.sum, n: before.n + last.n });
    }
  });
  const low = top + (heights[order[0]] ?? 0) / 2;
  const high = Math.max(low, bottom - (heights[order[order.length - 1]] ?? 0) / 2 - offset);
  const places = pools.flatMap(({ sum, n }) => Array(n).fill(Math.max(low, Math.min(high, sum / n))));
  const found = Array(wanted.length);
  order.forEach((i, k) => (found[i] = places[k] + offsets[k]));
  return found;
}

/** A text in at most two lines that fit a width; what is left over ends in an ellipsis. @returns {string[]} */
export function wrap(text, room, measure) {
  if (measure(text) <= room) return [text];
  const words = text.split(/(?<=[\s\u2014/-])|(?<=[\u3000-\u9fff])/u);
  let first = "";
  while (words.length && measure((first + words[0]).trimEnd()) <= room) first += words.shift();
  if (!first) return [cut(text, room, measure)];
  const rest = words.join("").trim();
  return rest ? [first.trimEnd(), cut(rest, room, measure)] : [first.trimEnd()];
}

/** As many characters as fit, the last one an ellipsis where something was cut. */
export function cut(text, room, measure) {
  if (measure(text) <= room) return text;
  const letters = [...text];
  while (letters.length > 1 && measure(`${letters.join("")}…`) > room) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}
