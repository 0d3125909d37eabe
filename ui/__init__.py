"""The page frame. A page needs `open_page` and nothing else."""

from ui.page import Page, open_page

__all__ = ["Page", "open_page"]
