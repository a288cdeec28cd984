"""Assertions by which apps prove themselves: signed with a key of the app's, used once (RFC 7523, openid.md 26)."""

import json

from federation.downstream.asked import Asked
from gateway.domain.ports import Unreachable
from gateway.domain.relying_party import RelyingParty
from gateway.domain.values import Instant
from gateway.services import relying_parties
from gateway.tokens.claims import LEEWAY_MS, STALE_KEY_CHECKS, TokenRejected, VerifiedAssertion
from gateway.tokens.verification import KeySet, import_key_set, read_unverified_subject, verify_client_assertion

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = frozenset({"RS256", "PS256", "ES256"})


class AssertionRefused(Exception):
    """An assertion proves nothing; `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        """Keep the reason for the log."""
        super().__init__("The assertion proves nothing.")
        self.reason = reason


def claimed_client(unverified_assertion: str) -> str:
    """Return the app that an assertion says it speaks for, to look up its keys; empty where it says nothing of use."""
    return read_unverified_subject(unverified_assertion)


def verify_assertion(asked: Asked, party: RelyingParty, unverified_assertion: str) -> None:
    """Return if the assertion is the app's own, meant for this issuer alone, and was never used.

    Raises AssertionRefused.
    """
    try:
        verified = _verify(asked, party, unverified_assertion)
    except (TokenRejected, Unreachable, ValueError) as error:
        raise AssertionRefused(f"the client assertion was refused: {error}") from error
    if not relying_parties.use_assertion(asked.context, party, verified.token_id, Instant(verified.expires_at + 2 * LEEWAY_MS)):
        raise AssertionRefused("the client assertion was used before")


def _verify(asked: Asked, party: RelyingParty, unverified_assertion: str) -> VerifiedAssertion:
    now, issuer = asked.context.now(), asked.node.issuer

    def attempt(keys: KeySet) -> VerifiedAssertion:
        return verify_client_assertion(
            unverified_assertion, client_id=party.client_id, issuer=issuer, keys=keys, algorithms=ALGORITHMS, now=now
        )

    if party.jwks:
        return attempt(import_key_set(json.loads(party.jwks)))
    try:
        return attempt(_published(asked, party, stale=False))
    except TokenRejected as error:
        if error.check not in STALE_KEY_CHECKS:
            raise
        return attempt(_published(asked, party, stale=True))


def _published(asked: Asked, party: RelyingParty, *, stale: bool) -> KeySet:
    published = asked.memory.keys
    return published.get(party.jwks_uri, asked.fetcher, now=asked.context.now(), stale=stale, private_outbound=asked.node.private_outbound)
