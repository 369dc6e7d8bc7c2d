"""The dialect of fal's queue."""

from __future__ import annotations

from typing import Any

from jobs.cloud.providers.fal import Fal
from jobs.errors.steps import (
    AccountRefused,
    BadAnswer,
    BadInput,
    Busy,
    ContentRefused,
    ExecutionFailed,
    Transient,
)
from scripts.simulators.fal import StandIn
from tests.contract.dialects.dialect import KEY, Dialect, Said


def of_the_input(kind: Any, status: int = 422, **headers: str) -> Said:
    """A model's answer about its input."""
    detail = {"loc": ["body", "prompt"], "msg": "words of a guest", "type": kind, "input": "words of a guest"}
    return Said(status, {"detail": [detail]}, {name.replace("_", "-"): value for name, value in headers.items()})


def of_the_request(status: int, error_type: Any = None, text: Any = "words of a guest", **headers: str) -> Said:
    """The queue's own answer."""
    body = {"detail": text} | ({"error_type": error_type} if error_type else {})
    return Said(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


DIALECT = Dialect(
    name="fal",
    make=Fal,
    stand_in=StandIn,
    model="fal-ai/flux-pro/kontext",
    parameters={"num_images": 1, "image_size": "portrait_4_3"},
    submit_path="/fal-ai/flux-pro/kontext",
    key=("authorization", f"Key {KEY}"),
    rate=of_the_request(429),
    quota=of_the_request(403, text="User is locked, guest. Reason: Exhausted balance."),
    refused=of_the_input("content_policy_violation"),
    others=(
        (of_the_request(401), AccountRefused),
        (of_the_request(403), AccountRefused),
        (of_the_request(403, text=["locked"]), AccountRefused),
        (of_the_request(404), BadInput),
        (of_the_request(400, "bad_request"), BadInput),
        (of_the_input("missing"), BadInput),
        (of_the_input(["guest"]), BadInput),
        (Said(422, {"detail": ["guest", None, {"type": {"guest": 1}}]}), BadInput),
        (of_the_request(500, "internal_error"), Transient),
        (of_the_request(500, "internal_error", X_Fal_Retryable="false"), BadInput),
        (of_the_request(422, X_Fal_Retryable="true"), Transient),
        (of_the_request(429, X_Fal_Retryable="false"), Busy),
        (of_the_request(401, X_Fal_Retryable="true"), AccountRefused),
        (Said(502, "<html>bad gateway, guest</html>"), Transient),
        (Said(200, {"request_id": None}), BadAnswer),
        (Said(200, {"request_id": {"guest": 1}}), BadAnswer),
        (Said(200, {"request_id": "../../guest"}), BadAnswer),
        (Said(200, {"detail": "guest"}), BadAnswer),
        (Said(307, "<html>elsewhere</html>"), BadAnswer),
    ),
    poll_path="/fal-ai/flux-pro/requests",
    result_path="/results",
    ended=(
        (of_the_input("content_policy_violation"), ContentRefused),
        (of_the_input("content_policy_violation", X_Fal_Retryable="true"), ContentRefused),
        (of_the_input("image_too_large"), BadInput),
        (of_the_input("image_load_error", X_Fal_Retryable="true"), Transient),
        (of_the_input("missing"), BadInput),
        (of_the_request(422), BadInput),
        (of_the_request(504, "request_timeout"), Transient),
        (of_the_request(504, "startup_timeout"), Transient),
        (of_the_request(503, "runner_scheduling_failure"), Transient),
        (of_the_request(500, "internal_error"), Transient),
        (of_the_request(500, X_Fal_Error_Type="runner_disconnected"), Transient),
        (of_the_request(500), Transient),
        (of_the_request(500, X_Fal_Retryable="false"), BadInput),
        (of_the_request(400, "bad_request"), BadInput),
        (of_the_request(499, "client_cancelled"), ExecutionFailed),
        (Said(200, {"images": [{"url": "https://a/b"}], "has_nsfw_concepts": [True]}), ContentRefused),
        (Said(200, {"images": [], "has_nsfw_concepts": [False, True]}), ContentRefused),
        (Said(200, {"detail": "guest"}), BadAnswer),
        (Said(200, {"images": None}), BadAnswer),
        (Said(200, {"images": [{"url": None}]}), BadAnswer),
        (Said(200, {"images": {"guest": 1}, "has_nsfw_concepts": 7}), BadAnswer),
        (Said(200, {"images": [["guest"]]}), BadAnswer),
        (Said(200, {"image": {"url": "http://10.0.0.1/guest.png"}}), BadAnswer),
    ),
    ended_skip=1,  # the status
)
