"""Registering apps, and knowing them again at the token endpoint."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.people import require_text
from gateway.domain.relying_party import SCOPES, AuthMethod, RelyingParty
from gateway.domain.values import DAY_MS, ClientId, Instant, NodeId, hash_token, new_token
from gateway.services import access, keys
from gateway.services.context import Context
from gateway.storage import access as stored_access
from gateway.storage import relying_parties
from gateway.tokens.verification import import_key_set

DEFAULT_GRANTS = ("authorization_code", "refresh_token")
GRANTS = (*DEFAULT_GRANTS, "client_credentials")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,128}")
_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
_ROTATION_OVERLAP_MS = DAY_MS


@dataclass(frozen=True, slots=True)
class NewRelyingParty:
    """What an administrator gives to register an app."""

    name: str
    redirect_uris: Sequence[str] = ()
    public: bool = False
    auth_method: str = ""
    """Empty: `client_secret_basic`, or `none` where public."""
    roleless: bool = False
    first_party: bool = False
    grants: Sequence[str] = DEFAULT_GRANTS
    scopes: Sequence[str] = SCOPES
    resources: Sequence[str] = ()
    pkce_required: bool = True
    id_token_alg: str = "RS256"
    access_token_alg: str = "ES256"
    post_logout_redirect_uris: Sequence[str] = ()
    backchannel_logout_uri: str = ""
    second_factor_unsupported: bool = False
    jwks: str = ""
    """JSON of the app's public keys (RFC 7517 §5), for `private_key_jwt`."""
    jwks_uri: str = ""
    roles: Sequence[str] = ()
    """Names of roles of this node that grant the app; made where they do not exist yet."""


def register(context: Context, node_id: NodeId, new: NewRelyingParty) -> tuple[RelyingParty, str]:
    """Register an app; return it with its secret, which is shown once (empty for a public app)."""
    party = _require_whole(_party(context, node_id, new))
    keys.ensure_keys(context, node_id)
    with context.database.transaction():
        relying_parties.insert_relying_party(context.database, party)
        secret = _add_secret(context, party.client_id) if _keeps_secret(party) else ""
        for role in new.roles:
            _let_role_grant(context, party, role)
        context.publish(Event(node_id, "app.registered", "app", party.client_id, detail={"name": party.name}))
    return party, secret


def get_relying_party(context: Context, node_id: NodeId, client_id: str) -> RelyingParty:
    """Return the app registered at this node, or refuse."""
    party = relying_parties.find_relying_party(context.database, node_id, client_id)
    if party is None:
        raise Refusal("E_Client_Unknown", field="client_id", data={"value": client_id})
    return party


def change(context: Context, party: RelyingParty, changes: Mapping[str, object]) -> RelyingParty:
    """Change an app's fields, by the rules of registration; `changes` are fields of `RelyingParty` by name. Its kind of proof stays.

    What it was granted before stays good until it ends.
    """
    if unknown := changes.keys() - _CHANGEABLE:
        raise Refusal("E_Field_Immutable", field=min(unknown), data={"field": min(unknown)})
    changed = _require_whole(replace(party, **changes))  # type: ignore[arg-type]  # dataclasses checks no types; `_require_whole` does
    with context.database.transaction():
        relying_parties.change_relying_party(context.database, changed)
        detail = {name: [getattr(party, name), getattr(changed, name)] for name in changes}
        context.publish(Event(party.node, "app.changed", "app", party.client_id, detail=detail))
    return changed


def list_of_node(context: Context, node_id: NodeId) -> list[RelyingParty]:
    """Return the apps registered at a node."""
    return relying_parties.list_relying_parties(context.database, node_id)


def find(context: Context, node_id: NodeId, unverified_client_id: str) -> RelyingParty | None:
    """Return the app registered at this node, or None; another node's app is not found, nor one that is switched off."""
    party = relying_parties.find_relying_party(context.database, node_id, unverified_client_id)
    return party if party is not None and party.disabled_at is None else None


def rotate_secret(context: Context, party: RelyingParty) -> str:
    """Return a new secret, shown once; the old ones live another day."""
    if not _keeps_secret(party):
        raise Refusal("E_Field_Not_Available", field="client_secret", data={"field": "secret of an app that has none"})
    with context.database.transaction():
        relying_parties.expire_secrets(context.database, party.client_id, Instant(context.now() + _ROTATION_OVERLAP_MS))
        secret = _add_secret(context, party.client_id)
        context.publish(Event(party.node, "app.secret_rotated", "app", party.client_id))
    return secret


