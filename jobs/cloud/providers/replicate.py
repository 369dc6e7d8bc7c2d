"""Replicate: a prediction is asked for, then asked about by its id until it has ended.

A style's `model` is `owner/name` (an official model), `owner/name:version` or a version alone; its parameters are the
model's own input, with `image_field` as jobs/cloud/inputs.py has it.
"""

from __future__ import annotations

import math
import re
import time
from typing import Any
from urllib.parse import quote

from jobs.cloud.inputs import as_data_url, fill_input
from jobs.cloud.provider import Done, ImageRequest, Keep, Pending, Unheard
from jobs.cloud.reading import Codes, error_of, read_id, read_refusal, read_state
from jobs.cloud.service import Service
from jobs.cloud.transport import Answer
from jobs.errors.steps import Away, BadAnswer, ExecutionFailed, StepError, Transient
from jobs.settings.providers import ProviderSettings
from jobs.wire import never_connected, read_retry_after

IMAGE_FIELD = "input_image"
ACCEPTED = (200, 201, 202)
OFFICIAL = re.compile(r"([^/:]+)/([^/:]+)")
CANCEL_SECONDS = 5
"""The API takes no shorter deadline for a prediction."""
CODES = Codes(
    refused=("E005", "NSFW content", "flagged as sensitive"),
    bad_input=("E1001",),  # out of memory: the photo is too large for this model
    transient=("E1000", "PA", "worker died"),
)
KNOWN = re.compile(r"\bE\d{3,4}\b|(?<=\(code: )[A-Z]{2}(?=\))|NSFW content|flagged as sensitive|worker died")
"""What is read of a text: codes and set phrases. The rest may be a guest's words."""
RESETS = re.compile(r"resets in ~?(\d+(?:\.\d+)?) ?s")
TEXT_CHARACTERS = 4000


class Replicate(Service):
    """The service, or another one of its dialect."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        super().__init__(name, settings)
        self._inline_bytes = settings.inline_bytes

    def submit(self, request: ImageRequest, keep_remote_id: Keep, seconds: float) -> Pending:
        """Ask for one prediction. Raises StepError: OutcomeUnknown when it may have been taken."""
        ends_at = time.monotonic() + seconds
        model_input = fill_input(request, self._place(request, seconds), image_field=IMAGE_FIELD)
        path, version = _place_of(request.model)
        left = max(ends_at - time.monotonic(), 1.0)
        answer = self._transport.send(
            path,
            seconds=left,
            headers={"Cancel-After": f"{max(math.ceil(left), CANCEL_SECONDS)}s"},  # should nobody live to cancel it
            json=version | {"input": model_input},
        )
        if answer.status not in ACCEPTED:
            raise _refusal_of(answer)
        remote_id = read_id(answer, "id")
        keep_remote_id(remote_id)
        return Pending(remote_id)  # whatever else it says: it is taken, and the first poll tells

    def poll(self, model: str, remote_id: str, seconds: float) -> Done | Pending:
        """How far a prediction is. Raises Unheard, or StepError when it has ended without a picture."""
        answer = self._transport.ask(f"/predictions/{remote_id}", seconds=seconds)
        prediction = read_state(answer, retry_after=_wait_named_in(answer))
        match prediction.get("status"):
            case "starting" | "processing":
                return Pending(remote_id)
            case "succeeded":
                return self._fetch(prediction.get("output"), seconds)
            case "failed":
                raise _failure_of(answer, prediction.get("error"))
            case "canceled":
                raise ExecutionFailed("The provider stopped the work.", detail="canceled", outcome="stopped")
            case "aborted":
                raise Transient("The provider gave the call up before it began.", detail="aborted")
            case _:
                raise Unheard("a status that is not known")

    def cancel(self, model: str, remote_id: str, seconds: float) -> None:
        """Ask to stop a prediction. Raises Unheard."""
        read_state(self._transport.ask(f"/predictions/{remote_id}/cancel", method="POST", seconds=seconds))

    def _place(self, request: ImageRequest, seconds: float) -> str:
        """How the input names the photo. Raises StepError; then nothing was asked for yet."""
        if len(request.photo) <= self._inline_bytes:
            return as_data_url(request.photo)
        try:
            address = self._upload(request.photo, seconds)
        except StepError as exc:
            exc.outcome = "unsent"
            raise
        request.check()  # that may have taken its time
        return address

    def _upload(self, photo: bytes, seconds: float) -> str:
        """The address of an uploaded photo. An upload buys nothing. Raises StepError."""
        content = {"content": ("photo.jpg", photo, "image/jpeg")}
        try:
            answer = self._transport.ask("/files", method="POST", seconds=seconds, files=content)
        except Unheard as exc:
            if exc.__cause__ is not None and never_connected(exc.__cause__):
                raise Away(refused=True, detail=str(exc)) from exc
            raise Transient("The photo could not be uploaded.", detail=str(exc)) from exc
        if answer.status not in ACCEPTED:
            raise _refusal_of(answer)
        urls = answer.read_object().get("urls")
        url = urls.get("get") if isinstance(urls, dict) else None
        if not isinstance(url, str) or not url:
            raise BadAnswer("The provider's answer names no uploaded photo.")
        return url

    def _fetch(self, output: Any, seconds: float) -> Done:
        """The pictures of an output: an address or a list of them, as the model has it. Raises BadAnswer."""
        urls = output if isinstance(output, list) else [output]
        if not urls:
            raise BadAnswer("The provider's answer holds no picture.")
        return Done(tuple(self._results.fetch(url, seconds) for url in urls))


def _place_of(model: str) -> tuple[str, dict[str, str]]:
    """Where predictions of a model are asked for, and what the body says of its version."""
    if official := OFFICIAL.fullmatch(model):
        owner, name = (quote(part, safe="") for part in official.groups())
        return f"/models/{owner}/{name}/predictions", {}
    return "/predictions", {"version": model}


def _refusal_of(answer: Answer) -> StepError:
    codes = _codes_in(read_refusal(answer).get("detail"))
    return error_of(answer, CODES.find(*codes), " ".join(codes), retry_after=_wait_named_in(answer))


def _failure_of(answer: Answer, error: Any) -> StepError:
    codes = _codes_in(error)
    if found := CODES.find(*codes):
        return error_of(answer, found, " ".join(codes))
    return ExecutionFailed("The provider failed to make the picture.", detail=" ".join(codes))


def _codes_in(text: Any) -> list[str]:
    return KNOWN.findall(text[:TEXT_CHARACTERS]) if isinstance(text, str) else []


def _wait_named_in(answer: Answer) -> float | None:
    """The seconds that the text of a refusal names."""
    text = read_refusal(answer).get("detail") if answer.status == 429 else None
    named = RESETS.search(text[:TEXT_CHARACTERS]) if isinstance(text, str) else None
    return read_retry_after(named[1]) if named else None
