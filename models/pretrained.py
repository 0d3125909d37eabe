"""Real language models, read through transformers: MiniLM (an encoder), SmolLM2 (a decoder), or any other checkpoint.

Sources: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1, equation (1); encoder: Devlin et al. 2019,
"BERT", section 3; MiniLM: Wang et al. 2020; decoder with RoPE and grouped keys: Allal et al. 2025, "SmolLM2".

    A = softmax(Q K^T / sqrt(d_head) + mask)        z = A V        (per head; W_O then adds all heads' z to the stream)

How attention is watched. A transformers model calls, in every layer, an attention function found by name in a registry.
We register one: it calls the model's own plain ("eager") attention, so that soft-capping and other specialities stay
as they are, and notes Q, K, V and A if a reading is under way. The notes of a reading lie in a ContextVar, which
every thread has for itself: one shared model serves all visitors, and nobody sees another's reading.

Glossary
    query, key   after RoPE where the model has RoPE; the query is scaled so that q . k / sqrt(d_head) is the score
    g            key/value heads: fewer than query heads in a model with grouped keys (GQA), and not repeated here
    z            one head's mixture of values; ablating a head sets its z to zero before W_O

Conventions: float32 on the CPU. Special tokens written out in a text ("[MASK]", "<|im_start|>") are read as such.
Simplified: no KV cache, no padding, one text at a time.
"""

import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel, PreTrainedTokenizerBase
from transformers.masking_utils import eager_mask

import assets
from models import checkpoint
from models.language_model import ModelUnavailable, Reading
from models.tiny_lm import byte_of_symbol, show_bytes

WATCHED = "model_atlas"  # the name of our attention function in transformers' registry


@dataclass
class Notes:
    """What a reading has seen so far: one entry per layer, in the order in which the layers ran."""

    ablate: frozenset[tuple[int, int]] = frozenset()
    query: list[Float[Tensor, "h t d"]] = field(default_factory=list)
    key: list[Float[Tensor, "g s d"]] = field(default_factory=list)
    value: list[Float[Tensor, "g s d"]] = field(default_factory=list)
    attention: list[Float[Tensor, "h t s"]] = field(default_factory=list)


_notes: ContextVar[Notes | None] = ContextVar("notes", default=None)


def watched_attention(
    module: nn.Module,
    query: Float[Tensor, "b h t d"],
    key: Float[Tensor, "b g s d"],
    value: Float[Tensor, "b g s d"],
    mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Float[Tensor, "b t h d"], Float[Tensor, "b h t s"]]:
    """The module's own attention; also takes notes, and ablates, if a reading is under way in this thread."""
    if scaling is not None:
        options["scaling"] = scaling
    z, attention = _eager(module)(module, query, key, value, mask, **options)
    notes = _notes.get()
    if notes is None:
        return z, attention
    layer = len(notes.attention)
    default = query.shape[-1] ** -0.5
    notes.query.append(query[0] if scaling in (None, default) else query[0] * (scaling / default))
    notes.key.append(key[0])
    notes.value.append(value[0])
    notes.attention.append(attention[0])
    heads = [head for at, head in notes.ablate if at == layer]
    if heads:
        z[:, :, heads] = 0.0
    return z, attention


def _eager(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor]]:
    """The plain attention function of the file a module's class is written in. Raises AttributeError."""
    for ancestor in type(module).__mro__:
        found = getattr(sys.modules[ancestor.__module__], "eager_attention_forward", None)
        if found is not None:
            return found
    raise AttributeError(f"{type(module).__name__} has no eager attention")


AttentionInterface.register(WATCHED, watched_attention)
AttentionMaskInterface.register(WATCHED, eager_mask)  # a mask to be added to the scores: 0, or a very negative number


