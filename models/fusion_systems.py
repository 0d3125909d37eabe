"""Published shapes of real systems: how a picture gets in, as how many tokens, computed from what was published.

Sources, one per system: the field `source`. "read" means that the number stands in a configuration or a paper's text
that could be opened, "reported" that it is quoted from others' accounts of the paper.

    tokens = (pixels / patch)^2 x merge          late, and early with an encoder; merge: share left by pixel shuffle
    tokens = latents                             Q-Former and resampler, whatever the picture's size
    tokens = (pixels / stride)^2                 codes

Glossary
    style     "late", "cross", "early" (codes); called early, too: "early-encoder" (an encoder's tokens, trained
              together with words from the start), "early-patch" (patches through one matrix)
    base      what one picture of the published size takes; where pictures are cut into tiles, one tile
"""

from dataclasses import dataclass

CONTEXT = 4_096  # positions of LLaVA-1.5's language model and of Chameleon


@dataclass(frozen=True)
class System:
    """One published system. encoder: what reads pixels; latents: 0 without."""

    name: str
    year: int
    style: str
    encoder: str
    n_pixel: int
    patch: int
    merge: float
    latents: int
    lm: str
    source: str
    read: bool = True

    @property
    def n_feature(self) -> int:
        """Patches, or places of codes, of one picture or tile."""
        return (self.n_pixel // self.patch) ** 2

    @property
    def n_token(self) -> int:
        """What the language model gets of one picture or tile; with cross-attention, beside its sequence."""
        return self.latents or round(self.n_feature * self.merge)

    @property
    def in_sequence(self) -> int:
        """Positions of the language model's sequence; with cross-attention only a mark."""
        return 1 if self.style == "cross" else self.n_token


SYSTEMS = (
    System(
        "Flamingo-80B", 2022, "cross", "NFNet-F6", 320, 32, 1.0, 64,
        "Chinchilla 70B",
        "Alayrac et al. 2022, arXiv 2204.14198, sections 2.1-2.3, table 1", read=False,
    ),
    System(
        "BLIP-2", 2023, "late", "EVA ViT-g/14", 224, 14, 1.0, 32,
        "OPT or FlanT5",
        "transformers, Blip2Config; Li et al. 2023, arXiv 2301.12597, section 3.1",
    ),
    System(
        "LLaVA", 2023, "late", "CLIP ViT-L/14", 224, 14, 1.0, 0,
        "Vicuna-13B",
        "Liu et al. 2023, arXiv 2304.08485, section 4.1; github.com/haotian-liu/LLaVA",
    ),
    System(
        "LLaVA-1.5", 2023, "late", "CLIP ViT-L/14", 336, 14, 1.0, 0,
        "Vicuna 7B or 13B",
        "transformers, LlavaConfig; Liu et al. 2023, arXiv 2310.03744, section 3",
    ),
    System(
        "Fuyu-8B", 2023, "early-patch", "none", 300, 30, 1.0, 0,
        "decoder, 8B",
        "transformers, FuyuConfig; adept.ai/blog/fuyu-8b",
    ),
    System(
        "Chameleon", 2024, "early", "VQ-GAN, 8192 codes", 512, 16, 1.0, 0,
        "7B or 34B, one training",
        "transformers, ChameleonConfig; Chameleon Team 2024, arXiv 2405.09818, section 2",
    ),
    System(
        "Llama 3.2 Vision 11B", 2024, "cross", "ViT-H/14", 560, 14, 1.0, 0,
        "Llama 3.1 8B",
        "transformers, MllamaConfig (layers); model card of Llama-3.2-11B-Vision (560 pixels)", read=False,
    ),
    System(
        "Llama 4", 2025, "early-encoder", "ViT, from MetaCLIP", 336, 14, 0.25, 0,
        "Scout 109B, Maverick 400B",
        "transformers, Llama4ImageProcessor (336), Llama4VisionConfig (14, shuffle 0.5); ai.meta.com, Llama 4",
    ),
)  # fmt: skip
# What is said of systems that publish no shapes. Words: the page's TOML, disclosed_<id> and hidden_<id>.
UNKNOWN = ("encoder", "fusion", "size", "data", "training", "pictures", "abilities")


def by_name(name: str) -> System:
    """Raises KeyError."""
    return {one.name: one for one in SYSTEMS}[name]


def fits(one: System, n_word: int, context: int = CONTEXT) -> int:
    """Pictures that fit into a context beside a text. What stands beside the sequence takes one position a picture."""
    return max(0, context - n_word) // one.in_sequence
