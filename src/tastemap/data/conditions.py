"""Conditions on what is known of items, such as `genre=Drama|Comedy` and `year>=1990`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args

import numpy as np

from tastemap.data.frames import is_single, list_values
from tastemap.errors import ParameterError, show

Sign = Literal["=", "!=", ">=", "<=", ">", "<"]
Value = str | int | float | bool | date

# The longer signs first: >= begins with >.
_TEXT = re.compile(r"\s*(.+?)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*", flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a column of items.

    column : its name
    sign : "=" one of the values, "!=" none of them, ">=", "<=", ">" and "<" compare with the only one
    values : what the column is compared with; texts are read as the column's type
    """

    column: str
    sign: Sign
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            raise _make_error(f"a condition names a column, got {show(self.column)}", self.column)
        if self.sign not in get_args(Sign):
            raise _make_error(f"a condition has one of {', '.join(get_args(Sign))}, got {show(self.sign)}", self.sign)
        if not self.values or not all(isinstance(value, Value) for value in self.values):
            raise _make_error(
                f"a condition compares with texts, numbers or dates, got {show(self.values)}", self.values
            )
        if self.sign not in ("=", "!=") and len(self.values) > 1:
            raise _make_error(f"{self.sign} compares with one value, got {len(self.values)}", self.values)

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{'|'.join(map(str, self.values))}"


def read_conditions(where: Any) -> tuple[Condition, ...]:
    """Return conditions, all of which must hold, each once and in one order, so that equal filters are equal keys.

    where : a text such as "genre=Drama|Comedy", "genre!=Horror" or "year>=1990"; a `Condition`; a tuple (column, sign,
        value or values), for values with signs in them; a dict of columns and the value or values of which one must
        hold; or several of these in a list. None is no condition

    Raises ParameterError for anything else.
    """
    found = {condition: None for one in _list_conditions(where) for condition in _read_one(one)}
    return tuple(sorted(found, key=lambda one: (one.column, one.sign, tuple(map(repr, one.values)))))


def _list_conditions(where: Any) -> Iterable[Any]:
    if where is None:
        return []
    if isinstance(where, str | Condition | Mapping) or _is_triple(where):
        return [where]
    if isinstance(where, Iterable):
        return where
    raise _make_error(f"where must be conditions such as 'year>=1990', got {show(where)}", where)


def _is_triple(where: Any) -> bool:
    return isinstance(where, tuple) and len(where) == 3 and where[1] in get_args(Sign)


def _read_one(one: Any) -> list[Condition]:
    if isinstance(one, Condition):
        return [one]
    if isinstance(one, str):
        return [parse_condition(one)]
    if isinstance(one, Mapping):
        return [Condition(column, "=", _as_values(values)) for column, values in one.items()]
    if _is_triple(one):
        column, sign, values = one
        return [Condition(column, sign, _as_values(values))]
    raise _make_error(f"where must be conditions such as 'year>=1990', got {show(one)}", one)


def parse_condition(text: str) -> Condition:
    """Return the condition that a text such as `genre=Drama|Comedy` says; raises ParameterError for another text."""
    parts = _TEXT.fullmatch(text)
    values = [value.strip() for value in parts[3].split("|")] if parts else []
    if parts is None or not all(values):
        raise _make_error(
            f"a condition must be such as genre=Drama|Comedy, genre!=Horror or year>=1990, got {show(text)}", text
        )
    sign: Any = parts[2]
    return Condition(parts[1], sign, tuple(values))


def _as_values(values: Any) -> tuple[Any, ...]:
    several = [values] if is_single(values) or isinstance(values, date) else list(list_values(values))
    return tuple(value.item() if isinstance(value, np.generic) else value for value in several)


def _make_error(problem: str, value: object) -> ParameterError:
    return ParameterError(problem, parameter="where", value=value)
