"""Which nodes of a prompt are slow, and by how much: the stand-in's picture of GPU work. Pure."""

from collections.abc import Set

from scripts.simulators.comfyui.graph import Graph, ancestors
from scripts.simulators.comfyui.nodes import NODES


def slow_nodes(graph: Graph, order: list[str], cached: Set[str], total: float) -> dict[str, float]:
    """Seconds by node id: the samplers share the total; without one, the first work on the photo takes it all.

    A graph with neither, or whose slow nodes are cached, takes no time.
    """
    classes = {node_id: graph[node_id]["class_type"] for node_id in order}
    slow = [node_id for node_id in order if classes[node_id] == "KSampler"]
    if not slow:
        photos = {node_id for node_id in order if classes[node_id] == "LoadImage"}
        worked_on = [
            node_id
            for node_id in order
            if photos & set(ancestors(graph, node_id)) and not NODES[classes[node_id]].is_output
        ]
        slow = (worked_on or [node_id for node_id in order if node_id in photos])[:1]
    running = [node_id for node_id in slow if node_id not in cached]
    return {node_id: total / len(running) for node_id in running}
