"""Judges a storm by what was written down outside of the farm (booths, stand-ins, nemesis) and by its database."""

from scripts.storming.checking.findings import Finding
from scripts.storming.checking.showing import show
from scripts.storming.checking.verdict import Verdict, check

__all__ = ["Finding", "Verdict", "check", "show"]
