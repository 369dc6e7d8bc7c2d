"""ComfyUI over HTTP: one class, one method for each thing we ask of a server. The only place that knows its JSON.

Facts are those measured on 0.3.64: 200 with node_errors is a refusal; queue_pending comes in heap order; history says
{} for unknown, queued and running alike. Every call has a connect, a silence and a total limit, and no POST is ever
repeated by the library. We send no `number`, no `front`, no interrupt without an id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from jobs.errors.steps import Away, BadAnswer, Busy, OutcomeUnknown, Transient, WorkflowRejected
from jobs.styles.graph import Catalog, Graph
from jobs.wire import CutShort, TooLarge, TooSlow, never_connected, read_body, read_retry_after

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 10.0
CONTROL_SECONDS = 20.0
UPLOAD_SECONDS = 15.0
"""For connecting and sending together: urllib3 sends the body under the connect limit."""
VIEW_SECONDS = 60.0
CONTROL_BYTES = 32_000_000
VIEW_BYTES = 64_000_000


@dataclass(frozen=True)
class QueueView:
    """Prompt ids at a server: those that run (at most one) and those that wait, in the order they will run."""

    running: tuple[str, ...]
    pending: tuple[str, ...]

    def __contains__(self, prompt_id: str) -> bool:
        return prompt_id in self.running or prompt_id in self.pending


@dataclass(frozen=True)
class ImageRef:
    """Where a result lies at its server."""

    filename: str
    subfolder: str
    type: str


@dataclass(frozen=True)
class Ending:
    """How a prompt ended: `success`, `error` or `interrupted`; its pictures by node; what went wrong."""

    status: str
    images: dict[str, list[ImageRef]]
    error: str


class ComfyuiClient:
    """One server. Not for sharing between threads."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(max_retries=0))
        self._session.mount("https://", HTTPAdapter(max_retries=0))

    def close(self) -> None:
        """Give back the connections."""
        self._session.close()

    def upload(self, data: bytes, name: str, subfolder: str) -> str:
        """Put a JPEG into the server's input folder; returns the name for LoadImage: the server chooses it."""
        answer = self._json(
            "POST",
            "/upload/image",
            files={"image": (name, data, "image/jpeg")},
            data={"type": "input", "subfolder": subfolder},
            connect=UPLOAD_SECONDS,
            total=UPLOAD_SECONDS + CONTROL_SECONDS,
        )
        given, folder = _text(answer, "name"), answer.get("subfolder", "")
        return f"{folder}/{given}" if folder else given

    def submit(self, graph: Graph, *, prompt_id: str, client_id: str) -> None:
        """Queue a graph under our own id.

        Raises Away (not a byte was sent), WorkflowRejected, Busy; OutcomeUnknown, Transient or BadAnswer when only a
        look-up by the id can tell whether the prompt is there.
        """
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
        try:
            status, raw, headers = self._request("POST", "/prompt", json_body=body)
        except Away as exc:
            if exc.refused:
                raise
            raise OutcomeUnknown("The server did not answer a submission.", detail=exc.detail) from exc
        if status in (429, 503):
            raise Busy(retry_after=read_retry_after(headers.get("Retry-After")))
        if status == 400:
            raise WorkflowRejected(detail=_explain_refusal(raw))
        if status == 413:
            raise WorkflowRejected("The server takes no request of this size.")
        if status != 200:
            raise Transient(detail=f"POST /prompt answered {status}")
        answer = _parse(raw)
        errors = answer.get("node_errors")
        if not isinstance(errors, dict) or answer.get("prompt_id") != prompt_id:
            raise BadAnswer("The server answered a submission with something else.")
        if errors:
            raise WorkflowRejected(detail=_explain_refusal(raw), outcome="failed")

    def queue(self) -> QueueView:
        """What runs and waits at the server. Raises Away, Transient, BadAnswer."""
        answer = self._json("GET", "/queue")
        try:
            running = tuple(str(item[1]) for item in answer["queue_running"])
            pending = tuple(str(item[1]) for item in sorted(answer["queue_pending"], key=lambda item: float(item[0])))
        except (KeyError, IndexError, TypeError, ValueError) as exc:
            raise BadAnswer("The server's queue cannot be read.") from exc
        return QueueView(running, pending)

    def history(self, prompt_id: str) -> Ending | None:
        """How a prompt ended; None while it has not, or was never there. Raises Away, Transient, BadAnswer."""
        answer = self._json("GET", f"/history/{quote(prompt_id, safe='')}")
        if prompt_id not in answer:
            return None
        return _read_ending(answer[prompt_id])

    def view(self, ref: ImageRef) -> bytes:
        """A result's file. Raises Away, Transient, BadAnswer (also when it is not there)."""
        status, raw, _ = self._request(
            "GET",
            "/view",
            params={"filename": ref.filename, "subfolder": ref.subfolder, "type": ref.type},
            total=VIEW_SECONDS,
            limit=VIEW_BYTES,
        )
        if status >= 500:
            raise Transient(detail=f"GET /view answered {status}")
        if status != 200:
            raise BadAnswer(
                "The server does not have the picture that it named.", detail=f"GET /view answered {status}"
            )
        return raw

    def delete(self, prompt_id: str) -> None:
        """Take a waiting prompt out of the queue; one that runs or is unknown is left as it is."""
        self._request("POST", "/queue", json_body={"delete": [prompt_id]})

    def interrupt(self, prompt_id: str) -> None:
        """Stop a prompt if it runs; no other is touched."""
        self._request("POST", "/interrupt", json_body={"prompt_id": prompt_id})

    def forget(self, prompt_ids: Sequence[str]) -> None:
        """Take prompts out of the history, which tells what a guest wrote. Raises Away, Transient."""
        status, _, _ = self._request("POST", "/history", json_body={"delete": list(prompt_ids)})
        if status != 200:
            raise Transient(detail=f"POST /history answered {status}")

    def catalog(self) -> Catalog:
        """The server's node classes and the values they allow. Raises Away, Transient, BadAnswer."""
        return read_catalog(self._json("GET", "/object_info"))

    def _json(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        status, raw, headers = self._request(method, path, **kwargs)
        if status in (429, 503):
            raise Busy(retry_after=read_retry_after(headers.get("Retry-After")))
        if status >= 500:
            raise Transient(detail=f"{method} {path.split('/')[1]} answered {status}")
        if status != 200:
            raise BadAnswer(detail=f"{method} {path.split('/')[1]} answered {status}")
        return _parse(raw)

    def _request(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        connect: float = CONNECT_SECONDS,
        total: float = CONTROL_SECONDS,
        limit: int = CONTROL_BYTES,
        **kwargs: Any,
    ) -> tuple[int, bytes, Any]:
        if json_body is not None:
            kwargs["data"] = json.dumps(json_body, allow_nan=False)
            kwargs["headers"] = {"Content-Type": "application/json"}
        ends_at = time.monotonic() + total
        try:
            with self._session.request(
                method,
                self.url + path,
                timeout=(connect, SILENCE_SECONDS),
                allow_redirects=False,
                stream=True,
                **kwargs,
            ) as response:
                return response.status_code, read_body(response, ends_at=ends_at, limit=limit), response.headers
        except TooLarge as exc:
            raise BadAnswer("The server's answer is too large.") from exc
        except CutShort as exc:
            raise BadAnswer("The server's answer ended early.") from exc
        except TooSlow as exc:
            raise Away("The server's answer takes too long.", detail="slow answer") from exc
        except (requests.RequestException, HTTPError, OSError) as exc:
            raise Away(refused=never_connected(exc), detail=type(exc).__name__) from exc


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise BadAnswer("The server's answer is not JSON.") from exc
    if not isinstance(answer, dict):
        raise BadAnswer("The server's answer is not a JSON object.")
    return answer


def _text(answer: dict[str, Any], key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str) or not value:
        raise BadAnswer(f"The server's answer has no {key}.")
    return value


def _read_ending(entry: Any) -> Ending:
    try:
        status = entry["status"]
        messages = {name: data for name, data in status.get("messages", [])}
        images = {
            str(node): [
                ImageRef(str(image["filename"]), str(image.get("subfolder", "")), str(image.get("type", "output")))
                for image in output.get("images", [])
            ]
            for node, output in entry.get("outputs", {}).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise BadAnswer("The server's history cannot be read.") from exc
    if status.get("status_str") == "success":
        return Ending("success", images, "")
    if "execution_interrupted" in messages:
        return Ending("interrupted", images, "interrupted")
    error = messages.get("execution_error", {})
    if not isinstance(error, dict):
        raise BadAnswer("The server's history cannot be read.")
    return Ending("error", images, f"{error.get('node_type', '?')}: {error.get('exception_type', '?')}")


def _explain_refusal(raw: bytes) -> str:
    """The kinds of errors a refusal names. Messages are left out: they quote values, which may be a guest's text."""
    try:
        answer = json.loads(raw)
        kinds = {
            f"{node.get('class_type')}: {error.get('type')}"
            for node in answer.get("node_errors", {}).values()
            for error in node.get("errors", [])
        }
        error = answer.get("error")
        if isinstance(error, dict):
            kinds.add(str(error.get("type")))
        return ", ".join(sorted(kinds))
    except (ValueError, AttributeError, TypeError, RecursionError):
        return "refused without a readable reason"


def read_catalog(object_info: dict[str, Any]) -> Catalog:
    """/object_info as a catalog: each node class, its inputs and the values allowed for them. Raises BadAnswer."""
    try:
        return {
            str(name): {
                str(key): _choices(spec)
                for group in ("required", "optional")
                for key, spec in ((node.get("input") or {}).get(group) or {}).items()
            }
            for name, node in object_info.items()
        }
    except (AttributeError, TypeError) as exc:
        raise BadAnswer("The server's list of nodes cannot be read.") from exc


def _choices(spec: Any) -> list[Any] | None:
    if not isinstance(spec, list) or not spec:
        return None
    details = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    if any(key.endswith("_upload") for key in details):
        return None  # the files of others; what we need there we upload
    if isinstance(spec[0], list):
        return list(spec[0])
    if spec[0] == "COMBO" and isinstance(details.get("options"), list):
        return list(details["options"])
    return None
