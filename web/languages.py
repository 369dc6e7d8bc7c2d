"""Which language a page speaks, and in which zone it shows times. English is the source.

The other language's catalog is read from its source, messages.po, when the web starts: there is nothing to compile or
to forget, and a farm that is run by a user who may only read speaks both languages all the same.
"""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, Response, request
from flask_babel import Babel, Domain, get_locale, gettext

from web.context import farm

LANGUAGES = {"en": "English", "zh": "中文"}
"""Code -> what the language calls itself, in the order of the switch."""
TRANSLATED = tuple(code for code in LANGUAGES if code != "en")
TAGS = {"en": "en", "zh": "zh-CN"}
"""Code -> what `lang` attributes say, so that a browser picks the right glyphs."""
COOKIE = "lang"
COOKIE_SECONDS = 365 * 86_400
FOLDER = Path(__file__).parent / "translations"
FORMATS = {
    "moment": "%m-%d %H:%M:%S",
    "full": "%Y-%m-%d %H:%M:%S",
    "clock": "%H:%M",
    "second": "%H:%M:%S",
    "day": "%Y-%m-%d",
    "exact": "%H:%M:%S.%f",
}
"""How times look, by what they are needed for; `exact` ends with milliseconds."""


class Catalogs(Domain):
    """Flask-Babel's domain, with catalogs that are held in memory instead of compiled files."""

    def __init__(self, catalogs: dict[str, Translations]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # theirs
        self._catalogs = catalogs

    def get_translations(self) -> NullTranslations:
        """Those of the running request's language; English needs none."""
        return self._catalogs.get(str(get_locale()), NullTranslations())


def register(app: Flask) -> None:
    """Let pages choose their language and show the venue's time."""
    babel = Babel(app, default_locale="en", locale_selector=choose_language)  # type: ignore[no-untyped-call]  # theirs
    babel.domain_instance = Catalogs({code: read_catalog(code) for code in TRANSLATED})
    app.add_template_filter(show_local, "local")
    app.add_template_filter(translate, "translated")
    app.context_processor(_describe_language)
    app.after_request(_remember_language)


def catalog_path(language: str) -> Path:
    """Where a language's catalog is."""
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


def read_catalog(language: str) -> Translations:
    """A language's translations, from their source."""
    with catalog_path(language).open("rb") as source:
        catalog = read_po(source, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)


def choose_language() -> str:
    """Asked for in the address, else chosen before, else the first that the browser likes of ours, else English."""
    for chosen in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if chosen in LANGUAGES:
            return str(chosen)
    liked = (tag.split("-")[0].lower() for tag in request.accept_languages.values())  # the best first
    return next((language for language in liked if language in LANGUAGES), "en")


def translate(text: object) -> str:
    """A sentence or word that is decided while the farm runs, such as a status; what has no translation stays."""
    return str(gettext(str(text))) if text else ""


def show_local(moment: datetime | str | None, form: str = "moment") -> str:
    """A time in the venue's zone; what is no time, such as “further notice”, in the page's language."""
    if not moment:
        return ""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return translate(moment)
    text = moment.astimezone(farm().settings.zone).strftime(FORMATS[form])
    return text[:-3] if form == "exact" else text


def name_zone() -> str:
    """The venue's zone as people may know it."""
    zone = farm().settings.zone
    return zone.key if zone else str(datetime.now().astimezone().tzname())


def _describe_language() -> dict[str, Any]:
    """What every template may use. The switch's links lead to this very page, whatever its path is."""
    language = str(get_locale())
    asked = {name: value for name, value in request.args.items() if name != "lang"}
    switch = [
        {"code": code, "tag": TAGS[code], "name": name, "url": f"?{urlencode(asked | {'lang': code})}"}
        for code, name in LANGUAGES.items()
    ]
    return {"language": language, "language_tag": TAGS[language], "language_switch": switch, "zone": name_zone}


def _remember_language(response: Response) -> Response:
    if response.mimetype != "text/html":
        return response
    response.vary.update(("Accept-Language", "Cookie"))
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie(
            COOKIE,
            request.args["lang"],
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=farm().settings.public_url.startswith("https://"),
        )
    return response
