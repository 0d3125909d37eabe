"""What people say about tokenizers, settled by real ones.

Sources: Llama 2 7B and Llama 3 8B: their config.json (hidden size 4,096, 32 layers, 32 heads; feed-forward width 11,008
and 14,336; 32 and 8 key/value heads; vocabulary 32,000 and 128,256). UTF-8: RFC 3629, section 3 (bytes C0, C1 and F5 to
FF never occur). Petrov et al. 2023, "Language Model Tokenizers Introduce Unfairness Between Languages", section 3.
"""

import json
import tomllib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from models import tokenizer

Numbers = dict[str, int | float | str]

SAMPLES: dict[str, str] = tomllib.loads(Path(__file__).with_name("tokenizer_splits.toml").read_text(encoding="utf-8"))
RECORDS = [
    {"name": "Ada", "born": 1815, "languages": ["English", "French"], "city": "London"},
    {"name": "Alan", "born": 1912, "languages": ["English"], "city": "Manchester"},
    {"name": "Grace", "born": 1906, "languages": ["English", "COBOL"], "city": "New York"},
]
NEVER_IN_UTF8 = (0xC0, 0xC1, *range(0xF5, 0x100))


def count(name: str, text: str) -> int:
    """Tokens of a text."""
    return len(tokenizer.load(name).split(text).id)


def pieces(name: str, text: str) -> str:
    """The tokens of a text, with bars between them."""
    found = tokenizer.load(name)
    return "|".join(found.piece(i).replace(" ", "·") for i in found.split(text).id.tolist())


@lru_cache(maxsize=1)
def spelling() -> Numbers:
    """A model reads tokens, not letters."""
    word = " strawberry"
    return {
        "n_letter": len(word.strip()),
        "n_token": count("o200k", word),
        "forwards": pieces("gpt2", word),
        "backwards": pieces("gpt2", " " + word.strip()[::-1]),
        "n_backwards": count("gpt2", " " + word.strip()[::-1]),
    }


@lru_cache(maxsize=1)
def arithmetic() -> Numbers:
    """Where 456 + 1234 = 1690 is cut."""
    text = "456 + 1234 = 1690"
    return {name.replace("-", "_"): pieces(name, text) for name in ("gpt2", "cl100k", "mistral", "qwen")}


@lru_cache(maxsize=1)
def yaml_or_json() -> Numbers:
    """The same three records, written three ways."""
    import yaml

    forms = {
        "compact": json.dumps(RECORDS, separators=(",", ":")),
        "indented": json.dumps(RECORDS, indent=2),
        "yaml": yaml.safe_dump(RECORDS, sort_keys=False),
    }
    return {f"{form}_{name}": count(name, text) for form, text in forms.items() for name in ("gpt2", "o200k")}


@lru_cache(maxsize=1)
def unknown() -> Numbers:
    """Which subword tokenizers meet the unknown."""
    text = SAMPLES["zh"] + " 🙂"
    answer: Numbers = {"n_char": len(text)}
    for name in ("bert", "j2", "mistral", "gpt2"):
        found = tokenizer.load(name)
        ids = found.split(text).id
        answer[name] = int((ids == found.unknown).sum()) if found.unknown is not None else 0
    return answer


@lru_cache(maxsize=1)
def four_characters() -> Numbers:
    """Characters per token, language by language."""
    answer: Numbers = {lang: len(text) / count("o200k", text) for lang, text in SAMPLES.items()}
    english = SAMPLES["en"]
    answer["words"] = len(english.split()) / count("o200k", english)
    answer["old_hi"] = len(SAMPLES["hi"]) / count("gpt2", SAMPLES["hi"])
    return answer


@lru_cache(maxsize=1)
def premium() -> Numbers:
    """What the same sentence costs in Chinese and in Hindi, from 2019 to today."""
    answer: Numbers = {}
    for name in ("gpt2", "cl100k", "o200k", "qwen", "deepseek"):
        english = count(name, SAMPLES["en"])
        answer |= {f"{lang}_{name}": count(name, SAMPLES[lang]) / english for lang in ("zh", "hi")}
    return answer


