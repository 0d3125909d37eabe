"""A visitor's own picture, read safely: PNG, JPEG or WebP, made small at once, and never stored.

Decoding is Pillow's. The size is read from the header and refused before any pixel is decoded; a file that holds less
than it promises is refused, too. What a camera turned is turned back, what is transparent stands on white; only the
largest square in the middle is kept, for that is what models here see.

Conventions: pictures for models are "3 y x" in [-1, 1].
"""

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}  # Pillow's name: the usual ending
MOST_BYTES = 10_000_000
MOST_PIXELS = 40_000_000
SIDE = 448  # pixels along an edge that are kept


SENTENCES = {
    "bytes": ("The file is larger than 10 MB.", "文件超过 10 MB。"),
    "pixels": ("The picture has more than 40 million pixels.", "图片超过 4000 万像素。"),
    "format": ("This is no PNG, JPEG or WebP picture.", "这不是 PNG、JPEG 或 WebP 图片。"),
    "damaged": ("The picture cannot be decoded: the file is damaged.", "图片无法解码：文件已损坏。"),
}


class BadImage(Exception):
    """A file that cannot be used. `problem`: "bytes", "pixels", "format", "damaged"."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def sentence(self, language: str, plain: Callable[[str], str] = str) -> str:
        """What is wrong and what is accepted."""
        about = SENTENCES[self.problem]
        if language == "zh":
            return f"{about[1]}可以上传不超过 10 MB、4000 万像素的 PNG、JPEG 或 WebP 图片。"
        return f"{about[0]} PNG, JPEG and WebP up to 10 MB and 40 megapixels are accepted."


@dataclass(frozen=True)
class Picture:
    """A decoded picture. Two are equal if their pixels are."""

    digest: str
    array: np.ndarray = field(compare=False, repr=False)  # uint8 (n, n, 3): the square in the middle
    private: bool = field(default=True, compare=False)  # results made from it are not shared between visitors

    def pixels(self, n_pixel: int) -> np.ndarray:
        """uint8 (n, n, 3), resized."""
        return np.asarray(Image.fromarray(self.array).resize((n_pixel, n_pixel), Image.Resampling.LANCZOS))

    def square(self, n_pixel: int) -> Float[Tensor, "3 y x"]:
        """The same for a model, in [-1, 1]."""
        return torch.from_numpy(self.pixels(n_pixel).copy()).permute(2, 0, 1).float() / 127.5 - 1


def read(content: bytes) -> Picture:
    """The picture in a file's bytes. Raises BadImage."""
    if len(content) > MOST_BYTES:
        raise BadImage("bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
            image: Image.Image = Image.open(io.BytesIO(content), formats=list(FORMATS))
    except Image.DecompressionBombError as error:
        raise BadImage("pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadImage("format") from error
    if image.width * image.height > MOST_PIXELS:
        raise BadImage("pixels")
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        image = image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise many kinds
        raise BadImage("damaged") from error
    side = min(*image.size, SIDE)
    image = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    array = np.asarray(image)
    return Picture(hashlib.sha256(array.tobytes() + repr(array.shape).encode()).hexdigest(), array)
