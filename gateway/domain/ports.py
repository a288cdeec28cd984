"""What services and doors need from the outside, as Protocols; `app.py`, `cli` and `worker` wire the real things (decisions.md 42)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.untrusted_json import parse_object


class Unreachable(Exception):
    """A server outside did not answer, may not be called, or answered something unusable.

    `str()` is one generic text for every cause, so that nobody maps our network by error messages; `reason` is precise and only for the log
    and the audit trail.
    """

    def __init__(self, reason: str) -> None:
        """Keep `reason` for the log; it never holds a secret, a query or a body."""
        super().__init__("The server could not be reached.")
        self.reason = reason


class Oversized(Unreachable):
    """A server outside answered with more than anybody needs to say."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer from outside, whatever its status; untrusted."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json_object(self) -> Mapping[str, object]:
        """Return the body as a JSON object, or raise Unreachable."""
        try:
            return parse_object(self.body)
        except ValueError as error:
            reason = f"status {self.status} with a body that is no JSON object ({error})"
            raise Unreachable(reason) from error


class TextLookup(Protocol):
    """Questions to the domain name system. Never ask inside a database transaction."""

    def texts(self, name: str) -> Sequence[str]:
        """Return the TXT records of a domain name, as they are now; empty where there is none. Raises Unreachable."""
        ...


class HttpFetcher(Protocol):
    """Calls to servers outside, guarded; every method raises Unreachable and nothing else.

    `private_outbound` says whether the calling node was given private outbound by the platform (decisions.md 43). No redirect is followed.
    Never call it inside a database transaction.
    """

    def get_json(self, url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        """Return the JSON object at `url`; any status but 200 raises Unreachable. `bearer` is sent as an access token (RFC 6750)."""
        ...

    def post_form(self, url: str, form: Mapping[str, str], *, private_outbound: bool, auth: tuple[str, str] | None = None) -> Reply:
        """Post `form` and return the answer with any status. `auth` is a client's id and secret for HTTP Basic (RFC 6749 §2.3.1)."""
        ...
