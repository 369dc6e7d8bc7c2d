"""Random and damaged style folders are broken or whole, never an exception, and hurt no other style.

What loads can be shown, stored and ordered with every value that its own schema allows.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from jobs.errors import OptionsRejected
from jobs.menu import Dish
from jobs.styles.options import OptionSpec, check_options, key_of, schema_of, with_defaults
from jobs.styles.shelf import BUILTIN, StyleShelf
from web.showing import show_style

PLAY = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
SOUND = "framed-print"
ORIGINALS = sorted(path.name for path in BUILTIN.iterdir() if path.is_dir())

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**400, max_value=10**401),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["\ud800", "\x00", "</script>", "\u202e"]),
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
toml_lines = st.sampled_from(
    [
        "title = 5",
        'title = { en = "x" }',
        "timeout_s = nan",
        "timeout_s = inf",
        "timeout_s = -1",
        "[options.strength]",
        'type = "number"',
        'type = "integer"',
        'type = "choice"',
        "default = nan",
        "default = inf",
        "default = 1979-05-27",
        "default = []",
        "minimum = nan",
        "maximum = -inf",
        f"default = {'9' * 400}",
        f"maximum = {'9' * 400}",
        'choices = ["a", " a", "a"]',
        "max_length = 0",
        "[[steps]]",
        "[[steps.alternatives]]",
        'when = ["slow", "refused"]',
        "when = []",
        "after_s = nan",
        "after_s = 5",
        'provider = "frame"',
        'resource = "api"',
        'resource = "comfyui"',
        'prompt = "{strength} {nothing}"',
        'workflow = "../frame.json"',
        "output = []",
        "bind = { strength = 5 }",
        "parameters = { size = nan }",
        "= =",
        '"\\u0000" = 1',
    ]
)


class OneShelf:
    """A shelf with one sound style and one that each example writes anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(BUILTIN / SOUND, folder / "sound")

    def load(self, files: dict[str, bytes]) -> Any:
        """The style made of these files, as the shelf loads it."""
        place = self.folder / "played"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, content in files.items():
            (place / name).write_bytes(content)
        styles = StyleShelf(self.folder).all()
        assert styles["sound"].problem is None
        return styles["played"]


@pytest.fixture
def shelf(tmp_path: Path) -> OneShelf:
    return OneShelf(tmp_path)


def files_of(name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (BUILTIN / name).iterdir() if path.suffix in (".toml", ".json")}


def check_style(style: Any) -> None:
    """It is broken and says so in a sentence, or whole; either way it can be shown as JSON that everybody reads."""
    shown = show_style(Dish(style, style.problem)).model_dump_json()
    assert json.loads(shown, parse_constant=refuse_constant)["available"] == (style.problem is None)
    if style.recipe is None:
        assert style.problem
        return
    json.dumps(style.recipe, allow_nan=False).encode()
    Draft202012Validator.check_schema(style.options)
    assert check_options(style.options, with_defaults(style.options, {})) is not None


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@PLAY
@given(data=st.data())
def test_a_damaged_style_is_broken_or_whole_and_hurts_no_other(shelf: OneShelf, data: st.DataObject) -> None:
    files = files_of(data.draw(st.sampled_from(ORIGINALS)))
    name = data.draw(st.sampled_from(sorted(files)))
    lines = files[name].splitlines(keepends=True)
    kind = data.draw(st.sampled_from(["cut", "byte", "line", "drop", "swap"]))
    place = data.draw(st.integers(0, max(len(lines) - 1, 0)))
    if kind == "cut":
        files[name] = files[name][: data.draw(st.integers(0, len(files[name])))]
    elif kind == "byte":
        where = data.draw(st.integers(0, len(files[name]) - 1))
        files[name] = files[name][:where] + data.draw(st.binary(max_size=3)) + files[name][where + 1 :]
    elif kind == "line":
        lines.insert(place, data.draw(toml_lines).encode() + b"\n")
        files[name] = b"".join(lines)
    elif kind == "drop":
        del lines[place]
        files[name] = b"".join(lines)
    else:
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[place], lines[other] = lines[other], lines[place]
        files[name] = b"".join(lines)
    check_style(shelf.load(files))


@PLAY
@given(lines=st.lists(toml_lines, max_size=12), noise=st.binary(max_size=20))
def test_a_random_style_is_broken_or_whole(shelf: OneShelf, lines: list[str], noise: bytes) -> None:
    check_style(shelf.load({"style.toml": "\n".join(lines).encode() + noise}))


@PLAY
@given(workflow=json_values, node=st.sampled_from(["1", "class_type", "inputs"]), value=json_values)
def test_a_random_workflow_is_broken_or_whole(shelf: OneShelf, workflow: Any, node: str, value: Any) -> None:
    files = files_of(SOUND)
    check_style(shelf.load(files | {"frame.json": json.dumps(workflow).encode()}))
    graph = json.loads(files["frame.json"])
    target = graph if node == "1" else next(iter(graph.values()))
    target[node] = value
    check_style(shelf.load(files | {"frame.json": json.dumps(graph).encode()}))


