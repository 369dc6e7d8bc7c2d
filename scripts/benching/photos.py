"""Photos to send: small ones, and ones as large as a camera's. Each number gives other bytes."""

from __future__ import annotations

import io
import random
from functools import lru_cache

from PIL import Image, ImageOps

from scripts.simulators.photos import portrait

SMALL = (480, 640)
CAMERA = (4000, 3000)
CAMERA_QUALITY = 90
CAMERA_GRAIN = 20


def small(number: int) -> bytes:
    """A JPEG of some 20 kB: a sweep of two colours that follow from the number."""
    chance = random.Random(number)
    black, white = (tuple(chance.randrange(256) for _ in range(3)) for _ in range(2))
    image = ImageOps.colorize(Image.linear_gradient("L").resize(SMALL), black, white)
    image.putpixel((number % SMALL[0], number // SMALL[0] % SMALL[1]), (255, 255, 255))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def camera(number: int) -> bytes:
    """A JPEG of 12 megapixels and some 3 MB: a portrait with the grain of a sensor."""
    picture = _grainy().copy()
    picture.paste(Image.new("RGB", (64, 64), (number % 256, number // 256 % 256, 90)), (200, 200))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=CAMERA_QUALITY)
    return file.getvalue()


@lru_cache(maxsize=1)
def _grainy() -> Image.Image:
    with Image.open(io.BytesIO(portrait(1, size=(CAMERA[1], CAMERA[0])))) as drawn:
        upright = drawn.convert("RGB").transpose(Image.Transpose.ROTATE_90)
    grain = Image.effect_noise(CAMERA, CAMERA_GRAIN)
    return Image.blend(upright, Image.merge("RGB", (grain, grain, grain)), 0.25)
