"""When each position encoding appeared, and who took it up.

A paper's date is that of its first version on arXiv, whose number begins with year and month. Models without a paper:
their announcement. What the words of the page say about each was read at the source named here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One paper or model."""

    id: str  # the page's words know it as event_<id>
    year: int
    month: int
    kind: str  # "absolute", "relative", "rotary", "none" or "mixed"
    source: str


EVENTS: tuple[Event, ...] = (
    Event("transformer", 2017, 6, "absolute", "Vaswani et al., arXiv 1706.03762, section 3.5"),
    Event("shaw", 2018, 3, "relative", "Shaw et al., arXiv 1803.02155, section 3.2"),
    Event("gpt", 2018, 6, "absolute", "Radford et al. 2018, section 4.1"),
    Event("bert", 2018, 10, "absolute", "Devlin et al., arXiv 1810.04805, section 3"),
    Event("xl", 2019, 1, "relative", "Dai et al., arXiv 1901.02860, section 3.3"),
    Event("t5", 2019, 10, "relative", "Raffel et al., arXiv 1910.10683, section 2.1"),
    Event("rope", 2021, 4, "rotary", "Su et al., arXiv 2104.09864, section 3"),
    Event("alibi", 2021, 8, "relative", "Press et al., arXiv 2108.12409, section 3"),
    Event("haviv", 2022, 3, "none", "Haviv et al., arXiv 2203.16634"),
    Event("bloom", 2022, 11, "relative", "BigScience, arXiv 2211.05100"),
    Event("llama", 2023, 2, "rotary", "Touvron et al., arXiv 2302.13971, section 2.2"),
    Event("nope", 2023, 5, "none", "Kazemnejad et al., arXiv 2305.19466"),
    Event("pi", 2023, 6, "rotary", "Chen et al., arXiv 2306.15595"),
    Event("yarn", 2023, 9, "rotary", "Peng et al., arXiv 2309.00071"),
    Event("command", 2024, 12, "mixed", "Cohere 2 in transformers' documentation"),
    Event("rnope", 2025, 1, "mixed", "Yang et al., arXiv 2501.18795"),
    Event("llama4", 2025, 4, "mixed", "Meta, model card of Llama 4"),
    Event("smollm3", 2025, 7, "mixed", "Hugging Face, SmolLM3 announcement"),
)
