"""The plain framed original: the whole photo on paper of the size that was asked for, without key, network or cost."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from jobs.cloud.provider import Done, ImageRequest, NotThere
from jobs.cloud.providers import PROVIDERS
from jobs.errors.steps import BadInput
from jobs.media.images import PAPER, prepare_picture
from jobs.settings import Settings

RED = (200, 20, 20)


def photo_of(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), RED).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def frame(photo: bytes, **parameters: Any) -> Image.Image:
    settings = Settings.load(_env_file=None)
    provider = PROVIDERS["frame"]("frame", settings.provider("frame"))
    assert provider.is_configured()
    done = provider.submit(ImageRequest(photo, "", "", parameters, "key"), lambda remote_id: None, 5.0)
    assert isinstance(done, Done)
    prepare_picture(done.images[0])  # what the farm asks of every result
    return Image.open(io.BytesIO(done.images[0]))


def is_near(color: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(color, tuple)
    return all(abs(have - want) < 12 for have, want in zip(color, wanted, strict=True))


def test_the_photo_lies_whole_in_the_middle_of_its_paper() -> None:
    picture = frame(photo_of(300, 200), width=400, height=600, border=50)
    assert picture.size == (400, 600)
    assert all(is_near(picture.getpixel(at), PAPER) for at in ((0, 0), (399, 599), (200, 100), (40, 300), (200, 500)))
    assert all(is_near(picture.getpixel(at), RED) for at in ((200, 300), (60, 300), (340, 300), (200, 205), (200, 395)))


def test_without_a_size_the_paper_is_as_large_as_the_photo() -> None:
    picture = frame(photo_of(300, 200))
    assert picture.size == (300, 200)
    assert is_near(picture.getpixel((3, 3)), PAPER) and is_near(picture.getpixel((150, 100)), RED)


@pytest.mark.parametrize("photo", [(2048, 11), (11, 2048), (16, 16), (64, 64)])
@pytest.mark.parametrize("parameters", [{}, {"width": 16, "height": 16}, {"width": 20, "height": 20, "border": 4096}])
def test_odd_shapes_still_give_a_picture(photo: tuple[int, int], parameters: dict[str, int]) -> None:
    assert min(frame(photo_of(*photo), **parameters).size) >= 16


NO_SIZES = [-5, 4097, 10**9, 40.5, "400x600", True]


@pytest.mark.parametrize(
    ("name", "size"),
    [("width", 0), ("height", 15), *((name, size) for name in ("width", "height", "border") for size in NO_SIZES)],
)
def test_a_size_that_is_none_is_bad_input(name: str, size: object) -> None:
    with pytest.raises(BadInput):
        frame(photo_of(64, 64), **{name: size})


def test_it_costs_nothing_and_reads_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIMIT", "FRAME_LIMIT", "PRICES", "API_KEY", "BUDGET"):
        monkeypatch.setenv(name, "nonsense")
    settings = Settings.load(_env_file=None).provider("frame")
    assert settings.price_of("") == 0.0
    assert (settings.budget, settings.per_minute, settings.key) == (None, None, "")


def test_nothing_of_it_can_be_asked_about() -> None:
    provider = PROVIDERS["frame"]("frame", Settings.load(_env_file=None).provider("frame"))
    with pytest.raises(NotThere):
        provider.poll("", "id", 1.0)
    provider.cancel("", "id", 1.0)
