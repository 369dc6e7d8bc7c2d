"""All that a storm's checker may judge by, and the questions that several verdicts ask of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scripts.simulators.journal import Row
from scripts.storming.checking.rows import CallRow, Snapshot, StepRow, StoredFile, TaskRow


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, in a sentence."""

    sentence: str
    task_id: str | None = None
    order_id: str | None = None


@dataclass(frozen=True)
class Submission:
    """What a stand-in took: `call` is the farm's own record of it, None where there is none."""

    row: Row
    resource: str
    call: CallRow | None

    @property
    def t(self) -> float:
        moment: float = self.row["t"]
        return moment


@dataclass(frozen=True)
class Fault:
    """What the nemesis did, from when until when."""

    number: int
    fault: str
    target: str
    begun: float
    ended: float
    also: Row

    def overlaps(self, begin: float, end: float) -> bool:
        """Was it in effect at any moment between these?"""
        return self.begun <= end and begin <= self.ended


@dataclass(frozen=True)
class Evidence:
    """Journals in the order of their moments, and what the database and the storage hold at the end."""

    booths: tuple[Row, ...] = ()
    comfyui: tuple[Row, ...] = ()
    clouds: tuple[Row, ...] = ()
    nemesis: tuple[Row, ...] = ()
    snapshot: Snapshot = field(default_factory=Snapshot)
    files: Mapping[str, StoredFile] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The limits that the farm was given. Raises LookupError when nobody wrote them down."""
        for row in self.nemesis:
            if row["event"] == "settings":
                return row
        raise LookupError("the journal of the nemesis names no settings")

    @cached_property
    def tasks(self) -> dict[int, TaskRow]:
        return {task.id: task for task in self.snapshot.tasks}

    @cached_property
    def steps(self) -> dict[int, StepRow]:
        return {step.id: step for step in self.snapshot.steps}

    def task_of(self, step_id: int) -> TaskRow:
        """Whose step it is."""
        return self.tasks[self.steps[step_id].task]

    def find_step(self, step_id: int, sentence: str) -> Finding:
        """A finding about a step."""
        task = self.task_of(step_id)
        return Finding(f"step {step_id}: {sentence}", task.task_id, task.order_id)

    @cached_property
    def marks(self) -> dict[tuple[str, str], str]:
        """(order id, hash of the photo) -> the mark that was painted into it."""
        return {(row["order_id"], row["photo_sha256"]): row["mark"] for row in self.booths if row["event"] == "post"}

    def mark_of(self, task: TaskRow) -> str | None:
        """The mark that the task's pictures must carry."""
        return self.marks.get((task.order_id, task.photo_sha256))

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """What the nemesis did; what has no end lasted until the healing."""
        last = max((row["t"] for row in self.nemesis), default=0.0)
        healed = next((row["t"] for row in self.nemesis if row["event"] == "healed"), last)
        ends = {row["number"]: row["t"] for row in self.nemesis if row["event"] == "end"}
        return tuple(
            Fault(row["number"], row["fault"], row["target"], row["t"], ends.get(row["number"], healed), row)
            for row in self.nemesis
            if row["event"] == "begin"
        )

    @cached_property
    def submissions(self) -> tuple[Submission, ...]:
        """Everything that the stand-ins took, with the calls it belongs to."""
        return tuple(sorted((*self._at_servers(), *self._at_providers()), key=lambda one: one.t))

    def _at_servers(self) -> Iterator[Submission]:
        calls = {call.external_id: call for call in self.snapshot.calls}
        for row in self.comfyui:
            if row["event"] == "submit":
                yield Submission(row, "comfyui", calls.get(row["prompt_id"]))

    def provider_at(self, row: Row) -> str:
        """Which provider the stand-in plays that wrote a row. Raises LookupError for one that nobody wrote down."""
        for name, described in self.settings["providers"].items():
            if described["port"] == row["port"]:
                return str(name)
        raise LookupError(f"no provider is known at port {row['port']}")

    def _at_providers(self) -> Iterator[Submission]:
        """By the provider's own id, which the farm keeps once it is answered; without an answer by the photo's mark."""
        calls = [call for call in self.snapshot.calls if call.resource == "api"]
        answered = {(call.provider, call.remote_id): call for call in calls if call.remote_id}
        rows = [(self.provider_at(row), row) for row in self.clouds if row["event"] == "submit"]
        known = {(provider, row["prompt_id"]) for provider, row in rows} & answered.keys()
        free = defaultdict(list)
        for call in calls:
            if (call.provider, call.remote_id) not in known and call.sent_at is not None:
                free[call.provider, self.mark_of(self.task_of(call.step))].append(call)
        for provider, row in rows:
            if (provider, row["prompt_id"]) in answered:
                yield Submission(row, "api", answered[provider, row["prompt_id"]])
                continue
            mark = next((one["mark"] for one in row["inputs"] if one.get("mark")), None)
            may_be = free[provider, mark] if mark else []
            fitting = [call for call in may_be if call.sent_at is not None and call.sent_at <= row["t"]]
            call = max(fitting, key=lambda one: one.sent_at or 0.0, default=None)
            if call is not None:
                may_be.remove(call)
            yield Submission(row, "api", call)
