"""What clients do. Each scenario makes clients; a client checks every answer, because a fast wrong answer is worth nothing."""

import base64
import hashlib
import itertools
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from bench.load import Client, Reply, request
from bench.population import Population, as_body, person, user_name

MakeClient = Callable[[int], Client]
_VERIFIER = "v" * 64
_CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).rstrip(b"=").decode()
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the table."""

    name: str
    make_client: MakeClient
    must: float
    """The ratio to plain Flask that must be reached; 0 for the comparison itself."""
    aim: float
    requests_per_round: int = 1


def plain(host: str) -> Scenario:
    """Return the comparison: plain Flask answering a constant."""
    wire = request("GET", "/hello", host)

    def client(_: int) -> Client:
        while True:
            _expect((yield wire), 200)

    return Scenario("plain Flask", client, 0, 0)


def scenarios(population: Population, host: str, cookies: Mapping[str, str]) -> list[Scenario]:
    """Return every scenario of the table for a filled gateway."""
    scim = _Scim(population, host)
    return [
        Scenario("GET a user", scim.get, 0.40, 0.55),
        Scenario("filter userName eq", scim.filter, 0.30, 0.45),
        Scenario("list of 100", scim.list, 0.10, 0.20),
        Scenario("create a user", scim.create, 0.12, 0.20),
        Scenario("PATCH active", scim.patch_active, 0.15, 0.22),
        Scenario("one member in a large group", scim.patch_member, 0.15, 0.25),
        Scenario("authorize, token, userinfo", _rounds(population, host, cookies), 0.06, 0.08, requests_per_round=3),
    ]


class _Scim:
    """A directory's requests."""

    def __init__(self, population: Population, host: str) -> None:
        self._population = population
        self._host = host
        self._base = urlsplit(population.issuer).path + "/scim/v2"
        self._headers = {"Authorization": f"Bearer {population.token}", "Content-Type": "application/scim+json"}
        self._created = itertools.count(10_000_000)

    def get(self, number: int) -> Client:
        pick = random.Random(number)
        while True:
            _expect((yield self._wire("GET", f"/Users/{pick.choice(self._population.people)}")), 200)

    def filter(self, number: int) -> Client:
        pick = random.Random(number)
        while True:
            name = user_name(pick.randrange(len(self._population.people)))
            reply = yield self._wire("GET", "/Users?filter=" + quote(f'userName eq "{name}"'))
            _expect(reply, 200, contains=name)

    def list(self, number: int) -> Client:
        pick = random.Random(number)
        while True:
            start = pick.randrange(1, len(self._population.people) - 100)
            _expect((yield self._wire("GET", f"/Users?startIndex={start}&count=100")), 200, contains='"itemsPerPage":100')

    def create(self, _: int) -> Client:
        while True:
            name = f"new{next(self._created)}@acme.example"
            _expect((yield self._wire("POST", "/Users", as_body(person(1, name)))), 201)

    def patch_active(self, number: int) -> Client:
        pick = random.Random(number)
        while True:
            target = pick.choice(self._population.people)
            for value in ("False", "True"):
                body = as_body({"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": value}]})
                _expect((yield self._wire("PATCH", f"/Users/{target}", body)), 200, contains=f'"active":{value.lower()}')

    def patch_member(self, number: int) -> Client:
        outside = self._population.people[-(len(self._population.people) // 10) :]
        pick = random.Random(number)
        while True:
            member = pick.choice(outside)
            for op in ("Add", "Remove"):
                body = as_body({"schemas": [PATCH], "Operations": [{"op": op, "path": "members", "value": [{"value": member}]}]})
                _expect((yield self._wire("PATCH", f"/Groups/{self._population.group}", body)), 204)

    def _wire(self, method: str, path: str, body: bytes = b"") -> bytes:
        return request(method, self._base + path, self._host, self._headers, body)


def _rounds(population: Population, host: str, cookies: Mapping[str, str]) -> MakeClient:
    """Return clients that go round: a code by a live session, its tokens, the profile."""
    base = urlsplit(population.issuer).path + "/oauth2"
    query = {
        "response_type": "code",
        "client_id": population.client_id,
        "redirect_uri": population.redirect_uri,
        "scope": "openid profile email",
        "state": "s",
        "nonce": "n",
        "code_challenge": _CHALLENGE,
        "code_challenge_method": "S256",
    }
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    authorize = request("GET", f"{base}/authorize?{urlencode(query)}", host, cookie)
    basic = base64.b64encode(f"{quote(population.client_id)}:{quote(population.client_secret)}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    form = {"grant_type": "authorization_code", "redirect_uri": population.redirect_uri, "code_verifier": _VERIFIER}

    def client(_: int) -> Client:
        while True:
            answer = yield authorize
            _expect(answer, 302, 303)
            code = parse_qs(urlsplit(answer.header("Location")).query)["code"][0]
            tokens = yield request("POST", f"{base}/token", host, headers, urlencode(form | {"code": code}).encode())
            _expect(tokens, 200)
            bearer = {"Authorization": f"Bearer {json.loads(tokens.body)['access_token']}"}
            _expect((yield request("GET", f"{base}/userinfo", host, bearer)), 200, contains='"sub"')

    return client


def authorize_url(population: Population) -> str:
    """Return an authorization request for a browser."""
    query = {
        "response_type": "code",
        "client_id": population.client_id,
        "redirect_uri": population.redirect_uri,
        "scope": "openid",
        "state": "s",
        "code_challenge": _CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"{population.issuer}/oauth2/authorize?{urlencode(query)}"


def _expect(reply: Reply, *statuses: int, contains: str = "") -> None:
    if reply.status not in statuses or contains.encode() not in reply.body:
        raise AssertionError(f"status {reply.status}, {reply.body[:300]!r}")
