"""The language of SCIM: filters (RFC 7644 §3.4.2.2) and the paths of PATCH (§3.5.2, figure 7), from text to a tree.

Syntax only: which attributes exist and what a comparison means is the business of gateway/domain/filter.py. Every limit is checked
while reading, so that no text, however long or deep, costs more than its first 8192 characters.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NoReturn, TypeAlias

from gateway.domain.errors import Refusal

MAX_LENGTH = 8192
"""Characters of a filter."""
MAX_DEPTH = 32
"""Nested parentheses and brackets."""
MAX_TERMS = 100
"""Comparisons and presence tests of one filter."""

Literal: TypeAlias = str | bool | int | Decimal | None


class Operator(StrEnum):
    """The operators that compare with a value."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"


@dataclass(frozen=True, slots=True)
class AttributePath:
    """The name of an attribute as written: `urn:name.sub`. The URN of a whole extension is cut at its last colon."""

    urn: str
    """Empty for a bare name."""
    name: str
    sub: str = ""
    """Empty when the attribute itself is meant."""

    def __str__(self) -> str:
        return (f"{self.urn}:" if self.urn else "") + self.name + (f".{self.sub}" if self.sub else "")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path operator value`."""

    path: AttributePath
    operator: Operator
    value: Literal


@dataclass(frozen=True, slots=True)
class Present:
    """`path pr`."""

    path: AttributePath


@dataclass(frozen=True, slots=True)
class Not:
    """`not (operand)`."""

    operand: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """Two or more operands, in the order written."""

    operands: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Two or more operands, in the order written."""

    operands: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class ValuePath:
    """`path[filter]`: some one element satisfies the whole filter, whose paths name sub-attributes.

    Entra's `emails[type eq "work"].value eq "x"` arrives as `emails[type eq "work" and value eq "x"]`, which means the same.
    """

    path: AttributePath
    filter: "Filter"


Filter: TypeAlias = Comparison | Present | Not | And | Or | ValuePath


@dataclass(frozen=True, slots=True)
class PatchPath:
    """The target of a PATCH operation: `urn:name`, `name.sub`, `name[filter]` or `name[filter].sub`."""

    urn: str
    name: str
    filter: Filter | None = None
    sub: str = ""

    def __str__(self) -> str:
        # The filter is left out: it may hold personal data, and this text goes into answers.
        selection = "[…]" if self.filter else ""
        return (f"{self.urn}:" if self.urn else "") + self.name + selection + (f".{self.sub}" if self.sub else "")


def parse_filter(text: str, *, lenient: bool = False) -> Filter:
    """Return the tree of a filter.

    With `lenient`, literals without quotes are strings (Entra's `externalId eq jyoung`, bare dates).
    Raises Refusal `E_Filter_Unsupported`: bad syntax, or longer, deeper or with more terms than the limits.
    """
    reader = _Reader(text, lenient=lenient)
    tree = reader.read_or()
    reader.expect_end()
    return tree


def parse_path(text: str, *, lenient: bool = False) -> PatchPath:
    """Return the tree of a PATCH path.

    Raises Refusal `E_Path_Invalid` for a bad path, `E_Filter_Unsupported` for a bad filter inside it (RFC 7644 table 9).
    """
    return _usual_path(text, lenient=lenient) if len(text) <= _USUAL_LENGTH else _read_path(text, lenient=lenient)


def _read_path(text: str, *, lenient: bool) -> PatchPath:
    match = _PATH.match(text)
    if match is None or len(text) > MAX_LENGTH:
        raise Refusal("E_Path_Invalid", data={"value": text[:128]})
    urn, name, sub = match.group(1) or "", match.group(2), match.group(3) or ""
    end = match.end()
    if end == len(text):
        return PatchPath(urn, name, None, sub)
    if sub or text[end] != "[":
        raise Refusal("E_Path_Invalid", data={"value": text[:128]})
    reader = _Reader(text, lenient=lenient, position=end)
    selection = reader.read_selection()
    tail = _SUB.fullmatch(text, reader.position)
    if tail is None:
        raise Refusal("E_Path_Invalid", data={"value": text[:128]})
    return PatchPath(urn, name, selection, tail.group(1) or "")


_USUAL_LENGTH = 128
"""Characters of paths that are kept with their trees: directories send the same few again and again."""
_usual_path = lru_cache(maxsize=1024)(_read_path)


def parse_attribute_path(text: str) -> AttributePath | None:
    """Return a plain attribute name (`attributes=`, `sortBy=`, keys of path-less PATCH), or None where the text is none."""
    match = _PATH.fullmatch(text)
    return AttributePath(match.group(1) or "", match.group(2), match.group(3) or "") if match else None


_NAME = r"[A-Za-z$][A-Za-z0-9_$-]*"
_PATH = re.compile(rf"(?:([Uu][Rr][Nn]:[^\s\"()\[\]]+):)?({_NAME})(?:\.({_NAME}))?")
_SUB = re.compile(rf"(?:\.({_NAME}))?")
_OPERATOR = re.compile(r"\s+([A-Za-z]{2})(?![A-Za-z0-9_$.:-])")
_LOGIC = re.compile(r"\s+(and|or)(?=[\s(])", re.IGNORECASE)
_NOT = re.compile(r"not\s*(?=\()", re.IGNORECASE)
_BLANK = re.compile(r"\s*")
_STRING = re.compile(r'"([^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*)"')
_BARE = re.compile(r"[^\s()\[\]\"]+")
# 40 digits are more than any attribute holds, and Python refuses to read thousands of them.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_WORDS: dict[str, Literal] = {"true": True, "false": False, "null": None}
_OPERATORS = {operator.value: operator for operator in Operator}


class _Reader:
    """A recursive-descent reader: each `read_` consumes one production of RFC 7644 figure 1 and returns its tree."""

    __slots__ = ("_depth", "_lenient", "_terms", "_text", "position")

    def __init__(self, text: str, *, lenient: bool, position: int = 0) -> None:
        self._text = text
        self._lenient = lenient
        self._depth = 0
        self._terms = 0
        self.position = position
        if len(text) > MAX_LENGTH:
            self._refuse(f"longer than {MAX_LENGTH} characters")

    def read_or(self) -> Filter:
        """Operands joined by `or`, which binds weakest (RFC 7644 table 4)."""
        operands = [self._read_and()]
        while self._take_logic("or"):
            operands.append(self._read_and())
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def read_selection(self) -> Filter:
        """`[filter]`; the reader stands on the opening bracket."""
        self.position += 1
        self._descend()
        selection = self.read_or()
        self._close("]")
        return selection

    def expect_end(self) -> None:
        """Refuse anything after the filter."""
        self._skip_blanks()
        if self.position != len(self._text):
            self._refuse(f"unexpected text at character {self.position + 1}")

    def _read_and(self) -> Filter:
        operands = [self._read_term()]
        while self._take_logic("and"):
            operands.append(self._read_term())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _read_term(self) -> Filter:
        self._skip_blanks()
        negation = _NOT.match(self._text, self.position)
        if negation:
            self.position = negation.end()
        if self._text.startswith("(", self.position):
            self.position += 1
            self._descend()
            inner = self.read_or()
            self._close(")")
            return Not(inner) if negation else inner
        return self._read_attribute_expression()

    def _read_attribute_expression(self) -> Filter:
        match = _PATH.match(self._text, self.position)
        if match is None:
            self._refuse(f"an attribute is expected at character {self.position + 1}")
        self.position = match.end()
        path = AttributePath(match.group(1) or "", match.group(2), match.group(3) or "")
        if not self._text.startswith("[", self.position):
            return self._read_test(path)
        selection = self.read_selection()
        tail = _SUB.match(self._text, self.position)
        if tail is None or not tail.group(1):
            return ValuePath(path, selection)
        self.position = tail.end()
        test = self._read_test(AttributePath("", tail.group(1)))
        return ValuePath(path, And((*selection.operands, test) if isinstance(selection, And) else (selection, test)))

    def _read_test(self, path: AttributePath) -> Filter:
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._refuse(f"more than {MAX_TERMS} terms")
        match = _OPERATOR.match(self._text, self.position)
        if match is None:
            self._refuse(f"an operator is expected at character {self.position + 1}")
        self.position = match.end()
        word = match.group(1).lower()
        if word == "pr":
            return Present(path)
        operator = _OPERATORS.get(word)
        if operator is None:
            self._refuse(f"unknown operator {word}")
        return Comparison(path, operator, self._read_literal())

    def _read_literal(self) -> Literal:
        start = self.position
        self._skip_blanks()
        if self.position == start:
            self._refuse(f"a blank and a value are expected at character {self.position + 1}")
        match = _STRING.match(self._text, self.position)
        if match:
            self.position = match.end()
            return self._unescaped(match.group(0)) if "\\" in match.group(1) else match.group(1)
        match = _BARE.match(self._text, self.position)
        if match is None:
            self._refuse(f"a value is expected at character {self.position + 1}")
        self.position = match.end()
        return self._bare_literal(match.group(0))

    def _bare_literal(self, word: str) -> Literal:
        if word in _WORDS:
            return _WORDS[word]
        number = _NUMBER.fullmatch(word)
        if number:
            return Decimal(word) if number.group(1) or number.group(2) else int(word)
        if not self._lenient:
            self._refuse("a text without quotes")
        return word

    def _unescaped(self, literal: str) -> str:
        try:
            value = json.loads(literal)
            # Half a surrogate pair parses, but no encoder takes it: it would end in a 500 at the database.
            value.encode()
        except ValueError:
            self._refuse(f"a bad escape before character {self.position + 1}")
        return str(value)

    def _take_logic(self, word: str) -> bool:
        match = _LOGIC.match(self._text, self.position)
        if match is None or match.group(1).lower() != word:
            return False
        self.position = match.end()
        return True

    def _close(self, bracket: str) -> None:
        self._skip_blanks()
        if not self._text.startswith(bracket, self.position):
            self._refuse(f"{bracket} is expected at character {self.position + 1}")
        self.position += 1
        self._depth -= 1

    def _descend(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH}")

    def _skip_blanks(self) -> None:
        match = _BLANK.match(self._text, self.position)
        self.position = match.end() if match else self.position

    def _refuse(self, why: str) -> NoReturn:
        raise Refusal("E_Filter_Unsupported", reason=f"filter: {why}", data={"value": why})
