#!/bin/sh
# A Chromium and a font with Chinese for the browser tests: Debian's where we are root, else Playwright's own browser.
# Usage: install.sh PYTHON
set -u
have_font() { fc-list :lang=zh 2>/dev/null | grep -q .; }
have_browser() { command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1; }
if have_browser && have_font; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  export DEBIAN_FRONTEND=noninteractive
  if { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium fonts-noto-cjk fontconfig; } >/dev/null; then
    exit 0
  fi
fi
if have_browser || "$1" -m playwright install chromium >/dev/null 2>&1; then exit 0; fi
echo "The browser tests need Chromium and a font with Chinese (Debian: apt-get install chromium fonts-noto-cjk)." >&2
exit 1