def set_disabled(context: Context, party: RelyingParty, *, disabled: bool) -> None:
    """Switch an app off, which ends all it was granted, or on."""
    with context.database.transaction():
        relying_parties.set_disabled(context.database, party.client_id, context.now() if disabled else None)
        context.publish(Event(party.node, "app.disabled" if disabled else "app.enabled", "app", party.client_id))


def delete(context: Context, party: RelyingParty) -> None:
    """Remove an app: what it was granted ends, and nobody can sign in to it any more."""
    with context.database.transaction():
        relying_parties.delete_relying_party(context.database, party.client_id, context.now())
        context.publish(Event(party.node, "app.deleted", "app", party.client_id))


def verify_secret(context: Context, party: RelyingParty, secret: str) -> bool:
    """Return whether a live secret of the app was presented. Found by its hash, so the time it takes tells nothing."""
    return relying_parties.has_secret(context.database, party.client_id, hash_token(secret), context.now())


def use_assertion(context: Context, party: RelyingParty, token_id: str, expires_at: Instant) -> bool:
    """Return whether an app's assertion was not used before; it is from now on (RFC 7523 §3)."""
    with context.database.transaction():
        return relying_parties.use_assertion(
            context.database, party.client_id, hash_token(token_id), now=context.now(), expires_at=expires_at
        )


def is_origin_of_app(context: Context, node_id: NodeId, unverified_origin: str) -> bool:
    """Return whether an app of this issuer lives at an origin, by its redirect URIs (decisions.md 48)."""
    uris = (uri for party in list_of_node(context, node_id) if party.disabled_at is None for uri in party.redirect_uris)
    return any(f"{parts.scheme}://{parts.netloc}" == unverified_origin for parts in map(urlsplit, uris))


def matches_redirect_uri(party: RelyingParty, unverified_uri: str) -> bool:
    """Return whether a redirect URI is registered: equal to the letter, but for the port of a loopback address (RFC 8252 §7.3)."""
    if unverified_uri in party.redirect_uris:
        return True
    try:
        asked = urlsplit(unverified_uri)
        port = asked.port
    except ValueError:
        return False
    return any(_equal_but_port(urlsplit(uri), asked, port) for uri in party.redirect_uris)


def _equal_but_port(registered: SplitResult, asked: SplitResult, port: int | None) -> bool:
    """Return whether `asked` is the registered http URI of a loopback address with a port added, and nothing else."""
    if registered.scheme != "http" or registered.hostname not in {"127.0.0.1", "::1"} or registered.port is not None:
        return False
    return port is not None and asked == registered._replace(netloc=f"{registered.netloc}:{port}")


def _add_secret(context: Context, client_id: ClientId) -> str:
    secret = new_token(context.entropy, "mgc")
    relying_parties.insert_secret(context.database, client_id, hash_token(secret), context.now())
    return secret


_CHANGEABLE = frozenset(
    {
        "name",
        "redirect_uris",
        "post_logout_redirect_uris",
        "backchannel_logout_uri",
        "roleless",
        "first_party",
        "grants",
        "scopes",
        "resources",
        "pkce_required",
        "id_token_alg",
        "access_token_alg",
        "second_factor_unsupported",
        "jwks",
        "jwks_uri",
    }
)


def _party(context: Context, node_id: NodeId, new: NewRelyingParty) -> RelyingParty:
    return RelyingParty(
        client_id=ClientId(context.new_id()),
        node=node_id,
        name=new.name,
        redirect_uris=tuple(new.redirect_uris),
        post_logout_redirect_uris=tuple(new.post_logout_redirect_uris),
        backchannel_logout_uri=new.backchannel_logout_uri,
        auth_method=_auth_method(new),
        roleless=new.roleless,
        first_party=new.first_party,
        grants=tuple(new.grants),
        scopes=tuple(new.scopes),
        resources=tuple(new.resources),
        pkce_required=new.pkce_required,
        id_token_alg=new.id_token_alg,
        access_token_alg=new.access_token_alg,
        second_factor_unsupported=new.second_factor_unsupported,
        disabled_at=None,
        created_at=context.now(),
        jwks=new.jwks,
        jwks_uri=new.jwks_uri,
    )


