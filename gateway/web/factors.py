"""The second factor's pages: proving it, setting up an authenticator app, and the recovery codes that are shown once (R-113, R-115).

`POST /sign-in/code` takes a one-time code, or the temporary access code after a reset; `POST /sign-in/recovery` a recovery code;
`POST /sign-in/enrol` the first code of a new app. That one is answered by the recovery codes themselves, because they must never stand
in a URL or a redirect (decisions.md 34); `POST /sign-in/recovery-codes` gives them back as a file.
"""

from collections.abc import Callable

import segno
from flask import Blueprint, Response, request
from markupsafe import Markup

from gateway.domain.credential import RECOVERY_CODES, FactorState
from gateway.domain.errors import Refusal
from gateway.domain.sign_in import Step
from gateway.http.endpoints import SIGN_IN, below
from gateway.services import second_factor
from gateway.services.second_factor import Enrolled
from gateway.services.sign_in import Progress
from gateway.web import sign_in
from gateway.web.steps import Attempt, go_on, keep_session, page, page_for, posted

door = Blueprint("factors", __name__)
door.register_error_handler(Refusal, sign_in.refuse)

_TYPED_WRONG = frozenset({"E_Mfa_Invalid", "E_Recovery_Code_Used"})
"""What the person may mend by typing again; every other refusal is a page of its own."""
_FILE = "recovery-codes.txt"


@page_for(Step.VERIFY_TOTP)
def code_page(attempt: Attempt) -> Response:
    """Ask for a one-time code, or for the temporary access code where an administrator reset the factor."""
    return _code_page(attempt)


@door.post(f"{SIGN_IN}/code")
def take_code() -> Response:
    """Check a one-time code or temporary access code."""
    attempt = posted()
    return _proved(
        attempt, lambda: second_factor.prove_code(attempt.context, attempt.node, attempt.sign_in, request.form.get("code", "")[:64])
    )


@door.post(f"{SIGN_IN}/recovery")
def take_recovery_code() -> Response:
    """Check a recovery code."""
    attempt = posted()
    code = request.form.get("recovery_code", "")[:64]
    return _proved(attempt, lambda: second_factor.prove_recovery_code(attempt.context, attempt.node, attempt.sign_in, code))


@page_for(Step.ENROL_TOTP)
def enrol_page(attempt: Attempt) -> Response:
    """Show what to put into an authenticator app: a picture, and the key as text beside it."""
    return _enrol_page(attempt)


@door.post(f"{SIGN_IN}/enrol")
def take_enrolment() -> Response:
    """Store the new app if its first code is right, and show the recovery codes this once."""
    attempt = posted()
    try:
        enrolled = second_factor.enrol(attempt.context, attempt.node, attempt.sign_in, request.form.get("code", "")[:64])
    except Refusal as refusal:
        if refusal.code not in _TYPED_WRONG:
            raise
        return _enrol_page(attempt, refusal)
    return _codes_page(attempt, enrolled) if enrolled.recovery_codes else go_on(attempt, enrolled.progress)


@door.post(f"{SIGN_IN}/recovery-codes")
def download_recovery_codes() -> Response:
    """Give the codes just shown back as a file. Nothing but the codes of this very account is echoed, so no other site can fill it."""
    attempt = posted()
    codes = request.form.getlist("recovery_code")[:RECOVERY_CODES]
    if not second_factor.are_recovery_codes(attempt.context, attempt.sign_in, codes):
        raise Refusal("E_State_Invalid", reason="these are not the recovery codes of this account")
    lines = [f"Recovery codes for {attempt.node.name}", "Each works once. Keep them where nobody else finds them.", "", *codes, ""]
    answer = Response("\r\n".join(lines), mimetype="text/plain")
    answer.headers["Content-Disposition"] = f'attachment; filename="{_FILE}"'
    return answer


def _proved(attempt: Attempt, prove: Callable[[], Progress]) -> Response:
    try:
        return go_on(attempt, prove())
    except Refusal as refusal:
        if refusal.code not in _TYPED_WRONG:
            raise
        return _code_page(attempt, refusal)


def _code_page(attempt: Attempt, refusal: Refusal | None = None) -> Response:
    reset = second_factor.state_in(attempt.context, attempt.sign_in) is FactorState.RESET
    by_recovery_code = request.path.endswith("/recovery")
    shown = {"refusal": refusal, "reset": reset, "by_recovery_code": by_recovery_code}
    return page(attempt, "factor_code.html", shown, status=refusal.entry.page_status if refusal else 200)


def _enrol_page(attempt: Attempt, refusal: Refusal | None = None) -> Response:
    offer = second_factor.offer(attempt.context, attempt.sign_in)
    shown = {"refusal": refusal, "secret": offer.secret, "picture": _picture(offer.uri)}
    return page(attempt, "factor_enrol.html", shown, status=refusal.entry.page_status if refusal else 200)


def _codes_page(attempt: Attempt, enrolled: Enrolled) -> Response:
    shown = {"codes": enrolled.recovery_codes, "onward": below(attempt.node, SIGN_IN, id=attempt.sign_in.id)}
    return keep_session(page(attempt, "factor_codes.html", shown), attempt, enrolled.progress)


def _picture(uri: str) -> Markup:
    """Return the picture as inline SVG without a style attribute, which the content security policy would not let through."""
    return Markup(segno.make(uri, error="m", micro=False).svg_inline(scale=4, light="#fff", dark="#000", svgclass="qr", lineclass=None))  # noqa: S704 -- segno's own markup
