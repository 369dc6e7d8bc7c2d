"""Fetching what a provider says is the picture: from where, and from where never. Row 70."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.cloud.results import ResultFetcher
from jobs.errors.steps import BadAnswer
from tests.contract.fakes import PHOTO
from tests.rows import case


class Shelf(ThreadingHTTPServer):
    """Gives the photo at /photo.jpg; /again/N redirects N times before that."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path.startswith("/again/"):
            left = int(self.path.rsplit("/", 1)[1])
            self.send_response(302)
            self.send_header("Location", f"/again/{left - 1}" if left > 1 else "/photo.jpg")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(PHOTO)))
        self.end_headers()
        self.wfile.write(PHOTO)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as shelf:
        thread = threading.Thread(target=shelf.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield shelf
        shelf.shutdown()


def test_a_result_beside_the_api_or_at_a_host_that_is_set_is_fetched(shelf: Shelf) -> None:
    assert ResultFetcher(f"{shelf.url}/v1").fetch(f"{shelf.url}/photo.jpg") == PHOTO
    elsewhere = ResultFetcher("https://api.example/v1", (f"127.0.0.1:{shelf.server_port}",))
    assert elsewhere.fetch(f"{shelf.url}/photo.jpg") == PHOTO


def test_three_redirects_are_followed_and_no_fourth(shelf: Shelf) -> None:
    fetcher = ResultFetcher(shelf.url)
    assert fetcher.fetch(f"{shelf.url}/again/3") == PHOTO
    with pytest.raises(BadAnswer):
        fetcher.fetch(f"{shelf.url}/again/4")


@pytest.mark.parametrize(
    "url",
    [
        case(70, "loopback", "http://127.0.0.1:{port}/photo.jpg"),
        case(70, "loopback with TLS", "https://127.0.0.1:{port}/photo.jpg"),
        case(70, "loopback by name", "https://localhost:{port}/photo.jpg"),
        case(70, "loopback as one number", "https://2130706433:{port}/photo.jpg"),
        case(70, "IPv6 loopback", "https://[::1]:{port}/photo.jpg"),
        case(70, "IPv4 inside IPv6", "https://[::ffff:127.0.0.1]:{port}/photo.jpg"),
        case(70, "the cloud's own metadata", "http://169.254.169.254/latest/meta-data"),
        case(70, "file", "file:///etc/passwd"),
        case(70, "file of a host", "file://127.0.0.1/etc/passwd"),
        case(70, "ftp", "ftp://127.0.0.1/photo.jpg"),
        case(70, "another user's name", "https://api.example@127.0.0.1:{port}/photo.jpg"),
        case(70, "no address", "photo.jpg"),
        case(70, "nothing", ""),
        case(70, "a number", 7),
        case(70, "a half character", "https://\ud800/"),
    ],
)
def test_nothing_is_fetched_from(shelf: Shelf, url: object) -> None:
    asked = url.format(port=shelf.server_port) if isinstance(url, str) else url
    with pytest.raises(BadAnswer):
        ResultFetcher("https://api.example/v1").fetch(asked, seconds=5.0)
    assert shelf.asked == []


@pytest.mark.parametrize("data", ["data:image/png;base64,!", "data:image/png;base64,", "data:,words"])
def test_a_picture_inside_its_address_must_be_one(data: str) -> None:
    with pytest.raises(BadAnswer):
        ResultFetcher("https://api.example/v1").fetch(data)
