/**
 * Three small buttons that download a picture (SVG, PNG) and its numbers (CSV).
 *
 * @typedef {{svg?: () => string|Promise<string>, png?: () => Promise<Blob>, csv?: () => string}} Makers
 */
import { make } from "./dom.js";

const TYPES = { svg: "image/svg+xml", png: "image/png", csv: "text/csv" };

/** @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** One field of a CSV file. @param {string|number} value */
export const csvField = (value) => {
  const text = String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** @param {(string|number)[][]} rows */
export const csv = (rows) => rows.map((row) => row.map(csvField).join(",")).join("\r\n") + "\r\n";

/**
 * @param {Makers} makers one function per offered format, called at the click
 * @param {() => string} name the file's name, without the ending
 * @param {(id: string, values?: object) => string} say
 */
export function toolbar(makers, name, say) {
  const buttons = Object.entries(makers).map(([format, produce]) => {
    const label = say("export_as", { format: format.toUpperCase() });
    const click = async () => {
      const made = await produce();
      // Spreadsheets read a CSV as UTF-8 only if it starts with the byte order mark.
      const parts = format === "csv" ? ["\ufeff", made] : [made];
      download(new Blob(parts, { type: TYPES[format] }), `${name()}.${format}`);
    };
    return make("button", { type: "button", "aria-label": label, title: label, text: format.toUpperCase(), onclick: click });
  });
  return make("div", { class: "toolbar", role: "group", "aria-label": say("export_as", { format: "SVG, PNG, CSV" }) }, buttons);
}
