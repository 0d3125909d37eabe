"""The language model trained here: a Llama-type decoder of about one million parameters.

Sources: Touvron et al. 2023, "LLaMA", section 2.2 (the whole recipe). Its parts: RMSNorm, Zhang & Sennrich 2019,
equation (4). RoPE, Su et al. 2021, section 3.4.2, equation (34). Grouped key/value heads, Ainslie et al. 2023,
section 2.2. SwiGLU, Shazeer 2020, equation (6).

    x_0     = E[ids]                                         one row of the embedding table per token
    x'_l    = x_l + sum_h z_h W_O^h                          attention reads rms_norm(x_l)
    x_{l+1} = x'_l + swiglu(rms_norm(x'_l))                  the feed-forward layer reads rms_norm(x'_l)
    logits  = rms_norm(x_L) E^T                              the embedding table again (tied)
    with    z_h[t] = sum_{s <= t} A[t, s] v_g[s],    A = softmax(q_h k_g^T / sqrt(d_head)),    g = h // group_size

Glossary
    x            residual stream, "b t m"                E        embedding, (vocab_size, d_model)
    q, k, v      query, key, value                       w_q ...  weight matrices, stored (out, in): y = x W^T
    z            one head's output before W_O            gain     RMSNorm's learned scale, one per feature
    g            the key/value head that h shares        ablate   set of (layer, head) whose z is set to zero

Axes: b batch, t query position, s key position, h query head, g key/value head, r query head within its group,
d head feature, m model feature, f feed-forward feature, v vocabulary.

Conventions: RoPE in half-split pairs (feature i with i + n_pair), positive angle, first position 0: the same as Hugging
Face's `LlamaForCausalLM`, which the tests copy these weights into. Simplified: no KV cache, no dropout.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.language_model import ModelUnavailable, Reading

WEIGHTS = Path(__file__).parent / "weights"
BOS = "<bos>"  # begins every sequence the model was trained on, and every document within one


@dataclass(frozen=True)
class Config:
    """The model's size. Every combination of counts is legal: groups always divide, pairs always pair."""

    vocab_size: int = 2048
    n_layer: int = 4
    n_kv_head: int = 2
    group_size: int = 3  # query heads that share one key/value head
    n_pair: int = 16  # pairs of features that RoPE turns together
    d_model: int = 128
    d_ff: int = 320
    n_ctx: int = 256
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def n_head(self) -> int:
        return self.n_kv_head * self.group_size

    @property
    def d_head(self) -> int:
        return 2 * self.n_pair


@dataclass(frozen=True)
class LayerTrace:
    """What one layer's attention did."""

    query: Float[Tensor, "b h t d"]  # after RoPE
    key: Float[Tensor, "b g s d"]  # after RoPE
    value: Float[Tensor, "b g s d"]
    attention: Float[Tensor, "b h t s"]


# --- the mechanism ---------------------------------------------------------------------------------------------------


def rms_norm(x: Float[Tensor, "*b m"], gain: Float[Tensor, "m"], eps: float) -> Float[Tensor, "*b m"]:
    """x / rms(x) * gain, with rms(x) = sqrt(mean(x^2) + eps): LayerNorm without its mean and bias."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain


def rope_angle(n_token: int, n_pair: int, base: float) -> Float[Tensor, "t p"]:
    """angle[t, i] = t * base^(-i / n_pair), in radians: fast pairs tell neighbours apart, slow pairs tell regions."""
    frequency = 1.0 / base ** (torch.arange(n_pair) / n_pair)
    return torch.arange(n_token)[:, None] * frequency


def rope(x: Float[Tensor, "b h t d"], angle: Float[Tensor, "t p"]) -> Float[Tensor, "b h t d"]:
    """Turn the pair (x_i, x_{i + d/2}) at position t by angle[t, i]. q . k then depends on the distance t - s only."""
    cos, sin = angle.cos(), angle.sin()
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def attend(
    query: Float[Tensor, "b h t d"], key: Float[Tensor, "b g s d"], value: Float[Tensor, "b g s d"]
) -> tuple[Float[Tensor, "b h t d"], Float[Tensor, "b h t s"]]:
    """Causal attention with grouped keys: (z, A). Query head h reads key/value head h // (n_head // n_kv_head)."""
    n_token, d_head = query.shape[2:]
    grouped = query.unflatten(1, (key.shape[1], -1)) * d_head**-0.5
    score = torch.einsum("bgrtd,bgsd->bgrts", grouped, key)
    future = torch.full((n_token, n_token), -torch.inf).triu(1)
    attention = (score + future).softmax(-1)
    z = torch.einsum("bgrts,bgsd->bgrtd", attention, value)
    return z.flatten(1, 2), attention.flatten(1, 2)


