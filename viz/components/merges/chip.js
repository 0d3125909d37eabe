/** A piece as a small box with the hue of its id. */
import { make, makeSvg } from "../kit/dom.js";
import { shorten } from "../kit/format.js";
import { tint } from "../kit/hue.js";

/** @param {any} element @param {number} id @param {import("./model.js").Model} model @param {boolean} dark */
export function dressChip(element, id, model, dark, length = 24) {
  const name = model.name(id);
  element.textContent = shorten(name, length);
  if ([...name].length > length) element.title = name;
  else element.removeAttribute("title");
  element.style.background = tint(id, dark);
}

/** The two signs of the table: taken, and what another algorithm would take. */
const SIGNS = { chosen: "M1 6a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z", rival: "M6 1L11 6L6 11L1 6Z" };

/** @param {"chosen"|"rival"} name */
export const makeSign = (name) =>
  makeSvg("svg", { class: `sign-${name}`, width: 12, height: 12, "aria-hidden": "true" }, [makeSvg("path", { d: SIGNS[name] })]);

/** @param {Record<string, any>} [attributes] */
export const makeChip = (attributes = {}) => make("span", { dir: "auto", ...attributes, class: `chip ${attributes.class ?? ""}` });
