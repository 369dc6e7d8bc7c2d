"""One table: error -> status and RFC 9457 problem body. Nothing else in the web tier makes an error answer.

Whoever asks as a browser does, outside of the API, gets the same in words, as a page.
The farm's own codes are explained in jobs/errors/codes.py; here stand those of HTTP itself.
"""

from __future__ import annotations

import logging

from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException

from jobs.errors import FarmBusy, NotFound, RequestError, UnsupportedMedia
from jobs.errors.codes import ErrorCode, explain, list_codes
from web import schemas
from web.languages import translate

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
PAGE_TYPE = "text/html"
FOR_PROGRAMMERS = "Nothing; it is for whoever programs the booth."

METHOD_NOT_ALLOWED = ErrorCode(
    "method_not_allowed",
    405,
    "Method not allowed",
    "This cannot be done here.",
    "Do not repeat it. The header `Allow` names the methods that this address takes.",
    FOR_PROGRAMMERS,
)
TOO_LARGE = ErrorCode(
    "too_large",
    413,
    "Too large",
    "The request is larger than the farm takes.",
    "Send fewer or smaller photos at a time: at most 128 MB and 32 parts altogether, text fields of at most 64 kB.",
    "Set the camera or the booth to JPEG.",
)
RANGE_NOT_SATISFIABLE = ErrorCode(
    "range_not_satisfiable",
    416,
    "Range not satisfiable",
    "There is no such part of the picture.",
    "Fetch the whole picture, without the header `Range`.",
    FOR_PROGRAMMERS,
)
REQUEST_TIMEOUT = ErrorCode(
    "request_timeout",
    408,
    "Request timeout",
    "The request took too long to arrive; send it again.",
    "Send the same request again on a new connection: nothing is made twice.",
    "Look at the network between the booth and the farm; one request has TRANSFER_S seconds to arrive.",
    retryable=True,
)
HEADER_TOO_LARGE = ErrorCode(
    "header_too_large",
    431,
    "Header too large",
    "The request's header is larger than the farm takes.",
    "Send fewer and shorter headers: at most 16 kB altogether.",
    FOR_PROGRAMMERS,
)
NOT_IMPLEMENTED = ErrorCode(
    "not_implemented",
    501,
    "Not implemented",
    "The farm does not know this way of sending a request.",
    "Send the body with a Content-Length, or chunked, and in no other transfer encoding.",
    FOR_PROGRAMMERS,
)
HOST_NOT_ALLOWED = ErrorCode(
    "host_not_allowed",
    400,
    "Unknown host",
    "This address is not one of the farm's.",
    "Use the address that the farm was set up with.",
    "Add the name that booths use to ALLOWED_HOSTS, or set PUBLIC_URL, and restart the web.",
)
FOREIGN_ORIGIN = ErrorCode(
    "foreign_origin",
    403,
    "Forbidden",
    "This form was sent from another site.",
    "Booths never meet this: it guards the operators' pages.",
    "Open the operators' pages by the farm's own address and press the button there.",
)
CSRF = ErrorCode(
    "csrf",
    403,
    "Forbidden",
    "The form has expired; load the page again.",
    "Booths never meet this: it guards the operators' pages.",
    "Load the page again, log in if asked, and press the button once more.",
)
NOT_PERMITTED = ErrorCode(
    "not_permitted",
    403,
    "Not permitted",
    "Your role does not allow this.",
    "Booths never meet this: it guards the operators' pages.",
    "Ask the owner, who gives roles on the page Operators.",
)
METRICS_TOKEN = ErrorCode(
    "metrics_token",
    401,
    "Not authenticated",
    "Send METRICS_TOKEN as a bearer token.",
    "Booths never meet this: it guards the metrics.",
    "Give Prometheus the token that METRICS_TOKEN holds.",
)
METRICS_LOCAL = ErrorCode(
    "metrics_local",
    403,
    "Forbidden",
    "Without METRICS_TOKEN only this machine may read the metrics.",
    "Booths never meet this: it guards the metrics.",
    "Set METRICS_TOKEN, restart the web, and give the token to Prometheus.",
)
ERROR = ErrorCode(
    "error",
    400,
    "Not carried out",
    "The request was not carried out.",
    "Do not repeat it as it is. The status says what HTTP thinks of the request.",
    FOR_PROGRAMMERS,
)
DEFECT = ErrorCode(
    "defect",
    500,
    "Internal error",
    "Something went wrong in the farm; it is in the log.",
    "Keep the photo and repeat the same request after half a minute, a few times: nothing is made twice.",
    "Look for the request's id in the web's log, and report it with the lines around it.",
    retryable=True,
)

