"""The customer's own OpenID provider in the journeys: Canaille, which shares no line with us. Runs in .venv-iam, in a process of its own.

Takes one JSON object on standard input: port, client_id, client_secret, redirect_uri, and people ({user_name, given_name, family_name,
email, password}). Prints `ready` once it serves.
"""

import json
import os
import sys
import uuid
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the provider is on loopback; read when its library is imported

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from flask import Flask
from joserfc.jwk import JWKRegistry


class QuietHandler(WSGIRequestHandler):
    """Keeps standard error for faults."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def make_app(settings: dict[str, Any]) -> Flask:
    """Return the provider with its people and the one client: us."""
    key = JWKRegistry.generate_key("RSA", 2048)
    key.ensure_kid()
    app: Flask = create_app(
        config={
            "ENV_FILE": None,
            "SECRET_KEY": str(uuid.uuid4()),
            "PREFERRED_URL_SCHEME": "http",
            "SERVER_NAME": f"localhost:{settings['port']}",
            "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False, "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}}},
            "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
        }
    )
    with app.app_context():
        for person in settings["people"]:
            Backend.instance.save(
                models.User(
                    user_name=person["user_name"],
                    formatted_name=f"{person['given_name']} {person['family_name']}",
                    given_name=person["given_name"],
                    family_name=person["family_name"],
                    emails=[person["email"]],
                    password=person["password"],
                )
            )
        client = models.Client(
            client_id=settings["client_id"],
            client_name="Moongate",
            client_secret=settings["client_secret"],
            redirect_uris=[settings["redirect_uri"]],
            grant_types=["authorization_code"],
            response_types=["code"],
            token_endpoint_auth_method="client_secret_basic",
            scope=["openid", "profile", "email"],
            client_uri="http://moongate.localhost/",  # Canaille asks no consent for such a domain
        )
        Backend.instance.save(client)
        # Without it Canaille signs ID tokens for nobody.
        client.audience = [client]
        Backend.instance.save(client)
    return app


if __name__ == "__main__":
    given = json.load(sys.stdin)
    server = make_server("localhost", given["port"], make_app(given), handler_class=QuietHandler)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()
