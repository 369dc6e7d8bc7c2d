"""Performing one step on a ComfyUI server: upload, submit, follow, fetch. A call that was sent before is adopted.

The truth about a prompt is asked for by polling, queue first and then history (the other order reports "lost" wrongly
about once in a hundred times).
"""

from __future__ import annotations

import time

from jobs.comfyui.client import ComfyuiClient, Ending, ImageRef
from jobs.comfyui.progress import ProgressListener
from jobs.comfyui.workflow import fill_graph
from jobs.errors.steps import (
    Away,
    BadAnswer,
    Busy,
    ExecutionFailed,
    OutcomeUnknown,
    StepError,
    Transient,
    WorkflowRejected,
)
from jobs.media.images import Picture, prepare_picture
from jobs.orders.work import Control, Made, Work
from jobs.settings import Settings

FOLDER = "farm"
POLL_SECONDS = 0.25
POLL_LISTENING_SECONDS = 1.0
STOP_SECONDS = 12.0
DOWNLOADS = 3
LOSSES = 2
"""Times that one attempt sends a prompt again that its server does not know."""


class ComfyuiExecutor:
    """Performs steps of the resource `comfyui`."""

    def __init__(self, settings: Settings) -> None:
        self._refused_s = settings.refused_s
        self._silent_s = settings.silent_s
        self._stall_s = settings.stall_s
        self._lookup_gap_s = settings.lookup_gap_s

    def perform(self, work: Work, control: Control) -> Made:
        """Make the pictures of one step. Raises StepError or ClaimLost."""
        server = control.call.server
        if server is None:
            raise BadAnswer("The call names no server.")
        client = ComfyuiClient(server)
        try:
            return self._perform(client, work, control)
        finally:
            client.close()

    def _perform(self, client: ComfyuiClient, work: Work, control: Control) -> Made:
        graph_size = len(work.step["graph"])
        for _ in range(LOSSES + 1):
            fresh = control.call.sent_at is None
            prompt_id = control.call.external_id
            # An adopted prompt keeps the client id it was sent with, whose socket may still be open somewhere; a
            # second one would lose its frames without a word, so an adopted prompt is only polled.
            client_id = prompt_id if fresh else None
            with ProgressListener(
                client.url, client_id, prompt_id, graph_size, lambda value: control.report(value, "making")
            ) as listener:
                unclear = self._send(client, work, control) if fresh else OutcomeUnknown()
                ending = self._follow(client, control, listener, unclear)
            if ending is not None:
                return Made(self._fetch(client, work, control, ending))
            control.replace_lost()
        raise Transient("The server keeps losing the prompt.")

    def _send(self, client: ComfyuiClient, work: Work, control: Control) -> StepError | None:
        """Submit the call. Returns None when the server took it, or why only a look-up can tell."""
        prompt_id = control.call.external_id
        control.report(0.0, "sending")
        source = work.read_source()
        control.check()
        try:
            photo = client.upload(source, f"{prompt_id}.jpg", FOLDER)
        except Away as exc:
            self._set_aside(control, exc)
            raise Away(exc.args[0], refused=exc.refused, detail=exc.detail, outcome="unsent") from exc
        except StepError as exc:
            exc.outcome = "unsent"
            raise
        graph = fill_graph(work.step, photo=photo, prefix=f"{FOLDER}/{prompt_id}", seed=work.seed, options=work.options)
        control.report(0.0, "waiting")  # before sending: the socket may report progress before the answer is here
        control.mark_sent()
        control.check()
        try:
            client.submit(graph, prompt_id=prompt_id, client_id=prompt_id)
        except Away as exc:
            self._set_aside(control, exc)
            raise Away(exc.args[0], refused=True, detail=exc.detail, outcome="unsent") from exc
        except WorkflowRejected as exc:
            if exc.outcome == "failed":  # taken in part: what it took must not run on
                self._stop(client, control)
                exc.outcome = "rejected"
            raise
        except Busy as exc:
            exc.outcome = "failed"
            raise
        except (OutcomeUnknown, Transient, BadAnswer) as exc:
            return exc
        return None

    def _follow(
        self, client: ComfyuiClient, control: Control, listener: ProgressListener, unclear: StepError | None
    ) -> Ending | None:
        """Wait for the prompt's end. None: it is not there, and never was or was lost.

        `unclear`: why we do not know that the server has it. A server that failed (not: went silent) and does not
        have it has refused it; that error is raised.
        """
        prompt_id = control.call.external_id
        trouble = _Trouble(self._refused_s, self._silent_s)
        head, head_since, running = "", time.monotonic(), False
        absent = 0
        while True:
            control.check()
            if control.seconds_left() <= 0:
                self._give_up(client, control, running=running)
            try:
                queue = client.queue()
                ending = None if prompt_id in queue else client.history(prompt_id)
                trouble.over()
            except (Away, Transient, BadAnswer, Busy) as exc:
                if trouble.lasts_too_long(exc):
                    self._set_aside(control, exc)
                    raise Away(exc.args[0], detail=exc.detail) from exc
                control.wait(POLL_SECONDS * 2)
                continue
            if ending is not None:
                return ending
            if prompt_id not in queue:
                absent += 1
                if absent >= 2:
                    if isinstance(unclear, Transient | BadAnswer):
                        raise unclear
                    return None
                control.wait(self._lookup_gap_s)
                continue
            absent, unclear = 0, None
            if queue.running and prompt_id in queue.running:
                if not running:
                    running = True
                    control.report(0.0, "making")
            elif queue.running[:1] != (head,):
                head, head_since = queue.running[0] if queue.running else "", time.monotonic()
            elif time.monotonic() - head_since > self._stall_s and not control.is_followed(head):
                self._leave_zombie(client, control, head)
            if listener.listening:
                listener.ended.wait(POLL_LISTENING_SECONDS)
            else:
                control.wait(POLL_SECONDS)

    def _fetch(self, client: ComfyuiClient, work: Work, control: Control, ending: Ending) -> list[Picture]:
        if ending.status != "success":
            raise ExecutionFailed(
                "The picture could not be made." if ending.status == "error" else "The prompt was interrupted.",
                detail=ending.error,
            )
        control.report(1.0, "fetching")
        refs = [ref for node in work.step["output"] for ref in ending.images.get(node, []) if ref.type == "output"]
        if not refs:
            raise BadAnswer("The server finished without a picture.")
        return [self._fetch_one(client, control, ref) for ref in refs]

    def _fetch_one(self, client: ComfyuiClient, control: Control, ref: ImageRef) -> Picture:
        """Download and check one picture. What is made is fetched again, not made again."""
        trouble = _Trouble(self._refused_s, self._silent_s)
        downloads = 0
        while True:
            control.check()
            try:
                data = client.view(ref)
                return prepare_picture(data)
            except BadAnswer:
                downloads += 1
                if downloads >= DOWNLOADS:
                    raise
            except (Away, Transient) as exc:
                if trouble.lasts_too_long(exc):
                    self._set_aside(control, exc)
                    raise Away(exc.args[0], detail=exc.detail) from exc
                control.wait(POLL_SECONDS * 2)

    def _give_up(self, client: ComfyuiClient, control: Control, *, running: bool) -> None:
        """The style's time limit has passed: stop the prompt by its own id. Always raises."""
        stopped = self._stop(client, control)
        if stopped and running:
            raise ExecutionFailed("The picture took longer than its style allows.", outcome="stopped")
        if stopped:
            raise Away("The prompt waited for the server too long.", outcome="stopped")
        control.set_aside("does not stop a prompt whose time is over", stuck_prompt=control.call.external_id)
        raise ExecutionFailed(
            "The picture took longer than its style allows, and the server does not stop it.", outcome="unknown"
        )

    def _leave_zombie(self, client: ComfyuiClient, control: Control, head: str) -> None:
        """A prompt that is nobody's sits at the head and does not move. Always raises."""
        stopped = self._stop(client, control)
        control.set_aside("makes no progress: the prompt at its head does not move", stuck_prompt=head)
        raise Away("The server makes no progress.", outcome="stopped" if stopped else "unknown")

    def _stop(self, client: ComfyuiClient, control: Control) -> bool:
        """Take our prompt out of the server. Whether it is certainly gone."""
        prompt_id = control.call.external_id
        until = time.monotonic() + STOP_SECONDS
        while time.monotonic() < until:
            try:
                client.delete(prompt_id)
                client.interrupt(prompt_id)
                if prompt_id not in client.queue():
                    return True
            except (Away, Transient, BadAnswer, Busy):
                pass  # asked again until the time is over; not knowing is one of the two answers
            control.wait(POLL_SECONDS)
        return False

    def _set_aside(self, control: Control, exc: StepError) -> None:
        refused = isinstance(exc, Away) and exc.refused
        control.set_aside("refuses connections" if refused else f"does not answer ({exc.detail or exc})")


class _Trouble:
    """How long a server has been refusing, or silent. Refusing is certain sooner than silence is."""

    def __init__(self, refused_s: float, silent_s: float) -> None:
        self._limits = {True: refused_s, False: silent_s}
        self._since: float | None = None
        self._answered_at: float | None = None

    def over(self) -> None:
        """It answered."""
        self._since, self._answered_at = None, time.monotonic()

    def lasts_too_long(self, exc: StepError) -> bool:
        """It failed again; is that long enough to leave it?"""
        now = time.monotonic()
        refused = isinstance(exc, Away) and exc.refused
        if self._since is None:
            # A question to a silent server fails only after its own time-out: the silence began with the last answer.
            self._since = now if refused or self._answered_at is None else self._answered_at
        return now - self._since >= self._limits[refused]
