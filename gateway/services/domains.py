"""DNS domains of a node: where a name leads at sign-in, what a node hosts, and who may register (decisions.md 2, 8, 20).

A claim is worth something only once it is proved; proved, a domain belongs to one node. `example.com` says nothing about `sub.example.com`;
`*.example.com` is a claim of its own to all below, of which whoever proves a name itself has the better one (R-141).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.ports import TextLookup, Unreachable
from gateway.domain.public_mail import PUBLIC_MAIL
from gateway.domain.values import ProviderId, new_token
from gateway.services.context import Context
from gateway.storage import identity_providers, nodes
from gateway.storage.database import Duplicate
from gateway.storage.nodes import Domain

KINDS = ("routing", "hosted", "registration")

_CHALLENGE = "_moongate-challenge"
_BELOW = "*."
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 253


@dataclass(frozen=True, slots=True)
class Claim:
    """A node's claim to a domain, and the TXT record that would prove it."""

    domain: Domain
    provider: str
    """Key of the identity provider its names lead to; empty: the node's page."""

    @property
    def txt_name(self) -> str:
        """Where the record stands."""
        return f"{_CHALLENGE}.{self.domain.name.removeprefix(_BELOW)}"

    @property
    def txt_value(self) -> str:
        """What it says."""
        return f"moongate-domain-verification={self.domain.dns_token}"


def add(context: Context, node: Node, name: str, *, kind: str = "routing", idp: str = "", assume_verified: bool = False) -> Claim:
    """Claim a domain for a node.

    `idp` is the key of the node's provider to which names of a routing domain lead straight. `assume_verified` proves it without DNS:
    for platform administrators, who answer for it. Refuses a domain that another node proved, and one under which anybody can register.
    """
    exact = _require_domain(name)
    if kind not in KINDS:
        raise Refusal("E_Field_Invalid", field="kind", data={"field": "kind", "rule": "one of " + ", ".join(KINDS)})
    provider = _provider(context, node, idp, kind)
    domain = Domain(
        id=context.new_id(),
        node=node.id,
        name=exact,
        kind=kind,
        dns_token=new_token(context.entropy, "mgdns"),
        verified_at=context.now() if assume_verified else None,
        provider=provider,
        created_at=context.now(),
    )
    with context.database.transaction():
        if nodes.find_domain(context.database, node.id, exact, kind) is not None:
            raise Refusal("E_Field_Invalid", field="domain", data={"field": "domain", "rule": "not claimed by this tenant yet"})
        if nodes.find_proved_domain(context.database, exact, kind) is not None:
            raise _owned(exact)
        try:
            nodes.insert_domain(context.database, domain)
        except Duplicate as error:
            raise _owned(exact) from error
        detail = {"domain": exact, "kind": kind, "idp": idp, "verified": "assumed" if assume_verified else "not yet"}
        context.publish(Event(node.id, "domain.added", "domain", domain.id, detail=detail))
    return Claim(domain, idp)


def verify(context: Context, lookup: TextLookup, node: Node, name: str, *, kind: str = "routing") -> Claim:
    """Prove a claim by the TXT record that only whoever runs the domain can set, looked up now.

    A claim that is proved stays so. Refuses with `E_Domain_Unproved` where the record is not there, and with `E_Domain_Not_Allowed` where
    another node was faster.
    """
    claim = _claim(context, node, name, kind)
    if claim.domain.verified_at is not None:
        return claim
    data = {"domain": claim.domain.name, "txt_name": claim.txt_name, "txt_value": claim.txt_value}
    try:
        found = lookup.texts(claim.txt_name)
    except Unreachable as unreachable:
        raise Refusal("E_Domain_Unproved", field="domain", data=data, reason=unreachable.reason) from unreachable
    if claim.txt_value not in {text.strip() for text in found}:
        raise Refusal("E_Domain_Unproved", field="domain", data=data, reason=f"{len(found)} TXT records there, not this one")
    with context.database.transaction():
        # As it is now: it may have been given up, or claimed anew with another text.
        claim = _claim(context, node, name, kind)
        if claim.txt_value != data["txt_value"]:
            raise Refusal("E_Domain_Unproved", field="domain", data=data, reason="claimed anew meanwhile")
        try:
            nodes.prove_domain(context.database, claim.domain.id, context.now())
        except Duplicate as error:
            raise _owned(claim.domain.name) from error
        context.publish(Event(node.id, "domain.verified", "domain", claim.domain.id, detail={"domain": claim.domain.name, "kind": kind}))
    return _claim(context, node, name, kind)


def list_domains(context: Context, node: Node) -> Sequence[Claim]:
    """Return a node's domains."""
    keys = {provider.id: provider.key for provider in identity_providers.list_providers(context.database, node.id)}
    return [
        Claim(domain, keys.get(domain.provider, "") if domain.provider else "") for domain in nodes.list_domains(context.database, node.id)
    ]


def _claim(context: Context, node: Node, name: str, kind: str) -> Claim:
    exact = _exact(name)
    found = next((claim for claim in list_domains(context, node) if (claim.domain.name, claim.domain.kind) == (exact, kind)), None)
    if found is None:
        raise Refusal("E_Resource_Not_Found", field="domain", data={"value": name})
    return found


def remove(context: Context, node: Node, name: str, *, kind: str = "routing") -> None:
    """Give a domain up; its names lead nowhere any more."""
    with context.database.transaction():
        domain = nodes.find_domain(context.database, node.id, _exact(name), kind)
        if domain is None:
            raise Refusal("E_Resource_Not_Found", field="domain", data={"value": name})
        nodes.delete_domain(context.database, domain.id)
        context.publish(Event(node.id, "domain.removed", "domain", domain.id, detail={"domain": domain.name, "kind": kind}))


def _require_domain(name: str) -> str:
    """Return the name in its ASCII form, or refuse what is no domain, and what belongs to everybody."""
    exact = _exact(name)
    apex = exact.removeprefix(_BELOW)
    labels = apex.split(".")
    if len(exact) > _LONGEST or len(labels) == 1 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise Refusal("E_Field_Invalid", field="domain", data={"field": "domain", "rule": "a full domain name such as example.com"})
    if apex in PUBLIC_MAIL:
        raise Refusal("E_Domain_Not_Allowed", field="domain", data={"domain": exact}, reason="anybody gets a mail address there")
    if _suffixes().privatesuffix(apex) is None:
        raise Refusal("E_Domain_Not_Allowed", field="domain", data={"domain": exact}, reason="anybody can register names below it")
    return exact


@cache
def _suffixes() -> PublicSuffixList:
    """Return the list, read when it is first asked for: it takes 70 ms."""
    return PublicSuffixList()


def _exact(name: str) -> str:
    text = name.strip().rstrip(".").casefold()
    below, apex = (_BELOW, text.removeprefix(_BELOW)) if text.startswith(_BELOW) else ("", text)
    try:
        return below + apex.encode("idna").decode()
    except UnicodeError:
        return text


def _provider(context: Context, node: Node, key: str, kind: str) -> ProviderId | None:
    if not key:
        return None
    provider = identity_providers.find_provider_by_key(context.database, node.id, key)
    if provider is None or kind != "routing":
        rule = "the key of this tenant's identity provider" if provider is None else "given for routing domains only"
        raise Refusal("E_Field_Invalid", field="idp", data={"field": "idp", "rule": rule})
    return provider.id


def _owned(name: str) -> Refusal:
    # Says no more than that it is taken: whose it is, is nobody's business.
    return Refusal("E_Domain_Not_Allowed", field="domain", data={"domain": name}, reason="another tenant proved it")