BY_STATUS = {
    400: explain(RequestError),
    404: explain(NotFound),
    405: METHOD_NOT_ALLOWED,
    408: REQUEST_TIMEOUT,
    413: TOO_LARGE,
    415: explain(UnsupportedMedia),
    416: RANGE_NOT_SATISFIABLE,
    431: HEADER_TOO_LARGE,
    501: NOT_IMPLEMENTED,
}
CODES: dict[str, ErrorCode] = list_codes() | {
    one.code: one
    for one in (
        METHOD_NOT_ALLOWED,
        TOO_LARGE,
        RANGE_NOT_SATISFIABLE,
        REQUEST_TIMEOUT,
        HEADER_TOO_LARGE,
        NOT_IMPLEMENTED,
        HOST_NOT_ALLOWED,
        FOREIGN_ORIGIN,
        CSRF,
        NOT_PERMITTED,
        METRICS_TOKEN,
        METRICS_LOCAL,
        ERROR,
        DEFECT,
    )
}
"""Every code that an answer can carry."""


def describe(
    code: ErrorCode,
    detail: str = "",
    *,
    request_id: str | None,
    status: int | None = None,
    retry_after: int | None = None,
    fields: dict[str, str] | None = None,
) -> schemas.Problem:
    """The body of a refusal. `detail` is the code's meaning unless there is more to say."""
    return schemas.Problem(
        type=f"/api/v1/errors/{code.code}",
        title=code.title,
        status=status or code.status,
        detail=detail or code.meaning,
        code=code.code,
        retryable=code.retryable,
        retry_after_s=retry_after,
        errors=[schemas.FieldError(field=name, detail=text) for name, text in fields.items()] if fields else None,
        request_id=request_id,
    )


def problem(
    code: ErrorCode,
    detail: str = "",
    *,
    status: int | None = None,
    retry_after: int | None = None,
    fields: dict[str, str] | None = None,
) -> Response:
    """A problem+json answer to the running request, or a page that says it to people."""
    body = describe(code, detail, request_id=g.get("request_id"), status=status, retry_after=retry_after, fields=fields)
    if wants_page():
        page = render_template(
            "refused.html", title=translate(code.title), message=translate(body.detail), again=code.retryable
        )
        response = Response(page, body.status, mimetype=PAGE_TYPE)
    else:
        response = Response(body.model_dump_json(), body.status, content_type=PROBLEM_TYPE)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if body.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def wants_page() -> bool:
    """Does a person read the answer? Browsers like HTML better than JSON; scripts and booths do not say so."""
    accepted = request.accept_mimetypes
    return not request.path.startswith("/api/") and accepted[PAGE_TYPE] > accepted["application/json"]


def register(app: Flask) -> None:
    """Answer every error of a request in one form."""

    @app.errorhandler(RequestError)
    def refuse(error: RequestError) -> Response:
        return problem(explain(type(error)), str(error), fields=error.fields)

    @app.errorhandler(FarmBusy)
    def put_off(error: FarmBusy) -> Response:
        return problem(explain(type(error)), str(error), retry_after=error.retry_after)

    @app.errorhandler(HTTPException)
    def decline(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return Response(status=status, headers=error.get_headers())
        response = problem(BY_STATUS.get(status, ERROR), status=status)
        for name, value in error.get_headers():  # such as Allow, Content-Range
            response.headers.setdefault(name, value)
        return response

    @app.errorhandler(Exception)
    def apologize(error: Exception) -> Response:
        log.exception("a request failed with a defect", extra={"route": str(request.url_rule)})
        return problem(DEFECT, retry_after=30)
