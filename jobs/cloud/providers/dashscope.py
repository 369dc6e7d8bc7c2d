"""The DashScope dialect (Alibaba Model Studio): Qwen-Image, Wan and, through it, Kling.

A style's parameters are passed on as they are, but for `mode`, which is ours and says how a picture is asked for:

- `task` (without a mode): a task is created and asked about by its id, also by the next attempt after a crash;
- `sync`: the picture comes in the answer. Its request id is kept for the provider's support, who alone can tell more;
- `image2image`: a task of the older models, wan2.5-i2i-preview and wanx2.1-imageedit (which wants a `function`).
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from typing import Any

from jobs.cloud.provider import Done, ImageRequest, Keep, NotThere, Pending, Unheard
from jobs.cloud.reading import Codes, error_of
from jobs.cloud.service import Service
from jobs.cloud.transport import Answer
from jobs.errors.steps import BadAnswer, BadInput, ExecutionFailed, StepError

CODES = Codes(
    refused=("DataInspectionFailed", "data_inspection_failed"),
    quota=("Arrearage", "AllocationQuota.FreeTierOnly"),
    account=("InvalidApiKey", "AccessDenied*", "ModelNotFound"),
    rate=("Throttling*", "insufficient_quota"),
    transient=("InternalError*", "SystemError", "RequestTimeOut"),
    bad_input=("InvalidParameter*", "InvalidURL"),
)
UNSAFE = "inappropriate content"
"""Says in a message that content was refused, whatever the code."""
OVERDUE = ("overdue", "arrear", "good standing")
"""Say in a message that access is denied for want of money."""
ALLOCATION = Codes(quota=("Throttling.AllocationQuota*", "insufficient_quota"))
"""Tokens of a minute, which come back by themselves, unless the message names the free quota."""
FREE = "free"

PATHS = {
    "task": "/services/aigc/image-generation/generation",
    "sync": "/services/aigc/multimodal-generation/generation",
    "image2image": "/services/aigc/image2image/image-synthesis",
}
AS_TASK = {"X-DashScope-Async": "enable"}
OF_INPUT = ("function", "negative_prompt")
"""Parameters that the older models look for beside the prompt."""
AT_WORK = ("PENDING", "RUNNING", "SUSPENDED")
ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")
SHORTEST_FETCH_SECONDS = 1.0


class Dashscope(Service):
    """One region of the service: keys hold for one region only."""

    def submit(self, request: ImageRequest, keep_remote_id: Keep, seconds: float) -> Done | Pending:
        """Buy one picture. Raises StepError: OutcomeUnknown when the request may have been carried out."""
        ends_at = time.monotonic() + seconds
        parameters = dict(request.parameters)
        mode = parameters.pop("mode", "task")
        if mode not in PATHS:
            raise BadInput("The style names a mode that this provider does not have.", outcome="unsent")
        is_task = mode != "sync"
        answer = self._transport.send(
            PATHS[mode],
            seconds=seconds,
            headers=AS_TASK if is_task else None,
            json={"model": request.model} | _body_of(mode, request, parameters),
        )
        document = _read(answer)
        output = _object(document.get("output"))
        remote_id = output.get("task_id") if is_task else document.get("request_id")
        is_known = isinstance(remote_id, str) and ID.fullmatch(remote_id) is not None
        if is_known:
            keep_remote_id(str(remote_id))
        if is_task and is_known and answer.status == 200:
            return Pending(str(remote_id))
        urls = [] if is_task or answer.status != 200 else list(_urls_in(output))
        if not urls:
            raise _error_of(answer, document)
        return self._fetch(urls, ends_at)

    def poll(self, model: str, remote_id: str, seconds: float) -> Done | Pending:
        """How far a task is. Raises Unheard, or StepError when it has ended without a picture."""
        ends_at = time.monotonic() + seconds
        if not ID.fullmatch(remote_id):
            raise NotThere("no task has such an id")
        answer = self._transport.ask(f"/tasks/{remote_id}", seconds=seconds)
        if answer.status != 200:
            raise Unheard(f"status {answer.status}", retry_after=answer.retry_after)
        try:
            output = _object(answer.read_object().get("output"))
        except StepError as exc:
            raise Unheard("the answer is no object") from exc
        status = output.get("task_status")
        if output.get("task_id", remote_id) != remote_id:
            raise Unheard("the answer is about another task")
        if status in AT_WORK:
            return Pending(remote_id)
        if status == "UNKNOWN":
            raise NotThere("the provider knows no such task")
        if status == "CANCELED":
            raise ExecutionFailed("The provider's task was canceled.", detail="CANCELED", outcome="stopped")
        if status not in ("SUCCEEDED", "FAILED"):
            raise Unheard("the answer tells of no status")
        if status == "SUCCEEDED" and (urls := list(_urls_in(output))):
            return self._fetch(urls, ends_at)
        error = _error_of(answer, next(_failures_in(output), output))
        if status == "FAILED" and isinstance(error, BadAnswer):  # a code that no table names
            raise ExecutionFailed(detail=error.detail)
        raise error

    def cancel(self, model: str, remote_id: str, seconds: float) -> None:
        """Take back a task that waits; one that has begun runs on. Raises Unheard."""
        if not ID.fullmatch(remote_id):
            return
        answer = self._transport.ask(f"/tasks/{remote_id}/cancel", method="POST", seconds=seconds)
        if answer.status in (401, 403, 429) or answer.status >= 500:
            raise Unheard(f"status {answer.status}", retry_after=answer.retry_after)

    def _fetch(self, urls: list[str], ends_at: float) -> Done:
        return Done(
            tuple(self._results.fetch(url, max(ends_at - time.monotonic(), SHORTEST_FETCH_SECONDS)) for url in urls)
        )


def _body_of(mode: str, request: ImageRequest, parameters: dict[str, Any]) -> dict[str, Any]:
    """`input` and `parameters` of a request, in the shape that the mode's models want."""
    photo = f"data:image/jpeg;base64,{base64.b64encode(request.photo).decode()}"
    if mode != "image2image":
        content = [{"image": photo}, {"text": request.prompt}]
        return {"input": {"messages": [{"role": "user", "content": content}]}, "parameters": parameters}
    asked = {"prompt": request.prompt} | {name: parameters.pop(name) for name in OF_INPUT if name in parameters}
    shown = {"base_image_url": photo} if "function" in asked else {"images": [photo]}
    return {"input": asked | shown, "parameters": parameters}


