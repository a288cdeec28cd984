"""The app of the journeys: a relying party on a client library that is not ours. Runs in .venv-iam, in a process of its own.

Takes one JSON object on standard input: port, issuer, client_id, client_secret. Prints `ready` once it serves. It keeps what happened to it, and
`/state` tells: the ID token's claims, userinfo, refresh answers, and every logout token with the time at which it came.
"""

import json
import secrets
import sys
import time
from typing import Any

from flask import Flask, Response, jsonify, redirect, request
from simple_openid_connect.client import OpenidClient
from simple_openid_connect.data import BackChannelLogoutToken, TokenSuccessResponse, UserinfoSuccessResponse
from simple_openid_connect.exceptions import AuthenticationFailedError
from simple_openid_connect.pkce import generate_pkce_pair
from werkzeug.serving import make_server


def make_app(settings: dict[str, Any]) -> Flask:
    """Return the app; its only page is the sign-in and what came of it."""
    app = Flask("app")
    home = f"http://localhost:{settings['port']}"
    state: dict[str, Any] = {"logouts": []}
    pending: dict[str, dict[str, str]] = {}

    def client() -> OpenidClient:
        return OpenidClient.from_issuer_url(
            settings["issuer"],
            authentication_redirect_uri=f"{home}/callback",
            client_id=settings["client_id"],
            client_secret=settings["client_secret"],
            scope="openid profile email roles offline_access",
        )

    @app.get("/")
    def index() -> str:
        return '<!doctype html><title>App</title><a id="sign-in" href="/sign-in">Sign in</a>'

    @app.get("/sign-in")
    def sign_in() -> Response:
        verifier, challenge = generate_pkce_pair()
        handle, nonce = secrets.token_urlsafe(), secrets.token_urlsafe()
        pending[handle] = {"nonce": nonce, "verifier": verifier, "challenge": challenge}
        url = client().authorization_code_flow.start_authentication(
            state=handle, nonce=nonce, code_challenge=challenge, code_challenge_method="S256"
        )
        return redirect(url)

    @app.get("/callback")
    def callback() -> Response | str:
        asked = pending.pop(request.args["state"])
        relying = client()
        try:
            answer = relying.authorization_code_flow.handle_authentication_result(
                request.url,
                state=request.args["state"],
                code_verifier=asked["verifier"],
                code_challenge=asked["challenge"],
                code_challenge_method="S256",
            )
        except AuthenticationFailedError:
            state["error"] = dict(request.args)
            return f'<!doctype html><title>App</title><p id="error">{request.args["error"]}</p>'
        if not isinstance(answer, TokenSuccessResponse):
            return Response(f"token endpoint refused: {answer}", 502)
        claims = relying.decode_id_token(answer.id_token, nonce=asked["nonce"])
        profile = relying.fetch_userinfo(answer.access_token)
        state["id_token"] = claims.model_dump(exclude_none=True)
        state["userinfo"] = profile.model_dump(exclude_none=True) if isinstance(profile, UserinfoSuccessResponse) else {"error": str(profile)}
        state["refresh_token"] = answer.refresh_token
        return f'<!doctype html><title>App</title><p id="subject">{claims.sub}</p>'

    @app.post("/refresh")
    def refresh() -> Response:
        answer = client().exchange_refresh_token(state["refresh_token"])
        if isinstance(answer, TokenSuccessResponse):
            state["refresh_token"] = answer.refresh_token
            return jsonify({"refreshed": True})
        return jsonify({"refreshed": False, "error": answer.error})

    @app.post("/backchannel-logout")
    def backchannel_logout() -> Response:
        came = time.time()
        relying = client()
        token = BackChannelLogoutToken.parse_jwt(request.form["logout_token"], relying.provider_keys)
        token.validate_extern(issuer=settings["issuer"], client_id=settings["client_id"])
        state["logouts"].append({"at": came, "sub": token.sub, "sid": token.sid})
        return Response(status=200)

    @app.get("/state")
    def told() -> Response:
        return jsonify(state)

    return app


if __name__ == "__main__":
    given = json.load(sys.stdin)
    server = make_server("localhost", given["port"], make_app(given), threaded=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()
