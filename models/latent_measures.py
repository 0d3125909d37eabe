"""What can be measured on the small latent diffusion model: what guidance and steps do, and what was never seen.

Sources: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", section 4 (fidelity against variety). Rombach et al.
2022, section 4.1 and appendix G (the autoencoder's error bounds every picture). Feng et al. 2023, "Training-Free
Structured Diffusion Guidance" (attributes that end up on the wrong object). The judge: models/scene_classifier.py,
trained apart from the diffusion model, on all combinations.

    right     of all that captions name, the share that the classifier finds in the pictures
    whole     pictures in which everything named is right
    variety   mean difference between two pictures of one caption, in hundredths of the range of values
    spread    standard deviation of the finished latents; of real pictures' latents it is 1

Glossary
    seen, held out   every object's pair (shape, colour) was in training pictures; or none was
    owner            whose colour (or shape, or size) an object got: its own, the other object's, the background's, none

Conventions: captions name everything in their first template, in English; every measurement has its own fixed scenes
and noise, so that it repeats. eta is 0. The numbers of pictures are small: what the page computes takes seconds, and a
share of 24 pictures is known to about 10 points. Large measurements stand in the card of the weights.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from models.fields import no_tick
from models.latent_sampling import Setting, simply
from models.scene_captions import caption, read, request
from models.scene_pipeline import Pipeline, load
from models.scenes import SHAPES, Scene, sample
from models.scenes import draw as paint

GUIDANCES = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
STEPS = (1, 2, 3, 5, 8, 12, 20, 50)
GROUPS = ("seen_single", "held_single", "seen_pair", "held_pair")
ATTRIBUTES = ("shape", "colour", "size", "layout", "background", "whole")
OWNERS = ("own", "other", "background", "none")
KINDS = ("colour", "shape")
N_EACH = 24  # pictures of each group
N_CAPTION, N_TWIN = 8, 4  # captions of a sweep, pictures of each
QUICK = 10  # steps of a measurement
SHOWN = 8  # pictures of a group that are looked at


def scenes(n: int, held_out: bool | None, single: float, seed: int) -> list[Scene]:
    """Always the same ones."""
    return sample(torch.Generator().manual_seed(seed), n, held_out, single)


def within(tick: Callable[[float], None], low: int, high: int, whole: int) -> Callable[[float], None]:
    """The tick of one part of a longer work."""
    return lambda fraction: tick((low + fraction * (high - low)) / whole)


def marks(verdicts: Sequence[dict[str, bool]]) -> dict[str, float]:
    """The share that is right, of each attribute, of all that is named ("right") and of whole pictures ("whole")."""
    found: dict[str, list[bool]] = {}
    for one in verdicts:
        for name, good in one.items():
            found.setdefault(name.split(" ")[0], []).append(good)
    every = [good for one in verdicts for good in one.values()]
    whole = [all(one.values()) for one in verdicts]
    return {name: sum(goods) / len(goods) for name, goods in found.items()} | {
        "right": sum(every) / max(1, len(every)),
        "whole": sum(whole) / max(1, len(whole)),
    }


# --- combinations that no training picture showed --------------------------------------------------------------------


@dataclass(frozen=True)
class Combinations:
    """Accuracy on seen and held-out combinations, one object and two; and whose attributes ended up where."""

    guidance: float
    n_each: int
    accuracy: Float[Tensor, "g m"]  # GROUPS by ATTRIBUTES
    owner: Float[Tensor, "k o r"]  # KINDS by OWNERS, of the two groups of pairs (r)
    confusion: Float[Tensor, "h i j"]  # of seen and of held-out combinations: shape asked for by shape found, shares
    image: UInt8[Tensor, "g n y x 3"]  # the first pictures of every group
    text: tuple[tuple[str, ...], ...]  # g n
    right: tuple[tuple[bool, ...], ...]  # g n


def combinations(guidance: float, tick: Callable[[float], None] = no_tick) -> Combinations:
    """Pictures of four groups of captions, judged."""
    pipeline, how = load(), Setting(QUICK, guidance)
    table, owners, images, texts, rights = [], [], [], [], []
    asked: dict[bool, list[Scene]] = {False: [], True: []}
    found: dict[bool, list[Scene]] = {False: [], True: []}
    for g, name in enumerate(GROUPS):
        drawn = scenes(N_EACH, "held" in name, float("single" in name), 5)
        said = [caption(scene) for scene in drawn]
        latents = simply(pipeline, said, how, 11 + g, within(tick, g, g + 1, len(GROUPS)))
        pictures = pipeline.vae.decode(latents)
        verdicts = pipeline.judge(pictures, [request(scene) for scene in drawn])
        share = marks(verdicts)
        table.append([share[name] for name in ATTRIBUTES])
        seen = pipeline.see(pictures)
        asked["held" in name] += drawn
        found["held" in name] += seen
        if "pair" in name:
            owners.append(ownership(drawn, seen))
        images.append(((pictures[:SHOWN].movedim(1, -1) + 1) * 127.5).round().to(torch.uint8))
        texts.append(tuple(said[:SHOWN]))
        rights.append(tuple(all(one.values()) for one in verdicts[:SHOWN]))
    return Combinations(
        guidance=guidance,
        n_each=N_EACH,
        accuracy=torch.tensor(table),
        owner=torch.stack(owners, -1),
        confusion=torch.stack([confusion(asked[held], found[held]) for held in (False, True)]),
        image=torch.stack(images),
        text=tuple(texts),
        right=tuple(rights),
    )


def confusion(wanted: Sequence[Scene], seen: Sequence[Scene]) -> Float[Tensor, "i j"]:
    """For each shape asked for, the shares of shapes found in its place; where the number of objects is right."""
    counts = torch.zeros(len(SHAPES), len(SHAPES))
    for want, see in zip(wanted, seen, strict=True):
        if len(want.objects) == len(see.objects):
            for asked, found in zip(want.objects, see.objects, strict=True):
                counts[SHAPES.index(asked.shape), SHAPES.index(found.shape)] += 1
    return counts / counts.sum(-1, keepdim=True).clamp(min=1)


def ownership(wanted: Sequence[Scene], seen: Sequence[Scene]) -> Float[Tensor, "k o"]:
    """For colour and shape: the share of objects that got their own, the other object's, the background's, or another.

    Only pairs whose two objects differ count, and only pictures in which two objects were found.
    """
    found = torch.zeros(len(KINDS), len(OWNERS))
    for want, see in zip(wanted, seen, strict=True):
        if len(see.objects) != 2:
            continue
        for k, kind in enumerate(KINDS):
            asked = [getattr(thing, kind) for thing in want.objects]
            if asked[0] == asked[1]:
                continue
            for i, thing in enumerate(see.objects):
                got = getattr(thing, kind)
                place = (asked[i], asked[1 - i], want.background if kind == "colour" else "")
                found[k, place.index(got) if got in place else 3] += 1
    return found / found.sum(-1, keepdim=True).clamp(min=1)


# --- guidance, steps -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sweep:
    """Measures along one control; `image`: the first picture of every caption at each value."""

    value: tuple[float, ...]
    measure: dict[str, tuple[float, ...]]
    n_picture: int
    image: UInt8[Tensor, "v n y x 3"]
    text: tuple[str, ...]


def sweep_texts() -> list[str]:
    """Captions that leave something open, so that pictures of one caption can differ."""
    rng = random.Random(3)
    return [caption(scene, "en", rng) for scene in scenes(N_CAPTION, False, 0.6, 9)]


def pictures_of(pipeline: Pipeline, how: Setting, tick: Callable[[float], None]) -> Float[Tensor, "p c a b"]:
    """N_TWIN latents of every caption, from the same noise whatever the setting."""
    texts = [text for text in sweep_texts() for _ in range(N_TWIN)]
    return simply(pipeline, texts, how, 21, tick)


def measured(
    pipeline: Pipeline, latents: Float[Tensor, "p c a b"]
) -> tuple[dict[str, float], Float[Tensor, "p 3 y x"]]:
    """Right, whole, variety and spread of N_TWIN pictures of every caption."""
    pictures = pipeline.vae.decode(latents)
    wanted = [read(text) for text in sweep_texts() for _ in range(N_TWIN)]
    share = marks(pipeline.judge(pictures, wanted))
    return {
        "right": share["right"], "whole": share["whole"], "variety": variety(pictures), "spread": float(latents.std())
    }, pictures  # fmt: skip


def variety(pictures: Float[Tensor, "p 3 y x"]) -> float:
    """Mean difference between two pictures of one caption; 1 would be black against white everywhere."""
    twins = pictures.unflatten(0, (-1, N_TWIN)).flatten(2)
    apart = (twins[:, :, None] - twins[:, None]).abs().mean(-1) / 2
    return float(apart.sum() / (len(twins) * N_TWIN * (N_TWIN - 1)))


def guidances(
    n_step: int = QUICK, values: tuple[float, ...] = GUIDANCES, tick: Callable[[float], None] = no_tick
) -> Sweep:
    """More and more guidance, from the same noise."""
    pipeline = load()
    found = []
    for i, value in enumerate(values):
        how = Setting(n_step, value)
        found.append(pictures_of(pipeline, how, within(tick, i, i + 1, len(values))))
    return _sweep(pipeline, values, found, {})


def steps(guidance: float, tick: Callable[[float], None] = no_tick) -> Sweep:
    """More and more steps, from the same noise; `distance` is to the picture of the most steps."""
    pipeline, done, every = load(), 0, sum(STEPS)
    found = []
    for n_step in STEPS:
        how = Setting(n_step, guidance)
        found.append(pictures_of(pipeline, how, within(tick, done, done + n_step, every)))
        done += n_step
    last = pipeline.vae.decode(found[-1])
    away = tuple(float((pipeline.vae.decode(one) - last).abs().mean()) / 2 for one in found)
    return _sweep(pipeline, tuple(float(n) for n in STEPS), found, {"distance": away})


def _sweep(
    pipeline: Pipeline, values: tuple[float, ...], found: list[Tensor], more: dict[str, tuple[float, ...]]
) -> Sweep:
    rows, images = [], []
    for latents in found:
        row, pictures = measured(pipeline, latents)
        rows.append(row)
        images.append(((pictures[::N_TWIN].movedim(1, -1) + 1) * 127.5).round().to(torch.uint8))
    measure = {name: tuple(row[name] for row in rows) for name in rows[0]} | more
    return Sweep(values, measure, N_CAPTION * N_TWIN, torch.stack(images), tuple(sweep_texts()))


# --- the autoencoder -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reconstruction:
    """Pictures, their latents, and what the decoder makes of those."""

    original: UInt8[Tensor, "n y x 3"]
    again: UInt8[Tensor, "n y x 3"]
    latent: Float[Tensor, "n c a b"]
    error: Float[Tensor, "n"]  # root mean square, of values 0 to 255
    signal: float  # of 256 pictures: peak signal-to-noise ratio, dB
    mean: float  # of their latents
    spread: float


@torch.no_grad()
def reconstruct(seed: int) -> Reconstruction:
    """Eight scenes through encoder and decoder."""
    pipeline = load()
    drawn = paint(scenes(256, None, 0.6, 1_000 + seed))
    latent = pipeline.vae.encode(drawn)
    again = pipeline.vae.decode(latent)
    error = ((again - drawn) * 127.5).square().mean((1, 2, 3))
    n = SHOWN
    return Reconstruction(
        original=((drawn[:n].movedim(1, -1) + 1) * 127.5).round().to(torch.uint8),
        again=((again[:n].movedim(1, -1) + 1) * 127.5).round().to(torch.uint8),
        latent=latent[:n],
        error=error[:n].sqrt(),
        signal=float(10 * torch.log10(255**2 / error.mean())),
        mean=float(latent.mean()),
        spread=float(latent.std()),
    )


# --- what the notes say ----------------------------------------------------------------------------------------------


def combination_facts(found: Combinations) -> dict[str, float | int]:
    """The numbers below the table."""
    at = dict(zip(GROUPS, found.accuracy.tolist(), strict=True))
    owner = found.owner[KINDS.index("colour")]
    off = found.confusion[1] * (1 - torch.eye(len(SHAPES)))
    card = load().card.get("measured", {})
    large = card.get("generated", {})
    return {
        "n_card": card.get("sampling", {}).get("n_caption", 0),
        "card_seen_single": large.get("seen single", {}).get("whole", 0.0),
        "card_held_single": large.get("held_out single", {}).get("whole", 0.0),
        "card_seen_pair": large.get("seen pair", {}).get("whole", 0.0),
        "card_held_pair": large.get("held_out pair", {}).get("whole", 0.0),
        "card_shape_held_pair": large.get("held_out pair", {}).get("shape", 0.0),
        "card_colour_held_pair": large.get("held_out pair", {}).get("colour", 0.0),
        "confused": float(off.max()),
        "n_each": found.n_each,
        "n_step": QUICK,
        "guidance": found.guidance,
        "owner_own": float(owner[0].mean()),
        "owner_other": float(owner[1].mean()),
        "owner_background": float(owner[2].mean()),
    } | {f"{name}_{group}": at[group][m] for group in GROUPS for m, name in enumerate(ATTRIBUTES)}


def sweep_facts(found: Sweep, rows: int = 3) -> dict[str, float | int | str]:
    """The numbers below a sweep: its ends, and where most is right; the captions of the rows shown."""
    right = found.measure["right"]
    best = max(range(len(right)), key=right.__getitem__)
    ends = {"first": 0, "last": -1, "best": best}
    shown = "; ".join(f"“{text}”" for text in found.text[:rows])
    said: dict[str, float | int | str] = {"n_picture": found.n_picture, "n_step": QUICK, "rows": shown}
    for name, i in ends.items():
        said[name] = found.value[i]
        said |= {f"{measure}_{name}": values[i] for measure, values in found.measure.items()}
    if 1.0 in found.value:
        said |= {f"{measure}_one": values[found.value.index(1.0)] for measure, values in found.measure.items()}
    return said


def reconstruction_facts(found: Reconstruction) -> dict[str, float | int]:
    """The numbers below the autoencoder's pictures."""
    n, h, w, colours = found.original.shape
    return {
        "n": n,
        "low": float(found.error.min()),
        "high": float(found.error.max()),
        "signal": found.signal,
        "mean": found.mean,
        "spread": found.spread,
        "n_value": h * w * colours,
        "n_latent": found.latent[0].numel(),
        "times": h * w * colours / found.latent[0].numel(),
    }
