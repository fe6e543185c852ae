"""The errors and warnings that tastemap raises: each is one sentence for people, and facts for programs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

# The most characters of a value, and of a problem, that a message shows.
_LONGEST_VALUE, _LONGEST_TEXT = 120, 1_200

Said = TypeVar("Said", bound=Exception)


@dataclass(frozen=True)
class Remedy:
    """A way out of a problem; a user interface can word it in its own way, from `parameter` and `value`.

    text : the library's own words, e.g. "pass exclude=None"
    parameter : the argument to change, "exclude", or what to do with the data, "drop_nulls"; None where it is neither
    value : what to pass for it; ... where the caller has to choose
    """

    text: str
    parameter: str | None = None
    value: object = None


class _Message(Exception):  # noqa: N818 - errors and warnings share it
    """What errors and warnings share: a problem, its remedies and its facts; `str` makes one sentence of them.

    subjects : what the sentence is about, the outermost first, such as the name of a model
    """

    problem: str
    remedies: tuple[Remedy, ...]
    facts: dict[str, Any]
    subjects: tuple[str, ...] = ()

    def __init__(self, problem: str = "", *remedies: Remedy | str, **facts: Any) -> None:
        self.problem, self.facts = problem, facts
        self.remedies = tuple(Remedy(way) if isinstance(way, str) else way for way in remedies)
        super().__init__(str(self))

    def __str__(self) -> str:
        # Not as KeyError, which shows the repr of its message.
        return compose(self.problem, [remedy.text for remedy in self.remedies], self.subjects)

    def about(self, subject: str, *more: Remedy | str) -> Self:
        """Return a copy with ``subject`` before the sentence and ``more`` remedies behind it; notes are kept."""
        copy = type(self)(self.problem, *self.remedies, *more, **self.facts)
        copy.subjects = (subject, *self.subjects)
        copy.args = (str(copy),)
        return _keep_notes(self, copy)


class TastemapError(_Message):
    """Base of every error that tastemap raises on purpose; its text is one sentence.

    problem : what is wrong, without the remedies
    remedies : the ways out of the problem, each a `Remedy`
    facts : what the error is about, by name: the ``column``, its ``rows``, the ``ids``, the ``path``, the
        ``parameter`` and its ``value``; which of these names are present depends on the error
    """


class DataError(TastemapError, ValueError):
    """The data cannot be used as given: a missing column, a null, a file that does not parse."""

    @property
    def column(self) -> str | None:
        """The column that is wrong, None where the error is not about a single one."""
        return self.facts.get("column")


class ParameterError(TastemapError, ValueError):
    """A parameter cannot have the value that was given."""

    @property
    def parameter(self) -> str:
        """The name of the parameter."""
        name: str = self.facts["parameter"]
        return name

    @property
    def value(self) -> Any:
        """The value that was given."""
        return self.facts["value"]


class ParameterNameError(ParameterError, TypeError):
    """A model has no parameter of this name, or a value came without a name."""


class UnknownIdError(TastemapError, KeyError):
    """Some ids were not in the training data."""

    @property
    def ids(self) -> tuple[Any, ...]:
        """The unknown ids, each once."""
        return tuple(self.facts.get("ids", ()))


class NotFittedError(TastemapError, RuntimeError):
    """The model has to be fitted first."""


class NotSupportedError(TastemapError, NotImplementedError):
    """The model cannot do what was asked, by its nature or because data that it needs were left out."""


def make_no_pairs_error(purpose: str, *ways: Remedy | str) -> NotSupportedError:
    """Make the error of a model that has no training pairs, which a purpose needs."""
    return NotSupportedError(
        f"{purpose} needs the training pairs, and this model has none: it was saved with interactions=False, or fitted "
        "on Spark without history=True",
        *ways,
        what="no interactions",
        purpose=purpose,
    )


class MissingPackageError(TastemapError, ImportError):
    """A function needs a package that comes with one of tastemap's extras and is not installed."""


class ModelFileError(TastemapError, ValueError):
    """The file is not a whole tastemap model, checkpoint or study, or belongs to another training or search."""


class DivergenceError(TastemapError, ArithmeticError):
    """Training reached numbers that a float cannot hold; the message names the parameter to change."""


class TastemapWarning(_Message, UserWarning):
    """A warning about something rarely intended; it has the ``problem``, ``remedies`` and ``facts`` of an error."""


class Note(str):
    """A note for `add_note` of an error; it keeps its remedies as data."""

    problem: str
    remedies: tuple[Remedy, ...]

    def __new__(cls, problem: str, *remedies: Remedy) -> Self:
        """Make one sentence of the problem and its remedies, and keep both."""
        note = super().__new__(cls, compose(problem, [remedy.text for remedy in remedies]))
        note.problem, note.remedies = problem, remedies
        return note


def tidy(text: str) -> str:
    """Return a text with control characters written as escapes, and cut where it is too long to be a sentence."""
    if len(text) > _LONGEST_TEXT:
        text = _cut(text, _LONGEST_TEXT)
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def _cut(text: str, longest: int) -> str:
    """Return a text of at most about so many characters: its beginning and its end."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def compose(problem: str, ways: Sequence[str], subjects: Sequence[str] = ()) -> str:
    """Make one text of a problem and the ways out of it: ``Popular: problem: this, or that``.

    After a problem that ends with a full stop or a question, the ways out are a sentence of their own.
    """
    text = tidy(": ".join([*subjects, problem]))
    if not ways:
        return text
    way = f"{', '.join(ways[:-1])}, or {ways[-1]}" if len(ways) > 1 else ways[0]
    return f"{text} {way[0].upper()}{way[1:].rstrip('.')}." if problem.endswith((".", "?")) else f"{text}: {way}"


def tell_about(subject: str, said: Said) -> Said:
    """Return a copy of an error or warning with ``subject`` before its sentence; facts and notes are kept."""
    if isinstance(said, _Message):
        return said.about(subject)
    return _keep_notes(said, type(said)(f"{subject}: {said}"))


def _keep_notes(said: Exception, copy: Said) -> Said:
    for note in getattr(said, "__notes__", ()):
        copy.add_note(note)
    return copy


def first_line(error: BaseException) -> str:
    """Return the first line of what another library says."""
    return str(error).strip().partition("\n")[0]


def show(value: object, longest: int = _LONGEST_VALUE) -> str:
    """Return a value for a message: its repr in one line, cut to about `longest` characters.

    Of what has rows, such as an array, a series or a frame, it tells the type and the shape.
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and not isinstance(value, type):
        sizes = " x ".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} values"
        kind = type(value).__name__
        return f"an array of {sizes}" if kind == "ndarray" else f"a {kind} of {sizes}"
    return tidy(_cut(repr(value), longest))


def name_some(values: Iterable[object], limit: int = 3) -> str:
    """Name the first few values for a message, long ones cut: ``'a', 'b', 'c' and 2 more``."""
    values = list(values)
    shown = ", ".join(map(show, values[:limit]))
    return shown if len(values) <= limit else f"{shown} and {len(values) - limit} more"


def find_close(word: object, known: Iterable[object]) -> str | None:
    """Return the known word that is spelt most like this one, whatever its case; None if none is near."""
    by_lower = {str(name).lower(): str(name) for name in known}
    close = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def suggest(word: object, known: Iterable[object], otherwise: str = "") -> str:
    """Return the end of a message, ``; did you mean 'user'?``, with the closest known word; `otherwise` if none is."""
    close = find_close(word, known)
    return otherwise if close is None else f"; did you mean {close!r}?"
