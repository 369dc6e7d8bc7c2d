"""The web tier of a farm over a real socket, in the test's own process: `with serve(farm) as url`."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from werkzeug.serving import make_server

from jobs.access.models import User
from jobs.access.operators import ensure_admin
from jobs.farm import Farm
from web import auth, create_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PASSWORD = "admin password"
FILES = ("/static/", "/api/v1/images/", "/api/v1/styles/")
"""Where files are answered."""


class ReadAtOnce:
    """Hands files on as bytes: when a browser leaves early, werkzeug's server forgets to close what it reads."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._application(environ, start_response)
        if not environ["PATH_INFO"].startswith(FILES):
            return answer
        try:
            return list(answer)
        finally:
            getattr(answer, "close", lambda: None)()


@contextmanager
def serve(farm: Farm, *, through: Callable[[WSGIApplication], WSGIApplication] | None = None) -> Iterator[str]:
    """The address of the farm's web tier; its operator is `admin`. `through`: what stands between it and the socket."""
    farm.database.write(ensure_admin, PASSWORD)
    auth._limiter.storage.reset()  # a new web process forgives wrong and many logins
    app = create_app(farm)
    app.wsgi_app = ReadAtOnce(app.wsgi_app)  # type: ignore[method-assign]  # Flask's own way
    if through is not None:
        app.wsgi_app = through(app.wsgi_app)  # type: ignore[method-assign]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        app.extensions["farm"].watcher.stop()
        app.extensions["farm"].watcher.join()  # before its farm closes the connection
        server.shutdown()
        thread.join(10)
        server.server_close()


def session_of(user: User) -> dict[str, Any]:
    """What the cookie of an operator holds who has just logged in: for Flask's test client."""
    return {"user": user.id, "number": user.session_number, "until": time.time() + auth.SESSION_SECONDS}


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
