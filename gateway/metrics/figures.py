"""All families, each with a closed set of labels: routes and codes of ours, never a path, a name or an id that somebody sent."""

from collections.abc import Mapping

from gateway.metrics.families import FAMILIES, Counter, Family, Histogram, Latest

_MILLISECONDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
_TIMES = tuple(bound * 1000 for bound in _MILLISECONDS)
_PROVIDERS = 500
"""So many providers are told apart; an installation with more reads of the rest in the log."""

REQUESTS = Counter("moongate_requests", "Requests answered, by door, method, route and status.", "door", "method", "route", "status")
REQUEST_SECONDS = Histogram("moongate_request_seconds", "Time until a request was answered.", "door", "method", "route", bounds=_TIMES)
REFUSALS = Counter("moongate_refusals", "Requests refused, by door and code of the catalogue.", "door", "code")
SIGN_INS = Counter(
    "moongate_sign_ins",
    "Attempts that admission judged, by means and outcome: admitted, an act that is due, or a code.",
    "means",
    "outcome",
)
PROVISIONING = Counter(
    "moongate_provisioning", "SCIM operations, by the connection's profile and outcome: done or a code.", "profile", "operation", "outcome"
)
JOBS = Counter("moongate_jobs", "Attempts at jobs, by kind and outcome: done, retry or dead.", "kind", "outcome")
JOB_SECONDS = Histogram("moongate_job_seconds", "Time of an attempt at a job.", "kind", bounds=_TIMES)
OUTBOUND_SECONDS = Histogram(
    "moongate_outbound_seconds",
    "Time of calls to servers outside, by outcome: class of the status, or unreachable.",
    "outcome",
    bounds=_TIMES,
)
TRANSACTION_SECONDS = Histogram("moongate_transaction_seconds", "Time of writing transactions, with the wait for the lock.", bounds=_TIMES)
PROVIDER_SUCCESS = Latest(
    "moongate_provider_success_seconds", "When an identity provider last answered well.", "tenant", "provider", most=_PROVIDERS
)
PROVIDER_FAILURE = Latest(
    "moongate_provider_failure_seconds", "When an identity provider last failed us.", "tenant", "provider", most=_PROVIDERS
)

ALL: Mapping[str, Family] = FAMILIES
"""By their names."""
