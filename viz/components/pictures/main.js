/**
 * Small pictures in groups, as frames, with the heat of a caption's words over them. See __init__.py for what Python sends.
 * State sent to the server: "scrub" when the slider is let go, "chosen" and "word" after a click.
 */
import { make, reserve } from "../kit/dom.js";
import { Figure } from "../kit/figure.js";
import { Film } from "../kit/film.js";
import { number } from "../kit/format.js";
import { browserComponent, Echo, sheet } from "../kit/host.js";
import { Player } from "../kit/player.js";
import { Board } from "./board.js";
import { Chips } from "./chips.js";
import { rows, scene } from "./export.js";
import { layout } from "./layout.js";
import { Model } from "./model.js";
import { Brush } from "./paint.js";

const style = await sheet(new URL("./main.css", import.meta.url));

const NARROW = 600;
const THUMB = { wide: 42, narrow: 34 };
/** Milliseconds per frame while it plays: every step deserves a look. */
const pace = (count) => Math.max(70, Math.min(420, 6000 / count));

class Pictures extends Figure {
  /** @param {import("../kit/host.js").Place} place */
  constructor(place) {
    super("pictures", place);
    /** @type {number|null} */
    this.chosen = null;
    /** The word that a click keeps, and the one that is pointed at. @type {number|null} */
    this.word = null;
    /** @type {number|null} */
    this.looked = null;
    /** The place that is read: a picture and a share of its sides. @type {{board: number, picture: number, u: number, v: number}|null} */
    this.at = null;
    this.echo = { chosen: new Echo(), word: new Echo() };
    this.brush = new Brush();
    this.player = new Player({ show: () => this.draw(), release: (index) => this.send("scrub", index), pace });
    this.film = new Film(this.player.scrubber);
    this.chips = new Chips({
      look: (word) => this.look(word),
      press: (word) => this.setWord(word === this.word ? null : word),
      release: () => this.setWord(null),
    });
    this.info = make("div", { class: "info" });
    this.said = make("p", { class: "said" });
    this.place = make("div", { class: "boards" });
    /** @type {Board[]} */
    this.boards = [];
    this.frame.append(
      make("div", { class: "top" }, [this.info, this.tools]),
      this.said,
      this.chips.element,
      this.place,
      this.film.element,
      this.spoken,
    );
  }

  destroy() {
    super.destroy();
    this.player.stop();
  }

  get index() {
    return this.player.index;
  }

  /** @param {any} data see __init__.py */
  update(data) {
    this.take(data);
    this.model = new Model(data);
    const { groups, heat } = this.model;
    if (this.echo.chosen.isNews(data.chosen)) this.chosen = data.chosen;
    if (this.echo.word.isNews(data.word)) this.word = data.word;
    if (this.chosen !== null && this.chosen >= groups[0].count) this.chosen = null;
    if (!heat || (this.word !== null && this.word >= heat.words)) this.word = null;
    this.looked = this.at = null;
    while (this.boards.length < groups.length) this.boards.push(this.makeBoard(this.boards.length));
    for (const { element } of this.boards.splice(groups.length)) element.remove();
    this.boards.forEach((board, g) => board.update(groups[g], this.model.linked(g), this.say));
    this.chips.update(heat, this.say);
    this.player.update({ ...data, scrub: this.model.frames > 1 ? data.scrub : null }, this.model.frames, this.say);
    this.player.stand(this.film.element);
    this.strip();
    const name = () => (this.model.frames > 1 ? `${data.name}-${data.scrub?.values[this.index] ?? this.index}` : data.name);
    this.offer(() => scene(this), () => rows(this), name);
    this.restyle();
  }

  makeBoard(g) {
    const board = new Board({
      point: (picture, u, v) => this.point({ board: g, picture, u, v }),
      leave: () => this.point(null),
      press: (picture) => this.model.linked(g) && this.choose(picture === this.chosen ? null : picture),
      key: (picture, event) => this.key(g, picture, event),
    });
    this.place.append(board.element);
    return board;
  }

