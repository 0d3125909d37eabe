"""The part of the shell that lives in the browser: the theme without a reload, the page's language, one key to copy
the link.

Its data: theme ("light", "dark" or None for the system's), themes (both themes' settings), jump (counts up when the
picture should be scrolled into sight), the words of its button.
"""

STATES: tuple[str, ...] = ()
