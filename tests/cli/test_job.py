"""`moongate job` and `moongate user mails`, by their results."""

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.mails import MailKind, MailRefused
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import mail, people, schedules
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.jobs import Runner
from gateway.services.mail_delivery import Delivery
from gateway.services.people import NewPerson
from gateway.services.routines import Clerk
from tests.cli.conftest import Commands
from tests.conftest import Clock
from tests.services.test_mail import Post, raising

CREATE = ("job", "create", "--tenant", "acme", "Tell new people", "--step", "Tell them", "--task", "notification")


@pytest.fixture
def ada(context: Context, acme: Node) -> Account:
    fields = PersonFields(user_name="ada@acme.example", given_name="Ada", family_name="Lovelace", email="ada@acme.example")
    return people.create_person(context, acme, NewPerson(fields))


class TestCalendar:
    def test_life_of_a_job(self, moongate: Commands, acme: Node, house: House, clock: Clock) -> None:
        made = moongate.json(*CREATE, "--cron", "0 9 * * 1-5", "--time-zone", "Europe/Berlin")
        # Tests begin on a Monday, at 16:13 in Berlin.
        assert made == {
            "name": "Tell new people",
            "description": None,
            "step": "Tell them",
            "task": "notification",
            "cron": "0 9 * * 1-5",
            "time_zone": "Europe/Berlin",
            "until": None,
            "status": "active",
            "next_run": "2026-09-22T07:00:00Z",
        }
        assert moongate.json("job", "list", "--tenant", "acme") == [made]
        paused = moongate.json("job", "pause", "--tenant", "acme", "Tell new people")
        assert (paused["status"], paused["next_run"]) == ("paused", None)
        assert moongate.json("job", "pause", "--tenant", "acme", "Tell new people", "--resume") == made
        assert moongate.json("job", "run", "--tenant", "acme", "Tell new people")["state"] == "queued"
        Runner(house, {schedules.RUN: schedules.run}).run_due()
        [run] = moongate.json("job", "history", "--tenant", "acme", "Tell new people")
        assert (run["state"], run["sent"], run["ended_at"]) == ("done", 0, "2026-09-21T14:13:20Z")
        assert moongate.json("job", "delete", "--tenant", "acme", "Tell new people") == {"deleted": "Tell new people"}
        assert moongate.refusal("job", "run", "--tenant", "acme", "Tell new people") == "E_Resource_Not_Found"

    def test_a_job_runs_once_at_a_time(self, moongate: Commands, acme: Node) -> None:
        assert moongate.json(*CREATE, "--at", "2026-12-24T18:00+01:00")["next_run"] == "2026-12-24T17:00:00Z"
        assert moongate.run(*CREATE, "--at", "Christmas").exit_code == 2

    def test_what_cannot_be_is_refused(self, moongate: Commands, acme: Node) -> None:
        assert moongate.refusal("job", "create", "--tenant", "acme", "x") == "E_Job_No_Task"
        assert moongate.refusal(*CREATE, "--cron", "0 0 30 2 *") == "E_Job_Schedule"
        assert moongate.refusal(*CREATE, "--cron", "* * * * *", "--time-zone", "Mars/Olympus") == "E_Job_Schedule"
        assert moongate.refusal(*CREATE, "--until", "2020-01-01") == "E_Job_Schedule"


class TestMachine:
    def test_routines_tell_how_they_went(self, moongate: Commands, house: House) -> None:
        Clerk(house, [schedules.ROUTINE]).run_due()
        [routine] = moongate.json("job", "routines")
        assert (routine["name"], routine["error"]) == ("schedules", None)

    def test_dead_jobs_are_listed_and_run_again(self, moongate: Commands, context: Context, acme: Node, house: House) -> None:
        with context.database.transaction():
            context.enqueue("unheard of", acme.id, {})
        Runner(house, {}).run_due()
        [dead] = moongate.json("job", "dead")
        assert (dead["kind"], dead["tenant"], dead["error"]) == ("unheard of", "acme", "nobody knows the kind unheard of")
        assert moongate.json("job", "again", dead["id"])["id"] == dead["id"]
        assert moongate.json("job", "dead") == []
        assert moongate.refusal("job", "again", dead["id"]) == "E_Resource_Not_Found"


class TestMails:
    def test_mails_of_a_person_with_what_the_server_said(
        self, moongate: Commands, context: Context, house: House, ada: Account, clock: Clock
    ) -> None:
        mail.queue(context, ada, MailKind.FACTOR_ENROLLED, event="one", told={"at": 0})
        post = Post(before=raising(MailRefused("550 no such user")))
        runner = Runner(house, {mail.DELIVERY: Delivery(post)})
        runner.run_due()
        words = ("user", "mails", "--tenant", "acme", "ada@acme.example")
        [item] = moongate.json(*words)
        assert (item["kind"], item["state"], item["reply"], item["attempts"]) == ("factor_enrolled", "bounced", "550 no such user", 1)
        assert "550 no such user" in moongate.words(*words)
        assert moongate.json(*words, "--send-again", item["id"])["state"] == "queued"
        post.before = lambda: None
        runner.run_due()
        assert moongate.json(*words)[0]["state"] == "sent"
        assert moongate.refusal(*words, "--send-again", item["id"]) == "E_Field_Invalid"
        assert moongate.refusal(*words, "--send-again", "nothing") == "E_Resource_Not_Found"