  /** The chosen picture, or the first, at all steps. */
  strip() {
    const { frames, groups } = this.model;
    const plays = frames > 1 && this.data.scrub && groups[0].frames > 1;
    const title = this.say("pictures_film", { n: (this.chosen ?? 0) + 1 });
    this.film.update(plays ? [{ title, high: this.thumb, paint: (pen, width) => this.paintFilm(pen, width) }] : [], frames, Boolean(plays));
  }

  get thumb() {
    return this.frame.clientWidth < NARROW ? THUMB.narrow : THUMB.wide;
  }

  /** As many frames as have room, evenly. */
  get thumbs() {
    return Math.max(1, Math.min(this.model.frames, Math.floor(this.film.width / (this.thumb + 1))));
  }

  paintFilm(pen, width) {
    const [count, high] = [this.thumbs, this.thumb];
    const { frames, groups } = this.model;
    const scale = window.devicePixelRatio || 1;
    const side = Math.min(high, width / count - 1);
    for (let k = 0; k < count; k++) {
      const frame = Math.min(frames - 1, Math.round(((k + 0.5) / count) * frames - 0.5));
      const x = ((k + 0.5) * width) / count - side / 2;
      pen.save();
      pen.beginPath();
      pen.roundRect(x, (high - side) / 2, side, side, 3);
      pen.clip();
      this.brush.draw(pen, this.brush.source(groups[0], frame, this.chosen ?? 0, false), x, (high - side) / 2, side, side, scale);
      pen.restore();
    }
  }

  dress() {
    this.brush.dress(this.theme);
    this.frame.style.setProperty("--heat", this.theme.palette.probability[5]);
    this.chips.dress(this.theme);
  }

  /** Share out the room: what the rows above and below leave is the pictures'. */
  arrange() {
    const width = this.frame.clientWidth;
    if (!this.data || !width) return;
    const narrow = width < NARROW;
    this.narrow = narrow;
    const { groups } = this.model;
    this.frame.classList.toggle("narrow", narrow);
    this.player.scrubber.element.classList.toggle("stacked", narrow);
    this.strip();
    reserve(this.said, this.data.readout, width);
    this.frame.style.height = "auto";
    const taken = this.frame.getBoundingClientRect().height - this.place.getBoundingClientRect().height;
    const free = narrow ? null : Math.max(80, this.data.height - taken);
    const room = Math.floor(this.frame.getBoundingClientRect().width) - 11;
    const found = layout(groups, room, free, this.theme.font, narrow);
    const scale = window.devicePixelRatio || 1;
    this.scale = scale;
    this.place.style.height = `${narrow ? found.height : Math.max(free, found.height)}px`;
    this.place.style.paddingLeft = `${5 + (narrow ? 0 : Math.max(0, Math.floor((room - found.width) / 2)))}px`;
    this.boards.forEach((board, g) => board.arrange(found.boards[g], scale));
    this.breakLines(found.per);
    if (!this.film.element.hidden) {
      const track = this.player.scrubber.range.getBoundingClientRect();
      this.film.arrange(track.left - this.film.element.getBoundingClientRect().left, track.width);
    }
    this.draw();
  }

  /** So many groups in a line. */
  breakLines(per) {
    for (const old of this.place.querySelectorAll(".break")) old.remove();
    this.boards.forEach(({ element }, g) => {
      element.classList.toggle("lower", g >= per);
      if (g && g % per === 0) element.before(make("i", { class: "break" }));
    });
  }

  get shownWord() {
    return this.looked ?? this.word;
  }

  draw() {
    if (!this.scale) return;
    this.boards.forEach((board, g) => {
      const word = g ? null : this.shownWord;
      board.draw(this.brush, this.index, this.scale, this.model.heat, word, this.model.linked(g) ? this.chosen : null);
    });
    this.drawWords();
    this.tell();
    this.mark();
  }

  drawWords() {
    const { heat } = this.model;
    if (!heat) return;
    const { at, index } = this;
    const read = at && this.model.linked(at.board);
    this.chips.show(this.shownWord, this.word, (word) =>
      read ? heat.value(index, at.picture, word, at.u, at.v) : heat.most(index, this.chosen, word),
    );
  }

