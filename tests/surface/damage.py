"""Photos made by code that are damaged, hostile or merely odd. Deterministic; nothing is kept as a file."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from PIL import Image, ImageCms, ImageDraw, PngImagePlugin, TiffImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SECRET = b"SECRET-OF-THE-CAMERA"
"""Stands in every piece of metadata, and in no picture of ours."""
RED, GREEN, BLUE, YELLOW = (220, 30, 40), (30, 190, 60), (40, 60, 220), (230, 210, 40)
UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def save(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def quarters(width: int = 120, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Red, green, blue and yellow from the top left on: which way up it is can be seen."""
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    middle, centre = width // 2, height // 2
    draw.rectangle((middle, 0, width, centre - 1), fill=GREEN)
    draw.rectangle((0, centre, middle - 1, height), fill=BLUE)
    draw.rectangle((middle, centre, width, height), fill=YELLOW)
    return image.convert(mode)


@cache
def plain(file_format: str, width: int = 120, height: int = 200) -> bytes:
    """A good photo of a format."""
    options = {"JPEG": {"quality": 90}, "WEBP": {"lossless": True}}.get(file_format, {})
    return save(quarters(width, height), file_format, **options)


# --- PNG by hand ----------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, *, depth: int = 8, colours: int = 2) -> bytes:
    """A PNG's signature and IHDR."""
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))


def claim(width: int, height: int) -> bytes:
    """66 bytes that claim a size: the header, an empty IDAT, and that is all."""
    return header(width, height) + chunk(b"IDAT", b"") + chunk(b"IEND", b"") + b"\0" * 9


