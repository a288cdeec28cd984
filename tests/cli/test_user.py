"""`moongate user` and `moongate session`: made, changed, locked, reset, signed out (interfaces.md section 3)."""

import pytest

from gateway.domain.locks import GuessPath
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.services import access, credentials, domains, locks, nodes, people, second_factor
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.storage import sessions as stored_sessions
from tests.cli.conftest import Commands
from tests.conftest import Clock
from tests.factors import PASSWORD, add_app, add_person, add_provider, by_password, current, enrol

ANNA = ("--login", "anna", "--email", "anna@mail.example", "--given-name", "Anna", "--family-name", "Berg")


@pytest.fixture
def ben(context: Context, acme: Node) -> Account:
    """Has a password."""
    return add_person(context, acme, "ben")


def test_create_shows_id_login_status_and_no_warnings(moongate: Commands, acme: Node) -> None:
    made = moongate.json("user", "create", "--tenant", "acme", *ANNA)
    assert set(made) == {"id", "login", "status", "warnings"}
    assert (made["login"], made["status"], made["warnings"]) == ("anna", "invited", [])


def test_without_a_login_the_email_address_is_it(moongate: Commands, acme: Node) -> None:
    made = moongate.json("user", "create", "--tenant", "acme", *ANNA[2:])
    assert made["login"] == "anna@mail.example"


def test_a_temporary_password_is_shown_once_and_works(moongate: Commands, context: Context, acme: Node) -> None:
    made = moongate.json("user", "create", "--tenant", "acme", *ANNA, "--temporary-password")
    assert made["status"] == "mustChangePassword"
    assert credentials.check_password(context, acme, "anna", made["temporary_password"]).code == ""
    assert made["temporary_password"] not in str(moongate.json("user", "show", "--tenant", "acme", "anna"))


def test_a_password_is_read_from_standard_input(moongate: Commands, context: Context, acme: Node) -> None:
    made = moongate.json("user", "create", "--tenant", "acme", *ANNA, "--password-stdin", text=f"{PASSWORD}\n")
    assert made["status"] == "active"
    assert credentials.check_password(context, acme, "anna", PASSWORD).code == ""


def test_a_password_that_breaks_a_rule_makes_nobody(moongate: Commands, acme: Node) -> None:
    ended = moongate.run("user", "create", "--tenant", "acme", *ANNA, "--password-stdin", "--json", text="short\n")
    assert ended.exit_code == 1
    assert "E_Password_Policy" in ended.stderr
    assert moongate.json("user", "list", "--tenant", "acme") == []


@pytest.mark.parametrize(
    "words",
    [
        ("--login", "anna", "--user-name", "anna", "--domain", "hosted.example"),
        ("--user-name", "anna"),
        ("--given-name", "Anna"),
        (*ANNA, "--password-stdin", "--temporary-password"),
        (*ANNA, "--matching", "shoe size"),
    ],
)
def test_contradictions_are_wrong_usage(moongate: Commands, acme: Node, words: tuple[str, ...]) -> None:
    assert moongate.run("user", "create", "--tenant", "acme", *words).exit_code == 2


def test_every_option_is_stored(moongate: Commands, context: Context, acme: Node) -> None:
    add_provider(context, acme)
    access.create_role(context, acme.id, "Buyer", kind="tenant", apps=(), level=0)
    optional = ("--phone", "+49 1", "--business-phone", "+49 2", "--job-title", "Pilot", "--language", "de", "--contact", "billing")
    way = ("--idp", "corp", "--matching", "custom-login", "--federated-login", "aberg", "--federated-only", "--mfa-required", "--disabled")
    moongate.json("user", "create", "--tenant", "acme", *ANNA, *optional, *way, "--role", "Buyer")
    shown = moongate.json("user", "show", "--tenant", "acme", "anna")
    expected = {
        "status": "disabled",
        "phone": "+49 1",
        "business_phone": "+49 2",
        "job_title": "Pilot",
        "language": "de",
        "contacts": ["billing"],
        "roles": ["Buyer"],
        "idps": ["corp"],
        "matching": "custom-login",
        "federated_login": "aberg",
        "federated_only": True,
        "mfa_required": True,
        "enabled": False,
        "password_set": False,
    }
    assert {name: shown[name] for name in expected} == expected


