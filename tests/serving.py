"""The web tier of a farm over a real socket, in the test's own process: `with serve(farm) as url`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from werkzeug.serving import make_server

from jobs.access.operators import ensure_admin
from jobs.farm import Farm
from web import auth, create_app

PASSWORD = "admin password"


@contextmanager
def serve(farm: Farm) -> Iterator[str]:
    """The address of the farm's web tier; its operator is `admin`."""
    farm.database.write(ensure_admin, PASSWORD)
    auth._limiter.storage.reset()  # a new web process forgives wrong and many logins
    app = create_app(farm)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        app.extensions["farm"].watcher.stop()
        server.shutdown()
        thread.join(10)
        server.server_close()


def log_in(url: str) -> requests.Session:
    """A session of the operator `admin`."""
    session = requests.Session()
    form = session.get(f"{url}/ops/login", timeout=10).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token is not None
    answer = session.post(
        f"{url}/ops/login",
        data={"username": "admin", "password": PASSWORD, "csrf_token": token[1]},
        headers={"Origin": url},
        timeout=10,
        allow_redirects=False,
    )
    assert answer.status_code == 302, answer.text
    return session
