"""Words errors as sentences of a page."""

from __future__ import annotations

import logging

from tastemap.explore import texts
from tastemap.serve.errors import describe_error

logger = logging.getLogger("tastemap.explore")


def word_error(error: Exception) -> str:
    """Return a sentence; what nobody foresaw goes to the log, with its place in the code."""
    status, told = describe_error(error)
    if status >= 500:
        logger.error("a page failed", exc_info=error)
    sentence: str = told["error"]["message"]
    return texts.FAILED.format(sentence=sentence)
