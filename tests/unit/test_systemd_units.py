"""The systemd units: clean with installed paths, the Procfile's own lines, and the time that a drain needs."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.settings import Settings
from scripts.run_procfile import MARGIN_SECONDS, longest_step_seconds

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "worker_configs" / "systemd"
INSTALLED = "/opt/photo-farm/"
SERVICES = ("web", "comfyui", "api", "reconcile")


def read_unit(name: str) -> configparser.SectionProxy:
    """A unit's [Service]; of a key that stands there twice, the last value."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys keep their capitals
    parser.read_string((UNITS / f"photo-farm-{name}.service").read_text())
    return parser["Service"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a machine on which the farm is installed as docs/operations.md says."""
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, root / "etc/systemd/system")
    for program in ("opt/photo-farm/.venv/bin/python", "bin/sh", "usr/bin/find"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).touch(mode=0o755)
    return root


def verify(machine: Path, *units: str) -> str:
    """What `systemd-analyze verify` finds to say."""
    command = ["systemd-analyze", "verify", f"--root={machine}", *units]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ran.stdout + ran.stderr if ran.returncode == 0 else f"status {ran.returncode}: {ran.stdout}{ran.stderr}"


def test_every_unit_is_clean_with_installed_paths(machine: Path) -> None:
    units = sorted(path.name for path in UNITS.iterdir())
    assert "photo-farm.target" in units and len(units) == 7
    assert verify(machine, *units) == ""


def test_the_sweeper_s_unit_is_clean_on_a_machine_with_comfyui(machine: Path, tmp_path: Path) -> None:
    other = tmp_path / "comfyui-host"
    shutil.copytree(machine, other, symlinks=True)
    shutil.copy(UNITS.parent / "comfyui_host" / "photo-farm-sweeper.service", other / "etc/systemd/system")
    (other / "usr/bin").mkdir(parents=True, exist_ok=True)
    (other / "usr/bin/python3").touch(mode=0o755)
    assert verify(other, "photo-farm-sweeper.service") == ""


def test_the_check_sees_a_wrong_key_and_a_missing_program(machine: Path, tmp_path: Path) -> None:
    other = tmp_path / "machine"
    shutil.copytree(machine, other, symlinks=True)
    unit = other / "etc/systemd/system/photo-farm-web.service"
    unit.write_text(unit.read_text().replace("KillMode", "KillMod").replace("/bin/python", "/bin/pithon"))
    told = verify(other, unit.name)
    assert "KillMod" in told and "pithon is not executable" in told


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_runs_the_procfile_s_line(name: str) -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert read_unit(name)["ExecStart"] == INSTALLED + lines[name]
    assert set(lines) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_stop_leaves_time_for_the_longest_style(name: str) -> None:
    service = read_unit(name)
    assert service["KillMode"] == "mixed"
    assert float(service["TimeoutStopSec"]) >= longest_step_seconds(Settings.load(_env_file=None)) + MARGIN_SECONDS


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_ends_is_started_again_at_once_and_for_ever(name: str) -> None:
    service = read_unit(name)
    assert (service["Restart"], service["RestartSec"]) == ("always", "500ms")
    assert "StartLimitIntervalSec=0" in (UNITS / f"photo-farm-{name}.service").read_text()


@pytest.mark.parametrize("name", [*SERVICES, "backup"])
def test_a_unit_is_shut_in(name: str) -> None:
    service = read_unit(name)
    assert service["User"] == "photo-farm"
    assert (service["NoNewPrivileges"], service["ProtectSystem"], service["ProtectHome"]) == ("true", "strict", "true")
    assert service["ReadWritePaths"].split()[0] == "/var/lib/photo-farm"
