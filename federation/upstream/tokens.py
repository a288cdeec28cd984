"""From the provider's code to an assertion: exchange, verification, userinfo. Nothing upstream gives us is stored."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.upstream.party import Party
from gateway.domain.identity import Assertion, Criterion, Vendor, looked_for
from gateway.domain.ports import Oversized, Reply, Unreachable
from gateway.domain.provider_metadata import TENANT_PLACEHOLDER, ProviderMetadata
from gateway.domain.sign_in import UpstreamLeg
from gateway.domain.untrusted_json import parse_object
from gateway.services import linking
from gateway.tokens.claims import LEEWAY_MS, TokenRejected, VerifiedClaims, require_instant
from gateway.tokens.verification import Expected, KeySet, verify_id_token

_OUR_FAULT = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_request", "unsupported_grant_type", "invalid_scope", "redirect_uri_mismatch"}
)
"""OAuth errors of a token endpoint that say that we are set up wrongly there (RFC 6749 §5.2)."""
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class _Tokens:
    id_token: str = field(repr=False)
    access_token: str | None = field(repr=False)


def redeem(party: Party, code: str, leg: UpstreamLeg) -> Assertion:
    """Return what the provider states about whoever it sent back with `code`, verified; refuses everything else.

    Refuses with `E_Idp_Unreachable`, `E_Idp_Config`, `E_Idp_Denied`, `E_Token_Invalid` or `E_Claim_Missing`.
    """
    metadata = party.get_metadata()
    tokens = _exchange(party, metadata, code, leg)
    try:
        verified = _verify(party, tokens, leg)
        assertion = _assertion(party, verified)
    except TokenRejected as rejection:
        raise party.refusal("E_Token_Invalid", f"ID token, {rejection}") from rejection
    return _with_userinfo(party, metadata, assertion, verified.subject, tokens.access_token)


def shown(text: str) -> str:
    """Return a text of a stranger as it may be shown and logged: one line, no control characters, cut."""
    return "".join(character if character.isprintable() else " " for character in text[:_SHOWN]).strip()


def _exchange(party: Party, metadata: ProviderMetadata, code: str, leg: UpstreamLeg) -> _Tokens:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": party.redirect_uri}
    if metadata.takes_pkce:
        form["code_verifier"] = leg.verifier
    try:
        return _read_tokens(party, metadata, party.ask_for_tokens(metadata.token_endpoint, form))
    except Oversized as error:
        raise party.refusal("E_Token_Invalid", f"token endpoint: {error.reason}") from error
    except Unreachable as error:
        raise party.refusal("E_Idp_Unreachable", f"token endpoint: {error.reason}", value=metadata.token_endpoint) from error


def _read_tokens(party: Party, metadata: ProviderMetadata, reply: Reply) -> _Tokens:
    if reply.status not in {200, 400, 401, 403}:
        raise party.refusal("E_Idp_Unreachable", f"token endpoint: status {reply.status}", value=metadata.token_endpoint)
    body = reply.json_object()
    if reply.status != 200 or "error" in body:  # noqa: PLR2004 -- the one status of success (RFC 6749 §5.1)
        error = shown(str(body.get("error", f"status {reply.status}")))
        reason = f"token endpoint: {error}: {shown(str(body.get('error_description', '')))}"
        raise party.refusal("E_Idp_Config" if error in _OUR_FAULT else "E_Idp_Denied", reason, value=error)
    id_token, access_token = body.get("id_token"), body.get("access_token")
    if not isinstance(id_token, str) or not id_token:
        raise party.refusal("E_Token_Invalid", "the token endpoint sent no id_token")
    return _Tokens(id_token, access_token if isinstance(access_token, str) else None)


def _verify(party: Party, tokens: _Tokens, leg: UpstreamLeg) -> VerifiedClaims:
    issuer = _expected_issuer(party, tokens.id_token)

    def check(keys: KeySet) -> VerifiedClaims:
        expected = Expected(
            issuer=issuer,
            audience=party.provider.client_id,
            keys=keys,
            algorithms=frozenset(party.provider.algorithms),
            nonce=leg.nonce,
            access_token=tokens.access_token,
        )
        return verify_id_token(tokens.id_token, expected, now=party.context.now())

    return party.published.check_with_keys(party.node, party.provider, check)


def _expected_issuer(party: Party, unverified_token: str) -> str:
    """Return the issuer the token must name: ours, with the token's tenant put in where ours stands for several that we trust."""
    issuer = party.provider.issuer
    if TENANT_PLACEHOLDER not in issuer:
        return issuer
    tenant = _unverified_claims(unverified_token).get("tid")
    if tenant not in party.provider.issuer_tenants:
        raise TokenRejected("tid", f"{shown(str(tenant))!r} is not among the tenants of this provider")
    return issuer.replace(TENANT_PLACEHOLDER, str(tenant))


