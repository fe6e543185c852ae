"""Rewrites the bytes of a text before its columns are read: its encoding, ends of lines, quotes behind backslashes."""

from __future__ import annotations

import codecs
import io
import re

from tastemap.data.sources._room import check_room
from tastemap.data.sources._unpack import Content, open_content
from tastemap.errors import DataError, ParameterError, Remedy, show

_PIECE = 1 << 18  # of a text; small enough for the processor's cache
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(content: Content, encoding: str | None, label: str) -> Content:
    """Return the content in UTF-8, without a byte order mark.

    encoding : that of the content; None takes it from a byte order mark, and UTF-8 where there is none

    Raises ParameterError for an unknown encoding, DataError where the content is of another.
    """
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except (LookupError, TypeError, ValueError):
            raise ParameterError(
                f"encoding must be one that Python knows, such as 'latin-1' or 'cp1252', got {show(encoding)}",
                parameter="encoding",
                value=encoding,
            ) from None
    with open_content(content) as stream:
        start = stream.read(4)
    marked = next((name for mark, name in _BOMS if start.startswith(mark)), None)
    if encoding is None and marked is None:
        return content
    whole = read_whole(content)
    if marked == "utf-8-sig" and (encoding is None or codecs.lookup(encoding).name == "utf-8"):
        return whole[len(codecs.BOM_UTF8) :]
    check_room(2 * len(whole), label)
    chosen = encoding or marked or "utf-8"
    try:
        return whole.decode(chosen).removeprefix("\ufeff").encode()
    except (UnicodeError, LookupError) as error:
        raise DataError(
            f"{label} is not text in {chosen}: {error}", Remedy("pass another encoding", "encoding", ...)
        ) from None


def ends_lines_in_returns(content: Content, *, quotes: bool) -> bool:
    """Return whether the first line of a text ends in CR without LF, as old spreadsheets write."""
    with open_content(content) as stream:
        start = stream.read(1 << 20)
    unquoted = b"".join(start.split(b'"')[::2]) if quotes else start
    end = re.search(rb"\r\n?|\n", unquoted)
    return end is not None and end[0] == b"\r" and end.end() < len(unquoted)


def unify_line_ends(content: Content, label: str, *, quotes: bool) -> bytes:
    """Return the content of a text with LF for every CR, or CR LF; not within quotes, where ``quotes``."""
    check_room(2 * measure(content), label)
    whole = read_whole(content)
    if not quotes:
        return _end_in_lf(whole)
    written, is_quoted, place = io.BytesIO(), False, 0
    while place < len(whole):
        end = place + _PIECE
        while whole[end - 1 : end] == b"\r":  # CR LF stay together
            end += 1
        parts = whole[place:end].split(b'"')
        parts[is_quoted::2] = map(_end_in_lf, parts[is_quoted::2])
        written.write(b'"'.join(parts))
        is_quoted, place = is_quoted != (len(parts) % 2 == 0), end
    return written.getvalue()


def double_escaped_quotes(content: bytes) -> bytes:
    """Return the content of a text with quotes that are doubled where they stand behind a backslash."""
    return re.sub(rb'\\(["\\])', lambda found: b'""' if found[1] == b'"' else b"\\", content)


def measure(content: Content) -> int:
    """Return the number of bytes of a content."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def read_whole(content: Content) -> bytes:
    """Return the bytes of a content."""
    return content if isinstance(content, bytes) else content.read_bytes()


def _end_in_lf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
