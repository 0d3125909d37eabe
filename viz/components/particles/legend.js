/** What points, shades and lines mean, in one line above the planes: only what there is. */
import { make, makeSvg } from "../kit/dom.js";

const HIGH = 14;

export class Legend {
  constructor() {
    this.element = make("div", { class: "legend" });
  }

  /** @param {import("./model.js").Model} model */
  update(model, say) {
    const any = (name) => model.planes.some((plane) => plane[name]);
    const sign = (width, children) => makeSvg("svg", { width, height: HIGH, "aria-hidden": "true", class: "sign" }, children);
    const disc = (name, r = 4, x = 7) => line(name, `M${x - r} ${HIGH / 2}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`);
    const line = (name, d) => makeSvg("path", { d, class: name });
    const item = (icon, text) => make("span", { class: "item" }, [icon, make("span", { text })]);
    const groups = Math.max(...model.planes.map((plane) => plane.groups));
    const found = [];
    if (model.grouped && model.groups.length) {
      for (let group = 0; group < groups; group++) found.push(item(sign(14, [disc(`group-${group % 8}`)]), model.groups[group]));
    } else {
      // Without names of their own, the classes are a few discs of different colours.
      const discs = model.grouped ? [0, 1, 2].slice(0, groups).map((group) => disc(`group-${group}`, 4, 7 + 11 * group)) : [disc("ink")];
      found.push(item(sign(3 + 11 * discs.length, discs), say("particles_points")));
    }
    if (any("ghost")) found.push(item(sign(14, [disc("ghost", 2.6)]), say("particles_ghost")));
    if (any("density")) {
      const steps = [0.15, 0.5, 1].map((share, k) => makeSvg("rect", { x: 11 * k, y: 1, width: 11, height: 12, class: "shade", style: `fill-opacity: ${share}` }));
      found.push(item(sign(34, steps), say("particles_density")));
    }
    if (any("vectors")) found.push(item(sign(20, [line("arrow", "M1 7H17M12 3.5L17 7L12 10.5")]), say("particles_arrows")));
    if (any("target")) found.push(item(sign(24, [line("thin", "M1 7H15"), disc("ring", 3.4, 19)]), say("particles_target")));
    this.element.replaceChildren(...found);
  }

  dress({ palette }) {
    const { style } = this.element;
    palette.expert.forEach((colour, k) => style.setProperty(`--group-${k}`, colour));
    for (const [name, colour] of Object.entries({ shade: palette.probability[4], query: palette.query, value: palette.value })) {
      style.setProperty(`--${name}`, colour);
    }
  }
}
