"""The endpoints of our OpenID provider, and where they are."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from federation.downstream import authorize, cors, discovery, logout, machine, protected
from federation.downstream.machine import Act
from gateway.http import endpoints

door = Blueprint("downstream", __name__)


def _answered(act: Act) -> Callable[[], Response]:
    """Return the view of an act that the door answers: what comes here was asked in an unusual way, by HEAD or with a slash at the end."""

    def view() -> Response:
        return act(request.environ).as_response()

    return view


door.add_url_rule(endpoints.OPENID_CONFIGURATION, view_func=discovery.metadata)
door.add_url_rule(endpoints.AUTHORIZATION_SERVER_METADATA, "oauth_metadata", discovery.metadata)
door.add_url_rule(endpoints.JWKS, view_func=discovery.jwks)
door.add_url_rule(endpoints.AUTHORIZE, view_func=authorize.authorize, methods=["GET", "POST"])
door.add_url_rule(endpoints.AUTHORIZE_CONTINUE, "continue", authorize.continue_)
door.add_url_rule(endpoints.AUTHORIZE_RETURN, "return", authorize.return_)
door.add_url_rule(endpoints.TOKEN, "token", _answered(machine.token), methods=["POST"])
door.add_url_rule(endpoints.INTROSPECT, "introspect", _answered(machine.introspect), methods=["POST"])
door.add_url_rule(endpoints.REVOKE, "revoke", _answered(machine.revoke), methods=["POST"])
door.add_url_rule(endpoints.USERINFO, "userinfo", _answered(protected.userinfo), methods=["GET", "POST"])
door.add_url_rule(endpoints.LOGOUT, view_func=logout.logout, methods=["GET", "POST"])
door.after_request(cors.allow)
