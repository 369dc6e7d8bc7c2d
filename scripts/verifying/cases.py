"""The calls whose wire form is compared: what is asked, what is answered to both sides, how they may differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.verifying.comparing import ABSENT, Known
from scripts.verifying.making import LARGE_PHOTO, PHOTO, PICTURE, PICTURE_URL
from scripts.verifying.servers import in_base64


@dataclass(frozen=True)
class Route:
    """One kind of request: where it goes, and what is answered, the last answer for ever. `<base>` is our address."""

    step: str
    method: str
    path: str
    answers: tuple[Any, ...]
    status: int = 200

    def fits(self, method: str, path: str) -> bool:
        return method == self.method and re.fullmatch(self.path, path) is not None


@dataclass(frozen=True)
class Case:
    """One call, made by our provider and by the vendor's library. `path` follows the address that both are given."""

    provider: str
    name: str
    package: str
    script: str
    path: str
    model: str
    parameters: Mapping[str, Any]
    """What a style sets."""
    routes: tuple[Route, ...]
    known: Mapping[str, tuple[Known, ...]] = field(default_factory=dict)
    """By step; those of "*" hold for each."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the library's side is told in other words than ours."""
    photo: bytes = PHOTO


IMAGES = {"created": 1, "data": [{"b64_json": in_base64(PICTURE), "url": None}]}

OPENAI = Case(
    provider="openai",
    name="edit",
    package="openai",
    script="with_openai.py",
    path="/v1",
    model="gpt-image-1",
    parameters={
        "size": "1024x1536",
        "quality": "low",
        "output_format": "jpeg",
        "output_compression": 80,
        "background": "opaque",
        "input_fidelity": "high",
        "n": 1,
    },
    routes=(Route("submit", "POST", "/v1/images/edits", (IMAGES,)),),
    known={"*": (Known("header x-stainless-*", "telemetry of the library", may_be_missing=True),)},
)

SILICONFLOW = Case(
    provider="siliconflow",
    name="generation",
    package="openai",
    script="with_openai_generations.py",
    path="/v1",
    model="Qwen/Qwen-Image-Edit-2509",
    parameters={"num_inference_steps": 20, "guidance_scale": 7.5},
    routes=(Route("submit", "POST", "/v1/images/generations", ({"images": [{"url": PICTURE_URL}]},)),),
    known=OPENAI.known,
)

ARK = Case(
    provider="ark",
    name="generation",
    package="volcengine-python-sdk",
    script="with_ark.py",
    path="/api/v3",
    model="doubao-seedream-4-5-251128",
    parameters={"size": "2K", "watermark": False, "seed": 7},
    routes=(Route("submit", "POST", "/api/v3/images/generations", (IMAGES,)),),
    known={
        "submit": (
            Known("json.*", "the library writes null for what was not given", ours=ABSENT, theirs="null"),
            Known("header x-client-request-id", "made up by the library for its own support", ours=ABSENT),
        )
    },
)

GEMINI_PHOTO = "json.contents[0].parts[1].inlineData"
GEMINI = Case(
    provider="gemini",
    name="generateContent",
    package="google-genai",
    script="with_gemini.py",
    path="/v1beta",
    model="gemini-3-pro-image",
    parameters={"aspectRatio": "2:3", "imageSize": "2K"},
    routes=(
        Route(
            "submit",
            "POST",
            "/v1beta/models/gemini-3-pro-image:generateContent",
            (
                {
                    "candidates": [
                        {
                            "content": {
                                "role": "model",
                                "parts": [{"inlineData": {"mimeType": "image/jpeg", "data": in_base64(PICTURE)}}],
                            },
                            "finishReason": "STOP",
                        }
                    ],
                    "responseId": "r-1",
                },
            ),
        ),
    ),
    known={
        "submit": (
            Known("header x-goog-api-client", "telemetry of the library", ours=ABSENT),
            # Protobuf's JSON, which this API speaks, takes both; the documents show what we send.
            Known(f"{GEMINI_PHOTO}.mimeType", "the documents' spelling", theirs=ABSENT),
            Known(f"{GEMINI_PHOTO}.mime_type", "the library's spelling", ours=ABSENT),
            Known(f"{GEMINI_PHOTO}.data", "base64 in either alphabet", '"<photo base64>"', '"<photo base64url>"'),
        )
    },
)


def _prediction(status: str, output: Any = None) -> dict[str, Any]:
    return {
        "id": "p1",
        "model": "o/m",
        "version": "v1",
        "status": status,
        "input": {},
        "output": output,
        "error": None,
        "logs": "",
        "urls": {"get": "<base>/v1/predictions/p1", "cancel": "<base>/v1/predictions/p1/cancel"},
        "created_at": "2026-11-24T10:00:00Z",
    }


