"""ComfyUI workflows in API format as data: checking, pruning, and what they need of a server. Pure.

A checked graph holds only nodes that its outputs reach, each with `class_type` and `inputs`. So the bodies that kill
a ComfyUI server (a stray node without `inputs`, for one) cannot be built from it.
"""

from __future__ import annotations

from typing import Any

Graph = dict[str, dict[str, Any]]
Catalog = dict[str, dict[str, list[Any] | None]]
"""Node class -> input -> allowed values, or None where the server names none."""


class GraphError(ValueError):
    """The workflow cannot be used; the text says why."""


def check_graph(document: Any, outputs: list[str]) -> Graph:
    """The part of a workflow that its output nodes need. Raises GraphError."""
    if not isinstance(document, dict) or not document:
        raise GraphError("the workflow is not a JSON object of nodes")
    if "nodes" in document and "links" in document:
        raise GraphError("the workflow was saved for the editor; use ComfyUI's “Save (API Format)”")
    for name, node in document.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            raise GraphError(f"node {name} has no class_type")
        if not isinstance(node.get("inputs"), dict):
            raise GraphError(f"node {name} has no inputs")
    kept: Graph = {}
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if name in kept:
            continue
        if name not in document:
            raise GraphError(f"there is no node {name}")
        node = document[name]
        kept[name] = {"class_type": node["class_type"], "inputs": node["inputs"]}
        waiting.extend(link[0] for link in node["inputs"].values() if is_link(link))
    _refuse_cycles(kept)
    return {name: kept[name] for name in document if name in kept}


def is_link(value: Any) -> bool:
    """Is this input's value the output of another node?"""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def split_target(graph: Graph, target: str) -> tuple[str, str]:
    """`<node id>.<input>` as a pair; the input must be a plain value of a node that is kept. Raises GraphError."""
    node, dot, name = target.partition(".")
    if not dot or node not in graph:
        raise GraphError(f"{target!r} does not name a node that the outputs need")
    if name not in graph[node]["inputs"]:
        raise GraphError(f"node {node} ({graph[node]['class_type']}) has no input {name!r}")
    if is_link(graph[node]["inputs"][name]):
        raise GraphError(f"{target!r} is linked to another node")
    return node, name


def missing_from(graph: Graph, bound: set[tuple[str, str]], catalog: Catalog) -> list[str]:
    """What a server lacks to run a graph: node classes and named values such as models; empty when it can.

    `bound` inputs get their value later, so the value in the file says nothing.
    """
    missing: list[str] = []
    for name, node in graph.items():
        inputs = catalog.get(node["class_type"])
        if inputs is None:
            missing.append(f"node {node['class_type']}")
            continue
        for key, value in node["inputs"].items():
            choices = inputs.get(key)
            if choices is None or (name, key) in bound or is_link(value):
                continue
            if value not in choices:
                missing.append(f"{key} {value}")
    return sorted(set(missing))


def _refuse_cycles(graph: Graph) -> None:
    done: set[str] = set()
    for start in graph:
        path: list[tuple[str, list[str]]] = [(start, _parents(graph, start))]
        on_path = {start}
        while path:
            name, parents = path[-1]
            parent = next((parent for parent in parents if parent not in done), None)
            if parent is None:
                done.add(name)
                on_path.discard(name)
                path.pop()
            elif parent in on_path:
                raise GraphError("the nodes are linked in a circle")
            else:
                path.append((parent, _parents(graph, parent)))
                on_path.add(parent)


def _parents(graph: Graph, name: str) -> list[str]:
    return [value[0] for value in graph[name]["inputs"].values() if is_link(value)]
