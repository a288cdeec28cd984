"""One authenticated request, without Flask: checked, handed to its handler, and logged whatever became of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.domain.connections import ProvisioningEntry
from gateway.domain.errors import Refusal
from gateway.domain.schema import JsonObject
from gateway.metrics import figures
from gateway.services import credentials
from gateway.services.connections import Request
from scim import bodies, discovery, errors, groups, log, parameters, root, users
from scim.exchange import Answer, Exchange, Resource
from scim.log import ReadLog
from scim.rate import RateLimit
from scim.routing import Kind, Route

RESOURCES: Mapping[str, Resource] = {"Users": users, "Groups": groups}

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class State:
    """What the door keeps for its process."""

    reads: ReadLog = field(default_factory=ReadLog)
    rate: RateLimit = field(default_factory=RateLimit)


@dataclass(slots=True)
class Call:
    """What was asked, and what was read of it so far."""

    route: Route
    method: str
    content_type: str
    read: Callable[[], bytes]
    """Reads the body, within the limit."""
    started: int
    """`time.perf_counter_ns()` when the request came."""
    raw: bytes = b""
    body: JsonObject | None = None

    @property
    def writes(self) -> bool:
        """Whether something may change."""
        return self.method in _WRITES and self.route.kind not in {Kind.SEARCH, Kind.ROOT_SEARCH}


def serve(exchange: Exchange, call: Call, state: State) -> Answer:
    """Return the answer to a request, a refusal as one too, and count it."""
    answer = _answered(exchange, call, state)
    outcome = answer.refusal.code if answer.refusal else "done"
    if outcome != "E_Rate_Limited":
        state.rate.measure((time.perf_counter_ns() - call.started) // 1000, exchange.context.now())
    # A method that nobody knows is not told apart: a caller could invent a thousand.
    operation = _operation(call, answer) if call.method in call.route.allowed else "refused"
    figures.PROVISIONING.add(exchange.connection.profile, operation, outcome)
    return answer


def _answered(exchange: Exchange, call: Call, state: State) -> Answer:
    try:
        state.rate.require(exchange.context.limits, exchange.connection, exchange.context.now())
        _require_place(call)
        if call.method == "OPTIONS":
            return Answer(204, headers={"Allow": ", ".join(call.route.allowed)})
        if call.writes:
            return _write(exchange, call, state)
        answer = _read(exchange, call)
    except Refusal as refusal:
        return _refused(exchange, call, state, refusal)
    log.record_read(exchange.context, state.reads, _request(exchange, call, answer))
    return answer


def _require_place(call: Call) -> None:
    """Refuse unknown paths and methods before any body is read: Okta sends `test` to discovery and expects 405 (scim.md A04, O07)."""
    if call.route.kind is Kind.UNSUPPORTED:
        raise Refusal("E_Not_Supported")
    if call.route.kind is Kind.UNKNOWN:
        raise Refusal("E_Not_Found")
    if call.method not in call.route.allowed:
        raise Refusal("E_Method_Not_Allowed")


def _write(exchange: Exchange, call: Call, state: State) -> Answer:
    """Answer a write; its log row holds or fails with it (R-214)."""
    body = {} if call.method == "DELETE" else _parsed(exchange, call)
    password = bodies.find_password(body) if bodies.may_name_password(call.raw) else ""
    # Where a provider is tied its people sign in there, and the password that a directory sends all the same is dropped.
    if password and exchange.connection.provider is None:
        exchange = replace(exchange, hashed={password: credentials.hash_ahead(password)})

    def act() -> Answer:
        answer = _written(exchange, call, body)
        log.record_write(exchange.context, state.reads, _request(exchange, call, answer))
        return answer

    return exchange.context.database.transact(act)


def _written(exchange: Exchange, call: Call, body: JsonObject) -> Answer:
    resource, name = RESOURCES[call.route.endpoint], call.route.name
    match call.method:
        case "POST":
            return resource.create(exchange, body)
        case "PUT":
            return resource.replace(exchange, name, body)
        case "PATCH":
            return resource.patch(exchange, name, body)
        case _:
            return resource.remove(exchange, name)


def _read(exchange: Exchange, call: Call) -> Answer:
    match call.route.kind:
        case Kind.ONE:
            return RESOURCES[call.route.endpoint].read(exchange, call.route.name)
        case Kind.ENDPOINT:
            return RESOURCES[call.route.endpoint].search(exchange)
        case Kind.SEARCH:
            return RESOURCES[call.route.endpoint].search(_searching(exchange, call))
        case Kind.ROOT:
            return root.search(exchange, RESOURCES)
        case Kind.ROOT_SEARCH:
            return root.search(_searching(exchange, call), RESOURCES)
        case _:
            return discovery.read(exchange, call.route)


def _searching(exchange: Exchange, call: Call) -> Exchange:
    """Return the exchange with the parameters of a SearchRequest (RFC 7644 §3.4.3)."""
    return replace(exchange, parameters=parameters.of_search_request(_parsed(exchange, call)))


def _parsed(exchange: Exchange, call: Call) -> JsonObject:
    bodies.require_media_type(call.content_type)
    call.raw = call.read()
    call.body = bodies.parse_body(call.raw, exchange.profile)
    return call.body


def _refused(exchange: Exchange, call: Call, state: State, refusal: Refusal) -> Answer:
    headers = {"Allow": ", ".join(call.route.allowed)} if refusal.code == "E_Method_Not_Allowed" else None
    answer = errors.answer_of(refusal, exchange.context.correlation_id, headers=headers)
    answer = replace(answer, detail={"reason": refusal.reason, "field": refusal.field} if refusal.reason else {"field": refusal.field})
    entry = _request(exchange, call, answer, code=refusal.code)
    if call.writes:
        log.record_refused(exchange.context, state.reads, entry)
    else:
        log.record_read(exchange.context, state.reads, entry)
    return answer


def _operation(call: Call, answer: Answer) -> str:
    return answer.operation or call.route.operation(call.method)


def _request(exchange: Exchange, call: Call, answer: Answer, *, code: str = "") -> Request:
    entry = ProvisioningEntry(
        connection=exchange.connection.id,
        operation=_operation(call, answer),
        target=answer.target or call.route.name[:128],
        status=answer.status,
        code=code,
        rewrites=exchange.rewrites + answer.rewrites,
        body=bodies.masked(call.raw, call.body),
        detail=answer.detail,
        duration_us=(time.perf_counter_ns() - call.started) // 1000,
    )
    return log.request_of(exchange.context, exchange.connection, entry)
