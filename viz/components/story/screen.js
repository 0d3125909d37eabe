/**
 * Shapes of a scene (kit/scene.js) as living elements: an element whose shape only changes its colour or place is kept,
 * so that a step of the player fades instead of flickering.
 *
 * @typedef {import("../kit/scene.js").Scene} Scene
 */
import { makeSvg } from "../kit/dom.js";

const HATCH = 6;

export class Screen {
  constructor() {
    this.hatch = makeSvg("pattern", { id: "hatch", width: HATCH, height: HATCH, patternUnits: "userSpaceOnUse" });
    this.shapes = makeSvg("g");
    this.element = makeSvg("svg", { class: "drawing", "aria-hidden": "true" }, [
      makeSvg("defs", {}, [this.hatch]),
      this.shapes,
    ]);
  }

  /** @param {Scene} scene */
  show(scene) {
    const { width, height, masked, font } = scene;
    const size = { width, height, viewBox: `0 0 ${width} ${height}`, "font-family": font };
    write(this.element, size);
    this.hatch.replaceChildren(
      makeSvg("rect", { width: HATCH, height: HATCH, fill: masked.back }),
      makeSvg("path", { d: `M-1 1 1-1M0 ${HATCH} ${HATCH} 0M5 7 7 5`, stroke: masked.line }),
    );
    scene.shapes.forEach((shape, i) => {
      let element = this.shapes.children[i];
      if (element?.tagName !== shape.kind) {
        const fresh = makeSvg(shape.kind);
        if (element) element.replaceWith(fresh);
        else this.shapes.append(fresh);
        element = fresh;
      }
      write(element, attributesOf(shape));
      if (shape.kind === "text" && element.textContent !== shape.text) element.textContent = shape.text;
    });
    while (this.shapes.children.length > scene.shapes.length) this.shapes.lastChild.remove();
  }
}

/** @param {Element} element @param {Record<string, string|number>} attributes */
function write(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
  }
}

const paint = (fill) => (fill === "hatch" ? "url(#hatch)" : (fill ?? "none"));

function attributesOf(shape) {
  if (shape.kind === "rect") {
    const { x, y, w, h, fill, line = "none", radius = 0, dash = "none" } = shape;
    return { x, y, width: w, height: h, rx: radius, fill: paint(fill), stroke: line, "stroke-dasharray": dash };
  }
  if (shape.kind === "path") {
    const { d, line = "none", width = 1, fill = "none", alpha = 1 } = shape;
    return { d, stroke: line, "stroke-width": width, fill, opacity: alpha };
  }
  const { x, y, fill, size = 12, anchor = "start", weight = 400 } = shape;
  return { x, y, fill, "font-size": size, "text-anchor": anchor, "font-weight": weight, "dominant-baseline": "central" };
}
