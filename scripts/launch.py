"""The whole farm in the foreground: `./scripts/up [--simulate]`. Starts every process, restarts what dies, drains all.

Children are killed by the kernel if this process is killed itself. The embedded Redis is started first and ended last.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

import redis
import requests

from jobs.access.secret_files import admin_password
from jobs.engine.lifeline import die_with_parent, show_stacks_on_request
from jobs.errors import SettingsError
from jobs.resources import RESOURCES
from jobs.settings import Settings
from jobs.settings.providers import DEFAULTS

SERVICES = {
    "web": ["scripts.serve"],
    "comfyui": ["scripts.worker_pool", "comfyui"],
    "api": ["scripts.worker_pool", "api"],
    "reconcile": ["scripts.reconcile"],
}
CHECKPOINTS = ("sd_xl_base_1.0.safetensors", "dreamshaper_8.safetensors")
STAND_IN_NICE = 10
"""Stand-ins play machines of their own, so they must not take the farm's processor from it."""
KEY_OF = {"replicate": "REPLICATE_API_TOKEN"}
"""Where the key of a provider is set, if not as <NAME>_API_KEY."""
SIMULATED_PRICES = json.dumps({"*": 0.04})
"""Made up, so that a simulated farm has costs to show."""
QUICK_DEATH_SECONDS = 2.0
PAUSE_SECONDS = 1.0
LOOK_SECONDS = 0.05
READY_SECONDS = 60.0


class Launcher:
    """The processes that we started, by name."""

    def __init__(self, services: dict[str, list[str]]) -> None:
        """`services`: what is kept up, by name."""
        self.services = services
        self.environment = dict(os.environ)
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.started_at: dict[str, float] = {}
        self.signals = 0

    def start(self, name: str, module: list[str], *, capture: bool = False, nice: int = 0) -> subprocess.Popen[str]:
        """Start `python -m module…` as a child that dies with us. `nice`: how far it steps back for others."""
        pid = os.getpid()
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            text=True,
            preexec_fn=_tie_to(pid, nice),
        )
        self.processes[name] = process
        self.started_at[name] = time.monotonic()
        return process

    def keep_up(self) -> None:
        """Restart services that ended, until a signal asks us to stop. One that dies at its start is given a pause."""
        start_at: dict[str, float] = {}
        while not self.signals:
            now = time.monotonic()
            for name, module in self.services.items():
                code = self.processes[name].poll()
                if code is None:
                    continue
                if name not in start_at:
                    print(f"{name} ended with status {code}; it is started again", file=sys.stderr, flush=True)
                    is_quick = now - self.started_at[name] < QUICK_DEATH_SECONDS
                    start_at[name] = now + (PAUSE_SECONDS if is_quick else 0.0)
                if now >= start_at[name]:
                    del start_at[name]
                    self.start(name, module)
            for name in self.processes.keys() - self.services.keys():
                if self.processes[name].poll() is not None:
                    print(f"{name} ended; the farm stops", file=sys.stderr, flush=True)
                    self.signals += 1
            time.sleep(LOOK_SECONDS)

    def drain(self) -> None:
        """End everything: services finish what they do, then what they needed. Another signal kills."""
        others = [name for name in reversed(self.processes) if name not in self.services]
        for group in (["web", "comfyui", "api"], ["reconcile"], *([name] for name in others)):
            running = [self.processes[name] for name in group if name in self.processes]
            for process in running:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            told = self.signals
            while any(process.poll() is None for process in running):
                if self.signals > told:
                    told = self.signals
                    for process in running:
                        process.send_signal(signal.SIGTERM if told == 2 else signal.SIGKILL)
                time.sleep(LOOK_SECONDS)

    def note_signal(self, signum: int, frame: FrameType | None) -> None:
        """SIGTERM or Ctrl-C."""
        self.signals += 1
        if self.signals == 1:
            print("\nThe farm stops; what is being made is finished first. Once more ends it at once.", flush=True)


def main() -> int:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="up", description="Runs the whole farm in the foreground.")
    parser.add_argument("--simulate", action="store_true", help="stand-ins instead of ComfyUI and cloud services")
    parser.add_argument("--servers", type=int, default=10, help="with --simulate: how many ComfyUI stand-ins (10)")
    parser.add_argument("--seconds", type=float, default=2.0, help="with --simulate: seconds for a picture (2)")
    arguments = parser.parse_args()
    try:
        settings = Settings.load()
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return 2
    if not settings.comfyui_urls and not arguments.simulate:
        print(
            "COMFYUI_URLS is not set: name your ComfyUI servers there, or try the farm with ./scripts/up --simulate",
            file=sys.stderr,
        )
        return 2
    if _is_taken(settings.host, settings.port):
        print(f"Port {settings.port} of {settings.host} is in use; set PORT to another one.", file=sys.stderr)
        return 2
    show_stacks_on_request()
    launcher = Launcher(services_of(settings))
    signal.signal(signal.SIGTERM, launcher.note_signal)
    signal.signal(signal.SIGINT, launcher.note_signal)
    try:
        if not settings.redis_url:
            start_redis(launcher, settings)
        if arguments.simulate:
            _start_stand_ins(launcher, settings, arguments.servers, arguments.seconds)
        for name, module in launcher.services.items():
            launcher.start(name, module)
        _introduce(launcher, settings, simulated=arguments.simulate)
        launcher.keep_up()
    finally:
        launcher.drain()
        if not settings.redis_url:
            settings.redis_note.unlink(missing_ok=True)
    return 0


