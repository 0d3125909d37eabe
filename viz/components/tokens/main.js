/**
 * The token staff: a text in lines and, under each line, one row of boxes per tokenizer on the text's own columns.
 * See __init__.py for what Python sends. State sent to the server: "picked" [row, index of the token].
 */
import { readTheme } from "../kit/colour.js";
import { make, makeSvg, reachable } from "../kit/dom.js";
import { follow } from "../kit/follow.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { toPng, toSvg } from "../kit/scene.js";
import { csv, toolbar } from "../kit/toolbar.js";
import { speaker } from "../kit/words.js";
import { table, toScene } from "./export.js";
import { linesOf, measures, rowTop, Ruler, SIZES, widthsOf } from "./layout.js";
import { describe, lens } from "./lens.js";
import { boxes, Painter, RING } from "./paint.js";
import { Row } from "./rows.js";
import { BYTE, unitsOf } from "./text.js";

const style = await sheet(new URL("./main.css", import.meta.url));

/** Below this width the names stand above their rows. */
const NARROW = 600;
/** Browsers know no higher elements than some millions of pixels; a longer text scrolls in larger steps. */
const TALLEST = 8_000_000;
/** Units up to which larger letters are tried. */
const SHORT = 1000;
/** How far beside a sliver the pointer still means it. */
const NEAR = 5;

