"""The exceptions users catch. Every message is one sentence with the name, the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TastemapError(Exception):
    """Base of every error that tastemap raises on purpose."""


class DataError(TastemapError, ValueError):
    """The data cannot be used as given: a missing column, a null, a file that does not parse."""


class UnknownIdError(TastemapError, KeyError):
    """Ids that were not in the training data."""

    def __str__(self) -> str:
        # KeyError shows the repr of its message; a sentence should read as one.
        return str(self.args[0]) if self.args else ""


class NotFittedError(TastemapError, RuntimeError):
    """The model has to be fitted first."""


class NotSupportedError(TastemapError, NotImplementedError):
    """What was asked of a model is beyond it, by its nature or because data it needs was left out."""


class MissingPackageError(TastemapError, ImportError):
    """What was asked for needs a package that comes with one of tastemap's extras and is not installed."""


class ModelFileError(TastemapError, ValueError):
    """The file is not a whole tastemap model, checkpoint or study, or is that of another training or search."""


class DivergenceError(TastemapError, ArithmeticError):
    """Training left the numbers a float can hold; the message names the parameter to change."""


def name_some(values: Iterable[object], limit: int = 3) -> str:
    """The first few values for a message: ``'a', 'b', 'c' and 2 more``."""
    values = list(values)
    shown = ", ".join(repr(v) for v in values[:limit])
    return shown if len(values) <= limit else f"{shown} and {len(values) - limit} more"


def meant(word: object, known: Iterable[object], otherwise: str = "") -> str:
    """The end of a message about an unknown word: ``; did you mean 'user'?``, or `otherwise` where none is close."""
    by_lower = {str(name).lower(): str(name) for name in known}
    close = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else otherwise
