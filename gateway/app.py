"""Builds the house for a web server: doors hung, middleware in front, refusals translated."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Flask

from federation.downstream import blueprint as downstream
from federation.downstream.door import Door as SignOnDoor
from federation.upstream import blueprint as upstream
from gateway.http.headers import Headers
from gateway.http.journal import Journal
from gateway.http.requests import EXTENSION
from gateway.http.tenancy import Tenancy, require_known_host
from gateway.http.turns import Turns
from gateway.services.house import House
from gateway.settings import Settings
from gateway.web import errors as web_errors
from gateway.web import factors, health, help_pages, metrics, required_acts, sign_in
from gateway.wiring import open_house
from scim.blueprint import strangers
from scim.door import Door


class _Gateway(Flask):
    """Flask without its question, several times a request, whether what it calls is a coroutine: nothing of ours is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return `func`."""
        return func


def create_app(settings: Settings) -> Flask:
    """Return the gateway for a WSGI server. Raises SettingsError for a setting that stands in the way."""
    return build_app(open_house(settings))


def build_app(house: House) -> Flask:
    """Return the gateway that stands in an open house."""
    app = _Gateway("gateway.web", static_url_path="/static")
    app.extensions[EXTENSION] = house
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.before_request(require_known_host)
    for door in _doors():
        app.register_blueprint(door)
    web_errors.register(app)
    app.wsgi_app = Journal(Turns(Tenancy(Headers(Door(SignOnDoor(app.wsgi_app))), house)), house)  # type: ignore[method-assign]  # Flask's documented way to wrap
    return app


def _doors() -> Iterable[Blueprint]:
    return (
        *(strangers, upstream.door, downstream.door),
        *(sign_in.door, required_acts.door, factors.door, help_pages.door, health.door, metrics.door),
    )
