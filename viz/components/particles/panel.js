/** One plane: its title and note, its three canvases, and what is at the place that is looked at. */
import { make } from "../kit/dom.js";
import { MINUS } from "../kit/format.js";
import { paint, shapes } from "./ink.js";
import * as layers from "./layers.js";
import { absent, names, scales } from "./texts.js";

/** Room for the numbers and names of axes. */
const AXES = { left: 46, top: 8, bottom: 36 };
/** How near a point is to be looked at, in CSS pixels. */
const REACH = 14;
const ARROWS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export class Panel {
  /**
   * @param {object} wiring
   * @param {(i: number|null, at?: [number, number]) => void} wiring.look at a point, or at a place of the plane
   * @param {(i: number) => void} wiring.press a point
   */
  constructor({ look, press }) {
    Object.assign(this, { look, press });
    this.title = make("b");
    this.note = make("span", { class: "note" });
    this.canvases = ["ground", "still", "marks"].map((name) => make("canvas", { class: name, "aria-hidden": "true" }));
    [this.ground, this.still, this.marks] = this.canvases.map((canvas) => canvas.getContext("2d"));
    this.map = make("div", { class: "map", role: "application", tabindex: "0" }, this.canvases);
    this.here = make("div", { class: "here" });
    this.head = make("div", { class: "panel-title" }, [this.title, this.note]);
    this.element = make("section", { class: "panel" }, [this.head, this.map, this.here]);
    this.listen();
  }

  listen() {
    const { map } = this;
    const found = (event) => {
      const box = map.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const go = (event) => {
      const [x, y] = found(event);
      this.look(this.nearest(x, y), this.place(x, y));
    };
    map.addEventListener("pointermove", go);
    map.addEventListener("pointerdown", go);
    map.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.look(null));
    map.addEventListener("blur", () => this.look(null));
    map.addEventListener("click", (event) => {
      const point = this.nearest(...found(event));
      if (point !== null) this.press(point);
    });
    map.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return this.look(null);
    if ((event.key === "Enter" || event.key === " ") && this.looked !== null) {
      event.preventDefault();
      return this.press(this.looked);
    }
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    const next = this.towards(...ARROWS[event.key]);
    if (next !== null) this.look(next);
  }

  /** The nearest point in a direction, or the one in the middle. */
  towards(dx, dy) {
    const { plane, model, time } = this;
    const xy = plane.points.at(time);
    const here = this.looked;
    const [x, y] = here === null || here >= plane.count ? [(model.x[0] + model.x[1]) / 2, (model.y[0] + model.y[1]) / 2] : [xy[2 * here], xy[2 * here + 1]];
    let [best, least] = [null, Infinity];
    for (let i = 0; i < plane.count; i++) {
      const [px, py] = [xy[2 * i] - x, xy[2 * i + 1] - y];
      if (i === here || !model.inside(xy[2 * i], xy[2 * i + 1])) continue;
      const [along, aside] = [px * dx + py * dy, Math.abs(px * dy) + Math.abs(py * dx)];
      if (here !== null && (along <= 0 || aside > 1.5 * along)) continue;
      const far = here === null ? Math.hypot(px, py) : along + 2 * aside;
      if (far < least) [best, least] = [i, far];
    }
    return best ?? here;
  }

  /** The point at a place of the map, if one is near. @returns {number|null} */
  nearest(x, y) {
    const { plane, at, model } = this;
    if (!at) return null;
    const xy = plane.points.at(this.time);
    let [best, least] = [null, REACH * REACH];
    for (let i = 0; i < plane.count; i++) {
      if (!model.inside(xy[2 * i], xy[2 * i + 1])) continue;
      const far = (at.X(xy[2 * i]) - x) ** 2 + (at.Y(xy[2 * i + 1]) - y) ** 2;
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }

  /** Coordinates of a place of the map; null beside the plane. @returns {[number, number]|null} */
  place(x, y) {
    const { at, model } = this;
    const found = [model.x[0] + ((x - at.left) / at.width) * (model.x[1] - model.x[0]), model.y[1] - ((y - at.top) / at.height) * (model.y[1] - model.y[0])];
    return model.inside(...found) ? found : null;
  }

  /** @param {import("./model.js").Model} model @param {import("./model.js").Plane} plane */
  update(model, plane, say, first) {
    Object.assign(this, { model, plane, say, looked: null });
    this.hint = first ? say("particles_hint") : "";
    this.title.textContent = this.title.title = plane.title;
    this.element.setAttribute("aria-label", plane.title || say("particles_plane"));
    this.map.setAttribute("aria-label", `${plane.title ? `${plane.title}. ` : ""}${say("particles_plane")}. ${say("particles_keys")}`);
  }

  dress(theme) {
    this.theme = theme;
  }

  /** Room around the plane itself. */
  static margins(model) {
    return model.axes ? AXES : { left: 0, top: 0, bottom: 0 };
  }

  /** @param {number} width of the plane @param {number} height @param {number} lines of its note; 0: it stands
   * beside the title */
  arrange(width, height, lines) {
    const { left, top, bottom } = Panel.margins(this.model);
    const [w, h] = [width + left, height + top + bottom];
    this.scale = window.devicePixelRatio || 1;
    for (const canvas of this.canvases) {
      Object.assign(canvas, { width: Math.round(w * this.scale), height: Math.round(h * this.scale) });
      Object.assign(canvas.style, { width: `${w}px`, height: `${h}px` });
    }
    Object.assign(this.map.style, { width: `${w}px`, height: `${h}px` });
    this.element.style.width = `${w}px`;
    this.head.classList.toggle("beside", !lines);
    this.note.style.height = lines ? `${18 * lines}px` : "";
    this.at = layers.space(this.model, { left, top, width, height }, this.theme);
    this.drawn = -1;
    const pen = this.wipe(this.still);
    paint(pen, layers.still(this.plane, this.at, this.model.trails === "all"));
  }

  /** An empty canvas that draws only in the plane. */
  wipe(pen) {
    pen.restore();
    pen.save();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.beginPath();
    pen.rect(this.at.left, this.at.top, this.at.width, this.at.height);
    pen.clip();
    return pen;
  }

  /** @param {number} frame @param {number} time what of the motion is shown, between two frames while it moves */
  draw(frame, time, followed, looked) {
    Object.assign(this, { frame, time, looked });
    if (this.drawn < 0 || (this.plane.restless && this.drawn !== frame)) this.drawGround(frame);
    const pen = this.wipe(this.marks);
    paint(pen, this.moving(followed, looked));
    pen.restore();
    pen.save();
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    this.write(pen, this.texts(frame, followed, looked));
    const note = this.plane.note(frame);
    if (note !== this.note.textContent) this.note.textContent = this.note.title = note;
  }

  drawGround(frame) {
    this.drawn = frame;
    const { plane, at } = this;
    const pen = this.wipe(this.ground);
    if (plane.density) {
      pen.imageSmoothingQuality = "high";
      pen.drawImage(layers.densityImage(plane, frame, this.theme), at.left, at.top, at.width, at.height);
    }
    paint(pen, [...layers.ground(at, plane.density), ...layers.arrows(plane, frame, at), ...layers.edges(at)]);
  }

  /** What moves from frame to frame. */
  moving(followed, looked) {
    const { plane, model, time, at, theme } = this;
    const trailed = model.trails !== "none";
    const seen = looked !== null && !followed.includes(looked) ? [looked] : [];
    return [
      ...(model.trails === "all" ? layers.tails(plane, time, at) : []),
      ...(model.targets ? layers.ends(plane, time, at) : []),
      ...layers.dots(plane, time, at),
      ...seen.flatMap((i) => layers.one(plane, i, time, at, { colour: theme.text, trailed, kept: false })),
      ...followed.flatMap((i) => layers.one(plane, i, time, at, { colour: theme.palette.key, trailed, kept: true })),
    ];
  }

  texts(frame, followed, looked) {
    const { plane, model, at, say } = this;
    const gone = model.outside(plane, frame);
    return [
      ...(model.axes ? scales(model, at) : []),
      ...names(plane, this.time, at, followed, looked),
      ...(gone ? [absent(say("particles_outside", { n: gone }), gone / plane.count, at)] : []),
    ];
  }

  write(pen, texts) {
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    for (const { text, x, y, anchor, size, weight, fill, halo, angle } of texts) {
      pen.save();
      pen.translate(x, y);
      if (angle) pen.rotate((angle * Math.PI) / 180);
      pen.font = `${weight} ${size}px ${this.theme.font}`;
      pen.textAlign = anchor === "middle" ? "center" : anchor;
      if (halo) {
        Object.assign(pen, { strokeStyle: this.theme.back, lineWidth: 3.5 });
        pen.strokeText(text, 0, 0);
      }
      pen.fillStyle = fill;
      pen.fillText(text, 0, 0);
      pen.restore();
    }
  }

  /** What is at the point, or the place, that is looked at. @param {[number, number]|null} place */
  tell(place) {
    const { plane, looked } = this;
    const text = looked !== null ? this.sentence(looked) : place ? written(place, this.model) : this.hint;
    if (text !== this.here.textContent) this.here.textContent = this.here.title = text;
    this.here.classList.toggle("hint", looked === null);
    if (looked !== null && looked < plane.count) this.map.setAttribute("aria-description", text);
    else this.map.removeAttribute("aria-description");
  }

  /** "point 12, moon 1, (0.31, −1.20)" */
  sentence(i) {
    const { plane, model, say } = this;
    if (i >= plane.count) return "";
    const parts = [plane.labels[i] || say("particles_point", { n: i + 1 })];
    if (plane.group) parts.push(model.groups[plane.group[i]] ?? say("particles_group", { n: plane.group[i] + 1 }));
    parts.push(written(plane.points.of(this.frame, i), model));
    if (plane.target) parts.push(say("particles_ends", { place: written(plane.target.of(this.frame, i), model) }));
    return parts.join(", ");
  }

  /** For a file: shapes of a scene, the plane's upper left corner at (x, y). */
  shapes(x, y, followed, looked) {
    const { plane, at, model, frame } = this;
    const place = { x: x + at.left, y: y + at.top, w: at.width, h: at.height };
    const source = plane.density && layers.densityImage(plane, frame, this.theme);
    const behind = [...layers.ground(at, plane.density), ...layers.arrows(plane, frame, at), ...layers.still(plane, at, model.trails === "all")];
    const drawn = [
      ...(source ? [{ kind: "image", ...place, source, smooth: true }] : []),
      ...shapes([...behind, ...this.moving(followed, looked), ...layers.edges(at)], at, x, y),
    ];
    return [...drawn, ...this.texts(frame, followed, looked).map((text) => ({ ...text, x: text.x + x, y: text.y + y }))];
  }
}

/** A place, with as many decimals as a hundredth of the axis needs. */
function written([x, y], model) {
  if (Math.max(Math.abs(x), Math.abs(y)) > 1e4) return "∞";
  const one = (value, [low, high]) => {
    const decimals = Math.max(0, Math.ceil(Math.log10(100 / (high - low))));
    return (Number(value.toFixed(decimals)) || 0).toFixed(decimals).replace("-", MINUS);
  };
  return `(${one(x, model.x)}, ${one(y, model.y)})`;
}
