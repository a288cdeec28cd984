"""PATCH inside multi-valued attributes: which elements an operation means, and how they are added, changed and removed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.attributes import canonical_element, canonical_value, require_one_primary
from gateway.domain.errors import Refusal
from gateway.domain.filter import element_matches
from gateway.domain.query import And, Comparison, Filter, Operator, PatchPath
from gateway.domain.schema import Attribute, Json, JsonObject, Mutability
from gateway.domain.values import comparison_key


class Op(StrEnum):
    """The operations of RFC 7644 §3.5.2."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


class Unknown(StrEnum):
    """What becomes of attributes that no table knows."""

    REFUSE = "refuse"
    DROP = "drop"
    """Dropped and logged beside known ones; an operation or body of nothing else is refused."""
    IGNORE = "ignore"
    """Dropped and logged, whole operations too."""


@dataclass(frozen=True, slots=True)
class PatchPolicy:
    """The choices that RFC 7644 leaves open, or that real directories take from us. The defaults are the letter of the RFC."""

    create_unmatched: bool = False
    """A path whose filter matches nothing makes the element it describes (Entra) instead of noTarget."""
    empty_operations_ok: bool = False
    """`"Operations": []` is no change instead of invalidSyntax."""
    remove_value_as_filter: bool = False
    """`remove members` with a value removes those members; otherwise it is refused."""
    ignore_read_only: bool = False
    """A readOnly attribute in a path-less value is dropped instead of refused; a different `id` is always refused."""
    unknown: Unknown = Unknown.REFUSE
    lenient: bool = False
    """Literals of path filters may lack quotes, and "True" is a boolean."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One parsed operation."""

    op: Op
    path: PatchPath | None
    value: Json
    has_value: bool
    """Whether there was a value at all: null is one."""


@dataclass(slots=True)
class PatchRun:
    """What one PATCH carries along while it is applied."""

    policy: PatchPolicy
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Remember for the request log what was dropped or made up, once."""
        if text not in self.notes:
            self.notes.append(text)


def read_elements(container: JsonObject, attribute: Attribute) -> list[Json]:
    """Return the attribute's list, which is shared with the container where there is one."""
    elements = container.get(attribute.name)
    return elements if isinstance(elements, list) else []


def write_list(container: JsonObject, attribute: Attribute, op: Op, value: Json, run: PatchRun) -> None:
    """Append to a multi-valued attribute what it does not hold yet, or replace all of it (§3.5.2.1, §3.5.2.3)."""
    unknown: list[str] = []
    given = canonical_value(attribute, value if isinstance(value, list) else [value], attribute.name, unknown)
    written = given if isinstance(given, list) else []
    settle_unknown(unknown, run, nothing_applied=not written)
    if unknown and not written:
        # The whole operation is passed over: to replace by the nothing that is left of it would wipe the list.
        return
    if op is Op.REPLACE:
        _assign(container, attribute, written)
        return
    elements = list(read_elements(container, attribute))
    seen = {_sameness(attribute, element) for element in elements}
    added: list[Json] = []
    for element in written:
        if (same := _sameness(attribute, element)) not in seen:
            seen.add(same)
            added.append(element)
    elements += added
    _demote_others(elements, added)
    _assign(container, attribute, elements)


def write_selected(
    container: JsonObject, attribute: Attribute, operation: Operation, run: PatchRun, *, selection: Filter | None, sub: Attribute | None
) -> None:
    """Write the elements that `selection` matches, all of them without one, or one sub-attribute of each.

    Raises Refusal `E_No_Target` when none matches and the policy makes none (§3.5.2.3).
    """
    elements = read_elements(container, attribute)
    matched = _matched(elements, attribute, selection)
    template = _template(selection)
    unassigned = operation.value is None or operation.value == ""
    if not matched:
        if not run.policy.create_unmatched or template is None:
            raise Refusal("E_No_Target", field="path", data={"value": attribute.name})
        if unassigned:
            return
        run.note(f"N12 element created: {attribute.name}")
        matched = [dict(template)]
        elements = [*elements, matched[0]]
    for element in matched:
        if sub is not None:
            write_sub(element, sub, operation.value, f"{attribute.name}.{sub.name}", run)
        else:
            _write_element(element, attribute, operation, template or {}, run)
    if sub is None or sub.name == "primary":
        primary = [element for element in matched if element.get("primary") is True]
        require_one_primary(list(primary), attribute.name)
        _demote_others(elements, primary)
    # A label may be written before its value, but one whose value was just taken away labels nothing.
    _assign(container, attribute, _without(elements, _hollow(matched) if unassigned else [element for element in matched if not element]))


