/**
 * Lines and discs for a canvas or, as the text of a path, for a file: both are the same drawing.
 *
 * @typedef {{moveTo: (x: number, y: number) => void, lineTo: (x: number, y: number) => void,
 *   arc: (x: number, y: number, r: number, from: number, to: number) => void, closePath: () => void}} Sink
 * @typedef {{trace?: (to: Sink) => void, discs?: number[], r?: number, fill?: string, line?: string, width?: number,
 *   alpha?: number, dash?: string}} Layer
 *   lines and areas to trace, or the middles of equal discs (x and y in turn): many of them are quicker stamped than traced
 */
const TURN = 2 * Math.PI;
const short = (x) => Math.round(x * 10) / 10;

/** @param {Sink} to */
export function disc(to, x, y, r) {
  to.moveTo(x + r, y);
  to.arc(x, y, r, 0, TURN);
}

/** @param {CanvasRenderingContext2D} pen @param {Layer[]} layers */
export function paint(pen, layers) {
  pen.lineJoin = "round";
  for (const layer of layers) {
    const { trace, fill, line, width = 1, alpha = 1, dash } = layer;
    pen.globalAlpha = alpha;
    if (!trace) {
      stampAll(pen, layer);
      continue;
    }
    pen.beginPath();
    trace(pen);
    if (fill) {
      pen.fillStyle = fill;
      pen.fill();
    }
    if (!line) continue;
    Object.assign(pen, { strokeStyle: line, lineWidth: width, lineCap: dash || width > 1.5 ? "round" : "butt" });
    if (dash) pen.setLineDash(dash.split(" ").map(Number));
    pen.stroke();
    if (dash) pen.setLineDash([]);
  }
  pen.globalAlpha = 1;
}

/** Discs of every look so far, as the screen has them. @type {Map<string, HTMLCanvasElement>} */
const stamps = new Map();

/** @param {CanvasRenderingContext2D} pen @param {Layer} layer */
function stampAll(pen, { discs, r, fill, line, width = 0 }) {
  const { a: scale } = pen.getTransform();
  const half = Math.ceil(r + width / 2 + 1);
  const key = [r, fill, line, width, scale].join(" ");
  let stamp = stamps.get(key);
  if (!stamp) {
    if (stamps.size > 100) stamps.clear();
    const side = Math.ceil(2 * half * scale);
    stamp = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const brush = stamp.getContext("2d");
    brush.scale(scale, scale);
    paint(brush, [{ trace: (to) => disc(to, half, half, r), fill, line, width }]);
    stamps.set(key, stamp);
  }
  const wide = stamp.width / scale;
  for (let i = 0; i < discs.length; i += 2) pen.drawImage(stamp, discs[i] - half, discs[i + 1] - half, wide, wide);
}

/** The text of a path; lines are cut at the edges of a box, since a file has nothing that would hide what is outside. */
class Path {
  d = "";
  constructor({ left, top, width, height }) {
    Object.assign(this, { left, top, right: left + width, bottom: top + height, x: 0, y: 0, written: "" });
  }

  moveTo(x, y) {
    Object.assign(this, { x, y, startX: x, startY: y });
  }

  lineTo(x, y) {
    const cut = this.cut(this.x, this.y, x, y);
    if (cut) {
      const [from, to] = [`${short(cut[0])} ${short(cut[1])}`, `${short(cut[2])} ${short(cut[3])}`];
      this.d += `${from === this.written ? "" : `M${from}`}L${to}`;
      this.written = to;
    }
    Object.assign(this, { x, y });
  }

  closePath() {
    this.lineTo(this.startX, this.startY);
  }

  arc(x, y, r) {
    if (x < this.left || x > this.right || y < this.top || y > this.bottom) return;
    const [round, wide] = [short(r), short(2 * r)];
    this.d += `M${short(x + r)} ${short(y)}a${round} ${round} 0 1 0 ${-wide} 0a${round} ${round} 0 1 0 ${wide} 0`;
    this.written = "";
  }

  /** The part of a line that is in the box (Liang and Barsky, 1984). */
  cut(x0, y0, x1, y1) {
    const [dx, dy] = [x1 - x0, y1 - y0];
    let [from, to] = [0, 1];
    for (const [p, q] of [[-dx, x0 - this.left], [dx, this.right - x0], [-dy, y0 - this.top], [dy, this.bottom - y0]]) {
      if (p === 0 && q < 0) return null;
      if (p < 0) from = Math.max(from, q / p);
      if (p > 0) to = Math.min(to, q / p);
    }
    return from > to ? null : [x0 + from * dx, y0 + from * dy, x0 + to * dx, y0 + to * dy];
  }
}

/** Layers as shapes of a scene (kit/scene.js). @param {Layer[]} layers @param {any} box @returns {any[]} */
export function shapes(layers, box, x, y) {
  return layers.flatMap(({ trace, discs, r, ...look }) => {
    const path = new Path(box);
    trace?.(path);
    for (let i = 0; i < (discs?.length ?? 0); i += 2) disc(path, discs[i], discs[i + 1], r);
    return path.d ? [{ kind: "path", d: path.d, x, y, ...look }] : [];
  });
}
