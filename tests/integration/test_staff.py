"""Adding, changing and removing operators, and what booths sent, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from jobs.access import audit, staff
from jobs.access.booths import authenticate
from jobs.access.models import User
from jobs.access.operators import Operator, check_password, ensure_admin, find_operator
from jobs.errors import Conflict, NotFound
from jobs.farm import Farm
from jobs.orders.booth_days import list_booth_days
from tests.builders import accept, make_booth, seconds_ago

HASH = staff.make_password()[1]


def add(farm: Farm, name: str, role: str, *, by: Operator | None = None) -> Operator:
    """Somebody new, logged in."""
    farm.database.write(staff.add_operator, name, role, HASH, by=by or Operator(0, "setup", "owner", 0))
    user = farm.database.read(lambda session: session.scalars(select(User).where(User.username == name)).one())
    return Operator(user.id, user.username, user.role, user.session_number)


def is_logged_in(farm: Farm, who: Operator) -> bool:
    return farm.database.read(find_operator, who.id, who.session_number) is not None


def test_a_change_of_role_or_password_or_a_removal_ends_the_sessions(farm: Farm) -> None:
    boss = add(farm, "boss", "owner")
    changes: tuple[Callable[[str], None], ...] = (
        lambda name: farm.database.write(staff.change_role, name, "technician", by=boss),
        lambda name: farm.database.write(staff.set_password, name, HASH, by=boss),
        lambda name: farm.database.write(staff.remove_operator, name, by=boss),
    )
    for number, change in enumerate(changes):
        who = add(farm, f"name-{number}", "attendant")
        assert is_logged_in(farm, who)
        change(who.username)
        assert not is_logged_in(farm, who)
    assert is_logged_in(farm, boss)


def test_who_gets_a_removed_operator_s_place_does_not_get_their_sessions(farm: Farm) -> None:
    boss = add(farm, "boss", "owner")
    gone = add(farm, "gone", "owner")
    farm.database.write(staff.remove_operator, "gone", by=boss)
    add(farm, "fresh", "attendant")
    assert not is_logged_in(farm, gone), "SQLite gives the id again"


def test_an_owner_remains_and_nobody_changes_themselves(farm: Farm) -> None:
    boss, other = add(farm, "boss", "owner"), add(farm, "other", "owner")
    for press in (staff.change_role, staff.remove_operator):
        words = ("technician",) if press is staff.change_role else ()
        with pytest.raises(Conflict, match="yourself"):
            farm.database.write(press, "boss", *words, by=boss)
    farm.database.write(staff.change_role, "boss", "technician", by=other)
    with pytest.raises(Conflict, match="last owner"):
        farm.database.write(staff.remove_operator, "other", by=boss)  # the page would not let a technician come so far
    with pytest.raises(Conflict, match="last owner"):
        farm.database.write(staff.change_role, "other", "attendant", by=boss)


def test_admin_belongs_to_the_farm(farm: Farm) -> None:
    boss = add(farm, "boss", "owner")
    farm.database.write(ensure_admin, "the password of the settings")
    for press in (staff.remove_operator, staff.set_password):
        words = (HASH,) if press is staff.set_password else ()
        with pytest.raises(Conflict, match="ADMIN_PASSWORD"):
            farm.database.write(press, "admin", *words, by=boss)
    assert farm.database.read(check_password, "admin", "the password of the settings") is not None


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 65, "é", "a\n", "admin"])
def test_a_name_that_is_taken_or_not_usable_is_refused(farm: Farm, name: str) -> None:
    farm.database.write(ensure_admin, "x")
    with pytest.raises(Conflict):
        add(farm, name, "attendant")
    with pytest.raises(Conflict, match="role"):
        add(farm, "sound", "root")
    with pytest.raises(NotFound):
        farm.database.write(staff.remove_operator, "nobody", by=Operator(0, "boss", "owner", 0))


def test_a_made_password_is_the_operator_s(farm: Farm) -> None:
    password, password_hash = staff.make_password()
    assert password != staff.make_password()[0]
    farm.database.write(staff.add_operator, "tina", "technician", password_hash, by=Operator(0, "boss", "owner", 0))
    found = farm.database.read(check_password, "tina", password)
    assert found is not None and found.may("technician") and not found.may("owner")


def test_the_audit_is_paged_and_chosen_from(farm: Farm) -> None:
    for number in range(audit.PAGE + 3):
        actor, subject = ("tina", "booth:a_b") if number % 2 else ("otto", "booth:axb")
        farm.database.write(audit.note, actor, "rate", subject, rate=number)
    page, following = farm.database.read(audit.list_page)
    assert [entry.detail["rate"] for entry in page] == list(range(audit.PAGE + 2, 2, -1))
    rest, end = farm.database.read(audit.list_page, before=following)
    assert ([entry.detail["rate"] for entry in rest], end) == ([2, 1, 0], None)
    chosen, _ = farm.database.read(audit.list_page, subject="A_B", action="rate")
    assert {entry.actor for entry in chosen} == {"tina"}, "_ is a letter, not a pattern"
    assert farm.database.read(audit.list_page, actor="nobody")[0] == []
    assert farm.database.read(audit.list_choices) == (["otto", "tina"], ["rate"])
    assert [entry.detail["rate"] for entry in farm.database.read(audit.list_recent, seconds_ago(60), 2)] == [52, 51]
    assert farm.database.read(audit.list_recent, seconds_ago(-60)) == []


def test_a_booth_s_day_counts_its_orders_and_pictures(farm: Farm) -> None:
    accept(farm, 3, order_id="one")
    make_booth(farm, "idle")
    days = {day.booth.name: day for day in farm.database.read(list_booth_days, seconds_ago(60))}
    assert (days["booth-of-one"].orders, days["booth-of-one"].tasks) == (1, 3)
    assert (days["idle"].orders, days["idle"].tasks, days["idle"].last_order_at) == (0, 0, None)
    [day, _] = farm.database.read(list_booth_days, seconds_ago(-60))
    assert day.orders == 0 and day.last_order_at is not None


def test_a_booth_has_a_rate_of_its_own_and_its_keys_stand_in_no_audit(farm: Farm) -> None:
    keys = [farm.switches.booths.add("booth-1", actor="boss"), farm.switches.booths.rotate("booth-1", actor="boss")]
    farm.switches.booths.set_rate("booth-1", 3, actor="boss")
    assert farm.database.read(authenticate, keys[1]).rate == 3
    for rate in (0, 601):
        with pytest.raises(Conflict):
            farm.switches.booths.set_rate("booth-1", rate, actor="boss")
    farm.switches.booths.revoke("booth-1", actor="boss")
    entries = farm.database.read(audit.list_for, "booth:booth-1")
    assert [entry.action for entry in entries] == ["create key", "rotate key", "rate", "revoke key"]
    assert not any(key in str(entry.detail) for key in keys for entry in entries)
    with pytest.raises(NotFound):
        farm.switches.booths.revoke("nowhere", actor="boss")
