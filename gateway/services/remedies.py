"""Commands that mend a refusal, with the real names filled in, so that they can be pasted."""

import re
import shlex
from collections.abc import Mapping, Sequence

from gateway.domain.errors import entry_of
from gateway.domain.identity import Criterion
from gateway.domain.people import Status
from gateway.domain.values import comparison_key
from gateway.services.attempts import Walk
from gateway.services.likeness import Lookalike

_PLACE = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"[\w-]+(?:\|[\w-]+)+")
"""`one|another|third`, which a shell would take for a pipeline."""

Values = Mapping[str, str]


def values_of(walk: Walk) -> dict[str, str]:
    """Return the names that the catalogue's texts use, as far as the attempt tells them (catalogue.toml, first lines)."""
    sought, refused = walk.sought(), walk.refused()
    home = walk.home.slug if walk.home else ""
    owner = walk.provider_node.slug if walk.provider_node else ""
    value = walk.value()
    values = {
        "app": walk.app,
        "claim": _text(sought.get("claim")),
        "claims": _text(refused.get("claims")),
        "client_id": walk.client_id,
        "criterion": _text(sought.get("criterion")).replace("-", " "),
        "domain": value.rpartition("@")[2] if "@" in value else "",
        "expected": _text(refused.get("expected") or refused.get("providers")),
        "idp": walk.provider.key if walk.provider else "",
        "login": walk.account.login if walk.account else "",
        "node": _text(refused.get("node")),
        "provider": walk.provider.name if walk.provider else "",
        "tenant": home or owner or (walk.node.slug if walk.node else ""),
        "tenants": _text(refused.get("tenants")),
        "value": value,
    }
    return {name: text for name, text in values.items() if text}


def commands(code: str, walk: Walk | None, values: Values, candidates: Sequence[Lookalike]) -> list[str]:
    """Return the commands that mend a refusal, those for an account at hand first; a name in capitals is for the reader to fill in."""
    found = list(_for_candidates(code, walk, candidates)) if walk is not None else []
    for remedy in entry_of(code).remedies:
        if not remedy.startswith("moongate explain "):
            found.append(_filled(remedy, _at_home_of(remedy, walk, values)))
    return list(dict.fromkeys(found))


def _for_candidates(code: str, walk: Walk, candidates: Sequence[Lookalike]) -> list[str]:
    """Return what would let one of the accounts match: recover it, or give it the login that its organisation sends."""
    found: list[str] = []
    if code != "E_No_User":
        return found
    for candidate in candidates:
        where = f"--tenant {shlex.quote(candidate.tenant)} {shlex.quote(candidate.account.login)}"
        if candidate.status is Status.DELETED:
            found.append(f"moongate user recover {where}")
        elif walk.provider is not None and walk.provider_node is not None and walk.provider_node.slug == candidate.tenant:
            sent = f"--idp {shlex.quote(walk.provider.key)} --matching custom-login --federated-login {shlex.quote(walk.value())}"
            found.append(f"moongate user update {where} {sent}")
            if _same_address(walk, candidate) and walk.provider.matching is not Criterion.EMAIL:
                found.append(f"moongate idp set --tenant {shlex.quote(candidate.tenant)} {shlex.quote(walk.provider.key)} --matching email")
    return found


def _same_address(walk: Walk, candidate: Lookalike) -> bool:
    return bool(walk.value()) and comparison_key(candidate.account.email) == comparison_key(walk.value())


def _at_home_of(remedy: str, walk: Walk | None, values: Values) -> Values:
    """Return the values with the tenant where the command's noun lives: providers and domains at the provider's node, apps at the app's."""
    if walk is None:
        return values
    noun = remedy.split()[1]
    place = {"idp": walk.provider_node, "domain": walk.provider_node, "client": walk.app_node}.get(noun)
    return values if place is None else {**values, "tenant": place.slug}


def _filled(remedy: str, values: Values) -> str:
    def one(match: re.Match[str]) -> str:
        name = match[1]
        return shlex.quote(values[name]) if values.get(name) else name.upper()

    text = _PLACE.sub(one, _CHOICE.sub("CHOICE", remedy))
    return text.replace("CLIENT_ID", shlex.quote(values["client_id"])) if values.get("client_id") else text


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return value if isinstance(value, str) else ""
