"""The operators as their owner sees them: who there is, adding, another role, a new password, removing.

Every change ends that operator's sessions at once and stands in the audit. Nobody changes their own role or removes
themselves, and an owner remains. `admin` belongs to the farm: it is made at its start and has the password of the
settings, so it is not changed here.
"""

from __future__ import annotations

import re
import secrets

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.access.models import User
from jobs.access.operators import ADMIN, ROLES, Operator, hash_password
from jobs.database import advisory_lock, now_of
from jobs.errors import Conflict, NotFound

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what is mistaken for one another when it is read from paper."""
GROUPS, LETTERS = 4, 4
STAFF_LOCK = 0x6661726D04
"""Two owners who remove one another at the same instant come one after the other."""


def make_password() -> tuple[str, str]:
    """A new password of 79 random bits, and its hash. Takes 0.1 s: make it before the transaction."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(LETTERS)) for _ in range(GROUPS))
    password = "-".join(groups)
    return password, hash_password(password)


def list_operators(session: Session) -> list[User]:
    """Everybody, the highest role first."""
    users = session.scalars(select(User).order_by(User.username))
    return sorted(users, key=lambda user: -ROLES.index(user.role))


def add_operator(session: Session, username: str, role: str, password_hash: str, *, by: Operator) -> None:
    """Add somebody. Raises Conflict when the name is taken or not usable."""
    if not NAME.fullmatch(username):
        raise Conflict("An operator's name has 1 to 64 letters, digits, ., - or _, and starts with a letter or digit.")
    _check_role(role)
    advisory_lock(session, STAFF_LOCK)
    if session.scalar(select(User.id).where(User.username == username)) is not None:
        raise Conflict("There is an operator of this name already.")
    session.add(
        User(
            username=username,
            role=role,
            password_hash=password_hash,
            # SQLite gives a removed operator's id again: a number of chance keeps their old cookie worthless.
            session_number=secrets.randbelow(2**30),
            created_at=now_of(session),
        )
    )
    audit.note(session, by.username, "add operator", _subject(username), role=role)


def change_role(session: Session, username: str, role: str, *, by: Operator) -> None:
    """Give somebody another role. Raises NotFound, Conflict."""
    _check_role(role)
    user = _find_other(session, username, by)
    if user.role == role:
        return
    _keep_an_owner(session, user)
    audit.note(session, by.username, "change role", _subject(username), before=user.role, role=role)
    user.role = role
    user.session_number += 1


def set_password(session: Session, username: str, password_hash: str, *, by: Operator) -> None:
    """Give somebody a new password, oneself included. Raises NotFound, Conflict."""
    user = _find(session, username)
    user.password_hash = password_hash
    user.session_number += 1
    audit.note(session, by.username, "new password", _subject(username))


def remove_operator(session: Session, username: str, *, by: Operator) -> None:
    """Remove somebody; what they did stays in the audit under their name. Raises NotFound, Conflict."""
    user = _find_other(session, username, by)
    _keep_an_owner(session, user)
    session.delete(user)
    audit.note(session, by.username, "remove operator", _subject(username), role=user.role)


def _find(session: Session, username: str) -> User:
    advisory_lock(session, STAFF_LOCK)
    user = session.scalar(select(User).where(User.username == username))
    if user is None:
        raise NotFound("There is no operator of this name.")
    if username == ADMIN:
        raise Conflict("admin belongs to the farm. Its password is set by ADMIN_PASSWORD and a restart.")
    return user


def _find_other(session: Session, username: str, by: Operator) -> User:
    user = _find(session, username)
    if user.id == by.id:
        raise Conflict("You cannot change your own role or remove yourself. Another owner can.")
    return user


def _keep_an_owner(session: Session, user: User) -> None:
    owners = session.scalar(select(func.count()).select_from(User).where(User.role == ROLES[-1])) or 0
    if user.role == ROLES[-1] and owners < 2:
        raise Conflict("This is the last owner. Make somebody else an owner first.")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Conflict("There is no such role.")


def _subject(username: str) -> str:
    return f"operator:{username}"
