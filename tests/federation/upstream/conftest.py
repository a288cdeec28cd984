"""A tenant with one provider, one app and one person, and the browser that goes between them."""

import dataclasses
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.domain.document import PersonFields
from gateway.domain.errors import entry_of
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.outbound import OutboundPolicy, parse_outbound_allow
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, RelyingParty
from gateway.domain.sign_in import SignIn
from gateway.domain.values import SignInId, hash_token
from gateway.outbound.transport import Transport
from gateway.services import identity_providers, nodes, people, relying_parties, sign_in
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.services.identity_providers import NewProvider
from gateway.services.people import NewPerson
from gateway.services.relying_parties import NewRelyingParty
from gateway.settings import Settings
from gateway.storage import audit, sign_ins
from gateway.storage.audit import Trace
from gateway.wiring import open_house
from tests.conftest import Clock
from tests.databases import Databases
from tests.federation.upstream.provider import CLIENT_ID, CLIENT_SECRET, Provider, running
from tests.tokens.forge import ForgeKey

HOST = "http://localhost:8000"


@pytest.fixture(scope="session")
def weak_rsa_key() -> ForgeKey:
    return ForgeKey("rsa-1", "RS256", rsa.generate_private_key(65537, 1024))


@pytest.fixture
def house(settings: Settings, stock: Databases, clock: Clock) -> Iterator[House]:
    """The house with the way to the outside it has in production; the loopback is allowed."""
    stock.new(settings.home)
    policy = OutboundPolicy(allow=parse_outbound_allow("127.0.0.0/8"))
    fetcher = Transport(policy, time_limit_ms=2_000)
    opened = open_house(settings, clock=clock, entropy=random.Random(1).randbytes, fetcher=fetcher)
    yield opened
    opened.database.close()


@pytest.fixture
def outside(rsa_key: ForgeKey, clock: Clock) -> Iterator[Provider]:
    """The provider outside, proper until a test changes something."""
    with running(rsa_key, clock) as provider:
        yield provider


@pytest.fixture
def tenant(context: Context, acme: Node) -> Node:
    """The tenant, which may call its provider on the loopback."""
    return nodes.change_node(context, acme, private_outbound=True)


@pytest.fixture
def idp(house: House, context: Context, tenant: Node, outside: Provider) -> IdentityProvider:
    """The provider as the tenant knows it."""
    added = add_idp(house, context, tenant, outside)
    outside.calls.clear()
    return added


def add_idp(house: House, context: Context, node: Node, outside: Provider, key: str = "corp", **changes: Any) -> IdentityProvider:
    new = NewProvider(key, outside.issuer, CLIENT_ID, CLIENT_SECRET, name=key.title(), activate=True)
    return identity_providers.add_provider(context, house.fetcher, node, dataclasses.replace(new, **changes))


@pytest.fixture
def portal(context: Context, tenant: Node) -> RelyingParty:
    """An app that everybody of the tenant may use."""
    return relying_parties.register(context, tenant.id, NewRelyingParty("Portal", [f"{HOST}/cb"], roleless=True))[0]


@pytest.fixture
def person(context: Context, tenant: Node) -> Account:
    """First Last, whom the provider's untouched ID token describes."""
    return add_person(context, tenant, "flast@acme.example")


def add_person(context: Context, node: Node, login: str, email: str = "", **changes: Any) -> Account:
    fields = PersonFields(user_name=login, email=email or login, given_name="First", family_name="Last")
    return people.create_person(context, node, dataclasses.replace(NewPerson(fields), **changes))


@dataclass
class Browser:
    """Somebody's browser on the way from the app to the provider and back."""

    house: House
    context: Context
    client: FlaskClient
    node: Node
    idp: IdentityProvider
    app: RelyingParty
    outside: Provider

    def begin(self, node: Node | None = None, parent: SignIn | None = None, **request: Any) -> SignIn:
        """Begin a sign-in for the app, or, with `parent`, one that proves a first factor for another issuer."""
        asked = AuthorizationRequest(client_id=self.app.client_id, redirect_uri=f"{HOST}/cb", scope=("openid",))
        context = self.house.context(OPERATOR, correlation_id=parent.correlation_id if parent else "")
        begun = sign_in.begin(context, node or self.node, dataclasses.replace(asked, **request), parent=parent.id if parent else None)
        self.client.set_cookie(f"mg-t-{begun.sign_in.id}", begun.secret, domain="localhost")
        self._secrets[begun.sign_in.id] = begun.secret
        return begun.sign_in

    def __post_init__(self) -> None:
        self._secrets: dict[SignInId, str] = {}

    def get(self, url: str) -> TestResponse:
        return self.client.get(url, base_url=HOST)

    def start(self, attempt: SignIn, key: str = "corp") -> str:
        """Go to the provider; return the URL the browser is sent to."""
        response = self.get(f"{self.node.issuer}/federation/{key}/start?id={attempt.id}")
        assert response.status_code == 303
        return response.headers["Location"]

    def come_back(self, url: str) -> TestResponse:
        response = self.get(url)
        assert response.status_code == 303, response.text
        return response

    def sign_in(self, **request: Any) -> SignIn:
        """Go all the way; return the sign-in as it is stored then."""
        attempt = self.begin(**request)
        response = self.come_back(self.outside.authorize(self.start(attempt)))
        assert response.headers["Location"] == f"{self.node.issuer}/sign-in?id={attempt.id}"
        return self.stored(attempt)

    def stored(self, attempt: SignIn) -> SignIn:
        found = sign_ins.find_sign_in(self.house.database, attempt.id, hash_token(self._secrets[attempt.id]))
        assert found is not None
        return found

    def trace(self, attempt: SignIn) -> Trace:
        """The one chain that was walked for a sign-in."""
        (trace,) = audit.list_traces(self.house.database, attempt.correlation_id)
        return trace

    def refused(self, code: str, *reasons: str, step: str = "protocol", **request: Any) -> SignIn:
        """Go all the way and be refused with `code`: traced with its reason, which the stored refusal does not tell, and no session."""
        attempt = self.sign_in(**request)
        self.require_refused(attempt, code, *reasons, step=step)
        return attempt

    def require_refused(self, attempt: SignIn, code: str, *reasons: str, step: str = "protocol") -> None:
        attempt = self.stored(attempt)
        assert attempt.refusal is not None
        assert attempt.refusal.code == code
        assert (attempt.session, attempt.proof) == (None, None)
        assert self.sessions() == 0
        trace = self.trace(attempt)
        assert (trace.code, trace.provider, trace.client_id) == (code, self.idp.id, self.app.client_id)
        (refused,) = [item for item in trace.chain if item.outcome == "refused"]
        assert refused.step == step
        page = self.get(f"{self.node.issuer}/sign-in?id={attempt.id}")
        assert page.status_code == entry_of(code).page_status
        assert f'data-error="{code}"' in page.text
        assert attempt.correlation_id in page.text
        for reason in reasons:
            assert reason in str(refused.detail["reason"])
            assert reason not in page.text

    def sessions(self) -> int:
        return int(self.house.database.script("SELECT count(*) FROM session")[0][0])

    def asked(self, url: str) -> dict[str, str]:
        """The parameters of a URL."""
        return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
def browser(
    house: House, context: Context, client: FlaskClient, tenant: Node, idp: IdentityProvider, portal: RelyingParty, outside: Provider
) -> Browser:
    return Browser(house, context, client, tenant, idp, portal, outside)
