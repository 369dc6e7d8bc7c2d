"""A browser that goes through the farm's pages and keeps what it sees as small pictures."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from scripts.simulators.photos import portrait

CHROMIUM = "/usr/bin/chromium-headless-shell"
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
DESK, PHONE, KIOSK = (1280, 800), (390, 844), (1280, 800)
LARGEST_BYTES = 120_000
TALLEST = 2200
"""Pixels; what lies further down on a long page is left out."""
COLOURS = (256, 128, 64, 32)
SMALLER = 0.9


class NoPictures(Exception):
    """Something that the pictures need is missing; the text is for whoever asked."""


def check_fonts() -> None:
    """Raises NoPictures where Chinese would be shown as boxes."""
    try:
        found = subprocess.run(["/usr/bin/fc-list", ":lang=zh"], capture_output=True, text=True, check=False).stdout
    except OSError:
        found = ""
    if not found.strip():
        raise NoPictures("There is no font with Chinese letters: sudo apt install fonts-noto-cjk fontconfig")


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Debian's Chromium with a camera that sees a guest."""
    guest = folder / "guest.mjpeg"
    guest.write_bytes(portrait(4, size=(960, 1280)) * 2)
    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={guest}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@contextmanager
def open_page(
    browser: Browser, url: str, language: str, size: tuple[int, int] = DESK, *, who: StorageState | None = None
) -> Iterator[Page]:
    """A tab of a visitor who reads this language; `who` is logged in."""
    context = browser.new_context(
        base_url=url,
        locale=LANGUAGES[language],
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=2 if size == PHONE else 1,
        reduced_motion="reduce",
        storage_state=who,
    )
    try:
        yield context.new_page()
    finally:
        context.close()


def keep(page: Page, path: Path, *, whole: bool = True) -> None:
    """Write what the page shows as a small PNG. `whole`: down to its end, not only what fits the screen."""
    page.wait_for_load_state("networkidle")
    taken = page.screenshot(full_page=whole)
    path.write_bytes(shrink(taken))


def shrink(png: bytes, largest: int = LARGEST_BYTES) -> bytes:
    """The picture as a PNG of at most `largest` bytes: with fewer colours, and if that is not enough, smaller."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST)))
    while True:
        for colours in COLOURS:
            buffer = io.BytesIO()
            # Without dithering: dots would cost more bytes than they please eyes on pages that are mostly plain.
            few = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            few.save(buffer, "PNG", optimize=True)
            if buffer.tell() <= largest:
                return buffer.getvalue()
        size = (round(picture.width * SMALLER), round(picture.height * SMALLER))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
