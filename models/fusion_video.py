"""Video as pictures: frames x tokens, averaging over time, and how much of it one frame says that the last one did not.

Sources: Alayrac et al. 2022, "Flamingo", section 2.1 (one frame a second, all frames into the same 64 latents); Team
Gemini 2023, arXiv 2312.11805, section 2 (a video as a sequence of frames in the context); Maaz et al. 2023,
"Video-ChatGPT", arXiv 2306.05424, section 3.1 (features averaged over time).

    frames       seconds x fps, at least 1
    late         frames / pool x tokens of a picture              pool: neighbouring frames whose tokens are averaged
    cross        n latents, however many frames
    early        frames x (codes + 2)

Glossary
    same         share of codes that are those of the frame before, at the same place
    blur         mean distance of a token from the average of its group of frames, over the tokens' own size

Conventions: the first object of the scene crosses the picture once in the whole time, the others stand still.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from models import scenes, vq_scenes
from models.fields import no_tick
from models.fusion_codes import N_PIXEL, to_bytes
from models.scene_notation import read

FPS = tuple(range(1, 25))
WINDOW = 4.0  # seconds in which the codes of neighbouring frames are compared
SHOWN = 12  # frames drawn


@dataclass(frozen=True)
class Video:
    """Lengths for every frame rate, and what was measured on real frames."""

    seconds: int
    pool: int
    fps: tuple[int, ...]
    frames: tuple[int, ...]
    late: tuple[int, ...]  # tokens, without pooling
    pooled: tuple[int, ...]
    cross: tuple[int, ...]
    early: tuple[int, ...]
    same: Float[Tensor, "f"]
    blur: Float[Tensor, "f"]
    image: UInt8[Tensor, "f n y x 3"]  # SHOWN frames spread over what is sampled at each rate


def moving(text: str, n: int) -> list[scenes.Scene]:
    """n frames of a scene whose first object crosses it from left to right. Raises SceneUnreadable."""
    scene = read(text)
    if not scene.objects:
        return [scene] * n
    first, rest = scene.objects[0], scene.objects[1:]
    edge = scenes.RADIUS[first.size]
    along = [edge + (1 - 2 * edge) * i / max(1, n - 1) for i in range(n)]
    return [scenes.Scene(scene.background, (*rest, replace(first, x=x))) for x in along]


def lengths(
    seconds: int, fps: int, per_picture: int, pool: int, n_latent: int, n_code: int
) -> tuple[int, int, int, int, int]:
    """(frames, late, late with averaged frames, cross, early) in tokens."""
    frames = max(1, seconds * fps)
    return frames, frames * per_picture, math.ceil(frames / pool) * per_picture, n_latent, frames * (n_code + 2)


@torch.no_grad()
def video(
    text: str, seconds: int, pool: int, per_picture: int, n_latent: int, tick: Callable[[float], None] = no_tick
) -> Video:
    """Every frame rate of FPS."""
    vq = vq_scenes.load().model
    rows = [lengths(seconds, fps, per_picture, pool, n_latent, vq_scenes.N_PLACE) for fps in FPS]
    same, blur, shown = [], [], []
    for i, fps in enumerate(FPS):
        n = max(2, math.ceil(min(WINDOW, seconds) * fps))
        film = scenes.draw(moving(text, n))
        z = vq.vectors(film)
        code = vq_scenes.nearest(z, vq.book).flatten(1)
        same.append((code[1:] == code[:-1]).float().mean())
        blur.append(_blur(z.flatten(2).transpose(1, 2), pool))
        at = torch.linspace(0, n - 1, SHOWN).round().long()
        shown.append(to_bytes(film[at]))
        tick((i + 1) / len(FPS))
    frames, late, pooled, cross, early = (tuple(column) for column in zip(*rows, strict=True))
    return Video(
        seconds, pool, FPS, frames, late, pooled, cross, early,
        torch.stack(same), torch.stack(blur), torch.stack(shown),
    )  # fmt: skip


def _blur(token: Float[Tensor, "f n d"], pool: int) -> Float[Tensor, ""]:
    """How far tokens are from the mean of their group; a last group that is not full counts, too."""
    far = [(group - group.mean(0)).norm(dim=-1).flatten() for group in token.split(pool)]
    return torch.cat(far).mean() / token.norm(dim=-1).mean().clamp_min(1e-9)


def video_facts(found: Video, fps: int) -> dict[str, float | int]:
    """At one frame rate."""
    i = found.fps.index(fps)
    return {
        "seconds": found.seconds,
        "fps": fps,
        "pool": found.pool,
        "frames": found.frames[i],
        "late": found.late[i],
        "pooled": found.pooled[i],
        "cross": found.cross[i],
        "early": found.early[i],
        "same": float(found.same[i]),
        "same_first": float(found.same[0]),
        "blur": float(found.blur[i]),
        "n_pixel": N_PIXEL,
    }
