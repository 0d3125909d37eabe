/** The strongest cells of one row as bars: what a row of numbers looks like once it is sorted. */
import { rampIndex } from "../kit/colour.js";
import { make } from "../kit/dom.js";
import { number, shorten, visible } from "../kit/format.js";

const MOST = 8;

/**
 * @param {import("./model.js").Stage} stage @param {number} frame
 * @param {import("./model.js").Cell} cell whose row is meant; its own bar is marked
 * @param {{limits: [number, number], colours: Uint8ClampedArray, title: string}} how
 * @returns {Node[]}
 */
export function profile(stage, frame, cell, { limits, colours, title }) {
  const cells = [];
  for (let col = 0; col < stage.s; col++) {
    const value = stage.at(frame, cell.row, col);
    if (!stage.masked(frame, { row: cell.row, col }) && Number.isFinite(value)) cells.push({ col, value });
  }
  if (stage.scale === "mask" || cells.length < 2) return [];
  cells.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const most = Math.abs(cells[0].value) || 1;
  const bars = cells.slice(0, MOST).map(({ col, value }) => {
    const k = 3 * rampIndex(value, ...limits);
    const colour = `rgb(${colours[k]}, ${colours[k + 1]}, ${colours[k + 2]})`;
    const style = `width: ${(100 * Math.abs(value)) / most}%; background: ${colour}`;
    return make("div", { class: col === cell.col ? "part here" : "part" }, [
      make("bdi", { class: "part-name", text: shorten(visible(stage.cols[col] ?? ""), 14) }),
      make("span", { class: "part-bar" }, [make("i", { style })]),
      make("span", { class: "part-value", text: number(value) }),
    ]);
  });
  return [make("div", { class: "profile-title", text: title }), ...bars];
}