  tell() {
    const { readout } = this.data;
    const text = readout[Math.min(this.index, readout.length - 1)] ?? "";
    if (this.said.textContent !== text) this.said.textContent = text;
    const count = this.thumbs;
    const at = Math.min(count - 1, Math.floor(((this.index + 0.5) / this.model.frames) * count));
    if (!this.film.element.hidden) this.film.show(this.index, [at / count, (at + 1) / count]);
    if (this.model.frames > 1) this.speak(() => this.sentence());
  }

  sentence() {
    const { data, index, boards, chosen } = this;
    const when = data.scrub ? `${data.scrub.label} ${data.scrub.values[index]}.` : "";
    return [when, this.said.textContent, chosen === null ? "" : boards[0].label(index, chosen)].join(" ").trim();
  }

  /** A place is read, in every group that shows the same pictures. */
  point(at) {
    this.at = at;
    this.mark();
    this.drawWords();
  }

  mark() {
    const { at, model, boards } = this;
    boards.forEach((board, g) => board.mark(at && (g === at.board || (model.linked(g) && model.linked(at.board))) ? at : null));
    this.info.replaceChildren(...(at ? this.reading(at) : [make("span", { text: this.say(this.model.heat ? "pictures_hint_words" : "pictures_hint") })]));
  }

  /** What stands at a place: the pixel in every group, and how much of the word. @returns {Node[]} */
  reading(at) {
    const { model, index, say } = this;
    const found = [make("b", { text: say("pictures_one", { n: at.picture + 1, of: model.groups[at.board].count }) })];
    model.groups.forEach((group, g) => {
      if (g !== at.board && (this.narrow || !model.linked(g) || !model.linked(at.board))) return;
      const [x, y] = group.place(at.u, at.v);
      const colour = group.pixel(index, at.picture, x, y);
      const swatch = make("i", { class: "swatch", style: `background: rgb(${colour.join(" ")})` });
      found.push(make("span", { class: "read" }, [swatch, make("span", { text: `${group.name} (${x}, ${y}): RGB ${colour.join(" ")}` })]));
    });
    const word = this.shownWord;
    if (model.heat && word !== null && model.linked(at.board)) {
      const value = model.heat.value(index, at.picture, word, at.u, at.v);
      found.push(make("span", { class: "read", text: `${model.heat.labels[word]}: ${number(value, 2)}` }));
    }
    return found;
  }

  choose(picture) {
    if (picture === this.chosen) return;
    this.chosen = picture;
    this.strip();
    if (!this.film.element.hidden) this.film.arrange(this.film.left, this.film.width);
    this.draw();
    this.echo.chosen.note(picture);
    this.send("chosen", picture);
  }

  look(word) {
    if (word === this.looked) return;
    this.looked = word;
    this.draw();
  }

  setWord(word) {
    this.looked = null;
    if (word === this.word) return this.draw();
    this.word = word;
    this.draw();
    this.echo.word.note(word);
    this.send("word", word);
  }

  /** @param {number} g @param {number} picture @param {KeyboardEvent} event */
  key(g, picture, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const board = this.boards[g];
    const { columns } = board.board;
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -picture, End: board.cells.length - 1 - picture }[event.key];
    if (move !== undefined && event.shiftKey) this.step(g, picture, event.key);
    else if (move !== undefined) {
      if (this.at) this.point(null);
      board.focus(Math.max(0, Math.min(board.cells.length - 1, picture + move)));
    } else if (event.key === "Enter" || event.key === " ") this.model.linked(g) && this.choose(picture === this.chosen ? null : picture);
    else if (event.key === "Escape") {
      if (this.at) this.point(null);
      else this.choose(null);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Read the pixel beside the one that is read, from the middle. */
  step(g, picture, key) {
    const group = this.model.groups[g];
    const here = this.at?.board === g && this.at.picture === picture ? group.place(this.at.u, this.at.v) : null;
    const [x, y] = here ?? [group.width >> 1, group.height >> 1];
    const [dx, dy] = here ? ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [0, 0]) : [0, 0];
    const within = (value, size) => (Math.max(0, Math.min(size - 1, value)) + 0.5) / size;
    this.point({ board: g, picture, u: within(x + dx, group.width), v: within(y + dy, group.height) });
    this.speak(() => this.info.textContent);
  }
}

export default browserComponent(style, (place) => new Pictures(place));
