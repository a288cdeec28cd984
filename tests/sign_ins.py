"""People, apps, providers and assertions as tests of the sign-in need them, and a browser that fills in forms."""

import re
from dataclasses import dataclass, replace
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.domain.document import PersonFields
from gateway.domain.identity import Assertion, Criterion, EmailTrust, IdentityProvider, Vendor
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, RelyingParty
from gateway.domain.values import AccountId, ProviderId, comparison_key, new_correlation_id
from gateway.http import cookies
from gateway.services import credentials, memberships, people, relying_parties
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.services.relying_parties import NewRelyingParty
from gateway.services.sign_in import Begun
from gateway.storage import identity_providers, nodes
from gateway.storage import people as stored_people
from gateway.storage.nodes import Domain

PASSWORD = "four quiet herons wade"
REDIRECT_URI = "https://app.example/callback"


def make_person(context: Context, node: Node, login: str, *, password: str = "", email: str = "", **more: Any) -> Account:
    """A person with names and an e-mail address; active, and with a password where one is given."""
    address = email or (login if "@" in login else f"{login}@{node.slug}.example")
    fields = PersonFields(user_name=login, given_name="Anna", family_name="Berg", email=address)
    account = people.create_person(context, node, NewPerson(fields, **more))
    return credentials.set_password(context, account, password) if password else account


def make_app(context: Context, node: Node, *, roleless: bool = True, name: str = "Wiki", **more: Any) -> RelyingParty:
    """An app that needs no role, unless told otherwise."""
    return relying_parties.register(context, node.id, NewRelyingParty(name, [REDIRECT_URI], roleless=roleless, **more))[0]


def make_provider(context: Context, node: Node, key: str = "corp", **more: Any) -> IdentityProvider:
    """An active provider that matches by e-mail address."""
    values: dict[str, Any] = {
        "id": ProviderId(context.new_id()),
        "node": node.id,
        "key": key,
        "name": key.title(),
        "issuer": f"https://{key}.example",
        "client_id": "moongate",
        "vendor": Vendor.GENERIC,
        "matching": Criterion.EMAIL,
        "claim": "preferred_username",
        "exact_case": False,
        "email_trust": EmailTrust.CLAIM,
        "external_id_claim": "",
        "link_only": False,
        "mfa_amr": (),
        "mfa_acr": (),
        "active": True,
        "created_at": context.now(),
    }
    provider = IdentityProvider(**values | more)
    with context.database.transaction():
        identity_providers.insert_provider(context.database, provider, wrapped_secret="")
    return provider


def prove_domain(context: Context, node: Node, name: str, provider: IdentityProvider | None = None, *, kind: str = "routing") -> None:
    """Give a node a domain that it proved, which may name a provider."""
    owner = provider.id if provider is not None else None
    domain = Domain(context.new_id(), node.id, comparison_key(name), kind, "token", context.now(), owner, context.now())
    with context.database.transaction():
        nodes.insert_domain(context.database, domain)


def asserted(provider: IdentityProvider, subject: str = "s-1", **claims: object) -> Assertion:
    """What a provider stated and we verified."""
    return Assertion(issuer=provider.issuer, subject=subject, claims={"sub": subject, **claims})


def vouched(provider: IdentityProvider, email: str, subject: str = "s-1") -> Assertion:
    """An assertion with a verified e-mail address."""
    return asserted(provider, subject, email=email, email_verified=True)


def request_of(app: RelyingParty, **more: Any) -> AuthorizationRequest:
    """The request of an app, as it is stored."""
    return AuthorizationRequest(client_id=app.client_id, redirect_uri=REDIRECT_URI, scope=("openid",), **more)


def begin(context: Context, node: Node, app: RelyingParty, **more: Any) -> Begun:
    """A sign-in that an app began, under a correlation id of its own."""
    return sign_ins.begin(context.traced_as(new_correlation_id(context.entropy)), node, request_of(app, **more))


@dataclass
class Browser:
    """A browser at one sign-in: it holds cookies, follows redirects and pages that go on by themselves, and fills in forms."""

    client: FlaskClient
    page: TestResponse | None = None

    def hold(self, node: Node, begun: Begun) -> None:
        """Hold the cookie that binds a sign-in, as the door that began it set it."""
        prefix = "__Host-" if node.issuer.startswith("https:") else ""
        self.client.set_cookie(f"{prefix}mg-t-{begun.sign_in.id}", begun.secret, domain=urlsplit(node.issuer).hostname or "")

    def open(self, url: str) -> TestResponse:
        """Open a page and follow wherever it leads within the gateway's sign-in pages."""
        self.page = self.client.get(path_of(url), base_url=origin_of(url))
        return self._follow()

    def submit(self, action: str, /, **fields: str) -> TestResponse:
        """Send the form of the page that posts to `action`, with its hidden fields."""
        form = next(form for form in re.findall(r"<form.*?</form>", self.text, re.DOTALL) if f'{action}"' in form)
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        url = unescape(re.findall(r'action="([^"]*)"', form)[0])
        self.page = self.client.post(path_of(url), base_url=origin_of(url), data={**hidden, **fields})
        return self._follow()

    def click(self, mark: str) -> TestResponse:
        """Follow the link with this data attribute."""
        return self.open(self.link(mark))

    def link(self, mark: str) -> str:
        """The address of the link with this data attribute."""
        tag = next(tag for tag in re.findall(r"<a [^>]*>", self.text) if mark in tag)
        return unescape(re.findall(r'href="([^"]*)"', tag)[0])

    @property
    def text(self) -> str:
        return self.page.text if self.page is not None else ""

    @property
    def error(self) -> str:
        """The code that the page shows; empty if it shows none."""
        return next(iter(re.findall(r'data-error="(\w+)"', self.text)), "")

    @property
    def gone_to(self) -> str:
        """The path outside the sign-in pages that the browser was led to."""
        assert self.page is not None
        url = onward(self.page)
        return f"{urlsplit(url).path}?{urlsplit(url).query}" if url else ""

    def _follow(self) -> TestResponse:
        assert self.page is not None
        while (url := onward(self.page)) and "/sign-in" in urlsplit(url).path:
            self.page = self.client.get(path_of(url), base_url=origin_of(url))
        return self.page


def onward(page: TestResponse) -> str:
    """Where an answer leads: by redirect, or as a page that goes on by itself."""
    if page.status_code == 303:
        return page.headers["Location"]
    refresh = re.findall(r'http-equiv="refresh" content="0; url=([^"]*)"', page.text)
    return unescape(refresh[0]) if refresh else ""


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "http://localhost:8000"


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def session_cookies(client: FlaskClient) -> set[str]:
    """The names of the session cookies that a browser holds."""
    names = {name for _, _, name in client._cookies or {}}
    return {name for name in names if cookies._SESSION_NAME.fullmatch(name)}


def stored(context: Context, account_id: AccountId) -> Account:
    """The account as it is stored now."""
    account = stored_people.find_account(context.database, account_id)
    assert account is not None
    return account


def change(context: Context, account: Account, **fields: Any) -> Account:
    """Set facts of an account that no use case sets yet, such as an end date or that it registered itself."""
    with context.database.transaction():
        return people.store_person(context, stored(context, account.id), replace(stored(context, account.id), **fields))


def make_member(context: Context, account: Account, node: Node) -> None:
    """Let an account belong to a further node."""
    memberships.add(context, node, account)
