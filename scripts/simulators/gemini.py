"""A stand-in for Gemini's image models: generateContent, the picture inside the answer.

`StandIn` lives inside a test; `python -m scripts.simulators.gemini --port 8340` is a process of its own.
"""

import base64
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts.simulators.cloud import CloudApi, CloudStandIn, Job, draw_posters, new_id, run_as_process
from scripts.simulators.gemini_requests import GeminiError, GeminiRequest, check_gemini, invalid

TOKENS_PER_IMAGE = 1290


class GeminiApi(CloudApi):
    """The API. A client that stops waiting gives its call up."""

    TITLE = "Gemini images"
    BASE_PATH = "/v1beta"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for version in ("v1beta", "v1"):
            router.add_post(f"/{version}/models/{{model:[^/:]+}}:generateContent", self._generate)
        router.add_route("*", "/{rest:.*}", self._refuse_path)

    @property
    def refuse_in_dialect(self) -> Any:
        return refuse_in_dialect

    async def _generate(self, request: web.Request) -> web.Response:
        if not request.headers.get("x-goog-api-key", "").strip():
            raise GeminiError(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.")
        try:
            document = await request.json()
        except ValueError:
            raise invalid("Invalid JSON payload received.") from None
        model = request.match_info["model"]
        order = check_gemini(model, document, len(await request.read()))
        job = await self.accept(
            new_id(),
            [("inlineData", photo) for photo in order.photos],
            lambda: draw_posters(order.photos, order.prompt, order.size) if order.wants_image else [],
            path=request.path,
            model=model,
            size="x".join(map(str, order.size)),
            count=1,
        )
        await self.wait(job)
        if job.outcome != "success":
            raise GeminiError(500, "INTERNAL", "An internal error has occurred. Please retry or report.")
        return web.json_response(answer_to(order, model, job))

    async def _refuse_path(self, request: web.Request) -> web.Response:
        raise web.HTTPNotFound


class StandIn(CloudStandIn[GeminiApi]):
    """One API on loopback inside a test."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, log: Path | None = None) -> None:
        super().__init__(GeminiApi(seconds=seconds, log=log), port=port)


@web.middleware
async def refuse_in_dialect(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except GeminiError as error:
        return web.json_response(error.body, status=error.status)
    return answer


def answer_to(order: GeminiRequest, model: str, job: Job) -> dict[str, Any]:
    """What was made, after a sentence where text was not ruled out."""
    parts: list[dict[str, Any]] = [{"text": "Here is your picture."}] if order.wants_text else []
    for picture in job.made:
        parts.append({"inlineData": {"mimeType": "image/png", "data": base64.b64encode(picture).decode()}})
    asked, made = len(order.prompt) // 4 + 1 + 258 * len(order.photos), TOKENS_PER_IMAGE * len(job.made)
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": asked, "candidatesTokenCount": made, "totalTokenCount": asked + made},
        "modelVersion": model,
        "responseId": job.id,
    }


def main() -> None:
    run_as_process(GeminiApi, "scripts.simulators.gemini", 8340)


if __name__ == "__main__":
    main()
