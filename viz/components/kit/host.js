/**
 * What every browser component shares: it is created once per place on the page, then updated with new data.
 *
 * Streamlit calls a component's default export again whenever its data or the theme changes, with the same
 * parentElement (a shadow root). `browserComponent` keeps the picture that lives there.
 *
 * @typedef {{data: any, parentElement: ShadowRoot, setStateValue: (name: string, value: any) => void}} Component
 * @typedef {{update: (data: any) => void, restyle: () => void, destroy?: () => void}} Picture
 * @typedef {{root: ShadowRoot, send: (name: string, value: any) => void}} Place
 */
import { watchTheme } from "./colour.js";

/** If the server's answer changes nothing in our data we are not called, so stop waiting after this long. */
const ANSWER_MS = 700;

/** @param {string|URL} url */
export async function sheet(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`A style sheet could not be loaded (${answer.status}).`);
  return new CSSStyleSheet().replace(await answer.text());
}

const kitSheet = await sheet(new URL("./kit.css", import.meta.url));

/** State on its way to the server: one request in flight, and of what waits only the newest value of each name. */
class Sender {
  /** @type {Map<string, any>} */
  waiting = new Map();
  timer = 0;
  /** @type {Component|null} */
  component = null;

  send(name, value) {
    this.waiting.delete(name);
    this.waiting.set(name, value);
    if (!this.timer) this.next();
  }

  next() {
    const [entry] = this.waiting;
    if (!entry) return;
    this.waiting.delete(entry[0]);
    this.timer = window.setTimeout(() => this.answered(), ANSWER_MS);
    this.component?.setStateValue(...entry);
  }

  answered() {
    window.clearTimeout(this.timer);
    this.timer = 0;
    this.next();
  }
}

/**
 * Who decides about a value that both the visitor and the server can change: what the server says is adopted when it is
 * news, and not when it is only the echo of what was sent from here (the visitor may have moved on since).
 */
export class Echo {
  /** @type {string[]} */
  sent = [];
  /** @type {string|undefined} */
  last;

  note(value) {
    this.sent.push(JSON.stringify(value ?? null));
  }

  /** @returns {boolean} whether to adopt it */
  isNews(value) {
    const text = JSON.stringify(value ?? null);
    const at = this.sent.indexOf(text);
    const news = at < 0 && text !== this.last;
    this.sent.splice(0, at + 1);
    this.last = text;
    return news;
  }
}

/**
 * @param {CSSStyleSheet} ownSheet
 * @param {(place: Place) => Picture} create
 * @returns {(component: Component) => (() => void)} what a component's main.js exports as default
 */
export function browserComponent(ownSheet, create) {
  /** @type {WeakMap<ShadowRoot, {picture: Picture, sender: Sender, data: any, own: ChildNode[]}>} */
  const alive = new WeakMap();
  /** What stays to be seen where a picture was given up, until its place is taken again. @type {WeakMap<ShadowRoot, ChildNode[]>} */
  const left = new WeakMap();
  return (component) => {
    const root = component.parentElement;
    let here = alive.get(root);
    if (!here) {
      root.adoptedStyleSheets = [kitSheet, ownSheet];
      left.get(root)?.forEach((node) => node.remove());
      const others = new Set(root.childNodes);
      const sender = new Sender();
      const picture = create({ root, send: (name, value) => sender.send(name, value) });
      watchTheme(root, () => picture.restyle());
      here = { picture, sender, data: null, own: [...root.childNodes].filter((node) => !others.has(node)) };
      alive.set(root, here);
    }
    here.sender.component = component;
    if (here.data === component.data) {
      here.picture.restyle(); // the same data again: only the theme changed
    } else {
      here.data = component.data;
      here.picture.update(component.data);
      if (here.sender.timer) here.sender.answered();
    }
    return () => {
      const gone = alive.get(root);
      gone?.picture.destroy?.();
      alive.delete(root);
      if (gone) left.set(root, gone.own);
    };
  };
}
