"""Three ways of letting a language model see, as small modules that run on the same prompt.

Sources: Liu et al. 2023, "Improved Baselines with Visual Instruction Tuning" (LLaVA-1.5), section 3 (two-layer
projector, tokens of the encoder's last layer but one); Alayrac et al. 2022, "Flamingo", sections 2.1 to 2.3, figures 4
and 5 (resampler, gated layers, each word sees the picture before it); Chameleon Team 2024, section 2 (codes in the
sequence). The layers are those of IDEFICS, the open rebuilding of Flamingo: Laurencon et al. 2023, "OBELICS", section
4.1.

    late     x = [words; W_2 gelu(W_1 f)]                           image tokens stand among the words
    cross    y  = x + tanh(a) attention(norm(x), r)                 between the language model's layers,
             y' = y + tanh(b) mlp(norm(y))                          r = resampler(f): n latents for any picture
    early    x = E[words and codes]                                 one table of words and codes

Glossary
    f    features of the patches, from a Vision Transformer         a, b   gates: at 0 a gated layer does nothing
    r    latents: what cross-attention reads, the same keys and values for all words after a picture
    lm   the language model's own layers, the same weights in all three

Conventions: weights are drawn at random from a seed: what is shown are shapes, counts, masks and identities, which no
training changes. Sequences are "t d", one prompt at a time. Positions are fixed sines.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models import early_fusion, vision_transformer
from models.early_fusion import N_TOKEN, N_WORD, Block
from models.vision_transformer import VisionTransformer
from models.vq_scenes import VQScenes

D_IMAGE = 48  # width of the vision encoder
LM = early_fusion.Shape(d_model=64, n_layer=4, n_head=4, d_ff=128)
N_CODE_ROW = N_TOKEN - N_WORD  # rows of the table of early fusion that no text model has
PICTURE = -1  # where a picture stands in a prompt of word ids


class Decoder(nn.Module):
    """The language model: a table of words, causal layers, and the table again."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(N_TOKEN, LM.d_model)
        self.blocks = nn.ModuleList(Block(LM) for _ in range(LM.n_layer))
        self.norm = nn.RMSNorm(LM.d_model)

    def forward(
        self,
        x: Float[Tensor, "t d"],
        gated: "Sequence[GatedCross | None]" = (),
        memory: Float[Tensor, "m e"] | None = None,
        sees: Bool[Tensor, "t m"] | None = None,
    ) -> Float[Tensor, "v"]:
        """Logits of the next word after the last position. gated: a layer before each block, or None."""
        x = x + sines(len(x), LM.d_model)
        for i, block in enumerate(self.blocks):
            layer = gated[i] if i < len(gated) else None
            if layer is not None and memory is not None and sees is not None:
                x = layer(x, memory, sees)
            x = block(x[None])[0][0]
        return self.norm(x[-1]) @ self.embed.weight[:N_WORD].T


