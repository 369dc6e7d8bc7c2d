"""What the server refuses before it queues a prompt, in the words a real one uses. Pure, but for the files it asks for.

Values are converted in place ("128" becomes 128), as the real server does before it stores the graph.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.simulators.comfyui.folders import Folders
from scripts.simulators.comfyui.graph import Graph
from scripts.simulators.comfyui.node import Node
from scripts.simulators.comfyui.nodes import NODES
from scripts.simulators.comfyui.settings import Settings

Reason = dict[str, Any]

CONVERTERS: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
LONGEST_LISTED = 20  # choices; a longer list is not sent back


@dataclass
class Verdict:
    """What came of a graph: the outputs to run, or the error that refuses it; and what is wrong with its nodes."""

    outputs: list[str] = field(default_factory=list)
    error: Reason | None = None
    node_errors: dict[str, Any] = field(default_factory=dict)


def reason(kind: str, message: str, details: str = "", **extra: Any) -> Reason:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def known_nodes(settings: Settings) -> dict[str, Node]:
    return {name: node for name, node in NODES.items() if name not in settings.without}


def validate(graph: Graph, settings: Settings, folders: Folders) -> Verdict:
    """Raises TypeError for graphs that are not graphs: the server answers 500 then."""
    nodes = known_nodes(settings)
    outputs = []
    for node_id in graph:
        if "class_type" not in graph[node_id]:
            missing = "Cannot execute because a node is missing the class_type property."
            return Verdict(error=reason("invalid_prompt", missing, f"Node ID '#{node_id}'"))
        class_type = graph[node_id]["class_type"]
        if class_type not in nodes:
            unknown = f"Cannot execute because node {class_type} does not exist."
            return Verdict(error=reason("invalid_prompt", unknown, f"Node ID '#{node_id}'"))
        if nodes[class_type].is_output:
            outputs.append(node_id)
    if not outputs:
        return Verdict(error=reason("prompt_no_outputs", "Prompt has no outputs"))
    return _Validation(graph, nodes, settings, folders).judge(outputs)


class _Validation:
    """One graph under examination; every node is looked at once."""

    def __init__(self, graph: Graph, nodes: Mapping[str, Node], settings: Settings, folders: Folders) -> None:
        self._graph, self._nodes, self._settings, self._folders = graph, nodes, settings, folders
        self._reasons: dict[str, list[Reason]] = {}
        self._valid: dict[str, bool] = {}

    def judge(self, outputs: list[str]) -> Verdict:
        verdict = Verdict()
        complaints = []
        for output in outputs:
            try:
                valid = self._is_valid(output)
            except RecursionError:  # a cycle; the real server names no node either
                valid = False
            except Exception as error:
                valid = self._valid[output] = False
                self._reasons[output] = [_exception("exception_during_validation", "", error)]
            if valid:
                verdict.outputs.append(output)
                continue
            complaints += [f"{one['message']}: {one['details']}" for one in self._reasons.get(output, ())]
            for node_id, reasons in self._reasons.items():
                if reasons:
                    empty = {
                        "errors": reasons,
                        "dependent_outputs": [],
                        "class_type": self._graph[node_id]["class_type"],
                    }
                    verdict.node_errors.setdefault(node_id, empty)["dependent_outputs"].append(output)
        if not verdict.outputs:
            verdict.error = reason(
                "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(complaints)
            )
        return verdict

    def _is_valid(self, node_id: str, above: frozenset[str] = frozenset()) -> bool:
        if node_id in above:
            raise RecursionError(node_id)
        if node_id in self._valid:
            return self._valid[node_id]
        node = self._nodes[self._graph[node_id]["class_type"]]
        inputs = self._graph[node_id]["inputs"]
        reasons: list[Reason] = []
        valid = True
        for name in node.inputs:
            if name not in inputs:
                if name in node.required:
                    missing = reason("required_input_missing", "Required input is missing", name, input_name=name)
                    reasons.append(missing)
            elif isinstance(inputs[name], list):
                wrong, source_is_valid = self._examine_link(node, name, inputs[name], above | {node_id})
                reasons += wrong
                valid = valid and source_is_valid
            else:
                reasons += self._examine_value(node, name, inputs)
        self._reasons[node_id] = reasons
        self._valid[node_id] = valid and not reasons
        return self._valid[node_id]

    def _examine_link(self, node: Node, name: str, value: Any, above: frozenset[str]) -> tuple[list[Reason], bool]:
        """What is wrong with the link, and whether the node it comes from is all right."""
        info = {"input_name": name, "input_config": self._config(node, name)}
        if len(value) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return [reason("bad_linked_input", message, name, **info, received_value=value)], True
        received = self._nodes[self._graph[value[0]]["class_type"]].returns[value[1]]
        wanted = node.inputs[name].type
        if received != wanted:
            details = f"{name}, received_type({received}) mismatch input_type({wanted or 'COMBO'})"
            message = "Return type mismatch between linked nodes"
            extra = {"received_type": received, "linked_node": value}
            return [reason("return_type_mismatch", message, details, **info, **extra)], True
        try:
            return [], self._is_valid(value[0], above)
        except RecursionError:
            raise
        except Exception as error:
            self._reasons[value[0]] = [
                _exception("exception_during_inner_validation", "inner ", error, **info, linked_node=value)
            ]
            self._valid[value[0]] = False
            return [], False

    def _config(self, node: Node, name: str) -> list[Any]:
        """The input's type and options; the latter may be left out elsewhere, but not in an error."""
        config = node.configured(name, self._settings, self._folders)
        return config if len(config) == 2 else [*config, {}]

    def _examine_value(self, node: Node, name: str, inputs: dict[str, Any]) -> list[Reason]:
        wanted = node.inputs[name]
        if wanted.folder == "input":
            return self._examine_file(name, inputs[name])
        if isinstance(inputs[name], dict) and "__value__" in inputs[name]:  # how a list is given as a value
            inputs[name] = inputs[name]["__value__"]
        info = {"input_name": name, "input_config": self._config(node, name), "received_value": inputs[name]}
        if wanted.type in CONVERTERS:
            try:
                inputs[name] = CONVERTERS[wanted.type](inputs[name])
            except (ValueError, TypeError, OverflowError) as error:
                message = f"Failed to convert an input value to a {wanted.type} value"
                details = f"{name}, {inputs[name]}, {error}"
                return [reason("invalid_input_type", message, details, **info, exception_message=str(error))]
        value, options = inputs[name], wanted.options
        info["received_value"] = value
        if "min" in options and value < options["min"]:
            message = f"Value {value} smaller than min of {options['min']}"
            return [reason("value_smaller_than_min", message, name, **info)]
        if "max" in options and value > options["max"]:
            message = f"Value {value} bigger than max of {options['max']}"
            return [reason("value_bigger_than_max", message, name, **info)]
        allowed = None if node.is_modern else wanted.allowed(self._settings, self._folders)
        if allowed is not None and value not in allowed:
            listed = str(allowed)
            if len(allowed) > LONGEST_LISTED:
                listed, info["input_config"] = f"(list of length {len(allowed)})", None
            return [reason("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {listed}", **info)]
        return []

    def _examine_file(self, name: str, value: Any) -> list[Reason]:
        # An absolute path that exists is accepted by a real server, which then tries to read it. Nothing is read here,
        # so every absolute path counts as one that exists.
        if self._folders.find_named(value) is not None or value.startswith("/"):
            return []
        details = f"{name} - Invalid image file: {value}"
        return [reason("custom_validation_failed", "Custom validation failed for node", details, input_name=name)]


def _exception(kind: str, which: str, error: Exception, **extra: Any) -> Reason:
    where = ['  File "/simulated/ComfyUI/execution.py", line 1, in validate_inputs\n']
    extra |= {"exception_type": type(error).__name__, "traceback": where}
    if which:
        extra["exception_message"] = str(error)
    return reason(kind, f"Exception when validating {which}node", str(error), **extra)
