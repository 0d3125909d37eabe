/** What areas, points and crosses mean, in one line above the maps. */
import { make, makeSvg } from "../kit/dom.js";
import { shape } from "./plane.js";

const SIZE = 14;

export class Legend {
  constructor() {
    this.element = make("div", { class: "legend" });
  }

  /** @param {import("./model.js").Model} model */
  update(model, say) {
    const item = (icon, text) => make("span", { class: "item" }, [icon, make("span", { text, title: text })]);
    const svg = (width, paths) => makeSvg("svg", { width, height: SIZE, "aria-hidden": "true", class: "sign" }, paths);
    const step = (alpha, k) => {
      const style = `fill-opacity: ${model.sure ? alpha : 0.4}`;
      return makeSvg("rect", { x: 11 * k, y: 1, width: 11, height: 12, class: "tint", style });
    };
    const of = (group, k) => makeSvg("path", { d: shape(group, k * (SIZE + 2) + SIZE / 2, SIZE / 2, 4.6), class: "dot" });
    const items = [item(svg(34, [0.16, 0.4, 0.62].map(step)), say(model.sure ? "regions_areas_sure" : "regions_areas"))];
    if (model.count) {
      const shapes = model.group ? [0, 1, 2].map((group, k) => of(group, k)) : [of(0, 0)];
      items.push(item(svg(shapes.length * (SIZE + 2), shapes), say(model.group ? "regions_points_grouped" : "regions_points")));
    }
    if (model.loses) {
      const cross = makeSvg("path", { d: "M3 3L11 11M11 3L3 11", class: "cross" });
      items.push(item(svg(SIZE, [cross]), say("regions_dropped")));
    }
    this.element.replaceChildren(...items);
  }

  dress(theme) {
    this.element.style.setProperty("--tint", theme.palette.expert[0]);
  }
}
