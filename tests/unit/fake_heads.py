"""Small random language models, written out head by head, that stand in for the real ones."""

import zlib

import pytest
import torch

from models import attention_heads, head_claims, head_reading
from models.language_model import ModelUnavailable, Reading


class Fake:
    """Attention-only layers with random weights; characters are tokens. No two sizes are equal, most are prime."""

    def __init__(self, name: str, causal: bool, n_layer: int, n_kv_head: int, group: int, d_head: int) -> None:
        self.name, self.causal, self.n_layer, self.n_kv_head, self.d_head = name, causal, n_layer, n_kv_head, d_head
        self.n_head, self.n_ctx = n_kv_head * group, 200
        self.n_id = 61
        self.vocab_size = self.n_id if causal else 0
        self.n_read = 0
        make = torch.Generator().manual_seed(zlib.crc32(name.encode()))

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=make)

        d = 17
        self.embedding, self.position = random(self.n_id, d), random(self.n_ctx, d)
        self.w_q = random(n_layer, self.n_head, d, d_head) / 6
        self.w_k, self.w_v = (random(n_layer, n_kv_head, d, d_head) / 6 for _ in range(2))
        self.w_o = random(n_layer, self.n_head, d_head, d) / 6

    def encode(self, text: str) -> list[int]:
        body = [3 + ord(c) % (self.n_id - 3) for c in text]
        return [0, *body] if self.causal else [1, *body, 2]

    def label(self, ids) -> tuple[str, ...]:
        return tuple("[x]" if i < 3 else chr(ord("A") + i) for i in ids)

    @torch.no_grad()
    def read(self, ids, ablate=frozenset()) -> Reading:
        self.n_read += 1
        row = torch.tensor(list(ids))
        x = self.embedding[row] + self.position[: len(row)]
        seen = []
        for layer in range(self.n_layer):
            q, k, v = (torch.einsum("td,hde->hte", x, w[layer]) for w in (self.w_q, self.w_k, self.w_v))
            step = torch.zeros_like(x)
            maps = []
            for h in range(self.n_head):
                g = h // (self.n_head // self.n_kv_head)
                score = q[h] @ k[g].T / self.d_head**0.5
                if self.causal:
                    score = score + torch.full_like(score, -torch.inf).triu(1)
                maps.append(score.softmax(-1))
                if (layer, h) not in ablate:
                    step = step + maps[-1] @ v[g] @ self.w_o[layer, h]
            seen.append((q, k, v, torch.stack(maps)))
            x = x + step
        logit = x[-1] @ self.embedding.T / 4 if self.causal else torch.zeros(0)
        return Reading(row, self.label(ids), *(torch.stack(part) for part in zip(*seen, strict=True)), logit)


def install(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fake]:
    """Every model name leads to a small random one: a decoder with grouped keys, an encoder, and another decoder."""
    models = {
        "tiny-lm": Fake("tiny-lm", True, 3, 5, 2, 7),
        "minilm": Fake("minilm", False, 2, 3, 1, 11),
        "smollm2": Fake("smollm2", True, 5, 3, 3, 13),
    }

    def load(name: str) -> Fake:
        if name not in models:
            raise ModelUnavailable("bad_name", name=name)
        return models[name]

    for module in (attention_heads, head_reading, head_claims):
        monkeypatch.setattr(module, "load", load)
    head_reading.look.cache_clear()
    return models
