"""What directories send, turned into what RFC 7644 describes, with a name for every rewrite (scim.md section 3).

Rewrites are allowed by the connection's profile; what is not rewritten goes on as it came and is refused further down, with its reason.
Never is an operation answered 2xx of which nothing was applied because its target was unknown, unless the profile says so and the log too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.attributes import canonical
from gateway.domain.errors import Refusal
from gateway.domain.patch import MAX_OPERATIONS, Operation, Unknown, parse_operations
from gateway.domain.schema import Binding, Json, JsonObject, ResourceType
from scim.names import bound, legacy_urn, name_in_table
from scim.profiles import Profile, Rewrite
from scim.shapes import Run, selected_element, shaped, shaped_extension

QUERY_PARAMETERS = frozenset(
    {"filter", "attributes", "excludedAttributes", "sortBy", "sortOrder", "startIndex", "count", "cursor"},
)


@dataclass(frozen=True, slots=True)
class NormalisedResource:
    """A POST or PUT body as a canonical document."""

    document: JsonObject
    rewrites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NormalisedPatch:
    """The operations of a PATCH, ready for `apply_patch`."""

    operations: tuple[Operation, ...]
    rewrites: tuple[str, ...]


def normalise_parameters(unverified: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the query parameters that SCIM knows, and the rewrites applied.

    N1: others are dropped whatever the profile, because RFC 7644 §3.4.2 knows no error for them and Entra marks its flag so
    (`aadOptscim062020`).
    """
    known = {name: value for name, value in unverified.items() if name in QUERY_PARAMETERS}
    dropped = len(known) < len(unverified)
    return known, (Rewrite.QUERY_PARAMETER_DROPPED.value,) if dropped else ()


def normalise_resource(body: JsonObject, resource: ResourceType, profile: Profile) -> NormalisedResource:
    """Return a POST or PUT body as a canonical document.

    Raises Refusal: what `attributes.canonical` raises, and where the profile refuses what it does not know `E_Syntax`.
    """
    run = Run(profile)
    _check_schemas(body, resource, run)
    rewritten: JsonObject = {}
    for key, value in body.items():
        if key.lower() != "schemas":
            _place(rewritten, key, value, resource, run)
    result = canonical(rewritten, resource)
    if result.unknown:
        _drop_unknown(result.unknown, run, nothing_left=len(result.document) == 1)
    return NormalisedResource(result.document, tuple(run.rewrites))


def normalise_patch(body: JsonObject, resource: ResourceType, profile: Profile) -> NormalisedPatch:
    """Return the operations of a PatchOp body; raises what `patch.parse_operations` raises."""
    run = Run(profile)
    operations = _operations(body, run)
    if isinstance(operations, list) and len(operations) <= MAX_OPERATIONS:
        rewritten: list[Json] = []
        for operation in operations:
            if isinstance(operation, dict):
                rewritten.extend(_rewritten(_lowered(operation, run), resource, run))
            else:
                rewritten.append(operation)
        operations = rewritten
    parsed = parse_operations({"Operations": operations}, profile.patch_policy)
    return NormalisedPatch(parsed, tuple(run.rewrites))


def _check_schemas(body: JsonObject, resource: ResourceType, run: Run) -> None:
    """Settle `schemas`: strict profiles want it complete (RFC 7643 §3), others get it computed. N10, N19."""
    schemas = body.get("schemas")
    urns = [urn for urn in schemas if isinstance(urn, str)] if isinstance(schemas, list) else []
    fixed = {legacy_urn(urn, resource, run).lower() for urn in urns}
    known = {resource.core.urn.lower(), *(extension.urn.lower() for extension in resource.extensions)}
    if run.profile.unknown is Unknown.REFUSE:
        unnamed = [key for key in body if resource.find_extension(key) and key.lower() not in fixed]
        if resource.core.urn.lower() not in fixed or fixed - known or unnamed:
            raise Refusal("E_Syntax", field="schemas", data={"value": "schemas must name the schemas of the body, and no others"})
    elif fixed - known:
        run.log(Rewrite.UNKNOWN_URN_STRIPPED)


def _place(target: JsonObject, key: str, value: Json, resource: ResourceType, run: Run) -> None:
    """Put one member of a body where the tables want it; what they do not know stays as it is, for `canonical` to name."""
    key = name_in_table(key, resource, run)
    extension = resource.find_extension(key) if ":" in key else None
    if extension is not None:
        merged = target.get(extension.urn)
        content = shaped_extension(extension, value, run)
        target[extension.urn] = {**merged, **content} if isinstance(merged, dict) and isinstance(content, dict) else content
        return
    attribute = resource.find(key)
    if attribute is not None:
        target[key] = shaped(attribute, value, run)
        return
    found = bound(key, resource, run) if run.may(Rewrite.DOTTED_KEY) or run.may(Rewrite.BARE_ENTERPRISE) else None
    if found is None or found[0].filter is not None or not _place_nested(target, found[1], value, run):
        target[key] = value


