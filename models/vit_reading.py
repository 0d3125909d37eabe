"""What can be read out of a Vision Transformer: attention over the picture, its roll-out, its reach, and its features.

Sources: Dosovitskiy et al. 2021, section 4.5, figure 7 (similarity of positions, attention distance) and section 3.2
(positions on another grid); Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3 (roll-out);
Oquab et al. 2024, "DINOv2", figure 1 (principal components of patch features as colours).

    roll-out    R_0 = I,   R_l = (k I + (1 - k) mean over heads of A_l) R_{l-1}       rows sum to 1, as those of A do
    distance    D_h = mean over patches i of  sum_j A_ij |place_i - place_j| / sum_j A_ij        pixels; [CLS] left out
    colours     patches' features minus their mean, on the first three principal components, each stretched to 0 ... 1

Glossary
    l   layer     h   head     t   query token     s   key token; token 0 is [CLS], token 1 + i is patch i
    k   share of a token's residual stream that a layer leaves alone: a guess of the method, usually 0.5
    n   patches in reading order, side x side of them

Conventions: a model is either models/vision_transformer.VisionTransformer or models/dinov2.Dinov2.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from models.dinov2 import Dinov2
from models.vision_transformer import Seen, VisionTransformer

Encoder = VisionTransformer | Dinov2


def positions(model: Encoder, side: int) -> Float[Tensor, "t d"]:
    """The position embeddings on a grid of side x side: the learned ones, or bicubically interpolated."""
    learned = round((len(model.position) - 1) ** 0.5)
    if side == learned:
        return model.position
    grid = model.position[1:].T.reshape(1, -1, learned, learned)
    resized = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
    return torch.cat((model.position[:1], resized.flatten(2)[0].T))


def embed(model: Encoder, picture: Float[Tensor, "b 3 y x"], positioned: bool = True) -> Float[Tensor, "b t d"]:
    """z_0 of a picture of any size that patches tile; without its positions if not `positioned`."""
    side = picture.shape[-1] // model.shape.patch
    if side**2 + 1 == len(model.position) or isinstance(model, Dinov2):
        tokens = model.tokens(picture)
        return tokens if positioned else tokens - positions(model, side)
    patches = model.embed(picture).flatten(2).transpose(1, 2)
    tokens = torch.cat((model.cls.expand(len(patches), 1, -1), patches), 1)
    return tokens + positions(model, side) if positioned else tokens


def read(model: Encoder, tokens: Float[Tensor, "b t d"], keep: bool = True) -> Seen:
    """The blocks, on tokens that are embedded already."""
    layers, attention = [tokens], []
    for block in model.blocks:
        tokens, weights = block(tokens, keep)
        layers.append(tokens)
        attention.append(weights)
    return Seen(model.norm(tokens), tuple(layers) if keep else (), tuple(attention) if keep else ())


def rollout(attention: Float[Tensor, "l h t s"], kept: float = 0.5) -> Float[Tensor, "l t s"]:
    """Through how much of every input token's content each token has passed after every layer, as far as attention
    tells."""
    mean = attention.float().mean(1)
    eye = torch.eye(mean.shape[-1])
    flow, found = eye, []
    for layer in mean:
        flow = (kept * eye + (1 - kept) * layer) @ flow
        found.append(flow)
    return torch.stack(found)


def places(side: int) -> Float[Tensor, "n 2"]:
    """Row and column of every patch."""
    return torch.cartesian_prod(torch.arange(side), torch.arange(side)).float()


def distance(attention: Float[Tensor, "l h t s"], side: int, patch: int) -> Float[Tensor, "l h"]:
    """How far each head looks, on average, in pixels."""
    far = torch.cdist(places(side), places(side)) * patch
    among = attention[..., 1:, 1:].float()
    return ((among * far).sum(-1) / among.sum(-1).clamp(min=1e-12)).mean(-1)


def even_distance(side: int, patch: int) -> float:
    """The distance of a head that looks everywhere alike."""
    return float(torch.cdist(places(side), places(side)).mean()) * patch


def similarity(x: Float[Tensor, "*l n d"]) -> Float[Tensor, "*l n n"]:
    """Cosine of every vector with every other."""
    unit = F.normalize(x, dim=-1)
    return unit @ unit.transpose(-1, -2)


def components(features: Float[Tensor, "n d"], n: int = 3) -> tuple[Float[Tensor, "n k"], Float[Tensor, "k"]]:
    """Scores on the first principal components, and the share of the variance that each explains.

    A component's sign is arbitrary: here its largest score is positive.
    """
    centred = features.double() - features.double().mean(0)
    u, size, _ = torch.linalg.svd(centred, full_matrices=False)
    score = u[:, :n] * size[:n]
    top = score.gather(0, score.abs().argmax(0, keepdim=True))
    share = size**2 / (size**2).sum().clamp(min=1e-30)
    return (score * torch.where(top < 0, -1.0, 1.0)).float(), share[:n].float()


def colours(scores: Float[Tensor, "n 3"]) -> UInt8[Tensor, "n 3"]:
    """Each component from its lowest to its highest score as red, green, blue; one that does not vary is grey."""
    low, high = scores.amin(0), scores.amax(0)
    spread = high - low
    part = torch.where(spread > 1e-6, (scores - low) / spread.clamp(min=1e-6), torch.full_like(scores, 0.5))
    return (255 * part).round().to(torch.uint8)


def shuffled(picture: Float[Tensor, "3 y x"], patch: int, order: Int[Tensor, "n"]) -> Float[Tensor, "3 y x"]:
    """The picture with its patches in another order: place i shows patch order[i]."""
    pieces = F.unfold(picture[None], patch, stride=patch)[:, :, order]
    return F.fold(pieces, picture.shape[-2:], patch, stride=patch)[0]


def separation(score: Float[Tensor, "n"], inside: Float[Tensor, "n"]) -> float:
    """How well a score tells patches on things from patches of the ground: the share of pairs it puts in order (area
    under the ROC curve), in whichever direction is better; 0.5 says nothing. NaN if there are not both."""
    on, off = score[inside >= 0.5], score[inside < 0.5]
    if not len(on) or not len(off):
        return float("nan")
    above = (on[:, None] > off).float().mean() + 0.5 * (on[:, None] == off).float().mean()
    return float(torch.maximum(above, 1 - above))