class Pretrained:
    """`LanguageModel` for a transformers model and its tokenizer. Everything is fixed at construction."""

    def __init__(self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Reads a few tokens to find out what the model really does, rather than what its config says.

        Raises ModelUnavailable if its attention cannot be shown, or its weights do not give numbers.
        """
        self.name = name
        self._model = model.eval()
        self._model.config.use_cache = False
        self._tokenizer, self._backend = tokenizer, tokenizer.backend_tokenizer
        self._added = set(tokenizer.added_tokens_decoder)
        decoder = self._backend.decoder
        spelling = decoder.__getstate__().decode() if decoder is not None else ""
        self._symbol = byte_of_symbol() if "ByteLevel" in spelling else {}
        self._space = "▁" if "▁" in spelling else ""  # SentencePiece's mark for a space
        starts = (tokenizer.bos_token_id, tokenizer.cls_token_id, tokenizer.eos_token_id, 0)
        self._start = next(token for token in starts if token is not None)
        # Logits are wanted after the last token only; most decoders can be told.
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}
        embedding: Any = model.get_input_embeddings()
        self._n_id: int = embedding.num_embeddings
        self.n_ctx = _n_ctx(model, tokenizer)

        kind = model.config.model_type
        try:
            notes, logits = self._run(torch.arange(min(5, self._n_id, self.n_ctx)), frozenset())
            attention, key = torch.stack(notes.attention), torch.stack(notes.key)
            query, value = torch.stack(notes.query), torch.stack(notes.value)
        except Exception as error:  # the model's own code, given what it was not written for
            raise ModelUnavailable("no_attention", name=name, kind=kind) from error
        if not all(x.isfinite().all() for x in (attention, query, key, value, logits)):
            raise ModelUnavailable("bad_weights", name=name)
        self.n_layer, self.n_head, n_token, self.d_head = query.shape
        self.n_kv_head = key.shape[1]
        shows = (
            self.n_layer == model.config.get_text_config().num_hidden_layers
            and key.shape == value.shape == (self.n_layer, self.n_kv_head, n_token, self.d_head)
            and attention.shape == (self.n_layer, self.n_head, n_token, n_token)
            and self.n_head % self.n_kv_head == 0
            and (attention.sum(-1) - 1).abs().max() < 1e-4
        )
        if not shows:
            raise ModelUnavailable("no_attention", name=name, kind=kind)
        self.causal = bool((attention.triu(1) == 0).all())
        # A model that looks ahead cannot predict: its scores for "the next token" would mean nothing.
        self.vocab_size = logits.shape[-1] if self.causal else 0

    def encode(self, text: str) -> list[int]:
        """Token ids with the model's own special tokens; for no text at all, the token that begins or ends one.

        Halves of surrogate pairs are joined; a lone one, which UTF-8 cannot hold, is read as U+FFFD.
        """
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return self._backend.encode(text).ids or [self._start]

    def label(self, ids: Sequence[int]) -> tuple[str, ...]:
        """A plain leading space, ↵ for a line break, <0xE4> for a byte that is no character; "##ing" stays as it is."""
        return tuple(self._show(int(i)) for i in ids)

    def _show(self, token: int) -> str:
        piece: Any = self._tokenizer.convert_ids_to_tokens(token)
        if piece is None:
            return f"<{token}>"  # a row of the embedding table that the tokenizer does not use
        if piece == "<0x0A>":
            return "↵"
        if token not in self._added:
            if self._symbol and all(c in self._symbol for c in piece):
                return show_bytes(bytes(self._symbol[c] for c in piece))
            if self._space:
                piece = piece.replace(self._space, " ")
        return show_bytes(piece.encode("utf-8", "replace"))

    @torch.no_grad()
    def _run(self, ids: Tensor, ablate: frozenset[tuple[int, int]]) -> tuple[Notes, Float[Tensor, "v"]]:
        """One forward pass: the notes taken, and the logits after the last token (none from a model without them)."""
        notes = Notes(ablate)
        before = _notes.set(notes)
        try:
            # The mask says "no padding": without it some models guess from the ids, and warn.
            out = self._model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], **self._options)
        finally:
            _notes.reset(before)
        return notes, out.logits[0, -1].float() if "logits" in out else torch.zeros(0)

    def read(self, ids: Sequence[int], ablate: frozenset[tuple[int, int]] = frozenset()) -> Reading:
        """See `LanguageModel.read`."""
        if not 1 <= len(ids) <= self.n_ctx:
            raise ValueError(f"{self.name} reads 1 to {self.n_ctx} tokens, not {len(ids)}")
        if not all(0 <= i < self._n_id for i in ids):
            raise ValueError(f"{self.name} knows the token ids 0 to {self._n_id - 1}")
        if not all(0 <= layer < self.n_layer and 0 <= head < self.n_head for layer, head in ablate):
            raise ValueError(f"{self.name} has {self.n_layer} layers of {self.n_head} heads")
        row = torch.tensor(list(ids), dtype=torch.long)
        notes, logits = self._run(row, frozenset(ablate))
        return Reading(
            ids=row,
            label=self.label(ids),
            query=torch.stack(notes.query),
            key=torch.stack(notes.key),
            value=torch.stack(notes.value),
            attention=torch.stack(notes.attention),
            logit=logits if self.causal else torch.zeros(0),
        )


def _n_ctx(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """The most tokens the model takes: the least that its tokenizer, its config or a table of positions allows."""
    limits = [tokenizer.model_max_length, getattr(model.config.get_text_config(), "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name.endswith("position_embeddings"):
            # RoBERTa starts counting positions after the padding token's id.
            limits.append(module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    return int(min(limit for limit in limits if limit))


def load_minilm() -> Pretrained:
    """all-MiniLM-L6-v2, a BERT encoder. Raises ModelUnavailable."""
    return _load_asset("minilm")


def load_smollm2() -> Pretrained:
    """SmolLM2-135M-Instruct, a Llama-type decoder, its weights rounded to 4 bits. Raises ModelUnavailable."""
    return _load_asset("smollm2")


def load_any(id_or_path: str) -> Pretrained:
    """Any causal language model or encoder, by Hugging Face id or local folder. Raises ModelUnavailable."""
    return _load(checkpoint.locate(id_or_path), id_or_path.strip())


def _load_asset(name: str) -> Pretrained:
    title = assets.find(name).title.split(",")[0]
    try:
        return _load(assets.path(name), name)
    except assets.AssetMissing as missing:
        raise ModelUnavailable("asset_missing", name=title, command=missing.command) from missing
    except ModelUnavailable as error:  # files that were pinned, and do not load: something happened to them since
        raise ModelUnavailable("asset_damaged", name=title, command=assets.find(name).command) from error


def _load(folder: Path, name: str) -> Pretrained:
    model, tokenizer = checkpoint.load(folder, name, WATCHED)
    return Pretrained(name, model, tokenizer)