def test_a_role_that_is_unknown_makes_nobody(moongate: Commands, acme: Node) -> None:
    assert moongate.refusal("user", "create", "--tenant", "acme", *ANNA, "--role", "King") == "E_Role_Unknown"
    assert moongate.json("user", "list", "--tenant", "acme") == []


def test_federated_only_needs_an_active_provider(moongate: Commands, acme: Node, ben: Account) -> None:
    assert moongate.refusal("user", "create", "--tenant", "acme", *ANNA, "--federated-only") == "E_Field_Invalid"
    assert moongate.refusal("user", "force-federated", "--tenant", "acme", "ben") == "E_Field_Invalid"


def test_a_user_name_at_a_hosted_domain_is_the_login(moongate: Commands, context: Context, acme: Node) -> None:
    domains.add(context, acme, "hosted.example", kind="hosted", assume_verified=True)
    at = ("--user-name", "anna", "--domain", "Hosted.example")
    assert moongate.json("user", "create", "--tenant", "acme", *at, *ANNA[2:])["login"] == "anna@hosted.example"
    twice = ("--user-name", "anna@hosted.example", "--domain", "hosted.example")
    assert moongate.refusal("user", "create", "--tenant", "acme", *twice, *ANNA[2:]) == "E_Upn_Domain_Mismatch"


def test_a_login_at_a_domain_that_a_partner_hosts_works_at_the_partners_issuer_too(
    moongate: Commands, context: Context, platform: Node
) -> None:
    partner = nodes.create_node(context, platform.id, NewNode("partner", "Partner", NodeKind.PARTNER))
    shop = nodes.create_node(context, partner.id, NewNode("shop", "Shop", NodeKind.CUSTOMER))
    domains.add(context, partner, "hosted.example", kind="hosted", assume_verified=True)
    at = ("--user-name", "anna", "--domain", "hosted.example")
    made = moongate.json("user", "create", "--tenant", "shop", *at, *ANNA[2:], "--temporary-password")
    for node in (partner, shop):
        assert credentials.check_password(context, node, "anna@hosted.example", made["temporary_password"]).code == ""
    nodes.create_node(context, partner.id, NewNode("other", "Other", NodeKind.CUSTOMER))
    second = ("--email", "x@mail.example", "--given-name", "A", "--family-name", "B")
    assert moongate.refusal("user", "create", "--tenant", "other", *at, *second) == "E_Login_Taken"


def test_a_domain_that_the_tenant_does_not_host_is_refused(moongate: Commands, context: Context, acme: Node, globex: Node) -> None:
    domains.add(context, globex, "hosted.example", kind="hosted", assume_verified=True)
    at = ("--user-name", "anna", "--domain", "hosted.example")
    assert moongate.refusal("user", "create", "--tenant", "acme", *at, *ANNA[2:]) == "E_Domain_Not_Allowed"


def test_a_login_that_is_taken_is_refused(moongate: Commands, acme: Node, ben: Account) -> None:
    words = ("--login", "BEN", "--email", "b@mail.example", "--given-name", "B", "--family-name", "B")
    assert moongate.refusal("user", "create", "--tenant", "acme", *words) == "E_Login_Taken"


def test_update_changes_what_is_named_and_nothing_else(moongate: Commands, acme: Node, ben: Account) -> None:
    changed = moongate.json("user", "update", "--tenant", "acme", "ben", "--job-title", "Pilot", "--login", "benno", "--mfa-required")
    assert (changed["login"], changed["job_title"], changed["given_name"], changed["mfa_required"]) == ("benno", "Pilot", "Given", True)
    assert changed["status"] == "mustEnrolMfa"
    back = moongate.json("user", "update", "--tenant", "acme", "benno", "--no-mfa-required")
    assert (back["mfa_required"], back["job_title"]) == (False, "Pilot")


