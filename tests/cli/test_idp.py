"""`moongate idp`: adding a provider by discovery, testing it, and switching it on and off."""

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.domain.nodes import Node
from gateway.services.context import Context
from gateway.services.house import House
from tests.cli.conftest import Commands
from tests.services.test_identity_providers import Outside, publishing
from tests.services.test_linking import add_person
from tests.tokens.forge import ForgeKey

ISSUER = "https://acme.okta.com"
ADD = ("idp", "add", "--tenant", "acme", "corp", "--issuer", ISSUER, "--client-id", "client-1", "--client-secret-stdin")


@pytest.fixture
def outside() -> Outside:
    return publishing(ISSUER, ForgeKey("ec-1", "ES256", ec.generate_private_key(ec.SECP256R1())))


@pytest.fixture
def moongate(house: House, outside: Outside, acme: Node) -> Commands:
    return Commands(dataclasses.replace(house, fetcher=outside))


def test_the_way_of_a_provider(moongate: Commands) -> None:
    added = moongate.json(*ADD, text="s3cret\n")
    assert added["key"] == "corp"
    assert added["redirect_uri"] == "http://localhost:8000/t/acme/federation/corp/callback"
    assert (added["status"], added["vendor"], added["matching"], added["tested"]) == ("inactive", "okta", "email", False)
    assert moongate.refusal("idp", "activate", "--tenant", "acme", "corp") == "E_Idp_Config"
    tested = moongate.json("idp", "test", "--tenant", "acme", "corp")
    assert (tested["keys"], tested["token_endpoint"], tested["pkce"]) == (1, f"{ISSUER}/token", True)
    assert moongate.json("idp", "activate", "--tenant", "acme", "corp")["status"] == "active"
    assert moongate.json("idp", "show", "--tenant", "acme", "corp")["status"] == "active"
    assert [item["key"] for item in moongate.json("idp", "list", "--tenant", "acme")] == ["corp"]
    assert moongate.refusal("idp", "delete", "--tenant", "acme", "corp") == "E_Delete_Enabled_User"
    assert moongate.json("idp", "deactivate", "--tenant", "acme", "corp")["status"] == "inactive"
    moongate.json("idp", "delete", "--tenant", "acme", "corp")
    assert moongate.json("idp", "list", "--tenant", "acme") == []
    assert moongate.refusal("idp", "show", "--tenant", "acme", "corp") == "E_Idp_Unknown"


def test_every_rule_is_taken_and_shown(moongate: Commands) -> None:
    rules = ("--name", "Acme", "--matching", "custom-login", "--claim", "upn", "--email-trust", "domains", "--external-id-claim", "eid")
    trusted = ("--mfa-amr", "mfa", "--mfa-amr", "otp", "--mfa-acr", "phr", "--link-only", "--exact-case")
    added = moongate.json(*ADD, *rules, *trusted, "--vendor", "generic", "--activate", text="s3cret")
    expected = {
        "name": "Acme",
        "matching": "custom-login",
        "claim": "upn",
        "email_trust": "domains",
        "external_id_claim": "eid",
        "mfa_amr": ["mfa", "otp"],
        "mfa_acr": ["phr"],
        "link_only": True,
        "exact_case": True,
        "vendor": "generic",
        "status": "active",
    }
    assert {name: added[name] for name in expected} == expected
    changed = moongate.json("idp", "set", "--tenant", "acme", "corp", "--matching", "email", "--sign-in", "--client-id", "client-2")
    assert (changed["matching"], changed["link_only"], changed["client_id"], changed["claim"]) == ("email", False, "client-2", "upn")


def test_r073_deactivation_names_who_cannot_sign_in_any_more(moongate: Commands, context: Context, acme: Node) -> None:
    moongate.json(*ADD, "--activate", text="s3cret")
    add_person(context, acme, "flast@acme.example", federated_only=True)
    asked = moongate.json("idp", "deactivate", "--tenant", "acme", "corp", "--dry-run")
    assert (asked["status"], asked["cannot_sign_in"]) == ("active", ["flast@acme.example"])
    done = moongate.json("idp", "deactivate", "--tenant", "acme", "corp")
    assert (done["status"], done["cannot_sign_in"]) == ("inactive", ["flast@acme.example"])


def test_the_secret_is_never_printed(moongate: Commands) -> None:
    moongate.json(*ADD, text="s3cret-of-corp")
    moongate.json("idp", "set", "--tenant", "acme", "corp", "--client-secret-stdin", text="s3cret-of-corp-2")
    assert "s3cret" not in moongate.words("idp", "show", "--tenant", "acme", "corp")
    assert "s3cret" not in moongate.words("audit", "list", "--tenant", "acme")


def test_what_stands_in_the_way_is_said_to_the_administrator(moongate: Commands, outside: Outside) -> None:
    outside.documents.clear()
    ended = moongate.run(*ADD, text="s3cret")
    assert ended.exit_code == 1
    assert "E_Idp_Unreachable" in ended.stderr
    assert "nobody there: 10.0.0.7 refused" in ended.stderr
    assert moongate.run(*ADD[:-1], text="s3cret").exit_code == 2