@cache
def flat_png(width: int, height: int) -> bytes:
    """A whole grey PNG of one colour: small as a file, large in memory."""
    packer = zlib.compressobj(9)
    row = b"\0" * (width + 1)
    data = b"".join(packer.compress(row * 100) for _ in range(height // 100))
    data += packer.compress(row * (height % 100)) + packer.flush()
    return header(width, height, colours=0) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def rgb16_png(width: int = 80, height: int = 100) -> bytes:
    """RGB of 16 bits a channel, which Pillow cannot write."""
    row = b"\0" + struct.pack(">HHH", RED[0] * 257, RED[1] * 257, RED[2] * 257) * width
    return header(width, height, depth=16) + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")


def chunks_of(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, data) of every chunk."""
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """The PNG with a chunk after its IHDR."""
    head = len(SIGNATURE) + 25
    return png[:head] + chunk(kind, data) + png[head:]


def without_chunk(png: bytes, kind: bytes) -> bytes:
    """The PNG without chunks of a kind."""
    return SIGNATURE + b"".join(chunk(name, data) for name, data in chunks_of(png) if name != kind)


def with_broken_checksum(png: bytes, kind: bytes) -> bytes:
    """The PNG with a wrong CRC in its first chunk of a kind."""
    at = png.index(kind) - 4
    (length,) = struct.unpack(">I", png[at : at + 4])
    end = at + 8 + length
    return png[:end] + bytes(byte ^ 0xFF for byte in png[end : end + 4]) + png[end + 4 :]


def with_length(png: bytes, kind: bytes, length: int) -> bytes:
    """The PNG whose first chunk of a kind claims another length."""
    at = png.index(kind) - 4
    return png[:at] + struct.pack(">I", length) + png[at + 4 :]


@cache
def packed(megabytes: int = 50) -> bytes:
    """So many megabytes of nothing, packed small."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


def bombs() -> dict[str, bytes]:
    """PNGs with 50 MB in chunks that nobody asked for."""
    png = plain("PNG")
    return {
        "zTXt": with_chunk(png, b"zTXt", b"Comment\0\0" + packed()),
        "iCCP": with_chunk(png, b"iCCP", b"profile\0\0" + packed()),
        "iTXt": with_chunk(png, b"iTXt", b"Comment\0\1\0\0\0" + packed()),
        "30 times zTXt of 2 MB": SIGNATURE
        + b"".join(
            chunk(kind, data) + (chunk(b"zTXt", b"c\0\0" + packed(2)) * 30 if kind == b"IHDR" else b"")
            for kind, data in chunks_of(png)
        ),
    }


# --- damage ---------------------------------------------------------------------------------------------------------


def damaged(file_format: str, *, cuts: int = 12, flips: int = 18) -> Iterator[tuple[str, bytes]]:
    """A good photo cut off at many places, and with bytes flipped; the seed is fixed."""
    whole = plain(file_format)
    chance = random.Random(f"damage of {file_format}")
    for number in range(cuts):
        at = round(len(whole) * (number + 0.5) / cuts)
        yield f"{file_format} cut at {at} of {len(whole)}", whole[:at]
    for number in range(flips):
        flipped = bytearray(whole)
        places = sorted(chance.sample(range(len(whole)), 1 + number % 6))
        for at in places:
            flipped[at] ^= 1 << chance.randrange(8)
        yield f"{file_format} flipped at {','.join(map(str, places))}", bytes(flipped)


def broken_pngs() -> dict[str, bytes]:
    """PNGs that break the format's own rules."""
    png = plain("PNG")
    noise = random.Random(7).randbytes(400)
    return {
        "broken CRC of IDAT": with_broken_checksum(png, b"IDAT"),
        "broken CRC of IHDR": with_broken_checksum(png, b"IHDR"),
        "broken CRC of IEND": with_broken_checksum(png, b"IEND"),
        "without IDAT": without_chunk(png, b"IDAT"),
        "without IHDR": without_chunk(png, b"IHDR"),
        "IDAT length 0": with_length(png, b"IDAT", 0),
        "IDAT length 2^31-1": with_length(png, b"IDAT", 2**31 - 1),
        "IDAT length 2^32-1": with_length(png, b"IDAT", 2**32 - 1),
        "IHDR length 12": with_length(png, b"IHDR", 12),
        "noise for pixels": header(100, 100) + chunk(b"IDAT", noise) + chunk(b"IEND", b""),
        "bit depth 3": header(100, 100, depth=3) + chunk(b"IDAT", zlib.compress(bytes(30_100))) + chunk(b"IEND", b""),
        "colour type 7": header(100, 100, colours=7) + chunk(b"IDAT", zlib.compress(bytes(30_100))),
        "only the signature": SIGNATURE,
    }


# --- metadata, tails, odd kinds -------------------------------------------------------------------------------------


def with_metadata(file_format: str, orientation: int = 1) -> bytes:
    """A photo as a camera makes it: GPS, serial number, thumbnail, XMP, comment; turned as `orientation` says."""
    upright = quarters()
    stored = upright.transpose(UNDO[orientation]) if orientation in UNDO else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = f"Maker {SECRET.decode()}"
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8769)[0xA431] = f"serial {SECRET.decode()}"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[3] = "N", "E"
    gps[2] = gps[4] = tuple(TiffImagePlugin.IFDRational(number) for number in (52, 31, 12))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>' + SECRET + b"</rdf:RDF></x:xmpmeta>"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": profile}
    if file_format == "JPEG":
        data = save(stored, "JPEG", quality=95, comment=SECRET, **options)
        segments = [(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp), (0xED, b"Photoshop 3.0\0" + SECRET)]
        segments.append((0xEF, SECRET + plain("JPEG", 64, 64)))
        return (
            data[:2]
            + b"".join(bytes((0xFF, mark)) + struct.pack(">H", len(body) + 2) + body for mark, body in segments)
            + data[2:]
        )
    if file_format == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Comment", SECRET.decode())
        notes.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return save(stored, "PNG", pnginfo=notes, **options)
    return save(stored, "WEBP", lossless=True, xmp=xmp, **options)


def zip_of(text: bytes) -> bytes:
    """A ZIP file with one entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("entry.txt", text)
    return buffer.getvalue()


def polyglots() -> dict[str, bytes]:
    """Photos that are something else as well, by what comes after or inside them."""
    php = b"<?php system($_GET['c']); // " + SECRET + b" ?>"
    html = b"<html><script>alert('" + SECRET + b"')</script></html>"
    tails = {"PHP": php, "HTML": html, "ZIP": zip_of(SECRET), "another JPEG": with_metadata("JPEG")}
    return {
        f"{file_format} with {name} tail": plain(file_format) + tail
        for file_format in ("JPEG", "PNG", "WEBP")
        for name, tail in tails.items()
    }


def frames(count: int, width: int = 80, height: int = 100) -> list[Image.Image]:
    """Frames of which only the first is red."""
    colours = [RED, *[(number % 200, 120, 200) for number in range(1, count)]]
    return [Image.new("RGB", (width, height), colour) for colour in colours]


def moving() -> dict[str, bytes]:
    """Files of many pictures, the first one red."""

    def made(file_format: str, count: int, **options: Any) -> bytes:
        first, *rest = frames(count)
        return save(first, file_format, save_all=True, append_images=rest, **options)

    return {
        "APNG of 300 frames": made("PNG", 300, duration=40),
        "animated WebP of 60 frames": made("WEBP", 60, duration=40, lossless=True),
        "MPO": made("MPO", 3),
    }


def kinds() -> dict[str, bytes]:
    """Red photos of every colour model and depth that the three formats have."""
    red = Image.new("RGB", (80, 100), RED)
    clear = Image.new("RGBA", (80, 100), (*RED, 255))
    clear.paste((0, 0, 0, 0), (40, 50, 80, 100))
    palette = red.quantize(8)
    palette.info["transparency"] = 0
    grey = Image.new("L", (80, 100), 128)
    grey_alpha = Image.new("LA", (80, 100), (128, 255))
    wide = Image.new("I;16", (80, 100), 128 * 257)
    return {
        "CMYK JPEG": save(red.convert("CMYK"), "JPEG", quality=95),
        "grey JPEG": save(grey, "JPEG", quality=95),
        "progressive JPEG": save(red, "JPEG", quality=95, progressive=True),
        "JPEG with restart markers": save(red, "JPEG", quality=95, restart_marker_blocks=2),
        "4:4:4 JPEG": save(red, "JPEG", quality=95, subsampling=0),
        "16-bit grey PNG": save(wide, "PNG"),
        "16-bit RGB PNG": rgb16_png(),
        "1-bit PNG": save(Image.new("1", (80, 100), 1), "PNG"),
        "palette PNG": save(red.quantize(8), "PNG"),
        "palette PNG with transparency": save(palette, "PNG", transparency=255),
        "RGBA PNG": save(clear, "PNG"),
        "grey and alpha PNG": save(grey_alpha, "PNG"),
        "RGB PNG with a transparent colour": save(red, "PNG", transparency=(1, 2, 3)),
        "RGBA WebP": save(clear, "WEBP", lossless=True),
        "lossy WebP": save(red, "WEBP", quality=90),
    }


def foreign() -> dict[str, bytes]:
    """Files of other formats; the ones that Pillow could read are whole."""
    image = quarters()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"><script>alert(1)</script></svg>'
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n(x) run\nshowpage\n"
    return {
        "GIF": save(image.convert("P"), "GIF"),
        "BMP": save(image, "BMP"),
        "TIFF": save(image, "TIFF"),
        "ICO": save(image, "ICO"),
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
        "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(500),
        "SVG": svg,
        "PDF": save(image, "PDF"),
        "EPS": eps,
        "ZIP": zip_of(b"text"),
        "PPM": save(image, "PPM"),
        "TGA": save(image, "TGA"),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(500),
        "PSD": b"8BPS\0\1" + bytes(500),
        "ELF": b"\x7fELF\2\1\1" + bytes(500),
    }
