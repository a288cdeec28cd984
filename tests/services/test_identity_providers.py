"""Adding identity providers by discovery, testing them, switching them on and off."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.identity import AuthMethod, Criterion, IdentityProvider, Vendor
from gateway.domain.nodes import Node
from gateway.domain.ports import Reply, Unreachable
from gateway.services import identity_providers, people
from gateway.services.context import Context
from gateway.services.identity_providers import Changes, NewProvider
from gateway.services.people import NewPerson
from gateway.storage import audit
from gateway.storage import identity_providers as stored
from tests.tokens.forge import ForgeKey

ENTRA = "https://login.microsoftonline.com/7f8ac8b4-5d0f-4f3e-9d9e-0e6a6a0c3f11/v2.0"
TEMPLATE = "https://login.microsoftonline.com/{tenantid}/v2.0"
TENANT_ID = "7f8ac8b4-5d0f-4f3e-9d9e-0e6a6a0c3f11"
OKTA = "https://acme.okta.com"


class Outside:
    """Serves documents by URL and remembers what was asked."""

    def __init__(self, documents: Mapping[str, Mapping[str, object]]) -> None:
        self.documents = dict(documents)
        self.asked: list[tuple[str, bool]] = []
        self.tokens = Reply(400, {}, b'{"error":"invalid_grant"}')
        """What the token endpoint says."""

    def get_json(self, url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        self.asked.append((url, private_outbound))
        if url not in self.documents:
            raise Unreachable("nobody there: 10.0.0.7 refused")
        return self.documents[url]

    def post_form(self, url: str, form: Mapping[str, str], *, private_outbound: bool, auth: tuple[str, str] | None = None) -> Reply:
        self.asked.append((url, private_outbound))
        if self.tokens.status >= 500:
            raise Unreachable("token endpoint down")
        return self.tokens


def document(issuer: str, **changes: Any) -> dict[str, Any]:
    """A discovery document with some members changed; None removes one."""
    members: dict[str, object] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/keys",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    return {name: value for name, value in (members | changes).items() if value is not None}


def publishing(issuer: str, *keys: ForgeKey, **changes: Any) -> Outside:
    return Outside(
        {
            f"{issuer}/.well-known/openid-configuration": document(issuer, **changes),
            f"{issuer}/keys": {"keys": [key.jwk() for key in keys]},
        }
    )


def new(issuer: str = OKTA, **changes: Any) -> NewProvider:
    return dataclasses.replace(NewProvider("corp", issuer, "client-1", "s3cret-of-corp"), **changes)


def refusal_of(context: Context, outside: Outside, node: Node, asked: NewProvider) -> Refusal:
    with pytest.raises(Refusal) as refused:
        identity_providers.add_provider(context, outside, node, asked)
    assert not identity_providers.list_providers(context, node)
    return refused.value


@pytest.fixture(scope="module")
def rsa_key() -> ForgeKey:
    return ForgeKey("rsa-1", "RS256", rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def weak_rsa_key() -> ForgeKey:
    return ForgeKey("weak", "RS256", rsa.generate_private_key(65537, 1024))


@pytest.fixture(scope="module")
def ec_key() -> ForgeKey:
    return ForgeKey("ec-1", "ES256", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def corp(context: Context, acme: Node) -> IdentityProvider:
    return identity_providers.add_provider(context, publishing(OKTA), acme, new())


class TestAdding:
    @pytest.mark.parametrize("end", ["", "/"])
    def test_a_tenant_is_not_its_own_provider(self, context: Context, acme: Node, end: str) -> None:
        outside = publishing(acme.issuer + end)
        refused = refusal_of(context, outside, acme, new(acme.issuer + end))
        assert (refused.code, refused.field, outside.asked) == ("E_Field_Invalid", "issuer", [])

    def test_a_new_provider_is_inactive_and_matches_by_email(self, context: Context, acme: Node, corp: IdentityProvider) -> None:
        assert not corp.active
        assert (corp.vendor, corp.matching, corp.auth_method) == (Vendor.OKTA, Criterion.EMAIL, AuthMethod.BASIC)
        assert identity_providers.get_provider(context, acme, "corp") == corp

    def test_entra_is_recognised_by_its_issuer_and_matches_by_login(self, context: Context, acme: Node) -> None:
        provider = identity_providers.add_provider(context, publishing(ENTRA), acme, new(ENTRA))
        assert (provider.vendor, provider.matching, provider.claim) == (Vendor.ENTRA, Criterion.CUSTOM_LOGIN, "preferred_username")
        assert (provider.external_id_claim, provider.auth_method) == ("oid", AuthMethod.POST)

    @pytest.mark.parametrize(
        ("issuer", "vendor"),
        [
            ("https://sts.windows.net/7f8ac8b4-5d0f-4f3e-9d9e-0e6a6a0c3f11/", Vendor.ENTRA),
            ("https://accounts.google.com", Vendor.GOOGLE),
            ("https://sso.acme.example/auth/realms/acme", Vendor.KEYCLOAK),
            ("https://fs.acme.example/adfs", Vendor.ADFS),
            ("https://acme.okta.com/oauth2/default", Vendor.OKTA),
            ("https://okta.com.evil.example", Vendor.GENERIC),
            ("https://login.microsoftonline.com.evil.example/x/v2.0", Vendor.GENERIC),
            ("https://idp.example", Vendor.GENERIC),
        ],
    )
    def test_a_vendor_is_recognised_by_host_or_path(self, context: Context, acme: Node, issuer: str, vendor: Vendor) -> None:
        base = issuer.removesuffix("/")
        outside = Outside({f"{base}/.well-known/openid-configuration": document(issuer) | {"jwks_uri": f"{base}/keys"}})
        assert identity_providers.add_provider(context, outside, acme, new(issuer)).vendor is vendor

    def test_the_administrators_word_on_vendor_and_criterion_wins(self, context: Context, acme: Node) -> None:
        asked = new(vendor=Vendor.GENERIC, matching=Criterion.EXTERNAL_ID, external_id_claim="employee_id", activate=True)
        provider = identity_providers.add_provider(context, publishing(OKTA), acme, asked)
        assert (provider.vendor, provider.matching, provider.external_id_claim) == (Vendor.GENERIC, Criterion.EXTERNAL_ID, "employee_id")
        assert provider.active

    def test_46_an_issuer_that_differs_by_a_slash_is_refused(self, context: Context, acme: Node) -> None:
        outside = Outside({f"{OKTA}/.well-known/openid-configuration": document(f"{OKTA}/")})
        refusal = refusal_of(context, outside, acme, new())
        assert refusal.code == "E_Idp_Config"
        assert f"{OKTA}/" in refusal.reason

    def test_an_unreachable_provider_is_refused_with_one_generic_text(self, context: Context, acme: Node) -> None:
        refusal = refusal_of(context, Outside({}), acme, new())
        assert refusal.code == "E_Idp_Unreachable"
        assert "10.0.0.7" in refusal.reason
        assert "10.0.0.7" not in str(refusal)

    @pytest.mark.parametrize(
        "changes",
        [
            {"token_endpoint": None},
            {"jwks_uri": "http://acme.okta.com/keys"},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"authorization_endpoint": 'https://acme.okta.com/"><script>'},
            {"token_endpoint": "https://user@acme.okta.com/token"},
            {"token_endpoint": "https://[broken/token"},
            {"jwks_uri": 7},
            {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
            {"token_endpoint_auth_methods_supported": "client_secret_basic"},
            {"id_token_signing_alg_values_supported": ["HS256", "none"]},
        ],
    )
    def test_a_document_that_cannot_be_used_is_refused(self, context: Context, acme: Node, changes: dict[str, Any]) -> None:
        outside = Outside({f"{OKTA}/.well-known/openid-configuration": document(OKTA, **changes)})
        assert refusal_of(context, outside, acme, new()).code == "E_Idp_Config"

    def test_algorithms_are_pinned_without_none_and_hs(self, context: Context, acme: Node) -> None:
        outside = publishing(OKTA, id_token_signing_alg_values_supported=["none", "HS256", "ES256", "RS256", "EdDSA"])
        assert identity_providers.add_provider(context, outside, acme, new()).algorithms == ("ES256", "RS256")

    @pytest.mark.parametrize(
        "changes",
        [
            {"key": "Corp"},
            {"key": "a/b"},
            {"key": ""},
            {"client_id": ""},
            {"client_secret": ""},
            {"client_secret": "two\nlines"},
            {"issuer": "ftp://idp.example"},
            {"issuer": "https://idp.example?x=1"},
            {"issuer": TEMPLATE},
            {"issuer": TEMPLATE, "issuer_tenants": ("common",)},
            {"issuer_tenants": (TENANT_ID,)},
        ],
    )
    def test_what_an_administrator_mistypes_is_refused_before_anybody_is_called(
        self, context: Context, acme: Node, changes: dict[str, Any]
    ) -> None:
        outside = publishing(OKTA)
        assert refusal_of(context, outside, acme, new(**changes)).code in {"E_Field_Invalid", "E_Field_Required"}
        assert not outside.asked

    def test_an_issuer_for_several_tenants_of_entra_needs_their_ids(self, context: Context, acme: Node) -> None:
        url = "https://login.microsoftonline.com/organizations/v2.0"
        outside = Outside({f"{url}/.well-known/openid-configuration": document(url) | {"issuer": TEMPLATE}})
        provider = identity_providers.add_provider(context, outside, acme, new(TEMPLATE, issuer_tenants=(TENANT_ID,)))
        assert provider.issuer_tenants == (TENANT_ID,)

    def test_a_key_is_used_once_in_a_tenant(self, context: Context, acme: Node, globex: Node, corp: IdentityProvider) -> None:
        with pytest.raises(Refusal, match="key") as refused:
            identity_providers.add_provider(context, publishing(OKTA), acme, new())
        assert refused.value.code == "E_Field_Invalid"
        assert identity_providers.add_provider(context, publishing(OKTA), globex, new()).node == globex.id

    def test_the_secret_is_stored_wrapped_and_never_told(self, context: Context, acme: Node, corp: IdentityProvider) -> None:
        assert "s3cret" not in stored.get_wrapped_secret(context.database, corp.id)
        assert identity_providers.get_client_secret(context, corp) == "s3cret-of-corp"
        assert not any("s3cret" in row.detail for row in audit.list_audit(context.database, acme.id, limit=50))

    def test_private_outbound_of_the_node_goes_with_every_call(self, context: Context, acme: Node) -> None:
        outside = publishing(OKTA)
        identity_providers.add_provider(context, outside, dataclasses.replace(acme, private_outbound=True), new())
        assert outside.asked == [(f"{OKTA}/.well-known/openid-configuration", True)]


class TestTestingAndSwitching:
    def test_r072_nobody_activates_what_was_never_tested(
        self, context: Context, acme: Node, corp: IdentityProvider, rsa_key: ForgeKey
    ) -> None:
        with pytest.raises(Refusal) as refused:
            identity_providers.activate_provider(context, corp)
        assert refused.value.code == "E_Idp_Config"
        tested = identity_providers.test_provider(context, publishing(OKTA, rsa_key), acme, corp)
        assert tested.keys == 1
        assert identity_providers.activate_provider(context, tested.provider).active
        assert identity_providers.get_provider(context, acme, "corp").active

    def test_a_test_fails_where_no_key_can_be_used(
        self, context: Context, acme: Node, corp: IdentityProvider, weak_rsa_key: ForgeKey
    ) -> None:
        for outside in (publishing(OKTA), publishing(OKTA, weak_rsa_key)):
            with pytest.raises(Refusal) as refused:
                identity_providers.test_provider(context, outside, acme, corp)
            assert refused.value.code == "E_Idp_Config"
        assert identity_providers.get_provider(context, acme, "corp").tested_at is None

    @pytest.mark.parametrize(
        ("reply", "code"),
        [
            (Reply(401, {}, b'{"error":"invalid_client","error_description":"AADSTS7000215"}'), "E_Idp_Config"),
            (Reply(400, {}, b'{"error":"unauthorized_client"}'), "E_Idp_Config"),
            (Reply(502, {}, b""), "E_Idp_Unreachable"),
        ],
    )
    def test_a_test_fails_where_the_provider_does_not_know_us(
        self, context: Context, acme: Node, corp: IdentityProvider, rsa_key: ForgeKey, reply: Reply, code: str
    ) -> None:
        outside = publishing(OKTA, rsa_key)
        outside.tokens = reply
        with pytest.raises(Refusal) as refused:
            identity_providers.test_provider(context, outside, acme, corp)
        assert refused.value.code == code
        assert identity_providers.get_provider(context, acme, "corp").tested_at is None

    def test_a_test_fails_where_the_key_set_is_none(self, context: Context, acme: Node, corp: IdentityProvider) -> None:
        outside = publishing(OKTA)
        outside.documents[f"{OKTA}/keys"] = {"keys": "none"}
        with pytest.raises(Refusal) as refused:
            identity_providers.test_provider(context, outside, acme, corp)
        assert refused.value.code == "E_Idp_Config"

    def test_a_test_pins_what_the_provider_signs_with_now(
        self, context: Context, acme: Node, corp: IdentityProvider, ec_key: ForgeKey
    ) -> None:
        outside = publishing(OKTA, ec_key, id_token_signing_alg_values_supported=["ES256"])
        assert identity_providers.test_provider(context, outside, acme, corp).provider.algorithms == ("ES256",)

    def test_what_was_switched_off_during_a_test_or_a_change_stays_off(
        self, context: Context, acme: Node, corp: IdentityProvider, rsa_key: ForgeKey
    ) -> None:
        """The calls of a test take seconds; a stale copy must not be what is stored."""
        tested = identity_providers.test_provider(context, publishing(OKTA, rsa_key), acme, corp).provider
        active = identity_providers.activate_provider(context, tested)
        identity_providers.deactivate_provider(context, active)
        identity_providers.test_provider(context, publishing(OKTA, rsa_key), acme, active)
        identity_providers.change_provider(context, active, Changes(name="Renamed"))
        assert not identity_providers.get_provider(context, acme, "corp").active
        identity_providers.delete_provider(context, identity_providers.get_provider(context, acme, "corp"))
        with pytest.raises(Refusal) as refused:
            identity_providers.activate_provider(context, active)
        assert refused.value.code == "E_Idp_Unknown"

    def test_r073_deactivation_names_who_cannot_sign_in_any_more(self, context: Context, acme: Node) -> None:
        corp = identity_providers.add_provider(context, publishing(OKTA), acme, new(activate=True))
        person: dict[str, Any] = {"given_name": "Ada", "family_name": "Byron"}
        for name, federated in (("ada", True), ("bob", False)):
            fields = PersonFields(user_name=f"{name}@acme.example", email=f"{name}@acme.example", **person)
            people.create_person(context, acme, NewPerson(fields, federated_only=federated))
        assert identity_providers.list_stranded(context, corp) == ["ada@acme.example"]
        other = identity_providers.add_provider(context, publishing(OKTA), acme, new(key="other", activate=True))
        assert identity_providers.list_stranded(context, corp) == []
        identity_providers.deactivate_provider(context, other)
        changed, stranded = identity_providers.deactivate_provider(context, corp)
        assert (changed.active, stranded) == (False, ["ada@acme.example"])

    def test_an_account_that_names_one_provider_is_stranded_without_it(self, context: Context, acme: Node) -> None:
        corp = identity_providers.add_provider(context, publishing(OKTA), acme, new(activate=True))
        identity_providers.add_provider(context, publishing(OKTA), acme, new(key="other", activate=True))
        fields = PersonFields(user_name="eve@acme.example", email="eve@acme.example", given_name="Eve", family_name="Moon")
        people.create_person(context, acme, NewPerson(fields, federated_only=True, provider=corp.id))
        assert identity_providers.list_stranded(context, corp) == ["eve@acme.example"]

    def test_a_change_keeps_what_is_not_named_and_is_audited(self, context: Context, acme: Node, corp: IdentityProvider) -> None:
        changes = Changes(matching=Criterion.CUSTOM_LOGIN, mfa_amr=["mfa"], client_secret="another-secret")
        changed = identity_providers.change_provider(context, corp, changes)
        assert changed == dataclasses.replace(corp, matching=Criterion.CUSTOM_LOGIN, mfa_amr=("mfa",))
        assert identity_providers.get_provider(context, acme, "corp") == changed
        assert identity_providers.get_client_secret(context, changed) == "another-secret"
        (row,) = [row for row in audit.list_audit(context.database, acme.id, limit=50) if row.action == "provider.changed"]
        assert json.loads(row.detail)["matching"] == {"old": "email", "new": "custom-login"}
        assert "another-secret" not in row.detail

    @pytest.mark.parametrize("changes", [Changes(client_id=""), Changes(claim=""), Changes(name="a\x00b"), Changes(client_secret="")])
    def test_a_change_that_makes_no_sense_is_refused(self, context: Context, acme: Node, corp: IdentityProvider, changes: Changes) -> None:
        with pytest.raises(Refusal):
            identity_providers.change_provider(context, corp, changes)
        assert identity_providers.get_provider(context, acme, "corp") == corp
        assert identity_providers.get_client_secret(context, corp) == "s3cret-of-corp"

    def test_only_an_inactive_provider_is_deleted(self, context: Context, acme: Node, corp: IdentityProvider) -> None:
        active = dataclasses.replace(corp, active=True)
        with pytest.raises(Refusal):
            identity_providers.delete_provider(context, active)
        identity_providers.delete_provider(context, corp)
        assert identity_providers.list_providers(context, acme) == []

    def test_53_another_tenants_provider_is_as_unknown_as_none(self, context: Context, globex: Node, corp: IdentityProvider) -> None:
        for key in ("corp", "none-such"):
            with pytest.raises(Refusal) as refused:
                identity_providers.get_provider(context, globex, key)
            assert refused.value.code == "E_Idp_Unknown"
