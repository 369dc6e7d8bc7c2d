"""Pictures for the documents stay small, whatever is on them; the documents name none that is not there."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image

from scripts.picturing.camera import TALLEST, shrink
from scripts.picturing.gallery import write_gallery

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"(?:!\[[^\]]*\]\(|src=\")([^)\"]+\.png)")


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


def test_every_picture_that_the_documents_name_is_there() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        named = NAMED.findall(page.read_text(encoding="utf-8"))
        assert [name for name in named if not (page.parent / name).is_file()] == [], page.name


def test_the_gallery_shows_guests_pages_first_and_each_in_both_languages(tmp_path: Path) -> None:
    for name in ("orders", "guest-receipt", "kiosk"):
        for language in ("en", "zh"):
            (tmp_path / f"{name}-{language}.png").touch()
    write_gallery(tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Kiosk", "Guest: receipt", "Orders"]
    assert NAMED.findall(text)[:2] == ["kiosk-en.png", "kiosk-zh.png"]
