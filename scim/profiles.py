"""How each directory speaks and what it expects: a profile is a value of switches, and nothing asks for a profile's name.

Connections name a profile; single switches on top of it are `dataclasses.replace` of the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.patch import PatchPolicy, Unknown
from gateway.domain.schema import CORE_USER, ENTERPRISE_USER, USER, ResourceType


class Rewrite(StrEnum):
    """The normaliser's rewrites, in their order; the text is what the request log shows."""

    QUERY_PARAMETER_DROPPED = "N1 unknown query parameter dropped"
    KEY_ALIAS = "N2 key spelled as in the RFC"
    OP_LOWERED = "N3 op lower-cased"
    STRING_TO_BOOLEAN = "N4 string to boolean"
    LIST_TO_SINGLE = "N5 list to single value"
    SINGLE_TO_LIST = "N6 single value to list"
    MANAGER_RESHAPED = "N7 manager reshaped"
    BARE_ENTERPRISE = "N8 bare enterprise attribute"
    DOTTED_KEY = "N9 dotted key or damaged URN"
    LEGACY_URN = "N10 legacy URN"
    REMOVE_BY_VALUE = "N11 remove by value"
    ELEMENT_CREATED = "N12 element created"
    READ_ONLY_DROPPED = "N13 read-only value dropped"
    NULL_UNASSIGNED = "N14 null to unassigned"
    MEMBER_DISPLAY = "N15 displayName of a member to display"
    UNQUOTED_LITERAL = "N16 unquoted filter literal"
    FORMAT_UNCHECKED = "N17 format stored unchecked"
    UNKNOWN_DROPPED = "N18 unknown attribute dropped"
    UNKNOWN_URN_STRIPPED = "N19 unknown extension URN stripped"


@dataclass(frozen=True, slots=True)
class Profile:
    """The switches of a dialect."""

    name: str
    rewrites: frozenset[Rewrite]
    """What the normaliser may rewrite; RFC 7643 itself asks for N3 and N14, so every profile has them."""
    unknown: Unknown
    """What becomes of attributes that no schema knows (N18)."""
    user_patch_status: int = 200
    """200 with body or 204; `attributes=` always gives 200 (decisions.md 36)."""
    group_patch_status: int = 204
    empty_operations_ok: bool = False
    """Entra's validator sends `"Operations": []` and expects success (E25)."""
    duplicate_keys_refused: bool = False
    """Whether a JSON object that holds a key twice is refused."""
    user: ResourceType = USER
    """What people have: `strict` knows the schemas of RFC 7643 alone, without our own extension."""
    reduced_schema: bool = False
    """Whether /Schemas leaves out what Entra's "Test Schema" rejects (E27)."""
    member_check: bool = True
    """Whether members of groups must exist (R-203)."""
    unique_group_names: bool = True
    password_refused: bool = False
    """Whether a password that breaks a rule is refused rather than dropped and logged (decisions.md 24)."""

    patch_policy: PatchPolicy = field(init=False)
    """The choices of the PATCH engine that follow from the switches."""

    def __post_init__(self) -> None:
        """Settle what follows from the switches."""
        policy = PatchPolicy(
            create_unmatched=Rewrite.ELEMENT_CREATED in self.rewrites,
            empty_operations_ok=self.empty_operations_ok,
            remove_value_as_filter=Rewrite.REMOVE_BY_VALUE in self.rewrites,
            ignore_read_only=Rewrite.READ_ONLY_DROPPED in self.rewrites,
            unknown=self.unknown,
            lenient=self.lenient_filters,
        )
        object.__setattr__(self, "patch_policy", policy)

    @property
    def lenient_filters(self) -> bool:
        """Return whether filter literals may lack quotes."""
        return Rewrite.UNQUOTED_LITERAL in self.rewrites


_BY_RFC = frozenset({Rewrite.OP_LOWERED, Rewrite.NULL_UNASSIGNED})
_ALL = frozenset(Rewrite)

_RFC_USER = ResourceType("User", "/Users", CORE_USER, (ENTERPRISE_USER,))

STRICT = Profile("strict", _BY_RFC, Unknown.REFUSE, duplicate_keys_refused=True, user=_RFC_USER, password_refused=True)
ENTRA = Profile("entra", _ALL, Unknown.DROP, empty_operations_ok=True, reduced_schema=True)
OKTA = Profile("okta", _ALL - {Rewrite.UNQUOTED_LITERAL}, Unknown.DROP)
LENIENT = Profile("lenient", _ALL, Unknown.IGNORE, empty_operations_ok=True, member_check=False, unique_group_names=False)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (STRICT, ENTRA, OKTA, LENIENT)}
"""By name, as connections store it."""
