"""The mark in a picture survives what the farm and the booths do to pictures, and is never read where there is none."""

import io
import random

import pytest
from PIL import Image

from scripts.simulators import marks, photos
from scripts.simulators.pictures import Photo, stamp

MARKS = (0, 1, 0xDEADBEEFCAFEF00D, 2**64 - 1)


def as_jpeg(image: Image.Image, quality: int = 80) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def noise(size: tuple[int, int], seed: int) -> Image.Image:
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * size[0] * size[1]))


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("size", [(256, 256), (900, 1200), (1536, 1024)])
def test_mark_survives_jpeg(mark: int, size: tuple[int, int]) -> None:
    assert marks.read(as_jpeg(marks.paint(noise(size, 1), mark))) == mark


@pytest.mark.parametrize("factor", [0.25, 0.4, 0.75, 1.5, 3.0])
def test_mark_survives_resizing_and_jpeg(factor: float) -> None:
    mark = 0x0123456789ABCDEF
    marked = marks.paint(noise((900, 1200), 2), mark)
    resized = marked.resize((round(900 * factor), round(1200 * factor)), Image.Resampling.LANCZOS)
    assert marks.read(as_jpeg(resized)) == mark


def test_mark_survives_other_proportions() -> None:
    assert marks.read(marks.paint(noise((900, 1200), 3), 77).resize((1024, 1024))) == 77


def test_pictures_without_mark_read_as_none() -> None:
    pictures = [noise((640, 480), seed) for seed in range(20)]
    pictures += [Image.new("RGB", (640, 480), colour) for colour in ("black", "white", "grey")]
    assert [marks.read(picture) for picture in pictures] == [None] * len(pictures)


def test_damaged_mark_reads_as_none() -> None:
    marked = marks.paint(Image.new("RGB", (640, 480)), 5)
    marked.paste((255, 255, 255), (300, 444, 340, 460))
    assert marks.read(marked) is None


def test_tiny_pictures_read_as_none() -> None:
    assert marks.read(Image.new("RGB", (8, 8))) is None


def test_paint_leaves_the_original_alone_and_refuses_larger_numbers() -> None:
    original = Image.new("RGB", (300, 300))
    marks.paint(original, 1)
    assert original.getextrema() == ((0, 0), (0, 0), (0, 0))
    with pytest.raises(ValueError, match="64 bits"):
        marks.paint(original, 2**64)


def test_portrait_carries_its_mark_and_is_always_the_same() -> None:
    portrait = photos.portrait(4711)
    assert portrait == photos.portrait(4711) != photos.portrait(4712)
    assert Photo(portrait).painted_mark == 4711
    assert Image.open(io.BytesIO(portrait)).size == (900, 1200)


def test_mark_of_a_turned_photo_is_read_upright() -> None:
    turned = Image.open(io.BytesIO(photos.portrait(99))).transpose(Image.Transpose.ROTATE_90)
    orientation = Image.Exif()
    orientation[0x0112] = 6
    file = io.BytesIO()
    turned.save(file, "JPEG", exif=orientation)
    assert Photo(file.getvalue()).painted_mark == 99


def test_photo_without_mark_is_known_by_its_hash() -> None:
    photo = Photo(b"no picture at all")
    assert photo.painted_mark is None
    assert f"{photo.mark:016x}" == photo.sha256[:16]


def test_stamped_pictures_show_the_banner_and_keep_their_middle() -> None:
    plain = Image.new("RGB", (64, 64), (255, 0, 0))
    stamped = stamp(plain, 5)
    assert stamped.getpixel((32, 32)) == (255, 0, 0)
    assert stamped.getpixel((1, 1)) != (255, 0, 0)
    assert plain.getpixel((1, 1)) == (255, 0, 0)