def test_update_changes_the_sign_in_method_and_what_it_calls_the_person(
    moongate: Commands, context: Context, acme: Node, ben: Account
) -> None:
    add_provider(context, acme)
    assert moongate.refusal("user", "update", "--tenant", "acme", "ben", "--federated-login", "b1") == "E_Field_Required"
    moongate.json("user", "update", "--tenant", "acme", "ben", "--idp", "corp", "--federated-login", "b1")
    assert moongate.json("user", "update", "--tenant", "acme", "ben", "--idp", "corp")["federated_login"] == "b1"
    add_person(context, acme, "eve")
    taken = ("--idp", "corp", "--federated-login", "B1")
    assert moongate.refusal("user", "update", "--tenant", "acme", "eve", *taken) == "E_Login_Taken"
    assert moongate.refusal("user", "update", "--tenant", "acme", "eve", "--idp", "other") == "E_Idp_Unknown"


def test_disable_ends_sessions_and_enable_lets_in_again(moongate: Commands, context: Context, acme: Node, ben: Account) -> None:
    by_password(context, acme, add_app(context, acme), ben)
    assert len(moongate.json("session", "list", "--tenant", "acme", "ben")) == 1
    assert moongate.json("user", "disable", "--tenant", "acme", "ben")["status"] == "disabled"
    assert stored_sessions.list_sessions(context.database, ben.id) == []
    assert moongate.json("user", "enable", "--tenant", "acme", "ben")["status"] == "active"


def test_lock_and_unlock(moongate: Commands, context: Context, acme: Node, ben: Account) -> None:
    assert moongate.json("user", "lock", "--tenant", "acme", "ben")["status"] == "lockedOut"
    for _ in range(10):
        credentials.check_password(context, acme, "ben", "wrong")
    assert moongate.json("user", "show", "--tenant", "acme", "ben")["wrong_passwords"] == 10
    assert moongate.json("user", "unlock", "--tenant", "acme", "ben")["status"] == "active"
    assert credentials.check_password(context, acme, "ben", PASSWORD).code == ""


def test_an_automatic_lock_is_shown_with_its_end(moongate: Commands, context: Context, acme: Node, ben: Account) -> None:
    for _ in range(10):
        locks.punish(context, locks.count_guess(context, ben, "ben", GuessPath.PASSWORD))
    shown = moongate.json("user", "show", "--tenant", "acme", "ben")
    assert (shown["status"], shown["password_locked_until"]) == ("lockedOut", "2026-09-21T14:18:20Z")


def test_force_federated_erases_the_password_and_allow_local_brings_none_back(
    moongate: Commands, context: Context, acme: Node, ben: Account
) -> None:
    add_provider(context, acme)
    moongate.json("user", "force-federated", "--tenant", "acme", "ben")
    shown = moongate.json("user", "show", "--tenant", "acme", "ben")
    assert (shown["federated_only"], shown["password_set"]) == (True, False)
    assert moongate.refusal("user", "reset-password", "--tenant", "acme", "ben") == "E_Federated_Only"
    moongate.json("user", "allow-local", "--tenant", "acme", "ben")
    shown = moongate.json("user", "show", "--tenant", "acme", "ben")
    assert (shown["federated_only"], shown["password_set"]) == (False, False)


def test_reset_password_shows_a_temporary_one_and_ends_sessions(moongate: Commands, context: Context, acme: Node, ben: Account) -> None:
    by_password(context, acme, add_app(context, acme), ben)
    made = moongate.json("user", "reset-password", "--tenant", "acme", "ben")
    assert made["expires_at"] == "2026-09-24T14:13:20Z"
    assert credentials.check_password(context, acme, "ben", PASSWORD).code == "E_Invalid_Credentials"
    assert credentials.check_password(context, acme, "ben", made["temporary_password"]).code == ""
    assert moongate.json("session", "list", "--tenant", "acme", "ben") == []


