"""PATCH of a SCIM document (RFC 7644 §3.5.2): what the operations are and to which part of the document each leads.

All or nothing: the engine works on a copy and raises on the first operation that cannot be applied. How elements of multi-valued
attributes are chosen and changed stands in gateway/domain/patch_elements.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from gateway.domain.attributes import canonical_element, require_complete
from gateway.domain.errors import Refusal
from gateway.domain.filter import resolve_selection
from gateway.domain.patch_elements import (
    Op,
    Operation,
    PatchPolicy,
    PatchRun,
    Unknown,
    read_elements,
    remove_by_value,
    remove_selected,
    require_writable,
    settle_unknown,
    write_list,
    write_selected,
    write_sub,
)
from gateway.domain.query import Filter, PatchPath, parse_path
from gateway.domain.schema import Attribute, Json, JsonObject, Mutability, ResourceType, Schema

MAX_OPERATIONS = 1000

__all__ = ["MAX_OPERATIONS", "Op", "Operation", "PatchPolicy", "Patched", "Unknown", "apply_patch", "parse_operations"]


@dataclass(frozen=True, slots=True)
class Patched:
    """What a PATCH leads to."""

    document: JsonObject
    changed: bool
    """False: nothing differs, so version and lastModified stay as they are (§3.5.2.1)."""
    notes: tuple[str, ...]
    """What was dropped or made up on the way, for the request log; never values."""


def parse_operations(body: JsonObject, policy: PatchPolicy) -> tuple[Operation, ...]:
    """Return the operations of a PatchOp message.

    Raises Refusal `E_Syntax` (no list of operations, an unknown op), `E_Too_Many` (more than 1000), `E_Path_Invalid`,
    `E_Filter_Unsupported`, `E_No_Target` (remove without path).
    """
    operations = next((value for key, value in body.items() if key.lower() == "operations"), None)
    if not isinstance(operations, list) or (not operations and not policy.empty_operations_ok):
        _refuse_syntax("Operations must be a list of one or more operations")
    if len(operations) > MAX_OPERATIONS:
        raise Refusal("E_Too_Many", data={"value": f"more than {MAX_OPERATIONS} operations"})
    return tuple(_operation(operation, policy) for operation in operations)


def apply_patch(document: JsonObject, operations: Sequence[Operation], resource: ResourceType, policy: PatchPolicy) -> Patched:
    """Return the document with the operations applied in order; the one given is left as it was.

    `document` is canonical and whole: with externalId and our extension where they matter (`document.joined`). Raises Refusal:
    `E_Path_Invalid` (unknown target), `E_No_Target` (nothing matches the path's filter), `E_Field_Immutable` (scimType mutability),
    `E_Field_Invalid`, `E_Field_Required`, `E_Syntax`, `E_Filter_Unsupported`.
    """
    copy = {key: _copied(value) for key, value in document.items()}
    run = PatchRun(policy)
    for operation in operations:
        if operation.path is None:
            _apply_attributes(copy, operation, resource, run)
        else:
            _apply_path(copy, operation, operation.path, resource, run)
    _drop_empty_extensions(copy, resource)
    require_complete(copy, resource)
    # `schemas` follows from the rest, and the document given may lack the URN of an extension that was joined to it.
    changed = {**copy, "schemas": None} != {**document, "schemas": None}
    return Patched(copy, changed=changed, notes=tuple(run.notes))


def _operation(operation: Json, policy: PatchPolicy) -> Operation:
    if not isinstance(operation, dict):
        _refuse_syntax("an operation must be an object")
    members = {key.lower(): value for key, value in operation.items()}
    word, path = members.get("op"), members.get("path")
    if not isinstance(word, str) or word.lower() not in _OPS:
        _refuse_syntax("op must be add, replace or remove")
    if path is not None and not isinstance(path, str):
        _refuse_syntax("path must be a text")
    op = _OPS[word.lower()]
    if not path:
        if op is Op.REMOVE:
            raise Refusal("E_No_Target", field="path", data={"value": "remove needs a path"})
        return Operation(op, None, members.get("value"), has_value="value" in members)
    return Operation(op, parse_path(path, lenient=policy.lenient), members.get("value"), has_value="value" in members)


def _apply_attributes(document: JsonObject, operation: Operation, resource: ResourceType, run: PatchRun) -> None:
    """Apply an operation without path: its value is an object of attributes (§3.5.2.1, §3.5.2.3)."""
    if not isinstance(operation.value, dict):
        raise Refusal("E_Field_Invalid", field="value", data={"field": "value", "rule": "must be an object where there is no path"})
    unknown: list[str] = []
    for key, value in operation.value.items():
        extension = resource.find_extension(key) if ":" in key else None
        attribute = resource.find(key)
        if extension:
            _write_extension(document, extension, operation.op, value, run)
        elif attribute is None:
            unknown.append(key)
        elif attribute.name != "schemas":
            _write_unless_read_only(document, attribute, operation.op, value, run)
    if unknown:
        settle_unknown(unknown, run, nothing_applied=len(unknown) == len(operation.value))


def _write_extension(document: JsonObject, extension: Schema, op: Op, value: Json, run: PatchRun) -> None:
    """Write the attributes of an extension's object; null unassigns all of it."""
    if value is None:
        document.pop(extension.urn, None)
        return
    if not isinstance(value, dict):
        raise Refusal("E_Field_Invalid", field=extension.urn, data={"field": extension.urn, "rule": "must be an object"})
    container = _container(document, extension)
    unknown: list[str] = []
    for key, part in value.items():
        attribute = extension.find(key)
        if attribute is None and key.lower() != "schemas":
            unknown.append(f"{extension.urn}:{key}")
        elif attribute is not None:
            _write_unless_read_only(container, attribute, op, part, run)
    if unknown:
        settle_unknown(unknown, run, nothing_applied=len(unknown) == len(value))


def _write_unless_read_only(container: JsonObject, attribute: Attribute, op: Op, value: Json, run: PatchRun) -> None:
    """Write an attribute of a path-less operation; Okta sends the readOnly `id` along, which is no change when it is equal."""
    if attribute.mutability is Mutability.READ_ONLY and run.policy.ignore_read_only and attribute.name != "id":
        run.note(f"N13 read-only value dropped: {attribute.name}")
        return
    _write_attribute(container, attribute, op, value, run)


def _apply_path(document: JsonObject, operation: Operation, path: PatchPath, resource: ResourceType, run: PatchRun) -> None:
    binding = resource.bind(path.urn, path.name, path.sub)
    if binding is None:
        if run.policy.unknown is not Unknown.IGNORE:
            raise Refusal("E_Path_Invalid", field="path", data={"value": str(path)})
        run.note(f"N18 unknown attribute dropped: {path}")
        return
    if operation.op is not Op.REMOVE and not operation.has_value:
        raise Refusal("E_Field_Invalid", field=str(path), data={"field": str(path), "rule": "value is missing"})
    if binding.attribute is None:
        _apply_to_extension(document, operation, path, binding.extension, run)
        return
    container = _container(document, binding.extension) if binding.extension else document
    if path.filter is not None:
        _apply_to_selection(container, operation, path.filter, run, attribute=binding.attribute, sub=binding.sub)
    elif binding.sub is not None:
        _apply_to_sub(container, operation, binding.attribute, binding.sub, run)
    elif operation.op is Op.REMOVE:
        _remove_attribute(container, operation, binding.attribute, run)
    else:
        _write_attribute(container, binding.attribute, operation.op, operation.value, run)


def _apply_to_extension(document: JsonObject, operation: Operation, path: PatchPath, extension: Schema | None, run: PatchRun) -> None:
    if extension is None or path.filter is not None:
        raise Refusal("E_Path_Invalid", field="path", data={"value": str(path)})
    if operation.op is Op.REMOVE:
        document.pop(extension.urn, None)
    else:
        _write_extension(document, extension, operation.op, operation.value, run)


def _apply_to_selection(
    container: JsonObject, operation: Operation, selection: Filter, run: PatchRun, *, attribute: Attribute, sub: Attribute | None
) -> None:
    if not attribute.multi_valued or not attribute.complex:
        raise Refusal("E_Path_Invalid", field="path", data={"value": attribute.name})
    if attribute.mutability is Mutability.READ_ONLY:
        require_writable(attribute, read_elements(container, attribute), operation.value)
    selection = resolve_selection(selection, attribute, lenient=run.policy.lenient)
    if operation.op is Op.REMOVE:
        remove_selected(container, attribute, selection, sub)
    else:
        write_selected(container, attribute, operation, run, selection=selection, sub=sub)


def _apply_to_sub(container: JsonObject, operation: Operation, attribute: Attribute, sub: Attribute, run: PatchRun) -> None:
    """Apply `name.givenName`, or `emails.type`, which means that of every element."""
    if attribute.multi_valued:
        if operation.op is Op.REMOVE:
            remove_selected(container, attribute, None, sub)
        else:
            write_selected(container, attribute, operation, run, selection=None, sub=sub)
        return
    current = container.get(attribute.name)
    content = current if isinstance(current, dict) else {}
    # An attribute that is readOnly as a whole (meta) has readOnly parts: the tables say so part by part.
    if operation.op is Op.REMOVE:
        _require_removable(sub, content)
        content.pop(sub.name, None)
    else:
        write_sub(content, sub, operation.value, f"{attribute.name}.{sub.name}", run)
    _assign(container, attribute, content)


def _write_attribute(container: JsonObject, attribute: Attribute, op: Op, value: Json, run: PatchRun) -> None:
    """Add or replace a whole attribute: lists append or are replaced, complex values merge, simple values are set."""
    if attribute.mutability in {Mutability.READ_ONLY, Mutability.IMMUTABLE}:
        require_writable(attribute, container.get(attribute.name), value)
        if attribute.mutability is Mutability.READ_ONLY:
            return
    if attribute.multi_valued:
        write_list(container, attribute, op, value, run)
    elif value is None or value == "":
        container.pop(attribute.name, None)
    elif attribute.complex:
        _merge(container, attribute, value, run)
    else:
        container[attribute.name] = canonical_element(attribute, value, attribute.name, [])


def _merge(container: JsonObject, attribute: Attribute, value: Json, run: PatchRun) -> None:
    """Overwrite the given sub-attributes and keep the others (§3.5.2.3); null unassigns one."""
    if not isinstance(value, dict):
        raise Refusal("E_Field_Invalid", field=attribute.name, data={"field": attribute.name, "rule": "must be an object"})
    current = container.get(attribute.name)
    content = current if isinstance(current, dict) else {}
    unknown: list[str] = []
    for key, part in value.items():
        sub = attribute.find_sub(key)
        if sub is None:
            unknown.append(f"{attribute.name}.{key}")
        elif sub.mutability is not Mutability.READ_ONLY:
            write_sub(content, sub, part, f"{attribute.name}.{sub.name}", run)
    _assign(container, attribute, content)
    if unknown:
        settle_unknown(unknown, run, nothing_applied=len(unknown) == len(value))


def _remove_attribute(container: JsonObject, operation: Operation, attribute: Attribute, run: PatchRun) -> None:
    _require_removable(attribute, container)
    if operation.has_value and attribute.multi_valued:
        if not run.policy.remove_value_as_filter:
            # Read to the letter, the value would be ignored and every element removed: the most destructive misunderstanding there is.
            _refuse_syntax("remove takes no value: select elements in the path")
        remove_by_value(container, attribute, operation.value, run)
        return
    container.pop(attribute.name, None)


def _require_removable(attribute: Attribute, container: JsonObject) -> None:
    """Refuse to remove what is required or not writable (§3.5.2.2: mutability)."""
    if attribute.required or attribute.mutability is Mutability.READ_ONLY:
        require_writable(attribute, None, None, removing=True)
    if attribute.mutability is Mutability.IMMUTABLE and attribute.name in container:
        require_writable(attribute, None, None, removing=True)


def _assign(container: JsonObject, attribute: Attribute, content: JsonObject) -> None:
    if content:
        container[attribute.name] = content
    else:
        container.pop(attribute.name, None)


def _container(document: JsonObject, extension: Schema) -> JsonObject:
    """Return the extension's object, made where it is missing; `_drop_empty_extensions` sweeps up."""
    content = document.setdefault(extension.urn, {})
    return content if isinstance(content, dict) else {}


def _drop_empty_extensions(document: JsonObject, resource: ResourceType) -> None:
    """Drop extensions in which nothing is assigned, and let `schemas` name those that are there (RFC 7643 §3)."""
    present = []
    for extension in resource.extensions:
        if document.get(extension.urn):
            present.append(extension.urn)
        else:
            document.pop(extension.urn, None)
    schemas = document.get("schemas")
    if isinstance(schemas, list):
        kept = [urn for urn in schemas if urn in present]
        # The core comes first and is always there, whatever a PATCH of `schemas` said.
        document["schemas"] = [*dict.fromkeys([resource.core.urn, *kept, *present])]


def _copied(value: Json) -> Json:
    """Return a deep copy; several times faster than copy.deepcopy, because JSON has no cycles."""
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_copied(part) for part in value]
    return value


_OPS = {op.value: op for op in Op}


def _refuse_syntax(why: str) -> NoReturn:
    raise Refusal("E_Syntax", reason=f"patch: {why}", data={"value": why})
