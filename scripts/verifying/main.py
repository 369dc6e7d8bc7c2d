"""`./scripts/verify-providers`: installs what it needs, checks provider after provider. Exit 0 when all pass."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from scripts.verifying.beds import ark, fal, openai, replicate
from scripts.verifying.cases import CASES
from scripts.verifying.installing import PLACE, ROOT, CannotInstall, install
from scripts.verifying.servers import DidNotStart
from scripts.verifying.sheet import Row, Sheet
from scripts.verifying.wire import compare_wire_forms

WIDTH = 170
BEDS: Mapping[str, Callable[[Sheet], None]] = {
    "openai": openai.verify,
    "ark": ark.verify,
    "replicate": replicate.verify,
    "fal": fal.verify,
}
"""Provider -> its checks against independent servers, where there are any."""
NAMES = tuple(dict.fromkeys(case.provider for case in CASES))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="./scripts/verify-providers",
        description="Proves the cloud providers against servers and libraries that nobody here wrote; loopback only.",
    )
    parser.add_argument("--only", action="append", choices=NAMES, help="one provider; repeat it for more")
    parser.add_argument("--install", action="store_true", help="install what it needs, and no more")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    begun = time.monotonic()
    try:
        if install():
            where = PLACE.relative_to(ROOT)
            console.print(f"installed libraries and servers into {where} in {time.monotonic() - begun:.0f} s")
    except CannotInstall as error:
        console.print(str(error), markup=False)
        return 2
    if options.install:
        return 0
    sheet = Sheet(console)
    for name in options.only or NAMES:
        for case in CASES:
            if case.provider == name:
                compare_wire_forms(case, sheet)
        if name in BEDS:
            try:
                BEDS[name](sheet)
            except DidNotStart as error:
                sheet.add(Row(name, "", "its servers start", "failed", str(error)))
    sheet.show()
    passed = sum(row.outcome == "passed" for row in sheet.rows)
    console.print(f"{passed} of {len(sheet.rows)} checks passed in {time.monotonic() - begun:.0f} s")
    return 0 if sheet.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
