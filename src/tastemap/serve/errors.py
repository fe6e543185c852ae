"""Words errors for HTTP."""

from __future__ import annotations

from typing import Any

from tastemap.errors import TastemapError, UnknownIdError
from tastemap.serve.asked import UnreadableError
from tastemap.serve.batching import BusyError
from tastemap.serve.shelf import UnknownModelError


def describe_error(error: BaseException) -> tuple[int, dict[str, Any]]:
    """Return the status of an answer, and its JSON."""
    status = 500
    if isinstance(error, UnreadableError):
        status = 400
    elif isinstance(error, UnknownIdError | UnknownModelError):
        status = 404
    elif isinstance(error, BusyError):
        status = 429
    elif isinstance(error, TastemapError | ValueError):
        status = 422
    return status, {"error": {"message": str(error), "kind": type(error).__name__}}