export class Staff {
  /** @param {import("../kit/host.js").Place} place */
  constructor({ root, send }) {
    this.root = root;
    this.send = send;
    /** @type {{row: number, token: number}|null} under the pointer or moved to by keys */
    this.hover = null;
    /** @type {{row: number, token: number}|null} */
    this.picked = null;
    this.echo = { picked: new Echo(), index: new Echo() };
    this.frame = 0;
    this.request = 0;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.painter = new Painter(this.canvas);
    this.layer = make("div", {
      class: "layer",
      role: "application",
      tabindex: 0,
      onpointermove: (event) => this.point(this.tokenUnder(event)),
      onpointerleave: (event) => event.pointerType === "mouse" && this.point(null),
      onclick: (event) => this.press(this.tokenUnder(event)),
      onkeydown: (event) => this.key(event),
      onblur: () => this.point(null),
    });
    this.scroller = make("div", { class: "scroller", onscroll: () => this.scrolled() }, [this.canvas, this.layer]);
    this.lens = make("div", { class: "lens", hidden: true, "aria-hidden": "true" });
    this.legend = make("div", { class: "legend" });
    this.bar = make("div", { class: "bar" });
    this.absent = make("div", { class: "absent" });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    const parts = [this.bar, this.absent, this.scroller, this.lens, this.spoken];
    this.element = make("div", { class: "kit staff", role: "figure" }, parts);
    root.append(this.element);
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.element);
    this.fontsCame = () => this.data && this.restyle();
    document.fonts?.addEventListener("loadingdone", this.fontsCame);
  }

  destroy() {
    this.observer.disconnect();
    this.unfollow?.();
    document.fonts?.removeEventListener("loadingdone", this.fontsCame);
    cancelAnimationFrame(this.request);
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.data = data;
    this.say = speaker({ ...data.ui, ...data.words });
    this.rows = data.rows.map((row, i) => (row.sentence ? null : new Row(row, i))).filter(Boolean);
    if (this.echo.index.isNews(data.index)) this.frame = data.index;
    if (this.echo.picked.isNews(data.picked)) this.picked = this.ours(data.picked);
    this.hover = null;
    this.lens.hidden = true;
    if (data.follow !== this.field) {
      this.unfollow?.();
      this.field = data.follow;
      this.unfollow = data.follow ? follow(data.follow, (index) => this.show(index)) : undefined;
    }
    this.read();
    this.element.style.height = `${data.height}px`;
    this.layer.setAttribute("aria-label", `${data.alt} ${this.say("staff_keys")}`);
    this.element.setAttribute("aria-label", data.alt);
    this.restyle();
  }

  /** A picked token in our count, which leaves out rows without tokens; null if it is not there. */
  ours(picked) {
    const row = picked ? this.rows.findIndex((one) => one.index === picked[0]) : -1;
    return row < 0 ? null : { row, token: picked[1] };
  }

  /** The text into units, the rows' tokens onto them. */
  read() {
    const { text } = this.data;
    this.bytes = new TextEncoder().encode(text);
    const starts = this.rows.some((row) => row.frames) ? codePoints(this.bytes) : new Uint32Array();
    const cut = new Uint8Array(this.bytes.length + 1);
    for (const row of this.rows) row.mark(cut, starts);
    this.units = unitsOf(text, this.bytes.length, cut);
    this.hasBytes = this.units.kind.includes(BYTE);
    this.plain = this.rows.length !== 1 || this.hasBytes; // one row of whole letters says it all
    this.shared = new Uint8Array(this.units.count + 1);
    for (const row of this.rows) {
      row.frame = this.frame;
      row.place(this.units, starts);
      for (let u = 0; u <= this.units.count; u++) this.shared[u] += row.edge[u];
    }
    if (this.picked && this.picked.token >= this.rows[this.picked.row].count) this.picked = null;
  }

  /** New theme, words or data. */
  restyle() {
    if (!this.data) return;
    this.theme = readTheme(this.root.host);
    const css = getComputedStyle(this.root.host);
    const code = css.getPropertyValue("--st-code-font").trim() || "monospace";
    this.mono = `${code}, ${this.theme.font}`;
    this.element.style.setProperty("--mono", this.mono);
    this.painter.dress(this.theme, css.getPropertyValue("--st-primary-color").trim() || this.theme.text);
    this.rulers = new Map();
    this.writeBar();
    this.arrange(true);
  }

  writeBar() {
    const { say, data } = this;
    const keys = [];
    if (this.rows.length > 1) {
      const ring = makeSvg("circle", { cx: 5, cy: 5, r: RING, class: "ring" });
      keys.push(make("span", { class: "key" }, [makeSvg("svg", { width: 10, height: 10, "aria-hidden": "true" }, [ring]), say("staff_rings")]));
    }
    if (this.rows.some((row) => row.loses(this.bytes.length))) {
      const { back, line } = this.theme.palette.masked;
      const hatch = `background: repeating-linear-gradient(135deg, ${line} 0 1px, ${back} 1px 4px)`;
      keys.push(make("span", { class: "key" }, [make("i", { style: hatch }), say("staff_lost")]));
    }
    this.legend.replaceChildren(...keys);
    const makers = {
      svg: () => toSvg(toScene(this)),
      png: () => toPng(toScene(this)),
      csv: () => csv(table(this)),
    };
    this.bar.replaceChildren(this.legend, toolbar(makers, () => data.name, say));
    const without = data.rows.filter((row) => row.sentence);
    this.absent.replaceChildren(
      ...without.map((row) => make("p", {}, [make("strong", { text: row.name }), make("span", { text: row.sentence })])),
    );
    this.absent.hidden = without.length === 0;
  }

  /** Share out the room. */
  arrange(again = false) {
    const width = this.scroller.clientWidth;
    const height = this.scroller.clientHeight;
    const dots = window.devicePixelRatio;
    const same = width === this.width && height === this.height && dots === this.dots;
    if (!this.data || !width || (!again && same)) return;
    const anchor = this.lines && this.units.count ? this.lines.line[this.lineAt(this.top)] : 0;
    const seen = this.seen === this.data;
    reachable(this.absent, this.absent.scrollHeight > this.absent.clientHeight, this.data.alt);
    [this.width, this.height, this.dots, this.seen] = [width, height, dots, this.data];
    const narrow = width < NARROW;
    const left = narrow || !this.rows.length ? SIDE : this.nameWidth() + SIDE;
    const small = SIZES.length - 1;
    for (let i = narrow || this.units.count > SHORT ? small : 0; i <= small; i++) {
      this.lay(SIZES[i], width, left, narrow);
      if (this.total <= height) break;
    }
    this.layer.style.height = `${Math.max(height, Math.min(TALLEST, this.total))}px`;
    this.painter.resize(width, height);
    // After a turn of the phone the same place of the text is in sight.
    if (seen) this.scroller.scrollTop = this.toScroll(this.lineOf(anchor) * this.measures.group);
    else this.scroller.scrollTop = this.toScroll(this.picked ? this.topOf(this.picked) : 0);
    if (this.hover) this.hover = { row: this.hover.row, token: this.hover.token }; // it may stand in another line now
    this.showLens();
    this.paint();
  }

  /** Lines of letters of this size. */
  lay(size, width, left, narrow) {
    let ruled = this.rulers.get(size);
    if (!ruled) {
      const ruler = new Ruler(document.createElement("canvas").getContext("2d"), this.mono, size);
      ruled = { ruler, widths: widthsOf(this.units, ruler) };
      this.rulers.set(size, ruled);
    }
    this.ruler = ruled.ruler;
    this.measures = measures(this.rows.length, narrow, left, size, this.plain);
    this.measures.bottom = rowTop(this.measures, this.rows.length - 1) + this.measures.row + 3;
    this.lines = linesOf(this.units, ruled.widths, Math.max(this.ruler.column * 4, width - left - SIDE), this.shared);
    this.total = this.lines.lines * this.measures.group;
  }

  nameWidth() {
    const { pen } = this.painter;
    const { font } = this.theme;
    let widest = 0;
    for (const row of this.rows) {
      pen.font = `600 13px ${font}`;
      widest = Math.max(widest, pen.measureText(row.name).width);
      pen.font = `400 11px ${font}`;
      widest = Math.max(widest, pen.measureText(row.note).width);
    }
    return Math.ceil(Math.min(160, widest)) + 10;
  }

  /** Pixels of the whole above what is in sight. */
  get top() {
    const most = Math.min(TALLEST, this.total) - this.height;
    return most > 0 ? (this.scroller.scrollTop * Math.max(0, this.total - this.height)) / most : 0;
  }

  toScroll(top) {
    const most = this.total - this.height;
    return most > 0 ? (top * (Math.min(TALLEST, this.total) - this.height)) / most : 0;
  }

  lineAt(y) {
    return Math.max(0, Math.min(this.lines.lines - 1, Math.floor(y / this.measures.group)));
  }

  /** The line of a unit. */
  lineOf(unit) {
    const { line, lines } = this.lines;
    let [low, high] = [0, lines - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (line[middle] <= unit) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  topOf({ row, token }) {
    return this.lineOf(this.rows[row].first[token]) * this.measures.group;
  }

  lineWidth(line) {
    const { line: starts, w } = this.lines;
    let width = 0;
    for (let u = starts[line]; u < starts[line + 1]; u++) width += w[u];
    return width;
  }

  /** What is outlined. */
  marked() {
    const marks = [];
    if (this.picked) marks.push({ ...this.picked, picked: true });
    if (this.hover && !same(this.hover, this.picked)) marks.push({ ...this.hover, picked: false });
    return marks;
  }

  later() {
    this.request ||= requestAnimationFrame(() => this.paint());
  }

  scrolled() {
    this.later();
    if (this.hover) this.showLens();
  }

  paint() {
    cancelAnimationFrame(this.request);
    this.request = 0;
    if (this.data && this.lines) this.painter.paint(this, this.top);
  }

  /** A scrubber somewhere on the page moves. @param {number} index */
  show(index) {
    if (index === this.frame) return;
    this.frame = index;
    this.echo.index.note(index);
    for (const row of this.rows) if (row.frames) row.show(index);
    if (this.picked && this.rows[this.picked.row].frames) this.picked = null;
    this.hover = null;
    this.lens.hidden = true;
    this.paint();
  }

  /** @param {PointerEvent|MouseEvent} event */
  tokenUnder(event) {
    const box = this.scroller.getBoundingClientRect();
    const y = event.clientY - box.top + this.top;
    const line = this.lineAt(y);
    const { row: height, gap } = this.measures;
    const inside = y - line * this.measures.group;
    const row = this.rows.findIndex((_, r) => {
      const top = rowTop(this.measures, r);
      return inside >= top - gap / 2 && inside < top + height + gap / 2;
    });
    if (row < 0) return null;
    const x = event.clientX - box.left - this.measures.left;
    let found = -1;
    let near = NEAR;
    boxes(this, this.rows[row], line, (one) => {
      if (one.kind === "sliver" && Math.abs(x - one.x - one.w / 2) < near) {
        [found, near] = [one.token, Math.abs(x - one.x - one.w / 2)];
      } else if (one.kind === "token" && near === NEAR && x >= one.x && x < one.x + one.w) {
        found = one.token;
      }
    });
    return found < 0 ? null : { row, token: found, line };
  }

  /** @param {{row: number, token: number, line?: number}|null} token */
  point(token) {
    if (same(token, this.hover)) return;
    this.hover = token;
    this.layer.classList.toggle("on", token !== null);
    this.showLens();
    this.later();
  }

  press(token) {
    if (!token) return this.point(null);
    this.hover = token;
    this.showLens();
    if (same(token, this.picked)) return this.later();
    this.picked = { row: token.row, token: token.token };
    const value = [this.rows[token.row].index, token.token];
    this.echo.picked.note(value);
    this.send("picked", value);
    this.later();
  }

  /** A note beside the token, within the frame. */
  showLens() {
    const { hover } = this;
    this.lens.hidden = !hover;
    if (!hover) return;
    this.lens.replaceChildren(...lens(this, hover));
    const row = this.rows[hover.row];
    const line = hover.line ?? this.lineOf(row.first[hover.token]);
    let [left, right] = [Infinity, -Infinity];
    boxes(this, row, line, (box) => {
      if (box.token === hover.token) [left, right] = [Math.min(left, box.x), Math.max(right, box.x + box.w)];
    });
    if (left === Infinity) [left, right] = [0, 0];
    const { offsetTop, clientHeight } = this.scroller;
    const y = offsetTop + line * this.measures.group - this.top + rowTop(this.measures, hover.row);
    const size = { w: this.lens.offsetWidth, h: this.lens.offsetHeight };
    const [frameWidth, frameHeight] = [this.element.clientWidth, this.element.clientHeight];
    const below = y + this.measures.row + 12;
    const above = y - size.h - 12;
    // Below the token, else above it, else at its side: the token itself stays in sight.
    const fits = below + size.h <= frameHeight;
    let x = (left + right) / 2 + this.measures.left - size.w / 2;
    let top = fits || above < 0 ? below : above;
    if (!fits && above < 0) {
      const after = right + this.measures.left + 12;
      x = after + size.w <= frameWidth ? after : left + this.measures.left - size.w - 12;
      top = y + this.measures.row / 2 - size.h / 2;
    }
    const gone = y + this.measures.row < offsetTop || y > offsetTop + clientHeight;
    this.lens.style.visibility = gone ? "hidden" : "visible";
    this.lens.style.left = `${Math.round(Math.max(0, Math.min(frameWidth - size.w, x)))}px`;
    this.lens.style.top = `${Math.round(Math.max(0, Math.min(frameHeight - size.h, top)))}px`;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.rows.length) return;
    const now = this.hover ?? this.picked;
    const to = this.moved(event.key, now);
    if (to) {
      this.point(to);
      this.reveal(to);
    } else if ((event.key === "Enter" || event.key === " ") && now) {
      this.press(now);
    } else if (event.key === "Escape") {
      this.point(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.speak();
  }

  /** Where a key leads. @param {string} key @param {{row: number, token: number}|null} now */
  moved(key, now) {
    const keys = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];
    if (!keys.includes(key)) return null;
    const row = now?.row ?? 0;
    const { count } = this.rows[row];
    const within = (r, token) => {
      const most = this.rows[r].count - 1;
      return most < 0 ? now : { row: r, token: Math.max(0, Math.min(most, token)) };
    };
    if (!now) return this.rows.some((one) => one.count) ? within(this.rows.findIndex((one) => one.count), 0) : null;
    const unit = this.rows[row].first[now.token];
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (step) return within(row, now.token + step);
    if (key === "Home" || key === "End") return within(row, key === "Home" ? 0 : count - 1);
    if (key === "ArrowUp" || key === "ArrowDown") {
      const next = Math.max(0, Math.min(this.rows.length - 1, row + (key === "ArrowUp" ? -1 : 1)));
      return within(next, next === row ? now.token : this.rows[next].after(unit));
    }
    const line = Math.max(0, Math.min(this.lines.lines - 1, this.lineOf(unit) + (key === "PageUp" ? -1 : 1)));
    return within(row, this.rows[row].after(this.lines.line[line]));
  }

  reveal(token) {
    const top = this.topOf(token);
    const y = top + rowTop(this.measures, token.row);
    const bottom = y + this.measures.row + 8;
    if (y - this.measures.text < this.top) this.scroller.scrollTop = this.toScroll(Math.min(top, y - 8));
    else if (bottom > this.top + this.height) this.scroller.scrollTop = this.toScroll(bottom - this.height);
    this.showLens();
  }

  /** Say the token to screen readers, once the keys rest. */
  speak() {
    window.clearTimeout(this.speaking);
    this.speaking = window.setTimeout(() => {
      this.spoken.textContent = this.hover ? describe(this, this.hover) : "";
    }, 150);
  }
}

/** Room at both sides, for slivers and outlines. */
const SIDE = 6;

const same = (a, b) => a?.row === b?.row && a?.token === b?.token;

/** The first byte of each code point and, at the end, the number of bytes. @param {Uint8Array} bytes of UTF-8 */
function codePoints(bytes) {
  const starts = new Uint32Array(bytes.length + 1);
  let n = 0;
  bytes.forEach((byte, i) => {
    if ((byte & 0xc0) !== 0x80) starts[n++] = i;
  });
  starts[n] = bytes.length;
  return starts.subarray(0, n + 1);
}

export default browserComponent(style, (place) => new Staff(place));
