"""Reading JSON that a stranger wrote."""

import json
from typing import NoReturn


def parse_object(unverified_body: bytes) -> dict[str, object]:
    """Return the JSON object in `unverified_body` (UTF-8), or raise ValueError saying what is wrong.

    Refuses what would blow up later in storage or encoding: NaN and Infinity, NUL characters, unpaired surrogates, absurd nesting.
    """
    try:
        text = unverified_body.decode()
        document = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("JSON is not an object")
    if "\\u0000" in text:
        raise ValueError("JSON holds a NUL character")
    if "\\u" in text:
        # Escaped surrogates without their partner parse, but no UTF-8 encoder takes them: they would end in a 500 at the database.
        json.dumps(document, ensure_ascii=False).encode()
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON holds {name}")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
