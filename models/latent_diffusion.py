"""Latent diffusion in miniature: a typed caption becomes pictures, and every part and step of it can be looked at.

Sources: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", sections 3.1-3.3. Ho &
Salimans 2022, "Classifier-Free Diffusion Guidance". Song et al. 2021, "DDIM". Meng et al. 2022, "SDEdit" (image to
image). The parts, trained on drawn scenes: models/scene_pipeline.py. The loop: models/latent_sampling.py. What is
counted: models/latent_sizes.py; what is measured: models/latent_measures.py and latent_claims.py.

    caption -> text encoder -> one vector per word ----------------------+  keys and values of every cross-attention
                                                                         v
    noise z_T -> [ guidance: u + g (c - u), U-Net asked with and without the caption -> DDIM step ] x n -> z_0
    z_0 -> decoder -> picture                           start picture -> encoder -> z, only for image to image

Glossary
    x_t, image      noisy latent that the network sees, and the picture its answer would decode to (predicted x0)
    attention       of each place over the words, mean over heads and the two finest layers; over the words it sums to 1
    verdict         what an independent classifier finds right and wrong in a picture, of all that the caption names
    share           how far a picture is from the first end (seed, caption) to the second

Axes: n step recorded, p picture, w word, c channel, a and b sides of the latent, y and x of the picture.

Conventions: guidance 0 ignores the caption, 1 follows it, more exaggerates it. Pictures are 0 to 255. Simplified beside
Stable Diffusion: 32 x 32 pictures of shapes, 8 x 8 latents, a hundred known words, and a text encoder trained along.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from models import latent_claims, latent_reference, latent_sizes
from models.fields import Choice, Range, Text, no_tick
from models.latent_sampling import SHAPE, Setting, begin, draw, generators, run, slerp, spread, times
from models.scene_captions import Request
from models.scene_pipeline import Pipeline, load, read, tokenise
from models.scenes import CENTRE, COLOURS, PAIR, Scene, Shape
from models.scenes import draw as paint

MODES = ("text", "seeds", "captions", "picture")
NUMBERS = ("1", "4", "9", "16")
N_BETWEEN = 9  # pictures from one end to the other
MOST_FRAMES = 21


@dataclass(frozen=True)
class Config:
    """A caption and how pictures are made of it."""

    text: Annotated[str, Text(200)] = "a large red circle on the left, blue background"
    mode: Annotated[str, Choice(*MODES)] = "text"
    second: Annotated[str, Text(200)] = (
        "a small yellow star on the right, purple background"  # other end, or start picture
    )
    other: Annotated[int, Range(0, 999)] = 8  # the other seed
    strength: Annotated[float, Range(0.0, 1.0, 0.05)] = 0.6
    guidance: Annotated[float, Range(0.0, 10.0, 0.5)] = 3.0
    steps: Annotated[int, Range(1, 50)] = 20
    seed: Annotated[int, Range(0, 999)] = 0
    number: Annotated[str, Choice(*NUMBERS)] = "4"
    eta: Annotated[float, Range(0.0, 1.0, 0.05)] = 0.0
    negative: Annotated[str, Text(200)] = ""
    step: Annotated[int, Range(0, 50)] = 8  # the one shown, or the recorded one next to it
    chosen: Annotated[int, Range(0, 15)] = 0
    word: Annotated[int, Range(-1, 63)] = -1
    resolution: Annotated[int, Range(64, 1024)] = 512


@dataclass(frozen=True)
class Trace:
    """Every recorded step of every picture."""

    mode: str
    guidance: float
    n_step: int  # asked for
    n_taken: int  # of them, with a start picture fewer
    step: tuple[int, ...]  # 1 to n_taken; (0,) if none was taken
    t: tuple[int, ...]  # noise level, of 1000
    left: Float[Tensor, "n"]  # share of the noise in x_t: sqrt(1 - alpha_bar)
    word: tuple[str, ...]  # w: as the text encoder reads them; of both captions between two
    n_first: int  # words of the first caption among them
    unknown: tuple[str, ...]  # words of all captions that no list holds
    share: tuple[float, ...]  # p
    image: UInt8[Tensor, "n p y x 3"]  # decoded x0
    noisy: UInt8[Tensor, "n p y x 3"]  # decoded x_t
    latent: Float[Tensor, "n p c a b"]  # x_t
    clean: Float[Tensor, "n p c a b"]  # x0
    attention: Float[Tensor, "n p w a b"]
    start: UInt8[Tensor, "k y x 3"]  # the start picture and what the autoencoder makes of it; k = 0 without
    problem: str  # of the caption as a request: "" or a name of models/scene_captions.py
    held_out: bool
    verdict: tuple[dict[str, bool], ...]  # p


def setting(cfg: Config) -> Setting:
    """How to sample."""
    strength = cfg.strength if cfg.mode == "picture" else 1.0
    return Setting(cfg.steps, cfg.guidance, cfg.eta, cfg.negative, strength)


def sampled(cfg: Config) -> Config:
    """The same pictures, whatever of them is shown: what needs no sampling is not sampled again."""
    plain = Config()
    return replace(
        cfg, step=plain.step, chosen=plain.chosen, word=plain.word, resolution=plain.resolution,
        other=cfg.other if cfg.mode == "seeds" else plain.other,
        second=cfg.second if cfg.mode in ("captions", "picture") else plain.second,
        strength=cfg.strength if cfg.mode == "picture" else plain.strength,
        number=cfg.number if cfg.mode in ("text", "picture") else plain.number,
    )  # fmt: skip


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Sample, and decode what was recorded."""
    pipeline, how = load(), setting(cfg)
    between = cfg.mode in ("seeds", "captions")
    n = N_BETWEEN if between else int(cfg.number)
    share = torch.linspace(0, 1, n) if between else torch.zeros(n)
    sources = generators(cfg.seed, [0] * n if between else range(n))
    noise = draw(sources, SHAPE)
    if cfg.mode == "seeds":
        end = draw(generators(cfg.other, [0]), SHAPE)[0]
        noise = torch.stack([slerp(noise[0], end, float(f)) for f in share])
    texts, weight = [[cfg.text] * n], torch.ones(1, n)
    if cfg.mode == "captions":
        texts, weight = [*texts, [cfg.second] * n], torch.stack((1 - share, share))
    drawn = paint([scene_of(read(cfg.second))]) if cfg.mode == "picture" else torch.zeros(0, 3, 32, 32)
    start = pipeline.vae.encode(drawn) if len(drawn) else None
    x = begin(pipeline, how, noise, start)
    visited = times(how)
    done = run(pipeline, texts, how, x, sources, weight, spread(len(visited), MOST_FRAMES), lambda f: tick(0.8 * f))
    if not visited:  # strength 0: nothing happens to the start picture
        done = replace(done, step=(-1,), t=(0,), x=x[None], x0=x[None], attention=still(texts, n))
    image = decode(pipeline, done.x0, lambda f: tick(0.8 + 0.1 * f))
    read_words = [tokenise(voice[0]) for voice in texts]
    attention = [done.attention[:, v, :, : len(one.words)] for v, one in enumerate(read_words)]
    wanted = read(cfg.text)
    others = [cfg.negative, *([cfg.second] if cfg.mode in ("captions", "picture") else [])]
    return Trace(
        mode=cfg.mode,
        guidance=cfg.guidance,
        n_step=cfg.steps,
        n_taken=len(visited),
        step=tuple(i + 1 for i in done.step),
        t=done.t,
        left=(1 - pipeline.alpha_bar[list(done.t)]).sqrt() if visited else torch.zeros(1),
        word=tuple(word for one in read_words for word in one.words),
        n_first=len(read_words[0].words),
        unknown=tuple(dict.fromkeys(word for text in (cfg.text, *others) for word in tokenise(text).unknown)),
        share=tuple(share.tolist()),
        image=image,
        noisy=decode(pipeline, done.x, lambda f: tick(0.9 + 0.1 * f)),
        latent=done.x,
        clean=done.x0,
        attention=torch.cat(attention, dim=2),
        start=bytes_of(drawn if start is None else torch.cat((drawn, pipeline.vae.decode(start)))),
        problem=wanted.problem,
        held_out=wanted.held_out,
        verdict=tuple({} for _ in share)
        if cfg.mode == "captions"  # between two captions a picture owes neither of them everything
        else tuple(judged(pipeline, pipeline.vae.decode(done.x0[-1]), wanted)),
    )


