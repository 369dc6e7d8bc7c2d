"""Operators: who may use the operators' pages. Passwords are kept as argon2 hashes."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.access.models import User
from jobs.database import now_of

ADMIN = "admin"
ROLES = ("attendant", "technician", "owner")
"""Each may do what those before it may. An attendant looks after orders, a technician also after everything that makes
them, the owner also after keys and users.
"""

_hasher = PasswordHasher()


@dataclass(frozen=True)
class Operator:
    """Who is logged in. `session_number` ends old sessions when it is raised."""

    id: int
    username: str
    role: str
    session_number: int

    def may(self, role: str) -> bool:
        """Does this operator have at least that role?"""
        return ROLES.index(self.role) >= ROLES.index(role)


def hash_password(password: str) -> str:
    """What the database keeps of a password. Takes 0.1 s."""
    return _hasher.hash(password)


def ensure_admin(session: Session, password: str) -> None:
    """The first operator: created when missing, given this password when it has another one."""
    user = session.scalar(select(User).where(User.username == ADMIN))
    if user is None:
        session.add(
            User(username=ADMIN, password_hash=_hasher.hash(password), role="owner", created_at=now_of(session))
        )
    elif not _verify(user.password_hash, password):
        user.password_hash = _hasher.hash(password)
        user.session_number += 1


def check_password(session: Session, username: str, password: str) -> Operator | None:
    """The operator whose name and password these are, or None."""
    user = session.scalar(select(User).where(User.username == username))
    if not _verify(user.password_hash if user else _nobodys_hash(), password) or user is None:
        return None
    return _as_operator(user)


def find_operator(session: Session, user_id: int, session_number: int) -> Operator | None:
    """The operator of a session that has not been ended, or None."""
    user = session.get(User, user_id)
    return _as_operator(user) if user is not None and user.session_number == session_number else None


def end_sessions(session: Session, user_id: int) -> None:
    """Log an operator out everywhere."""
    session.execute(update(User).where(User.id == user_id).values(session_number=User.session_number + 1))


def _as_operator(user: User) -> Operator:
    return Operator(user.id, user.username, user.role, user.session_number)


@functools.cache
def _nobodys_hash() -> str:
    """Verified when the name is unknown, so that the answer takes as long as for a known one. 0.1 s the first time."""
    return _hasher.hash("nobody has this password")


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
