"""Static files under addresses that name their content by its hash, so that browsers may keep them for good."""

import hashlib
from functools import cache
from importlib import resources

from gateway.http.endpoints import STATIC


@cache
def asset(name: str) -> str:
    """Return the address of a static file; the same at every issuer of a host."""
    content = resources.files("gateway.web").joinpath("static", name).read_bytes()
    return f"{STATIC}{name}?v={hashlib.sha256(content).hexdigest()[:16]}"
