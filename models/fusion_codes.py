"""A picture as codes: what is lost, what one code changes, and a model that writes and reads them.

Sources: models/vq_scenes.py (the codebook), models/early_fusion.py (the model).

    error    per place, root mean square over its pixels and colours, of 255
    reach    row i: per place, by how much a pixel changes at most when the code of place i is replaced, of 255
    bits     codes x log2(entries of the codebook), against 8 bits for each value of the pixels

Axes: h and w places of codes, i and n the same in reading order, k entry of the codebook, f frame, y and x pixels.
"""

import colorsys
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from models import early_fusion, scene_pipeline, scenes, vq_scenes
from models.early_fusion import MOST_WORDS
from models.fields import no_tick
from models.image_input import Picture
from models.scene_captions import read as understand
from models.scene_classifier import SceneClassifier, compare
from models.scene_notation import read, write
from models.scene_questions import spell, tokenise
from models.vq_scenes import N_CODE, N_PLACE, N_SIDE

N_PIXEL = scenes.N_PIXEL
N_WRITTEN = 4
OPENINGS = {"en": "a", "zh": "一个"}  # the first word of a caption chooses its language
GREY = 0.0
WRITTEN_MARKS = ("background", "layout", "size", "colour", "shape")


@dataclass(frozen=True)
class Codes:
    """One picture and its codes, one of them perhaps replaced."""

    image: UInt8[Tensor, "y x 3"]
    code: Int[Tensor, "h w"]  # as shown: with the replacement
    ink: UInt8[Tensor, "n 3"]  # each code's own colour
    again: UInt8[Tensor, "y x 3"]  # decoded
    error: Float[Tensor, "n"]  # of the codes without the replacement
    reach: Float[Tensor, "i n"]
    n_reached: int  # pixels that the replacement changes by more than 2 of 255
    place: int
    changed_to: int
    order: Int[Tensor, "k"]  # entries of the codebook by brightness and hue, as they are drawn
    book: UInt8[Tensor, "k 3"]  # their colours, in that order
    distance: Float[Tensor, "k k"]  # between entries, in that order

    @property
    def n_used(self) -> int:
        """Different codes."""
        return int(self.code.unique().numel())

    @property
    def rmse(self) -> float:
        """Over all pixels, of 255."""
        return float(self.error.square().mean().sqrt())

    @property
    def bits(self) -> int:
        """Of the codes."""
        return round(self.code.numel() * math.log2(N_CODE))

    @property
    def raw_bits(self) -> int:
        """Of the pixels."""
        return 8 * self.image.numel()


def picture_of(scene: str, picture: Picture | None) -> Float[Tensor, "1 3 y x"]:
    """The scene drawn, or the uploaded picture. Raises SceneUnreadable."""
    return scenes.draw([read(scene)]) if picture is None else picture.square(N_PIXEL)[None]


def notation(scene: str) -> str:
    """The scene as the line that says everything. Raises SceneUnreadable."""
    return write(read(scene))


