"""Secrets that the farm makes for itself when none is set: files of mode 0600 below DATA_DIR, made once."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from jobs.settings import Settings


def secret_key(settings: Settings) -> bytes:
    """SECRET_KEY, or one of our own that all processes of this DATA_DIR share."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    return _read_or_make(settings.data_dir / "secrets" / "secret_key", secrets.token_hex(32)).encode()


def admin_password(settings: Settings) -> str:
    """ADMIN_PASSWORD, or one generated once for this DATA_DIR."""
    if settings.admin_password is not None:
        return settings.admin_password.get_secret_value()
    return _read_or_make(settings.data_dir / "secrets" / "admin_password", secrets.token_urlsafe(12))


def _read_or_make(path: Path, fresh: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # Written aside and linked into place: whoever comes second finds a whole file or makes none.
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(fresh)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    return path.read_text().strip()
