"""Rows 19 to 24: the style, its options, unknown fields and a guest's text."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import requests

from tests.rows import case
from tests.surface.conftest import Refuse
from tests.surface.farm import BOLD, WORDS, Surface
from tests.surface.wire import Part

SWITCH_OFF = "INSERT INTO pauses (scope, since, until, why) VALUES ('style:plain', CURRENT_TIMESTAMP, NULL, 'row 19')"


@pytest.mark.row(19)
def test_row_19_an_order_needs_a_style(surface: Surface, refuse: Refuse, photo: bytes) -> None:
    refuse(surface.submit(photo, style=None), 400, code="invalid_order")
    twice = surface.submit(photo, style=None, parts=(Part("style", "plain"), Part("style", "words")))
    refuse(twice, 400, code="invalid_order")


@pytest.mark.row(19)
def test_row_19_a_style_that_is_switched_off_is_refused(surface: Surface, refuse: Refuse, photo: bytes) -> None:
    surface.change(SWITCH_OFF)
    try:
        refuse(surface.submit(photo), 422, code="style_unavailable")
    finally:
        surface.change("DELETE FROM pauses WHERE scope = 'style:plain'")


@pytest.mark.parametrize(
    "style",
    [
        case(19, "unknown", "never-was"),
        case(19, "empty", ""),
        *(case(20, repr(text), text) for text in ("../x", "__class__", "{{7*7}}", "PLAIN", "plain\0", "plain ", "*")),
        case(20, "10 kB long", "p" * 10_000),
        case(20, "a folder that is HTML", BOLD),
        case(20, "not UTF-8", b"plain\xff"),
    ],
)
def test_a_style_that_is_not_on_the_list_is_refused(
    surface: Surface, refuse: Refuse, photo: bytes, style: str | bytes
) -> None:
    answer = surface.submit(photo, style=style)
    refuse(answer, 422, code="style_unknown")
    assert "{{7*7}}" not in answer.text and "49" not in answer.json()["detail"]
    assert len(answer.body) < 1000 and "<" not in answer.text


@pytest.mark.row(19)
def test_row_19_a_style_whose_server_is_missing_is_refused(surface: Surface, refuse: Refuse, photo: bytes) -> None:
    refuse(surface.submit(photo, style="portrait-oil"), 422, code="style_unavailable")


@pytest.mark.parametrize(
    "options",
    [
        *(
            case(21, f"strength {value}", f'{{"strength": {value}}}')
            for value in (
                "NaN",
                "Infinity",
                "-Infinity",
                "1e309",
                "-1",
                '"abc"',
                "true",
                "null",
                "[]",
                "{}",
                "0.1",
                "1",
            )
        ),
        *(
            case(21, f"colours {value}", f'{{"colours": {value}}}')
            for value in ("4.5", "1e2", "3", "25", "true", '"8"', "1" + "0" * 400, "null")
        ),
        *(case(21, f"shiny {value}", f'{{"shiny": {value}}}') for value in ("1", '"true"', "null", "[true]")),
        *(case(21, f"mood {value}", f'{{"mood": {value}}}') for value in ('"loud"', "0", "null", '["soft"]', '"SOFT"')),
        *(case(21, f"motto {value}", f'{{"motto": {value}}}') for value in ("1", "null", '["a"]', '{"a": 1}')),
        case(23, "10 000 characters", json.dumps({"motto": "m" * 10_000})),
        case(23, "41 characters", json.dumps({"motto": "m" * 41})),
        case(23, "41 characters of four bytes", json.dumps({"motto": "\U0001f600" * 41}, ensure_ascii=False)),
    ],
)
def test_options_outside_what_the_style_declares_are_refused(
    surface: Surface, refuse: Refuse, photo: bytes, options: str
) -> None:
    answer = surface.submit(photo, options=options)
    refuse(answer, 422, code="options_rejected")
    assert "mmmm" not in answer.text and "loud" not in answer.text


@pytest.mark.parametrize(
    "extra",
    [
        case(22, "field", Part("nonsense", "1")),
        case(22, "file", Part("attachment", b"\x7fELF", "a.out", "application/octet-stream")),
        case(22, "photo_url", Part("photo_url", "{url}")),
        case(22, "callback", Part("webhook_url", "{url}")),
        case(22, "option", Part("options", '{"photo_url": "{url}", "model": "other", "seed": "x"}')),
        case(22, "status", Part("status", "succeeded")),
        case(22, "booth", Part("booth", "booth-b")),
    ],
)
def test_what_the_farm_does_not_know_is_ignored(surface: Surface, photo: bytes, extra: Part) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        url = f"http://127.0.0.1:{canary.getsockname()[1]}/photo.jpg"
        value = extra.value if isinstance(extra.value, bytes) else extra.value.replace("{url}", url)
        part = Part(extra.name, value, extra.filename, extra.content_type)
        answer = surface.submit(photo, parts=(part,))
        task = surface.finish(answer)
        canary.setblocking(False)
        with pytest.raises(BlockingIOError):
            canary.accept()  # nobody connected
    assert (answer.json()["booth"], task["status"]) == ("booth-a", "succeeded")


HOSTILE = {
    "controls": ("a\x00b\x07c\x1b[31md", "abc[31md"),
    "bidi override": ("abc\u202edef\u2066x", "abcdefx"),
    "zero width": ("a\u200bb\ufeffc", "abc"),
    "lone surrogate": ("a\ud800b", "ab"),
    "private use": ("a\ue000b", "ab"),
    "script": ("</script><script>alert(1)</script>", "</script><script>alert(1)</script>"),
    "workflow JSON": (json.dumps({"1": {"class_type": "SaveImage", "inputs": {}}}), None),
    "a link to a node": ('["4", 0]', '["4", 0]'),
    "a template": ("{{7*7}} {motto} %s ${x}", "{{7*7}} {motto} %s ${x}"),
}


@pytest.mark.parametrize("name", [case(24, name, name) for name in HOSTILE])
def test_a_guests_text_is_cleaned_and_changes_nothing_but_itself(surface: Surface, photo: bytes, name: str) -> None:
    text, cleaned = HOSTILE[name]
    answer = surface.submit(photo, style="words", options=json.dumps({"motto": text}))
    surface.finish(answer)
    graph = graph_of(surface, answer.json()["order_id"])
    assert graph["3"]["inputs"].pop("text") == (text if cleaned is None else cleaned)
    for node, name_of_input in (("2", "image"), ("5", "seed"), ("7", "filename_prefix")):
        graph[node]["inputs"].pop(name_of_input)  # what differs with every order
    expected = json.loads(json.dumps(WORDS))
    for node, name_of_input in (("3", "text"), ("2", "image"), ("5", "seed"), ("7", "filename_prefix")):
        expected[node]["inputs"].pop(name_of_input)
    assert graph == expected


@pytest.mark.row(24)
def test_row_24_a_guests_text_runs_nowhere(surface: Surface, photo: bytes, operator: requests.Session) -> None:
    text = "</title><script>alert('guest')</script>"
    answer = surface.submit(photo, style="words", options=json.dumps({"motto": text}))
    task = surface.finish(answer)
    order = surface.order(answer.json()["order_id"])
    token = order["guest"]["url"].rsplit("/", 1)[1]
    pages = [
        operator.get(f"{surface.farm.url}/ops/tasks/{task['task_id']}", timeout=10),
        operator.get(f"{surface.farm.url}/ops/", timeout=10),
        requests.get(f"{surface.farm.url}/g/{token}", timeout=10),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "<script>" not in page.text
    assert "alert('guest')" not in surface.log_since(0)


def graph_of(surface: Surface, order_id: str) -> dict[str, Any]:
    """The graph that a ComfyUI server was sent for an order."""
    [(prompt_id,)] = surface.ask(
        "SELECT external_id FROM calls JOIN steps ON steps.id = calls.step_id JOIN tasks ON tasks.id = steps.task_id "
        "JOIN orders ON orders.id = tasks.order_id WHERE orders.order_id = ?",
        order_id,
    )
    for stand_in in surface.stand_ins:
        history = requests.get(f"{stand_in.url}/history/{prompt_id}", timeout=10).json()
        if prompt_id in history:
            graph: dict[str, Any] = history[prompt_id]["prompt"][2]
            return graph
    raise AssertionError("no server knows the prompt")
