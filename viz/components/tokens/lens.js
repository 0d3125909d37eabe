/** One token in words: for the note beside it, and for a screen reader. */
import { make } from "../kit/dom.js";
import { number, shorten, visible } from "../kit/format.js";
import { tint } from "../kit/hue.js";

/** Bytes written out, and letters of a piece: a longer one is cut. */
const BYTES = 12;
const LETTERS = 48;

/** @typedef {import("./main.js").Staff} Staff */

/** What there is to say about a token, in order: [name, value]. @param {Staff} staff */
function facts(staff, { row, token }) {
  const { say, rows, bytes, units } = staff;
  const one = rows[row];
  const id = one.id(token);
  const [start, end] = one.span(token);
  const list = [[say("staff_id"), id < 0 ? "–" : String(id)]];
  if (end > start) {
    const hex = [...bytes.subarray(start, Math.min(end, start + BYTES))].map((b) => b.toString(16).toUpperCase().padStart(2, "0"));
    list.push([say("staff_bytes"), hex.join(" ") + (end - start > BYTES ? ` … (${end - start})` : "")]);
  }
  const rank = one.rank(token);
  if (rank !== undefined) list.push([one.rankName, number(rank, 4)]);
  return { list, note: note(), text };

  function text() {
    return shorten(visible(one.slice(token)), LETTERS);
  }

  /** What is special about it. */
  function note() {
    if (end === start) return say("staff_no_text");
    const first = one.first[token];
    const upto = one.endOf(token) - 1;
    const share = one.shared.get(token);
    if (units.part[first] || units.part[upto] !== units.parts[upto] - 1) {
      const from = units.part[first] ? first - units.part[first] : first;
      const to = upto - units.part[upto] + units.parts[upto];
      return say("staff_part_of", { text: shorten(units.text.slice(units.from[from], units.from[to]), LETTERS) });
    }
    if (share) return say("staff_part_of", { text: text() });
    if (!one.exact(token)) return say("staff_inexact", { text: text() });
    return "";
  }
}

/** The piece as the vocabulary writes it. */
const piece = (row, token) => shorten(visible(row.piece(token)), LETTERS);

/** @param {Staff} staff @param {{row: number, token: number}} token @returns {Node[]} */
export function lens(staff, token) {
  const row = staff.rows[token.row];
  const { list, note } = facts(staff, token);
  const name = make("bdi", { class: "piece", text: piece(row, token.token) });
  name.style.background = tint(row.hueOf(token.token), staff.theme.dark);
  const place = `${row.name} · ${staff.say("staff_nth", { n: token.token + 1, of: row.count })}`;
  const rows = list.flatMap(([key, value]) => [make("dt", { text: key }), make("dd", { text: value })]);
  return [
    make("div", { class: "head" }, [name, make("span", { class: "where", text: place })]),
    make("dl", {}, rows),
    ...(note ? [make("div", { class: "note", text: note })] : []),
  ];
}

/** @param {Staff} staff @param {{row: number, token: number}} token */
export function describe(staff, token) {
  const row = staff.rows[token.row];
  const { list, note } = facts(staff, token);
  const told = list.filter(([, value]) => value !== "–").map(([key, value]) => `${key} ${value}`);
  const nth = staff.say("staff_nth", { n: token.token + 1, of: row.count });
  return [`${row.name}, ${nth}: ${piece(row, token.token)}`, ...told, note].filter(Boolean).join(", ");
}
