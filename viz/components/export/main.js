/** SVG, PNG and CSV of the Plotly figure in the element with class `data.target`, made from what the browser holds. */
import { browserComponent, sheet } from "../kit/host.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} target @returns {any} Plotly's own element, which holds the figure's data */
const plot = (target) => document.querySelector(`.${CSS.escape(target)} .js-plotly-plot`);

/** Plotly draws in layers of <svg>; put above each other they are one drawing. */
function drawing(target) {
  const layers = [...plot(target).querySelectorAll("svg.main-svg")];
  const { width, height } = layers[0].getBoundingClientRect();
  const whole = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` })) {
    whole.setAttribute(name, String(value));
  }
  const back = document.createElementNS(SVG, "rect");
  back.setAttribute("width", "100%");
  back.setAttribute("height", "100%");
  back.setAttribute("fill", getComputedStyle(document.querySelector(".stApp")).backgroundColor);
  whole.append(back, ...layers.map((layer) => layer.cloneNode(true)));
  return { text: new XMLSerializer().serializeToString(whole), width, height };
}

async function pixels(target) {
  const { text, width, height } = drawing(target);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * 2, height: height * 2 });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** One row a point: series, x, y (and z for a heat map). */
function table(target) {
  const rows = [["series", "x", "y", "z"]];
  for (const trace of plot(target)._fullData) {
    const name = trace.name ?? "";
    if (trace.z) trace.z.forEach((row, i) => row.forEach((z, j) => rows.push([name, trace.x?.[j] ?? j, trace.y?.[i] ?? i, z])));
    else Array.from(trace.x ?? trace.y ?? []).forEach((x, i) => rows.push([name, x, trace.y?.[i] ?? "", ""]));
  }
  return csv(rows);
}

export default browserComponent(await sheet(new URL("./main.css", import.meta.url)), ({ root }) => {
  let data;
  const makers = { svg: () => drawing(data.target).text, png: () => pixels(data.target), csv: () => table(data.target) };
  return {
    update(given) {
      data = given;
      root.querySelector(".toolbar")?.remove();
      root.append(toolbar(makers, () => data.name, speaker(data.ui)));
    },
    restyle() {},
  };
});