def swiglu(
    x: Float[Tensor, "b t m"], w_gate: Float[Tensor, "f m"], w_up: Float[Tensor, "f m"], w_down: Float[Tensor, "m f"]
) -> Float[Tensor, "b t m"]:
    """(silu(x W_gate^T) * (x W_up^T)) W_down^T: one projection decides how much of the other passes."""
    return F.linear(F.silu(F.linear(x, w_gate)) * F.linear(x, w_up), w_down)


class Block(nn.Module):
    """One layer: attention, then the feed-forward layer, each adding to the residual stream."""

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.cfg = cfg
        self.gain_attention = nn.Parameter(torch.ones(cfg.d_model))
        self.w_q = nn.Parameter(torch.zeros(cfg.n_head * cfg.d_head, cfg.d_model))
        self.w_k = nn.Parameter(torch.zeros(cfg.n_kv_head * cfg.d_head, cfg.d_model))
        self.w_v = nn.Parameter(torch.zeros(cfg.n_kv_head * cfg.d_head, cfg.d_model))
        self.w_o = nn.Parameter(torch.zeros(cfg.d_model, cfg.n_head * cfg.d_head))
        self.gain_mlp = nn.Parameter(torch.ones(cfg.d_model))
        self.w_gate = nn.Parameter(torch.zeros(cfg.d_ff, cfg.d_model))
        self.w_up = nn.Parameter(torch.zeros(cfg.d_ff, cfg.d_model))
        self.w_down = nn.Parameter(torch.zeros(cfg.d_model, cfg.d_ff))

    def forward(
        self, x: Float[Tensor, "b t m"], angle: Float[Tensor, "t p"], ablate: frozenset[int]
    ) -> tuple[Float[Tensor, "b t m"], LayerTrace]:
        def heads(weight: Tensor) -> Float[Tensor, "b h t d"]:
            return F.linear(normed, weight).unflatten(-1, (-1, self.cfg.d_head)).transpose(1, 2)

        normed = rms_norm(x, self.gain_attention, self.cfg.norm_eps)
        query, key, value = rope(heads(self.w_q), angle), rope(heads(self.w_k), angle), heads(self.w_v)
        z, attention = attend(query, key, value)
        if ablate:
            keep = torch.tensor([float(h not in ablate) for h in range(self.cfg.n_head)])
            z = z * keep[:, None, None]
        x = x + F.linear(z.transpose(1, 2).flatten(2), self.w_o)
        x = x + swiglu(rms_norm(x, self.gain_mlp, self.cfg.norm_eps), self.w_gate, self.w_up, self.w_down)
        return x, LayerTrace(query, key, value, attention)


class TinyLM(nn.Module):
    """The decoder. `forward` writes nothing to the module, so threads may share it."""

    def __init__(self, cfg: Config, generator: torch.Generator | None = None) -> None:
        """Random weights from `generator`; without one the matrices are zero, waiting for `load_state_dict`."""
        super().__init__()
        self.cfg = cfg
        self.embedding = nn.Parameter(torch.zeros(cfg.vocab_size, cfg.d_model))
        self.layers = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layer))
        self.gain_final = nn.Parameter(torch.ones(cfg.d_model))
        if generator is not None:
            for name, weight in self.named_parameters():
                if weight.dim() == 2:
                    # Each layer adds twice to the stream: smaller steps keep its size independent of depth (GPT-2).
                    depth = (2 * cfg.n_layer) ** -0.5 if name.endswith(("w_o", "w_down")) else 1.0
                    std = 0.02 if name == "embedding" else weight.shape[1] ** -0.5 * depth
                    nn.init.normal_(weight, std=std, generator=generator)

    def forward(
        self, ids: Int[Tensor, "b t"], ablate: frozenset[tuple[int, int]] = frozenset()
    ) -> tuple[Float[Tensor, "b t v"], tuple[LayerTrace, ...]]:
        """Logits for the token after each position, and what every layer's attention did."""
        angle = rope_angle(ids.shape[1], self.cfg.n_pair, self.cfg.rope_base)
        x, traces = self.embedding[ids], []
        for i, layer in enumerate(self.layers):
            x, trace = layer(x, angle, frozenset(head for at, head in ablate if at == i))
            traces.append(trace)
        return F.linear(rms_norm(x, self.gain_final, self.cfg.norm_eps), self.embedding), tuple(traces)


# --- the trained model behind the `LanguageModel` interface ----------------------------------------------------------


