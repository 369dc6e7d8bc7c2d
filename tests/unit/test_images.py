"""Photos: hostile until decoded; what leaves is upright 8-bit RGB JPEG without metadata, whatever came in."""

from __future__ import annotations

import io
import struct
import time
import zlib

import pytest
from PIL import Image, ImageCms

from jobs.errors import PhotoRejected, PhotoTooLarge
from jobs.errors.steps import BadAnswer
from jobs.media.images import MAX_PHOTO_BYTES, STORED_SIDE, Encoded, prepare_photo, prepare_picture, shrink

RED, WHITE = (220, 30, 40), (255, 255, 255)


def encode(image: Image.Image, file_format: str = "JPEG", **kwargs: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **kwargs)
    return buffer.getvalue()


def decode(encoded: Encoded) -> Image.Image:
    image = Image.open(io.BytesIO(encoded.data))
    image.load()
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (encoded.width, encoded.height))
    return image


def is_near(color: object, expected: tuple[int, ...], reach: int = 12) -> bool:
    assert isinstance(color, tuple)
    return all(abs(have - want) <= reach for have, want in zip(color, expected, strict=True))


def png_header(width: int, height: int) -> bytes:
    """A PNG that holds nothing but its claim."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_comes_out_upright(orientation: int) -> None:
    # The upright picture is 100 wide and 200 high with a red corner at its top left.
    upright = Image.new("RGB", (100, 200), WHITE)
    upright.paste(RED, (0, 0, 40, 40))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(prepare_photo(encode(stored, exif=exif, quality=95)))
    assert image.size == (100, 200)
    assert is_near(image.getpixel((15, 15)), RED)
    assert all(is_near(image.getpixel(corner), WHITE) for corner in ((85, 15), (15, 185), (85, 185)))


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x9286], exif[0x8825] = "SECRETMAKER", b"SECRETCOMMENT", {1: "N", 2: (48.0, 8.0, 30.0)}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = encode(
        Image.new("RGB", (80, 80), RED), exif=exif, icc_profile=profile, xmp=b"<x>SECRETXMP</x>", comment=b"SECRETCOM"
    )
    assert b"SECRET" in photo
    for kept in (prepare_photo(photo).data, prepare_picture(photo).full.data, prepare_picture(photo).thumbnail.data):
        assert b"SECRET" not in kept
        image = Image.open(io.BytesIO(kept))
        assert not image.getexif()
        assert not {"exif", "icc_profile", "xmp", "comment"} & image.info.keys()


@pytest.mark.parametrize("tail", [b"<?php system('x'); ?>", b"PK\x03\x04" + b"x" * 99, b"<html><script>"])
def test_the_tail_of_a_polyglot_is_gone(tail: bytes) -> None:
    assert tail not in prepare_photo(encode(Image.new("RGB", (80, 80))) + tail).data


def sixteen_bit() -> Image.Image:
    return Image.frombytes("I;16", (80, 80), (0x8000).to_bytes(2, "little") * 80 * 80)


def palette(transparent: bool) -> bytes:
    image = Image.new("P", (80, 80), 1)
    image.putpalette([0, 0, 0, *RED] + [0] * 762)
    return encode(image, "PNG", **({"transparency": 1} if transparent else {}))


@pytest.mark.parametrize(
    ("photo", "color"),
    [
        (encode(Image.new("RGB", (80, 80), RED).convert("CMYK")), RED),
        (encode(sixteen_bit(), "PNG"), (128, 128, 128)),
        (palette(transparent=False), RED),
        (palette(transparent=True), WHITE),
        (encode(Image.new("LA", (80, 80), (0, 0)), "PNG"), WHITE),
        (encode(Image.new("RGBA", (80, 80), (*RED, 0)), "PNG"), WHITE),
        (encode(Image.new("RGBA", (80, 80), (*RED, 255)), "WEBP", lossless=True), RED),
        (encode(Image.new("L", (80, 80), 90), "PNG"), (90, 90, 90)),
        (encode(Image.new("1", (80, 80), 1), "PNG"), WHITE),
        (encode(Image.new("RGB", (80, 80), RED), progressive=True), RED),
    ],
    ids=["cmyk", "16-bit", "palette", "clear palette", "grey+alpha", "clear", "webp", "grey", "bits", "progressive"],
)
def test_every_kind_of_pixel_becomes_rgb(photo: bytes, color: tuple[int, ...]) -> None:
    assert is_near(decode(prepare_photo(photo)).getpixel((40, 40)), color)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(file_format: str) -> None:
    others = [Image.new("RGB", (80, 80), (0, 0, number)) for number in range(5)]
    photo = encode(Image.new("RGB", (80, 80), RED), file_format, save_all=True, append_images=others)
    assert is_near(decode(prepare_photo(photo)).getpixel((40, 40)), RED)


GOOD = encode(Image.effect_noise((200, 200), 60).convert("RGB"))
GOOD_PNG = encode(Image.new("RGB", (80, 80), RED), "PNG")
DATA_AT = GOOD_PNG.index(b"IDAT") + 4
DATA_CRC_AT = DATA_AT + int.from_bytes(GOOD_PNG[DATA_AT - 8 : DATA_AT - 4], "big")


def flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


@pytest.mark.parametrize(
    "photo",
    [
        b"",
        b"hello",
        GOOD[: len(GOOD) // 2],
        GOOD_PNG[:60],
        GOOD_PNG.replace(b"IDAT", b"XDAT"),
        flip(GOOD_PNG, 29),  # the header's CRC
        flip(GOOD_PNG, DATA_AT + 60),
        pytest.param(flip(GOOD_PNG, DATA_CRC_AT)),
        encode(Image.new("RGB", (63, 63))),
        encode(Image.new("RGB", (1, 1))),
        encode(Image.new("RGB", (12_001, 64))),
        encode(Image.new("RGB", (80, 80)), "GIF"),
        encode(Image.new("RGB", (80, 80)), "BMP"),
        encode(Image.new("RGB", (80, 80)), "TIFF"),
        encode(Image.new("RGB", (80, 80)), "ICO"),
        b"GIF89a<script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(photo: bytes) -> None:
    with pytest.raises(PhotoRejected) as caught:
        prepare_photo(photo)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("size", [(65_535, 65_535), (20_000, 20_000), (0, 0), (10_000, 10_000), (12_000, 7_000)])
def test_a_header_that_claims_too_much_is_refused_at_once(size: tuple[int, int]) -> None:
    started = time.monotonic()
    with pytest.raises(PhotoRejected):
        prepare_photo(png_header(*size))
    assert time.monotonic() - started < 0.1


def test_a_file_over_the_limit_is_too_large_before_it_is_looked_at() -> None:
    with pytest.raises(PhotoTooLarge):
        prepare_photo(bytes(MAX_PHOTO_BYTES + 1))


def test_the_smallest_photo_is_taken_and_a_large_one_is_made_smaller() -> None:
    assert decode(prepare_photo(encode(Image.new("RGB", (64, 64))))).size == (64, 64)
    assert decode(prepare_photo(encode(Image.new("RGB", (6000, 3000))))).size == (STORED_SIDE, STORED_SIDE // 2)


def test_a_result_gets_a_thumbnail_and_rubbish_is_a_bad_answer() -> None:
    picture = prepare_picture(encode(Image.new("RGB", (1200, 1800), RED), "PNG"))
    assert decode(picture.full).size == (1200, 1800)
    assert decode(picture.thumbnail).size == (320, 480)
    for rubbish in (b"", b"<html>", GOOD[:100], png_header(20_000, 20_000)):
        with pytest.raises(BadAnswer):
            prepare_picture(rubbish)


def test_shrinking_keeps_the_shape_and_leaves_small_ones_as_they_are() -> None:
    large = prepare_photo(encode(Image.new("RGB", (800, 400)))).data
    assert shrink(large, 800) is large
    assert Image.open(io.BytesIO(shrink(large, 200))).size == (200, 100)


def test_a_broken_colour_profile_costs_only_exact_colours() -> None:
    photo = encode(Image.new("RGB", (80, 80), RED), icc_profile=b"not a profile")
    assert is_near(decode(prepare_photo(photo)).getpixel((40, 40)), RED)
