"""What administrators set up before the load comes: a tenant with its directory, its provider, and apps for everybody."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.nodes import NodeKind
from gateway.services import connections, domains, identity_providers, nodes, platform, relying_parties
from gateway.services.connections import NewConnection
from gateway.services.house import OPERATOR
from gateway.services.identity_providers import NewProvider
from gateway.services.nodes import NewNode
from gateway.services.relying_parties import NewRelyingParty
from gateway.settings import Settings
from gateway.wiring import open_house
from tests.journeys.wanderer import CALLBACK, App
from tests.load.outside import CLIENT_ID, CLIENT_SECRET

DOMAIN = "acme.example"


@dataclass(frozen=True)
class Stage:
    """What the load needs to know."""

    apps: list[App]
    scim_base: str
    scim_token: str


def set_up(settings: Settings, *, provider: str, logout_uris: Sequence[str]) -> Stage:
    """Fill a new database; `provider` is the issuer of the organisation's provider."""
    house = open_house(settings)
    context = house.context(OPERATOR)
    root = platform.found(context, login="admin", email="admin@moongate.example").node
    acme = nodes.create_node(context, root.id, NewNode("acme", "Acme Ltd", NodeKind.CUSTOMER))
    acme = nodes.change_node(context, acme, private_outbound=True)
    corp = identity_providers.add_provider(
        context, house.fetcher, acme, NewProvider("corp", provider, CLIENT_ID, CLIENT_SECRET, name="Corp", activate=True)
    )
    domains.add(context, acme, DOMAIN, idp="corp", assume_verified=True)
    issued = connections.create_connection(context, acme, NewConnection("Directory", provider=corp.id))
    apps = []
    for number, uri in enumerate(logout_uris):
        new = NewRelyingParty(f"App {number}", [CALLBACK], roleless=True, backchannel_logout_uri=uri)
        party, secret = relying_parties.register(context, acme.id, new)
        apps.append(App(acme.issuer, party.client_id, secret))
    house.database.close()
    return Stage(apps, f"{acme.issuer}/scim/v2", issued.secret)
