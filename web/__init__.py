"""The counter: speaks HTTP, HTML and JSON; owns no rules of the domain. `create_app` joins the blueprints."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from jobs.access.secret_files import secret_key
from jobs.engine.changes import Watcher
from jobs.errors import UnsupportedMedia
from jobs.farm import Farm
from jobs.orders.book import read_versions
from web import errors, journal, languages, titles
from web.api import api
from web.auth import SESSION_SECONDS
from web.body_memory import bound_bodies
from web.booth import booth
from web.context import WebContext
from web.dashboard import make_dashboard
from web.docs import docs
from web.guest import guest
from web.health import health
from web.metrics import RequestMeter, make_registry, metrics
from web.ops import ops
from web.proxies import TrustedProxies

MAX_BODY_BYTES = 128_000_000
MAX_FORM_BYTES = 256_000
"""For all text fields together; the parser counts the 64 KiB piece that it is reading too."""
MAX_PARTS = 32
SPARE_THREADS = 32
"""Threads that no follower may take, so that submissions always find one."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(farm: Farm) -> Flask:
    """The web tier of a farm."""
    app = Flask(__name__)
    settings = farm.settings
    watcher = Watcher(farm.redis, lambda ids: farm.database.read(read_versions, ids))
    app.extensions["farm"] = WebContext(farm, watcher)
    app.config.update(
        SECRET_KEY=secret_key(settings),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=MAX_PARTS,
        FOLLOWERS=max(settings.web_threads - SPARE_THREADS, 1),
        SESSION_COOKIE_NAME="farm_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https://"),
        PERMANENT_SESSION_LIFETIME=SESSION_SECONDS,
        WTF_CSRF_FIELD_NAME="csrf_token",
        WTF_CSRF_TIME_LIMIT=SESSION_SECONDS,
        WTF_CSRF_SSL_STRICT=False,
        SIMULATED=settings.simulate,
    )
    app.url_map.merge_slashes = False  # `//api//v1` is nothing of ours, not another spelling
    app.json.sort_keys = False  # type: ignore[attr-defined]  # answers read in the contract's order
    if settings.trusted_proxies:
        app.wsgi_app = TrustedProxies(  # type: ignore[method-assign]  # Flask's own way
            app.wsgi_app, settings.trusted_proxies
        )
    app.extensions["metrics"] = make_registry(farm, watcher)
    journal.register(app, RequestMeter(app.extensions["metrics"]))  # first of all: every answer has its id and line
    _guard(app, farm)  # before anything else that may refuse
    languages.register(app)
    titles.register(app)
    csrf = CSRFProtect(app)
    csrf.exempt(api)
    for blueprint in (api, docs, health, metrics, guest, booth, ops):
        app.register_blueprint(blueprint)
    errors.register(app)
    dashboard = make_dashboard(farm)
    csrf.exempt(dashboard)  # nothing but GET passes its guard, and every other method shall hear 405
    app.register_blueprint(dashboard)
    bound_bodies(app)
    return app


def _guard(app: Flask, farm: Farm) -> None:
    settings = farm.settings
    known = {"localhost", settings.host, *settings.allowed_hosts}
    if settings.public_url:
        known.add(urlsplit(settings.public_url).hostname or "")

    @app.before_request
    def check_host() -> Response | None:
        name = _host_of(f"//{request.host}")
        if name not in known and not _is_loopback(name):
            return errors.problem(errors.HOST_NOT_ALLOWED)
        if request.method not in ("GET", "HEAD", "OPTIONS") and not request.path.startswith("/api/"):
            if _is_foreign(request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site"), request.host):
                return errors.problem(errors.FOREIGN_ORIGIN)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            # Unpacking is where small bodies become huge; photos gain nothing from it.
            raise UnsupportedMedia("Send the body as it is, not compressed.")
        return None

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = g.get("request_id", "")
        return response

    @app.errorhandler(CSRFError)
    def refuse_forgery(error: CSRFError) -> Response:
        return errors.problem(errors.CSRF)


def _is_foreign(origin: str | None, fetch_site: str | None, host: str) -> bool:
    """Was a change sent from another site? Our own pages send Origin `null`, for they have `no-referrer`."""
    if origin in (None, "null"):
        return fetch_site not in (None, "same-origin")
    try:
        return urlsplit(origin).netloc != host
    except ValueError:
        return True


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # such as an IPv6 address without its end
        return ""


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
