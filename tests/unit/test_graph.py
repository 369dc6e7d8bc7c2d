"""Workflows as data: refused with a reason where they cannot be used, cut to what is needed, nothing smuggled in."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.comfyui.workflow import bound_inputs, fill_graph, what_is_missing
from jobs.errors.steps import BadInput
from jobs.styles.graph import GraphError, check_graph, missing_from, split_target
from jobs.styles.spec import fill_prompt


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


GRAPH = {
    "1": node("LoadImage", image="photo.jpg"),
    "2": node("Paint", image=["1", 0], text="", strength=1.0, model="big.safetensors"),
    "3": node("SaveImage", images=["2", 0], filename_prefix="x"),
}
STEP = {
    "graph": GRAPH,
    "output": ["3"],
    "bind": {"motto": ["2", "text"]},
    "photo": ["1", "image"],
    "prefix": ["3", "filename_prefix"],
}


@pytest.mark.parametrize(
    ("document", "outputs", "reason"),
    [
        ([], ["1"], "not a JSON object"),
        ({}, ["1"], "not a JSON object"),
        ("graph", ["1"], "not a JSON object"),
        ({"nodes": [], "links": [], "version": 0.4}, ["1"], "API Format"),
        ({"1": {"inputs": {}}}, ["1"], "no class_type"),
        ({"1": {"class_type": 5, "inputs": {}}}, ["1"], "no class_type"),
        ({"1": {"class_type": "X"}}, ["1"], "no inputs"),
        ({"1": "X"}, ["1"], "no class_type"),
        (GRAPH, ["9"], "no node 9"),
        ({"1": node("X", image=["7", 0])}, ["1"], "no node 7"),
        ({"1": node("X", image=["1", 0])}, ["1"], "circle"),
        ({"1": node("X", a=["2", 0]), "2": node("Y", a=["3", 0]), "3": node("Z", a=["1", 1])}, ["1"], "circle"),
    ],
)
def test_a_workflow_that_cannot_be_used_is_refused_with_the_reason(
    document: Any, outputs: list[str], reason: str
) -> None:
    with pytest.raises(GraphError, match=reason):
        check_graph(document, outputs)


def test_nodes_that_no_output_needs_are_cut_off() -> None:
    stray = GRAPH | {"8": node("PreviewImage", images=["2", 0]), "9": node("ShellCommand", command="rm")}
    assert check_graph(stray, ["3"]) == GRAPH


def test_fields_beside_class_and_inputs_are_dropped() -> None:
    titled = {name: part | {"_meta": {"title": "Mine"}, "is_changed": ["x"]} for name, part in GRAPH.items()}
    assert check_graph(titled, ["3"]) == GRAPH


def test_a_diamond_is_no_circle_and_depth_is_no_problem() -> None:
    diamond = {
        "1": node("A"),
        "2": node("B", x=["1", 0]),
        "3": node("C", x=["1", 0]),
        "4": node("D", x=["2", 0], y=["3", 0]),
    }
    assert check_graph(diamond, ["4"]) == diamond
    chain = {str(number): node("A", x=[str(number - 1), 0]) for number in range(1, 5000)} | {"0": node("A")}
    assert len(check_graph(chain, ["4999"])) == 5000


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("2", "does not name a node"),
        ("9.text", "does not name a node"),
        ("2.nothing", "no input"),
        ("2.image", "linked"),
        ("", "does not name a node"),
    ],
)
def test_only_a_plain_input_of_a_kept_node_can_be_a_target(target: str, reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        split_target(GRAPH, target)
    assert split_target(GRAPH, "2.text") == ("2", "text")


def test_missing_nodes_and_models_are_named_and_bound_inputs_are_not() -> None:
    catalog = {"LoadImage": {"image": ["other.jpg"]}, "Paint": {"model": ["small.safetensors"], "text": None}}
    assert missing_from(GRAPH, {("1", "image")}, catalog) == ["model big.safetensors", "node SaveImage"]
    assert what_is_missing(STEP, catalog | {"SaveImage": {}, "Paint": {}}) == []
    assert bound_inputs(STEP) == {("2", "text"), ("1", "image"), ("3", "filename_prefix")}


@settings(deadline=None, max_examples=60, database=None)
@given(st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False))
def test_a_guests_value_changes_one_input_and_nothing_else(value: Any) -> None:
    before = copy.deepcopy(STEP)
    filled = fill_graph(STEP, photo="p.jpg", prefix="farm/1", seed=5, options={"motto": value})
    assert before == STEP, "the recipe itself was changed"
    assert filled["2"]["inputs"].pop("text") == value
    expected = copy.deepcopy(GRAPH)
    del expected["2"]["inputs"]["text"]
    expected["1"]["inputs"]["image"], expected["3"]["inputs"]["filename_prefix"] = "p.jpg", "farm/1"
    assert filled == expected


@pytest.mark.parametrize("value", [["1", 0], {"class_type": "X"}, None, [], ("1", 0)], ids=str)
def test_a_value_that_could_be_a_link_or_node_is_refused(value: Any) -> None:
    with pytest.raises(BadInput):
        fill_graph(STEP, photo="p.jpg", prefix="farm/1", seed=5, options={"motto": value})


def test_text_that_looks_like_a_workflow_stays_text() -> None:
    text = json.dumps(GRAPH) + '", "inputs": {"image": ["1", 0]}}'
    filled = fill_graph(STEP, photo="p.jpg", prefix="x", seed=5, options={"motto": text})
    assert json.loads(json.dumps(filled))["2"]["inputs"]["text"] == text
    assert set(filled) == set(GRAPH)


def test_the_photo_and_prefix_are_ours_even_where_an_option_is_bound_to_them() -> None:
    greedy = STEP | {"bind": {"motto": ["3", "filename_prefix"]}, "seed": ["2", "strength"]}
    filled = fill_graph(greedy, photo="p.jpg", prefix="farm/1", seed=5, options={"motto": "../../x"})
    assert filled["3"]["inputs"]["filename_prefix"] == "farm/1"
    assert filled["2"]["inputs"]["strength"] == 5


def test_a_guests_braces_are_not_filled_again() -> None:
    prompt = fill_prompt(
        "Paint {motto} in {style}, keep {{braces}}", {"motto": "{style} {motto}", "style": "oil", "braces": "b"}
    )
    assert prompt == "Paint {style} {motto} in oil, keep {b}"
