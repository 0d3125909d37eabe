"""Every page's interview questions as a deck."""

import ui.study

ui.study.interview(__file__)
