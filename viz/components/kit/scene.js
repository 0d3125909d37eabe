/**
 * A picture as a list of shapes, so that the vector file (SVG) and the pixel file (PNG) are the same drawing.
 *
 * @typedef {{kind: "rect", x: number, y: number, w: number, h: number, fill?: string, line?: string, radius?: number,
 *   dash?: string}} Rect
 *   fill may be "hatch" (masked) or "ramp" (the scene's gradient); dash: as stroke-dasharray says it
 * @typedef {{kind: "text", x: number, y: number, text: string, fill: string, size?: number, anchor?: "start"|"middle"|"end",
 *   angle?: number, weight?: number}} Text
 * @typedef {{kind: "path", d: string, line?: string, width?: number, fill?: string, alpha?: number,
 *   x?: number, y?: number, dash?: string}} Path, its coordinates counted from (x, y)
 * @typedef {{kind: "image", x: number, y: number, w: number, h: number, source: HTMLCanvasElement, radius?: number,
 *   smooth?: boolean}} Picture
 *   pixels drawn as sharp squares, or with `smooth` blended into each other
 * @typedef {{width: number, height: number, back: string, font: string, masked: {back: string, line: string},
 *   stops: string[], title: string, shapes: (Rect|Text|Path|Picture)[]}} Scene
 */
import { makeSvg } from "./dom.js";

const HATCH = 6;

/** @param {Scene} scene */
export function toSvg(scene) {
  const { width, height, masked } = scene;
  const hatch = makeSvg("pattern", { id: "hatch", width: HATCH, height: HATCH, patternUnits: "userSpaceOnUse" }, [
    makeSvg("rect", { width: HATCH, height: HATCH, fill: masked.back }),
    makeSvg("path", { d: hatchPath(HATCH), stroke: masked.line, "stroke-width": 1 }),
  ]);
  const ramp = makeSvg("linearGradient", { id: "ramp" });
  scene.stops.forEach((colour, i) =>
    ramp.append(makeSvg("stop", { offset: i / Math.max(1, scene.stops.length - 1), "stop-color": colour })),
  );
  const svg = makeSvg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, "font-family": scene.font },
    [
      makeSvg("title", { text: scene.title }),
      makeSvg("defs", {}, [hatch, ramp]),
      makeSvg("rect", { width, height, fill: scene.back }),
      ...scene.shapes.map(svgShape),
    ],
  );
  return new XMLSerializer().serializeToString(svg);
}

const hatchPath = (n) => `M${-1} 1 1 -1M0 ${n} ${n} 0M${n - 1} ${n + 1} ${n + 1} ${n - 1}`;
const paint = (fill) => (fill === "hatch" || fill === "ramp" ? `url(#${fill})` : (fill ?? "none"));
const dashed = ({ dash }) => (dash ? { "stroke-dasharray": dash } : {});
const round = (x) => Math.round(x * 100) / 100;

/** @param {Rect|Text|Path|Picture} shape */
function svgShape(shape) {
  if (shape.kind === "image") {
    const { x, y, w, h, source, radius = 0, smooth = false } = shape;
    const style = `image-rendering: ${smooth ? "auto" : "pixelated"}${radius ? `; clip-path: inset(0 round ${radius}px)` : ""}`;
    const place = { x: round(x), y: round(y), width: round(w), height: round(h) };
    return makeSvg("image", { ...place, href: source.toDataURL(), preserveAspectRatio: "none", style });
  }
  if (shape.kind === "rect") {
    const { x, y, w, h, radius = 0 } = shape;
    const box = { x: round(x), y: round(y), width: round(w), height: round(h), fill: paint(shape.fill) };
    return makeSvg("rect", { ...box, ...(radius && { rx: radius }), ...(shape.line && { stroke: shape.line }), ...dashed(shape) });
  }
  if (shape.kind === "path") {
    const { d, line = "none", width = 1, fill = "none", alpha = 1 } = shape;
    const { x = 0, y = 0 } = shape;
    const moved = x || y ? { transform: `translate(${round(x)} ${round(y)})` } : {};
    return makeSvg("path", { d, stroke: line, "stroke-width": width, fill, opacity: round(alpha), ...moved, ...dashed(shape) });
  }
  const { x, y, text, fill, size = 12, anchor = "start", angle = 0, weight = 400 } = shape;
  const turned = angle ? { transform: `rotate(${angle} ${round(x)} ${round(y)})` } : {};
  const place = { x: round(x), y: round(y), "font-size": size, "text-anchor": anchor, "dominant-baseline": "central" };
  return makeSvg("text", { ...place, fill, "font-weight": weight, "xml:space": "preserve", ...turned, text });
}

