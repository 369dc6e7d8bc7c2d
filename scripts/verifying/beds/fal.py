"""fal: our provider and aimock's queue. A relay adds the header by which aimock tells fal's hosts apart, nothing else.

aimock names addresses at fal's own host, as fal does; a provider that followed them would leave loopback and fail here.
"""

from __future__ import annotations

from jobs.cloud.provider import Done, NotThere, Pending, Provider
from jobs.errors.steps import Busy, ContentRefused, OutcomeUnknown, StepError, Transient
from scripts.verifying.damage import with_header
from scripts.verifying.making import (
    PICTURE_URL,
    SECONDS,
    expect_error,
    expect_picture,
    provider_at,
    request_of,
    submit,
)
from scripts.verifying.recorder import Relay, Seen
from scripts.verifying.servers import Aimock, aimock, aimock_name, fixture, refusing
from scripts.verifying.sheet import Failed, Sheet, expect

NAME = "fal"
MODEL = "fal-ai/flux-pro/kontext"
QUEUE_HOST = "queue.fal.run"
UNKNOWN_ID = "11112222-aaaa-bbbb-cccc-000000000000"
PLAIN = request_of(MODEL, {"num_images": 1}, "a good one")


def verify(sheet: Sheet) -> None:
    """All checks of this provider against aimock."""
    picture = {"url": PICTURE_URL, "width": 600, "height": 800, "content_type": "image/jpeg"}
    good = {"images": [picture], "has_nsfw_concepts": [False], "seed": 1}
    fixtures = [
        fixture("fal", "a good one", {"json": good}),
        fixture("fal", "a black one", {"json": good | {"has_nsfw_concepts": [True]}}),
        refusing("fal", "rate please", 429, 7),
        refusing("fal", "trouble please", 500),
    ]
    with aimock(fixtures) as service, Relay(service.url) as relay:
        relay.change = _as_aimock_wants_it
        _verify(sheet, service, relay)


def _as_aimock_wants_it(seen: Seen) -> Seen:
    return with_header("x-fal-target-host", QUEUE_HOST)(seen)


def _verify(sheet: Sheet, service: Aimock, relay: Relay) -> None:
    provider, against = provider_at(NAME, f"{relay.url}/fal"), aimock_name()
    with sheet.check(NAME, against, "submit, status until it is completed, result") as row:
        remote_id, kept = _submit(provider)
        expect(kept == [remote_id], f"kept {kept}")
        polls = 1
        while isinstance(found := provider.poll(MODEL, remote_id, SECONDS), Pending):
            polls += 1
            expect(polls < 10, "never completed")
        row.note = f"{expect_picture(found)}, asked {polls} times"
        expect(polls > 1, "it never had to wait")
    with sheet.check(NAME, against, "another process gets the result again") as row:
        row.note = expect_picture(provider_at(NAME, f"{relay.url}/fal").poll(MODEL, remote_id, SECONDS))
    with sheet.check(NAME, against, "cancel while it is queued") as row:
        waiting, _ = _submit(provider)
        provider.cancel(MODEL, waiting, SECONDS)
        row.note = relay.last_words()
        expect("CANCELLED" in row.note, row.note)
    with sheet.check(NAME, against, "cancel after its end") as row:
        provider.cancel(MODEL, remote_id, SECONDS)
        row.note = relay.last_words()
        expect("ALREADY_COMPLETED" in row.note, row.note)
    with sheet.check(NAME, against, "request that it does not know") as row:
        try:
            provider.poll(MODEL, UNKNOWN_ID, SECONDS)
        except NotThere as error:
            row.note = f"NotThere, {error}"
        else:
            raise Failed("no error")
    with sheet.check(NAME, against, "result that is flagged") as row:
        row.note = _expect_end(provider, "a black one", ContentRefused)
    with sheet.check(NAME, against, "refusal: rate") as row:
        row.note = expect_error(provider, request_of(MODEL, {}, "rate please"), Busy, 7.0)
    with sheet.check(NAME, against, "refusal: trouble") as row:
        row.note = expect_error(provider, request_of(MODEL, {}, "trouble please"), Transient, None)
    with sheet.check(NAME, against, "connection lost during the call") as row, service.chaos(disconnectRate=1):
        row.note = expect_error(provider, PLAIN, OutcomeUnknown, None)


def _submit(provider: Provider, prompt: str = "a good one") -> tuple[str, list[str]]:
    """The id of a request that the queue has taken, and the ids that were kept."""
    kept: list[str] = []
    found = submit(provider, request_of(MODEL, {"num_images": 1}, prompt), kept)
    if isinstance(found, Done):
        raise Failed("a picture at once")
    return found.remote_id, kept


def _expect_end(provider: Provider, prompt: str, error: type[StepError]) -> str:
    """Follow a request to its bad end; what was read."""
    remote_id, _ = _submit(provider, prompt)
    try:
        for _ in range(10):
            provider.poll(MODEL, remote_id, SECONDS)
    except error as found:
        return f"{error.__name__}, {found.detail}"
    raise Failed("no error")
