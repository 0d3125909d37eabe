"""What routing costs beside arithmetic: experts touched by a batch, tokens sent between devices, batches that shrink.

If each of B tokens chooses k of n experts at random and by itself, an expert is left alone by all of them with
probability (1 - k/n)^B, so that on average

    n (1 - (1 - k/n)^B)

different experts are asked for: 2, 3.5, 5.5, 7.2, 7.9 of Mixtral's 8 for B = 1, 2, 4, 8, 16. Real routers are not
uniform: where some experts are chosen more often, fewer different ones are touched. `sampled` draws tokens one by one,
uniformly or with popularities that fall as rank^-s (Zipf); at s = 0 it checks the formula.

Expert parallelism: n experts on d devices. Each device holds b tokens, and sends those whose experts live elsewhere:
the all-to-all. A token sends k copies, or one for each device it needs, d_model numbers each, and gets as many back. By
the hypergeometric distribution it needs on average sum over devices of 1 - C(n - n_j, k) / C(n, k) of them.

The shrinking batch (Shazeer et al. 2017): an expert sees k b / n of a device's b tokens. With the batches of d devices
gathered it sees k b d / n.

Fine-grained experts (Dai et al. 2024): m n experts of 1/m the width, m k of them chosen: the same arithmetic,
C(m n, m k) combinations instead of C(n, k).

Glossary
    n, k   experts, experts per token      d     devices       b   tokens per device
    B      tokens of a step                s     skew          m   splits
"""

import functools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

N_RUN = 8
_CHUNK = 128  # tokens drawn at once


def distinct(n: int, k: int, batch: int) -> float:
    """Different experts that a batch asks for, on average, if every choice is equally likely."""
    return n * (1 - (1 - k / n) ** batch) if n else 0.0


def choices(n: int, k: int, n_token: int, skew: float, generator: torch.Generator) -> Int[Tensor, "t k"]:
    """k different experts for each token, by popularities (rank + 1)^-skew: the k largest of log popularity plus Gumbel
    noise are drawn one after the other without putting back."""
    log_popularity = -skew * torch.arange(1, n + 1).log()
    noise = -torch.empty(n_token, n).exponential_(generator=generator).log()
    return (log_popularity + noise).topk(k, dim=1).indices


@functools.lru_cache(maxsize=64)
def sampled(n: int, k: int, batches: tuple[int, ...], skew: float, seed: int = 0) -> Float[Tensor, "b"]:
    """Mean number of different experts after each number of tokens, over N_RUN runs that grow token by token."""
    if not n:
        return torch.zeros(len(batches))
    generator = torch.Generator().manual_seed(seed)
    first = torch.full((N_RUN, n), float("inf"))  # the token that first asked for each expert, from 1
    for run in range(N_RUN):
        for start in range(0, max(batches), _CHUNK):
            chosen = choices(n, k, _CHUNK, skew, generator)
            token = torch.arange(start + 1, start + 1 + _CHUNK, dtype=torch.float32).repeat_interleave(k)
            first[run].scatter_reduce_(0, chosen.flatten(), token, "amin")
            if first[run].isfinite().all():
                break
    return torch.stack([(first <= batch).float().sum(1).mean() for batch in batches])


def owners(n: int, d: int) -> Int[Tensor, "e"]:
    """The device of each expert: as evenly as it goes, neighbours together."""
    return torch.arange(n) * d // n


@functools.lru_cache(maxsize=64)
def sent(n: int, k: int, d: int, b: int, skew: float, seed: int = 0) -> Int[Tensor, "d e"]:
    """How many of each device's b tokens choose each expert. Which experts are popular is drawn, too."""
    generator = torch.Generator().manual_seed(seed)
    rank = torch.randperm(n, generator=generator)
    count = torch.zeros(d, n, dtype=torch.int64)
    for device in range(d):
        chosen = rank[choices(n, k, b, skew, generator)]
        count[device] = torch.bincount(chosen.flatten(), minlength=n)
    return count


def copies_sent(n: int, k: int, d: int) -> float:
    """Copies of one token that leave its device, on average over devices, if a copy goes to every expert."""
    held = torch.bincount(owners(n, d), minlength=d).double()
    return float(k * (1 - held / n).mean())


def devices_reached(n: int, k: int, d: int) -> float:
    """Other devices that one token is sent to, on average over devices: a copy to each serves all its experts there."""
    held = torch.bincount(owners(n, d), minlength=d).tolist()
    needed = [1 - math.comb(n - m, k) / math.comb(n, k) for m in held]
    return sum(needed) * (1 - 1 / d)


def all_to_all(d_model: int, n_layer: int, copies: float, size: float) -> float:
    """Bytes one token causes to travel, there and back in every MoE layer. size: bytes per number."""
    return 2 * copies * d_model * n_layer * size


def tokens_per_expert(n: int, k: int, b: int, d: int = 1) -> float:
    """k b d / n."""
    return k * b * d / n if n else 0.0


def combinations(n: int, k: int, splits: Sequence[int]) -> list[int]:
    """Ways to choose k m of n m experts, for each m."""
    return [math.comb(n * m, k * m) for m in splits]


def distinct_by_chain(n: int, k: int, batch: int) -> float:
    """What `distinct` says, without its independence of experts: the number of different experts after each token is a
    Markov chain; a token adds j new ones to c with probability C(n - c, j) C(c, k - j) / C(n, k)."""
    ways = math.comb(n, k)
    step = torch.zeros(n + 1, n + 1, dtype=torch.float64)
    for c in range(n + 1):
        for j in range(min(k, n - c) + 1):
            if c >= k - j:
                step[c, c + j] = math.comb(n - c, j) * math.comb(c, k - j) / ways
    state = torch.zeros(n + 1, dtype=torch.float64)
    state[0] = 1.0
    for _ in range(batch):
        state = state @ step
    return float(state @ torch.arange(n + 1, dtype=torch.float64))
