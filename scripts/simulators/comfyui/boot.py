"""Everything of a server that a restart forgets: queue, history, sockets, cache, and who is being worked for."""

import asyncio
import threading
import uuid
from typing import TYPE_CHECKING, Any

from scripts.simulators.comfyui.execution import Execution
from scripts.simulators.comfyui.prompts import Entry, PromptQueue
from scripts.simulators.comfyui.sockets import Frame, Sockets

if TYPE_CHECKING:
    from scripts.simulators.comfyui.server import Server

LATE_SECONDS = 0.2  # after the end of a prompt until `executing` names no node


class Boot:
    """One life of a server process. Made and ended in the event loop; its execution thread uses the rest."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.id = uuid.uuid4().hex[:12]
        self.queue = PromptQueue(lambda: server.faults.find("hold_queue") is not None)
        self.sockets = Sockets(server.faults, server.features)
        self.number = 0  # what the next prompt gets
        self.interrupted = threading.Event()
        self.cache_dropped = threading.Event()
        self.ended = threading.Event()
        self.current_client: Any = None
        self.current_node: str | None = None
        self._late: tuple[Frame, Any] | None = None
        self._late_lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self.execution = Execution(self)

    def start(self) -> None:
        self.execution.start()

    def end(self) -> list[str]:
        """Forgets everything at once; the ids of the prompts that are lost by it."""
        self.ended.set()
        self.sockets.close()
        return self.queue.close()

    def crash(self) -> None:
        """The process dies; whatever watches over it starts it again at once. From any thread."""
        self._loop.call_soon_threadsafe(self.server.restart)

    def note(self, event: str, **fields: Any) -> None:
        self.server.note(event, boot=self.id, **fields)

    def note_start(self, entry: Entry) -> None:
        self.server.executions[entry[1]] += 1
        self.note("start", prompt_id=entry[1], number=entry[0])

    def begin(self, client_id: Any) -> None:
        self.interrupted.clear()  # an interruption of nothing does not count for the next prompt
        self._flush_late_frame()
        self.current_client, self.current_node = client_id, None

    def finish(self, ticket: int, entry: Entry, result: dict[str, Any], told: dict[str, Any]) -> None:
        self.current_client, self.current_node = None, None
        self.queue.finish(ticket, result, noted=lambda: self.note("end", prompt_id=entry[1], number=entry[0], **told))

    def status(self) -> dict[str, Any]:
        return {"status": {"exec_info": {"queue_remaining": self.queue.remaining()}}}

    def tell_queue(self) -> None:
        """Everybody is told whenever the queue gets longer, shorter or moves on."""
        self.sockets.publish(("status", self.status()))

    def greetings(self, sid: str) -> list[Frame]:
        """What a new socket is told: the queue, and the node being run for it, without naming the prompt."""
        frames: list[Frame] = [("status", {**self.status(), "sid": sid})]
        if self.current_client == sid and self.current_node is not None:
            frames.append(("executing", {"node": self.current_node}))
        return frames

    def send_late(self, frame: Frame, receiver: Any) -> None:
        """Sends a little later, but before the next prompt begins. From the execution thread."""
        with self._late_lock:
            self._late = (frame, receiver)
        self._loop.call_soon_threadsafe(self._loop.call_later, LATE_SECONDS, self._flush_late_frame)

    def _flush_late_frame(self) -> None:
        with self._late_lock:
            late, self._late = self._late, None
        if late is not None:
            self.sockets.publish(*late)
