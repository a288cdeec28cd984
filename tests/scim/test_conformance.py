"""What others wrote to test SCIM servers, against this one: scim2-tester, and the storage contract of scim2-server over our door."""

from collections.abc import Iterable
from typing import Any, NoReturn, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_models import (
    Context as ModelContext,
)
from scim2_models import (
    EnterpriseUser,
    Error,
    Group,
    InvalidFilterException,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    ScimProvider,
    SearchRequest,
    UniquenessException,
    User,
)
from scim2_server.storage import ScimStorage, SearchPage
from scim2_server.testing import SEARCH_FILTERS, ScimStorageContract
from scim2_tester import Status, check_server

from gateway.domain.nodes import Node
from gateway.domain.schema import CORE_GROUP_URN
from gateway.services.context import Context
from tests.scim.people import SEARCH_URN, People, Reply, people_of
from tests.sign_ins import make_provider

ENOUGH = 100_000
"""Requests a second: these suites ask much while the clock stands."""


@pytest.mark.parametrize("tied", [False, True])
def test_scim2_tester_finds_no_error_under_the_strict_profile(
    app: Flask, strict: People, context: Context, acme: Node, *, tied: bool
) -> None:
    directory = strict.switched(context, rate=ENOUGH, provider=make_provider(context, acme).id if tied else None)
    client = WSGISCIMClient(app, base_url=acme.scim_base, headers={"Authorization": f"Bearer {directory.token}"})
    client.discover()
    results = check_server(client)
    failed = [(result.title, result.reason) for result in results if result.status not in {Status.SUCCESS, Status.ACCEPTABLE}]
    assert failed == []
    assert len(results) > 100


class Door(ScimStorage):
    """The storage that scim2-server would ask, answered by our door."""

    def __init__(self, directory: People) -> None:
        self._directory = directory

    def get(
        self, resource_type: ResourceType, resource_id: str, *, response_parameters: ResponseParameters[Any] | None = None
    ) -> Resource[Any]:
        asked = response_parameters.model_dump(exclude_none=True, mode="json", by_alias=True) if response_parameters else {}
        query = "&".join(f"{name}={','.join(value)}" for name, value in asked.items())
        return _resource(self._directory.send("GET", f"{resource_type.endpoint}/{resource_id}?{query}"))

    def search(self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None) -> SearchPage:  # noqa: ANN401 -- of the contract
        endpoint = resource_types[0].endpoint if len(resource_types) == 1 else ""
        asked = search_request.model_dump(scim_ctx=ModelContext.SEARCH_REQUEST, exclude_none=True)
        found = _checked(self._directory.send("POST", f"{endpoint}/.search", {"count": 1000} | asked | {"schemas": [SEARCH_URN]}))
        return SearchPage(found.json["totalResults"], [_model(document) for document in found.json.get("Resources", [])])

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        body = resource.model_dump(scim_ctx=ModelContext.RESOURCE_CREATION_REQUEST)
        return _resource(self._directory.send("POST", str(resource_type.endpoint), body))

    def update(self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None) -> Resource[Any]:
        body = resource.model_dump(scim_ctx=ModelContext.RESOURCE_REPLACEMENT_REQUEST)
        return _resource(self._directory.send("PUT", f"{resource_type.endpoint}/{resource.id}", body, **_condition(expected_version)))

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        _checked(self._directory.send("DELETE", f"{resource_type.endpoint}/{resource_id}", **_condition(expected_version)))


def _condition(version: str | None) -> dict[str, str]:
    return {"If_Match": version} if version else {}


def _checked(answer: Reply) -> Reply:
    if answer.status_code >= 400:
        _raise(answer)
    return answer


def _raise(answer: Reply) -> NoReturn:
    error = Error.model_validate(answer.json)
    kinds = {404: NotFoundException, 409: UniquenessException, 412: PreconditionFailedException}
    if answer.status_code in kinds:
        raise kinds[answer.status_code]
    raise InvalidFilterException if error.scim_type == "invalidFilter" else AssertionError(answer.text)


def _resource(answer: Reply) -> Resource[Any]:
    return _model(_checked(answer).json)


def _model(document: dict[str, Any]) -> Resource[Any]:
    """Return a document as a model of the types that the contract knows, which leave the location to the server."""
    model = Group if CORE_GROUP_URN in document["schemas"] else User[EnterpriseUser]
    known = {name: value for name, value in document.items() if "moongate" not in name}
    known["schemas"] = [urn for urn in document["schemas"] if "moongate" not in urn]
    if "meta" in document:
        known["meta"] = {name: value for name, value in document["meta"].items() if name != "location"}
    return cast("Resource[Any]", model.model_validate(known))


def _of_cursors(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith("test_cursor")]


DIFFERENT = {
    'emails ne "alice@work.example"': "scim2-models wants every value to differ; scim.md A46 wants any, as RFC 7644 §3.4.2.2 says of lists",
    'meta.created co "20"': "scim2-models compares no parts of a dateTime; we compare its text",
    "title gt null": "null has no order: refused with invalidFilter",
}
"""Filters of the contract that we answer otherwise, with the reason."""


class TestStorageContract(ScimStorageContract):
    """The contract without its tests of cursors, which are not advertised."""

    @pytest.mark.parametrize("scim_filter", [text for text in SEARCH_FILTERS if text not in DIFFERENT])
    def test_search_filters_as_the_filter_evaluator(
        self, storage: Door, provider: ScimProvider, user_type: ResourceType, user_model: type[Resource[Any]], scim_filter: str
    ) -> None:
        super().test_search_filters_as_the_filter_evaluator(storage, provider, user_type, user_model, scim_filter)

    @pytest.fixture
    def storage(self, client: FlaskClient, context: Context, acme: Node) -> Door:
        return Door(people_of(client, context, acme, "lenient").switched(context, rate=ENOUGH))


for _name in _of_cursors(dir(ScimStorageContract)):
    setattr(TestStorageContract, _name, None)
