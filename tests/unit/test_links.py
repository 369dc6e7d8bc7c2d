"""Signed links: ours are read back, everything else is as good as none."""

from __future__ import annotations

import base64
import uuid

import pytest

from jobs.access.links import CODE_LETTERS, IMAGE_KINDS, Signer, guest_key, new_code

NOW = 1_800_000_000.0 - 1_800_000_000.0 % 3600
HOUR = 3600.0
UID = uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF).hex
signer = Signer(b"k" * 32)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_an_image_token_says_which_picture_and_what_of_it(kind: str) -> None:
    assert signer.read_image_token(signer.image_token(UID, kind, NOW), NOW) == (UID, kind)


def test_a_token_stays_the_same_within_an_hour_and_changes_after() -> None:
    token = signer.image_token(UID, "full", NOW)
    assert signer.image_token(UID, "full", NOW + HOUR - 1) == token
    assert signer.image_token(UID, "full", NOW + HOUR) != token


def test_a_token_lasts_a_day_and_not_much_longer() -> None:
    token = signer.image_token(UID, "full", NOW + HOUR - 1)
    assert signer.read_image_token(token, NOW + 24 * HOUR + HOUR - 1) is not None
    assert signer.read_image_token(token, NOW + 25 * HOUR) is None


def test_a_token_with_any_character_changed_is_nothing() -> None:
    token = signer.image_token(UID, "full", NOW)
    for position, char in enumerate(token):
        for other in "AQgw-_z9" if char not in "AQgw-_z9" else "BRhx":
            changed = token[:position] + other + token[position + 1 :]
            assert signer.read_image_token(changed, NOW) is None, changed


def test_a_token_that_is_cut_or_longer_is_nothing() -> None:
    token = signer.image_token(UID, "full", NOW)
    for length in range(len(token)):
        assert signer.read_image_token(token[:length], NOW) is None
    for tail in ("A", "=", "==", "\n", "AAAA", "\x00", "é"):
        assert signer.read_image_token(token + tail, NOW) is None


@pytest.mark.parametrize("token", ["", "=", "é" * 50, "\ud800", "A" * 10_000, "../../etc/passwd", "%2e%2e"])
def test_rubbish_is_nothing(token: str) -> None:
    assert signer.read_image_token(token, NOW) is None


def test_another_farms_token_is_nothing() -> None:
    assert signer.read_image_token(Signer(b"other").image_token(UID, "full", NOW), NOW) is None


def test_a_guest_token_cannot_be_used_as_an_image_token() -> None:
    raw = bytes.fromhex(UID) + b"\0\0\0\0\0" + bytes.fromhex(signer.guest_token(UID, 1))
    assert signer.read_image_token(base64.urlsafe_b64encode(raw).decode().rstrip("="), NOW) is None


def test_guest_tokens_differ_by_order_and_link_number_and_can_be_shown_again() -> None:
    token = signer.guest_token(UID, 1)
    assert token == signer.guest_token(UID, 1)
    assert len(token) == 32
    others = {signer.guest_token(UID, 2), signer.guest_token("0" * 32, 1), Signer(b"other").guest_token(UID, 1)}
    assert len(others | {token}) == 4
    assert len(guest_key(token)) == 32 and guest_key(token) != guest_key(token.upper())


def test_codes_have_no_letters_that_look_like_digits() -> None:
    assert not set("IO01") & set(CODE_LETTERS)
    codes = {new_code() for _ in range(200)}
    assert len(codes) > 190
    assert all(len(code) == 6 and set(code) <= set(CODE_LETTERS) for code in codes)
