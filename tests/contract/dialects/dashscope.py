"""The DashScope dialect, in its way of asking by tasks."""

from __future__ import annotations

from typing import Any

from jobs.cloud.providers.dashscope import Dashscope
from jobs.errors.steps import (
    AccountRefused,
    BadAnswer,
    BadInput,
    Busy,
    ContentRefused,
    ExecutionFailed,
    QuotaExhausted,
    Transient,
)
from scripts.simulators.dashscope import StandIn
from tests.contract.dialects.dialect import KEY, Dialect, Said

ALLOCATED = "Allocated quota exceeded, you exceeded your current quota, dear guest"
FREE = "Free allocated quota exceeded, dear guest"
OVERDUE = "Access denied, guest: the account has an overdue payment"
UNSAFE = "Input data may contain inappropriate content, guest"


def refusal(code: Any, message: Any = "words of a guest") -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "b5d1c0f2"}


def failed(code: Any, message: Any = "words of a guest") -> Said:
    return Said(200, {"output": {"task_status": "FAILED", "code": code, "message": message}, "request_id": "b5d1"})


def succeeded(**output: Any) -> Said:
    return Said(200, {"output": {"task_status": "SUCCEEDED"} | output, "request_id": "b5d1"})


DIALECT = Dialect(
    name="dashscope",
    make=Dashscope,
    stand_in=StandIn,
    model="qwen-image-edit-plus",
    parameters={
        "n": 1,
        "size": "768*1152",
        "watermark": False,
        "prompt_extend": True,
        "negative_prompt": "text",
        "seed": 7,
    },
    submit_path="/v1/services/aigc/image-generation",
    key=("authorization", f"Bearer {KEY}"),
    rate=Said(429, refusal("Throttling.RateQuota", "Requests rate limit exceeded")),
    quota=Said(400, refusal("Arrearage"), {"Retry-After": "1"}),
    refused=Said(400, refusal("DataInspectionFailed", UNSAFE)),
    others=(
        (Said(401, refusal("InvalidApiKey")), AccountRefused),
        (Said(403, refusal("AccessDenied")), AccountRefused),
        (Said(403, refusal("AccessDenied.Unpurchased")), AccountRefused),
        (Said(404, refusal("ModelNotFound")), AccountRefused),
        (Said(403, "<html>guest</html>"), AccountRefused),
        (Said(403, refusal("AccessDenied", OVERDUE)), QuotaExhausted),
        (Said(403, refusal("AllocationQuota.FreeTierOnly")), QuotaExhausted),
        (Said(429, refusal("Throttling.AllocationQuota", FREE)), QuotaExhausted),
        (Said(429, refusal("insufficient_quota", FREE)), QuotaExhausted),
        (Said(429, refusal("Throttling.AllocationQuota", ALLOCATED)), Busy),
        (Said(429, refusal("insufficient_quota", ALLOCATED)), Busy),
        (Said(429, refusal("Throttling.RateQuota", "Feel free to come back, guest")), Busy),
        (Said(429, refusal("Throttling")), Busy),
        (Said(429, "<html>slow down, guest</html>"), Busy),
        (Said(400, refusal("data_inspection_failed")), ContentRefused),
        (Said(400, refusal("InvalidParameter", UNSAFE)), ContentRefused),
        (Said(400, refusal(None, UNSAFE)), ContentRefused),
        (Said(400, refusal("InvalidParameter.DataInspection")), BadInput),
        (Said(400, refusal("InvalidURL")), BadInput),
        (Said(400, refusal("words of a guest")), BadInput),
        (Said(400, refusal(["guest"], {"guest": 1})), BadInput),
        (Said(413, "guest"), BadInput),
        (Said(500, refusal("InternalError.Algo")), Transient),
        (Said(500, refusal("SystemError")), Transient),
        (Said(504, refusal("RequestTimeOut")), Transient),
        (Said(503, refusal(None)), Busy),
        (Said(502, "<html>bad gateway, guest</html>"), Transient),
        (Said(200, refusal("DataInspectionFailed")), ContentRefused),
        (Said(200, refusal("odd")), BadAnswer),
        (Said(200, {"output": ["guest"]}), BadAnswer),
        (Said(200, {"output": {"task_id": {"guest": 1}, "task_status": "PENDING"}}), BadAnswer),
        (Said(200, {"output": {"task_id": "../guest", "task_status": "PENDING"}}), BadAnswer),
        (Said(307, "<html>elsewhere, guest</html>"), BadAnswer),
    ),
    poll_path="/v1/tasks",
    result_path="/results",
    ended=(
        (failed("DataInspectionFailed"), ContentRefused),
        (failed("InternalError.Algo", UNSAFE), ContentRefused),
        (failed("InternalError.Timeout"), Transient),
        (failed("InvalidParameter.FileDownload"), BadInput),
        (failed("Throttling.RateQuota"), Busy),
        (failed("Arrearage"), QuotaExhausted),
        (failed("Odd.Code"), ExecutionFailed),
        (failed("words of a guest"), ExecutionFailed),
        (failed({"guest": 1}, ["guest"]), ExecutionFailed),
        (Said(200, {"output": {"task_status": "FAILED"}}), ExecutionFailed),
        (Said(200, {"output": {"task_status": "CANCELED"}}), ExecutionFailed),
        (succeeded(), BadAnswer),
        (succeeded(choices="guest", results={"guest": 1}), BadAnswer),
        (succeeded(choices=[None, {"message": "guest"}, {"message": {"content": [{"image": 1}, 2]}}]), BadAnswer),
        (succeeded(results=[{"code": "DataInspectionFailed", "message": "guest"}]), ContentRefused),
        (succeeded(results=[{"url": "http://127.0.0.1/x.png"}]), BadAnswer),
    ),
)
