"""Assertions by which apps prove themselves: signed with a key of the app's, used once (RFC 7523, openid.md 26)."""

import json
import threading
from dataclasses import dataclass

from flask import current_app

from gateway.domain.nodes import Node
from gateway.domain.ports import Unreachable
from gateway.domain.relying_party import RelyingParty
from gateway.domain.values import HOUR_MS, SECOND_MS, Instant
from gateway.http import requests
from gateway.services import relying_parties
from gateway.services.context import Context
from gateway.tokens.claims import LEEWAY_MS, STALE_KEY_CHECKS, TokenRejected, VerifiedAssertion
from gateway.tokens.verification import KeySet, import_key_set, read_unverified_subject, verify_client_assertion

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = frozenset({"RS256", "PS256", "ES256"})
KEYS = "moongate.client_keys"
"""Where the app keeps the key sets of this process."""
LIFE_MS = HOUR_MS
REFETCH_MS = 30 * SECOND_MS
"""A key that is not known makes us look again, but not more often than this (openid.md 49)."""


class AssertionRefused(Exception):
    """An assertion proves nothing; `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        """Keep the reason for the log."""
        super().__init__("The assertion proves nothing.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: KeySet
    at: Instant


class PublishedKeys:
    """Key sets that apps publish, by their URL; safe for threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._sets: dict[str, _Fetched] = {}

    def get(self, url: str, *, now: Instant, stale: bool, private_outbound: bool) -> KeySet:
        """Return the keys at `url`, fetched anew where they are old, or where they are `stale` and were not fetched just now."""
        with self._lock:
            known = self._sets.get(url)
        if known is not None and now - known.at < (REFETCH_MS if stale else LIFE_MS):
            return known.keys
        document = requests.house().fetcher.get_json(url, private_outbound=private_outbound)
        fetched = _Fetched(import_key_set(document), now)
        with self._lock:
            self._sets[url] = fetched
        return fetched.keys


def claimed_client(unverified_assertion: str) -> str:
    """Return the app that an assertion says it speaks for, to look up its keys; empty where it says nothing of use."""
    return read_unverified_subject(unverified_assertion)


def verify_assertion(context: Context, node: Node, party: RelyingParty, unverified_assertion: str) -> None:
    """Return if the assertion is the app's own, meant for this issuer alone, and was never used.

    Raises AssertionRefused.
    """
    try:
        verified = _verify(context, node, party, unverified_assertion)
    except (TokenRejected, Unreachable, ValueError) as error:
        raise AssertionRefused(f"the client assertion was refused: {error}") from error
    if not relying_parties.use_assertion(context, party, verified.token_id, Instant(verified.expires_at + 2 * LEEWAY_MS)):
        raise AssertionRefused("the client assertion was used before")


def _verify(context: Context, node: Node, party: RelyingParty, unverified_assertion: str) -> VerifiedAssertion:
    def attempt(keys: KeySet) -> VerifiedAssertion:
        return verify_client_assertion(
            unverified_assertion, client_id=party.client_id, issuer=node.issuer, keys=keys, algorithms=ALGORITHMS, now=context.now()
        )

    if party.jwks:
        return attempt(import_key_set(json.loads(party.jwks)))
    try:
        return attempt(_published(context, node, party, stale=False))
    except TokenRejected as error:
        if error.check not in STALE_KEY_CHECKS:
            raise
        return attempt(_published(context, node, party, stale=True))


def _published(context: Context, node: Node, party: RelyingParty, *, stale: bool) -> KeySet:
    published: PublishedKeys = current_app.extensions[KEYS]
    return published.get(party.jwks_uri, now=context.now(), stale=stale, private_outbound=node.private_outbound)
