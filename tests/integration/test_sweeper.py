"""The sweeper beside ComfyUI as the process that it is, over folders as ComfyUI has them: what goes and what stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

SWEEPER = Path(__file__).resolve().parents[2] / "worker_configs" / "comfyui_host" / "sweeper.py"
TOKEN = "a token of more than sixteen characters"
HOUR = 3600.0


class Host:
    """A machine with a ComfyUI and a sweeper."""

    def __init__(self, root: Path) -> None:
        self.root = root / "ComfyUI"
        for kind in ("input", "output", "temp"):
            (self.root / kind / "farm").mkdir(parents=True)
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """`python -I`: it may lean on nothing of ours."""
        return subprocess.Popen(
            [sys.executable, "-I", str(SWEEPER), "--folder", str(self.root), "--port", "0", *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            stderr=subprocess.PIPE,
            text=True,
        )

    def serve(self) -> None:
        """Start it and learn its port."""
        self.process = self.start("--host", "127.0.0.1", SWEEPER_TOKEN=TOKEN)
        assert self.process.stderr is not None
        line = next(line for line in self.process.stderr if line.startswith("sweeper on port"))
        self.url = f"http://127.0.0.1:{line.split()[-1]}"

    def write(self, path: str, age_s: float = 0.0) -> Path:
        """A file below ComfyUI's folder, so old."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"picture")
        os.utime(file, (time.time() - age_s,) * 2)
        return file

    def sweep(self, names: Any, token: str = TOKEN) -> requests.Response:
        """What the farm asks."""
        return requests.post(f"{self.url}/sweep", json=names, headers={"Authorization": f"Bearer {token}"}, timeout=10)

    def health(self) -> dict[str, Any]:
        """What the farm hears."""
        answer = requests.get(f"{self.url}/healthz", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
        assert answer.status_code == 200
        document: dict[str, Any] = answer.json()
        return document


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    if host.process is not None:
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(10) == 0
        assert host.process.stderr is not None
        host.process.stderr.close()


def test_copies_go_by_age_and_by_name_and_nothing_else_goes(host: Host, tmp_path: Path) -> None:
    old, wanted, other = (str(uuid.uuid4()) for _ in range(3))
    goes = [
        host.write(f"input/farm/{old}.jpg", 2 * HOUR),
        host.write(f"output/farm/{old}_00001_.png", 2 * HOUR),
        host.write(f"temp/farm/{old}_00001_.png", 2 * HOUR),
        host.write("temp/ComfyUI_temp_abcde_00001_.png", 2 * HOUR),
        host.write(f"input/farm/{wanted}.jpg"),
        host.write(f"input/farm/{wanted} (1).jpg"),
        host.write(f"output/farm/{wanted}_00002_.png"),
    ]
    theirs = host.write("elsewhere/secret.jpg", 2 * HOUR)
    victim = tmp_path / "victim"
    victim.mkdir()
    outside = victim / f"{wanted}.jpg"
    outside.write_bytes(b"not ours")
    stays = [
        host.write(f"input/farm/{other}.jpg", HOUR / 2),
        host.write("temp/ComfyUI_temp_abcde_00002_.png"),
        host.write("output/ComfyUI_temp_abcde_00001_.png", 2 * HOUR),
        host.write(f"output/{old}_00001_.png", 2 * HOUR),
        host.write("input/farm/holiday.jpg", 2 * HOUR),
        host.write(f"input/farm/{old}", 2 * HOUR),
        host.write(f"input/farm/{old.upper()}.jpg", 2 * HOUR),
        host.write(f"input/farm/x{old}.jpg", 2 * HOUR),
        host.write(f"input/farm/..{old}.jpg", 2 * HOUR),
        host.write(f"input/farm/{old}.d/deeper.jpg", 2 * HOUR),
        host.write("input/example.png", 2 * HOUR),
        host.write("models/model.safetensors", 2 * HOUR),
        theirs,
        outside,
    ]
    link = host.root / "input/farm" / f"{wanted}_link.jpg"
    link.symlink_to(theirs)
    (host.root / "output/farm").rename(host.root / "output/aside")
    (host.root / "output/farm").symlink_to(victim)
    host.serve()
    answer = host.sweep([wanted])
    assert answer.status_code == 200 and answer.json()["stuck"] == 0
    assert outside.exists(), "a folder that is a link is not entered"
    assert link.is_symlink() and theirs.exists()
    (host.root / "output/farm").unlink()
    (host.root / "output/aside").rename(host.root / "output/farm")
    assert host.sweep([]).json()["removed"] == 2, "the rest of what was asked for before, and what is old"
    assert [path for path in goes if path.exists()] == []
    assert [path for path in stays if not path.exists()] == []


def test_what_was_asked_for_goes_also_when_it_is_written_later(host: Host) -> None:
    host.serve()
    prompt = str(uuid.uuid4())
    assert host.sweep([prompt]).json() == {"removed": 0, "stuck": 0}
    late = host.write(f"output/farm/{prompt}_00001_.png")
    assert host.sweep([]).json() == {"removed": 1, "stuck": 0}
    assert not late.exists()


def test_health_tells_of_what_is_left(host: Host) -> None:
    host.write(f"input/farm/{uuid.uuid4()}.jpg", 600)
    host.write(f"output/farm/{uuid.uuid4()}_00001_.png", 60)
    host.serve()
    host.sweep([])
    health = host.health()
    assert (health["version"], health["files"], health["bytes"], health["stuck"]) == ("1", 2, 14, 0)
    assert 600 <= health["oldest_s"] < 660 and health["swept_s"] < 10 and health["max_age_s"] == HOUR


@pytest.mark.parametrize(
    "body",
    [
        {"names": []},
        "one",
        ["../../../etc/passwd"],
        ["farm/../x"],
        ["*"],
        [""],
        [7],
        [None],
        [[]],
        [str(uuid.UUID(int=5)) + "\n"],
        [str(uuid.UUID(int=5)) + "/.."],
        [str(uuid.UUID(int=5)).upper().replace("0", "A")],
        [str(uuid.UUID(int=5))] * 2001,
    ],
    ids=range(13),
)
def test_a_body_that_is_no_list_of_ids_is_refused_and_nothing_goes(shared: Host, body: Any) -> None:
    assert shared.sweep(body).status_code == 400
    assert shared.health()["files"] == 1


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN.upper(), "é"])
def test_nobody_without_the_token_is_answered(shared: Host, token: str) -> None:
    (name,) = [path.stem for path in (shared.root / "input/farm").iterdir()]
    header = {"Authorization": f"Bearer {token}".encode()}
    for answer in (
        requests.post(f"{shared.url}/sweep", json=[name], headers=header, timeout=10),  # type: ignore[arg-type]
        requests.get(f"{shared.url}/healthz", headers=header, timeout=10),  # type: ignore[arg-type]
    ):
        assert answer.status_code == 401
        assert "files" not in answer.text
    assert shared.health()["files"] == 1


