"""What a filter means, tried on many: scim2-models as the oracle, and the laws of logic."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from scim2_models import EnterpriseUser, ScimFilter, User

from gateway.domain.filter import matches, resolve
from gateway.domain.query import And, parse_filter
from gateway.domain.schema import CORE_USER_URN, ENTERPRISE_URN, USER, JsonObject


def holds(text: str, document: JsonObject) -> bool:
    return matches(resolve(parse_filter(text), USER), document, USER)


VALUES = st.sampled_from(["a", "A", "b", "ab", "x%", "a b", "work", "home"])
"""Without letters that only casefolding brings together: the oracle lowers, we fold (decisions.md 2)."""
DOCUMENTS: st.SearchStrategy[JsonObject] = st.fixed_dictionaries(
    {"userName": VALUES},
    optional={
        "externalId": VALUES,
        "title": VALUES,
        "active": st.booleans(),
        "name": st.dictionaries(st.sampled_from(["givenName", "familyName"]), VALUES, min_size=1),
        "phoneNumbers": st.lists(
            st.fixed_dictionaries({"value": VALUES}, optional={"type": st.sampled_from(["work", "home"]), "primary": st.just(False)}),
            min_size=1,
            max_size=3,
        ),
        ENTERPRISE_URN: st.fixed_dictionaries({"department": VALUES}),
    },
)
TEXTS = st.sampled_from(
    ["userName", "title", "externalId", "name.familyName", "phoneNumbers.value", "phoneNumbers.type", f"{ENTERPRISE_URN}:department"]
)
OPERATORS = st.sampled_from(["eq", "co", "sw", "ew", "gt", "ge", "lt", "le"])
COMPARISONS = st.one_of(
    st.builds('{} {} "{}"'.format, TEXTS, OPERATORS, VALUES),
    st.builds("{} pr".format, TEXTS),
    st.builds("active eq {}".format, st.sampled_from(["true", "false"])),
    st.builds('phoneNumbers[type eq "{}" and value {} "{}"]'.format, st.sampled_from(["work", "home"]), OPERATORS, VALUES),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("({}) and ({})".format, inner, inner), st.builds("({}) or ({})".format, inner, inner), st.builds("not ({})".format, inner)
    ),
    max_leaves=5,
)


@given(DOCUMENTS, FILTERS)
def test_filter_means_what_the_oracle_says(document: JsonObject, text: str) -> None:
    """`ne` is left out: on unassigned and multi-valued attributes the RFC leaves it open, and A46 says how it is here."""
    whole: dict[str, Any] = {"schemas": [CORE_USER_URN, *([ENTERPRISE_URN] if ENTERPRISE_URN in document else [])], **document}
    oracle = ScimFilter[User[EnterpriseUser]](text).match(User[EnterpriseUser].model_validate(whole))
    assert holds(text, document) is oracle


@given(DOCUMENTS, FILTERS)
def test_negation_is_the_opposite(document: JsonObject, text: str) -> None:
    assert holds(f"not ({text})", document) is not holds(text, document)


@given(DOCUMENTS, FILTERS, FILTERS)
def test_junctions_are_those_of_logic(document: JsonObject, left: str, right: str) -> None:
    assert holds(f"({left}) and ({right})", document) is (holds(left, document) and holds(right, document))
    assert holds(f"({left}) or ({right})", document) is (holds(left, document) or holds(right, document))


@given(FILTERS)
def test_resolved_filter_resolves_to_itself(text: str) -> None:
    tree = resolve(parse_filter(text), USER)
    assert resolve(tree, USER) == tree


def test_operands_are_all_resolved() -> None:
    tree = resolve(parse_filter('USERNAME eq "x" and (TITLE pr or not (ACTIVE eq true))'), USER)
    assert isinstance(tree, And)
    assert "USERNAME" not in str(tree)
    assert "TITLE" not in str(tree)
    assert "ACTIVE" not in str(tree)
