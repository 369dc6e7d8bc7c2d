"""The execution thread of a server: one prompt after the other, as one GPU does them.

One thread per boot. After its boot has ended it changes nothing any more.
"""

import threading
from typing import TYPE_CHECKING, Any

from scripts.simulators.comfyui.outcomes import Ended
from scripts.simulators.comfyui.prompt_run import PromptRun
from scripts.simulators.comfyui.prompts import Entry

if TYPE_CHECKING:
    from scripts.simulators.comfyui.boot import Boot

OUTCOMES = {"execution_success": "success", "execution_interrupted": "interrupted", "execution_error": "error"}


def is_poison(entry: Entry) -> bool:
    """What kills a real server's execution thread: a node without inputs, or extra data that is null."""
    return entry[3] is None or any(not isinstance(node.get("inputs"), dict) for node in entry[2].values())


class Execution(threading.Thread):
    """Runs until its boot ends, or until a poison prompt or a `zombie` fault kills it."""

    def __init__(self, boot: "Boot") -> None:
        super().__init__(name=f"execution-{boot.id}", daemon=True)
        self._boot = boot
        self._cache: dict[str, Any] = {}  # the finished nodes of the previous prompt, by signature

    def run(self) -> None:
        boot = self._boot
        while True:
            try:
                taken = boot.queue.take(noted=boot.note_start)
            except TypeError:  # two entries that cannot be told apart: a real thread dies of them too
                return
            if taken is None:
                return
            ticket, entry = taken
            boot.tell_queue()
            if is_poison(entry) or boot.server.faults.take(("zombie",), text=entry.__repr__) is not None:
                return  # the prompt stays in queue_running for ever; everything else goes on answering
            try:
                self._run_prompt(ticket, entry)
            except Ended:
                return

    def _run_prompt(self, ticket: int, entry: Entry) -> None:
        boot = self._boot
        if boot.cache_dropped.is_set():
            boot.cache_dropped.clear()
            self._cache.clear()
        run = PromptRun(boot, entry, self._cache)
        boot.begin(run.client_id)
        last = run.run()
        if boot.ended.is_set():
            raise Ended
        outcome = OUTCOMES[last[0]]
        if boot.server.faults.take(("lose",), text=entry.__repr__) is not None:
            for image in run.saved:
                boot.server.folders.delete(
                    image["type"], "/".join(filter(None, (image["subfolder"], image["filename"])))
                )
        ids = run.ui
        result = {
            "outputs": run.ui,
            "status": {
                "status_str": "success" if outcome == "success" else "error",
                "completed": outcome == "success",
                "messages": run.messages,
            },
            "meta": {
                one: {"node_id": one, "display_node": one, "parent_node": None, "real_node_id": one} for one in ids
            },
        }
        told: dict[str, Any] = {"outcome": outcome, "executed": run.executed, "saved": run.saved}
        if outcome == "error":
            told["exception_type"] = last[1]["exception_type"]
        boot.finish(ticket, entry, result, told)
        # Only now: whoever hears of the end finds it in the history.
        if run.client_id is not None or outcome == "interrupted":
            boot.sockets.publish(last, run.client_id)
        boot.tell_queue()
        if run.client_id is not None:
            boot.send_late(("executing", {"node": None, "prompt_id": entry[1]}), run.client_id)
        if isinstance(run.client_id, (list, dict)):
            boot.crash()  # a client id that cannot be looked up ends the whole process of a real server
