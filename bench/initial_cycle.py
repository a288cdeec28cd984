"""An initial cycle through HTTP as Entra ID does it: each person and each group is looked for and then made, then come the members.

python -m bench.initial_cycle --people 100000 --database postgresql
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from bench.databases import ENGINES, described, settings_for
from bench.load import Client, Measured, Reply, request, run
from bench.population import Population, as_body, person, populate, user_name
from bench.scenarios import PATCH
from bench.servers import Server, free_port, gateway
from bench.table import machine
from gateway.domain.schema import Json, JsonObject

_CONNECTIONS = 8
_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


class Directory:
    """What it pushes, over several connections at once."""

    def __init__(self, population: Population, server: Server) -> None:
        """Take where everything goes."""
        self._server = server
        self._base = urlsplit(population.issuer).path + "/scim/v2"
        self._headers = {"Authorization": f"Bearer {population.token}", "Content-Type": "application/scim+json"}
        self.people: list[str] = []
        """Ids."""

    def push_people(self, count: int) -> Measured:
        """Look for each person, and make them."""
        numbers = iter(range(1, count + 1))

        def client(_: int) -> Client:
            for number in numbers:
                found = quote(f'userName eq "{user_name(number)}"')
                _expect((yield self._wire("GET", f"/Users?filter={found}")), 200)
                made = yield self._wire("POST", "/Users", person(number))
                self.people.append(_expect(made, 201)["id"])

        return run(self._server.address, client, connections=_CONNECTIONS)

    def push_groups(self, count: int, memberships: int, per_request: int) -> Measured:
        """Look for each group, make it, and put as many people into each, `per_request` by one PATCH."""
        pick = random.Random(1)
        numbers = iter(range(1, count + 1))

        def client(_: int) -> Client:
            for number in numbers:
                name = f"Group {number}"
                found = quote(f'displayName eq "{name}"')
                _expect((yield self._wire("GET", f"/Groups?excludedAttributes=members&filter={found}")), 200)
                made = yield self._wire("POST", "/Groups", {"schemas": [_GROUP], "externalId": name, "displayName": name})
                group = _expect(made, 201)["id"]
                members = pick.sample(self.people, memberships // count)
                for start in range(0, len(members), per_request):
                    value: list[Json] = [{"value": each} for each in members[start : start + per_request]]
                    body: JsonObject = {"schemas": [PATCH], "Operations": [{"op": "Add", "path": "members", "value": value}]}
                    _expect((yield self._wire("PATCH", f"/Groups/{group}", body)), 204)

        return run(self._server.address, client, connections=_CONNECTIONS)

    def count(self, kind: str) -> int:
        """Return how many there are, as the gateway says."""
        counted: list[int] = []

        def client(_: int) -> Client:
            counted.append(_expect((yield self._wire("GET", f"/{kind}?count=0")), 200)["totalResults"])

        run(self._server.address, client, connections=1)
        return counted[0]

    def _wire(self, method: str, path: str, body: JsonObject | None = None) -> bytes:
        return request(method, self._base + path, self._server.host, self._headers, b"" if body is None else as_body(body))


def main() -> None:
    """Push everything to two processes and tell how long that took."""
    options = _options()
    port = free_port()
    with settings_for(options.database, f"http://localhost:{port}") as settings:
        population = populate(settings, 1)
        with gateway(settings, port, workers=options.workers) as server:
            directory = Directory(population, server)
            steps = [("people", directory.push_people(options.people))]
            _tell(f"{options.people:,} people: {steps[0][1].seconds / 60:.1f} minutes")
            steps.append(("groups and members", directory.push_groups(options.groups, options.memberships, options.members_per_request)))
            counted = directory.count("Users"), directory.count("Groups")
            # Two people and a group were there before.
            assert counted == (options.people + 2, options.groups + 1), counted
            lines = list(_report(options, steps, server))
    print("\n".join(lines))


def _report(options: argparse.Namespace, steps: list[tuple[str, Measured]], server: Server) -> Iterator[str]:
    yield f"{machine()}; {described(options.database)}; {options.workers} workers; {options.members_per_request} members a request"
    yield f"{options.people:,} people, {options.groups:,} groups, {options.memberships:,} memberships"
    for name, measured in steps:
        ordered = sorted(measured.latencies)
        p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        yield (
            f"{name}: {measured.seconds / 60:.2f} minutes, {measured.requests:,} requests, "
            f"{measured.requests / measured.seconds:,.0f} a second, p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms"
        )
    yield f"altogether {sum(measured.seconds for _, measured in steps) / 60:.1f} minutes"
    yield f"most memory of a process: {server.peak_megabytes():.0f} MB"


def _expect(reply: Reply, status: int) -> dict[str, Any]:
    if reply.status != status:
        raise AssertionError(f"status {reply.status}, {reply.body[:300]!r}")
    return dict(json.loads(reply.body)) if reply.body else {}


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.initial_cycle", description="An initial cycle through HTTP.")
    parser.add_argument("--people", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--groups", type=int, default=0, help="default: one for 50 people")
    parser.add_argument("--memberships", type=int, default=0, help="default: five for each person")
    parser.add_argument("--members-per-request", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--database", choices=ENGINES, default="sqlite", help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="processes of the server (default: %(default)s)")
    options = parser.parse_args()
    options.groups = options.groups or max(1, options.people // 50)
    options.memberships = options.memberships or 5 * options.people
    return options


if __name__ == "__main__":
    main()
