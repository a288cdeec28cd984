"""Who and what is on the demo's stage."""

import base64
from dataclasses import dataclass

from gateway.domain.document import PersonFields
from gateway.domain.identity import Criterion
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.domain.ports import HttpFetcher
from gateway.domain.relying_party import RelyingParty
from gateway.domain.schema import CORE_USER_URN
from gateway.http.endpoints import below, federation_callback
from gateway.services import connections, credentials, domains, identity_providers, nodes, people, platform, provisioning, relying_parties
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.identity_providers import NewProvider
from gateway.services.nodes import NewNode
from gateway.services.people import NewPerson
from gateway.services.relying_parties import NewRelyingParty

DOMAIN = "acme.example"
PROVIDER = "corp"


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody who can sign in, and with which password."""

    login: str
    password: str


@dataclass(frozen=True, slots=True)
class Tenants:
    """What can be put on stage before the gateway runs."""

    acme: Node
    corp: Node
    app: RelyingParty
    app_secret: str
    upstream: RelyingParty
    """What `acme` is to `corp`: one of its apps."""
    upstream_secret: str
    grace: Signed
    """Provisioned by the directory; signs in at `corp` alone."""
    eve: Signed
    """Known to `corp`, and provisioned by nobody."""
    mia: Signed
    """Has a password here and owes a second factor."""


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What the directory of `acme` got and did."""

    scim_base: str
    scim_token: str


def set_tenants(context: Context, app_url: str) -> Tenants:
    """Put the tenants with their apps and local people on stage. `app_url` is where the demo's app serves."""
    home = platform.found(context, login="admin", email="admin@moongate.example").node
    acme = nodes.create_node(context, home.id, NewNode("acme", "Acme Ltd", NodeKind.CUSTOMER, private_outbound=True))
    corp = nodes.create_node(context, home.id, NewNode("corp", "Acme's own sign-in", NodeKind.CUSTOMER))
    app, app_secret = relying_parties.register(
        context,
        acme.id,
        NewRelyingParty(
            name="Demo app",
            redirect_uris=[f"{app_url}/callback"],
            post_logout_redirect_uris=[f"{app_url}/"],
            backchannel_logout_uri=f"{app_url}/backchannel-logout",
            roleless=True,
        ),
    )
    callback = below(acme, federation_callback(PROVIDER))
    upstream, upstream_secret = relying_parties.register(
        context, corp.id, NewRelyingParty(name="Acme Ltd", redirect_uris=[callback], roleless=True)
    )
    return Tenants(
        acme=acme,
        corp=corp,
        app=app,
        app_secret=app_secret,
        upstream=upstream,
        upstream_secret=upstream_secret,
        grace=_person(context, corp, "grace", "Grace", "Hopper"),
        eve=_person(context, corp, "eve", "Eve", "Adams"),
        mia=_person(context, acme, "mia", "Mia", "Wong", mfa_required=True),
    )


def connect_directory(context: Context, fetcher: HttpFetcher, tenants: Tenants) -> Provisioned:
    """Let `acme` trust `corp`, connect its directory, and let that push one person. The gateway must run: it is its own upstream."""
    provider = identity_providers.add_provider(
        context,
        fetcher,
        tenants.acme,
        NewProvider(
            key=PROVIDER,
            name="Acme's own sign-in",
            issuer=tenants.corp.issuer,
            client_id=tenants.upstream.client_id,
            client_secret=tenants.upstream_secret,
            # As for Entra ID: the provider's user name is the directory's userName, and needs no proof of an e-mail address.
            matching=Criterion.CUSTOM_LOGIN,
            activate=True,
        ),
    )
    domains.add(context, tenants.acme, DOMAIN, idp=PROVIDER, assume_verified=True)
    issued = connections.create_connection(context, tenants.acme, NewConnection(name="Acme's directory", provider=provider.id))
    seen = provisioning.create_provisioned(
        context,
        issued.connection,
        tenants.acme,
        {
            "schemas": [CORE_USER_URN],
            "userName": tenants.grace.login,
            "externalId": "grace",
            "name": {"givenName": "Grace", "familyName": "Hopper"},
            "displayName": "Grace Hopper",
            "emails": [{"value": tenants.grace.login, "type": "work", "primary": True}],
            "active": True,
        },
    )
    people.set_federated_only(context, seen.account, federated_only=True)
    return Provisioned(tenants.acme.scim_base, issued.secret)


def _person(context: Context, node: Node, local: str, given: str, family: str, *, mfa_required: bool = False) -> Signed:
    email = f"{local}@{DOMAIN}"
    # Whoever is homed in `acme` signs in there by a plain name: an address of its domain would be sent to `corp`.
    login = local if node.slug == "acme" else email
    fields = PersonFields(user_name=login, given_name=given, family_name=family, email=email)
    account = people.create_person(context, node, NewPerson(fields, mfa_required=mfa_required))
    return Signed(login, _password(context, account))


def _password(context: Context, account: Account) -> str:
    """Give somebody a random password that needs no change at the first sign-in, and return it."""
    password = base64.urlsafe_b64encode(context.entropy(15)).decode()
    credentials.set_password(context, account, password)
    return password
