"""What is the OpenAI dialect's own: the form as it is sent, and an answer that drips. The rest: test_providers.py."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from jobs.cloud.provider import ImageRequest
from jobs.cloud.providers.openai_images import OpenaiImages
from jobs.errors.steps import OutcomeUnknown
from jobs.settings.providers import ProviderSettings
from tests.contract.fakes import PHOTO

KEY = "sk-of-the-test"
REQUEST = ImageRequest(PHOTO, "a poster", "gpt-image-1", {"size": "1024x1536", "quality": "low"}, "key-1")


def provider_at(base_url: str) -> OpenaiImages:
    return OpenaiImages("openai", ProviderSettings(_env_file=None, api_key=KEY, base_url=base_url, silence_s=10.0))


class Recorder(HTTPServer):
    """Writes down each request as it came, and answers with a picture, at once or drop by drop."""

    def __init__(self, *, drips: bool = False) -> None:
        self.drips = drips
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> Recorder:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.path, headers, body))
        answer = b'{"data": [{"b64_json": "' + base64.b64encode(b"picture") + b'"}]}'
        self.send_response(200)
        self.send_header("x-request-id", "req_1")
        self.send_header("Content-Length", str(len(answer) * (10 if self.server.drips else 1)))
        self.end_headers()
        if self.server.drips:
            self._drip(answer)
        else:
            self.wfile.write(answer)

    def _drip(self, answer: bytes) -> None:
        pause = threading.Event()
        with contextlib.suppress(OSError):  # the client has left
            for byte in answer * 10:
                self.wfile.write(bytes([byte]))
                pause.wait(0.05)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_photo_and_key_go_to_the_configured_host() -> None:
    with Recorder() as host:
        bought = provider_at(host.base_url).submit(REQUEST, lambda remote_id: None, 10.0)
    assert bought.images == (b"picture",)
    [(path, headers, body)] = host.seen
    assert (path, headers["authorization"]) == ("/v1/images/edits", f"Bearer {KEY}")
    form = message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + body)
    parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}
    assert set(parts) == {"image", "model", "prompt", "size", "quality"}
    assert parts["image"].get_payload(decode=True) == PHOTO
    assert (parts["image"].get_content_type(), bool(parts["image"].get_filename())) == ("image/jpeg", True)
    assert parts["prompt"].get_payload() == "a poster"


def test_slow_drip_ends_within_the_total_and_its_id_is_known() -> None:
    kept: list[str] = []
    begun = time.monotonic()
    with Recorder(drips=True) as host, pytest.raises(OutcomeUnknown):
        provider_at(host.base_url).submit(REQUEST, kept.append, 1.0)
    assert time.monotonic() - begun < 8  # the whole drip would take 20 seconds
    assert kept == ["req_1"]
