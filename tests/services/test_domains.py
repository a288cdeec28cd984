"""Domains: exact names, no public ones, and one owner once they are proved (decisions.md 20, R-141)."""

from collections.abc import Callable, Sequence

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.ports import Unreachable
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
    [
        "",
        "localhost",
        "10.0.0.1",
        "a b.example",
        "-a.example",
        "a..example",
        "x" * 64 + ".example",
        "*",
        "*.",
        "*.*.example.com",
        "a.*.example.com",
        "*.com.",
        "user@example.com",
    ],
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


class Texts:
    """A TextLookup that knows what it is told."""

    def __init__(self, found: Callable[[str], Sequence[str]]) -> None:
        self.found = found
        self.asked: list[str] = []

    def texts(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        return self.found(name)


def test_the_record_proves_a_domain(context: Context, acme: Node) -> None:
    claim = domains.add(context, acme, "acme.example")
    lookup = Texts(lambda _: ["v=spf1 -all", f" {claim.txt_value} "])
    assert domains.verify(context, lookup, acme, "ACME.example").domain.verified_at == context.now()
    assert lookup.asked == ["_moongate-challenge.acme.example"]
    assert stored_nodes.find_owning_domain(context.database, "acme.example", "routing") is not None


def test_what_is_proved_is_not_asked_for_again(context: Context, acme: Node) -> None:
    domains.add(context, acme, "acme.example", assume_verified=True)
    lookup = Texts(lambda _: [])
    assert domains.verify(context, lookup, acme, "acme.example").domain.verified_at is not None
    assert lookup.asked == []


def saying(texts: Sequence[str]) -> Callable[[str], Sequence[str]]:
    return lambda _: texts


def unproved(context: Context, node: Node, name: str, found: Callable[[str], Sequence[str]]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        domains.verify(context, Texts(found), node, name)
    assert stored_nodes.find_owning_domain(context.database, name.removeprefix("*."), "routing") is None
    return refused.value


def test_without_the_record_nothing_is_proved_and_the_refusal_says_what_to_set(context: Context, acme: Node, globex: Node) -> None:
    claim = domains.add(context, acme, "acme.example")
    theirs = domains.add(context, globex, "acme.example")
    for texts in ([], ["moongate-domain-verification=guess"], [theirs.txt_value], [claim.txt_value + "x"], [claim.txt_value.upper()]):
        refusal = unproved(context, acme, "acme.example", saying(texts))
        assert refusal.code == "E_Domain_Unproved"
        assert (refusal.data["txt_name"], refusal.data["txt_value"]) == (claim.txt_name, claim.txt_value)


def test_a_dns_that_is_away_proves_nothing(context: Context, acme: Node) -> None:
    domains.add(context, acme, "acme.example")

    def away(_: str) -> Sequence[str]:
        raise Unreachable("SERVFAIL")

    refusal = unproved(context, acme, "acme.example", away)
    assert (refusal.code, refusal.reason) == ("E_Domain_Unproved", "SERVFAIL")


def test_a_claim_of_somebody_else_cannot_be_proved(context: Context, acme: Node, globex: Node) -> None:
    domains.add(context, acme, "acme.example")
    assert unproved(context, globex, "acme.example", lambda _: []).code == "E_Resource_Not_Found"


def test_of_two_who_set_the_record_the_first_one_owns_the_domain(context: Context, acme: Node, globex: Node) -> None:
    claims = [domains.add(context, node, "shared.example") for node in (acme, globex)]
    lookup = Texts(lambda _: [claim.txt_value for claim in claims])
    domains.verify(context, lookup, globex, "shared.example")
    with pytest.raises(Refusal) as refused:
        domains.verify(context, lookup, acme, "shared.example")
    assert refused.value.code == "E_Domain_Not_Allowed"


def test_a_claim_that_was_given_up_while_the_record_was_looked_up_is_not_proved(context: Context, acme: Node) -> None:
    claim = domains.add(context, acme, "acme.example")

    def meanwhile(_: str) -> Sequence[str]:
        domains.remove(context, acme, "acme.example")
        domains.add(context, acme, "acme.example")
        return [claim.txt_value]

    assert unproved(context, acme, "acme.example", meanwhile).code == "E_Domain_Unproved"


def test_all_below_a_domain_is_a_claim_of_its_own(context: Context, acme: Node, globex: Node) -> None:
    below = domains.add(context, acme, "*.acme.example")
    assert below.txt_name == "_moongate-challenge.acme.example"
    domains.verify(context, Texts(lambda _: [below.txt_value]), acme, "*.acme.example")

    def owner(name: str) -> object:
        found = stored_nodes.find_owning_domain(context.database, name, "routing")
        return found and found.node

    assert owner("mail.acme.example") == owner("a.b.acme.example") == acme.id
    assert owner("acme.example") is None
    assert owner("notacme.example") is None
    domains.add(context, globex, "branch.acme.example", assume_verified=True)
    assert owner("branch.acme.example") == globex.id
    domains.add(context, globex, "*.branch.acme.example", assume_verified=True)
    assert owner("x.branch.acme.example") == globex.id
    assert owner("x.other.acme.example") == acme.id


@pytest.mark.parametrize("name", ["gmail.com", "*.gmail.com", "GMX.de", "yahoo.co.uk"])
def test_r141_public_mail_domains_belong_to_nobody(context: Context, acme: Node, name: str) -> None:
    assert code_of(context, acme, name) == "E_Domain_Not_Allowed"
