"""Registering apps: what is refused, what follows from what, and what ends with them."""

from typing import Any

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.relying_party import AuthMethod
from gateway.services import keys, relying_parties
from gateway.services.context import Context
from gateway.services.relying_parties import NewRelyingParty
from tests.conftest import Clock

CALLBACK = "https://app.example/cb"


def registering(context: Context, node: Node, **changes: Any) -> Any:  # noqa: ANN401 -- an app with its secret
    return relying_parties.register(context, node.id, NewRelyingParty(**{"name": "Shop", "redirect_uris": (CALLBACK,)} | changes))


def refused_field(context: Context, node: Node, **changes: Any) -> str:
    with pytest.raises(Refusal) as refusal:
        registering(context, node, **changes)
    assert refusal.value.code in {"E_Field_Invalid", "E_Field_Required"}
    assert relying_parties.list_of_node(context, node.id) == []
    return refusal.value.field


BAD_URIS = (
    "http://app.example/cb",
    "https://app.example/cb#frag",
    "https://app.example/cb#",
    "https://user@app.example/cb",
    "https://*.app.example/cb",
    "https://app.example/c b",
    "https://app.example/\ncb",
    "https://app.example:99999/cb",
    "https://[app/cb",
    "https:///cb",
    "https://büro.example/cb",
    "javascript:alert(1)",
    "/cb",
    "",
    "http://localhost.evil.example/cb",
    "http://127.0.0.1.evil.example/cb",
)


@pytest.mark.parametrize("uri", BAD_URIS)
@pytest.mark.parametrize("field", ["redirect_uris", "post_logout_redirect_uris"])
def test_address_that_answers_could_leak_by_is_refused(context: Context, acme: Node, uri: str, field: str) -> None:
    assert refused_field(context, acme, **{field: (CALLBACK, uri)}) == field.removesuffix("s")


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1/cb", "http://[::1]:8080/cb", "http://localhost:3000/cb?x=1", "https://app.example:444/cb"]
)
def test_loopback_and_https_are_good(context: Context, acme: Node, uri: str) -> None:
    party, _ = registering(context, acme, redirect_uris=(uri,))
    assert relying_parties.matches_redirect_uri(party, uri)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "a\x00b"}, "name"),
        ({"redirect_uris": ()}, "redirect_uri"),
        ({"backchannel_logout_uri": "http://app.example/"}, "backchannel_logout_uri"),
        ({"jwks_uri": "ftp://app.example/"}, "jwks_uri"),
        ({"grants": ("implicit",)}, "grant"),
        ({"scopes": ("two words",)}, "scope"),
        ({"scopes": ('quo"te',)}, "scope"),
        ({"scopes": ("",)}, "scope"),
        ({"resources": ("no-uri",)}, "resource"),
        ({"resources": ("https://api.example/#x",)}, "resource"),
        ({"id_token_alg": "HS256"}, "id_token_alg"),
        ({"id_token_alg": "none"}, "id_token_alg"),
        ({"access_token_alg": "PS256"}, "access_token_alg"),
        ({"auth_method": "tls_client_auth"}, "auth_method"),
        ({"auth_method": "none"}, "auth_method"),
        ({"auth_method": "private_key_jwt"}, "jwks"),
        ({"jwks": "{}"}, "jwks"),
        ({"jwks": "no json"}, "jwks"),
        ({"jwks": "[]"}, "jwks"),
        ({"jwks": '{"keys":[{"kty":"oct","k":"AAAA"}]}'}, "jwks"),
        ({"jwks": "{}", "jwks_uri": "https://app.example/jwks"}, "jwks"),
        ({"jwks_uri": "https://app.example/jwks", "auth_method": "client_secret_basic"}, "jwks"),
        ({"public": True, "grants": ("client_credentials",)}, "grant"),
    ],
    ids=str,
)
def test_app_that_breaks_a_rule_is_refused_by_field(context: Context, acme: Node, changes: dict[str, Any], field: str) -> None:
    assert refused_field(context, acme, **changes) == field


