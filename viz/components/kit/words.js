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
  merges_curve: "characters per token",
  merges_axis: "vocabulary size",
  merges_candidates: "Candidates for the next step",
  merges_pair: "pair",
  merges_piece: "piece",
  merges_chosen: "taken",
  merges_rival: "the other algorithm would take",
  merges_vocabulary: "Vocabulary",
  merges_tree: "How it was merged",
  merges_done: "The training ends here: no candidate is left to take.",
  merges_made: "made in step {step}",
  merges_start: "there from the start",
  merges_removed: "removed in step {step}",
  merges_more: "{n} more",
  merges_keys: "Arrow keys move, Enter shows how a piece was merged, Escape returns to the newest one.",
  staff_rings: "boundaries differ",
  staff_lost: "lost",
  staff_keys: "Arrow keys move from token to token and from row to row, Enter picks one.",
  staff_id: "id",
  staff_bytes: "bytes",
  staff_nth: "token {n} of {of}",
  staff_part_of: "a part of {text}",
  staff_no_text: "stands for no text",
  staff_inexact: "decodes to something other than {text}",
  story_start: "before the first merge: {n} pieces",
  story_step: "step {step} of {count}: {left} + {right}, {name} {rank}",
  story_whole: "nothing to merge: {pieces}",
  story_scrub: "step",
  story_found: "token {k} of {count}: {piece} is the longest piece in the vocabulary that fits here ({n} tried)",
  story_unfound: "nothing that begins with {piece} is in the vocabulary ({n} tried): the whole word {word} becomes the unknown token",
  story_found_lost: "{piece} is the longest piece that fits here ({n} tried), but a later part fits none: the whole word {word} becomes the unknown token",
  story_tried: "{n} tried",
  story_nothing: "nothing fits",
  story_best: "best",
  story_path: "log-probability {log_prob}, {share} of the probability of all segmentations: {sum}",
  story_edge: "{piece}: log-probability {log_prob}, probability {probability}; the segmentations that use it hold {share} of the probability",
  story_scale: "used with probability",
  story_switch: "Segmentation",
  story_keys_replay: "Merges: arrow keys step through them",
  story_keys_search: "Candidates: arrow keys move from token to token",
  story_keys_lattice: "Lattice: arrow keys move from piece to piece, Escape returns to the path",
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
