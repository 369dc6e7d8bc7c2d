"""A workflow graph in API format, without its meaning: links, order, and what makes two nodes the same. Pure."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Graph = dict[str, dict[str, Any]]


def is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def sources(graph: Graph, node_id: str) -> list[str]:
    """The nodes that feed a node, in the order of its inputs."""
    return [value[0] for value in graph[node_id]["inputs"].values() if is_link(value) and value[0] in graph]


def execution_order(graph: Graph, outputs: Iterable[str]) -> list[str]:
    """The outputs and all they need, each after what feeds it."""
    ordered: list[str] = []
    seen: set[str] = set()
    for output in outputs:
        stack: list[tuple[str, Iterator[str]]] = [(output, iter(sources(graph, output)))]
        seen_here = output in seen
        seen.add(output)
        while stack and not seen_here:
            node_id, rest = stack[-1]
            following = next((other for other in rest if other not in seen), None)
            if following is None:
                ordered.append(node_id)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(sources(graph, following))))
    return ordered


def ancestors(graph: Graph, node_id: str) -> list[str]:
    """Everything that a node is made from, nearest last; without itself."""
    return execution_order(graph, [node_id])[:-1]


def signatures(graph: Graph, order: Iterable[str], freshness: Callable[[str], object]) -> dict[str, str]:
    """What each node computes, whatever its id: equal signatures share one cached result.

    `freshness` adds what the inputs do not say, such as the content of a photo.
    """
    known: dict[str, str] = {}
    for node_id in order:
        inputs = {
            name: ["link", known.get(value[0]), value[1]] if is_link(value) else value
            for name, value in sorted(graph[node_id]["inputs"].items())
        }
        described = json.dumps([graph[node_id]["class_type"], inputs, freshness(node_id)], default=repr)
        known[node_id] = hashlib.sha256(described.encode()).hexdigest()
    return known
