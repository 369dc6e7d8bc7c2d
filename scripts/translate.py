"""The messages of the web tier and their catalogs: `./scripts/translations`. The tests hold catalogs to `extract`.

Sorted and without line numbers, so that two people's new messages seldom meet in a merge.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

from web.languages import TRANSLATED, catalog_path
from web.wording import list_sentences

WEB = Path(__file__).resolve().parents[1] / "web"
METHODS = [("templates/api/**.html", "ignore"), ("**.py", "python"), ("templates/**.html", "jinja2")]
"""The API's own pages are for programmers, in English only."""
KEYWORDS = DEFAULT_KEYWORDS | {"lazy_gettext": None, "lazy_ngettext": (1, 2)}
WIDTH = 110
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%(?!\()")


def extract() -> Catalog:
    """Every message that a page may show."""
    catalog = Catalog()
    for _file, _line, message, comments, context in extract_from_dir(str(WEB), METHODS, keywords=KEYWORDS):
        catalog.add(message, context=context, auto_comments=comments)
    for sentence in list_sentences():
        catalog.add(sentence)
    return catalog


def read(language: str) -> Catalog:
    """A language's catalog as it stands."""
    with catalog_path(language).open("rb") as source:
        return read_po(source, locale=language)


def update(language: str) -> Catalog:
    """Bring a language's catalog up to the messages, write it, and return it. Guesses no translation."""
    catalog = read(language)
    catalog.update(extract(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.msgid_bugs_address = catalog.last_translator = ""
    with catalog_path(language).open("wb") as target:
        write_po(target, catalog, width=WIDTH, no_location=True, sort_output=True, ignore_obsolete=True)
    return catalog


def is_complete(message: Message) -> bool:
    """Is it translated, by a person, with the same placeholders?"""
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    sources = message.id if isinstance(message.id, tuple) else (message.id,)
    wanted = set(PLACEHOLDER.findall(str(sources[-1])))
    return not message.fuzzy and all(text and set(PLACEHOLDER.findall(text)) == wanted for text in texts)


def main() -> int:
    """Update every catalog; status 1 while one lacks something."""
    status = 0
    for language in TRANSLATED:
        for message in update(language):
            if message.id and not is_complete(message):
                print(f"{catalog_path(language)}: not translated: {message.id}")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
