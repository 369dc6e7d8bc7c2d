"""The kiosk page /booth: a booth in a browser, and the example for whoever writes another one.

The server renders the page and its words, no more. Whatever the kiosk does goes through the booth API with the key that
the browser keeps; so this page needs no login, and shows nothing of the farm.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template
from flask_babel import force_locale, get_locale

from jobs.engine.retries import REASONS
from web.booth_words import WORDS
from web.errors import CODES
from web.languages import LANGUAGES, TAGS, translate

booth = Blueprint("booth", __name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self)",
    "Cache-Control": "no-cache",
}
"""Photos and previews are blobs of the browser; nothing but the camera is asked for."""


@booth.get("/booth")
def show_kiosk() -> Response:
    """The kiosk."""
    return Response(render_template("booth.html", words=_collect_words()), headers=HEADERS)


def _collect_words() -> dict[str, Any]:
    """Every text in every language, since a guest switches without the network:

    `{"first": code, "languages": {code: {"tag", "name", "words": {key: text}, "problems": {code: text}, "sentences":
    {English: text}}}}`. `problems` says what a refusal means, `sentences` why a picture was not made.
    """
    languages = {}
    for code, name in LANGUAGES.items():
        with force_locale(code):
            languages[code] = {
                "tag": TAGS[code],
                "name": name,
                "words": {key: str(text) for key, text in WORDS.items()},
                "problems": {problem.code: translate(problem.meaning) for problem in CODES.values()},
                "sentences": {sentence: translate(sentence) for sentence in REASONS.values()},
            }
    return {"first": str(get_locale()), "languages": languages}
