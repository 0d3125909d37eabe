/** What an object is made of: shapes, colours, sizes; the background; where it stands. */
import { make, makeSvg } from "../kit/dom.js";
import { outline } from "./shapes.js";

const ICON = 20;

export class Tools {
  /**
   * @param {object} wiring
   * @param {(part: "shape"|"colour"|"size", id: string) => void} wiring.choose
   * @param {(id: string) => void} wiring.ground
   * @param {(axis: "x"|"y", value: number, done: boolean) => void} wiring.move
   * @param {() => void} wiring.add @param {() => void} wiring.remove
   */
  constructor(wiring) {
    this.wiring = wiring;
    this.element = make("div", { class: "tools-of" });
    this.add = make("button", { type: "button", class: "do", onclick: wiring.add });
    this.remove = make("button", { type: "button", class: "do", onclick: wiring.remove });
    this.sliders = {};
    this.outputs = {};
    for (const axis of ["x", "y"]) {
      const slider = make("input", { type: "range", min: 0, max: 100, step: 1 });
      slider.addEventListener("input", () => wiring.move(axis, Number(slider.value), false));
      slider.addEventListener("change", () => wiring.move(axis, Number(slider.value), true));
      this.sliders[axis] = slider;
      this.outputs[axis] = make("output");
    }
  }

  /** Made again only if what they show changed, so a drag survives an update. */
  update(data, say) {
    const shape = JSON.stringify([data.shapes, data.colours, data.sizes, data.ui]);
    if (shape === this.shape) return;
    this.shape = shape;
    const { choose, ground } = this.wiring;
    this.buttons = { shape: [], colour: [], size: [], ground: [] };
    const button = (part, one, children, press) => {
      const found = make("button", { type: "button", class: part, "aria-label": one.label, title: one.label, onclick: () => press(one.id) }, children);
      this.buttons[part].push({ id: one.id, element: found });
      return found;
    };
    const swatch = ({ css }) => make("i", { class: "swatch", style: `background: ${css}` });
    const icon = ({ id }) => {
      const path = makeSvg("path", { d: outline(id, ICON / 2, ICON / 2, ICON / 2 - 1.5) });
      return makeSvg("svg", { width: ICON, height: ICON, viewBox: `0 0 ${ICON} ${ICON}`, "aria-hidden": "true" }, [path]);
    };
    const row = (part, list, inside, press) => {
      const items = make("div", { class: "items", role: "group", "aria-label": say(`scene_${part}`) }, list.map((one) => button(part, one, inside(one), press)));
      return make("div", { class: `line ${part}s` }, [make("span", { class: "label", text: say(`scene_${part}`) }), items]);
    };
    const slider = (axis) => {
      this.sliders[axis].setAttribute("aria-label", say(`scene_${axis}`));
      return make("label", { class: "axis" }, [make("span", { class: "label", text: axis }), this.sliders[axis], this.outputs[axis]]);
    };
    this.add.textContent = say("scene_add");
    this.remove.textContent = say("scene_remove");
    const sizes = row("size", data.sizes, (one) => [one.label], (id) => choose("size", id));
    sizes.append(make("div", { class: "does" }, [this.add, this.remove]));
    this.element.replaceChildren(
      row("shape", data.shapes, (one) => [icon(one)], (id) => choose("shape", id)),
      row("colour", data.colours, (one) => [swatch(one)], (id) => choose("colour", id)),
      sizes,
      row("ground", data.colours, (one) => [swatch(one)], ground),
      make("div", { class: "axes" }, [slider("x"), slider("y")]),
    );
  }

  /** @param {{shape: string, colour: string, size: string}} pen @param {import("./shapes.js").Thing|null} thing the chosen one */
  show(pen, ground, thing, full) {
    const on = { ...pen, ground };
    for (const [part, buttons] of Object.entries(this.buttons)) {
      for (const { id, element } of buttons) element.setAttribute("aria-pressed", String(id === on[part]));
    }
    this.add.disabled = full;
    this.remove.disabled = !thing;
    for (const axis of ["x", "y"]) {
      const slider = this.sliders[axis];
      slider.disabled = !thing;
      const value = thing ? Math.round(thing[axis]) : 50;
      if (Number(slider.value) !== value) slider.value = String(value);
      slider.style.setProperty("--share", `${value}%`);
      this.outputs[axis].textContent = thing ? String(value) : "";
    }
  }
}
