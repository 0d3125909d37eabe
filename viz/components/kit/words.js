/**
 * The kit's own words. Python sends them in the visitor's language (`data.ui`, from ui/words.toml, section kit); the
 * English here is the fallback and must be the same text, which a test checks.
 */
export const ENGLISH = {
  play: "Play",
  pause: "Pause",
  first: "First",
  last: "Last",
  step_back: "One step back",
  step_forward: "One step forward",
  export_as: "Download as {format}",
  steps: "Steps of the computation",
  previous_step: "Previous step",
  next_step: "Next step",
  masked: "masked",
  visible: "visible",
  masked_cell: "{row} may not look at {col}",
  rows_are: "rows",
  columns_are: "columns",
  hint: "Point at a cell to see how it is computed. A click keeps it, Escape lets it go.",
  keys: "Arrow keys move the cell, Enter pins it, Escape lets it go, [ and ] change the step.",
  row_strongest: "Strongest in the row of {row}",
  more_terms: "{n} more",
  pinned: "pinned",
  row: "row {n}",
  column: "column {n}",
  hint_tokens: "Point at a token to see its weights. A click keeps it, Escape lets it go.",
  looks_at: "looks at",
  looked_at: "is looked at by",
  direction: "Direction",
  token: "token {n}: {text}",
  select_many: "Select several",
  select_many_help: "Let each click add or remove one",
  score: "score {n}",
  selected: "selected",
};

/**
 * @param {Record<string, string>|undefined} ui
 * @returns {(id: string, values?: Record<string, string|number>) => string}
 */
export function speaker(ui) {
  return (id, values = {}) => {
    const text = ui?.[id] ?? ENGLISH[id] ?? id;
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };
}
