"""Makes one sentence of what Spark says, over hundreds of lines of Java, when a job fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tastemap import errors
from tastemap.errors import DataError, TastemapError, tidy

# The last line of a Python traceback in Spark's text that names one of tastemap's own errors.
_OWN = re.compile(r"^tastemap\.errors\.(\w+): (.+)$", flags=re.MULTILINE)
_NO_SPACE = re.compile(r"No space left on device|File too large|Disk quota exceeded")
_CAUSE = re.compile(r"^(?:Caused by: )?[\w.$]+(?:Exception|Error): (?P<text>.+)$", flags=re.MULTILINE)


@contextmanager
def tell_failure(purpose: str) -> Iterator[None]:
    """Raise what fails in Spark as one sentence; errors that are not Spark's pass.

    purpose : what Spark was doing, e.g. "training ImplicitALS on Spark"
    """
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("pyspark", "py4j")):
            raise
        raise read_failure(purpose, str(error)) from None


def read_failure(purpose: str, text: str) -> Exception:
    """Return the error that Spark's text is about."""
    own = _OWN.search(text)
    if own is not None:
        kind = getattr(errors, own[1], DataError)
        made: TastemapError = kind(own[2]) if issubclass(kind, TastemapError) else DataError(own[2])
        return made
    full = _NO_SPACE.search(text)
    if full is not None:
        return OSError(
            f"{purpose} found no room on a disk ({full[0]}): free some, or name another with spark.local.dir"
        )
    causes = [cause["text"].strip() for cause in _CAUSE.finditer(text)]
    last = causes[-1] if causes else next((line for line in text.splitlines() if line.strip()), "it does not say why")
    return DataError(f"{purpose} failed: {tidy(last)}")
