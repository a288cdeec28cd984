"""ListResponse (RFC 7644 §3.4.2) by joining bytes."""

from collections.abc import Callable

from scim.exchange import Answer, Found
from scim.parameters import Window

_HEAD = '{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":%d,"itemsPerPage":%d,"startIndex":%d'


def answer(found: Found, window: Window) -> Answer:
    """Return a page as an answer; numbers are integers, or Okta stumbles (scim.md O02)."""
    head = (_HEAD % (found.total, len(found.resources), window.start)).encode()
    # `Resources` is left out only where no resource was wanted (count=0).
    body = head + b',"Resources":[' + b",".join(found.resources) + b"]}" if window.count else head + b"}"
    return Answer(200, body, rewrites=found.rewrites)


def joined(pages: list[Callable[[int, int], Found]], window: Window) -> Found:
    """Return one page over several results laid end to end; each is asked for what falls into the page."""
    total, resources, rewrites = 0, list[bytes](), list[str]()
    for page in pages:
        start = max(1, window.start - total)
        found = page(start, window.count - len(resources))
        total += found.total
        resources += found.resources
        rewrites += [rewrite for rewrite in found.rewrites if rewrite not in rewrites]
    return Found(total, resources, tuple(rewrites))
