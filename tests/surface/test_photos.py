"""Rows 37 to 46, 48 to 52 and 54: what is a photo, and what of it is kept."""

from __future__ import annotations

import io
import time

import psutil
import pytest
import requests
from PIL import Image

from jobs.errors import PhotoRejected
from jobs.media.images import prepare_photo
from scripts.simulators.photos import portrait
from tests.rows import case
from tests.surface import damage
from tests.surface.conftest import Refuse, check_refusal
from tests.surface.farm import Surface
from tests.surface.wire import Answer, Part

MEMORY_BYTES = 20_000_000
DECODE_SECONDS = 0.1


def decode(data: bytes) -> Image.Image:
    """A picture of ours: 8-bit RGB JPEG without any metadata."""
    image = Image.open(io.BytesIO(data))
    image.load()
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert not image.getexif()
    assert not {"exif", "xmp", "icc_profile", "comment", "photoshop", "mp"} & image.info.keys()
    assert data.rstrip(b"\0").endswith(b"\xff\xd9")
    return image


def is_near(color: object, expected: tuple[int, ...], reach: int = 14) -> bool:
    """Nearly this colour?"""
    assert isinstance(color, tuple)
    return all(abs(have - want) <= reach for have, want in zip(color, expected, strict=True))


def copies(surface: Surface, answer: Answer) -> tuple[Image.Image, list[Image.Image]]:
    """Every copy of an accepted photo: the stored one, and those sent to ComfyUI, served and shown small."""
    task = surface.finish(answer)
    stored = surface.stored_photo(answer.json()["order_id"])
    images = task["images"][0]
    urls = (images["url"], images["thumbnail_url"])
    served = [requests.get(surface.farm.url + url, timeout=10).content for url in urls]
    sent = surface.sent_photos()
    assert stored in sent
    return decode(stored), [decode(data) for data in (stored, *served)]


# --- how many, how large --------------------------------------------------------------------------------------------


@pytest.mark.row(37)
def test_row_37_an_order_takes_one_to_ten_photos(surface: Surface, refuse: Refuse, photo: bytes) -> None:
    refuse(surface.submit(), 400, code="invalid_order")
    refuse(surface.submit(parts=(Part("photo", "not a file"),)), 400, code="invalid_order")
    refuse(surface.submit(parts=(Part("Photo", photo, "a.jpg"),)), 400, code="invalid_order")


@pytest.mark.row(37)
def test_row_37_eleven_photos_are_too_many(surface: Surface, refuse: Refuse) -> None:
    photos = [portrait(number, size=(64, 64)) for number in range(11)]
    refuse(surface.submit(*photos), 422, code="too_many_photos")
    refuse(surface.submit(*[photos[0]] * 11), 422, code="too_many_photos")


@pytest.mark.row(37)
def test_row_37_one_bad_photo_of_ten_takes_none(surface: Surface, refuse: Refuse) -> None:
    photos = [portrait(number, size=(64, 64)) for number in range(9)]
    refuse(surface.submit(*photos, b"not a photo"), 422, code="photo_rejected")


@pytest.mark.row(38)
def test_row_38_an_empty_photo_is_refused(surface: Surface, refuse: Refuse) -> None:
    refuse(surface.submit(b""), 422, code="photo_rejected")


@pytest.mark.row(38)
def test_row_38_a_photo_of_one_byte_more_than_25_mb_is_too_large(surface: Surface, refuse: Refuse) -> None:
    whole = damage.plain("JPEG")
    refuse(surface.submit(whole + bytes(25_000_001 - len(whole))), 413, code="photo_too_large")


# --- what is not a photo --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        *(case(39, name, data) for name, data in damage.foreign().items()),
        case(40, "text", b"This is not a photo, whatever its name says.\n" * 40),
        case(40, "GIF with a script", b"GIF89a<script>alert(1)</script>"),
        case(40, "HTML", b"<html><script>alert(1)</script></html>"),
        case(40, "JPEG's first bytes", b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"text" * 100),
        case(40, "PNG's first bytes", damage.SIGNATURE + b"text" * 100),
        case(40, "WebP's first bytes", b"RIFF\x90\1\0\0WEBPVP8 " + b"text" * 100),
    ],
)
def test_what_is_no_jpeg_png_or_webp_is_refused(surface: Surface, refuse: Refuse, data: bytes) -> None:
    for name, content_type in (("x.jpg", "image/jpeg"), ("x.bin", None)):
        answer = surface.submit(Part("photo", data, name, content_type))
        refuse(answer, 422, code="photo_rejected")
    assert "script" not in answer.text


@pytest.mark.parametrize(
    ("file_format", "name", "content_type"),
    [
        case(41, "PNG named .jpg", "PNG", "x.jpg", "image/jpeg"),
        case(41, "PNG without extension", "PNG", "x", "image/png"),
        case(41, "JPEG typed octet-stream", "JPEG", "x.jpg", "application/octet-stream"),
        case(41, "WebP typed text/html", "WEBP", "x.html", "text/html"),
        case(41, "JPEG without type", "JPEG", "x", None),
    ],
)
def test_content_decides_what_a_photo_is(
    surface: Surface, file_format: str, name: str, content_type: str | None
) -> None:
    answer = surface.submit(Part("photo", damage.plain(file_format), name, content_type))
    stored, _ = copies(surface, answer)
    assert is_near(stored.getpixel((10, 10)), damage.RED)


