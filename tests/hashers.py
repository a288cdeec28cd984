"""The real password hasher with cheap parameters, which notes what it is asked."""

from dataclasses import dataclass, field

import pytest
from argon2 import PasswordHasher

from gateway.services import credentials


@dataclass
class CountingHasher:
    """Verifies as the real one does, and keeps the hashes that it was asked to verify against."""

    real: PasswordHasher = field(default_factory=lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    verified: list[str] = field(default_factory=list)

    def hash(self, password: str) -> str:
        return self.real.hash(password)

    def verify(self, stored: str, password: str) -> bool:
        self.verified.append(stored)
        return self.real.verify(stored, password)

    def check_needs_rehash(self, stored: str) -> bool:
        return self.real.check_needs_rehash(stored)


def installed(monkeypatch: pytest.MonkeyPatch) -> CountingHasher:
    """Put a counting hasher where passwords are checked, and return it."""
    counting = CountingHasher()
    monkeypatch.setattr(credentials, "_HASHER", counting)
    monkeypatch.setattr(credentials, "_DUMMY", counting.hash("nobody"))
    return counting
