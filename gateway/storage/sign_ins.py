"""Sign-ins on their way: their stored state, and the legs to identity providers."""

import json
from dataclasses import fields
from functools import lru_cache

from gateway.domain.relying_party import AuthorizationRequest, Level, Means
from gateway.domain.sign_in import Path, Proof, SignIn, StoredRefusal, UpstreamLeg
from gateway.domain.values import AccountId, Instant, NodeId, SessionId, SignInId
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.federation import SignIn as SignInTable
from gateway.storage.tables.federation import UpstreamLeg as LegTable

_NAMES = tuple(field.name for field in fields(SignIn))
_COLUMNS = tuple(getattr(SignInTable, name) for name in _NAMES)
_IN_BROWSER = Statement(
    SignInTable.select(*_COLUMNS).where((SignInTable.id == place("id")) & (SignInTable.browser_hash == place("browser_hash")))
)
_BY_ID = Statement(SignInTable.select(*_COLUMNS).where(SignInTable.id == place("id")))
_INSERT = Statement(SignInTable.insert(places(SignInTable)))
_CHANGE = Statement(
    SignInTable.update(
        {
            SignInTable.request: place("request"),
            SignInTable.login: place("login"),
            SignInTable.proof: place("proof"),
            SignInTable.tenant: place("tenant"),
            SignInTable.due: place("due"),
            SignInTable.session: place("session"),
            SignInTable.refusal: place("refusal"),
            SignInTable.password_wanted: place("password_wanted"),
        }
    ).where((SignInTable.id == place("id")) & SignInTable.finished_at.is_null())
)
_FINISH = Statement(
    SignInTable.update({SignInTable.finished_at: place("at")}).where((SignInTable.id == place("id")) & SignInTable.finished_at.is_null())
)
_REBIND = Statement(
    SignInTable.update({SignInTable.browser_hash: place("browser_hash")}).where(
        (SignInTable.id == place("id"))
        & (SignInTable.node == place("node"))
        & (SignInTable.browser_hash == place("handle_hash"))
        & SignInTable.parent.is_null(False)
        & SignInTable.finished_at.is_null()
    )
)
_SET_HANDLE = Statement(SignInTable.update({SignInTable.handle_hash: place("handle_hash")}).where(SignInTable.id == place("id")))
_TAKE_HANDLE = Statement(
    SignInTable.update({SignInTable.handle_hash: None, SignInTable.finished_at: place("at")})
    .where((SignInTable.handle_hash == place("handle_hash")) & (SignInTable.parent == place("parent")) & SignInTable.finished_at.is_null())
    .returning(*_COLUMNS)
)
_SET_LEGS = Statement(SignInTable.update({SignInTable.legs: place("legs")}).where(SignInTable.id == place("id")))
_OF_LEG = Statement(
    SignInTable.select(*_COLUMNS).join(LegTable, on=(LegTable.sign_in == SignInTable.id)).where(LegTable.state_hash == place("state_hash"))
)
_INSERT_LEG = Statement(LegTable.insert(places(LegTable)))
_TAKE_LEG = Statement(
    LegTable.delete()
    .where(LegTable.state_hash == place("state_hash"))
    .returning(LegTable.sign_in, LegTable.provider, LegTable.nonce, LegTable.verifier, LegTable.started_at)
)


def find_sign_in(database: Database, sign_in_id: SignInId, browser_hash: str) -> SignIn | None:
    """Return the sign-in if this browser holds its cookie."""
    row = database.row(_IN_BROWSER, id=sign_in_id, browser_hash=browser_hash)
    return _sign_in(row) if row else None


def find_parent(database: Database, sign_in_id: SignInId) -> SignIn | None:
    """Return the sign-in at another issuer for which a proof is made; its browser binding is checked when the proof comes back."""
    row = database.row(_BY_ID, id=sign_in_id)
    return _sign_in(row) if row else None


def insert_sign_in(database: Database, sign_in: SignIn, *, browser_hash: str) -> None:
    """Add a sign-in, bound to the browser that holds the secret of this hash."""
    database.write(
        _INSERT,
        id=sign_in.id,
        node=sign_in.node,
        parent=sign_in.parent,
        browser_hash=browser_hash,
        correlation_id=sign_in.correlation_id,
        handle_hash=None,
        created_at=sign_in.created_at,
        expires_at=sign_in.expires_at,
        finished_at=None,
        legs=json.dumps(sign_in.legs),
        **_changing(sign_in),
    )


def change_sign_in(database: Database, sign_in: SignIn) -> bool:
    """Store a sign-in's state unless it is finished; return whether it was stored."""
    return database.write(_CHANGE, id=sign_in.id, **_changing(sign_in)) == 1