def to_bytes(picture: Float[Tensor, "*n 3 y x"]) -> UInt8[Tensor, "*n y x 3"]:
    """0 to 255, colours last."""
    return ((picture.movedim(-3, -1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def per_place(values: Float[Tensor, "y x"], how: str = "mean") -> Float[Tensor, "n"]:
    """Pixels of each place together."""
    size = values.shape[0] // N_SIDE
    tiled = values.view(N_SIDE, size, N_SIDE, size).transpose(1, 2).flatten(2)
    return (tiled.mean(2) if how == "mean" else tiled.amax(2)).flatten()


@torch.no_grad()
def codes(scene: str, place: int = -1, code: int = -1, picture: Picture | None = None) -> Codes:
    """Encode, replace one code if `place` and `code` are given, decode."""
    vq = vq_scenes.load().model
    x = picture_of(scene, picture)
    own = vq.encode(x)
    plain = vq.decode(own)
    shown = own.clone()
    if place >= 0 and code >= 0:
        shown.view(-1)[place] = code
    again = vq.decode(shown)
    wrong = to_bytes(plain).float().sub(to_bytes(x).float())[0].square().mean(-1)
    inks = vq_scenes.inks()
    order = by_colour(inks)
    book = vq.book[order]
    return Codes(
        image=to_bytes(x)[0],
        code=shown[0],
        ink=inks[shown.flatten()],
        again=to_bytes(again)[0],
        error=per_place(wrong).sqrt(),
        reach=reaches(own, code),
        n_reached=int((difference(plain, again)[0] > 2).sum()),
        place=place,
        changed_to=code,
        order=order,
        book=inks[order],
        distance=vq_scenes.distances(book, book).clamp_min(0).sqrt(),
    )


def difference(a: Float[Tensor, "b 3 y x"], b: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b y x"]:
    """Per pixel, the largest of the three colours, of 255."""
    return to_bytes(a).int().sub(to_bytes(b).int()).abs().amax(-1).float()


def reaches(own: Int[Tensor, "1 h w"], code: int) -> Float[Tensor, "i n"]:
    """Every place in its turn is given `code`, or if it is -1, that code of the picture whose colour is farthest."""
    vq, inks = vq_scenes.load().model, vq_scenes.inks().float()
    flat, used = own.flatten(), own.unique()
    far = used[torch.cdist(inks[flat], inks[used]).argmax(1)]
    one = flat.repeat(N_PLACE, 1)
    at = torch.arange(N_PLACE)
    one[at, at] = far if code < 0 else code
    changed = vq.decode(one.view(-1, N_SIDE, N_SIDE))
    moved = difference(changed, vq.decode(own).expand_as(changed))
    return torch.stack([per_place(each, "most") for each in moved])


def by_colour(inks: UInt8[Tensor, "k 3"]) -> Int[Tensor, "k"]:
    """Greys first, then by hue; of one hue the dark ones first."""

    def key(k: int) -> tuple[int, float]:
        red, green, blue = (value / 255 for value in inks[k].tolist())
        hue, light, strength = colorsys.rgb_to_hls(red, green, blue)
        grey = max(red, green, blue) - min(red, green, blue) < 0.12 or strength < 0.08
        return (-1 if grey else int(hue * 12), light)

    return torch.tensor(sorted(range(len(inks)), key=key))


def codes_facts(found: Codes) -> dict[str, float | int]:
    """What the note below them says."""
    return {
        "n": found.code.numel(),
        "n_used": found.n_used,
        "error": found.rmse,
        "bits": found.bits,
        "raw": found.raw_bits,
        "times": found.raw_bits / found.bits,
        "n_reached": found.n_reached,
        "n_own": (N_PIXEL // N_SIDE) ** 2,
        "row": found.place // N_SIDE + 1,
        "column": found.place % N_SIDE + 1,
        "code": found.changed_to,
        "n_reach": float((found.reach > 2).sum(1).float().mean()),
    }


# --- written and read ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """Pictures that the early-fusion model wrote, code by code, and what it says of the visitor's scene."""

    step: tuple[int, ...]  # f: codes written
    image: UInt8[Tensor, "f n y x 3"]  # from the caption
    rest: UInt8[Tensor, "f n y x 3"]  # the visitor's scene, its upper half given
    chance: Float[Tensor, "n k"]  # probability of each code when it was drawn
    verdict: tuple[dict[str, bool], ...]  # of the pictures from the caption; empty where nothing can be judged
    original: UInt8[Tensor, "y x 3"]
    said: dict[str, str]  # by language, the caption it gives the scene
    said_chance: dict[str, float]  # its probability, product over the words
    unknown: tuple[str, ...]
    n_caption: int  # words of the caption


@torch.no_grad()
def written(
    caption: str,
    guidance: float,
    scene: str,
    seed: int,
    picture: Picture | None = None,
    tick: Callable[[float], None] = no_tick,
) -> Written:
    """N_WRITTEN pictures of the caption and as many continuations of the scene. Raises SceneUnreadable."""
    model, vq = early_fusion.load().model, vq_scenes.load().model
    words = tokenise(caption)
    ids = words.ids[:MOST_WORDS]
    x = picture_of(scene, picture)
    own = vq.encode(x).flatten().tolist()
    draw = torch.Generator().manual_seed(seed)
    new = early_fusion.write(model, ids, N_WRITTEN, draw, guidance, 0.7, tick=lambda f: tick(0.4 * f))
    half = own[: N_PLACE // 2]
    rest = early_fusion.write(model, (), N_WRITTEN, draw, 1.0, 0.7, half, tick=lambda f: tick(0.4 + 0.2 * f))
    step = tuple(range(0, N_PLACE + 1, 2))
    film = film_of(new.code, step)
    tick(0.8)
    asked = understand(caption)
    judged: tuple[dict[str, bool], ...] = ()
    if not asked.problem:
        judge = scene_pipeline.load_part("scene_classifier", SceneClassifier())
        seen = judge.see(vq.decode(new.code.view(-1, N_SIDE, N_SIDE)))
        judged = tuple(compare(one, asked) for one in seen)
    captions = {name: early_fusion.read(model, own, tokenise(first).ids) for name, first in OPENINGS.items()}
    return Written(
        step=step,
        image=film,
        rest=film_of(rest.code, step, len(half)),
        chance=new.chance,
        verdict=judged,
        original=to_bytes(x)[0],
        said={name: spell(one.words) for name, one in captions.items()},
        said_chance={name: math.prod(one.chance) for name, one in captions.items()},
        unknown=words.unknown,
        n_caption=len(ids),
    )


def film_of(code: Int[Tensor, "n k"], step: tuple[int, ...], given: int = 0) -> UInt8[Tensor, "f n y x 3"]:
    """The finished pictures, uncovered where codes have been written; the rest is grey."""
    vq = vq_scenes.load().model
    whole = vq.decode(code.view(-1, N_SIDE, N_SIDE))
    frames = []
    size = N_PIXEL // N_SIDE
    for done in step:
        known = (torch.arange(N_PLACE) < max(done, given)).view(N_SIDE, N_SIDE)
        shown = known.repeat_interleave(size, 0).repeat_interleave(size, 1)
        frames.append(to_bytes(whole.where(shown, torch.tensor(GREY))))
    return torch.stack(frames)


def written_facts(found: Written) -> dict[str, float | int | str]:
    """What the note says."""
    right = [all(one.values()) for one in found.verdict]
    about = early_fusion.load().card
    card = about["measured"]
    return {
        "n": len(found.chance),
        "n_right": sum(right),
        "n_caption": found.n_caption,
        "chance_first": float(found.chance[:, 0].mean()),
        "chance": float(found.chance.log().mean().exp()),
        "said_en": found.said["en"],
        "said_zh": found.said["zh"],
        "chance_en": found.said_chance["en"],
        "chance_zh": found.said_chance["zh"],
        "card_n": card["n"],
        "n_step": about["steps_done"],
        **{f"{name}_{key}": card[name][key] for name in ("write_seen", "write_held_out") for key in WRITTEN_MARKS},
        **{
            f"{name}_{key}": card[name][key]
            for name in ("read_seen", "read_held_out")
            for key in ("background", "size", "colour", "shape")
        },
    }
