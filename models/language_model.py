"""One interface for every language model the pages look into: text -> tokens -> what one forward pass showed.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1, equation (1); grouped keys: Ainslie et al.
2023, "GQA", section 2.2.

    A = softmax(Q K^T / sqrt(d_head) + mask)        z = A V        (per head; W_O then adds all heads' z to the stream)

Glossary
    Q, query      what each position asks for, after RoPE where the model has RoPE
    K, key        what each position answers to, after RoPE where the model has RoPE
    V, value      what each position hands over when looked at
    A, attention  row t says how position t divides its look over positions s; every row sums to 1
    z             one head's mixture of values; to *ablate* a head is to set its z to zero before W_O

Convention: query head h reads key/value head h // (n_head // n_kv_head). With n_kv_head == n_head that is plain
multi-head attention, so encoders and decoders share this one description.
"""

import threading
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import cachetools
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Reading:
    """What one forward pass showed.

    l layers, h query heads, g key/value heads (h % g == 0), t tokens as queries, s the same tokens as keys,
    d head width, v vocabulary.
    """

    ids: Int[Tensor, "t"]
    label: tuple[str, ...]  # one display string per token
    query: Float[Tensor, "l h t d"]  # after RoPE where the model has RoPE
    key: Float[Tensor, "l g t d"]
    value: Float[Tensor, "l g t d"]
    attention: Float[Tensor, "l h t s"]  # rows sum to 1
    logit: Float[Tensor, "v"]  # next token after the last; v = 0 for an encoder


@runtime_checkable
class LanguageModel(Protocol):
    """A model the pages can read. It keeps no state between calls, so every visitor's thread shares one copy."""

    name: str
    causal: bool
    n_layer: int
    n_head: int
    n_kv_head: int
    d_head: int
    n_ctx: int
    vocab_size: int  # length of `Reading.logit`; 0 for an encoder

    def encode(self, text: str) -> list[int]:
        """Token ids, with the model's own special tokens. Never empty, also for the empty text. Not cut to n_ctx."""
        ...

    def label(self, ids: Sequence[int]) -> tuple[str, ...]:
        """One display string per token: a plain leading space, a line break as ↵, half a character as <0xE4>."""
        ...

    def read(self, ids: Sequence[int], ablate: frozenset[tuple[int, int]] = frozenset()) -> Reading:
        """One forward pass over 1 to n_ctx tokens, with the output z of each (layer, head) in `ablate` set to zero.

        Raises ValueError for no tokens, more than n_ctx tokens, an unknown id, or a head the model does not have.
        """
        ...


class ModelUnavailable(Exception):
    """A model cannot be had here and now: `key` says why, `values` what it is about.

    Its message is one clear sentence for the reader: `str()` in English, `sentence("zh")` in Chinese, both written in
    language_model.toml. A key that is not in there is taken for the sentence itself.
    """

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key, values)
        self.key, self.values = key, values

    def sentence(self, language: str = "en", plain: Callable[[object], object] = lambda value: value) -> str:
        """The sentence as Markdown; `plain` writes a value so that nothing in it is read as markup.

        A command is ours, and stands in a code span, where nothing else is markup.
        """
        words = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).get(self.key)
        values = {name: value if name == "command" else plain(value) for name, value in self.values.items()}
        return words[language].format(**values) if words else str(plain(self.key))

    def __str__(self) -> str:
        return self.sentence()


def legible(name: str) -> str:
    """What a visitor typed as a name, fit for a sentence: at most 80 characters, none that cannot be printed."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:80]) + "…" * (len(name) > 80)


@cachetools.cached(cachetools.LRUCache(4), condition=threading.Condition())
def load(name: str) -> LanguageModel:
    """The model called "tiny-lm", "minilm" or "smollm2", or any Hugging Face id or local folder.

    The four used last stay in memory; who asks for one that is being loaded waits for that one, so that no model is in
    memory twice. A failure is not remembered: a model fetched later is found.
    Raises ModelUnavailable.
    """
    # Imported here, so that a page that reads one model never pays for another's libraries.
    if name == "tiny-lm":
        from models import tiny_lm

        return tiny_lm.load()
    from models import pretrained

    match name:
        case "minilm":
            return pretrained.load_minilm()
        case "smollm2":
            return pretrained.load_smollm2()
        case _:
            return pretrained.load_any(name)
