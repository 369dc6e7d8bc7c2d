"""A kiosk, the guest in front of it, and the Wi-Fi between it and the farm."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import Page, expect
from sqlalchemy import select

from jobs.farm import Farm
from jobs.orders.models import Order, Task
from tests.browser.browser import Visitor
from tests.builders import make_photo

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Fate = Literal["sent half", "taken"]
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""Chromium's arguments for a camera that sees something, and may be used without asking."""
LANDSCAPE, PORTRAIT = (1280, 800), (1080, 1920)


class Wifi:
    """Stands between the kiosk and the farm, and breaks off submissions: in mid-upload, or once they were taken."""

    def __init__(self) -> None:
        self.fates: list[Fate] = []
        """What befalls the next submissions, one each; those after them go through."""
        self.away = threading.Event()
        """While set, nothing at all is answered."""

    def between(self, application: WSGIApplication) -> WSGIApplication:
        """The farm's web tier behind this Wi-Fi."""

        def pass_on(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            submits = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/api/v1/orders"
            if self.away.is_set():
                return _hang_up(environ)
            if not submits or not self.fates:
                return application(environ, start_response)
            if self.fates.pop(0) == "sent half":
                environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]) // 2)
            else:
                list(application(environ, start_response))
            return _hang_up(environ)

        return pass_on


def _hang_up(environ: WSGIEnvironment) -> list[bytes]:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return []


class Guest:
    """Someone at a kiosk, who speaks English."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page: Page = visitor.page

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def sees(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", name=heading, level=1)).to_be_visible()

    def take_photo(self) -> None:
        """By the live camera, up to the styles."""
        self.press("Touch to begin")
        self.press("Take the photo")
        self.press("Use this photo")

    def choose_file(self, photo: int) -> None:
        """A file instead of the camera, up to the styles."""
        self.press("Touch to begin")
        self.page.locator("section:not([hidden]) input[type=file]").last.set_input_files(
            {"name": "photo.png", "mimeType": "image/png", "buffer": make_photo(photo)}
        )
        self.press("Use this photo")

    def choose_style(self, title: str) -> None:
        self.page.get_by_role("button", name=re.compile(f"^{re.escape(title)}")).click()


def pair(visitor: Visitor, key: str, *, language: str = "en") -> Guest:
    """Open the kiosk by the address that the QR code holds."""
    visitor.open(f"/booth?lang={language}#key={key}")
    expect(visitor.page.locator("body[data-shows=welcome]")).to_be_visible()
    return Guest(visitor)


def list_orders(farm: Farm) -> list[tuple[str, int]]:
    """Every order's id with how many tasks it has, oldest first."""
    return farm.database.read(
        lambda session: [
            (order.order_id, len(session.scalars(select(Task.id).where(Task.order_id == order.id)).all()))
            for order in session.scalars(select(Order).order_by(Order.id))
        ]
    )
