"""The parameters of a request, where none may come twice (RFC 6749 §3.1 and 3.2)."""

from collections.abc import Iterable

_REPEATABLE = frozenset({"resource"})
"""RFC 8707 §2 lets an app name several."""


class Parameters(dict[str, str]):
    """Parameters by name, the first value of each; `repeated` names those that came more than once."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Take names and values as they came. An empty value counts as absent (RFC 6749 §3.1)."""
        super().__init__()
        self._further: dict[str, list[str]] = {}
        for name, value in pairs:
            if not value:
                continue
            if name in self:
                self._further.setdefault(name, []).append(value)
            else:
                self[name] = value
        self.repeated = frozenset(name for name in self._further if name not in _REPEATABLE)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a repeatable parameter."""
        return (self[name], *self._further.get(name, ())) if name in self else ()
