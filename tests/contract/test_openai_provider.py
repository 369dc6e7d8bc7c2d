"""What is the OpenAI dialect's own: the form as it is sent, and an answer that drips. The rest: test_providers.py."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from email import message_from_bytes

import pytest

from jobs.cloud.provider import ImageRequest
from jobs.cloud.providers.openai_images import OpenaiImages
from jobs.errors.steps import OutcomeUnknown
from jobs.settings.providers import ProviderSettings
from scripts.verifying.recorder import Reply
from tests.contract.fakes import PHOTO
from tests.contract.hosts import Host

KEY = "sk-of-the-test"
REQUEST = ImageRequest(PHOTO, "a poster", "gpt-image-1", {"size": "1024x1536", "quality": "low"}, "key-1")


def provider_at(base_url: str) -> OpenaiImages:
    return OpenaiImages("openai", ProviderSettings(_env_file=None, api_key=KEY, base_url=base_url, silence_s=10.0))


ANSWER = Reply(200, b'{"data": [{"b64_json": "' + base64.b64encode(b"picture") + b'"}]}', {"x-request-id": "req_1"})


def test_photo_and_key_go_to_the_configured_host() -> None:
    with Host(reply=ANSWER) as host:
        bought = provider_at(f"{host.url}/v1").submit(REQUEST, lambda remote_id: None, 10.0)
    assert bought.images == (b"picture",)
    [sent] = host.seen
    assert (sent.path, sent.headers["authorization"]) == ("/v1/images/edits", f"Bearer {KEY}")
    form = message_from_bytes(b"Content-Type: " + sent.headers["content-type"].encode() + b"\r\n\r\n" + sent.body)
    parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}
    assert set(parts) == {"image", "model", "prompt", "size", "quality"}
    assert parts["image"].get_payload(decode=True) == PHOTO
    assert (parts["image"].get_content_type(), bool(parts["image"].get_filename())) == ("image/jpeg", True)
    assert parts["prompt"].get_payload() == "a poster"


def test_slow_drip_ends_within_the_total_and_its_id_is_known() -> None:
    kept: list[str] = []
    begun = time.monotonic()
    with Host(reply=replace(ANSWER, body=ANSWER.body * 10, drip_s=0.05)) as host, pytest.raises(OutcomeUnknown):
        provider_at(f"{host.url}/v1").submit(REQUEST, kept.append, 1.0)
    assert time.monotonic() - begun < 8  # the whole drip would take 20 seconds
    assert kept == ["req_1"]
