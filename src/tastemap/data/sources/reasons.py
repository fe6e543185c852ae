"""Finds the sentence of a database in the errors of its driver."""

from __future__ import annotations

import re

from tastemap.data.sources.addresses import Address
from tastemap.errors import DataError, Remedy

# What drivers put before the sentence of the database.
_PREFIX = re.compile(
    r"^\s*([A-Z_]+: |\[\w+\] |\([\w.]+\) |Failed to execute query '.*?': |Failed to \w+( \w+)?: "
    r"|Execution error \[\w+\]: |[A-Z][A-Za-z ]* Error: |PQ\w+\(\) failed: "
    r"|connection failed: |connection to server at [^\n]* port \d+ failed: |(ERROR|FATAL|PANIC): +)",
    re.DOTALL,
)


def say_reason(error: BaseException, address: Address | None) -> str:
    """Return the sentence of a database in an error of its driver, without what drivers add, and without a password."""
    text = str(error)
    while text != (shorter := _PREFIX.sub("", text, count=1)):
        text = shorter
    text = text.strip().partition("\n")[0].partition(" Query was: ")[0].rstrip(". \t") or type(error).__name__
    return text if address is None else address.hide(text)


def is_about_connecting(error: BaseException) -> bool:
    """Return whether a server was not reached, or let nobody in."""
    return bool(re.search("failed to connect|connection (to server|failed)|could not translate", str(error), re.I))


def make_connection_error(error: BaseException, address: Address) -> DataError:
    """Return an error that says why a server was not reached, and how to pass a password where it wants one."""
    reason = say_reason(error, address)
    way = Remedy("set PGPASSWORD, or pass password_file=", "password_file", ...)
    return DataError(f"cannot connect to {address.label}: {reason}", *([way] if "password" in reason else []))
