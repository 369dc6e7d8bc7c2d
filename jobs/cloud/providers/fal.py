"""fal's queue: a request is put in, its status asked for, and its response says whether it succeeded.

A style's `model` is the model's id with its sub-path, such as `fal-ai/flux-pro/kontext`; its parameters are the
model's own input, with `image_field` as jobs/cloud/inputs.py has it.
"""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import quote

from jobs.cloud.inputs import as_data_url, fill_input
from jobs.cloud.provider import Done, ImageRequest, Keep, Pending, Unheard
from jobs.cloud.reading import Codes, error_of, read_id, read_refusal, read_state
from jobs.cloud.service import Service
from jobs.cloud.transport import Answer
from jobs.errors.steps import ContentRefused, ExecutionFailed, StepError
from jobs.settings.providers import ProviderSettings

IMAGE_FIELD = "image_url"
ACCEPTED = (200, 201, 202)
NAMESPACES = ("workflows", "comfy")
"""Ids that begin so have their owner and app behind it."""
CODES = Codes(
    refused=("content_policy_violation",),
    bad_input=("image_too_large", "image_too_small", "image_load_error", "file_too_large", "bad_request"),
    transient=("request_timeout", "startup_timeout", "runner_*", "internal_error"),
)
CANCELED = "client_cancelled"
OUT_OF_MONEY = re.compile(r"\b(locked|balance)\b", re.IGNORECASE)
"""What the text of a 403 says when it is not the key; there is no code for it."""
CODE = re.compile(r"[a-z][a-z0-9_.]{0,63}", re.ASCII)
MOST_DETAILS = 20
TEXT_CHARACTERS = 4000


class Fal(Service):
    """The service, or another one of its dialect."""

    def _key_header(self, settings: ProviderSettings) -> dict[str, str]:
        return {"Authorization": f"Key {settings.key}"}

    def submit(self, request: ImageRequest, keep_remote_id: Keep, seconds: float) -> Pending:
        """Put one request into the queue. Raises StepError: OutcomeUnknown when it may have been taken."""
        answer = self._transport.send(
            "/" + "/".join(_parts_of(request.model)),
            seconds=seconds,
            headers={
                "x-fal-no-retry": "1",  # when to try again is decided here, in one place
                "X-Fal-Request-Timeout": str(math.ceil(seconds)),
            },
            json=fill_input(request, as_data_url(request.photo), image_field=IMAGE_FIELD),
        )
        if answer.status not in ACCEPTED:
            raise _error_of(answer, read_refusal(answer))
        remote_id = read_id(answer, "request_id")
        keep_remote_id(remote_id)
        return Pending(remote_id)

    def poll(self, model: str, remote_id: str, seconds: float) -> Done | Pending:
        """How far a request is. Raises Unheard, or StepError when it has ended without a picture."""
        path = _path_of(model, remote_id)
        match read_state(self._transport.ask(f"{path}/status", seconds=seconds)).get("status"):
            case "IN_QUEUE" | "IN_PROGRESS":
                return Pending(remote_id)
            case "COMPLETED":
                return self._read_response(self._transport.ask(path, seconds=seconds), remote_id, seconds)
            case _:
                raise Unheard("a status that is not known")

    def cancel(self, model: str, remote_id: str, seconds: float) -> None:
        """Take a request out of the queue; one that has begun goes on. Raises Unheard."""
        answer = self._transport.ask(f"{_path_of(model, remote_id)}/cancel", method="PUT", seconds=seconds)
        if answer.status != 400:  # ALREADY_COMPLETED: nothing is left to stop
            read_state(answer)

    def _read_response(self, answer: Answer, remote_id: str, seconds: float) -> Done | Pending:
        """What a request that is over came to. Raises Unheard, StepError."""
        if answer.status == 202:
            return Pending(remote_id)
        refusal = read_refusal(answer)
        if answer.status != 200 and _is_of_the_model(answer, refusal):
            raise _error_of(answer, refusal)
        result = read_state(answer)
        if _is_flagged(result.get("has_nsfw_concepts")):  # the picture is there, and black
            raise ContentRefused(detail="has_nsfw_concepts")
        found = result.get("images") or result.get("image")
        images = found if isinstance(found, list) else [found]
        urls = [image.get("url") if isinstance(image, dict) else image for image in images]
        return Done(tuple(self._results.fetch(url, seconds) for url in urls))


def _parts_of(model: str) -> list[str]:
    return [quote(part, safe="") for part in model.strip("/").split("/")]


def _path_of(model: str, remote_id: str) -> str:
    """Where a request is asked about: owner and app, without what follows them in the model's id."""
    parts = _parts_of(model)
    app = parts[: 3 if parts[0] in NAMESPACES else 2]
    return "/" + "/".join([*app, "requests", remote_id])


def _is_of_the_model(answer: Answer, refusal: dict[str, Any]) -> bool:
    """Is it the end of the request, rather than a gateway in trouble on the way to it?"""
    if answer.status in (401, 403, 429):
        return False
    return bool(_codes_of(answer, refusal)) or ("detail" in refusal and (answer.status == 422 or answer.status >= 500))


def _error_of(answer: Answer, refusal: dict[str, Any]) -> StepError:
    codes = _codes_of(answer, refusal)
    if CANCELED in codes:
        return ExecutionFailed("The provider stopped the work.", detail=CANCELED, outcome="stopped")
    found = CODES.find(*codes)
    text = refusal.get("detail")
    if found is None and answer.status == 403 and isinstance(text, str) and OUT_OF_MONEY.search(text[:TEXT_CHARACTERS]):
        found = "quota"
    return error_of(answer, _heed(answer, found), " ".join(codes))


def _heed(answer: Answer, found: str | None) -> str | None:
    """What the provider says of trying again counts more than the kind of its error, but opens no refusal."""
    is_fleeting = found == "transient" or (found is None and answer.status in (408, 409, 500, 502, 504))
    is_final = found == "bad_input" or (found is None and answer.status in (400, 404, 413, 415, 422))
    match answer.headers.get("X-Fal-Retryable", "").lower():
        case "true" | "1" if is_final:
            return "transient"
        case "false" | "0" if is_fleeting:
            return "bad_input"
    return found


def _codes_of(answer: Answer, refusal: dict[str, Any]) -> list[str]:
    """The kinds of error that an answer names: of its input's parts first."""
    details = refusal.get("detail")
    parts = details[:MOST_DETAILS] if isinstance(details, list) else []
    words = [part.get("type") for part in parts if isinstance(part, dict)]
    words += [refusal.get("error_type"), answer.headers.get("X-Fal-Error-Type")]
    return list(dict.fromkeys(word for word in words if isinstance(word, str) and CODE.fullmatch(word)))


def _is_flagged(concepts: Any) -> bool:
    return concepts is True or (isinstance(concepts, list) and any(concept is True for concept in concepts))