@pytest.mark.parametrize(
    "name",
    [
        case(52, repr(name[:30]), name)
        for name in (
            "../../x.php",
            "C:\\x",
            "n" * 300,
            "NUL",
            b"a\0b.jpg",
            ".htaccess",
            "",
            "/etc/passwd",
            "<img src=x onerror=alert(1)>.jpg",
            "a\u202egpj.exe",
            "%00.jpg",
        )
    ],
)
def test_a_clients_file_name_means_nothing(surface: Surface, photo: bytes, name: str | bytes) -> None:
    answer = surface.submit(Part("photo", photo, name, "image/jpeg"))
    copies(surface, answer)
    paths = surface.ask("SELECT path FROM photos UNION SELECT path FROM images UNION SELECT thumbnail_path FROM images")
    letters = set("0123456789abcdefghijklmnopqrstuvwxyz-/.")
    assert all(set(path) <= letters for (path,) in paths if path)
    raw = name if isinstance(name, bytes) else name.encode()
    if len(raw) > 6:
        assert not [path for path, data in surface.all_bytes().items() if raw in data]


@pytest.mark.row(52)
def test_row_52_a_photo_needs_no_file_name(surface: Surface, photo: bytes) -> None:
    copies(surface, surface.submit(Part("photo", photo, "", "image/jpeg")))


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        case(42, "JPEG cut in half", damage.plain("JPEG")[: len(damage.plain("JPEG")) // 2]),
        case(42, "WebP cut in half", damage.plain("WEBP")[: len(damage.plain("WEBP")) // 2]),
        case(42, "PNG cut in half", damage.plain("PNG")[: len(damage.plain("PNG")) // 2]),
        *(case(42, f"PNG, {name}", data) for name, data in damage.broken_pngs().items()),
    ],
)
def test_a_damaged_photo_is_refused(surface: Surface, refuse: Refuse, data: bytes) -> None:
    refuse(surface.submit(data), 422, code="photo_rejected")


@pytest.mark.parametrize("file_format", [case(42, f"corpus of {name}", name) for name in ("JPEG", "PNG", "WEBP")])
def test_damage_is_refused_or_comes_out_clean(surface: Surface, file_format: str) -> None:
    taken, logged = {}, surface.log_size()
    for name, data in damage.damaged(file_format):
        answer = surface.submit(data)
        if answer.status == 202:
            taken[name] = answer
        else:
            check_refusal(answer, 422, code="photo_rejected")
    for answer in taken.values():
        copies(surface, answer)
    assert not [name for name in taken if " cut " in name]
    assert "Traceback" not in surface.log_since(logged)


@pytest.mark.parametrize(
    "size",
    [
        case(43, f"{width}×{height}", (width, height))
        for width, height in ((65535, 65535), (20000, 20000), (0, 0), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1))
    ],
)
def test_a_header_that_claims_an_enormous_size_costs_nothing(
    surface: Surface, refuse: Refuse, photo: bytes, size: tuple[int, int]
) -> None:
    data = damage.claim(*size)
    assert len(data) == 66
    surface.submit(b"warm")  # what the first refusal loads is not this one's
    web = surface.farm.service("scripts.serve")
    before = watch_peak(web)
    refuse(surface.submit(data), 422, code="photo_rejected")
    assert read_peak(web) - before <= MEMORY_BYTES
    started = time.thread_time()
    with pytest.raises(PhotoRejected):
        prepare_photo(data)
    assert time.thread_time() - started < DECODE_SECONDS


@pytest.mark.parametrize(
    ("width", "height", "bytes_at_most"),
    [case(44, "10000×10000", 10000, 10000, 100_000), case(44, "12000×7000", 12000, 7000, 100_000)],
)
def test_a_small_file_of_too_many_pixels_is_refused_unread(
    surface: Surface, refuse: Refuse, width: int, height: int, bytes_at_most: int
) -> None:
    data = damage.flat_png(width, height)
    assert len(data) <= bytes_at_most
    surface.submit(b"warm")
    web = surface.farm.service("scripts.serve")
    before = watch_peak(web)
    refuse(surface.submit(data), 422, code="photo_rejected")
    assert read_peak(web) - before <= MEMORY_BYTES


@pytest.mark.parametrize("data", [case(45, name, data) for name, data in damage.bombs().items()])
def test_packed_chunks_are_not_unpacked(surface: Surface, refuse: Refuse, data: bytes) -> None:
    assert len(data) < 200_000
    surface.submit(b"warm")
    web = surface.farm.service("scripts.serve")
    before = watch_peak(web)
    refuse(surface.submit(data), 422, code="photo_rejected")
    assert read_peak(web) - before <= MEMORY_BYTES


@pytest.mark.parametrize(
    ("file_format", "width", "height"),
    [
        case(46, f"{width}×{height} {file_format}", file_format, width, height)
        for width, height in ((1, 1), (63, 63), (63, 200), (20000, 64), (12001, 64), (64, 12001))
        for file_format in ("PNG", "JPEG", "WEBP")
        if file_format != "WEBP" or max(width, height) <= 16383
    ],
)
def test_sides_that_are_too_short_or_too_long_are_refused(
    surface: Surface, refuse: Refuse, file_format: str, width: int, height: int
) -> None:
    data = damage.save(Image.new("RGB", (width, height), damage.RED), file_format)
    refuse(surface.submit(data), 422, code="photo_rejected")


@pytest.mark.parametrize(
    ("width", "height"), [case(46, "64×64 is taken", 64, 64), case(46, "12000×64 is taken", 12000, 64)]
)
def test_sides_at_the_edge_are_taken(surface: Surface, width: int, height: int) -> None:
    stored, _ = copies(surface, surface.submit(damage.save(Image.new("RGB", (width, height), damage.RED), "PNG")))
    assert stored.width / stored.height == pytest.approx(width / height, rel=0.05)


# --- what is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [case(48, name, data) for name, data in damage.polyglots().items()])
def test_of_a_polyglot_only_the_photo_is_kept(surface: Surface, data: bytes) -> None:
    answer = surface.submit(data)
    stored, _ = copies(surface, answer)
    assert stored.size == (120, 200)
    assert damage.SECRET not in b"".join(surface.sent_photos())
    assert not [path for path, kept in surface.all_bytes().items() if damage.SECRET in kept]


@pytest.mark.parametrize(
    ("file_format", "orientation"),
    [
        *(case(49, f"JPEG, orientation {number}", "JPEG", number) for number in range(1, 9)),
        case(49, "PNG, orientation 6", "PNG", 6),
        case(49, "WebP, orientation 8", "WEBP", 8),
        case(49, "JPEG, orientation 0", "JPEG", 0),
        case(49, "JPEG, orientation 99", "JPEG", 99),
    ],
)
def test_a_photo_comes_out_upright_and_says_nothing_of_its_camera(
    surface: Surface, file_format: str, orientation: int
) -> None:
    data = damage.with_metadata(file_format, orientation)
    assert data.count(damage.SECRET) >= 3
    answer = surface.submit(data)
    stored, everywhere = copies(surface, answer)
    assert stored.size == (120, 200)
    places = ((20, 40), (100, 40), (20, 160), (100, 160))
    for image in everywhere:
        # The stand-in's banner lies at the top and its mark at the bottom, so the places are well inside.
        for place, colour in zip(places, (damage.RED, damage.GREEN, damage.BLUE, damage.YELLOW), strict=True):
            assert is_near(image.getpixel(place), colour, 24)
    assert damage.SECRET not in b"".join(surface.sent_photos())
    assert not [path for path, kept in surface.all_bytes().items() if damage.SECRET in kept]


@pytest.mark.parametrize("name", [case(50, name, name) for name in damage.kinds()])
def test_every_kind_of_pixel_comes_out_as_8_bit_rgb(surface: Surface, name: str) -> None:
    stored, everywhere = copies(surface, surface.submit(damage.kinds()[name]))
    assert stored.size == (80, 100)
    expected = (128, 128, 128) if "grey" in name else (255, 255, 255) if "1-bit" in name else damage.RED
    for image in everywhere:
        assert is_near(image.getpixel((20, 30)), expected, 24), image.getpixel((20, 30))
    if "RGBA" in name:
        assert is_near(stored.getpixel((70, 90)), (255, 255, 255))  # what is clear lies on white


@pytest.mark.parametrize("name", [case(51, name, name) for name in damage.moving()])
def test_of_many_pictures_the_first_is_taken(surface: Surface, name: str) -> None:
    stored, everywhere = copies(surface, surface.submit(damage.moving()[name]))
    assert stored.size == (80, 100)
    assert all(is_near(image.getpixel((40, 50)), damage.RED, 24) for image in everywhere)


@pytest.mark.row(54)
def test_row_54_the_same_photo_twice_is_one_task(surface: Surface, photo: bytes) -> None:
    answer = surface.submit(photo, photo)
    surface.finish(answer)
    assert (answer.status, len(answer.json()["tasks"])) == (202, 1)


@pytest.mark.row(54)
def test_row_54_a_black_photo_is_a_photo(surface: Surface) -> None:
    stored, _ = copies(surface, surface.submit(damage.save(Image.new("RGB", (200, 200)), "JPEG")))
    assert stored.getextrema() == ((0, 0), (0, 0), (0, 0))


def watch_peak(process: psutil.Process) -> int:
    """Start the kernel's peak of a process's memory anew; the bytes it has now."""
    with open(f"/proc/{process.pid}/clear_refs", "w") as file:
        file.write("5")
    return read_peak(process)


def read_peak(process: psutil.Process) -> int:
    """The most bytes a process has had since then."""
    with open(f"/proc/{process.pid}/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
