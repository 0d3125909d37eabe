"""The tokenizers' own libraries, for comparison: tiktoken, tokenizers, sentencepiece. No page is drawn with them.

Each is built from the same files as ours, but by other people's code: tiktoken (GPT-2, cl100k, o200k, Qwen, Tekken),
`tokenizers` (BERT, DeepSeek, the model trained here), `transformers` (CLIP), sentencepiece (its own models). The RWKV
trie, bytes, characters and words have no library of that kind: the tests compare them with slow loops. One's own
tokenizer.json is split by its library in the first place.
"""

import base64
import gzip
import json
import os
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import assets
from models.byte_pair_tokenizers import ASSET, CLIP_N_MERGE, CLIP_SPECIAL
from models.language_model import ModelUnavailable
from models.sentencepiece_tokenizers import FILES
from models.tiny_lm import WEIGHTS, byte_of_symbol

Encode = Callable[[str], list[int]]


@lru_cache(maxsize=16)
def reference(name: str) -> Encode | None:
    """text -> ids by the library, special tokens read as plain text; None where there is no library.

    Raises ModelUnavailable if the files are not on this machine.
    """
    try:
        match name:
            case "gpt2" | "cl100k" | "o200k" | "qwen" | "tekken":
                return tiktoken_of(name)
            case "bert" | "deepseek" | "tiny-lm":
                return tokenizers_of(name)
            case "clip":
                return transformers_of()
            case "mistral" | "j2" | "botchan-bpe" | "botchan-unigram":
                return sentencepiece_of(name)
    except assets.AssetMissing as missing:
        raise ModelUnavailable("asset_missing", name=name, command=missing.command) from missing
    return None


def tiktoken_of(name: str) -> Encode:
    """OpenAI's three as tiktoken has them; Qwen's and Mistral's files in its engine, for which they were made."""
    import tiktoken
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    folder = assets.path(ASSET[name])
    if name == "qwen":
        lines = (folder / "qwen.tiktoken").read_text(encoding="ascii").splitlines()
        ranks = {base64.b64decode(piece): int(rank) for piece, rank in (line.split() for line in lines)}
        qwen = tiktoken.Encoding("qwen", pat_str=PRETOKENIZE_REGEX, mergeable_ranks=ranks, special_tokens={})
        return lambda text: qwen.encode_ordinary(unicodedata.normalize("NFC", text))
    if name == "tekken":
        file = json.loads((folder / "tekken_240911.json").read_text(encoding="utf-8"))
        first = file["config"]["default_num_special_tokens"]
        used = file["vocab"][: file["config"]["default_vocab_size"] - first]
        ranks = {base64.b64decode(token["token_bytes"]): token["rank"] + first for token in used}
        pattern = file["config"]["pattern"]
        return tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={}).encode_ordinary
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    return tiktoken.get_encoding("gpt2" if name == "gpt2" else f"{name}_base").encode_ordinary


def tokenizers_of(name: str) -> Encode:
    """A tokenizer.json, read by Hugging Face's `tokenizers`."""
    from tokenizers import Tokenizer

    folder = {"bert": "minilm", "deepseek": "deepseek"}
    file = WEIGHTS / "tiny_lm.tokenizer.json" if name == "tiny-lm" else assets.path(folder[name]) / "tokenizer.json"
    # Without added tokens: `encode_special_tokens` leaves some of them, those not called special, as they are.
    plain: dict[str, object] = {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    described = json.loads(file.read_text(encoding="utf-8")) | plain
    library = Tokenizer.from_str(json.dumps(described))
    return lambda text: library.encode(text, add_special_tokens=False).ids


def transformers_of() -> Encode:
    """CLIP's vocabulary in transformers' own tokenizer."""
    from tokenizers import Tokenizer
    from transformers import CLIPTokenizer

    with gzip.open(assets.path("clip") / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8") as file:
        merges: Any = [tuple(line.split()) for line in file.read().split("\n")[1 : CLIP_N_MERGE + 1]]
    symbols = [*byte_of_symbol()]
    pieces = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *map("".join, merges), *CLIP_SPECIAL]
    built = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges).backend_tokenizer
    described = json.loads(built.to_str()) | {"added_tokens": [], "post_processor": None}
    first = described["pre_tokenizer"]["pretokenizers"][0]["pattern"]  # it too knows the special tokens
    first["Regex"] = first["Regex"].replace(r"<\|startoftext\|>|<\|endoftext\|>|", "")
    library = Tokenizer.from_str(json.dumps(described))
    return lambda text: library.encode(text, add_special_tokens=False).ids


def sentencepiece_of(name: str) -> Encode:
    """A SentencePiece model, read by sentencepiece."""
    from sentencepiece import SentencePieceProcessor

    folder, file = FILES[name]
    return SentencePieceProcessor(model_file=str(assets.path(folder) / file)).encode
