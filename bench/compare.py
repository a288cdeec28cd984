"""Two gateways beside each other in one run: many people beside few, or two processes beside one.

python -m bench.compare people --people 1000000 --database postgresql
python -m bench.compare workers
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.browser import sign_in
from bench.databases import ENGINES, described, settings_for
from bench.population import PASSWORD, populate
from bench.scenarios import authorize_url, scenarios
from bench.servers import free_port, gateway
from bench.table import Line, machine, measure

_FEW = 10_000
_NOT_COMPARED = {"people": ("list of 100",), "workers": ()}
"""A page deep in a long list is found by counting to it."""


def main() -> None:
    """Fill both, measure in turn, print."""
    options = _options()
    more = options.people if options.what == "people" else _FEW
    workers = 2 if options.what == "workers" else 1
    with _served(options, _FEW, 1) as plain, _served(options, more, workers) as other:
        measure([*plain, *other], rounds=options.rounds, seconds=options.seconds)
    print(f"{machine()}; {described(options.database)}; {_FEW:,} people by 1 process, beside {more:,} people by {workers}\n")
    print("| what | rounds/s | beside | ratio | server µs | beside | ratio | p50 ms | beside |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for first, second in zip(plain, other, strict=True):
        print(_row(first, second))


@contextmanager
def _served(options: argparse.Namespace, people: int, workers: int) -> Iterator[Sequence[Line]]:
    """Serve a gateway of its own, and yield what is to be measured of it."""
    port = free_port()
    with settings_for(options.database, f"http://localhost:{port}") as settings:
        print(f"filling {people:,} people …", file=sys.stderr, flush=True)
        population = populate(settings, people, in_bulk=True)
        with gateway(settings, port, workers=workers) as server:
            cookies = sign_in(authorize_url(population), population.redirect_uri, population.login, PASSWORD)
            left_out = _NOT_COMPARED[options.what]
            wanted = [each for each in scenarios(population, server.host, cookies) if options.only in each.name]
            yield [Line(scenario, server) for scenario in wanted if scenario.name not in left_out]


def _row(first: Line, second: Line) -> str:
    rates = [statistics.median(line.rates) for line in (first, second)]
    used = [statistics.median(line.processor_us) for line in (first, second)]
    middle = [statistics.median(line.latencies) * 1000 for line in (first, second)]
    ratio = statistics.median(its / mine for mine, its in zip(first.rates, second.rates, strict=True))
    cost = statistics.median(its / mine for mine, its in zip(first.processor_us, second.processor_us, strict=True))
    return (
        f"| {first.scenario.name} | {rates[0]:,.0f} | {rates[1]:,.0f} | {ratio:.2f} | {used[0]:,.0f} | {used[1]:,.0f} | {cost:.2f} "
        f"| {middle[0]:.1f} | {middle[1]:.1f} |"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description="Two gateways beside each other in one run.")
    parser.add_argument("what", choices=list(_NOT_COMPARED))
    parser.add_argument("--people", type=int, default=1_000_000, help="many (default: %(default)s)")
    parser.add_argument("--database", choices=ENGINES, default="sqlite", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one stretch of load (default: %(default)s)")
    parser.add_argument("--only", default="", help="only scenarios whose name holds this text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
