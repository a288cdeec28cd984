"""The parameters of a request, where none may come twice (RFC 6749 §3.1 and 3.2)."""

from flask import request
from werkzeug.datastructures import MultiDict

from gateway.http import requests

_REPEATABLE = frozenset({"resource"})
"""RFC 8707 §2 lets an app name several."""

FORM = "application/x-www-form-urlencoded"


class Parameters(dict[str, str]):
    """Parameters by name, the first value of each; `repeated` names those that came more than once."""

    def __init__(self, pairs: "MultiDict[str, str]") -> None:
        """Take what Flask parsed. An empty value counts as absent (RFC 6749 §3.1)."""
        self._values = {name: kept for name, values in pairs.lists() if (kept := [value for value in values if value])}
        super().__init__({name: values[0] for name, values in self._values.items()})
        self.repeated = frozenset(name for name, values in self._values.items() if len(values) > 1 and name not in _REPEATABLE)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a repeatable parameter."""
        return tuple(self._values.get(name, ()))


def of_query_or_form() -> Parameters:
    """Return the query's parameters of a GET, the form's of a POST; never a mixture (OIDC Core §3.1.2.1)."""
    if request.method == "POST":
        return of_form()
    return Parameters(request.args)


def of_form() -> Parameters:
    """Return the form's parameters, or refuse a form that is too large before it is read."""
    requests.require_form()
    return Parameters(request.form)
