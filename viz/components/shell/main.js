// The browser's part of the shell: the theme switch without a reload, <html lang>, and one key to copy the link.

const ICON = `<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="2"
  stroke-linecap="round" aria-hidden="true"><path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-6-.4l-3 3
  a4 4 0 0 0 5.7 5.7l1.2-1.2"/></svg>`;
export default function ({ data, parentElement }) {
  document.documentElement.lang = data.lang === "zh" ? "zh-CN" : "en";
  // Only news: Streamlit calls this again when the colours change, with data that may be older than the change.
  if (data.theme !== window.__atlasTheme) setTheme(data.theme, data.themes);
  window.__atlasTheme = data.theme;
  // The switch's answer comes by way of the server, which keeps it in the URL; the colours need not wait for it.
  window.removeEventListener("click", window.__atlasSwitch, true);
  window.__atlasSwitch = (event) => {
    const pressed = event.target.closest?.(".st-key-theme [role=radio]");
    if (!pressed) return;
    const chosen = Object.keys(data.themes)[[...pressed.parentElement.children].indexOf(pressed)];
    setTheme(chosen === data.theme ? null : chosen, data.themes);
  };
  window.addEventListener("click", window.__atlasSwitch, true);
  if (!window.__atlasMenu) {
    window.__atlasMenu = new MutationObserver(mendMenu);
    window.__atlasMenu.observe(document.body, { childList: true, subtree: true });
    mendMenu();
    window.addEventListener("input", mendText, true);
  }
  if (data.jump > (window.__atlasJump ?? 0)) scrollUp();
  window.__atlasJump = data.jump;
  const button = copyButton(parentElement);
  button.title = `${data.copy} (L)`;
  button.setAttribute("aria-label", data.copy);
  button.onclick = () => copy(button, data);
  // One listener for the whole page, whichever run of the component was the last.
  window.removeEventListener("keydown", window.__atlasKey);
  window.__atlasKey = (event) => {
    const typing = event.composedPath().some((node) => node.matches?.("input, textarea, select, [contenteditable=true]"));
    if (event.key === "l" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) copy(button, data);
  };
  window.addEventListener("keydown", window.__atlasKey);
}

/** Ask Streamlit for a theme through the message channel that ui/web.py opened for this page itself. */
function setTheme(theme, themes) {
  const wanted = theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  if (document.documentElement.dataset.theme === wanted) return;
  document.documentElement.dataset.theme = wanted;
  const message = { stCommVersion: 1, type: "SET_CUSTOM_THEME_CONFIG", themeName: "", themeInfo: themes[wanted] };
  window.postMessage(message, location.origin);
}

/** Streamlit 1.67 puts its phone menu's sections between <ul> and <li>, which reads as a broken list: as links it is fine. */
function mendMenu() {
  for (const list of document.querySelectorAll("[data-testid=stSidebarNavItems]:not([role])")) list.setAttribute("role", "none");
  for (const item of document.querySelectorAll("[data-testid=stSidebarNavItems] li:not([role])")) item.setAttribute("role", "none");
}

/** Half a surrogate pair without the other half cannot be sent (the connection would break): it becomes U+FFFD. */
function mendText({ target }) {
  if (!target.matches?.("input, textarea") || (target.value.isWellFormed?.() ?? true)) return;
  // The prototype's own setter: React must not take the mended text for one it has seen.
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(target), "value").set.call(target, target.value.toWellFormed());
}

/** A preset was pressed below the picture: bring the picture back into sight. */
function scrollUp() {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.querySelector(".stMain")?.scrollTo({ top: 0, behavior: calm ? "auto" : "smooth" });
}

function copyButton(parent) {
  let button = parent.querySelector("button");
  if (!button) {
    const style = document.createElement("style");
    style.textContent = `
      button { font: 500 0.875rem var(--st-font); color: var(--st-text-color); background: none; cursor: pointer;
               border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius, 6px); height: 2rem;
               padding: 0 0.6rem; white-space: nowrap; display: inline-flex; align-items: center }
      button:hover, button:focus-visible { border-color: var(--st-primary-color); outline: none }`;
    button = document.createElement("button");
    button.type = "button";
    button.innerHTML = ICON;
    parent.append(style, button);
  }
  return button;
}

async function copy(button, data) {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: location.href }); // no clipboard over http
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = `✓ ${data.copied}`;
  setTimeout(() => (button.innerHTML = ICON), 1500);
}
