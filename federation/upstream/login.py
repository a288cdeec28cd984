"""The two halves of a sign-in by an identity provider: the request we send, and the answer that comes back."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from federation.upstream import tokens
from federation.upstream.party import Party
from gateway.domain.identity import Assertion
from gateway.domain.provider_metadata import TENANT_PLACEHOLDER, ProviderMetadata
from gateway.domain.relying_party import AuthorizationRequest
from gateway.domain.sign_in import SignIn, UpstreamLeg
from gateway.domain.values import SECOND_MS, Instant
from gateway.domain.vendors import VendorFacts
from gateway.services import routing, sign_in
from gateway.tokens.claims import LEEWAY_MS


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser brought back; untrusted."""

    state: str = field(repr=False)
    code: str = field(repr=False)
    issuer: str
    error: str
    error_description: str


def begin(party: Party, attempt: SignIn) -> str:
    """Return the URL of the provider's authorization endpoint for a sign-in, with state, nonce and PKCE remembered under it."""
    routing.require_usable(party.provider)
    metadata = party.get_metadata()
    state, leg = sign_in.begin_leg(party.context, attempt, party.provider)
    parameters = {
        "scope": party.facts.scope,
        "state": state,
        "redirect_uri": party.redirect_uri,
        "nonce": leg.nonce,
        **_challenge(metadata, leg),
        **_wishes(attempt, party.facts),
    }
    parts = urlsplit(metadata.authorization_endpoint)
    base = urlunsplit(parts._replace(fragment=""))
    return str(prepare_grant_uri(base, client_id=party.provider.client_id, response_type="code", **parameters))


def finish(party: Party, attempt: SignIn, leg: UpstreamLeg, answer: Answer) -> Assertion:
    """Return the assertion that the provider's answer leads to, or refuse it.

    The provider may have been switched off while the person was there (CVE-2026-3009), so that is asked again.
    """
    routing.require_usable(party.provider)
    _require_issuer(party, party.get_metadata(), answer.issuer)
    if answer.error:
        error, description = tokens.shown(answer.error), tokens.shown(answer.error_description)
        value = f"{error} ({description})" if description else error
        raise party.refusal("E_Idp_Denied", f"authorization endpoint: {value}", value=value)
    if not answer.code:
        raise party.refusal("E_Token_Invalid", "the answer holds neither a code nor an error")
    assertion = tokens.redeem(party, answer.code, leg)
    _require_fresh(party, attempt.request, leg, assertion.auth_time)
    return assertion


def _challenge(metadata: ProviderMetadata, leg: UpstreamLeg) -> dict[str, str]:
    if not metadata.takes_pkce:
        return {}
    challenge = create_s256_code_challenge(leg.verifier)  # type: ignore[no-untyped-call]  # authlib's stubs say nothing of it
    return {"code_challenge": str(challenge), "code_challenge_method": "S256"}


def _wishes(attempt: SignIn, facts: VendorFacts) -> dict[str, str]:
    """Return what the provider is told of the person's name and of what the app asked for."""
    request = attempt.request
    wishes = {
        "login_hint": attempt.login,
        facts.domain_parameter: request.domain_hint if request else "",
        "prompt": _prompt(request, facts),
        "max_age": str(request.max_age) if request and request.max_age is not None else "",
    }
    return {name: value for name, value in wishes.items() if value}


def _prompt(request: AuthorizationRequest | None, facts: VendorFacts) -> str:
    """Return the one value of `prompt` we send: several at once are an error at some providers."""
    if request is None:
        return ""
    if "login" in request.prompt or (request.max_age is not None and not facts.tells_auth_time):
        return facts.fresh_prompt
    return "select_account" if "select_account" in request.prompt else ""


def _require_issuer(party: Party, metadata: ProviderMetadata, unverified_issuer: str) -> None:
    """Refuse an answer of another issuer than the one asked, and one without `iss` where the provider always says it (RFC 9207 §2.4)."""
    if not unverified_issuer:
        if metadata.names_issuer:
            raise party.refusal("E_Token_Invalid", "answer, iss: absent, although the provider announces it (RFC 9207)")
        return
    allowed = {metadata.issuer} | {metadata.issuer.replace(TENANT_PLACEHOLDER, tenant) for tenant in party.provider.issuer_tenants}
    if unverified_issuer not in allowed:
        raise party.refusal("E_Token_Invalid", f"answer, iss: {tokens.shown(unverified_issuer)!r} is not {metadata.issuer!r}")


def _require_fresh(party: Party, request: AuthorizationRequest | None, leg: UpstreamLeg, auth_time: Instant | None) -> None:
    """Refuse somebody who signed in at the provider longer ago than the app accepts (OIDC Core §3.1.3.7 13).

    A provider that never tells the time was made to ask anew instead.
    """
    if request is None or request.max_age is None or (auth_time is None and not party.facts.tells_auth_time):
        return
    if auth_time is None:
        raise party.refusal("E_Token_Invalid", "ID token, auth_time: absent, although max_age was asked")
    if auth_time + request.max_age * SECOND_MS + LEEWAY_MS < leg.started_at:
        raise party.refusal("E_Token_Invalid", f"ID token, auth_time: {(leg.started_at - auth_time) // SECOND_MS} s old")
