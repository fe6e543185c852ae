"""Words errors for HTTP: a status, and one sentence with its facts."""

from __future__ import annotations

import logging
from typing import Any

from starlette.exceptions import HTTPException

from tastemap.errors import DataError, NotSupportedError, ParameterError, TastemapError, UnknownIdError, compose
from tastemap.serve.asked import UnreadableError
from tastemap.serve.batching import BusyError
from tastemap.serve.shelf import UnknownModelError

logger = logging.getLogger("tastemap.serve")

# The parameter of a remedy -> how to follow it here. Remedies with another parameter cannot be followed here.
ADVICE = {
    "exclude_seen": "pass seen=true",
    "on_unknown": "pass on_unknown=popular to list the most popular items",
    "update": "leave them out",
}

STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (UnreadableError, 400),
    (UnknownIdError, 404),
    (UnknownModelError, 404),
    (BusyError, 429),
    (ParameterError, 422),
    (DataError, 422),
    (NotSupportedError, 422),
)

REASONS = {
    404: "there is nothing at this path: GET /docs shows what there is",
    405: "this path does not take this method: GET /docs shows which it takes",
}

# The most values of a fact that an answer repeats, and the most characters of each.
MOST_VALUES, LONGEST_VALUE = 10, 200


class RefusedError(Exception):
    """A request is refused before anybody looks at what it asks."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def describe_error(error: BaseException) -> tuple[int, dict[str, Any]]:
    """Return the status of an answer, and its JSON; what nobody foresaw is logged and tells nothing."""
    if isinstance(error, RefusedError):
        return error.status, make_error(str(error), "RefusedError")
    if isinstance(error, HTTPException):
        return error.status_code, make_error(REASONS.get(error.status_code, str(error.detail)), "RefusedError")
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return status, make_error(_word(error), type(error).__name__, _show_facts(error))
    if isinstance(error, TastemapError | OSError | MemoryError):
        logger.error("%s: %s", type(error).__name__, error)
        return 500, make_error(_word(error), type(error).__name__)
    if isinstance(error, ValueError):
        return 422, make_error(str(error), "ValueError")
    logger.error("a request failed", exc_info=error)
    return 500, make_error("the server made a mistake: its log has the details", "InternalError")


def make_error(message: str, kind: str, facts: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON of an error."""
    return {"error": {"message": message, "kind": kind, **(facts or {})}}


def _word(error: BaseException) -> str:
    if not isinstance(error, TastemapError):
        return str(error)
    ways = [way.text if way.parameter is None else ADVICE.get(way.parameter, "") for way in error.remedies]
    return compose(error.problem, [way for way in ways if way], error.subjects)


def _show_facts(error: BaseException) -> dict[str, Any]:
    """Return the facts of an error that JSON has, cut to a sane size."""
    facts = error.facts if isinstance(error, TastemapError) else {}
    shown = {}
    for name, value in facts.items():
        several = isinstance(value, list | tuple)
        values = [one for one in (value if several else [value]) if isinstance(one, str | int | float | bool)]
        cut = [one[:LONGEST_VALUE] if isinstance(one, str) else one for one in values[:MOST_VALUES]]
        if cut and name not in ("message", "kind"):
            shown[name] = cut if several else cut[0]
    return shown
