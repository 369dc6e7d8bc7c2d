"""How a prompt can end other than well, and how a server words it for the history."""

import traceback
from typing import Any

from scripts.simulators.comfyui.graph import Graph, is_link


class Interrupted(Exception):
    """Somebody interrupted the prompt."""


class Ended(Exception):
    """The server was restarted or stopped under the prompt."""


class NodeFailure(Exception):
    """A node raised; carries what `execution_error` says besides the prompt id."""

    def __init__(self, message: dict[str, Any]) -> None:
        super().__init__(message["exception_message"])
        self.message = message


def type_name(error: Exception) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def failure_of(graph: Graph, node_id: str, executed: list[str], error: Exception) -> NodeFailure:
    """The failure of a node, in the words of the error that it raised."""
    lines = traceback.format_tb(error.__traceback__)
    return worded_failure(graph, node_id, executed, kind=type_name(error), text=f"{error}\n", lines=lines)


def worded_failure(
    graph: Graph, node_id: str, executed: list[str], *, kind: str, text: str, lines: list[str] | None = None
) -> NodeFailure:
    """The failure of a node, in given words."""
    node = graph[node_id]
    shown = {name: ["…" if is_link(value) else value] for name, value in node["inputs"].items()}
    return NodeFailure(
        {
            "node_id": node_id,
            "node_type": node["class_type"],
            "executed": list(executed),
            "exception_message": text,
            "exception_type": kind,
            "traceback": lines or ['  File "/simulated/ComfyUI/execution.py", line 1, in execute\n'],
            "current_inputs": shown,
            "current_outputs": list(graph),
        }
    )