def _read(answer: Answer) -> dict[str, Any]:
    """The document; of a refusal in other words than the dialect's, none. Raises BadAnswer."""
    try:
        return answer.read_object()
    except StepError:
        if answer.status == 200:
            raise
        return {}


def _error_of(answer: Answer, fields: dict[str, Any]) -> StepError:
    """The error of an answer or of a task that holds no picture. `fields`: where its code and message stand."""
    code, message = fields.get("code"), str(fields.get("message") or "").lower()
    if not isinstance(code, str) or not CODE.fullmatch(code):
        code = ""
    found = CODES.find(code)
    if UNSAFE in message:
        found = "refused"
    elif found == "account" and any(word in message for word in OVERDUE):
        found = "quota"
    elif found == "rate" and FREE in message:
        found = ALLOCATION.find(code) or found
    return error_of(answer, found, code)


def _urls_in(output: dict[str, Any]) -> Iterator[str]:
    """Where the pictures lie: in `choices`, with the older models in `results`."""
    for choice in _objects(output.get("choices")):
        for item in _objects(_object(choice.get("message")).get("content")):
            if isinstance(item.get("image"), str):
                yield item["image"]
    for result in _objects(output.get("results")):
        if isinstance(result.get("url"), str):
            yield result["url"]


def _failures_in(output: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a task says of its failure: of itself, or of one of its pictures."""
    return (fields for fields in (output, *_objects(output.get("results"))) if fields.get("code"))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
