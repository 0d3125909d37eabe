/** One group: its name, a canvas with all its pictures, and over it a cell per picture that the keyboard and the pointer reach. */
import { make } from "../kit/dom.js";
import { gapOf } from "./layout.js";

export class Board {
  /**
   * @param {object} wiring
   * @param {(picture: number, u: number, v: number) => void} wiring.point at a place of a picture, as shares of its sides
   * @param {() => void} wiring.leave
   * @param {(picture: number) => void} wiring.press
   * @param {(picture: number, event: KeyboardEvent) => void} wiring.key
   */
  constructor(wiring) {
    this.wiring = wiring;
    this.name = make("div", { class: "name" });
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.pen = this.canvas.getContext("2d");
    this.pixel = make("i", { class: "pixel", hidden: true });
    this.ring = make("i", { class: "ring", hidden: true });
    this.list = make("div", { class: "list" });
    this.grid = make("div", { class: "grid" }, [this.canvas, this.ring, this.list, this.pixel]);
    this.element = make("div", { class: "board" }, [this.name, this.grid]);
    /** @type {any[]} */
    this.cells = [];
    this.listen();
  }

  listen() {
    this.list.addEventListener("pointermove", (event) => event.pointerType !== "touch" && this.pointed(event));
    this.list.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.wiring.leave());
    this.list.addEventListener("click", (event) => {
      const cell = this.cellOf(event);
      if (cell < 0) return this.wiring.leave();
      this.pointed(event);
      this.wiring.press(cell);
    });
    this.list.addEventListener("keydown", (event) => {
      const cell = this.cellOf(event);
      if (cell >= 0) this.wiring.key(cell, event);
    });
    this.list.addEventListener("focusin", (event) => this.enter(this.cellOf(event)));
  }

  cellOf(event) {
    return this.cells.findIndex(({ element }) => element.contains(event.target));
  }

  pointed(event) {
    const cell = this.cellOf(event);
    if (cell < 0) return this.wiring.leave();
    const box = this.cells[cell].element.getBoundingClientRect();
    const [u, v] = [(event.clientX - box.left) / this.board.wide, (event.clientY - box.top) / this.board.picture];
    if (u < 0 || u >= 1 || v < 0 || v >= 1) this.wiring.leave();
    else this.wiring.point(cell, u, v);
  }

  /** @param {import("./model.js").Group} group @param {boolean} choosable */
  update(group, choosable, say) {
    Object.assign(this, { group, choosable, say });
    this.name.textContent = this.name.title = group.name;
    this.list.setAttribute("role", choosable ? "listbox" : "group");
    this.list.setAttribute("aria-label", say("pictures_list", { name: group.name, n: group.count }).replace(/^[:：] */, ""));
    if (choosable) this.list.setAttribute("aria-description", say("pictures_keys"));
    else this.list.removeAttribute("aria-description");
    this.list.classList.toggle("choosable", choosable);
    const kept = this.cells.findIndex(({ hit }) => hit.tabIndex === 0);
    while (this.cells.length < group.count) this.cells.push(this.makeCell());
    for (const { element } of this.cells.splice(group.count)) element.remove();
    this.cells.forEach(({ hit, title, mark }, i) => {
      hit.setAttribute("role", choosable ? "option" : "img");
      if (!choosable) hit.removeAttribute("aria-selected");
      title.textContent = title.title = group.titles[i] ?? "";
      const kind = group.marks[i] ?? "";
      mark.hidden = !kind;
      mark.className = `mark ${kind}`;
      mark.textContent = kind === "right" ? "✓" : kind === "wrong" ? "✕" : "";
    });
    this.enter(kept >= 0 && kept < group.count ? kept : 0);
  }

  makeCell() {
    const [title, note, mark] = ["title", "note", "mark"].map((name) => make(name === "mark" ? "i" : "span", { class: name, "aria-hidden": "true" }));
    const hit = make("div", { class: "hit" });
    const element = make("div", { class: "cell" }, [title, note, mark, hit]);
    this.list.append(element);
    return { element, hit, title, note, mark };
  }

  /** The Tab key comes to this picture. */
  enter(picture) {
    this.cells.forEach(({ hit }, i) => (this.choosable ? (hit.tabIndex = i === picture ? 0 : -1) : hit.removeAttribute("tabindex")));
  }

  focus(picture) {
    this.cells[picture]?.hit.focus();
  }

  /** @param {import("./layout.js").Board} board */
  arrange(board, scale) {
    this.board = board;
    const step = board.wide + gapOf(board.wide);
    const row = (i) => board.rows[Math.floor(i / board.columns)];
    this.places = this.cells.map((_, i) => ({ x: (i % board.columns) * step, y: row(i).top }));
    Object.assign(this.canvas, { width: Math.round(board.width * scale), height: Math.round(board.height * scale) });
    for (const box of [this.canvas, this.grid]) Object.assign(box.style, { width: `${board.width}px`, height: `${board.height}px` });
    this.name.style.width = `${board.width}px`;
    this.cells.forEach(({ element, title, note }, i) => {
      const { x, y } = this.places[i];
      const { high, titles, notes } = row(i);
      Object.assign(element.style, { left: `${x}px`, top: `${y}px`, width: `${board.wide}px`, height: `${high}px`, paddingTop: `${board.picture + 3}px` });
      title.style.webkitLineClamp = String(titles);
      note.style.webkitLineClamp = String(notes);
    });
  }

  /** One frame. @param {number|null} chosen @param {number|null} word */
  draw(brush, frame, scale, heat, word, chosen) {
    const { pen, canvas, board, group } = this;
    if (!board) return;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    brush.group(pen, group, frame, board, this.places, scale, heat, word);
    this.cells.forEach(({ element, hit, note }, i) => {
      const text = group.note(frame, i);
      if (note.textContent !== text) note.textContent = note.title = text;
      const label = this.label(frame, i);
      if (hit.getAttribute("aria-label") !== label) hit.setAttribute("aria-label", label);
      if (this.choosable) hit.setAttribute("aria-selected", String(i === chosen));
      element.classList.toggle("chosen", i === chosen);
    });
    this.ring.hidden = chosen === null;
    if (chosen !== null) {
      const { x, y } = this.places[chosen];
      Object.assign(this.ring.style, { left: `${x - 4}px`, top: `${y - 4}px`, width: `${board.wide + 8}px`, height: `${board.picture + 8}px` });
    }
  }

  /** "picture 3 of 16: a red circle, right. 0.98" */
  label(frame, i) {
    const { group, say } = this;
    const mark = { right: say("pictures_right"), wrong: say("pictures_wrong") }[group.marks[i]];
    const after = [group.titles[i], mark, group.note(frame, i)].filter((text) => text).join(", ");
    return `${say("pictures_one", { n: i + 1, of: group.count })}${after ? `: ${after}` : ""}`;
  }

  /** Frame the pixel at a place of a picture; null: none. */
  mark(at) {
    this.pixel.hidden = !at;
    if (!at) return;
    const { group, board } = this;
    const [x, y] = group.place(at.u, at.v);
    const [w, h] = [board.wide / group.width, board.picture / group.height];
    const place = this.places[at.picture];
    const grow = Math.max(0, (5 - w) / 2);
    const box = { left: place.x + x * w - grow, top: place.y + y * h - grow, width: w + 2 * grow, height: h + 2 * grow };
    for (const [side, value] of Object.entries(box)) this.pixel.style[side] = `${value}px`;
  }
}
