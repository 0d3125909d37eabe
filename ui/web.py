"""What happens before Streamlit: the page's first bytes, the components' files, URLs that lead nowhere.

Streamlit 1.67 looks for its server below the deep link's own path first, which costs two failing requests and two
console errors, and it knows no theme in the URL. Both are settled by a few lines put at the top of its index.html:
`window.__streamlit` names the server and allows this page to message itself (the theme switch uses that, see
viz/components/shell), and the theme named in the URL is stored where Streamlit looks for the visitor's last choice.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.catalogue import entries
from ui.settings import ROOT

_HEAD = b"""<script>
  {
    const params = new URLSearchParams(location.search), theme = params.get("theme");
    const origin = location.origin;
    window.__streamlit = {
      BACKEND_BASE_URL: origin + "/",
      HOST_CONFIG: { allowedOrigins: [origin], useExternalAuthToken: false },
    };
    const key = `stActiveTheme-${location.pathname}-v2`;
    try {
      if (theme === "dark" || theme === "light") localStorage.setItem(key, theme === "dark" ? '"Dark"' : '"Light"');
      else localStorage.removeItem(key);
      const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      document.documentElement.dataset.theme = dark ? "dark" : "light";
    } catch { /* storage refused: the system's theme it is */ }
    if (params.get("lang") === "zh") document.documentElement.lang = "zh-CN";
  }
</script>"""


class FirstBytes:
    """ASGI middleware: readies index.html and sends unknown paths to the home page, which says so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").strip("/")
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not _is_page(path):
            await self.app(scope, receive, send)
        elif path and path not in entries():
            await RedirectResponse(f"/?missing={quote(path[:100])}", 302)(scope, receive, send)
        else:
            # An uncompressed answer, so that the head can be found in it.
            headers = [(k, v) for k, v in scope["headers"] if k not in (b"accept-encoding", b"if-none-match")]
            await self.app({**scope, "headers": headers}, receive, _with_head(send))


def _is_page(path: str) -> bool:
    """A page's path has no dot and no folder of the server's own."""
    return "." not in path and path.split("/")[0] not in ("_stcore", "static", "media", "component", "kit", "app")


def _with_head(send: Send) -> Send:
    start: Message | None = None

    async def wrapped(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        if start is not None:
            body = message.get("body", b"")
            ready = body.replace(b"<head>", b"<head>" + _HEAD, 1)
            grown = len(ready) - len(body)
            start["headers"] = [
                (k, str(int(v) + grown).encode()) if k == b"content-length" else (k, v) for k, v in start["headers"]
            ]
            await send(start)
            start, message = None, {**message, "body": ready}
        await send(message)

    return wrapped


MIDDLEWARE = [Middleware(FirstBytes)]
ROUTES = [Mount("/kit", StaticFiles(directory=ROOT / "viz" / "components"))]
