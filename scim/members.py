"""What a request says about a group's members, as changes that storage makes without loading the list.

The rules are those of PATCH in gateway/domain/patch.py and patch_elements.py, told of rows instead of a list: tests hold the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.attributes import canonical_element, canonical_value
from gateway.domain.errors import Refusal
from gateway.domain.filter import resolve_selection
from gateway.domain.groups import AddMembers, CallMembers, MemberChange, RemoveMembers, RemoveSelected, ReplaceMembers, RequireMember
from gateway.domain.patch import Op, Operation, PatchPolicy
from gateway.domain.patch_elements import PatchRun, require_writable, settle_unknown, write_sub
from gateway.domain.query import Comparison, Filter, Operator, Or, PatchPath
from gateway.domain.schema import GROUP, Attribute, Json, JsonObject, Mutability
from scim.profiles import Rewrite

MEMBERS = next(attribute for attribute in GROUP.attributes if attribute.name == "members")


@dataclass(frozen=True, slots=True)
class GroupPatch:
    """A PATCH of a group, taken apart; the two halves touch nothing in common, so that each keeps its own order."""

    attributes: tuple[Operation, ...]
    """For `apply_patch`, on a document without members."""
    members: tuple[MemberChange, ...]
    notes: tuple[str, ...]
    """What was dropped on the way, for the request log."""


def parted_operations(operations: Sequence[Operation], policy: PatchPolicy) -> GroupPatch:
    """Return the operations of a PATCH apart by what they change.

    Raises Refusal: `E_Field_Immutable` for what cannot change in a member, `E_Field_Invalid`, `E_Syntax`, `E_Path_Invalid`,
    `E_Filter_Unsupported`.
    """
    run = PatchRun(policy)
    attributes: list[Operation] = []
    members: list[MemberChange] = []
    for operation in operations:
        if operation.path is not None:
            binding = GROUP.bind(operation.path.urn, operation.path.name, operation.path.sub)
            if binding is None or binding.attribute is not MEMBERS:
                attributes.append(operation)
            else:
                members += _changes(operation, operation.path, binding.sub, run)
        elif isinstance(operation.value, dict):
            attributes += _attributes_beside_members(operation, operation.value, run)
            members += [_written(operation.op, part, run) for key, part in operation.value.items() if _means_members(key)]
        else:
            attributes.append(operation)
    return GroupPatch(tuple(attributes), tuple(members), tuple(run.notes))


def replacement_of(document: JsonObject) -> ReplaceMembers:
    """Return the members that a canonical document names, as the change that makes them the only ones."""
    elements = document.get("members")
    elements = elements if isinstance(elements, list) else []
    return ReplaceMembers(tuple(_member_id(element) for element in elements), _displays(elements))


def _means_members(key: str) -> bool:
    return GROUP.find(key) is MEMBERS


def _attributes_beside_members(operation: Operation, value: JsonObject, run: PatchRun) -> list[Operation]:
    """Return what is left of an operation without path when its members are taken out."""
    rest = {key: part for key, part in value.items() if not _means_members(key)}
    if len(rest) == len(value):
        return [operation]
    if rest and not any(GROUP.find(key) for key in rest):
        # Judged by itself the rest would be an operation of which nothing is applied; beside members it is not.
        settle_unknown(list(rest), run, nothing_applied=False)
        return []
    return [Operation(operation.op, None, rest, has_value=True)] if rest else []


def _changes(operation: Operation, path: PatchPath, sub: Attribute | None, run: PatchRun) -> list[MemberChange]:
    if operation.op is not Op.REMOVE and not operation.has_value:
        raise Refusal("E_Field_Invalid", field=str(path), data={"field": str(path), "rule": "value is missing"})
    if path.filter is not None:
        selection = resolve_selection(path.filter, MEMBERS, lenient=run.policy.lenient)
        return _change_selected(operation, selection, sub, run)
    if sub is not None:
        return [_called(operation, None, sub, run)]
    return [_removed(operation, run) if operation.op is Op.REMOVE else _written(operation.op, operation.value, run)]


def _written(op: Op, value: Json, run: PatchRun) -> MemberChange:
    """Add members, or let these be the members; null and an empty list mean none (RFC 7643 §2.5)."""
    unknown: list[str] = []
    given = canonical_value(MEMBERS, value if isinstance(value, list) or value is None else [value], "members", unknown)
    settle_unknown(unknown, run, nothing_applied=not given)
    elements = given if isinstance(given, list) else []
    members = tuple(_member_id(element) for element in elements)
    return (ReplaceMembers if op is Op.REPLACE else AddMembers)(members, _displays(elements))


def _removed(operation: Operation, run: PatchRun) -> MemberChange:
    if not operation.has_value:
        return RemoveSelected(None)
    if not run.policy.remove_value_as_filter:
        # Read to the letter, the value would be ignored and every member removed: the most destructive misunderstanding there is.
        raise Refusal("E_Syntax", reason="patch: remove with a value", data={"value": "remove takes no value: select members in the path"})
    run.note(Rewrite.REMOVE_BY_VALUE)
    elements = operation.value if isinstance(operation.value, list) else [operation.value]
    named = [element.get("value") if isinstance(element, dict) else element for element in elements]
    # An empty list, null and elements without value remove nobody, never all (scim.md N11).
    return RemoveMembers(tuple(member for member in named if isinstance(member, str) and member))


def _change_selected(operation: Operation, selection: Filter, sub: Attribute | None, run: PatchRun) -> list[MemberChange]:
    """Apply an operation to `members[filter]`, whole or one sub-attribute."""
    named = _named(selection)
    if operation.op is Op.REMOVE and sub is None:
        return [RemoveSelected(selection) if named is None else RemoveMembers(named)]
    member = named[0] if named is not None and len(named) == 1 else None
    if sub is not None and (sub.name != "value" or operation.op is Op.REMOVE):
        called = _called(operation, selection, sub, run)
        # Where elements are made that a path describes, so is this one (scim.md N12).
        made = run.policy.create_unmatched and member is not None and called.display
        return [AddMembers((str(member),)), called] if made else [called]
    if sub is not None:
        return [_unchanged(member, operation.value, run)]
    unknown: list[str] = []
    found = canonical_element(MEMBERS, operation.value, "members", unknown)
    given = found if isinstance(found, dict) else {}
    settle_unknown(unknown, run, nothing_applied=not given)
    changes = [_unchanged(member, given.get("value", member), run)]
    if "display" in given or operation.op is Op.REPLACE:
        changes.append(CallMembers(selection, str(given.get("display", ""))))
    return changes


def _unchanged(member: str | None, value: Json, run: PatchRun) -> MemberChange:
    """Return the change that lets a member be who it is, or refuse to make it another (scim.md A89: immutable)."""
    if member is None or value != member:
        require_writable(MEMBERS, None, None, removing=True)
    # Directories that rely on elements being made write `members[value eq "id"]` and expect to find it (scim.md N12).
    return AddMembers((str(member),)) if run.policy.create_unmatched else RequireMember(str(member))


def _called(operation: Operation, selection: Filter | None, sub: Attribute, run: PatchRun) -> CallMembers:
    """Return the change of what members are called; all else about a member is immutable (scim.md A89)."""
    if sub.mutability is Mutability.IMMUTABLE:
        require_writable(sub, None, None, removing=True)
    content: JsonObject = {}
    if operation.op is not Op.REMOVE:
        write_sub(content, sub, operation.value, f"members.{sub.name}", run)
    return CallMembers(selection, str(content.get(sub.name, "")))


def _named(selection: Filter) -> tuple[str, ...] | None:
    """Return the ids that a selection lists, `value eq "a" or value eq "b"`; None where it says more than that."""
    terms = selection.operands if isinstance(selection, Or) else (selection,)
    named = []
    for term in terms:
        if (
            not isinstance(term, Comparison)
            or term.path.name != "value"
            or term.operator is not Operator.EQ
            or not isinstance(term.value, str)
        ):
            return None
        named.append(term.value)
    return tuple(named)


def _displays(elements: Sequence[Json]) -> dict[str, str]:
    """Return what the elements call their members, as far as they do."""
    named = (element for element in elements if isinstance(element, dict) and isinstance(element.get("display"), str))
    return {str(element["value"]): str(element["display"]) for element in named}


def _member_id(element: Json) -> str:
    member = element.get("value") if isinstance(element, dict) else None
    if not isinstance(member, str):
        raise Refusal(
            "E_Field_Invalid", field="members", data={"field": "members", "rule": "each must have a value, the id of a user or group"}
        )
    return member