def test_app_that_acts_for_itself_needs_no_address(context: Context, acme: Node) -> None:
    party, secret = registering(context, acme, redirect_uris=(), grants=("client_credentials",))
    assert party.redirect_uris == ()
    assert secret


def test_public_app_always_owes_pkce(context: Context, acme: Node) -> None:
    party, secret = registering(context, acme, public=True, pkce_required=False)
    assert (party.auth_method, party.pkce_required, secret) == (AuthMethod.NONE, True, "")


def test_changes_are_held_to_the_rules_of_registration(context: Context, acme: Node) -> None:
    party, _ = registering(context, acme)
    for changes in (
        {"redirect_uris": ()},
        {"redirect_uris": ("http://app.example/",)},
        {"id_token_alg": "none"},
        {"grants": ("password",)},
    ):
        with pytest.raises(Refusal):
            relying_parties.change(context, party, changes)
    assert relying_parties.get_relying_party(context, acme.id, party.client_id) == party


@pytest.mark.parametrize("field", ["client_id", "node", "auth_method", "created_at", "disabled_at"])
def test_what_an_app_is_does_not_change(context: Context, acme: Node, field: str) -> None:
    party, _ = registering(context, acme)
    with pytest.raises(Refusal) as refusal:
        relying_parties.change(context, party, {field: "x"})
    assert refusal.value.code == "E_Field_Immutable"


def test_secret_is_kept_as_a_hash_and_belongs_to_one_app(context: Context, acme: Node) -> None:
    (first, secret), (second, _) = registering(context, acme), registering(context, acme)
    assert relying_parties.verify_secret(context, first, secret)
    assert not relying_parties.verify_secret(context, second, secret)
    assert secret not in str(context.database.script("SELECT * FROM client_secret"))


def test_two_secrets_live_for_a_day(context: Context, acme: Node, clock: Clock) -> None:
    party, old = registering(context, acme)
    new = relying_parties.rotate_secret(context, party)
    assert relying_parties.verify_secret(context, party, old)
    clock.advance(seconds=86_400)
    assert not relying_parties.verify_secret(context, party, old)
    assert relying_parties.verify_secret(context, party, new)


def test_assertion_serves_once_and_is_forgotten_when_it_is_over(context: Context, acme: Node, clock: Clock) -> None:
    party, _ = registering(context, acme)
    later = type(clock.now)(clock.now + 60_000)
    assert relying_parties.use_assertion(context, party, "j", later)
    assert not relying_parties.use_assertion(context, party, "j", later)
    clock.advance(seconds=61)
    assert relying_parties.use_assertion(context, party, "k", type(clock.now)(clock.now + 1))
    assert context.database.script("SELECT COUNT(*) FROM client_assertion") == [(1,)]


def test_app_switched_off_is_found_by_its_administrator_only(context: Context, acme: Node, globex: Node) -> None:
    party, _ = registering(context, acme)
    assert relying_parties.find(context, acme.id, party.client_id) == party
    assert relying_parties.find(context, globex.id, party.client_id) is None
    relying_parties.set_disabled(context, party, disabled=True)
    assert relying_parties.find(context, acme.id, party.client_id) is None
    assert relying_parties.get_relying_party(context, acme.id, party.client_id).disabled_at is not None


def test_app_switched_off_during_a_change_stays_off(context: Context, acme: Node) -> None:
    party, _ = registering(context, acme)
    relying_parties.set_disabled(context, party, disabled=True)
    relying_parties.change(context, party, {"name": "Renamed"})
    assert relying_parties.find(context, acme.id, party.client_id) is None


def test_keys_are_made_when_the_first_app_is_registered(context: Context, acme: Node) -> None:
    assert keys.list_public_keys(context, acme.id) == []
    registering(context, acme)
    made = keys.list_public_keys(context, acme.id)
    assert {key["alg"] for key in made} == {"RS256", "ES256"}
    registering(context, acme)
    assert keys.list_public_keys(context, acme.id) == made
