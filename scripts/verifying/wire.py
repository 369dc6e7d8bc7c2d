"""One call made twice, by our provider and by the vendor's library, each recorded; and the two records compared."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.cloud.provider import Pending
from scripts.verifying.cases import Case
from scripts.verifying.comparing import OF_TRANSPORT, Comparison, compare
from scripts.verifying.forms import Fields, fields_of
from scripts.verifying.installing import HERE, PLACE, PYTHON, version_of
from scripts.verifying.making import KEY, PROMPT, SECONDS, expect_picture, provider_at, request_of, submit
from scripts.verifying.recorder import Recorder, Reply, Seen
from scripts.verifying.servers import in_base64
from scripts.verifying.sheet import Failed, Sheet, expect

LIBRARY_SECONDS = 60
NOWHERE = "http://127.0.0.1:9"
SHOWN = 3


@dataclass
class Record:
    """What one side sent: the requests of each step."""

    steps: dict[str, list[Fields]] = field(default_factory=dict)


class Side:
    """The recorder of one side, answering as the case says."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._answered: dict[str, int] = {}
        self.record = Record()
        self.recorder = Recorder(self._answer)

    def _answer(self, seen: Seen) -> Reply:
        path = seen.path.partition("?")[0]
        route = next((route for route in self._case.routes if route.fits(seen.method, path)), None)
        step = route.step if route else f"{seen.method} {path}"
        fields = fields_of(seen, photo=self._case.photo, base_url=self.recorder.url)
        self.record.steps.setdefault(step, []).append(fields)
        if route is None:
            return Reply.of_json({"error": {"message": "not expected"}}, 404)
        number = self._answered.get(step, 0)
        self._answered[step] = number + 1
        answer = json.dumps(route.answers[min(number, len(route.answers) - 1)])
        headers = {"Content-Type": "application/json"}
        return Reply(route.status, answer.replace("<base>", self.recorder.url).encode(), headers)


def compare_wire_forms(case: Case, sheet: Sheet) -> None:
    """One row for each step of the case, or one that says why there is none."""
    against = f"{case.package} {version_of(case.package)}"
    records: list[Record] = []
    with sheet.check(case.provider, against, f"wire: {case.name}, both sides recorded") as row:
        records = [record_ours(case), record_theirs(case)]
        ours, theirs = (", ".join(f"{step} ×{len(seen)}" for step, seen in record.steps.items()) for record in records)
        row.note = ours if ours == theirs else f"ours {ours}; theirs {theirs}"
        expect(records[0].steps.keys() == records[1].steps.keys(), f"not the same steps: {row.note}")
    if row.outcome == "failed":
        return
    for step in records[0].steps:
        with sheet.check(case.provider, against, f"wire: {case.name}, {step}") as row:
            known = (*OF_TRANSPORT, *case.known.get("*", ()), *case.known.get(step, ()))
            compared = [
                compare(ours, theirs, known) for ours in records[0].steps[step] for theirs in records[1].steps[step]
            ]
            row.note = _judge(compared)
            for difference, reason in compared[0].explained:
                if reason not in OF_TRANSPORT:
                    sheet.explain(case.provider, difference, reason)


def _judge(compared: list[Comparison]) -> str:
    """In a few words. Raises Failed."""
    for one in compared:
        wrong = [str(difference) for difference in one.unexplained[:SHOWN]]
        wrong += [f"{known.field} is no longer different ({known.why})" for known in one.stale[:SHOWN]]
        if wrong:
            more = len(one.unexplained) + len(one.stale) - len(wrong)
            raise Failed("; ".join(wrong) + (f"; and {more} more" if more else ""))
    first = compared[0]
    explained = sum(reason not in OF_TRANSPORT for _, reason in first.explained)
    return f"{first.same} fields the same" + (f", {explained} differ as known" if explained else "")


def record_ours(case: Case) -> Record:
    """What our provider sends. Raises Failed unless it gets the picture out of the vendor's answers."""
    side = Side(case)
    with side.recorder as recorder:
        provider = provider_at(case.provider, f"{recorder.url}{case.path}")
        found = submit(provider, request_of(case.model, dict(case.parameters), photo=case.photo))
        if isinstance(found, Pending):
            remote_id = found.remote_id
            for _ in range(2):
                found = provider.poll(case.model, remote_id, SECONDS)
            provider.cancel(case.model, remote_id, SECONDS)
        expect_picture(found)
    return side.record


def record_theirs(case: Case) -> Record:
    """What the vendor's library sends. Raises Failed when it does not take our answers for the vendor's."""
    side = Side(case)
    with side.recorder as recorder, tempfile.TemporaryDirectory(dir=PLACE) as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(case.photo)
        asked: dict[str, Any] = {
            "base_url": f"{recorder.url}{case.path}",
            "key": KEY,
            "photo": str(photo),
            "photo_url": f"data:image/jpeg;base64,{in_base64(case.photo)}",
            "prompt": PROMPT,
            "model": case.model,
            "parameters": dict(case.parameters),
        } | dict(case.told)
        # -P: the scripts' own folder is not looked through for modules. Arguments are too short for a photo.
        command = [str(PYTHON), "-P", str(HERE / "sdk_calls" / case.script)]
        done = subprocess.run(
            command,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=LIBRARY_SECONDS,
            env=_bare_environment(folder),
            check=False,
        )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["without a word"]
        raise Failed(f"the library's side failed: {last[0]}; {', '.join(side.record.steps)}")
    return side.record


def _bare_environment(home: str) -> Mapping[str, str]:
    """Nothing of the operator's: no keys, no settings. What is not on loopback is refused at once."""
    proxies = {name: NOWHERE for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    return {"PATH": os.environ["PATH"], "HOME": home, "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"} | proxies
