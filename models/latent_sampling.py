"""The sampling loop of latent diffusion: noise, captions and guidance in, latents at every step out.

Sources: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 3. Ho & Salimans
2022, "Classifier-Free Diffusion Guidance", equation (6). Song et al. 2021, "DDIM", equation (12) (one step:
models/denoising_steps.py). Meng et al. 2022, "SDEdit", section 3 (image to image). Shoemake 1985 (slerp).

    z_T                    normal noise; with a start picture z_t = sqrt(ab_t) E(picture) + sqrt(1 - ab_t) noise, where
                           t is the first of the last `strength` of all steps
    out  = u + g (c - u)   c: the network with the caption, u: with the negative caption (usually empty)
    z_t' = DDIM(z_t, out)  until no noise is left; D(z_0) is the picture

    slerp(a, b; f) = sin((1 - f) w) / sin(w) a + sin(f w) / sin(w) b,   w: the angle between a and b

Glossary
    z, x     latent, "c a b": channels and the two sides         g      guidance; 0 is u, 1 is c
    x0       predicted latent without noise                      E, D   encoder and decoder of the autoencoder
    voice    one of the captions that a picture listens to, with its weight (two between two captions, else one)

Conventions: noise belongs to (seed, number of the picture), so a picture is the same beside 3 or 15 others. strength 1
starts from noise alone: nothing of the start picture is left. Between two captions the two answers of the network are
mixed, by weights that add up to 1: at both ends that is one caption alone, whatever their lengths.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models.denoising_steps import ddim_step, guided, timesteps
from models.fields import no_tick
from models.noise_schedule import add_noise, both
from models.scene_pipeline import Pipeline
from models.scene_vae import N_CHANNEL, N_SIDE

Latent = Float[Tensor, "p c a b"]
SHAPE = (N_CHANNEL, N_SIDE, N_SIDE)
SHARP = "up8"
APART = 100_003  # seeds of two pictures never meet: more than any number of pictures


@dataclass(frozen=True)
class Setting:
    """How to sample, the same for all pictures."""

    n_step: int = 20
    guidance: float = 4.0
    eta: float = 0.0
    negative: str = ""
    strength: float = 1.0  # share of the steps that are taken; less than 1 only with a start picture


@dataclass(frozen=True)
class Run:
    """One sampling of p pictures; n steps were kept."""

    step: tuple[int, ...]  # which steps, the first is 0
    t: tuple[int, ...]  # the noise level the network was told
    x: Float[Tensor, "n p c a b"]  # as the network saw it
    x0: Float[Tensor, "n p c a b"]  # what it would become
    attention: Float[Tensor, "n v p w a b"]  # of every voice: for each place, over all words, sums to 1
    result: Latent


def generators(seed: int, pictures: Sequence[int]) -> list[torch.Generator]:
    """One source of noise for each picture."""
    return [torch.Generator().manual_seed(APART * seed + i) for i in pictures]


def draw(sources: Sequence[torch.Generator], shape: Sequence[int]) -> Latent:
    """The next noise of every source."""
    return torch.stack([torch.randn(tuple(shape), generator=source) for source in sources])


def slerp(a: Float[Tensor, "*x"], b: Float[Tensor, "*x"], share: float) -> Float[Tensor, "*x"]:
    """From a (0) to b (1) on the arc between them; of two noises every point is as long as noise is."""
    cosine = (a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-12)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.sin() < 1e-4:  # the same direction, or opposite ones: no arc is shortest
        return (1 - share) * a + share * b
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / angle.sin()


def times(setting: Setting) -> list[int]:
    """The noise levels visited: the last ones if there is a start picture."""
    every = timesteps(setting.n_step)
    return every[len(every) - round(setting.strength * len(every)) :]


def begin(pipeline: Pipeline, setting: Setting, noise: Latent, start: Float[Tensor, "_ c a b"] | None = None) -> Latent:
    """What the first step gets: noise, or the start picture's latent with as much noise as the first step expects."""
    visited = times(setting)
    if start is None or setting.strength == 1:
        return noise
    start = start.expand_as(noise)
    if not visited:
        return start
    return add_noise(start, noise, pipeline.alpha_bar[visited[0]])


@torch.no_grad()
def run(
    pipeline: Pipeline,
    texts: Sequence[Sequence[str]],
    setting: Setting,
    x: Latent,
    sources: Sequence[torch.Generator] = (),
    weight: Float[Tensor, "v p"] | None = None,
    keep: Collection[int] = (),
    tick: Callable[[float], None] = no_tick,
) -> Run:
    """Denoise x, one latent per picture.

    texts: for every voice a caption per picture; weight: of every voice, adding up to 1 (one voice: not needed)
    x: from `begin`; sources: of the fresh noise that eta > 0 asks for
    keep: the steps that are recorded
    """
    n_voice, n_picture = len(texts), x.shape[0]
    weight = torch.ones(1, n_picture) if weight is None else weight
    alone = setting.guidance == 1  # the negative caption then has no say
    asked = [text for voice in texts for text in voice] + ([] if alone else [setting.negative] * n_picture)
    words = pipeline.encode_text(asked)
    visited = times(setting)
    kept: list[tuple[int, int, Tensor, Tensor, Tensor]] = []
    for i, t in enumerate(visited):
        out, attention = pipeline.unet(x.repeat(len(asked) // n_picture, 1, 1, 1), t, words)
        out = out.unflatten(0, (-1, n_picture))
        conditional = (weight[:, :, None, None, None] * out[:n_voice]).sum(0)
        out = conditional if alone else guided(conditional, out[-1], setting.guidance)
        ab = pipeline.alpha_bar[t]
        ab_next = pipeline.alpha_bar[visited[i + 1]] if i + 1 < len(visited) else torch.ones(())
        epsilon, x0 = both(x, out, ab, pipeline.kind)
        if i in keep:
            looked = word_maps(pipeline, attention).unflatten(0, (-1, n_picture))[:n_voice]
            kept.append((i, t, x, x0, looked))
        fresh = draw(sources, x.shape[1:]) if setting.eta > 0 else torch.zeros_like(x)
        x = ddim_step(x0, epsilon, ab, ab_next, setting.eta, fresh)
        tick((i + 1) / len(visited))
    if not kept:
        none = x.new_zeros(0, *x.shape)
        return Run((), (), none, none, x.new_zeros(0, n_voice, n_picture, 1, *x.shape[-2:]), x)
    steps, levels, seen, x0s, maps = zip(*kept, strict=True)
    return Run(tuple(steps), tuple(levels), torch.stack(seen), torch.stack(x0s), torch.stack(maps), x)


def word_maps(pipeline: Pipeline, attention: dict[str, Float[Tensor, "b heads _ w"]]) -> Float[Tensor, "b w y x"]:
    """Where each word is looked at: mean over the heads of the two finest layers on the way up, which are the sharpest.
    At every place the words share 1."""
    return pipeline.word_maps({name: one for name, one in attention.items() if name.startswith(SHARP)})


def spread(n: int, most: int) -> list[int]:
    """At most `most` of n steps, evenly spread, the first and the last among them."""
    if n <= most:
        return list(range(n))
    return [round(i * (n - 1) / (most - 1)) for i in range(most)]


def simply(
    pipeline: Pipeline, texts: Sequence[str], setting: Setting, seed: int, tick: Callable[[float], None] = no_tick
) -> Latent:
    """One picture for each caption, nothing recorded."""
    sources = generators(seed, range(len(texts)))
    noise = draw(sources, SHAPE)
    return run(pipeline, [texts], setting, noise, sources, tick=tick).result
