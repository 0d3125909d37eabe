"""The text encoder of the scenes' diffusion model: a small transformer over the words of a caption.

Source: the place of CLIP's text encoder in Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion
Models", section 3.3 (tau_theta); there frozen or trained along, here trained along with the U-Net.

    x_0 = E[id] + P[position]         x' = x + attention(norm(x))         x = x' + W_2 gelu(W_1 norm(x'))

Glossary
    hidden   one vector per word, "b w d": what the U-Net's cross-attention looks at
    mask     True for words, False for padding, which nobody looks at

Conventions: every word sees every other one (not causal, unlike CLIP's). The unconditional caption is START END.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.scene_captions import N_WORD, PAD_ID, VOCABULARY, tokenise
from models.scene_parts import Attention


@dataclass(frozen=True)
class TextBatch:
    """Captions as the U-Net reads them. b captions, w words (the longest one), d features."""

    ids: Int[Tensor, "b w"]
    mask: Bool[Tensor, "b w"]
    hidden: Float[Tensor, "b w d"]

    def __len__(self) -> int:
        return len(self.ids)

    def repeat(self, n: int) -> "TextBatch":
        """Each caption n times: a b c -> a a .. b b .. c c .."""
        return TextBatch(*(value.repeat_interleave(n, 0) for value in (self.ids, self.mask, self.hidden)))


def join(*batches: TextBatch) -> TextBatch:
    """All captions in one batch, padded to the longest."""
    n = max(batch.ids.shape[1] for batch in batches)

    def wide(value: Tensor, fill: int | float) -> Tensor:
        return F.pad(value, (0, 0) * (value.dim() - 2) + (0, n - value.shape[1]), value=fill)

    return TextBatch(
        torch.cat([wide(batch.ids, PAD_ID) for batch in batches]),
        torch.cat([wide(batch.mask, False) for batch in batches]),
        torch.cat([wide(batch.hidden, 0.0) for batch in batches]),
    )


def blend(a: TextBatch, b: TextBatch, share: Float[Tensor, "b"]) -> TextBatch:
    """From a (share 0) to b (share 1), word by word, one caption per share; a and b hold one caption each.

    Where only one of them has a word, the other gives nothing: its vector fades in or out. At both ends, exactly that
    caption: words of the other one are masked.
    """
    both = join(a, b)
    w = share[:, None, None]
    mask = (both.mask[:1] & (share < 1)[:, None]) | (both.mask[1:] & (share > 0)[:, None])
    ids = torch.where((share < 0.5)[:, None], both.ids[:1], both.ids[1:])
    return TextBatch(ids, mask, (1 - w) * both.hidden[:1] + w * both.hidden[1:])


def pack(texts: Sequence[str]) -> tuple[Int[Tensor, "b w"], Bool[Tensor, "b w"]]:
    """Ids and mask of captions, padded to the longest. Unknown words are left out: `tokenise` names them."""
    rows = [tokenise(text).ids for text in texts]
    ids = torch.full((len(rows), max(map(len, rows))), PAD_ID)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids, ids != PAD_ID


class Layer(nn.Module):
    """One layer, each half adding to the stream."""

    def __init__(self, width: int, n_head: int) -> None:
        super().__init__()
        self.norm_1, self.attention = nn.LayerNorm(width), Attention(width, width, n_head)
        self.norm_2, self.up, self.down_last = (
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Float[Tensor, "b w d"], mask: Bool[Tensor, "b w"]) -> Float[Tensor, "b w d"]:
        y = self.norm_1(x)
        x = x + self.attention(y, y, mask)[0]
        return x + self.down_last(F.gelu(self.up(self.norm_2(x))))


class TextEncoder(nn.Module):
    """ids -> hidden."""

    def __init__(self, width: int = 96, n_layer: int = 2, n_head: int = 4) -> None:
        super().__init__()
        self.width = width
        self.word = nn.Parameter(torch.zeros(len(VOCABULARY), width))
        self.position = nn.Parameter(torch.zeros(N_WORD, width))
        self.layers = nn.ModuleList(Layer(width, n_head) for _ in range(n_layer))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Int[Tensor, "b w"], mask: Bool[Tensor, "b w"]) -> Float[Tensor, "b w d"]:
        x = self.word[ids] + self.position[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)

    def read(self, texts: Sequence[str]) -> TextBatch:
        """Captions, encoded."""
        ids, mask = pack(texts)
        return TextBatch(ids, mask, self(ids, mask))
