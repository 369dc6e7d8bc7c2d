"""Signed links: image tokens that expire, guest links that can be shown again and revoked. Pure; needs the secret key.

An image token is a picture's own random id, what is wanted of it and an hour, with a 128-bit HMAC; it stays the same
within an hour. A guest token is a 128-bit HMAC over the order's own id and its link number; only its digest is stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass

IMAGE_LIFE_HOURS = 24
IMAGE_KINDS = {"full": 0, "thumbnail": 1}
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_BODY = struct.Struct(">16sBI")


@dataclass(frozen=True)
class Signer:
    """Makes and checks links with one secret key."""

    key: bytes

    def image_token(self, uid: str, kind: str, now: float) -> str:
        """A token for a picture (`uid`: 32 hex digits), good for at least 24 hours from `now` (Unix time)."""
        body = _BODY.pack(bytes.fromhex(uid), IMAGE_KINDS[kind], int(now // 3600) + 1 + IMAGE_LIFE_HOURS)
        return _spell(body + self._sign(b"image", body))

    def read_image_token(self, token: str, now: float) -> tuple[str, str] | None:
        """(uid, kind) of a token that is ours and has not expired, else None."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, signature = raw[: _BODY.size], raw[_BODY.size :]
        if len(body) != _BODY.size or not hmac.compare_digest(signature, self._sign(b"image", body)):
            return None
        uid, kind, hour = _BODY.unpack(body)
        if now // 3600 >= hour or _spell(raw) != token:
            return None
        return uid.hex(), next(name for name, number in IMAGE_KINDS.items() if number == kind)

    def guest_token(self, order_uid: str, link_number: int) -> str:
        """The guest's link for an order."""
        return self._sign(b"guest", f"{order_uid}:{link_number}".encode()).hex()

    def _sign(self, purpose: bytes, message: bytes) -> bytes:
        return hmac.digest(self.key, purpose + b"\0" + message, "sha256")[:16]


def guest_key(token: str) -> bytes:
    """What is stored of a guest token."""
    return hashlib.sha256(token.encode()).digest()


def new_code() -> str:
    """A short code that a guest can read out: no letters that look like digits."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(6))


def _spell(raw: bytes) -> str:
    """The one spelling of a token: base64 as such lets trailing bits differ."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
