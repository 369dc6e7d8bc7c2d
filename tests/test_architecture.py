"""Who may import and touch what, as the parts stand; and that every resource has all of its four places."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest

from jobs.resources import RESOURCES

ROOT = Path(__file__).resolve().parents[1]
LONGEST_MODULE = 350
LAYERS = (
    ("settings", "errors", "resources", "wire", "trail"),
    ("database", "media", "styles"),
    ("access", "orders"),
    ("comfyui", "cloud"),
    ("erasure",),
    ("engine",),
    ("forecast",),
    ("menu", "admission", "interventions", "switches", "trials", "figures", "backup"),
    ("farm",),
    ("entry",),
)
BESIDE_COMFYUI = "worker_configs/comfyui_host/sweeper.py"
"""A program of its own, on another machine and without the farm."""
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
SIBLINGS = {("orders", "access"), ("admission", "menu"), ("interventions", "menu"), ("trials", "admission")}
"""Within one layer: who may lean on whom. Nobody else may."""
ONLY_HERE = {
    "rq": [
        "jobs/engine/rings.py",
        "jobs/engine/worker.py",
        "jobs/engine/pool.py",
        "jobs/engine/pools.py",
        "jobs/engine/spectator.py",
        "jobs/entry.py",
        "web/dashboard.py",
    ],
    "rq_dashboard": ["web/dashboard.py"],
    "redis": ["jobs/engine/*.py", "jobs/figures/*.py", "jobs/farm.py", "web/health.py"],
    "requests": [
        "jobs/comfyui/client.py",
        "jobs/comfyui/sweeping.py",
        "jobs/cloud/transport.py",
        "jobs/cloud/results.py",
        "jobs/wire.py",
    ],
    "urllib3": ["jobs/comfyui/client.py", "jobs/cloud/transport.py", "jobs/cloud/results.py", "jobs/wire.py"],
    "structlog": ["jobs/trail.py"],
    "prometheus_client": ["web/metrics.py"],
    "limits": ["jobs/engine/windows.py", "web/auth.py"],
    "websocket": ["jobs/comfyui/progress.py"],
    "flask": ["web/*.py"],
    "werkzeug": ["web/*.py"],
    "PIL": ["jobs/media/images.py"],
    "alembic": ["jobs/database/migrate.py"],
    "psycopg": ["jobs/backup/postgres_rows.py"],
    "sqlite3": ["jobs/backup/sqlite_rows.py", "jobs/database/session.py"],
    "sqlalchemy": [
        "jobs/database/*.py",
        "jobs/orders/*.py",
        "jobs/access/*.py",
        "jobs/engine/*.py",
        "jobs/comfyui/*.py",
        "jobs/cloud/*.py",
        "jobs/backup/*.py",
        "jobs/figures/*.py",
        "jobs/erasure/*.py",
        "jobs/forecast/*.py",
        "jobs/menu.py",
        "jobs/interventions.py",
        "jobs/switches/*.py",
        "jobs/trials.py",
        "jobs/admission.py",
        "web/images.py",
        "web/orders.py",
        "web/ops/providers.py",
        "web/ops/tasks.py",
    ],
}


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def show(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it; `from a import b` counts as a and as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{show(path)} imports relatively"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tops_of(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports_of(path)}


def part_of(path: Path) -> str:
    """settings for jobs/settings.py, engine for jobs/engine/pool.py."""
    return path.relative_to(ROOT / "jobs").parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    ("folder", "never"),
    [
        ("jobs", {"web", "scripts", "worker_configs", "tests"}),
        ("web", {"scripts", "worker_configs", "tests"}),
        ("worker_configs", {"web", "scripts", "tests"}),
        ("scripts", {"tests"}),
        ("migrations", {"web", "scripts", "tests"}),
    ],
)
def test_arrows_point_at_jobs_and_never_away_from_it(folder: str, never: set[str]) -> None:
    wrong = {show(path): found for path in modules(folder) if (found := tops_of(path) & never)}
    assert wrong == {}


def test_every_part_of_jobs_has_its_layer() -> None:
    parts = {part_of(path) for path in modules("jobs")} - {"__init__"}
    assert parts == set(LEVEL)


def test_inside_jobs_arrows_point_down() -> None:
    wrong = []
    for path in modules("jobs"):
        here = part_of(path)
        if here == "__init__":
            continue
        for name in imports_of(path):
            there = name.split(".")[1] if name.startswith("jobs.") else here
            if there not in LEVEL or there == here or LEVEL[there] < LEVEL[here] or (here, there) in SIBLINGS:
                continue
            if LEVEL[here] == 0:
                continue  # settings and wire may know errors
            wrong.append(f"{show(path)} imports {name}")
    assert wrong == []


def test_the_bottom_layer_knows_nothing_above_it() -> None:
    for path in (path for path in modules("jobs") if part_of(path) in LAYERS[0]):
        above = {name for name in imports_of(path) if name.startswith("jobs.")}
        assert {name.split(".")[1] for name in above} <= set(LAYERS[0]), show(path)


@pytest.mark.parametrize("resource", ["comfyui", "cloud"])
def test_the_resources_know_neither_each_other_nor_redis_nor_rq(resource: str) -> None:
    other = {"comfyui": "cloud", "cloud": "comfyui"}[resource]
    for path in modules(f"jobs/{resource}"):
        names = set(imports_of(path))
        assert not {name for name in names if name.startswith(f"jobs.{other}")}, show(path)
        assert not tops_of(path) & {"rq", "redis"}, show(path)


@pytest.mark.parametrize("outside", ONLY_HERE)
def test_an_outside_thing_is_touched_only_where_it_belongs(outside: str) -> None:
    users = {show(path) for path in modules("jobs", "web") if outside in tops_of(path)}
    strangers = {user for user in users if not any(fnmatch(user, place) for place in ONLY_HERE[outside])}
    assert strangers == set()


def test_admission_asks_the_database_no_question_of_its_own() -> None:
    names = {name for name in imports_of(ROOT / "jobs" / "admission.py") if name.startswith("sqlalchemy")}
    assert names == {"sqlalchemy.exc", "sqlalchemy.exc.IntegrityError"}


def test_only_settings_reads_the_environment() -> None:
    readers = set()
    for path in modules("jobs", "web", "worker_configs"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}:
                if isinstance(node.value, ast.Name) and node.value.id == "request":
                    continue  # WSGI's, not the process's
                readers.add(show(path))
    assert readers <= {"jobs/settings.py", BESIDE_COMFYUI}


def test_nothing_prints_outside_of_scripts() -> None:
    wrong = [
        f"{show(path)}:{node.lineno}"
        for path in modules("jobs", "web", "worker_configs")
        if show(path) != BESIDE_COMFYUI
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert wrong == []


def test_no_module_is_too_long_or_opens_without_a_word() -> None:
    for path in modules("jobs", "web", "scripts", "worker_configs"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= LONGEST_MODULE, show(path)
        assert not text or ast.get_docstring(ast.parse(text)), f"{show(path)} does not say what lives in it"


@pytest.mark.parametrize("name", RESOURCES)
def test_every_resource_has_its_executor_config_and_process(name: str) -> None:
    module, _, executor = RESOURCES[name].executor.partition(":")
    assert callable(getattr(importlib.import_module(module), executor))
    config = ROOT / "worker_configs" / f"{name}.py"
    assert config.is_file(), f"worker_configs/{name}.py is missing"
    assert f'QUEUES = ["{name}"]' in config.read_text()
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert any(line.startswith(f"{name}:") and line.endswith(f" {name}") for line in lines), f"no {name} in Procfile"


@pytest.mark.parametrize(("library", "major"), [("rq", "3."), ("redis", "8."), ("sqlalchemy", "2.1.")])
def test_no_library_was_taken_back_a_major_version(library: str, major: str) -> None:
    assert version(library).startswith(major)
    pins = (ROOT / "requirements.txt").read_text().splitlines()
    assert f"{library}=={version(library)}" in pins


def test_the_sweeper_needs_nothing_but_python() -> None:
    path = ROOT / BESIDE_COMFYUI
    assert tops_of(path) <= sys.stdlib_module_names
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
