"""The queue and the history of a server: a heap, a dict and the lock they share. Gone after a restart."""

import heapq
import threading
from collections.abc import Callable
from typing import Any

Entry = tuple[Any, str, Any, Any, list[str]]  # number, prompt id, graph, extra data, outputs: as the API shows it

MOST_REMEMBERED = 10_000
SECRET_KEYS = frozenset({"auth_token_comfy_org", "api_key_comfy_org"})  # kept out of the history, not of the queue
LOOK_SECONDS = 0.02


class PromptQueue:
    """Prompts waiting, running and done. May be used from any thread.

    The heap compares whole entries, as the real one does: equal numbers with equal ids raise TypeError, and the entry
    is in the queue all the same.
    """

    def __init__(self, is_held: Callable[[], bool]) -> None:
        self.lock = threading.RLock()
        self._arrived = threading.Condition(self.lock)
        self._is_held = is_held
        self._pending: list[Entry] = []
        self._running: dict[int, Entry] = {}
        self._history: dict[str, dict[str, Any]] = {}
        self._taken = 0
        self._closed = False
        self.most_at_once = 0

    def put(self, entry: Entry, *, noted: Callable[[], object]) -> None:
        """Queues the prompt; `noted` is called before the execution thread can see it."""
        with self.lock:
            noted()
            try:
                heapq.heappush(self._pending, entry)
            finally:
                self.most_at_once = max(self.most_at_once, self.remaining())
            self._arrived.notify_all()

    def take(self, *, noted: Callable[[Entry], object]) -> tuple[int, Entry] | None:
        """The next prompt, which is running from now on; None when the server has ended."""
        with self.lock:
            while not self._closed and (not self._pending or self._is_held()):
                self._arrived.wait(LOOK_SECONDS if self._pending else None)
            if self._closed:
                return None
            entry = heapq.heappop(self._pending)
            self._taken += 1
            self._running[self._taken] = entry
            noted(entry)
            return self._taken, entry

    def finish(self, ticket: int, result: dict[str, Any], *, noted: Callable[[], object]) -> None:
        """Moves a running prompt into the history in one step; nothing if the server has ended meanwhile."""
        with self.lock:
            if self._closed:
                return
            number, prompt_id, graph, extra, outputs = self._running.pop(ticket)
            if isinstance(extra, dict):
                extra = {key: value for key, value in extra.items() if key not in SECRET_KEYS}
            if len(self._history) >= MOST_REMEMBERED:
                del self._history[next(iter(self._history))]
            self._history[prompt_id] = {"prompt": [number, prompt_id, graph, extra, outputs], **result}
            noted()

    def close(self) -> list[str]:
        """Ends the server; the ids of what was waiting or running."""
        with self.lock:
            self._closed = True
            self._arrived.notify_all()
            return [entry[1] for entry in (*self._running.values(), *self._pending)]

    def remaining(self) -> int:
        with self.lock:
            return len(self._pending) + len(self._running)

    def shown(self) -> dict[str, list[Entry]]:
        """Running and pending; the latter in heap order, which is not the order of execution."""
        with self.lock:
            return {"queue_running": list(self._running.values()), "queue_pending": list(self._pending)}

    def is_running(self, prompt_id: str) -> bool:
        with self.lock:
            return any(entry[1] == prompt_id for entry in self._running.values())

    def delete(self, prompt_id: str, *, noted: Callable[[], object]) -> bool:
        """Removes one waiting prompt of that id, though there may be more."""
        with self.lock:
            for index, entry in enumerate(self._pending):
                if entry[1] == prompt_id:
                    del self._pending[index]
                    heapq.heapify(self._pending)
                    noted()
                    return True
            return False

    def clear(self) -> list[str]:
        with self.lock:
            dropped = [entry[1] for entry in self._pending]
            self._pending.clear()
            return dropped

    def history(self, most: int | None = None, offset: int = -1) -> dict[str, Any]:
        """The newest `most` entries, or those from an offset on."""
        with self.lock:
            if offset < 0 and most is not None:
                offset = len(self._history) - most
            chosen = list(self._history.items())[max(offset, 0) :] if offset <= len(self._history) else []
            return dict(chosen if most is None else chosen[: max(most, 0)])

    def remembered(self, prompt_id: str) -> dict[str, Any]:
        with self.lock:
            return {prompt_id: self._history[prompt_id]} if prompt_id in self._history else {}

    def forget(self, prompt_id: str) -> None:
        with self.lock:
            self._history.pop(prompt_id, None)

    def forget_all(self) -> None:
        with self.lock:
            self._history.clear()
