"""ComfyUI servers killed or stopped with a prompt in its middle: the prompt runs on another server."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from scripts.benching.farm import farm
from scripts.benching.rig import Bench, eventually
from scripts.recovering.outcomes import Recovery
from scripts.recovering.prompts import (
    PATIENCE_SECONDS,
    SHORT_SECONDS,
    WORKERS,
    held_prompts,
    rows_after,
    settings_for,
)
from scripts.recovering.servers import ServerProcess, server_processes
from scripts.recovering.watching import Claimed, Watch, watching

HOW = (
    "{signal} of a server with a prompt in its middle, {workers} of {servers} servers half a second apart, one prompt "
    "at each; from there until another server has begun with the photo"
)
PAUSE_SECONDS = 0.5


def measure_killed(bench: Bench) -> list[Recovery]:
    """kill -9: connections are refused."""
    seconds = measure(bench, signal.SIGKILL)
    return [Recovery("ComfyUI server killed", how(bench, "kill -9"), "s", seconds, 25.0, 25.0)]


def measure_hung(bench: Bench) -> list[Recovery]:
    """SIGSTOP: connections are accepted, and nothing is answered."""
    seconds = measure(bench, signal.SIGSTOP)
    return [Recovery("ComfyUI server hung", how(bench, "SIGSTOP"), "s", seconds, 75.0, 75.0)]


def how(bench: Bench, word: str) -> str:
    """What was done, for the table."""
    workers = bench.choose(WORKERS, 2)
    return HOW.format(signal=word, workers=workers, servers=2 * workers)


def measure(bench: Bench, number: signal.Signals) -> list[float]:
    """Twice as many servers as prompts, so that each prompt finds an idle one."""
    workers = bench.choose(WORKERS, 2)
    seconds: list[float] = []
    with server_processes(bench, processes=2 * workers, servers_each=1, seconds=SHORT_SECONDS) as (servers, log):
        urls = [url for server in servers for url in server.urls]
        by_url = {server.urls[0]: server for server in servers}
        with farm(bench, urls, **settings_for(bench, workers)) as started, watching(started.database_url) as (watch,):
            while len(seconds) < bench.repeats:
                wait_for_all(watch, urls)
                with held_prompts(started, watch, urls, log, workers) as claims:
                    victims = claims[: bench.repeats - len(seconds)]
                    seconds += lose(watch, victims, by_url, number, log)
                    for claimed in victims:
                        bring_back(by_url[claimed.server], number)
                watch.must_have_succeeded(seconds=PATIENCE_SECONDS)
                bench.say(f"servers lost: {len(seconds)}, the last one's prompt elsewhere after {seconds[-1]:.1f} s")
    return seconds


def lose(
    watch: Watch, victims: list[Claimed], by_url: dict[str, ServerProcess], number: signal.Signals, log: Path
) -> list[float]:
    """Signal each victim's server; the seconds until its prompt has begun elsewhere."""
    lost_at: dict[int, float] = {}
    for claimed in victims:
        lost_at[claimed.step_id] = time.time()
        by_url[claimed.server].signal(number)
        time.sleep(PAUSE_SECONDS)

    def began_elsewhere(claimed: Claimed) -> float | None:
        others = {prompt_id for prompt_id, server in watch.list_calls(claimed.step_id) if server != claimed.server}
        rows = rows_after(log, lost_at[claimed.step_id], "start")
        return next((row["t"] for row in rows if row["prompt_id"] in others), None)

    return [
        eventually(lambda claimed=claimed: began_elsewhere(claimed), "the prompt runs elsewhere", PATIENCE_SECONDS)
        - lost_at[claimed.step_id]
        for claimed in victims
    ]


def bring_back(server: ServerProcess, number: signal.Signals) -> None:
    """Start a killed server again; wake one that was stopped."""
    if number == signal.SIGSTOP:
        server.signal(signal.SIGCONT)
    else:
        server.end()
        server.start()
        server.wait_until_up()


def wait_for_all(watch: Watch, urls: list[str]) -> None:
    """Return once every server is in use."""
    eventually(lambda: watch.count_usable_servers() >= len(urls), "every server is back", PATIENCE_SECONDS)
