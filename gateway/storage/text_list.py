"""A list of texts bound as one value, so that one compiled statement serves one text and thousands."""

import json
from collections.abc import Iterable

import peewee as pw

from gateway.storage.database import place

_SQLITE = "(SELECT value FROM json_each(", "))"
# By way of an array, of which PostgreSQL expects ten elements and not a hundred: it then looks each up by an index.
_POSTGRES = "(SELECT unnest(ARRAY(SELECT jsonb_array_elements_text(", "::jsonb))))"


class TextList(pw.Node):
    """The texts of the JSON list that is bound at a place, as a query of one column: the right side of `IN`."""

    def __init__(self, name: str) -> None:
        """Name the place; bind what `bound` returns."""
        self._place = place(name)

    def __sql__(self, ctx: pw.Context) -> pw.Context:
        """Write the query in the engine's words; psycopg's parameters are `%s`."""
        opening, closing = _POSTGRES if ctx.state.param == "%s" else _SQLITE
        written: pw.Context = ctx.literal(opening).sql(self._place).literal(closing)
        return written


def bound(texts: Iterable[str]) -> str:
    """Return the value to bind for these texts."""
    # A zero byte is in no text that is kept; PostgreSQL would refuse the question.
    return json.dumps([text.replace("\0", "\N{REPLACEMENT CHARACTER}") for text in texts], ensure_ascii=False)