def test_it_knows_two_requests_and_no_other(shared: Host) -> None:
    mine = {"Authorization": f"Bearer {TOKEN}"}
    assert requests.get(f"{shared.url}/", headers=mine, timeout=10).status_code == 404
    assert requests.post(f"{shared.url}/healthz", json=[], headers=mine, timeout=10).status_code == 404
    assert requests.delete(f"{shared.url}/sweep", headers=mine, timeout=10).status_code == 501
    large = requests.post(f"{shared.url}/sweep", data=b"[" + b" " * 300_000, headers=mine, timeout=10)
    assert large.status_code == 400


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One process for all that only ask; one file lies there."""
    host = Host(tmp_path_factory.mktemp("host"))
    host.write(f"input/farm/{uuid.uuid4()}.jpg")
    host.serve()
    yield host
    assert host.process is not None and host.process.stderr is not None
    host.process.terminate()
    host.process.wait(10)
    host.process.stderr.close()


def test_it_does_not_start_without_a_token_that_others_cannot_read(host: Host, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o644)
    for environment, sentence in (
        ({}, "Set SWEEPER_TOKEN"),
        ({"SWEEPER_TOKEN": "short"}, "at least 16"),
        ({"SWEEPER_TOKEN_FILE": str(token)}, f"chmod 600 {token}"),
        ({"SWEEPER_TOKEN_FILE": str(tmp_path / "none")}, "cannot be read"),
    ):
        process = host.start(**environment)
        assert sentence in process.communicate(timeout=20)[1]
        assert process.returncode == 1


def test_once_sweeps_by_age_and_opens_no_port(host: Host) -> None:
    old, fresh = host.write(f"input/farm/{uuid.uuid4()}.jpg", 2 * HOUR), host.write(f"input/farm/{uuid.uuid4()}.jpg")
    process = host.start("--once")
    assert "removed 1 copies" in process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert (old.exists(), fresh.exists()) == (False, True)
