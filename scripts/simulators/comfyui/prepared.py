"""A ready-made picture for every prompt: a server that takes its time but does not render. Only Pillow is touched."""

import io
from dataclasses import dataclass
from typing import Self

from PIL import Image

from scripts.simulators.pictures import dream, stamp

SEED = 7


@dataclass(frozen=True)
class Prepared:
    """The picture, and the file that every output node saves in its place."""

    image: Image.Image
    png: bytes

    @classmethod
    def draw(cls, size: tuple[int, int]) -> Self:
        """One picture of this size. It says SIMULATED, as every picture of a stand-in, and carries no mark."""
        image = stamp(dream(size, SEED), None)
        file = io.BytesIO()
        image.save(file, "PNG")
        return cls(image, file.getvalue())


def read_size(text: str) -> tuple[int, int]:
    """`512x768`. Raises ValueError."""
    width, _, height = text.partition("x")
    size = int(width), int(height)
    if min(size) < 64:
        raise ValueError("a prepared picture is at least 64 pixels wide and high")
    return size
