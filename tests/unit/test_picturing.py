"""Pictures for the documents stay small, whatever is on them."""

from __future__ import annotations

import io

from PIL import Image

from scripts.picturing.camera import TALLEST, shrink


def picture_of(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_plain_page_keeps_its_size_down_to_where_the_picture_ends() -> None:
    plain = Image.open(io.BytesIO(shrink(picture_of(Image.new("RGB", (64, TALLEST + 9), "white")))))
    assert plain.size == (64, TALLEST)


def test_what_is_colourful_becomes_small_enough() -> None:
    noise = picture_of(Image.effect_noise((120, 180), 90).convert("RGB"))
    shrunk = shrink(noise, largest=6_000)
    assert len(shrunk) <= 6_000 < len(noise)
    small = Image.open(io.BytesIO(shrunk))
    assert small.width < 120 and abs(small.width / small.height - 2 / 3) < 0.02