def finish_sign_in(database: Database, sign_in_id: SignInId, now: Instant) -> bool:
    """Finish a sign-in; return False if it was finished before, so that it leads to one answer only."""
    return database.write(_FINISH, id=sign_in_id, at=now) == 1


def rebind_sign_in(database: Database, node_id: NodeId, sign_in_id: SignInId, *, handle_hash: str, browser_hash: str) -> bool:
    """Bind a sign-in begun for another issuer's to the browser that brings its handle; return whether the handle was good: once."""
    return database.write(_REBIND, id=sign_in_id, node=node_id, handle_hash=handle_hash, browser_hash=browser_hash) == 1


def set_handle(database: Database, sign_in_id: SignInId, handle_hash: str) -> None:
    """Store the hash of the handle by which another issuer fetches the proof."""
    database.write(_SET_HANDLE, id=sign_in_id, handle_hash=handle_hash)


def take_handle(database: Database, parent: SignInId, handle_hash: str, now: Instant) -> SignIn | None:
    """Return the sign-in whose proof the handle stands for, once, and only to the sign-in it was made for."""
    row = database.row(_TAKE_HANDLE, parent=parent, handle_hash=handle_hash, at=now)
    return _sign_in(row) if row else None


def find_sign_in_of_leg(database: Database, state_hash: str) -> SignIn | None:
    """Return the sign-in that is away under this state."""
    row = database.row(_OF_LEG, state_hash=state_hash)
    return _sign_in(row) if row else None


def insert_leg(database: Database, leg: UpstreamLeg, *, state_hash: str, legs: tuple[Instant, ...]) -> None:
    """Remember the way to an identity provider under the hash of its state, and `legs` as those its sign-in began lately."""
    database.write(_SET_LEGS, id=leg.sign_in, legs=json.dumps(legs))
    database.write(
        _INSERT_LEG,
        state_hash=state_hash,
        sign_in=leg.sign_in,
        provider=leg.provider,
        nonce=leg.nonce,
        verifier=leg.verifier,
        started_at=leg.started_at,
    )


def take_leg(database: Database, state_hash: str) -> UpstreamLeg | None:
    """Return the leg of a state, once: a replayed state finds nothing."""
    row = database.row(_TAKE_LEG, state_hash=state_hash)
    return UpstreamLeg(*row) if row else None


def means_to_json(means: Means) -> str:
    """Return means as stored."""
    # Written out: `asdict` copies everything twice over.
    stored = {"level": means.level, "amr": means.amr, "auth_time": means.auth_time, "provider": means.provider}
    return json.dumps(stored, separators=(",", ":"))


@lru_cache(maxsize=1024)
def means_from_json(text: str) -> Means:
    """Return the means that `means_to_json` stored; session and grants of one sign-in have the same, and are read again and again."""
    stored = json.loads(text)
    return Means(
        level=Level(stored["level"]), amr=tuple(stored["amr"]), auth_time=Instant(stored["auth_time"]), provider=stored["provider"]
    )


def _changing(sign_in: SignIn) -> dict[str, object]:
    return {
        "request": sign_in.request.to_json() if sign_in.request else None,
        "login": sign_in.login,
        "proof": _proof_to_json(sign_in.proof) if sign_in.proof else None,
        "tenant": sign_in.tenant,
        "due": sign_in.due,
        "session": sign_in.session,
        "refusal": _refusal_to_json(sign_in.refusal) if sign_in.refusal else None,
        "password_wanted": sign_in.password_wanted,
    }


def _refusal_to_json(refusal: StoredRefusal) -> str:
    return json.dumps({"code": refusal.code, "data": dict(refusal.data)}, separators=(",", ":"))


def _proof_to_json(proof: Proof) -> str:
    stored = {"account": proof.account, "path": proof.path, "means": means_to_json(proof.means)}
    return json.dumps(stored | {"proved_at": proof.proved_at, "session": proof.session})


def _proof_from_json(text: str) -> Proof:
    stored = json.loads(text)
    return Proof(
        account=AccountId(stored["account"]),
        path=Path(stored["path"]),
        means=means_from_json(stored["means"]),
        proved_at=Instant(stored["proved_at"]),
        session=SessionId(stored["session"]) if stored["session"] else None,
    )


def _sign_in(row: Row) -> SignIn:
    stored = dict(zip(_NAMES, row, strict=True))
    return SignIn(
        **stored
        | {
            "request": AuthorizationRequest.from_json(stored["request"]) if stored["request"] else None,
            "proof": _proof_from_json(stored["proof"]) if stored["proof"] else None,
            "session": SessionId(stored["session"]) if stored["session"] else None,
            "refusal": StoredRefusal(**json.loads(stored["refusal"])) if stored["refusal"] else None,
            "password_wanted": bool(stored["password_wanted"]),
            "legs": tuple(json.loads(stored["legs"])),
        }
    )
