"""One thing breaks after the other, while the load goes on."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests import databases
from tests.load.cluster import Cluster, Member
from tests.load.ledger import Ledger
from tests.load.outside import Organisation

_ANY = ("scim", "browser", "provider")
_AWAY_SECONDS = 2.0
"""How long whoever was killed is missed before somebody starts it again."""


@dataclass
class Saboteur:
    """Breaks things at fixed times."""

    cluster: Cluster
    organisation: Organisation
    ledger: Ledger
    seconds: float
    """Of the whole load."""
    ended: threading.Event

    def run(self) -> None:
        """Do the whole programme."""
        for share, act in self._programme():
            self.ended.wait(max(0.0, self.ledger.began + share * self.seconds - time.monotonic()))
            if self.ended.is_set():
                return
            act()

    def _programme(self) -> Sequence[tuple[float, Callable[[], None]]]:
        gateways, workers = self.cluster.gateways, self.cluster.workers
        return (
            (0.10, self._valkey_goes),
            (0.22, lambda: self._gateway_dies(gateways[0])),
            (0.34, lambda: self._worker_dies(workers[0])),
            (0.44, self._postgres_restarts),
            (0.58, self._provider_hangs),
            (0.72, lambda: self._process_dies(gateways[1])),
            (0.80, lambda: self._worker_dies(workers[1])),
        )

    def _valkey_goes(self) -> None:
        """Nobody may notice: limits are then counted in the database and in process."""
        with self.ledger.broken("Valkey gone"):
            self.cluster.stop_valkey()
            self.ended.wait(self.seconds * 0.05)
            self.cluster.start_valkey()

    def _gateway_dies(self, gateway: Member) -> None:
        with self.ledger.broken(f"{gateway.name} killed, and started again", *_ANY):
            gateway.kill()
            self.ended.wait(_AWAY_SECONDS)
            gateway.start()
            gateway.wait_until_ready()

    def _process_dies(self, gateway: Member) -> None:
        with self.ledger.broken(f"a process of {gateway.name} killed, and replaced by its supervisor", *_ANY):
            gateway.kill_child()
            gateway.wait_until_ready()

    def _worker_dies(self, worker: Member) -> None:
        """Nobody may notice: the other one does the work."""
        with self.ledger.broken(f"{worker.name} killed, and started again"):
            worker.kill()
            self.ended.wait(_AWAY_SECONDS)
            worker.start()

    def _postgres_restarts(self) -> None:
        with self.ledger.broken("PostgreSQL restarted", *_ANY):
            databases.server().restart(lambda: time.sleep(_AWAY_SECONDS))
            for gateway in self.cluster.gateways:
                gateway.wait_until_ready()

    def _provider_hangs(self) -> None:
        """Whoever lives on a session, and every directory, may not notice."""
        with self.ledger.broken("provider dead: it takes connections and says nothing", "provider", "browser sign-in"):
            self.organisation.alive.clear()
            self.ended.wait(self.seconds * 0.05)
            self.organisation.alive.set()
