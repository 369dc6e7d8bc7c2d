"""axe-core on a page as it stands: what keeps people with a keyboard, a screen reader or weak eyes from using it."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

from tests.browser.browser import Visitor

GRAVE = {"serious", "critical"}
"""Impacts that fail a test. The others are matters of taste, or of the library's own guesses."""


def list_findings(visitor: Visitor) -> list[str]:
    """Each grave finding as a sentence with the first elements that it is about; empty on a good page."""
    result = Axe().run(visitor.page)
    return [
        f"{found['impact']}: {found['help']}: " + " | ".join(node["html"][:160] for node in found["nodes"][:3])
        for found in result.response["violations"]
        if found["impact"] in GRAVE
    ]


def assert_accessible(visitor: Visitor) -> None:
    """Fails with every grave finding on the page that the visitor is on."""
    findings = list_findings(visitor)
    assert not findings, "\n".join(findings)
