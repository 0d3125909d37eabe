/**
 * A picture that moves its scrubber when it is dragged itself.
 * @param {Element} element
 * @param {object} wiring
 * @param {() => void} wiring.grab the pointer takes hold
 * @param {(clientX: number, asked: number) => void} wiring.drag it is here, since the time `asked`
 * @param {() => void} wiring.settle it lets go
 */
export function draggable(element, { grab, drag, settle }) {
  // The keyboard goes on where the pointer stopped: a press must not take the focus from the slider.
  element.addEventListener("mousedown", (event) => event.preventDefault());
  const move = (/** @type {PointerEvent} */ event) => drag(event.clientX, event.timeStamp);
  element.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button) return;
    element.setPointerCapture(event.pointerId);
    grab();
    move(event);
  });
  element.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (element.hasPointerCapture(event.pointerId)) move(event);
  });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, settle);
}
