"""The public pages: what this place is, what an error code means, and what to do (requirements.md section 2)."""

from collections.abc import Mapping

from flask import Blueprint, Response, render_template

from gateway.domain.errors import CatalogueEntry, Disclosure, Refusal, catalogue, filled, find_entry
from gateway.http.endpoints import HELP_ERRORS
from gateway.http.tenancy import find_current_node

door = Blueprint("help_pages", __name__)


@door.get("/")
def welcome() -> Response:
    """Say what this place is to whoever types its address, the platform's or an issuer's."""
    return Response(render_template("welcome.html", node=find_current_node()), mimetype="text/html")


@door.get(HELP_ERRORS)
def index() -> Response:
    """List every code that people may see."""
    entries = sorted((entry for entry in catalogue().values() if _is_public(entry)), key=lambda entry: entry.code)
    return Response(render_template("help_index.html", node=find_current_node(), entries=entries), mimetype="text/html")


@door.get(f"{HELP_ERRORS}<code>")
def explain(code: str) -> Response:
    """Say what a code means and what to do; codes are compared without regard to case."""
    entry = find_entry(code)
    if entry is None or not _is_public(entry):
        raise Refusal("E_Not_Found")
    texts: Mapping[str, object] = {
        "user": filled(entry.user, entry.example),
        "admin": filled(entry.admin, entry.example),
        "remedies": [filled(remedy, entry.example) for remedy in entry.remedies],
    }
    return Response(render_template("help_error.html", node=find_current_node(), entry=entry, **texts), mimetype="text/html")


def _is_public(entry: CatalogueEntry) -> bool:
    """Return whether a code has a page: those that nobody may learn have none."""
    return entry.disclosure is not Disclosure.NOBODY
