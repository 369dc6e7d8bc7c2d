"""One table: domain error -> status and RFC 9457 problem body. Nothing else in the web tier makes an error answer."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from jobs.errors import FarmBusy, RequestError

log = logging.getLogger(__name__)

HTTP_SENTENCES = {
    400: ("bad_request", "The request is not well formed."),
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This cannot be done here."),
    413: ("too_large", "The request is larger than the farm takes."),
    415: ("unsupported_media_type", "Send the order as multipart/form-data."),
    416: ("range_not_satisfiable", "There is no such part of the picture."),
}


def problem(
    status: int, code: str, title: str, detail: str, *, retryable: bool = False, retry_after: int | None = None
) -> Response:
    """A problem+json answer."""
    body: dict[str, Any] = {
        "type": f"/api/v1/errors/{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "retryable": retryable,
        "request_id": g.get("request_id"),
    }
    if retry_after is not None:
        body["retry_after_s"] = retry_after
    response = jsonify(body)
    response.status_code = status
    response.content_type = "application/problem+json"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def register(app: Flask) -> None:
    """Answer every error of a request in one form."""

    @app.errorhandler(RequestError)
    def refuse(error: RequestError) -> Response:
        return problem(error.status, error.code, error.title, str(error))

    @app.errorhandler(FarmBusy)
    def put_off(error: FarmBusy) -> Response:
        return problem(error.status, error.code, error.title, str(error), retryable=True, retry_after=error.retry_after)

    @app.errorhandler(HTTPException)
    def explain(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return Response(status=status, headers=error.get_headers())
        code, sentence = HTTP_SENTENCES.get(status, ("error", "The request was not carried out."))
        return problem(status, code, error.name, sentence)

    @app.errorhandler(Exception)
    def apologize(error: Exception) -> Response:
        log.exception("a request failed with a defect", extra={"path": request.path, "request_id": g.get("request_id")})
        return problem(
            500, "defect", "Internal error", "Something went wrong in the farm; it is in the log.", retryable=True
        )
