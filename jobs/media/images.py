"""Checking, decoding and re-encoding photos and pictures. Pure: bytes in, bytes out; touches no file.

What comes in is hostile until it is fully decoded; what goes out is upright 8-bit RGB without any metadata.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import warnings
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageCms, ImageOps

from jobs.errors import PhotoRejected, PhotoTooLarge
from jobs.errors.steps import BadAnswer

FORMATS = ("JPEG", "PNG", "WEBP")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PHOTO_BYTES = 25 * 1000 * 1000
MAX_PIXELS = 50_000_000
MIN_SIDE, MAX_SIDE = 64, 12_000
MIN_PICTURE_SIDE = 16
"""A photo of 12 000 × 64 is stored as 4096 × 22, and a style may hand its size on; a smaller result is none."""
STORED_SIDE = 4096
PHOTO_QUALITY = 92
PICTURE_QUALITY = 95
THUMBNAIL_SIDE = 480
PAPER, PAPER_SHARE = (250, 247, 240), 0.06
"""The colour of a plain frame's paper, and its border as a share of the picture's shorter side."""
DECODES_AT_ONCE = 2
SHRINKABLE_MODES = ("RGB", "L", "CMYK")
"""Pixels that can be averaged as they are."""

# Pillow's own guard against decompression bombs; beyond it Image.open raises instead of warning.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)

_decoding = threading.BoundedSemaphore(DECODES_AT_ONCE)


@dataclass(frozen=True)
class Encoded:
    """An image of ours: its file, and what there is to say about it."""

    data: bytes
    content_type: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        """Hex digest of the file."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Picture:
    """A result: the picture and its thumbnail."""

    full: Encoded
    thumbnail: Encoded


def prepare_photo(data: bytes) -> Encoded:
    """A booth's photo as upright RGB JPEG, its long side at most 4096 px. Raises PhotoRejected, PhotoTooLarge."""
    if not data:
        raise PhotoRejected("The photo is empty.")
    if len(data) > MAX_PHOTO_BYTES:
        raise PhotoTooLarge()
    with _decoding:
        try:
            image = _decode(data)
        except _TooBig as exc:
            raise PhotoRejected(str(exc)) from exc
        except Exception as exc:  # Pillow's decoders raise nearly anything on damaged files
            raise PhotoRejected("The photo is damaged, or not a JPEG, PNG or WebP picture.") from exc
        return _encode_jpeg(image, PHOTO_QUALITY)


def prepare_picture(data: bytes) -> Picture:
    """A result from outside as a picture of ours with its thumbnail. Raises BadAnswer when it cannot be decoded."""
    with _decoding:
        try:
            image = _decode(data, MIN_PICTURE_SIDE)
        except Exception as exc:  # as above: damaged files raise nearly anything
            raise BadAnswer("The server sent a picture that cannot be read.", detail=type(exc).__name__) from exc
        full = _encode_jpeg(image, PICTURE_QUALITY)
        # The gap of 1 averages whole pixels first: a third of the time, and no difference to be seen at this size.
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS, reducing_gap=1.0)
        return Picture(full, _encode_jpeg(image, 80))


def shrink(data: bytes, side: int) -> bytes:
    """One of our own JPEGs with its long side at most `side` px; the same bytes when it is small enough already."""
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if max(image.size) <= side:
            return data
        # The gap of 1 lets the decoder halve a large photo, and so the memory for it.
        image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=1.0)
        return _encode_jpeg(image, PHOTO_QUALITY).data


def frame_photo(data: bytes, width: int | None, height: int | None, border: int | None) -> bytes:
    """One of our own JPEGs whole on paper of `width` × `height` px, at least `border` px of it on each side.

    Without a size the paper is as large as the photo; without a border it takes a share of the shorter side.
    """
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        size = (width or max(image.width, MIN_PICTURE_SIDE), height or max(image.height, MIN_PICTURE_SIDE))
        rim = round(min(size) * PAPER_SHARE) if border is None else border
        # Paper that is all border would leave nothing of the photo.
        room = (max(size[0] - 2 * rim, MIN_PICTURE_SIDE), max(size[1] - 2 * rim, MIN_PICTURE_SIDE))
        scale = min(room[0] / image.width, room[1] / image.height)
        fitted = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
        photo = image.convert("RGB").resize(fitted, Image.Resampling.LANCZOS)
    paper = Image.new("RGB", size, PAPER)
    paper.paste(photo, ((size[0] - photo.width) // 2, (size[1] - photo.height) // 2))
    return _encode_jpeg(paper, PICTURE_QUALITY).data


class _TooBig(Exception):
    """The picture's sides are outside what the farm takes."""


def _decode(data: bytes, min_side: int = MIN_SIDE) -> Image.Image:
    if data.startswith(PNG_SIGNATURE):
        _check_chunks(data)  # decoding alone does not look at every checksum
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if min(width, height) < min_side:
            raise _TooBig(f"The photo is smaller than {min_side} pixels.")
        if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
            raise _TooBig("The photo has more pixels than the farm takes.")
        image.draft("RGB", (STORED_SIDE, STORED_SIDE))  # JPEG only: decodes huge photos at a fraction of the memory
        image.load()
        if image.mode in SHRINKABLE_MODES and not image.has_transparency_data:
            _hold_to_stored_side(image)  # turning and converting then copy the smaller one
        ImageOps.exif_transpose(image, in_place=True)
        flat = _to_rgb(image, image.info.get("icc_profile"))
        _hold_to_stored_side(flat)
    return flat


def _hold_to_stored_side(image: Image.Image) -> None:
    image.thumbnail((STORED_SIDE, STORED_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _check_chunks(png: bytes) -> None:
    """Every chunk up to IEND is whole and has its checksum. Raises ValueError."""
    view, at, kind = memoryview(png), len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if len(view) < at + 12:
            raise ValueError("the file ends before its last chunk")
        length, kind = int.from_bytes(view[at : at + 4]), bytes(view[at + 4 : at + 8])
        end = at + 8 + length
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise ValueError("a checksum is wrong")
        at = end + 4


def _to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # 16 bits a pixel; Pillow's own conversion would clip instead of scale.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, "white")
        canvas.alpha_composite(image.convert("RGBA"))
        image = canvas.convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None  # a broken profile only costs exact colours
        if converted is not None:
            image = converted
    return image if image.mode == "RGB" else image.convert("RGB")


def _encode_jpeg(image: Image.Image, quality: int) -> Encoded:
    image.info = {}  # Pillow would write the old file's comment into the new one
    with _open_memory() as file:
        image.save(file, "JPEG", quality=quality)
        file.seek(0)
        return Encoded(file.read(), "image/jpeg", *image.size)


def _open_memory() -> BinaryIO:
    """A file in memory that has a number: into such a one Pillow encodes without holding up all other threads."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("picture"), "w+b")
    return io.BytesIO()
