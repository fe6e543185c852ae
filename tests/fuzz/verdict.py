"""Judges what a call raised: an error that tastemap intends, or a finding."""

from __future__ import annotations

import dis
import hashlib
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

import tastemap
from tastemap.errors import TastemapError, TastemapWarning

PACKAGE, FUZZ = str(Path(tastemap.__file__).parent), str(Path(__file__).parent)

# Classes of errors that tastemap documents beside its own.
DOCUMENTED = (ValueError, TypeError, OSError, ImportError)

# The most characters of a message: values are cut before they make it longer.
LONGEST = 1500


class NotMade(Exception):  # noqa: N818 - no error of tastemap's
    """The input itself cannot be made: another library refuses it."""


class Refused(Exception):  # noqa: N818 - what is asked is refused as intended
    """The input is refused in a way that is no error, such as an exit status."""


class Wrong(AssertionError):  # noqa: N818 - as AssertionError
    """An answer breaks an invariant, or an error comes where there is nothing to refuse."""


@dataclass(frozen=True)
class Finding:
    """What went wrong.

    signature : what equal findings share: the kind of error and where it was raised, without values
    text : everything that is known about it
    """

    signature: str
    text: str

    @property
    def name(self) -> str:
        """A short name for files."""
        return hashlib.blake2b(self.signature.encode(), digest_size=4).hexdigest()


def ensure(condition: object, sentence: str) -> None:
    """Raise Wrong with a sentence where an invariant does not hold."""
    if not condition:
        raise Wrong(sentence)


@contextmanager
def without_refusal(what: str) -> Iterator[None]:
    """Turn errors that tastemap intends into findings: what happens in the block may not be refused."""
    try:
        yield
    except Exception as error:
        if find_fault(error) is None:
            raise Wrong(f"{what} is refused, with {type(error).__name__}: {error}") from error
        raise


def ask(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a call returns, None where it is refused on purpose; other errors are raised."""
    try:
        return call(*arguments, **options)
    except BaseException as error:
        if find_fault(error) is not None:
            raise
        return None


def find_fault(error: BaseException) -> str | None:
    """Return what is wrong with an error, None for one that tastemap intends: its own class, and one sentence."""
    if isinstance(error, Wrong):
        return str(error)
    if not isinstance(error, (TastemapError, *DOCUMENTED)):
        return "an error of a class that tastemap does not document"
    if not _is_raised_by_tastemap(error.__traceback__) and not _is_of_the_system(error):
        return "an error from inside that tastemap does not raise itself"
    text = str(error)
    if not text.strip():
        return "an error without a sentence"
    if _is_of_the_system(error):
        return None
    if "\n" in text or "\r" in text:
        return "a message of several lines"
    if len(text) > LONGEST:
        return f"a message of {len(text):,} characters"
    return None


def find_faulty_warning(told: list[warnings.WarningMessage]) -> Finding | None:
    """Return a finding for the first warning that is not one of tastemap's own sentences."""
    for one in told:
        if isinstance(one.message, TastemapWarning) and "\n" not in str(one.message):
            continue
        where = f"{Path(one.filename).name}:{one.lineno}"
        return Finding(f"{one.category.__name__} at {where}", f"{one.category.__name__}: {one.message}, at {where}")
    return None


def describe(error: BaseException) -> Finding:
    """Return the finding that an error is."""
    fault = find_fault(error) or "it is intended, but not here"
    # The innermost place within tastemap says where; lines change too often to compare.
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(f.filename).name}:{f.name}" for f in frames if f.filename.startswith((PACKAGE, FUZZ))]
    where, said = f"{type(error).__name__} in {ours[-1]}", _without_values(fault)
    signature = said.partition(":")[0][:100] if isinstance(error, Wrong) else f"{where}: {said}"
    return Finding(signature, f"{fault}\n\n{''.join(traceback.format_exception(error))}")


def _without_values(text: str) -> str:
    return "".join("0" if mark.isdigit() else mark for mark in text)


def _is_raised_by_tastemap(place: TracebackType | None) -> bool:
    """Tell whether the innermost frame is tastemap's and stands at a `raise`, not at a call that failed within C."""
    if place is None:
        return False
    while place.tb_next is not None:
        place = place.tb_next
    code = place.tb_frame.f_code
    return code.co_filename.startswith(PACKAGE) and _is_raise(code, place.tb_lasti)


def _is_raise(code: CodeType, offset: int) -> bool:
    return dis.opname[code.co_code[offset]] in ("RAISE_VARARGS", "RERAISE")


def _is_of_the_system(error: BaseException) -> bool:
    """Tell whether the operating system refused a file: its sentence and the path are all that there is to say."""
    return isinstance(error, OSError) and error.errno is not None and error.filename is not None
