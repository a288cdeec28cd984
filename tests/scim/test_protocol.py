"""Discovery, HTTP, errors, tokens and limits: A01-A12, A104-A110 of scim.md section 5."""

import json
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services import connections, nodes
from gateway.services.context import Context
from gateway.storage import audit
from gateway.storage.database import DatabaseUnavailable
from tests.conftest import Clock
from tests.scim.people import (
    CORE_USER_URN,
    ENTERPRISE_URN,
    LIST_URN,
    MOONGATE_URN,
    SEARCH_URN,
    People,
    Reply,
    asking,
    broken,
    people_of,
    person,
    refused,
)


def test_a01_the_service_provider_config_says_what_is_supported(strict: People) -> None:
    answer = strict.send("GET", "/ServiceProviderConfig")
    assert answer.status_code == 200
    config = answer.json
    assert config["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]
    assert {name: config[name]["supported"] for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag")} == {
        "patch": True,
        "bulk": False,
        "filter": True,
        "changePassword": False,
        "sort": True,
        "etag": True,
    }
    assert config["filter"]["maxResults"] == 1000
    assert (config["bulk"]["maxOperations"], config["bulk"]["maxPayloadSize"]) == (0, 0)
    assert config["authenticationSchemes"][0]["type"] == "oauthbearertoken"


def test_a02_resource_types_and_schemas_are_lists_with_single_documents(strict: People, entra: People) -> None:
    types = strict.send("GET", "/ResourceTypes").json
    assert types["schemas"] == [LIST_URN]
    assert types["totalResults"] == len(types["Resources"]) == 2
    user = strict.send("GET", "/ResourceTypes/User").json
    assert (user["endpoint"], user["schema"]) == ("/Users", CORE_USER_URN)
    assert user["meta"]["location"] == "http://localhost:8000/t/acme/scim/v2/ResourceTypes/User"
    schemas = strict.send("GET", "/Schemas").json
    assert {CORE_USER_URN, ENTERPRISE_URN} <= {schema["id"] for schema in schemas["Resources"]}
    assert strict.send("GET", f"/Schemas/{ENTERPRISE_URN}").json["id"] == ENTERPRISE_URN
    refused(strict.send("GET", "/ResourceTypes/Robot"), 404)
    assert entra.send("GET", f"/Schemas/{MOONGATE_URN}").json["id"] == MOONGATE_URN
    refused(strict.send("GET", "/Schemas/urn:nobody"), 404)


def test_strict_connections_know_the_schemas_of_the_rfc_alone(strict: People) -> None:
    assert MOONGATE_URN not in strict.post(person()).text
    assert MOONGATE_URN not in strict.send("GET", "/Schemas").text
    assert MOONGATE_URN not in strict.send("GET", "/ResourceTypes").text
    refused(strict.send("GET", f"/Schemas/{MOONGATE_URN}"), 404)
    refused(strict.send("GET", "/Users?" + asking(filter=f"{MOONGATE_URN}:status pr")), 400, "invalidFilter")


@pytest.mark.parametrize("path", ["Schemas", "ResourceTypes", "ServiceProviderConfig"])
def test_a03_a_filter_on_discovery_is_forbidden_and_other_parameters_ignored(strict: People, path: str) -> None:
    refused(strict.send("GET", f"/{path}?" + asking(filter='name eq "User"')), 403)
    assert strict.send("GET", f"/{path}?startIndex=5&sortBy=name&count=1").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/ResourceTypes/User"])
def test_a04_discovery_is_read_only_whatever_the_body(strict: People, method: str, path: str) -> None:
    answer = strict.raw(method, path, "test", Content_Type="text/plain")
    refused(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "mgscim_x", "Bearer " + "x" * 600])
def test_a05_without_a_token_401_with_a_challenge(entra: People, header: str) -> None:
    answer = entra.raw("GET", "/Users", b"", Authorization=header)
    refused(answer, 401, code="E_Token_Missing")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer mgscim_unknown", "bearer mgscim_unknown", "Bearer ünknown"])
def test_a05_with_an_unknown_token_401_and_no_row_of_a_person_is_read(entra: People, header: str) -> None:
    user = entra.create()["id"]
    for method, path in (("GET", f"/Users/{user}"), ("DELETE", f"/Users/{user}"), ("GET", "/Users"), ("GET", "/nonsense")):
        answer = entra.raw(method, path, b"", Authorization=header.encode("utf-8").decode("latin-1"))
        refused(answer, 401, code="E_Token_Revoked")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert entra.get(user).status_code == 200