def _place_nested(target: JsonObject, binding: Binding, value: Json, run: Run) -> bool:
    """Put the value of a dotted key (`name.givenName`, `urn:…:User:department`) into the object it means; tell whether that went."""
    attribute, sub = binding.attribute, binding.sub
    if attribute is None or (sub is not None and attribute.multi_valued):
        return False
    container = target.setdefault(binding.extension.urn, {}) if binding.extension else target
    if not isinstance(container, dict):
        return False
    run.log(Rewrite.DOTTED_KEY)
    if sub is None:
        container[attribute.name] = shaped(attribute, value, run)
        return True
    inner = container.setdefault(attribute.name, {})
    if isinstance(inner, dict):
        inner[sub.name] = shaped(sub, value, run)
    return isinstance(inner, dict)


def _drop_unknown(names: tuple[str, ...], run: Run, *, nothing_left: bool) -> None:
    """N18: refuse unknown attributes, or drop them and name them in the log."""
    if run.profile.unknown is Unknown.REFUSE or (nothing_left and run.profile.unknown is not Unknown.IGNORE):
        raise Refusal("E_Syntax", field=names[0][:128], data={"value": f"unknown attribute {names[0][:128]}"})
    for name in names:
        run.log(f"{Rewrite.UNKNOWN_DROPPED}: {name[:128]}")


def _operations(body: JsonObject, run: Run) -> Json:
    """N2: the list under `Operations`, in any case."""
    for key, value in body.items():
        if key.lower() == "operations":
            if key != "Operations":
                run.log(Rewrite.KEY_ALIAS)
            return value
    return None


def _lowered(operation: JsonObject, run: Run) -> JsonObject:
    """N2, N3: members and op of an operation in lower case."""
    lowered = {key.lower(): value for key, value in operation.items()}
    if lowered.keys() != operation.keys():
        run.log(Rewrite.KEY_ALIAS)
    op = lowered.get("op")
    if isinstance(op, str) and op != op.lower():
        run.log(Rewrite.OP_LOWERED)
        lowered["op"] = op.lower()
    return lowered


def _rewritten(operation: JsonObject, resource: ResourceType, run: Run) -> list[Json]:
    """Return the operations that one operation stands for."""
    path, value = operation.get("path"), operation.get("value")
    if isinstance(path, str) and path:
        return [_with_path({**operation, "path": name_in_table(path, resource, run)}, resource, run)]
    if isinstance(value, dict):
        return _without_path(operation, value, resource, run)
    return [operation]


def _with_path(operation: JsonObject, resource: ResourceType, run: Run) -> JsonObject:
    """N4-N7, N11, N15 for the value of an operation whose path leads somewhere."""
    found = bound(str(operation["path"]), resource, run)
    if found is None or "value" not in operation:
        return operation
    path, binding = found
    value = operation["value"]
    attribute = binding.sub or binding.attribute
    if attribute is None:
        shape = shaped_extension(binding.extension, value, run) if binding.extension else value
    elif path.filter is not None and binding.sub is None:
        shape = selected_element(attribute, value, run)
    else:
        shape = shaped(attribute, value, run)
        if operation.get("op") == "remove" and attribute.multi_valued and run.may(Rewrite.REMOVE_BY_VALUE):
            run.log(Rewrite.REMOVE_BY_VALUE)
    return {**operation, "value": shape}


def _without_path(operation: JsonObject, value: JsonObject, resource: ResourceType, run: Run) -> list[Json]:
    """N9: keys of a path-less value that are paths (`name.givenName`, `emails[type eq "work"].value`) become operations of their own."""
    plain: JsonObject = {}
    unknown: JsonObject = {}
    further: list[Json] = []
    for written, part in value.items():
        key = name_in_table(written, resource, run)
        extension = resource.find_extension(key) if ":" in key else None
        attribute = resource.find(key)
        if extension is not None:
            plain[extension.urn] = shaped_extension(extension, part, run)
        elif attribute is not None:
            plain[key] = shaped(attribute, part, run)
        elif run.may(Rewrite.DOTTED_KEY) and bound(key, resource, run):
            run.log(Rewrite.DOTTED_KEY)
            further.append(_with_path({"op": operation.get("op"), "path": key, "value": part}, resource, run))
        else:
            unknown[key] = part
    if further and unknown and run.profile.unknown is not Unknown.REFUSE:
        # The engine judges each operation by itself; beside the ones just split off, these are dropped rather than refused.
        _drop_unknown(tuple(unknown), run, nothing_left=False)
    else:
        plain.update(unknown)
    return [{**operation, "value": plain}, *further] if plain or not further else further