numbers = st.one_of(
    st.integers(-20, 20),
    st.floats(-20, 20),
    st.sampled_from([math.nan, math.inf, -math.inf, 10**400, -(10**400), 1e308, 2**63, 0.0, -0.0]),
)
bounds = {"minimum": numbers, "maximum": numbers}
choices = st.lists(st.text(max_size=5), min_size=1, max_size=4)
declared = st.one_of(
    st.fixed_dictionaries({"type": st.just("number"), "default": numbers}, optional=bounds),
    st.fixed_dictionaries({"type": st.just("integer"), "default": numbers}, optional=bounds),
    st.fixed_dictionaries(
        {"type": st.just("string"), "default": st.text(max_size=12)},
        optional={"max_length": st.integers(0, 20)} | bounds,
    ),
    st.fixed_dictionaries({"type": st.just("boolean"), "default": scalars}, optional=bounds),
    choices.flatmap(
        lambda words: st.fixed_dictionaries(
            {"type": st.just("choice"), "default": st.sampled_from(words), "choices": st.just(words)}
        )
    ),
)
"""`[options.<name>]` tables that are right or nearly so."""
many_declared = st.dictionaries(st.sampled_from(["one", "two"]), declared, max_size=2)


def toml_of(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml_of(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_of, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    return str(value).lower() if value is not None else '"none"'


@PLAY
@given(
    options=many_declared,
    timeout=st.one_of(st.floats(1, 100), numbers),
    title=st.dictionaries(st.text(max_size=4), st.text(max_size=9), max_size=2),
    parameters=st.dictionaries(st.text(max_size=6), st.one_of(numbers, st.text(max_size=6)), max_size=3),
    prompt=st.sampled_from(["plain", "{one}", "{two} {one}", "{__class__}", "{"]),
)
def test_a_made_up_style_is_broken_or_whole(shelf: OneShelf, **parts: Any) -> None:
    lines = [f"title = {toml_of(parts['title'])}", f"timeout_s = {toml_of(parts['timeout'])}"]
    for name, one in parts["options"].items():
        lines += [f"[options.{name}]", *(f"{key} = {toml_of(value)}" for key, value in one.items())]
    lines += ["[[steps]]", 'resource = "api"', 'provider = "openai"', 'model = "m"']
    lines += [f"prompt = {toml_of(parts['prompt'])}", f"parameters = {toml_of(parts['parameters'])}"]
    check_style(shelf.load({"style.toml": "\n".join(lines).encode("utf-8")}))


@PLAY
@given(options=many_declared, chosen=st.data())
def test_accepted_options_obey_the_schema_that_styles_show(options: dict[str, Any], chosen: st.DataObject) -> None:
    try:
        schema = schema_of({name: OptionSpec.model_validate(given) for name, given in options.items()})
    except ValueError:
        assume(False)
        return
    json.dumps(schema, allow_nan=False)
    near = st.one_of(
        json_values, numbers, *(st.sampled_from(one["choices"]) for one in options.values() if "choices" in one)
    )
    values = chosen.draw(st.dictionaries(st.sampled_from(["one", "two", "three"]), near, max_size=3))
    fits = Draft202012Validator(schema).is_valid(values)
    try:
        accepted = check_options(schema, values)
    except OptionsRejected:
        # Refused though the schema allows it: only a number that JSON has no word for, or text that grew when cleaned.
        assert not fits or any(isinstance(value, float | str) for value in values.values())
        return
    assert Draft202012Validator(schema).is_valid(accepted)
    assert accepted.keys() <= schema["properties"].keys()
    assert Draft202012Validator(schema).is_valid(with_defaults(schema, accepted))
    assert len(key_of(accepted)) == 64
    json.dumps(accepted, allow_nan=False).encode("utf-8")


def test_a_choice_can_be_chosen_as_it_is_declared() -> None:
    schema = schema_of({"paper": OptionSpec(type="choice", default=" matte", choices=(" matte", "gl\u200boss"))})
    assert check_options(schema, {"paper": "gl\u200boss"}) == {"paper": "gl\u200boss"}


def test_a_folder_that_vanishes_or_cannot_be_read_hurts_no_other(tmp_path: Path) -> None:
    shelf = OneShelf(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a-file").write_text("no folder")
    (tmp_path / "Bad Name").mkdir()
    (tmp_path / "Bad Name" / "style.toml").write_text("")
    place = tmp_path / "pipe"
    shutil.copytree(BUILTIN / SOUND, place)
    (place / "frame.json").unlink()
    (place / "frame.json").mkdir()
    assert shelf.load(files_of(SOUND)).problem is None
    styles = StyleShelf(tmp_path).all()
    assert styles["pipe"].problem and styles["Bad Name"].problem
