"""Where a database is: reads addresses such as postgresql://user@host/shop, and keeps their passwords to itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tastemap.errors import DataError, ParameterError, show
from tastemap.files.paths import as_path

Kind = Literal["postgresql", "sqlite", "duckdb", "other"]

WAYS = "an address such as postgresql://user@host/shop, the path of a DuckDB or SQLite file, or an open connection"

_SCHEMES: dict[str, Kind] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
}
_SECRET = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)
# One host or several with commas, each a name or an address, with a port or without.
_HOST = r"(\[[^\[\]]+\]|[^\[\]:,]*)(:\d*)?"
_HOSTS = re.compile(f"{_HOST}(,{_HOST})*")
# How the files of each begin, and where.
_MARKS: tuple[tuple[Kind, int, bytes], ...] = (("sqlite", 0, b"SQLite format 3\0"), ("duckdb", 8, b"DUCK"))


@dataclass(frozen=True)
class Address:
    """The address of a database.

    kind : what reads it; "other" is left to SQLAlchemy
    label : the address for messages, without a password and without what follows a question mark
    whole : what the driver gets: an address, or the path of a file
    secrets : the passwords in it, in each of their spellings
    """

    kind: Kind
    label: str
    whole: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def hide(self, text: str) -> str:
        """Return a text of the database's without the passwords."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def has_scheme(text: str) -> bool:
    """Return whether a text is an address, such as postgresql://host/shop, rather than the path of a file."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def is_database(given: str | Path) -> bool:
    """Return whether a path or an address is that of a database: by its first letters, or the file's first bytes."""
    scheme = read_scheme(given)
    return identify(Path(given).expanduser()) is not None if scheme is None else scheme != "other"


def read_scheme(given: str | Path) -> Kind | None:
    """Return what reads an address, "other" for what SQLAlchemy may; None for the path of a file."""
    if isinstance(given, Path) or not has_scheme(given):
        return None
    return _SCHEMES.get(given.partition(":")[0].lower(), "other")


def read_file_path(given: str | Path) -> Path:
    """Return the path of a file, given as such or as an address, duckdb:///shop.duckdb."""
    if read_scheme(given) is None:
        return as_path(given).expanduser()
    return as_path(unquote(str(given).partition("://")[2].partition("?")[0].removeprefix("/"))).expanduser()


def has_password(text: str) -> bool:
    """Return whether an address has a password in it."""
    return bool(read_address(text).secrets)


def read_address(given: str | Path, password_file: str | Path | None = None) -> Address:
    """Read an address, or the path of a file that holds a database.

    password_file : a file whose first line is the password, for an address without one

    Raises DataError for an address that is none, a file that is absent or of another kind, and for a password file that
    cannot be read; ParameterError for one beside an address that has a password or takes none.
    """
    kind = read_scheme(given)
    if kind is None:
        address = _read_path(given)
    elif kind in ("sqlite", "duckdb"):
        address = _read_file(kind, read_file_path(given))
    else:
        address = _read_server(str(given), kind, None if password_file is None else read_password(password_file))
        password_file = None
    if password_file is not None:
        raise ParameterError(
            f"password_file must be left out for {address.label}, which is a file",
            parameter="password_file",
            value=password_file,
        )
    return address


def read_password(path: str | Path) -> str:
    """Return the first line of a file; raises DataError where there is none."""
    path = as_path(path).expanduser()
    try:
        with path.open(encoding="utf-8") as lines:
            password = lines.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise DataError(f"cannot read the password in {path}: {reason}", path=path) from None
    if not password:
        raise DataError(f"the first line of {path} is empty, where the password should be", path=path)
    return password


def identify(path: Path) -> Kind | None:
    """Return which kind of database a file holds, by its first bytes; None for none of them and for no file."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return None
    return next((kind for kind, place, mark in _MARKS if start[place:].startswith(mark)), None)


def _read_path(given: str | Path) -> Address:
    text = os.fspath(given)
    # A list of words such as "host=... password=..." is not for a message.
    if "=" in text and not Path(text).exists():
        raise DataError(f"a connection is {WAYS}")
    return _read_file(None, read_file_path(given))


def _read_file(kind: Kind | None, path: Path) -> Address:
    if not path.is_file():
        raise DataError(f"there is no file {show(str(path))} with a database: a connection is {WAYS}", path=path)
    found = identify(path)
    if found is None and kind == "sqlite" and not path.stat().st_size:
        found = kind  # an empty file is an empty database
    if found is None:
        raise DataError(f"{path} is neither a DuckDB nor an SQLite file", path=path)
    return Address(found, str(path), str(path.absolute()))


def _read_server(given: str, kind: Kind, password: str | None) -> Address:
    scheme = given.partition(":")[0]
    unreadable = DataError(f"the address {scheme}://... cannot be read: write @ as %40, / as %2F, : as %3A in a name")
    try:
        parts = urlsplit(given)
        options = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise unreadable from None
    where = parts.netloc.rpartition("@")[2]
    # A password with such a sign is cut there, and its end would be taken for a name.
    if (
        "@" in parts.path + parts.fragment
        or parts.netloc.count("@") > 1
        or parts.fragment
        or not _HOSTS.fullmatch(where)
    ):
        raise unreadable
    own = next((unquote(value) for value in (parts.password, *_list_secrets(options)) if value), None)
    if own is not None and password is not None:
        raise ParameterError(
            f"password_file must be left out where the address {scheme}://... has a password",
            parameter="password_file",
            value=None,
        )
    user = "" if parts.username is None else f"{parts.username}@"
    label = f"{scheme}://{user}{where}{parts.path}"
    secrets = {value for value in (own, password, parts.password) if value}
    if password is None:
        whole = given
    else:
        whole = f"{scheme}://{parts.username or ''}:{quote(password, safe='')}@{where}{parts.path}"
        if parts.username is None:
            # Without a name before it libpq takes a password all the same.
            whole = f"{scheme}://{where}{parts.path}"
            options.append(("password", password))
        whole += f"?{urlencode(options, quote_via=quote)}" if options else ""
    return Address(kind, label, whole, tuple(_spell(secrets)))


def _list_secrets(options: Iterable[tuple[str, str]]) -> list[str]:
    return [value for name, value in options if _SECRET.search(name) and name.lower() not in ("passfile", "sslkey")]


def _spell(secrets: Iterable[str]) -> list[str]:
    """Return each secret as it is, with its signs quoted, and without quotes; the longest first."""
    spellings = {
        form for secret in secrets for form in (secret, quote(secret, safe=""), quote(secret), unquote(secret))
    }
    return sorted(spellings, key=len, reverse=True)
