"""What each command does, by its results."""

import json
from dataclasses import replace

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import nodes, people, relying_parties
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.services.relying_parties import NewRelyingParty
from tests.cli.conftest import Commands
from tests.outbound.dns_server import dns_server


@pytest.fixture
def ada(context: Context, acme: Node) -> Account:
    fields = PersonFields(user_name="ada@acme.example", given_name="Ada", family_name="Lovelace", email="ada@acme.example")
    return people.create_person(context, acme, NewPerson(fields))


class TestPlatform:
    def test_init_shows_the_password_once_and_changes_nothing_when_run_again(self, moongate: Commands) -> None:
        words = ("platform", "init", "--admin-login", "admin", "--admin-email", "admin@example.com")
        first = moongate.json(*words)
        assert first["login"] == "admin"
        assert len(first["temporary_password"]) >= 20
        assert first["console"] == "http://localhost:8000/admin/?tenant=platform"
        assert moongate.json(*words) == first | {"temporary_password": None}

    def test_init_refuses_another_administrator(self, moongate: Commands) -> None:
        moongate.json("platform", "init", "--admin-login", "admin", "--admin-email", "admin@example.com")
        assert moongate.refusal("platform", "init", "--admin-login", "mallory", "--admin-email", "m@example.com") == "E_Scope_Mismatch"

    def test_init_that_is_refused_leaves_no_platform(self, moongate: Commands) -> None:
        assert moongate.refusal("platform", "init", "--admin-login", "a b", "--admin-email", "admin@example.com") == "E_Login_Syntax"
        assert moongate.json("tenant", "list") == []

    def test_the_first_administrator_holds_the_highest_role(self, moongate: Commands) -> None:
        moongate.json("platform", "init", "--admin-login", "admin", "--admin-email", "admin@example.com")
        role = moongate.json("role", "show", "--tenant", "platform", "platform administrator")
        assert role["type"] == "hierarchy"
        assert role["holders"] == [{"login": "admin", "tenant": "platform", "source": "manual"}]


class TestTenant:
    def test_create_tells_issuer_and_scim_base(self, moongate: Commands, platform: Node) -> None:
        created = moongate.json("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer")
        assert created["issuer"] == "http://localhost:8000/t/acme"
        assert created["scim_base"] == "http://localhost:8000/t/acme/scim/v2"
        assert created["status"] == "enabled"

    def test_life_of_a_tenant(self, moongate: Commands, acme: Node) -> None:
        assert moongate.refusal("tenant", "delete", "acme") == "E_Delete_Enabled_User"
        assert moongate.json("tenant", "disable", "acme")["status"] == "disabled"
        assert moongate.json("tenant", "delete", "acme")["status"] == "deleted"
        assert moongate.refusal("tenant", "enable", "acme") == "E_Scope_Mismatch"
        assert moongate.json("tenant", "recover", "acme")["status"] == "disabled"
        assert moongate.json("tenant", "enable", "acme")["status"] == "enabled"

    def test_show_tells_where_it_hangs_and_how_many_live_there(self, moongate: Commands, acme: Node, ada: Account) -> None:
        shown = moongate.json("tenant", "show", "acme")
        assert shown["path"] == ["platform", "acme"]
        assert shown["people"] == 1

    def test_set_changes_name_outbound_and_policies(self, moongate: Commands, acme: Node) -> None:
        changed = moongate.json("tenant", "set", "acme", "--name", "Acme", "--private-outbound", "yes", "--policy", "session=600")
        assert (changed["name"], changed["private_outbound"], changed["policies"]) == ("Acme", True, {"session": 600})
        assert moongate.json("tenant", "set", "acme", "--policy", "session=")["policies"] == {}
        assert moongate.refusal("tenant", "set", "acme", "--policy", "session=never") == "E_Field_Invalid"

    def test_list_shows_the_tree_or_a_part_of_it(self, moongate: Commands, acme: Node, globex: Node) -> None:
        assert [row["slug"] for row in moongate.json("tenant", "list")] == ["acme", "globex", "platform"]
        assert [row["slug"] for row in moongate.json("tenant", "list", "--below", "acme")] == ["acme"]
        table = moongate.words("tenant", "list").splitlines()
        assert table[0].split() == ["SLUG", "NAME", "KIND", "PARENT", "STATUS", "ISSUER"]
        assert table[1].index("customer") == table[0].index("KIND")

    def test_an_unknown_tenant_is_refused(self, moongate: Commands, platform: Node) -> None:
        assert moongate.refusal("tenant", "show", "nobody") == "E_Resource_Not_Found"


