// The home page's map and cards. Links are real (they can be copied and opened in a tab); a plain click stays in the app.

const NS = "http://www.w3.org/2000/svg";
const sheet = fetch(new URL("./main.css", import.meta.url)).then((answer) => answer.text());
const inputs = new WeakMap(); // the search field survives a redraw, with what was typed

export default async function ({ data, parentElement, setTriggerValue }) {
  const css = new CSSStyleSheet();
  css.replaceSync(await sheet);
  parentElement.adoptedStyleSheets = [css];
  const link = (slug, node) => {
    const card = data.cards.find((one) => one.slug === slug);
    node.setAttribute("href", card.href);
    node.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      setTriggerValue("open", slug);
    });
    return node;
  };
  const map = element("div", { class: "map" }, anatomy(data, link));
  const list = element("ul", { class: "cards" });
  const found = element("span", { class: "found", role: "status" });
  const input = inputs.get(parentElement) ?? Object.assign(element("input", { type: "search" }), { value: data.query });
  inputs.set(parentElement, input);
  dress(input, { placeholder: data.words.search, "aria-label": data.words.search });
  const typing = parentElement.activeElement === input;
  const filter = () => {
    const hits = search(data.cards, input.value);
    list.replaceChildren(...hits.map((card) => element("li", {}, drawCard(card, link))));
    found.textContent = input.value.trim() ? (hits.length ? `${hits.length} / ${data.cards.length}` : data.words.nothing) : "";
  };
  input.oninput = filter;
  filter();
  const old = parentElement.querySelector(".root");
  const root = element("div", { class: "root" }, map, element("div", { class: "search" }, input, found), list);
  old ? old.replaceWith(root) : parentElement.append(root);
  if (typing) input.focus(); // moved, it has lost the cursor
}

/** Cards whose title, promise or terms (both languages) hold every typed word; all cards for an empty query. */
function search(cards, query) {
  const words = query.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean);
  return cards.filter((card) => {
    const text = [card.title, card.promise, card.section, ...card.terms].join("\n").normalize("NFKC").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function drawCard(card, link) {
  const image = card.thumbnail
    ? element("img", { alt: "", src: `data:image/svg+xml;utf8,${encodeURIComponent(card.thumbnail)}` })
    : element("div", { class: "coming" }); // as tall, so that nothing jumps
  const body = element("div", { class: "body" });
  for (const part of ["section", "title", "promise"]) {
    body.append(Object.assign(element("div", { class: part }), { textContent: card[part] }));
  }
  const node = element("a", { class: "card" });
  if (card.thumbnail !== "") node.append(image);
  node.append(body);
  return link(card.slug, node);
}

function anatomy(data, link) {
  const svg = shape("svg", { class: "anatomy", viewBox: "0 0 1000 300", role: "group", "aria-label": data.alt });
  const head = shape("marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
  head.append(shape("path", { d: "M0 0 8 4 0 8z", fill: "var(--st-text-color)", "fill-opacity": 0.6 }));
  svg.append(head);
  for (const { box, label } of data.frames) {
    svg.append(shape("rect", { class: "frame", x: box[0], y: box[1], width: box[2], height: box[3], rx: 9 }));
    svg.append(text(label, { class: "frame-label", x: box[0] + 12, y: box[1] + 18 }));
  }
  for (const points of data.arrows) svg.append(shape("polyline", { class: "arrow", points, "marker-end": "url(#head)" }));
  for (const part of data.parts) {
    const [x, y, width, height] = part.box;
    const node = part.slug ? link(part.slug, shape("a", { class: "part live", "aria-label": part.label })) : shape("g", { class: "part" });
    node.append(shape("rect", { x, y, width, height, rx: 7 }));
    node.append(text(part.label, { x: x + width / 2, y: y + height / 2 + 4.5, "text-anchor": "middle" }));
    svg.append(node);
  }
  return svg;
}

function text(content, attributes) {
  return Object.assign(shape("text", attributes), { textContent: content });
}

function shape(name, attributes) {
  return dress(document.createElementNS(NS, name), attributes);
}

function element(name, attributes = {}, ...children) {
  const node = dress(document.createElement(name), attributes);
  node.append(...children);
  return node;
}

function dress(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
