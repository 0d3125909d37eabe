"""RoPE attention for texts longer than the trained length, without other frequencies: other positions, or fewer keys.

Sources: dual chunk attention, An et al. 2024, "Training-Free Long-Context Scaling of Large Language Models", section 3.
Attention sinks and window, Xiao et al. 2023, "Efficient Streaming Language Models with Attention Sinks", section 3.2.

RoPE makes a score depend on t - s alone. Past the trained length c some of these differences are new to the model.
Here every query meets every key it may see at a difference M[t, s] between 0 and c - 1.

    dual chunk    chunks of n_chunk tokens; keys stand at s mod n_chunk, queries at t mod n_chunk within their own
                  chunk, at min(n_chunk + t mod n_chunk, c - 1) for the chunk before, at c - 1 for all earlier ones
    sinks         the first n_sink keys and the last c - n_sink stay in the cache, and positions are counted there
    window        the last c keys stay

Glossary
    c   trained, the trained length           s (paper)   n_chunk         w (paper)   c - n_chunk, where neighbours
    M   relative, "t s"                       x           out of sight: M = -1        in two chunks keep their distance

The score is -inf where a key is out of sight; the causal mask is the model's own, as in models/position_schemes.py.
`relative` says what `scores` does: the tests turn each query by M[t, s] in a slow loop. Qwen2 (section 2.2.1 of its
report) serves long texts with dual chunk attention and YaRN's temperature together; vLLM turns each query three times,
as here, and lets the positions reach c, not c - 1. Simplified: one score matrix, no fused kernels, no cache.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.position_schemes import Rotary, distances


class DualChunk(Rotary):
    """Dual chunk attention: far keys are nearer than they are, near keys keep their distance."""

    def __init__(
        self, inv_freq: Float[Tensor, "p"], trained: int, n_chunk: int = 0, attention_factor: float = 1.0
    ) -> None:
        """n_chunk: 0 for three quarters of the trained length, the paper's choice. Raises ValueError past `trained`."""
        super().__init__(inv_freq, attention_factor)
        self.trained = trained
        self.n_chunk = n_chunk or max(1, 3 * trained // 4)
        if self.n_chunk > trained:
            raise ValueError(f"chunks of {self.n_chunk} tokens are longer than the trained length {trained}")

    def _query_positions(self, position: Int[Tensor, "t"]) -> tuple[Int[Tensor, "t"], ...]:
        """Where the queries stand for keys of their own chunk, of the one before, and of all others."""
        within = position % self.n_chunk
        last = torch.full_like(position, self.trained - 1)
        return within, (within + self.n_chunk).clamp(max=self.trained - 1), last

    def relative(self, n_query: int, n_key: int) -> Int[Tensor, "t s"]:
        """M[t, s], for keys in the future too (negative there). The queries are the last of the positions."""
        position = torch.arange(n_key)
        own, before, others = self._query_positions(position[-n_query:])
        key = position % self.n_chunk
        apart = self._chunks_apart(n_query, n_key)
        return torch.where(apart <= 0, own[:, None], torch.where(apart == 1, before[:, None], others[:, None])) - key

    def _chunks_apart(self, n_query: int, n_key: int) -> Int[Tensor, "t s"]:
        chunk = torch.arange(n_key) // self.n_chunk
        return chunk[-n_query:, None] - chunk

    def scores(self, query: Float[Tensor, "*b h t d"], key: Float[Tensor, "*b h s d"]) -> Float[Tensor, "*b h t s"]:
        n_query, n_key = query.shape[-2], key.shape[-2]
        position = torch.arange(n_key)
        key = self.rotate(key, position % self.n_chunk).transpose(-2, -1) * query.shape[-1] ** -0.5
        own, before, others = (self.rotate(query, at) @ key for at in self._query_positions(position[-n_query:]))
        apart = self._chunks_apart(n_query, n_key)
        return torch.where(apart <= 0, own, torch.where(apart == 1, before, others))


class Sinks(Rotary):
    """StreamingLLM: the first tokens and the latest ones; with n_sink = 0 a plain sliding window."""

    def __init__(
        self, inv_freq: Float[Tensor, "p"], trained: int, n_sink: int = 4, attention_factor: float = 1.0
    ) -> None:
        """The cache holds `trained` keys, the query's own among them. Raises ValueError if sinks leave it no room."""
        super().__init__(inv_freq, attention_factor)
        if not 0 <= n_sink < trained:
            raise ValueError(f"{n_sink} sinks leave no room in a cache of {trained}")
        self.trained, self.n_sink = trained, n_sink

    def _kept(self, n_query: int, n_key: int) -> tuple[Tensor, Tensor]:
        """Which keys are sinks ("s"), and which each query still sees ("t s")."""
        sink = torch.arange(n_key) < self.n_sink
        recent = distances(n_query, n_key) < self.trained - self.n_sink
        return sink, recent | sink

    def relative(self, n_query: int, n_key: int) -> Int[Tensor, "t s"]:
        """M[t, s]: t - s for recent keys; a sink is as far as the cache is long. -1: out of sight, or the future."""
        sink, kept = self._kept(n_query, n_key)
        position = torch.arange(n_key)
        in_cache = position[-n_query:].clamp(max=self.trained - 1)
        difference = torch.where(sink, in_cache[:, None] - position, distances(n_query, n_key))
        return torch.where(kept, difference, -1).clamp(min=-1)

    def scores(self, query: Float[Tensor, "*b h t d"], key: Float[Tensor, "*b h s d"]) -> Float[Tensor, "*b h t s"]:
        n_query, n_key = query.shape[-2], key.shape[-2]
        position = torch.arange(n_key)
        kept = self._kept(n_query, n_key)[1]
        turned = self.rotate(key, position).transpose(-2, -1) * query.shape[-1] ** -0.5
        score = self.rotate(query, position[-n_query:]) @ turned
        if self.n_sink:  # the few sink columns again, with the query at its place in the cache
            at = position[-n_query:].clamp(max=self.trained - 1)
            first = self.rotate(query, at) @ turned[..., : self.n_sink]
            score = torch.cat((first, score[..., self.n_sink :]), dim=-1)
        return score.masked_fill(~kept, -torch.inf)


def window(inv_freq: Float[Tensor, "p"], trained: int) -> Sinks:
    """A sliding window without sinks: the last `trained` keys, nothing else."""
    return Sinks(inv_freq, trained, n_sink=0)
