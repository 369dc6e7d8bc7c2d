"""OpenAI: our provider, a relay that may damage its request, Prism with OpenAI's own description, aimock.

Prism hands on what the description allows and stops the rest with 422; aimock answers as the service does.
"""

from __future__ import annotations

from jobs.errors.steps import (
    AccountRefused,
    BadAnswer,
    BadInput,
    Busy,
    ContentRefused,
    OutcomeUnknown,
    QuotaExhausted,
    StepError,
    Transient,
)
from scripts.verifying.damage import Change, reassembled, renaming, setting, without, without_key
from scripts.verifying.making import PICTURE, expect_error, expect_picture, provider_at, request_of, submit
from scripts.verifying.recorder import Relay
from scripts.verifying.servers import (
    Aimock,
    aimock,
    aimock_name,
    fixture,
    in_base64,
    prism_name,
    prism_proxy,
    refusing,
)
from scripts.verifying.sheet import Failed, Sheet, expect

NAME, SPEC, PATH = "openai", "openai-images.json", "/v1/images/edits"
MODEL = "gpt-image-1"
STYLES = (
    {},
    {"size": "1024x1536", "quality": "low", "n": 1},
    {"output_format": "jpeg", "output_compression": 80, "background": "opaque", "input_fidelity": "high"},
)
"""What styles may set; the description must allow it all."""
PLAIN = request_of(MODEL, {"size": "1024x1536", "quality": "low"}, "a good one")

REFUSALS: tuple[tuple[str, type[StepError], float | None, dict[str, object]], ...] = (
    ("rate", Busy, 7.0, {"status": 429, "retry_after": 7, "code": "rate_limit_exceeded", "type": "requests"}),
    ("quota", QuotaExhausted, None, {"status": 429, "code": "insufficient_quota", "type": "insufficient_quota"}),
    ("spending", QuotaExhausted, None, {"status": 429, "code": "project_spend_limit_exceeded", "type": "billing"}),
    (
        "moderation",
        ContentRefused,
        None,
        {"status": 400, "code": "moderation_blocked", "type": "image_generation_user_error"},
    ),
    ("key", AccountRefused, None, {"status": 401, "code": "invalid_api_key", "type": "invalid_request_error"}),
    ("trouble", Transient, None, {"status": 500, "type": "server_error"}),
)
"""What the service is told to say to this prompt, and how it must be read. A quota's answer names a Retry-After too."""


DAMAGE: tuple[tuple[str, Change, int, type[StepError]], ...] = (
    ("without the photo", without("image"), 422, BadInput),
    ("with the photo under another name", renaming("image", "photo"), 422, BadInput),
    ("without a prompt", without("prompt"), 422, BadInput),
    ("with a format that there is not", setting("output_format", "bmp"), 422, BadInput),
    ("for 99 pictures", setting("n", "99"), 422, BadInput),
    ("without a key", without_key, 401, AccountRefused),
)
"""Our own request, damaged on its way: Prism must stop it, or the proof proves nothing."""


def verify(sheet: Sheet) -> None:
    """All checks of this provider against both servers."""
    good = fixture("image", "a good one", {"images": [{"b64Json": in_base64(PICTURE)}]})
    empty = fixture("image", "an empty one", {"images": []})
    refusals = [refusing("image", f"{name} please", **told) for name, _, _, told in REFUSALS]  # type: ignore[arg-type]
    with aimock([good, empty, *refusals]) as service, prism_proxy(SPEC, f"{service.url}/v1") as checker:
        with Relay(checker) as relay:
            _verify(sheet, service, relay)
        against = aimock_name()
        with sheet.check(NAME, against, "connection lost during the call") as row, service.chaos(disconnectRate=1):
            row.note = expect_error(provider_at(NAME, f"{service.url}/v1"), PLAIN, OutcomeUnknown, None)
        with sheet.check(NAME, against, "answer that is no JSON") as row, service.chaos(malformedRate=1):
            row.note = expect_error(provider_at(NAME, f"{service.url}/v1"), PLAIN, BadAnswer, None)


def _verify(sheet: Sheet, service: Aimock, relay: Relay) -> None:
    provider = provider_at(NAME, relay.url)
    against = f"{prism_name()}, {aimock_name()}"
    for number, parameters in enumerate(STYLES):
        with sheet.check(NAME, against, f"good edit {number + 1}") as row:
            try:
                row.note = expect_picture(submit(provider, request_of(MODEL, parameters, "a good one")))
            except StepError as error:
                raise Failed(f"{type(error).__name__} {error.detail}: {relay.last_words()}") from error
    for name, error, retry_after, _ in REFUSALS:
        with sheet.check(NAME, against, f"refusal: {name}") as row:
            before = service.calls(PATH)
            request = request_of(MODEL, {}, f"{name} please")
            row.note = expect_error(provider, request, error, retry_after)
            expect(service.calls(PATH) == before + 1, "not asked exactly once")
    with sheet.check(NAME, against, "answer without a picture") as row:
        row.note = expect_error(provider, request_of(MODEL, {}, "an empty one"), BadAnswer, None)
    with sheet.check(NAME, against, "taken apart and put together, but not damaged") as row:
        with relay.changing(reassembled):
            row.note = expect_picture(submit(provider, PLAIN))
    for name, damage, status, error in DAMAGE:
        with sheet.check(NAME, against, f"damaged: {name}") as row:
            before = service.calls(PATH)
            with relay.changing(damage):
                row.note = expect_error(provider, PLAIN, error, None)
            expect(relay.last_words().startswith(f"{status} "), f"not stopped with {status}: {relay.last_words()}")
            expect(service.calls(PATH) == before, "it reached the service")
