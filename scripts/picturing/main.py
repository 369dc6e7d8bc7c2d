"""The whole course of `./scripts/screenshots`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from scripts.benching.rig import ROOT, NotMeasured
from scripts.picturing.camera import LANGUAGES, NoPictures, check_fonts, open_browser
from scripts.picturing.evening import play
from scripts.picturing.farm import simulated_farm
from scripts.picturing.gallery import write_gallery
from scripts.picturing.pages import log_in, take_guest, take_kiosk, take_operators

PICTURES = ROOT / "docs" / "pictures"


def main() -> int:
    """Take every picture anew; those of pages that are gone are removed."""
    parser = argparse.ArgumentParser(prog="screenshots", description="Takes the pictures of docs/pictures.")
    parser.add_argument("--into", type=Path, default=PICTURES, help="the folder (docs/pictures)")
    folder: Path = parser.parse_args().into
    try:
        check_fonts()
        with tempfile.TemporaryDirectory(prefix="screenshots-") as scratch:
            take_all(folder, Path(scratch))
    except (NoPictures, NotMeasured) as exc:
        print(exc, file=sys.stderr)
        return 2
    write_gallery(folder)
    for path in sorted(folder.glob("*.png")):
        print(f"{path.stat().st_size // 1000:4} kB  {path.name}")
    return 0


def take_all(folder: Path, scratch: Path) -> None:
    """All pages in all languages, of one farm. Raises NotMeasured, playwright's and requests' errors."""
    folder.mkdir(parents=True, exist_ok=True)
    with simulated_farm(scratch) as farm, open_browser(scratch) as browser:
        kiosk = farm.add_booth("kiosk")
        for path in folder.glob("*.png"):
            path.unlink()
        for language in LANGUAGES:
            take_kiosk(browser, farm, kiosk, language, folder)
        evening = play(farm)
        owner = log_in(browser, farm)
        for language in LANGUAGES:
            take_operators(browser, farm, evening, owner, language, folder)
            take_guest(browser, farm, evening, language, folder)


if __name__ == "__main__":
    sys.exit(main())
