"""Wraps all secrets at rest by the newest key, while everybody works, so that an older key can be taken away."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.services.context import Context
from gateway.services.nodes import PLATFORM_SLUG
from gateway.storage import nodes, wrapped
from gateway.storage.wrapped import KEY_CHECK, PURPOSES
from gateway.tokens.keyring import UnwrapFailed

BATCH = 200
"""Secrets that change in one transaction."""

_ROUNDS = 5
"""How often it is looked again for what servers wrapped meanwhile that do not know the newest key yet."""


@dataclass(slots=True)
class Rewrapped:
    """What was done."""

    counts: Counter[str] = field(default_factory=Counter)
    """Secrets wrapped anew, by purpose."""
    damaged: list[tuple[str, str]] = field(default_factory=list)
    """Purpose and row of secrets that do not unwrap, though their key is there; they stay as they are."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Secrets that an older key wraps still, by its short name, the damaged ones among them."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing that can be unwrapped needs an older key any more: those can be taken away."""
        return sum(self.left.values()) <= len(self.damaged)


def rewrap(context: Context) -> Rewrapped:
    """Wrap every secret by the newest key, in batches; what was done before an interruption is done.

    Refuses before it changes anything if a key is missing that some secret needs.
    """
    _require_keys(context)
    done = Rewrapped()
    for _ in range(_ROUNDS):
        for purpose in PURPOSES:
            if purpose != KEY_CHECK:
                _rewrap_column(context, purpose, done)
        done.left = _left(context)
        if done.is_whole:
            break
        done.damaged.clear()
    if done.is_whole:
        _rewrap_column(context, KEY_CHECK, done)
    _record(context, done)
    return done


def _require_keys(context: Context) -> None:
    known = context.keyring.names()
    missing: Counter[str] = Counter()
    for purpose in PURPOSES:
        missing.update({name: count for name, count in wrapped.count_by_key(context.database, purpose).items() if name not in known})
    if missing:
        told = ", ".join(f"{name} ({count} secrets)" for name, count in sorted(missing.items()))
        raise Refusal("E_Secret_Key_Missing", data={"value": told}, reason="nothing was changed")


def _rewrap_column(context: Context, purpose: str, done: Rewrapped) -> None:
    ring, after = context.keyring, ""
    while page := wrapped.list_others(context.database, purpose, newest=ring.newest, after=after, limit=BATCH):
        after = page[-1].key
        changes = []
        for secret in page:
            owner = "" if purpose == KEY_CHECK else secret.key
            try:
                changes.append((secret, ring.rewrap(secret.value, purpose=purpose, owner=owner)))
            except UnwrapFailed:
                done.damaged.append((purpose, secret.key))
        done.counts[purpose] += wrapped.change(context.database, purpose, changes)


def _left(context: Context) -> dict[str, int]:
    """Return how many secrets other keys than the newest wrap still, by the key's short name."""
    counted: Counter[str] = Counter()
    for purpose in PURPOSES:
        if purpose == KEY_CHECK:
            continue
        counted.update(wrapped.count_by_key(context.database, purpose))
    counted.pop(context.keyring.newest, None)
    return dict(counted)


def _record(context: Context, done: Rewrapped) -> None:
    platform = nodes.find_node_by_slug(context.database, PLATFORM_SLUG)
    changed = sum(done.counts.values())
    if platform is not None and changed:
        detail = {"secrets": changed, "damaged": len(done.damaged), "left": sum(done.left.values())}
        with context.database.transaction():
            context.record(Event(platform.id, "secrets.rewrapped", "key", context.keyring.newest, detail=detail))
