/** Sentences with pieces in them, and how a piece is written. */
import { make } from "../kit/dom.js";
import { visible } from "../kit/format.js";
import { markOf } from "../tokens/text.js";

const BYTES = /(?:<0x[0-9A-Fa-f]{2}>)+/g;

/** A piece as it is drawn: what prints nothing gets a mark, a byte that is no character is its two hex digits. */
export function face(text) {
  const [only, more] = text;
  const named = only !== undefined && more === undefined && !/[ \n\t]/.test(only) ? markOf(only.codePointAt(0)) : "";
  const marked = named || visible(text);
  return marked.replace(BYTES, (run, at) => {
    const digits = run.slice(3, -1).split("><0x").join(" ");
    const before = at > 0 ? " " : "";
    return before + digits + (at + run.length < marked.length ? " " : "");
  });
}

/**
 * A template with its placeholders filled; a value that is an object is a piece or a list of nodes.
 * @param {string} template @param {Record<string, string|number|{piece: string}|{nodes: (Node|string)[]}>} values
 * @returns {(Node|string)[]}
 */
export function phrase(template, values) {
  return template.split(/\{(\w+)\}/).flatMap((text, i) => {
    if (i % 2 === 0) return text ? [text] : [];
    const value = values[text];
    if (value === undefined) return [`{${text}}`];
    if (typeof value !== "object") return [String(value)];
    return "nodes" in value ? value.nodes : [make("bdi", { class: "piece", text: face(value.piece) })];
  });
}
