"""Searches at the base, over all types of resources (RFC 7644 §3.4.2.1)."""

from collections.abc import Mapping
from functools import partial

from scim import listing
from scim.exchange import Answer, Exchange, Found, Resource
from scim.parameters import window_of


def search(exchange: Exchange, resources: Mapping[str, Resource]) -> Answer:
    """Answer a page over all types, one type after the other."""
    window = window_of(exchange)

    def page(resource: Resource, start: int, count: int) -> Found:
        return resource.page(exchange, start=start, count=count, root=True)

    return listing.answer(listing.joined([partial(page, resource) for resource in resources.values()], window), window)
