"""Discovery documents of strangers (OpenID Connect Discovery §3, openid.md 46)."""

import pytest

from gateway.domain.provider_metadata import MetadataRejected, ProviderMetadata, discovery_url, is_issuer, read_metadata

ISSUER = "https://corp.example/oidc"
DOCUMENT: dict[str, object] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
}


def test_members_that_are_absent_have_the_defaults_of_the_standard() -> None:
    assert read_metadata(DOCUMENT, ISSUER) == ProviderMetadata(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri=f"{ISSUER}/keys",
        userinfo_endpoint="",
        auth_methods=("client_secret_basic",),
        signing_algorithms=("RS256",),
        pkce_methods=None,
        names_issuer=False,
    )


def test_members_that_are_there_are_read() -> None:
    found = read_metadata(
        DOCUMENT
        | {
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": True,
        },
        ISSUER,
    )
    assert found.userinfo_endpoint == f"{ISSUER}/userinfo"
    assert (found.auth_methods, found.signing_algorithms) == (("client_secret_post",), ("ES256",))
    assert found.takes_pkce
    assert found.names_issuer


@pytest.mark.parametrize(("methods", "takes"), [(None, True), (["S256"], True), (["plain"], False), ([], False)])
def test_challenge_is_sent_unless_the_provider_says_that_it_cannot(methods: list[str] | None, takes: bool) -> None:
    assert read_metadata(DOCUMENT | {"code_challenge_methods_supported": methods}, ISSUER).takes_pkce is takes


@pytest.mark.parametrize("issuer", [None, "", ISSUER + "/", ISSUER.upper(), "https://evil.example", 5])
def test_document_of_another_issuer_is_refused_to_the_letter(issuer: object) -> None:
    with pytest.raises(MetadataRejected) as rejected:
        read_metadata(DOCUMENT | {"issuer": issuer}, ISSUER)
    assert rejected.value.field == "issuer"


@pytest.mark.parametrize("member", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        "/token",
        "ftp://corp.example/token",
        "javascript:alert(1)",
        "https://",
        "https://user@corp.example/",
        "https://corp.example/\n",
        "https://corp.example/ä",
        "https://corp.example/#x",
        "https://corp.example/\\x",
        "https://corp.example:0/",
        "https://corp.example:99999/",
        "https://[::1/",
        "http://corp.example/token",
        "https://corp.example/" + "x" * 2048,
    ],
)
def test_endpoint_that_is_no_plain_https_url_is_refused(member: str, url: object) -> None:
    with pytest.raises(MetadataRejected) as rejected:
        read_metadata(DOCUMENT | {member: url}, ISSUER)
    assert rejected.value.field == member


def test_http_is_taken_where_the_issuer_itself_is() -> None:
    document = {name: str(value).replace("https://corp.example", "http://localhost:9000") for name, value in DOCUMENT.items()}
    assert read_metadata(document, "http://localhost:9000/oidc").token_endpoint == "http://localhost:9000/oidc/token"


@pytest.mark.parametrize("value", ["RS256", [5], {"a": 1}])
def test_list_of_something_else_is_refused(value: object) -> None:
    with pytest.raises(MetadataRejected) as rejected:
        read_metadata(DOCUMENT | {"id_token_signing_alg_values_supported": value}, ISSUER)
    assert rejected.value.field == "id_token_signing_alg_values_supported"


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
        (ISSUER + "/", f"{ISSUER}/.well-known/openid-configuration"),
        (
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration",
        ),
    ],
)
def test_document_lies_below_the_issuer(issuer: str, url: str) -> None:
    assert discovery_url(issuer) == url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ISSUER, True),
        ("http://localhost:9000", True),
        ("https://login.microsoftonline.com/{tenantid}/v2.0", True),
        (ISSUER + "?x=1", False),
        (ISSUER + "#x", False),
        ("corp.example", False),
        ("https://a@corp.example", False),
        ("", False),
    ],
)
def test_issuer_is_a_url_without_query_fragment_or_user(text: str, expected: bool) -> None:
    assert is_issuer(text) is expected
