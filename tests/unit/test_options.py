"""What a guest may choose: type and range are held, text is cleaned, and equal choices have equal keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from jobs.errors import OptionsRejected
from jobs.styles.options import OptionSpec, check_options, key_of, schema_of, with_defaults

SCHEMA = schema_of(
    {
        "strength": OptionSpec(type="number", default=0.5, minimum=0, maximum=1),
        "colours": OptionSpec(type="integer", default=8, minimum=2, maximum=16),
        "motto": OptionSpec(type="string", default="", max_length=10),
        "frame": OptionSpec(type="boolean", default=False),
        "paper": OptionSpec(type="choice", default="matte", choices=("matte", "gloss")),
    }
)


@pytest.mark.parametrize(
    "given",
    [
        {"strength": 0},
        {"strength": 1.0},
        {"colours": 2},
        {"colours": 16},
        {"motto": "1234567890"},
        {"frame": True},
        {"paper": "gloss"},
        {},
    ],
    ids=str,
)
def test_values_within_the_declaration_are_taken_as_given(given: dict[str, Any]) -> None:
    assert check_options(SCHEMA, given) == given


@pytest.mark.parametrize(
    "given",
    [
        '{"strength": NaN}',
        '{"strength": 1e309}',
        '{"strength": -Infinity}',
        '{"strength": -0.001}',
        '{"strength": 1.001}',
        '{"strength": "0.5"}',
        '{"strength": true}',
        '{"strength": null}',
        '{"colours": 1}',
        '{"colours": 17}',
        '{"colours": 2.5}',
        '{"colours": true}',
        '{"colours": NaN}',
        '{"motto": "12345678901"}',
        '{"motto": 5}',
        '{"motto": ["1", 0]}',
        '{"motto": {"class_type": "X"}}',
        '{"frame": 1}',
        '{"frame": "true"}',
        '{"paper": "GLOSS"}',
        '{"paper": ["gloss"]}',
    ],
)
def test_values_outside_the_declaration_are_refused_by_name(given: str) -> None:
    options = json.loads(given)
    with pytest.raises(OptionsRejected, match=next(iter(options))):
        check_options(SCHEMA, options)


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(OptionsRejected) as caught:
        check_options(SCHEMA, {"motto": "<script>alert(1)</script>"})
    assert "script" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\x00b\x1b\x7f", "ab"),
        ("\u202eabc\u202c", "abc"),
        ("\u2066a\u2069\u200b\ufeff", "a"),
        ("a\ud800b", "ab"),
        ("\ue000x", "x"),
        ("  a\n b\t ", "a\n b"),
        ("cafe\u0301", "caf\u00e9"),
        ("新年快乐 🎉", "新年快乐 🎉"),
    ],
)
def test_text_loses_controls_and_direction_marks_and_keeps_letters(raw: str, clean: str) -> None:
    assert check_options(SCHEMA, {"motto": raw}) == {"motto": clean}


def test_length_is_measured_after_the_cleaning() -> None:
    assert check_options(SCHEMA, {"motto": "\u200b" * 5000 + "short"}) == {"motto": "short"}


def test_undeclared_options_are_dropped() -> None:
    assert check_options(SCHEMA, {"seed": 1, "__class__": "x", "colours": 3}) == {"colours": 3}


def test_defaults_fill_what_was_not_chosen() -> None:
    filled = with_defaults(SCHEMA, {"colours": 3})
    assert filled == {"strength": 0.5, "colours": 3, "motto": "", "frame": False, "paper": "matte"}


def test_equal_choices_have_one_key_and_others_another() -> None:
    assert key_of({"a": 1, "b": "é"}) == key_of({"b": "é", "a": 1})
    assert len({key_of(options) for options in ({}, {"a": 1}, {"a": 2}, {"a": "1"}, {"a": True}, {"b": 1})}) == 6


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "integer", "default": 0, "minimum": 1},
        {"type": "integer", "default": True},
        {"type": "choice", "default": "x"},
        {"type": "choice", "default": "x", "choices": ["y"]},
        {"type": "string", "default": "x", "choices": ["x"]},
        {"type": "string", "default": "xx", "max_length": 1},
        {"type": "object", "default": {}},
        {"type": "string", "default": "", "pattern": ".*"},
    ],
    ids=str,
)
def test_a_declaration_that_makes_no_sense_is_refused(declared: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OptionSpec.model_validate(declared)
