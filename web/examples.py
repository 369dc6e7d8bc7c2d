"""Examples for the API's description: answers as they look, built as the models that real answers are built as, and
calls as curl makes them.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from web import schemas
from web.calls import Call
from web.inputs import Input

WIDTH = 90

_TASK: dict[str, Any] = {
    "task_id": "7b1f0c8e5a9d4e2f8a6b3c1d0e9f7a5b",
    "style": "poster",
    "status": "succeeded",
    "photo": {"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "index": 0},
    "progress": {"value": 1.0, "stage": "done", "message": "Done"},
    "position": 0,
    "eta_s": None,
    "eta_range_s": None,
    "reason": None,
    "images": [
        {
            "url": "/api/v1/images/kD3v0w9gTn2QmZ4sYp8h1wAAB4mZ0m9c2dJ1r7l5q8tWvXyKbE1uFh",
            "thumbnail_url": "/api/v1/images/kD3v0w9gTn2QmZ4sYp8h1wEAB4mZ4q2XwLr0c8sVnJt6yUa3ePdKfG",
            "content_type": "image/jpeg",
            "width": 1024,
            "height": 1536,
            "bytes": 412803,
            "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
            "made_by": {
                "resource": "comfyui",
                "provider": None,
                "model": None,
                "server": "http://10.0.0.11:8188",
                "alternative": False,
                "why": None,
            },
        }
    ],
    "steps": [{"index": 0, "resource": "comfyui", "status": "succeeded", "attempt": 1, "failures": 0}],
    "created_at": "2026-11-24T18:30:00.000Z",
    "started_at": "2026-11-24T18:30:01.250Z",
    "finished_at": "2026-11-24T18:30:09.800Z",
}
_ORDER = {
    "order_id": "booth1-0042",
    "booth": "booth-1",
    "status": "succeeded",
    "version": 7,
    "created_at": "2026-11-24T18:30:00.000Z",
    "tasks": [_TASK],
    "guest": {
        "code": "K7QX2M",
        "url": "https://farm.example/g/0f8fad5bd9cb469fa16570867728950e",
        "qr_url": "https://farm.example/g/0f8fad5bd9cb469fa16570867728950e/qr.svg",
    },
    "links": {
        "self": "/api/v1/orders/booth1-0042",
        "events": "/api/v1/orders/booth1-0042/events",
        "cancel": "/api/v1/orders/booth1-0042/cancel",
        "delete": "/api/v1/orders/booth1-0042",
    },
}
JUST_TAKEN = {
    "status": "queued",
    "version": 1,
    "tasks": [
        _TASK
        | {
            "status": "queued",
            "progress": {"value": 0.0, "stage": "queued", "message": "Waiting for its turn"},
            "position": 3,
            "eta_s": 11.4,
            "eta_range_s": {"low": 9.1, "high": 15.8},
            "images": [],
            "steps": [{"index": 0, "resource": "comfyui", "status": "queued", "attempt": 1, "failures": 0}],
            "started_at": None,
            "finished_at": None,
        }
    ],
}
"""What differs in an order that was taken a moment ago."""
_RESOURCES = {
    "comfyui": {"workers": 10, "busy": 4, "queued": 12, "limit": 10, "paused_until": None},
    "api": {"workers": 5, "busy": 0, "queued": 0, "limit": 5, "paused_until": None},
}
_EXAMPLES: dict[type[BaseModel], dict[str, Any]] = {
    schemas.Order: _ORDER,
    schemas.Task: _TASK,
    schemas.Styles: {
        "styles": [
            {
                "name": "poster",
                "title": {"en": "Poster", "zh": "海报"},
                "description": {"en": "Few flat colours", "zh": "少量平涂色彩"},
                "preview_url": "/api/v1/styles/poster/preview",
                "resources": ["comfyui"],
                "options": {
                    "type": "object",
                    "properties": {"colours": {"default": 8, "type": "integer", "minimum": 2, "maximum": 16}},
                },
                "available": True,
            }
        ]
    },
    schemas.Queue: {
        "queued": 12,
        "running": 4,
        "limit": 100,
        "wait_s": {"p50": 11.4, "p90": 19.02},
        "next_eta_range_s": {"poster": {"low": 12.5, "high": 21.0}, "watercolour-cloud": None},
        "accepting": True,
        "intake_paused_until": None,
        "resources": _RESOURCES,
        "providers": {
            "openai": {
                "busy": 0,
                "limit": 1,
                "paused_until": "2026-11-21T20:04:11.250Z",
                "paused_s": 6.4,
                "why": "rate",
            }
        },
    },
    schemas.Stats: {
        "total_submitted": 1204,
        "total_processed": 1188,
        "total_failed": 3,
        "current_queue_size": 12,
        "last_processed_time": "2026-11-24T18:30:09.800Z",
        "queue_size": 12,
        "queue_maxsize": 100,
        "is_running": True,
        "worker_count": 15,
        "resources": _RESOURCES,
    },
    schemas.Deleted: {
        "deleted": True,
        "receipt": {
            "order_id": "booth1-0042",
            "deleted_at": "2026-11-24T19:02:11.120Z",
            "tasks": 1,
            "files": 3,
            "may_remain": [
                {
                    "place": "comfyui",
                    "server": "http://10.0.0.11:8188",
                    "what": "input and output files, until swept there",
                    "until": "2026-11-24T20:02:11.120Z",
                }
            ],
        },
    },
    schemas.Pulse: {
        "server_time": "2026-11-24T18:30:00.000Z",
        "accepting": True,
        "message": "",
        "config_version": 1,
    },
}


def example_of(model: type[BaseModel], changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """An answer of this shape. Raises KeyError for a shape without one."""
    return model.model_validate(_EXAMPLES[model] | (changes or {})).model_dump(mode="json")


def curl_of(call: Call, path: str, method: str) -> str:
    """A call as one types it: `$FARM` is the farm's address, `$KEY` the booth's key."""
    words = ["curl", "-s"]
    if method != "GET":
        words[1:] = ["-s", "-X", method]
    if call.needs_key:
        words.append('-H "Authorization: Bearer $KEY"')
    for name, value in _examples_of(call.headers).items():
        words.append(f"-H '{name}: {value}'")
    if call.form:
        words.append("-F photo=@photo.jpg")
        words += [f"-F {_quote(f'{name}={_spell(value)}')}" for name, value in _examples_of(call.form).items()]
    if call.body:
        words.append(f"-H 'Content-Type: application/json' -d {_quote(json.dumps(_examples_of(call.body)))}")
    for name, value in _examples_of(call.path).items():
        path = path.replace(f"{{{name}}}", str(value))
    query = "&".join(f"{name}={value}" for name, value in _examples_of(call.query).items())
    words.append(f'"$FARM{path}{"?" + query if query else ""}"')
    return _fold(words)


def _examples_of(model: type[Input] | None) -> dict[str, Any]:
    if model is None:
        return {}
    properties = model.model_json_schema(by_alias=True)["properties"]
    return {name: given["examples"][0] for name, given in properties.items() if "examples" in given}


def _spell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _quote(text: str) -> str:
    return f"'{text}'" if set(text) & set(' {}"') else text


def _fold(words: list[str]) -> str:
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) < WIDTH:
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(f"  {word}")
    return "\n".join(lines)
