"""The rewrites of names: URNs and attribute paths as directories spell them (scim.md section 3, N8-N10)."""

from gateway.domain.errors import Refusal
from gateway.domain.query import PatchPath, parse_path
from gateway.domain.schema import CORE_GROUP_URN, CORE_USER_URN, ENTERPRISE_URN, GROUP, Binding, ResourceType
from scim.profiles import Rewrite
from scim.shapes import Run

_LEGACY_CORE = ("urn:scim:schemas:core:1.0", "urn:scim:schemas:core:2.0")
_LEGACY_ENTERPRISE = ("urn:scim:schemas:extension:enterprise:1.0", "urn:scim:schemas:extension:enterprise:2.0")


def name_in_table(text: str, resource: ResourceType, run: Run) -> str:
    """Return an attribute path or key with its URN and prefix as the tables spell them; unchanged where no rewrite fits."""
    if resource.find(text) is not None or resource.find_extension(text) is not None:
        return text
    text = legacy_urn(text, resource, run)
    text = damaged_urn(text, resource, run)
    return bare_enterprise(text, resource, run)


def bound(text: str, resource: ResourceType, run: Run) -> tuple[PatchPath, Binding] | None:
    """Return the parsed path and where it leads, or None where it is no path or leads nowhere."""
    try:
        path = parse_path(text, lenient=run.profile.lenient_filters)
    except Refusal:
        # The engine reads the path again and refuses it with its reason; here it only cannot be helped.
        return None
    binding = resource.bind(path.urn, path.name, path.sub)
    return (path, binding) if binding else None


def legacy_urn(text: str, resource: ResourceType, run: Run) -> str:
    """N10: URNs from before RFC 7643, with or without the type behind them (OneLogin)."""
    if not text[:12].lower().startswith("urn:scim:sch") or not run.may(Rewrite.LEGACY_URN):
        return text
    core = CORE_GROUP_URN if resource is GROUP else CORE_USER_URN
    for prefixes, urn in ((_LEGACY_CORE, core), (_LEGACY_ENTERPRISE, ENTERPRISE_URN)):
        for prefix in prefixes:
            for spelling in (f"{prefix}:{resource.name}", prefix):
                if _begins(text, spelling):
                    run.log(Rewrite.LEGACY_URN)
                    return urn + text[len(spelling) :]
    return text


def damaged_urn(text: str, resource: ResourceType, run: Run) -> str:
    """N9: a URN without its last colon (`…:2.0User`), or with a dot before the attribute (`…:User.department`)."""
    if text[:4].lower() != "urn:" or not run.may(Rewrite.DOTTED_KEY):
        return text
    for schema in (resource.core, *resource.extensions):
        head, _, kind = schema.urn.rpartition(":")
        fixed = text
        if text.lower().startswith((head + kind).lower()):
            fixed = schema.urn + text[len(head + kind) :]
        if fixed[: len(schema.urn) + 1].lower() == f"{schema.urn.lower()}.":
            fixed = f"{schema.urn}:{fixed[len(schema.urn) + 1 :]}"
        if fixed is not text:
            run.log(Rewrite.DOTTED_KEY)
            return fixed
    return text


def bare_enterprise(text: str, resource: ResourceType, run: Run) -> str:
    """N8: an attribute of the enterprise extension without its URN (`manager`, `department`), where the core has none of that name."""
    if ":" in text.partition("[")[0] or not run.may(Rewrite.BARE_ENTERPRISE):
        return text
    extension = resource.find_extension(ENTERPRISE_URN)
    name = text.partition("[")[0].partition(".")[0]
    if extension is None or resource.find(name) is not None or extension.find(name) is None:
        return text
    run.log(Rewrite.BARE_ENTERPRISE)
    return f"{ENTERPRISE_URN}:{text}"


def _begins(text: str, prefix: str) -> bool:
    """Whether the text is the prefix or goes on behind it with an attribute."""
    return text[: len(prefix)].lower() == prefix and text[len(prefix) : len(prefix) + 1] in {"", ":", "."}