class TestDomain:
    def test_add_tells_the_record_that_proves_it(self, moongate: Commands, acme: Node) -> None:
        added = moongate.json("domain", "add", "--tenant", "acme", "Acme.Example")
        assert added["domain"] == "acme.example"
        assert added["status"] == "pending"
        assert added["txt_name"] == "_moongate-challenge.acme.example"
        assert added["txt_value"].startswith("moongate-domain-verification=mgdns_")

    def test_a_domain_is_added_listed_and_removed(self, moongate: Commands, acme: Node) -> None:
        moongate.json("domain", "add", "--tenant", "acme", "acme.example", "--assume-verified")
        assert [row["status"] for row in moongate.json("domain", "list", "--tenant", "acme")] == ["verified"]
        assert moongate.json("domain", "remove", "--tenant", "acme", "acme.example") == {}
        assert moongate.json("domain", "list", "--tenant", "acme") == []
        assert moongate.refusal("domain", "remove", "--tenant", "acme", "acme.example") == "E_Resource_Not_Found"

    def test_a_domain_is_verified_by_its_record(self, moongate: Commands, acme: Node) -> None:
        records: dict[str, list[str]] = {}
        with dns_server(records) as server:
            house = moongate.house
            with_dns = Commands(replace(house, settings=replace(house.settings, dns_servers=(server,))))
            added = with_dns.json("domain", "add", "--tenant", "acme", "acme.example")
            assert with_dns.refusal("domain", "verify", "--tenant", "acme", "acme.example") == "E_Domain_Unproved"
            records[added["txt_name"]] = [f'"{added["txt_value"]}"']
            assert with_dns.json("domain", "verify", "--tenant", "acme", "acme.example")["status"] == "verified"


class TestRole:
    def test_a_role_is_created_granted_and_revoked(self, moongate: Commands, context: Context, acme: Node, ada: Account) -> None:
        app, _ = relying_parties.register(context, acme.id, NewRelyingParty("Portal", ["https://app.example/cb"]))
        made = moongate.json("role", "create", "--tenant", "acme", "Planner", "--app", app.client_id, "--level", "2")
        assert (made["apps"], made["level"], made["status"]) == ([app.client_id], 2, "active")
        moongate.json("role", "grant", "--tenant", "acme", "planner", "ada@acme.example")
        shown = moongate.json("role", "show", "--tenant", "acme", "Planner")
        assert shown["holders"] == [{"login": "ada@acme.example", "tenant": "acme", "source": "manual"}]
        assert moongate.json("role", "revoke", "--tenant", "acme", "Planner", "ada@acme.example") == {"revoked": True}
        assert moongate.json("role", "revoke", "--tenant", "acme", "Planner", "ada@acme.example") == {"revoked": False}

    def test_an_inactive_role_cannot_be_granted(self, moongate: Commands, acme: Node, ada: Account) -> None:
        moongate.json("role", "create", "--tenant", "acme", "Planner")
        assert moongate.json("role", "inactivate", "--tenant", "acme", "Planner")["status"] == "inactive"
        assert moongate.refusal("role", "grant", "--tenant", "acme", "Planner", "ada@acme.example") == "E_Role_Inactive_Assign"
        assert moongate.json("role", "activate", "--tenant", "acme", "Planner")["status"] == "active"
        assert [row["name"] for row in moongate.json("role", "list", "--tenant", "acme")] == ["Planner"]

    def test_a_role_is_not_granted_to_somebody_of_another_tenant(self, moongate: Commands, globex: Node, ada: Account) -> None:
        moongate.json("role", "create", "--tenant", "globex", "Planner")
        assert moongate.refusal("role", "grant", "--tenant", "globex", "Planner", "ada@acme.example") == "E_Resource_Not_Found"


class TestMembership:
    def test_a_member_is_added_with_roles_listed_and_removed(self, moongate: Commands, globex: Node, ada: Account) -> None:
        moongate.json("role", "create", "--tenant", "globex", "Planner")
        added = moongate.json("membership", "add", "--tenant", "globex", "ada@acme.example", "--role", "Planner")
        assert (added["tenant"], added["state"]) == ("globex", "accepted")
        [row] = moongate.json("membership", "list", "--tenant", "globex")
        assert row["login"] == "ada@acme.example"
        assert len(moongate.json("role", "show", "--tenant", "globex", "Planner")["holders"]) == 1
        moongate.json("membership", "remove", "--tenant", "globex", "ada@acme.example")
        assert moongate.json("membership", "list", "--tenant", "globex") == []
        assert moongate.json("role", "show", "--tenant", "globex", "Planner")["holders"] == []

    def test_a_proposal_waits_for_the_home(self, moongate: Commands, globex: Node, ada: Account) -> None:
        assert moongate.json("membership", "add", "--tenant", "globex", "ada@acme.example", "--propose")["state"] == "proposed"
        assert moongate.json("membership", "accept", "--tenant", "globex", "ada@acme.example", "--home", "acme")["state"] == "accepted"

    def test_roles_of_a_proposal_are_given_when_it_is_accepted(self, moongate: Commands, globex: Node, ada: Account) -> None:
        words = ("membership", "add", "--tenant", "globex", "ada@acme.example", "--propose", "--role", "Planner")
        assert moongate.run(*words).exit_code == 2


