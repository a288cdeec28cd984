"""`moongate client` and `moongate keys`: apps registered, changed, switched off; keys rotated."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.domain.nodes import Node
from gateway.services import access
from gateway.services.context import Context
from gateway.storage import access as stored_access
from tests.cli.conftest import Commands
from tests.tokens.forge import ForgeKey

REGISTER = ("client", "register", "--tenant", "acme", "--name", "Shop", "--redirect-uri", "https://app.example/cb")


@pytest.fixture(autouse=True)
def _acme(acme: Node) -> None:
    """Every command here speaks of Acme."""


def test_the_way_of_an_app(moongate: Commands) -> None:
    registered = moongate.json(*REGISTER)
    assert registered.keys() == {"client_id", "client_secret"}
    assert registered["client_secret"].startswith("mgc_")
    client_id = registered["client_id"]
    at = ("--tenant", "acme", client_id)
    shown = moongate.json("client", "show", *at)
    assert (shown["name"], shown["status"], shown["auth_method"], shown["pkce"]) == ("Shop", "enabled", "client_secret_basic", "required")
    assert registered["client_secret"] not in json.dumps(shown)
    assert [item["client_id"] for item in moongate.json("client", "list", "--tenant", "acme")] == [client_id]
    changed = moongate.json(
        "client", "set", *at, "--name", "Store", "--redirect-uri", "https://a.example/1", "--redirect-uri", "https://a.example/2"
    )
    assert (changed["name"], changed["redirect_uris"]) == ("Store", ["https://a.example/1", "https://a.example/2"])
    rotated = moongate.json("client", "rotate-secret", *at)
    assert rotated["client_secret"] not in {"", registered["client_secret"]}
    assert moongate.json("client", "disable", *at)["status"] == "disabled"
    assert moongate.json("client", "enable", *at)["status"] == "enabled"
    assert moongate.json("client", "delete", *at) == {"client_id": client_id, "status": "deleted"}
    assert moongate.refusal("client", "show", *at) == "E_Client_Unknown"
    assert moongate.json("client", "list", "--tenant", "acme") == []


def test_every_option_is_taken_and_shown(moongate: Commands) -> None:
    options = (
        "--post-logout-redirect-uri", "https://app.example/out", "--backchannel-logout-uri", "https://app.example/bc", "--grant",
        "authorization_code", "--scope", "openid", "--scope", "read:x", "--resource", "https://api.example", "--first-party",
        "--roleless", "--pkce", "optional", "--id-token-alg", "ES256", "--access-token-alg", "RS256", "--auth-method",
        "client_secret_post", "--second-factor-unsupported",
    )  # fmt: skip
    client_id = moongate.json(*REGISTER, *options)["client_id"]
    shown = moongate.json("client", "show", "--tenant", "acme", client_id)
    assert shown == {
        "client_id": client_id,
        "name": "Shop",
        "status": "enabled",
        "auth_method": "client_secret_post",
        "redirect_uris": ["https://app.example/cb"],
        "post_logout_redirect_uris": ["https://app.example/out"],
        "backchannel_logout_uri": "https://app.example/bc",
        "grants": ["authorization_code"],
        "scopes": ["openid", "read:x"],
        "resources": ["https://api.example"],
        "roleless": True,
        "first_party": True,
        "pkce": "optional",
        "id_token_alg": "ES256",
        "access_token_alg": "RS256",
        "second_factor_unsupported": True,
        "jwks_uri": "",
    }


@pytest.mark.parametrize("option", [("--public",), ("--auth-method", "none")], ids=str)
def test_public_app_gets_no_secret(moongate: Commands, option: tuple[str, ...]) -> None:
    registered = moongate.json(*REGISTER, *option)
    assert registered["client_secret"] is None
    assert moongate.refusal("client", "rotate-secret", "--tenant", "acme", registered["client_id"]) == "E_Field_Not_Available"


def test_keys_of_a_file_make_private_key_jwt(moongate: Commands, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [ForgeKey("k", "ES256", ec.generate_private_key(ec.SECP256R1())).jwk()]}))
    registered = moongate.json(*REGISTER, "--jwks", str(file))
    assert registered["client_secret"] is None
    shown = moongate.json("client", "show", "--tenant", "acme", registered["client_id"])
    assert shown["auth_method"] == "private_key_jwt"
    file.write_text("{}")
    assert moongate.refusal(*REGISTER, "--jwks", str(file)) == "E_Field_Invalid"


def test_role_is_made_or_extended(moongate: Commands, acme: Node, context: Context) -> None:
    access.create_role(context, acme.id, "Old", kind="tenant", apps=[], level=0)
    client_id = moongate.json(*REGISTER, "--role", "Old", "--role", "New")["client_id"]
    for name in ("Old", "New"):
        role = access.get_role(context, acme.id, name)
        assert stored_access.list_apps_of_role(context.database, role.id) == [client_id]


def test_what_breaks_a_rule_registers_nothing(moongate: Commands) -> None:
    assert moongate.refusal("client", "register", "--tenant", "acme", "--name", "Shop") == "E_Field_Required"
    assert moongate.refusal(*REGISTER, "--redirect-uri", "http://app.example/cb") == "E_Field_Invalid"
    assert moongate.refusal(*REGISTER, "--role", "bad\x07name") == "E_Field_Invalid"
    assert moongate.json("client", "list", "--tenant", "acme") == []


def test_nothing_to_set_is_said(moongate: Commands) -> None:
    client_id = moongate.json(*REGISTER)["client_id"]
    assert moongate.refusal("client", "set", "--tenant", "acme", client_id) == "E_Field_Required"


def test_another_tenants_app_is_not_found(moongate: Commands, globex: Node) -> None:
    client_id = moongate.json(*REGISTER)["client_id"]
    for command in ("show", "disable", "delete", "rotate-secret"):
        assert moongate.refusal("client", command, "--tenant", "globex", client_id) == "E_Client_Unknown"


def test_keys_are_rotated(moongate: Commands) -> None:
    rotated = moongate.json("keys", "rotate", "--tenant", "acme")
    assert len(rotated["kids"]) == 2
    assert rotated["signing_in_seconds"] == 600
