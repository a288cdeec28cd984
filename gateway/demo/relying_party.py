"""The demo's app: a relying party in a hundred lines, which shows what it learned and that it is told when somebody is out."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Flask, Response, redirect, render_template, request
from werkzeug.wrappers import Response as WerkzeugResponse

from gateway.domain.ports import HttpFetcher, Reply, Unreachable
from gateway.domain.values import Clock
from gateway.tokens.claims import TokenRejected
from gateway.tokens.verification import Expected, KeySet, import_key_set, verify_id_token, verify_logout_token

_COOKIE = "demo-app"
_OK = 200


@dataclass(frozen=True, slots=True)
class Registration:
    """What the app knows of its provider."""

    issuer: str
    client_id: str
    client_secret: str
    url: str
    """Where the app itself serves, without a slash at its end."""


@dataclass(slots=True)
class _Visit:
    """One browser at the app."""

    state: str = ""
    nonce: str = ""
    verifier: str = ""
    claims: Mapping[str, object] = field(default_factory=dict)
    id_token: str = ""
    refresh_token: str = ""
    note: str = ""


class RelyingPartyApp:
    """The app; `flask` is what a server serves."""

    def __init__(self, registration: Registration, fetcher: HttpFetcher, clock: Clock) -> None:
        """Take the registration at the provider and a way to it."""
        self._registered = registration
        self._fetcher = fetcher
        self._clock = clock
        self._visits: dict[str, _Visit] = {}
        self.flask = Flask(__name__)
        for rule, view, methods in (
            ("/", self.index, ["GET"]),
            ("/sign-in", self.sign_in, ["GET"]),
            ("/callback", self.callback, ["GET"]),
            ("/refresh", self.refresh, ["POST"]),
            ("/sign-out", self.sign_out, ["POST"]),
            ("/backchannel-logout", self.backchannel_logout, ["POST"]),
        ):
            self.flask.add_url_rule(rule, view_func=view, methods=methods)

    def index(self) -> str:
        """Show who is signed in; the page loads itself anew, so that a back-channel logout is seen at once."""
        visit = self._visits.get(request.cookies.get(_COOKIE, ""), _Visit())
        return render_template("app.html", visit=visit, issuer=self._registered.issuer)

    def sign_in(self) -> WerkzeugResponse:
        """Send the browser to the provider (code flow with PKCE, state and nonce)."""
        visit = _Visit(secrets.token_urlsafe(), secrets.token_urlsafe(), secrets.token_urlsafe(48))
        handle = secrets.token_urlsafe()
        self._visits[handle] = visit
        challenge = base64.urlsafe_b64encode(hashlib.sha256(visit.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._registered.client_id,
            "redirect_uri": f"{self._registered.url}/callback",
            "scope": "openid profile email roles offline_access",
            "state": visit.state,
            "nonce": visit.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        answer = redirect(f"{self._metadata('authorization_endpoint')}?{urlencode(query)}")
        answer.set_cookie(_COOKIE, handle, httponly=True, samesite="Lax")
        return answer

    def callback(self) -> WerkzeugResponse:
        """Redeem the code and keep the claims, or the provider's refusal."""
        visit = self._visits.get(request.cookies.get(_COOKIE, ""))
        if visit is None or not secrets.compare_digest(visit.state.encode(), request.args.get("state", "").encode()):
            return Response("This answer belongs to no sign-in that began here.", 400, mimetype="text/plain")
        if "code" not in request.args:
            visit.note = f"{request.args.get('error', 'no code')}: {request.args.get('error_description', '')}"
            return redirect("/")
        form = {
            "grant_type": "authorization_code",
            "code": request.args["code"],
            "redirect_uri": f"{self._registered.url}/callback",
            "code_verifier": visit.verifier,
        }
        reply = self._token(form)
        if reply.status == _OK:
            self._keep(visit, reply.json_object())
        else:
            visit.note = _refusal(reply)
        return redirect("/")

    def refresh(self) -> WerkzeugResponse:
        """Use the refresh token, which is how an app notices on its own that somebody is out."""
        visit = self._visits.get(request.cookies.get(_COOKIE, ""))
        if visit is None or not visit.refresh_token:
            return redirect("/")
        reply = self._token({"grant_type": "refresh_token", "refresh_token": visit.refresh_token})
        if reply.status == _OK:
            visit.refresh_token = str(reply.json_object().get("refresh_token", ""))
            visit.note = "Refreshed: still allowed in."
        else:
            visit.claims, visit.refresh_token, visit.note = {}, "", f"The refresh was refused. {_refusal(reply)}"
        return redirect("/", 303)

    def sign_out(self) -> WerkzeugResponse:
        """Forget the person here and end the session at the provider (RP-Initiated Logout)."""
        visit = self._visits.pop(request.cookies.get(_COOKIE, ""), _Visit())
        query = urlencode({"id_token_hint": visit.id_token, "post_logout_redirect_uri": f"{self._registered.url}/"})
        return redirect(f"{self._metadata('end_session_endpoint')}?{query}", 303)

    def backchannel_logout(self) -> WerkzeugResponse:
        """Forget whom the provider says is out (OpenID Connect Back-Channel Logout)."""
        try:
            out = verify_logout_token(request.form.get("logout_token", ""), self._expected(), now=self._clock())
        except TokenRejected as error:
            return Response(f"refused: {error.check}", 400, mimetype="text/plain")
        for visit in self._visits.values():
            if visit.claims and (visit.claims.get("sid") == out.session_id if out.session_id else visit.claims.get("sub") == out.subject):
                told = datetime.fromtimestamp(self._clock() / 1000, UTC)
                visit.claims, visit.refresh_token = {}, ""
                visit.note = f"Signed out by the provider at {told:%H:%M:%S.%f} UTC (back-channel logout)."
        return Response(status=_OK)

    def _keep(self, visit: _Visit, answer: Mapping[str, object]) -> None:
        token, access_token = str(answer.get("id_token", "")), str(answer.get("access_token", ""))
        try:
            verified = verify_id_token(token, self._expected(visit.nonce, access_token), now=self._clock())
        except TokenRejected as error:
            visit.note = f"The ID token was refused: {error.check}"
            return
        profile = self._fetcher.get_json(self._metadata("userinfo_endpoint"), private_outbound=True, bearer=access_token)
        visit.claims = dict(profile) | dict(verified.claims)
        visit.id_token, visit.refresh_token, visit.note = token, str(answer.get("refresh_token", "")), ""

    def _expected(self, nonce: str | None = None, access_token: str | None = None) -> Expected:
        return Expected(
            issuer=self._registered.issuer,
            audience=self._registered.client_id,
            keys=self._keys(),
            algorithms=frozenset({"RS256", "ES256"}),
            nonce=nonce,
            access_token=access_token,
        )

    def _keys(self) -> KeySet:
        return import_key_set(self._fetcher.get_json(self._metadata("jwks_uri"), private_outbound=True))

    def _metadata(self, name: str) -> str:
        document = self._fetcher.get_json(f"{self._registered.issuer}/.well-known/openid-configuration", private_outbound=True)
        return str(document[name])

    def _token(self, form: Mapping[str, str]) -> Reply:
        auth = (self._registered.client_id, self._registered.client_secret)
        return self._fetcher.post_form(self._metadata("token_endpoint"), form, private_outbound=True, auth=auth)


def _refusal(reply: Reply) -> str:
    try:
        answer = reply.json_object()
    except Unreachable:
        return f"Status {reply.status}."
    return f"{answer.get('error')}: {answer.get('error_description', '')}"
