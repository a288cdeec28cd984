"""`make bench`: the table, everything in one run, each request beside plain Flask on the same server.

python -m bench --database postgresql
python -m bench --workers 2 --compare-workers
python -m bench --people 1000000 --compare-people
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.browser import sign_in
from bench.databases import ENGINES, described, settings_for
from bench.population import PASSWORD, populate
from bench.scenarios import authorize_url, plain, scenarios
from bench.servers import Server, free_port, gateway, plain_flask
from bench.table import Line, machine, measure, table

_THREADS = 6
"""As `moongate serve` has."""
_SMALL = 10_000
"""People with whom many are compared."""


def main() -> None:
    """Fill a database, start both servers, measure, print."""
    options = _options()
    with plain_flask(_THREADS) as compared, _filled(options, options.people) as (measured, lines):
        comparison = Line(plain(compared.host), compared)
        measure([comparison, *lines], rounds=options.rounds, seconds=options.seconds)
        memory = measured.resident_megabytes()
    print(f"{machine()}; {described(options.database)}, {options.workers} workers of {_THREADS} threads each,")
    print(f"{options.people:,} people, {options.rounds} rounds\n")
    print(table([comparison, *lines]))
    print(f"\nMemory of the largest process afterwards: {memory:.0f} MB")


@contextmanager
def _filled(options: argparse.Namespace, people: int, workers: int | None = None) -> Iterator[tuple[Server, Sequence[Line]]]:
    """Serve a gateway with so many people, and yield what is to be measured of it."""
    port = free_port()
    with settings_for(options.database, f"http://localhost:{port}") as settings:
        print(f"filling {people:,} people …", file=sys.stderr, flush=True)
        population = populate(settings, people, in_bulk=options.bulk)
        with gateway(settings, port, workers=workers or options.workers) as server:
            cookies = sign_in(authorize_url(population), population.redirect_uri, population.login, PASSWORD)
            wanted = [each for each in scenarios(population, server.host, cookies) if options.only in each.name]
            yield server, [Line(scenario, server) for scenario in wanted]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmark table, as ratios to plain Flask in the same run.")
    parser.add_argument("--people", type=int, default=_SMALL, help="people in the database (default: %(default)s)")
    parser.add_argument("--database", choices=ENGINES, default="sqlite", help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="processes of the server (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one stretch of load (default: %(default)s)")
    parser.add_argument("--only", default="", help="only scenarios whose name holds this text")
    parser.add_argument("--bulk", action="store_true", help="write people to the tables directly")
    return parser.parse_args()


if __name__ == "__main__":
    main()