class TestScimConnection:
    def test_a_secret_is_shown_once(self, moongate: Commands, acme: Node) -> None:
        made = moongate.json("scim-connection", "create", "--tenant", "acme", "--name", "Directory", "--days", "30")
        assert made["base_url"] == "http://localhost:8000/t/acme/scim/v2"
        assert made["token"].startswith("mgscim_")
        shown = moongate.run("scim-connection", "show", "--tenant", "acme", made["id"], "--json").stdout
        assert made["token"] not in shown
        assert json.loads(shown)["profile"] == "entra"

    def test_tokens_are_added_and_revoked(self, moongate: Commands, acme: Node) -> None:
        made = moongate.json("scim-connection", "create", "--tenant", "acme", "--name", "Directory")
        added = moongate.json("scim-connection", "add-token", "--tenant", "acme", made["id"])
        assert added["token"] != made["token"]
        assert moongate.json("scim-connection", "revoke-token", "--tenant", "acme", made["id"], added["token_id"]) == {}
        tokens = moongate.json("scim-connection", "show", "--tenant", "acme", made["id"])["tokens"]
        assert sorted(token["revoked_at"] is None for token in tokens) == [False, True]

    def test_switches_are_set(self, moongate: Commands, acme: Node) -> None:
        made = moongate.json("scim-connection", "create", "--tenant", "acme", "--name", "Directory")
        words = ("--name", "AD", "--profile", "okta", "--patch-reply", "204", "--adopt", "yes", "--rate", "50", "--disabled", "yes")
        changed = moongate.json("scim-connection", "set", "--tenant", "acme", made["id"], *words)
        assert (changed["name"], changed["profile"], changed["patch_reply"]) == ("AD", "okta", 204)
        assert (changed["adopt"], changed["rate"], changed["status"]) == (True, 50, "disabled")
        [listed] = moongate.json("scim-connection", "list", "--tenant", "acme")
        assert listed == changed

    def test_another_tenants_connection_is_unknown(self, moongate: Commands, acme: Node, globex: Node) -> None:
        made = moongate.json("scim-connection", "create", "--tenant", "acme", "--name", "Directory")
        assert moongate.refusal("scim-connection", "show", "--tenant", "globex", made["id"]) == "E_Resource_Not_Found"
        assert moongate.refusal("scim-connection", "delete", "--tenant", "globex", made["id"]) == "E_Resource_Not_Found"
        assert moongate.json("scim-connection", "delete", "--tenant", "acme", made["id"]) == {}


class TestAudit:
    def test_every_act_is_listed_with_its_actor_at_its_tenant_and_above(self, moongate: Commands, acme: Node) -> None:
        moongate.json("tenant", "disable", "acme")
        for slug in ("acme", "platform"):
            latest = moongate.json("audit", "list", "--tenant", slug, "--limit", "1")[0]
            assert (latest["action"], latest["tenant"], latest["channel"]) == ("tenant.disabled", "acme", "cli")
            assert latest["actor"] == "operator"

    def test_a_neighbour_sees_nothing_of_it(self, moongate: Commands, acme: Node, globex: Node) -> None:
        moongate.json("tenant", "disable", "acme")
        assert {row["tenant"] for row in moongate.json("audit", "list", "--tenant", "globex")} == {"globex"}

    def test_what_happened_under_a_correlation_id_is_found(self, moongate: Commands, acme: Node, globex: Node) -> None:
        moongate.json("tenant", "disable", "acme")
        correlation = moongate.json("audit", "list", "--tenant", "acme", "--limit", "1")[0]["correlation_id"]
        assert len(moongate.json("audit", "list", "--tenant", "acme", "--correlation", correlation)) == 1
        assert moongate.json("audit", "list", "--tenant", "globex", "--correlation", correlation) == []


class TestInstallation:
    def test_migrate_tells_the_version(self, moongate: Commands) -> None:
        assert moongate.json("migrate")["version"] >= 1


def test_a_bug_is_told_in_one_line_without_a_trace_or_values(moongate: Commands, platform: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(nodes, "list_nodes", broken)
    assert moongate.refusal("tenant", "list") == "E_Internal"
    ended = moongate.run("tenant", "list")
    assert len(ended.stderr.splitlines()) == 1
    assert "KeyError at test_nouns.py:" in ended.stderr
    assert "secret" not in ended.stderr