def n_parameter(vocab_size: int, n_kv_head: int, d_ff: int, d_model: int = 4096, n_layer: int = 32) -> int:
    """Parameters of a Llama with 32 query heads: two vocabulary tables, attention, SwiGLU, RMSNorm gains."""
    attention = 2 * d_model * d_model + 2 * d_model * (d_model // 32) * n_kv_head
    return 2 * vocab_size * d_model + n_layer * (attention + 3 * d_model * d_ff + 2 * d_model) + d_model


def llama_3() -> Numbers:
    """Where the billion between Llama 2 7B and Llama 3 8B comes from, one change after another."""
    before, after = n_parameter(32_000, 32, 11_008), n_parameter(128_256, 8, 14_336)
    vocabulary = n_parameter(128_256, 32, 11_008)
    shared = n_parameter(128_256, 8, 11_008)
    return {
        "before": before / 1e9,
        "after": after / 1e9,
        "whole": (after - before) / 1e9,
        "vocabulary": (vocabulary - before) / 1e9,
        "shared": (shared - vocabulary) / 1e9,
        "wider": (after - shared) / 1e9,
    }


@lru_cache(maxsize=1)
def gpt2_size() -> Numbers:
    """What the 50,257 tokens of GPT-2 are."""
    found = tokenizer.load("gpt2")
    n_special = len(found.special)
    n_merged = sum(found.rank(i) is not None for i in range(found.vocab_size))
    return {
        "vocab_size": found.vocab_size, "n_special": n_special, "n_merged": n_merged,
        "n_byte": found.vocab_size - n_special - n_merged,
    }  # fmt: skip


@lru_cache(maxsize=1)
def indentation() -> Numbers:
    """Tokens of nothing but spaces, in Python code."""
    code = SAMPLES["code"].strip("\n")
    answer: Numbers = {}
    for name in ("gpt2", "cl100k"):
        found = tokenizer.load(name)
        ids = found.split(code).id.tolist()
        answer |= {f"n_{name}": len(ids), f"blank_{name}": sum(not found.piece(i).strip(" \n↵") for i in ids)}
    return answer


@lru_cache(maxsize=1)
def never_seen() -> Numbers:
    """Embeddings of tokens that no training text can hold: bytes that never occur in UTF-8, in the model trained here.

    Its table is also its output layer, so every step of training pushed these rows away from what it was predicting.
    """
    from models import tiny_lm

    model = tiny_lm.load()
    vocabulary = model.tokenizer.get_vocab()
    symbol = {byte: char for char, byte in tiny_lm.byte_of_symbol().items()}
    ids = [vocabulary[symbol[byte]] for byte in NEVER_IN_UTF8]
    table = model.model.embedding
    norm = table.norm(dim=1)
    others = [i for i in range(len(norm)) if i not in ids]
    unit = table[ids] / norm[ids][:, None]
    n = len(ids)
    cosine = ((unit @ unit.T).sum() - n) / (n * (n - 1))  # of every two different ones
    return {
        "n_never": len(ids),
        "norm": float(norm[ids].mean()),
        "norm_others": float(norm[others].mean()),
        "cosine": float(cosine),
        "n_token": len(norm),
    }


@lru_cache(maxsize=1)
def latency() -> Numbers:
    """Tokens of the nine sentences by Mistral's older tokenizer, over those by its newer one. If every token takes the
    same time, that is the ratio of the waiting times."""
    ratio = {lang: count("mistral", text) / count("tekken", text) for lang, text in SAMPLES.items() if lang != "code"}
    best = max(ratio, key=ratio.__getitem__)
    return {"en": ratio["en"], "best": ratio[best], "mean": sum(ratio.values()) / len(ratio), "zh": ratio["zh"]}


CLAIMS: dict[str, Callable[[], Numbers]] = {
    "spelling": spelling,
    "arithmetic": arithmetic,
    "yaml_or_json": yaml_or_json,
    "unknown": unknown,
    "four_characters": four_characters,
    "premium": premium,
    "llama_3": llama_3,
    "gpt2_size": gpt2_size,
    "indentation": indentation,
    "never_seen": never_seen,
    "latency": latency,
}
