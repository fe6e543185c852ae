"""Conditions on columns of items, such as `genre=Drama|Comedy` and `year>=1990`: what callers write, made one form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, cast, get_args

import numpy as np

from tastemap.data._checks import as_python
from tastemap.data.frames import is_single, list_values
from tastemap.errors import ParameterError, show

Sign = Literal["=", "!=", ">=", "<=", ">", "<"]
Value = str | int | float | bool | date

# Longer signs first, so that >= is not taken for >.
_SIGNS = r"!=|>=|<=|=|>|<"
_TEXT = re.compile(rf"(.*?)({_SIGNS})(.*)", re.DOTALL)
_KEY = re.compile(rf"(.*?)({_SIGNS})?\s*", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """What an item's values in a column must be.

    column : the name of a column
    sign : "=" any of the values, "!=" none of them; ">=", "<=", ">" and "<" compare with a single one
    values : texts, numbers, True, False or dates, as many as are given; a text is read as the column's type says

    An item without a value in the column fulfils no condition but "!=".
    Raises ParameterError where the sign is unknown, or the values do not go with it.
    """

    column: str
    sign: Sign
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            raise _refuse(f"a condition must name a column, got {show(self.column)}", self.column)
        if self.sign not in get_args(Sign):
            raise _refuse(f"the sign of a condition must be one of {', '.join(get_args(Sign))}", self.sign)
        if not isinstance(self.values, tuple) or not self.values:
            raise _refuse(f"the condition on {self.column!r} has no value", self.values)
        own = tuple(map(as_python, self.values))
        for value in own:
            if not isinstance(value, Value) or value != value:
                raise _refuse(f"{show(value)} in the condition on {self.column!r} is no text, number or date", value)
        if self.sign not in ("=", "!="):
            if len(own) > 1:
                raise _refuse(f"{self.sign} in the condition on {self.column!r} takes one value", own)
        else:
            own = tuple(sorted({(type(value).__name__, value): value for value in own}.values(), key=_order_value))
        object.__setattr__(self, "values", own)

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{'|'.join(map(str, self.values))}"


def parse_condition(text: str) -> Condition:
    """Return the condition that a text is: a column, a sign and a value, or with = and != several, with | between.

    `genre=Drama|Comedy` is any of two, `genre!=Horror|Thriller` none of two; spaces around values do not count. Raises
    ParameterError for a text that is no condition.
    """
    found = _TEXT.fullmatch(text)
    column, sign, rest = found.groups() if found else ("", "", "")
    values = [part.strip() for part in rest.split("|")] if sign in ("=", "!=") else [rest.strip()]
    values = [value for value in values if value]
    if not column.strip() or not values:
        raise _refuse(
            f"{show(text)} is no condition: write it as genre=Drama|Comedy, genre!=Horror or year>=1990", text
        )
    return Condition(column.strip(), cast(Sign, sign), tuple(values))


def read_conditions(where: Any) -> tuple[Condition, ...]:
    """Return conditions, all of which must hold, each once and in an order that does not depend on that of `where`.

    where : a text as `parse_condition` takes it, a `Condition`, (column, sign, value or values), {column: value or
        values}, where the column may have a sign behind it, as in {"year>=": 1990}, or a list of these; None for none

    Texts in tuples and dicts are single values, whatever they hold. The result has a hash: equal ones choose the same
    items. Raises ParameterError for what is no condition.
    """
    return tuple(
        sorted(set(_read(where)), key=lambda one: (one.column, one.sign, tuple(map(_order_value, one.values))))
    )


def _read(where: Any) -> Iterable[Condition]:
    if where is None:
        return []
    if isinstance(where, Condition):
        return [where]
    if isinstance(where, str):
        return [parse_condition(where)]
    if isinstance(where, Mapping):
        return [_read_entry(key, values) for key, values in where.items()]
    if isinstance(where, tuple) and len(where) == 3 and where[1] in get_args(Sign):
        return [_make(*where)]
    if isinstance(where, Iterable) and not isinstance(where, bytes):
        return [one for part in where for one in _read_part(part)]
    raise _refuse(f"where must be conditions such as 'genre=Drama', got {show(where)}", where)


def _read_part(part: Any) -> Iterable[Condition]:
    if isinstance(part, list):
        raise _refuse(f"where must not hold a list within a list, got {show(part)}", part)
    return _read(part)


def _read_entry(key: Any, values: Any) -> Condition:
    if not isinstance(key, str):
        raise _refuse(f"a condition must name a column, got {show(key)}", key)
    found = _KEY.fullmatch(key)
    assert found is not None  # it matches every text
    return _make(found[1].strip(), found[2] or "=", values)


def _make(column: Any, sign: Any, values: Any) -> Condition:
    if isinstance(values, Mapping):
        raise _refuse(f"the condition on {show(column)} needs a value or a list of values, got {show(values)}", values)
    own = values.tolist() if isinstance(values, np.ndarray) else values
    return Condition(column, sign, tuple([own] if is_single(own) else list_values(own)))


def _order_value(value: Value) -> tuple[str, str]:
    return type(value).__name__, value.isoformat() if isinstance(value, date | datetime) else repr(value)


def _refuse(problem: str, value: object) -> ParameterError:
    return ParameterError(problem, parameter="where", value=value)
