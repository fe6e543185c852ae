"""Headers are compared with the types that declare them."""

from __future__ import annotations

import re
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from tastemap.files.headers import find_misfit, read_json


class Step(TypedDict):
    number: int
    size: float | None


class Told(TypedDict):
    name: str
    kind: Literal["a", "b"]
    steps: list[Step]
    rest: dict[str, Any]
    more: NotRequired[str | None]


RIGHT: dict[str, Any] = {"name": "x", "kind": "a", "steps": [{"number": 1, "size": 2}], "rest": {"y": [None]}}


def test_what_is_as_declared_fits_and_may_hold_more() -> None:
    assert find_misfit(RIGHT, Told) is None
    assert find_misfit({**RIGHT, "more": None, "unknown": 1}, Told) is None


@pytest.mark.parametrize(
    ("changed", "misfit"),
    [
        ({"name": 1}, "'name' in the header must be text, got 1"),
        ({"name": "x", "kind": "c"}, "'kind' in the header must be one of 'a', 'b', got 'c'"),
        ({"kind": ["a"]}, "'kind' in the header must be one of 'a', 'b', got ['a']"),
        ({"steps": {}}, "'steps' in the header must be a list, got {}"),
        ({"steps": [1]}, "an entry of 'steps' in the header must be an object, got 1"),
        ({"steps": [{"number": 1}]}, "an entry of 'steps' in the header lacks 'size'"),
        (
            {"steps": [{"number": True, "size": 1.0}]},
            "'number' in an entry of 'steps' in the header must be a whole number, got True",
        ),
        (
            {"steps": [{"number": 2**63, "size": 1.0}]},
            "'number' in an entry of 'steps' in the header must be a whole number, got 9223372036854775808",
        ),
        (
            {"steps": [{"number": 1, "size": float("inf")}]},
            "'size' in an entry of 'steps' in the header must be a finite number or null, got inf",
        ),
        ({"steps": [{"number": 1, "size": 10**400}]}, "'size' in an entry of 'steps' in the header must be a finite"),
        ({"rest": []}, "'rest' in the header must be an object, got []"),
        ({"more": 1.5}, "'more' in the header must be text or null, got 1.5"),
        ({"name": ["long"] * 99}, "'name' in the header must be text, got ['long', 'long', "),
    ],
)
def test_the_first_misfit_is_told_in_a_sentence(changed: dict[str, Any], misfit: str) -> None:
    told = find_misfit({**RIGHT, **changed}, Told)
    assert told is not None
    assert told.startswith(misfit)
    assert len(told) < 160


@pytest.mark.parametrize("header", [None, [], "x", {}])
def test_what_is_no_object_or_lacks_a_name_does_not_fit(header: Any) -> None:
    assert re.match(r"the header (must be an object|lacks 'name')", str(find_misfit(header, Told)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ('{"a": 1, "a": 2}', "it holds a name twice"),
        (r'{"a": "\ud800"}', "it holds text that is no Unicode"),
    ],
)
def test_json_that_is_no_header_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_json(text)
