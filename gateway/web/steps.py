"""What all pages of a sign-in share: whose attempt this is, posts that are ours, and the way on after each step.

A page registers itself for its step with `page_for`; the dispatcher (`gateway.web.sign_in`) reads the stored attempt and calls it. A
handler of a post ends with `go_on`, which leads back to the dispatcher: no step ever calls the next.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response, render_template, request

from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.sign_in import SignIn, Step
from gateway.http import cookies, journal, requests
from gateway.http.endpoints import SIGN_IN, below
from gateway.http.forms import form_token, require_own_form
from gateway.http.tenancy import current_node
from gateway.services import devices, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.sign_in import Progress

AFTER_FORM = "form"
"""Parameter of the dispatcher's URL after a post: Chromium holds the whole chain of redirects behind a post against `form-action`, so a
way to another origin goes on by a small page instead (decisions.md 28)."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The sign-in of this request, in this browser."""

    context: Context
    """Traced under the sign-in's correlation id."""
    node: Node
    sign_in: SignIn
    secret: str


Page = Callable[[Attempt], Response]
PAGES: dict[Step, Page] = {}
"""The page of each step."""


def page_for(step: Step) -> Callable[[Page], Page]:
    """Register the page of a step."""

    def register(page: Page) -> Page:
        PAGES[step] = page
        return page

    return register


def current() -> Attempt:
    """Return the attempt that the request's `id` names, or refuse one that is not this browser's."""
    node = current_node()
    sign_in_id = request.values.get("id", "")
    context = requests.context(Channel.SIGN_IN)
    secret = cookies.sign_in_secret(node, sign_in_id)
    sign_in = sign_ins.get(context, node, sign_in_id, secret)
    return Attempt(context.traced_as(sign_in.correlation_id), node, sign_in, secret)


def posted() -> Attempt:
    """Return the attempt of a posted form, or refuse a form that is not ours."""
    requests.require_form()
    attempt = current()
    require_own_form(attempt.secret)
    return attempt


def go_on(attempt: Attempt, progress: Progress | None = None) -> Response:
    """Lead back to the dispatcher with 303, so that no form is sent twice (openid.md 12); set the session's cookie if one was opened."""
    answer = see_other(below(attempt.node, SIGN_IN, id=attempt.sign_in.id, via=AFTER_FORM))
    return answer if progress is None else keep_session(answer, attempt, progress)


def keep_session(answer: Response, attempt: Attempt, progress: Progress) -> Response:
    """Return the answer with the session's cookie, if a session was opened, and know the device again (decisions.md 23).

    Somebody else's session in this browser ends with its cookie: nobody could end it any more.
    """
    if progress.session_secret and progress.sign_in.proof is not None:
        account = progress.sign_in.proof.account
        sessions.end_of_somebody_else(attempt.context, attempt.node, cookies.session_secret(attempt.node), account)
        cookies.set_session(answer, attempt.node, progress.session_secret)
        known = devices.remember(attempt.context, account, cookies.device_secret(attempt.node))
        cookies.set_device(answer, attempt.node, known)
    return answer


def leave_for(attempt: Attempt, url: str, *, title: str, label: str, password_link: bool = False) -> Response:
    """Lead to a place outside these pages: by redirect, or behind a form by a page that goes on by itself."""
    if request.args.get("via") != AFTER_FORM:
        return see_other(url)
    return page(attempt, "onward.html", {"url": url, "title": title, "label": label, "password_link": password_link})


def page(attempt: Attempt, template: str, values: Mapping[str, object] | None = None, *, status: int = 200) -> Response:
    """Return a page of the attempt; `values` are what the template shows beside node, sign-in and form token."""
    if values and isinstance(refusal := values.get("refusal"), Refusal):
        journal.tell_refusal(request.environ, refusal)
    bound = {"node": attempt.node, "sign_in": attempt.sign_in, "form_token": form_token(attempt.secret), "base": attempt.node.issuer}
    return Response(render_template(template, **bound | dict(values or {})), status, mimetype="text/html")


def see_other(url: str) -> Response:
    """Redirect with 303: whatever the request was, the next one is a GET (openid.md 12)."""
    return Response("", 303, {"Location": url}, mimetype="text/html")
