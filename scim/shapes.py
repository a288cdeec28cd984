"""The rewrites of values: what directories send where an attribute wants another shape (scim.md section 3, N4-N7, N14, N15)."""

from dataclasses import dataclass, field

from gateway.domain.schema import Attribute, Json, JsonObject, Schema, Type
from scim.profiles import Profile, Rewrite


@dataclass(slots=True)
class Run:
    """One request on its way through the normaliser."""

    profile: Profile
    rewrites: list[str] = field(default_factory=list)

    def may(self, rewrite: Rewrite) -> bool:
        """Return whether the connection's profile allows a rewrite."""
        return rewrite in self.profile.rewrites

    def log(self, text: str) -> None:
        """Remember for the request log what was rewritten, once."""
        if text not in self.rewrites:
            self.rewrites.append(text)


def shaped(attribute: Attribute, value: Json, run: Run) -> Json:
    """Return a value of `attribute` in the shape its table asks for, as far as the profile allows; else as it came."""
    if _is_shaped(attribute, value):
        return value
    note_nulls(value, run)
    if value is None:
        return None
    value = reshape_manager(attribute, value, run)
    value = list_to_single(attribute, value, run)
    value = single_to_list(attribute, value, run)
    if isinstance(value, list):
        return [shaped_element(attribute, element, run) for element in value]
    return shaped_element(attribute, value, run)


def shaped_element(attribute: Attribute, value: Json, run: Run) -> Json:
    """Return one element of a multi-valued attribute, or a single value, with its booleans as booleans."""
    note_nulls(value, run)
    if isinstance(value, dict) and attribute.complex:
        value = member_display(attribute, value, run)
        return {key: shaped(sub, part, run) if (sub := attribute.find_sub(key)) else part for key, part in value.items()}
    return string_to_boolean(attribute, value, run)


def shaped_extension(extension: Schema, value: Json, run: Run) -> Json:
    """Return an extension's object with each attribute shaped."""
    if not isinstance(value, dict):
        return value
    return {key: shaped(attribute, part, run) if (attribute := extension.find(key)) else part for key, part in value.items()}


def selected_element(attribute: Attribute, value: Json, run: Run) -> Json:
    """Return the value for `attribute[filter]`: one object, though Entra may wrap it in a list or send its `value` alone."""
    if isinstance(value, list) and len(value) == 1 and run.may(Rewrite.LIST_TO_SINGLE):
        run.log(Rewrite.LIST_TO_SINGLE)
        value = value[0]
    if isinstance(value, str) and value and attribute.find_sub("value") and run.may(Rewrite.SINGLE_TO_LIST):
        run.log(Rewrite.SINGLE_TO_LIST)
        value = {"value": value}
    return shaped_element(attribute, value, run)


def string_to_boolean(attribute: Attribute, value: Json, run: Run) -> Json:
    """N4: "True" and "false" for boolean attributes only; "yes" stays a text and is refused later."""
    if attribute.type is not Type.BOOLEAN or not isinstance(value, str) or not run.may(Rewrite.STRING_TO_BOOLEAN):
        return value
    truth = {"true": True, "false": False}.get(value.strip().lower())
    if truth is None:
        return value
    run.log(Rewrite.STRING_TO_BOOLEAN)
    return truth


def list_to_single(attribute: Attribute, value: Json, run: Run) -> Json:
    """N5: `[{"value": x}]` for a single-valued attribute is x."""
    if attribute.multi_valued or not run.may(Rewrite.LIST_TO_SINGLE):
        return value
    single = value
    if isinstance(single, list) and len(single) <= 1:
        single = single[0] if single else None
    if isinstance(single, dict) and not attribute.complex and "value" in single:
        single = single["value"]
    if single is not value:
        run.log(Rewrite.LIST_TO_SINGLE)
    return single


def single_to_list(attribute: Attribute, value: Json, run: Run) -> Json:
    """N6: a single value for a multi-valued attribute is a list of it; texts become `{"value": …}` where objects are wanted."""
    if not attribute.multi_valued or not run.may(Rewrite.SINGLE_TO_LIST):
        return value
    if value == "":
        return []
    elements = value if isinstance(value, list) else [value]
    wrapped = [_as_element(attribute, element) for element in elements]
    if wrapped != value:
        run.log(Rewrite.SINGLE_TO_LIST)
    return wrapped


def reshape_manager(attribute: Attribute, value: Json, run: Run) -> Json:
    """N7: a manager as text, as list, or as "" for nobody."""
    if attribute.name != "manager" or not run.may(Rewrite.MANAGER_RESHAPED):
        return value
    manager = value
    if isinstance(manager, list) and len(manager) <= 1:
        manager = manager[0] if manager else None
    if isinstance(manager, str):
        manager = {"value": manager}
    if isinstance(manager, dict) and not any(manager.values()):
        manager = None
    if manager is not value:
        run.log(Rewrite.MANAGER_RESHAPED)
    return manager


def member_display(attribute: Attribute, value: JsonObject, run: Run) -> JsonObject:
    """N15: members carry `display`, though Microsoft's test collection sends `displayName`."""
    if attribute.name != "members" or "displayName" not in value or not run.may(Rewrite.MEMBER_DISPLAY):
        return value
    run.log(Rewrite.MEMBER_DISPLAY)
    return {"display" if key == "displayName" else key: part for key, part in value.items()}


def note_nulls(value: Json, run: Run) -> None:
    """N14: null is unassigned (RFC 7643 §2.5). The document and PATCH engines read it so; here it is only named in the log.

    Nulls are not dropped: in a PATCH, `{"name": {"givenName": null}}` takes the given name away.
    """
    if value is None or (isinstance(value, dict) and None in value.values()) or (isinstance(value, list) and None in value):
        run.log(Rewrite.NULL_UNASSIGNED)


def _is_shaped(attribute: Attribute, value: Json) -> bool:
    """Return whether a value is as simple as nearly all are: a text or a truth value where one is wanted, which no rewrite touches."""
    if attribute.multi_valued or attribute.name == "manager":
        return False
    return isinstance(value, bool) or (isinstance(value, str) and attribute.type is not Type.BOOLEAN)


def _as_element(attribute: Attribute, element: Json) -> Json:
    if attribute.complex:
        return {"value": element} if isinstance(element, str) and attribute.find_sub("value") else element
    return element["value"] if isinstance(element, dict) and "value" in element else element
