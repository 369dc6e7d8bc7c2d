"""Answers from outside are untrusted: Retry-After is held to bounds, a catalog or history that lies is a bad answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from jobs.comfyui.client import Ending, ImageRef, _read_ending, read_catalog
from jobs.errors.steps import BadAnswer
from jobs.wire import never_connected, read_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("5,5", None),
        ("Someday, 99 Foo 2026", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("7", 7),
        ("2.5", 2.5),
        (" 8 ", 8),
        ("0", 1),
        ("-5", 1),
        ("9999999", 120),
        ("inf", 120),
        ("-inf", 1),
        ("1e999", 120),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 1),
        ("Mon, 01 Mar 2027 12:00:00 GMT", 120),
        ("Mon, 01 Jan 0001 00:00:00 +1400", 1),
        pytest.param("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_a_number_or_date_held_to_bounds(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, now=NOW) == seconds


def test_only_a_connection_that_was_never_made_counts_as_unsent() -> None:
    refused = NewConnectionError(None, "refused")  # type: ignore[arg-type]
    assert never_connected(requests.ConnectionError(MaxRetryError(None, "/", refused)))  # type: ignore[arg-type]
    assert never_connected(requests.ConnectTimeout())
    assert not never_connected(requests.ReadTimeout())
    assert not never_connected(requests.ConnectionError(ConnectionResetError()))
    assert not never_connected(OSError())


def test_a_catalog_is_read_in_both_shapes() -> None:
    catalog = read_catalog(
        {
            "KSampler": {
                "input": {
                    "required": {
                        "sampler_name": [["euler", "dpmpp_2m"]],
                        "scheduler": ["COMBO", {"options": ["normal", "karras"]}],
                        "steps": ["INT", {"default": 20}],
                        "model": ["MODEL"],
                    },
                    "optional": {"detail": [["low", "high"], {"default": "low"}]},
                    "hidden": {"prompt": "PROMPT"},
                }
            },
            "LoadImage": {"input": {"required": {"image": [["others.jpg"], {"image_upload": True}]}}},
            "LoadVideo": {"input": {"required": {"file": ["COMBO", {"options": ["a.mp4"], "video_upload": True}]}}},
            "Bare": {},
            "Odd": {"input": {"required": {"a": [], "b": "x", "c": None, "d": ["COMBO"]}}},
        }
    )
    assert catalog == {
        "KSampler": {
            "sampler_name": ["euler", "dpmpp_2m"],
            "scheduler": ["normal", "karras"],
            "steps": None,
            "model": None,
            "detail": ["low", "high"],
        },
        "LoadImage": {"image": None},
        "LoadVideo": {"file": None},
        "Bare": {},
        "Odd": {"a": None, "b": None, "c": None, "d": None},
    }


@pytest.mark.parametrize(
    "answer",
    [
        {"A": []},
        {"A": None},
        *(pytest.param({"A": {"input": lie}}) for lie in ([1], "x", {"required": [1]}, {"optional": "x"})),
    ],
)
def test_a_catalog_that_cannot_be_read_is_a_bad_answer(answer: Any) -> None:
    with pytest.raises(BadAnswer):
        read_catalog(answer)


def test_an_ending_is_read_from_history() -> None:
    outputs = {"9": {"images": [{"filename": "a.png", "subfolder": "farm", "type": "output"}]}, "8": {"text": ["x"]}}
    success = {"status": {"status_str": "success", "messages": []}, "outputs": outputs}
    assert _read_ending(success) == Ending("success", {"9": [ImageRef("a.png", "farm", "output")], "8": []}, "")
    stopped = {"status": {"status_str": "error", "messages": [["execution_interrupted", {}]]}, "outputs": {}}
    assert _read_ending(stopped).status == "interrupted"
    details = {"node_type": "KSampler", "exception_type": "OutOfMemory", "exception_message": "a guest's words"}
    failed = {"status": {"status_str": "error", "messages": [["execution_error", details]]}, "outputs": {}}
    assert _read_ending(failed) == Ending("error", {}, "KSampler: OutOfMemory")


@pytest.mark.parametrize(
    "entry",
    [
        [],
        None,
        {},
        {"status": None},
        {"status": {"messages": [1]}},
        {"status": {}, "outputs": []},
        {"status": {}, "outputs": {"9": {"images": [{}]}}},
        pytest.param({"status": {"messages": [["execution_error", [1]]]}, "outputs": {}}),
    ],
    ids=str,
)
def test_a_history_that_cannot_be_read_is_a_bad_answer(entry: Any) -> None:
    with pytest.raises(BadAnswer):
        _read_ending(entry)
