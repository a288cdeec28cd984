"""`make bench`: the table, on SQLite with `synchronous=FULL`, one worker, everything in one run."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.browser import sign_in
from bench.population import PASSWORD, populate
from bench.scenarios import authorize_url, plain, scenarios
from bench.servers import free_port, gateway, plain_flask
from bench.table import Line, machine, measure, table

_THREADS = 6
"""As `moongate serve` has."""


def main() -> None:
    """Fill a database, start both servers, measure, print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="moongate-bench-") as folder:
        home, port = Path(folder), free_port()
        print(f"filling {options.people:,} people …", file=sys.stderr, flush=True)
        population = populate(home, f"http://localhost:{port}", options.people)
        with plain_flask(_THREADS) as compared, gateway(home, port) as measured:
            cookies = sign_in(authorize_url(population), population.redirect_uri, population.login, PASSWORD)
            lines = [Line(plain(compared.host), compared)]
            lines += [
                Line(scenario, measured)
                for scenario in scenarios(population, measured.host, cookies)
                if not options.only or options.only in scenario.name
            ]
            measure(lines, rounds=options.rounds, seconds=options.seconds)
            memory = measured.resident_megabytes()
    print(f"{machine()}; SQLite synchronous=FULL, one worker of {_THREADS} threads, {options.people:,} people, {options.rounds} rounds\n")
    print(table(lines))
    print(f"\nMemory of the worker afterwards: {memory:.0f} MB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmark table, as ratios to plain Flask in the same run.")
    parser.add_argument("--people", type=int, default=10_000, help="people in the database (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one stretch of load (default: %(default)s)")
    parser.add_argument("--only", default="", help="only scenarios whose name holds this text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
