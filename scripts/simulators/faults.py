"""Faults on demand: what a test asks a stand-in to do wrong, until how often, and where.

The book only knows the wishes. What happens on the wire is in `wire.py`; what happens inside a server is up to it.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# Every kind with the options it understands, besides path, method, match, skip and times.
# How an HTTP request goes wrong:
WIRE_FAULTS: dict[str, frozenset[str]] = {
    "status": frozenset({"status", "body", "content_type", "headers"}),  # answered so, not processed
    "body": frozenset({"status", "body", "content_type", "headers"}),  # processed, answered so
    "hang": frozenset(),  # no answer until cleared; then processed if the client is still there
    "hang_after": frozenset(),  # processed at once, no answer until cleared
    "freeze": frozenset(),  # no answer until cleared; then processed even if the client has left
    "drop": frozenset(),  # connection closed without an answer, not processed
    "drop_after": frozenset(),  # processed, then the connection closed without an answer
    "drip": frozenset({"bytes_per_s"}),  # processed, the answer trickles
    "truncate": frozenset(),  # half an answer under the length of the whole, then closed
    "cut": frozenset(),  # half an answer under a fitting length
    "huge": frozenset({"bytes", "content_type", "announce"}),  # zeros without end, not processed
}
# How the work of a ComfyUI server goes wrong:
COMFYUI_FAULTS: dict[str, frozenset[str]] = {
    "hold": frozenset({"stubborn"}),  # waits before the output nodes until cleared; stubborn: even when interrupted
    "hold_queue": frozenset(),  # the next prompt is not taken until cleared
    "exec_error": frozenset({"exception_type", "exception_message", "node"}),  # ends with execution_error
    "zombie": frozenset(),  # the execution thread dies at the next prompt
    "ws_drop": frozenset(),  # sockets are cut, new ones after their first frame
    "ws_silent": frozenset(),  # sockets stay open and say nothing
    "lose": frozenset({"now"}),  # files of finished prompts are deleted; now: those that exist too
    "filename": frozenset({"filename", "subfolder", "type"}),  # history names its files so
}
# How the work of a cloud API goes wrong:
CLOUD_FAULTS: dict[str, frozenset[str]] = {
    "hold": frozenset(),  # accepted work waits until cleared
    "hold_queue": frozenset(),  # accepted work is not begun until cleared
    "task_error": frozenset({"status", "body", "headers"}),  # accepted work ends without a picture, and is told so
    "expire": frozenset(),  # finished pictures are gone from where they lay
    "forget": frozenset(),  # accepted work and what it made is not known any more when it is next asked about
}
COMMON_OPTIONS = frozenset({"kind", "path", "method", "match", "skip", "times"})

Description = Mapping[str, Any]


class Fault:
    """One wish. `times` is how often it still happens (None: until cleared); `skip` lets that many pass first."""

    def __init__(self, number: int, description: Description) -> None:
        self.id = number
        self.kind: str = description["kind"]
        self.path: str = description.get("path", "")
        self.method: str = description.get("method", "").upper()
        self.match: str = description.get("match", "")
        self.skip: int = description.get("skip", 0)
        self.times: int | None = description.get("times")
        self.options = {key: value for key, value in description.items() if key not in COMMON_OPTIONS}
        self.hits = 0
        self.happened = threading.Event()  # at least once
        self.cleared = threading.Event()

    @property
    def is_active(self) -> bool:
        return not self.cleared.is_set() and (self.times is None or self.times > 0)

    def concerns(self, path: str, method: str, text: Callable[[], str]) -> bool:
        return (
            path.startswith(self.path)
            and self.method in ("", method.upper())
            and (not self.match or self.match in text())
        )

    def described(self) -> dict[str, Any]:
        wish = {"path": self.path, "method": self.method, "match": self.match, "skip": self.skip}
        return {"id": self.id, "kind": self.kind, "times": self.times, "hits": self.hits, **wish, **self.options}


class FaultBook:
    """The faults that were asked for. May be used from any thread; `changed` are told of each new fault."""

    def __init__(self, *kinds: Mapping[str, frozenset[str]]) -> None:
        self._kinds = {kind: options for group in kinds for kind, options in group.items()}
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._count = 0
        self.changed: list[Callable[[Fault], None]] = []

    def add(self, **description: Any) -> Fault:
        """Raises ValueError with a sentence for a kind or option that this stand-in does not know."""
        kind = description.get("kind")
        if kind not in self._kinds:
            raise ValueError(f"unknown kind {kind!r}; there are {', '.join(sorted(self._kinds))}")
        unknown = sorted(set(description) - COMMON_OPTIONS - self._kinds[kind])
        if unknown:
            raise ValueError(f"{kind} does not know {', '.join(unknown)}")
        with self._lock:
            self._count += 1
            fault = Fault(self._count, description)
            self._faults.append(fault)
        for tell in self.changed:
            tell(fault)
        return fault

    def clear(self, *, kind: str | None = None, number: int | None = None) -> int:
        """Ends faults and lets go whatever waits in them; all of them, of one kind, or one."""
        with self._lock:
            ended = [fault for fault in self._faults if kind in (None, fault.kind) and number in (None, fault.id)]
            self._faults = [fault for fault in self._faults if fault not in ended]
        for fault in ended:
            fault.cleared.set()
        return len(ended)

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.described() for fault in self._faults]

    def find(self, kind: str) -> Fault | None:
        """The first active fault of the kind, without using it up."""
        with self._lock:
            return next((fault for fault in self._faults if fault.kind == kind and fault.is_active), None)

    def take(
        self, kinds: Iterable[str], *, path: str = "", method: str = "", text: Callable[[], str] = str
    ) -> Fault | None:
        """The first active fault that concerns this request or prompt, one of its times used up."""
        with self._lock:
            for fault in self._faults:
                if fault.kind not in kinds or not fault.is_active or not fault.concerns(path, method, text):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                fault.happened.set()
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
