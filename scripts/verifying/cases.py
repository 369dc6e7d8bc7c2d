"""The calls whose wire form is compared: what is asked, what is answered to both sides, how they may differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.cloud.results import DATA_URL
from scripts.verifying.comparing import Known
from scripts.verifying.making import PHOTO, PICTURE
from scripts.verifying.servers import in_base64

PICTURE_URL = f"{DATA_URL}image/jpeg;base64,{in_base64(PICTURE)}"


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
    library: str
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
    times: Mapping[str, int] = field(default_factory=dict)


IMAGES = {"created": 1, "data": [{"b64_json": in_base64(PICTURE), "url": None}]}

OPENAI = Case(
    provider="openai",
    name="edit",
    library="openai",
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
    library="openai",
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
    library="volcengine-python-sdk",
    script="with_ark.py",
    path="/api/v3",
    model="doubao-seedream-4-5-251128",
    parameters={"size": "2K", "watermark": False, "seed": 7},
    routes=(Route("submit", "POST", "/api/v3/images/generations", (IMAGES,)),),
    known={
        "submit": (
            Known("json.*", "the library writes null for what was not given", ours="(absent)", theirs="null"),
            Known("header x-client-request-id", "made up by the library for its own support", ours="(absent)"),
        )
    },
)

GEMINI = Case(
    provider="gemini",
    name="generateContent",
    library="google-genai",
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
    known={"submit": (Known("header x-goog-api-client", "telemetry of the library", ours="(absent)"),)},
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
        library="replicate",
        script="with_replicate.py",
        path="/v1",
        model=model,
        parameters={"aspect_ratio": "2:3"},
        routes=REPLICATE_ROUTES,
        told={"photo_field": photo_field, "encoding": encoding},
        photo=photo,
    )


CASES: tuple[Case, ...] = (OPENAI, ARK, SILICONFLOW, GEMINI)
