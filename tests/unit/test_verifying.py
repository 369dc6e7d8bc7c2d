"""`./scripts/verify-providers`: what it compares requests with, so that a difference is noticed and not explained away.

The command itself needs the vendors' libraries and is no part of the suite.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from jobs.cloud.providers import PROVIDERS
from jobs.settings.providers import WITHOUT_SETTINGS
from scripts.verifying.cases import CASES, OPENAI
from scripts.verifying.comparing import ABSENT, OF_TRANSPORT, Difference, Known, compare
from scripts.verifying.damage import changing_json, reassembled, renaming, setting, without, without_key
from scripts.verifying.forms import Fields, Part, fields_of, parts_of, with_parts
from scripts.verifying.making import KEY, PHOTO
from scripts.verifying.recorder import Recorder, Relay, Reply, Seen
from scripts.verifying.sheet import Failed, Sheet
from scripts.verifying.wire import record_ours

BASE = "http://127.0.0.1:1"
JSON = {"model": "m", "input": {"photos": [f"{BASE}/files/1"], "n": 1, "sharp": True, "extra": {}}}


def asked(document: Any = JSON, **headers: str) -> Seen:
    return Seen(
        "POST", "/v1/made?wait=5", {"content-type": "application/json"} | headers, json.dumps(document).encode()
    )


def form(*parts: Part) -> Seen:
    return with_parts(Seen("POST", "/v1/images/edits", {"authorization": "Bearer k"}, b""), parts)


FORM = form(Part("prompt", None, None, "海边".encode()), Part("image", "photo.jpg", "image/jpeg", PHOTO))


def read(seen: Seen) -> Fields:
    return fields_of(seen, photo=PHOTO, base_url=BASE)


def test_every_field_of_a_document_has_a_name() -> None:
    assert read(asked(authorization="Bearer k")) == {
        "method": "POST",
        "path": "/v1/made",
        "query wait": "5",
        "header content-type": "application/json",
        "header authorization": "Bearer k",
        "json.model": '"m"',
        "json.input.photos[0]": '"<base>/files/1"',
        "json.input.n": "1",
        "json.input.sharp": "true",
        "json.input.extra": "{}",
    }


def test_every_part_of_a_form_has_a_name_and_the_photo_is_recognised() -> None:
    assert read(FORM) == {
        "method": "POST",
        "path": "/v1/images/edits",
        "header authorization": "Bearer k",
        "header content-type": "multipart/form-data",
        "part prompt": "海边",
        "part image": "<photo>",
        "part image filename": "photo.jpg",
        "part image type": "image/jpeg",
    }


def test_a_photo_that_was_changed_on_its_way_is_not_the_photo() -> None:
    other = form(Part("image", "photo.jpg", "image/jpeg", PHOTO[:-1]))
    assert read(other)["part image"] != "<photo>"


def test_parts_of_one_name_are_counted() -> None:
    twice = form(Part("image[]", "a.jpg", "image/jpeg", PHOTO), Part("image[]", "b.jpg", "image/jpeg", b"x"))
    fields = read(twice)
    assert (fields["part image[] #1"], fields["part image[] #2"]) == ("<photo>", "x")


def test_the_same_request_does_not_differ() -> None:
    compared = compare(read(asked()), read(asked()))
    assert (compared.same, compared.unexplained, compared.explained, compared.stale) == (9, [], [], [])


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (asked(JSON | {"model": "x"}), Difference("json.model", '"m"', '"x"')),
        (asked(JSON | {"seed": 1}), Difference("json.seed", ABSENT, "1")),
        (asked({"input": JSON["input"]}), Difference("json.model", '"m"', ABSENT)),
        (asked(JSON | {"model": None}), Difference("json.model", '"m"', "null")),
        (asked(JSON, authorization="Bearer k"), Difference("header authorization", ABSENT, "Bearer k")),
        (replace(asked(), method="PUT"), Difference("method", "POST", "PUT")),
        (replace(asked(), path="/v2/made?wait=5"), Difference("path", "/v1/made", "/v2/made")),
        (replace(asked(), path="/v1/made"), Difference("query wait", "5", ABSENT)),
    ],
    ids=["changed", "extra", "missing", "null", "header", "method", "path", "query"],
)
def test_a_difference_is_noticed(theirs: Seen, expected: Difference) -> None:
    compared = compare(read(asked()), read(theirs), OF_TRANSPORT)
    assert list(compared.unexplained) == [expected]


def test_number_and_text_are_not_the_same() -> None:
    compared = compare(read(asked({"n": 1})), read(asked({"n": "1"})))
    assert list(compared.unexplained) == [Difference("json.n", "1", '"1"')]


@pytest.mark.parametrize("change", [without("image"), renaming("image", "photo"), setting("n", "2")])
def test_a_difference_between_forms_is_noticed(change: Any) -> None:
    assert compare(read(FORM), read(change(FORM))).unexplained


def test_taking_a_form_apart_and_putting_it_together_changes_nothing() -> None:
    assert parts_of(reassembled(FORM)) == parts_of(FORM)
    assert not compare(read(FORM), read(reassembled(FORM))).unexplained


def test_damage_reaches_document_and_key() -> None:
    changed = changing_json(lambda document: document.update(model="x"))(asked())
    assert json.loads(changed.body)["model"] == "x"
    assert "authorization" not in without_key(FORM).headers


def test_a_known_difference_explains_its_values_only() -> None:
    known = Known("json.*", "not given", ours=ABSENT, theirs="null")
    compared = compare(read(asked()), read(asked(JSON | {"seed": None, "tools": 1})), [known])
    assert [difference.field for difference, _ in compared.explained] == ["json.seed"]
    assert [difference.field for difference in compared.unexplained] == ["json.tools"]


def test_a_known_difference_that_is_gone_is_noticed() -> None:
    gone = Known("json.seed", "the library sets it")
    assert list(compare(read(asked()), read(asked()), [gone]).stale) == [gone]
    assert list(compare(read(asked()), read(asked()), OF_TRANSPORT).stale) == []


def test_what_our_provider_sends_is_recorded() -> None:
    [sent] = record_ours(OPENAI).steps["submit"]
    assert sent["header authorization"] == f"Bearer {KEY}"
    assert sent["part image"] == "<photo>"
    assert sent["part size"] == "1024x1536"


def test_a_relay_alters_a_request_on_its_way_and_passes_the_answer_on() -> None:
    with Recorder(lambda seen: Reply.of_json({"path": seen.path}, 429)) as server, Relay(server.url) as relay:
        with relay.changing(without("image")):
            found = relay.answer(FORM)
        relay.answer(FORM)
    assert found is not None and (found.status, json.loads(found.body)) == (429, {"path": "/v1/images/edits"})
    assert [[part.name for part in parts_of(seen)] for seen, _ in server.exchanges] == [["prompt"], ["prompt", "image"]]


def test_a_check_that_fails_fails_the_run_and_stops_nothing() -> None:
    sheet = Sheet(Console(quiet=True))
    assert not sheet.is_good  # nothing checked is nothing proven
    with sheet.check("openai", "a server", "good"):
        pass
    assert sheet.is_good
    with sheet.check("openai", "a server", "bad"):
        raise Failed("another answer")
    with sheet.check("openai", "a server", "broken"):
        raise KeyError("answer")
    assert [row.outcome for row in sheet.rows] == ["passed", "failed", "failed"]
    assert not sheet.is_good


def test_every_provider_is_compared_with_a_library() -> None:
    assert set(PROVIDERS) - set(WITHOUT_SETTINGS) <= {case.provider for case in CASES}