def byte_of_symbol() -> dict[str, int]:
    """Byte-level BPE writes each byte as one printable character (Radford et al. 2019, section 2.2): the way back.

    Bytes that print stand for themselves; the other 68, in order, are U+0100, U+0101, ...
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(hidden)}


def show_bytes(piece: bytes) -> str:
    """A token's bytes as text: a line break as ↵, and what is no whole character, or a control character, as <0xE4>."""
    text = piece.decode("utf-8", "surrogateescape")  # a byte 0xE4 that is no character becomes U+DCE4
    shown = []
    for char in text:
        code = ord(char)
        if char == "\n":
            shown.append("↵")
        elif code < 0x20 or code == 0x7F or 0xDC80 <= code <= 0xDCFF:
            shown.append(f"<0x{code & 0xFF:02X}>")
        else:
            shown.append(char)
    return "".join(shown)


class TinyLanguageModel:
    """`LanguageModel` for a TinyLM and its tokenizer. Everything is fixed at construction."""

    name = "tiny-lm"
    causal = True

    def __init__(self, model: TinyLM, tokenizer: Tokenizer) -> None:
        self.model = model.requires_grad_(False).eval()
        self.tokenizer = tokenizer
        # A reader who types "<bos>" gets those five characters, not the token.
        self.tokenizer.encode_special_tokens = True
        self.n_layer, self.n_head, self.n_kv_head = model.cfg.n_layer, model.cfg.n_head, model.cfg.n_kv_head
        self.d_head, self.n_ctx, self.vocab_size = model.cfg.d_head, model.cfg.n_ctx, model.cfg.vocab_size
        self.bos = tokenizer.get_vocab()[BOS]
        symbol = byte_of_symbol()
        pieces = {i: piece for piece, i in tokenizer.get_vocab().items()}
        self._bytes = {i: bytes(symbol[c] for c in piece) for i, piece in pieces.items() if i != self.bos}
        self._label = {self.bos: BOS} | {i: show_bytes(piece) for i, piece in self._bytes.items()}

    def encode(self, text: str) -> list[int]:
        """<bos> and the text's tokens. A lone surrogate, which UTF-8 cannot hold, is read as "?"."""
        return [self.bos, *self.tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8")).ids]

    def decode(self, ids: Sequence[int]) -> str:
        """The text again, without <bos>; bytes that form no character become U+FFFD."""
        return b"".join(self._bytes.get(i, b"") for i in ids).decode("utf-8", "replace")

    def label(self, ids: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._label[int(i)] for i in ids)

    @torch.no_grad()
    def read(self, ids: Sequence[int], ablate: frozenset[tuple[int, int]] = frozenset()) -> Reading:
        """See `LanguageModel.read`."""
        if not 1 <= len(ids) <= self.n_ctx:
            raise ValueError(f"{self.name} reads 1 to {self.n_ctx} tokens, not {len(ids)}")
        if not all(0 <= i < self.vocab_size for i in ids):
            raise ValueError(f"{self.name} knows the token ids 0 to {self.vocab_size - 1}")
        if not all(0 <= layer < self.n_layer and 0 <= head < self.n_head for layer, head in ablate):
            raise ValueError(f"{self.name} has {self.n_layer} layers of {self.n_head} heads")
        row = torch.tensor(list(ids))
        logits, traces = self.model(row[None], ablate)
        return Reading(
            ids=row,
            label=self.label(ids),
            query=torch.cat([trace.query for trace in traces]),
            key=torch.cat([trace.key for trace in traces]),
            value=torch.cat([trace.value for trace in traces]),
            attention=torch.cat([trace.attention for trace in traces]),
            logit=logits[0, -1],
        )


def save(model: TinyLM, tokenizer: Tokenizer, card: dict[str, object], folder: Path = WEIGHTS) -> None:
    """Write the weights (half precision), the tokenizer and the card. The card gets the config."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: weight.detach().half().contiguous() for name, weight in model.state_dict().items()}
    save_file(half, folder / "tiny_lm.safetensors")
    tokenizer.save(str(folder / "tiny_lm.tokenizer.json"), pretty=False)
    whole = {"config": asdict(model.cfg), **card}
    (folder / "tiny_lm.json").write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


@lru_cache(maxsize=2)
def load(folder: Path = WEIGHTS) -> TinyLanguageModel:
    """The shipped model: stored in half precision, computed in single. Raises ModelUnavailable."""
    try:
        card = json.loads((folder / "tiny_lm.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "tiny_lm.safetensors")
        tokenizer = Tokenizer.from_file(str(folder / "tiny_lm.tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelUnavailable("shipped_damaged") from error
    model = TinyLM(Config(**{f.name: card["config"][f.name] for f in fields(Config)}))
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return TinyLanguageModel(model, tokenizer)
