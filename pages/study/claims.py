"""Every page's claims in one list, each with its verdict and live numbers."""

import ui.study

ui.study.claims(__file__)
