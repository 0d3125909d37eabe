/**
 * Lines and areas that can be painted on a canvas and written into a file alike: a layer is a path with how it looks.
 *
 * @typedef {{path: any, line?: string, fill?: string, width?: number, alpha?: number, cap?: "round"|"butt"}} Layer
 *   path: a Path2D for the canvas, a PathText for a file
 */

const short = (x) => Math.round(x * 100) / 100;

/** The part of Path2D that the picture uses, as the `d` of an SVG path. */
export class PathText {
  d = "";

  moveTo(x, y) {
    this.d += `M${short(x)} ${short(y)}`;
  }

  lineTo(x, y) {
    this.d += `L${short(x)} ${short(y)}`;
  }

  rect(x, y, w, h) {
    this.d += `M${short(x)} ${short(y)}h${short(w)}v${short(h)}h${short(-w)}Z`;
  }

  /** As Path2D draws it: a line leads to its start if there is a point already. */
  arc(x, y, radius, from, to, backwards = false) {
    const point = (angle) => `${short(x + radius * Math.cos(angle))} ${short(y + radius * Math.sin(angle))}`;
    const sweep = to - from;
    const pieces = Math.abs(sweep) >= Math.PI ? 2 : 1;
    this.d += `${this.d && !this.d.endsWith("Z") ? "L" : "M"}${point(from)}`;
    for (let i = 1; i <= pieces; i++) {
      this.d += `A${short(radius)} ${short(radius)} 0 0 ${backwards ? 0 : 1} ${point(from + (sweep * i) / pieces)}`;
    }
  }

  closePath() {
    this.d += "Z";
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Layer[]} layers */
export function paint(pen, layers) {
  pen.lineJoin = "round";
  for (const { path, line, fill, width = 1, alpha = 1, cap = "butt" } of layers) {
    pen.globalAlpha = alpha;
    if (fill) {
      pen.fillStyle = fill;
      pen.fill(path);
    }
    if (line) {
      pen.strokeStyle = line;
      pen.lineWidth = width;
      pen.lineCap = cap;
      pen.stroke(path);
    }
  }
  pen.globalAlpha = 1;
}

/** The same as shapes of a scene, moved by (x, y). @param {Layer[]} layers */
export function shapes(layers, x, y) {
  return layers
    .filter(({ path }) => path.d)
    .map(({ path, line, fill, width, alpha }) => ({ kind: "path", d: path.d, x, y, line, fill, width, alpha }));
}
