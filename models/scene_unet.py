"""The U-Net of the scenes' diffusion model: from a noisy 8 x 8 x 4 latent, a time and a caption to v.

Sources: Ronneberger et al. 2015, "U-Net"; Ho et al. 2020, "Denoising Diffusion Probabilistic Models", appendix B;
Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 3.3 (cross-attention);
Salimans & Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion Models", appendix D (v).

    8 x 8   in -> [res, words] -> [res, words] -> shrink        [res, words] -> [res, words] -> out
                       |               |                              ^               ^
                       |               +--- skip: channels side by side               |
                       +--------------------------------------------------------------+
    4 x 4         [res, words] -> [res, words] -> res, words, res -> [res, words] -> [res, words] -> grow

    words   x' = x + self_attention(norm(x))        every place looks at every place
            x" = x' + cross_attention(norm(x'))     every place looks at the words of the caption
            x_out = x" + W_2 gelu(W_1 norm(x"))

Glossary
    res       a residual block that is told the time (models/scene_parts.py)
    places    the names of the nine cross-attentions, in order of computation: down8.0 .. up8.1
    v         sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) latent: what the network is trained to say

Conventions: shrink is a convolution of stride 2, grow repeats each value 2 x 2 before a convolution.
Unlike Stable Diffusion's: two levels instead of four, no linear projection around the attentions, and each position is
told where it is by a learned vector (place8, place4), without which "left" takes far longer to learn.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.scene_parts import Attention, ResBlock, conv, norm, time_embedding
from models.scene_vae import N_CHANNEL, N_SIDE

PLACES = ("down8.0", "down8.1", "down4.0", "down4.1", "mid4", "up4.0", "up4.1", "up8.0", "up8.1")


class Words(nn.Module):
    """Self-attention over the places, cross-attention to the words, and a feed-forward layer."""

    def __init__(self, n_channel: int, n_text: int, n_head: int) -> None:
        super().__init__()
        self.norm_1, self.own = nn.LayerNorm(n_channel), Attention(n_channel, n_channel, n_head)
        self.norm_2, self.cross = nn.LayerNorm(n_channel), Attention(n_channel, n_text, n_head)
        self.norm_3, self.up = nn.LayerNorm(n_channel), nn.Linear(n_channel, 2 * n_channel)
        self.down_last = nn.Linear(2 * n_channel, n_channel)

    def forward(
        self, x: Float[Tensor, "b c h w"], text: Float[Tensor, "b k d"], mask: Bool[Tensor, "b k"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b heads q k"]]:
        """The stream, and who looked at which word."""
        y = x.flatten(2).transpose(1, 2)
        z = self.norm_1(y)
        y = y + self.own(z, z)[0]
        found, attention = self.cross(self.norm_2(y), text, mask)
        y = y + found
        y = y + self.down_last(F.gelu(self.up(self.norm_3(y))))
        return y.transpose(1, 2).unflatten(2, x.shape[2:]), attention


class Pair(nn.Module):
    """A residual block and its look at the words."""

    def __init__(self, n_in: int, n_out: int, n_time: int, n_text: int, n_head: int) -> None:
        super().__init__()
        self.res, self.words = ResBlock(n_in, n_out, n_time), Words(n_out, n_text, n_head)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        e: Float[Tensor, "b n"],
        text: Float[Tensor, "b k d"],
        mask: Bool[Tensor, "b k"],
    ) -> tuple[Float[Tensor, "b m h w"], Float[Tensor, "b heads q k"]]:
        return self.words(self.res(x, e), text, mask)


class SceneUNet(nn.Module):
    """`forward` writes nothing to the module, so threads may share it."""

    def __init__(self, fine: int = 64, coarse: int = 96, n_time: int = 128, n_text: int = 96, n_head: int = 2) -> None:
        """`fine` and `coarse`: channels at 8 x 8 and at 4 x 4."""
        super().__init__()
        self.fine, self.coarse = fine, coarse
        wide = (n_time, n_text, n_head)
        self.time_1, self.time_2 = nn.Linear(fine, n_time), nn.Linear(n_time, n_time)
        self.into = conv(N_CHANNEL, fine)
        self.place8 = nn.Parameter(torch.zeros(fine, N_SIDE, N_SIDE))
        self.place4 = nn.Parameter(torch.zeros(coarse, N_SIDE // 2, N_SIDE // 2))
        self.down8 = nn.ModuleList([Pair(fine, fine, *wide), Pair(fine, fine, *wide)])
        self.shrink = conv(fine, coarse, stride=2)
        self.down4 = nn.ModuleList([Pair(coarse, coarse, *wide), Pair(coarse, coarse, *wide)])
        self.mid4, self.mid = Pair(coarse, coarse, *wide), ResBlock(coarse, coarse, n_time)
        self.up4 = nn.ModuleList([Pair(2 * coarse, coarse, *wide), Pair(2 * coarse, coarse, *wide)])
        self.grow = conv(coarse, fine)
        self.up8 = nn.ModuleList([Pair(2 * fine, fine, *wide), Pair(2 * fine, fine, *wide)])
        self.norm, self.out_last = norm(fine), conv(fine, N_CHANNEL)

    def forward(
        self,
        latent: Float[Tensor, "b c h w"],
        t: Float[Tensor, "b"],
        text: Float[Tensor, "b k d"],
        mask: Bool[Tensor, "b k"],
    ) -> tuple[Float[Tensor, "b c h w"], dict[str, Float[Tensor, "b heads _ k"]]]:
        """v, and the attention of every place to the words."""
        e = self.time_2(F.silu(self.time_1(time_embedding(t, self.fine).to(latent.dtype))))
        attention: dict[str, Tensor] = {}

        def look(name: str, pair: nn.Module, x: Tensor) -> Tensor:
            x, attention[name] = pair(x, e, text, mask)
            return x

        x, skips = self.into(latent) + self.place8, []
        for i, pair in enumerate(self.down8):
            skips.append(x := look(f"down8.{i}", pair, x))
        x = self.shrink(x) + self.place4
        for i, pair in enumerate(self.down4):
            skips.append(x := look(f"down4.{i}", pair, x))
        x = self.mid(look("mid4", self.mid4, x), e)
        for i, pair in enumerate(self.up4):
            x = look(f"up4.{i}", pair, torch.cat((x, skips.pop()), 1))
        x = self.grow(F.interpolate(x, scale_factor=2.0))
        for i, pair in enumerate(self.up8):
            x = look(f"up8.{i}", pair, torch.cat((x, skips.pop()), 1))
        return self.out_last(F.silu(self.norm(x))), attention


def word_maps(attention: dict[str, Float[Tensor, "b heads _ k"]], n: int = N_SIDE) -> Float[Tensor, "b k h w"]:
    """Where each word is looked at: the mean over places and heads, 4 x 4 maps enlarged. Sums to 1 over the words."""
    found = []
    for weight in attention.values():
        mean = weight.mean(1).transpose(1, 2)  # b k q
        side = round(mean.shape[-1] ** 0.5)
        found.append(F.interpolate(mean.unflatten(-1, (side, side)), size=(n, n)))
    return torch.stack(found).mean(0)
