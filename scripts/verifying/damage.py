"""Ways to damage a request of ours on its way to a checker."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scripts.verifying.forms import Part, parts_of, with_json, with_parts
from scripts.verifying.recorder import Seen

Change = Callable[[Seen], Seen]


def untouched(seen: Seen) -> Seen:
    return seen


def reassembled(seen: Seen) -> Seen:
    """Taken apart and put together, to see that this does no harm by itself."""
    return with_parts(seen, parts_of(seen))


def without(name: str) -> Change:
    """Takes a part out of the form."""
    return lambda seen: with_parts(seen, [part for part in parts_of(seen) if part.name != name])


def setting(name: str, value: str) -> Change:
    """Adds a field to the form, or changes it."""
    added = Part(name, None, None, value.encode())
    return lambda seen: with_parts(seen, [*(part for part in parts_of(seen) if part.name != name), added])


def renaming(name: str, other: str) -> Change:
    """Calls a part something else."""
    return lambda seen: with_parts(
        seen, [replace(part, name=other) if part.name == name else part for part in parts_of(seen)]
    )


def changing_json(change: Callable[[dict[str, Any]], object]) -> Change:
    """Changes the document in place."""

    def apply(seen: Seen) -> Seen:
        document = json.loads(seen.body)
        change(document)
        return with_json(seen, document)

    return apply


def with_header(name: str, value: str) -> Change:
    return lambda seen: replace(seen, headers={**seen.headers, name: value})


def with_query(query: str) -> Change:
    return lambda seen: replace(seen, path=f"{seen.path}?{query}")


def without_key(seen: Seen) -> Seen:
    return replace(seen, headers={name: value for name, value in seen.headers.items() if name != "authorization"})
