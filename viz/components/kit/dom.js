/** Small helpers to build elements. Text is only ever written with textContent: what visitors type stays text. */

/**
 * @param {string} tag @param {Record<string, any>} [attributes] `class`, `text`, `on…` listeners, others as attributes
 * @param {(Node|string)[]} [children]
 * @returns {any}
 */
export function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} tag @param {Record<string, any>} [attributes] @param {Node[]} [children] */
export function makeSvg(tag, attributes = {}, children = []) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** A box that scrolls can be reached by the keyboard, and only then. @param {HTMLElement} box @param {boolean} scrolls */
export function reachable(box, scrolls, label) {
  if (!scrolls) return ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
  for (const [name, value] of Object.entries({ tabindex: "0", role: "group", "aria-label": label })) box.setAttribute(name, value);
}

/** A line that reads keeps the room of the longest of its texts. @param {HTMLElement} line @param {string[]} texts @param {number} width */
export function reserve(line, texts, width) {
  line.hidden = !texts.length;
  if (!texts.length) return;
  line.style.height = "auto";
  const high = texts.map((text) => {
    line.textContent = text;
    return text.length > width / 9 ? line.offsetHeight : 21;
  });
  line.style.height = `${Math.max(...high)}px`;
}

const PATHS = {
  play: "M4.5 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  back: "M10.5 3 5.5 8l5 5",
  forward: "M5.5 3l5 5-5 5",
  first: "M4 3v10M12 3 7 8l5 5",
  last: "M12 3v10M4 3l5 5-5 5",
};

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  const solid = name === "play" || name === "pause";
  const path = makeSvg("path", { d: PATHS[name], class: solid ? "solid" : "stroke" });
  return makeSvg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", class: "icon" }, [path]);
}

/** A button that shows only an icon. @param {keyof typeof PATHS} name @param {string} label @param {() => void} click */
export function iconButton(name, label, click) {
  return make("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick: click }, [
    icon(name),
  ]);
}
