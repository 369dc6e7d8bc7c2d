"""A kiosk, the guest in front of it, the Wi-Fi between it and the farm, and the worker who makes the pictures."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import Page, expect
from sqlalchemy import select

from jobs.access.models import Booth
from jobs.farm import Farm
from jobs.orders.models import Order, Task
from scripts.simulators.photos import portrait
from tests.browser.browser import Visitor
from web.languages import read_catalog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Fate = Literal["cut", "unanswered"]
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""Chromium's arguments for a camera that sees something, and may be used without asking."""
LANDSCAPE, PORTRAIT, PHONE = (1280, 800), (1080, 1920), (390, 844)


class Wifi:
    """Stands between the kiosk and the farm, and breaks submissions off: in mid-upload, or once they were taken."""

    def __init__(self) -> None:
        self.fates: list[Fate] = []
        """What befalls the next submissions, one each; those after them go through."""

    def between(self, application: WSGIApplication) -> WSGIApplication:
        """The farm's web tier behind this Wi-Fi."""

        def pass_on(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            submits = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/api/v1/orders"
            if not submits or not self.fates:
                return application(environ, start_response)
            if self.fates.pop(0) == "cut":
                environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]) // 2)
            else:
                list(application(environ, start_response))
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []

        return pass_on


class Guest:
    """Someone at a kiosk, who reads it in a language; names and texts are given in English."""

    def __init__(self, visitor: Visitor, language: str = "en") -> None:
        self.visitor = visitor
        self.page: Page = visitor.page
        self._read = read_catalog(language).gettext if language != "en" else str

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=self._read(name), exact=True).click()

    def sees(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", name=self._read(heading), level=1)).to_be_visible()

    def reads(self, text: str) -> None:
        """A text, up to its first placeholder."""
        start = self._read(text).partition("%(")[0]
        expect(self.page.get_by_text(start).filter(visible=True).first).to_be_visible()

    def take_photo(self) -> None:
        """By the live camera, from the welcome screen to the styles."""
        self.press("Touch to begin")
        self.press("Take the photo")
        self.press("Use this photo")

    def choose_file(self, photo: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> None:
        """A file instead of the camera's picture."""
        chosen = self.page.locator("section:not([hidden]) input[type=file]").last
        chosen.set_input_files({"name": name, "mimeType": kind, "buffer": photo})

    def choose_style(self, title: str) -> None:
        self.page.get_by_role("button", name=re.compile(f"^{re.escape(title)}")).click()

    def submit(self, number: int, style: str = "Poster") -> None:
        """The whole way from the welcome screen, with a photo of that number."""
        self.press("Touch to begin")
        self.choose_file(portrait(number, (300, 400)))
        self.press("Use this photo")
        self.choose_style(style)


def pair(visitor: Visitor, key: str, language: str = "en", at: str = "") -> Guest:
    """Open the kiosk by the address that the QR code holds; `at`: of another name than the visitor's."""
    visitor.url = at or visitor.url
    visitor.open(f"/booth?lang={language}#key={key}")
    guest = Guest(visitor, language)
    guest.sees("Become a picture")
    assert visitor.page.evaluate("location.hash") == ""
    return guest


def read_orders(farm: Farm, booth: str) -> list[list[str]]:
    """Of each order of a booth, oldest first: its tasks' statuses."""
    return farm.database.read(
        lambda session: [
            list(session.scalars(select(Task.status).where(Task.order_id == order.id).order_by(Task.id)))
            for order in session.scalars(
                select(Order).join(Booth, Booth.id == Order.booth_id).where(Booth.name == booth).order_by(Order.id)
            )
        ]
    )
