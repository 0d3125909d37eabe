"""Uploaded pictures: what is accepted comes out right side up, all else is refused before it is decoded."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models import image_input
from models.image_input import BadImage, read


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    array = np.zeros((height, width, 3), np.uint8)
    array[:, : width // 2, 0] = 255
    array[:, width // 2 :, 2] = 255
    return Image.fromarray(array)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_three_formats_are_read(kind: str) -> None:
    picture = read(encoded(halves(90, 60), kind))
    assert picture.array.shape == (60, 60, 3)
    square = picture.square(6)
    assert square.shape == (3, 6, 6) and square.min() >= -1 and square.max() <= 1
    assert square[0, :, 0].min() > 0.9 and square[2, :, -1].min() > 0.8  # red left, blue right
    assert picture.pixels(7).shape == (7, 7, 3)


def test_large_pictures_become_small_and_tiny_ones_stay() -> None:
    assert read(encoded(halves(2000, 1000))).array.shape == (448, 448, 3)
    assert read(encoded(halves(1, 1))).array.shape == (1, 1, 3)
    assert read(encoded(halves(5000, 2))).array.shape == (2, 2, 3)


def test_a_turned_photograph_is_turned_back() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    top_is_red = read(encoded(halves(64, 64), "JPEG", exif=exif.tobytes())).array
    assert top_is_red[5, 32, 0] > 200 and top_is_red[58, 32, 2] > 200


def test_transparent_means_white() -> None:
    picture = read(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0))))
    assert picture.array.min() == 255
    assert read(encoded(Image.new("L", (8, 8), 7))).array.tolist() == [[[7] * 3] * 8] * 8


def test_the_same_pixels_are_the_same_picture() -> None:
    one, other = read(encoded(halves(9, 9))), read(encoded(halves(9, 9), "WEBP", lossless=True))
    assert one == other and hash(one) == hash(other) and one.private
    assert one != read(encoded(halves(8, 9)))


def huge_png() -> bytes:
    """A header that promises 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format"),
        (encoded(halves(9, 9), "GIF"), "format"),
        (encoded(halves(9, 9), "BMP"), "format"),
        (b"\x89PNG\r\n\x1a\n", "format"),
        (encoded(halves(300, 300))[:200], "damaged"),
        (b"0" * (image_input.MOST_BYTES + 1), "bytes"),
        (huge_png(), "pixels"),
        (encoded(Image.new("1", (8000, 5001))), "pixels"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(content: bytes, problem: str) -> None:
    with pytest.raises(BadImage) as error:
        read(content)
    assert error.value.problem == problem
    assert "10 MB" in error.value.sentence("en") and "10 MB" in error.value.sentence("zh")


@given(st.binary(max_size=300), st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(0, 400))
def test_damage_never_raises_anything_else(noise: bytes, kind: str, at: int) -> None:
    content = encoded(halves(24, 24), kind)
    with contextlib.suppress(BadImage):
        read(content[:at] + noise + content[at + len(noise) :])
