"""Which pages are looked at and how one gets there: the kiosk's, the guest's, all that the operators' menu names."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState

from scripts.picturing.camera import DESK, KIOSK, PHONE, keep, open_page
from scripts.picturing.evening import Evening
from scripts.picturing.farm import PASSWORD, Booth, SimulatedFarm

LIBRARY = "/ops/rq/"
"""rq-dashboard's pages are not ours to show."""


def take_kiosk(browser: Browser, farm: SimulatedFarm, booth: Booth, language: str, folder: Path) -> None:
    """A guest at the kiosk, from the welcome to the picture; the farm must be quick now."""
    with open_page(browser, farm.url, language, KIOSK) as page:
        page.goto(f"/booth?lang={language}#key={booth.key}")
        _press(page, "welcome", "[data-press=begin]", folder / f"kiosk-welcome-{language}.png")
        _press(page, "camera", "#take:enabled")
        _press(page, "review", "[data-press=keep]")
        _press(page, "styles", "#styles button >> nth=0", folder / f"kiosk-styles-{language}.png")
        page.locator("body[data-shows=result]").wait_for()
        page.wait_for_function("document.querySelector('#picture').naturalWidth > 0")
        keep(page, folder / f"kiosk-{language}.png", whole=False)


def _press(page: Page, screen: str, button: str, path: Path | None = None) -> None:
    page.locator(f"body[data-shows={screen}]").wait_for()
    pressed = page.locator(f"[data-screen={screen}]").locator(button)
    pressed.wait_for()
    if path is not None:
        keep(page, path, whole=False)
    pressed.click()


def take_guest(browser: Browser, farm: SimulatedFarm, evening: Evening, language: str, folder: Path) -> None:
    """The guest's page on a phone in each state, and the receipt of a deletion."""
    with open_page(browser, farm.url, language, PHONE) as page:
        for state in ("waiting", "making", "ready", "failed"):
            page.goto(evening.guests[state])
            name = "guest" if state == "ready" else f"guest-{state}"
            keep(page, folder / f"{name}-{language}.png")
        page.goto(evening.guests[f"delete-{language}"])
        page.locator(".erase summary").click()
        page.locator(".erase button").click()
        page.locator("dl").wait_for()
        keep(page, folder / f"guest-receipt-{language}.png")


def log_in(browser: Browser, farm: SimulatedFarm) -> StorageState:
    """The owner's session."""
    with open_page(browser, farm.url, "en") as page:
        page.goto("/ops/login")
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("main form button").click()
        page.wait_for_url("**/ops/")
        return page.context.storage_state()


def take_operators(
    browser: Browser, farm: SimulatedFarm, evening: Evening, owner: StorageState, language: str, folder: Path
) -> None:
    """Every page of the menu under the last word of its address, the failed order's and its task's."""
    with open_page(browser, farm.url, language, DESK, who=owner) as page:
        page.goto("/ops/")
        links = [link.get_attribute("href") or "" for link in page.locator("header nav a").all()]
        for path in links:
            if path != LIBRARY:
                page.goto(path)
                keep(page, folder / f"{path.removeprefix('/ops/').strip('/') or 'board'}-{language}.png")
        page.goto(f"/ops/orders/{evening.failed_order}")
        keep(page, folder / f"order-{language}.png")
        page.goto(page.locator("a[href*='/ops/tasks/']").first.get_attribute("href") or "")
        keep(page, folder / f"task-{language}.png")
