"""An explanation as one JSON document, and in words for people."""

import json
from collections.abc import Mapping, Sequence

from gateway.cli import command
from gateway.cli.command import moment, say
from gateway.domain.admission import TraceStep
from gateway.domain.audit import AuditRow
from gateway.services.attempts import Walk
from gateway.services.explain import Explanation
from gateway.services.likeness import Lookalike
from gateway.storage.connections import LogRow

_WAYS = {
    "password": "by password",
    "federated": "through their organisation",
    "session": "by a session that was still alive",
    "refresh": "an app asking for fresh tokens",
}


def show(explanation: Explanation, *, as_json: bool) -> None:
    """Print an explanation."""
    if as_json:
        command.show(_document(explanation), as_json=True)
        return
    _show_verdict(explanation)
    if explanation.decisive is not None:
        _show_chain(explanation.decisive.chain)
    _show_candidates(explanation.candidates)
    if explanation.remedies:
        _heading("What helps (names in capitals are yours to fill in)")
        for remedy in explanation.remedies:
            say(f"  {remedy}")
    _show_rows(explanation.requests, explanation.events)


def _document(explanation: Explanation) -> dict[str, object]:
    decisive = explanation.decisive
    return {
        "correlation_id": explanation.correlation_id,
        "code": explanation.code,
        "title": explanation.title,
        "message": explanation.text,
        "chain": [_step(step) for step in decisive.chain] if decisive else [],
        "candidates": [_candidate(candidate) for candidate in explanation.candidates],
        "remedies": list(explanation.remedies),
        "attempts": [_walk(walk) | {"chain": [_step(step) for step in walk.chain]} for walk in explanation.walks],
        "requests": [_request(row) for row in explanation.requests],
        "events": [_event(row) for row in explanation.events],
    }


def _show_verdict(explanation: Explanation) -> None:
    decisive = explanation.decisive
    if explanation.code:
        say(f"{explanation.code}: {explanation.title}")
        say(explanation.text)
    elif decisive is None:
        say("Nobody was refused anything.")
    elif decisive.due:
        say(f"Let in, as soon as this is done: {decisive.due}.")
    else:
        say("Let in.")
    if decisive is not None:
        say("")
        for name, text in _walk(decisive).items():
            if text and name not in {"code", "due"}:
                say(f"  {name + ':':<10} {_WAYS.get(str(text), text) if name == 'path' else text}")


def _show_chain(chain: Sequence[TraceStep]) -> None:
    _heading("What was checked, in this order")
    width = max((len(step.step) for step in chain), default=0)
    for step in chain:
        if step.outcome != "not reached":
            say(f"  {step.outcome:<8} {step.step:<{width}}  {_words(step.detail)}".rstrip())
    rest = [step.step for step in chain if step.outcome == "not reached"]
    if rest:
        say(f"  not reached: {', '.join(rest)}")


def _show_candidates(candidates: Sequence[Lookalike]) -> None:
    if not candidates:
        return
    _heading("Accounts that may have been meant")
    width = max(len(candidate.account.login) for candidate in candidates)
    for candidate in candidates:
        why = "; ".join(candidate.reasons)
        say(f"  {candidate.account.login:<{width}}  {candidate.tenant}, {candidate.status}, {candidate.likeness}: {why}")


def _show_rows(requests: Sequence[LogRow], events: Sequence[AuditRow]) -> None:
    if requests:
        _heading("SCIM requests")
        for row in requests:
            say(f"  {moment(row.at)}  {row.status}  {row.operation} {row.target} {row.code}".rstrip())
    if events:
        _heading("What was noted")
        for event in events:
            say(f"  {moment(event.at)}  {event.action}  {event.target_kind} {event.target} {event.code}".rstrip())


def _heading(text: str) -> None:
    say("")
    say(text)


def _walk(walk: Walk) -> dict[str, object]:
    return {
        "at": moment(walk.at),
        "path": walk.path,
        "code": walk.code,
        "due": walk.due,
        "tenant": walk.node.slug if walk.node else None,
        "app": walk.app or None,
        "provider": walk.provider.key if walk.provider else None,
        "login": walk.account.login if walk.account else None,
        "home": walk.home.slug if walk.home else None,
    }


def _step(step: TraceStep) -> dict[str, object]:
    return {"step": step.step, "outcome": step.outcome, "detail": dict(step.detail)}


def _candidate(candidate: Lookalike) -> dict[str, object]:
    return {
        "id": candidate.account.id,
        "login": candidate.account.login,
        "email": candidate.account.email,
        "tenant": candidate.tenant,
        "status": candidate.status,
        "likeness": candidate.likeness,
        "why": list(candidate.reasons),
    }


def _request(row: LogRow) -> dict[str, object]:
    return {
        "id": row.id,
        "at": moment(row.at),
        "connection": row.connection,
        "operation": row.operation,
        "target": row.target,
        "status": row.status,
        "code": row.code,
        "rewrites": json.loads(row.rewrites or "[]"),
    }


def _event(row: AuditRow) -> dict[str, object]:
    return {
        "at": moment(row.at),
        "action": row.action,
        "outcome": row.outcome,
        "code": row.code,
        "actor": f"{row.actor_kind} {row.actor}".strip(),
        "channel": row.channel,
        "target_kind": row.target_kind,
        "target": row.target,
        "detail": json.loads(row.detail or "{}"),
    }


def _words(detail: Mapping[str, object]) -> str:
    """Return what a step found, as `name: value` pairs; what is empty says nothing."""
    return ", ".join(f"{name}: {_value(value)}" for name, value in detail.items() if value not in (None, "", [], ()))


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