def services_of(settings: Settings) -> dict[str, list[str]]:
    """The services that have something to do: a pool without workers is not started."""
    idle = {resource for resource in RESOURCES if settings.workers_of(resource) == 0}
    return {name: module for name, module in SERVICES.items() if name not in idle}


def start_redis(launcher: Launcher, settings: Settings) -> None:
    """Start a Redis of our own, and wait until it answers; the services find it by REDIS_URL."""
    settings.redis_note.unlink(missing_ok=True)
    launcher.start("redis", ["scripts.embedded_redis"])

    def answers() -> bool:
        if not settings.redis_note.exists():
            return False
        try:
            return bool(redis.Redis.from_url(settings.redis, socket_timeout=1.0).ping())
        except redis.RedisError:
            return False

    _wait_for(launcher, answers, "the embedded Redis")
    launcher.environment["REDIS_URL"] = settings.redis


def _start_stand_ins(launcher: Launcher, settings: Settings, servers: int, seconds: float) -> None:
    folder = settings.data_dir / "simulators"
    folder.mkdir(parents=True, exist_ok=True)
    common = ["--seconds", str(seconds), "--die-with-parent", str(os.getpid())]
    ports = [word for _ in range(servers) for word in ("--port", "0")]
    models = [word for name in CHECKPOINTS for word in ("--checkpoint", name)]
    launcher.environment["SWEEPER_TOKEN"] = secrets.token_urlsafe(24)
    sweeper = ["--sweeper-port", "0"]
    comfyui = launcher.start(
        "comfyui stand-ins",
        ["scripts.simulators.comfyui", *ports, *models, *common, *sweeper, "--log", str(folder / "comfyui.jsonl")],
        capture=True,
        nice=STAND_IN_NICE,
    )
    clouds = launcher.start(
        "cloud stand-ins",
        ["scripts.simulators.clouds", *common, "--log-folder", str(folder)],
        capture=True,
        nice=STAND_IN_NICE,
    )
    urls = [_read_line(comfyui)[-1] for _ in range(servers)]
    launcher.environment |= {
        "SIMULATE": "true",
        "COMFYUI_URLS": ",".join(urls),
        "SWEEPER_PORT": _read_line(comfyui)[-1].rpartition(":")[2],
    }
    for _ in DEFAULTS:
        name, *_, url = _read_line(clouds)
        launcher.environment |= {
            f"{name.upper()}_BASE_URL": url,
            KEY_OF.get(name, f"{name.upper()}_API_KEY"): "simulated",
            f"{name.upper()}_PRICES": SIMULATED_PRICES,
        }
    (folder / "urls").write_text("\n".join(urls) + "\n")


def _introduce(launcher: Launcher, settings: Settings, *, simulated: bool) -> None:
    def is_ready() -> bool:
        try:
            address = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  compared only
            return requests.get(f"http://{address}:{settings.port}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    _wait_for(launcher, is_ready, "the web")
    if launcher.signals:
        return
    mode = "SIMULATED farm: no picture is real" if simulated else "The farm"
    lines = [
        f"{mode} is up.",
        f"  Booths     {settings.base_url}/api/v1   (a key for one: ./scripts/booth-key NAME)",
        f"  Operators  {settings.base_url}/ops/   (admin, password {admin_password(settings)})",
        f"  Data       {settings.data_dir.resolve()}",
        "  Ctrl-C drains and ends everything.",
    ]
    print("\n".join(lines), flush=True)


def _wait_for(launcher: Launcher, is_there: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while not launcher.signals and not is_there():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not come up within {READY_SECONDS:.0f} s; its messages are above")
        time.sleep(LOOK_SECONDS)


def _read_line(process: subprocess.Popen[str]) -> list[str]:
    """The words of what a stand-in says when it has started; the last one is its address."""
    if process.stdout is None:
        raise RuntimeError("the stand-in was started without a pipe")
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a stand-in did not start; its messages are above")
    return line.split()


def _tie_to(pid: int, nice: int) -> Callable[[], None]:
    def tie() -> None:
        os.nice(nice)
        die_with_parent(pid)

    return tie


def _is_taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