def write_sub(content: JsonObject, sub: Attribute, value: Json, where: str, run: PatchRun) -> None:
    """Set one sub-attribute of an object; null and "" unassign it. Raises Refusal `E_Field_Immutable` or `E_Field_Invalid`."""
    require_writable(sub, content.get(sub.name), value)
    if sub.mutability is Mutability.READ_ONLY:
        return
    unknown: list[str] = []
    found = None if value == "" else canonical_value(sub, value, where, unknown)
    settle_unknown(unknown, run, nothing_applied=found is None)
    if found is None:
        content.pop(sub.name, None)
    else:
        content[sub.name] = found


def remove_selected(container: JsonObject, attribute: Attribute, selection: Filter | None, sub: Attribute | None) -> None:
    """Remove the matching elements, or one sub-attribute of each; none matching is no change (§3.5.2.2)."""
    elements = read_elements(container, attribute)
    matched = _matched(elements, attribute, selection)
    if sub is None:
        _assign(container, attribute, _without(elements, matched))
        return
    if sub.required or sub.mutability is not Mutability.READ_WRITE:
        require_writable(sub, None, None, removing=True)
    for element in matched:
        element.pop(sub.name, None)
    _assign(container, attribute, _without(elements, _hollow(matched)))


def remove_by_value(container: JsonObject, attribute: Attribute, value: Json, run: PatchRun) -> None:
    """Remove the elements that are named by value (Entra's `remove members` with a list). An empty list or null removes nothing."""
    run.note("N11 remove by value")
    given = value if isinstance(value, list) else [value]
    exact = attribute.case_exact
    if attribute.complex:
        value_sub = attribute.find_sub("value")
        exact = value_sub is not None and value_sub.case_exact
    # Sets of keys keep the removal of thousands of members linear.
    keys = {_identity(element, exact=exact) for element in given}
    keys.discard(None)
    kept = [element for element in read_elements(container, attribute) if not _named(element, keys, exact=exact)]
    _assign(container, attribute, kept)


def require_writable(attribute: Attribute, current: Json, value: Json, *, removing: bool = False) -> None:
    """Refuse to change what is readOnly, or immutable and set (RFC 7643 §7); writing an equal value is no change.

    Raises Refusal `E_Field_Immutable` (scimType mutability).
    """
    if not removing:
        if attribute.mutability not in {Mutability.READ_ONLY, Mutability.IMMUTABLE} or value == current:
            return
        if attribute.mutability is Mutability.IMMUTABLE and current is None:
            return
    raise Refusal("E_Field_Immutable", field=attribute.name, data={"field": attribute.name})


def settle_unknown(names: Sequence[str], run: PatchRun, *, nothing_applied: bool) -> None:
    """Refuse or drop what no table knows: never 2xx for an operation of which nothing was applied, unless the switch says so."""
    if not names:
        return
    if run.policy.unknown is Unknown.REFUSE:
        raise Refusal("E_Syntax", reason="patch: unknown sub-attribute", data={"value": f"unknown attribute {names[0][:128]}"})
    if nothing_applied and run.policy.unknown is not Unknown.IGNORE:
        raise Refusal("E_Path_Invalid", field="value", data={"value": names[0][:128]})
    for name in names:
        run.note(f"N18 unknown attribute dropped: {name[:128]}")


_LABELS = frozenset({"type", "primary"})
_Key = tuple[str | None, str | None]