def _require_whole(party: RelyingParty) -> RelyingParty:
    """Return the app with its lists in order, or refuse what breaks a rule."""
    require_text("name", party.name)
    if "authorization_code" in party.grants and not party.redirect_uris:
        raise Refusal("E_Field_Required", field="redirect_uri", data={"field": "redirect URI"})
    if party.public and "client_credentials" in party.grants:
        raise Refusal(
            "E_Field_Invalid", field="grant", data={"field": "grant", "rule": "client_credentials needs an app that keeps a secret"}
        )
    for field, uris in (("redirect_uri", party.redirect_uris), ("post_logout_redirect_uri", party.post_logout_redirect_uris)):
        for uri in uris:
            _require_uri(field, uri)
    for field, uri in (("backchannel_logout_uri", party.backchannel_logout_uri), ("jwks_uri", party.jwks_uri)):
        if uri:
            _require_uri(field, uri)
    for resource in party.resources:
        _require_resource(resource)
    _require_keys(party)
    return replace(
        party,
        grants=_require_among("grant", party.grants, GRANTS),
        scopes=_require_scopes(party.scopes),
        pkce_required=party.pkce_required or party.public,
        id_token_alg=_require_among("id_token_alg", [party.id_token_alg], keys.ALGORITHMS)[0],
        access_token_alg=_require_among("access_token_alg", [party.access_token_alg], keys.ALGORITHMS)[0],
    )


def _let_role_grant(context: Context, party: RelyingParty, name: str) -> None:
    role = stored_access.find_role(context.database, party.node, name)
    if role is None:
        access.create_role(context, party.node, name, kind="tenant", apps=[party.client_id], level=0)
        return
    stored_access.add_app(context.database, role.id, party.client_id)
    context.publish(Event(party.node, "role.changed", "role", role.id, detail={"app": party.client_id}))


def _keeps_secret(party: RelyingParty) -> bool:
    return party.auth_method in {AuthMethod.BASIC, AuthMethod.POST}


def _auth_method(new: NewRelyingParty) -> AuthMethod:
    if new.public:
        return AuthMethod.NONE
    name = new.auth_method or (AuthMethod.PRIVATE_KEY_JWT if new.jwks or new.jwks_uri else AuthMethod.BASIC)
    return AuthMethod(_require_among("auth_method", [name], [AuthMethod.BASIC, AuthMethod.POST, AuthMethod.PRIVATE_KEY_JWT])[0])


def _require_keys(party: RelyingParty) -> None:
    """Refuse keys where none belong, two places of them, and a set that holds no public key."""
    if bool(party.jwks) + bool(party.jwks_uri) != (party.auth_method is AuthMethod.PRIVATE_KEY_JWT):
        raise Refusal(
            "E_Field_Invalid",
            field="jwks",
            data={"field": "jwks", "rule": "private_key_jwt needs --jwks or --jwks-uri, and nothing else does"},
        )
    if not party.jwks:
        return
    try:
        usable = any(key.fault is None for key in import_key_set(json.loads(party.jwks)).keys)
    except (ValueError, AttributeError):
        usable = False
    if not usable:
        raise Refusal("E_Field_Invalid", field="jwks", data={"field": "jwks", "rule": "a JWK Set with a public RSA or EC key (RFC 7517)"})


def _require_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes without repetition, or refuse one that is no scope-token (RFC 6749 §3.3)."""
    if any(not _SCOPE.fullmatch(scope) for scope in scopes):
        raise Refusal(
            "E_Field_Invalid", field="scope", data={"field": "scope", "rule": "printable ASCII without blank, quote and backslash"}
        )
    return tuple(dict.fromkeys(scopes))


def _require_resource(resource: str) -> None:
    """Refuse what is no absolute URI, or has a fragment (RFC 8707 §2)."""
    parts = _split("resource", resource)
    if not parts.scheme or not (parts.netloc or parts.path) or "#" in resource or any(letter <= " " or letter > "~" for letter in resource):
        raise Refusal("E_Field_Invalid", field="resource", data={"field": "resource", "rule": "an absolute URI without fragment"})


def _split(field: str, uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 -- reading it is the check: urlsplit looks at the port only then
    except ValueError as error:
        raise Refusal("E_Field_Invalid", field=field, data={"field": field, "rule": "a URL"}) from error
    return parts


def _require_uri(field: str, uri: str) -> str:
    """Return a URI an app may be sent to or called at: https, or http at loopback, without fragment or user (RFC 9700 §2.1)."""
    parts = _split(field, uri)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if (
        not secure
        or not parts.hostname
        or "#" in uri
        or "@" in parts.netloc
        or "*" in uri
        or any(letter <= " " or letter > "~" for letter in uri)
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
