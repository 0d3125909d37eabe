"""Swin: attention inside windows, windows that shift, and a grid that shrinks from stage to stage.

Source: Liu et al. 2021, "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", section 3, equations
(1) to (4), figures 2 to 4; the numbers of Swin-T: section 3.3.

    x'  = W-MSA(LN(x)) + x        x  = MLP(LN(x')) + x'          a block: windows of m x m tokens                    (3)
    next block: the same after rolling the grid by m / 2 up and left, and rolled back afterwards                    (3)
    A   = softmax(Q K^T / sqrt d + B + mask)                      B: one learned number per offset and head         (4)
    merging: the 2 x 2 neighbours side by side, LN, a linear map from 4 c to 2 c: half the side, twice the width
    cost:  global  4 n c^2 + 2 n^2 c        windows  4 n c^2 + 2 m^2 n c        multiply-adds, n tokens, width c  (1, 2)

Glossary
    m         side of a window, 7       shift   0 in even blocks, m // 2 in odd ones; 0 if one window is the grid
    region    tokens that were neighbours before the roll: those of one window that are not, must not see each other
    reach     the tokens that one token depends on

Conventions: grids are "b y x d"; a window's tokens in reading order, windows in reading order.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

N_PIXEL, PATCH, WINDOW = 224, 4, 7
WIDTH, DEPTHS, HEADS = 96, (2, 2, 6, 2), (3, 6, 12, 24)  # of Swin-T
EPS = 1e-5


@dataclass(frozen=True)
class Stage:
    """One stage of a Swin Transformer."""

    side: int
    d_model: int
    depth: int
    n_head: int
    window: int
    shift: int  # in every second block

    @property
    def n_window(self) -> int:
        return (self.side // self.window) ** 2

    @property
    def pairs(self) -> int:
        """What one head weighs in one block."""
        return self.side**2 * self.window**2


def stages(n_pixel: int = N_PIXEL, width: int = WIDTH) -> tuple[Stage, ...]:
    """Swin-T's four stages at a picture size that windows tile."""
    found = []
    for k, (depth, n_head) in enumerate(zip(DEPTHS, HEADS, strict=True)):
        side = n_pixel // (PATCH * 2**k)
        window = min(WINDOW, side)
        found.append(Stage(side, width * 2**k, depth, n_head, window, WINDOW // 2 if side > WINDOW else 0))
    return tuple(found)


def split(x: Float[Tensor, "b y x d"], window: int) -> Float[Tensor, "w m d"]:
    """The windows of all pictures, each a row of tokens."""
    b, y, width, d = x.shape
    tiles = x.reshape(b, y // window, window, width // window, window, d)
    return tiles.transpose(2, 3).reshape(-1, window**2, d)


def join(tokens: Float[Tensor, "w m d"], side: int) -> Float[Tensor, "b y x d"]:
    """`split` undone."""
    window = round(tokens.shape[1] ** 0.5)
    n, d = side // window, tokens.shape[2]
    return tokens.reshape(-1, n, n, window, window, d).transpose(2, 3).reshape(-1, side, side, d)


def regions(side: int, window: int, shift: int) -> Int[Tensor, "y x"]:
    """After the roll: which tokens still are neighbours of the picture. Nine regions, or one without a shift."""
    if not shift:
        return torch.zeros(side, side, dtype=torch.long)
    place = torch.arange(side)
    part = (place >= side - window).long() + (place >= side - shift).long()
    return 3 * part[:, None] + part


def visible(side: int, window: int, shift: int) -> Bool[Tensor, "w m m"]:
    """The mask of every window, after the roll: True where a token may look."""
    part = split(regions(side, window, shift)[None, :, :, None].float(), window)[..., 0]
    return part[:, :, None] == part[:, None]


def sees(side: int, window: int, shift: int) -> Bool[Tensor, "n n"]:
    """Which token looks at which in one block, in the picture's own places."""
    place = torch.arange(side**2).view(side, side).roll((-shift, -shift), (0, 1))
    number = split(place[None, :, :, None].float(), window)[..., 0].long()
    found = torch.zeros(side**2, side**2, dtype=torch.bool)
    for tokens, may in zip(number, visible(side, window, shift), strict=True):
        found[tokens[:, None], tokens] = may
    return found


def pieces(side: int, window: int, shift: int) -> Int[Tensor, "n"]:
    """Tokens that see each other in one block have one number, from 0 in reading order."""
    first = sees(side, window, shift).int().argmax(1)
    return torch.unique(first, return_inverse=True)[1]


def reach(side: int, n_block: int, window: int = WINDOW) -> Bool[Tensor, "l n n"]:
    """Which token depends on which after every block, windows and shifted windows in turn."""
    shift = window // 2 if side > window else 0
    steps = [sees(side, window, 0).float(), sees(side, window, shift).float()]
    now, found = torch.eye(side**2), []
    for i in range(n_block):
        now = ((steps[i % 2] @ now) > 0).float()
        found.append(now > 0)
    return torch.stack(found)


def offsets(window: int) -> Int[Tensor, "m m"]:
    """For two tokens of a window the row of the bias table that belongs to their offset."""
    place = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    apart = place[:, None] - place + window - 1
    return apart[..., 0] * (2 * window - 1) + apart[..., 1]


# --- cost -------------------------------------------------------------------------------------------------------------


def attention_cost(n_token: int, d_model: int, seen: int) -> int:
    """Multiply-adds of one attention layer in which every token looks at `seen` others: equations (1) and (2)."""
    return 4 * n_token * d_model**2 + 2 * n_token * seen * d_model


def cost(n_pixel: int, windows: bool = True) -> int:
    """Multiply-adds of Swin-T's body; without windows every token looks at all others of its stage. A picture that
    windows do not tile is padded."""
    side = -(-n_pixel // PATCH)
    total = side**2 * 3 * PATCH**2 * WIDTH
    for k, depth in enumerate(DEPTHS):
        if k:
            side, d = -(-side // 2), WIDTH * 2**k
            total += side**2 * 4 * (d // 2) * d
        d = WIDTH * 2**k
        padded = -(-side // WINDOW) * WINDOW if windows else side
        seen = min(side, WINDOW) ** 2 if windows else side**2
        total += depth * (attention_cost(padded**2, d, seen) + 8 * side**2 * d**2)
    return total


# --- the network ------------------------------------------------------------------------------------------------------


class WindowAttention(nn.Module):
    """Equation (4), in all windows at once."""

    def __init__(self, d_model: int, n_head: int, window: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, n_head))

    def forward(self, x: Float[Tensor, "w m d"], may: Bool[Tensor, "v m m"]) -> Float[Tensor, "w m d"]:
        w, m, d = x.shape
        q, k, v = self.qkv(x).view(w, m, 3, self.n_head, d // self.n_head).permute(2, 0, 3, 1, 4)
        bias = self.bias[offsets(round(m**0.5))].permute(2, 0, 1)
        masked = bias + torch.zeros(may.shape)[:, None].masked_fill(~may[:, None], float("-inf"))
        mask = masked.repeat(w // len(may), 1, 1, 1)
        return self.out(F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(w, m, d))


class Block(nn.Module):
    """Equation (3), with or without a shift."""

    def __init__(self, stage: Stage, shift: int) -> None:
        super().__init__()
        d = stage.d_model
        self.shift, self.window, self.side = shift, stage.window, stage.side
        self.norm_1 = nn.LayerNorm(d, eps=EPS)
        self.attention = WindowAttention(d, stage.n_head, stage.window)
        self.norm_2 = nn.LayerNorm(d, eps=EPS)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x: Float[Tensor, "b y x d"]) -> Float[Tensor, "b y x d"]:
        rolled = self.norm_1(x).roll((-self.shift, -self.shift), (1, 2))
        mixed = self.attention(split(rolled, self.window), visible(self.side, self.window, self.shift))
        x = x + join(mixed, self.side).roll((self.shift, self.shift), (1, 2))
        return x + self.mlp(self.norm_2(x))


class Merge(nn.Module):
    """Half the side, twice the width. The four neighbours in the order: left column down, then right column down."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * d_model, eps=EPS)
        self.reduce = nn.Linear(4 * d_model, 2 * d_model, bias=False)

    def forward(self, x: Float[Tensor, "b y x d"]) -> Float[Tensor, "b v u e"]:
        four = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return self.reduce(self.norm(torch.cat(four, -1)))


class Swin(nn.Module):
    """Pictures in, the grid of every stage out, the last one normalised."""

    def __init__(self, plan: tuple[Stage, ...]) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, plan[0].d_model, PATCH, stride=PATCH)
        self.norm_0 = nn.LayerNorm(plan[0].d_model, eps=EPS)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(stage, stage.shift if i % 2 else 0) for i in range(stage.depth)) for stage in plan
        )
        self.merges = nn.ModuleList(Merge(stage.d_model) for stage in plan[:-1])
        self.norm = nn.LayerNorm(plan[-1].d_model, eps=EPS)

    def forward(self, picture: Float[Tensor, "b 3 y x"]) -> list[Float[Tensor, "b v u d"]]:
        x, found = self.norm_0(self.embed(picture).movedim(1, -1)), []
        for k, stage in enumerate(self.stages):
            if k:
                x = self.merges[k - 1](x)
            for block in stage.children():
                x = block(x)
            found.append(x)
        return [*found[:-1], self.norm(x)]