def _matched(elements: Sequence[Json], attribute: Attribute, selection: Filter | None) -> list[JsonObject]:
    objects = [element for element in elements if isinstance(element, dict)]
    return objects if selection is None else [element for element in objects if element_matches(selection, element, attribute)]


def _template(selection: Filter | None) -> JsonObject | None:
    """Return the element that a filter of `eq` joined by `and` describes, or None where it describes no single one."""
    template: JsonObject = {}
    for term in selection.operands if isinstance(selection, And) else (selection,):
        if not isinstance(term, Comparison) or term.operator is not Operator.EQ or not isinstance(term.value, str | bool):
            return None
        template[term.path.name] = term.value
    return template


def _write_element(element: JsonObject, attribute: Attribute, operation: Operation, template: JsonObject, run: PatchRun) -> None:
    """Add to a matched element, or put another in its place (§3.5.2.3: the matching values are replaced)."""
    unknown: list[str] = []
    found = canonical_element(attribute, operation.value, attribute.name, unknown)
    given = found if isinstance(found, dict) else {}
    settle_unknown(unknown, run, nothing_applied=not given)
    if unknown and not given:
        return
    for sub in attribute.sub_attributes:
        if sub.mutability is Mutability.IMMUTABLE and (operation.op is Op.REPLACE or sub.name in given):
            require_writable(sub, element.get(sub.name), given.get(sub.name))
    if operation.op is Op.REPLACE:
        element.clear()
        # Directories that rely on elements being made replace `emails[type eq "work"]` by `{"value": …}` and expect to find it again.
        if given and run.policy.create_unmatched:
            element.update(template)
    element.update(given)


def _sameness(attribute: Attribute, element: Json) -> object:
    """Return what two equal elements share; one whose `value` is immutable (a member) is known by that alone."""
    if isinstance(element, dict):
        value = attribute.find_sub("value")
        if value is not None and value.mutability is Mutability.IMMUTABLE:
            return element.get("value")
        # Sub-attributes are simple (RFC 7643 §2.3.8), so that their values are hashable and adding thousands stays linear. One that is
        # false says no more than one that is absent: an element that lost `primary` to another is still the same.
        return frozenset((name, part) for name, part in element.items() if part is not False and not isinstance(part, list | dict))
    return comparison_key(element) if isinstance(element, str) and not attribute.case_exact else str(element)


def _demote_others(elements: Sequence[Json], written: Sequence[Json]) -> None:
    """Let the element just written as primary be the only one (§3.5.2: the others are set to false)."""
    promoted = {id(element) for element in written if isinstance(element, dict) and element.get("primary") is True}
    if not promoted:
        return
    for element in elements:
        if isinstance(element, dict) and element.get("primary") is True and id(element) not in promoted:
            element["primary"] = False


def _hollow(elements: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the elements left with nothing but labels: they hold no value any more."""
    return [element for element in elements if not set(element) - _LABELS]


def _without(elements: Sequence[Json], dropped: Sequence[JsonObject]) -> list[Json]:
    """Return the elements but those very objects; equal ones elsewhere in the list stay."""
    gone = {id(element) for element in dropped}
    return [element for element in elements if id(element) not in gone]


def _identity(element: Json, *, exact: bool) -> _Key | None:
    """Return by what a removal names an element: its value, and its type where one is given."""
    value = element.get("value") if isinstance(element, dict) else element
    kind = element.get("type") if isinstance(element, dict) else None
    if not isinstance(value, str) or not value:
        return None
    return value if exact else comparison_key(value), comparison_key(kind) if isinstance(kind, str) and kind else None


def _named(element: Json, keys: set[_Key | None], *, exact: bool) -> bool:
    identity = _identity(element, exact=exact)
    return identity is not None and (identity in keys or (identity[0], None) in keys)


def _assign(container: JsonObject, attribute: Attribute, elements: list[Json]) -> None:
    if elements:
        container[attribute.name] = elements
    else:
        container.pop(attribute.name, None)
