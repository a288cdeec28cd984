"""Lists of texts in conditions: bound as one value, so that one statement serves one text and thousands, or found by a query."""

import json
from collections.abc import Iterable

import peewee as pw

from gateway.storage.database import place

_POSTGRES_PLACE = "%s"
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
        opening, closing = _POSTGRES if ctx.state.param == _POSTGRES_PLACE else _SQLITE
        written: pw.Context = ctx.literal(opening).sql(self._place).literal(closing)
        return written


class Among(pw.Node):
    """The condition that a column is one of what a query finds, for the first column of an index by which rows come in order.

    PostgreSQL is told to find the few first: of two joined tables it would go through the whole index, other tenants' rows too, and drop
    what does not fit.
    """

    def __init__(self, column: pw.Field, query: pw.Query) -> None:
        """Take the column, and the query of one column."""
        self._column = column
        self._query = query

    def __sql__(self, ctx: pw.Context) -> pw.Context:
        """Write the condition in the engine's words."""
        found = pw.fn.ANY(pw.fn.ARRAY(self._query))
        written: pw.Context = ctx.sql(self._column == found if ctx.state.param == _POSTGRES_PLACE else self._column.in_(self._query))
        return written


def bound(texts: Iterable[str]) -> str:
    """Return the value to bind for these texts."""
    # A zero byte is in no text that is kept; PostgreSQL would refuse the question.
    return json.dumps([text.replace("\0", "\N{REPLACEMENT CHARACTER}") for text in texts], ensure_ascii=False)