@pytest.mark.parametrize(
    "kind", ["application/scim+json", "application/json", "application/scim+json; charset=utf-8", "Application/JSON", ""]
)
def test_a06_scim_and_plain_json_are_taken_and_scim_json_answered(entra: People, kind: str) -> None:
    answer = entra.raw("POST", "/Users", json.dumps(person()), Content_Type=kind)
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/scim+json"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_a06_other_types_are_415(entra: People, kind: str) -> None:
    refused(entra.raw("POST", "/Users", json.dumps(person()), Content_Type=kind), 415, code="E_Media_Type")


@pytest.mark.parametrize("accept", ["application/json", "application/scim+json", "*/*", "text/html", ""])
def test_a07_whatever_is_accepted_scim_json_is_answered(entra: People, accept: str) -> None:
    answer = entra.send("GET", "/Users", Accept=accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/scim+json"


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", '"text"', "null", "1", "{]}", '{"a":NaN}', '{"userName":"a\\u0000b"}', '{"userName":"\\ud800"}'),
        *("[" * 50_000, '{"a":' * 40 + "1" + "}" * 40, '{"a":' * 5000 + "1" + "}" * 5000, '{"a":' + "9" * 5000 + "}"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/Users"), ("PATCH", "/Users/x"), ("PUT", "/Users/x"), ("POST", "/Users/.search")])
def test_a08_a_body_that_is_no_sound_json_object_is_invalid_syntax(entra: People, method: str, path: str, body: str) -> None:
    refused(entra.raw(method, path, body), 400, "invalidSyntax", "E_Syntax")


def test_a08_bytes_that_are_no_text_are_invalid_syntax(entra: People) -> None:
    refused(entra.raw("POST", "/Users", b'{"userName":"\xff\xfe"}'), 400, "invalidSyntax")


def test_a08_a_key_given_twice_is_refused_by_strict_connections(strict: People, entra: People) -> None:
    body = json.dumps(person()).replace('"active"', '"userName":"eve@acme.example","active"')
    refused(strict.raw("POST", "/Users", body), 400, "invalidSyntax")
    assert entra.raw("POST", "/Users", body).status_code == 201


def test_a09_an_error_has_a_text_for_status_and_a_type_only_for_400_and_409(entra: People) -> None:
    user = entra.create()
    refused(entra.post(person()), 409, "uniqueness", "E_Login_Taken")
    refused(entra.post({"schemas": [CORE_USER_URN]}), 400, "invalidValue", "E_Field_Required")
    refused(entra.get("nobody"), 404)
    refused(entra.put(user["id"], person(), If_Match='W/"0"'), 412, code="E_Version_Conflict")


@pytest.mark.parametrize(
    "path", ["/Robots", "/Users/a/b", "/ResourceTypes/User/x", "/ServiceProviderConfig/x", "/Users/a/b/c/d", "/.well-known"]
)
def test_a10_an_unknown_path_is_404_in_scims_own_form(entra: People, path: str) -> None:
    refused(entra.send("GET", path), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/Users"), ("DELETE", "/Users"), ("PATCH", "/Groups"), ("POST", "/Users/x"), ("TRACE", "/Users")]
)
def test_a10_an_unsupported_method_is_405_with_allow(entra: People, method: str, path: str) -> None:
    answer = entra.send(method, path)
    refused(answer, 405, code="E_Method_Not_Allowed")
    assert "GET" in answer.headers["Allow"]


def test_a10_an_invented_method_and_an_unknown_tenant_are_answered_in_scims_own_form(entra: People, client: FlaskClient) -> None:
    refused(entra.send("BREW", "/Users"), 405)
    for path in ("/t/nobody/scim/v2/Users", "/t/nobody/scim/v2", "/scim/v2/Users"):
        answer = client.get(path, base_url="http://localhost:8000")
        refused(Reply(answer.status_code, answer.headers, answer.data), 404)


def test_a10_head_is_get_without_a_body(entra: People) -> None:
    user = entra.create()["id"]
    whole, head = entra.get(user), entra.send("HEAD", f"/Users/{user}")
    assert head.status_code == 200
    assert head.data == b""
    assert head.headers["ETag"] == whole.headers["ETag"]


@pytest.mark.parametrize("path", ["/Users/", "/users", "/USERS", "/Users/?count=1"])
def test_a11_a_slash_at_the_end_and_another_case_of_the_endpoint_are_taken(entra: People, path: str) -> None:
    entra.create()
    assert entra.send("GET", path).json["totalResults"] == 1


@pytest.mark.parametrize("path", ["/Users", "/Users/x", "/Schemas", "/", "/.search"])
def test_a12_options_tells_the_methods(entra: People, path: str) -> None:
    answer = entra.send("OPTIONS", path)
    assert answer.status_code == 204
    assert "OPTIONS" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/Me", "/Bulk"])
def test_a104_me_and_bulk_are_not_implemented(entra: People, path: str) -> None:
    refused(entra.send("GET", path), 501, code="E_Not_Supported")
    refused(entra.send("POST", path, {}), 501)


def test_a105_beyond_its_rate_a_connection_hears_429_and_others_do_not(
    entra: People, okta: People, context: Context, acme: Node, clock: Clock
) -> None:
    connections.change_connection(context, acme, entra.connection, replace(entra.connection, rate=25))
    answers = [entra.send("GET", "/Users") for _ in range(26)]
    assert [answer.status_code for answer in answers[:25]] == [200] * 25
    refused(answers[25], 429, code="E_Rate_Limited")
    assert int(answers[25].headers["Retry-After"]) >= 1
    assert okta.send("GET", "/Users").status_code == 200
    clock.advance(seconds=1)
    assert entra.send("GET", "/Users").status_code == 200


def test_a106_a_revoked_token_is_refused_at_once_and_another_one_lives_on(entra: People, context: Context) -> None:
    first = connections.list_tokens(context, entra.connection)[0]
    second = connections.add_token(context, entra.connection)
    other = replace(entra, token=second.secret)
    assert [directory.send("GET", "/Users").status_code for directory in (entra, other)] == [200, 200]
    connections.revoke_token(context, entra.connection, first.id)
    refused(entra.send("GET", "/Users"), 401, code="E_Token_Revoked")
    assert other.send("GET", "/Users").status_code == 200


def test_a106_an_expired_token_is_refused(entra: People, context: Context, clock: Clock) -> None:
    short = connections.add_token(context, entra.connection, days=1)
    directory = replace(entra, token=short.secret)
    assert directory.send("GET", "/Users").status_code == 200
    clock.advance(seconds=86_400)
    refused(directory.send("GET", "/Users"), 401, code="E_Token_Revoked")


def test_a106_a_token_is_unknown_at_another_tenants_base(entra: People, globex: Node) -> None:
    refused(replace(entra, node=globex).send("GET", "/Users"), 401, code="E_Token_Revoked")


def test_a106_a_disabled_connection_is_refused_and_wakes(entra: People, context: Context, acme: Node) -> None:
    off = connections.set_disabled(context, acme, entra.connection, disabled=True)
    refused(entra.send("GET", "/Users"), 401, code="E_Token_Revoked")
    connections.set_disabled(context, acme, off, disabled=False)
    assert entra.send("GET", "/Users").status_code == 200


def test_a106_last_use_is_noted_at_most_once_a_minute(entra: People, context: Context, clock: Clock) -> None:
    def last_used() -> int | None:
        return connections.list_tokens(context, entra.connection)[0].last_used_at

    assert last_used() is None
    entra.send("GET", "/Users")
    first = last_used()
    assert first == clock.now
    clock.advance(seconds=59)
    entra.send("GET", "/Users")
    assert last_used() == first
    clock.advance(seconds=1)
    entra.send("GET", "/Users")
    assert last_used() == clock.now


def test_a106_a_disabled_tenant_or_ancestor_answers_403_and_its_tokens_wake_again(
    entra: People, context: Context, acme: Node, platform: Node
) -> None:
    for node in (acme, platform):
        off = nodes.disable_node(context, node)
        refused(entra.send("GET", "/Users"), 403, code="E_Tenant_Not_Allowed")
        refused(entra.raw("GET", "/Users", b"", Authorization="Bearer wrong"), 401)
        nodes.enable_node(context, off)
        assert entra.send("GET", "/Users").status_code == 200


def test_a107_a_409_tells_nothing_of_another_tenant(entra: People, client: FlaskClient, context: Context, globex: Node) -> None:
    other = people_of(client, context, globex)
    email = [{"value": "ada@acme.example", "primary": True}]
    theirs = other.create("ada@acme.example", emails=email)
    mine = entra.create("ada@acme.example", emails=email)
    assert mine["id"] != theirs["id"]
    detail = refused(entra.post(person()), 409, "uniqueness")
    assert "globex" not in detail
    assert theirs["id"] not in detail


def test_a108_prefer_decides_about_the_body(entra: People, okta: People) -> None:
    created = entra.post(person(), Prefer="return=minimal")
    assert (created.status_code, created.data) == (201, b"")
    assert created.headers["Preference-Applied"] == "return=minimal"
    user = created.headers["Location"].rpartition("/")[2]
    operation = {"op": "replace", "path": "title", "value": "Countess"}
    answer = entra.change(user, operation, Prefer="return=minimal")
    assert (answer.status_code, answer.data) == (204, b"")
    answer = entra.change(user, operation, Prefer="respond-async, return=representation")
    assert (answer.status_code, answer.json["title"]) == (200, "Countess")


def test_a109_each_write_and_each_refused_write_leaves_an_audit_row_and_a_log_row_without_secrets(
    entra: People, context: Context, acme: Node
) -> None:
    secret = "correct horse battery staple"
    created = entra.post(person(password=secret))
    refused(entra.post(person(password=secret)), 409, "uniqueness")
    refused(entra.change(created.json["id"], {"op": "add", "path": "password", "value": {"x": secret}}), 400, "invalidValue")
    rows = audit.list_audit_of_correlation(context.database, created.headers["X-Correlation-Id"])
    assert ("person.created", "done", entra.connection.id) in {(row.action, row.outcome, row.actor) for row in rows}
    log = entra.log(context)
    assert [(row.operation, row.status, row.code) for row in log] == [
        ("user.patch", 400, "E_Field_Invalid"),
        ("user.create", 409, "E_Login_Taken"),
        ("user.create", 201, ""),
    ]
    refusals = audit.list_audit_of_correlation(context.database, log[0].correlation_id)
    assert [(row.action, row.outcome, row.code) for row in refusals] == [("user.patch", "refused", "E_Field_Invalid")]
    everything = repr(log) + repr(rows) + repr(refusals)
    assert secret not in everything
    assert entra.token not in everything
    assert '"password":"***"' in log[2].body
    assert log[2].target == created.json["id"]
    assert log[2].duration_us > 0
    assert connections.explain_request(context, acme, log[0].correlation_id).id == log[0].id


def test_a109_a_refused_write_rolls_back_its_own_log_and_the_refusal_stays(entra: People, context: Context) -> None:
    refused(entra.delete("nobody"), 404)
    assert [(row.operation, row.status, row.target) for row in entra.log(context)] == [("user.remove", 404, "nobody")]


def test_a109_reads_are_logged_with_the_next_write_or_after_a_second(entra: People, context: Context, clock: Clock) -> None:
    entra.send("GET", "/Users")
    assert entra.log(context) == []
    entra.create()
    assert {row.operation for row in entra.log(context)} == {"user.search", "user.create"}
    entra.get("nobody")
    clock.advance(seconds=1)
    entra.send("GET", "/Schemas")
    assert [row.status for row in entra.log(context) if row.operation == "user.read"] == [404]


def test_a110_forwarded_hosts_do_not_forge_locations(entra: People) -> None:
    user = entra.create()["id"]
    answer = entra.get(user, X_Forwarded_Host="evil.example", X_Forwarded_Proto="https", Forwarded="host=evil.example")
    assert answer.json["meta"]["location"] == f"http://localhost:8000/t/acme/scim/v2/Users/{user}"
    assert "evil" not in answer.text


def test_a_body_of_ten_megabytes_is_refused_unread(entra: People) -> None:
    refused(entra.raw("POST", "/Users", b'{"userName":"' + b"x" * 10_000_000 + b'"}'), 413, code="E_Body_Too_Large")


@pytest.mark.parametrize("method", ["GET", "POST", "INVENTED"])
def test_a_directory_gets_no_html_where_not_even_the_tenant_can_be_looked_for(client: FlaskClient, acme: Node, method: str) -> None:
    with broken(nodes, "find_issuer", DatabaseUnavailable("disk I/O error")):
        answer = client.open("/t/acme/scim/v2/Users", method=method, base_url="http://localhost:8000")
    refused(Reply(answer.status_code, answer.headers, answer.data), 503, code="E_Unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_database_that_cannot_serve_is_503_with_retry_after(context: Context, entra: People) -> None:
    user = entra.create()["id"]
    with broken(type(context.database), "_run", DatabaseUnavailable("disk I/O error")):
        for answer in (entra.get(user), entra.post(person("new@acme.example"))):
            refused(answer, 503, code="E_Unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert "disk" not in answer.text


def test_a_fault_of_ours_is_500_in_scims_own_form_and_tells_nothing(entra: People, app: Flask) -> None:
    app.testing = False
    with broken(connections, "authenticate", ZeroDivisionError("secret detail")):
        answer = entra.send("GET", "/Users")
    refused(answer, 500, code="E_Internal")
    assert "secret detail" not in answer.text
    with broken(connections, "authenticate", DatabaseUnavailable("locked")):
        refused(entra.send("GET", "/Users"), 503)


def test_a_search_by_post_wants_its_schema(entra: People) -> None:
    refused(entra.send("POST", "/Users/.search", {"filter": "userName pr"}), 400, "invalidSyntax")
    refused(entra.send("POST", "/Users/.search", {"schemas": [SEARCH_URN], "count": "many"}), 400, "invalidValue")
    refused(entra.send("POST", "/Users/.search", {"schemas": [SEARCH_URN], "filter": ["x"]}), 400, "invalidValue")
