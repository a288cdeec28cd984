"""Whose product an identity provider is (decisions.md 11)."""

import pytest

from gateway.domain.identity import Criterion, Vendor
from gateway.domain.vendors import FACTS, recognise_vendor


@pytest.mark.parametrize(
    ("issuer", "vendor"),
    [
        ("https://login.microsoftonline.com/9a1/v2.0", Vendor.ENTRA),
        ("https://sts.windows.net/9a1/", Vendor.ENTRA),
        ("https://contoso.ciamlogin.com/9a1/v2.0", Vendor.ENTRA),
        ("https://acme.okta.com", Vendor.OKTA),
        ("https://acme.oktapreview.com/oauth2/default", Vendor.OKTA),
        ("https://accounts.google.com", Vendor.GOOGLE),
        ("https://sso.acme.example/realms/staff", Vendor.KEYCLOAK),
        ("https://sso.acme.example/auth/realms/staff", Vendor.KEYCLOAK),
        ("https://fs.acme.example/adfs", Vendor.ADFS),
        ("https://id.acme.example", Vendor.GENERIC),
        ("https://okta.com.evil.example", Vendor.GENERIC),
        ("https://evilokta.com", Vendor.GENERIC),
        ("https://login.microsoftonline.com.evil.example/9a1/v2.0", Vendor.GENERIC),
        ("https://id.acme.example/realms/", Vendor.GENERIC),
        ("https://id.acme.example/adfs/x", Vendor.GENERIC),
        ("nonsense", Vendor.GENERIC),
    ],
)
def test_vendor_is_recognised_by_host_or_path(issuer: str, vendor: Vendor) -> None:
    assert recognise_vendor(issuer) is vendor


def test_every_vendor_has_its_facts() -> None:
    assert set(FACTS) == set(Vendor)


def test_entra_matches_by_login_and_binds_what_outlives_the_app_registration() -> None:
    assert FACTS[Vendor.ENTRA].matching is Criterion.CUSTOM_LOGIN
    assert FACTS[Vendor.ENTRA].claim == "preferred_username"
    assert FACTS[Vendor.ENTRA].bound_claims == ("tid", "oid")
    assert {FACTS[vendor].matching for vendor in Vendor if vendor is not Vendor.ENTRA} == {Criterion.EMAIL}
