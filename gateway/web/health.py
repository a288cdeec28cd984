"""Whether the process is alive, and whether it can serve."""

from flask import Blueprint, Response

from gateway.http.endpoints import HEALTH, READY
from gateway.http.requests import house
from gateway.services.readiness import require_ready

door = Blueprint("health", __name__)


@door.get(HEALTH)
def alive() -> Response:
    """Answer as soon as the process can."""
    return Response("ok\n", mimetype="text/plain")


@door.get(READY)
def ready() -> Response:
    """Answer 200 once the database can be reached and is up to date; a fault is answered 503."""
    require_ready(house().database)
    return Response("ok\n", mimetype="text/plain")
