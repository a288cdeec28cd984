"""The endpoints of our OpenID provider, and where they are."""

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from federation.downstream import authorize, cors, discovery, logout, machine, protected
from federation.downstream.assertions import KEYS, PublishedKeys
from federation.downstream.throttle import FAILURES, Failures
from gateway.http import endpoints

door = Blueprint("downstream", __name__)

door.add_url_rule(endpoints.OPENID_CONFIGURATION, view_func=discovery.metadata)
door.add_url_rule(endpoints.AUTHORIZATION_SERVER_METADATA, "oauth_metadata", discovery.metadata)
door.add_url_rule(endpoints.JWKS, view_func=discovery.jwks)
door.add_url_rule(endpoints.AUTHORIZE, view_func=authorize.authorize, methods=["GET", "POST"])
door.add_url_rule(endpoints.AUTHORIZE_CONTINUE, "continue", authorize.continue_)
door.add_url_rule(endpoints.AUTHORIZE_RETURN, "return", authorize.return_)
door.add_url_rule(endpoints.TOKEN, view_func=machine.token, methods=["POST"])
door.add_url_rule(endpoints.INTROSPECT, view_func=machine.introspect, methods=["POST"])
door.add_url_rule(endpoints.REVOKE, view_func=machine.revoke, methods=["POST"])
door.add_url_rule(endpoints.USERINFO, view_func=protected.userinfo, methods=["GET", "POST"])
door.add_url_rule(endpoints.LOGOUT, view_func=logout.logout, methods=["GET", "POST"])
door.after_request(cors.allow)


@door.record_once
def _keep(state: BlueprintSetupState) -> None:
    """Give the app what this process remembers for all its requests."""
    state.app.extensions[FAILURES] = Failures()
    state.app.extensions[KEYS] = PublishedKeys()