def _unverified_claims(unverified_token: str) -> Mapping[str, object]:
    """Return a token's payload before anything of it is believed; empty where it has none."""
    payload = unverified_token.split(".")[1] if unverified_token.count(".") == 2 else ""  # noqa: PLR2004 -- a compact JWS has three parts
    try:
        return parse_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return {}


def _assertion(party: Party, verified: VerifiedClaims) -> Assertion:
    claims = _with_domain_owner_proof(party, verified.claims)
    amr, acr = claims.get("amr"), claims.get("acr")
    auth_time = require_instant(claims, "auth_time") if claims.get("auth_time") is not None else None
    if auth_time is not None and auth_time - LEEWAY_MS > party.context.now():
        raise TokenRejected("auth_time", "in the future")
    return Assertion(
        issuer=verified.issuer,
        subject=_subject(party, claims),
        claims=claims,
        amr=tuple(value for value in amr if isinstance(value, str)) if isinstance(amr, list) else (),
        acr=acr if isinstance(acr, str) else "",
        auth_time=auth_time,
    )


def _subject(party: Party, claims: Mapping[str, object]) -> str:
    """Return what names the person for good at this provider (decisions.md 11)."""
    names = party.facts.bound_claims
    parts = [claims.get(name) for name in names]
    for name, part in zip(names, parts, strict=True):
        if not isinstance(part, str) or not part or (len(names) > 1 and "/" in part):
            received = ", ".join(sorted(claims))
            raise party.refusal("E_Claim_Missing", f"{name} is missing; received: {received}", claim=name, claims=shown(received))
    return "/".join(str(part) for part in parts)


def _with_domain_owner_proof(party: Party, claims: Mapping[str, object]) -> Mapping[str, object]:
    """Return the claims with Entra's word on the e-mail address in the usual form: `xms_edov`, that the domain's owner vouches."""
    proof = claims.get("xms_edov")
    if party.provider.vendor is not Vendor.ENTRA or proof is None or "email_verified" in claims:
        return claims
    return {**claims, "email_verified": proof in (True, 1, "1", "true")}


def _with_userinfo(party: Party, metadata: ProviderMetadata, assertion: Assertion, subject: str, access_token: str | None) -> Assertion:
    """Return the assertion with claims from userinfo, where it lacks some that a first match may need.

    A subject that is bound needs none. Only the provider's own criterion may fail for an unreachable userinfo; a `sub` that differs
    always refuses (OIDC Core §5.3.2).
    """
    lacking = [criterion for criterion in Criterion if not looked_for(party.provider, assertion, criterion).value]
    if not lacking or not access_token or not metadata.userinfo_endpoint or linking.is_linked(party.context, party.provider, assertion):
        return assertion
    try:
        told = party.fetcher.get_json(metadata.userinfo_endpoint, private_outbound=party.node.private_outbound, bearer=access_token)
    except Unreachable as error:
        if party.provider.matching not in lacking:
            return assertion
        raise party.refusal("E_Idp_Unreachable", f"userinfo: {error.reason}", value=metadata.userinfo_endpoint) from error
    if told.get("sub") != subject:
        raise party.refusal("E_Token_Invalid", f"userinfo, sub: {shown(str(told.get('sub')))!r} is not the ID token's")
    return Assertion(
        issuer=assertion.issuer,
        subject=assertion.subject,
        claims=_merged(assertion.claims, told),
        amr=assertion.amr,
        acr=assertion.acr,
        auth_time=assertion.auth_time,
    )


def _merged(signed: Mapping[str, object], told: Mapping[str, object]) -> Mapping[str, object]:
    """Return the claims of both, the signed ones first; the proof of an e-mail address never comes to stand beside another address."""
    if "email" in signed and signed["email"] != told.get("email"):
        told = {name: value for name, value in told.items() if name not in {"email", "email_verified"}}
    if "email" not in signed and "email" in told:
        signed = {name: value for name, value in signed.items() if name != "email_verified"}
    return {**told, **signed}