UPLOADED = {
    "id": "f1",
    "name": "photo.jpg",
    "content_type": "image/jpeg",
    "size": 1,
    "etag": "e",
    "checksums": {},
    "metadata": {},
    "created_at": "2026-11-24T10:00:00Z",
    "expires_at": "2026-11-25T10:00:00Z",
    "urls": {"get": "<base>/v1/files/f1"},
}
REPLICATE_ROUTES = (
    Route("upload", "POST", "/v1/files", (UPLOADED,), 201),
    Route("submit", "POST", r"/v1/(models/[^/]+/[^/]+/)?predictions", (_prediction("starting"),), 201),
    Route(
        "poll",
        "GET",
        "/v1/predictions/p1",
        (_prediction("processing"), _prediction("succeeded", [PICTURE_URL])),
    ),
    Route("cancel", "POST", "/v1/predictions/p1/cancel", (_prediction("canceled"),)),
)


def _replicate(name: str, model: str, photo_field: str, photo: bytes, encoding: str) -> Case:
    return Case(
        provider="replicate",
        name=name,
        package="replicate",
        script="with_replicate.py",
        path="/v1",
        model=model,
        parameters={"aspect_ratio": "2:3"},
        routes=REPLICATE_ROUTES,
        told={"photo_field": photo_field, "encoding": encoding},
        photo=photo,
        known={
            "submit": (Known("header cancel-after", "our deadline, should nobody live to cancel it", theirs=ABSENT),)
        },
    )


REPLICATE = (
    _replicate("official model", "black-forest-labs/flux-kontext-pro", "input_image", PHOTO, "base64"),
    _replicate("version, large photo", f"owner/name:{'5c' * 32}", "input_image", LARGE_PHOTO, "url"),
)

COMPLETED = {"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 1.0}}
FAL_REQUEST = "/fal-ai/flux-pro/requests/r1"
FAL = Case(
    provider="fal",
    name="queue",
    package="fal-client",
    script="with_fal.py",
    path="",
    model="fal-ai/flux-pro/kontext",
    parameters={"guidance_scale": 3.5, "num_images": 1},
    routes=(
        Route(
            "submit",
            "POST",
            "/fal-ai/flux-pro/kontext",
            (
                {
                    "request_id": "r1",
                    "status_url": f"<base>{FAL_REQUEST}/status",
                    "response_url": f"<base>{FAL_REQUEST}",
                    "cancel_url": f"<base>{FAL_REQUEST}/cancel",
                    "queue_position": 0,
                },
            ),
        ),
        Route("poll", "GET", f"{FAL_REQUEST}/status", ({"status": "IN_PROGRESS", "logs": None}, COMPLETED)),
        Route("result", "GET", FAL_REQUEST, ({"images": [{"url": PICTURE_URL}], "has_nsfw_concepts": [False]},)),
        Route("cancel", "PUT", f"{FAL_REQUEST}/cancel", ({"status": "CANCELLATION_REQUESTED"},)),
    ),
    told={"photo_field": "image_url"},
    known={
        "submit": (
            Known("header x-fal-no-retry", "when to try again is decided by the farm", theirs=ABSENT),
            Known("header x-fal-request-timeout", "our deadline", theirs=ABSENT),
        ),
        "poll": (Known("query logs", "the library says that it wants none", ours=ABSENT, theirs="false"),),
    },
)


SLIPPED_IN = Known("json.parameters.is_async", "an argument of the library's own that slips in", ours=ABSENT)


def _dashscope(mode: str, path: str, answer: Mapping[str, Any], model: str, **parameters: Any) -> Case:
    ours = {} if mode == "task" else {"mode": mode}
    picture = {
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": [{"image": PICTURE_URL}]}}]
    }
    if mode == "image2image":
        picture = {"results": [{"url": PICTURE_URL}]}
    running, succeeded = ({"task_id": "t1", "task_status": status} for status in ("RUNNING", "SUCCEEDED"))
    return Case(
        provider="dashscope",
        name=mode,
        package="dashscope",
        script="with_dashscope.py",
        path="/api/v1",
        model=model,
        parameters=parameters | ours,
        told={"mode": mode, "parameters": parameters},
        routes=(
            Route(
                "submit", "POST", f"/api/v1/services/aigc/{path}", ({"request_id": "r1", "output": answer or picture},)
            ),
            Route(
                "poll",
                "GET",
                "/api/v1/tasks/t1",
                ({"request_id": "r2", "output": running}, {"request_id": "r3", "output": succeeded | picture}),
            ),
            Route("cancel", "POST", "/api/v1/tasks/t1/cancel", ({"request_id": "r4"},)),
        ),
        known={
            "*": (Known("header x-dashscope-sdk-*", "telemetry of the library", ours=ABSENT),),
            "submit": (
                Known("header content-type", "JSON is UTF-8 in any case", theirs="application/json; charset=utf-8"),
                *((SLIPPED_IN,) if mode == "task" else ()),
            ),
        },
    )


TASK = {"task_id": "t1", "task_status": "PENDING"}
DASHSCOPE = (
    _dashscope("task", "image-generation/generation", TASK, "wan2.6-image", n=1, size="1024*1536", watermark=False),
    _dashscope("sync", "multimodal-generation/generation", {}, "qwen-image-edit-plus", n=1, negative_prompt="blur"),
    _dashscope("image2image", "image2image/image-synthesis", TASK, "wan2.5-i2i-preview", n=1, watermark=False),
)

CASES: tuple[Case, ...] = (OPENAI, ARK, SILICONFLOW, GEMINI, *REPLICATE, FAL, *DASHSCOPE)
