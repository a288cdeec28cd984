"""What was made ready of a person when it was written is never out of date, whoever changes what it was made of."""

from dataclasses import replace

import pytest

from gateway.domain.credential import TotpFactor
from gateway.domain.identity import Criterion
from gateway.domain.nodes import Node
from gateway.domain.values import Instant
from gateway.services import connections, people, second_factor
from gateway.services.context import Context
from gateway.storage import factors, identity_providers
from gateway.storage import people as stored_people
from gateway.storage.identity_providers import SignInMethod
from tests.ready import require_ready_is_right
from tests.scim.people import MOONGATE_URN, People
from tests.services.corp import add_provider


@pytest.fixture
def ada(entra: People) -> str:
    return str(entra.create()["id"])


def test_who_is_written_by_its_directory_is_read_from_what_was_made_ready(entra: People, context: Context, ada: str) -> None:
    assert require_ready_is_right(context) == 1
    entra.changed(ada, {"op": "replace", "path": "title", "value": "Countess"})
    assert require_ready_is_right(context) == 1


def test_a_second_factor_shows_at_once_and_goes_at_once(entra: People, context: Context, acme: Node, ada: str) -> None:
    account = people.get_person(context, acme, "ada@acme.example")
    before = entra.get(ada)
    factors.replace_factor(context.database, TotpFactor(account.id, "wrapped", 0, 0, replace=False, enrolled_at=context.now()))
    enrolled = entra.get(ada)
    assert enrolled.json[MOONGATE_URN]["mfaStatus"] == "enrolled"
    assert enrolled.headers["ETag"] != before.headers["ETag"]
    second_factor.reset(context, account)
    assert entra.get(ada).json[MOONGATE_URN]["mfaStatus"] == "none"


def test_providers_and_what_they_match_by_show_at_once(entra: People, context: Context, acme: Node, ada: str) -> None:
    account = people.get_person(context, acme, "ada@acme.example")
    provider = add_provider(context, acme, Criterion.EMAIL)
    identity_providers.replace_sign_in_methods(context.database, account.id, [SignInMethod(provider.id, 0, "ada.l")])
    shown = entra.get(ada).json[MOONGATE_URN]
    assert (shown["signInMethod"], shown["customLogin"]) == ("corp", "ada.l")
    entra.changed(ada, {"op": "replace", "path": "title", "value": "Countess"})
    identity_providers.change_provider(context.database, replace(provider, matching=Criterion.CUSTOM_LOGIN))
    assert entra.get(ada).json[MOONGATE_URN]["loginMatching"] == Criterion.CUSTOM_LOGIN.value
    identity_providers.delete_provider(context.database, provider.id)
    assert entra.get(ada).json[MOONGATE_URN]["signInMethod"] == "password"


def test_a_directorys_own_id_shows_at_once(entra: People, context: Context, ada: str) -> None:
    account = stored_people.find_account_by_name(context.database, entra.node.namespace, "ada@acme.example")
    assert account is not None
    stored_people.replace_external_id(context.database, entra.connection.id, account.id, "another")
    assert entra.get(ada).json["externalId"] == "another"


def test_what_an_administrator_does_shows_at_once(entra: People, context: Context, acme: Node, ada: str) -> None:
    account = people.set_admin_lock(context, people.get_person(context, acme, "ada@acme.example"), locked=True)
    assert entra.get(ada).json[MOONGATE_URN]["lockedOut"] is True
    account = people.set_admin_lock(context, account, locked=False)
    people.set_enabled(context, account, enabled=False)
    assert entra.get(ada).json["active"] is False


def test_an_end_that_comes_by_itself_is_not_made_ready(entra: People, context: Context, acme: Node, ada: str) -> None:
    account = people.get_person(context, acme, "ada@acme.example")
    with context.database.transaction():
        people.store_person(context, account, replace(account, disable_after=Instant(context.now() + 1)))
    entra.changed(ada, {"op": "replace", "path": "title", "value": "Countess"})
    assert require_ready_is_right(context) == 0


def test_another_connection_sees_its_own_id(entra: People, context: Context, acme: Node, ada: str) -> None:
    other = connections.create_connection(context, acme, connections.NewConnection(name="Second"))
    seen = replace(entra, token=other.secret, connection=other.connection).get(ada)
    assert "externalId" not in seen.json
    listed = replace(entra, token=other.secret, connection=other.connection).send("GET", "/Users").json["Resources"]
    assert listed == [seen.json]


def test_pages_hold_what_single_reads_answer(crowd: People) -> None:
    for person in crowd.send("GET", "/Users").json["Resources"]:
        assert crowd.get(person["id"]).json == person
