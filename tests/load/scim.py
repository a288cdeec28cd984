"""What a directory sends: Entra ID's shapes."""

_CORE = "urn:ietf:params:scim:schemas:core:2.0:"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def person(login: str, *, title: str = "Engineer") -> dict[str, object]:
    """A person as it is posted."""
    name = login.partition("@")[0]
    return {
        "schemas": [f"{_CORE}User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "externalId": name,
        "userName": login,
        "active": True,
        "displayName": name.title(),
        "title": title,
        "emails": [{"primary": True, "type": "work", "value": login}],
        "name": {"formatted": name.title(), "familyName": "Acme", "givenName": name.title()},
    }


def group(name: str) -> dict[str, object]:
    """A group as it is posted: nobody is in it yet."""
    return {"schemas": [f"{_CORE}Group"], "displayName": name, "externalId": name}


def active(*, value: bool) -> dict[str, object]:
    """A switch as Entra ID writes it: text."""
    return _patch({"op": "Replace", "path": "active", "value": str(value)})


def title(value: str) -> dict[str, object]:
    """A new title."""
    return _patch({"op": "Replace", "path": "title", "value": value})


def members(op: str, *ids: str) -> dict[str, object]:
    """People who come into a group (`Add`) or leave it (`Remove`)."""
    return _patch({"op": op, "path": "members", "value": [{"value": each} for each in ids]})


def _patch(*operations: dict[str, object]) -> dict[str, object]:
    return {"schemas": [_PATCH], "Operations": list(operations)}