/** @param {Scene} scene @param {number} [scale] pixels per CSS pixel @returns {Promise<Blob>} */
export function toPng(scene, scale = 2) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(scene.width * scale);
  canvas.height = Math.ceil(scene.height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = scene.back;
  pen.fillRect(0, 0, scene.width, scene.height);
  for (const shape of scene.shapes) drawShape(pen, shape, scene, scale);
  return new Promise((done) => canvas.toBlob((blob) => done(/** @type {Blob} */ (blob)), "image/png"));
}

/** The diagonal hatch of masked cells. @param {CanvasRenderingContext2D} pen @param {{back: string, line: string}} masked */
export function hatchPattern(pen, masked, scale) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(HATCH * scale);
  const brush = tile.getContext("2d");
  brush.scale(tile.width / HATCH, tile.width / HATCH);
  brush.fillStyle = masked.back;
  brush.fillRect(0, 0, HATCH, HATCH);
  brush.strokeStyle = masked.line;
  brush.stroke(new Path2D(hatchPath(HATCH)));
  const pattern = pen.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(HATCH / tile.width)); // one tile pixel is one pixel of the screen
  return pattern;
}

function drawShape(pen, shape, scene, scale) {
  pen.save();
  if (shape.dash) pen.setLineDash(shape.dash.split(/[ ,]+/).map(Number));
  if (shape.kind === "rect") {
    if (shape.fill === "hatch") pen.fillStyle = hatchPattern(pen, scene.masked, scale);
    else if (shape.fill === "ramp") pen.fillStyle = canvasRamp(pen, shape, scene.stops);
    else pen.fillStyle = shape.fill ?? "transparent";
    pen.beginPath();
    pen.roundRect(shape.x, shape.y, shape.w, shape.h, shape.radius ?? 0);
    if (shape.fill) pen.fill();
    if (shape.line) {
      pen.strokeStyle = shape.line;
      pen.stroke();
    }
  } else if (shape.kind === "path") {
    pen.translate(shape.x ?? 0, shape.y ?? 0);
    pen.globalAlpha = shape.alpha ?? 1;
    pen.lineWidth = shape.width ?? 1;
    if (shape.fill) {
      pen.fillStyle = shape.fill;
      pen.fill(new Path2D(shape.d));
    }
    if (shape.line) {
      pen.strokeStyle = shape.line;
      pen.stroke(new Path2D(shape.d));
    }
  } else if (shape.kind === "image") {
    pen.beginPath();
    pen.roundRect(shape.x, shape.y, shape.w, shape.h, shape.radius ?? 0);
    pen.clip();
    pen.imageSmoothingEnabled = shape.smooth ?? false;
    pen.drawImage(shape.source, shape.x, shape.y, shape.w, shape.h);
  } else {
    pen.translate(shape.x, shape.y);
    pen.rotate(((shape.angle ?? 0) * Math.PI) / 180);
    pen.font = `${shape.weight ?? 400} ${shape.size ?? 12}px ${scene.font}`;
    pen.textAlign = shape.anchor === "middle" ? "center" : (shape.anchor ?? "start");
    pen.textBaseline = "middle";
    pen.fillStyle = shape.fill;
    pen.fillText(shape.text, 0, 0);
  }
  pen.restore();
}

function canvasRamp(pen, { x, w }, stops) {
  const gradient = pen.createLinearGradient(x, 0, x + w, 0);
  stops.forEach((colour, i) => gradient.addColorStop(i / Math.max(1, stops.length - 1), colour));
  return gradient;
}
