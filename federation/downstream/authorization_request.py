"""Reading an authorization request: first where an answer may go, then all else, so that every later error reaches the app."""

from collections.abc import Mapping

from authlib.oauth2.rfc6749 import OAuth2Error

from federation.downstream.answers import MODES, Destination, Unanswerable
from federation.downstream.asked import Asked
from federation.downstream.bearer import ALGORITHMS
from federation.downstream.grants import CodeGrant
from federation.downstream.parameters import Parameters
from federation.downstream.requests import ProviderRequest
from federation.downstream.server import ProviderServer
from gateway.domain.errors import Refusal
from gateway.domain.relying_party import AuthorizationRequest, RelyingParty
from gateway.services import keys, relying_parties
from gateway.tokens.claims import TokenRejected
from gateway.tokens.verification import verify_hint

PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_NOT_SERVED: Mapping[str, str] = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
"""OIDC Core §6 and 7.2.1. Ignoring `request` would drop what the app signed; fetching `request_uri` would call whom a stranger names."""
LONGEST = 4096
"""Of a value that is stored and given back; longer ones are refused and never cut (FAPI 2.0: long state and nonce)."""
_MAX_AGE_DIGITS = 9


def find_destination(asked: Asked, parameters: Parameters) -> tuple[RelyingParty, Destination]:
    """Return the app and where it waits, or refuse with a page: nobody is sent to an address that was not found registered.

    An unknown app, another tenant's and one that is switched off are refused in the same words (openid.md 4).
    """
    if {"client_id", "redirect_uri"} & parameters.repeated:
        raise Refusal("E_Request_Invalid", reason="client_id or redirect_uri came twice")
    party = relying_parties.find(asked.context, asked.node.id, parameters.get("client_id", ""))
    if party is None:
        raise Refusal("E_Client_Unknown", reason="no such app at this issuer, or it is switched off")
    redirect_uri = parameters.get("redirect_uri", "")
    if not redirect_uri or not relying_parties.matches_redirect_uri(party, redirect_uri):
        raise Refusal("E_Redirect_Uri_Invalid", data={"app": party.name}, reason="the redirect URI is absent or not registered")
    mode = parameters.get("response_mode", "query")
    state = "" if "state" in parameters.repeated else parameters.get("state", "")
    return party, Destination(asked.node, redirect_uri, mode if mode in MODES else "query", state)


def read_request(asked: Asked, party: RelyingParty, parameters: Parameters) -> AuthorizationRequest:
    """Return the request, validated. Raises Unanswerable with the error for the app."""
    _require_plain(parameters)
    scope = _granted_scope(asked, party, parameters)
    resource = _resources(party, parameters)
    if "openid" not in scope and not resource:
        raise Unanswerable("invalid_scope", "The scope openid is needed, or a resource.")
    return AuthorizationRequest(
        client_id=party.client_id,
        redirect_uri=parameters["redirect_uri"],
        scope=scope,
        state=parameters.get("state", ""),
        nonce=parameters.get("nonce", ""),
        code_challenge=parameters.get("code_challenge", ""),
        response_mode=parameters.get("response_mode", "query"),
        prompt=_prompt(parameters),
        max_age=_max_age(parameters),
        login_hint=parameters.get("login_hint", ""),
        domain_hint=parameters.get("domain_hint", ""),
        idp_hint=parameters.get("idp_hint", ""),
        tenant=parameters.get("tenant", ""),
        resource=resource,
        hinted_subject=_hinted_subject(asked, party, parameters),
        acr_values=tuple(parameters.get("acr_values", "").split()),
    )


def _require_plain(parameters: Parameters) -> None:
    """Refuse what comes twice, what is too long to give back whole, what we do not serve, and an unknown way to answer."""
    if parameters.repeated:
        raise Unanswerable("invalid_request", f"Repeated: {', '.join(sorted(parameters.repeated))}.")
    if any("\x00" in value for value in parameters.values()):
        raise Unanswerable("invalid_request", "A parameter holds a NUL character.")
    long = [name for name in ("state", "nonce", "login_hint") if len(parameters.get(name, "")) > LONGEST]
    if long:
        raise Unanswerable("invalid_request", f"Longer than {LONGEST} characters: {', '.join(long)}.")
    for name, error in _NOT_SERVED.items():
        if name in parameters:
            raise Unanswerable(error, f"The parameter {name} is not supported.")
    if parameters.get("response_mode", "query") not in MODES:
        raise Unanswerable("invalid_request", f"The response_mode is one of {', '.join(MODES)}.")


def _granted_scope(asked: Asked, party: RelyingParty, parameters: Parameters) -> tuple[str, ...]:
    """Return the scope as far as the app may have it, after authlib judged grant, scope and PKCE."""
    if "response_type" not in parameters:
        raise Unanswerable("invalid_request", "The response_type is missing.")
    # Before authlib, which repeats the caller's words in its error and falls over those that are not ASCII.
    if parameters["response_type"] != "code":
        raise Unanswerable("unsupported_response_type", "The response_type is code.")
    try:
        server = ProviderServer(asked, party=party)
        grant: CodeGrant = server.get_consent_grant(ProviderRequest(asked.method, parameters))  # type: ignore[no-untyped-call]  # untyped in authlib's stubs
    except OAuth2Error as error:
        raise Unanswerable(error.error or "invalid_request", error.get_error_description() or "The request is invalid.") from error
    return tuple((grant.request.scope or "").split())


def _prompt(parameters: Parameters) -> tuple[str, ...]:
    """Return the prompts we know; values of extensions are ignored (OIDC Core §3.1.2.1)."""
    asked = tuple(dict.fromkeys(parameters.get("prompt", "").split()))
    if "none" in asked and len(asked) > 1:
        raise Unanswerable("invalid_request", "The prompt none stands alone.")
    return tuple(value for value in asked if value in PROMPTS)


def _max_age(parameters: Parameters) -> int | None:
    text = parameters.get("max_age", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_AGE_DIGITS:
        raise Unanswerable("invalid_request", "The max_age is a number of seconds.")
    return int(text)


def _resources(party: RelyingParty, parameters: Parameters) -> tuple[str, ...]:
    resources = tuple(dict.fromkeys(parameters.all("resource")))
    if not set(resources) <= set(party.resources):
        raise Unanswerable("invalid_target", "The resource is not registered for this app.")
    return resources


def _hinted_subject(asked: Asked, party: RelyingParty, parameters: Parameters) -> str:
    """Return whom an id_token_hint speaks of; a hint that we did not give to this app is refused (OIDC Core §3.1.2.1)."""
    hint, context, node = parameters.get("id_token_hint", ""), asked.context, asked.node
    if not hint:
        return ""
    try:
        verified = verify_hint(
            hint, issuer=node.issuer, keys=keys.verification_keys(context, node.id), algorithms=ALGORITHMS, now=context.now()
        )
    except TokenRejected as error:
        raise Unanswerable("invalid_request", "The id_token_hint is not an ID token of this issuer.") from error
    if party.client_id not in verified.audience:
        raise Unanswerable("invalid_request", "The id_token_hint was given to another app.")
    return verified.subject
