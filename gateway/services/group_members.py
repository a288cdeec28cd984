"""Changes of membership as deltas, and what they come to."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.domain.errors import Refusal
from gateway.domain.groups import (
    MAX_NESTING,
    AddMembers,
    CallMembers,
    Group,
    MemberChange,
    RemoveMembers,
    RemoveSelected,
    ReplaceMembers,
    RequireMember,
)
from gateway.services.context import Context
from gateway.storage import group_members


@dataclass(frozen=True, slots=True)
class Rules:
    """What is demanded of groups; a connection's switches may demand less (R-203)."""

    member_check: bool = True
    """Whether members must be people or groups in sight; else unknown ids are kept and mean nobody."""
    unique_names: bool = True
    """Whether a name may stand once in a node."""


@dataclass(slots=True)
class Balance:
    """What several changes of members come to."""

    members: Counter[str] = field(default_factory=Counter)
    """1 for who joined, -1 for who left, 0 for who did both."""
    called: int = 0
    """Members that are called by another name."""

    def added(self) -> list[str]:
        """Return who is a member now and was none."""
        return [member for member, sum_ in self.members.items() if sum_ > 0]

    def removed(self) -> list[str]:
        """Return who was a member and is none now."""
        return [member for member, sum_ in self.members.items() if sum_ < 0]


def change_members(context: Context, group: Group, changes: Iterable[MemberChange], rules: Rules) -> Balance:
    """Apply changes to a group's members in their order, in the transaction that is open; the group's row is the caller's.

    Raises Refusal `E_Field_Invalid` (unknown ids, circles, too deep), `E_No_Target`, `E_Filter_Unsupported`.
    """
    balance = Balance()
    for change in changes:
        removed = _removed_by(context, group, change)
        added = _added_by(context, group, change, rules)
        balance.members.update(dict.fromkeys(removed, -1))
        balance.members.update(dict.fromkeys(added, 1))
        balance.called += _called_by(context, group, change, added)
    return balance


def _removed_by(context: Context, group: Group, change: MemberChange) -> list[str]:
    match change:
        case RemoveMembers(members):
            return group_members.remove_members(context.database, group.id, members)
        case RemoveSelected(selection):
            return group_members.remove_selected(context.database, group.id, selection)
        case ReplaceMembers(members):
            return group_members.remove_others(context.database, group.id, members)
        case _:
            return []


def _added_by(context: Context, group: Group, change: MemberChange, rules: Rules) -> list[str]:
    if isinstance(change, AddMembers | ReplaceMembers):
        return _add(context, group, list(dict.fromkeys(change.members)), rules)
    if isinstance(change, RequireMember) and not group_members.list_present(context.database, group.id, [change.member]):
        raise Refusal("E_No_Target", field="path", data={"value": "members"})
    return []


def _called_by(context: Context, group: Group, change: MemberChange, added: Sequence[str]) -> int:
    """Give members the names that a change says, and return for how many old members that is new."""
    match change:
        case AddMembers(_, displays):
            fresh = set(added)
            named = {member: display for member, display in displays.items() if member in fresh}
            group_members.call_members(context.database, group.id, named)
            return 0
        case ReplaceMembers(_, displays):
            cleared = group_members.call_others_by_their_names(context.database, group.id, displays)
            return cleared + group_members.call_members(context.database, group.id, displays)
        case CallMembers(selection, display):
            called = group_members.call_selected(context.database, group.id, selection, display)
            if called is None and display:
                raise Refusal("E_No_Target", field="path", data={"value": "members"})
            return called or 0
        case _:
            return 0


def _add(context: Context, group: Group, members: Sequence[str], rules: Rules) -> list[str]:
    """Add those who are not members yet, people first, because nearly all are; return whom it added."""
    added = group_members.add_people(context.database, group.node, group.id, members, context.now())
    if len(added) == len(members):
        return added
    present = group_members.list_present(context.database, group.id, members)
    further = [member for member in members if member not in present]
    inner = group_members.add_groups(context.database, group.node, group.id, further, context.now()) if further else []
    if inner:
        _require_nesting(context, group)
    known = set(inner)
    unknown = [member for member in further if member not in known]
    if unknown and rules.member_check:
        rule = f"no user and no group here has the id {unknown[0][:128]}"
        raise Refusal("E_Field_Invalid", field="members", data={"field": "members", "rule": rule})
    group_members.add_unknown(context.database, group.id, unknown, context.now())
    return added + inner + unknown


def _require_nesting(context: Context, group: Group) -> None:
    """Refuse circles, and nesting that nobody could follow (scim.md A91)."""
    nesting = group_members.find_nesting(context.database, group.id)
    if nesting.in_itself:
        rule = "a group cannot be a member of itself, neither directly nor through other groups"
        raise Refusal("E_Field_Invalid", field="members", data={"field": "members", "rule": rule})
    if nesting.levels > MAX_NESTING:
        rule = f"groups nest at most {MAX_NESTING} deep"
        raise Refusal("E_Field_Invalid", field="members", data={"field": "members", "rule": rule})
