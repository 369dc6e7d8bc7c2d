"""The OpenAI images provider against its stand-in: what is bought, what each error means, where the key goes."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

import jobs.cloud.transport
from jobs.cloud.provider import Done, ImageRequest
from jobs.cloud.providers.openai_images import OpenaiImages
from jobs.errors.steps import (
    AccountRefused,
    Away,
    BadAnswer,
    BadInput,
    Busy,
    ContentRefused,
    OutcomeUnknown,
    QuotaExhausted,
    StepError,
    Transient,
)
from jobs.settings.providers import ProviderSettings
from scripts.simulators.openai_images import StandIn
from tests.contract.fakes import MARK, PHOTO, mark_in

KEY = "sk-of-the-test"
REQUEST = ImageRequest(PHOTO, "a poster", "gpt-image-1", {"size": "1024x1536", "quality": "low"}, "key-1")


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as api:
        yield api


def provider_at(base_url: str, silence_s: float = 10.0) -> OpenaiImages:
    settings = ProviderSettings(_env_file=None, api_key=KEY, base_url=base_url, silence_s=silence_s)
    return OpenaiImages("openai", settings)


def buy(
    api: StandIn,
    *,
    keep: Callable[[str], None] = lambda remote_id: None,
    seconds: float = 10.0,
    silence_s: float = 10.0,
) -> Done:
    return provider_at(api.base_url, silence_s).submit(REQUEST, keep, seconds)


def failing(api: StandIn, **options: Any) -> StepError:
    with pytest.raises(StepError) as failed:
        buy(api, **options)
    return failed.value


def refusal(code: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": "words of a guest", "type": kind, "param": None, "code": code}}


def test_picture_is_bought_once_and_its_id_kept(api: StandIn) -> None:
    kept: list[str] = []
    bought = buy(api, keep=kept.append)
    assert [mark_in(data) for data in bought.images] == [MARK]
    [sent] = api.log("submit")
    assert kept == [sent["prompt_id"]]
    assert (sent["model"], sent["size"], sent["count"]) == ("gpt-image-1", "1024x1536", 1)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, refusal("invalid_api_key"), AccountRefused),
        (403, refusal(None), AccountRefused),
        (429, refusal("insufficient_quota", "insufficient_quota"), QuotaExhausted),
        (429, refusal("organization_spend_limit_exceeded", "billing"), QuotaExhausted),
        (429, refusal("rate_limit_exceeded", "requests"), Busy),
        (503, refusal(None, "server_error"), Busy),
        (400, refusal("moderation_blocked", "image_generation_user_error"), ContentRefused),
        (400, refusal("content_policy_violation"), ContentRefused),
        (400, refusal("invalid_image_file"), BadInput),
        (500, refusal(None, "server_error"), Transient),
        (502, "<html>bad gateway</html>", Transient),
        (200, refusal("odd"), BadAnswer),
        (200, "<html>a login page</html>", BadAnswer),
        (200, [], BadAnswer),
        (200, {"data": []}, BadAnswer),
        (200, {"data": [{"b64_json": "!"}]}, BadAnswer),
        (200, {"data": [{"url": "http://127.0.0.1/x.png"}]}, BadAnswer),
        (307, "<html>elsewhere</html>", BadAnswer),
    ],
    ids=str,
)
def test_refusal_is_read_by_its_code(api: StandIn, status: int, body: Any, error: type[StepError]) -> None:
    fault = api.add_fault("status", status=status, body=body, headers={"Retry-After": "7"})
    failed = failing(api)
    assert type(failed) is error
    assert "guest" not in f"{failed} {failed.detail}"
    if isinstance(failed, Busy):
        assert failed.retry_after == 7
    assert fault.hits == 1  # asked once, whatever it said


@pytest.mark.parametrize("kind", ["drop", "drop_after", "truncate"])
def test_no_whole_answer_means_that_nobody_knows(api: StandIn, kind: str) -> None:
    fault = api.add_fault(kind)
    assert isinstance(failing(api), OutcomeUnknown)
    assert (fault.hits, len(api.log("submit"))) == (1, 0 if kind == "drop" else 1)


@pytest.mark.parametrize("kind", ["hang", "hang_after"])
def test_silence_means_that_nobody_knows(api: StandIn, kind: str) -> None:
    fault = api.add_fault(kind)
    assert isinstance(failing(api, silence_s=0.3), OutcomeUnknown)
    assert isinstance(failing(api, seconds=0.3), OutcomeUnknown)
    assert fault.hits == 2


def test_endless_answer_is_bad(api: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.cloud.transport, "ANSWER_BYTES", 8_000_000)
    api.add_fault("huge", bytes=2_000_000_000)
    assert isinstance(failing(api), BadAnswer)


def test_refused_connection_sent_nothing() -> None:
    gone = StandIn().start()
    gone.stop()
    error = failing(gone)
    assert isinstance(error, Away)
    assert (error.refused, error.outcome) == (True, "unsent")


class Recorder(HTTPServer):
    """Writes down each request as it came, and answers with a picture, at once or drop by drop, or sends elsewhere."""

    def __init__(self, elsewhere: str = "", *, drips: bool = False) -> None:
        self.elsewhere = elsewhere
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
        self.send_response(307 if self.server.elsewhere else 200)
        if self.server.elsewhere:
            self.send_header("Location", self.server.elsewhere + "/images/edits")
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


def test_key_does_not_follow_a_redirect() -> None:
    with Recorder() as other, Recorder(elsewhere=other.base_url) as host, pytest.raises(StepError):
        provider_at(host.base_url).submit(REQUEST, lambda remote_id: None, 10.0)
    assert (len(host.seen), other.seen) == (1, [])


def test_slow_drip_ends_within_the_total_and_its_id_is_known() -> None:
    kept: list[str] = []
    begun = time.monotonic()
    with Recorder(drips=True) as host, pytest.raises(OutcomeUnknown):
        provider_at(host.base_url).submit(REQUEST, kept.append, 1.0)
    assert time.monotonic() - begun < 8  # the whole drip would take 20 seconds
    assert kept == ["req_1"]
