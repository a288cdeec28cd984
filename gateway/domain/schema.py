"""The SCIM attribute tables: what a person and a group may hold, and by which rules each attribute is compared, written and returned.

The tables follow RFC 7643 §4 and §8.7.1; where they leave it on purpose, tests/scim/test_schema_oracle.py lists it with the reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
"""A parsed JSON value."""

JsonObject: TypeAlias = dict[str, Json]
"""A parsed JSON object: SCIM documents travel as these, because their shape is data (this table) and not code."""


class Type(StrEnum):
    """The data types of RFC 7643 §2.3."""

    STRING = "string"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATETIME = "dateTime"
    REFERENCE = "reference"
    BINARY = "binary"
    COMPLEX = "complex"


class Mutability(StrEnum):
    """Who may write an attribute, and when (RFC 7643 §7)."""

    READ_ONLY = "readOnly"
    READ_WRITE = "readWrite"
    IMMUTABLE = "immutable"
    WRITE_ONLY = "writeOnly"


class Returned(StrEnum):
    """When an attribute is part of an answer (RFC 7643 §7)."""

    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"
    REQUEST = "request"


class Uniqueness(StrEnum):
    """Among whom a value is unique (RFC 7643 §7)."""

    NONE = "none"
    SERVER = "server"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute or sub-attribute. Compared by identity: the tables hold each once."""

    name: str
    type: Type = Type.STRING
    multi_valued: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: Mutability = Mutability.READ_WRITE
    returned: Returned = Returned.DEFAULT
    uniqueness: Uniqueness = Uniqueness.NONE
    canonical: tuple[str, ...] = ()
    """Suggested values (RFC 7643 §7): published, never enforced, because directories send their own types."""
    references: tuple[str, ...] = ()
    sub_attributes: tuple["Attribute", ...] = ()
    complex: bool = field(init=False)
    """Whether values are objects of sub-attributes."""
    _by_key: Mapping[str, "Attribute"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the sub-attributes, whose names are compared without regard to case (RFC 7643 §2.1)."""
        object.__setattr__(self, "complex", self.type is Type.COMPLEX)
        object.__setattr__(self, "_by_key", _indexed(self.sub_attributes))

    def find_sub(self, name: str) -> "Attribute | None":
        """Return the sub-attribute of that name, in any case; None if there is none."""
        return self._by_key.get(name) or self._by_key.get(name.lower())


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """One schema: a URN and its attributes."""

    urn: str
    name: str
    attributes: tuple[Attribute, ...]
    _by_key: Mapping[str, Attribute] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the attributes by name."""
        object.__setattr__(self, "_by_key", _indexed(self.attributes))

    def find(self, name: str) -> Attribute | None:
        """Return the attribute of that name, in any case; None if there is none."""
        return self._by_key.get(name) or self._by_key.get(name.lower())


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a name leads: to an attribute (and sub-attribute) of the core or an extension, or to a whole extension."""

    extension: Schema | None
    """The extension in whose object the attribute lies; None for core and common attributes."""
    attribute: Attribute | None
    """None: the whole extension is meant."""
    sub: Attribute | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ResourceType:
    """A kind of resource: its endpoint, its core schema with the common attributes, and its extensions."""

    name: str
    endpoint: str
    core: Schema
    extensions: tuple[Schema, ...] = ()
    _common: Schema = field(init=False, repr=False)
    _by_key: Mapping[str, Attribute] = field(init=False, repr=False)
    _extension_by_key: Mapping[str, Schema] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index common and core attributes together and the extensions by URN."""
        object.__setattr__(self, "_common", Schema(self.core.urn, self.name, COMMON_ATTRIBUTES + self.core.attributes))
        object.__setattr__(self, "_by_key", _indexed(self._common.attributes))
        index = {key: schema for schema in self.extensions for key in (schema.urn, schema.urn.lower())}
        object.__setattr__(self, "_extension_by_key", index)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Return the common and core attributes, in the order in which they are written."""
        return self._common.attributes

    def find(self, name: str) -> Attribute | None:
        """Return the common or core attribute of that name, in any case; None if there is none."""
        return self._by_key.get(name) or self._by_key.get(name.lower())

    def find_extension(self, urn: str) -> Schema | None:
        """Return the extension with that URN, in any case (RFC 7644 §3.10); None if there is none."""
        return self._extension_by_key.get(urn) or self._extension_by_key.get(urn.lower())

    def bind(self, urn: str, name: str, sub: str = "") -> Binding | None:
        """Return where `urn:name.sub` leads, or None if this type of resource has no such attribute.

        `urn` is empty for a bare name. A path that is the URN of an extension arrives cut at its last colon; it binds the whole extension.
        """
        extension: Schema | None = None
        attribute: Attribute | None
        if not urn or urn.lower() == self.core.urn.lower():
            attribute = self._common.find(name)
        elif extension := self.find_extension(urn):
            attribute = extension.find(name)
        else:
            whole = self.find_extension(f"{urn}:{name}")
            return Binding(whole, None) if whole and not sub else None
        if attribute is None:
            return None
        if not sub:
            return Binding(extension, attribute)
        sub_attribute = attribute.find_sub(sub)
        return Binding(extension, attribute, sub_attribute) if sub_attribute else None


def _indexed(attributes: Iterable[Attribute]) -> dict[str, Attribute]:
    """Return the attributes by their name as written and in lower case."""
    return {key: attribute for attribute in attributes for key in (attribute.name, attribute.name.lower())}


def _complex(name: str, *sub_attributes: Attribute, multi_valued: bool = True) -> Attribute:
    """Return a complex attribute of these sub-attributes."""
    return Attribute(name, Type.COMPLEX, multi_valued=multi_valued, sub_attributes=sub_attributes)


def _plural(name: str, *types: str, value: Attribute | None = None) -> Attribute:
    """Return a multi-valued attribute with the default sub-attributes of RFC 7643 §2.4."""
    return _complex(
        name,
        value or Attribute("value"),
        Attribute("display"),
        Attribute("type", canonical=types),
        Attribute("primary", Type.BOOLEAN),
    )


def _reference(name: str, *references: str, mutability: Mutability = Mutability.READ_WRITE) -> Attribute:
    """Return an attribute that refers to another resource or to the outside; references are case-exact (RFC 7643 §2.3.7)."""
    return Attribute(name, Type.REFERENCE, case_exact=True, mutability=mutability, references=references)


def _read_only(attribute: Attribute) -> Attribute:
    """Return the attribute and all below it as readOnly."""
    return replace(attribute, mutability=Mutability.READ_ONLY, sub_attributes=tuple(_read_only(sub) for sub in attribute.sub_attributes))


CORE_USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MOONGATE_URN = "urn:ietf:params:scim:schemas:extension:moongate:2.0:User"

COMMON_ATTRIBUTES = (
    Attribute("schemas", Type.REFERENCE, multi_valued=True, required=True, case_exact=True, returned=Returned.ALWAYS, references=("uri",)),
    Attribute("id", case_exact=True, mutability=Mutability.READ_ONLY, returned=Returned.ALWAYS, uniqueness=Uniqueness.SERVER),
    Attribute("externalId", case_exact=True),
    _read_only(
        _complex(
            "meta",
            Attribute("resourceType", case_exact=True),
            Attribute("created", Type.DATETIME),
            Attribute("lastModified", Type.DATETIME),
            _reference("location", "uri"),
            Attribute("version", case_exact=True),
            multi_valued=False,
        )
    ),
)
"""What every resource has (RFC 7643 §3.1)."""

CORE_USER = Schema(
    CORE_USER_URN,
    "User",
    (
        Attribute("userName", required=True, uniqueness=Uniqueness.SERVER),
        _complex(
            "name",
            Attribute("formatted"),
            Attribute("familyName"),
            Attribute("givenName"),
            Attribute("middleName"),
            Attribute("honorificPrefix"),
            Attribute("honorificSuffix"),
            multi_valued=False,
        ),
        Attribute("displayName"),
        Attribute("nickName"),
        _reference("profileUrl", "external"),
        Attribute("title"),
        Attribute("userType"),
        Attribute("preferredLanguage"),
        Attribute("locale"),
        Attribute("timezone"),
        Attribute("active", Type.BOOLEAN),
        Attribute("password", case_exact=True, mutability=Mutability.WRITE_ONLY, returned=Returned.NEVER),
        _plural("emails", "work", "home", "other"),
        _plural("phoneNumbers", "work", "home", "mobile", "fax", "pager", "other"),
        _plural("ims", "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
        _plural("photos", "photo", "thumbnail", value=_reference("value", "external")),
        _complex(
            "addresses",
            Attribute("formatted"),
            Attribute("streetAddress"),
            Attribute("locality"),
            Attribute("region"),
            Attribute("postalCode"),
            Attribute("country"),
            Attribute("type", canonical=("work", "home", "other")),
            Attribute("primary", Type.BOOLEAN),
        ),
        _read_only(
            _complex(
                "groups",
                Attribute("value", case_exact=True),
                _reference("$ref", "Group"),
                Attribute("display"),
                Attribute("type", canonical=("direct", "indirect")),
            )
        ),
        _plural("entitlements"),
        _plural("roles"),
        _plural("x509Certificates", value=Attribute("value", Type.BINARY, case_exact=True)),
    ),
)

ENTERPRISE_USER = Schema(
    ENTERPRISE_URN,
    "Enterprise User",
    (
        Attribute("employeeNumber"),
        Attribute("costCenter"),
        Attribute("organization"),
        Attribute("division"),
        Attribute("department"),
        _complex(
            "manager",
            Attribute("value", case_exact=True),
            _reference("$ref", "User"),
            Attribute("displayName", mutability=Mutability.READ_ONLY),
            multi_valued=False,
        ),
    ),
)

MOONGATE_USER = Schema(
    MOONGATE_URN,
    "Moongate User",
    (
        _read_only(Attribute("status")),
        _read_only(Attribute("signInMethod")),
        Attribute("loginMatching", canonical=("email", "custom-login", "external-id")),
        Attribute("customLogin"),
        Attribute("federatedOnly", Type.BOOLEAN),
        Attribute("mfaRequired", Type.BOOLEAN),
        _read_only(Attribute("mfaStatus")),
        _read_only(Attribute("lockedOut", Type.BOOLEAN)),
        _read_only(Attribute("emailValidated", Type.BOOLEAN)),
        _read_only(_complex("scope", Attribute("distributor"), Attribute("partner"), Attribute("tenant"), multi_valued=False)),
        Attribute("companyContacts", multi_valued=True, canonical=("Billing", "Technical", "Business")),
        _read_only(Attribute("language")),
    ),
)
"""R-201: what the gateway tells about an account, and the few switches a directory may set."""

CORE_GROUP = Schema(
    CORE_GROUP_URN,
    "Group",
    (
        Attribute("displayName", required=True),
        _complex(
            "members",
            Attribute("value", case_exact=True, mutability=Mutability.IMMUTABLE),
            _reference("$ref", "User", "Group", mutability=Mutability.IMMUTABLE),
            Attribute("type", mutability=Mutability.IMMUTABLE, canonical=("User", "Group")),
            Attribute("display"),
        ),
    ),
)

USER = ResourceType("User", "/Users", CORE_USER, (ENTERPRISE_USER, MOONGATE_USER))
GROUP = ResourceType("Group", "/Groups", CORE_GROUP)