def test_enforce_and_reset_mfa(moongate: Commands, context: Context, acme: Node, ben: Account) -> None:
    assert moongate.json("user", "enforce-mfa", "--tenant", "acme", "ben")["status"] == "mustEnrolMfa"
    enrol(context, acme, add_app(context, acme), current(context, ben))
    assert moongate.json("user", "show", "--tenant", "acme", "ben")["second_factor"] == "enrolled"
    made = moongate.json("user", "reset-mfa", "--tenant", "acme", "ben")
    assert made["expires_at"] == "2026-09-21T15:13:20Z"
    assert made["temporary_access_code"]
    assert moongate.json("user", "show", "--tenant", "acme", "ben")["second_factor"] == "reset"
    assert second_factor.state_of(context, ben).value == "reset"


def test_a_deleted_person_is_recovered_disabled(moongate: Commands, context: Context, acme: Node, ben: Account) -> None:
    moongate.json("user", "delete", "--tenant", "acme", "ben")
    assert moongate.refusal("user", "show", "--tenant", "acme", "ben") == "E_Resource_Not_Found"
    assert moongate.json("user", "recover", "--tenant", "acme", "ben") == {"id": ben.id, "login": "ben", "status": "disabled"}
    assert moongate.refusal("user", "recover", "--tenant", "acme", "ben") == "E_Resource_Not_Found"


def test_a_recovered_person_takes_another_login_where_the_former_is_taken(
    moongate: Commands, context: Context, acme: Node, ben: Account
) -> None:
    people.delete_person(context, ben)
    add_person(context, acme, "ben")
    assert moongate.refusal("user", "recover", "--tenant", "acme", "ben") == "E_Login_Taken"
    assert moongate.json("user", "recover", "--tenant", "acme", "ben", "--login", "ben2")["id"] == ben.id
    assert moongate.json("user", "show", "--tenant", "acme", "ben2")["status"] == "disabled"


def test_a_deletion_cannot_be_taken_back_after_30_days(
    moongate: Commands, context: Context, acme: Node, ben: Account, clock: Clock
) -> None:
    people.delete_person(context, ben)
    clock.advance(seconds=30 * 86_400)
    assert moongate.refusal("user", "recover", "--tenant", "acme", "ben") == "E_Resource_Not_Found"


def test_relink_forgets_the_links(moongate: Commands, context: Context, acme: Node, ben: Account) -> None:
    add_provider(context, acme)
    assert moongate.json("user", "relink", "--tenant", "acme", "ben") == {"login": "ben", "links_removed": 0}


def test_another_tenants_person_is_not_there(moongate: Commands, globex: Node, ben: Account) -> None:
    for word in ("show", "disable", "lock", "unlock", "delete", "reset-mfa", "reset-password", "enforce-mfa", "relink"):
        assert moongate.refusal("user", word, "--tenant", "globex", "ben") == "E_Resource_Not_Found"


def test_one_session_or_all_are_ended(moongate: Commands, context: Context, acme: Node, ben: Account) -> None:
    app = add_app(context, acme)
    for _ in range(3):
        by_password(context, acme, app, ben)
    first = moongate.json("session", "list", "--tenant", "acme", "ben")[0]
    assert (first["tenant"], first["amr"]) == ("acme", ["pwd"])
    assert moongate.json("session", "end", "--tenant", "acme", "ben", "--sid", first["sid"])["ended"] == 1
    assert moongate.refusal("session", "end", "--tenant", "acme", "ben", "--sid", first["sid"]) == "E_Resource_Not_Found"
    assert moongate.json("session", "end", "--tenant", "acme", "ben")["ended"] == 2


def test_people_are_listed_in_words_too(moongate: Commands, acme: Node, ben: Account) -> None:
    assert "ben" in moongate.words("user", "list", "--tenant", "acme")
    assert "second factor" in moongate.words("user", "show", "--tenant", "acme", "ben").replace("_", " ")
