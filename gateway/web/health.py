"""Whether the process is alive, and whether it can serve: answered to anybody, and so in sentences that tell nothing about anybody.

/healthz    200 as soon as the process can answer; it asks nothing else, so that a database that is away gets no process killed
/readyz     200 or 503 with every check as JSON
"""

from typing import cast

from flask import Blueprint, Response, current_app
from flask.blueprints import BlueprintSetupState

from gateway import leaving
from gateway.domain.checks import worst
from gateway.http.endpoints import HEALTH, READY
from gateway.http.requests import EXTENSION
from gateway.services.readiness import Readiness, is_ready

door = Blueprint("health", __name__)

_READINESS = "moongate.readiness"


@door.record
def _keep(state: BlueprintSetupState) -> None:
    """Give each app its own memory of how it was a moment ago."""
    state.app.extensions[_READINESS] = Readiness(state.app.extensions[EXTENSION], leaving.is_leaving)


def readiness() -> Readiness:
    """Return how this process is."""
    return cast(Readiness, current_app.extensions[_READINESS])


@door.get(HEALTH)
def alive() -> Response:
    """Answer as soon as the process can."""
    return Response("ok\n", mimetype="text/plain")


@door.get(READY)
def ready() -> Response:
    """Answer 200 where this process can serve, else 503; either with what was looked at."""
    checks = readiness().look()
    told = [{"check": check.check, "outcome": check.outcome, "detail": check.detail} for check in checks]
    answer = Response(
        current_app.json.dumps({"outcome": worst(checks), "checks": told}) + "\n",
        200 if is_ready(checks) else 503,
        mimetype="application/json",
    )
    if not is_ready(checks):
        answer.headers["Retry-After"] = "5"
    return answer
