"""Registering apps, and knowing them again at the token endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.people import require_text
from gateway.domain.relying_party import SCOPES, AuthMethod, RelyingParty
from gateway.domain.values import DAY_MS, ClientId, Instant, NodeId, hash_token, new_token
from gateway.services import keys
from gateway.services.context import Context
from gateway.storage import relying_parties

GRANTS = ("authorization_code", "refresh_token")
_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
_ROTATION_OVERLAP_MS = DAY_MS


@dataclass(frozen=True, slots=True)
class NewRelyingParty:
    """What an administrator gives to register an app."""

    name: str
    redirect_uris: Sequence[str]
    public: bool = False
    auth_method: str = ""
    """Empty: `client_secret_basic`, or `none` where public."""
    roleless: bool = False
    first_party: bool = False
    grants: Sequence[str] = GRANTS
    scopes: Sequence[str] = SCOPES
    resources: Sequence[str] = ()
    pkce_required: bool = True
    id_token_alg: str = "RS256"
    access_token_alg: str = "ES256"
    post_logout_redirect_uris: Sequence[str] = ()
    backchannel_logout_uri: str = ""
    second_factor_unsupported: bool = False


def register(context: Context, node_id: NodeId, new: NewRelyingParty) -> tuple[RelyingParty, str]:
    """Register an app; return it with its secret, which is shown once (empty for a public app)."""
    require_text("name", new.name)
    party = RelyingParty(
        client_id=ClientId(context.new_id()),
        node=node_id,
        name=new.name,
        redirect_uris=tuple(_require_uri("redirect_uri", uri) for uri in new.redirect_uris),
        post_logout_redirect_uris=tuple(_require_uri("post_logout_redirect_uri", uri) for uri in new.post_logout_redirect_uris),
        backchannel_logout_uri=_require_uri("backchannel_logout_uri", new.backchannel_logout_uri) if new.backchannel_logout_uri else "",
        auth_method=_auth_method(new),
        roleless=new.roleless,
        first_party=new.first_party,
        grants=_require_among("grant", new.grants, GRANTS),
        scopes=_require_among("scope", new.scopes, SCOPES),
        resources=tuple(new.resources),
        pkce_required=new.pkce_required or new.public,
        id_token_alg=_require_among("id_token_alg", [new.id_token_alg], keys.ALGORITHMS)[0],
        access_token_alg=_require_among("access_token_alg", [new.access_token_alg], keys.ALGORITHMS)[0],
        second_factor_unsupported=new.second_factor_unsupported,
        disabled_at=None,
        created_at=context.now(),
    )
    if not party.redirect_uris:
        raise Refusal("E_Field_Required", field="redirect_uri", data={"field": "redirect URI"})
    keys.ensure_keys(context, node_id)
    with context.database.transaction():
        relying_parties.insert_relying_party(context.database, party)
        secret = "" if party.public else _add_secret(context, party.client_id)
        context.publish(Event(node_id, "app.registered", "app", party.client_id, detail={"name": party.name}))
    return party, secret


def get_relying_party(context: Context, node_id: NodeId, client_id: str) -> RelyingParty:
    """Return the app registered at this node, or refuse."""
    party = relying_parties.find_relying_party(context.database, node_id, client_id)
    if party is None:
        raise Refusal("E_Client_Unknown", field="client_id", data={"value": client_id})
    return party


def rotate_secret(context: Context, party: RelyingParty) -> str:
    """Return a new secret, shown once; the old ones live another day."""
    if party.public:
        raise Refusal("E_Field_Not_Available", field="client_secret", data={"field": "secret of a public app"})
    with context.database.transaction():
        relying_parties.expire_secrets(context.database, party.client_id, Instant(context.now() + _ROTATION_OVERLAP_MS))
        secret = _add_secret(context, party.client_id)
        context.publish(Event(party.node, "app.secret_rotated", "app", party.client_id))
    return secret


def set_disabled(context: Context, party: RelyingParty, *, disabled: bool) -> None:
    """Switch an app off or on."""
    with context.database.transaction():
        relying_parties.set_disabled(context.database, party.client_id, context.now() if disabled else None)
        context.publish(Event(party.node, "app.disabled" if disabled else "app.enabled", "app", party.client_id))


def delete(context: Context, party: RelyingParty) -> None:
    """Remove an app; nobody can sign in to it any more."""
    with context.database.transaction():
        relying_parties.delete_relying_party(context.database, party.client_id, context.now())
        context.publish(Event(party.node, "app.deleted", "app", party.client_id))


def verify_secret(context: Context, party: RelyingParty, secret: str) -> bool:
    """Return whether a live secret of the app was presented. Found by its hash, so the time it takes tells nothing."""
    return relying_parties.has_secret(context.database, party.client_id, hash_token(secret), context.now())


def matches_redirect_uri(party: RelyingParty, unverified_uri: str) -> bool:
    """Return whether a redirect URI is registered: equal to the letter, but for the port of a loopback address (RFC 8252 §7.3)."""
    if unverified_uri in party.redirect_uris:
        return True
    asked = urlsplit(unverified_uri)
    return any(_equal_but_port(urlsplit(uri), asked) for uri in party.redirect_uris)


def _equal_but_port(registered: SplitResult, asked: SplitResult) -> bool:
    """Return whether `asked` is the registered http URI of a loopback address with a port added, and nothing else."""
    try:
        port = asked.port
    except ValueError:
        return False
    if registered.scheme != "http" or registered.hostname not in {"127.0.0.1", "::1"} or registered.port is not None:
        return False
    return port is not None and asked == registered._replace(netloc=f"{registered.netloc}:{port}")


def _add_secret(context: Context, client_id: ClientId) -> str:
    secret = new_token(context.entropy, "mgc")
    relying_parties.insert_secret(context.database, client_id, hash_token(secret), context.now())
    return secret


def _auth_method(new: NewRelyingParty) -> AuthMethod:
    if new.public:
        return AuthMethod.NONE
    name = new.auth_method or AuthMethod.BASIC
    return AuthMethod(_require_among("auth_method", [name], [AuthMethod.BASIC, AuthMethod.POST])[0])


def _require_uri(field: str, uri: str) -> str:
    """Return a URI an app may be sent to or called at: https, or http at loopback, without fragment or user (RFC 9700 §2.1)."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if (
        not secure
        or not parts.hostname
        or parts.fragment
        or "@" in parts.netloc
        or "*" in uri
        or any(ord(letter) <= ord(" ") for letter in uri)
    ):
        raise Refusal(
            "E_Field_Invalid",
            field=field,
            data={"field": field, "rule": "https (or http at a loopback address), no fragment, no user name"},
        )
    return uri


def _require_among(field: str, values: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    if any(value not in allowed for value in values):
        raise Refusal("E_Field_Invalid", field=field, data={"field": field, "rule": "one of " + ", ".join(allowed)})
    return tuple(dict.fromkeys(values))
