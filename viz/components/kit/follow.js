/**
 * One scrubber moves all: while a scrubber with a `field` moves it announces its position, and every component on the page
 * that shows the same field can follow, without the server.
 */

const EVENT = "atlas-scrub";

/** @param {string} field the Config field that the scrubber drives @param {number} index its position, from 0 */
export function announce(field, index) {
  if (field) window.dispatchEvent(new CustomEvent(EVENT, { detail: { field, index } }));
}

/**
 * Call back with every position announced for a field, at most once per animation frame and scrubber.
 * @param {string} field @param {(index: number) => void} callback
 * @returns {() => void} stop following
 */
export function follow(field, callback) {
  /** @param {CustomEvent<{field: string, index: number}>} event */
  const heard = ({ detail }) => {
    if (detail.field === field) callback(detail.index);
  };
  window.addEventListener(EVENT, /** @type {EventListener} */ (heard));
  return () => window.removeEventListener(EVENT, /** @type {EventListener} */ (heard));
}
