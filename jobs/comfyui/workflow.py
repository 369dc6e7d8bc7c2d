"""Filling a recipe's graph: the photo's name, the prefix, the seed and the guest's choices, through declared bindings.

Pure. A value never becomes a node, a link or a key: lists and objects are refused, so no choice can alter the graph.
"""

from __future__ import annotations

import copy
from typing import Any

from jobs.errors.steps import BadInput
from jobs.styles.graph import Catalog, Graph, missing_from


def fill_graph(step: dict[str, Any], *, photo: str, prefix: str, seed: int, options: dict[str, Any]) -> Graph:
    """The graph of a recipe's step, ready to send. Raises BadInput when an option is not a plain value."""
    graph: Graph = copy.deepcopy(step["graph"])
    for option, (node, name) in step["bind"].items():
        value = options[option]
        if not isinstance(value, str | int | float | bool):
            raise BadInput("An option of this style is not a plain value.")
        graph[node]["inputs"][name] = value
    if "seed" in step:
        _put(graph, step["seed"], options.get("seed", seed))
    _put(graph, step["photo"], photo)
    _put(graph, step["prefix"], prefix)
    return graph


def bound_inputs(step: dict[str, Any]) -> set[tuple[str, str]]:
    """The inputs of a recipe's step that get their value when it is run."""
    targets = [*step["bind"].values(), step["photo"], step["prefix"]]
    if "seed" in step:
        targets.append(step["seed"])
    return {(node, name) for node, name in targets}


def what_is_missing(step: dict[str, Any], catalog: Catalog) -> list[str]:
    """What a server with this catalog lacks for a recipe's step; empty when it can run it."""
    return missing_from(step["graph"], bound_inputs(step), catalog)


def _put(graph: Graph, target: list[str], value: str | int) -> None:
    node, name = target
    graph[node]["inputs"][name] = value
