"""Replicate's dialect."""

from __future__ import annotations

from typing import Any

from jobs.cloud.providers.replicate import Replicate
from jobs.errors.steps import (
    AccountRefused,
    BadAnswer,
    BadInput,
    Busy,
    ContentRefused,
    ExecutionFailed,
    Transient,
)
from scripts.simulators.replicate import StandIn
from tests.contract.dialects.dialect import KEY, Dialect, Said


def problem(status: int, detail: Any, **headers: str) -> Said:
    return Said(status, {"title": "words of a guest", "detail": detail, "status": status}, headers)


def ended(status: str, *, error: Any = None, output: Any = None) -> Said:
    return Said(200, {"id": "x", "status": status, "error": error, "output": output, "logs": "words of a guest"})


DIALECT = Dialect(
    name="replicate",
    make=Replicate,
    stand_in=StandIn,
    model="black-forest-labs/flux-kontext-pro",
    parameters={"aspect_ratio": "2:3", "safety_tolerance": 2},
    submit_path="/v1/models",
    key=("authorization", f"Bearer {KEY}"),
    rate=problem(429, "Request was throttled. Your rate limit resets in ~30s."),
    quota=problem(402, "You have insufficient credit to run this model, guest."),
    refused=problem(422, "The guest's input was flagged as sensitive. Please try again with different inputs. (E005)"),
    others=(
        (problem(401, "Unauthenticated guest"), AccountRefused),
        (problem(403, "guest"), AccountRefused),
        (problem(404, "The requested resource could not be found."), BadInput),
        (problem(422, "- input.prompt: guest is too long"), BadInput),
        (problem(422, [{"guest": 1}]), BadInput),
        (problem(400, None), BadInput),
        (problem(429, ["resets in ~30s"]), Busy),
        (Said(429, "<html>guest</html>"), Busy),
        (problem(503, "guest"), Busy),
        (problem(500, "guest"), Transient),
        (Said(502, "<html>bad gateway, guest</html>"), Transient),
        (Said(201, {"id": None, "status": "starting"}), BadAnswer),
        (Said(201, {"id": ["guest"], "status": "starting"}), BadAnswer),
        (Said(201, {"id": "../files/guest?", "status": "starting"}), BadAnswer),
        (Said(201, {"id": "x" * 201}), BadAnswer),
        (Said(202, {"detail": "guest"}), BadAnswer),
        (Said(307, "<html>elsewhere</html>"), BadAnswer),
    ),
    poll_path="/v1/predictions",
    result_path="/results",
    ended=(
        (ended("failed", error="NSFW content detected. Guest, try a different prompt."), ContentRefused),
        (ended("failed", error="The input or output was flagged as sensitive (E005)"), ContentRefused),
        (ended("failed", error="guest: CUDA out of memory (E1001)"), BadInput),
        (ended("failed", error="Prediction failed for an unknown reason. (E1000)"), Transient),
        (ended("failed", error="Prediction interrupted; please retry (code: PA)"), Transient),
        (ended("failed", error="Director: worker died, guest"), Transient),
        (ended("failed", error="guest said something odd"), ExecutionFailed),
        (ended("failed", error="guest (E9243)"), ExecutionFailed),
        (ended("failed"), ExecutionFailed),
        (ended("failed", error={"guest": ["E005"]}), ExecutionFailed),
        (ended("canceled"), ExecutionFailed),
        (ended("aborted"), Transient),
        (ended("succeeded"), BadAnswer),
        (ended("succeeded", output=[]), BadAnswer),
        (ended("succeeded", output={"guest": 1}), BadAnswer),
        (ended("succeeded", output=[None]), BadAnswer),
        (ended("succeeded", output=7), BadAnswer),
        (ended("succeeded", output="http://[guest"), BadAnswer),
        (ended("succeeded", output="http://10.0.0.1/guest.png"), BadAnswer),
        (ended("succeeded", output=["file:///etc/passwd"]), BadAnswer),
    ),
)