def sines(n: int, d: int) -> Float[Tensor, "n d"]:
    """Fixed positions: sines, then cosines."""
    angle = torch.arange(n)[:, None] * torch.exp(-math.log(10_000.0) * torch.arange(d // 2) / (d // 2))
    return 0.3 * torch.cat((angle.sin(), angle.cos()), 1)


class Projector(nn.Module):
    """Two matrices with a GELU between them: LLaVA-1.5's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(D_IMAGE, LM.d_model), nn.Linear(LM.d_model, LM.d_model)

    def forward(self, features: Float[Tensor, "n e"]) -> Float[Tensor, "n d"]:
        return self.second(F.gelu(self.first(features)))


class ResamplerLayer(nn.Module):
    """Latents ask, features and latents answer; then an MLP."""

    def __init__(self, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.norm_features, self.norm_latents = nn.LayerNorm(D_IMAGE), nn.LayerNorm(D_IMAGE)
        self.q, self.k = nn.Linear(D_IMAGE, D_IMAGE, bias=False), nn.Linear(D_IMAGE, D_IMAGE, bias=False)
        self.v, self.out = nn.Linear(D_IMAGE, D_IMAGE, bias=False), nn.Linear(D_IMAGE, D_IMAGE, bias=False)
        self.norm_mlp = nn.LayerNorm(D_IMAGE)
        self.up, self.down = nn.Linear(D_IMAGE, 4 * D_IMAGE, bias=False), nn.Linear(4 * D_IMAGE, D_IMAGE, bias=False)

    def forward(self, latents: Float[Tensor, "m e"], features: Float[Tensor, "n e"]) -> Float[Tensor, "m e"]:
        asking = self.norm_latents(latents)
        asked = torch.cat((self.norm_features(features), asking))
        latents = latents + self.out(attend(self.q(asking), self.k(asked), self.v(asked), self.n_head))
        return latents + self.down(F.relu(self.up(self.norm_mlp(latents))))


class Resampler(nn.Module):
    """A fixed number of latents read any number of features."""

    def __init__(self, n_latent: int, n_layer: int = 2, n_head: int = 4) -> None:
        super().__init__()
        self.n_head = n_head
        self.latents = nn.Parameter(torch.zeros(n_latent, D_IMAGE))
        self.layers = nn.ModuleList(ResamplerLayer(n_head) for _ in range(n_layer))
        self.norm = nn.LayerNorm(D_IMAGE)

    def forward(self, features: Float[Tensor, "n e"]) -> Float[Tensor, "m e"]:
        latents = self.latents
        for layer in self.layers:
            latents = layer(latents, features)
        return self.norm(latents)


class GatedCross(nn.Module):
    """Cross-attention to the latents and an MLP, each behind a gate; words that see no picture pass unchanged by it."""

    def __init__(self, gate: float, n_head: int = 4) -> None:
        super().__init__()
        self.n_head = n_head
        d = LM.d_model
        self.norm_1, self.norm_2 = nn.RMSNorm(d, eps=1e-6), nn.RMSNorm(d, eps=1e-6)
        self.q, self.out = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.k, self.v = nn.Linear(D_IMAGE, d, bias=False), nn.Linear(D_IMAGE, d, bias=False)
        self.gate, self.up = nn.Linear(d, LM.d_ff, bias=False), nn.Linear(d, LM.d_ff, bias=False)
        self.down = nn.Linear(LM.d_ff, d, bias=False)
        self.a, self.b = nn.Parameter(torch.tensor(gate)), nn.Parameter(torch.tensor(gate))

    def forward(
        self, x: Float[Tensor, "t d"], memory: Float[Tensor, "m e"], sees: Bool[Tensor, "t m"]
    ) -> Float[Tensor, "t d"]:
        some = sees.any(1)
        allowed = sees | ~some[:, None]  # a row without any key has no softmax; what it gives is dropped
        read = attend(self.q(self.norm_1(x)), self.k(memory), self.v(memory), self.n_head, allowed)
        x = x + self.a.tanh() * torch.where(some[:, None], self.out(read), 0.0)
        y = self.norm_2(x)
        return x + self.b.tanh() * self.down(F.silu(self.gate(y)) * self.up(y))


def attend(
    q: Float[Tensor, "t d"],
    k: Float[Tensor, "s d"],
    v: Float[Tensor, "s d"],
    n_head: int,
    allowed: Bool[Tensor, "t s"] | None = None,
) -> Float[Tensor, "t d"]:
    """Multi-head attention of one sequence to another."""
    q, k, v = (z.view(len(z), n_head, -1).transpose(0, 1) for z in (q, k, v))
    mixed = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=allowed)[0]
    return mixed.transpose(0, 1).flatten(1)


@dataclass(frozen=True)
class Parts:
    """All modules of the three styles."""

    lm: Decoder
    encoder: VisionTransformer
    projector: Projector
    resampler: Resampler
    gated: tuple[GatedCross | None, ...]  # one before each layer of the language model, or None


def build(n_pixel: int, patch: int, n_latent: int, every: int, gate: float, seed: int) -> Parts:
    """Fresh weights; each part draws from a generator of its own, so that one part's size changes no other part."""
    shape = vision_transformer.Shape(n_pixel, patch, D_IMAGE, 3, 4, 4 * D_IMAGE)
    encoder = VisionTransformer(shape)
    lm, projector, resampler = Decoder(), Projector(), Resampler(n_latent)
    gated = [GatedCross(gate) if i % every == 0 else None for i in range(LM.n_layer)]
    for i, part in enumerate((lm, encoder, projector, resampler, *gated)):
        if part is not None:
            fill(part, torch.Generator().manual_seed(1_000 * seed + i))
            part.eval().requires_grad_(False)
    return Parts(lm, encoder, projector, resampler, tuple(gated))


def fill(part: nn.Module, generator: torch.Generator) -> None:
    """Matrices of variance 1 / fan-in, biases 0; gains and gates stay."""
    with torch.no_grad():
        for name, weight in part.named_parameters():
            if weight.dim() > 1 or name == "cls":
                table = any(word in name for word in ("embed", "position", "latents", "cls")) and weight.dim() < 4
                std = 0.5 if table else weight[0].numel() ** -0.5
                weight.copy_(std * torch.randn(weight.shape, generator=generator))
            elif name.endswith("bias"):
                weight.zero_()


def features(parts: Parts, picture: Float[Tensor, "3 y x"]) -> Float[Tensor, "n e"]:
    """The patches in the last layer but one, without [CLS]."""
    return parts.encoder(picture[None], keep=True).layers[-2][0, 1:]


def spread(prompt: Sequence[int], pictures: Sequence[Tensor]) -> list[Tensor]:
    """A prompt's words one by one as ids, its pictures as what is given for them."""
    at = iter(pictures)
    return [next(at) if token == PICTURE else torch.tensor([token]) for token in prompt]


def late(parts: Parts, prompt: Sequence[int], feature: Sequence[Float[Tensor, "n e"]]) -> tuple[Tensor, Tensor]:
    """The sequence "t d" that the language model reads, and its logits."""
    pieces = spread(prompt, [parts.projector(one) for one in feature])
    x = torch.cat([one if one.is_floating_point() else parts.lm.embed(one) for one in pieces])
    return x, parts.lm(x)


def cross(
    parts: Parts, prompt: Sequence[int], feature: Sequence[Float[Tensor, "n e"]], mark: int
) -> tuple[Tensor, Tensor, Bool[Tensor, "t m"], Tensor]:
    """The sequence, the memory "m e" beside it, who sees what of it, and the logits. mark: the word for a picture."""
    memory = torch.cat([parts.resampler(one) for one in feature])
    words = [mark if token == PICTURE else token for token in prompt]
    sees = sight(prompt, len(feature), len(parts.resampler.latents))
    x = parts.lm.embed(torch.tensor(words))
    return x, memory, sees, parts.lm(x, parts.gated, memory, sees)


def sight(prompt: Sequence[int], n_picture: int, n_latent: int) -> Bool[Tensor, "t m"]:
    """Each position sees the latents of the last picture up to it, and of no other."""
    last = (torch.tensor([token == PICTURE for token in prompt]).cumsum(0) - 1)[:, None]
    return (last == torch.arange(n_picture)).repeat_interleave(n_latent, 1)


def early(parts: Parts, prompt: Sequence[int], codes: Sequence[Int[Tensor, "n"]]) -> tuple[Tensor, Tensor]:
    """The sequence "t d" of words and codes, and its logits for words."""
    marked = [torch.tensor(early_fusion.picture(one.tolist())) for one in codes]
    x = parts.lm.embed(torch.cat(spread(prompt, marked)))
    return x, parts.lm(x)


def text_only(parts: Parts, prompt: Sequence[int], mark: int) -> Float[Tensor, "v"]:
    """The language model's logits when it is given no picture at all, only the marks."""
    words = [mark if token == PICTURE else token for token in prompt]
    return parts.lm(parts.lm.embed(torch.tensor(words)))


def count(*parts: nn.Module | None) -> int:
    """Parameters."""
    return sum(weight.numel() for part in parts if part is not None for weight in part.parameters())


def vq_encoder_size(vq: VQScenes) -> int:
    """What turns pictures into codes: the encoder and the codebook."""
    return count(vq.encoder) + vq.book.numel()
