"""Domains: exact names, no public ones, and one owner once they are proved (decisions.md 20, R-141)."""

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.services import domains
from gateway.services.context import Context
from gateway.storage import nodes as stored_nodes


def code_of(context: Context, node: Node, name: str, *, kind: str = "routing", idp: str = "") -> str:
    with pytest.raises(Refusal) as refused:
        domains.add(context, node, name, kind=kind, idp=idp)
    return refused.value.code


def test_a_claim_leads_nowhere_until_it_is_proved(context: Context, acme: Node) -> None:
    domains.add(context, acme, "acme.example")
    assert stored_nodes.find_proved_domain(context.database, "acme.example", "routing") is None
    [claim] = domains.list_domains(context, acme)
    assert claim.domain.verified_at is None


def test_a_domain_is_kept_exact_and_in_its_ascii_form(context: Context, acme: Node) -> None:
    names = {"ACME.Example.": "acme.example", "bücher.example": "xn--bcher-kva.example"}
    for given, kept in names.items():
        assert domains.add(context, acme, given).domain.name == kept


@pytest.mark.parametrize(
    "name",
    ["", "localhost", "10.0.0.1", "a b.example", "-a.example", "a..example", "x" * 64 + ".example", "*.example.com", "user@example.com"],
)
def test_what_is_no_domain_is_refused(context: Context, acme: Node, name: str) -> None:
    assert code_of(context, acme, name) == "E_Field_Invalid"


@pytest.mark.parametrize("name", ["com", "co.uk", "github.io"])
def test_a_domain_below_which_anybody_registers_is_refused(context: Context, acme: Node, name: str) -> None:
    assert code_of(context, acme, name) in {"E_Domain_Not_Allowed", "E_Field_Invalid"}


def test_public_suffixes_are_refused_as_such(context: Context, acme: Node) -> None:
    assert code_of(context, acme, "co.uk") == "E_Domain_Not_Allowed"


def test_two_tenants_may_claim_a_domain_and_one_may_prove_it(context: Context, acme: Node, globex: Node) -> None:
    domains.add(context, globex, "shared.example")
    domains.add(context, acme, "shared.example", assume_verified=True)
    assert code_of(context, globex, "shared.example", kind="routing") == "E_Field_Invalid"
    domains.remove(context, globex, "shared.example")
    assert code_of(context, globex, "shared.example") == "E_Domain_Not_Allowed"


def test_the_refusal_does_not_say_whose_it_is(context: Context, acme: Node, globex: Node) -> None:
    domains.add(context, acme, "acme.example", assume_verified=True)
    with pytest.raises(Refusal) as refused:
        domains.add(context, globex, "acme.example")
    shown = f"{refused.value} {refused.value.reason} {refused.value.data}"
    assert "acme.example" in shown
    assert acme.name not in shown


def test_kinds_are_claims_of_their_own(context: Context, acme: Node) -> None:
    for kind in domains.KINDS:
        domains.add(context, acme, "acme.example", kind=kind, assume_verified=True)
    assert len(domains.list_domains(context, acme)) == 3
    assert code_of(context, acme, "acme.example", kind="vanity") == "E_Field_Invalid"


def test_a_provider_must_be_the_tenants_own(context: Context, acme: Node) -> None:
    assert code_of(context, acme, "acme.example", idp="corp") == "E_Field_Invalid"


def test_a_proof_of_a_domain_proves_none_below_it(context: Context, acme: Node, globex: Node) -> None:
    domains.add(context, acme, "acme.example", assume_verified=True)
    domains.add(context, globex, "sub.acme.example", assume_verified=True)
    proved = stored_nodes.find_proved_domain(context.database, "sub.acme.example", "routing")
    assert proved is not None
    assert proved.node == globex.id
