"""One prompt from its start to its end: nodes run in order, cached ones skipped, frames and messages on the way."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scripts.simulators.comfyui.graph import ancestors, execution_order, is_link, signatures
from scripts.simulators.comfyui.node import LINK_TYPES, Node, Shown
from scripts.simulators.comfyui.nodes import NODES, RENDERING
from scripts.simulators.comfyui.outcomes import Ended, Interrupted, NodeFailure, failure_of, worded_failure
from scripts.simulators.comfyui.pacing import slow_nodes
from scripts.simulators.comfyui.prompts import Entry
from scripts.simulators.comfyui.sockets import Preview
from scripts.simulators.faults import Fault
from scripts.simulators.pictures import Photo

if TYPE_CHECKING:
    from scripts.simulators.comfyui.boot import Boot

LOOK_SECONDS = 0.01  # how often a held prompt looks whether it may go on or was interrupted
WORK_STEPS = 10  # progress steps of a node that stands in for slow work without being a sampler


class PromptRun:
    """Also what the nodes of the prompt see as their `Work`. Lives in the execution thread."""

    def __init__(self, boot: "Boot", entry: Entry, cache: dict[str, Any]) -> None:
        self._boot, self._cache = boot, cache
        self._entry = entry
        self._prompt_id, self.graph, self._extra, self._outputs = entry[1:]
        self.folders = boot.server.folders
        self.prepared = boot.server.settings.prepared
        self.mark: int | None = None
        self.node_id = ""
        self._order = execution_order(self.graph, self._outputs)
        self._photos: dict[str, Photo] = {}
        self._results: dict[str, Any] = {}
        self._states: dict[str, dict[str, Any]] = {}
        self._failure: Fault | None = None
        self.messages: list[list[Any]] = []
        self.executed: list[str] = []
        self.ui: dict[str, Any] = {}  # of the output nodes, as the history shows it
        self.saved: list[dict[str, str]] = []  # the files of this run, under their real names

    @property
    def client_id(self) -> Any:
        return self._extra.get("client_id") if isinstance(self._extra, dict) else None

    @property
    def extra_pnginfo(self) -> Any:
        return self._extra.get("extra_pnginfo") if isinstance(self._extra, dict) else None

    def run(self) -> tuple[str, Any]:
        """Runs everything that is not cached; the message that ends the prompt."""
        self._tell_client(self.note("execution_start"))
        try:
            self._run_nodes()
            return self.note("execution_success")
        except Interrupted:
            kind = self.graph[self.node_id]["class_type"]
            where = {"node_id": self.node_id, "node_type": kind, "executed": list(self.executed)}
            return self.note("execution_interrupted", **where)
        except NodeFailure as failure:
            return self.note("execution_error", **failure.message)

    def note(self, event: str, **fields: Any) -> tuple[str, Any]:
        """A message for the history, returned as the frame that says the same."""
        message = {"prompt_id": self._prompt_id, **fields, "timestamp": round(time.time() * 1000)}
        self.messages.append([event, message])
        return event, message

    def _run_nodes(self) -> None:
        # Nodes that no output needs are not run, but the cache knows them like any other.
        known = signatures(self.graph, execution_order(self.graph, self.graph), self._freshness)
        for signature in set(self._cache) - set(known.values()):
            del self._cache[signature]  # only the previous prompt's nodes are ever found again
        cached = [node_id for node_id in self.graph if known.get(node_id) in self._cache]
        self._tell_client(self.note("execution_cached", nodes=cached))
        seconds = slow_nodes(self.graph, self._order, set(cached), self._boot.server.settings.seconds)
        self._failure = self._boot.server.faults.take(("exec_error",), text=self._text)
        outputs = [node_id for node_id in self._order if NODES[self.graph[node_id]["class_type"]].is_output]
        failing = self._failing_node([*seconds, *outputs])
        for node_id in self._order:
            if node_id == outputs[0]:
                self._hold(node_id)
            if known[node_id] in self._cache and node_id != failing:
                self._results[node_id] = self._cache[known[node_id]]
                self._show(node_id)
                if node_id in outputs:
                    self._finish(node_id, 1)
            else:
                self._begin(node_id)
                if node_id == failing:
                    self._fail_as_ordered(node_id)
                self._results[node_id] = self._run_node(node_id, seconds.get(node_id, 0.0))
                self.executed.append(node_id)
                if NODES[self.graph[node_id]["class_type"]].is_cached:
                    self._cache[known[node_id]] = self._results[node_id]
                self._show(node_id)
                self._finish(node_id, self._states[node_id]["max"])

    def _text(self) -> str:
        return repr(self._entry)

    def _freshness(self, node_id: str) -> object:
        """LoadImage is as fresh as the file's content, not its name."""
        name = self.graph[node_id]["inputs"].get("image")
        if self.graph[node_id]["class_type"] != "LoadImage" or not isinstance(name, str):
            return None
        photo = self.folders.find_named(name)
        if photo is None:
            return time.time()
        self._photos[node_id] = photo
        return photo.sha256

    def _begin(self, node_id: str) -> None:
        self.node_id = self._boot.current_node = node_id
        self._set_state(node_id, 0.0, 1.0, "running")
        self._tell_client(("executing", {"node": node_id, "display_node": node_id, "prompt_id": self._prompt_id}))
        self.check()

    def _finish(self, node_id: str, maximum: float) -> None:
        self._set_state(node_id, maximum, maximum, "finished")

    def _run_node(self, node_id: str, seconds: float) -> Any:
        class_type = self.graph[node_id]["class_type"]
        node: Node = NODES[class_type]
        try:
            arguments = self._arguments(node, node_id)
            if class_type == "KSampler":
                self._spend(seconds, arguments["steps"])
            elif seconds:
                self._spend(seconds, WORK_STEPS)
            if self.prepared is not None and class_type in RENDERING:
                return ([self.prepared.image],) * len(node.returns)
            if node.is_output and self.prepared is None:
                self.mark = self._mark_of(node_id)
            return node.run(self, **arguments)
        except (Interrupted, Ended):
            raise
        except Exception as error:
            raise failure_of(self.graph, node_id, self.executed, error) from error

    def _arguments(self, node: Node, node_id: str) -> dict[str, Any]:
        arguments = {}
        for name, value in self.graph[node_id]["inputs"].items():
            if name not in node.inputs:
                continue
            if is_link(value):
                arguments[name] = self._results[value[0]][value[1]]
            elif node.inputs[name].type in LINK_TYPES:
                raise AttributeError(f"{type(value).__name__!r} object has no attribute 'shape'")
            else:
                arguments[name] = value
        return arguments

    def _mark_of(self, node_id: str) -> int | None:
        """Of the photo a picture is made from; where several go in, one that carries a mark counts before a frame."""
        photos = [self._photos[other] for other in ancestors(self.graph, node_id) if other in self._photos]
        marked = [photo for photo in photos if photo.painted_mark is not None]
        return next((photo.mark for photo in (*marked, *photos)), None)

    def _show(self, node_id: str) -> None:
        shown = self._results[node_id]
        if not isinstance(shown, Shown) or not shown.ui:
            return
        self.saved += shown.ui["images"]
        renamed = self._boot.server.faults.take(("filename",), text=self._text)
        images = [{**image, **(renamed.options if renamed else {})} for image in shown.ui["images"]]
        self.ui[node_id] = {"images": images}
        where = {"node": node_id, "display_node": node_id, "output": self.ui[node_id]}
        self._tell_client(("executed", {**where, "prompt_id": self._prompt_id}))

    # What a test may order ---------------------------------------------------------------------------------------

    def _hold(self, node_id: str) -> None:
        fault = self._boot.server.faults.take(("hold",), text=self._text)
        if fault is None:
            return
        self.node_id = node_id
        self._boot.note("hold", prompt_id=self._prompt_id)
        while not fault.cleared.wait(LOOK_SECONDS):
            self.check(interruptible=not fault.options.get("stubborn"))

    def _failing_node(self, usual: list[str]) -> str | None:
        if self._failure is None:
            return None
        wanted = self._failure.options.get("node")
        named = [one for one in self._order if wanted in (one, self.graph[one]["class_type"])]
        return (named or usual)[0]

    def _fail_as_ordered(self, node_id: str) -> None:
        options: Mapping[str, Any] = self._failure.options if self._failure else {}
        kind, text = (
            options.get("exception_type", "RuntimeError"),
            options.get("exception_message", "simulated failure"),
        )
        raise worded_failure(self.graph, node_id, self.executed, kind=kind, text=f"{text}\n")

    # What nodes may use, besides the folders and the graph --------------------------------------------------------

    def report(self, value: float, maximum: float, preview: tuple[str, bytes] | None = None) -> None:
        """Progress of the running node: without a client id, everybody hears of it."""
        self.check()
        self._set_state(self.node_id, value, maximum, "running")
        self._send_preview(preview, has_metadata=True)
        progress = {"value": value, "max": maximum, "prompt_id": self._prompt_id, "node": self.node_id}
        self._boot.sockets.publish(("progress", progress), self.client_id)
        self._send_preview(preview, has_metadata=False)

    def _send_preview(self, preview: tuple[str, bytes] | None, *, has_metadata: bool) -> None:
        if preview is not None:
            picture = Preview(*preview, self._prompt_id, self.node_id, has_metadata)
            self._boot.sockets.publish(picture, self.client_id)

    def pause(self, seconds: float) -> None:
        """Time passes; an interruption does not shorten it, the end of the server does."""
        if self._boot.ended.wait(seconds):
            raise Ended

    def check(self, *, interruptible: bool = True) -> None:
        """Stops the prompt here when it was interrupted or its server is gone."""
        if self._boot.ended.is_set():
            raise Ended
        if interruptible and self._boot.interrupted.is_set():
            self._boot.interrupted.clear()
            raise Interrupted

    def _spend(self, seconds: float, steps: int) -> None:
        for step in range(1, steps + 1):
            self.pause(seconds / steps)
            self.report(step, steps)

    def _set_state(self, node_id: str, value: float, maximum: float, state: str) -> None:
        ids = {"display_node_id": node_id, "parent_node_id": None, "real_node_id": node_id}
        self._states[node_id] = {
            "value": value,
            "max": maximum,
            "state": state,
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            **ids,
        }
        states = {"prompt_id": self._prompt_id, "nodes": dict(self._states)}
        self._boot.sockets.publish(("progress_state", states), self.client_id)

    def _tell_client(self, frame: tuple[str, Any]) -> None:
        """Frames that go to the submitter alone: without a client id, to nobody."""
        if self.client_id is not None:
            self._boot.sockets.publish(frame, self.client_id)
