"""The app of the journeys: a relying party on a client library that is not ours. Runs in .venv-iam, in a process of its own.

Takes one JSON object on standard input: port, issuer, client_id, client_secret. Prints `ready` once it serves. It keeps what happened to
it, and `/state` tells: the ID token's claims, userinfo, errors, and every logout token with the time at which it came.
"""

import json
import secrets
import sys
import time
from typing import Any

from flask import Flask, Response, jsonify, redirect, request
from simple_openid_connect.client import OpenidClient
from simple_openid_connect.data import BackChannelLogoutToken, TokenSuccessResponse
from simple_openid_connect.exceptions import AuthenticationFailedError
from simple_openid_connect.pkce import generate_pkce_pair
from werkzeug.serving import make_server
from werkzeug.wrappers import Response as AnyResponse


class App:
    """One relying party that keeps one person."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.state: dict[str, Any] = {"logouts": []}
        self.pending: dict[str, dict[str, str]] = {}

    def client(self) -> OpenidClient:
        return OpenidClient.from_issuer_url(
            self.settings["issuer"],
            authentication_redirect_uri=f"http://localhost:{self.settings['port']}/callback",
            client_id=self.settings["client_id"],
            client_secret=self.settings["client_secret"],
            scope="openid profile email roles offline_access",
        )

    def index(self) -> str:
        return '<!doctype html><title>App</title><a id="sign-in" href="/sign-in">Sign in</a>'

    def sign_in(self) -> AnyResponse:
        verifier, challenge = generate_pkce_pair()
        handle, nonce = secrets.token_urlsafe(), secrets.token_urlsafe()
        self.pending[handle] = {"nonce": nonce, "verifier": verifier, "challenge": challenge}
        flow = self.client().authorization_code_flow
        return redirect(flow.start_authentication(state=handle, nonce=nonce, code_challenge=challenge, code_challenge_method="S256"))

    def callback(self) -> AnyResponse | str:
        asked = self.pending.pop(request.args["state"])
        client = self.client()
        try:
            answer = client.authorization_code_flow.handle_authentication_result(
                request.url,
                state=request.args["state"],
                code_verifier=asked["verifier"],
                code_challenge=asked["challenge"],
                code_challenge_method="S256",
            )
        except AuthenticationFailedError:
            self.state["error"] = dict(request.args)
            return f'<!doctype html><title>App</title><p id="error">{request.args["error"]}</p>'
        if not isinstance(answer, TokenSuccessResponse):
            return Response(f"token endpoint refused: {answer}", 502)
        claims = client.decode_id_token(answer.id_token, nonce=asked["nonce"])
        self.state["id_token"] = claims.model_dump(exclude_none=True)
        self.state["userinfo"] = client.fetch_userinfo(answer.access_token).model_dump(exclude_none=True)
        self.state["refresh_token"] = answer.refresh_token
        return f'<!doctype html><title>App</title><p id="subject">{claims.sub}</p>'

    def refresh(self) -> Response:
        answer = self.client().exchange_refresh_token(self.state["refresh_token"])
        if isinstance(answer, TokenSuccessResponse):
            self.state["refresh_token"] = answer.refresh_token
            return jsonify({"refreshed": True})
        return jsonify({"refreshed": False, "error": answer.error})

    def backchannel_logout(self) -> Response:
        came = time.time()
        token = BackChannelLogoutToken.parse_jwt(request.form["logout_token"], self.client().provider_keys)
        token.validate_extern(issuer=self.settings["issuer"], client_id=self.settings["client_id"])
        self.state["logouts"].append({"at": came, "sub": token.sub, "sid": token.sid})
        return Response(status=200)

    def told(self) -> Response:
        return jsonify(self.state)


def make_app(settings: dict[str, Any]) -> Flask:
    """Return the app as Flask serves it."""
    app, served = App(settings), Flask("app")
    served.add_url_rule("/", view_func=app.index)
    served.add_url_rule("/sign-in", view_func=app.sign_in)
    served.add_url_rule("/callback", view_func=app.callback)
    served.add_url_rule("/refresh", view_func=app.refresh, methods=["POST"])
    served.add_url_rule("/backchannel-logout", view_func=app.backchannel_logout, methods=["POST"])
    served.add_url_rule("/state", view_func=app.told)
    return served


if __name__ == "__main__":
    given = json.load(sys.stdin)
    server = make_server("localhost", given["port"], make_app(given), threaded=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()
