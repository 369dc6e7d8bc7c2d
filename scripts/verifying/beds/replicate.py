"""Replicate: our provider, a relay that may damage its request, and Prism answering by Replicate's own description.

Prism makes up no course of events: its predictions start for ever, which is right for asking and giving up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from jobs.cloud.provider import Pending, Unheard
from jobs.errors.steps import AccountRefused, BadInput, StepError
from scripts.verifying.damage import Change, changing_json, renaming, with_header, with_query, without_key
from scripts.verifying.making import (
    LARGE_PHOTO,
    PHOTO,
    SECONDS,
    expect_error,
    provider_at,
    request_of,
    submit,
)
from scripts.verifying.recorder import Relay, Reply, Seen
from scripts.verifying.servers import prism_mock, prism_name
from scripts.verifying.sheet import Failed, Sheet, expect

NAME, SPEC = "replicate", "replicate.yaml"
OFFICIAL = "black-forest-labs/flux-kontext-pro"
VERSION = f"owner/name:{'5c' * 32}"
PARAMETERS = {"aspect_ratio": "2:3"}
PLAIN = request_of(OFFICIAL, PARAMETERS)


def _on_creation(change: Change) -> Change:
    return lambda seen: change(seen) if seen.path.endswith("/predictions") else seen


DAMAGE: tuple[tuple[str, Change, bytes, int, type[StepError]], ...] = (
    ("without input", _on_creation(changing_json(lambda body: body.pop("input"))), PHOTO, 422, BadInput),
    ("with a key too many", _on_creation(changing_json(lambda body: body.update(photo="x"))), PHOTO, 422, BadInput),
    ("with a wrong Prefer", with_header("prefer", "now"), PHOTO, 422, BadInput),
    ("without a key", without_key, PHOTO, 401, AccountRefused),
    ("upload under another name", renaming("content", "photo"), LARGE_PHOTO, 422, BadInput),
)
"""Our own request, damaged on its way: Prism must stop it, or the proof proves nothing."""


def verify(sheet: Sheet) -> None:
    """All checks of this provider against Prism."""
    with prism_mock(SPEC) as checker, Relay(checker) as relay:
        _verify_good(sheet, relay)
        _verify_damaged(sheet, relay)


def _verify_good(sheet: Sheet, relay: Relay) -> None:
    provider, against = provider_at(NAME, relay.url), prism_name()
    good = (
        ("create, official model", OFFICIAL, PHOTO),
        ("create, version", VERSION, PHOTO),
        ("create, uploaded photo", OFFICIAL, LARGE_PHOTO),
    )
    remote_id = ""
    for name, model, photo in good:
        with sheet.check(NAME, against, name) as row:
            kept: list[str] = []
            relay.exchanges.clear()
            found = _without_objection(
                relay, partial(submit, provider, request_of(model, PARAMETERS, photo=photo), kept)
            )
            expect(isinstance(found, Pending) and kept == [found.remote_id], f"{found}, kept {kept}")
            remote_id = kept[0]
            row.note = ", ".join(_told(exchange) for exchange in relay.exchanges)
    with sheet.check(NAME, against, "create, answered with 202") as row:
        with relay.changing(with_query("__code=202")):
            found = _without_objection(relay, lambda: submit(provider, PLAIN))
        expect(isinstance(found, Pending), f"{found}")
        row.note = _told(relay.exchanges[-1])
    with sheet.check(NAME, against, "get") as row:
        found = _without_objection(relay, lambda: provider.poll(OFFICIAL, remote_id, SECONDS))
        expect(isinstance(found, Pending), f"{found}")
        row.note = _told(relay.exchanges[-1])
    with sheet.check(NAME, against, "cancel") as row:
        _without_objection(relay, lambda: provider.cancel(OFFICIAL, remote_id, SECONDS))
        row.note = _told(relay.exchanges[-1])


def _verify_damaged(sheet: Sheet, relay: Relay) -> None:
    provider = provider_at(NAME, relay.url)
    for name, damage, photo, status, error in DAMAGE:
        with sheet.check(NAME, prism_name(), f"damaged: {name}") as row:
            with relay.changing(damage):
                row.note = expect_error(provider, request_of(OFFICIAL, PARAMETERS, photo=photo), error, None)
            expect(relay.last_words().startswith(f"{status} "), f"not stopped with {status}: {relay.last_words()}")


def _without_objection(relay: Relay, act: Callable[[], Any]) -> Any:
    """What it returns. Raises Failed with the checker's words when it objects to anything sent meanwhile."""
    before = len(relay.exchanges)
    try:
        return act()
    except (StepError, Unheard) as error:
        raise Failed(f"{error}: {[_told(exchange) for exchange in relay.exchanges[before:]]}") from error
    finally:
        for _, reply in relay.exchanges[before:]:
            if reply is None or reply.status >= 400 or any("sl-violations" in name.lower() for name in reply.headers):
                words = reply.headers.get("sl-violations", reply.body.decode(errors="replace")) if reply else "nothing"
                raise Failed(f"Prism objects: {words[:300]}")


def _told(exchange: tuple[Seen, Reply | None]) -> str:
    seen, reply = exchange
    return f"{seen.method} {seen.path.partition('?')[0]} {reply.status if reply else 'cut'}"
