"""The acts that may be due between a proof and the session: choosing a new password, and choosing the tenant to act in."""

from flask import Blueprint, Response, request

from gateway.domain.errors import Refusal
from gateway.domain.sign_in import Step
from gateway.http.endpoints import SIGN_IN
from gateway.services import sign_in as sign_ins
from gateway.web import sign_in
from gateway.web.steps import Attempt, go_on, page, page_for, posted

door = Blueprint("required_acts", __name__)
door.register_error_handler(Refusal, sign_in.refuse)


@page_for(Step.CHANGE_PASSWORD)
def new_password_page(attempt: Attempt) -> Response:
    """Ask for a new password; nothing else is shown before there is one (R-127)."""
    return page(attempt, "new_password.html")


@door.post(f"{SIGN_IN}/new-password")
def take_new_password() -> Response:
    """Store the new password, or show every rule it breaks at once (R-129)."""
    attempt = posted()
    try:
        progress = sign_ins.change_password(attempt.context, attempt.node, attempt.sign_in, request.form.get("new_password", ""))
    except Refusal as refusal:
        if refusal.field != "new_password":
            raise
        rules = str(refusal.data.get("rules", refusal)).splitlines()
        return page(attempt, "new_password.html", {"refusal": refusal, "rules": rules}, status=refusal.entry.page_status)
    return go_on(attempt, progress)


@page_for(Step.CHOOSE_TENANT)
def tenant_page(attempt: Attempt) -> Response:
    """Let the person choose the tenant to act in, where several remain (decisions.md 10)."""
    app = sign_ins.find_app(attempt.context, attempt.node, attempt.sign_in)
    choices = sign_ins.list_choices(attempt.context, attempt.node, attempt.sign_in)
    return page(attempt, "tenant.html", {"choices": choices, "app": app.name if app else ""})


@door.post(f"{SIGN_IN}/tenant")
def take_tenant() -> Response:
    """Take the choice; admission judges it like a tenant that the app asked for."""
    attempt = posted()
    return go_on(attempt, sign_ins.choose_tenant(attempt.context, attempt.node, attempt.sign_in, request.form.get("tenant", "")))
