/** Who plays a picture's frames: a slider of its own, and whoever else on the page moves the same field. */
import { follow } from "./follow.js";
import { Echo } from "./host.js";
import { Scrubber } from "./scrubber.js";

export class Player {
  index = 0;
  frames = 1;
  echo = new Echo();

  /**
   * @param {object} wiring
   * @param {(index: number) => void} wiring.show draws a frame, at once
   * @param {(index: number) => void} wiring.release the visitor settled on this one
   * @param {(count: number) => number} [wiring.pace] milliseconds per frame while it plays
   */
  constructor({ show, release, pace }) {
    this.show = show;
    this.scrubber = new Scrubber({ paint: (index) => this.move(index), release, ...(pace && { pace }) });
  }

  /** @param {{index: number, follow: string, scrub?: import("./scrubber.js").Scrub}} data @param {number} frames */
  update(data, frames, say) {
    this.frames = frames;
    this.own = Boolean(data.scrub);
    if (this.echo.isNews(data.index)) this.index = data.index ?? 0;
    if (data.scrub) {
      this.scrubber.update(data.scrub, say);
      this.index = this.scrubber.index;
    }
    this.index = Math.min(this.index, frames - 1);
    const field = data.follow || data.scrub?.field || "";
    if (field === this.field) return;
    this.unfollow?.();
    this.field = field;
    this.unfollow = field ? follow(field, (index) => this.heard(index)) : undefined;
  }

  /** The slider stands after this element, if there is one; what is there already is not moved, so it keeps the focus. */
  stand(element) {
    if (!this.own) this.scrubber.element.remove();
    else if (!this.scrubber.element.isConnected) element.after(this.scrubber.element);
  }

  move(index) {
    this.index = Math.min(index, this.frames - 1);
    this.show(this.index);
  }

  /** Another scrubber of the same field moves. */
  heard(index) {
    if (index === this.index || index >= this.frames) return;
    if (this.own) this.scrubber.moved(index);
    else this.echo.note(index);
    this.move(index);
  }

  stop() {
    this.scrubber.stop();
    this.unfollow?.();
  }
}