def still(texts: list[list[str]], n: int) -> Float[Tensor, "1 v p w a b"]:
    """No step, so nobody has looked at a word."""
    return torch.zeros(1, len(texts), n, max(len(tokenise(voice[0]).words) for voice in texts), *SHAPE[1:])


def judged(pipeline: Pipeline, pictures: Float[Tensor, "p 3 y x"], wanted: Request) -> list[dict[str, bool]]:
    """The classifier's verdict; nothing where the caption asks for nothing that can be judged."""
    return [{} for _ in pictures] if wanted.problem else pipeline.judge(pictures, wanted)


def decode(
    pipeline: Pipeline, x: Float[Tensor, "n p c a b"], tick: Callable[[float], None]
) -> UInt8[Tensor, "n p y x 3"]:
    """Pictures of all latents."""
    found = []
    for i, one in enumerate(x):
        found.append(bytes_of(pipeline.vae.decode(one)))
        tick((i + 1) / len(x))
    return torch.stack(found)


def bytes_of(picture: Float[Tensor, "*p 3 y x"]) -> UInt8[Tensor, "*p y x 3"]:
    """From [-1, 1] to 0 ... 255, the colour last."""
    return ((picture.movedim(-3, -1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def scene_of(wanted: Request) -> Scene:
    """The scene that a caption describes; what it leaves open is filled in: a large circle in the centre, the first
    colours that are free, a white background."""
    wanted = replace(wanted, objects=wanted.objects[:2])
    named = [thing.colour for thing in wanted.objects]
    background = wanted.background or next(c for c in ("white", *COLOURS) if c not in named)
    layout, places = wanted.layout or "", [CENTRE["centre"]]
    if len(wanted.objects) == 2:
        places = list(PAIR.get(layout, PAIR["beside"]))
    elif layout in CENTRE:
        places = [CENTRE[layout]]
    free = iter([c for c in COLOURS if c not in (*named, background)])
    things = tuple(
        Shape(thing.shape or "circle", thing.colour or next(free), thing.size or "large", x, y)
        for thing, (x, y) in zip(wanted.objects, places, strict=False)
    )
    return Scene(background, things)


def at(trace: Trace, step: int) -> int:
    """The recorded step next to one."""
    return min(range(len(trace.step)), key=lambda i: abs(trace.step[i] - step))


# --- what the captions say, and what the claims rest on --------------------------------------------------------------


def facts(trace: Trace, step: int = 50, chosen: int = 0, word: int = -1) -> dict[str, float | int | str]:
    """The numbers that the captions name, of the picture and the step shown."""
    i, p = at(trace, step), min(chosen, len(trace.share) - 1)
    right = [all(one.values()) for one in trace.verdict if one]
    marks = trace.verdict[p]
    # A word's place: where attention to it is largest, and how much more than on average.
    w = word if 0 <= word < len(trace.word) else -1
    map_ = trace.attention[i, p, w]
    top = int(map_.flatten().argmax())
    final = trace.clean[-1, p]
    early = next((k for k in range(len(trace.step)) if change(trace, k, p) < 0.1), len(trace.step) - 1)
    return {
        "n_picture": len(trace.share),
        "picture": p + 1,
        "step": trace.step[i],
        "n_step": trace.n_step,
        "n_taken": trace.n_taken,
        "t": trace.t[i],
        "noise": float(trace.left[i]) ** 2,
        "guidance": trace.guidance,
        "n_judged": len(right),
        "n_right": sum(right),
        "n_named": len(marks),
        "n_named_right": sum(marks.values()),
        "n_word": len(trace.word),
        "word": trace.word[w],
        "word_top": float(map_.flatten()[top]),
        "word_mean": float(map_.mean()),
        "word_column": top % map_.shape[-1] + 1,
        "word_row": top // map_.shape[-1] + 1,
        "change": change(trace, i, p),
        "settled": trace.step[early],
        "unknown": ", ".join(trace.unknown),
        "n_unknown": len(trace.unknown),
        "latent_std": float(trace.latent[i, p].std()),
        "final_std": float(final.std()),
        "moved": different(trace.image[-1, p], trace.start[0]) if len(trace.start) else 0.0,
        "jump": jump(trace),
    }


def change(trace: Trace, i: int, p: int) -> float:
    """How far the picture predicted at a step still is from the last one: difference of the latents over the last's
    size."""
    last = trace.clean[-1, p]
    return float((trace.clean[i, p] - last).norm() / last.norm().clamp(min=1e-9))


def different(a: UInt8[Tensor, "y x 3"], b: UInt8[Tensor, "y x 3"]) -> float:
    """Mean difference of two pictures' values, from 0 to 1."""
    return float((a.float() - b.float()).abs().mean()) / 255


def jump(trace: Trace) -> float:
    """The largest difference between neighbours on the way from one end to the other, over that between the ends."""
    if trace.mode not in ("seeds", "captions"):
        return 0.0
    row = trace.image[-1]
    whole = different(row[0], row[-1])
    return max(different(a, b) for a, b in pairwise(row)) / max(whole, 1e-9)


def check(cfg: Config) -> dict[str, float]:
    """The loop against diffusers' DDIMScheduler with the same network; its identities; Stable Diffusion's counts."""
    return latent_reference.differences(load(), cfg.text, setting(replace(cfg, mode="text")), cfg.seed)


CLAIMS = {
    "sixty-four": latent_sizes.sixty_four,
    "components": latent_sizes.components,
    "injected": latent_sizes.injected,
    "encoder": latent_claims.without_encoder,
    "more-is-better": latent_claims.more_is_better,
    "words-by-attention": latent_claims.words_by_attention,
    "negative": latent_claims.negative,
}
